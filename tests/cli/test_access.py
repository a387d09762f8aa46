"""Who may do what, asked on the command line; names in every answer, and a forged name in none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import Treering, answer


@pytest.fixture
def name(online: Treering) -> str:
    """Who acts in the tests, by name."""
    answer(online, "experiment", "create", "--name", "named")
    return str(answer(online, "experiment", "show", "--name", "named")["creation_context"]["created_by"])


@pytest.fixture
def forged(installation: Path, name: str) -> Iterator[str]:
    """Somebody with access to the disk rewrites who did what."""
    path = installation / "keys" / "actors.json"
    before = path.read_bytes()
    told = json.loads(before)
    for one in told.values():
        one["name"] = "mallory"
    path.write_text(json.dumps(told))
    yield next(iter(told))
    path.write_bytes(before)


def test_publishers_and_subscribers_are_listed_with_who_let_them_and_when(online: Treering, name: str) -> None:
    for sort, right in (("publisher", "publish"), ("subscriber", "watch")):
        before = answer(online, "audit", "query", "--kind", "credential", "-r", "1")[0]["position"]
        answer(online, sort, "add", "board", "-w", "main")
        (listed,) = answer(online, sort, "list")
        assert (listed["name"], listed["workspace"], listed["rights"], listed["by"]) == ("board", "main", [right], name)
        assert online(sort, "remove", "board").returncode == 0
        assert answer(online, sort, "list") == []
        then = answer(online, "audit", "ask", "access", "--until", str(listed["position"]))
        assert [one["by"] for one in then if one["sort"] == sort] == [name]
        assert sort not in [one["sort"] for one in answer(online, "audit", "ask", "access", "--until", str(before))]
        story = answer(online, "story", f"credential/{sort}:board")
        assert [one["type"] for one in story] == ["credential.granted", "credential.revoked"]


def test_what_a_publisher_may_publish_is_shown_wherever_its_rights_are(online: Treering) -> None:
    limits = {"sources": ["/ci/", "/cd/"], "types": ["build.*"]}
    options = ("--source", "/ci/", "--source", "/cd/", "--type", "build.*")
    try:
        for _ in range(2):
            added = answer(online, "publisher", "add", "limited", *options)
            assert {name: added[name] for name in limits} == limits
        (listed,) = [one for one in answer(online, "publisher", "list") if one["name"] == "limited"]
        (asked,) = [one for one in answer(online, "audit", "ask", "access") if one["who"] == "limited"]
        assert all({name: one[name] for name in limits} == limits for one in (listed, asked))
        assert "build.*" in online("publisher", "list", "-o", "table").stdout
        other = online("publisher", "add", "limited")
        assert other.returncode != 0 and "(publisher.exists)" in other.stderr and "/ci/" in other.stderr
        bad = online("publisher", "add", "bad", "--type", "a b")
        assert bad.returncode != 0 and "(credential.invalid)" in bad.stderr
    finally:
        assert online("publisher", "remove", "limited").returncode == 0


@pytest.mark.parametrize("sort", ["publisher", "subscriber"])
def test_nobody_is_let_into_a_workspace_that_does_not_exist(
    online: Treering, offline: Treering, installation: Path, tmp_path: Path, sort: str
) -> None:
    done = online(sort, "add", "early", "-w", "nope")
    assert done.returncode != 0 and "(workspace.absent)" in done.stderr and "'nope'" in done.stderr
    down = offline(sort, "add", "early", "-w", "nope")
    assert down.returncode != 0 and "(workspace.absent)" in down.stderr
    for home in (installation, tmp_path / "home"):
        assert not [path for path in home.rglob("*") if "early" in path.name]
    assert "early" not in online("audit", "query", "--kind", "credential", "-o", "json").stdout


def test_rights_in_every_workspace_are_told_unless_one_is_said(online: Treering) -> None:
    answer(online, "workspace", "create", "--name", "vault")
    answer(online, "publisher", "add", "ci", "-w", "vault")

    def found(*arguments: str, name: str) -> list[str]:
        return [one["workspace"] for one in answer(online, *arguments) if name in (one.get("who"), one.get("name"))]

    try:
        for arguments, name in ((("audit", "ask", "access"), "ci"), (("credential", "list"), "publisher:ci")):
            assert found(*arguments, name=name) == ["vault"]
            assert found(*arguments, "-w", "main", name=name) == []
            assert found(*arguments, "-w", "vault", name=name) == ["vault"]
            assert "vault" in online(*arguments, "-o", "table").stdout
        assert online("audit", "ask", "access", "-w", "nope").returncode != 0
    finally:
        assert online("publisher", "remove", "ci").returncode == 0


def test_witnesses_come_and_go_by_whoever_said_so(online: Treering, name: str, tmp_path: Path) -> None:
    answer(online, "witness", "add", "file", str(tmp_path / "w"), "--name", "notary")
    assert "witness" in [one["sort"] for one in answer(online, "audit", "ask", "access")]
    answer(online, "witness", "remove", "notary")
    said = answer(online, "story", "witness/notary")
    assert [(one["type"], one["by"]) for one in said] == [("witness.added", name), ("witness.removed", name)]


def test_sql_has_the_name_beside_the_id(online: Treering, name: str) -> None:
    sql = "SELECT actor, actor_name FROM events WHERE kind = 'experiment' AND name = 'named' LIMIT 1"
    (row,) = answer(online, "audit", "sql", sql)
    assert row["actor"].startswith("u_") and row["actor_name"] == name
    (row,) = answer(online, "audit", "sql", "SELECT created_by_name AS who FROM resources WHERE name = 'named'")
    assert row["who"] == name
    (row,) = answer(
        online, "audit", "sql", "SELECT actor_name AS who FROM events WHERE actor LIKE 'service:r%' LIMIT 1"
    )
    assert row["who"] == "service:registry"


def test_names_are_in_a_proof_on_request_only(online: Treering, name: str, tmp_path: Path) -> None:
    plain, named = tmp_path / "plain", tmp_path / "named"
    for file, more in ((plain, ()), (named, ("--names",))):
        done = online("audit", "prove", "experiment/named", *more, "-o", str(file))
        assert done.returncode == 0, done.stderr
    assert answer(online, "audit", "check", str(named))["actor_name"] == name
    assert "actor_name" not in answer(online, "audit", "check", str(plain))


def test_a_name_rewritten_on_disk_is_shown_nowhere_and_named_by_verify_and_doctor(
    online: Treering, forged: str, tmp_path: Path
) -> None:
    assert answer(online, "experiment", "show", "--name", "named")["creation_context"]["created_by"] == forged
    (row,) = answer(online, "audit", "sql", "SELECT actor_name FROM events WHERE name = 'named' LIMIT 1")
    assert row["actor_name"] == forged
    done = online("log", "verify")
    assert done.returncode == 1 and f"names {forged} otherwise than the log was told" in done.stderr
    assert json.loads(done.stdout)["ok"] is True
    found = {one["check"]: one["state"] for one in json.loads(online("doctor", "-o", "json").stdout)}
    assert found["names"] == "wrong"
    done = online("audit", "prove", "experiment/named", "--names", "-o", str(tmp_path / "p"))
    assert done.returncode == 1 and "(proof.name)" in done.stderr


def test_a_person_gets_another_name_by_an_event(online: Treering, name: str) -> None:
    answer(online, "credential", "rename", name, "--to", "Anna Berg")
    try:
        assert answer(online, "experiment", "show", "--name", "named")["creation_context"]["created_by"] == "Anna Berg"
        assert answer(online, "log", "verify")["beside"] == []
    finally:
        answer(online, "credential", "rename", "Anna Berg", "--to", name)
    done = online("audit", "query", "--actor", "Anna Berg")
    assert done.returncode != 0 and "(names of before are not kept)" in done.stderr
    types = [one["type"] for one in answer(online, "audit", "query", "--type", "credential.*")]
    assert types.count("credential.renamed") == 2


@pytest.mark.parametrize("who", ["u_nobody", "user:u_nobody", "nobody"])
def test_who_is_no_person_is_refused_before_anything_is_asked(online: Treering, who: str) -> None:
    for arguments in (("erase", who), ("erase", who, "--yes"), ("rename", who, "--to", "x")):
        done = online("credential", *arguments, input="")
        assert done.returncode != 0 and "(credential.absent)" in done.stderr, done.stderr
        assert "for ever?" not in done.stderr + done.stdout and repr(who) in done.stderr
