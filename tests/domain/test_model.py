"""The rules of model versions and of logged models."""

from __future__ import annotations

import msgspec

from treering.domain.logged_model import (
    LOGGED_MODEL,
    CreateLoggedModel,
    LoggedModelCreated,
    LoggedModelDeleted,
    LoggedModelFinalized,
    LoggedModelSpec,
    LogModelParams,
    ModelParamsLogged,
    TagLoggedModel,
)
from treering.domain.model import (
    MODEL,
    ChangeStage,
    CreateModel,
    ModelArchived,
    ModelCreated,
    ModelDeleted,
    ModelRenamed,
    ModelRestored,
    ModelSpec,
    ModelState,
    ModelTagged,
    ModelTransferred,
    ModelUpdated,
    RenameModel,
    RestoreModel,
    StageChanged,
    TagModel,
    TransferModel,
    UndeleteModel,
)
from treering.testing.scenario import given

SPEC = ModelSpec("m", 1, "s3://b/x", "s3://b/x")
CREATED = ModelCreated(SPEC)
LOGGED = LoggedModelSpec("1", "m", "mlflow-artifacts:/1/models/m-0/artifacts")


def test_what_a_version_is_never_changes() -> None:
    other = ModelSpec("m", 1, "s3://b/y", "s3://b/y")
    given(MODEL, CREATED).when(CreateModel(other)).is_refused("model.exists")
    given(MODEL, CREATED).when(CreateModel(SPEC)).nothing_happens()


def test_the_number_of_a_deleted_version_is_not_given_again() -> None:
    given(MODEL, CREATED, ModelDeleted()).when(CreateModel(SPEC)).is_refused("model.exists")


def test_the_number_of_a_version_of_an_earlier_model_is_free() -> None:
    later = msgspec.structs.replace(SPEC, source="s3://b/later", generation=2)
    given(MODEL, CREATED).when(CreateModel(later)).is_refused("model.exists")
    for gone in (ModelDeleted(with_registered_model=True), ModelRenamed("n:1")):
        given(MODEL, CREATED, gone).when(CreateModel(later)).then(ModelCreated(later))
    past = (CREATED, ModelDeleted(), ModelCreated(later), ModelDeleted())
    for spec in (later, SPEC):
        given(MODEL, *past).when(CreateModel(spec)).is_refused("model.exists")


def test_a_deleted_version_can_be_restored_and_nothing_else() -> None:
    given(MODEL, CREATED, ModelDeleted()).when(TagModel({"a": "b"})).is_refused("model.absent")
    given(MODEL, CREATED, ModelDeleted()).when(RestoreModel()).is_refused("model.absent")
    given(MODEL, CREATED, ModelDeleted(with_registered_model=True)).when(UndeleteModel()).then(ModelRestored())


def test_what_was_archived_when_it_was_deleted_is_archived_when_it_comes_back() -> None:
    gone = (CREATED, ModelArchived(), ModelDeleted())
    given(MODEL, *gone).when(UndeleteModel()).then(ModelRestored(archived=True))
    assert MODEL.summary(MODEL.fold((*gone, ModelRestored(archived=True)))).status == "archived"
    given(MODEL, CREATED, ModelArchived()).when(UndeleteModel()).nothing_happens()


def test_a_deleted_version_is_called_otherwise_too_when_its_model_is() -> None:
    given(MODEL, CREATED, ModelDeleted()).when(RenameModel("new:1")).then(ModelRenamed("new:1"))
    assert MODEL.fold((CREATED, ModelDeleted(), ModelRenamed("new:1"))).was == "deleted"


def test_a_change_of_stage_says_what_it_was() -> None:
    given(MODEL, CREATED, StageChanged("Staging")).when(ChangeStage("Production")).then(
        StageChanged("Production", before="Staging")
    )


def test_a_version_under_another_name_is_what_it_was() -> None:
    state = ModelState("active", archived=True, spec=SPEC, tags={"a": "b"})
    given(MODEL).when(TransferModel("old:1", state)).then(ModelTransferred("old:1", state))
    given(MODEL, CREATED).when(TransferModel("old:1", state)).is_refused("model.exists")
    given(MODEL, CREATED, ModelRenamed("new:1")).when(TagModel({"a": "c"})).is_refused("model.absent")


def test_a_parameter_of_a_logged_model_is_written_once() -> None:
    past = (LoggedModelCreated(LOGGED, {"rate": "1"}),)
    given(LOGGED_MODEL, *past).when(LogModelParams({"rate": "1", "depth": "2"})).then(ModelParamsLogged({"depth": "2"}))
    given(LOGGED_MODEL, *past).when(LogModelParams({"rate": "2", "depth": "2"})).is_refused(
        "logged_model.param_changed"
    )


def test_a_logged_model_is_made_once() -> None:
    past = (LoggedModelCreated(LOGGED), LoggedModelFinalized("ready"))
    given(LOGGED_MODEL, *past).when(CreateLoggedModel(LOGGED)).is_refused("logged_model.exists")
    given(LOGGED_MODEL).when(TagLoggedModel({"a": "b"})).is_refused("logged_model.absent")


def test_what_is_said_of_a_deleted_logged_model_is_still_kept() -> None:
    # MLflow's server takes tags of deleted models too.
    past = (LoggedModelCreated(LOGGED), LoggedModelDeleted())
    outcome = given(LOGGED_MODEL, *past).when(TagLoggedModel({"a": "b"}))
    assert [type(event).__name__ for event in outcome.events] == ["LoggedModelTagged"]


def test_creating_a_version_again_changes_the_texts_that_are_given() -> None:
    again = CreateModel(SPEC, "second", {"b": "3"})
    created = ModelCreated(SPEC, "first", {"a": "1", "b": "2"})
    given(MODEL, created).when(again).then(ModelUpdated("second"), ModelTagged({"b": "3"}))
    given(MODEL, created).when(CreateModel(SPEC)).nothing_happens()
