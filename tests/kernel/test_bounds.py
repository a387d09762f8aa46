"""Every field of every message has a bound: what is accepted must fit into every view, at this release and later."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from datetime import datetime
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from msgspec import Meta, Struct

import treering_services
from treering.domain import KINDS
from treering.kernel.bounds import TEXT_CHARACTERS_MAX, AnyValue, FreeForm
from treering.kernel.command import CommandMessage
from treering.kernel.free_form import free_fields, is_struct
from treering.kernel.lease import Renew
from treering.kernel.points import Points
from treering_services.gateway.commands import public_commands
from treering_services.gateway.mlflow.messages import Request
from treering_services.gateway.routes import ROUTES
from treering_services.monitor.question import Question

# Bytes that are decoded as a bounded type of their own a step later.
LATER = {
    "CommandMessage.command": "the registry decodes it as a command of the kind its subject names",
    "NewJob.spec": "decoded as SubmittedSpec when the name is known to be one",
    "PublishMessage.events[]": "each is decoded as CloudEventIn",
}
DECODERS = {"decode": 1, "json": 0, "query": 0, "read": 1}  # the argument that is the type


def services() -> Iterator[Any]:
    """Every module of the services."""
    for module in pkgutil.walk_packages(treering_services.__path__, "treering_services."):
        if not module.name.endswith("__main__"):
            yield importlib.import_module(module.name)


def decoded_in(module: Any) -> Iterator[Any]:
    """The types that a module decodes what comes in as: ``call.json(X)``, ``call.query(X)``, ``decode(body, X)``."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        place = DECODERS.get(name, len(node.args))
        said = [one.value for one in node.keywords if one.arg == "type"] + node.args[place : place + 1]
        for expression in said if name in DECODERS else ():
            try:
                found = eval(compile(ast.Expression(expression), "", "eval"), vars(module))  # noqa: S307 - our source
            except (NameError, AttributeError):
                continue  # a local name: the callers pass the type, and are found themselves
            if is_struct(found) and not found.__name__.endswith("Answer"):
                yield found


def questions(value: Any) -> list[Question]:
    """Those of a table of the monitor's questions."""
    return [one for one in value.values() if isinstance(one, Question)] if isinstance(value, dict) else []


def requests(struct: type[Struct] = Request) -> Iterator[type[Struct]]:
    for one in struct.__subclasses__():
        yield one
        yield from requests(one)


def roots() -> dict[str, Any]:
    """Everything that is decoded from outside a process, by its name."""
    found: list[Any] = [Renew, Points, CommandMessage]
    for kind in KINDS.values():
        found += [*kind.command_types.values(), *kind.event_types.values()]
    for route in ROUTES:
        found += [part for one in (route.request, route.query) for part in (get_args(one) or (one,))]
    for module in services():
        found += decoded_in(module)
        found += [one.query for value in vars(module).values() for one in questions(value)]
    found += requests()
    structs = [one for one in found if is_struct(one)]
    return {f"{one.__module__}.{one.__qualname__}": one for one in structs}


ROOTS = roots()


def unbounded(said: Any, where: str, seen: frozenset[Any] = frozenset()) -> Iterator[str]:
    """Each part of the type ``said`` that has no bound."""
    marks: tuple[Any, ...] = ()
    if get_origin(said) is Annotated:
        said, *rest = get_args(said)
        marks = tuple(rest)
    origin, arguments = get_origin(said), get_args(said)
    metas = [one for one in marks if isinstance(one, Meta)]
    longest = any(one.max_length is not None for one in metas)
    if any(isinstance(one, FreeForm | AnyValue) for one in marks) or said in (bool, NoneType, datetime):
        return
    if origin is Literal:
        return
    if origin in (Union, UnionType):
        for one in arguments:
            yield from unbounded(one, where, seen)
    elif said in (int, float):
        if not any(one.ge is not None and one.le is not None for one in metas):
            yield f"{where}: {said.__name__} without a range"
    elif said is str:
        if not longest:
            yield f"{where}: str without a longest length"
    elif origin in (list, dict) or (origin is tuple and ... in arguments):
        if not longest:
            yield f"{where}: {origin.__name__} without a longest length"
        for one in arguments:
            if one is not ...:
                yield from unbounded(one, f"{where}[]", seen)
    elif origin is tuple:
        for one in arguments:
            yield from unbounded(one, f"{where}[]", seen)
    elif is_struct(said):
        if said not in seen:
            for field in msgspec.structs.fields(said):
                yield from unbounded(field.type, f"{said.__name__}.{field.name}", seen | {said})
    elif isinstance(said, type) and issubclass(said, tuple):
        for name, one in get_type_hints(said, include_extras=True).items():
            yield from unbounded(one, f"{said.__name__}.{name}", seen)
    elif where not in LATER:
        yield f"{where}: {said} has no bound"


def test_the_walk_reaches_every_kind_of_message() -> None:
    names = {name.rpartition(".")[2] for name in ROOTS}
    assert {
        "SubmitJob",
        "RunUpdated",
        "StuckQuery",
        "CloudEventIn",
        "MetricRequest",
        "Renew",
        "PublishMessage",
    } <= names
    assert {"SubmittedSpec", "AuditQuery", "AskQuery", "BatchRequest", "NewWebhook", "SearchToken"} <= names
    assert len(ROOTS) > 200


@pytest.mark.parametrize("name", ["Bad", "Worse"])
def test_the_walk_finds_a_field_without_a_bound(name: str) -> None:
    bad = msgspec.defstruct("Bad", [("count", int)])
    worse = msgspec.defstruct("Worse", [("tags", Annotated[dict[str, bad], Meta(max_length=3)])])  # type: ignore[valid-type]
    found = list(unbounded({"Bad": bad, "Worse": worse}[name], ""))
    assert "Bad.count: int without a range" in found
    assert ("Worse.tags[]: str without a longest length" in found) == (name == "Worse")


@pytest.mark.parametrize("name", sorted(ROOTS))
def test_every_field_of_a_message_has_a_bound(name: str) -> None:
    assert list(unbounded(ROOTS[name], name)) == []


# Words of programs of ours, and what has a rule of its own.
LINES = {
    "EnvironmentSpec.image", "EnvironmentSpec.python", "JoinNode.containment", "JoinNode.ports", "JoinNode.sandbox",
    "NodeJoined.containment", "NodeJoined.ports", "NodeJoined.sandbox", "JobStarted.sandbox", "StartJob.sandbox",
    "RaiseAlert", "ClearAlert", "AlertRaised", "AlertCleared",
}  # fmt: skip


def unchecked_texts(said: Any, where: str) -> Iterator[str]:
    """Each text of the type ``said`` that is short, and so no free text, and may have a control character."""
    if get_origin(said) is Annotated:
        text, *marks = get_args(said)
        longest = [one.max_length for one in marks if isinstance(one, Meta) and one.max_length]
        if text is str and min(longest, default=TEXT_CHARACTERS_MAX) < TEXT_CHARACTERS_MAX:
            for bad in ("a\x07", "a\n", "\x9b", "\ufdd0", "\uffff", "\x00"):
                if isinstance(converted(bad, said), str):
                    yield f"{where} takes {bad!a}"
                    break
            if converted("caf\u00e9 \u202e \U0001f600", said) is None:
                yield f"{where} takes no text"
        said = text
    if is_struct(said):
        for field in msgspec.structs.fields(said):
            yield from unchecked_texts(field.type, f"{said.__name__}.{field.name}")
    else:
        for one in get_args(said):
            yield from unchecked_texts(one, where)


def converted(text: str, said: Any) -> Any:
    try:
        return msgspec.convert(text, said)
    except msgspec.ValidationError:
        return None


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_no_name_or_title_of_a_command_or_event_has_a_control_character(kind: str) -> None:
    types = [*KINDS[kind].command_types.values(), *KINDS[kind].event_types.values()]
    found = {why for one in types for why in unchecked_texts(one, one.__name__)}
    assert [why for why in sorted(found) if not {why.split()[0], why.partition(".")[0]} & LINES] == []


def test_every_field_of_any_shape_is_where_the_check_finds_it() -> None:
    """``check_free`` follows structs only: a free field within a list would be missed."""
    missed = {
        name: missing
        for name, struct in ROOTS.items()
        if (missing := set(free_marks(struct)) - {path[-1] for path, _ in free_fields(struct)})
    }
    assert missed == {}


def free_marks(said: Any) -> Iterator[str]:
    """The names of the fields marked ``FreeForm``, wherever in the type they are."""
    if is_struct(said):
        for field in msgspec.structs.fields(said):
            if "FreeForm" in repr(field.type).partition("Struct")[0]:
                yield field.name
            yield from free_marks(field.type)
    for one in get_args(said):
        yield from free_marks(one)


def test_the_commands_of_the_generic_route_are_walked() -> None:
    sent = {command for kind in KINDS.values() for command in public_commands(kind).values()}
    assert sent <= set(ROOTS.values())
