"""No file that an installation relies on is the same file as one that a job can write."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.test_backup import treering
from tests.system.up import up

from treering.config import Home

pytestmark = pytest.mark.anyio
# In the job: every file it is given, by folder, that has a second name somewhere.
JOB = """\
$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
name: {name}
command: >-
  env | grep -E '^UV_(CACHE|PYTHON_INSTALL)_DIR=' ;
  find .. "$VIRTUAL_ENV" "$AZURE_ML_INPUT_folder" "$AZURE_ML_INPUT_file" -type f -links +1 | sed 's/^/linked: /' ;
  cat "$AZURE_ML_INPUT_file" data.txt ;
  chmod u+w "$AZURE_ML_INPUT_file" "$AZURE_ML_INPUT_folder/one.txt" ;
  echo changed | tee "$AZURE_ML_INPUT_file" "$AZURE_ML_INPUT_folder/one.txt" data.txt > /dev/null ;
  echo looked
code: ./src
environment:
  conda_file: {{dependencies: [python=3.11, pip, {{pip: [{package}]}}]}}
inputs:
  folder: {{type: uri_folder, path: ./data}}
  file: {{type: uri_file, path: ./data/one.txt}}
compute: local
"""


def linked(folder: Path) -> Iterator[str]:
    for path, _, names in os.walk(folder):
        for name in names:
            if os.lstat(os.path.join(path, name)).st_nlink > 1:
                yield os.path.join(path, name)


async def test_a_job_shares_no_file_with_the_store_the_environments_the_cache_or_another_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, cache = Home(tmp_path / "home"), tmp_path / "cache"
    monkeypatch.setenv("UV_CACHE_DIR", str(cache))
    monkeypatch.setenv("UV_LINK_MODE", "hardlink")
    for folder in ("src", "data"):
        (tmp_path / folder).mkdir()
    (tmp_path / "src" / "data.txt").write_text("true code\n")
    (tmp_path / "data" / "one.txt").write_text("true data\n")
    consoles = []
    async with up(home.root):
        # Two jobs with the same inputs; two environments with the same package.
        for name, package in (("one", "pyjokes"), ("two", '"pyjokes>0.1"')):
            (tmp_path / f"{name}.yml").write_text(JOB.format(name=name, package=package))
            done = await treering(home, "job", "create", "-f", str(tmp_path / f"{name}.yml"), "--stream")
            assert "looked" in done.stdout, (done.stdout, done.stderr)
            consoles.append(done.stdout)
        assert (await treering(home, "blob", "verify")).returncode == 0
    for console in consoles:
        assert "linked: " not in console and "UV_" not in console
        assert "true data" in console and "true code" in console
    assert [path for place in (home.root, cache) for path in linked(place)] == []
