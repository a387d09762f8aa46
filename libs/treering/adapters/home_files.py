"""Every file of a home: what it is for, what a change in it does, and who finds that. The one list of them.

``up``, ``doctor``, ``/readyz`` and ``backup`` take from it what they look at; a test walks a real home and fails for
a file that is in no row. The first row that matches a path counts.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, NamedTuple

from treering.config import Home

Care = Literal["secret", "sealing", "signed", "log", "content", "view", "remade", "scratch"]
# secret    who may do what: hashed against its note; with a changed one nothing starts
# sealing   the same, but only what needs it stands still (a webhook's secret, a name): the rest starts
# signed    carries a signature or is held to the log; with a changed one nothing starts
# log       of the log and the points: compared with the other copy and with what was signed
# content   blobs: hashed when they are read, and by `treering blob verify`
# view      computed from the log: compared with it, and made again
# remade    written again at each start; nothing is read from it that is not checked
# scratch   of no meaning once what runs has ended
Backup = Literal["keys", "small", "stream", "blobs", "deliveries", "no"]


class Row(NamedTuple):
    """``pattern`` is of the path below the home; ``*`` also stands for slashes. ``named``: users chose its name."""

    pattern: str
    what: str
    care: Care
    backup: Backup = "no"
    named: bool = False


FILES = (
    Row("*/.*", "what a write that was broken off has left", "scratch"),
    Row(".*", "what a write that was broken off has left, or the doctor at work", "scratch"),
    Row("keys/nats/lock", "one change of the credentials at a time", "scratch"),
    Row("token", "the owner's token", "secret", "keys"),
    Row("keys/join-token", "the token that lets a machine become a node", "secret", "keys"),
    Row("keys/job-token.key", "the key that signs the tokens of jobs and nodes", "secret", "keys"),
    Row("keys/log.key", "the key that signs the log", "secret", "keys"),
    Row("keys/log.key.old-*", "the key of an earlier series of checkpoints", "sealing", "keys"),
    Row("keys/nats/publisher-*.json", "what lets a publisher in", "secret", "keys", named=True),
    Row("keys/nats/subscriber-*.json", "what lets a subscriber in", "secret", "keys", named=True),
    Row("keys/nats/*.json", "what lets a service into the nats-server", "secret", "keys"),
    Row("keys/subscribers/*.json", "the token of a subscriber", "secret", "keys", named=True),
    Row("keys/webhook-seal.key", "what the secrets of webhooks are sealed with", "sealing", "keys"),
    Row("keys/webhooks/*.sealed", "the secret of a webhook", "sealing", "keys", named=True),
    Row(
        "keys/values-seal.key", "what the secret variables of jobs and environments are sealed with", "sealing", "keys"
    ),
    Row("keys/values/*.sealed", "secret variables of a job or an environment", "sealing", "keys", named=True),
    Row("keys/witness-seal.key", "what the credentials of witnesses are sealed with", "sealing", "keys"),
    Row("keys/witnesses/*.sealed", "the credential of a witness", "sealing", "keys", named=True),
    Row("keys/actors.json", "the names of people", "sealing", "keys"),
    Row("keys/*", "another secret", "sealing", "keys", named=True),
    Row("witnesses.json", "who holds checkpoints of the log", "secret", "small"),
    Row("witnesses.json.damaged-*", "the witnesses of an earlier series of checkpoints", "scratch"),
    Row("sums/*", "the hash of a secret file", "remade"),
    Row("home.json", "which machine and folder this home is of", "remade"),
    Row("copy/checkpoint", "the last signed checkpoint", "signed", "small"),
    Row("copy/checkpoint.old-*", "the last checkpoint of an earlier series", "scratch"),
    Row("copy/alarm", "what was found wrong with the log: that it is there says it", "signed"),
    Row("copy/log.db*", "the second copy of the log", "log", "stream"),
    Row("copy/points.db*", "the second copy of the metric points", "log", "stream"),
    Row("copy/*.damaged-*", "a damaged copy that was moved aside", "scratch"),
    Row("nats/store/jetstream/*/streams/LOG/*", "lines of consoles on their way", "scratch"),
    Row("nats/store/*", "the log and the points, as the nats-server stores them", "log", "stream"),
    Row("nats/store.damaged-*", "a damaged store that was moved aside", "scratch"),
    Row("nats/nats.log", "what the nats-server says", "scratch"),
    Row("nats/lock", "one nats-server a home", "scratch"),
    Row("nats/nats.conf", "settings of the nats-server", "remade"),
    Row("nats/accounts.conf", "who may do what at the nats-server", "remade"),
    Row("nats/nats.pid", "the process number of the nats-server", "remade"),
    Row("nats/url", "the address of the nats-server", "remade"),
    Row("nats/*", "settings, address and process number of the nats-server", "remade"),
    Row("blobs/sha256/*", "content under its digest", "content", "blobs"),
    Row("blobs/incoming/*", "content on its way in", "scratch"),
    Row("blobs/*", "content on its way in", "scratch"),
    Row("notifier/deliveries.db*", "which webhook has been told what", "view", "deliveries"),
    Row("views/*/*.db*", "a view: what is computed from the log", "view"),
    Row("views/*", "what is computed from the log", "view"),
    Row("envs/locks/*", "one maker of an environment at a time", "scratch"),
    Row("envs/*", "environments of jobs; each is sealed, and made again when it was changed", "remade"),
    Row("shims/*", "what stands in for pip inside jobs", "remade"),
    Row("runs/*", "folders of jobs that run", "scratch"),
    Row("witnesses/*.git/*", "a working copy of a witness's repository", "remade"),
    Row("witnesses.lock", "one change of the witnesses at a time", "scratch"),
    Row("up.lock", "one `up` a home", "scratch"),
    Row("url", "the gateway's address", "remade"),
)
KEPT: tuple[Care, ...] = ("secret", "sealing")


def row_of(name: str) -> Row | None:
    """The row of the path ``name`` below a home (with slashes)."""
    return next((row for row in FILES if fnmatchcase(name, row.pattern)), None)


def name_of(home: Home, path: Path) -> str:
    return path.relative_to(home.root).as_posix()


def kept_files(home: Home) -> list[Path]:
    """The secret files that are there, and those that are gone although their hash was noted."""
    there = {home.token_file, home.root / "witnesses.json", *walk(home.keys)}
    sums = home.root / "sums"
    gone = {home.root / path.relative_to(sums) for path in walk(sums)}
    return sorted(path for path in there | gone if (path.is_file() or path in gone) and is_kept(home, path))


def is_kept(home: Home, path: Path) -> bool:
    row = row_of(name_of(home, path))
    return row is not None and row.care in KEPT


def walk(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]


def backed_up(home: Home, kind: Backup) -> list[Path]:
    """The files of the home that a backup takes as ``kind``, those that are there."""
    found = [home.token_file, home.root / "witnesses.json", *walk(home.keys), *walk(home.copy)]
    rows = {path: row_of(name_of(home, path)) for path in found if path.is_file()}
    return sorted(path for path, row in rows.items() if row is not None and row.backup == kind)
