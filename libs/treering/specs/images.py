"""What stands for the container images and curated environments that Azure ML jobs name.

treering runs no containers. For an image that people use for its Python and its packages, the same packages
in a Python environment do; an image that is not known here is refused, never guessed at.
"""

from __future__ import annotations

import re

from msgspec.structs import replace

from treering.domain.job_spec import EnvironmentSpec
from treering.kernel.refusal import Refused
from treering.specs.curated_families import MLFLOW, TABULAR, by_family, replaced_note
from treering.specs.references import parse_reference

PLAIN_IMAGES = frozenset({"base", "ubuntu", "debian", "buildpack-deps"})
REGISTRY_HOSTS = ("docker.io/", "index.docker.io/", "mcr.microsoft.com/")
CONDA_IMAGES = frozenset({"continuumio/miniconda3", "continuumio/anaconda3", "condaforge/mambaforge"})
PYTHON_TAG = re.compile(r"(?P<version>3(?:\.\d+){0,2})(?:-.*)?")
MINIMAL = re.compile(r"minimal-py(?P<major>3)(?P<minor>\d+)-inference")
BARE = re.compile(r"(?:openmpi|base|inference-base|minimal-ubuntu|minimal-py3)[\w.-]*")
PYTHON_IMAGES = frozenset({"python", "devcontainers/python", "vscode/devcontainers/python"})
ACPT = re.compile(r"aifx/acpt/[\w.-]*torch(?P<major>\d)(?P<minor>\d+?)\d")  # torch280 is torch 2.8.0
RELEASE = re.compile(r"v?(?P<version>\d+\.\d+)(?:\.\d+)?(?:-.*)?")
FRAMEWORKS = {"pytorch/pytorch": "pytorch", "tensorflow/tensorflow": "tensorflow"}

CURATED = {
    "sklearn-1.5": EnvironmentSpec(python=">=3.10,<3.13", requirements=("scikit-learn>=1.5,<1.6", *TABULAR)),
    "acpt-pytorch-2.8-cuda12.6": EnvironmentSpec(
        python=">=3.10,<3.14", requirements=("torch>=2.8,<2.9", "torchvision", "pandas>=2,<3", MLFLOW)
    ),
    "tensorflow-2.16-cuda12": EnvironmentSpec(
        python=">=3.9,<3.13",
        requirements=("tensorflow>=2.16,<2.17", "tf-keras>=2.16,<2.17", "pandas>=2,<3", MLFLOW),
    ),
}
FAMILIES = (
    "sklearn-1.5, lightgbm-3.3, tensorflow-2.16-cuda12, acpt-pytorch-2.8-cuda12.6, responsibleai, model-evaluation"
)
ANY_VERSION = {
    "pytorch": EnvironmentSpec(requirements=("torch", "torchvision", "numpy")),
    "tensorflow": EnvironmentSpec(requirements=("tensorflow", "numpy")),
}


def curated(reference_or_image: str) -> EnvironmentSpec | None:
    """What stands for an image name, ``azureml://registries/azureml/environments/...`` or ``azureml:AzureML-...``.

    None when nothing does. ``source`` is the text as written, and ``image`` too when it is an image.
    """
    text = reference_or_image.strip()
    if text.startswith(("azureml:", "azureml://")):
        found = by_name(curated_name(text))
        return replace(found, source=text) if found else None
    found = by_image(text.removeprefix("treering://"))
    return replace(found, image=text, source=text) if found else None


def known(reference_or_image: str, where: str = "") -> EnvironmentSpec:
    """``curated``, or ``Refused("environment.image_unknown")`` with what may be named, after ``where``."""
    found = curated(reference_or_image)
    if found is None:
        named = f"{where}: {reference_or_image[:200]!r}" if where else repr(reference_or_image[:200])
        message = (
            f"{named} is not known, and treering runs no containers; "
            "say what to install: conda_file, or python and requirements; or take an image such as python:3.11, or "
            f"azureml://registries/azureml/environments/NAME/labels/latest with NAME one of {FAMILIES}"
        )
        raise Refused("environment.image_unknown", message)
    return found


def by_name(name: str) -> EnvironmentSpec | None:
    return CURATED.get(name) or by_family(name) if name else None


def note_of(reference_or_image: str) -> str:
    """What people should know of a curated environment that stands for one they named; mostly ""."""
    text = reference_or_image.strip()
    if text.startswith(("azureml:", "azureml://")):
        return replaced_note(curated_name(text))
    return replaced_note(text.rpartition("/")[2].partition(":")[0]) if "azureml/curated/" in text else ""


def curated_name(text: str) -> str:
    reference = parse_reference(text)
    if reference.form == "registry" and reference.registry == "azureml" and reference.kind == "environments":
        return reference.name
    return reference.name.removeprefix("AzureML-") if reference.name.startswith("AzureML-") else ""


def by_image(image: str) -> EnvironmentSpec | None:
    host = next((host for host in REGISTRY_HOSTS if image.startswith(host)), "")
    name, tag = split_tag(image.removeprefix(host).removeprefix("library/"))
    if name.startswith("azureml/"):
        return by_azureml_image(name.removeprefix("azureml/"))
    if name in PYTHON_IMAGES:
        return by_python_tag(tag)
    if match := ACPT.fullmatch(name):
        return by_family(f"pytorch-{match['major']}.{match['minor']}")
    if name in FRAMEWORKS:
        return by_release(FRAMEWORKS[name], tag)
    if name in PLAIN_IMAGES or name in CONDA_IMAGES:
        return EnvironmentSpec()
    return None


def by_release(family: str, tag: str) -> EnvironmentSpec | None:
    """``2.1.0-cuda12.1-cudnn8-runtime`` is version 2.1; a tag without a version, such as ``latest``, is any."""
    match = RELEASE.fullmatch(tag)
    return by_family(f"{family}-{match['version']}") if match else ANY_VERSION[family]


def split_tag(image: str) -> tuple[str, str]:
    """``python:3.11@sha256:...`` as ``python`` and ``3.11``; the tag is "latest" when none is given."""
    name, _, tag = image.split("@")[0].partition(":")
    return name, tag or "latest"


def by_python_tag(tag: str) -> EnvironmentSpec | None:
    """``3.11.6-slim`` is Python 3.11.6; ``latest``, ``slim``, ``3`` and ``bookworm`` any Python 3."""
    match = PYTHON_TAG.fullmatch(tag)
    if match is None:
        return None if tag[:1].isdigit() else EnvironmentSpec()
    return EnvironmentSpec(python=match["version"] if "." in match["version"] else "")


def by_azureml_image(name: str) -> EnvironmentSpec | None:
    if match := MINIMAL.fullmatch(name):
        return EnvironmentSpec(python=f"{match['major']}.{match['minor']}")
    if BARE.fullmatch(name):
        return EnvironmentSpec()
    return by_name(name.removeprefix("curated/"))
