"""Code that only Azure can answer is noted when the job is submitted, by validate too; other code is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from treering.specs import azure_code
from treering.specs.nodes import Place, Report
from treering.specs.prepared import load_job
from treering.specs.validate import judge

V1, CLIENT, IDENTITY, STORE = "SDK v1", "MLClient", "a credential of Azure", "datastores of Azure"
CASES = {
    "from azureml.core import Run": V1,
    "from azureml.core.run import Run": V1,
    "import azureml.core": V1,
    "def f():\n    import azureml.core as c": V1,
    "run = Run.get_context()": V1,
    '{"source": ["from azureml.core import Run\\n"]}': V1,
    "from azure.ai.ml import load_job": CLIENT,
    "client = azure.ai.ml.MLClient(c)": CLIENT,
    "from azure.ai.ml.identity import AzureMLOnBehalfOfCredential": CLIENT + IDENTITY,
    "from azure.identity import OnBehalfOfCredential": IDENTITY,
    "from azure.identity import DefaultAzureCredential": IDENTITY,
    "fs = azureml.fsspec.AzureMachineLearningFileSystem(u)": STORE,
    "# from azureml.core import Run": "",
    "import mlflow, azureml.mlflow": "",
    "from azureml.corelib import x": "",
    "import mltable": "",
}  # fmt: skip


def notes(folder: Path, code: str) -> list[str]:
    """About one file of the code, as they are kept with the job."""
    (folder / "src" / "deep").mkdir(parents=True)
    (folder / "src" / "deep" / "train.py").write_text(f"import os\n{code}\n")
    (folder / "job.yml").write_text("command: python deep/train.py\ncode: src\nenvironment: {python: '3.11'}\n")
    kept = load_job(folder / "job.yml").notes
    assert [f"{one.key} {one.message}" for one in judge(folder / "job.yml").notes] == list(kept)
    return list(kept)


@pytest.mark.parametrize("code", CASES)
def test_what_only_azure_answers_is_noted_once_with_its_place(tmp_path: Path, code: str) -> None:
    said = notes(tmp_path, code)
    expected = [one for one in (V1, CLIENT, IDENTITY, STORE) if one in CASES[code]]
    assert len(said) == len(expected)
    assert all(word in one and one.startswith("code deep/train.py:") for word, one in zip(expected, said, strict=True))


def test_a_note_says_the_line_and_what_to_use(tmp_path: Path) -> None:
    [note] = notes(tmp_path, "x = 1\nfrom azureml.core import Run\nrun = Run.get_context()")
    assert note.startswith("code deep/train.py:3 uses") and "mlflow.log_metric" in note


def test_the_command_is_looked_at_too(tmp_path: Path) -> None:
    (tmp_path / "job.yml").write_text(
        "command: python -c 'from azureml.core import Run'\nenvironment: {python: '3.11'}\n"
    )
    [note] = load_job(tmp_path / "job.yml").notes
    assert note.startswith("command uses the Azure ML SDK v1")


def test_the_look_has_bounds_and_follows_no_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").write_text("from azureml.core import Run")
    code = tmp_path / "code"
    for folder in ("__pycache__", ".venv"):
        (code / folder).mkdir(parents=True)
        (code / folder / "a.py").write_text("from azureml.core import Run")
    (code / "link.py").symlink_to("../real")
    (code / "loop").symlink_to(".")
    (code / "data.txt").write_text("from azureml.core import Run")
    (code / "a.py").write_text("x" * azure_code.BYTES_MAX + "\nfrom azureml.core import Run")
    (code / "z.py").write_text("from azureml.core import Run")
    for files_max, count in ((2, 1), (1, 0)):
        monkeypatch.setattr(azure_code, "FILES_MAX", files_max)
        report = Report(tmp_path)
        azure_code.note_azure_code(code, "true", Place("job.yml", 1), report)
        assert len(report.notes) == count
