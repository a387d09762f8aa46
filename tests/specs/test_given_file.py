"""The YAML of ``-f`` may come from another program; its relative paths then start at the working directory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from treering.client.environments import load_environment
from treering.specs.compute_draft import load_compute
from treering.specs.model_draft import load_model
from treering.specs.prepared import load_job
from treering.specs.validate import judge
from treering.specs.workspace_draft import load_workspace
from treering.specs.yaml_text import BYTES_MAX, Unreadable

JOB = "command: echo\ncode: src\nenvironment: {image: python, conda_file: conda.yml}\n"


@contextmanager
def pipe(text: bytes) -> Iterator[Path]:
    """What a shell puts in the place of ``<(...)``."""
    ours, theirs = os.pipe()
    try:
        os.write(theirs, text)
        os.close(theirs)
        yield Path(f"/dev/fd/{ours}")
    finally:
        os.close(ours)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "conda.yml").write_text("dependencies: [python=3.11]\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("code", ["src", "./src", "."])
def test_a_job_that_a_program_writes_names_folders_of_the_working_directory(folder: Path, code: str) -> None:
    with pipe(JOB.replace("code: src", f"code: {code}").encode()) as file:
        draft = load_job(file)
    assert draft.code is not None and draft.code.resolve() == (folder / code).resolve()


def test_every_kind_is_read_from_a_program(folder: Path) -> None:
    with pipe(b"name: m\npath: src\ntype: custom_model\n") as file:
        assert load_model(file, ()).local == Path("src")
    with pipe(b"name: e\nimage: python\nconda_file: conda.yml\n") as file:
        assert load_environment(file, ())["spec"]["python"] == "3.11"
    with pipe(b"name: c\ntype: amlcompute\n") as file:
        assert load_compute(file, ()).name == "c"
    with pipe(b"name: w\ndescription: d\n") as file:
        assert load_workspace(file, ()).body == {"description": "d"}
    with pipe(JOB.encode()) as file:
        assert judge(file).submittable


def test_what_is_wrong_is_told_at_its_line_in_the_pipe(folder: Path) -> None:
    with pipe(JOB.replace("src", "nowhere").encode()) as file:
        assert [str(one) for one in judge(file).problems] == ["<pipe>:2: code: there is no folder 'nowhere' in '.'"]


def test_a_program_that_writes_for_ever_is_read_so_far_and_refused() -> None:
    with (
        open("/dev/zero", "rb") as endless,
        pytest.raises(Unreadable, match=f"<pipe>: has more than {BYTES_MAX} bytes"),
    ):
        load_job(Path(f"/dev/fd/{endless.fileno()}"))


def test_only_the_yaml_of_the_command_line_is_read_so(folder: Path) -> None:
    with pipe(b"dependencies: [python=3.11]\n") as file:
        (folder / "job.yml").write_text(JOB.replace("conda.yml", str(file)))
        assert f"conda_file: {str(file)!r} is a FIFO" in str(judge(folder / "job.yml").problems[0])
    (folder / "job.yml").write_text(JOB.replace("conda.yml", "'-'"))
    assert "conda_file: there is no file '-'" in str(judge(folder / "job.yml").problems[0])
