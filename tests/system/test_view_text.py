"""Text that was changed in the files of the views is never shown: they are made again, and say what the log says."""

from __future__ import annotations

import asyncio
import http.client
import json
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.test_sqlite_pages import change
from tests.system.http_client import JOBS, Gateway
from tests.system.up import up
from tests.system.views import until
from tests.system.work import COMMANDS, Work

from treering.config import Home

pytestmark = pytest.mark.anyio
NAME, FORGED = "honest-job", "forged-job"
WAIT_SECONDS = 60.0
NOT_NOW = 503
# What shows the job's name out of each view: states (twice), tracking, audit, its search index, lifecycle.
QUESTIONS: dict[str, tuple[str, str, dict[str, Any] | None]] = {
    "states, a list": ("GET", JOBS, None),
    "states, by key": ("GET", f"{JOBS}/{NAME}", None),
    "tracking": ("GET", f"/api/2.0/mlflow/runs/get?run_id={NAME}", None),
    "audit": ("GET", "/v1/audit?kind=job", None),
    "audit, by words": ("GET", f"/v1/audit?text={NAME}", None),
    "audit, in SQL": ("POST", "/v1/audit/sql", {"sql": "SELECT type, name FROM events WHERE kind = 'job'"}),
    "lifecycle": ("GET", f"{JOBS}?at=9", None),  # of ten events or so, nine are there for certain
}
VIEWS = ("states", "tracking", "audit", "lifecycle")


def ask(home: Home, question: str) -> tuple[int, str]:
    """Status and body; (0, "") when there is no whole answer."""
    gateway, (method, path, body) = Gateway(home, []), QUESTIONS[question]
    try:
        connection = gateway.connection(10.0)
        try:
            connection.request(method, path, json.dumps(body) if body else None, gateway.headers("ask"))
            reply = connection.getresponse()
            return reply.status, reply.read().decode()
        finally:
            connection.close()
    except (OSError, http.client.HTTPException):
        return 0, ""


async def first_answer(home: Home, question: str) -> tuple[int, str]:
    """The first that is not "not now". None before it may show what was forged."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            status, body = await asyncio.to_thread(ask, home, question)
            assert FORGED not in body, f"{question} showed changed text: {body[:300]}"
            if status not in (0, NOT_NOW):
                return status, body
            await asyncio.sleep(0.05)


async def test_forged_text_in_the_views_is_never_shown(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    # Given an installation that has run a job, and whose views were changed while it was down,
    async with up(home.root):
        spec = Work(NAME, "quick", COMMANDS["quick"].replace("{seconds}", "0")).spec(tmp_path / "marks")
        await Gateway(home, []).submit(NAME, spec)
        get = Gateway(home, []).get_once
        assert await until(lambda: get(f"{JOBS}/{NAME}").get("status") == "Completed", WAIT_SECONDS)
        before = {question: await first_answer(home, question) for question in QUESTIONS}
    for question, (status, body) in before.items():
        assert status == 200 and NAME in body, f"{question}: {status} {body[:300]}"
    forged = [path for path in (home.root / "views").rglob("*.db") if path.stem in VIEWS]
    assert {path.stem for path in forged} == set(VIEWS)
    for path in forged:
        change(path, NAME, FORGED)
    # when it is started again, then nothing shows what was forged, and soon all show what the log says.
    async with up(home.root):
        for question in QUESTIONS:
            status, body = await first_answer(home, question)
            assert status == 200 and NAME in body, f"{question}: {status} {body[:300]}"
