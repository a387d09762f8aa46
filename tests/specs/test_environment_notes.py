"""What is said of an environment that is accepted: indexes the operator must list, texts that are not kept whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from treering.client.environments import load_environment
from treering.kernel.refusal import Refused
from treering.specs.prepared import load_job
from treering.specs.validate import judge

INDEX = "https://wheels.example/cpu"
LISTED = f"names the package index {INDEX}, which the operator must have listed in TREERING_INDEXES"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "r.txt").write_text(f"--extra-index-url {INDEX}\ntorch\n")
    (tmp_path / "conda.yml").write_text(f"dependencies: [python=3.11, {{pip: [--index-url {INDEX}, torch]}}]\n")
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / "Dockerfile").write_text(f"FROM python:3.11\nRUN pip install torch -i {INDEX}\n")
    return tmp_path


def file(folder: Path, text: str) -> Path:
    (folder / "x.yml").write_text(text)
    return folder / "x.yml"


@pytest.mark.parametrize(
    "written",
    ["{python: '3.11', requirements: r.txt}", "{image: python, conda_file: conda.yml}", "{build: {path: image}}"],
)
def test_an_index_that_is_named_is_noted_for_jobs_and_environments(folder: Path, written: str) -> None:
    job = judge(file(folder, f"command: echo\nenvironment: {written}\n"))
    assert job.submittable
    assert [(one.line, one.key, one.message) for one in job.notes] == [(2, "environment", LISTED)]
    environment = file(folder, f"name: e\n{written[1:-1].replace(', ', chr(10))}\n")
    assert judge(environment).submittable and [one.message for one in judge(environment).notes] == [LISTED]
    said: list[str] = []
    load_environment(environment, (), notes=said)
    assert LISTED in said[0]


@pytest.mark.parametrize("option", ["--find-links", "-f"])
def test_a_page_of_links_is_refused_with_what_to_write_instead(folder: Path, option: str) -> None:
    (folder / "r.txt").write_text(f"{option} https://me:pw@wheels.example/x.html\ntorch\n")
    (problem,) = judge(file(folder, "command: echo\nenvironment: {python: '3.11', requirements: r.txt}\n")).problems
    assert (
        "r.txt:1" in problem.message
        and "--extra-index-url" in problem.message
        and "TREERING_INDEXES" in problem.message
    )
    assert "pw" not in problem.message


KINDS = {
    "job": "command: echo\nenvironment: {python: '3.11'}\n",
    "environment": "name: e\npython: '3.11'\n",
    "model": "$schema: https://azuremlschemas.azureedge.net/latest/model.schema.json\nname: m\npath: r.txt\n",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_credential_that_is_left_out_of_a_text_is_noted(folder: Path, kind: str) -> None:
    path = file(folder, f"{KINDS[kind]}tags: {{repo: 'https://me:canary-77@git.example/x'}}\ndescription: plain\n")
    judged = judge(path)
    (note,) = judged.notes
    assert judged.submittable and note.key == "tags.repo"
    assert note.message.startswith("is kept without what is secret in its address") and "canary" not in note.message


def test_a_job_is_told_which_texts_were_not_kept_whole(folder: Path) -> None:
    path = file(folder, f"{KINDS['job']}tags: {{repo: 'https://me:canary-77@git.example/x'}}\n")
    assert [note.partition(" ")[0] for note in load_job(path).notes] == ["tags.repo"]


@pytest.mark.parametrize("name", ["bad name", "a=b", " a", ""])
def test_a_name_that_no_variable_can_have_is_refused(folder: Path, name: str) -> None:
    (folder / "conda.yml").write_text(f'dependencies: [python=3.11]\nvariables: {{"{name}": x}}\n')
    for text in (
        "name: e\nimage: python\nconda_file: conda.yml\n",
        KINDS["job"].replace("{python: '3.11'}", "{image: python, conda_file: conda.yml}"),
    ):
        (problem,) = judge(file(folder, text)).problems
        assert "no name of a variable" in problem.message or "is empty" in problem.message
    with pytest.raises(Refused, match=r"job\.variable"):
        load_environment(file(folder, "name: e\nimage: python\nconda_file: conda.yml\n"), ())


def test_what_is_passed_over_of_a_conda_file_is_noted_and_kept_with_the_job(folder: Path) -> None:
    (folder / "conda.yml").write_text(
        "channels: [conda-forge, nodefaults, https://conda.corp.example/t/tk-canary/ours]\n"
        "dependencies:\n- python=3.11\n- cudatoolkit=11.3\n- pytorch=2.0=*cuda*\n- numpy=1.26=py311h0\n- libffi=3.4\n"
    )
    path = file(folder, "command: echo\nenvironment: {image: python, conda_file: conda.yml}\n")
    notes = [one.partition(": ")[2] for one in load_job(path).notes]
    assert notes == [
        "cudatoolkit is not installed: the wheels bring what they need of it",
        "pytorch: its version is installed, not the build 'cuda'",
        "'ours' is not asked: packages come from the package index",
    ]
    assert [one.line for one in judge(path).notes] == [4, 5, 1]
    environment = file(folder, "name: e\nimage: python\nconda_file: conda.yml\n")
    assert len(judge(environment).notes) == 3


@pytest.mark.parametrize(
    ("written", "key", "beside"),
    [
        ("image: python\nbuild: {path: image}", "image", "build"),
        ("conda_file: conda.yml\nbuild: {path: image}", "conda_file", "build"),
        ("requirements: r.txt\nbuild: {path: image}", "requirements", "build"),
        ("python: '3.11'\nconda_file: conda.yml", "python", "conda_file"),
        ("requirements: [six]\nconda_file: conda.yml", "requirements", "conda_file"),
    ],
)
def test_a_source_that_would_be_left_out_is_refused(folder: Path, written: str, key: str, beside: str) -> None:
    said = f"cannot stand beside {beside}, which says the whole environment"
    inline = f"command: echo\nenvironment:\n  {written.replace(chr(10), chr(10) + '  ')}\n"
    (problem,) = judge(file(folder, inline)).problems
    assert (problem.key, problem.message.startswith(said)) == (f"environment.{key}", True)
    alone = file(folder, f"name: e\n{written}\n")
    (problem,) = judge(alone).problems
    assert (problem.key, problem.message.startswith(said)) == (key, True)
    with pytest.raises(Refused, match=said):
        load_environment(alone, ())
    (folder / "job.yml").write_text("command: echo\nenvironment: file:x.yml\n")
    assert [said in one.message for one in judge(folder / "job.yml").problems] == [True]


def test_options_that_exclude_each_other_are_refused_by_their_names(folder: Path) -> None:
    with pytest.raises(Refused) as refused:
        options = {"name": "e", "image": "python", "conda_file": str(folder / "conda.yml")}
        load_environment(None, (f"build.path='{folder / 'image'}'",), options)
    said = refused.value.detail.splitlines()
    assert [line.partition(":")[0] for line in said] == ["--image", "--conda-file"]


def test_what_of_a_dockerfile_is_left_out_is_noted_by_its_line(folder: Path) -> None:
    (folder / "image" / "r.txt").write_text("six\n")
    (folder / "image" / "Dockerfile").write_text(
        "FROM python:3.11\nCOPY r.txt /tmp/\nRUN pip install -r /tmp/r.txt 2>/dev/null\nCOPY . /app\n"
        "ADD https://x.example/a.tar /data/\nRUN useradd -m me && echo hi > /etc/motd\n"
        "ENV LD_LIBRARY_PATH=/opt/lib A=1\nUSER me\n"
    )
    job = judge(file(folder, "command: echo\nenvironment: {build: {path: image}}\n"))
    said = [(one.line, " ".join(one.message.split()[1:4])) for one in job.notes]
    assert job.submittable and said == [
        (4, "the files it"),
        (5, "the files it"),
        (6, "'echo > /etc/motd'"),
        (6, "'useradd' is left"),
        (7, "LD_LIBRARY_PATH is left"),
        (8, "jobs run as"),
    ]
    environment = file(folder, "name: e\nbuild: {path: image}\n")
    assert [one.line for one in judge(environment).notes] == [4, 5, 6, 6, 7, 8]
    assert len(load_job(file(folder, "command: echo\nenvironment: {build: {path: image}}\n")).notes) == 6


@pytest.mark.parametrize("line", ["conda install -c https://corp.example numpy", "conda config --add channels ours"])
def test_a_channel_of_conda_in_a_dockerfile_is_noted(folder: Path, line: str) -> None:
    (folder / "image" / "Dockerfile").write_text(f"FROM python:3.11\nRUN {line}\n")
    (note,) = judge(file(folder, "name: e\nbuild: {path: image}\n")).notes
    assert note.line == 2 and "channels of conda are not asked" in note.message
