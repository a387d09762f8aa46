"""A secret that is damaged while an installation runs, as its users see it."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.request import urlopen

from tests.cli.conftest import call


def one_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_readyz_and_webhook_show_name_a_seal_that_is_broken(installation: Path) -> None:
    made = call(installation, "webhook", "create", "sealed", "--url", "https://example.com/")
    assert made.returncode == 0, made.stderr
    (secret,) = (installation / "keys" / "webhooks").glob("main.sealed.*.sealed")
    one_bit(secret)
    try:
        url = (installation / "url").read_text().strip()
        ready = json.loads(read(f"{url}/readyz"))
        assert "a file in keys/webhooks" in ready["parts"]["keys"]["why"]
        shown = call(installation, "webhook", "show", "sealed", "-o", "json")
        assert "cannot be opened" in json.loads(shown.stdout)["warning"]
        checked = call(installation, "doctor")
        assert checked.returncode == 1 and secret.name in checked.stdout
    finally:
        one_bit(secret)
        assert call(installation, "webhook", "delete", "sealed").returncode == 0


def read(url: str) -> bytes:
    with urlopen(url, timeout=20) as reply:
        return bytes(reply.read())
