"""Whatever is asked of the audit, the answer is what reading every event would give."""

from __future__ import annotations

import random
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.views.audit_example import START, Audit, a_history, entry, opened_audit

from treering.adapters.sqlite_reader import SqliteReaders
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.views.audit_answers import story
from treering.views.audit_counts import BY, count
from treering.views.event_filters import position_at
from treering.views.queries import AuditQuery, AuditRow, CountQuery, StoryQuery
from treering.views.search import SearchIndex

pytestmark = pytest.mark.anyio
SEVERAL = ("job.st*,model.created", "no.such", "build.*", "job.*,build.done", "build.done,event.*")


def matches(query: AuditQuery, row: AuditRow) -> bool:
    """The same conditions, said in Python."""
    return (
        query.workspace in ("", row.workspace)
        and query.actor in ("", row.actor)
        and query.kind in ("", row.kind)
        and query.name in ("", row.name)
        and query.cause in ("", row.cause)
        and (not query.type or any(is_type(one, row.type, row.published) for one in query.type.split(",")))
        and (not query.since or (row.position >= int(query.since) if query.since.isdigit() else row.at >= query.since))
        and (not query.until or (row.position <= int(query.until) if query.until.isdigit() else row.at <= query.until))
        and all(word in plain(f"{row.name} {bytes(row.data).decode()}") for word in plain(query.text).split())
    )


def is_type(wanted: str, *types: str) -> bool:
    """Of a published event its own type counts too."""
    return any(type and (type.startswith(wanted[:-1]) if wanted.endswith("*") else type == wanted) for type in types)


def plain(text: str) -> str:
    return "".join(one for one in unicodedata.normalize("NFD", text.casefold()) if not unicodedata.combining(one))


def a_query(chance: random.Random, rows: list[AuditRow]) -> AuditQuery:
    """A question that some event answers in most of its parts."""
    row = chance.choice(rows)
    moments = ["", "", str(row.position), row.at]
    values = {
        "workspace": row.workspace,
        "actor": row.actor,
        "kind": row.kind,
        "name": row.name,
        "type": chance.choice(
            [
                row.type,
                f"{row.kind}.*",
                "job.st*,model.created",
                "no.such",
                "build.*",
                "job.*,build.done",
                "build.done,event.*",
            ]
        ),
        "cause": row.cause,
        "text": chance.choice(["APFEL", "birne", "munchen", row.name, "birne munchen", "absent"]),
    }
    asked: dict[str, Any] = {name: value for name, value in values.items() if chance.random() < 0.25}
    return AuditQuery(
        **asked,
        unseen=True,
        since=chance.choice(moments),
        until=chance.choice(moments),
        oldest_first=chance.random() < 0.5,
        limit=chance.choice([1, 7, 100, 1000]),
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("indices", [True, False])
async def test_any_question_is_answered_as_if_every_event_were_read(tmp_path: Path, seed: int, indices: bool) -> None:
    chance = random.Random(seed)
    async with opened_audit(tmp_path, indices=indices) as audit:
        await audit.view.apply(a_history(seed))
        everything = await audit.all(AuditQuery(oldest_first=True, limit=1000))
        assert len(everything) > 400
        for _ in range(60):
            query = a_query(chance, everything)
            expected = [row for row in everything if matches(query, row)]
            try:
                found = await audit.all(query)
            except Refused as refused:  # no event can have this kind and these types
                assert refused.code == "filter.impossible" and not expected, query
                continue
            assert found == (expected if query.oldest_first else expected[::-1]), query


async def test_pages_stay_where_they_are_while_events_come_in(tmp_path: Path) -> None:
    # Given a question read page by page, newest first, while new events are appended between the pages,
    async with opened_audit(tmp_path) as audit:
        await audit.view.apply(a_history(1, 200))
        expected = [row.position for row in await audit.all(AuditQuery(kind="job", limit=1000))]
        seen: list[int] = []
        query, first = AuditQuery(kind="job", limit=9), 201
        while True:
            answer = await audit.ask(query)
            seen += [row.position for row in answer.rows]
            if not answer.next:
                break
            await audit.view.apply(a_history(first, 30, first))
            first += 30
            query = msgspec.structs.replace(query, page=answer.next)
        # then it has every event that was there at its start, once, in order, and nothing else.
        assert seen == expected
        # And with the oldest first, what came meanwhile comes at the end.
        late = await audit.all(AuditQuery(kind="job", oldest_first=True, limit=9))
        assert [row.position for row in late][: len(expected)] == expected[::-1] and len(late) > len(expected)


async def counted(audit: Audit, query: CountQuery) -> dict[str, int]:
    answer = await audit.readers.read(lambda db: count(db, query))
    return {row.value: row.events for row in answer.rows}


@pytest.mark.parametrize("by", BY)
async def test_counts_are_those_of_the_rows(tmp_path: Path, by: str) -> None:
    async with opened_audit(tmp_path) as audit:
        await audit.view.apply(a_history(2))
        wanted = AuditQuery(workspace="w", since="2026-01-02", until="2026-01-03T12:00:00Z", limit=1000)
        rows = await audit.all(wanted)
        moments = {"day": [row.at[:10] for row in rows], "hour": [f"{row.at[:13]}:00Z" for row in rows]}
        expected = Counter(moments.get(by) or [str(getattr(row, by)) for row in rows])
        assert (
            await counted(audit, CountQuery(by=by, workspace="w", since=wanted.since, until=wanted.until)) == expected
        )
        assert len(expected) >= 1 and sum(expected.values()) > 50


async def test_a_time_is_the_last_position_that_was_stamped_by_then(tmp_path: Path) -> None:
    async with opened_audit(tmp_path) as audit:
        await audit.view.apply(a_history(3))
        rows = await audit.all(AuditQuery(limit=1000))
        for at in ("2025-01-01", "2026-01-01T05:30:00Z", rows[7].at, rows[90].at, "2030-01-01"):
            found = await audit.readers.read(lambda db, at=at: position_at(db, at, "at"))  # type: ignore[misc]
            assert found == max((row.position for row in rows if row.at <= at), default=0), at


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("birne", True), ("BIR*", True), ("bir", False), ('"rote birne"', True), ('"birne rote"', False),
        ("rote birne", True), ("birne OR x", False), ("zeile", True), ("neu", True), ("nneu", False), ("r1", True),
        ("NEAR(rote birne)", False), ("text:birne", False), ("e4b7", True), ("sha256:e4b7", True),
    ],
)  # fmt: skip
async def test_words_are_found_whole_and_nothing_in_them_is_an_operator(tmp_path: Path, text: str, found: bool) -> None:
    event = {"type": "job.submitted", "note": "eine rote Birne, zeile\nneu", "digest": "sha256:e4b7"}
    async with opened_audit(tmp_path) as audit:
        await audit.view.apply([entry(1, Address("w", "job", "r1"), [event], START)])
        assert bool((await audit.ask(AuditQuery(text=text))).rows) == found


@pytest.mark.parametrize("text", ["", '"', "* - !", "w " * 17])
async def test_text_without_words_to_look_for_is_refused(tmp_path: Path, text: str) -> None:
    async with opened_audit(tmp_path) as audit:
        if not text:
            assert (await audit.ask(AuditQuery(text=text))).rows == []
            return
        await audit.view.apply(a_history(1, 3))
        with pytest.raises(Refused, match=r"query\.bad_text"):
            await audit.ask(AuditQuery(text=text))


async def test_an_index_of_words_that_is_not_of_this_audit_is_made_again(tmp_path: Path) -> None:
    # Given an index of another history, one that is damaged, and one that is well,
    async with opened_audit(tmp_path) as audit:
        await audit.view.apply(a_history(1))
        expected = await audit.all(AuditQuery(text="birne"))
    path = tmp_path / "search.db"
    for damage in ("other", "broken", ""):
        if damage == "other":
            (tmp_path / "o").mkdir()
            async with opened_audit(tmp_path / "o") as other:
                await other.view.apply(a_history(2))
                await other.all(AuditQuery(text="birne"))
            (tmp_path / "o" / "search.db").replace(path)
        elif damage == "broken":
            path.write_bytes(b"SQLite format 3\x00" + bytes(5000))
        # when the audit is opened with it, then words are found as before.
        async with opened_audit(tmp_path) as audit:
            assert await audit.all(AuditQuery(text="birne")) == expected and expected


async def test_a_question_that_takes_too_long_ends_with_words(tmp_path: Path) -> None:
    async with opened_audit(tmp_path) as audit:
        endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
        with pytest.raises(Refused, match=r"query\.too_long"):
            await audit.readers.read(lambda db: db.execute(endless).fetchone(), timeout_seconds=0.05)
        assert (await audit.ask(AuditQuery())).rows == []


async def test_readers_cannot_write(tmp_path: Path) -> None:
    async with opened_audit(tmp_path) as audit:
        with pytest.raises(Exception, match="readonly"):
            await audit.readers.read(lambda db: db.execute("DELETE FROM event_rows"))
    readers = SqliteReaders(tmp_path / "absent.db")
    with pytest.raises(Exception, match="unable to open"):
        await readers.read(lambda db: None)
    await readers.close()
    assert not (tmp_path / "absent.db").exists()


async def test_the_index_of_words_waits_for_nothing_it_cannot_have(tmp_path: Path) -> None:
    async with opened_audit(tmp_path) as audit:
        await audit.view.apply(a_history(1, 20))
        again = SearchIndex(tmp_path / "second.db", tmp_path / "audit.db", audit.view.soundness)
        await again.open()
        await again.catch_up()
        assert not await again.on_thread(again.index_some)
        await again.close()


async def test_a_row_says_through_which_job_somebody_acted(tmp_path: Path) -> None:
    run = Address("w", "run", "r")
    said = {"type": "run.deleted"}
    async with opened_audit(tmp_path) as audit:
        through = entry(1, run, [said], START, "u_1", via="job:train")
        await audit.view.apply([through, entry(2, run, [said], START, "u_1")])
        rows = (await audit.ask(AuditQuery(actor="u_1", oldest_first=True))).rows
        told = (await audit.view.read(lambda db: story(db, StoryQuery("w", "run", "r")))).rows
    assert [row.via for row in rows] == [row.via for row in told] == ["job:train", ""]
