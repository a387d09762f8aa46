"""The saved questions of auditors, asked of a monitor that followed what happened."""

from __future__ import annotations

from typing import Any

import pytest
from tests.services.monitor_example import Installation, experiment, installation

from treering.adapters.bus import Commands
from treering.domain.compute import CreateCompute, DeleteCompute
from treering.domain.environment import CreateEnvironment
from treering.domain.event import PublishEvent, event_key
from treering.domain.experiment_messages import (
    ArchiveExperiment,
    CreateExperiment,
    RestoreExperiment,
    UpdateExperiment,
)
from treering.domain.job_messages import AssignJob, StartJob, SubmitJob
from treering.domain.job_spec import EnvironmentSpec, InputSpec, JobSpec
from treering.domain.model import CreateModel, ModelSpec
from treering.domain.registered_model_messages import (
    AddVersion,
    AssignAlias,
    CreateRegisteredModel,
    Holding,
    RemoveAlias,
    RenameRegisteredModel,
    ReserveName,
    TransferRegisteredModel,
)
from treering.domain.run_messages import CreateRun
from treering.domain.sealed import Sealed
from treering.kernel.aggregate import Command
from treering.kernel.clock import new_id, now
from treering.kernel.command import Context
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.testing.nats import RunningNats
from treering.views.queries import AuditAnswer, AuditQuery
from treering.views.saved_questions import QUESTIONS, AskAnswer, AskQuery, QuestionsAnswer, QuestionsQuery

pytestmark = pytest.mark.anyio


async def ask(running: Installation, name: str, argument: str = "", **filters: Any) -> AskAnswer:
    return await running.ask("ask", AskQuery("w", name, argument, **filters), AskAnswer)


async def test_what_changed_between_two_moments_and_by_whom(nats_server: RunningNats) -> None:
    async with installation(nats_server) as running:
        first = await running.send(experiment("a"), CreateExperiment())
        await running.send(experiment("b"), CreateExperiment(), actor="ben")
        await running.send(experiment("b"), UpdateExperiment("x"), actor="carl")
        last = await running.send(experiment("a"), UpdateExperiment("y"))
        await running.caught_up(last.position)
        answer = await ask(running, "changed")
        assert [(row["of"], row["events"], sorted(row["by"])) for row in answer.rows] == [
            ("experiment/a", 2, ["anna"]),
            ("experiment/b", 2, ["ben", "carl"]),
        ]
        later = await ask(running, "changed", since=str(first.position + 2), until=str(last.position - 1))
        assert [(row["of"], row["by"], row["types"]) for row in later.rows] == [
            ("experiment/b", ["carl"], ["experiment.updated"])
        ]
        assert (await ask(running, "changed", kind="job")).rows == []


async def test_what_led_to_the_present_state_is_told_step_by_step_to_its_beginning(nats_server: RunningNats) -> None:
    async with installation(nats_server) as running:
        # Given three resources, each changed because of a change of the one before,
        await running.send(experiment("a"), CreateExperiment(), cause="ticket-1")
        cause = ""
        for name in ("a", "b", "c"):
            if name != "a":
                await running.send(experiment(name), CreateExperiment())
            changed = await running.send(experiment(name), UpdateExperiment("x"), cause=cause or "ticket-2")
            cause = (await running.row_at(changed.position)).commit_id
        # when it is asked why the last one is as it is, then the chain leads to the ticket, and ends there.
        answer = await ask(running, "causes", "experiment/c")
        assert [(row["of"], row["type"]) for row in answer.rows] == [
            ("experiment/c", "experiment.updated"),
            ("experiment/c", "experiment.created"),
            ("experiment/b", "experiment.updated"),
            ("experiment/a", "experiment.updated"),
        ]
        assert answer.rows[-1]["cause"] == "ticket-2"
        with pytest.raises(Refused, match=r"experiment\.absent"):
            await ask(running, "causes", "experiment/none")


async def test_a_model_leads_to_the_job_that_made_it_and_on_to_its_submission(nats_server: RunningNats) -> None:
    job, nested = Address("w", "job", "train"), Address("w", "run", "nested")
    async with installation(nats_server) as running:
        # Given a job that ran, and models: made by its script, by a person of its run, and of a run of its script.
        known = await running.send(job, SubmitJob(JobSpec("python x.py", EnvironmentSpec())))
        for service, command in (("scheduler", AssignJob(1, "n1", "i1")), ("executor", StartJob(1, "n1"))):
            context = Context(new_id(), now(), service, (await running.row_at(known.position)).commit_id)
            known = await Commands(await nats_server.connect(service), service).send(job, command, context)
        await running.send(Address("w", "model", "a:1"), created("a", "train"), actor="job:train", cause="a request")
        await running.send(nested, CreateRun("Default", "nested"), actor="job:train")
        await running.send(Address("w", "model", "b:1"), created("b", "train"), actor="anna")
        last = await running.send(Address("w", "model", "c:1"), created("c", "nested"), actor="anna")
        await running.caught_up(last.position)
        # When it is asked what led to each, then the chain goes on to the job, and to who submitted it.
        whole = ["job.started", "job.assigned", "job.submitted"]
        for name, wanted in (("a", whole), ("b", whole), ("c", ["run.created", *whole])):
            answer = await ask(running, "causes", f"model/{name}:1")
            assert [row["type"] for row in answer.rows] == ["model.created", *wanted], name


async def test_which_jobs_and_environments_have_a_secret_of_the_same_value(nats_server: RunningNats) -> None:
    def spec(**macs: str) -> JobSpec:
        return JobSpec("true", EnvironmentSpec(), sealed=Sealed("job-1", macs))

    async with installation(nats_server) as running:
        one, other = "a" * 64, "b" * 64
        await running.send(Address("w", "job", "j1"), SubmitJob(spec(DB_PASSWORD=one, TOKEN=other)))
        await running.send(Address("w", "job", "j2"), SubmitJob(spec(PASSWORD=one)))
        await running.send(Address("w", "job", "j3"), SubmitJob(spec(PASSWORD=other)))
        environment = CreateEnvironment(EnvironmentSpec(sealed=Sealed("environment-1", {"P": one})))
        last = await running.send(Address("w", "environment", "e:1"), environment)
        await running.caught_up(last.position)
        answer = await ask(running, "same-secret", "job/j1/DB_PASSWORD")
        assert [(row["of"], row["variable"]) for row in answer.rows] == [
            ("environment/e:1", "P"), ("job/j2", "PASSWORD"), ("job/j1", "DB_PASSWORD"),
        ]  # fmt: skip
        for argument, code in (("job/j1/NONE", "secret.absent"), ("job", "query.argument")):
            with pytest.raises(Refused, match=code):
                await ask(running, "same-secret", argument)


def created(name: str, run: str) -> CreateModel:
    return CreateModel(ModelSpec(name, 1, f"runs:/{run}/m", f"runs:/{run}/m", run_id=run))


async def test_who_touched_the_aliases_of_a_model(nats_server: RunningNats) -> None:
    async with installation(nats_server) as running:
        for name in ("m", "other"):
            model = Address("w", "registered_model", name)
            await running.send(model, CreateRegisteredModel(name))
            await running.send(model, AddVersion(1), actor="ben")
            await running.send(model, AssignAlias("production", 1), actor="ben")
        last = await running.send(model, RemoveAlias("production"), actor="carl")
        await running.caught_up(last.position)
        answer = await ask(running, "aliases", "other")
        assert [(row["type"], row["by"], row["alias"], row["version"]) for row in answer.rows] == [
            ("registered_model.alias_removed", "carl", "production", 1),
            ("registered_model.alias_assigned", "ben", "production", 1),
        ]


async def test_what_was_archived_and_restored_since_was_both(nats_server: RunningNats) -> None:
    async with installation(nats_server) as running:
        for command in (CreateExperiment(), ArchiveExperiment(), RestoreExperiment()):
            last = await running.send(experiment("a"), command)
        await running.caught_up(last.position)
        answer = await ask(running, "causes", "experiment/a")
        assert [row["type"].partition(".")[2] for row in answer.rows] == ["restored", "archived", "created"]
        pages = [await ask(running, "causes", "experiment/a", limit=2)]
        pages.append(await ask(running, "causes", "experiment/a", limit=2, page=pages[0].next))
        assert [row for page in pages for row in page.rows] == answer.rows and not pages[1].next


async def test_the_aliases_of_a_renamed_model_are_found_by_all_its_names_and_those_of_others_are_not(
    nats_server: RunningNats,
) -> None:
    async with installation(nats_server) as running:

        async def model(name: str, *commands: Command) -> int:
            sent = [await running.send(Address("w", "registered_model", name), command) for command in commands]
            return sent[-1].position

        # Given a model that was called a, b and then c, each with an alias of its own,
        await model("a", CreateRegisteredModel("a"), AddVersion(1), AssignAlias("first", 1))
        for old, new, alias in (("a", "b", "second"), ("b", "c", "third")):
            await model(new, ReserveName(old))
            await model(old, RenameRegisteredModel(new))
            await model(new, TransferRegisteredModel(old, Holding(new, version_last=1)), AssignAlias(alias, 1))
        # and another that is called a by now,
        last = await model("a", CreateRegisteredModel("a"), AddVersion(2), AssignAlias("other", 2))
        await running.caught_up(last)
        # when they are asked for by any of its names, then all are there, each under its name then.
        of_the_first = [
            ("registered_model/c", "third", None), ("registered_model/b", None, "c"),
            ("registered_model/b", "second", None), ("registered_model/a", None, "b"),
            ("registered_model/a", "first", None),
        ]  # fmt: skip
        for name, more in (("c", []), ("b", []), ("a", [("registered_model/a", "other", None)])):
            rows = (await ask(running, "aliases", name)).rows
            assert [(row["of"], row["alias"], row.get("to")) for row in rows] == [*more, *of_the_first], name
        pages = [await ask(running, "aliases", "c", limit=3)]
        pages.append(await ask(running, "aliases", "c", limit=3, page=pages[0].next))
        assert [row["alias"] for page in pages for row in page.rows] == ["third", None, "second", None, "first"]


async def test_which_jobs_used_this_data(nats_server: RunningNats) -> None:
    async with installation(nats_server) as running:
        digests = {"a": "sha256:" + "1" * 64, "b": "sha256:" + "2" * 64}
        for name, digest in digests.items():
            inputs = {"data": InputSpec("uri_folder", path=f"azureml:set-{name}:1", digest=digest)}
            spec = JobSpec("true", EnvironmentSpec(), inputs=inputs, description="about set-a")
            last = await running.send(Address("w", "job", name), SubmitJob(spec))
        await running.caught_up(last.position)
        for argument in (digests["a"], "azureml:set-a:1", "set-a"):
            answer = await ask(running, "data", argument)
            assert [(row["of"], row["input"], row["data"]["digest"]) for row in answer.rows] == [
                ("job/a", "data", digests["a"])
            ], argument
        assert (await ask(running, "data", "nothing")).rows == []


async def test_what_led_to_a_job_is_also_who_made_what_it_was_given(nats_server: RunningNats) -> None:
    async with installation(nats_server) as running:
        # Given a job, a model that a person made of it, and a job with an output of the one and the model as inputs,
        first, second = Address("w", "job", "first"), Address("w", "job", "second")
        await running.send(first, SubmitJob(JobSpec("true", EnvironmentSpec())))
        await running.send(Address("w", "model", "a:1"), created("a", "first"), actor="anna")
        digest = "sha256:" + "0" * 64
        given = {
            "data": InputSpec("uri_folder", path="azureml://jobs/first/outputs/o/paths/p", digest=digest),
            "model": InputSpec("custom_model", path="azureml:a:1", digest=digest),
            "other": InputSpec("uri_folder", path="./data", digest=digest),
        }
        for service, command in (("scheduler", AssignJob(1, "n1", "i1")), ("executor", StartJob(1, "n1"))):
            await Commands(await nats_server.connect(service), service).send(
                first, command, Context(new_id(), now(), service)
            )
        last = await running.send(second, SubmitJob(JobSpec("true", EnvironmentSpec(), inputs=given)))
        await running.caught_up(last.position)
        # when it is asked what led to the second, then both are told.
        answer = await ask(running, "causes", "job/second")
        assert {(row["of"], row["type"]) for row in answer.rows} == {
            ("job/second", "job.submitted"), ("job/first", "job.started"), ("model/a:1", "model.created"),
        }  # fmt: skip


async def test_what_was_deleted_and_who_read_secrets(nats_server: RunningNats) -> None:
    async with installation(nats_server) as running:
        compute = Address("w", "compute", "gpu")
        await running.send(compute, CreateCompute("nodes"))
        await running.send(experiment("a"), CreateExperiment())
        await running.send(experiment("a"), ArchiveExperiment())  # MLflow's delete_experiment
        last = await running.send(compute, DeleteCompute(), actor="ben")
        await running.caught_up(last.position)
        rows = (await ask(running, "deleted")).rows
        assert [(row["of"], row["by"]) for row in rows] == [("compute/gpu", "ben"), ("experiment/a", "anna")]
        assert len((await ask(running, "deleted", until=str(last.position - 1))).rows) == 1
        assert (await ask(running, "secrets")).rows == []


async def test_what_was_published_under_a_type_that_looks_like_ours_is_in_no_answer(nats_server: RunningNats) -> None:
    """The gateway lets nobody publish such a type; a log of before that rule may have some."""
    async with installation(nats_server) as running:
        forged = ("secret.read", "compute.deleted", "credential.granted", "job.submitted")
        data = {"rights": ["everything"], "spec": {"inputs": {"d": {"path": "stolen"}}}}
        await running.send(Address("w", "compute", "gpu"), CreateCompute("nodes"))
        await running.send(Address("w", "compute", "gpu"), DeleteCompute())
        for type in forged:
            command = PublishEvent("/ci", type, type, data=data)
            last = await running.send(Address("w", "event", event_key("/ci", type)), command)
        await running.caught_up(last.position)
        for question, argument in (("secrets", ""), ("access", ""), ("data", "stolen")):
            assert (await ask(running, question, argument)).rows == [], question
        assert [row["of"] for row in (await ask(running, "deleted")).rows] == ["compute/gpu"]
        own = await running.ask("audit", AuditQuery(type="compute.*,secret.read", own=True), AuditAnswer)
        assert {row.kind for row in own.rows} == {"compute"}
        assert "event" not in {row.kind for row in (await running.ask("audit", AuditQuery(own=True), AuditAnswer)).rows}


@pytest.mark.parametrize(
    ("name", "argument", "code"),
    [
        ("weather", "", "query.unknown_question"), ("causes", "", "query.argument"), ("causes", "x", "query.argument"),
        ("deleted", "x", "query.argument"), ("data", "---", "query.bad_text"),
    ],
)  # fmt: skip
async def test_a_question_that_is_not_understood_is_refused_with_words(
    nats_server: RunningNats, name: str, argument: str, code: str
) -> None:
    async with installation(nats_server) as running:
        await running.send(experiment("a"), CreateExperiment())
        with pytest.raises(Refused) as refused:
            await ask(running, name, argument)
        assert refused.value.code == code
        known = await running.ask("asks", QuestionsQuery(), QuestionsAnswer)
        assert [one.name for one in known.questions] == list(QUESTIONS)
