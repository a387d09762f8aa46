"""``treering schema``: JSON Schemas of published event types, enforced while they are active."""

from __future__ import annotations

from typing import IO, Any

import click

from treering.cli.kinds import Kind, group_of, said
from treering.cli.names import named
from treering.cli.session import Session
from treering.kernel.decoding import decode_once
from treering.kernel.refusal import Refused

EVENT_SCHEMA = Kind(
    "event_schema", "What the data of published events must look like.", ("archive", "restore"),
    ("status", "description"),
)  # fmt: skip
FILE_BYTES_MAX = 256 * 1024
schema = group_of(EVENT_SCHEMA)
schema.name = "schema"


@schema.command("create", help="Register the JSON Schema of an event type, whose name is the name.")
@named
@click.option("-f", "--file", "file", required=True, type=click.File("rb"), help="The schema as JSON; - is stdin.")
@click.option("--description", default="")
@click.pass_obj
def create(session: Session, name: str, file: IO[bytes], description: str) -> None:
    with session.client() as client:
        body = {"schema": read(file), "description": description}
        said(session, client, EVENT_SCHEMA, name, "create", body)


@schema.command("update", help="Put another schema in its place; what was published stays as it is.")
@named
@click.option("-f", "--file", "file", required=True, type=click.File("rb"))
@click.option("--description")
@click.pass_obj
def update(session: Session, name: str, file: IO[bytes], description: str | None) -> None:
    body: dict[str, Any] = {"schema": read(file)}
    if description is not None:
        body["description"] = description
    with session.client() as client:
        said(session, client, EVENT_SCHEMA, name, "update", body)


def read(file: IO[bytes]) -> dict[str, Any]:
    data = file.read(FILE_BYTES_MAX + 1)
    if len(data) > FILE_BYTES_MAX:
        raise Refused("event_schema.invalid", f"{file.name} has more than {FILE_BYTES_MAX} bytes")
    try:
        found: Any = decode_once(data, Any)
    except Refused as refused:
        raise Refused("event_schema.invalid", f"{file.name} cannot be read: {refused.detail}") from None
    if not isinstance(found, dict):
        raise Refused("event_schema.invalid", f"{file.name} is no JSON object, as a schema is")
    return found
