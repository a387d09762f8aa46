"""Proofs over HTTP: each event of a resource, checkpoints that agree, and what was asked wrongly."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Treering

from treering.adapters.proofs import Extended, Included, check
from treering.adapters.signing import parse_verifier_key

PROOF = "/v1/workspaces/main/experiments/proven/proof"


def asked(home: Path, path: str, body: object = None) -> tuple[int, bytes]:
    """Status and body of an answer."""
    url = (home / "url").read_text().strip() + path
    headers = {"Authorization": f"Bearer {(home / 'token').read_text().strip()}", "Content-Type": "application/json"}
    data = json.dumps(body).encode() if body is not None else None
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=60) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def answer(home: Path, path: str, body: object = None) -> Any:
    status, data = asked(home, path, body)
    assert status == 200, data
    return json.loads(data)


@pytest.fixture
def positions(online: Treering) -> list[int]:
    """Where the events of an experiment are."""
    online("experiment", "create", "-n", "proven")
    online("experiment", "update", "-n", "proven", "--set", "description=a")
    return [
        int(one) for one in online("story", "experiment/proven", "--query", "[].position", "-o", "tsv").stdout.split()
    ]


def test_each_event_is_proven_under_a_checkpoint_that_covers_it(installation: Path, positions: list[int]) -> None:
    key = parse_verifier_key(answer(installation, "/v1/log/checkpoint")["key"])
    for position in positions:
        status, data = asked(installation, f"{PROOF}?event={position}")
        found = check(data, key)
        assert status == 200 and isinstance(found, Included)
        assert found.entry.position == position <= found.head.size and str(found.address) == "experiment/proven"
    assert asked(installation, PROOF)[1] == asked(installation, f"{PROOF}?event={positions[-1]}")[1]


def test_who_asks_for_an_event_about_a_resource_is_told_how_to_prove_it(
    online: Treering, positions: list[int], tmp_path: Path
) -> None:
    # Given an event that somebody published about an experiment, and that its story shows,
    about = {"id": "1", "source": "/ci", "type": "build.done", "subject": "experiment/proven"}
    (tmp_path / "event.json").write_text(json.dumps(about))
    online("events", "publish", "-f", str(tmp_path / "event.json"))
    story = online("story", "experiment/proven", "--query", "[].position", "-o", "tsv").stdout.split()
    position = max(map(int, story))
    assert position > positions[-1]
    # when it is to be proven as an event of the experiment,
    where = ("--event", str(position), "-o", str(tmp_path / "proof"))
    refused = online("audit", "prove", "experiment/proven", *where)
    # then what the refusal says to do proves it.
    assert "a published event of event/" in refused.stderr
    said = re.search(r"`treering audit prove (event/\S+) --event (\d+)`", refused.stderr)
    assert said is not None and said[2] == str(position)
    assert json.loads(online("audit", "prove", said[1], *where).stdout)["resource"] == said[1]


def test_the_newest_checkpoint_covers_everything_and_is_consistent_with_an_older_one(
    installation: Path, positions: list[int]
) -> None:
    signed = answer(installation, "/v1/log/checkpoint", {"sign": True})
    key = parse_verifier_key(signed["key"])
    head = key.open_head(signed["note"].encode())
    assert head.size == signed["size"] >= positions[-1]
    proof = answer(installation, f"/v1/log/consistency?old={positions[0]}&new={head.size}")["proof"]
    found = check(proof.encode(), key)
    assert isinstance(found, Extended) and (found.old.size, found.new) == (positions[0], head)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{PROOF}?event=x", 400),
        (f"{PROOF}?event=-1", 400),
        (f"{PROOF}?event=1{'0' * 30}", 400),
        (f"{PROOF}?event=1", 404),
        (f"{PROOF}?events=1", 400),
        ("/v1/workspaces/main/experiments/nobody/proof", 404),
        ("/v1/workspaces/main/nothings/proven/proof", 404),
        ("/v1/log/consistency", 400),
        ("/v1/log/consistency?old=0", 400),
        ("/v1/log/consistency?old=3&new=2", 400),
        (f"/v1/log/consistency?old=1&new={10**15}", 400),
        (f"/v1/log/consistency?old={10**40}", 400),
    ],
)
def test_what_is_asked_wrongly_is_refused(installation: Path, positions: list[int], path: str, status: int) -> None:
    got, body = asked(installation, path)
    assert got == status, body
    assert {"code", "detail"} <= json.loads(body).keys()
