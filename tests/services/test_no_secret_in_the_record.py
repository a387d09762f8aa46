"""Secrets that people write into any field of any kind: none comes into the log, a view, or any other file."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.services.gateway_example import SPEC, WS
from tests.services.mlflow_example import BASE, Mlflow, mlflow_gateway

from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.tokens import mint_job_token
from treering.testing.nats import RunningNats

pytestmark = pytest.mark.anyio
WORD = "canary0x"
CLOUD_EVENT = {"content-type": "application/cloudevents+json"}
CONTROL = "said-aloud"  # what is no secret is found by the same search


@pytest.fixture
async def mlflow(nats_server: RunningNats) -> AsyncIterator[Mlflow]:
    async with mlflow_gateway(nats_server) as running:
        yield running


class Planter:
    """Makes canaries and addresses that hold one, each another."""

    def __init__(self) -> None:
        self.count = 0

    def canary(self) -> str:
        self.count += 1
        return f"{WORD}{self.count:03}"

    def address(self) -> str:
        word = self.canary()
        forms = (
            f"https://user:{word}@host/x", f"https://{word}@github.com/o/r", f"https://h/f?sv=1&sig={word}",
            f"HTTPS://h/f?X-Amz-Signature={word}", f"https://h/f?%73ig={word}", f"https://h/f#access_token={word}",
            f"git+https://u:{word}@h/r", f"https://h/f?code={word}", f"postgresql://u:{word}@db/x",
        )  # fmt: skip
        return forms[self.count % len(forms)]


async def messages(mlflow: Mlflow) -> bytes:
    """Everything that is in the log."""
    log, found, after = JetStreamLog(await mlflow.api.nats.connect("monitor")), list[bytes](), 0
    while page := await log.read_batch({"seq": after + 1, "batch": 256, "next_by_subj": "evt.>"}):
        found += [entry.body for entry in page]
        after = page[-1].position
    return b"\n".join(found)


async def kept(mlflow: Mlflow) -> bytes:
    files = [path.read_bytes() for path in mlflow.api.home.root.rglob("*") if path.is_file()]
    return b"\n".join([await messages(mlflow), *files])


async def told(mlflow: Mlflow) -> bytes:
    """What a subscriber to everything is told."""
    return (await mlflow.api.ask("GET", "/v1/events?ws=w&limit=1000")).body


async def test_what_is_secret_in_an_address_is_left_out_of_every_text(mlflow: Mlflow) -> None:
    plant, api = Planter(), mlflow.api
    a = plant.address
    tags = [
        {"key": "mlflow.source.git.repoURL", "value": a()},
        {"key": "mlflow.source.name", "value": a()},
        {"key": "note", "value": f"see {a()} and {a()}, {CONTROL}"},
        {"key": "json", "value": f'{{"u": "{a()}"}}'},
    ]
    run = await mlflow.run(tags=tags, run_name=a())
    await mlflow.done("runs/set-tag", run_id=run, key="t", value=a())
    await mlflow.done("runs/log-parameter", run_id=run, key="p", value=a())
    await mlflow.done(
        "runs/log-batch", run_id=run, params=[{"key": "q", "value": a()}], tags=[{"key": "u", "value": a()}]
    )
    dataset = {
        "name": "d",
        "digest": "1",
        "source_type": "http",
        "source": f'{{"url": "{a()}"}}',
        "profile": a(),
        "schema": a(),
    }
    await mlflow.done(
        "runs/log-inputs", run_id=run, datasets=[{"dataset": dataset, "tags": [{"key": "c", "value": a()}]}]
    )
    await mlflow.done("experiments/create", name="e", tags=[{"key": "k", "value": a()}])
    await mlflow.post("experiments/create", name="f", artifact_location=a())
    await mlflow.done("experiments/set-experiment-tag", experiment_id="0", key="k", value=a())
    await mlflow.done("registered-models/create", name="m", description=a(), tags=[{"key": "k", "value": a()}])
    await api.ask("PATCH", f"{BASE}/registered-models/update", {"name": "m", "description": a()})
    await mlflow.done("registered-models/set-tag", name="m", key="k2", value=a())
    await mlflow.post("model-versions/create", name="m", source=a(), description=a())
    await mlflow.done(
        "model-versions/create", name="m", run_id=run, source=f"runs:/{run}/model", run_link=a(), description=a(),
        tags=[{"key": "k", "value": a()}],
    )  # fmt: skip
    await api.ask("PATCH", f"{BASE}/model-versions/update", {"name": "m", "version": "1", "description": a()})
    await api.ask("POST", f"{WS}/experiments/g/create", {"description": a(), "tags": {"k": a(), a(): "v"}})
    await api.ask("POST", f"{WS}/update", {"description": a(), "tags": {"k": a()}})
    await api.ask(
        "POST", f"{WS}/environments", {"name": "e", "version": "1", "spec": {}, "description": a(), "tags": {"k": a()}}
    )
    await api.submitted("j", description=a(), display_name=a(), tags={"k": a(), a(): "v"}, git={"repository": a()})
    await api.ask("POST", f"{WS}/jobs/j/update", {"description": a(), "tags": {"k": a()}})
    await api.ask("POST", f"{WS}/jobs/j/cancel", {"reason": a()})
    whole = await kept(mlflow)
    assert CONTROL.encode() in whole and plant.count > 40
    assert WORD.encode() not in whole, whole[max(0, whole.index(WORD.encode()) - 200) :][:250]


def keys(plant: Planter) -> list[str]:
    """Texts that hold a key or token of a known form, each another."""
    c = plant.canary
    return [
        f"ghp_{c()}{'a' * 24}", f"eyJhbGciOiJIUzI1NiJ9.eyJ{c()}.{c()}", f"-----BEGIN PRIVATE KEY-----\n{c()}\n",
        f"AccountName=a;AccountKey={c()}{'a' * 20}==", f"Authorization: Basic {c()}==", f"sv=1&sp=r&sig={c()}%3D",
        f"machine h login me password {c()}", f'{{"auths": {{"r": {{"auth": "{c()}"}}}}}}',
        f"https://hooks.slack.com/services/T0/B0/{c()}", f"Driver=x;Uid=a;Pwd={c()};",
        f"https://conda.anaconda.org/t/{c()}/c",
    ]  # fmt: skip


async def test_a_key_of_a_known_form_comes_into_the_record_in_no_text(mlflow: Mlflow) -> None:
    plant, api = Planter(), mlflow.api
    run = await mlflow.run()
    for number, text in enumerate(keys(plant) + keys(plant)):
        line = text.replace("\n", " ")
        await mlflow.done("runs/log-parameter", run_id=run, key=f"p{number}", value=text)
        await mlflow.done("runs/set-tag", run_id=run, key=f"t{number}", value=text)
        await mlflow.done("runs/create", experiment_id="0", run_name=line, user_id=line)
        await mlflow.post("experiments/create", name=line)
        await mlflow.post("registered-models/create", name=line, description=text)
        if line.startswith(("ghp", "eyJ")):
            answer = await api.ask("POST", f"{WS}/jobs", {"name": line, "spec": SPEC})
            assert answer.code == "job.name_secret"
        variables = {"PLAIN": text, "LEVEL": CONTROL}
        fields = {"tags": {"t": text}, "description": text, "environment_variables": variables}
        await api.submitted(f"j{number}", **fields, public_variables=["PLAIN"])
        for refused in (
            {"command": f"echo '{text}'"},
            {"inputs": {"i": {"type": "string", "value": text}}},
            {"environment": {"requirements": [line]}},
            {"environment": {"image": line}},
        ):
            answer = await api.ask("POST", f"{WS}/jobs", {"spec": {**SPEC, **refused}})
            assert answer.status == 400 and WORD.encode() not in answer.body, (refused, answer.body)
        answer = await api.ask("POST", f"{WS}/jobs", {"spec": SPEC}, {"idempotency-key": line})
        assert answer.code == "request.idempotency_key"
    whole = await kept(mlflow)
    assert CONTROL.encode() in whole and plant.count > 20
    assert WORD.encode() not in whole, whole[max(0, whole.index(WORD.encode()) - 200) :][:250]


async def test_mlflow_clients_read_what_was_left_of_an_address_and_may_say_it_again(mlflow: Mlflow) -> None:
    run = await mlflow.run()
    for _ in range(2):
        await mlflow.done("runs/log-parameter", run_id=run, key="p", value="https://u:p@h/x")
    assert (await mlflow.shown(run))["data"]["params"] == [{"key": "p", "value": "https://h/x"}]


async def test_what_was_left_of_an_address_is_found_by_the_whole_of_it(mlflow: Mlflow) -> None:
    run, whole = await mlflow.run(), "https://u:p@h/x?sig=abc&a=1"
    other = await mlflow.run()
    for id, value in ((run, whole), (other, "https://u:p@h/y")):
        await mlflow.done("runs/log-batch", run_id=id, params=[{"key": "p", "value": value}], tags=[])
        await mlflow.done("runs/set-tag", run_id=id, key="t", value=value)
    for filter in (f"params.p = '{whole}'", "params.p = 'https://h/x?a=1'", f"tags.t = '{whole}'"):
        answer = await mlflow.done("runs/search", experiment_ids=["0"], filter=filter)
        assert [one["info"]["run_id"] for one in answer["runs"]] == [run], filter
    answer = await mlflow.done("runs/search", experiment_ids=["0"], filter=f"params.p != '{whole}'")
    assert [one["info"]["run_id"] for one in answer["runs"]] == [other]


async def test_a_parameter_whose_password_alone_is_another_is_the_same_and_any_other_change_is_refused(
    mlflow: Mlflow,
) -> None:
    """The record has nothing of a password by which another one could be told."""
    run = await mlflow.run()
    for value, status in (("https://u:p@h/x", 200), ("https://u:q@h/x", 200), ("https://u:p@h/y", 400)):
        answer = await mlflow.post("runs/log-parameter", run_id=run, key="p", value=value)
        assert answer.status == status, (value, answer.body)


def jobs(plant: Planter) -> list[dict[str, Any]]:
    """Jobs that are refused: what they are to run, or to run on, has a secret in it."""
    a, c = plant.address, plant.canary
    return [
        {"command": f"echo {a()}"}, {"command": f"python t.py --password {c()}"}, {"command": f"export API_KEY={c()}"},
        {"inputs": {"d": {"type": "uri_file", "path": a()}}}, {"inputs": {"d": {"type": "string", "value": a()}}},
        {"outputs": {"d": {"path": a()}}}, {"code_path": a()},
        {"environment": {"requirements": [f"-e {a()}"]}}, {"environment": {"image": a()}},
        {"command": f"echo {(word := c())}", "environment_variables": {"DB_PASSWORD": word}},
        {"tags": {"t": word}, "environment_variables": {"DB_PASSWORD": word}},
    ]  # fmt: skip


async def test_a_job_with_a_secret_where_it_would_stay_is_refused_and_leaves_nothing(mlflow: Mlflow) -> None:
    plant = Planter()
    for number, fields in enumerate(jobs(plant)):
        answer = await mlflow.api.ask("POST", f"{WS}/jobs", {"name": f"j{number}", "spec": {**SPEC, **fields}})
        assert (answer.status, answer.code) == (400, "job.secret_in_text"), (fields, answer.body)
        assert WORD.encode() not in answer.body
    assert WORD.encode() not in await kept(mlflow)


async def test_what_a_script_logs_with_mlflow_is_masked_where_it_is_a_secret_of_its_job(mlflow: Mlflow) -> None:
    plant, api = Planter(), mlflow.api
    secret, shown = plant.canary(), plant.canary()
    job = await api.held("j", environment_variables={"DB_PASSWORD": secret, "TOKENIZER": "bert-base-uncased"})
    script = Mlflow(api, mint_job_token(api.home, job, 1))
    encoded = b64encode(f"x {secret} y".encode()).decode()
    params = [{"key": "a", "value": f"--password {secret}"}, {"key": "model", "value": "bert-base-uncased"}]
    await script.done("runs/log-batch", run_id="j", params=params, tags=[{"key": "t", "value": encoded}])
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": "1",
        "source": "/treering/w/job/j",
        "type": "x.y",
        "data": {"p": [secret]},
    }
    event["subject"] = "job/j"
    published = await api.ask("POST", f"{WS}/events", event, CLOUD_EVENT, token=script.token)
    assert published.status < 300, published.body
    run = (await script.shown("j"))["data"]
    assert {"key": "a", "value": "--password ***"} in run["params"] and params[1] in run["params"]
    # And what somebody else says is his own to know.
    await api.ask("POST", f"{WS}/jobs/j/update", {"description": shown})
    whole = await kept(mlflow)
    assert secret.encode() not in whole and encoded.encode() not in whole and shown.encode() in whole


async def test_a_script_that_logs_its_whole_environment_does_not_log_its_token(mlflow: Mlflow) -> None:
    token = mint_job_token(mlflow.api.home, await mlflow.api.held("j"), 1)
    signature = token.rpartition(".")[2]
    params = [
        {"key": "MLFLOW_TRACKING_TOKEN", "value": token},
        {"key": "all", "value": f"{{'T': '{token}', 'A': '1'}}"},
    ]
    script = Mlflow(mlflow.api, token)
    await script.done("runs/log-batch", run_id="j", params=params, tags=[{"key": "t", "value": token}])
    shown = {one["key"]: one["value"] for one in (await script.shown("j"))["data"]["params"]}
    assert shown == {"MLFLOW_TRACKING_TOKEN": "trj.w.j.1.***", "all": "{'T': 'trj.w.j.1.***', 'A': '1'}"}
    assert signature.encode() not in await kept(mlflow)


async def test_an_idempotency_key_holds_no_address_with_a_secret(mlflow: Mlflow) -> None:
    plant = Planter()
    answer = await mlflow.api.ask("POST", f"{WS}/jobs", {"spec": SPEC}, {"idempotency-key": plant.address()})
    assert answer.code == "request.idempotency_key" and WORD.encode() not in answer.body + await kept(mlflow)


async def test_secret_variables_are_in_no_message_of_the_log_and_nobody_is_told_them(mlflow: Mlflow) -> None:
    plant = Planter()
    variables = {"A_TOKEN": plant.canary(), "PIP_INDEX_URL": plant.address(), "MULTI_SECRET": f"a\n{plant.canary()}\nb"}
    await mlflow.api.submitted("j", environment_variables={**variables, "LEVEL": CONTROL})
    assert b'"job.submitted"' in await told(mlflow) and b"python train.py" not in await told(mlflow)
    whole = await kept(mlflow) + await told(mlflow) + (await mlflow.api.ask("GET", f"{WS}/jobs/j")).body
    assert CONTROL.encode() in whole and WORD.encode() not in whole
