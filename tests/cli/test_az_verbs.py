"""Every verb and option that az ml has for the nouns that are here is carried out, noted, or refused in a sentence."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from typing import TypeGuard

import click
import pytest
from click.testing import CliRunner

from treering.cli.az_verbs import ABSENT, NOUNS
from treering.cli.lazy import refuse_empty, whole_names
from treering.cli.main import root
from treering.kernel.refusal import Refused

# Options that a decorator makes into one, or reads itself.
ARCHIVED = {"include_archived": "archived", "archived_only": "archived", "said": "name"}
GIVEN_ON = ("label",)
EVERYWHERE = (
    "--resource-group -g --workspace-name -w --subscription --query --output -o --debug --verbose --only-show-errors"
)
ONE_VERSION = "--name -n --version -v --label -l --registry-name"
UPDATE = "--name -n --set --add --remove --force-string"
LIST = "--name -n --max-results -r --archived-only --include-archived --registry-name"
AZ = {
    "job archive": "--name -n",
    "job cancel": "--name -n --no-wait",
    "job connect-ssh": "",
    "job create": "--file -f --name -n --save-as -a --set --skip-validation --stream -s --web -e",
    "job download": "--name -n --all --download-path -p --output-name",
    "job list": "--all-results --asset-name --max-results -r "
    "--archived-only --include-archived --parent-job-name -p --tag",
    "job restore": "--name -n",
    "job show": "--name -n --web -e",
    "job show-services": "",
    "job stream": "--name -n",
    "job update": f"{UPDATE} --web -e",
    "job validate": "--file -f --set",
    "model archive": ONE_VERSION,
    "model create": "--file -f --name -n --version -v --path -p --type -t --description -d --tags --datastore "
    "--registry-name --set --stage -s --no-wait",
    "model download": "--name -n --version -v --download-path -p --registry-name",
    "model list": f"{LIST} --stage -s",
    "model package": "",
    "model restore": ONE_VERSION,
    "model share": "",
    "model show": ONE_VERSION,
    "model update": f"{UPDATE} --version -v --label -l --stage --registry-name",
    "environment archive": ONE_VERSION.replace(" -l", ""),
    "environment create": "--file -f --name -n --version -v --image -i --conda-file -c --build-context -b "
    "--dockerfile-path -d --os-type --description --tags --datastore --registry-name --set --no-wait",
    "environment list": LIST,
    "environment restore": ONE_VERSION.replace(" -l", ""),
    "environment share": "",
    "environment show": ONE_VERSION.replace(" -l", ""),
    "environment update": f"{UPDATE} --version -v --label -l --registry-name",
    "compute attach": "",
    "compute connect-ssh": "",
    "compute create": "--file -f --name -n --type -t --size -s --min-instances --max-instances --tier --description "
    "--idle-time-before-scale-down --identity-type -i --user-assigned-identities --admin-username --admin-password "
    "--ssh-key-value --ssh-public-access-enabled --vnet-name --subnet --location -l --no-wait --tags --set "
    "--user-tenant-id --user-object-id --enable-node-public-ip",
    "compute delete": "--name -n --yes -y --no-wait",
    "compute detach": "",
    "compute enable-sso": "",
    "compute list": "--type -t --max-results -r",
    "compute list-nodes": "--name -n",
    "compute list-sizes": "",
    "compute list-usage": "",
    "compute restart": "",
    "compute show": "--name -n",
    "compute start": "",
    "compute stop": "",
    "compute update": "",
    "workspace create": "--file -f --name -n --location -l --display-name -d --description --tags --set --no-wait "
    "--storage-account --key-vault --application-insights -a --container-registry --image-build-compute -i "
    "--public-network-access --managed-network -m --primary-user-assigned-identity --kind -k --hub-id "
    "--default-resource-group --enable-data-isolation --update-dependent-resources -u --system-datastores-auth-mode "
    "--provision-network-now --allow-roleassignment-on-rg --network-acls",
    "workspace delete": "",
    "workspace diagnose": "",
    "workspace list": "--max-results -r",
    "workspace list-keys": "",
    "workspace provision-network": "",
    "workspace show": "--name -n",
    "workspace sync-keys": "",
    "workspace update": f"{UPDATE} --no-wait --file -f --display-name -d --description --application-insights -a "
    "--container-registry -c --image-build-compute -i --managed-network -m --public-network-access --network-acls "
    "--primary-user-assigned-identity --system-datastores-auth-mode --allow-roleassignment-on-rg "
    "--update-dependent-resources -u --provision-network-now",
}


def command_of(words: str) -> click.Command:
    found: click.Command = root
    for word in words.split():
        assert isinstance(found, click.Group)
        inner = found.get_command(click.Context(found), word)
        assert inner is not None, f"there is no `treering {words}`"
        found = inner
    return found


def options_of(command: click.Command) -> Iterator[str]:
    for parameter in command.params:
        yield from parameter.opts


@pytest.mark.parametrize("words", AZ)
def test_every_verb_of_az_is_there_with_every_option(words: str) -> None:
    noun, verb = words.split()
    command = command_of(words)
    if verb in ABSENT[noun]:
        return
    missing = {*AZ[words].split(), *EVERYWHERE.split()} - set(options_of(command))
    assert not missing, f"`treering {words}` does not take {sorted(missing)}"


@pytest.mark.parametrize("words", [words for words in AZ if words.split()[1] not in ABSENT[words.split()[0]]])
def test_no_option_is_taken_and_ignored(words: str) -> None:
    command = command_of(words)
    assert command.callback is not None
    function = inspect.unwrap(command.callback)
    read = {node.id for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))) if is_read(node)}
    taken = inspect.signature(function).parameters
    rest = next((name for name, one in taken.items() if one.kind is one.VAR_KEYWORD), "")
    for option in command.params:
        if isinstance(option, click.Option) and option.expose_value and option.name not in GIVEN_ON:
            name = ARCHIVED.get(str(option.name), str(option.name))
            said = name if name in taken else rest
            assert said in read, f"`treering {words} {option.opts[0]}` is taken and ignored"


def is_read(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)


@pytest.mark.parametrize("verb", ["list", "create", "show", "delete"])
@pytest.mark.parametrize("noun", NOUNS)
def test_a_noun_that_is_not_here_says_what_there_is_instead(noun: str, verb: str) -> None:
    answer = CliRunner().invoke(root, [noun, verb, "-n", "x", "--file", "y"], standalone_mode=False)
    assert isinstance(answer.exception, Refused) and answer.exception.code == "noun.absent"
    assert answer.exception.detail == f"{noun}: {NOUNS[noun]}"


def test_who_types_ml_is_told_the_command_without_it() -> None:
    answer = CliRunner().invoke(root, ["ml", "job", "create", "-f", "job.yml"], standalone_mode=False)
    assert isinstance(answer.exception, Refused)
    assert answer.exception.detail == "ml: leave ml out: treering job create -f job.yml"


@pytest.mark.parametrize(("words", "said"), [("jobs list", "did you mean job?"), ("job creat", "did you mean create?")])
def test_a_word_that_is_no_command_is_told_with_the_one_it_may_have_been(words: str, said: str) -> None:
    answer = CliRunner().invoke(root, words.split(), standalone_mode=False)
    assert isinstance(answer.exception, click.UsageError) and said in answer.exception.message


@pytest.mark.parametrize(
    ("words", "whole"),
    [
        ("--max 3", "--max-results 3"),
        ("--max=3", "--max-results=3"),
        ("--all", "--all-results"),
        ("--all false", "--all-results false"),
        ("--status --max", "--status --max"),  # a value, whatever it looks like
        ("--tag=--max", "--tag=--max"),
        ("--nope", "--nope"),
        ("-- --max", "-- --max"),
    ],
)
def test_the_beginning_of_a_long_option_is_that_option(words: str, whole: str) -> None:
    assert whole_names(words.split(), command_of("job list").params) == whole.split()


def test_a_beginning_that_several_options_have_is_refused_with_them() -> None:
    with pytest.raises(click.UsageError, match=r"--a may be any of --all-results, --archived-only, .*: write it out"):
        whole_names(["--a"], command_of("job list").params)


@pytest.mark.parametrize("place", ["before", "after"])
def test_only_show_errors_leaves_notes_out(place: str) -> None:
    own = ["environment", "create", "-n", "e", "--os-type", "Linux", "--dockerfile-path", "D"]
    quiet = ["--only-show-errors"]
    assert "note: --os-type" in CliRunner().invoke(root, own).stderr
    assert "note:" not in CliRunner().invoke(root, [*quiet, *own] if place == "before" else [*own, *quiet]).stderr


@pytest.mark.parametrize(("noun", "verb"), [(noun, verb) for noun, verbs in ABSENT.items() for verb in verbs])
def test_a_verb_that_is_not_here_says_what_to_do_instead(noun: str, verb: str) -> None:
    answer = CliRunner().invoke(root, [noun, verb, "-n", "x", "--anything", "y"], standalone_mode=False)
    assert isinstance(answer.exception, Refused) and answer.exception.code == "verb.absent"
    assert answer.exception.detail.startswith(f"{noun} {verb}: ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("model show -n m --registry-name azureml", "--registry-name: there are no registries here"),
        ("environment archive -n e --registry-name r", "--registry-name: there are no registries here"),
        ("job update -n j --set tags.a=1 --remove tags.b", "--remove: write --set"),
        ("model update -n m --set tags.a=1 --stage Production", "--stage: a stage is MLflow's"),
    ],
)
def test_an_option_that_would_do_something_else_than_was_meant_is_refused(words: str, said: str) -> None:
    answer = CliRunner().invoke(root, words.split(), standalone_mode=False)
    assert isinstance(answer.exception, Refused) and answer.exception.code == "option.absent"
    assert answer.exception.detail.startswith(said)


@pytest.mark.parametrize(
    "words",
    ["job list --status", "job list -p", "job list --tag", "job list -w", "job list --query", "environment list -n",
     "model list -n", "model show m --version", "model archive m -l", "environment archive e -v"],
)  # fmt: skip
def test_an_empty_name_or_filter_never_means_everything(words: str) -> None:
    answer = CliRunner().invoke(root, [*words.split(), ""], standalone_mode=False)
    assert isinstance(answer.exception, click.UsageError), answer
    assert "is empty: leave it out, or give it a value" in answer.exception.message


def test_an_empty_version_of_what_is_created_is_the_next_one() -> None:
    version = next(one for one in command_of("environment create").params if one.name == "version")
    refuse_empty(version, "")


def test_the_format_of_an_answer_is_read_in_any_case() -> None:
    output = next(one for one in command_of("job list").params if one.name == "output")
    assert output.type_cast_value(click.Context(root), "TSV") == "tsv"
