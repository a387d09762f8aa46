"""Secrets that are written out in a command or an address are refused; what only looks like one is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from treering.domain.job_spec import EnvironmentSpec, InputSpec, JobSpec, OutputSpec
from treering.kernel.refusal import Refused
from treering.specs.secret_texts import written_out
from treering.specs.secret_variables import split_job
from treering.specs.submitted import check_job
from treering.specs.validate import judge

SECRET_COMMANDS = [
    "python t.py --password hunter22", "python t.py --password=hunter22", "python t.py --db-password 'hunter 22'",
    "python t.py --api-key abc123def", "python t.py --apiKey=abc123def", "python t.py -token abc123def",
    "export AWS_SECRET_ACCESS_KEY=abcdef123 && python t.py", "AWS_ACCESS_KEY_ID=abcdef python t.py",
    "WANDB_API_KEY=abc123def python t.py", "env HF_TOKEN=abc123def python t.py", 'export TOKEN="abc123def"; true',
    "cd x\nexport DB_PASSWORD=abc123def\npython t.py", "export DATABASE_CREDENTIALS=abc123def",
    "export AZURE_STORAGE_CONNECTION_STRING='DefaultEndpointsProtocol=https;AccountName=a;AccountKey=b'",
    "curl -H 'Authorization: Bearer abc123def' https://h/x", "curl -H X-Api-Key:abc123def https://h/x",
    "curl -u me:abc123def https://h/x", "python t.py --client_secret abc123def", "wget --user=a --password=abc123def h",
    "az storage blob download --sas-token 'sv=1&sig=abc'", "$env:MY_SECRET=abc123def",
    "python -c \"password = 'abc123def'\"", "python -c \"f(api_key='abc123def')\"", "python t.py +auth.token=abc123def",
    "echo '{\"client_secret\": \"abc123def\"}'", "PGPASSWORD=abc123def psql", "java -Ddb.password=abc123def x",
]  # fmt: skip
KNOWN = [
    "git clone https://abc123@github.com/o/r", "curl 'https://h/f?sv=1&sig=abc'", "pip install git+https://t@h/o/r",
    "echo ghp_abcdefghijklmnopqrstuvwxyz0123456789", "echo AKIAABCDEFGHIJKLMNOP",
    "echo '-----BEGIN RSA PRIVATE KEY-----'",
]  # fmt: skip
PLAIN_COMMANDS = [
    "python t.py --tokenizer bert-base-uncased --max_tokens 100000 --num-tokens 2000000",
    "TOKENIZERS_PARALLELISM=false python t.py --pad_token '<pad>' --eos-token END_OF_TEXT",
    "python t.py --password $DB_PASSWORD --token ${{inputs.token}} --api-key ${API_KEY} --secret \"$S\"",
    "export TOKEN=$(cat token.txt); HF_TOKEN=`cat x` true", "python t.py --token_file token.txt",
    "python t.py --credentials /mnt/creds.json --token_type classifier", "python t.py --use-token --other value1",
    "pip install git+https://${GITHUB_TOKEN}@github.com/o/r", "python t.py --password-length 1000000",
    "curl -H \"Authorization: Bearer $TOKEN\" https://h", "docker run -u 1000:1000 x", "ls -u name:thing",
    "python -c \"t.pad_token = 'END_OF_TEXT'\"", "python t.py tokenizer.eos_token=END_OF_TEXT model.name=abc123def",
    "git clone git@github.com:o/r.git", "if [ \"$TOKEN\" == \"abcdefgh\" ]; then true; fi",
    "x ==abcdefg token==abcdefg",
]  # fmt: skip


def job(**fields: object) -> JobSpec:
    return JobSpec(**{"command": "true", "environment": EnvironmentSpec(), **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize("command", SECRET_COMMANDS)
def test_a_command_with_the_value_of_a_secret_is_refused(command: str) -> None:
    assert written_out(command)
    with pytest.raises(Refused, match=r"^job\.secret_in_text: command has .* environment_variables"):
        check_job(job(command=command))


@pytest.mark.parametrize("command", KNOWN)
def test_a_command_with_a_known_form_of_a_secret_is_refused(command: str) -> None:
    with pytest.raises(Refused, match=r"^job\.secret_in_text"):
        check_job(job(command=command))


@pytest.mark.parametrize("command", PLAIN_COMMANDS)
def test_a_command_that_names_a_variable_a_file_or_a_number_is_taken(command: str) -> None:
    assert written_out(command) == ""


URL = "https://a.blob.core.windows.net/c/f.csv?sv=1&sig=abc"


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"inputs": {"d": InputSpec("uri_file", path=URL)}}, "inputs.d"),
        ({"inputs": {"d": InputSpec("uri_file", path="https://u:p@h/f.csv", mode="direct")}}, "inputs.d"),
        ({"inputs": {"d": InputSpec("string", value=URL)}}, "inputs.d"),
        ({"inputs": {"api_key": InputSpec("string", value="abc123def")}}, "inputs.api_key"),
        ({"outputs": {"d": OutputSpec(path=URL)}}, "outputs.d.path"),
        ({"code_path": "git+https://tok@github.com/o/r"}, "code"),
        ({"environment": EnvironmentSpec(requirements=("-e git+https://tok@github.com/o/r#egg=r",))}, "requirements"),
        ({"environment": EnvironmentSpec(requirements=("--index-url https://u:p@h/simple",))}, "requirements"),
        ({"environment": EnvironmentSpec(image="https://u:p@h/image")}, "environment.image"),
        ({"environment": EnvironmentSpec(source=URL)}, "environment.source"),
    ],
)
def test_an_address_with_a_secret_is_refused_wherever_a_job_has_one(fields: dict[str, object], key: str) -> None:
    with pytest.raises(Refused, match=r"^job\.secret_in_text") as refused:
        check_job(job(**fields))
    assert key in refused.value.detail and "abc" not in refused.value.detail and "tok@" not in refused.value.detail


def test_validate_says_what_create_would_refuse_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "job.yml"
    file.write_text(f"command: echo --password hunter22\ninputs:\n  d: {URL}\nenvironment: {{python: '3.11'}}\n")
    found = judge(file)
    assert [(one.key, one.line) for one in found.problems] == [("command", 1), ("inputs.d", 3)]


def test_variables_are_secret_by_name_by_declaration_by_form_and_when_they_repeat_a_secret() -> None:
    named = {
        "DB_PASSWORD": "hunter22", "sas_url": "abc", "MyApiKey": "abc", "PLAIN": "hunter-3", "INDEX": "https://u:p@h/s",
        "ALSO": "x hunter22 y", "DB_PASS": "hunter-4",
        "TOKENIZERS_PARALLELISM": "false", "LEVEL": "debug", "EMPTY_TOKEN": "",
    }  # fmt: skip
    split = split_job(job(environment_variables=named), {"PLAIN"})
    left = {"LEVEL": "debug", "EMPTY_TOKEN": "", "TOKENIZERS_PARALLELISM": "false"}
    assert split.spec.environment_variables == left
    assert set(split.hidden) == set(named) - set(left)


@pytest.mark.parametrize(
    "fields",
    [
        {"command": "echo hunter22"}, {"description": "with hunter22"}, {"tags": {"a": "hunter22"}},
        {"tags": {"hunter22": "a"}}, {"display_name": "hunter22"}, {"inputs": {"a": InputSpec("string", "hunter22")}},
        {"git": {"branch": "hunter22"}}, {"environment": EnvironmentSpec(requirements=("hunter22",))},
    ],
)  # fmt: skip
def test_the_value_of_a_secret_variable_stands_nowhere_else_in_the_job(fields: dict[str, object]) -> None:
    with pytest.raises(Refused, match=r"^job\.secret_in_text: .*'DB_PASSWORD'") as refused:
        split_job(job(**fields, environment_variables={"DB_PASSWORD": "hunter22"}), ())
    assert "hunter22" not in refused.value.detail


def test_secret_variables_are_bounded() -> None:
    with pytest.raises(Refused, match=r"^secret\.too_large: there are 501"):
        split_job(job(environment_variables={f"TOKEN_{number}": "hunter22" for number in range(501)}), ())


def test_a_variable_that_is_sealed_only_for_its_name_may_be_said_elsewhere() -> None:
    spec = job(command="python t.py --type classifier", environment_variables={"TOKEN_TYPE": "classifier"})
    assert split_job(spec, ()).hidden == {"TOKEN_TYPE": "classifier"}


def test_what_is_declared_public_is_shown_unless_its_value_is_a_secret() -> None:
    variables = {
        "TOKEN_TYPE": "classifier", "SECRET_SANTA": "anna", "REAL_TOKEN": "hunter22", "URL_TOKEN": "https://u:p@h/x",
        "HF_TOKEN": "hf_" + "a" * 34, "COPY_TOKEN": "x hunter22",
    }  # fmt: skip
    public = tuple(name for name in variables if name != "REAL_TOKEN")
    split = split_job(job(environment_variables=variables, public_variables=public), ())
    assert split.spec.environment_variables == {"TOKEN_TYPE": "classifier", "SECRET_SANTA": "anna"}
