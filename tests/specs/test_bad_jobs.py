"""What is wrong with a file is told at once, each with its line, its key, the value and what would be right."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from treering.specs.validate import judge

GOOD = "command: echo hi\nenvironment: {image: python}\n"


def messages(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "f.yml"
    path.write_text(text)
    return [str(problem).removeprefix(f"{path}:") for problem in judge(path).problems]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("displayname: x", "3: displayname: unknown key 'displayname'; did you mean 'display_name'?"),
        ("resources: {instance_count: '2'}", "3: resources.instance_count: a whole number is needed here, not '2'"),
        ("resources: {instance_count: 0}", "3: resources.instance_count: 0 is too small, at least 1 is needed"),
        ("resources: {instance_count: true}", "3: resources.instance_count: a whole number is needed here, not True"),
        ("tags: {a: 1}", "3: tags.a: text is needed here, not 1; put it in quotes"),
        ("tags: [a]", "3: tags: a mapping is needed here, not a list"),
        ("inputs: {a: [1]}", "3: inputs.a: a value or a mapping is needed here, not a list"),
        (
            "inputs: {a: {path: 'runs:/r/x', mode: mount}}",
            "3: inputs.a.mode: 'mount' is not one of ro_mount, download, direct",
        ),
        (
            "inputs: {a: {path: 'runs:/r/x', type: uri_file, mode: eval_mount}}",
            "3: inputs.a.mode: eval_mount is for inputs of",
        ),
        ("inputs: {a: {path: 's3://b/x'}}", "3: inputs.a.path: 's3://b/x' is no reference treering knows"),
        ("outputs: {a: {version: 1}}", "3: outputs.a.name: is missing: a version needs the name of the asset"),
        ("distribution: {type: horovod}", "3: distribution.type: 'horovod' is not one of pytorch, mpi, tensorflow"),
        ("limits: {timeout: 1h}", "3: limits.timeout: a whole number is needed here, not '1h'"),
        (
            "code: azureml://datastores/d/paths/x",
            "3: code: 'azureml://datastores/d/paths/x' cannot stand here: a local",
        ),
        ("environment_variables: {A: [1]}", "3: environment_variables.A: one value is needed here, not a list"),
        ("outputs: {o: {path: 'azureml://datastores/d/paths/${{nam}}'}}", "3: outputs.o.path: ${{nam}} means nothing"),
    ],
)
def test_one_wrong_field_is_one_problem(tmp_path: Path, text: str, message: str) -> None:
    (found,) = messages(tmp_path, GOOD + text)
    assert found.startswith(message)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ("my-env", "'my-env' cannot stand here: azureml:NAME:VERSION"),
        ("{}", "says nothing to run in; give one of image, build"),
        ("{image: python, conda: b}", "unknown key 'conda'"),
        ("{image: a, conda_file: absent.yml}", "there is no file 'absent.yml'"),
        ("file:absent.yml", "there is no file 'file:absent.yml'"),
    ],
)
def test_an_environment_that_cannot_be_used_is_a_problem(tmp_path: Path, environment: str, message: str) -> None:
    (found,) = messages(tmp_path, f"command: echo\nenvironment: {environment}\n")
    assert message in found


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("echo ${{inputs.nope}}", "${{inputs.nope}} names none of the inputs; there are data, lr"),
        ("echo ${{inputs.date}}", "did you mean 'data'?"),
        ("echo ${{outputs.o}}", "${{outputs.o}}: there are no outputs"),
        ("echo ${{search_space.lr}}", "there are no search_space"),
        ("echo ${{parent.inputs.lr}}", "is of a pipeline"),
        ("echo ${{input.lr}}", "means nothing here"),
        ("echo ${{inputs.lr}", "a '${{' has no '}}'"),
        ("echo $[[ ${{inputs.lr}}", "a '$[[' has no ']]'"),
    ],
)
def test_an_expression_that_names_nothing_is_a_problem(tmp_path: Path, command: str, message: str) -> None:
    inputs = "inputs: {lr: 1, data: {path: 'azureml://jobs/j/outputs/o'}}"
    text = f"environment: {{image: python}}\n{inputs}\ncommand: {command}\n"
    (found,) = messages(tmp_path, text)
    assert found.startswith("3: command: ")
    assert message in found


@pytest.mark.parametrize("value", ["'${{inputs.b}}'", "{value: 'x${{inputs.a}}'}", "'${{outputs.o}}'"])
def test_an_input_that_names_another_is_a_problem(tmp_path: Path, value: str) -> None:
    text = f"environment: {{image: python}}\ncommand: echo ${{{{inputs.a}}}}\ninputs:\n  b: '1'\n  a: {value}\n"
    (found,) = messages(tmp_path, text)
    assert found.startswith("5: inputs.a: a value holds no ${{...}}")


def test_every_problem_of_a_file_is_told(tmp_path: Path) -> None:
    text = "command: echo ${{inputs.x}}\nenvironment: nope\ntag: {}\nlimits: {timeout: x}\nresources: {a: 1}\n"
    found = messages(tmp_path, text)
    assert [one.split(":")[0] for one in found] == ["2", "3", "4", "5", "1"]


@pytest.mark.parametrize("raw", [b"a: [", b"a: 1\na: 2", b"\xff\xfe", b"", b"a: " + b"[" * 9999, b"x" * 300_000])
def test_what_is_not_yaml_is_a_problem_and_not_an_exception(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "f.yml"
    path.write_bytes(raw)
    judgement = judge(path)
    assert (judgement.kind, judgement.accepted, len(judgement.problems)) == ("", False, 1)


@pytest.mark.parametrize(("text", "word"), [("a: 1", "cannot be told"), ("type: automl\ntask: x", "no kind treering")])
def test_a_kind_treering_does_not_read_is_a_problem(tmp_path: Path, text: str, word: str) -> None:
    (found,) = messages(tmp_path, text)
    assert word in found


def test_no_message_shows_a_secret(tmp_path: Path) -> None:
    text = "type: azure_blob\nname: d\naccount_name: a\ncontainer_name: c\ncredentials: {account_key: 12345}\n"
    (found,) = messages(tmp_path, text)
    assert "12345" not in found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("type: amlcompute\nname: c\nmin_instances: 3\nmax_instances: 1", "4: max_instances: 1 is less than min"),
        (
            "$schema: x/managedOnlineEndpoint.schema.json\nname: e\ntraffic: {blue: 50}",
            "3: traffic: adds up to 50, not to 0 or 100",
        ),
        (
            "$schema: x/schedule.schema.json\nname: s\ncreate_job: azureml:j\ntrigger: {type: cron, expression: x}",
            "4: trigger.expression: 'x' is no cron expression",
        ),
        (
            "$schema: x/managedOnlineEndpoint.schema.json\nname: e_1",
            "2: name: 'e_1' is not allowed: use letters, digits and '-'",
        ),
    ],
)
def test_other_kinds_are_judged_too(tmp_path: Path, text: str, message: str) -> None:
    (found,) = messages(tmp_path, text)
    assert found.startswith(message)


@pytest.mark.parametrize(
    "text",
    [
        "services: {a: {type: custom, port: 80}, b: {type: TensorBoard, log_dir: x}, c: {}}",
        "identity: {type: AMLToken}",
        "experiment_name: ''",
    ],
)
def test_what_azure_ml_takes_is_taken(tmp_path: Path, text: str) -> None:
    assert messages(tmp_path, GOOD + text) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("services: {a: {type: jupyter_lab, log_dir: x}}", "3: services.a.log_dir: unknown key"),
        ("services: {a: {type: vs_code, nodes: two}}", "3: services.a.nodes: 'two' is not one of all"),
    ],
)
def test_what_azure_ml_refuses_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (found,) = messages(tmp_path, GOOD + text)
    assert found.startswith(message)


@pytest.mark.parametrize("written", ["yes", "Yes", "on", "y", "1", "'true'", "no", "off", "0", "false"])
def test_a_boolean_may_be_any_word_that_yaml_has_had_for_it(tmp_path: Path, written: str) -> None:
    text = f"type: amlcompute\nname: c\nssh_public_access_enabled: {written}\n"
    assert messages(tmp_path, text) == []
    assert messages(tmp_path, text.replace(written, "2"))


def test_the_loader_of_azure_ml_asks_for_nothing_to_run_in(tmp_path: Path) -> None:
    path = tmp_path / "f.yml"
    path.write_text("command: echo\nenvironment: {name: x, version: null}\n")
    assert judge(path, need_files=False).accepted
    assert not judge(path).accepted


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("wasbs://data@acc.blob.core.windows.net/a/iris.csv", "https://acc.blob.core.windows.net/data/a/iris.csv"),
        ("abfss://fs@acc.dfs.core.windows.net/x.csv", "https://acc.blob.core.windows.net/fs/x.csv"),
    ],
)
def test_a_file_in_a_cloud_store_is_told_with_its_web_address(tmp_path: Path, path: str, address: str) -> None:
    (found,) = messages(tmp_path, f"{GOOD}inputs:\n  a: {{type: uri_file, path: '{path}'}}\n")
    assert found.startswith("4: inputs.a: ")
    assert f"a file that is public is also {address}, with type uri_file" in found


def test_a_folder_in_a_cloud_store_has_no_web_address(tmp_path: Path) -> None:
    (found,) = messages(tmp_path, f"{GOOD}inputs:\n  a: {{path: 'wasbs://data@acc.blob.core.windows.net/'}}\n")
    assert "https://" not in found


LONG = "n" * 300
NAMED = {
    "code": "code: '{}'",
    "inputs.a.path": "inputs: {{a: {{type: uri_file, path: '{}'}}}}",
    "environment.conda_file": "environment: {{image: python, conda_file: '{}'}}",
    "environment.requirements": "environment: {{requirements: '{}'}}",
    "environment.build.path": "environment: {{build: {{path: '{}'}}}}",
    "environment": "environment: file:{}",
}


@pytest.mark.parametrize("key", NAMED)
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("absent", "there is no"),
        ("loop", "there is no"),
        ("file/x", "there is no"),
        (LONG, "cannot be looked at: File name too long"),
        ("pipe", "is a FIFO; only files and folders can be taken"),
        ("/dev/zero", "is a character device; only files and folders can be taken"),
    ],
)
def test_whatever_lies_at_a_path_that_is_named_its_line_and_key_are_told(
    tmp_path: Path, key: str, name: str, why: str
) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    rest = "" if key.startswith("environment") else "environment: {image: python}\n"
    (found,) = messages(tmp_path, f"command: ls\n{NAMED[key].format(name)}\n{rest}")
    assert found.startswith(f"2: {key}: ")
    assert why in found
    assert len(found) < 600


def test_a_folder_where_a_file_is_needed_is_called_one(tmp_path: Path) -> None:
    (found,) = messages(tmp_path, "command: ls\nenvironment: {image: python, conda_file: '.'}\n")
    assert found == "2: environment.conda_file: '.' is a folder; a file is needed here"


def test_a_model_whose_path_no_disk_takes_is_refused_with_a_sentence(tmp_path: Path) -> None:
    text = "$schema: x/model.schema.json\nname: m\ntype: custom_model\npath: ./{}\n"
    for name, why in ((LONG, "File name too long"), ("pipe", "is a FIFO")):
        if not (tmp_path / "pipe").exists():
            os.mkfifo(tmp_path / "pipe")
        (found,) = messages(tmp_path, text.format(name))
        assert found.startswith("4: path: ")
        assert why in found


@pytest.mark.parametrize("tags", ['{"a\\nb": c}', '{"\\x85": c}'])
def test_what_only_the_decoder_refuses_has_its_line_and_key_too(tmp_path: Path, tags: str) -> None:
    (found,) = messages(tmp_path, f"{GOOD}tags: {tags}\n")
    assert found == "3: tags: Expected text without control characters"
