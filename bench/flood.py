"""What one program that floods over NATS costs the others: the owner's publish over HTTP, and another publisher's.

``python -m bench.flood``. The flood comes from 8 connections that read no answer, in a process of its own: nonsense
of 2 bytes, one valid event a request, or 900 KB a request. The flood shares the cores with all the rest, so the times
have no bar: what must not be is that a request of another is lost.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import re
import socket
import statistics
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import psutil

from bench.installation import Api, running_treering
from bench.report import Line, report
from treering.adapters.nats_accounts import add_publisher
from treering.adapters.nats_connect import close, connect
from treering.adapters.nats_credentials import Credential, read_credential
from treering.adapters.nats_process import server_url

CONNECTIONS = 8
SECONDS = 15.0
WARM_UP_SECONDS = 2.0
PAUSE_SECONDS = 0.02
EVENT = b'{"workspace":"main","events":[{"id":"%d","type":"bench.flood","source":"/flood"}]}'
FLOODS = {"2 bytes": b"{}", "one valid event": EVENT, "900 KB": b"x" * 900_000}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, running_treering(Path(folder) / "home") as home:
        for name in ("greedy", "modest"):
            asyncio.run(add_publisher(home, name))
        measured(home, WARM_UP_SECONDS)
        alone = measured(home, SECONDS)
        tell("nobody floods", home, alone, alone, 0)
        for what, body in FLOODS.items():
            flood = multiprocessing.get_context("spawn").Process(target=flooding, args=(home, body), daemon=True)
            flood.start()
            time.sleep(WARM_UP_SECONDS)
            cuts = len(cut_off(home))
            beside = measured(home, SECONDS)
            flood.terminate()
            flood.join()
            tell(f"one publisher floods: {what}", home, alone, beside, cuts)
            time.sleep(WARM_UP_SECONDS)


class Measured:
    def __init__(self) -> None:
        self.owner, self.modest, self.lost = list[float](), list[float](), 0
        self.cpu = ""


def measured(home: Path, seconds: float) -> Measured:
    """The owner and a modest publisher publish one event after the other."""
    found, before = Measured(), cpu_seconds(home)
    owner = threading.Thread(target=publish_as_owner, args=(home, seconds, found))
    owner.start()
    asyncio.run(publish_as_modest(home, seconds, found))
    owner.join()
    used = zip(cpu_seconds(home), before, strict=True)
    found.cpu = ", ".join(f"{(after - was) / seconds:.0%}" for after, was in used)
    return found


def processes(home: Path) -> list[psutil.Process]:
    """``up``, and its nats-server."""
    up = psutil.Process(int((home / "up.pid").read_text()))
    return [up, *(child for child in up.children() if "nats" in child.name())]


def cpu_seconds(home: Path) -> list[float]:
    return [sum(one.cpu_times()[:2]) for one in processes(home)]


def publish_as_owner(home: Path, seconds: float, found: Measured) -> None:
    api, ends = Api(home), time.perf_counter() + seconds
    while (began := time.perf_counter()) < ends:
        event = {"specversion": "1.0", "id": str(time.time_ns()), "type": "bench.owner", "source": "/owner"}
        api.call("POST", "/v1/workspaces/main/events", event)
        found.owner.append(time.perf_counter() - began)
        time.sleep(PAUSE_SECONDS)


async def publish_as_modest(home: Path, seconds: float, found: Measured) -> None:
    client = await connect(server_url(home), read_credential(home, "publisher-modest"), "modest")
    ends = time.perf_counter() + seconds
    while (began := time.perf_counter()) < ends:
        event = {"id": str(time.time_ns()), "type": "bench.modest", "source": "/modest"}
        try:
            body = msgspec.json.encode({"workspace": "main", "events": [event]})
            answer = msgspec.json.decode((await client.request("pub.modest", body, timeout=5)).data)
            found.lost += answer.get("refused") != 0
            found.modest.append(time.perf_counter() - began)
        except Exception:
            found.lost += 1
        await asyncio.sleep(PAUSE_SECONDS)
    await close(client)


def flooding(home: Path, body: bytes) -> None:
    credential = read_credential(home, "publisher-greedy")
    senders = [threading.Thread(target=flood, args=(home, credential, body)) for _ in range(CONNECTIONS)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()


def flood(home: Path, credential: Credential, body: bytes) -> None:
    """Until it is killed; comes back when it is cut off."""
    where = urlsplit(server_url(home))
    login = msgspec.json.encode({"user": credential.user, "pass": credential.password, "verbose": False})
    number, at_once = 0, 1 if len(body) > 1000 else 100
    while True:
        with suppress(OSError), socket.create_connection((where.hostname, where.port)) as one:
            one.sendall(b"CONNECT " + login + b"\r\nSUB " + credential.inbox.encode() + b".> 1\r\n")
            while True:
                number += 100
                one.sendall(b"".join(asked(credential, body, number + each) for each in range(at_once)))


def asked(credential: Credential, body: bytes, number: int) -> bytes:
    whole = body % (number + threading.get_ident() * 10**9) if b"%d" in body else body
    return b"PUB pub.greedy %s.%d %d\r\n%s\r\n" % (credential.inbox.encode(), number, len(whole), whole)


def cut_off(home: Path) -> list[str]:
    """Which connections of the gateway the nats-server has cut off as slow."""
    text = (home / "nats" / "nats.log").read_text(errors="replace")
    return re.findall(r'(treering-gateway[^":]*)" - "[^"]*" - Slow Consumer', text)


def tell(title: str, home: Path, alone: Measured, beside: Measured, cuts: int) -> None:
    def times(which: str) -> Line:
        before, after = getattr(alone, which), getattr(beside, which)
        if len(after) < 10:
            return Line(f"{which}: requests", f"{len(after)}")
        p50, p99 = (statistics.median(after) * 1000, statistics.quantiles(after, n=100)[98] * 1000)
        ratio = statistics.median(after) / statistics.median(before)
        return Line(f"{which}: p50, p99, requests", f"{p50:.1f}, {p99:.1f} ms, {len(after)}; {ratio:.1f} times")

    cut = ", ".join(f"{who} {times} times" for who, times in Counter(cut_off(home)[cuts:]).items())
    memory = ", ".join(f"{one.memory_info().rss >> 20} MB" for one in processes(home))
    report(
        title,
        times("owner"),
        times("modest"),
        Line("modest: requests lost", str(beside.lost), beside.lost, "<=", 0),
        Line("cut off by the server", cut or "none"),
        Line("CPU of up, nats-server", beside.cpu),
        Line("memory of up, nats-server", memory),
    )


if __name__ == "__main__":
    main()
