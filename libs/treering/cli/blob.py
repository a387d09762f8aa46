"""``treering blob``: are the files that the log speaks of still what they were."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from treering.cli.lazy import LazyGroup
from treering.cli.session import Session
from treering.cli.terminal import put
from treering.config import Home
from treering.kernel.refusal import Refused

blob = LazyGroup("blob", help="The files that the log names by their digest.")
STEPS = 1000


@blob.command("verify", help="Hash every blob again, and look for those the log names; exit 1 when one is not well.")
@click.option(
    "--mend-from",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="BACKUP",
    help="Put back what is not well from the folder of a backup.",
)
@click.pass_context
def verify(context: click.Context, mend_from: Path | None) -> None:
    import msgspec

    from treering.adapters.blob_check import BlobCheck, mend

    session = context.ensure_object(Session)
    home = Home(session.home.absolute())
    if not home.blobs.exists():
        raise Refused("blob.no_store", f"there are no blobs in {home.root}: say this where the installation keeps them")
    found = BlobCheck(home.blobs, home.copy / "log.db", progress).run()
    if mend_from is not None:
        if not (mend_from / "blobs").is_dir():
            raise Refused("backup.absent", f"there is no backup with blobs in {mend_from}")
        left = asyncio.run(mend(home.blobs, found.bad, mend_from / "blobs"))
        found = msgspec.structs.replace(found, bad=left, mended=len(found.bad) - len(left))
    session.show(msgspec.to_builtins(found))
    for one in found.bad:
        users = ", ".join(one.used_by) or "nothing in the log"
        put(f"error: {one.digest} is {one.problem}; used by {users} (blob.damaged)", file=sys.stderr)
    context.exit(1 if found.bad else 0)


def progress(count: int) -> None:
    if count % STEPS == 0 and sys.stderr.isatty():
        put(f"{count:,} blobs hashed", end="\r", file=sys.stderr, flush=True)
