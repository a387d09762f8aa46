"""Is the installation ready for requests? Each part is asked, and each answer names the part and the reason.

``wrong`` keeps it from being ready; ``warning`` is for an operator to look at, and requests are still answered well.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import Struct

from treering.adapters.bus import ask, question
from treering.adapters.damaged_blobs import counted, noted
from treering.adapters.free_space import require_room
from treering.adapters.home_files import name_of
from treering.adapters.home_secrets import Broken, SecretsWatch
from treering.adapters.log_check import read_alarm
from treering.config import Home
from treering.kernel.clock import monotonic_seconds
from treering.kernel.ending import run_together
from treering.kernel.log import LogUnavailable, encoder
from treering.kernel.projector import ViewDamaged
from treering.kernel.refusal import Refused
from treering.views.queries import StatusAnswer, StatusQuery
from treering_services.alerting import raised_in

if TYPE_CHECKING:
    from treering_services.gateway.core import Gateway

MONITOR_TIMEOUT_SECONDS = 2.0
ASK_TIMEOUT_SECONDS = 2.0
BEHIND_MAX = 1000  # positions; a view further behind would keep its readers waiting
KEPT_SECONDS = 0.25  # the route is open to everybody: what it costs inside is bounded
UNKNOWN = "not asked: NATS is not connected"


class Part(Struct, frozen=True):
    """``code`` is the stable code of what is wrong, ``why`` the sentence about it."""

    state: Literal["ok", "warning", "wrong"] = "ok"
    why: str = ""
    code: str = ""


class Readiness(Struct, frozen=True):
    status: Literal["ok", "not ready"]
    parts: dict[str, Part]

    @property
    def wrong(self) -> dict[str, Part]:
        return {name: part for name, part in self.parts.items() if part.state == "wrong"}


@dataclass
class Asked:
    """The last answer and when it was given, of one gateway."""

    readiness: Readiness | None = None
    at_seconds: float = 0.0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


async def readiness(gateway: Gateway, asked: Asked) -> Readiness:
    """What ``judge`` says, at most KEPT_SECONDS old; a lost connection is seen at once."""
    async with asked.turn:
        now = monotonic_seconds()
        known = asked.readiness
        if known is None or now - asked.at_seconds > KEPT_SECONDS or not gateway.client.is_connected:
            known = asked.readiness = await judge(gateway)
            asked.at_seconds = monotonic_seconds()
        return known


async def judge(gateway: Gateway) -> Readiness:
    parts = {"disk": disk(gateway), "log": alarm(gateway), "blobs": blobs(gateway), "alerts": await alerts(gateway)}
    parts["keys"] = keys(gateway.secrets)  # On the loop: some dozens of stat calls, and a thread may be long in coming.
    if gateway.client.is_connected:
        parts["nats"] = Part()
        names = ("registry", "view", "monitor")
        asked = (registry(gateway), view(gateway), monitor(gateway))
        parts |= dict(zip(names, await run_together(*asked), strict=True))
    else:
        parts["nats"] = Part("wrong", "the gateway is not connected to NATS", "log.unavailable")
        parts |= {name: Part("warning", UNKNOWN) for name in ("registry", "view", "monitor")}
    ready = all(part.state != "wrong" for part in parts.values())
    return Readiness("ok" if ready else "not ready", parts)


def disk(gateway: Gateway) -> Part:
    try:
        require_room(*gateway.home.stores)
    except Refused as refused:
        return Part("wrong", refused.detail, refused.code)
    return Part()


def alarm(gateway: Gateway) -> Part:
    """What was found is for those who may read it (``treering status``, doctor): this route is open."""
    if read_alarm(gateway.home.copy):
        return Part("wrong", "the log is not what it was; `treering log verify` says where", "log.damaged")
    return Part()


def blobs(gateway: Gateway) -> Part:
    """Everything but what needs the damaged ones goes on, so it is a warning."""
    found = noted(gateway.home.blobs)
    if found:
        why = f"{counted(found)} not what was stored; `treering blob verify` says which, and mends them"
        return Part("warning", why, "blob.damaged")
    return Part()


def keys(watch: SecretsWatch) -> Part:
    """Secret files that are not what was written. A name that a user chose is for doctor to say: this route is open."""
    found = watch.look()
    if not found:
        return Part()
    where = sorted({said_openly(watch.home, one) for one in found})
    why = f"not what was written: {', '.join(where)}; `treering doctor` says what to do"
    fatal = any(one.fatal for one in found)
    return Part("wrong" if fatal else "warning", why, "home.damaged")


def said_openly(home: Home, broken: Broken) -> str:
    path = broken.path.parent if broken.row.named else broken.path
    return f"a file in {name_of(home, path)}" if broken.row.named else name_of(home, path)


async def registry(gateway: Gateway) -> Part:
    """Whether commands are answered, by a registry that reaches the log."""
    return await answered(gateway.commands.ping(timeout_seconds=ASK_TIMEOUT_SECONDS), "registry.unavailable")


async def answered(asking: Awaitable[object], code: str) -> Part:
    try:
        await asking
    except (LogUnavailable, Refused) as error:
        return Part("wrong", str(error), code)
    return Part()


async def view(gateway: Gateway) -> Part:
    try:
        async with asyncio.timeout(ASK_TIMEOUT_SECONDS):
            head = await gateway.log.head()
    except (LogUnavailable, TimeoutError) as error:
        return Part("wrong", f"the log does not say where it ends: {error}", "log.unavailable")
    for one in (gateway.reader.view, gateway.tracking.view):
        if one.soundness.why:
            return Part("wrong", one.soundness.refusal().detail, "view.damaged")
    behind = head - gateway.reader.projector.position
    if behind > BEHIND_MAX:
        why = f"the gateway's view is {behind} positions behind, at most {BEHIND_MAX} are ready"
        return Part("wrong", why, "view.behind")
    return Part()


async def monitor(gateway: Gateway) -> Part:
    """Without the monitor jobs run and nothing is lost, but nobody watches the log, so it is a warning."""
    try:
        status = await question(
            gateway.client, "status", StatusQuery(), StatusAnswer, timeout_seconds=MONITOR_TIMEOUT_SECONDS
        )
    except (LogUnavailable, Refused) as error:
        return Part("warning", f"the monitor does not answer: {error}")
    if not status.ok:
        why = "the monitor found the log or its second copy damaged; `treering doctor` says what to do"
        return Part("wrong", why, "log.damaged")
    late = {name: store.lag for name, store in [("copy", status.copy), *status.views.items()] if store.lag > BEHIND_MAX}
    if late:
        said = ", ".join(f"{name} by {lag}" for name, lag in sorted(late.items()))
        return Part("wrong", f"behind the log are {said} positions, at most {BEHIND_MAX} are ready", "view.behind")
    return Part()


async def alerts(gateway: Gateway) -> Part:
    """What an operator has to look at, while everything else is served. Names are for those who may read them: this
    route is open."""
    try:
        raised = await raised_in(gateway.reader.view)
    except ViewDamaged:
        return Part("warning", "not asked: the view that knows the alerts is made again")
    codes = Counter(alert.code for _, alert in raised)
    left_out = gateway.reader.view.incomplete + gateway.tracking.view.incomplete
    if not codes and not left_out:
        return Part()
    said = [f"{number} of {code}" for code, number in sorted(codes.items())]
    said += [f"the gateway's views leave out {left_out} resources"] if left_out else []
    return Part("warning", f"alerts are raised: {', '.join(said)}", "installation.alert")


async def monitor_status(gateway: Gateway) -> msgspec.Raw | str:
    """The monitor's own words about itself, "unavailable" when it has none."""
    query = encoder.encode(StatusQuery())
    try:
        return msgspec.Raw(await ask(gateway.client, "qry.status", query, timeout_seconds=MONITOR_TIMEOUT_SECONDS))
    except LogUnavailable:
        return "unavailable"
