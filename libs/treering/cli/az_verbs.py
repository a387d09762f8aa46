"""What az ml has for the nouns that are here, and that is not here: each is refused with what to do instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

ROOT = "treering"
CHARACTERS_MAX = 200
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

FILES = "a job takes files by their paths, such as `inputs: {data: {type: uri_folder, path: ./data}}`"
ENDPOINTS = "nothing is served here so far: `treering model download` brings the files of a model to where it is served"
SCORING = f"{ENDPOINTS}; a command job scores many files at once"
SHARED = "one installation has workspaces and no registries: `treering workspace list`"
FEATURES = "there are no feature stores here"
SETTINGS = "write `export TREERING_WORKSPACE=NAME` for the workspace and TREERING_HOME for the installation"
SIGNED_IN = "there is no sign-in: a token is in the home, and `treering credential list` says who has one"
# What az has beside the nouns that are here.
NOUNS: Mapping[str, str] = {
    "data": f"there are no data assets here so far: {FILES}",
    "datastore": f"the installation keeps all files itself: {FILES}",
    "component": "pipelines and components do not run here so far: submit what a component runs as a command job",
    **dict.fromkeys(("online-endpoint", "online-deployment", "serverless-endpoint"), ENDPOINTS),
    **dict.fromkeys(("endpoint", "deployment"), ENDPOINTS),
    **dict.fromkeys(("batch-endpoint", "batch-deployment"), SCORING),
    "schedule": "nothing is started by the clock here so far: let cron call `treering job create -f FILE`",
    "connection": "credentials of a job are its secret variables: `treering job create --secret NAME` (docs/azure.md)",
    **dict.fromkeys(("feature-store", "feature-set", "feature-store-entity"), FEATURES),
    **dict.fromkeys(("registry", "marketplace-subscription"), SHARED),
    "index": "there are no vector indexes here",
    "capability-host": "there are no agents here",
    **dict.fromkeys(("configure", "config"), SETTINGS),
    **dict.fromkeys(("login", "logout", "account"), SIGNED_IN),
    "group": "there are no resource groups here, only workspaces: `treering workspace list`",
    "extension": "nothing has to be installed beside treering",
}


def absent_noun(name: str, words: Sequence[str]) -> str:
    """What there is instead of a noun that az has; "" when it has none of this name."""
    if name in ("ml", "az"):
        rest = " ".join(word for word in words if word != "ml") or "--help"
        return f"leave {name} out: treering {rest[:CHARACTERS_MAX]}"
    return NOUNS.get(name, "")


def absent_verb(group: str, name: str) -> click.Command | None:
    """A command that refuses whatever it is given, for a noun or verb that az has."""
    if group == ROOT:
        why, code, said = absent_noun(name, ()), "noun.absent", name
    else:
        why, code, said = ABSENT.get(group, {}).get(name, ""), "verb.absent", f"{group} {name}"
    if not why:
        return None

    def refuse(words: tuple[str, ...]) -> None:
        from treering.kernel.refusal import Refused

        raise Refused(code, f"{said}: {absent_noun(name, words) if group == ROOT else why}")

    settings = {"ignore_unknown_options": True}
    rest = click.Argument(["words"], nargs=-1, type=click.UNPROCESSED)
    return click.Command(name, context_settings=settings, params=[rest], callback=refuse, hidden=True, help=why)
