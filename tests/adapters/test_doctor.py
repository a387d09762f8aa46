"""The doctor goes on where one of its checks cannot."""

from __future__ import annotations

from pathlib import Path

from treering.adapters.doctor import checked
from treering.adapters.findings import Finding, ok
from treering.config import Home


def test_a_folder_that_this_user_may_not_read_is_said_and_the_other_checks_go_on(as_nobody: Path) -> None:
    home = Home(as_nobody / "home")
    home.create()
    (home.keys / "nats").mkdir()
    home.keys.chmod(0)
    found = ok("disk", "there is room")
    assert [*checked("disk", lambda home: iter([found]), home)] == [found]
    (said,) = checked("home", lambda home: iter([Finding("home", "ok", f"{[*home.keys.iterdir()]}")]), home)
    assert said.state == "warning" and f"{home.keys}: Permission denied" in said.found
