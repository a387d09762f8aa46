"""The experiment of a job that names none."""

from __future__ import annotations

from pathlib import Path

import pytest

from treering.client.submission import experiment_here


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("/home/anna/digits", "digits"),
        ("/home/anna/my digits", "mydigits"),
        ("/home/anna/digits.v2", "digits"),
        ("/home/anna/(old) digits", "_old_digits"),
        ("/home/anna/-x", "x"),
        ("/", "Default"),
    ],
)
def test_it_is_called_as_the_folder_it_is_submitted_from(folder: str, name: str) -> None:
    assert experiment_here(Path(folder)) == name
