"""What may be logged to a run, and what is refused."""

from __future__ import annotations

from treering.domain.run import RUN
from treering.domain.run_messages import (
    CreateRun,
    Dataset,
    DeleteRun,
    LogRunInputs,
    LogToRun,
    RunCreated,
    RunDeleted,
    RunInputsLogged,
    RunParamsLogged,
    RunTagsSet,
    RunUpdated,
    UpdateRun,
)
from treering.testing.scenario import given

CREATED = RunCreated("digits", "brave-elm", start_time=1)


def test_a_parameter_is_written_once() -> None:
    # Given a run with a parameter, the same value again is nothing new, and another one is refused.
    past = (CREATED, RunParamsLogged({"rate": "0.1"}))
    given(RUN, *past).when(LogToRun({"rate": "0.1"})).nothing_happens()
    given(RUN, *past).when(LogToRun({"rate": "0.2"})).is_refused("run.param_changed")


def test_a_batch_is_applied_whole_or_not_at_all() -> None:
    past = (CREATED, RunParamsLogged({"rate": "0.1"}))
    outcome = given(RUN, *past).when(LogToRun({"depth": "3", "rate": "0.2"}, {"team": "vision"}))
    outcome.is_refused("run.param_changed")
    assert outcome.events == []
    given(RUN, *past).when(LogToRun({"depth": "3", "rate": "0.1"}, {"team": "vision"})).then(
        RunParamsLogged({"depth": "3"}), RunTagsSet({"team": "vision"})
    )


def test_a_refused_parameter_is_named_with_both_values() -> None:
    refused = given(RUN, CREATED, RunParamsLogged({"rate": "0.1"})).when(LogToRun({"rate": "0.2"})).refused
    assert refused is not None
    assert all(word in refused.detail for word in ("'rate'", "'0.1'", "'0.2'"))


def test_nothing_is_logged_to_a_deleted_run_or_to_none() -> None:
    for command in (LogToRun({"a": "1"}), UpdateRun("FINISHED"), LogRunInputs(models=["m"])):
        given(RUN, CREATED, RunDeleted()).when(command).is_refused("run.deleted")
        given(RUN).when(command).is_refused("run.absent")
    given(RUN).when(DeleteRun()).is_refused("run.absent")


def test_the_name_of_a_run_and_its_name_tag_never_differ() -> None:
    for event in (RunUpdated(name="calm-fir"), RunTagsSet({"mlflow.runName": "calm-fir"})):
        run = RUN.fold([CREATED, event])
        assert run.name == run.tags["mlflow.runName"] == "calm-fir"


def test_a_data_set_is_an_input_once() -> None:
    first, other = Dataset("d", "1", "http", "here"), Dataset("d", "2", "http", "here")
    given(RUN, CREATED).when(LogRunInputs([first, first, other])).then(RunInputsLogged([first, other]))
    given(RUN, CREATED, RunInputsLogged([first])).when(LogRunInputs([first])).nothing_happens()


def test_an_id_is_given_once() -> None:
    given(RUN, CREATED).when(CreateRun("digits", "brave-elm", start_time=1)).nothing_happens()
    given(RUN, CREATED).when(CreateRun("other", start_time=1)).is_refused("run.exists")
