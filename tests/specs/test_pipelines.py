"""Pipelines: their steps fit together, and fit the components they name."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from treering.specs.validate import judge

COMPONENT = """
name: train
type: command
environment: azureml:e:1
inputs:
  data: {type: uri_folder}
  lr: {type: number, min: 0, max: 1, default: 0.1}
  mode: {type: string, enum: [fast, slow], default: fast}
  note: {type: string, optional: true}
outputs:
  model: {type: mlflow_model}
command: train ${{inputs.data}} ${{inputs.lr}} ${{inputs.mode}} $[[--note ${{inputs.note}}]] ${{outputs.model}}
"""


def step(name: str, inputs: str) -> str:
    return f"  {name}:\n    type: command\n    component: ./train.yml\n    inputs: {inputs}\n"


def messages(tmp_path: Path, text: str, component: str = COMPONENT) -> list[str]:
    (tmp_path / "train.yml").write_text(component)
    path = tmp_path / "pipeline.yml"
    path.write_text(text)
    return [str(problem).removeprefix(f"{tmp_path}/") for problem in judge(path).problems]


def pipeline(*steps: str) -> str:
    return "type: pipeline\ninputs: {raw: {path: x}}\njobs:\n" + "".join(steps)


def test_a_pipeline_whose_steps_fit_is_accepted(tmp_path: Path) -> None:
    first = step("first", "{data: '${{parent.inputs.raw}}', lr: 0.5}")
    second = step("second", "{data: '${{parent.jobs.first.outputs.model}}'}")
    assert messages(tmp_path, pipeline(first, second)) == []


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ("{}", "jobs.s.inputs.data: is missing: the component needs this input"),
        ("{data: x, learning: 1}", "jobs.s.inputs.learning: the component has no input 'learning'"),
        ("{data: x, lr: fast}", "jobs.s.inputs.lr: 'fast' is not of type number"),
        ("{data: x, lr: 2}", "jobs.s.inputs.lr: 2 is more than the maximum 1"),
        ("{data: x, lr: -1}", "jobs.s.inputs.lr: -1 is less than the minimum 0"),
        ("{data: x, mode: medium}", "jobs.s.inputs.mode: 'medium' is not one of fast, slow"),
        ("{data: '${{parent.inputs.rw}}'}", "${{inputs.rw}} names none of the inputs; did you mean 'raw'?"),
        ("{data: '${{parent.jobs.t.outputs.o}}'}", "there is no step 't'"),
        ("{data: '${{parent.raw}}'}", "write ${{parent.inputs.NAME}}"),
    ],
)
def test_a_step_that_does_not_fit_is_a_problem(tmp_path: Path, inputs: str, message: str) -> None:
    (found,) = messages(tmp_path, pipeline(step("s", inputs)))
    assert message in found


def test_an_output_that_a_step_does_not_have_is_a_problem(tmp_path: Path) -> None:
    first, second = step("a", "{data: x}"), step("b", "{data: '${{parent.jobs.a.outputs.modl}}'}")
    (found,) = messages(tmp_path, pipeline(first, second))
    assert "the step 'a' has no output 'modl'; did you mean 'model'?" in found


def test_steps_that_wait_for_one_another_are_a_problem(tmp_path: Path) -> None:
    first = step("a", "{data: '${{parent.jobs.b.outputs.model}}'}")
    second = step("b", "{data: '${{parent.jobs.a.outputs.model}}'}")
    (found,) = messages(tmp_path, pipeline(first, second))
    assert found.startswith("pipeline.yml:")
    assert "waits for itself: a <- b <- a" in found


def test_a_step_that_waits_for_itself_is_a_problem(tmp_path: Path) -> None:
    (found,) = messages(tmp_path, pipeline(step("a", "{data: '${{parent.jobs.a.outputs.model}}'}")))
    assert "waits for itself: a <- a" in found


def test_a_long_chain_of_steps_is_no_ring(tmp_path: Path) -> None:
    names = [f"s{number}" for number in range(300)]
    first = step(names[0], "{data: '${{parent.inputs.raw}}'}")
    rest = [
        step(name, f"{{data: '${{{{parent.jobs.{before}.outputs.model}}}}'}}")
        for before, name in itertools.pairwise(names)
    ]
    assert messages(tmp_path, pipeline(first, *reversed(rest))) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("$[[--note ${{inputs.note}}]]", "${{inputs.note}}", "may have no value: put it in $[[ ]]"),
        ("${{inputs.lr}}", "${{inputs.rate}}", "train.yml:12: command: ${{inputs.rate}} names none"),
        ("default: 0.1", "default: 7", "train.yml:7: inputs.lr.default: 7 is more than the maximum 1"),
        ("type: number", "type: float", "train.yml:7: inputs.lr.type: 'float' is not one of string"),
    ],
)
def test_what_is_wrong_in_a_component_file_is_told_there(tmp_path: Path, old: str, new: str, message: str) -> None:
    found = messages(tmp_path, pipeline(step("s", "{data: x}")), COMPONENT.replace(old, new))
    assert len(found) == 1
    assert message in found[0]


def test_a_component_file_is_judged_once_however_often_it_is_named(tmp_path: Path) -> None:
    steps = [step(f"s{number}", "{data: x}") for number in range(3)]
    assert len(messages(tmp_path, pipeline(*steps), COMPONENT + "is_deterministic: 7\n")) == 1


def test_component_files_that_name_one_another_end(tmp_path: Path) -> None:
    inner = "type: pipeline\nname: p\njobs:\n  again: {type: pipeline, component: ./train.yml}\n"
    outer = "type: pipeline\njobs:\n  s: {type: pipeline, component: ./train.yml}\n"
    assert messages(tmp_path, outer, inner) == []


def test_an_absent_component_file_is_a_problem(tmp_path: Path) -> None:
    (found,) = messages(tmp_path, "type: pipeline\njobs: {s: {component: ./absent.yml}}\n")
    assert "jobs.s.component: there is no file './absent.yml'" in found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("settings: {default_datastore: d}", "settings.default_datastore: 'd' cannot stand here"),
        ("jobs: {A-B: {component: 'azureml:c:1'}}", "the name 'A-B' is not allowed"),
        ("jobs: {a: {inputs: {x: 1}}}", "a step has a component, or a command of its own"),
        (
            "jobs: {a: {environment: 'azureml:e:1', command: 'echo ${{inputs.x}}'}}",
            "jobs.a.command: ${{inputs.x}}: there are no inputs",
        ),
        (
            "jobs: {a: {environment: 'azureml:e:1', command: x, environment_variables: {V: '${{outputs.o}}'}}}",
            "jobs.a.environment_variables.V: ${{outputs.o}}: there are no outputs",
        ),
    ],
)
def test_other_mistakes_in_pipelines_are_problems(tmp_path: Path, text: str, message: str) -> None:
    jobs = "" if text.startswith("jobs") else "jobs: {s: {component: 'azureml:c:1'}}\n"
    assert any(message in found for found in messages(tmp_path, f"type: pipeline\n{jobs}{text}\n"))


def test_a_sweep_names_its_inputs_and_its_search_space(tmp_path: Path) -> None:
    text = (
        "type: sweep\ntrial: {command: 'x ${{inputs.a}} ${{search_space.b}} ${{search_space.c}}', "
        "environment: 'azureml:e:1'}\ninputs: {a: 1}\nsampling_algorithm: random\n"
        "search_space: {b: {type: uniform, min_value: 2, max_value: 1}}\n"
        "objective: {goal: minimize, primary_metric: m}\nlimits: {max_total_trials: 2000}\n"
    )
    found = messages(tmp_path, text)
    assert len(found) == 3
    assert "limits.max_total_trials: 2000 is too large, at most 1000" in found[0]
    assert "${{search_space.c}} names none of the search_space" in found[1]
    assert "search_space.b.max_value: 1 is less than 2" in found[2]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("settings: {default_datestore: azureml:d}", "settings.default_datestore"),
        ("jobs: {s: {component: 'azureml:c:1', computee: azureml:c}}", "jobs.s.computee"),
    ],
)
def test_a_key_that_azure_ml_passes_over_is_noted_with_what_may_be_meant(tmp_path: Path, text: str, key: str) -> None:
    path = tmp_path / "p.yml"
    path.write_text(f"type: pipeline\n{text}\n" + ("" if text[0] == "j" else "jobs: {s: {component: 'azureml:c:1'}}\n"))
    judgement = judge(path)
    assert judgement.accepted
    (note,) = judgement.notes
    assert (note.key, note.line) == (key, 2) and "did you mean" in note.message
