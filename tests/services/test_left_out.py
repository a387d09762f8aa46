"""What a job left is stored, whatever else lies there: a file that cannot be stored is named and fails no job."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest

from treering.adapters import trees
from treering.adapters.blobs import LocalBlobs
from treering.adapters.folders import scan
from treering.adapters.trees import Limits, read_manifest
from treering.domain.job_messages import LEFT_OUT_MAX
from treering.domain.job_spec import EnvironmentSpec, JobSpec, OutputSpec
from treering.kernel.subjects import Address
from treering_services.executor import leaving
from treering_services.executor.attempt import Attempt
from treering_services.executor.leaving import KEPT_OF_ONE_MAX, LINES_MAX, store_logs, store_outputs

pytestmark = pytest.mark.anyio


class Job:
    """A job that has ended, and the outputs ``d`` and ./outputs that it may fill."""

    def __init__(self, folder: Path) -> None:
        spec = JobSpec(command="true", environment=EnvironmentSpec(), outputs={"d": OutputSpec()})
        self.blobs = LocalBlobs(folder / "blobs")
        self.attempt = Attempt(Address("main", "job", "j"), 1, spec, folder / "run")
        self.named, self.default = folder / "run" / "outputs" / "d", self.attempt.code_folder / "outputs"
        for one in (self.named, self.default):
            one.mkdir(parents=True)
        self.attempt.output_paths["d"] = self.named
        self.said: list[str] = []

    async def end(self) -> None:
        await store_outputs(self.attempt, self.blobs, self.said.append)

    async def kept(self, output: str) -> list[str]:
        """Files and, with a slash, empty folders."""
        manifest = await read_manifest(self.blobs, self.attempt.outputs[output].digest)
        return [*(file.path for file in manifest.files), *(f"{path}/" for path in manifest.folders)]

    def gaps(self) -> list[tuple[str, str, str]]:
        return [(one.output, one.path, one.code) for one in self.attempt.left_out]


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


def put(name: bytes | str) -> Callable[[Path], object]:
    return lambda folder: Path(os.fsdecode(os.path.join(os.fsencode(folder), os.fsencode(name)))).write_text("x")


def link(name: str, target: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).symlink_to(target)


def listen(folder: Path) -> None:
    here = os.open(".", os.O_RDONLY)
    os.chdir(folder)  # the path of a socket has 108 bytes at most
    try:
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind("s")
    finally:
        os.fchdir(here)
        os.close(here)


def long_path(folder: Path) -> None:
    here = folder.joinpath(*["n" * 200] * 5)
    here.mkdir(parents=True)
    (here / ("m" * 60)).touch()


def deep(folder: Path) -> None:
    here = folder.joinpath(*["d"] * 101)
    here.mkdir(parents=True)
    (here / "f").touch()


def doubled_links(folder: Path) -> None:
    for level in range(60):
        (folder / f"l{level}").mkdir()
        for name in ("x", "y"):
            (folder / f"l{level}" / name).symlink_to(f"../l{level + 1}")
    (folder / "l60").mkdir()


CASES: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "a link to nothing": (link("last.pt", "gone.pt"), "last.pt", "tree.symlink"),
    "a link to itself": (link("l", "l"), "l", "tree.symlink"),
    "a link to a file outside": (link("l", "/etc/hostname"), "l", "tree.symlink"),
    "a link to what is above": (link("l", ".."), "l", "tree.symlink"),
    "a link to its own folder": (link("l", "."), "l", "tree.symlink"),
    "a FIFO": (lambda folder: os.mkfifo(folder / "p"), "p", "tree.special_file"),
    "a socket": (listen, "s", "tree.special_file"),
    "a backslash": (put("a\\b"), "a\\b", "path.unsafe"),
    "a tab": (put("a\tb"), "a\\tb", "path.unsafe"),
    "a new line": (put("a\nb"), "a\\nb", "path.unsafe"),
    "no UTF-8": (put(b"caf\xe9"), "caf\\xe9", "path.unsafe"),
    "an encoded slash": (put("%2fetc"), "%2fetc", "path.unsafe"),
    "encoded dots": (put("%2e%2e"), "%2e%2e", "path.unsafe"),
    "a drive": (put("C:"), "C:", "path.unsafe"),
    "somebody's home": (put("~"), "~", "path.unsafe"),
    "a long path": (long_path, "/".join(["n" * 200] * 5)[:297] + "...", "path.unsafe"),
    "folders too deep": (deep, "/".join(["d"] * 101), "tree.too_deep"),
}


@pytest.mark.parametrize("case", CASES)
async def test_all_but_one_file_is_stored_and_that_one_is_named(job: Job, case: str) -> None:
    make, path, code = CASES[case]
    for folder in (job.named, job.default):
        (folder / "best.pt").write_text("best")
        make(folder)
    await job.end()
    for output in ("d", "default"):
        assert "best.pt" in await job.kept(output)
    assert job.gaps() == [("d", path, code), ("default", path, code)]
    assert job.attempt.left_out_count == 2
    assert [line.split(" (")[0] for line in job.said] == [
        f"left out of output d: {path}",
        f"left out of ./outputs: {path}",
    ]
    assert job.attempt.failure is None
    msgspec.json.encode(job.attempt.left_out)  # it goes into an event


async def test_doubled_links_are_followed_as_far_as_is_sane(job: Job) -> None:
    (job.named / "best.pt").write_text("best")
    doubled_links(job.named)
    await job.end()
    assert "best.pt" in await job.kept("d")
    assert {code for _, _, code in job.gaps()} == {"tree.too_many_links"}
    assert job.attempt.left_out_count > len(job.gaps()) == KEPT_OF_ONE_MAX


async def test_what_many_files_are_left_out_is_counted_and_has_bounds(job: Job) -> None:
    for number in range(LINES_MAX + 5):
        (job.named / f"{number}.pt").symlink_to("gone")
    for number in range(KEPT_OF_ONE_MAX + 5):
        (job.default / f"{number}.pt").symlink_to("gone")
    await job.end()
    assert len(job.attempt.left_out) == LEFT_OUT_MAX
    assert job.attempt.left_out_count == LINES_MAX + 5 + KEPT_OF_ONE_MAX + 5
    assert "left out of output d: 5 more files; 1005 in all" in job.said


async def test_a_second_try_counts_from_zero(job: Job) -> None:
    (job.named / "l").symlink_to("gone")
    await job.end()
    await job.end()
    assert (job.attempt.left_out_count, len(job.attempt.left_out)) == (1, 1)


async def test_an_output_that_is_gone_is_empty_and_said(job: Job) -> None:
    shutil.rmtree(job.named)
    (job.default / "best.pt").touch()
    await job.end()
    assert await job.kept("d") == []
    assert await job.kept("default") == ["best.pt"]
    assert job.gaps() == [("d", ".", "tree.absent")]


async def test_an_output_that_is_a_link_out_of_the_job_is_not_followed(job: Job) -> None:
    job.default.rmdir()
    job.default.symlink_to("/etc")
    await job.end()
    assert job.gaps() == [("default", ".", "tree.symlink")]


async def test_an_output_that_is_a_link_within_the_job_is_stored(job: Job) -> None:
    (job.attempt.code_folder / "results").mkdir()
    (job.attempt.code_folder / "results" / "best.pt").touch()
    job.default.rmdir()
    job.default.symlink_to("results")
    await job.end()
    assert (await job.kept("default"), job.gaps()) == (["best.pt"], [])


async def test_a_file_in_the_place_of_outputs_is_stored(job: Job) -> None:
    job.default.rmdir()
    job.default.write_text("all of it")
    await job.end()
    assert (await job.kept("default"), job.gaps()) == (["outputs"], [])


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (Limits(bytes_max=10), "tree.too_large"),
        (Limits(holes_bytes_max=10), "tree.too_large"),
        (Limits(manifest_bytes_max=200), "tree.too_many_files"),
    ],
)
async def test_what_goes_beyond_a_limit_is_left_out_for_itself(
    job: Job, monkeypatch: pytest.MonkeyPatch, limits: Limits, code: str
) -> None:
    (job.named / "a").write_text("small")
    with (job.named / "b").open("wb") as sparse:
        sparse.truncate(1 << 30)
    monkeypatch.setattr(leaving, "Limits", lambda holes_bytes_max: limits)
    await job.end()
    assert (await job.kept("d"), job.gaps()) == (["a"], [("d", "b", code)])


async def test_of_too_many_files_the_rest_is_left_out(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        (job.named / name).touch()
    monkeypatch.setattr(trees, "scan", partial(scan, entries_max=2))
    await job.end()
    assert len(await job.kept("d")) == 2
    assert [code for _, _, code in job.gaps()] == ["tree.too_many_files"]


async def test_what_a_job_put_among_its_logs_does_not_cost_it_them(job: Job) -> None:
    job.attempt.log_file.parent.mkdir(parents=True)
    job.attempt.log_file.write_text("epoch 1\n")
    os.mkfifo(job.attempt.log_file.with_name("pipe"))
    await store_logs(job.attempt, job.blobs)
    files = (await read_manifest(job.blobs, job.attempt.logs)).files
    assert [file.path for file in files] == ["user_logs/std_log.txt"]
    assert job.gaps() == [("logs", "user_logs/pipe", "tree.special_file")]


async def test_what_a_script_wrote_into_logs_lies_beside_the_console(job: Job) -> None:
    logs = job.attempt.code_folder / "logs"
    (logs / "empty").mkdir(parents=True)
    (logs / "user_logs").mkdir()
    (logs / "user_logs" / "std_log.txt").write_text("not the console")
    (logs / "last").symlink_to("gone")
    await job.end()
    assert job.gaps() == [("./logs", "last", "tree.symlink")]
    assert job.said[0].startswith("left out of ./logs: last (tree.symlink)")
    for console, files in (("", []), ("epoch 1\n", ["user_logs/std_log.txt"])):
        job.attempt.log_file.parent.mkdir(parents=True, exist_ok=True)
        job.attempt.log_file.write_text(console)
        await store_logs(job.attempt, job.blobs)
        tree = await read_manifest(job.blobs, job.attempt.logs)
        assert [file.path for file in tree.files] == ["logs/user_logs/std_log.txt", *files]
        assert tree.folders == ("logs/empty",)


async def test_a_path_that_is_too_long_below_logs_is_left_out_and_named(job: Job) -> None:
    folder = (job.attempt.code_folder / "logs").joinpath(*["n" * 200] * 5)  # 1,004 characters
    folder.mkdir(parents=True)
    for name in ("m" * 14, "m" * 15):
        (folder / name).touch()
    await job.end()
    await store_logs(job.attempt, job.blobs)
    [file] = (await read_manifest(job.blobs, job.attempt.logs)).files
    assert file.path.endswith("/" + "m" * 14)
    assert [(output, code) for output, _, code in job.gaps()] == [("./logs", "path.unsafe")]


async def test_a_job_without_a_console_and_without_logs_has_none(job: Job) -> None:
    (job.attempt.code_folder / "logs").mkdir()
    await job.end()
    await store_logs(job.attempt, job.blobs)
    assert job.attempt.logs == ""


async def test_data_folders_and_empty_folders_are_part_of_an_output(job: Job) -> None:
    for folder in ("x/.git", "__pycache__"):
        (job.named / folder).mkdir(parents=True)
        (job.named / folder / "f").touch()
    (job.named / ".amlignore").write_text("*\n")
    (job.named / "empty").mkdir()
    await job.end()
    assert await job.kept("d") == [".amlignore", "__pycache__/f", "x/.git/f", "empty/"]
