"""The bounds that the OpenAPI document says are those that a request is held to, and no wider ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from tests.services.gateway_example import SPEC, WS, running_gateway
from tests.services.test_webhooks import running_notifier

from treering.domain import KINDS
from treering.kernel.bounds import RULE, TEXT_CHARACTERS_MAX
from treering.kernel.refusal import Refused
from treering.testing.examples import COMMANDS
from treering.testing.nats import RunningNats
from treering_services.gateway.asyncapi import describe_events
from treering_services.gateway.commands import public_commands
from treering_services.gateway.openapi import describe
from treering_services.gateway.routes import ROUTES

DOCUMENT: dict[str, Any] = msgspec.json.decode(describe(ROUTES))
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
# A request to each route with a body of its own whose names have a rule: the path, the body, which struct it is.
BODIES: dict[str, tuple[str, dict[str, Any]]] = {
    "CloudEventIn": (f"{WS}/events", {"id": "1", "source": "/ci", "type": "build.done"}),
    "NewWebhook": (f"{WS}/webhooks", {"name": "h", "url": "https://example.com/hook"}),
    "SubmittedJob": (f"{WS}/jobs", {"spec": SPEC}),
    "NewEnvironment": (f"{WS}/environments", {"name": "e", "spec": {"python": "3.11"}}),
    "treering_services.gateway.models.NewModel": (
        f"{WS}/models",
        {"name": "m", "path": "azureml://jobs/none/outputs/model"},
    ),
    "NewName": (f"{WS}/registered_models/old/rename", {"name": "n"}),
    "TicketRequest": ("/v1/events/ticket", {"ws": "w"}),
    "NameRequest": ("/v1/names/u_none", {"name": "n"}),
}
MLFLOW = "api/2.0/mlflow"
LENGTHS = ("characters", "of length")
# A form of its own, which says more than a length: a digest, a time, a path, a version of the specification.
FORMS = {"NewModel.digest", "CloudEventIn.time", "NewWebhook.kind", "NewWebhook.resource", "NewWebhook.secret",
         "CloudEventIn.specversion", "CloudEventIn.datacontenttype", "CloudEventIn.traceparent",
         "CloudEventIn.subject"}  # fmt: skip


def texts(struct: str) -> Iterator[tuple[str, int]]:
    """The fields of a body that are short texts, with the length that the document allows."""
    for name, said in SCHEMAS[struct]["properties"].items():
        for one in (said, *said.get("anyOf", ())):
            longest = one.get("maxLength", TEXT_CHARACTERS_MAX)
            if (
                one.get("type") == "string"
                and longest < TEXT_CHARACTERS_MAX
                and f"{struct.rpartition('.')[2]}.{name}" not in FORMS
            ):
                yield name, longest


def said_of(kind: Any, state: Any, command: Any, field: str, value: Any) -> str:
    """Why a command with another value in ``field`` is refused, "" when it is not."""
    changed = msgspec.json.encode(msgspec.structs.replace(command, **{field: value}))
    try:
        kind.decide(state, msgspec.json.decode(changed, type=type(command)))
    except (Refused, msgspec.ValidationError) as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", sorted(set(COMMANDS) & set(KINDS)))
def test_a_command_takes_texts_and_numbers_up_to_the_documented_bound_and_not_beyond(name: str) -> None:
    kind = KINDS[name]
    state, public = kind.state(), set(public_commands(kind).values())
    for command in COMMANDS[name]:
        fields = SCHEMAS[type(command).__name__]["properties"] if type(command) in public else {}
        for field, said in fields.items():
            if said_of(kind, state, command, field, getattr(command, field)):
                continue  # refused for another reason: it is not the time for this command
            for one in (said, *said.get("anyOf", ())):
                if one.get("type") == "string" and "maxLength" in one and field not in ("path", "url"):
                    most = one["maxLength"]
                    assert not any(word in said_of(kind, state, command, field, "a" * most) for word in LENGTHS), field
                    if most < TEXT_CHARACTERS_MAX:
                        assert said_of(kind, state, command, field, "a" * (most + 1)), (name, field, most)
                if one.get("type") == "integer" and "maximum" in one:
                    assert not said_of(kind, state, command, field, one["maximum"]), (name, field)
                    assert said_of(kind, state, command, field, one["maximum"] + 1), (name, field)
        try:
            for event in kind.decide(state, command):
                state = kind.evolve(state, event)
        except Refused:
            continue


@pytest.mark.anyio
async def test_a_body_takes_names_up_to_the_documented_length_and_not_beyond(nats_server: RunningNats) -> None:
    async with running_gateway(nats_server) as api, running_notifier(api):
        assert (await api.ask("POST", f"/w/w/{MLFLOW}/registered-models/create", {"name": "old"})).status == 200
        for struct, (path, body) in BODIES.items():
            for field, most in texts(struct):
                url = "https://example.com/" if field == "url" else ""
                for length in (most + 1, most):
                    said = {**body, "id": f"{field}{length}"} if "id" in body else body
                    answer = await api.ask("POST", path, {**said, field: url + "a" * (length - len(url))})
                    if length > most:
                        assert answer.status == 400, (struct, field, most, answer.body)
                    elif answer.status >= 300:
                        assert not any(word in answer.json["detail"] for word in LENGTHS), (struct, field, answer.body)


def test_every_body_of_its_own_with_a_name_is_tried() -> None:
    commands = {command.__name__ for kind in KINDS.values() for command in public_commands(kind).values()}
    sent = {
        route.request.__name__
        for route in ROUTES
        if isinstance(route.request, type) and route.path.startswith("/v1/") and route.request not in (bytes, dict)
    }
    described = {name.rpartition(".")[2]: name for name in SCHEMAS if ".mlflow." not in name}
    short = {name for name in sent - commands if name in described and any(texts(described[name]))}
    # A node joins with a token of its own, a replay needs a webhook, the moment of a question has a form of its own.
    assert short - {name.rpartition(".")[2] for name in BODIES} <= {"JoinRequest", "Replay", "LatestOf"}


def test_the_documents_say_the_rule_and_not_that_there_is_one() -> None:
    assert RULE.encode() not in describe(ROUTES) and RULE.encode() not in describe_events()
    assert SCHEMAS["CloudEventIn"]["properties"]["id"]["maxLength"] == 255
    parameters = DOCUMENT["paths"]["/v1/workspaces/{ws}/jobs/{key}"]["get"]["parameters"]
    assert [one["schema"]["maxLength"] for one in parameters if one["in"] == "path"] == [255, 511]
