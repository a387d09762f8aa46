"""Package indexes that the operator lists: a real one, with a credential, on this machine."""

from __future__ import annotations

import base64
import hashlib
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anyio
import pytest

from treering.adapters.environments import Environments
from treering.adapters.package_indexes import check_listed, listed_indexes
from treering.domain.job_spec import EnvironmentSpec
from treering.kernel.refusal import Refused

pytestmark = pytest.mark.anyio
WHEEL = "treering_private_example-1.0-py3-none-any.whl"
METADATA = "Metadata-Version: 2.1\nName: treering-private-example\nVersion: 1.0\n"
USER, PASSWORD = "reader", "correct horse"


def write_wheel(folder: Path) -> bytes:
    info = "treering_private_example-1.0.dist-info"
    files = {
        "treering_private_example.py": "VALUE = 7\n",
        f"{info}/METADATA": METADATA,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        for name, text in (*files.items(), (f"{info}/RECORD", record)):
            wheel.writestr(name, text)
    return (folder / WHEEL).read_bytes()


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """The address of an index (PEP 503) that answers only those who know the password."""
    wheel = write_wheel(tmp_path)
    link = f'<a href="{WHEEL}#sha256={hashlib.sha256(wheel).hexdigest()}">{WHEEL}</a>'
    wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers.get("authorization") == wanted
            found = {f"/simple/treering-private-example/{WHEEL}": wheel}
            found["/simple/treering-private-example/"] = f"<html><body>{link}</body></html>".encode()
            body = found.get(self.path, b"")
            self.send_response(401 if not known else 200 if body else 404)
            self.send_header("content-type", "text/html" if self.path.endswith("/") else "application/octet-stream")
            self.send_header("content-length", str(len(body) if known else 0))
            if not known:
                self.send_header("www-authenticate", "Basic")
            self.end_headers()
            self.wfile.write(body if known else b"")

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/simple"
        server.shutdown()


async def test_a_package_of_a_listed_index_is_installed_with_the_credential_of_the_operator(
    index: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_INDEX_CORP_USERNAME", USER)
    monkeypatch.setenv("UV_INDEX_CORP_PASSWORD", PASSWORD)
    listed = listed_indexes({"TREERING_INDEXES": f"corp={index}/"})
    made = Environments(tmp_path / "envs", indexes=listed)
    spec = EnvironmentSpec(requirements=("treering-private-example",), indexes=(index,))
    python = await made.ready(spec, lambda _: None)
    said = await anyio.run_process([str(python), "-I", "-c", "import treering_private_example as m; print(m.VALUE)"])
    assert said.stdout.decode().strip() == "7"
    locks = "".join(path.read_text() for path in made.locks.glob("*.txt"))
    assert "treering-private-example==1.0" in locks and index not in locks and PASSWORD not in locks


async def test_the_same_requirements_without_the_index_are_another_environment(index: str, tmp_path: Path) -> None:
    made = Environments(tmp_path / "envs", indexes={index: "corp"})
    for indexes in ((), (index,)):  # without the credential the index says no
        with pytest.raises(Refused, match=r"environment\."):
            await made.ready(
                EnvironmentSpec(requirements=("treering-private-example",), indexes=indexes), lambda _: None
            )


def test_an_index_that_is_not_listed_is_refused_with_those_that_are() -> None:
    listed = listed_indexes({"TREERING_INDEXES": "a=https://a.example/simple, b.c=https://b.example/"})
    assert listed == {"https://a.example/simple": "a", "https://b.example": "b.c"}
    check_listed(["https://b.example", "https://a.example/simple"], listed)
    with pytest.raises(
        Refused, match=r"environment\.index_forbidden: .*https://c\.example .*https://a\.example"
    ) as refused:
        check_listed(["https://c.example"], listed)
    assert "TREERING_INDEXES" in refused.value.detail


@pytest.mark.parametrize(
    "text", ["https://a.example", "a=", "a=x", "a b=https://a.example", "a=https://me:pw@a.example"]
)
def test_a_list_that_cannot_be_read_names_the_variable_and_no_password(text: str) -> None:
    with pytest.raises(Refused, match=r"environment\.index: TREERING_INDEXES") as refused:
        listed_indexes({"TREERING_INDEXES": text})
    assert "pw" not in refused.value.detail
