"""Proof on the command line where nothing runs: an auditor's machine, and an operator's that is stopped."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Treering, answer

from treering.adapters.proofs import Inclusion, inclusion_bytes
from treering.adapters.signing import SigningKey, make_log_key
from treering.kernel.merkle import leaf_hash

KEY = SigningKey("treering/test", bytes(range(32)))
COMMIT = (
    b'evt.main.experiment.churn\n{"id":"1","command_id":"c","version":1,"at":"2026-01-01T00:00:00Z","actor":"anna",'
    b'"events":[{"type":"experiment.created"}]}'
)


@pytest.fixture
def proof(tmp_path: Path) -> Path:
    """The proof of the only commit of a log."""
    path = tmp_path / "churn.tlog-proof"
    path.write_bytes(inclusion_bytes(Inclusion(COMMIT, 0, (), KEY.sign_head(1, leaf_hash(COMMIT)))))
    return path


def test_a_proof_is_checked_without_a_server_or_a_home(offline: Treering, proof: Path, tmp_path: Path) -> None:
    found = answer(offline, "audit", "check", str(proof), "--key", str(KEY.verifier))
    assert found["proven"] is True and found["resource"] == "experiment/churn" and found["actor"] == "anna"
    assert found["events"] == [{"type": "experiment.created"}]
    (tmp_path / "log.vkey").write_text(f"{KEY.verifier}\n")
    assert answer(offline, "audit", "check", str(proof), "--key", str(tmp_path / "log.vkey")) == found


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("", "say the log's public key with --key"),
        ("nowhere", "--key is not a key"),
        ("treering/test+00000000+AAAA", "--key is not a key"),
        (str(SigningKey("treering/other", bytes(32)).verifier), "is not signed by treering/other"),
    ],
)
def test_a_proof_under_no_or_another_key_is_exit_1(offline: Treering, proof: Path, key: str, said: str) -> None:
    done = offline("audit", "check", str(proof), *(("--key", key) if key else ()))
    assert done.returncode == 1
    assert said in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("data", [b"", b"nothing", b"\xff\xff", b"c2sp.org/tlog-proof@v1\nextra AA==\nindex 0\n\n"])
def test_a_file_that_is_no_proof_is_exit_1(offline: Treering, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file").write_bytes(data)
    done = offline("audit", "check", str(tmp_path / "file"), "--key", str(KEY.verifier))
    assert done.returncode == 1
    assert done.stderr.endswith("(proof.invalid)\n") and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", [("key",), ("checkpoint",), ("consistency", "--from", "1")])
def test_where_no_log_is_nothing_is_signed_or_shown(offline: Treering, command: tuple[str, ...]) -> None:
    done = offline("log", *command)
    assert done.returncode in (1, 3)
    assert done.stdout == "" and len(done.stderr.splitlines()) == 1


def test_a_new_series_is_begun_only_when_no_witness_holds_the_old_one(offline: Treering, tmp_path: Path) -> None:
    keys = tmp_path / "home" / "keys"
    keys.mkdir(parents=True)
    key = make_log_key(keys).verifier
    assert offline("log", "key").stdout == f"{key}\n"
    answer(offline, "witness", "add", "file", str(tmp_path / "w"), "--name", "notary")
    done = offline("log", "key", "--new", "--yes")
    assert done.returncode == 1 and "the witnesses notary hold the old series" in done.stderr
    answer(offline, "witness", "remove", "notary")
    assert answer(offline, "log", "key", "--new", "--yes") == {"set_aside": [str(keys / "log.key.old-1")]}
    assert not (keys / "log.key").exists() and (keys / "log.key.old-1").exists()


def test_witnesses_are_added_listed_and_removed(offline: Treering, tmp_path: Path) -> None:
    added = answer(offline, "witness", "add", "file", str(tmp_path / "w"), "--name", "notary", "--required")
    assert (added["name"], added["state"], added["required"]) == ("notary", "holds nothing yet", True)
    assert [one["name"] for one in answer(offline, "witness", "list")] == ["notary"]
    done = offline("witness", "add", "git", str(tmp_path / "absent.git"))
    assert done.returncode == 1 and "witness.unreachable" in done.stderr
    assert answer(offline, "witness", "remove", "notary") == {"removed": "notary", "target": str(tmp_path / "w")}
    assert answer(offline, "witness", "list") == []
