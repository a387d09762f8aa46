"""``treering log``: compare the log with its second copy and what was signed, or build it again from that copy."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine
from typing import Any, cast

import click

from treering.cli.lazy import LazyGroup
from treering.cli.session import Session
from treering.cli.terminal import put
from treering.client.errors import ApiError, NotRunning, Unreachable
from treering.config import Home
from treering.kernel.log import LogDamaged, LogUnavailable
from treering.kernel.refusal import Refused
from treering.kernel.shared_limits import VERIFY_TIMEOUT_SECONDS

PROOF = {
    "key": ("treering.cli.proof_log:key", "Show the log's public key, with which anybody checks a proof."),
    "checkpoint": ("treering.cli.proof_log:checkpoint", "Sign what the log is now, and show it."),
    "consistency": ("treering.cli.proof_log:consistency", "Prove that the log only grew between two checkpoints."),
}
log = LazyGroup("log", lazy=PROOF, help="Verify, prove and restore the event log.")


@log.command("verify", help="Compare the whole log with its second copy; exit 1 when they differ.")
@click.pass_context
def verify(context: click.Context) -> None:
    session = context.ensure_object(Session)
    answer = verified(session)
    session.show(answer)
    if not answer["ok"]:
        put(f"error: {answer['why']} (log.damaged)", file=sys.stderr)
    for why in answer["beside"]:
        put(f"error: {why} (names.changed)", file=sys.stderr)
    context.exit(0 if answer["ok"] and not answer["beside"] else 1)


def verified(session: Session) -> dict[str, Any]:
    """The answer of the running monitor; where nothing runs, that of a server started for it."""
    refuse_special_files(session)
    try:
        refuse_other_home(session)
        with session.client() as client:
            client.timeout_seconds = VERIFY_TIMEOUT_SECONDS
            answer: dict[str, Any] = client.post("/v1/log/verify", {})
            return answer
    except NotRunning:
        return asyncio.run(verified_offline(Home(session.home.absolute())))


async def verified_offline(home: Home) -> dict[str, Any]:
    import msgspec
    from msgspec.structs import replace

    from treering.telemetry import configure_logging

    configure_logging("log", default_level="warning")  # standard output is for the answer

    from treering.adapters.log_copy import FILE_NAME, LogCopy
    from treering.adapters.log_restore import bootstrap_client
    from treering.adapters.log_verify import verify
    from treering.adapters.nats_process import NatsServerError
    from treering.adapters.nats_server import NatsServer
    from treering.adapters.points_copy import POINTS_FILE, PointsCopy
    from treering.adapters.readable_home import said_of, workable

    if not (home.copy / FILE_NAME).exists():
        raise Refused("log.absent", f"there is no installation in {home.root}, or it has no second copy of its log")
    async with workable(home, runs=False) as readable:
        server, copy = NatsServer(readable.root), LogCopy(readable.copy / FILE_NAME)
        points = PointsCopy(readable.copy / POINTS_FILE)

        try:
            await copy.open()
            await points.open()
            await server.start()
            async with bootstrap_client(server) as client:
                answer = await verify(client, copy, readable, points)
                return cast(
                    dict[str, Any], msgspec.to_builtins(replace(answer, why=said_of(home, readable, answer.why)))
                )
        except (LogDamaged, LogUnavailable) as error:
            raise Refused("log.damaged", said_of(home, readable, str(error))) from None
        except NatsServerError as error:
            raise Unreachable(said_of(home, readable, str(error))) from None
        finally:
            await server.stop()
            await copy.close()
            await points.close()


@log.command("restore", help="Build the log again from the second copy. treering must not run.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def restore(session: Session, yes: bool) -> None:
    home = Home(session.home.absolute())
    refuse_running(session)
    if not yes:
        click.confirm(f"Build the log of {home.root} again from its second copy?", abort=True, err=True)
    session.show(asyncio.run(restored(home)))


@log.command("recopy", help="Make damaged second copies again from the log. treering must not run.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def recopy(session: Session, yes: bool) -> None:
    from treering.adapters.log_recopy import recopy as make_copies

    home = Home(session.home.absolute())
    if not (home.nats / "store").exists():
        raise Refused("log.absent", f"there is no log in {home.root}")
    refuse_running(session)
    if not yes:
        click.confirm(f"Make the second copies of {home.root} again from its log?", abort=True, err=True)
    session.show(asyncio.run(mended(make_copies(home))))


def refuse_special_files(session: Session) -> None:
    from treering.adapters.special_files import refuse_special

    refuse_special(session.home.absolute())


def refuse_other_home(session: Session) -> None:
    """NotRunning for a home that was copied: the address in it is that of its original, which knows other files."""
    from treering.adapters.home_place import is_elsewhere

    if "TREERING_URL" not in os.environ and is_elsewhere(Home(session.home.absolute())):
        raise NotRunning(f"treering is not running in {session.home}, which is a copy of a home")


def refuse_running(session: Session) -> None:
    refuse_special_files(session)
    try:
        refuse_other_home(session)
        with session.client() as client:
            client.get("/healthz")
    except NotRunning:
        return
    except (ApiError, Unreachable):
        pass
    raise Refused("log.in_use", f"treering runs in {session.home}: stop it first")


async def restored(home: Home) -> dict[str, Any]:
    from treering.adapters.log_restore import restore as restore_log

    return await mended(restore_log(home))


async def mended(work: Coroutine[Any, Any, Any]) -> dict[str, Any]:
    """What ``work`` reports, with its failures as refusals."""
    import msgspec

    from treering.telemetry import configure_logging

    configure_logging("log", default_level="warning")

    from treering.adapters.nats_process import NatsServerError

    try:
        report: dict[str, Any] = msgspec.to_builtins(await work)
        return report
    except (LogDamaged, LogUnavailable) as error:
        raise Refused("log.damaged", str(error)) from None
    except NatsServerError as error:
        raise Refused("log.in_use", str(error)) from None
