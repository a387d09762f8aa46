"""The jobs that a job's script submitted with its submitter's rights, and those that they submitted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from treering.cli.session import Session

if TYPE_CHECKING:
    from treering.client.http import Client

JOBS_MAX = 10_000
ANCESTORS_MAX = 1_000
UNDER_WAY = ("Queued", "Preparing", "Running", "Finalizing")


def submitted_by(session: Session, client: Client, name: str) -> Iterator[str]:
    """The names of those under way, each once. They are looked for again until there are no new ones: until they are
    canceled they may submit more."""
    via: dict[str, str] = {}
    seen: set[str] = set()
    while new := [one for one in under_way(session, client, via) if one not in seen]:
        seen.update(new)
        yield from (one for one in new if is_from(session, client, via, one, name))


def under_way(session: Session, client: Client, via: dict[str, str]) -> list[str]:
    """Their names; who submitted each is noted in ``via``."""
    found = []
    for status in UNDER_WAY:
        for one in session.listed(client, session.path("job"), JOBS_MAX, status=status):
            via[one["name"]] = one["state"].get("via", "")
            found.append(one["name"])
    return found


def is_from(session: Session, client: Client, via: dict[str, str], job: str, ancestor: str) -> bool:
    """Whether ``ancestor`` submitted it, or a job that did, whether that has ended or not."""
    for _ in range(ANCESTORS_MAX):
        if job not in via:
            via[job] = client.get(session.path("job", job))["state"].get("via", "")
        job = via[job]
        if job in ("", ancestor):
            return job == ancestor
    return False
