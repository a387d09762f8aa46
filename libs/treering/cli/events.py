"""``treering events``: CloudEvents as JSON lines, up to now or live; and publishing some."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import IO, Any
from urllib.parse import urlencode

import click

from treering.cli.lazy import LazyGroup
from treering.cli.moments import SINCE, position_at
from treering.cli.output import writes_unicode
from treering.cli.people import names_of, who
from treering.cli.session import Session
from treering.cli.terminal import put
from treering.client.sse import messages
from treering.kernel.decoding import check_repeats, decode, decode_once
from treering.kernel.refusal import Refused
from treering.kernel.shared_limits import EVENTS_BYTES_MAX, EVENTS_MAX, PAGE_MAX

FILE_BYTES_MAX = 256 * 1024 * 1024
EVENTS = {"At": "time", "Event": "event", "Of": "subject", "By": "actor", "Position": "position", "Source": "source"}
TABLES = ("table", "tsv", "csv")


@click.pass_context
def read(
    context: click.Context, follow: bool, since: str | None, kind: str | None, name: str | None, type_: str | None
) -> None:
    if context.invoked_subcommand:
        return
    session = context.ensure_object(Session)
    write = writer(session, follow)
    with session.client() as client:
        behind = position_at(client, since) if since else None
        fields = {"ws": session.workspace, "since": behind, "kind": kind, "name": name, "type": type_}
        asked = {key: value for key, value in fields.items() if value}
        how = {"follow": "true"} if follow else {"follow": "false", "limit": PAGE_MAX}
        path = f"/v1/events?{urlencode({**asked, **how})}"
        for message in messages(client, path, ends=not follow):
            write(message.data)


def writer(session: Session, follow: bool) -> Callable[[str], None]:
    """Writes an event: the line it came as, or what ``-o`` and ``--query`` make of it, one event at a time."""
    if not (session.output or session.query):
        return lambda data: put(one_line(data), flush=follow)
    from treering.cli.follow_output import line_writer

    line, people = line_writer(session, EVENTS), names_of(session.home)

    def write(data: str) -> None:
        event = json.loads(data)
        mark, actor = " (published)" if event.get("published") else "", event.get("actor", "")
        by = who(people.get(actor, actor), event.get("via", ""))
        shown = {**event, "event": event["type"] + mark, "actor": by}
        line(shown if session.output in TABLES else event)

    return write


def one_line(data: str) -> str:
    """The event as it came; in ASCII where the output cannot show more."""
    return data if writes_unicode() else json.dumps(json.loads(data))


events = LazyGroup(
    "events",
    help="Read events as JSON lines (or -o, --query: of each), or follow and publish them.",
    invoke_without_command=True,
    callback=read,
    params=[
        click.Option(["--follow", "-F"], is_flag=True, help="Go on with new ones as they come."),
        click.Option(["--since"], type=SINCE, metavar="ID|POSITION|now|AGO", help="Only what comes behind it."),
        click.Option(["--kind"], help="Only about this kind."),
        click.Option(["--name"], help="Only about this one; needs --kind."),
        click.Option(["--type", "type_"], help="Only these types, with commas between; job.* or *.failed."),
    ],
)


@events.command("publish", help="Publish CloudEvents: a JSON object, an array, or a line each.")
@click.option("-f", "--file", "file", required=True, type=click.File("rb"), help="- is standard input.")
@click.pass_context
def publish(context: click.Context, file: IO[bytes]) -> None:
    session = context.ensure_object(Session)
    found = parsed(file.read(FILE_BYTES_MAX + 1))
    results: list[dict[str, Any]] = []
    with session.client() as client:
        for batch in batches(found):
            results += client.post(f"{session.path('event')}", batch)["results"]
    refused = [one for one in results if one.get("code")]
    session.table(results, {"Id": "id", "Position": "position", "Duplicate": "duplicate", "Refused": "detail"})
    if refused:
        first = f"{refused[0]['detail']} ({refused[0]['code']})"
        put(f"error: {len(refused)} of {len(results)} events were refused; {first}", file=sys.stderr)
    context.exit(1 if refused else 0)


def parsed(data: bytes) -> list[Any]:
    """The events of a file: one object, an array, or JSON lines."""
    if len(data) > FILE_BYTES_MAX:
        raise Refused("events.too_large", f"the file has more than {FILE_BYTES_MAX} bytes; publish it in parts")
    try:
        whole: Any = decode(data, Any, bytes_max=FILE_BYTES_MAX)
    except Refused as refused:
        lines = [(number, line) for number, line in enumerate(data.splitlines(), start=1) if line.strip()]
        if len(lines) < 2:
            raise Refused("events.malformed", f"the file cannot be read: {refused.detail}") from None
        return [line_of(number, line) for number, line in lines]
    check_repeats(data, "events.malformed")
    return whole if isinstance(whole, list) else [whole]


def line_of(number: int, line: bytes) -> Any:
    try:
        return decode_once(line, Any, bytes_max=FILE_BYTES_MAX, values_max=FILE_BYTES_MAX)
    except Refused as refused:
        raise Refused("events.malformed", f"line {number} cannot be read: {refused.detail}") from None


def batches(events: list[Any]) -> list[list[Any]]:
    """As few requests as the server's limits on number and bytes allow."""
    parts: list[list[Any]] = []
    size_bytes = 0
    for event in events:
        bytes_here = len(json.dumps(event))
        if not parts or len(parts[-1]) == EVENTS_MAX or size_bytes + bytes_here > EVENTS_BYTES_MAX:
            parts.append([])
            size_bytes = 0
        parts[-1].append(event)
        size_bytes += bytes_here
    return parts
