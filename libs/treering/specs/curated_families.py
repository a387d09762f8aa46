"""What stands for the curated environments of Azure ML, which exist in many versions: one rule for each family.

``AzureML-sklearn-1.0-ubuntu20.04-py38-cpu`` is scikit-learn 1.0; what else its name says (the system, the Python, CUDA)
is the image's. Old versions have no wheels for the Pythons of today: there the nearest version that has them is taken,
and the job is told so.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from treering.domain.job_spec import EnvironmentSpec

MLFLOW = "mlflow>=2.16,<3"  # the line the Azure ML images have
# As Azure ML's own definition has it: pandas 1.5 (the nyc-taxi examples call DataFrame.append) and numpy 1, where
# there are wheels of them; and what its single-step examples import besides. On Linux ``xgboost`` brings 600 MB of
# CUDA libraries, which ``xgboost-cpu``, the same module, does not.
TABULAR = (
    "pandas>=1.5.3,<2; python_version < '3.12'",
    "pandas>=2.1,<3; python_version >= '3.12'",
    "numpy>=1.23,<2",
    "scipy>=1.10",
    "joblib",
    "matplotlib>=3.5,<4",
    "tqdm",
    "psutil",
    "lightgbm",
    "xgboost-cpu; sys_platform == 'linux'",
    "xgboost; sys_platform != 'linux'",
    MLFLOW,
)
PREFIX = re.compile(r"(?:azureml-)?(?:acpt-)?", re.IGNORECASE)
SYSTEM = r"(?:-ubuntu[\d.]+)?(?:-py3\.?\d+)?(?:-(?:cpu|gpu|cuda[\d.]+(?:-gpu)?))?"
VERSIONED = re.compile(rf"(?P<family>sklearn|lightgbm|tensorflow|pytorch)-(?P<version>\d+\.\d+){SYSTEM}(?:-inference)?")
TABULAR_RAI = re.compile(rf"responsibleai(?:-\d+\.\d+)?(?:-tabular)?{SYSTEM}")
MINIMAL = re.compile(rf"minimal{SYSTEM}(?:-inference)?")
MLFLOW_SERVED = re.compile(rf"mlflow(?:-model)?{SYSTEM}-inference")


class Family(NamedTuple):
    """``first`` is the oldest version with wheels for Python 3.11 (lightgbm has some for any Python); ``instead`` is
    what stands for older ones there."""

    package: str
    first: tuple[int, int]
    instead: str
    python: str
    with_it: tuple[str, ...]


FAMILIES = {
    "sklearn": Family("scikit-learn", (1, 2), "scikit-learn>=1.2,<1.6", ">=3.8,<3.13", TABULAR),
    "lightgbm": Family("lightgbm", (0, 0), "", ">=3.8,<3.13", ("scikit-learn>=1.2,<1.6", *TABULAR)),
    "tensorflow": Family("tensorflow", (2, 12), "tensorflow>=2.12,<2.16", ">=3.8,<3.12", ("pandas", MLFLOW)),
    "pytorch": Family("torch", (2, 0), "torch>=2,<2.3", ">=3.8,<3.13", ("torchvision", "numpy<2", "pandas", MLFLOW)),
}
EXACT = {
    "model-evaluation": EnvironmentSpec(
        python=">=3.9,<3.13",
        requirements=("azureml-metrics", "transformers", "datasets", "evaluate", "torch", "scikit-learn", MLFLOW),
    ),
    "python-sdk-v2": EnvironmentSpec(requirements=("azure-ai-ml", "azure-identity", MLFLOW)),
}
RESPONSIBLE = EnvironmentSpec(
    python=">=3.8,<3.12",
    requirements=("responsibleai>=0.36,<0.37", "raiwidgets>=0.36,<0.37", "scikit-learn>=1.5,<1.6", MLFLOW),
)
SERVED = EnvironmentSpec(requirements=("mlflow", "scikit-learn", "cloudpickle", "psutil", "pandas", "numpy", "joblib"))


def by_family(name: str) -> EnvironmentSpec | None:
    """What the curated environment ``name`` has, without its source; None when no family has it."""
    plain = plain_name(name)
    if plain in EXACT:
        return EXACT[plain]
    if match := VERSIONED.fullmatch(plain):
        return of_version(FAMILIES[match["family"]], numbers(match["version"]))
    if TABULAR_RAI.fullmatch(plain):
        return RESPONSIBLE
    if MLFLOW_SERVED.fullmatch(plain):
        return SERVED
    return EnvironmentSpec() if MINIMAL.fullmatch(plain) else None


def plain_name(name: str) -> str:
    """The name as the families have it, without ``AzureML-`` and ``acpt-``."""
    return PREFIX.sub("", name, count=1).lower()


def of_version(family: Family, version: tuple[int, int]) -> EnvironmentSpec:
    wanted = f"{family.package}>={shown(version)},<{shown(following(version))}"
    if version >= family.first:
        return EnvironmentSpec(python=family.python, requirements=(wanted, *family.with_it))
    older, newer = f"{wanted}; python_version < '3.11'", f"{family.instead}; python_version >= '3.11'"
    return EnvironmentSpec(python=family.python, requirements=(older, newer, *family.with_it))


def replaced_note(name: str) -> str:
    """That an environment has another version than its name says on the Pythons of today; "" where it has not."""
    match = VERSIONED.fullmatch(plain_name(name))
    if match is None:
        return ""
    family = FAMILIES[match["family"]]
    if numbers(match["version"]) >= family.first:
        return ""
    said = f"environment {name}: there is no {family.package} {match['version']} for Python 3.11 and later"
    return f"{said}; on these {family.instead} is installed"


def numbers(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return int(major), int(minor)


def following(version: tuple[int, int]) -> tuple[int, int]:
    return version[0], version[1] + 1


def shown(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
