"""One trace from the HTTP request over NATS and the log to the command on the node, seen by a collector."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import call
from tests.system.http_client import JOBS, Gateway
from tests.system.otlp_sink import Seen, running_sink
from tests.system.up import up
from tests.system.views import until

from treering.adapters.otlp import is_wanted
from treering.config import Home
from treering.kernel.listening import listening

pytestmark = pytest.mark.anyio
CLIENT = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
SUBMIT = "POST /v1/workspaces/{ws}/jobs"
STEPS = {"job.attempt", "job.environment", "job.inputs", "job.run", "job.outputs"}
SPEC = {"command": "echo the trace is $TRACEPARENT; mkdir -p outputs; echo x > outputs/x", "environment": {}}
WAIT_SECONDS = 60.0


class TracedGateway(Gateway):
    """A client that has a trace of its own."""

    def headers(self, key: str) -> dict[str, str]:
        return {**super().headers(key), "traceparent": CLIENT}


async def test_a_job_is_one_trace_from_the_client_to_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path / "home")
    with running_sink() as sink:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        async with up(home.root):
            await TracedGateway(home, []).submit("traced", SPEC)
            await Gateway(home, []).submit("other", SPEC)
            done = lambda: Gateway(home, []).get_once(f"{JOBS}/traced").get("status") == "Completed"  # noqa: E731
            assert await until(done, WAIT_SECONDS)
            spans = await asyncio.to_thread(sink.wait, is_complete)
            console = await asyncio.to_thread(call, home.root, "job", "stream", "-n", "traced")
            story = await asyncio.to_thread(call, home.root, "story", "job/traced", "-o", "json")
    ours = of_client(spans)
    # The gateway's span hangs on the client's, the registry's on the gateway's, the attempt's too, the steps on it.
    by_name = {one.name: one for one in ours}
    attempt = by_name["job.attempt"]
    submit = next(one for one in ours if one.id == attempt.parent)  # the client may have had to say it twice
    assert submit.name == SUBMIT
    assert (submit.service, submit.parent) == ("treering-up", "cd" * 8)
    assert attempt.service == "treering-executor" and attempt.attributes["treering.job"] == "traced"
    assert any(one.name == "cmd.gateway.job" and one.parent == submit.id for one in ours)
    assert {by_name[step].parent for step in STEPS - {"job.attempt"}} == {attempt.id}
    assert any(one.name == "cmd.executor.job" and one.parent == attempt.id for one in ours)
    # The command was told, every event of the job says it, and another job is in another trace.
    assert f"the trace is 00-{'ab' * 16}-{attempt.id}-01" in console.stdout
    assert {row["trace"][3:35] for row in json.loads(story.stdout)} == {"ab" * 16}
    assert {one.trace for one in spans if one.name == SUBMIT} > {"ab" * 16}


def is_complete(spans: list[Seen]) -> bool:
    """Two processes export on their own: that the executor's spans have come says nothing of the gateway's."""
    ours = of_client(spans)
    attempts = [one.id for one in ours if one.name == "job.attempt"]
    told = any(one.name == "cmd.executor.job" and one.parent in attempts for one in ours)
    submits = {one.trace for one in spans if one.name == SUBMIT}
    return told and len(submits) >= 2 and {one.name for one in ours} >= {*STEPS, SUBMIT, "cmd.gateway.job"}


def of_client(spans: list[Seen]) -> list[Seen]:
    return [one for one in spans if one.trace == "ab" * 16]


async def test_a_collector_that_is_away_harms_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    home = Home(tmp_path / "home")
    async with up(home.root):
        await Gateway(home, []).submit("j", SPEC)
        done = lambda: Gateway(home, []).get_once(f"{JOBS}/j").get("status") == "Completed"  # noqa: E731
        assert await until(done, WAIT_SECONDS)


async def test_a_collector_that_takes_spans_and_never_answers_holds_up_no_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "from treering.adapters.otlp import start_export\nfrom treering.tracing import span\n"
        "stop = start_export('x')\nwith span('one', '', 'internal', {}): pass\nstop()\nprint('stopped')"
    )

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with listening(listen) as port:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1000")
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=subprocess.PIPE)
        try:
            async with asyncio.timeout(WAIT_SECONDS / 3):
                said, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
    assert said.endswith(b"stopped\n")


async def test_without_the_variables_nothing_of_opentelemetry_is_loaded() -> None:
    code = (
        "import sys, treering_services.hosting, treering_services.up, treering_services.gateway.service, "
        "treering_services.executor.service\n"
        "from treering.adapters.otlp import start_export\n"
        "start_export('x')()\nprint([name for name in sys.modules if 'opentelemetry' in name])"
    )
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code], capture_output=True, text=True, env={}, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "TRUE"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
async def test_the_standard_variables_decide(variables: dict[str, str], wanted: bool) -> None:
    assert is_wanted(variables) is wanted
