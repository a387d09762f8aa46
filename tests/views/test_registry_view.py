"""The registry's part of the tracking view: computed again it is the live one, and it shows what MLflow shows."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from treering.adapters.memory_log import MemoryLog
from treering.adapters.sqlite_view import Database, SqliteView
from treering.domain import KINDS
from treering.domain.model import ChangeStage, CreateModel, DeleteModel, ModelSpec, TagModel, UndeleteModel, UpdateModel
from treering.domain.registered_model_messages import (
    AddVersion,
    AssignAlias,
    CreateRegisteredModel,
    DeleteRegisteredModel,
    TagRegisteredModel,
)
from treering.kernel.aggregate import Command
from treering.kernel.command import Context
from treering.kernel.log import Entry
from treering.kernel.points import Points, PointsEntry, RunPoints, Series
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.kernel.writer import Writer
from treering.testing.model_examples import MODEL_COMMANDS
from treering.views.tracking import TrackingView
from treering.views.tracking.logged_models import LoggedModelsPart, logged_model
from treering.views.tracking.registry import RegistryPart
from treering.views.tracking.registry_rows import latest, registered_model, version, versions

pytestmark = pytest.mark.anyio

START = datetime(2026, 1, 1, tzinfo=UTC)
KEYS = {"registered_model": ["m", "new"], "model": ["m:1", "m:2"], "logged_model": ["m-1", "m-2"]}


class Registry:
    """Commands, one a second, and the view of what they left."""

    def __init__(self, path: Path | str = ":memory:") -> None:
        self.log = MemoryLog()
        self.writers: dict[str, Writer[Any]] = {name: Writer(self.log, KINDS[name]) for name in KEYS}
        self.store = SqliteView(TrackingView([RegistryPart, LoggedModelsPart]), path)
        self.count = 0

    async def say(self, kind: str, key: str, command: Command) -> None:
        self.count += 1
        context = Context(f"c{self.count}", START + timedelta(seconds=self.count), "anna")
        await self.writers[kind].execute(Address("w", kind, key), command, context)

    async def shown(self) -> Database:
        await self.store.open()
        await self.store.apply(self.log.entries)
        return self.store.opened()


def at_ms(count: int) -> int:
    return round((START + timedelta(seconds=count)).timestamp() * 1000)


async def a_log(seed: int) -> Sequence[Entry]:
    chance = random.Random(seed)
    registry = Registry()
    for _ in range(300):
        kind = chance.choice(sorted(KEYS))
        try:
            await registry.say(kind, chance.choice(KEYS[kind]), chance.choice(MODEL_COMMANDS[kind]))
        except Refused:
            continue
    return registry.log.entries


def dump(db: Database) -> list[list[tuple[Any, ...]]]:
    tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    return [sorted((tuple(row) for row in db.execute(f"SELECT * FROM {table}")), key=repr) for table in tables]


@pytest.mark.parametrize("seed", range(2))
async def test_computed_again_it_is_the_live_one_at_every_position(seed: int, tmp_path: Path) -> None:
    entries = await a_log(seed)
    assert len(entries) > 60
    live = SqliteView(TrackingView([RegistryPart, LoggedModelsPart]), tmp_path / "live.db")
    await live.open()
    for end in range(0, len(entries), 13):
        if batch := entries[end : end + 13]:
            await live.apply(batch)
        again = SqliteView(TrackingView([RegistryPart, LoggedModelsPart]), ":memory:")
        await again.open()
        await again.apply(entries[: end + 13])
        assert await live.read(dump) == await again.read(dump)
        await again.close()
    await live.close()


async def a_model(versions: int = 2) -> Registry:
    registry = Registry()
    await registry.say("registered_model", "m", CreateRegisteredModel("m"))
    for number in range(1, versions + 1):
        await registry.say("registered_model", "m", AddVersion(number, next=True))
        await registry.say("model", f"m:{number}", CreateModel(ModelSpec("m", number, f"s3://b/{number}")))
    return registry


async def test_a_stage_updates_version_and_model_and_a_description_only_the_version() -> None:
    registry = await a_model(1)
    await registry.say("model", "m:1", ChangeStage("Staging"))  # the fourth
    await registry.say("model", "m:1", UpdateModel("read"))
    await registry.say("model", "m:1", TagModel({"a": "b"}))
    await registry.say("registered_model", "m", TagRegisteredModel({"a": "b"}))
    db = await registry.shown()
    model, one = registered_model(db, "w", "m"), version(db, "w", "m", 1)
    assert model is not None and one is not None
    assert (model.created_ms, model.updated_ms) == (at_ms(1), at_ms(4))
    assert (one.created_ms, one.updated_ms, one.stage, one.description) == (at_ms(3), at_ms(5), "Staging", "read")
    assert model.tags == one.tags == {"a": "b"}


async def test_the_latest_version_of_each_stage() -> None:
    registry = await a_model(4)
    for number in (1, 3):
        await registry.say("model", f"m:{number}", ChangeStage("Production"))
    found = latest(await registry.shown(), "w", ["m", "other"])
    assert {row.stage: row.version for row in found["m"]} == {"None": 4, "Production": 3} and found["other"] == []


async def test_nothing_of_a_deleted_model_is_shown_and_what_is_restored_is_shown_again() -> None:
    registry = await a_model(2)
    await registry.say("registered_model", "m", AssignAlias("champion", 2))
    await registry.say("model", "m:1", DeleteModel())
    await registry.say("registered_model", "m", DeleteRegisteredModel())
    db = await registry.shown()
    # The second version is not deleted yet, and is not shown all the same.
    assert registered_model(db, "w", "m") is None and version(db, "w", "m", 2) is None
    await registry.say("registered_model", "m", CreateRegisteredModel("m"))
    await registry.say("model", "m:1", UndeleteModel())
    await registry.store.apply(registry.log.entries[-2:])
    assert [row.version for row in versions(db, "w", "m")] == [2, 1]
    again = registered_model(db, "w", "m")
    assert again is not None and again.aliases == {} and again.version_last == 0


async def test_every_point_measured_on_a_logged_model_is_shown_once() -> None:
    registry = Registry()
    await registry.say("logged_model", "m-1", MODEL_COMMANDS["logged_model"][0])
    db = await registry.shown()
    series = [Series("loss", [0.5, None], [10, 20], [1, 2], "m-1", "d", "1"), Series("other", [1.0], [1], [1])]
    points = Points("p", START, [RunPoints("r", 1, 1, 0, "anna", series)])
    part = LoggedModelsPart()
    part.points(db, [PointsEntry(1, "w", points)])
    part.points(db, [PointsEntry(2, "w", points)])
    found = logged_model(db, "w", "m-1")
    assert found is not None and found.state.params == {"rate": "0.1"}
    shown = [msgspec.structs.astuple(metric) for metric in found.metrics]
    assert shown[0] == ("loss", 0.5, 10, 1, "r", "d", "1") and [one[0] for one in shown] == ["loss", "loss"]
    assert shown[1][1] != shown[1][1]  # NaN
