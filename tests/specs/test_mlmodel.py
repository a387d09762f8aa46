"""What is read of an MLmodel that somebody else wrote."""

from __future__ import annotations

import pytest

from treering.kernel.refusal import Refused
from treering.specs.mlmodel import FLAVORS_CHARACTERS_MAX, read_flavors

SAVED = b"""artifact_path: model
flavors:
  python_function:
    env: {conda: conda.yaml, virtualenv: python_env.yaml}
    loader_module: mlflow.sklearn
    python_version: 3.11.7
  sklearn:
    pickled_model: model.pkl
    sklearn_version: 1.5.0
mlflow_version: 3.18.0
model_id: m-1
signature:
  inputs: '[{"type": "double"}]'
"""


def test_the_flavors_are_those_the_model_was_saved_with() -> None:
    found = read_flavors(SAVED)
    assert [*found] == ["python_function", "sklearn"]
    assert found["sklearn"] == {"pickled_model": "model.pkl", "sklearn_version": "1.5.0"}


LAUGHS = "a: &a0 [" + "x" * 50 + "]\n" + "".join(f"b{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\xff\xfe", b"flavors: [", b"flavors: []\n", b"artifact_path: m\n", b"flavors: {}\n",
        b"flavors: !!python/object:os.system {}\n", b"[" * 100_000, b"x" * 300_000, LAUGHS.encode(),
        b"a: &a " + b"x" * (FLAVORS_CHARACTERS_MAX // 4) + b"\nflavors: {b: [*a, *a, *a, *a, *a]}\n",
    ],
)  # fmt: skip
def test_what_is_no_mlmodel_is_refused_and_nothing_of_it_is_carried_out(data: bytes) -> None:
    with pytest.raises(Refused) as refused:
        read_flavors(data)
    assert refused.value.code == "model.mlmodel"


def test_as_much_as_is_allowed_is_read() -> None:
    text = b"a: &a " + b"x" * (FLAVORS_CHARACTERS_MAX // 4) + b"\nflavors: {b: [*a, *a, *a]}\n"
    found = read_flavors(text)["b"]
    assert isinstance(found, list) and len(found) == 3
