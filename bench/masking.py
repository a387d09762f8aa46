"""What it costs to mask secrets in what a job prints: through the executor's console, with none and with 100 secrets.

Bars: a job that prints 20 MB/s is not slowed by 100 secrets (>= 0.97 of its rate with none), and takes <= 0.3 of a core
of its executor; and at that rate masking alone takes <= 0.3 of a core for any text that holds no secret, also for one
made to be slow. Processor time is of this process only, so other work on the machine hardly changes it.
"""

from __future__ import annotations

import asyncio
import base64
import os
import random
import secrets
import sys
import tempfile
import time
from pathlib import Path

from nats.aio.client import Client

from bench.report import Line, report
from treering.adapters.masking import MaskedStream, Masker
from treering.adapters.output_pipe import OutputPipe
from treering.kernel.subjects import Address
from treering.testing.nats import running_nats
from treering_services.executor.console import Console

SECRETS = 100
MB = 1_000_000
RATE_BYTES = 20 * MB  # a second
SECONDS = 4
ROUNDS = 3
FULL_BYTES = 200 * MB
TEXT_BYTES = 16 * MB
BLOCK_BYTES = 64 * 1024
CORES_MAX = 0.3
SLOWED_MIN = 0.97
PRINT = """
import sys, time
text, rate, seconds = open(sys.argv[1], "rb").read(), int(sys.argv[2]), float(sys.argv[3])
began, done = time.perf_counter(), 0
while done < rate * seconds:
    start = done % (len(text) - 8192)
    sys.stdout.buffer.write(text[start : start + 8192])
    sys.stdout.buffer.flush()
    done += 8192
    time.sleep(max(0.0, done / rate - (time.perf_counter() - began)))
"""


def made_secrets() -> list[str]:
    """As people have them: tokens, passwords, connection strings, and a key of several lines."""
    key = "\n".join(["-----BEGIN PRIVATE KEY-----", *(secrets.token_urlsafe(48) for _ in range(24)), "-----END-----"])
    tokens = [secrets.token_urlsafe(size) for size in (12, 24, 40, 64) for _ in range(SECRETS // 4 - 5)]
    passwords = [f"pass {secrets.token_hex(4)}/{number}!" for number in range(10)]
    connections = [
        f"DefaultEndpointsProtocol=https;AccountName=a{number};AccountKey={base64.b64encode(os.urandom(64)).decode()}"
        for number in range(9)
    ]
    return [*tokens, *passwords, *connections, key]


def texts(values: list[str], size: int) -> dict[str, bytes]:
    """Kinds of text by name; the last two are made to be slow."""
    chance = random.Random(1)
    forms = sorted(Masker(values).found.patterns)

    def filled(part: object) -> bytes:
        made = bytearray()
        while len(made) < size:
            made += part()  # type: ignore[operator]
        return bytes(made[:size])

    return {
        "a training log": filled(
            lambda: f"2026-12-01 12:00:00 INFO step {chance.randrange(10**6)} loss={chance.random():.6f}\n".encode()
        ),
        "base64, folded": base64.encodebytes(os.urandom(size * 3 // 4))[:size],
        "short lines": filled(lambda: b"%d\n" % chance.randrange(1000)),
        "binary": os.urandom(size),
        "beginnings of secrets": filled(lambda: chance.choice(forms)[: chance.randint(2, 10)] + b" "),
        "secrets but for the last byte": filled(lambda: chance.choice(forms)[:-1] + b"\n"),
    }


def mask_alone(masker: Masker, text: bytes) -> float:
    """Processor seconds for a MB."""
    stream, began = MaskedStream(masker), time.process_time()
    for place in range(0, len(text), BLOCK_BYTES):
        stream.feed(text[place : place + BLOCK_BYTES])
    return (time.process_time() - began) / (len(text) / MB)


async def through_console(client: Client, folder: Path, values: list[str], rate: int) -> tuple[float, float]:
    """Of a job that prints: its MB/s, and the cores its executor takes meanwhile."""
    console = Console(client, Address("main", "job", folder.name), 1, folder / "log.txt", folder, masker=Masker(values))
    reading, writing = os.pipe()
    pipe = await OutputPipe.open(reading)
    command = [
        sys.executable,
        "-c",
        PRINT,
        str(folder.parent / "text"),
        str(rate),
        str(min(SECONDS, FULL_BYTES / rate)),
    ]
    began, spent = time.perf_counter(), time.process_time()
    child = await asyncio.create_subprocess_exec(*command, stdout=writing)
    os.close(writing)
    count = 0
    async for chunk in pipe.chunks():
        count += len(chunk)
        console.write(chunk)
    seconds, used = time.perf_counter() - began, time.process_time() - spent
    await child.wait()
    await console.close()
    return count / MB / seconds, used / seconds


async def best(client: Client, folder: Path, values: list[str], rate: int) -> list[tuple[float, float]]:
    """With no secret and with all, in turns: the fastest of each, because other work slows some down."""
    found: dict[str, list[tuple[float, float]]] = {"none": [], "all": []}
    for number in range(ROUNDS):
        for name, known in (("none", []), ("all", values)):
            place = folder / f"{name}{number}-{rate}"
            place.mkdir()
            found[name].append(await through_console(client, place, known, rate))
    return [max(rounds) for rounds in found.values()]


async def measured(folder: Path, values: list[str]) -> None:
    (folder / "text").write_bytes(texts(values, TEXT_BYTES)["a training log"])
    async with running_nats(folder / "nats") as nats:
        client = await nats.connect("executor")
        full = await best(client, folder, values, RATE_BYTES * 1000)
        (rate, cores), (masked_rate, masked_cores) = await best(client, folder, values, RATE_BYTES)
    report(
        "a job prints as fast as it can",
        *(
            Line(f"with {name}", f"{rate:.0f} MB/s, {cores:.2f} cores")
            for name, (rate, cores) in zip(("no secret", "100 secrets"), full, strict=True)
        ),
    )
    report(
        f"a job prints {RATE_BYTES / MB:g} MB/s",
        Line("with no secret", f"{rate:.1f} MB/s"),
        Line("with 100 secrets", f"{masked_rate:.1f} MB/s", masked_rate / rate, ">=", SLOWED_MIN),
        Line("cores of the executor with no secret", f"{cores:.2f}"),
        Line("cores of the executor with 100 secrets", f"{masked_cores:.2f}", masked_cores, "<=", CORES_MAX),
    )


def main() -> None:
    values = made_secrets()
    assert len(values) == SECRETS
    began = time.process_time()
    masker = Masker(values)
    count = len(masker.found.patterns)
    made_ms = (time.process_time() - began) * 1000
    lines = [Line(f"{count} forms made ready", f"{made_ms:.0f} ms")]
    for name, text in texts(values, TEXT_BYTES).items():
        seconds = mask_alone(masker, text)
        lines.append(Line(name, f"{1 / seconds:.0f} MB/s", seconds * RATE_BYTES / MB, "<=", CORES_MAX))
    told = b"".join(value.encode() + b"\n" for value in values) * (2 * MB // sum(map(len, values)))
    lines.append(Line("nothing but secrets", f"{1 / mask_alone(masker, told):.0f} MB/s"))
    report("masking alone, 100 secrets: processor time, and cores at 20 MB/s", *lines)
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(measured(Path(name), values))


if __name__ == "__main__":
    main()
