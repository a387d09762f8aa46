"""What az ml has for the nouns that are here, and that is not here: each is refused with what to do instead."""

from __future__ import annotations

from collections.abc import Mapping

import click

NODES = "nodes join a compute target by themselves and leave it when they stop (treering node join)"
REGISTRIES = "there are no registries here: `model download` or `job download` there, and create it here"
NETWORK = "there is no managed network here; `workspace update --set network=none` closes that of its jobs"
ABSENT: Mapping[str, Mapping[str, str]] = {
    "job": {
        "connect-ssh": "a job's machine is not reached over ssh; `treering job stream` shows its console",
        "show-services": "jobs have no interactive services here",
        "delete": "nothing is deleted here: `treering job archive` hides a job from lists",
    },
    "model": {
        "share": REGISTRIES,
        "package": "there are no model packages here; `treering model download` brings the files",
    },
    "environment": {
        "share": REGISTRIES,
        "delete": "nothing is deleted here: `treering environment archive` hides one from lists",
    },
    "compute": {
        "attach": NODES,
        "detach": NODES,
        "start": NODES,
        "stop": NODES,
        "restart": NODES,
        "connect-ssh": "nodes are your own machines: connect to them as ever",
        "enable-sso": "there are no compute instances here",
        "restore": "`treering compute create` makes a target again that was deleted",
        "list-sizes": "nodes are your own machines, of any size: `treering node list`",
        "list-usage": "there is no quota here: `treering usage` says what jobs cost",
        "update": "a target is what its nodes are; for another nodes_max delete it and create it again",
    },
    "workspace": {
        "delete": "nothing is deleted here: `treering workspace archive` hides one",
        "diagnose": "`treering doctor` looks for what is wrong",
        "list-keys": "there are no keys of services here: tokens are in keys/ of the home (docs/operations.md)",
        "sync-keys": "there are no keys of services here",
        "provision-network": NETWORK,
        "outbound-rule": NETWORK,
    },
}


def absent_verb(group: str, name: str) -> click.Command | None:
    """A command that refuses whatever it is given, for a verb that az ml has."""
    why = ABSENT.get(group, {}).get(name)
    if why is None:
        return None

    def refuse(words: tuple[str, ...]) -> None:
        from treering.kernel.refusal import Refused

        raise Refused("verb.absent", f"{group} {name}: {why}")

    settings = {"ignore_unknown_options": True}
    rest = click.Argument(["words"], nargs=-1, type=click.UNPROCESSED)
    return click.Command(name, context_settings=settings, params=[rest], callback=refuse, hidden=True, help=why)
