"""Azure Monitor's tables in the audit have what Azure's have, on every row that has it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from treering.adapters.memory_log import MemoryLog
from treering.adapters.sqlite_view import SqliteView
from treering.domain import KINDS
from treering.domain.compute import CreateCompute, DeleteCompute
from treering.domain.job_messages import AssignJob, CancelJob, CompleteJob, FailJob, StartJob, SubmitJob
from treering.domain.job_spec import EnvironmentSpec, JobSpec
from treering.kernel.aggregate import Command
from treering.kernel.command import Context
from treering.kernel.subjects import Address
from treering.kernel.writer import Writer
from treering.views.audit import AuditView
from treering.views.lifecycle import LifecycleView
from treering.views.sql_answers import SqlQuery, select
from treering.views.sql_views import SqlReaders

pytestmark = pytest.mark.anyio
GPU = JobSpec("true", EnvironmentSpec(), compute="gpu", experiment="churn")
PLAIN = JobSpec("true", EnvironmentSpec())
START: list[Command] = [AssignJob(1, "n1", "i"), StartJob(1, "n1")]
HISTORY: dict[tuple[str, str], list[Command]] = {
    ("compute", "gpu"): [CreateCompute("local", nodes_max=3), DeleteCompute()],
    ("compute", "cpu"): [CreateCompute()],
    ("job", "done"): [SubmitJob(GPU), *START, CompleteJob(1, "n1")],
    ("job", "bad"): [SubmitJob(PLAIN), *START, FailJob(1, "n1", "exit_code", "it failed", 1)],
    ("job", "off"): [SubmitJob(GPU), CancelJob()],
}
COLUMNS = (
    "JobName, ExperimentName, ExperimentId, ClusterName, ClusterId, EventType, ExecutionState, NodeId, ErrorDetails"
)


@pytest.fixture
async def sql(tmp_path: Path, anyio_backend: str) -> AsyncIterator[SqlReaders]:
    log, number = MemoryLog(), 0
    for (kind, name), commands in HISTORY.items():
        writer: Writer[Any] = Writer(log, KINDS[kind])
        for command in commands:
            number += 1
            context = Context(f"c{number}", datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number), "anna")
            await writer.execute(Address("w", kind, name), command, context)
    for view in (AuditView(), LifecycleView()):
        store = SqliteView(view, tmp_path / f"{view.name}.db")
        await store.open()
        await store.apply(log.entries)
        await store.close()
    readers = SqlReaders(tmp_path / "audit.db", tmp_path / "lifecycle.db")
    yield readers
    await readers.close()


async def rows(sql: SqlReaders, text: str) -> list[list[Any]]:
    answer = await sql.readers.read(lambda db: select(db, SqlQuery(text, 1000), sql.guard), 5.0)
    return [list(row) for row in answer.rows]


async def test_each_row_of_a_job_says_its_cluster_and_experiment(sql: SqlReaders) -> None:
    gpu = ["churn", "churn", "gpu", "gpu"]
    plain = ["Default", "Default", "local", "local"]
    assert await rows(sql, f"SELECT {COLUMNS} FROM AmlComputeJobEvent ORDER BY TimeGenerated") == [
        ["done", *gpu, "JobSubmitted", "Queued", None, None],
        ["done", *gpu, "JobRunning", "Running", "n1", None],
        ["done", *gpu, "JobSucceeded", "Succeeded", "n1", None],
        ["bad", *plain, "JobSubmitted", "Queued", None, None],
        ["bad", *plain, "JobRunning", "Running", "n1", None],
        ["bad", *plain, "JobFailed", "Failed", "n1", "exit_code"],
        ["off", *gpu, "JobSubmitted", "Queued", None, None],
        ["off", *gpu, "JobCanceled", "Canceled", None, None],
    ]


async def test_each_row_of_a_cluster_says_what_it_is(sql: SqlReaders) -> None:
    columns = "ClusterName, ClusterType, MaximumNodeCount, CreatedBy, EventType, VmSize, QuotaAllocated"
    found = await rows(sql, f"SELECT {columns} FROM AmlComputeClusterEvent ORDER BY TimeGenerated")
    assert found[0] == ["gpu", "local", 3, "anna", "compute.created", None, None]
    assert found[1][:2] == ["gpu", "local"] and found[1][3:5] == ["anna", "compute.deleted"]
    assert found[2] == ["cpu", "nodes", 100, "anna", "compute.created", None, None]


async def test_a_run_of_each_status_has_its_experiment(sql: SqlReaders) -> None:
    sql_text = "SELECT RunId, Status, ExperimentName, Identity FROM AmlRunStatusChangedEvent WHERE RunId = 'off'"
    assert await rows(sql, f"{sql_text} ORDER BY TimeGenerated") == [
        ["off", "Queued", "churn", "anna"],
        ["off", "Canceled", "churn", "anna"],
    ]
