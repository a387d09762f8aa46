"""Which artifacts the tracking view says there are."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pytest

from treering.adapters.sqlite_view import Database
from treering.domain.job_messages import JobCompleted, OutputData
from treering.domain.run_messages import RunArtifactDeleted, RunArtifactLogged
from treering.kernel.aggregate import Event
from treering.kernel.log import Commit
from treering.kernel.subjects import Address
from treering.views.tracking.artifacts import ArtifactsPart, artifact, children, file_above, is_folder, trees
from treering.views.tracking.parts import Change

RUN = Address("main", "run", "r1")
AT = datetime(2026, 11, 24, tzinfo=UTC)
DIGEST = "sha256:" + "0" * 64


@pytest.fixture
def db() -> Iterator[Database]:
    database = sqlite3.connect(":memory:")
    database.row_factory = sqlite3.Row
    database.executescript(ArtifactsPart.schema)
    yield database
    database.close()


def happened(db: Database, events: Sequence[Event], address: Address = RUN) -> None:
    part = ArtifactsPart()
    for position, event in enumerate(events, start=1):
        part.change(
            db, Change(address, position, Commit(f"c{position}", f"k{position}", position, AT, "anna"), [event])
        )


def logged(*paths: str) -> list[Event]:
    return [RunArtifactLogged(path, DIGEST, len(path)) for path in paths]


def names(db: Database, folder: str, owner: Address = RUN) -> list[str]:
    return [child.name + ("/" if child.size_bytes is None else "") for child in children(db, owner, folder)]


def test_a_folder_shows_its_own_children_whatever_sorts_between_them(db: Database) -> None:
    happened(db, logged("a", "d/one", "d/two/deep", "d!x", "d-x", "d.x", "d0", "d00", "dd/e", "é/ü"))
    assert names(db, "") == ["a", "d!x", "d-x", "d.x", "d/", "d0", "d00", "dd/", "é/"]
    assert names(db, "d") == ["one", "two/"] and names(db, "d/two") == ["deep"] and names(db, "é") == ["ü"]
    assert names(db, "a") == names(db, "no") == names(db, "", RUN._replace(key="r")) == []


def test_a_removal_takes_a_file_or_all_below_a_folder_and_nothing_beside(db: Database) -> None:
    happened(db, [*logged("d/a", "d/b/c", "d.txt", "d0", "dd/x"), RunArtifactDeleted("d"), RunArtifactDeleted("d0")])
    assert names(db, "") == ["d.txt", "dd/"]
    happened(db, [RunArtifactDeleted("")])
    assert names(db, "") == []


def test_the_last_word_about_a_path_counts(db: Database) -> None:
    happened(db, [*logged("a"), RunArtifactDeleted("a"), RunArtifactLogged("a", DIGEST[:-1] + "1", 7)])
    found = artifact(db, RUN, "a")
    assert found is not None and (found.digest[-1], found.size_bytes) == ("1", 7)


def test_files_and_folders_are_told_apart(db: Database) -> None:
    happened(db, logged("d/a"))
    assert is_folder(db, RUN, "d") and not is_folder(db, RUN, "d/a")
    assert (file_above(db, RUN, "d/a/b/c"), file_above(db, RUN, "d/b")) == ("d/a", "")


def test_what_a_job_left_stands_among_the_artifacts_of_its_run_until_it_is_removed_whole(db: Database) -> None:
    outputs = {"default": OutputData("d1", 1, 1), "model": OutputData("d2", 1, 1)}
    happened(db, [JobCompleted(1, outputs, "d3")], RUN._replace(kind="job"))
    assert trees(db, RUN) == {"outputs": "d1", "named-outputs/model": "d2", "": "d3"}
    happened(db, [RunArtifactDeleted("named-outputs"), RunArtifactDeleted("outputs/part")])
    assert trees(db, RUN) == {"outputs": "d1", "": "d3"}
    happened(db, [RunArtifactDeleted("")])
    assert trees(db, RUN) == {}
