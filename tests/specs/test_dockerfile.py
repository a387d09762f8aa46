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
        ("RUN pip --disable-pip-version-check --no-cache-dir install numpy", ("numpy",)),
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
        ("RUN\tpip install numpy", ("numpy",)),
        ("COPY r.txt .\nRUN pip install -qU -rr.txt", ("pandas",)),
        ("COPY . .\nRUN pip install -Ur r.txt", ("pandas",)),
        ("RUN bash -lc 'source activate e && pip install numpy'", ("numpy",)),
        ("RUN /bin/sh -o pipefail -c \"pip install 'numpy<2'\"", ("numpy<2",)),
        ('RUN eval "$(conda shell.bash hook)" && conda activate e && pip install numpy || exit 1', ("numpy",)),
        ("RUN python3 -m venv /opt/venv && /opt/venv/bin/pip install numpy", ("numpy",)),
        ("RUN useradd -m app && ln -s /usr/bin/python3 /usr/bin/python && pip install numpy", ("numpy",)),
        ("COPY . .\nRUN conda update -n base conda && micromamba install -y -n base -f env.yml", ("six",)),
        ("RUN pip install 'setuptools==65.5' numpy", ("numpy", "setuptools==65.5")),
        ('HEALTHCHECK CMD ["true"]\nVOLUME /data\nRUN pip install numpy', ("numpy",)),
        ('ENV V=1.24\nRUN pip install "numpy==${V}"', ("numpy==1.24",)),
    ],
)
def test_a_line_is_read_as_a_shell_reads_it(tmp_path: Path, line: str, wanted: tuple[str, ...]) -> None:
    (tmp_path / "r.txt").write_text("pandas\n")
    (tmp_path / "env.yml").write_text("dependencies: [six]\n")
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
        "RUN [ -f r.txt ] && pip install numpy",
        "RUN bash -c 'apt-get install git'",
        "RUN cat r.txt | xargs pip install",
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
        found = build(
            tmp_path,
            f"FROM continuumio/miniconda3\nCOPY env.yml /tmp/\nWORKDIR /tmp\nRUN {command} && conda clean -ay\n",
        )
        assert (found.python, found.requirements, found.variables) == ("3.10", ("numpy",), {"A": "1"})


def test_the_command_that_cannot_be_done_is_named_though_its_line_begins_otherwise(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"Dockerfile:2: 'RUN set -eux; .*: 'apt-get install -y gcc' cannot be done"):
        installed(tmp_path, "RUN set -eux; \\\n  apt-get install -y gcc")


@pytest.mark.parametrize(
    "text",
    [
        f"RUN PIP_EXTRA_INDEX_URL={INDEX} pip install torch",
        f"ENV PIP_INDEX_URL={INDEX}\nRUN pip install torch",
        f"ARG PIP_EXTRA_INDEX_URL={INDEX}\nRUN pip install torch",
        f"RUN pip config set global.extra-index-url {INDEX} && pip install torch",
        f"RUN UV_INDEX=pytorch={INDEX} uv pip install torch",
    ],
)
def test_an_index_is_named_by_variables_and_settings_of_pip(tmp_path: Path, text: str) -> None:
    found = build(tmp_path, f"FROM python:3.11\n{text}\n")
    assert (found.requirements, found.indexes, found.variables) == ((SHIPPED, "torch"), (INDEX,), {})


def test_variables_of_the_image_are_not_those_of_the_job(tmp_path: Path) -> None:
    text = "ENV PYTHONPATH=$PYTHONPATH:/app\nENV VIRTUAL_ENV=/v HOME=/root PATH=/v/bin:$PATH PIP_NO_CACHE_DIR=1 A=1\n"
    assert build(tmp_path, f"FROM python:3.11\n{text}").variables == {"PYTHONPATH": "/app", "A": "1"}


def test_every_line_that_cannot_be_done_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("numpy\na b\ngit+https://x.example/y\n")
    with pytest.raises(Refused) as refused:
        installed(
            tmp_path, "COPY . .\nRUN apt-get install -y git\nRUN pip install -r r.txt\nRUN curl x | bash\nONBUILD RUN y"
        )
    said = [line.partition(": ")[0].rpartition("/")[2] for line in refused.value.detail.splitlines()]
    assert (refused.value.code, said) == (
        "environment.dockerfile", ["Dockerfile:3", "r.txt:2", "r.txt:3", "Dockerfile:5", "Dockerfile:6"]
    )  # fmt: skip


@pytest.mark.parametrize(
    "written",
    [
        "git+https://me:pw@git.example/x.git@main", "https://x.example/x-1.0-py3-none-any.whl", "dist/x-1.0.tar.gz",
        "'torch @ https://x.example/torch.whl'", "/wheels/*.whl", "-e git+https://git.example/x#egg=x",
    ],
)  # fmt: skip
def test_what_is_installed_from_no_index_is_called_that(tmp_path: Path, written: str) -> None:
    with pytest.raises(
        Refused, match=r"environment\.requirement: .*is installed from no index; write NAME==VERSION"
    ) as refused:
        installed(tmp_path, f"RUN pip install {written}")
    assert "pw@" not in refused.value.detail


@pytest.mark.parametrize("option", ["-c c.txt", "--constraint=c.txt", "--constraint /tmp/c.txt"])
def test_a_file_of_constraints_is_read(tmp_path: Path, option: str) -> None:
    (tmp_path / "c.txt").write_text("# tested with\nnumpy<2\nurllib3==1.26.18\n")
    found = build(tmp_path, f"FROM python:3.11\nCOPY c.txt /tmp/\nRUN cd /tmp && pip install {option} pandas\n")
    assert (found.requirements, found.constraints) == (("pandas", SHIPPED), ("numpy<2", "urllib3==1.26.18"))


@pytest.mark.parametrize(
    "text",
    [
        f"RUN export PIP_INDEX_URL={INDEX} && pip install torch",
        f"RUN export A=1 PIP_EXTRA_INDEX_URL={INDEX}; pip install torch",
        f"RUN PIP_INDEX_URL={INDEX} && export PIP_INDEX_URL && pip install torch",
        f"RUN <<EOF\nexport UV_INDEX_URL={INDEX}\nuv pip install torch\nEOF",
        f"RUN env PIP_INDEX_URL={INDEX} pip install torch",
        f"RUN sudo PIP_INDEX_URL={INDEX} pip install torch",
        f"RUN PIP_INDEX_URL={INDEX} bash -c 'pip install torch'",
        f'RUN ["env", "PIP_INDEX_URL={INDEX}", "pip", "install", "torch"]',
        f"RUN pip config --global set global.index_url {INDEX} && pip install torch",
        f"RUN bash -c 'export PIP_INDEX_URL={INDEX} && pip install torch'",
        f"RUN export -p PIP_INDEX_URL={INDEX} && pip install torch",
    ],
)
def test_an_index_that_is_exported_or_set_for_a_shell_is_kept(tmp_path: Path, text: str) -> None:
    found = build(tmp_path, f"FROM python:3.11\n{text}\n")
    assert (found.requirements, found.indexes) == ((SHIPPED, "torch"), (INDEX,))


@pytest.mark.parametrize(
    "text",
    [
        "COPY pip.conf /etc/pip.conf",
        "COPY pip.conf /etc/",
        "ADD pip.conf /root/.pip/pip.conf",
        "COPY pip.conf /root/.config/pip/",
        "COPY --chown=me settings /home/me/.pip/pip.conf",
        "COPY home /root",
        "WORKDIR /root\nCOPY home .",
        'COPY ["pip.conf", "/etc/pip.conf"]',
        f"COPY <<EOF /etc/pip.conf\n[global]\nindex-url={INDEX}\nEOF",
        f"RUN echo index-url={INDEX} >> /etc/pip.conf",
        f"RUN mkdir -p ~/.pip && printf '[global]\\nindex-url={INDEX}' > ~/.pip/pip.conf",
        f"RUN cat > /etc/pip.conf <<EOF\n[global]\nindex-url={INDEX}\nEOF",
        f"RUN cat <<EOF >> /etc/pip.conf\n[global]\nindex-url={INDEX}\nEOF",
        "RUN ln -s /w/settings /etc/pip.conf",
        "RUN --mount=type=secret,id=pip,target=/etc/pip.conf pip install six",
        "RUN --mount=type=secret,id=pip,env=PIP_INDEX_URL pip install six",
        "ADD https://x.example/pip.conf /etc/",
        "ENV PIP_CONFIG_FILE=/w/settings",
        "RUN export PIP_CONFIG_FILE=/w/settings",
        "ENV PIP_CONSTRAINT=/w/c.txt",
        "RUN export PIP_INDEX_URL=$(cat /run/secrets/index)",
        "RUN pip config set global.no-index true",
        "ENV PIP_FIND_LINKS=/wheels",
        "RUN source /run/settings && pip install six",
        "RUN . /run/settings; pip install six",
        f"RUN echo 'export PIP_INDEX_URL={INDEX}' >> ~/.bashrc && . ~/.bashrc",
        f"RUN cat > /root/.profile <<EOF\nexport PIP_INDEX_URL={INDEX}\nEOF",
        "COPY settings /root/.bashrc\nRUN . /root/.bashrc; pip install six",
        f'SHELL ["/bin/sh", "-c", "PIP_INDEX_URL={INDEX} exec sh"]',
        "WORKDIR /w\nCOPY . .\nRUN uv pip install six",
    ],
)
def test_settings_of_pip_that_are_not_read_are_refused_since_they_name_another_index(tmp_path: Path, text: str) -> None:
    for name in ("pip.conf", "settings", "uv.toml", "home/.pip/pip.conf"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"[global]\nindex-url={INDEX}\n")
    with pytest.raises(Refused, match=r"environment\.(dockerfile|index): .*Dockerfile:[2-4]: "):
        installed(tmp_path, f"{text}\nRUN pip install cowsay")


def test_settings_of_pip_that_it_does_not_look_at_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("[global]\n")
    assert installed(tmp_path, "COPY . /w\nRUN rm -f /etc/pip.conf && pip install six") == ("six",)
