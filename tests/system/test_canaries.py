"""A job on a real installation prints its secrets in every form, and fails with them: they are found nowhere."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from tests.cli.conftest import call
from tests.system.http_client import JOBS, Gateway
from tests.system.up import STOP_SECONDS_MAX, launched
from tests.system.views import until

from treering.adapters.masking import Masker
from treering.adapters.tokens import mint_job_token
from treering.config import Home
from treering.kernel.subjects import Address

pytestmark = pytest.mark.anyio
WAIT_SECONDS = 60.0
CONTROL = "said-aloud-1"  # no secret: it is found by the same search
SECRETS = {
    "DB_PASSWORD": "canary-01 with/a+space&\"quotes'", "API_KEY": "canary-02-ключ", "MY_TOKEN": "canary-03%41",
    "PRIVATE_KEY": "-----canary-04-----\nY2FuYXJ5LTA0LWxpbmU\nc2Vjb25kLWxpbmU\n-----end-04-----\n",
    "STORE_CONNECTION_STRING": "Endpoint=sb://canary-05.example/;AccountKey=Y2FuYXJ5LTA1LWtleQ==",
    "DATABASE_URL": "postgres://me:canary-06-pw@db.example/x", "SAS_QUERY": "sv=1&sig=canary-07-sig%3D",
    "GOOGLE_CREDENTIALS": '{"client": "canary-08", "private_key": "canary-08-first\\ncanary-08-second"}',
    "LONG_SECRET": "canary-09-" + "0123456789abcdef" * 40, "AWS_SECRET_ACCESS_KEY": "canary-10/wJalr+XUtnFEMI",
    "PASSWD": "canary-11", "BEARER_TOKEN": "Bearer canary-12-bearer",
}  # fmt: skip
SCRIPT = r"""
import base64, json, os, pprint, subprocess, sys, time, urllib.parse
for command in ("env", "env | base64", "set", "export -p", "env | od -An -v -tx1 | tr -d ' '"):
    subprocess.run(["/bin/bash", "-c", command], check=False)
for name, value in os.environ.items():
    data = value.encode()
    print(name, value, repr(value), repr(data), json.dumps(value), json.dumps(json.dumps(value)))
    print(urllib.parse.quote(value), urllib.parse.quote_plus(value), data.hex(), data.hex(":").upper())
    for before in (b"", b"x", b"xy"):
        print(base64.b64encode(before + data).decode(), base64.urlsafe_b64encode(before + data).decode())
    print(base64.encodebytes(b"-" * 40 + data).decode())
    for character in value:
        sys.stdout.write(character)
        sys.stdout.flush()
    print()
pprint.pprint(dict(os.environ))
os.symlink("gone", "outputs/" + os.environ["PASSWD"])
print(os.environ["API_KEY"], file=sys.stderr)
raise ValueError(dict(os.environ), os.environ["MLFLOW_TRACKING_TOKEN"])
"""


async def test_secrets_that_a_job_prints_uploads_as_a_name_and_fails_with_are_found_nowhere(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    server = await launched(home.root)
    try:
        assert server.stdout is not None and b" is ready" in await server.stdout.readline()
        gateway = Gateway(home, [])
        variables = {**SECRETS, "LEVEL": CONTROL, "PIN_TOKEN": "12345"}
        spec = {"command": f"python -c '{quoted(SCRIPT)}'", "environment": {}, "environment_variables": variables}
        assert (await gateway.submit("j", spec)).status == 201
        ended = lambda: gateway.get_once(f"{JOBS}/j").get("status") in ("Failed", "Completed")  # noqa: E731
        assert await until(ended, WAIT_SECONDS)
        asked = ["job show -n j -o json", "job stream -n j", "events", "audit query -o json", "story job/j -o json"]
        asked.append(f"job download -n j --all -p {tmp_path / 'down'}")
        told = {one: await asyncio.to_thread(call, home.root, *one.split()) for one in asked}
    finally:
        server.terminate()
        async with asyncio.timeout(STOP_SECONDS_MAX):
            said, errors = await server.communicate()
    token = mint_job_token(home, Address("main", "job", "j"), 1)
    places = {f"treering {name}": f"{found.stdout}{found.stderr}".encode() for name, found in told.items()}
    places |= {"standard output": said, "service logs": errors}
    places |= files(tmp_path)
    assert found_in([*SECRETS.values(), token], places) == {}
    stream = told["job stream -n j"].stdout
    assert (
        "ValueError: (" in stream and "MLFLOW_TRACKING_TOKEN=***" in stream and "left out of ./outputs: ***" in stream
    )
    assert all(found.returncode == 0 for one, found in told.items() if not one.startswith("job stream"))
    shown = json.loads(told["job show -n j -o json"].stdout)
    assert "PIN_TOKEN" in json.dumps(shown) and shown["status"] == "Failed"
    assert "treering job stream -n j" in found_in([CONTROL], places)
    assert any(name.endswith("std_log.txt") for name in found_in([CONTROL], places))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def quoted(script: str) -> str:
    return script.replace("'", "'\"'\"'")


def found_in(values: list[str], places: dict[str, bytes]) -> dict[str, list[bytes]]:
    """Which forms of ``values`` stand where, line breaks not counted."""
    looked_for, found = Masker(values).found, {}
    for name, data in places.items():
        flat = data.translate(None, b"\r\n")
        if spans := looked_for.spans(flat):
            found[name] = [flat[max(0, start - 30) : end + 10] for start, end in spans[:5]]
    return found
