"""Who may do what on NATS: one user a service, each with the shortest list that lets it do its work.

No user may delete, purge, update or restore a stream, or delete a message; only ``bootstrap`` may create
one. An answer goes to the asker's inbox, and the inboxes a service may answer to are written out here.
NATS' own ``allow_responses`` is not used: it lets the asker choose any reply subject, so a publisher could
make the gateway write to ``evt.>`` or call the JetStream API with the gateway's rights.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from treering.kernel.refusal import Refused

PUBLISHER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
PUBLISHER_PREFIX = "publisher-"
SUBSCRIBER_PREFIX = "subscriber-"
# Of programs from outside: the prefix of their users, and the first token of the one subject each may ask on.
OUTSIDE = {PUBLISHER_PREFIX: "pub", SUBSCRIBER_PREFIX: "sub"}
# The server spreads their subjects over so many lanes (``pub.<lane>.<name>`` is what the gateway hears), each a
# connection of the gateway, so that a flood fills no other.
LANES = 32
IMPORTED_REPLY = "_R_"  # where the server wants the answer to a request from another account
STREAMS = ("EVT", "MET", "LOG")
DOCTOR = "doctor"
WATCHDOG = "watchdog"  # of whoever runs the server: hears which stream acknowledges nothing
ROUTE = "route"


class Rights(NamedTuple):
    """The subjects a user may publish to and subscribe to; everything else is refused by the server."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def inbox_of(user: str) -> str:
    """The prefix of the user's own inbox. Those of one sort from outside share a first token: one rule for the
    gateway."""
    for prefix in OUTSIDE:
        if user.startswith(prefix):
            return f"_INBOX_{prefix.removesuffix('-')}.{user.removeprefix(prefix)}"
    return f"_INBOX_{user}"


def info(*streams: str) -> tuple[str, ...]:
    return tuple(f"$JS.API.STREAM.INFO.{stream}" for stream in streams)


def read(stream: str) -> tuple[str, ...]:
    """Direct gets and consumers of one stream.

    A consumer may only be made with its name and filter in the subject. Names are random, so that deleting
    or changing the consumer of another service would need a guess.
    """
    return (
        *info(stream),
        f"$JS.API.DIRECT.GET.{stream}",
        f"$JS.API.DIRECT.GET.{stream}.>",
        f"$JS.API.CONSUMER.CREATE.{stream}.>",
        f"$JS.API.CONSUMER.INFO.{stream}.*",
        f"$JS.API.CONSUMER.DELETE.{stream}.*",
        f"$JS.FC.{stream}.>",
    )


def answer(*users: str) -> tuple[str, ...]:
    return tuple(f"{inbox_of(user)}.>" for user in users)


def create(*streams: str) -> tuple[str, ...]:
    return tuple(f"$JS.API.STREAM.CREATE.{stream}" for stream in streams)


# What each service publishes, the inboxes it answers to, and below on which subjects it is asked.
PUBLISH: dict[str, tuple[str, ...]] = {
    "bootstrap": (
        *create(*STREAMS), *info(*STREAMS), *read("EVT"), *read("MET"), "evt.>", "met.>", "stuck.evt", "stuck.met",
    ),
    "registry": (
        "evt.>", "stuck.evt", *read("EVT"), *answer("gateway", "scheduler", "executor", "monitor", "notifier"),
    ),
    "gateway": (
        "cmd.gateway.*", "qry.*", "hook.*", "lease.progress", "met.>", "stuck.met", *read("EVT"), *read("MET"),
        *read("LOG"), f"{IMPORTED_REPLY}.>",
    ),
    "scheduler": ("cmd.scheduler.*", *read("EVT"), *answer("executor", "gateway")),
    "executor": ("cmd.executor.*", "lease.renew", "log.>", "stuck.log", *read("EVT"), *info("LOG")),
    "monitor": (
        "cmd.monitor.metric_stream", "cmd.monitor.installation", *read("EVT"), *read("MET"), *info("LOG"),
        *answer("gateway"),
    ),
    "notifier": ("cmd.notifier.installation", *read("EVT"), *answer("gateway")),
    WATCHDOG: (f"{inbox_of(WATCHDOG)}.>",),  # an empty list would be everything to the server
}  # fmt: skip
ANSWERS: dict[str, tuple[str, ...]] = {
    "registry": ("cmd.*.*",),
    "gateway": ("pub.*.*", "sub.*.*"),
    "scheduler": ("lease.renew", "lease.progress"),
    "monitor": ("qry.*",),
    "notifier": ("hook.*",),
    WATCHDOG: ("stuck.*",),
}
SERVICES = tuple(PUBLISH)
# Of the system account: two questions about the server itself, so that a check can see what really runs.
DOCTOR_ASKS = ("$SYS.REQ.SERVER.PING.JSZ", "$SYS.REQ.SERVER.PING.VARZ")


def rights_of(user: str) -> Rights:
    """What ``user`` may do; KeyError for a user that is neither a service, the doctor nor from outside."""
    own_inbox = f"{inbox_of(user)}.>"
    if user == DOCTOR:
        return Rights(DOCTOR_ASKS, (own_inbox,))
    if subject := subject_of(user):
        return Rights((subject,), (own_inbox,))
    return Rights(PUBLISH[user], (*ANSWERS.get(user, ()), own_inbox))


def subject_of(user: str) -> str:
    """The one subject that a program from outside asks on; "" for a user that is none."""
    for prefix, subject in OUTSIDE.items():
        if user.startswith(prefix):
            return f"{subject}.{user.removeprefix(prefix)}"
    return ""


def subject_in_lane(user: str, lane: int) -> str:
    """Where the gateway hears what the program from outside asks on its one subject."""
    sort, _, name = subject_of(user).partition(".")
    return f"{sort}.{lane}.{name}"


def publisher_user(name: str) -> str:
    """The NATS user of the publisher ``name``; Refused("publisher.name_invalid") for a bad name."""
    return outside_user(PUBLISHER_PREFIX, name)


def subscriber_user(name: str) -> str:
    """The NATS user of the subscriber ``name``; Refused("subscriber.name_invalid") for a bad name."""
    return outside_user(SUBSCRIBER_PREFIX, name)


def outside_user(prefix: str, name: str) -> str:
    """Narrower than resource names: the name becomes a subject token, a file name and a configuration string."""
    sort = prefix.removesuffix("-")
    if not PUBLISHER_NAME.fullmatch(name):
        raise Refused(
            f"{sort}.name_invalid",
            f"{sort} name {name[:80]!r} is not allowed: use at most 63 letters, digits, '-' and '_', "
            "starting with a letter or digit",
        )
    return prefix + name


def asker_inbox(subject: str) -> str:
    """The inbox prefix of whoever the server lets ask on ``subject``; "" for a subject nobody asks on."""
    match subject.split("."):
        case ["cmd", service, _]:
            return inbox_of(service)
        case ["pub" | "sub", _, _]:
            return IMPORTED_REPLY
        case ["qry" | "hook", _] | ["lease", "progress"]:
            return inbox_of("gateway")
        case ["lease", "renew"]:
            return inbox_of("executor")
        case _:
            return ""
