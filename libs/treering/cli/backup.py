"""``treering backup`` and ``treering restore``: a whole installation to another disk, and back into an empty home."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click

from treering.cli.lazy import Verb
from treering.cli.session import Session
from treering.cli.terminal import put
from treering.client.errors import Unreachable
from treering.config import Home
from treering.kernel.log import LogDamaged, LogUnavailable
from treering.kernel.refusal import Refused

T = TypeVar("T")
FILE = click.Path(path_type=Path, dir_okay=False)
WITHOUT_KEYS = (
    "`treering webhook rotate-secret NAME`, `treering webhook update NAME --url URL`, `treering webhook resume NAME`"
)


@click.command("backup", cls=Verb)
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--passphrase-file", type=FILE, help="Put the keys into the backup, encrypted by its first line.")
@click.option("--keys-to", type=FILE, help="Write the keys, not encrypted, to a file to be kept apart.")
@click.pass_obj
def backup(session: Session, target: Path, passphrase_file: Path | None, keys_to: Path | None) -> None:
    """Back up everything, also while it runs, to a folder (only what is new) or a FILE.tar."""
    from treering.adapters.backup import make_backup
    from treering.adapters.backup_archive import folder_beside, is_archive, pack
    from treering.adapters.backup_keys import read_passphrase

    if passphrase_file and keys_to:
        raise click.UsageError("give --passphrase-file or --keys-to, not both")
    home = Home(session.home.absolute())
    passphrase = read_passphrase(passphrase_file) if passphrase_file else None
    target = target.absolute()
    if not is_archive(target):
        show(session, run(make_backup(home, target, passphrase=passphrase, keys_file=keys_to)))
        return
    with folder_beside(target) as folder:
        made = run(make_backup(home, folder, passphrase=passphrase, keys_file=keys_to))
        pack(folder, target)
    show(session, made, folder=str(target))


@click.command("restore", cls=Verb)
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.option("--passphrase-file", type=FILE, help="Opens the keys in the backup.")
@click.option("--keys-from", type=FILE, help="The file that --keys-to wrote.")
@click.option("--no-keys", is_flag=True, help="Restore without keys: new tokens are made, sealed secrets stay sealed.")
@click.option("--webhooks-on", is_flag=True, help="Go on telling webhooks: only when the original is gone.")
@click.pass_obj
def restore(
    session: Session,
    source: Path,
    passphrase_file: Path | None,
    keys_from: Path | None,
    no_keys: bool,
    webhooks_on: bool,
) -> None:
    """Make an installation of a backup, in the empty home that --home names. Its webhooks are paused."""
    from treering.adapters.backup_archive import folder_beside, is_archive, unpack
    from treering.adapters.backup_keys import read_keys_apart, read_passphrase
    from treering.adapters.backup_restore import restore_backup

    home = Home(session.home.absolute())
    passphrase = read_passphrase(passphrase_file) if passphrase_file else None
    keys = read_keys_apart(keys_from) if keys_from else None

    def restored(folder: Path) -> None:
        archive = source if is_archive(source) else None
        work = restore_backup(
            folder, home, passphrase=passphrase, keys=keys, with_keys=not no_keys, webhooks_on=webhooks_on,
            archive=archive,
        )  # fmt: skip
        made = run(work)
        show(session, made)
        if made.webhooks_paused:
            how = "`treering webhook resume NAME` when the original is gone"
            if not made.key_files:
                how = "their secrets and addresses are among the keys, which were not restored: " + WITHOUT_KEYS
            put(f"paused: the webhooks {', '.join(made.webhooks_paused)}; {how}", file=sys.stderr)

    if not is_archive(source):
        restored(source)
        return
    home.root.parent.mkdir(parents=True, exist_ok=True)
    with folder_beside(home.root) as folder:
        unpack(source, folder)
        restored(folder)


def show(session: Session, value: Any, **other: str) -> None:
    import msgspec

    session.show({**msgspec.to_builtins(value), **other})


def run(work: Coroutine[Any, Any, T]) -> T:
    from treering.adapters.nats_connect import NatsUnavailable
    from treering.adapters.nats_process import NatsServerError
    from treering.telemetry import configure_logging

    configure_logging("backup", default_level="error")  # standard output is for the answer
    try:
        return asyncio.run(work)
    except LogDamaged as error:
        raise Refused("log.damaged", str(error)) from None
    except (LogUnavailable, NatsServerError, NatsUnavailable) as error:
        raise Unreachable(str(error)) from None
