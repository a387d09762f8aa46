"""Every command that a page shows works as written: its verb and options exist, and so do make targets and extras."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from treering.cli.main import root
from treering_services.__main__ import parser

HOME = Path(__file__).parents[2]
PAGES = sorted(
    [*HOME.glob("*.md"), *HOME.glob("docs/**/*.md"), *HOME.glob("examples/**/*.md"), *HOME.glob("ops/**/*.md")]
)
FENCE = re.compile(r"^\s*```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^\s*```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`(?!`)(?P<text>[^`]+)`(?!`)")
COMMAND = re.compile(r"(?:^|[($\"'/]|\$ )\s*(?P<said>treering [a-z][^\n]*)")
ENDS = {"|", "||", "&&", ";", ">", ">>", "<", "2>", "&", "2>&1", ")"}
PLACEHOLDER = re.compile(r"[\[\]<>{}…]|\.\.\.|^[A-Z][A-Z_:/@]*$")
TARGET = re.compile(r"(?:^|[`\s$])make (?P<name>[a-z][a-z-]*)", re.MULTILINE)
EXTRA = re.compile(r"\[(?P<names>[a-z0-9, -]+)\]'?\"?")


WITH_VALUES = ("--allow-address", "--route", "--port", "--host", "--home", "--slots", "--cluster-port")


class Shown(NamedTuple):
    """A command of a page. ``whole``: in a block of code, as somebody would type it."""

    page: str
    words: tuple[str, ...]
    whole: bool

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.words)}"


def blocks(text: str) -> Iterator[tuple[str, bool]]:
    """What is code in a page: whole blocks, and parts of sentences."""
    for found in FENCE.finditer(text):
        if found["language"] in ("", "sh", "bash", "console", "shell"):
            yield found["text"].replace("\\\n", " "), True
    for found in INLINE.finditer(FENCE.sub("", text)):
        yield found["text"].replace("\n", " "), False


def words_of(said: str) -> tuple[str, ...]:
    """The words of a command up to where the shell ends it."""
    lexer = shlex.shlex(said, posix=True, punctuation_chars="|&;<>()")
    lexer.whitespace_split = True
    found = list[str]()
    try:
        for word in lexer:
            if word in ENDS:
                break
            found.append(word)
    except ValueError:  # a quote that is closed on a later line
        pass
    return tuple(found[1:])


def commands() -> Iterator[Shown]:
    for page in PAGES:
        name = str(page.relative_to(HOME))
        if name == "CHANGELOG.md":  # it tells of what was
            continue
        for text, whole in blocks(page.read_text()):
            for line in text.splitlines():
                for found in COMMAND.finditer(line):
                    words = words_of(found["said"])
                    if words and not words[0].endswith(":"):  # "treering up: ..." is what it says
                        yield Shown(name, words, whole)


def spellings(words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """``job create/show`` is ``job create`` and ``job show``; ``log.`` at the end of a sentence is ``log``."""
    for place, word in enumerate(words):
        if "/" in word and not words[place - 1].startswith("-") and re.fullmatch(r"[a-z-]+(/[a-z-]+)+", word):
            for one in word.split("/"):
                yield (*words[:place], one, *words[place + 1 :])
            return
    yield words


def found(words: tuple[str, ...]) -> tuple[click.Command, list[click.Command], list[str]]:
    """The command that ``words`` lead to, the groups on the way, and what is left."""
    command: click.Command = root
    way, left = list[click.Command](), list(words)
    context = click.Context(root)
    while isinstance(command, click.Group) and left and not left[0].startswith("-") and not PLACEHOLDER.search(left[0]):
        below = command.get_command(context, left[0].rstrip(".,:"))
        if below is None:
            if command.params and getattr(command, "invoke_without_command", False):
                break
            raise AssertionError(f"there is no {left[0]!r} in {command.name!r}: {command.list_commands(context)}")
        way.append(command)
        command, left = below, left[1:]
    return command, way, left


def check(shown: Shown) -> None:
    for words in spellings(shown.words):
        command, way, left = found(words)
        if command.name in ("up", "service"):
            check_service(["up", *left] if command.name == "up" else left, shown.whole)
            continue
        known = {name for one in (command, *way) for each in one.params for name in (*each.opts, *each.secondary_opts)}
        said = [word.partition("=")[0].rstrip(".,:)") for word in left if re.match(r"--?[a-zA-Z]", word)]
        moments = [word for word in said if re.fullmatch(r"-\d.*", word)]
        for option in said:
            assert option in known | {"--help", *moments}, f"{option} is no option of {command.name!r}"
        if shown.whole and not isinstance(command, click.Group) and not any(PLACEHOLDER.search(one) for one in left):
            parse(command, left)


def check_service(words: list[str], whole: bool) -> None:
    """What ``up`` and ``service`` pass on is read by the services' own parser."""
    if not words or any(PLACEHOLDER.search(word) for word in words):
        return
    options = [f"{word}=1" if word in WITH_VALUES else word for word in words[1:] if word.startswith("--")]
    try:
        parser().parse_args(words if whole else [words[0], *options])
    except SystemExit:
        raise AssertionError(f"{' '.join(words)} is not read by python -m treering_services") from None


def parse(command: click.Command, left: list[str]) -> None:
    """As the command line reads it; whether files are there is no matter."""
    try:
        command.make_context(command.name or "", list(left))
    except click.exceptions.Exit:
        pass
    except click.UsageError as error:
        assert "No such file" in error.message or "does not exist" in error.message, error.message


@pytest.mark.parametrize("page", sorted({shown.page for shown in commands()}))
def test_each_command_of_a_page_is_one(page: str) -> None:
    wrong = list[str]()
    for shown in commands():
        if shown.page == page:
            try:
                check(shown)
            except AssertionError as error:
                wrong.append(f"{shown}\n    {error}")
    assert not wrong, "\n".join(wrong)


def test_each_make_target_of_a_page_is_one() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (HOME / "Makefile").read_text(), re.MULTILINE))
    said = {
        (page.name, one["name"])
        for page in PAGES
        for text, _ in blocks(page.read_text())
        for one in TARGET.finditer(text)
    }
    assert {name for _, name in said} <= targets, said


def test_what_is_installed_by_pip_is_here_or_on_the_index() -> None:
    project = tomllib.loads((HOME / "pyproject.toml").read_text())["project"]
    for page in PAGES:
        if page.name == "CHANGELOG.md":
            continue
        for text, _ in blocks(page.read_text()):
            for line in text.splitlines():
                for named in re.findall(r"pip install (?:-\S+ )*['\"]?([^\s'\"`]+)", line):
                    extras = EXTRA.search(named)
                    assert not named.startswith("treering"), f"{page.name}: {named} is no package of an index; say '.'"
                    wanted = set(re.split(r"[ ,]+", extras["names"])) if extras and named.startswith(".") else set()
                    assert wanted <= set(project["optional-dependencies"]), f"{page.name}: {named}"
