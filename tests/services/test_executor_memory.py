"""What an executor keeps beside its attempts: the jobs it has seen go by, and the folders it still has to remove."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from treering.domain.job import Job
from treering.domain.job_messages import JobAssigned, JobCanceled, JobSubmitted
from treering.domain.job_spec import EnvironmentSpec, JobSpec
from treering.kernel.subjects import Address
from treering_services.executor import known_jobs, workplace
from treering_services.executor.known_jobs import COMMIT_BYTES_MAX, KnownJobs
from treering_services.executor.workplace import Leftovers, make_folders, remove_all

JOB = Address("main", "job", "j1")
SPEC = JobSpec(command="true", environment=EnvironmentSpec())
SUBMITTED, ASSIGNED, CANCELED = JobSubmitted(SPEC), JobAssigned(1, "n1", "i1"), JobCanceled(1)


def test_a_job_seen_from_its_first_commit_on_is_known() -> None:
    known = KnownJobs()
    known.fold(JOB, 1, [SUBMITTED], 100)
    assert known.fold(JOB, 2, [ASSIGNED], 100) == Job("Preparing", SPEC, 1, "n1", "i1")


@pytest.mark.parametrize(
    ("version", "size_bytes"), [(2, 100), (3, 100), (1, COMMIT_BYTES_MAX + 1)], ids=["late", "gap", "long"]
)
def test_a_job_with_a_commit_not_seen_or_too_long_is_not_known_until_it_is_read(version: int, size_bytes: int) -> None:
    known = KnownJobs()
    if version != 2:
        known.fold(JOB, 1, [SUBMITTED], size_bytes)
    assert known.fold(JOB, max(version, 2), [ASSIGNED], 100) is None
    assert not known.jobs


def test_jobs_that_are_over_and_too_many_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_jobs, "KNOWN_MAX", 2)
    known = KnownJobs()
    for name in ("j1", "j2", "j3"):
        known.fold(Address("main", "job", name), 1, [SUBMITTED], 100)
    assert [address.key for address in known.jobs] == ["j2", "j3"]
    known.fold(Address("main", "job", "j2"), 2, [CANCELED], 100)
    assert [address.key for address in known.jobs] == ["j3"]


@pytest.mark.anyio
async def test_what_waits_to_be_removed_is_gone_when_the_executor_ends(tmp_path: Path) -> None:
    leftovers = Leftovers()
    empty, full = tmp_path / "empty", tmp_path / "full"
    for folder in (empty, full):
        make_folders(folder)
    (full / "home" / ".cache").write_text("x")
    for folder in (empty, full):
        await leftovers.add(folder)
    await leftovers.close()
    assert not os.listdir(tmp_path)


@pytest.mark.anyio
async def test_jobs_that_end_faster_than_their_folders_go_wait_for_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workplace, "WAITING_MAX", 2)
    leftovers = Leftovers()
    for name in "ab":
        make_folders(tmp_path / name)
        await leftovers.add(tmp_path / name)
    assert not leftovers.waiting
    await leftovers.close()


def test_what_an_earlier_life_left_is_removed_and_nothing_left_is_no_error(tmp_path: Path) -> None:
    make_folders(tmp_path / "runs" / "main.j1.1")
    remove_all(tmp_path / "runs")
    assert not list((tmp_path / "runs").iterdir())
    remove_all(tmp_path / "absent")
