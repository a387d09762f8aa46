"""Says whether jobs can connect to the platform's own ports: what was tried here, and what each node reported."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from treering.adapters.containment import choose
from treering.adapters.findings import Finding, ok, warning, wrong
from treering.adapters.sandbox.closed_ports import CLOSED, OPEN, close_ports, report
from treering.adapters.sandbox.cloud_metadata import ADDRESSES, VARIABLE, closed_addresses
from treering.adapters.sandbox.cloud_metadata import CLOSED as METADATA_CLOSED
from treering.config import Home
from treering.kernel.refusal import Refused

CHECK = "sandbox"
BY = "by a BPF program at the node's cgroup"
ANY_PORT = 4222


def tried_here(home: Home) -> Iterator[Finding]:
    """Whether an executor of this user could close them: tried at an empty cgroup, which is removed again."""
    try:
        groups = choose(f"treering-doctor-ports-{os.getpid()}", os.environ.get("TREERING_CONTAINMENT", ""))
    except OSError:
        return  # the containment check says what is wrong
    try:
        why = close_ports(groups.folder(""), [ANY_PORT], ADDRESSES)
    finally:
        groups.remove_parent()
    yield ok(CHECK, f"here {sentence(report(why))}")
    try:
        wanted = bool(closed_addresses(os.environ))
    except Refused as refused:
        yield wrong(CHECK, refused.detail, f"set it right or unset it: it is {METADATA_CLOSED} by default")
        return
    yield ok(CHECK, f"here {metadata_sentence(wanted, why)}")


def of_nodes(nodes: list[dict[str, Any]]) -> Iterator[Finding]:
    """One line for each online node of GET /v1/status: its sandbox, and whether its jobs reach the platform's ports."""
    for node in nodes:
        sandbox, ports = node.get("sandbox", ""), node.get("ports", "")
        found = f"node {node['workspace']}/{node['name']}: {sandbox or 'sandbox unknown'}; {sentence(ports, sandbox)}"
        if sandbox == "refused":
            yield wrong(CHECK, found, "no job can run there; see docs/operations.md, Isolation of jobs")
        elif sandbox == "none":
            yield warning(CHECK, found, "start its executor without --sandbox none, unless every submitter is trusted")
        else:
            yield ok(CHECK, found)


def sentence(ports: str, sandbox: str = "") -> str:
    if ports == CLOSED:
        return f"the ports of NATS are closed to jobs ({BY})"
    if ports.startswith(OPEN):
        credential = ", which see every credential" if sandbox == "none" else ", which see no credential for them"
        return f"the ports of NATS are open to jobs{credential} ({ports.removeprefix(OPEN)})"
    return "its executor did not report whether the ports of NATS are closed to jobs"


def metadata_sentence(wanted: bool, why: str) -> str:
    """``wanted``: that they are closed; ``why`` that is not possible."""
    open_ones = "jobs can ask a cloud's metadata service for the credentials of this machine, if it is a cloud's"
    if not wanted:
        return f"{open_ones} ({VARIABLE})"
    return f"{open_ones} ({why})" if why else f"the metadata services of clouds are closed to jobs ({BY})"
