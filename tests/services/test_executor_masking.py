"""No secret of a job leaves its executor: not live, not in the kept log, not in what is reported."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest
from tests.services.test_executor_reports import attempt, listening

from treering.adapters.follower import follow_stream
from treering.adapters.masked_files import mask_files
from treering.adapters.masking import Masker
from treering.domain.job_messages import FailJob
from treering.domain.job_spec import EnvironmentSpec, JobSpec
from treering.kernel.subjects import Address
from treering.testing.nats import RunningNats
from treering_services.executor import steps
from treering_services.executor.attempt import Attempt
from treering_services.executor.console import CHUNK_BYTES_MAX, Console

pytestmark = pytest.mark.anyio
SECRET = "s3cr3t-Värde/42"
DATA = SECRET.encode()


def console_of(nats: RunningNats, folder: Path, client: object, **more: int) -> Console:
    masker = Masker([SECRET])
    return Console(client, Address("w", "job", "j"), 1, folder / "log.txt", nats.home / "nats", masker=masker, **more)  # type: ignore[arg-type]


async def live(nats: RunningNats) -> bytes:
    said = b""
    async for batch in follow_stream(await nats.connect("gateway"), "LOG", after=0, subject="log.w.j.1"):
        said += b"".join(message.data for message in batch)
        if batch[-1].data == b"":
            break
    return said


async def test_a_secret_is_masked_live_and_in_the_file_however_it_is_cut(
    nats_server: RunningNats, tmp_path: Path
) -> None:
    console = console_of(nats_server, tmp_path, await nats_server.connect("executor"))
    console.write(b"one " + DATA[:7])
    console.say(f"it is {SECRET}")
    console.write(DATA[7:] + b"\ntwo " + base64.b64encode(b"x" + DATA) + b"\n")
    console.write(b"-" * (CHUNK_BYTES_MAX - 50) + DATA)
    console.write(b"\nthe end " + DATA[:3])
    await console.close()
    kept = (tmp_path / "log.txt").read_bytes()
    assert kept == await live(nats_server)
    assert kept.startswith(b"one \ntreering: it is ***\n***\ntwo ")
    assert kept.endswith(b"-***\nthe end s3c")
    assert DATA not in kept and base64.b64encode(b"x" + DATA)[4:-4] not in kept


async def test_a_secret_is_masked_before_a_limit_cuts_it(nats_server: RunningNats, tmp_path: Path) -> None:
    client = await nats_server.connect("executor")
    for limit in range(1, len(DATA)):
        folder = tmp_path / str(limit)
        console = console_of(nats_server, folder, client, bytes_max=limit)
        for _ in range(100):
            console.write(DATA)
        await console.close()
        kept = (folder / "log.txt").read_bytes()
        assert DATA[:4] not in kept and DATA[-4:] not in kept


async def test_what_an_executor_reports_is_masked(nats_server: RunningNats, tmp_path: Path) -> None:
    registry, node = await listening(nats_server)
    told = attempt(tmp_path)
    told.masker.add([SECRET])
    told.fail("start_failed", f"no such file: /data/{SECRET}")
    assert told.failure is not None and told.failure.message == "no such file: /data/***"
    for _ in range(2):
        assert await node.reporter.say(told, FailJob(1, "n1", "start_failed", f"no such file: /data/{SECRET}"))
    assert b"/data/***" in registry.asked[-1] and not any(b"s3cr3t" in asked for asked in registry.asked)
    sent_on = attempt(tmp_path)
    sent_on.fail("input.failed", "inputs.d: https://store.example/x?sv=1&sig=c2lnbmF0dXJl answered 403")
    assert sent_on.failure is not None and "?sv=1 answered 403" in sent_on.failure.message
    lost = attempt(tmp_path)
    lost.masker.add([SECRET])
    lost.lose(f"its executor failed: KeyError: {SECRET!r}")
    assert lost.lost == "its executor failed: KeyError: '***'"


async def test_a_name_stays_what_it_is_although_a_secret_is_the_same_word(
    nats_server: RunningNats, tmp_path: Path
) -> None:
    registry, node = await listening(nats_server)
    told = attempt(tmp_path)
    told.masker.add(["gpu-node", "exit_code"])
    for _ in range(2):
        assert await node.reporter.say(told, FailJob(1, "gpu-node", "exit_code", "the gpu-node failed"))
    assert b'"gpu-node"' in registry.asked[-1] and b'"exit_code"' in registry.asked[-1]
    assert b"the *** failed" in registry.asked[-1]


def test_variables_with_secret_names_are_known_also_where_the_spec_shows_them(tmp_path: Path) -> None:
    environment = EnvironmentSpec(variables={"FEED_TOKEN": "feed-token-1", "TZ": "Europe/Vienna"})
    variables = {"DB_PASSWORD": "db-password-1", "azure_storage_connection_string": "Key=1;", "LEVEL": "verbose"}
    public = {"TOKEN_TYPE": "classifier", "MAX_TOKENS": "100000"}
    spec = JobSpec("true", environment, environment_variables={**variables, **public}, public_variables=("TOKEN_TYPE",))
    found = steps.visible_secrets(Attempt(Address("main", "job", "j"), 1, spec, tmp_path))
    assert sorted(found) == ["Key=1;", "db-password-1", "feed-token-1"]


def test_other_files_among_the_logs_are_masked_too(tmp_path: Path) -> None:
    (tmp_path / "user_logs").mkdir()
    console, other = tmp_path / "user_logs" / "std_log.txt", tmp_path / "user_logs" / "more.txt"
    console.write_bytes(b"masked already")
    other.write_bytes(b"a" * 1_048_570 + DATA + b"\n")
    (tmp_path / "link").symlink_to(other)
    os.mkfifo(tmp_path / "pipe")
    mask_files(tmp_path, Masker([SECRET]), console)
    assert other.read_bytes() == b"a" * 1_048_570 + b"***\n"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["link", "more.txt", "pipe", "std_log.txt", "user_logs"]
