"""Why an environment could not be made: the cause is in the message, all of it in the log, an address in neither."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from treering.adapters.environments import Environments
from treering.adapters.uv_words import reason, whole
from treering.domain.job_spec import EnvironmentSpec
from treering.kernel.refusal import Refused

FRAMES = "".join(
    f'           File "/a/b{number}.py", line 3, in build\n             build(again)\n' for number in range(40)
)
FAILED = f"""Resolved 3 packages in 5ms
error: Failed to build `chainer==7.8.1`
  cause: The build backend returned an error
  cause: Call to `setuptools.build_meta:__legacy__.build_wheel` failed (exit status: 1)

         [stdout]
         running egg_info

         [stderr]
         Traceback (most recent call last):
{FRAMES}         ModuleNotFoundError: No module named 'pkg_resources'

hint: This error likely indicates that `chainer@7.8.1` depends on `pkg_resources`
"""
SETUP = """
import sys
for number in range(300):
    print(f"compiling file number {number} with a long command line")
print("foo.c:3:10: fatal error: Python.h: No such file", file=sys.stderr)
sys.exit("error: command 'gcc' failed with exit code 1")
"""


def test_the_cause_is_the_exception_and_not_its_frames() -> None:
    said = reason(FAILED, 1000)
    assert said.startswith("Failed to build `chainer==7.8.1`")
    assert "ModuleNotFoundError: No module named 'pkg_resources' hint: This error" in said
    assert ".py" not in said and "egg_info" not in said and "Resolved" not in said


def test_of_a_long_text_its_end_is_kept() -> None:
    lines = "\n".join(f"         step {number}" for number in range(1000))
    said = reason(f"error: Failed to build `a==1`\n\n         [stderr]\n{lines}\n         gcc: no such file\n", 400)
    assert len(said) <= 400
    assert said.startswith("Failed to build `a==1` ... ") and said.endswith("step 999 gcc: no such file")


def test_the_first_error_of_a_compiler_stands_before_the_end_of_what_it_said() -> None:
    warnings = "\n".join(f"         a.c:{number}:1: warning: unused" for number in range(500))
    command = f'         error: Command "gcc {"-Iinclude/of/something " * 200}-c a.c" failed with exit status 1'
    error = "a.c:7:12: fatal error: Python.h: No such file or directory"
    said = reason(f"error: Failed to build `a==1`\n\n  [stderr]\n         {error}\n{warnings}\n{command}\n", 600)
    assert len(said) <= 600
    assert said.startswith(f"Failed to build `a==1` {error} ") and said.endswith('-c a.c" failed with exit status 1')
    elsewhere = reason(f"error: Failed to build `a==1`\n\n  [stdout]\n  {error}\n  [stderr]\n{command}\n", 600)
    assert elsewhere.startswith(f"Failed to build `a==1` {error} Command")


def test_of_a_long_conclusion_both_ends_are_kept() -> None:
    middle = ", ".join(f"a{number}==1" for number in range(500))
    said = reason(f"  × No solution found\n  ╰─▶ Because {middle}, your requirements are unsatisfiable.", 300)
    assert said.startswith("No solution found Because a0==1") and said.endswith("your requirements are unsatisfiable.")


def test_neither_form_has_an_address() -> None:
    text = "error: Failed to fetch: `https://me:pw@a.example/x`"
    assert reason(text, 100) == "Failed to fetch: `the package index`"
    assert whole(text) == "error: Failed to fetch: `the package index`"


@pytest.mark.anyio
async def test_a_build_that_fails_tells_its_cause_and_leaves_all_it_said_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "setup.py").write_text(SETUP)
    with tarfile.open(tmp_path / "broken-1.0.tar.gz", "w:gz") as packed:
        packed.add(tmp_path / "setup.py", "broken-1.0/setup.py")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path))
    said: list[str] = []
    with pytest.raises(Refused) as refused:
        await Environments(tmp_path / "envs").ready(EnvironmentSpec(requirements=("broken==1.0",)), said.append)
    assert refused.value.code == "environment.build_failed"
    assert "fatal error: Python.h: No such file error: command 'gcc' failed" in refused.value.detail
    assert len(refused.value.detail) <= 1020
    everything = said[-1].splitlines()
    assert all(any(f"number {number} with" in line for line in everything) for number in range(300))
