"""Finds secrets where they would stay in the record: in addresses, and written out in a command.

The log keeps a job's command, inputs and requirements for ever and shows them to every auditor. So they are refused
with a secret in them, and the sentence says where it belongs: among the environment variables, which are sealed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from msgspec import to_builtins

from treering.domain.job_spec import EnvironmentSpec, JobSpec
from treering.kernel.known_forms import is_known
from treering.kernel.refusal import Refused
from treering.kernel.url_secrets import secret_in
from treering.specs.checks import join
from treering.specs.nodes import ListNode, MapNode, Node, Report, Scalar
from treering.specs.secret_arguments import password_given
from treering.specs.secret_values import is_literal, names_secret

CODE = "job.secret_in_text"
TEXT_CHARACTERS_MAX = 100_000
VALUE = r"""("[^"]*"|'[^']*'|[^\s;&|"'`]+)"""
NAME_BEGINS = r"(?:^|(?<=[\s;&|(\"':.,+{-]))"
ASSIGNED = re.compile(rf"{NAME_BEGINS}([A-Za-z_]\w*)=(?!=){VALUE}")
QUOTED = re.compile(r"""(?<![\w-])([A-Za-z_][\w-]{0,80})["']?\s{0,8}[=:]\s{0,8}("[^"]+"|'[^']+')""")
OPTION = re.compile(rf"(?:^|(?<=\s))--?([A-Za-z][\w-]*)(?:=|\s+)(?!-){VALUE}")
HEADER = re.compile(
    r"(?<![\w-])(authorization|[\w-]{0,40}(?:api-key|token|subscription-key))[\"']?\s*:\s*[\"']?"
    r"(?:(?:bearer|basic|token)\s+)?([^\s\"']+)",
    re.IGNORECASE,
)
LOGIN = re.compile(r"(?:^|\s)(?:-u|--user)[\s=]*[\"']?[^\s:\"']+:([^\s\"']+)")
# Keys whose values are not refused: they are sealed, looked at by themselves, or written down without their secrets.
NOT_REFUSED = frozenset(
    {
        "environment",
        "environment_variables",
        "variables",
        "tags",
        "description",
        "display_name",
        "git",
        "notes",
        "sealed",
    }
)
LEFT_OUT = frozenset({"tags", "description", "display_name", "properties"})
NOT_REFUSED_IN_YAML = (NOT_REFUSED - {"environment"}) | {"properties", "keys"}


def job_text_checks(spec: JobSpec) -> Iterator[Callable[[], None]]:
    """``Refused("job.secret_in_text")`` of each text that the log keeps as it is and that has a secret in it."""
    fields = {key: value for key, value in to_builtins(spec).items() if key not in NOT_REFUSED}
    yield from (partial(check_text, key, text) for key, text in texts("", fields))


def environment_text_checks(spec: EnvironmentSpec) -> Iterator[Callable[[], None]]:
    fields = {key: value for key, value in to_builtins(spec).items() if key not in NOT_REFUSED}
    yield from (partial(check_text, key, text) for key, text in texts("environment", fields))


def check_text(key: str, text: str) -> None:
    if why := fault_in(key, text):
        raise Refused(CODE, f"{key} {why}")


def texts(key: str, value: Any) -> Iterator[tuple[str, str]]:
    """Every text in a value, by where it stands; names too."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, one in value.items():
            yield key, name
            yield from texts(join(key, name), one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from texts(key, one)


def check_tree(root: MapNode, report: Report) -> None:
    """Add what ``create`` would refuse of the texts in a YAML."""
    for key, node in scalars("", root):
        if isinstance(node.value, str) and (why := fault_in(key, node.value)):
            report.add(node.at, key, why)


def note_left_out(root: MapNode, report: Report) -> None:
    """Note the texts that are kept without the secret parts of their addresses."""
    for key in LEFT_OUT & root.entries.keys():
        for name, node in scalars(key, root.entries[key]):
            text = node.value if isinstance(node.value, str) else ""
            if what := secret_in(text):
                report.note(node.at, name, f"is kept without what is secret in its address ({what})")
            elif is_known(text):
                report.note(node.at, name, "is kept with *** for the key or token in it")


def scalars(key: str, node: Node) -> Iterator[tuple[str, Scalar]]:
    if isinstance(node, Scalar):
        yield key, node
    elif isinstance(node, ListNode):
        for item in node.items:
            yield from scalars(key, item)
    elif isinstance(node, MapNode):
        for name, child in node.entries.items():
            if name not in NOT_REFUSED_IN_YAML:
                yield from scalars(join(key, name), child)


def fault_in(key: str, text: str) -> str:
    """What is secret in the text under ``key``, and where it belongs, as the end of a sentence; "" when nothing is."""
    if what := secret_in(text):
        return (
            f"has a secret in an address ({what}), which would stay in the record for ever; {instead_of_address(key)}"
        )
    if is_known(text):
        return f"has a key or token in it, which would stay in the record for ever; {BELONGS}"
    if key.startswith("inputs.") and names_secret(name := key.split(".")[1]) and is_value(key) and is_literal(text):
        return f"has the value of {name[:60]!r}, which {STAYS}; {BELONGS}"
    is_command = key.rpartition(".")[2] == "command"
    if is_command and (name := written_out(text)):
        return f"has a value for {name[:60]!r} in it, which {STAYS}; {BELONGS}"
    return ""


STAYS = "would stay in the record for ever"
BELONGS = "set it among environment_variables (or with --secret), where it is sealed, and write $NAME in the command"


def is_value(key: str) -> bool:
    """Whether an input's own value stands under ``key``, and not its path or type."""
    return key.count(".") == 1 or key.rpartition(".")[2] in ("value", "written")


def instead_of_address(key: str) -> str:
    if key.startswith("inputs"):
        return (
            "leave that part out and upload the file with the job, or set the address among environment_variables, "
            "where it is sealed, and let the script read it"
        )
    if "environment" in key:
        return "leave it out, and name an index or a repository that the machine may read without it"
    return BELONGS


def written_out(command: str) -> str:
    """The name of the first secret whose value is written out in a command; "" when there is none."""
    text = command[:TEXT_CHARACTERS_MAX]
    for pattern in (ASSIGNED, QUOTED, OPTION):
        for found in pattern.finditer(text):
            if names_secret(found[1]) and is_literal(found[2]):
                return found[1]
    for found in HEADER.finditer(text):
        if is_literal(found[2]):
            return found[1]
    if ("curl" in text or "wget" in text) and any(is_literal(found[1]) for found in LOGIN.finditer(text)):
        return "--user"
    return password_given(text)
