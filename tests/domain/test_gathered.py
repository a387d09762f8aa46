"""What commands without end may make of one resource is bounded: its tags, and its parameters."""

from __future__ import annotations

from typing import Any

import pytest

from treering.domain.experiment import EXPERIMENT
from treering.domain.experiment_messages import ExperimentCreated, ExperimentTagsSet, SetExperimentTags
from treering.domain.logged_model import (
    LOGGED_MODEL,
    LoggedModelCreated,
    LoggedModelSpec,
    LoggedModelTagged,
    LogModelParams,
    ModelParamsLogged,
    TagLoggedModel,
)
from treering.domain.model import MODEL, ModelCreated, ModelSpec, ModelTagged, TagModel
from treering.domain.registered_model import REGISTERED_MODEL
from treering.domain.registered_model_messages import (
    RegisteredModelCreated,
    RegisteredModelTagged,
    TagRegisteredModel,
)
from treering.domain.run import DATASETS_MAX, RUN
from treering.domain.run_messages import (
    CreateRun,
    Dataset,
    LogRunInputs,
    LogToRun,
    RunCreated,
    RunInputsLogged,
    RunParamsLogged,
    RunTagsSet,
)
from treering.kernel.gathered import GATHERED_MAX
from treering.testing.scenario import given

PARTS = {str(number): "" for number in range(GATHERED_MAX)}
MORE = {"one": "more"}
RUN_MADE = RunCreated("e", "", start_time=1)
LOGGED = LoggedModelCreated(LoggedModelSpec("0", "m", "mlflow-artifacts:/0/models/m/artifacts"))
DATASETS = [Dataset(str(number), "d", "local", "s") for number in range(DATASETS_MAX)]


@pytest.mark.parametrize(
    ("kind", "past", "command"),
    [
        (RUN, (RUN_MADE, RunTagsSet(PARTS)), LogToRun(tags=MORE)),
        (RUN, (RUN_MADE, RunParamsLogged(PARTS)), LogToRun(MORE)),
        (RUN, (RUN_MADE, RunInputsLogged(DATASETS)), LogRunInputs([Dataset("one", "more", "local", "s")])),
        (EXPERIMENT, (ExperimentCreated(), ExperimentTagsSet(PARTS)), SetExperimentTags(MORE)),
        (LOGGED_MODEL, (LOGGED, LoggedModelTagged(PARTS)), TagLoggedModel(MORE)),
        (LOGGED_MODEL, (LOGGED, ModelParamsLogged(PARTS)), LogModelParams(MORE)),
        (MODEL, (ModelCreated(ModelSpec("m", 1, "s3://b/m")), ModelTagged(PARTS)), TagModel(MORE)),
        (REGISTERED_MODEL, (RegisteredModelCreated("m"), RegisteredModelTagged(PARTS)), TagRegisteredModel(MORE)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_full_takes_no_more(kind: Any, past: Any, command: Any) -> None:
    given(kind, *past).when(command).is_refused("request.too_many_parts")


def test_a_run_may_be_made_with_what_one_command_holds() -> None:
    given(RUN).when(CreateRun("e", start_time=1, tags={"a": "b"})).then(RunCreated("e", start_time=1, tags={"a": "b"}))
