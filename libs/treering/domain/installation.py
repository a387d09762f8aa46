"""What concerns the installation as a whole: its alerts, and the epochs of its log.

    (absent) --alert--> raised --alert_cleared--> cleared --alert--> raised
    (absent) --epoch_begun--> begun --epoch_begun--> begun        the one resource ``epochs``

An alert is something an operator has to look at, said by the service that found it.
One resource is one alert: its key (``alert_key``) follows from the code, the part that found it and what it is about.
All live in the workspace ``main``, whatever workspace they are about. A service raises an alert as often as it likes:
repeated, it changes nothing. It clears the alert when what it said is no longer true.
"""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, ClassVar, Literal, assert_never

from msgspec import Meta, Struct
from msgspec.structs import asdict, replace

from treering.kernel.aggregate import ANY_SERVICE, Aggregate, Command, Event, Summary
from treering.kernel.bounds import PLAIN, Position
from treering.kernel.epochs import FIRST, MARK, next_name
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address

WORKSPACE = "main"
WORD_CHARACTERS_MAX = 100
EPOCH_CHARACTERS_MAX = 250
NAME_CHARACTERS_MAX = 1000  # of a resource: its kind, and a name or two
DETAIL_CHARACTERS_MAX = 2000
CODE = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
PART = re.compile(r"[a-z0-9_.\-]*")

Word = Annotated[str, Meta(max_length=WORD_CHARACTERS_MAX)]
ResourceName = Annotated[str, Meta(max_length=NAME_CHARACTERS_MAX)]
Detail = Annotated[str, Meta(max_length=DETAIL_CHARACTERS_MAX)]
EpochName = Annotated[str, Meta(max_length=EPOCH_CHARACTERS_MAX, pattern=PLAIN)]
Mark = Annotated[str, Meta(max_length=WORD_CHARACTERS_MAX, pattern=PLAIN)]


class Found(Struct, frozen=True):
    """What an alert says, in the command and in the event."""

    code: Word
    detail: Detail
    part: Word = ""
    workspace: ResourceName = ""
    resource: ResourceName = ""
    position: Position = 0


class RaiseAlert(Found, Command, frozen=True, tag="raise"):
    """``code`` is stable for ever (``view.incomplete``), ``part`` is what found it (``tracking``, ``blobs``),
    ``resource`` is ``kind/name`` or empty, ``position`` that of the log (0: none), ``detail`` a sentence.
    """

    sent_by: ClassVar[str] = ANY_SERVICE


class ClearAlert(Command, frozen=True, tag="clear"):
    sent_by: ClassVar[str] = ANY_SERVICE

    detail: Detail = ""


class BeginEpoch(Command, frozen=True, tag="begin_epoch"):
    """``after``: where the log ends that was restored; ``mark``: chance, which no other restore has."""

    sent_by: ClassVar[str] = "restore"  # which writes it itself, while no service runs

    after: Position
    mark: Mark


InstallationCommand = RaiseAlert | ClearAlert | BeginEpoch


class AlertRaised(Found, Event, frozen=True, tag="installation.alert"):
    pass


class AlertCleared(Event, frozen=True, tag="installation.alert_cleared"):
    code: Word
    detail: Detail = ""


class EpochBegun(Event, frozen=True, tag="installation.epoch_begun"):
    """What comes behind ``after`` belongs to ``epoch``; up to there the log is the one of ``previous``. See
    ``kernel/epochs.py``."""

    epoch: EpochName
    after: Position
    previous: EpochName


InstallationEvent = AlertRaised | AlertCleared | EpochBegun


class Alert(Struct, frozen=True, omit_defaults=True):
    """An alert; or, of the resource ``epochs``, the newest epoch and behind which position it begins."""

    status: Literal["absent", "raised", "cleared", "begun"] = "absent"
    code: str = ""
    detail: str = ""
    part: str = ""
    workspace: str = ""
    resource: str = ""
    position: int = 0
    epoch: str = ""


def alert_key(code: str, part: str = "", workspace: str = "", resource: str = "") -> str:
    """The key of the alert ``code`` that ``part`` found about a resource: the code, then a digest of the rest."""
    about = "\n".join((part, workspace, resource))
    return f"{code}-{hashlib.sha256(about.encode()).hexdigest()[:16]}"


EPOCHS = Address(WORKSPACE, "installation", "epochs")


def alert_address(command: RaiseAlert) -> Address:
    key = alert_key(command.code, command.part, command.workspace, command.resource)
    return Address(WORKSPACE, INSTALLATION.kind, key)


def evolve(state: Alert, event: InstallationEvent) -> Alert:
    match event:
        case AlertRaised():
            return Alert("raised", **asdict(event))
        case AlertCleared():
            return replace(state, status="cleared")
        case EpochBegun():
            return Alert("begun", position=event.after, epoch=event.epoch)
        case _:
            assert_never(event)


def decide(state: Alert, command: InstallationCommand) -> list[InstallationEvent]:
    match command:
        case RaiseAlert():
            return raise_alert(state, command)
        case ClearAlert():
            return [AlertCleared(state.code, command.detail)] if state.status == "raised" else []
        case BeginEpoch():
            return begin_epoch(state, command)
        case _:
            assert_never(command)


def raise_alert(state: Alert, command: RaiseAlert) -> list[InstallationEvent]:
    """Nothing when it is raised already, whatever position and sentence it was raised with."""
    if not CODE.fullmatch(command.code):
        raise Refused("installation.invalid", f"code is {command.code[:80]!r}; it has the form 'thing.reason'")
    if not PART.fullmatch(command.part):
        raise Refused("installation.invalid", f"part is {command.part[:80]!r}; use a-z, 0-9, '_', '.' and '-'")
    if not command.detail:
        raise Refused("installation.invalid", "detail is empty; say what was found in a sentence")
    if state.epoch:
        raise Refused("installation.invalid", f"{EPOCHS.key!r} holds the epochs of the log; it is no alert")
    if state.status == "raised":
        return []
    return [AlertRaised(**asdict(command))]


def begin_epoch(state: Alert, command: BeginEpoch) -> list[InstallationEvent]:
    if not MARK.fullmatch(command.mark):
        raise Refused("installation.invalid", f"mark is {command.mark[:80]!r}; use 1 to 32 of a-z and 0-9")
    if state.code:
        raise Refused("installation.invalid", f"this is the alert {state.code!r}, and holds no epochs")
    previous = state.epoch or FIRST
    if previous.endswith(f"-{command.mark}"):
        return []
    if state.epoch and state.position == command.after == 0:
        return []  # each server of a new cluster says so
    if command.after < state.position:
        why = f"after is {command.after}, and epoch {previous!r} began behind {state.position} already"
        raise Refused("installation.invalid", why)
    return [EpochBegun(next_name(previous, command.after, command.mark), command.after, previous)]


def summary(state: Alert) -> Summary:
    """The parent is the code, so that a list can ask for the alerts of one."""
    return Summary(state.status, parent=state.code, archived=state.status == "cleared")


INSTALLATION: Aggregate[InstallationCommand, InstallationEvent, Alert] = Aggregate(
    "installation",
    state=Alert,
    commands=InstallationCommand,
    events=InstallationEvent,
    decide=decide,
    evolve=evolve,
    summary=summary,
)
