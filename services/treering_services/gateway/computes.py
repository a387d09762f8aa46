"""Which compute target a job runs on: the one it names, or the one that its name is an alias of.

An alias stands for a target, never for another alias, so there are no chains and no circles. What a command's target is
may change behind it (it is deleted, say), so it is looked at again when a job is submitted.
"""

from __future__ import annotations

from typing import NamedTuple

from treering.domain.compute import COMPUTE, AliasCompute, Compute
from treering.kernel.refusal import Refused, instead
from treering.kernel.shared_limits import PAGE_MAX
from treering.kernel.subjects import Address, checked_name
from treering.specs.references import parse_reference
from treering.views.states import Resource, newest
from treering_services.gateway.core import Gateway
from treering_services.gateway.references import elsewhere

LOCAL = "local"


class Target(NamedTuple):
    """``note`` is what a job is told that named an alias."""

    name: str
    note: str = ""


async def target_of(gateway: Gateway, workspace: str, name: str) -> Target:
    """Raises ``Refused("compute.absent")``."""
    found = await active(gateway, workspace, checked_name(name, "compute"))
    if found is None:
        raise await absent(gateway, workspace, name)
    if not found.alias_of:
        return Target(name)
    target = await active(gateway, workspace, found.alias_of)
    if target is None or target.alias_of:
        why = f"compute {name!r} is an alias of {found.alias_of!r}, which is no active compute target any more"
        raise Refused("compute.absent", f"{why}; `treering compute alias {name} TARGET` lets it stand for another")
    return Target(found.alias_of, f"compute {name!r} is an alias here: the job runs on {found.alias_of!r}")


async def named_target(gateway: Gateway, workspace: str, text: str) -> tuple[str, tuple[str, ...]]:
    """The name of a target that may be given by its ARM id, and what to say of the workspace that one names.

    ``Refused``: ``reference.invalid``, ``reference.workspace``, ``compute.reference``.
    """
    if "/" not in text:
        return text, ()
    reference = parse_reference(text.rstrip("/"))
    if reference.form != "arm" or reference.kind.lower() != "computes":
        why = "write its name, or /subscriptions/.../workspaces/WS/computes/NAME"
        raise Refused("compute.reference", f"{text[:200]!r} is no compute target; {why}")
    return reference.name, await elsewhere(gateway, workspace, reference)


async def active(gateway: Gateway, workspace: str, name: str) -> Compute | None:
    written = gateway.tracking.commits_written  # an alias that was just removed is none
    found = await gateway.find(Address(workspace, COMPUTE.kind, name), after=written)
    return decoded(found) if found is not None and found.status == "active" else None


def decoded(found: Resource) -> Compute:
    compute: Compute = COMPUTE.states.decode(found.state)
    return compute


def making_again(name: str) -> str:
    """What to do when a target was deleted. One of the name ``local`` is this machine."""
    of_type = " -t local" if name == LOCAL else ""
    return f"`treering compute create -n {name}{of_type}` makes it again"


async def absent(gateway: Gateway, workspace: str, name: str) -> Refused:
    gone = await gateway.find(Address(workspace, COMPUTE.kind, name))
    if gone is not None and gone.status == "deleted" and not decoded(gone).alias_of:
        why = f"compute {name!r} of workspace {workspace!r} was deleted at {gone.changed_at}"
        return Refused("compute.absent", f"{why}; {making_again(name)}, or name another target")
    known = {found.name: decoded(found) for found in await computes(gateway, workspace)}
    targets = sorted(one for one, compute in known.items() if not compute.alias_of)
    why = f"there is no active compute target {name!r} in workspace {workspace!r}{instead(name, known)}"
    if not targets:
        return Refused("compute.absent", f"{why}; `treering compute create -n {name}` makes one that nodes can join")
    target = "local" if "local" in targets else targets[0]
    return Refused("compute.absent", f"{why}; `treering compute alias {name} {target}` lets it stand for {target!r}")


async def computes(gateway: Gateway, workspace: str) -> list[Resource]:
    return await gateway.reader.read(lambda db: newest(db, workspace, COMPUTE.kind, archived=False, limit=PAGE_MAX))


async def check_alias(gateway: Gateway, address: Address, command: AliasCompute) -> None:
    """``Refused``: ``compute.alias_circle``, ``compute.absent``, ``compute.alias_chain``."""
    workspace, name = address.workspace, address.key
    if checked_name(command.target, "target") == name:
        raise Refused("compute.alias_circle", f"compute {name!r} cannot stand for itself; name another target")
    target = await active(gateway, workspace, command.target)
    if target is None:
        raise await absent(gateway, workspace, command.target)
    if target.alias_of:
        why = f"{command.target!r} is an alias itself, of {target.alias_of!r}"
        raise Refused("compute.alias_chain", f"{why}; write `treering compute alias {name} {target.alias_of}`")
    for found in await computes(gateway, workspace):
        if decoded(found).alias_of == name:
            why = f"{found.name!r} is an alias of {name!r}, and an alias stands for a target, not for another alias"
            raise Refused("compute.alias_chain", f"{why}; `treering compute alias --remove {found.name}` first")
