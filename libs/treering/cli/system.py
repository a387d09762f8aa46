"""``treering status``: what runs, how far it is, and an exit code that says whether all is ready."""

from __future__ import annotations

import sys
from typing import Any

import click

from treering.cli.lazy import Verb
from treering.cli.session import Session
from treering.cli.terminal import put
from treering.kernel.shared_limits import LAG_MAX


@click.command("status", cls=Verb)
@click.pass_context
def status(context: click.Context) -> None:
    """Say what runs, how far it is, and whether all is ready (exit 0)."""
    session = context.ensure_object(Session)
    with session.client() as client:
        said = client.get("/v1/status")
        url = client.connections.url
    wrong = faults(said)
    session.show({"ready": not wrong, "url": url, **said})
    for fault in wrong:
        put(f"not ready: {fault}", file=sys.stderr)
    context.exit(1 if wrong else 0)


def faults(said: dict[str, Any]) -> list[str]:
    """What keeps an installation from being ready, a sentence each."""
    monitor = said["monitor"]
    answers = isinstance(monitor, dict)
    views = monitor.get("views", {}) if answers else {}
    checks = {
        "NATS is not connected": said["nats"] == "connected",
        "the log does not answer": said["head"] > 0,
        f"the gateway is {said['head'] - said['position']} positions behind": said["head"] - said["position"]
        <= LAG_MAX,
        "the monitor does not answer": answers,
        f"the monitor: {monitor.get('why', '') if answers else ''}": not answers or monitor.get("ok", False),
        "no node is online, so no job can run": bool(said["nodes"]),
        **{f"{name}: {part.get('why', '')}": part.get("state") != "wrong" for name, part in said["parts"].items()},
        **{f"view {name} is {view['lag']} positions behind": view["lag"] <= LAG_MAX for name, view in views.items()},
    }
    return [sentence for sentence, good in checks.items() if not good]
