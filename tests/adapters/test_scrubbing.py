"""What a service says of itself, in its log and its traces, shows no secret."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from treering.adapters.known_secrets import environment_secrets, installation_secrets
from treering.adapters.masking import Masker
from treering.adapters.nats_credentials import make_credentials
from treering.adapters.scrubbing import CHARACTERS_MAX, know, knowing, scrub, scrubbed
from treering.adapters.tokens import Tokens
from treering.adapters.uv import Finished
from treering.adapters.uv_failures import REASON_CHARACTERS_MAX, output_of
from treering.config import Home
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address

SIGNATURE = "0123456789abcdef" * 4
SCRIPT = """
import base64, logging, sys, structlog
from pathlib import Path
from treering.adapters.tokens import Tokens
from treering.config import Home
from treering.telemetry import configure_logging
configure_logging("test")
owner = Tokens(Home(Path(sys.argv[1]))).owner
log = structlog.get_logger()
log.warning("it.failed", why=f"401 for {owner}", found={"at": [owner]}, other=ValueError(owner))
logging.getLogger("library").error("%s", base64.b64encode(owner.encode()).decode())
try:
    raise ValueError(owner)
except ValueError:
    log.exception("it.failed")
    logging.getLogger("library").exception("again")
raise KeyError(owner)
"""


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("GET /v1/events?ticket=abc123&since=4", "GET /v1/events?ticket=***&since=4"),
        ("https://user:pw@h.example/x", "https://h.example/x"),
        ("nats://gateway:pw@127.0.0.1:4222", "nats://127.0.0.1:4222"),
        ("{'Authorization': 'Bearer abcdefgh12'}", "{'Authorization': 'Bearer ***'}"),
        ("authorization: abcdefgh12", "authorization: ***"),
        (f"token trj.main.j.1.{SIGNATURE} is over", "token trj.main.j.1.*** is over"),
        (
            "POST https://hooks.example.com/services/T0001/B0001/abcdefghij0123456789 timed out",
            "POST https://hooks.example.com/services/T0001/B0001/*** timed out",
        ),
        ("the token is missing: https://x.example/docs/access", "the token is missing: https://x.example/docs/access"),
    ],
)
def test_what_looks_like_a_secret_is_left_out(said: str, shown: str) -> None:
    assert scrub(said) == shown


def test_what_this_process_has_read_is_masked_in_every_form() -> None:
    know("a-secret-of-this-process")
    assert scrub("it is a-secret-of-this-process") == "it is ***"
    assert scrub(b"a-secret-of-this-process".hex()) == "***"
    said = {"a": ["a-secret-of-this-process"], "token": "short", "n": 3}
    assert scrubbed(said) == {"a": ["***"], "token": "***", "n": 3}


def test_a_secret_is_masked_before_a_limit_cuts_it() -> None:
    know("password-of-an-index")
    for place in range(REASON_CHARACTERS_MAX - 60, REASON_CHARACTERS_MAX + 40, 3):
        lines: list[str] = []
        failed = Finished(1, "", "x" * place + " password-of-an-index " + "y" * 500)
        with pytest.raises(Refused) as refused:
            output_of(failed, Path("/absent"), lines.append)
        assert "password-of" not in refused.value.detail and "an-index" not in refused.value.detail
        assert "password-of" not in "".join(lines)
    long = str(scrubbed("x" * (CHARACTERS_MAX // 2 - 10) + "password-of-an-index" + "y" * CHARACTERS_MAX))
    assert len(long) < CHARACTERS_MAX + 10 and "***" in long and "password" not in long


def test_the_secrets_of_a_job_are_masked_in_what_its_own_task_says() -> None:
    with knowing(Masker(["only-of-this-job"])):
        assert scrub("KeyError: 'only-of-this-job'") == "KeyError: '***'"
    assert scrub("only-of-this-job") == "only-of-this-job"


def test_logs_tracebacks_and_what_nobody_caught_show_no_token(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.create()
    owner = Tokens(home).owner
    ran = subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, check=False)
    lines = ran.stderr.splitlines()
    assert ran.returncode == 1 and owner not in ran.stderr
    assert any(line.startswith("library: ***") for line in lines)
    assert "KeyError: '***'" in lines and "ValueError: ***" in lines
    first = json.loads(lines[0])
    assert (first["why"], first["found"], first["other"]) == ("401 for ***", {"at": ["***"]}, "ValueError('***')")


def test_the_secrets_of_an_installation_are_found_in_its_files(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.create()
    tokens, users = Tokens(home), make_credentials(home.root)
    found = installation_secrets(home)
    assert {tokens.owner, tokens.join, tokens.key.decode(), *(user.password for user in users.values())} <= found
    assert tokens.mint_job(Address("main", "job", "j"), 1) not in found


def test_the_secrets_among_the_variables_of_a_process_are_found() -> None:
    variables = {
        "AWS_SECRET_ACCESS_KEY": "aws-1", "HTTPS_PROXY": "http://me:proxy-pw@p:1", "UV_INDEX_FEED_PASSWORD": "feed-1",
        "PIP_EXTRA_INDEX_URL": "https://a.example https://u:index-pw@b.example", "PATH": "/bin",
    }  # fmt: skip
    assert environment_secrets(variables) == {"aws-1", "proxy-pw", "feed-1", "index-pw"}


def test_spans_show_no_secret_not_even_of_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from treering.adapters.otlp import spans_of

    seen = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(seen))
    spans = spans_of(provider.get_tracer("test"))
    know("a-secret-in-a-span")
    with pytest.raises(ValueError, match="a-secret"), spans("it", "", "internal", {"a": "a-secret-in-a-span"}) as one:
        one.set("b", "a-secret-in-a-span")
        raise ValueError("a-secret-in-a-span")
    told = seen.get_finished_spans()[0].to_json()
    assert "a-secret-in-a-span" not in told and "exception.stacktrace" in told and '"a": "***"' in told
