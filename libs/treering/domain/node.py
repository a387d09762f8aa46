"""A node: one executor's machine, or part of one. Each start of its executor is an incarnation.

(absent) --joined--> online --lost--> lost --joined--> online
                       '-----left---> left --joined--> online
"""

from __future__ import annotations

from typing import ClassVar, Literal, assert_never

import msgspec
from msgspec import Struct

from treering.kernel.aggregate import Aggregate, Command, Event, Summary
from treering.kernel.bounds import Line, Name, Small, Text
from treering.kernel.refusal import Refused

SLOTS_MAX = 4096


class JoinNode(Command, frozen=True, tag="join"):
    sent_by: ClassVar[str] = "executor"
    incarnation: Name
    compute: Name
    slots: Small
    containment: Line = ""
    sandbox: Line = ""
    ports: Line = ""


class LeaveNode(Command, frozen=True, tag="leave"):
    sent_by: ClassVar[str] = "executor"
    incarnation: Name


class LoseNode(Command, frozen=True, tag="lose"):
    sent_by: ClassVar[str] = "scheduler"
    incarnation: Name
    reason: Text


NodeCommand = JoinNode | LeaveNode | LoseNode


class NodeJoined(Event, frozen=True, tag="node.joined"):
    incarnation: Name
    compute: Name
    slots: Small
    containment: Line = ""
    sandbox: Line = ""  # what keeps jobs apart: "bubblewrap", "user", "none", "refused"
    ports: Line = ""  # of NATS, to jobs: "closed", or "open: " and why; "" from executors that did not report it


class NodeLeft(Event, frozen=True, tag="node.left"):
    incarnation: Name


class NodeLost(Event, frozen=True, tag="node.lost"):
    incarnation: Name
    reason: Text


NodeEvent = NodeJoined | NodeLeft | NodeLost


class Node(Struct, frozen=True, omit_defaults=True):
    status: Literal["absent", "online", "lost", "left"] = "absent"
    incarnation: str = ""
    compute: str = ""
    slots: int = 0
    containment: str = ""
    sandbox: str = ""
    ports: str = ""
    past: tuple[str, ...] = ()  # the last incarnations that are over: they never come back


def evolve(node: Node, event: NodeEvent) -> Node:
    match event:
        case NodeJoined():
            past = (*node.past, node.incarnation)[-8:] if node.incarnation else ()
            how = (event.containment, event.sandbox, event.ports)
            return Node("online", event.incarnation, event.compute, event.slots, *how, past)
        case NodeLeft():
            return msgspec.structs.replace(node, status="left")
        case NodeLost():
            return msgspec.structs.replace(node, status="lost")
        case _:
            assert_never(event)


def decide(node: Node, command: NodeCommand) -> list[NodeEvent]:
    match command:
        case JoinNode():
            return join(node, command)
        case LeaveNode():
            if node.incarnation != command.incarnation or node.status != "online":
                return []
            return [NodeLeft(command.incarnation)]
        case LoseNode():
            if node.incarnation != command.incarnation or node.status != "online":
                return []  # It came back as a new incarnation, or left by itself.
            return [NodeLost(command.incarnation, command.reason)]
        case _:
            assert_never(command)


def join(node: Node, command: JoinNode) -> list[NodeEvent]:
    if not 1 <= command.slots <= SLOTS_MAX:
        raise Refused("node.slots", f"slots is {command.slots}; it must lie in 1..{SLOTS_MAX}")
    if command.incarnation in node.past:
        raise Refused("node.superseded", "a newer incarnation of this node has joined; this one must end")
    if command.incarnation == node.incarnation:
        if node.status == "online":
            return []
        raise Refused("node.fenced", f"this incarnation was declared {node.status}; join as a new one")
    how = (command.containment, command.sandbox, command.ports)
    return [NodeJoined(command.incarnation, command.compute, command.slots, *how)]


def summary(node: Node) -> Summary:
    return Summary(node.status, parent=node.compute)


NODE: Aggregate[NodeCommand, NodeEvent, Node] = Aggregate(
    "node", state=Node, commands=NodeCommand, events=NodeEvent, decide=decide, evolve=evolve, summary=summary
)
