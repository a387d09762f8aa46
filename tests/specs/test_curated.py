"""Images, curated environments and Dockerfiles, and the environment a job's YAML amounts to."""

from __future__ import annotations

from pathlib import Path

import pytest

from treering.domain.job_spec import EnvironmentSpec
from treering.kernel.refusal import Refused
from treering.specs.curated import curated, resolve_environment
from treering.specs.dockerfile import read_dockerfile
from treering.specs.environment_draft import EnvironmentDraft
from treering.specs.images import CURATED, note_of
from treering.specs.nodes import Place
from treering.specs.prepared import load_job
from treering.specs.requirements import python_versions, requirements

SKLEARN = "azureml://registries/azureml/environments/sklearn-1.5/labels/latest"


def build(folder: Path, *lines: str) -> EnvironmentSpec:
    (folder / "Dockerfile").write_text("\n".join(lines) + "\n")
    return read_dockerfile(folder)


def resolved(folder: Path, text: str) -> EnvironmentSpec | str:
    (folder / "job.yml").write_text("command: echo hello\nenvironment:" + text)
    return resolve_environment(load_job(folder / "job.yml").environment)


@pytest.mark.parametrize(
    ("image", "python"),
    [
        ("python", ""),
        ("docker.io/python", ""),
        ("library/python:latest", ""),
        ("library/python:3.11.6", "3.11.6"),
        ("python:3.12-slim-bookworm", "3.12"),
        ("python:slim", ""),
        ("mcr.microsoft.com/devcontainers/python:3.11", "3.11"),
        ("mcr.microsoft.com/azureml/inference-base-2204:1", ""),
        ("base", ""),
        ("treering://base", ""),
        ("mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04", ""),
        ("mcr.microsoft.com/azureml/openmpi3.1.2-ubuntu18.04:20220113.v1", ""),
        ("mcr.microsoft.com/azureml/minimal-py312-inference:latest", "3.12"),
    ],
)
def test_a_plain_image_is_a_bare_python(image: str, python: str) -> None:
    assert curated(image) == EnvironmentSpec(python=python, image=image, source=image)


def test_a_curated_environment_has_its_packages_however_it_is_named() -> None:
    names = (SKLEARN, "azureml:AzureML-sklearn-1.5@latest", "mcr.microsoft.com/azureml/curated/sklearn-1.5:12")
    for name in names:
        found = curated(name)
        assert found is not None
        assert found.requirements == CURATED["sklearn-1.5"].requirements
        assert found.source == name


@pytest.mark.parametrize("name", CURATED)
def test_every_curated_environment_is_well_formed(name: str) -> None:
    assert requirements(CURATED[name].requirements, name)
    assert python_versions(CURATED[name].python)


@pytest.mark.parametrize(
    "name",
    [
        "mcr.microsoft.com/mmlspark/release:1.0.0-rc3",
        "python:2.7",
        "evil.example/python:3.11",
        "azureml:sklearn-1.5@latest",
        "azureml://registries/mine/environments/sklearn-1.5/versions/1",
        "azureml://registries/azureml/environments/ai-ml-automl/versions/6",
        "azureml:AzureML-who-knows:1",
    ],
)
def test_what_is_not_known_is_not_guessed(name: str) -> None:
    assert curated(name) is None


def test_a_reference_to_the_workspace_is_left_to_the_server(tmp_path: Path) -> None:
    assert resolved(tmp_path, " azureml:mine:3\n") == "azureml:mine:3"
    assert resolved(tmp_path, " azureml:mine@latest\n") == "azureml:mine@latest"


def test_a_reference_to_the_public_registry_is_what_it_stands_for(tmp_path: Path) -> None:
    assert resolved(tmp_path, f" {SKLEARN}\n") == curated(SKLEARN)


def test_conda_wins_over_the_image(tmp_path: Path) -> None:
    (tmp_path / "conda.yml").write_text("dependencies: [python=3.10, pip: [pyjokes]]")
    found = resolved(tmp_path, "\n  image: who/knows\n  conda_file: conda.yml\n")
    source = str(tmp_path / "conda.yml")
    assert found == EnvironmentSpec("3.10", ("pyjokes",), "who/knows", source=source)


def test_conda_may_be_written_where_it_is_used(tmp_path: Path) -> None:
    found = resolved(tmp_path, "\n  image: python\n  conda_file:\n    dependencies: [python=3.10, numpy]\n")
    assert isinstance(found, EnvironmentSpec)
    assert (found.python, found.requirements) == ("3.10", ("numpy",))


def test_python_and_requirements_need_no_image(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("numpy\n")
    for written in ("requirements.txt", "[numpy]"):
        found = resolved(tmp_path, f"\n  python: '3.11'\n  requirements: {written}\n")
        assert isinstance(found, EnvironmentSpec)
        assert (found.python, found.requirements) == ("3.11", ("numpy",))


def test_requirements_come_on_top_of_the_image(tmp_path: Path) -> None:
    found = resolved(tmp_path, "\n  image: python:3.11\n  requirements: [numpy]\n")
    assert found == EnvironmentSpec("3.11", ("numpy",), "python:3.11", source="python:3.11")


def test_an_unknown_image_is_refused_and_the_remedy_named(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"environment\.image_unknown: .*'who/knows'.*conda_file") as refused:
        resolved(tmp_path, "\n  image: who/knows\n")
    assert "job.yml:" in refused.value.detail
    assert "sklearn-1.5" in refused.value.detail


def test_a_build_that_lies_elsewhere_is_refused() -> None:
    with pytest.raises(Refused, match=r"environment\.build"):
        resolve_environment(EnvironmentDraft(Place("job.yml", 1), build_reference="git+https://a.example/b"))


def test_a_dockerfile_is_read(tmp_path: Path) -> None:
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "requirements.txt").write_text("pandas\nscikit-learn==1.5.0\n")
    (tmp_path / "context" / "Dockerfile").write_text(
        "# packages\nFROM python:3.10 AS base\nENV A=1 B='two words'\nENV PATH $X/bin:$PATH\n"
        "COPY requirements.txt /tmp/\nRUN pip install --no-cache-dir -r /tmp/requirements.txt \\\n"
        "  # why\n  && rm /tmp/requirements.txt\nRUN python -m pip install -U pip 'numpy<2'\nCMD [\"bash\"]\n"
    )
    found = resolved(tmp_path, "\n  build:\n    path: context\n")
    assert isinstance(found, EnvironmentSpec)
    assert found.python == "3.10"
    shipped = 'setuptools<81; python_version < "3.12"'  # with the official images, and counted on
    assert found.requirements == ("numpy<2", "pandas", "scikit-learn==1.5.0", shipped)
    assert found.variables == {"A": "1", "B": "two words"}


def test_a_dockerfile_may_install_with_conda(tmp_path: Path) -> None:
    found = build(
        tmp_path,
        "FROM mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04",
        "RUN conda create -p $HERE python=3.8 pip=21.3.1 numpy=1.21 -c anaconda -y",
    )
    assert (found.python, found.requirements) == ("3.8", ("numpy==1.21.*",))


@pytest.mark.parametrize(
    "line",
    [
        "RUN apt-get install -y gcc",
        "RUN pip install numpy && curl x | sh",
        "ENTRYPOINT x",
        "FROM python",
        "ENV A=$B",
        "RUN pip install -r absent.txt",
        "RUN pip install 'unclosed",
        "RUN pip install -r ../secret.txt",
    ],
)
def test_the_first_line_that_cannot_be_mapped_is_named(tmp_path: Path, line: str) -> None:
    folder = tmp_path / "context"
    folder.mkdir()
    (tmp_path / "secret.txt").write_text("numpy\n")
    with pytest.raises(Refused, match=r"environment\.dockerfile: .*Dockerfile:3: ") as refused:
        build(folder, "FROM python:3.11", "RUN pip install pandas", line, "VOLUME y")
    assert line in refused.value.detail


@pytest.mark.parametrize(
    "line", ["RUN pip install --index-url=x a", "RUN pip install git+https://x/y", "RUN pip install ."]
)
def test_a_dockerfile_installs_from_indexes_and_its_own_folder_only(tmp_path: Path, line: str) -> None:
    with pytest.raises(Refused, match=r"environment\.(requirement|index|dockerfile): .*Dockerfile:2"):
        build(tmp_path, "FROM python:3.11", line)


@pytest.mark.parametrize("first", ["FROM who/knows", "FROM ${BASE}", "FROM", "RUN true"])
def test_a_dockerfile_starts_from_a_known_image(tmp_path: Path, first: str) -> None:
    with pytest.raises(Refused, match=r"environment\.dockerfile"):
        build(tmp_path, first)


def test_a_dockerfile_outside_of_its_context_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"environment\.dockerfile.*outside"):
        read_dockerfile(tmp_path, "../Dockerfile")


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("azureml:AzureML-sklearn-1.0-ubuntu20.04-py38-cpu@latest", "scikit-learn>=1.0,<1.1; python_version < '3.11'"),
        ("azureml:AzureML-sklearn-0.24-ubuntu18.04-py37-cpu:49", "scikit-learn>=0.24,<0.25; python_version < '3.11'"),
        ("azureml:AzureML-sklearn-1.2@latest", "scikit-learn>=1.2,<1.3"),
        ("azureml:AzureML-lightgbm-3.3:1", "lightgbm>=3.3,<3.4"),
        ("azureml:AzureML-lightgbm-3.2-ubuntu18.04-py37-cpu@latest", "lightgbm>=3.2,<3.3"),
        (
            "azureml:AzureML-tensorflow-2.4-ubuntu18.04-py37-cuda11:4",
            "tensorflow>=2.4,<2.5; python_version < '3.11'",
        ),
        (
            "azureml:AzureML-pytorch-1.10-ubuntu18.04-py38-cuda11:1",
            "torch>=1.10,<1.11; python_version < '3.11'",
        ),
        ("azureml:AzureML-ACPT-pytorch-1.13-py38-cuda11.7-gpu:10", "torch>=1.13,<1.14; python_version < '3.11'"),
        ("azureml://registries/azureml/environments/acpt-pytorch-2.2-cuda12.1/labels/latest", "torch>=2.2,<2.3"),
        ("azureml://registries/azureml/environments/model-evaluation/versions/6", "azureml-metrics"),
        ("azureml:AzureML-responsibleai-0.20-ubuntu20.04-py38-cpu:4", "responsibleai>=0.36,<0.37"),
        ("azureml://registries/azureml/environments/responsibleai-tabular/versions/1", "responsibleai>=0.36,<0.37"),
        ("mcr.microsoft.com/azureml/curated/lightgbm-3.3:7", "lightgbm>=3.3,<3.4"),
        ("mcr.microsoft.com/azureml/mlflow-ubuntu18.04-py37-cpu-inference:20220110.v1", "mlflow"),
        ("mcr.microsoft.com/aifx/acpt/stable-ubuntu2204-cu126-py310-torch280:biweekly.1", "torch>=2.8,<2.9"),
        ("pytorch/pytorch:2.1.0-cuda12.1-cudnn8-runtime", "torch>=2.1,<2.2"),
        ("pytorch/pytorch", "torch"),
        ("azureml:AzureML-tensorflow-2.12-cuda11@latest", "tensorflow>=2.12,<2.13"),
        ("tensorflow/tensorflow:2.15.0-gpu", "tensorflow>=2.15,<2.16"),
    ],
)
def test_the_families_of_curated_environments_are_known_in_every_version(name: str, first: str) -> None:
    found = curated(name)
    assert found is not None
    assert first in found.requirements and requirements(found.requirements, name)
    assert not found.python or python_versions(found.python).contains("3.11.4")  # what there is today


@pytest.mark.parametrize("name", ["AzureML-Minimal:1", "AzureML-minimal-ubuntu18.04-py37-cpu-inference@latest"])
def test_the_minimal_environments_are_a_bare_python(name: str) -> None:
    found = curated(f"azureml:{name}")
    assert found is not None and not found.requirements


def test_a_job_is_told_when_another_version_stands_for_the_one_it_named() -> None:
    old = "azureml:AzureML-sklearn-1.0-ubuntu20.04-py38-cpu@latest"
    assert "no scikit-learn 1.0 for Python 3.11" in note_of(old)
    assert "no scikit-learn 1.0" in note_of("mcr.microsoft.com/azureml/curated/sklearn-1.0:3")
    assert note_of(SKLEARN) == note_of("python:3.11") == note_of("") == ""
