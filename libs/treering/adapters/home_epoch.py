"""Make another log of a copied home: what its original goes on to sign, send and give to witnesses is not its own.

The copy keeps the history up to here, the tokens and the credentials. It gets a log key with a name of its own, starts
a new series of checkpoints, gives up the witnesses of its original, and pauses its webhooks.
"""

from __future__ import annotations

from treering.adapters.checkpoints import set_series_aside
from treering.adapters.home_place import place_of, read_place
from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.log_copy import FILE_NAME, LogCopy
from treering.adapters.log_epochs import record_epoch
from treering.adapters.log_restore import bootstrap_client
from treering.adapters.names import person_name
from treering.adapters.nats_server import NatsServer
from treering.adapters.set_aside import free_aside
from treering.adapters.signing import LOG_KEY_FILE, read_log_key
from treering.adapters.sums import forget_sum
from treering.adapters.webhook_pause import pause_webhooks
from treering.adapters.witnesses import WITNESSES_FILE
from treering.config import Home
from treering.domain.installation import INSTALLATION, ClearAlert, RaiseAlert, alert_address
from treering.kernel.clock import new_id, now
from treering.kernel.command import Context
from treering.kernel.writer import Writer

CODE = "home.new_epoch"
SELF = "service:monitor"


def give_up_witnesses(home: Home) -> list[str]:
    """Before the log is compared with what they hold: that of its original, which has gone on."""
    witnesses = home.root / WITNESSES_FILE
    if not witnesses.exists():
        return []
    forget_sum(witnesses)
    aside = witnesses.rename(free_aside(witnesses, "lists"))
    return [f"the witnesses of the other home are not asked any more: {aside}"]


async def begin_epoch(server: NatsServer, home: Home) -> list[str]:
    """Before any service runs, and all of it again when it is broken off; what was done, a sentence each."""
    done = []
    copy = LogCopy(home.copy / FILE_NAME)
    await copy.open()
    try:
        async with bootstrap_client(server) as client:
            log = JetStreamLog(client)
            name = await record_epoch(log, after=await log.head())
            paused = await pause_webhooks(client, copy, home, person_name())
            await record(log, home)
    finally:
        await copy.close()
    done.append(f"the log goes on as epoch {name}")
    if paused:
        done.append(f"webhooks that are paused now: {', '.join(paused)}")
    done += [f"set aside: {path}" for path in set_series_aside(home)]
    return done


async def record(log: JetStreamLog, home: Home) -> None:
    """Tell the log where it parts from its original, as an alert that is over at once: it is known, and done."""
    before = read_place(home)
    there = before.path if before else "another place"
    key = read_log_key(home.keys).name if (home.keys / LOG_KEY_FILE).exists() else "no key"
    said = f"this home was copied from {there} to {place_of(home).path}: the log {key} goes on there, another one here"
    alert = RaiseAlert(CODE, said, "home")
    writer = Writer(log, INSTALLATION)
    for command in (alert, ClearAlert("treering up --new-epoch")):
        await writer.execute(alert_address(alert), command, Context(new_id(), now(), SELF))
