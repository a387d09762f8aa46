"""What may change of an environment version: what is said of it, never what it installs."""

from __future__ import annotations

import pytest

from treering.domain.environment import (
    ENVIRONMENT,
    CreateEnvironment,
    EnvironmentArchived,
    EnvironmentCreated,
    EnvironmentUpdated,
    UpdateEnvironment,
)
from treering.domain.job_spec import EnvironmentSpec
from treering.testing.scenario import given

SPEC = EnvironmentSpec(python="3.11", requirements=("numpy",))
CREATED = EnvironmentCreated(SPEC, "first", {"a": "1", "b": "2"})


def test_creating_a_version_again_changes_the_texts_that_are_given() -> None:
    again = CreateEnvironment(SPEC, "second", {"b": "3", "c": "4"})
    given(ENVIRONMENT, CREATED).when(again).then(EnvironmentUpdated("second", {"a": "1", "b": "3", "c": "4"}))


@pytest.mark.parametrize("again", [CreateEnvironment(SPEC), CreateEnvironment(SPEC, "first", {"a": "1"})])
def test_creating_a_version_again_with_nothing_new_changes_nothing(again: CreateEnvironment) -> None:
    given(ENVIRONMENT, CREATED).when(again).nothing_happens()


def test_a_version_is_never_another_environment() -> None:
    other = CreateEnvironment(EnvironmentSpec(python="3.12"), "second")
    given(ENVIRONMENT, CREATED).when(other).is_refused("environment.exists")


def test_an_update_says_all_tags_and_leaves_what_it_does_not_name() -> None:
    given(ENVIRONMENT, CREATED).when(UpdateEnvironment(tags={"c": "4"})).then(EnvironmentUpdated(tags={"c": "4"}))
    given(ENVIRONMENT, CREATED).when(UpdateEnvironment("")).then(EnvironmentUpdated(""))
    given(ENVIRONMENT, CREATED).when(UpdateEnvironment("first")).nothing_happens()


def test_an_archived_version_stays_archived_when_its_texts_change() -> None:
    state = ENVIRONMENT.fold([CREATED, EnvironmentArchived(), EnvironmentUpdated("second")])
    assert (state.status, state.description, state.tags) == ("archived", "second", {"a": "1", "b": "2"})


def test_what_does_not_exist_is_not_updated() -> None:
    given(ENVIRONMENT).when(UpdateEnvironment("x")).is_refused("environment.absent")
