"""Every figure the dashboard asks for is there when a job has run; none of ours is forgotten on it."""

from __future__ import annotations

import asyncio
import json
import re
import runpy
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.system.http_client import JOBS, Gateway
from tests.system.up import up
from tests.system.views import until

from treering.client.http import Client
from treering.config import Home

pytestmark = pytest.mark.anyio
OPS = Path(__file__).parents[2] / "ops"
METRIC = re.compile(r"\b((?:treering|process)_[a-z_]+)")
LABEL = re.compile(r"by \((\w+)\)|{{(\w+)}}")
# Said for programs that ask for one figure; the dashboard has better ones.
NOT_SHOWN = {"treering_view_position"}
WAIT_SECONDS = 30.0
SPEC = {"command": "true", "environment": {}}


def asked() -> dict[str, set[str]]:
    """The metrics of the dashboard, with the labels it uses of each."""
    found: dict[str, set[str]] = {}
    for panel in json.loads((OPS / "grafana.json").read_text())["panels"]:
        for target in panel.get("targets", []):
            labels = {one or other for one, other in LABEL.findall(target["expr"] + target["legendFormat"])}
            for metric in METRIC.findall(target["expr"]):
                found.setdefault(metric, set()).update(labels)
    return found


async def test_every_metric_and_label_of_the_dashboard_is_exported_after_a_job(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    async with up(home.root):
        await Gateway(home, []).submit("j", SPEC)
        done = lambda: Gateway(home, []).get_once(f"{JOBS}/j").get("status") == "Completed"  # noqa: E731
        assert await until(done, WAIT_SECONDS)
        text = await asyncio.to_thread(scraped, home)
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    exported = {sample.name: set(sample.labels) for sample in samples}
    missing = {name: labels for name, labels in asked().items() if not labels <= exported.get(name, {"nothing"})}
    assert len(asked()) > 10 and not missing, missing
    values = {(sample.name, *sample.labels.values()): sample.value for sample in samples}
    assert values["treering_jobs", "Completed"] == 1 and values["treering_nodes_online",] == 1
    assert values["treering_log_damaged",] == 0 and values["treering_log_position",] > 5
    parts = ("disk", "log", "nats", "registry", "view", "monitor")
    assert [values["treering_ready", part] for part in parts] == [1] * 6
    ours = {re.sub(r"_(bucket|count|sum|created)$", "", name) for name in exported if name.startswith("treering_")}
    shown = {re.sub(r"_(bucket|total)$", "", name) for name in asked()} | NOT_SHOWN
    assert {name.removesuffix("_total") for name in ours} <= shown


def scraped(home: Home) -> str:
    with Client.of_home(home.root) as client:
        return client.ask("GET", "/metrics").decode()


def test_the_dashboard_file_is_what_its_script_makes() -> None:
    made = runpy.run_path(str(OPS / "make_dashboard.py"))["dashboard"]()
    assert json.loads((OPS / "grafana.json").read_text()) == made
