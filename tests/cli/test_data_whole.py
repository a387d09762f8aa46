"""Data goes in and comes back whole, by the command line: also what git or an ignore file would pass over."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from tests.cli.conftest import Treering, answer

JOB = """
command: |
  cp -r ${{inputs.data}}/. ${{outputs.copy}}; mkdir -p outputs; cp -r ${{inputs.data}}/. outputs
  ln -s gone.pt ${{outputs.copy}}/last.pt; exit ${{inputs.code}}
environment:
  python: "3.11"
inputs:
  code: 0
  data:
    type: uri_folder
    path: data
outputs:
  copy:
    type: uri_folder
"""
WHOLE = {".amlignore", ".git/HEAD", "x/.git/f", "__pycache__/f", "empty/", "x/none/"}


@pytest.fixture
def job_file(tmp_path: Path) -> Path:
    for path in WHOLE:
        place = tmp_path / "data" / path
        (place if path.endswith("/") else place.parent).mkdir(parents=True, exist_ok=True)
        if not path.endswith("/"):
            place.write_text("*\n")
    (tmp_path / "job.yml").write_text(JOB)
    return tmp_path / "job.yml"


def below(folder: Path) -> set[str]:
    """Files and, with a slash, empty folders."""
    return set(entries(folder, folder))


def entries(folder: Path, top: Path) -> Iterable[str]:
    for one in folder.iterdir():
        if one.is_file():
            yield str(one.relative_to(top))
        elif any(one.iterdir()):
            yield from entries(one, top)
        else:
            yield f"{one.relative_to(top)}/"


def test_input_and_outputs_are_whole_and_a_file_that_cannot_be_stored_is_named(
    online: Treering, job_file: Path, tmp_path: Path
) -> None:
    for name, code in (("whole", 0), ("broken", 3)):
        online("job", "create", "-f", str(job_file), "-n", name, "--set", f"inputs.code={code}", "--stream")
        job = answer(online, "job", "show", "-n", name)
        assert (job["status"], job["properties"]["exit_code"]) == ("Failed" if code else "Completed", code)
        assert [(one["output"], one["path"], one["code"]) for one in job["left_out"]] == [
            ("copy", "last.pt", "tree.symlink")
        ]
        done = online("job", "download", name, "--all", "-p", str(tmp_path / name))
        assert "note: left out of copy when the job ended: last.pt" in done.stderr
        assert below(tmp_path / name / "named-outputs/copy") == WHOLE
        assert below(tmp_path / name / "artifacts/outputs") == WHOLE
        assert "left out of output copy: last.pt" in (tmp_path / name / "artifacts/user_logs/std_log.txt").read_text()


def test_a_model_of_a_folder_or_of_a_part_of_an_output_is_whole(
    online: Treering, job_file: Path, tmp_path: Path
) -> None:
    online("job", "create", "-f", str(job_file), "-n", "for_model", "--stream")
    for name, path, whole in (
        ("folder", str(tmp_path / "data"), WHOLE),
        ("part", "azureml://jobs/for_model/outputs/copy/paths/x", {".git/f", "none/"}),
        ("logged", "runs:/for_model/outputs", WHOLE),
    ):
        made = answer(online, "model", "create", "-n", name, "-p", path, "--type", "custom_model")
        answer(online, "model", "download", "-n", f"{name}:{made['version']}", "-p", str(tmp_path / "out"))
        assert below(tmp_path / "out" / name) == whole, name


def test_a_job_is_given_the_output_of_another_whole(online: Treering, job_file: Path, tmp_path: Path) -> None:
    online("job", "create", "-f", str(job_file), "-n", "first", "--stream")
    for name, path, whole in (("again", "", WHOLE), ("of_empty", "/paths/empty", set())):
        data = f"inputs.data.path=azureml://jobs/first/outputs/copy{path}"
        online("job", "create", "-f", str(job_file), "-n", name, "--set", data, "--stream")
        online("job", "download", name, "--output-name", "copy", "-p", str(tmp_path / name))
        assert below(tmp_path / name / "named-outputs/copy") == whole
