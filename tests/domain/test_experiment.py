"""The names of experiments: unique, also while one is being renamed."""

from __future__ import annotations

import pytest

from treering.domain.experiment import EXPERIMENT, experiment_key
from treering.domain.experiment_messages import (
    CreateExperiment,
    ExperimentArchived,
    ExperimentCreated,
    ExperimentNameReleased,
    ExperimentNameReserved,
    ExperimentRenamed,
    RenameExperiment,
    ReserveExperimentName,
    SetExperimentTags,
)
from treering.kernel.subjects import checked_name
from treering.testing.scenario import given

CREATED = ExperimentCreated()


def test_a_name_that_is_reserved_or_taken_cannot_be_had() -> None:
    given(EXPERIMENT, ExperimentNameReserved("digits")).when(CreateExperiment()).is_refused("experiment.exists")
    given(EXPERIMENT, CREATED).when(ReserveExperimentName("digits")).is_refused("experiment.exists")
    given(EXPERIMENT, ExperimentNameReserved("a")).when(ReserveExperimentName("b")).is_refused("experiment.exists")


def test_the_name_of_an_archived_experiment_stays_taken() -> None:
    past = (CREATED, ExperimentArchived())
    given(EXPERIMENT, *past).when(ReserveExperimentName("b")).is_refused("experiment.exists")
    given(EXPERIMENT, *past).when(RenameExperiment("b")).is_refused("experiment.not_active")
    given(EXPERIMENT, *past).when(SetExperimentTags({"a": "b"})).is_refused("experiment.not_active")


def test_a_name_that_was_left_can_be_had_by_another_and_then_not_be_taken_back() -> None:
    left = (CREATED, ExperimentRenamed("new"))
    given(EXPERIMENT, *left).when(ReserveExperimentName("e-1")).then(ExperimentNameReserved("e-1"))
    held = (*left, ExperimentNameReserved("e-1"))
    given(EXPERIMENT, *held).when(RenameExperiment("old", away=False)).is_refused("experiment.exists")
    given(EXPERIMENT, *held, ExperimentNameReleased("e-1")).when(RenameExperiment("old", away=False)).then(
        ExperimentRenamed("old", away=False)
    )


@pytest.mark.parametrize("name", ["digits", "a b/c", "ünï", "x" * 500, "\ud800"])
def test_every_name_has_a_key_that_is_a_name_of_ours(name: str) -> None:
    assert checked_name(experiment_key(name))
    assert experiment_key(name, 1) != experiment_key(name, 2)
