"""One call of the command line: which installation and workspace, and how to show the answer."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from treering.client.urls import segment
from treering.config import default_home
from treering.kernel.shared_limits import PAGE_MAX
from treering.kernel.subjects import plural, singular

if TYPE_CHECKING:  # a command that asks nobody starts without it
    from treering.client.http import Client


@dataclass
class Session:
    """What the common options said."""

    home: Path = field(default_factory=default_home)
    workspace: str = field(default_factory=lambda: os.environ.get("TREERING_WORKSPACE") or "main")
    workspace_said: bool = False  # with -w, rather than left out or in the environment
    output: str = ""
    query: str = ""
    debug: bool = False
    resource_group: str = ""  # taken because people type it; there are none
    subscription: str = ""
    quiet: bool = False
    verbose: bool = False

    def client(self) -> Client:
        from treering.client.http import Client

        return Client.of_home(self.home.absolute(), self.workspace)

    def path(self, kind: str, *names: str) -> str:
        """``/v1/workspaces/<workspace>/<kind>s/...``; those of workspaces have no more than their own name."""
        if kind == "workspace":
            return "/".join(["/v1/workspaces", *map(segment, names)])
        return "/".join(["/v1/workspaces", segment(self.workspace), plural(kind), *map(segment, names)])

    def address(self, text: str) -> str:
        """The path of what ``kind/name`` names; a usage error when that is not its form."""
        kind, slash, name = text.partition("/")
        if not slash or not kind or not name:
            raise click.UsageError(f"{text!r}: write KIND/NAME, such as job/train-1")
        return self.path(singular(kind), name)

    def listed(self, client: Client, path: str, items_max: int, key: str = "items", **filters: Any) -> Iterator[Any]:
        """The items of a list, page after page, at most ``items_max``."""
        page = ""
        while items_max > 0:
            answer = client.get(path, **filters, limit=min(items_max, PAGE_MAX), page=page)
            yield from answer[key]
            items_max -= len(answer[key])
            page = answer.get("next", "")
            if not page or not answer[key]:
                return

    def show(self, value: object) -> None:
        """One thing."""
        from treering.cli.output import emit

        emit(self, value)

    def table(
        self, rows: list[Any], columns: dict[str, str], *, whole: bool = False, csv_columns: Sequence[str] = ()
    ) -> None:
        """A list of things; ``columns`` maps a heading to the path of its value (``creation_context.created_at``).
        ``whole``: no cell is cut. ``csv_columns``: the paths of CSV, where they are more."""
        from treering.cli.output import emit

        emit(self, rows, columns, whole=whole, csv_columns=csv_columns)
