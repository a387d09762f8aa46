"""What the command line does without an installation: help, usage, validation, and how it fails."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from tests.cli.conftest import Treering

HEAVY = ("rich", "msgspec", "yaml", "jmespath", "nats", "anyio", "asyncio", "http.client")
GOOD = "command: echo hi\nenvironment:\n  python: '3.11'\n"


def loaded_by(*arguments: str) -> set[str]:
    code = (
        f"import sys\nfrom treering.cli.main import run\nrun({list(arguments)!r})\nprint(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stderr.split())


OF_KINDS = [
    "experiment update",
    "model update",
    "compute create",
    "compute delete",
    "workspace show",
    "node join",
    "webhook",
]


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("job", "--help"), ("job", "show", "--help"), *((*words.split(), "--help") for words in OF_KINDS)],
)
def test_help_loads_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert loaded_by(*arguments).isdisjoint(HEAVY)


def test_showing_loads_neither_the_domain_nor_rich(tmp_path: Path) -> None:
    loaded = loaded_by("--home", str(tmp_path), "job", "show", "j1")
    assert loaded.isdisjoint({"rich", "msgspec", "yaml", "asyncio", "treering.domain"})


def test_every_command_of_the_table_is_there() -> None:
    from treering.cli import job
    from treering.cli.main import COMMANDS, root

    context = root.make_context("treering", ["status"], resilient_parsing=True)
    assert all(root.get_command(context, name) for name in COMMANDS)
    assert all(job.job.get_command(context, name) for name in job.VERBS)


def test_the_version_is_told_without_an_installation(offline: Treering) -> None:
    done = offline("--version")
    assert (done.returncode, done.stdout) == (0, f"treering {version('treering')}\n")


def test_nothing_running_is_exit_3_and_says_what_to_do(offline: Treering) -> None:
    done = offline("job", "list")
    assert done.returncode == 3
    assert done.stderr.endswith("start it with `treering up` (not_running)\n")


def test_a_dead_address_is_exit_3(offline: Treering) -> None:
    done = offline("status", TREERING_URL="http://127.0.0.1:9")
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)


@pytest.mark.parametrize("arguments", [("frob",), ("job", "show"), ("job", "show", "a", "-n", "b"), ("show", "j1")])
def test_wrong_usage_is_exit_2(offline: Treering, arguments: tuple[str, ...]) -> None:
    done = offline(*arguments)
    assert done.returncode == 2
    assert "error: " in done.stderr


def test_a_group_without_a_verb_shows_its_verbs_once(offline: Treering) -> None:
    done = offline("job")
    assert done.returncode == 2
    assert done.stderr.count("Usage: ") == 1 and "cancel" in done.stderr


def test_a_join_token_can_be_kept_out_of_the_command_line(offline: Treering, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    join = ("node", "join", "http://127.0.0.1:9", "-n", "n", "--compute", "c", "--home", str(tmp_path / "node"))
    assert "--token-file" in offline(*join).stderr
    done = offline(*join, "--token-file", str(tmp_path / "token"))
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)  # it went on to ask the installation


def test_a_wrong_address_is_refused_in_one_line(offline: Treering) -> None:
    done = offline("status", TREERING_URL="ftp://x")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "(url.invalid)" in done.stderr


def test_validate_names_file_line_and_key(offline: Treering, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yml"
    bad.write_text(GOOD + "inputs:\n  x: 1\ncompte: local\n")
    done = offline("validate", str(bad))
    assert done.returncode == 1
    assert done.stdout.startswith(f"{bad}:6: compte: ")


def test_validate_judges_files_from_places_and_options(offline: Treering, tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(GOOD)
    (tmp_path / "b.yml").write_text(GOOD)
    done = offline("validate", "-f", str(tmp_path / "a.yml"), str(tmp_path / "b.yml"), "-o", "json")
    assert done.returncode == 0
    assert [one["accepted"] for one in json.loads(done.stdout)] == [True, True]


def test_query_selects_from_the_answer(offline: Treering, tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(GOOD)
    done = offline("validate", str(tmp_path / "a.yml"), "--query", "[0].kind", "-o", "tsv")
    assert done.stdout == "job/command\n"


def test_a_bad_query_is_refused_in_one_line(offline: Treering, tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(GOOD)
    done = offline("validate", str(tmp_path / "a.yml"), "--query", "[")
    assert done.returncode == 1
    assert "(query.invalid)" in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437"])
def test_a_console_that_cannot_show_a_character_does_not_crash(
    offline: Treering, tmp_path: Path, encoding: str
) -> None:
    file = tmp_path / "データ.yml"
    file.write_text("command: 7\nключ: 1\n")
    for more in ((), ("-o", "json"), ("-o", "table"), ("-o", "yaml")):
        done = offline("validate", str(file), *more, PYTHONIOENCODING=encoding)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr


def test_json_stays_json_on_a_console_without_unicode(offline: Treering, tmp_path: Path) -> None:
    file = tmp_path / "データ.yml"
    file.write_text(GOOD)
    done = offline("validate", str(file), "-o", "json", PYTHONIOENCODING="ascii")
    assert json.loads(done.stdout)[0]["file"] == str(file)


def test_validate_says_what_create_would_say_of_files_that_are_not_there(offline: Treering, tmp_path: Path) -> None:
    file = tmp_path / "job.yml"
    text = GOOD + "code: ./src\ninputs:\n  d: {type: uri_file, path: ./data.csv}\n"
    file.write_text(text)
    done = offline("validate", str(file))
    created = offline("job", "create", "-f", str(file))
    assert done.returncode == 1 and "there is no folder './src'" in done.stdout and "data.csv" in done.stdout
    assert [line for line in done.stdout.splitlines() if line not in created.stderr] == []
    (tmp_path / "src").mkdir()
    (tmp_path / "data.csv").write_text("1")
    assert offline("validate", str(file)).returncode == 0
    model = tmp_path / "model.yml"
    model.write_text(
        "$schema: https://azuremlschemas.azureedge.net/latest/model.schema.json\nname: m\npath: ./absent\n"
    )
    done = offline("validate", str(model))
    assert done.returncode == 1 and "there is no './absent'" in done.stdout


def test_up_does_not_take_servers_it_would_not_use(offline: Treering) -> None:
    for name in (("up",), ("service", "nats")):
        done = offline(*name, "--nats", "nats://127.0.0.1:1")
        assert done.returncode == 2 and "treering service NAME --nats URL" in done.stderr
