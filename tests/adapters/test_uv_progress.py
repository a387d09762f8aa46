"""Who waits for an environment sees how many packages are ready, how much was written, and what takes long."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from treering.adapters import uv_progress
from treering.adapters.environments import Environments
from treering.adapters.uv_progress import Package, Seen, UvProgress, look
from treering.domain.job_spec import EnvironmentSpec
from treering.kernel.meter import Meter, metered

TORCH, YAML, OLD = Package("torch", "2.5"), Package("pyyaml", "6.0"), Package("slow", "1.0")


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    now = [100.0]
    monkeypatch.setattr(uv_progress, "monotonic_seconds", lambda: now[0])
    yield now


@pytest.fixture
def meter() -> Iterator[Meter]:
    with metered(Meter(3, "packages")) as found:
        yield found


def test_what_is_ready_and_what_takes_long_is_said(meter: Meter, seconds: list[float]) -> None:
    progress = UvProgress([TORCH, YAML, OLD])
    progress.hear(b"Resolved 3 packages in 5ms\nDownloading torch (700.0Mi")
    progress.hear(b"B)\nDownloading pyyaml (2.0MiB)\n")
    progress.take(Seen(3 * 1024**2, frozenset({"building slow==1.0"}), frozenset()))
    seconds[0] += 40
    progress.hear(b" Downloaded pyyaml\n")
    progress.take(Seen(2 * 1024**2, frozenset({"building slow==1.0"}), frozenset({YAML})))
    progress.tell()
    long = "downloading torch (700.0MiB) for 40 s, building slow==1.0 for 40 s"
    assert str(meter) == f"1 of 3 packages, 3.0 MiB written, {long}"
    progress.hear(b"Prepared 3 packages in 60s\n")
    progress.take(Seen(0, frozenset(), frozenset()))
    progress.tell()
    assert str(meter) == "3 of 3 packages, 3.0 MiB written, copying into the environment"


def test_what_is_done_with_packages_that_are_ready_is_said(meter: Meter) -> None:
    progress = UvProgress([TORCH, YAML], uv_progress.COMPILING)
    progress.take(Seen(1024, frozenset(), frozenset()))
    meter.begin(progress.total, "packages")
    progress.tell()
    assert str(meter) == "2 of 2 packages, 1.0 KiB written, compiling to byte code"


def test_bytes_that_are_written_are_progress_although_no_package_gets_ready(meter: Meter) -> None:
    meter.moved_at_seconds -= 50
    progress = UvProgress([TORCH])
    progress.take(Seen(0, frozenset(), frozenset()))
    assert meter.still_seconds >= 50
    progress.take(Seen(1, frozenset(), frozenset()))
    assert meter.still_seconds < 50


def test_what_is_said_is_short_and_has_no_address(meter: Meter, seconds: list[float]) -> None:
    progress = UvProgress()
    names = [f"building {uv_progress.shown(name)}" for name in ("a==1", "b==1", "c==1", "x" * 500, "https://me:pw@h/x")]
    progress.take(Seen(5, frozenset(names), frozenset()))
    progress.tell()
    assert meter.detail.count(" for 0 s") == 3 and meter.detail.endswith("2 more")
    assert not any(len(name) > 100 or "pw" in name for name in names)


def test_a_package_is_ready_when_it_is_unpacked_or_built(tmp_path: Path) -> None:
    for path in (
        "wheels-v8/pypi/torch/2.5-cp311-cp311-linux_x86_64.http",
        "wheels-v8/pypi/torch/2.50-cp311-cp311-linux_x86_64",
        "wheels-v8/index/0f/pyyaml/6.0-cp311-cp311-linux_x86_64",
        "sdists-v11/pypi/slow/1.0/rev/slow-1.0-py3-none-any.whl",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert look(0, tmp_path, frozenset({TORCH, YAML, OLD})).ready == {YAML, OLD}


def test_a_package_that_is_built_is_the_current_folder_of_its_build(tmp_path: Path) -> None:
    source = tmp_path / "sdists-v11" / "index" / "0f" / "slow" / "1.0" / "rev" / "src"
    source.mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-c", "input()"], cwd=source, stdin=subprocess.PIPE) as child:
        seen = look(child.pid, tmp_path, frozenset())
        child.communicate(b"\n")
    assert seen.building == {"building slow==1.0"}


@pytest.mark.anyio
async def test_an_environment_that_is_made_has_told_of_each_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    told: list[str] = []
    real = UvProgress.heed

    def heard(self: UvProgress, line: str) -> None:
        real(self, line)
        told.append(f"{self.total} {self.phase}")

    monkeypatch.setattr(UvProgress, "heed", heard)
    await Environments(tmp_path / "envs").ready(EnvironmentSpec(requirements=("pyjokes",)), lambda _: None)
    assert "1 copying into the environment" in told and told[-1] == "1 compiling to byte code"
    version = next((tmp_path / "cache").glob("wheels-v*/*/pyjokes/*")).name.partition("-")[0]
    assert look(os.getpid(), tmp_path / "cache", frozenset({Package("pyjokes", version)})).ready
