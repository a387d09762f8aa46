"""Which folders of the machine an operator may show to jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from treering.adapters.sandbox.shown_paths import VARIABLE, ShownPath, shown_paths
from treering.kernel.refusal import Refused


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home" / "keys").mkdir(parents=True)
    return tmp_path / "home"


def test_options_and_the_variable_are_shown_and_writable_only_where_it_is_written(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("data", "scratch", "more"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv(VARIABLE, f"{tmp_path}/more, ,")
    found = shown_paths([f"{tmp_path}/data", f"{tmp_path}/scratch:rw"], home)
    assert found == (
        ShownPath(tmp_path / "data", False), ShownPath(tmp_path / "scratch", True), ShownPath(tmp_path / "more", False),
    )  # fmt: skip


@pytest.mark.parametrize("given", ["data", "/absent/folder", "{home}", "{home}/keys", "{home}/..", "{link}", "/"])
def test_a_path_that_is_not_there_or_shows_the_home_is_refused(home: Path, tmp_path: Path, given: str) -> None:
    link = tmp_path / "link"
    link.symlink_to(home / "keys")
    with pytest.raises(Refused) as refused:
        shown_paths([given.format(home=home, link=link)], home)
    assert refused.value.code == "sandbox.path"
