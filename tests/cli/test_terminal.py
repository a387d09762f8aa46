"""What somebody wrote into a name reaches a terminal as text, in every format; a pipe gets it as it is."""

from __future__ import annotations

import ast
import io
import json
import os
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import structlog

import treering.cli
from treering import telemetry
from treering.cli.events import writer
from treering.cli.follow_output import line_writer
from treering.cli.lazy import FORMATS
from treering.cli.main import failed
from treering.cli.output import emit
from treering.cli.progress import Display
from treering.cli.session import Session
from treering.cli.stages import Stages
from treering.cli.terminal import put
from treering.kernel.plain_text import COLOUR, UNSAFE, harmless, with_colours
from treering.kernel.refusal import Refused

EVIL = [
    "\x1b]0;owned\x07",
    "\x9b31m",
    "a\u202eb\u2066c",
    "over\rwritten",
    "\x7f\x00\x08",
    "tag\U000e0041",
    "line\u2028",
]
ROW: dict[str, Any] = {"name": "".join(EVIL), "subject": EVIL[0], "list": EVIL, "type": EVIL[1], "at\x1b[2J": "key"}
COLUMNS = {"Name": "name", "Subject": "subject", "Type": "type"}


def on_terminal(monkeypatch: pytest.MonkeyPatch, write: Callable[[], object]) -> str:
    """What a pseudo terminal is sent while ``write`` writes."""
    ours, theirs = os.openpty()
    settings = termios.tcgetattr(theirs)
    settings[1] &= ~termios.OPOST  # the terminal's driver adds nothing
    termios.tcsetattr(theirs, termios.TCSANOW, settings)
    with os.fdopen(theirs, "w", encoding="utf-8", newline="") as stream, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", stream)
        patched.setattr(sys, "stderr", stream)
        assert sys.stdout.isatty()
        write()
    sent = b""
    with suppress(OSError):  # the end of a pseudo terminal: the kernel hands over what was written a bit later
        while some := os.read(ours, 1_000_000):
            sent += some
    os.close(ours)
    return sent.decode()


def in_pipe(monkeypatch: pytest.MonkeyPatch, write: Callable[[], object]) -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", stream)
        write()
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode()


def ways(form: str) -> list[Callable[[], object]]:
    """A list, one thing, what a query finds, rows that come one by one, and events."""
    session, asked = Session(output=form), Session(output=form, query="name")
    return [
        lambda: emit(session, [ROW, ROW], COLUMNS),
        lambda: emit(session, [ROW]),
        lambda: emit(session, ROW),
        lambda: emit(asked, ROW),
        lambda: line_writer(session, COLUMNS)(ROW),
        lambda: line_writer(asked, COLUMNS)(ROW),
        lambda: writer(session, False)(json.dumps(ROW, ensure_ascii=False)),
    ]


@pytest.mark.parametrize("form", ["", *FORMATS])
def test_a_terminal_obeys_nothing_in_any_format(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    for write in ways(form):
        sent = on_terminal(monkeypatch, write)
        assert (sent or form == "none") and not UNSAFE.search(sent), (form, sent)


def test_csv_and_json_lines_in_a_pipe_are_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ROW["name"] in in_pipe(monkeypatch, lambda: emit(Session(output="csv"), [ROW]))
    line = json.dumps(ROW, ensure_ascii=False)
    assert in_pipe(monkeypatch, lambda: writer(Session(), False)(line)) == line + "\n"


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_json_on_a_terminal_means_what_it_meant(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    assert json.loads(on_terminal(monkeypatch, lambda: emit(Session(output=form), ROW))) == ROW


def test_errors_and_stages_of_jobs_are_shown_and_colours_of_a_console_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    job = {"name": "j" + EVIL[0], "status": "Queued", "timeline": []}
    said = on_terminal(monkeypatch, lambda: failed(Refused("x.y", "".join(EVIL))))
    said += on_terminal(monkeypatch, lambda: Stages(job).note(EVIL[0]))
    assert not UNSAFE.search(said)
    console = on_terminal(monkeypatch, lambda: Stages(job).write("\x1b[31mred\x1b[0m \x1b[2J\x1b]52;c;x\x07\n"))
    assert console == "\x1b[31mred\x1b[0m \\u001b[2J\\u001b]52;c;x\\u0007\n"


def test_a_console_on_a_terminal_keeps_progress_bars_and_hides_nothing_that_comes_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = "1%\r2%\r\n\x1b[38;5;8mgrey\x1b[0;8mhidden\x1b[1A\x1b]0;t\x07\x1b["

    def write() -> None:
        with Stages({"name": "j", "status": "Running", "timeline": []}) as stages:
            stages.write(text)

    shown = "1%\r2%\r\n\x1b[38;5;8mgrey\\u001b[0;8mhidden\\u001b[1A\\u001b]0;t\\u0007\\u001b["
    assert on_terminal(monkeypatch, write) == f"treering: job j is Running\n{shown}\n\x1b[0m"
    assert in_pipe(monkeypatch, lambda: Stages({"timeline": []}).write(text)) == text


def test_the_display_of_a_watched_job_obeys_nothing_either(monkeypatch: pytest.MonkeyPatch) -> None:
    def write() -> None:
        display = Display({"name": "j", "status": "Running", "timeline": [("Running", "2026-01-01T00:00:00+00:00")]})
        for line in EVIL:
            display.write(f"{line}\x1b[2J\x1b[8m\x1b]52;c;x\x07\n")
            display.note(line)

    sent = on_terminal(monkeypatch, write)
    assert sent and not UNSAFE.search(COLOUR.sub("", sent)), sent


def test_log_lines_on_a_terminal_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    before = structlog.get_config()

    def write() -> None:
        telemetry.configure_logging("test")
        structlog.get_logger().warning("request.refused", why="".join(EVIL))

    try:
        sent = on_terminal(monkeypatch, write)
    finally:
        structlog.configure(**before)
    assert "request.refused" in sent and with_colours(sent) == sent


def test_what_is_harmless_stays_as_it_is() -> None:
    text = "Zürich\t価格\r\nनमस्\u200dते 👩\u200d🔬\n"
    assert harmless(text) == text


def test_no_command_writes_around_it() -> None:
    """The kind of mistake: a new command that prints by itself."""
    around = []
    for path in sorted(Path(treering.cli.__path__[0]).rglob("*.py")):
        if path.name == "terminal.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if called.endswith("console.print") and path.name == "progress.py":
                    continue  # a test of its own says what it lets through
                if called.endswith(".print") or called in (
                    "print",
                    "click.echo",
                    "click.secho",
                    "sys.stdout.write",
                    "sys.stderr.write",
                ):
                    around.append(f"{path.name}:{node.lineno}")
    assert around == []


def test_the_end_of_a_line_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    assert on_terminal(monkeypatch, lambda: put("1,000 blobs\r", end="\r")) == "1,000 blobs\\u000d\r"
