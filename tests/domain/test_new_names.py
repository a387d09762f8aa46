"""Two names that look the same to a reader are the same: of every kind, a name that looks like another is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from treering.domain import KINDS
from treering.domain.experiment import EXPERIMENT
from treering.domain.experiment_messages import CreateExperiment, ExperimentCreated, RenameExperiment
from treering.domain.logged_model import LOGGED_MODEL, CreateLoggedModel, LoggedModelSpec
from treering.domain.registered_model import REGISTERED_MODEL
from treering.domain.registered_model_messages import (
    AssignAlias,
    CreateRegisteredModel,
    RegisteredModelCreated,
    RenameRegisteredModel,
    VersionAdded,
)
from treering.kernel.refusal import Refused
from treering.kernel.subjects import checked_name
from treering.testing.scenario import given

LOOK_ALIKES = (
    "x ", " x", "x\t", "x\u00a0", "\u2003x", "x\u200b", "x\u200d", "x\u00ad", "\ufeffx", "x\u2028", "x\u2029",
    "x\u202ey", "x\x00", "x\x85", "x\u3164", "x\U000e0041",
)  # fmt: skip
MODEL_MADE = (RegisteredModelCreated("m"), VersionAdded(1))
NEW: dict[tuple[str, str], Any] = {
    ("experiment", "create.name"): lambda name: given(EXPERIMENT).when(CreateExperiment(name=name)),
    ("experiment", "rename.name"): lambda name: given(EXPERIMENT, ExperimentCreated()).when(RenameExperiment(name)),
    ("registered_model", "create.name"): lambda name: given(REGISTERED_MODEL).when(CreateRegisteredModel(name)),
    ("registered_model", "rename.to"): lambda name: given(REGISTERED_MODEL, *MODEL_MADE).when(
        RenameRegisteredModel(name)
    ),
    ("registered_model", "assign_alias.alias"): lambda name: given(REGISTERED_MODEL, *MODEL_MADE).when(
        AssignAlias(name, 1)
    ),
    ("logged_model", "create.spec.name"): lambda name: given(LOGGED_MODEL).when(
        CreateLoggedModel(LoggedModelSpec("0", name, "mlflow-artifacts:/0/m"))
    ),
}
NO_NAMES_OF_RESOURCES = {
    ("run", "create.name"): "a label, and many runs may have the same: the key of a run tells it from others",
    ("run", "update.name"): "a label",
    ("credential", "grant.name"): "a commitment to the name of a person, in hex digits",
    ("credential", "rename.name"): "a commitment",
    ("registered_model", "remove_alias.alias"): "it is there already, or nothing happens",
    ("model", "create.spec.name"): "that of its registered model",
    ("model", "rename.to"): "that of its registered model",
}


def names_of(kind: str) -> Iterator[str]:
    """The fields of its commands, and of the specs in them, that hold a name which somebody chose."""
    for tag, command in KINDS[kind].command_types.items():
        for field in msgspec.structs.fields(command):
            if field.name in ("name", "to", "alias"):
                yield f"{tag}.{field.name}"
            elif field.name == "spec" and "name" in getattr(field.type, "__struct_fields__", ()):
                yield f"{tag}.spec.name"


@pytest.mark.parametrize("kind", KINDS)
def test_every_new_name_of_every_kind_is_looked_at(kind: str) -> None:
    known = {said for of, said in (*NEW, *NO_NAMES_OF_RESOURCES) if of == kind}
    assert set(names_of(kind)) == known, "say in NEW how it is refused, or in NO_NAMES_OF_RESOURCES why it need not be"


@pytest.mark.parametrize("name", LOOK_ALIKES, ids=ascii)
@pytest.mark.parametrize("new", NEW, ids=" ".join)
def test_a_new_name_that_looks_like_another_is_refused(new: tuple[str, str], name: str) -> None:
    NEW[new](name).is_refused(f"{new[0]}.name_invalid")


@pytest.mark.parametrize("name", LOOK_ALIKES, ids=ascii)
def test_no_key_looks_like_another(name: str) -> None:
    with pytest.raises(Refused, match=r"name\.invalid"):
        checked_name(name)


@pytest.mark.parametrize("name", ["x", "my runs", "Größe (β) – 日本語", "a_b.c-d", "🚀 rockets"])
def test_a_name_that_can_be_seen_may_have_any_letters_and_blanks_within(name: str) -> None:
    given(EXPERIMENT).when(CreateExperiment(name=name)).then(ExperimentCreated(name=name))
