"""The generic command: one route for every command of every kind that people may send."""

from __future__ import annotations

from msgspec import Struct
from starlette.responses import Response

from treering.adapters.webhook_secrets import secret_name, webhook_secrets
from treering.domain import KINDS
from treering.domain.compute import AliasCompute
from treering.domain.credential import CREDENTIAL
from treering.domain.environment import ENVIRONMENT, CreateEnvironment
from treering.domain.event import EVENT
from treering.domain.event_schema import EVENT_SCHEMA
from treering.domain.experiment import EXPERIMENT
from treering.domain.experiment_messages import CreateExperiment
from treering.domain.job import JOB
from treering.domain.logged_model import LOGGED_MODEL
from treering.domain.model import MODEL
from treering.domain.registered_model import REGISTERED_MODEL
from treering.domain.watched import check_webhook
from treering.domain.webhook import WEBHOOK, Webhook
from treering.domain.webhook_messages import DeleteWebhook, ResumeWebhook, UpdateWebhook
from treering.domain.witness import WITNESS
from treering.domain.workspace import WORKSPACE
from treering.kernel.aggregate import Aggregate, Command
from treering.kernel.command import Written
from treering.kernel.new_name import check_new_name
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering_services.gateway.call import Call, reply, written_headers
from treering_services.gateway.computes import check_alias
from treering_services.gateway.core import checked_address, kind_of
from treering_services.gateway.provenance import check_named
from treering_services.gateway.sealing import create_environment
from treering_services.gateway.webhook_addresses import change_webhook, require_address

# Models, their versions and their names are said together: these commands would say one without the others.
MODEL_COMMANDS = {
    REGISTERED_MODEL.kind: (
        "create", "add_version", "remove_version", "return_version", "assign_alias", "reserve", "rename", "transfer",
        "delete", "restore", "undelete",
    ),
    MODEL.kind: ("create", "delete", "restore", "undelete", "rename", "transfer"),
    LOGGED_MODEL.kind: ("create",),
}  # fmt: skip
# These have a route of their own, which checks more than the resource itself can.
SPECIAL = {
    (JOB.kind, "submit"): "POST /v1/workspaces/<ws>/jobs",
    (EVENT.kind, "publish"): "POST /v1/workspaces/<ws>/events",
    # The name and the key that goes with it are taken together.
    **{
        (EXPERIMENT.kind, command): "POST /api/2.0/mlflow/experiments/update"
        for command in ("rename", "reserve_name", "release_name")
    },
    (WEBHOOK.kind, "create"): "POST /v1/workspaces/<ws>/webhooks",
    (WEBHOOK.kind, "rotate_secret"): "POST /v1/workspaces/<ws>/webhooks/<name>/secret",
    (WEBHOOK.kind, "replay"): "POST /v1/workspaces/<ws>/webhooks/<name>/replay",
    **{
        (kind, command): "POST /v1/workspaces/<ws>/models, or MLflow's API"
        for kind, commands in MODEL_COMMANDS.items()
        for command in commands
    },
    **{(CREDENTIAL.kind, command): "POST /v1/access/record, or /v1/names/<id>" for command in CREDENTIAL.command_types},
    **{(WITNESS.kind, command): "POST /v1/access/record" for command in WITNESS.command_types},
    **{(kind, "log_artifact"): "PUT /api/2.0/mlflow-artifacts/artifacts/<path>" for kind in KINDS},
}


# The gateway sends these by itself, when a job has completed.
OWN = frozenset({(JOB.kind, "register_output"), (JOB.kind, "refuse_output")})


class CommandAnswer(Struct, frozen=True):
    """``changed`` False: there was nothing to do. Reads with ``?after=<position>`` see the effect."""

    position: int
    version: int
    changed: bool
    name: str


def public_commands(kind: Aggregate[object, object, object]) -> dict[str, type[Command]]:
    """The commands of a kind that the generic route takes, by their names in the path."""
    return {
        name: command
        for name, command in kind.command_types.items()
        if command.sent_by == "gateway" and (kind.kind, name) not in SPECIAL and (kind.kind, name) not in OWN
    }


async def send_command(call: Call) -> Response:
    kind = kind_of(call.params["kinds"])
    address = checked_address(call.workspace, kind.kind, call.params["key"])
    return await carry_out(call, kind, address, call.params["command"])


async def send_workspace_command(call: Call) -> Response:
    name = call.workspace
    return await carry_out(call, kind_of("workspaces"), Address(name, WORKSPACE.kind, name), call.params["command"])


async def carry_out(call: Call, kind: Aggregate[object, object, object], address: Address, name: str) -> Response:
    command = await call.json(command_type(kind, name))
    if kind.kind == ENVIRONMENT.kind and ":" not in address.key:
        raise Refused("environment.version_missing", f"{address.key!r} needs a version: {address.key}:1, say")
    if kind.kind != WORKSPACE.kind:
        await call.gateway.require_workspace(address.workspace)
    call.gateway.schemas.judge(address, command)
    if isinstance(command, AliasCompute):
        await check_alias(call.gateway, address, command)
    if isinstance(command, CreateExperiment):
        check_experiment(address, command)
    if isinstance(command, ResumeWebhook):
        await require_secret(call, address)
    if isinstance(command, UpdateWebhook):
        await check_types(call, address, command)
    await check_named(call, address.workspace, command)
    if isinstance(command, CreateEnvironment):
        written = await create_environment(call, address, command, call.command_id())
    elif isinstance(command, UpdateWebhook | DeleteWebhook):
        written = await change_webhook(call, address, command)
    else:
        written = await call.gateway.commands.send(address, command, call.context())
    if kind.kind == EXPERIMENT.kind:
        call.gateway.tracking.wrote_experiment(written.position)
    if kind.kind == EVENT_SCHEMA.kind:  # what is published next is held against it
        await call.gateway.reader.projector.reached(written.position)
    return command_reply(written, address.key)


def check_experiment(address: Address, command: CreateExperiment) -> None:
    """Another name than the key would be a second experiment of that name."""
    if command.name:
        why = f"name is {command.name[:80]!r}, and the path says {address.key!r}"
        raise Refused("experiment.name_invalid", f"{why}; leave it out, or use POST /api/2.0/mlflow/experiments/create")
    check_new_name(EXPERIMENT.kind, address.key)


async def check_types(call: Call, address: Address, command: UpdateWebhook) -> None:
    """``Refused`` for types that no event of what the webhook is about can have."""
    if command.types and (found := await call.gateway.find_now(address)):
        webhook = WEBHOOK.states.decode(found.state)
        check_webhook(webhook.body, command.types, webhook.kind, address.workspace, webhook.resource)


async def require_secret(call: Call, address: Address) -> None:
    """``Refused``: ``webhook.secret_missing``, ``webhook.address_missing``, for one that signs and could not, or could
    deliver to nobody: restored without keys, say."""
    found = await call.gateway.find_now(address)
    webhook = WEBHOOK.states.decode(found.state) if found else Webhook()
    secret = webhook.secret
    if secret and webhook_secrets(call.gateway.home).get(secret_name(*address[::2], secret)) is None:
        why = f"the secret of webhook {address.key!r} is not here (a restore without keys?), so it would tell nobody"
        raise Refused("webhook.secret_missing", f"{why}: `treering webhook rotate-secret` makes a new one")
    await require_address(call, address, webhook)


def command_type(kind: Aggregate[object, object, object], name: str) -> type[Command]:
    commands = public_commands(kind)
    if name in commands:
        return commands[name]
    if (kind.kind, name) in SPECIAL:
        raise Refused("command.forbidden", f"{name} of a {kind.kind} has its own route: {SPECIAL[kind.kind, name]}")
    if (kind.kind, name) in OWN:
        raise Refused("command.forbidden", f"{name} is for the gateway to send, when the job has completed")
    if name in kind.command_types:
        raise Refused("command.forbidden", f"{name} is for the {kind.command_types[name].sent_by} to send")
    known = ", ".join(sorted(commands)) or "none"
    raise Refused("command.absent", f"a {kind.kind} has no command {name[:80]!r}; it has {known}")


def command_reply(written: Written, name: str) -> Response:
    status = 201 if written.changed and written.version == 1 else 200
    answer = CommandAnswer(written.position, written.version, written.changed, name)
    return reply(answer, status, written_headers(written.position))
