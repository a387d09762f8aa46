"""``--set`` is one option: every command that has it takes several values behind it, wherever it stands."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from treering.cli.main import root


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


WITH_SET = {
    path: command for path, command in commands(root) if any("--set" in parameter.opts for parameter in command.params)
}


def sets(path: tuple[str, ...], *arguments: str) -> tuple[str, ...]:
    context = WITH_SET[path].make_context(path[-1], list(arguments), resilient_parsing=True)
    found: tuple[str, ...] = context.params["sets"]
    return found


def test_the_verbs_that_change_or_create_have_it() -> None:
    assert WITH_SET.keys() >= {
        ("job", "create"), ("job", "update"), ("model", "create"), ("model", "update"), ("validate",),
        ("environment", "create"), ("workspace", "update"), ("experiment", "update"),
    }  # fmt: skip


@pytest.mark.parametrize("path", WITH_SET, ids=" ".join)
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--set", "a=1", "b=2"), ("a=1", "b=2")),
        (("--set", "a=1", "--set", "b=2"), ("a=1", "b=2")),
        (("--set", "a=1", "b=2", "--query", "x", "--set", "c=3", "d=4"), ("a=1", "b=2", "c=3", "d=4")),
        (("--set=a=1", "b=-2"), ("a=1", "b=-2")),
        (("--set", "a=x=y", "b=", 'c={"d": "e=f"}', "--"), ("a=x=y", "b=", 'c={"d": "e=f"}')),
        (("--set", "a=ü 中", "b=\nc"), ("a=ü 中", "b=\nc")),
    ],
)
def test_several_values_in_one_option(
    path: tuple[str, ...], arguments: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert sets(path, *arguments) == expected


@pytest.mark.parametrize("path", [path for path in WITH_SET if path[-1] == "update"], ids=" ".join)
@pytest.mark.parametrize(
    "arguments",
    [
        ("x", "--set", "a=1", "b=2"),
        ("--set", "a=1", "b=2", "x"),
        ("--set", "a=1", "b=2", "-n", "x"),
        ("--set", "a=1", "b=2", "--", "x"),
    ],
)
def test_a_name_may_stand_on_either_side(path: tuple[str, ...], arguments: tuple[str, ...]) -> None:
    context = WITH_SET[path].make_context(path[-1], list(arguments), resilient_parsing=True)
    assert context.params["sets"] == ("a=1", "b=2")
    assert "x" in context.params.values()


def test_a_file_behind_the_values_is_a_file() -> None:
    context = WITH_SET[("validate",)].make_context("validate", ["--set", "a=1", "job.yml"], resilient_parsing=True)
    assert (context.params["sets"], [str(one) for one in context.params["places"]]) == (("a=1",), ["job.yml"])


def test_tags_are_pairs_in_a_row_too() -> None:
    path = ("model", "create")
    context = WITH_SET[path].make_context("create", ["--tags", "a=1", "b=2", "--set", "c=3"], resilient_parsing=True)
    assert (context.params["tags"], context.params["sets"]) == (("a=1", "b=2"), ("c=3",))
