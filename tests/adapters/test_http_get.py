"""Files fetched over HTTP from real sockets that behave well, badly, or lead elsewhere."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from treering.adapters.egress import Egress
from treering.adapters.http_get import Bounds, fetch
from treering.kernel.listening import listening
from treering.kernel.refusal import Refused

pytestmark = pytest.mark.anyio
PATIENCE_SECONDS = 20.0
HERE = Egress(["127.0.0.1"])
BOUNDS = Bounds(bytes_max=1_000_000, window_seconds=0.3, window_bytes_min=1000)
OK = b"HTTP/1.1 200 OK\r\n"

Serve = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(serve: Serve) -> AsyncIterator[str]:
    """An address where every request is answered by ``serve``."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await serve(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async with listening(accept) as port:
        yield f"http://127.0.0.1:{port}/data.csv?x=1"


def saying(*pieces: bytes) -> Serve:
    async def serve(writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()

    return serve


async def drip(writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"content-length: 1000000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def flood(writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"transfer-encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        await writer.drain()


async def silence(writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"content-length: 1000000\r\n\r\n" + b"x" * 5000)
    await writer.drain()
    await asyncio.Event().wait()


async def refusal(serve: Serve, file: Path, egress: Egress = HERE) -> Refused:
    async with server(serve) as url, asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(Refused) as refused:
            await fetch(url, file, egress, BOUNDS)
    return refused.value


@pytest.mark.parametrize(
    "pieces",
    [
        [OK + b"content-length: 5\r\n\r\nhello"],
        [OK + b"content-length: 5\r\n\r\n", b"hel", b"lo"],
        [OK + b"transfer-encoding: chunked\r\n\r\n", b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"],
        [OK + b"connection: close\r\n\r\n", b"hello"],
        [b"HTTP/1.1 100 Continue\r\n\r\n", OK + b"content-length: 5\r\n\r\nhello"],
    ],
    ids=["at once", "length", "chunked", "until the end", "continue"],
)
async def test_a_file_arrives_however_its_end_is_said(tmp_path: Path, pieces: list[bytes]) -> None:
    async with server(saying(*pieces)) as url, asyncio.timeout(PATIENCE_SECONDS):
        await fetch(url, tmp_path / "file", HERE, BOUNDS)
    assert (tmp_path / "file").read_bytes() == b"hello"


async def test_an_empty_file_arrives(tmp_path: Path) -> None:
    async with server(saying(OK + b"content-length: 0\r\n\r\n")) as url, asyncio.timeout(PATIENCE_SECONDS):
        await fetch(url, tmp_path / "file", HERE, BOUNDS)
    assert (tmp_path / "file").read_bytes() == b""


@pytest.mark.parametrize(
    ("serve", "code"),
    [
        (drip, "input.too_slow"),
        (silence, "input.too_slow"),
        (flood, "input.too_large"),
        (saying(OK + b"content-length: 2000000\r\n\r\n"), "input.too_large"),
        (saying(OK + b"content-length: 50\r\n\r\nhello"), "input.unreachable"),
        (saying(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"), "input.unreachable"),
        (saying(b"no http at all\r\n\r\n"), "input.unreachable"),
        (saying(OK + b"x: y\r\n" * 20_000), "input.unreachable"),
        (saying(), "input.unreachable"),
        (saying(b"HTTP/1.1 302 Found\r\nlocation: /again\r\n\r\n"), "input.unreachable"),
        (saying(b"HTTP/1.1 302 Found\r\nlocation: file:///etc/passwd\r\n\r\n"), "input.unreachable"),
    ],
    ids=["drips", "falls silent", "never ends", "says too much", "ends early", "404", "no http", "long head", "closes",
         "redirects for ever", "redirects to a file"],
)  # fmt: skip
async def test_a_bad_server_is_refused_and_leaves_nothing_behind(tmp_path: Path, serve: Serve, code: str) -> None:
    assert (await refusal(serve, tmp_path / "file")).code == code
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("address", ["169.254.169.254", "10.0.0.1", "[::1]", "[::ffff:10.0.0.1]", "0.0.0.0"])
async def test_a_redirect_to_a_forbidden_address_is_not_followed(tmp_path: Path, address: str) -> None:
    head = f"HTTP/1.1 302 Found\r\nlocation: http://{address}/latest/meta-data\r\n\r\n".encode()
    assert (await refusal(saying(head), tmp_path / "file")).code == "address.forbidden"


async def test_a_refusal_has_no_signature_that_a_redirect_led_to(tmp_path: Path) -> None:
    head = b"HTTP/1.1 302 Found\r\nlocation: ftp://u:canary1@h.example/x?X-Amz-Signature=canary2\r\n\r\n"
    found = await refusal(saying(head), tmp_path / "file")
    assert "ftp://h.example/x" in found.detail and "canary" not in found.detail


async def test_loopback_is_not_fetched_from_unless_the_operator_allows_it(tmp_path: Path) -> None:
    found = await refusal(saying(OK + b"content-length: 5\r\n\r\nhello"), tmp_path / "file", Egress())
    assert found.code == "address.forbidden" and "--allow-address" in found.detail


async def test_a_proxy_of_the_environment_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with server(saying(OK + b"content-length: 5\r\n\r\nhello")) as url, asyncio.timeout(PATIENCE_SECONDS):
        await fetch(url, tmp_path / "file", HERE, BOUNDS)
    assert (tmp_path / "file").read_bytes() == b"hello"


async def test_a_download_that_is_cancelled_leaves_nothing_behind(tmp_path: Path) -> None:
    file = tmp_path / "file"
    async with server(drip) as url, asyncio.timeout(PATIENCE_SECONDS):
        fetching = asyncio.create_task(fetch(url, file, HERE, Bounds(window_seconds=60.0)))
        while not file.exists():
            await asyncio.wait({fetching}, timeout=0.01)
        fetching.cancel()
        await asyncio.wait({fetching})
    assert fetching.cancelled() and not os.listdir(tmp_path)
