"""Each step of an attempt obeys a cancel and has a deadline: generated over the table of steps."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from treering.adapters.blobs import LocalBlobs
from treering.adapters.bus import Commands, Responder, answered
from treering.adapters.egress import Egress
from treering.adapters.environments import Environments
from treering.adapters.launcher import Launcher
from treering.adapters.pip_shim import make_shims
from treering.adapters.trees import put_tree
from treering.config import Home
from treering.domain.job_spec import EnvironmentSpec, InputSpec, JobSpec
from treering.kernel.command import Answer, CommandMessage, Written
from treering.kernel.decoding import decode
from treering.kernel.disk import CannotWrite
from treering.kernel.meter import tick
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.testing.nats import RunningNats
from treering_services.executor import stepping, steps, until_room
from treering_services.executor.attempt import Attempt
from treering_services.executor.console import Console
from treering_services.executor.room import room_of
from treering_services.executor.runner import Runner
from treering_services.executor.stepping import DEADLINES, DEADLINES_VARIABLE, Step, deadlines
from treering_services.executor.steps import variables

pytestmark = pytest.mark.anyio
PATIENCE_SECONDS = 20.0
SOON_SECONDS = 0.2
LATE = {"environment": "environment.timeout", "inputs": "input.timeout", "outputs": "output.timeout"}
LOST = ("claimed", "launched", "logs")
COMMANDS = {"running": "sleep 300"}

every_step = pytest.mark.parametrize("name", DEADLINES)


@dataclass
class Registry:
    """Takes the commands of an executor; what it is ``deaf`` to it does not answer, once."""

    deaf: str = ""
    heard: list[str] = field(default_factory=list)
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, subject: str, body: bytes) -> bytes:
        message = decode(body, CommandMessage)
        said = decode(bytes(message.command), dict)["type"]
        self.heard.append(said)
        self.moved.set()
        self.moved = asyncio.Event()
        if said == self.deaf:
            await asyncio.Event().wait()
        return answered(Answer(Written(7, 3)))

    async def until(self, said: str) -> None:
        while said not in self.heard:
            await self.moved.wait()


@dataclass
class Held:
    """A step that does not end by itself: a thread that works on and on until its meter stops it."""

    entered: asyncio.Event = field(default_factory=asyncio.Event)
    left: threading.Event = field(default_factory=threading.Event)

    async def take(self, attempt: Attempt, console: Console) -> None:
        await asyncio.to_thread(self.work, asyncio.get_running_loop())

    def work(self, loop: asyncio.AbstractEventLoop) -> None:
        """It is entered by now: what is cancelled before a thread takes it up never runs, and never leaves."""
        loop.call_soon_threadsafe(self.entered.set)
        try:
            while not self.left.wait(0.001):
                tick()
        finally:
            self.left.set()


@asynccontextmanager
async def node(
    nats_server: RunningNats, folder: Path, deaf: str = "", deadline_seconds: Mapping[str, float] = DEADLINES
) -> AsyncIterator[tuple[Registry, Runner]]:
    registry = Registry(deaf)
    responder = Responder(await nats_server.connect("registry"), "cmd.executor.job", registry.answer)
    await responder.start()
    make_shims(folder / "shims")
    launcher = Launcher("n1", home=folder)
    commands = Commands(await nats_server.connect("executor"), "executor")
    environments, blobs = Environments(folder / "envs"), LocalBlobs(folder / "blobs")
    slots = asyncio.Semaphore(1)
    runner = Runner(
        "n1", commands, launcher, environments, blobs, slots, folder / "shims", folder, lambda: "", lambda attempt: "",
        deadline_seconds=deadline_seconds,
        room=lambda attempt: room_of(attempt, Home(folder), folder / "shims", (), ""),
    )  # fmt: skip
    try:
        yield registry, runner
    finally:
        await launcher.close()


def hold(runner: Runner, name: str) -> Held:
    held = Held()

    def changed(steps: tuple[Step, ...]) -> tuple[Step, ...]:
        return tuple(step._replace(take=held.take) if step.name == name else step for step in steps)

    runner.until_it_ran, runner.after_it_ran = changed(runner.until_it_ran), changed(runner.after_it_ran)
    return held


def attempt(folder: Path, name: str) -> Attempt:
    spec = JobSpec(command=COMMANDS.get(name, "true"), environment=EnvironmentSpec())
    return Attempt(Address("main", "job", f"in-{name}"), 1, spec, folder / "runs" / name)


def test_packages_of_the_code_are_imported_from_it(tmp_path: Path) -> None:
    spec = JobSpec(command="true", environment=EnvironmentSpec(modules=(".", "lib/src")))
    here = Attempt(Address("main", "job", "j"), 1, spec, tmp_path)
    here.python = tmp_path / "bin" / "python"
    found = variables(here, tmp_path / "shims", "", "")["PYTHONPATH"].split(":")
    assert found[:2] == [str(here.code_folder), str(here.code_folder / "lib/src")]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (InputSpec("number", value=1.1, written="1.10"), "1.10"),
        (InputSpec("number", value=0.0001, written="1e-4"), "1e-4"),
        (InputSpec("boolean", value=True, written="True"), "True"),
        (InputSpec("boolean", value=True), "true"),
        (InputSpec("integer", value=3), "3"),
        (InputSpec("string", value="True"), "True"),
    ],
)
async def test_a_command_gets_a_literal_as_it_was_written(tmp_path: Path, given: InputSpec, said: str) -> None:
    unused: Any = None
    here = attempt(tmp_path, "x")
    assert await steps.input_value(here, "i", given, unused, unused) == said


def test_every_step_has_a_deadline(tmp_path: Path) -> None:
    unused: Any = None
    runner = Runner(
        "n", unused, unused, unused, unused, asyncio.Semaphore(1), tmp_path, tmp_path, str, str, room=unused
    )
    steps = [*runner.until_it_ran, *runner.after_it_ran, *runner.last]
    assert [step.name for step in steps] == list(DEADLINES)


@every_step
async def test_a_job_canceled_in_any_step_is_canceled_and_its_slot_is_free(
    nats_server: RunningNats, tmp_path: Path, name: str
) -> None:
    async with node(nats_server, tmp_path, deaf="complete") as (registry, runner), asyncio.timeout(PATIENCE_SECONDS):
        held, canceled = Held(), attempt(tmp_path, name)
        if name == "waiting":
            await runner.slots.acquire()
        elif name not in ("running", "reported"):
            held = hold(runner, name)
        carrying = asyncio.create_task(runner.carry_out(canceled))
        match name:
            case "waiting":
                while canceled.step != "waiting":
                    await asyncio.wait({carrying}, timeout=0.01)
            case "running":
                await registry.until("start")
            case "reported":
                await registry.until("complete")
            case _:
                await held.entered.wait()
        canceled.cancel_requested.set()
        await carrying
        if name == "waiting":
            runner.slots.release()
        assert registry.heard[-1] == "confirm_cancel"
        assert not runner.slots.locked()
        assert not runner.walk.abandoned
        if held.entered.is_set():
            assert held.left.wait(PATIENCE_SECONDS)


@every_step
async def test_a_step_that_takes_too_long_ends_with_its_cause(
    nats_server: RunningNats, tmp_path: Path, name: str
) -> None:
    soon = {**DEADLINES, name: SOON_SECONDS}
    deaf = "complete" if name == "reported" else ""
    async with node(nats_server, tmp_path, deaf, soon) as (registry, runner), asyncio.timeout(PATIENCE_SECONDS):
        late = attempt(tmp_path, name)
        if name == "waiting":
            await runner.slots.acquire()
        elif name not in ("running", "reported"):
            hold(runner, name)
        await runner.carry_out(late)
        code = late.failure.code if late.failure is not None else ""
        if name == "reported":  # the scheduler finds that the node does not know it any more
            assert "confirm_cancel" not in registry.heard and not late.reported
        elif name == "running":
            assert (code, registry.heard[-1]) == ("timeout", "fail")
        elif name in LATE:
            assert (code, registry.heard[-1]) == (LATE[name], "fail")
        else:
            assert late.lost and registry.heard[-1] == "lose_attempt"


@pytest.mark.parametrize("name", ["environment", "inputs", "running"])
async def test_the_limit_of_the_job_counts_before_its_command_runs_too(
    nats_server: RunningNats, tmp_path: Path, name: str
) -> None:
    async with node(nats_server, tmp_path) as (registry, runner), asyncio.timeout(PATIENCE_SECONDS):
        late = attempt(tmp_path, name)
        late.spec = JobSpec(
            command=COMMANDS.get(name, "true"), environment=EnvironmentSpec(), timeout_seconds=3 * SOON_SECONDS
        )
        if name != "running":
            hold(runner, name)
        await runner.carry_out(late)
        assert late.failure is not None and late.failure.code == "timeout"
        assert registry.heard[-1] == "fail"


async def test_the_time_a_job_waits_for_a_slot_does_not_count_for_its_limit(
    nats_server: RunningNats, tmp_path: Path
) -> None:
    async with node(nats_server, tmp_path) as (registry, runner), asyncio.timeout(PATIENCE_SECONDS):
        await runner.slots.acquire()
        waiting = attempt(tmp_path, "waiting")
        carrying = asyncio.create_task(runner.carry_out(waiting))
        while waiting.step != "waiting":
            await asyncio.wait({carrying}, timeout=0.01)
        used_seconds = waiting.limited_seconds
        await asyncio.wait({carrying}, timeout=SOON_SECONDS)
        runner.slots.release()
        await carrying
        assert waiting.failure is None and registry.heard[-1] == "complete"
        assert used_seconds > 0


async def test_the_console_says_how_far_a_long_step_is(
    nats_server: RunningNats, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stepping, "TOLD_SECONDS", 0.05)
    async with node(nats_server, tmp_path) as (_, runner), asyncio.timeout(PATIENCE_SECONDS):
        held, canceled = hold(runner, "inputs"), attempt(tmp_path, "inputs")
        said: list[str] = []
        monkeypatch.setattr(Console, "say", lambda self, line: said.append(line))
        carrying = asyncio.create_task(runner.carry_out(canceled))
        await held.entered.wait()
        while not any(line.startswith("step inputs for ") for line in said):
            await asyncio.wait({carrying}, timeout=0.01)
        canceled.cancel_requested.set()
        await carrying


@pytest.mark.parametrize("text", ["inputs", "inputs=x", "no-such-step=3", "inputs=-1"])
def test_a_deadline_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(DEADLINES_VARIABLE, text)
    with pytest.raises(Refused) as refused:
        deadlines()
    assert refused.value.code == "config.invalid"


def test_an_operator_may_change_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DEADLINES_VARIABLE, "inputs=7200, environment=60")
    assert deadlines() == {**DEADLINES, "inputs": 7200.0, "environment": 60.0}


@dataclass
class NoRoom:
    """A step for which the disk has no room in its first ``times`` tries; then it does what it did before."""

    step: Step
    times: int
    error: Exception
    tries: int = 0

    async def take(self, attempt: Attempt, console: Console) -> None:
        self.tries += 1
        if self.tries <= self.times:
            raise self.error
        await self.step.take(attempt, console)


FULL = (OSError(errno.ENOSPC, "No space left on device"), Refused("disk.full", "no room"), CannotWrite("no room"))
AGAIN = ("environment", "inputs", "outputs", "logs")


def lack_room(runner: Runner, name: str, times: int, error: Exception) -> NoRoom:
    lacking = next(
        NoRoom(step, times, error) for step in (*runner.until_it_ran, *runner.after_it_ran) if step.name == name
    )
    replaced = lacking.step._replace(take=lacking.take)

    def changed(steps: tuple[Step, ...]) -> tuple[Step, ...]:
        return tuple(replaced if step.name == name else step for step in steps)

    runner.until_it_ran, runner.after_it_ran = changed(runner.until_it_ran), changed(runner.after_it_ran)
    return lacking


@pytest.mark.parametrize("name", AGAIN)
@pytest.mark.parametrize("error", FULL, ids=lambda error: type(error).__name__)
async def test_a_step_for_which_the_disk_was_full_for_a_while_is_taken_again_and_the_job_completes(
    nats_server: RunningNats, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, error: Exception
) -> None:
    monkeypatch.setattr(until_room, "LOOK_SECONDS", 0.0)
    async with node(nats_server, tmp_path) as (registry, runner), asyncio.timeout(PATIENCE_SECONDS):
        lack_room(runner, name, until_room.TRIES_MAX - 1, error)
        await runner.carry_out(attempt(tmp_path, name))
        assert registry.heard[-1] == "complete"


async def test_a_step_that_needs_more_than_the_disk_has_fails_the_job_after_some_tries(
    nats_server: RunningNats, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(until_room, "LOOK_SECONDS", 0.0)
    async with node(nats_server, tmp_path) as (registry, runner), asyncio.timeout(PATIENCE_SECONDS):
        lacking = lack_room(runner, "inputs", 10 * until_room.TRIES_MAX, FULL[0])
        failed = attempt(tmp_path, "inputs")
        await runner.carry_out(failed)
        assert failed.failure is not None and failed.failure.code == "disk.full"
        assert (lacking.tries, registry.heard[-1]) == (until_room.TRIES_MAX, "fail")


async def test_inputs_that_could_not_all_be_laid_out_leave_nothing_in_the_way_of_the_next_try(tmp_path: Path) -> None:
    blobs, one = LocalBlobs(tmp_path / "blobs"), attempt(tmp_path, "inputs")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.txt").write_text("a")
    tree = await put_tree(blobs, tmp_path / "data")
    there = InputSpec(type="uri_folder", path="data", digest=tree.digest)
    absent = msgspec.structs.replace(there, digest="sha256:" + "0" * 64)
    one.spec = msgspec.structs.replace(one.spec, code=tree.digest, inputs={"first": there, "second": absent})
    with pytest.raises(Refused, match="sha256:000"):
        await steps.inputs(one, blobs, Egress())
    one.spec = msgspec.structs.replace(one.spec, inputs={"first": there})
    await steps.inputs(one, blobs, Egress())
    assert (one.folder / "inputs" / "first" / "a.txt").read_text() == "a"
