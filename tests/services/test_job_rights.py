"""What a job may do: every line of the route table, on its own and on others' things, with every kind of token."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec
import pytest
from tests.services.gateway_example import SPEC, WS, Api, Reply, running_gateway
from tests.services.job_rights_example import (
    AT,
    BY_SECRET,
    CHANGES,
    FILES,
    INCOMPLETE,
    Belongings,
    M,
    belongings,
    change,
    done,
    shown,
)

from treering.adapters.nats_accounts import add_publisher
from treering.adapters.subscribers import Subscribers
from treering.cli.job_submitted import submitted_by
from treering.cli.session import Session
from treering.cli.shapes import shape
from treering.client.http import Client
from treering.domain import KINDS
from treering.domain.compute import CreateCompute
from treering.domain.credential import RevokeCredential
from treering.domain.job_messages import AssignJob, CompleteJob, LoseJob, StartJob
from treering.kernel.blobs import digest_of
from treering.kernel.subjects import Address, plural
from treering.testing.nats import RunningNats
from treering_services.gateway.mlflow.routes import MLFLOW_ROUTES
from treering_services.gateway.policy import KINDS_OPEN_TO_JOBS, OPEN, JobMay, Policy
from treering_services.gateway.route import Route
from treering_services.gateway.routes import ROUTES

pytestmark = pytest.mark.anyio
NATIVE = [line for line in ROUTES if line not in MLFLOW_ROUTES and line.policy is not OPEN]
USER_IDENTITY = {"identity": "user_identity"}
OTHER_JOB, OWN_JOB, USERS_JOB = "other", "mine", "helper"
LET_IN, FORBIDDEN, UNKNOWN = "let in", "forbidden", "unknown"


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running:
        yield running


@dataclass
class Tokens:
    own: str  # of a job with rights of its own
    users: str  # of a job with its submitter's
    ended: str
    lost: str  # of an attempt that was lost
    elsewhere: str  # of a job of the same name in another workspace
    subscriber: str
    publisher: str  # a NATS password, which is no token
    node: str


async def made_tokens(api: Api) -> Tokens:
    await api.ask("POST", "/v1/workspaces/v/create", {})
    await api.send_as("gateway", Address("v", "compute", "local"), CreateCompute("local"))
    own, users = await api.held(OWN_JOB), await api.held(USERS_JOB, **USER_IDENTITY)
    await api.submitted(OTHER_JOB)
    ended, lost = await api.held("ended", **USER_IDENTITY), await api.held("lost", **USER_IDENTITY)
    await api.send_as("executor", ended, CompleteJob(1, "n1"))
    await api.send_as("scheduler", lost, LoseJob(1, "its node went away"))
    await api.send_as("scheduler", lost, AssignJob(2, "n1", "i1"))
    await api.ask("POST", "/v1/workspaces/v/jobs", {"name": OWN_JOB, "spec": {**SPEC, **USER_IDENTITY}})
    elsewhere = await api.started(Address("v", "job", OWN_JOB))
    await api.reader.projector.reached((await api.send_as("executor", lost, StartJob(2, "n1"))).position)
    mint = api.tokens.mint_job
    return Tokens(
        mint(own, 1), mint(users, 1), mint(ended, 1), mint(lost, 1), mint(elsewhere, 1),
        Subscribers(api.home.keys).add("watcher", "w").token,
        (await add_publisher(api.home.root, "ci", "w")).password,
        api.tokens.mint_node("w", "n1"),
    )  # fmt: skip


def filled(line: Route, key: str, kinds: str = "jobs", workspace: str = "w") -> str:
    """The path of a native line, about the resource ``key``."""
    places = {"ws": workspace, "kinds": kinds, "key": key, "command": "update", "digest": "sha256:" + "0" * 64}
    path = re.sub(r"{(\w+)(:path)?}", lambda place: places.get(place[1], "x"), line.path)
    asks = {"/v1/events": "ws", "/v1/audit": "workspace", "/v1/audit/count": "workspace", "/v1/durations": "workspace",
            "/v1/usage": "workspace", "/v1/stuck": "workspace"}  # fmt: skip
    if line.path in asks:
        kind = "&kind=job" if line.path == "/v1/durations" else ""
        return f"{path}?{asks[line.path]}={workspace}{kind}"
    return f"{path}?follow=false" if line.path.endswith("/logs") else path


def verdict(reply: Reply) -> str:
    return {401: UNKNOWN, 403: FORBIDDEN}.get(reply.status, LET_IN)


def expected(policy: Policy, who: str, *, is_own: bool) -> str:
    """By the policy of a line: what a token of ``who`` is answered about its own job, or about another."""
    if who in ("ended", "lost", "publisher"):
        return UNKNOWN
    if who in ("subscriber", "node"):
        return LET_IN if who in policy.tokens else FORBIDDEN
    if policy.job is JobMay.NOTHING:
        return FORBIDDEN
    if who in ("users", "elsewhere"):
        return LET_IN
    open_to_all = policy.job in (JobMay.READ, JobMay.CREATE)
    return LET_IN if open_to_all or (policy.job is JobMay.OWN_JOB and is_own) else FORBIDDEN


async def test_every_native_line_lets_in_whom_its_policy_names(api: Api) -> None:
    tokens, cells = await made_tokens(api), 0
    for line in NATIVE:
        for who, token in vars(tokens).items():
            for key in (OWN_JOB, OTHER_JOB):
                path = filled(line, key)
                reply = await api.ask(line.method, path, None if line.method == "GET" else {}, token=token)
                has_key = ("{key}" in line.path and "{kinds}" in line.path) or "/jobs/{key}" in line.path
                is_own = key == OWN_JOB or not has_key
                if "{key}" in line.path and not has_key:
                    is_own = False
                wanted = expected(line.policy, who, is_own=is_own)
                if who == "elsewhere" and path != filled(line, key, workspace="v"):
                    wanted = FORBIDDEN
                if who == "node" and reply.status == 403 and line.path.endswith("/token"):
                    wanted = FORBIDDEN if key == OTHER_JOB else wanted  # which this node does not hold
                assert verdict(reply) == wanted, (line.method, path, who, key, reply.status, reply.body)
                cells += 1
    assert cells == len(NATIVE) * 8 * 2


async def test_a_job_with_its_submitters_rights_stores_blobs_and_learns_nothing_of_those_of_others(api: Api) -> None:
    users, secret = (await made_tokens(api)).users, b"of another workspace"
    digest = digest_of(secret)
    assert (await api.ask("PUT", f"/v1/blobs/{digest}", secret)).status == 201
    for method in ("GET", "HEAD"):
        assert (await api.ask(method, f"/v1/blobs/{digest}", token=users)).status == 403
    asked = {"digests": [digest, digest_of(b""), digest]}
    answer = await api.ask("POST", "/v1/blobs/missing", asked, token=users)
    assert answer.json == {"missing": [digest, digest_of(b"")]}
    assert (await api.ask("POST", "/v1/blobs/missing", asked)).json == {"missing": [digest_of(b"")]}
    assert (await api.ask("PUT", f"/v1/blobs/{digest}", secret, token=users)).status == 201


async def test_no_token_reaches_another_workspace(api: Api) -> None:
    tokens = await made_tokens(api)
    for line in NATIVE:
        for who in ("own", "users", "subscriber", "node"):
            path = filled(line, OWN_JOB, workspace="v")
            if "/v/" not in path and "=v" not in path and not path.endswith("/v"):
                continue
            reply = await api.ask(line.method, path, None if line.method == "GET" else {}, token=vars(tokens)[who])
            assert verdict(reply) == FORBIDDEN, (line.method, path, who, reply.status, reply.body)
    for line in MLFLOW_ROUTES:
        if line.policy is not OPEN:
            reply = await api.ask(line.method, f"{AT}{filled(line, 'x')}", token=tokens.elsewhere)
            assert verdict(reply) == FORBIDDEN, (line.method, line.path, reply.status, reply.body)
    for path in ("/v1/audit", "/v1/audit/count", "/v1/usage", "/v1/stuck"):  # without one it would be all of them
        assert (await api.ask("GET", path, token=tokens.users)).status == 403, path


async def test_no_job_reaches_who_is_let_in_nor_what_runs_it_nor_what_leaves_the_installation(api: Api) -> None:
    tokens = await made_tokens(api)
    closed = sorted(set(KINDS) - KINDS_OPEN_TO_JOBS)
    assert {"compute", "credential", "node", "webhook", "witness", "workspace"} <= set(closed)
    for kind in closed:
        at = f"{WS}/{plural(kind)}"
        for token in (tokens.own, tokens.users):
            for method, path in [
                ("GET", at), ("GET", f"{at}/local"), ("GET", f"{at}/local/story"), ("GET", f"{at}/local/proof"),
                *(("POST", f"{at}/local/{command}") for command in KINDS[kind].command_types),
            ]:  # fmt: skip
                reply = await api.ask(method, path, None if method == "GET" else {}, token=token)
                assert reply.status == 403, (method, path, reply.body)


async def test_an_ended_or_lost_attempt_and_every_other_credential_is_refused_by_mlflows_lines(api: Api) -> None:
    tokens = await made_tokens(api)
    for line in MLFLOW_ROUTES:
        if line.policy is OPEN:
            continue
        for who in ("ended", "lost", "publisher", "subscriber", "node"):
            reply = await api.ask(line.method, filled(line, "x"), token=vars(tokens)[who])
            assert verdict(reply) == expected(line.policy, who, is_own=True), (line.method, line.path, who, reply.body)


async def test_a_job_changes_nothing_that_another_made(api: Api) -> None:
    # Given things of a person, and of another job,
    tokens = await made_tokens(api)
    of_person = await belongings(api, None, "persons")
    of_job = await belongings(api, api.tokens.mint_job(await api.held("rival"), 1), "rivals")
    before = await shown(api, of_person) + await shown(api, of_job)
    # when a job sends every request that changes them, by both paths,
    for line in CHANGES:
        for has in (of_person, of_job):
            asked = change(line, has)
            for path in (asked.path, asked.path.replace("/api/", "/ajax-api/")):
                reply = await api.ask(asked.method, path, asked.body, token=tokens.own)
                # then each is refused in MLflow's words, and nothing is changed.
                if BY_SECRET in path:
                    assert reply.status == 404, (path, reply.body)
                    continue
                assert (reply.status, reply.json["error_code"]) == (403, "PERMISSION_DENIED"), (path, reply.body)
                assert "'mine'" in reply.json["message"] or "its own runs" in reply.json["message"]
    assert await shown(api, of_person) + await shown(api, of_job) == before


@pytest.mark.parametrize("line", CHANGES, ids=lambda line: f"{line.method} {line.path}")
def test_every_line_that_changes_something_has_an_example(line: Route) -> None:
    assert change(line, Belongings("1", "r", "m", "m-1", "1/r/artifacts")).path


async def test_a_job_changes_what_it_made_and_with_its_submitters_rights_what_others_made(api: Api) -> None:
    tokens = await made_tokens(api)
    for number, line in enumerate(CHANGES):
        for maker, who in ((tokens.own, tokens.own), (None, tokens.users)):
            asked = change(line, await belongings(api, maker, f"{'own' if maker else 'persons'}{number}"))
            reply = await api.ask(asked.method, asked.path, asked.body, token=who)
            let_in = verdict(reply) == LET_IN if any(one in line.path for one in INCOMPLETE) else reply.status == 200
            assert let_in, (asked, reply.status, reply.body)


def version(has: Belongings, **fields: object) -> dict[str, object]:
    return {"name": has.model, "source": f"runs:/{has.run}/m", "run_id": has.run, **fields}


async def test_what_scripts_do_with_models_works_with_a_jobs_own_token(api: Api) -> None:
    tokens = await made_tokens(api)
    theirs = await belongings(api, None, "theirs")
    mine = await belongings(api, tokens.own, "churn")
    # A further version of another's model may be registered, described and tagged; its aliases are not moved.
    made = await done(api, tokens.own, "POST", f"{M}/model-versions/create", {**version(mine), "name": "theirs"})
    assert made["model_version"]["version"] == "2"
    second = {"name": "theirs", "version": "2"}
    await done(api, tokens.own, "POST", f"{M}/model-versions/set-tag", {**second, "key": "by", "value": "job"})
    await done(api, tokens.own, "PATCH", f"{M}/model-versions/update", {**second, "description": "better"})
    for method, body in (("POST", {**second, "alias": "best"}), ("POST", {**second, "alias": "new"})):
        reply = await api.ask(method, f"{M}/registered-models/alias", body, token=tokens.own)
        assert reply.status == 403 and "user_identity" in reply.json["message"], reply.body
    # Its own version goes, unless an alias of the other's model points at it.
    await done(api, None, "POST", f"{M}/registered-models/alias", {**second, "alias": "best"})
    assert (await api.ask("DELETE", f"{M}/model-versions/delete", second, token=tokens.own)).status == 403
    await done(api, None, "DELETE", f"{M}/registered-models/alias", {"name": "theirs", "alias": "best"})
    await done(api, tokens.own, "DELETE", f"{M}/model-versions/delete", second)
    # Its own model is renamed with all its versions, until one of them is somebody else's.
    await done(api, tokens.own, "POST", f"{M}/registered-models/rename", {"name": "churn", "new_name": "churn2"})
    await done(api, None, "POST", f"{M}/model-versions/create", {**version(theirs), "name": "churn2"})
    for method, path, body in [
        ("POST", "registered-models/rename", {"name": "churn2", "new_name": "churn3"}),
        ("DELETE", "registered-models/delete", {"name": "churn2"}),
        ("POST", "model-versions/transition-stage", {"name": "churn2", "version": "2", "stage": "Staging"}),
    ]:
        assert (await api.ask(method, f"{M}/{path}", body, token=tokens.own)).status == 403, path


@pytest.mark.parametrize("archive", [True, False])
async def test_a_stage_is_not_taken_from_anothers_version(api: Api, archive: bool) -> None:
    tokens = await made_tokens(api)
    theirs = await belongings(api, None, "theirs")
    stage = {"name": "theirs", "stage": "Production", "archive_existing_versions": archive}
    await done(api, None, "POST", f"{M}/model-versions/transition-stage", {**stage, "version": "1"})
    await done(api, tokens.own, "POST", f"{M}/model-versions/create", version(theirs))
    reply = await api.ask("POST", f"{M}/model-versions/transition-stage", {**stage, "version": "2"}, token=tokens.own)
    assert reply.status == 403
    for number, wanted in (("1", "Production"), ("2", "None")):
        found = await done(api, None, "GET", f"{M}/model-versions/get?name=theirs&version={number}")
        assert found["model_version"]["current_stage"] == wanted


async def test_the_experiment_everybody_logs_to_is_no_jobs_own(api: Api) -> None:
    # Given a workspace whose Default comes to be because a job asks for it,
    job = await api.held("mine", experiment="elsewhere")
    token = api.tokens.mint_job(job, 1)
    run = await done(api, token, "POST", f"{M}/runs/create", {"experiment_id": "0"})
    number = run["run"]["info"]["experiment_id"]
    # when the job archives or renames it, then it is refused, and jobs can still be submitted.
    tag = {"key": "k", "value": "v"}
    for path, body in (("delete", {}), ("update", {"new_name": "x"}), ("set-experiment-tag", tag)):
        reply = await api.ask("POST", f"{M}/experiments/{path}", {"experiment_id": number, **body}, token=token)
        assert reply.status == 403, (path, reply.body)
    await api.submitted("next")


async def test_an_experiment_with_runs_of_others_is_not_deleted_by_the_job_that_made_it(api: Api) -> None:
    tokens = await made_tokens(api)
    mine = await belongings(api, tokens.own, "shared")
    other = (await done(api, None, "POST", f"{M}/runs/create", {"experiment_id": mine.experiment}))["run"]["info"]
    reply = await api.ask("POST", f"{M}/experiments/delete", {"experiment_id": mine.experiment}, token=tokens.own)
    assert reply.status == 403 and other["run_id"] in reply.json["message"]


async def test_who_reserved_a_name_before_does_not_own_the_experiment_that_gets_it(api: Api) -> None:
    # Given a job that called its experiment "prod" for a while,
    tokens = await made_tokens(api)
    mine = await belongings(api, tokens.own, "mine")
    for name in ("prod", "gone"):
        body = {"experiment_id": mine.experiment, "new_name": name}
        await done(api, tokens.own, "POST", f"{M}/experiments/update", body)
    # when a person makes an experiment of that name, then the job does not own it.
    made = (await done(api, None, "POST", f"{M}/experiments/create", {"name": "prod"}))["experiment_id"]
    reply = await api.ask("POST", f"{M}/experiments/delete", {"experiment_id": made}, token=tokens.own)
    assert reply.status == 403, reply.body


async def test_a_logged_model_of_another_is_registered_and_stays_as_it_is(api: Api) -> None:
    tokens = await made_tokens(api)
    theirs = await belongings(api, None, "theirs")
    before = await shown(api, theirs)
    body = {"name": "theirs", "source": f"models:/{theirs.logged}", "model_id": theirs.logged}
    await done(api, None, "PATCH", f"{M}/logged-models/{theirs.logged}", {"status": "LOGGED_MODEL_READY"})
    before = await shown(api, theirs)
    await done(api, tokens.own, "POST", f"{M}/registered-models/create", {"name": "copy"})
    await done(api, tokens.own, "POST", f"{M}/model-versions/create", {**body, "name": "copy"})
    assert await shown(api, theirs) == before


async def test_what_a_job_does_with_its_submitters_rights_says_whose_and_through_which_job(api: Api) -> None:
    # Given a job with its submitter's rights,
    tokens = await made_tokens(api)
    submitter = (await api.ask("GET", f"{WS}/jobs/{USERS_JOB}")).json["created_by"]
    start = (await api.ask("POST", f"{WS}/experiments/marker/create", {})).json["position"]
    # when it writes over MLflow's API, over treering's own, and publishes,
    made = await belongings(api, tokens.users, "through")
    tag = {"run_id": OWN_JOB, "key": "seen", "value": "yes"}
    await done(api, tokens.users, "POST", f"{M}/runs/set-tag", tag)
    described = await api.ask("POST", f"{WS}/jobs/{OWN_JOB}/update", {"description": "d"}, token=tokens.users)
    assert described.status == 200
    event = {"id": "1", "source": "s", "type": "t", "subject": f"run/{made.run}"}
    assert (await api.ask("POST", f"{WS}/events", event, token=tokens.users)).status == 200
    submitted = await api.ask("POST", f"{WS}/jobs", {"name": "child", "spec": SPEC}, token=tokens.users)
    assert submitted.status == 201
    # then every event of it names the person and the job.
    lines = (await api.ask("GET", f"/v1/events?ws=w&since={start}")).body.splitlines()
    events = [msgspec.json.decode(line) for line in lines]
    ours = [one for one in events if one["actor"] == submitter]
    assert {"run.created", "model.created", "job.updated", "t", "job.submitted"} <= {one["type"] for one in ours}
    assert {one.get("via") for one in ours} == {f"job:{USERS_JOB}"}
    assert not [one for one in events if one["actor"] == f"job:{USERS_JOB}"]


async def test_the_rights_of_a_submitter_who_is_let_in_no_more_are_gone(api: Api) -> None:
    tokens = await made_tokens(api)
    submitter = (await api.ask("GET", f"{WS}/jobs/{USERS_JOB}")).json["created_by"]
    at = Address("main", "credential", f"user:{submitter}")
    await api.reader.projector.reached((await api.send_as("gateway", at, RevokeCredential())).position)
    reply = await api.ask("POST", f"{M}/runs/search", {}, token=tokens.users)
    assert (reply.status, reply.json["error_code"]) == (401, "UNAUTHENTICATED"), reply.body
    assert (await api.ask("POST", f"{M}/runs/search", {}, token=tokens.own)).status == 200


async def test_a_key_for_repeating_is_the_jobs_own_and_not_its_submitters(api: Api) -> None:
    tokens = await made_tokens(api)
    headers = {"idempotency-key": "nightly"}
    made = await api.ask("POST", f"{WS}/experiments/a/create", {}, headers, token=tokens.users)
    again = await api.ask("POST", f"{WS}/experiments/a/update", {"description": "d"}, headers)
    assert made.json["changed"] and again.json["changed"]


@pytest.mark.parametrize(
    ("who", "method", "path", "wanted"),
    [
        ("own", "POST", f"{M}/experiments/delete", 403),  # of the Default
        ("own", "GET", f"{M}/registered-models/search", 200),
        ("own", "GET", f"{WS}/jobs/{OWN_JOB}", 200),
        ("own", "GET", f"{WS}/jobs/{OTHER_JOB}", 403),
        ("own", "POST", f"{WS}/jobs/{OWN_JOB}/cancel", 403),
        ("own", "POST", f"{WS}/jobs", 403),
        ("own", "GET", f"{WS}/runs", 403),
        ("own", "GET", "/v1/audit?workspace=w", 403),
        ("own", "POST", "/v1/audit/sql", 403),
        ("own", "GET", "/v1/events", 403),
        ("own", "GET", "/v1/status", 403),
        ("own", "GET", f"{FILES}?path=", 200),
        ("own", "PUT", f"{FILES}/loose.txt", 403),
        ("users", "GET", f"{WS}/runs", 200),
        ("users", "POST", f"{WS}/jobs/{OTHER_JOB}/cancel", 200),
        ("users", "POST", "/v1/audit/sql", 403),
        ("users", "POST", "/v1/access/record", 403),
        ("users", "POST", "/v1/names/u_1", 403),
        ("users", "POST", "/v1/nodes/join", 403),
        ("users", "POST", f"{WS}/webhooks", 403),
        ("users", "GET", f"{AT}/api/2.0/mlflow/webhooks", 403),
        ("users", "POST", f"{WS}/archive", 403),
        ("users", "GET", "/v1/workspaces", 403),
        ("users", "GET", f"{WS}/computes", 403),
        ("users", "POST", f"{WS}/jobs/{OTHER_JOB}/token", 403),
        ("users", "POST", "/v1/log/checkpoint", 403),
    ],
)
async def test_the_important_lines_answer_as_written_down(
    api: Api, who: str, method: str, path: str, wanted: int
) -> None:
    tokens = await made_tokens(api)
    await done(api, None, "POST", f"{M}/runs/create", {"experiment_id": "0"})
    body = {"experiment_id": "0"} if path.endswith("experiments/delete") else {}
    reply = await api.ask(method, path, None if method == "GET" else body, token=vars(tokens)[who])
    assert reply.status == wanted, reply.body


async def test_a_job_cannot_take_the_name_of_a_run_that_it_did_not_make(api: Api) -> None:
    # Given a run that somebody made by MLflow's API,
    experiment = await done(api, None, "POST", f"{M}/experiments/create", {"name": "measured"})
    run = await done(api, None, "POST", f"{M}/runs/create", {"experiment_id": experiment["experiment_id"]})
    # when a job is submitted under its name, then it is refused: the run would be the job's own.
    job = {"name": run["run"]["info"]["run_id"], "spec": SPEC}
    reply = await api.ask("POST", f"{WS}/jobs", job)
    assert (reply.status, reply.json["code"]) == (409, "run.exists")


async def test_whoever_cancels_a_job_finds_all_that_it_submitted_and_it_submits_no_more(api: Api) -> None:
    tokens = await made_tokens(api)

    async def submit(name: str, token: str) -> Reply:
        return await api.ask("POST", f"{WS}/jobs", {"name": name, "spec": {**SPEC, **USER_IDENTITY}}, token=token)

    def found() -> list[str]:
        with Client(f"http://127.0.0.1:{api.port}", api.tokens.owner) as client:
            return list(submitted_by(Session(workspace="w"), client, USERS_JOB))

    # Given a job that submitted one that submitted another and has ended,
    child = (await submit("child", tokens.users)).json
    assert child["state"]["via"] == USERS_JOB and shape(child, {})["submitted_via"] == USERS_JOB
    job = await api.started(Address("w", "job", "child"))
    assert (await submit("grandchild", api.tokens.mint_job(job, 1))).status == 201
    assert sorted(await asyncio.to_thread(found)) == ["child", "grandchild"]
    ended = await api.send_as("executor", job, CompleteJob(1, "n1"))
    await api.reader.projector.reached(ended.position)
    # then the other is found all the same,
    assert await asyncio.to_thread(found) == ["grandchild"]
    # and the first submits nothing more from the moment that it is to end.
    assert (await api.ask("POST", f"{WS}/jobs/{USERS_JOB}/cancel", {})).status == 200
    late = await submit("late", tokens.users)
    assert (late.status, late.code) == (409, "job.cancel_requested")
