"""Dockerfiles as people write them: shell, arguments, here-documents, files of the context."""

from __future__ import annotations

from pathlib import Path

import pytest

from treering.domain.job_spec import EnvironmentSpec
from treering.kernel.refusal import Refused
from treering.specs.dockerfile import read_dockerfile

SHIPPED = 'setuptools<81; python_version < "3.12"'
INDEX = "https://download.pytorch.org/whl/cpu"


def build(folder: Path, text: str) -> EnvironmentSpec:
    (folder / "Dockerfile").write_text(text)
    return read_dockerfile(folder)


def installed(folder: Path, text: str) -> tuple[str, ...]:
    return tuple(one for one in build(folder, f"FROM python:3.11\n{text}\n").requirements if one != SHIPPED)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (
            """RUN pip install "pandas>=2; python_version >= '3.9'" numpy""",
            ("numpy", 'pandas>=2; python_version >= "3.9"'),
        ),
        (
            "RUN pip install 'pandas>=2;python_version>=\"3.9\"' && rm -rf /tmp/x",
            ('pandas>=2; python_version >= "3.9"',),
        ),
        ("RUN pip install pandas>=2", ("pandas",)),  # a shell writes to the file "=2"
        ("RUN pip install numpy\\ ", ("numpy",)),
        ("RUN pip install numpy 2>&1 >/dev/null", ("numpy",)),
        ("RUN pip install numpy # why", ("numpy",)),
        ("RUN pip install numpy;pip install pandas", ("numpy", "pandas")),
        ("RUN set -ex; cd /tmp && pip install numpy || true", ("numpy",)),
        ("RUN PIP_NO_CACHE_DIR=1 /opt/conda/bin/pip3.11 install numpy", ("numpy",)),
        ("RUN python3.11 -m pip --version && python -m pip install -U pip wheel 'numpy<2'", ("numpy<2",)),
        ("RUN conda run -n base --no-capture-output pip install numpy", ("numpy",)),
        ("RUN uv pip install --system numpy", ("numpy",)),
        ('RUN ["pip", "install", "numpy", "pandas>=2"]', ("numpy", "pandas>=2")),
        ("RUN --mount=type=cache,target=/root/.cache pip install numpy", ("numpy",)),
        ("RUN pip install --timeout 60 --retries=3 --trusted-host a.example numpy", ("numpy",)),
        ("RUN pip install \\\n  numpy \\\n  # tables\n  pandas", ("numpy", "pandas")),
        ("RUN <<EOF\npip install numpy\n\npip install \\\n  pandas\nEOF", ("numpy", "pandas")),
        ("RUN bash <<-'END'\n\tset -e\n\tpip install numpy\n\tEND", ("numpy",)),
        ("COPY <<EOF /tmp/r.txt\nnumpy\npandas>=2\nEOF\nRUN pip install -r /tmp/r.txt", ("numpy", "pandas>=2")),
        ("RUN cat > /tmp/r.txt <<EOF\nnumpy\nEOF\nRUN pip install -r /tmp/r.txt", ("numpy",)),
        ("ARG V=1.26\nRUN pip install numpy==$V", ("numpy==1.26",)),
        ("ARG V\nRUN pip install numpy==${V:-1.25}", ("numpy==1.25",)),
        ('ENV V=1.24\nRUN pip install "numpy==${V}"', ("numpy==1.24",)),
    ],
)
def test_a_line_is_read_as_a_shell_reads_it(tmp_path: Path, line: str, wanted: tuple[str, ...]) -> None:
    assert installed(tmp_path, line) == wanted


@pytest.mark.parametrize(
    "line",
    [
        "RUN pip install numpy==$V",  # nothing says what V is
        "RUN pip install 'numpy==${V}'",  # a shell puts nothing in between single quotes
        "ARG V=1\nRUN pip install 'numpy==$V'",
        "RUN pip install numpy | sh",
        "RUN (curl x)",
        "RUN pip install $(cat r.txt)",
        "RUN python -c 'print(1)'",
        "RUN python3 <<EOF\nprint(1)\nEOF",
        "RUN pip uninstall numpy",
        "RUN pip install --no-deps numpy",
        "RUN [pip]",
        "RUN apt-get update && apt-get install -y gcc",
    ],
)
def test_what_only_a_container_could_do_is_refused_by_its_line(tmp_path: Path, line: str) -> None:
    with pytest.raises(Refused, match=r"environment\.(dockerfile|requirement): .*Dockerfile:[23]: "):
        installed(tmp_path, line)


def test_an_argument_may_name_the_image(tmp_path: Path) -> None:
    assert build(tmp_path, "ARG TAG=3.10\nFROM --platform=linux/amd64 python:${TAG}-slim\n").python == "3.10"


def test_an_index_is_named_by_options_of_pip(tmp_path: Path) -> None:
    for option in (f"--extra-index-url {INDEX}", f"--index-url={INDEX}/", f"-i {INDEX}"):
        found = build(tmp_path, f"FROM python:3.11\nRUN pip install {option} torch\n")
        assert (found.requirements, found.indexes) == ((SHIPPED, "torch"), (INDEX,))


def test_a_conda_file_of_the_context_is_read(tmp_path: Path) -> None:
    (tmp_path / "env.yml").write_text("dependencies: [python=3.10, {pip: [numpy]}]\nvariables: {A: 1}\n")
    for command in ("conda env create -n x -f /tmp/env.yml", "mamba env update --file=env.yml --prune"):
        found = build(tmp_path, f"FROM continuumio/miniconda3\nCOPY env.yml /tmp/\nRUN {command} && conda clean -ay\n")
        assert (found.python, found.requirements, found.variables) == ("3.10", ("numpy",), {"A": "1"})


def test_the_command_that_cannot_be_done_is_named_though_its_line_begins_otherwise(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"Dockerfile:2: 'RUN set -eux; .*: 'apt-get install -y gcc' cannot be done"):
        installed(tmp_path, "RUN set -eux; \\\n  apt-get install -y gcc")
