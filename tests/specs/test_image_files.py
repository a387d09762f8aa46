"""Which file of the context a path of the image means, by COPY, WORKDIR, cd and bind mounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from treering.kernel.refusal import Refused
from treering.specs.dockerfile import read_dockerfile

SHIPPED = 'setuptools<81; python_version < "3.12"'
NEEDS = {
    "requirements.txt": "wrong\n",
    "prod.txt": "wrong\n",
    "base.txt": "wrong\n",
    "b/requirements.txt": "in-b\n",
    "reqs/requirements.txt": "in-reqs\n",
    "reqs/prod.txt": "in-prod\n",
    "nested/requirements.txt": "-r base.txt\n",
    "nested/base.txt": "in-base\n",
    "b/env.yml": "dependencies: [six]\n",
    "lib/pyproject.toml": "[project]\nname = 'x'\nversion = '1'\ndependencies = ['of-lib']\n",
}


@pytest.fixture
def context(tmp_path: Path) -> Path:
    for name, text in NEEDS.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def installed(context: Path, text: str) -> tuple[str, ...]:
    (context / "Dockerfile").write_text(f"FROM python:3.11\n{text}\n")
    return tuple(one for one in read_dockerfile(context).requirements if one != SHIPPED)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("COPY . /w\nRUN pip install -r /w/b/requirements.txt", "in-b"),
        ("COPY reqs/prod.txt /tmp/requirements.txt\nRUN pip install -r /tmp/requirements.txt", "in-prod"),
        ("COPY reqs /tmp\nRUN pip install -r /tmp/requirements.txt", "in-reqs"),
        ("COPY reqs/requirements.txt /tmp\nRUN pip install -r /tmp/requirements.txt", "in-reqs"),
        ("COPY b/requirements.txt reqs/prod.txt /x/\nRUN pip install -r /x/prod.txt", "in-prod"),
        ("COPY reqs/*.txt /x/\nRUN pip install -r /x/requirements.txt", "in-reqs"),
        ("WORKDIR /srv/reqs\nCOPY reqs/requirements.txt .\nRUN pip install -r requirements.txt", "in-reqs"),
        ("WORKDIR /srv\nWORKDIR app\nCOPY b ./\nRUN pip install -r /srv/app/requirements.txt", "in-b"),
        ("COPY . /w\nRUN cd /w/b && pip install -r requirements.txt", "in-b"),
        ("COPY . /w\nRUN cd /w; cd reqs; pip install -r ../b/requirements.txt", "in-b"),
        ("COPY . /w\nRUN bash -c 'cd /w/b && pip install -r requirements.txt'", "in-b"),
        ("COPY . /w\nWORKDIR /w/reqs\nRUN cd ../b\nRUN pip install -r requirements.txt", "in-reqs"),
        ("COPY . /w\nCOPY b/requirements.txt /w/requirements.txt\nRUN pip install -r /w/requirements.txt", "in-b"),
        ('COPY --chown=me ["b/requirements.txt", "/x/r.txt"]\nRUN pip install -r /x/r.txt', "in-b"),
        ("ARG D=/x\nCOPY b/requirements.txt $D/r.txt\nRUN pip install -r ${D}/r.txt", "in-b"),
        ("COPY b/requirements.txt $HOME/r.txt\nRUN pip install -r $HOME/r.txt", "in-b"),
        ("RUN mkdir -p /x\nCOPY b/requirements.txt /x\nRUN pip install -r /x/requirements.txt", "in-b"),
        ("RUN --mount=type=bind,source=b,target=/x pip install -r /x/requirements.txt", "in-b"),
        ("WORKDIR /w\nCOPY b .\nRUN pip install --cache-dir ./c -Ur ./requirements.txt", "in-b"),
        ("WORKDIR /w\nCOPY b .\nRUN conda env create -p ./e -f ./env.yml", "six"),
        ("COPY nested /x\nRUN pip install -r /x/requirements.txt", "in-base"),
        ("COPY . /w\nRUN conda env update -f /w/b/env.yml", "six"),
        ("COPY . /w\nRUN cd /w/lib && pip install .", "of-lib"),
        ("COPY . /w\nWORKDIR /w\nRUN pip install ./lib", "of-lib"),
        ("WORKDIR /w\nCOPY lib/pyproject.toml .\nRUN pip install -e .", "of-lib"),
    ],
)
def test_the_file_that_lies_there_in_the_image_is_read(context: Path, text: str, wanted: str) -> None:
    assert installed(context, text) == (wanted,)


@pytest.mark.parametrize(
    "text",
    [
        "RUN pip install -r requirements.txt",
        "COPY b /w\nRUN pip install -r requirements.txt",
        "COPY . /w\nRUN pip install -r requirements.txt",
        "COPY . /w\nRUN cd /elsewhere && pip install -r requirements.txt",
        "COPY . /w\nRUN (cd /w/b && true) && pip install -r requirements.txt",
        "COPY . /w\nRUN cd - && pip install -r requirements.txt",
        "COPY . /w\nRUN echo x >> /w/requirements.txt\nRUN pip install -r /w/requirements.txt",
        "COPY . /w\nRUN ln -sf b/requirements.txt /w/requirements.txt\nRUN pip install -r /w/requirements.txt",
        "COPY --from=other / /w\nRUN pip install -r /w/requirements.txt",
        "COPY . /w\nADD https://x.example/requirements.txt /w/\nRUN pip install -r /w/requirements.txt",
        "RUN --mount=type=bind,source=b,target=/x true\nRUN pip install -r /x/requirements.txt",
        "RUN pip install -r https://x.example/requirements.txt",
        "COPY . /w\nRUN pip install -c https://x.example/requirements.txt six",
        "COPY nested/requirements.txt base.txt /x/\nRUN pip install -r /x/requirements.txt",  # its base.txt is another
        "RUN conda env create -f requirements.txt",
        "COPY . /w\nRUN pip install ./lib",
        "COPY nope.txt /tmp/",
        "COPY requirements.txt",
        "COPY --exclude=requirements.txt . /w\nRUN pip install -r /w/requirements.txt",
        "COPY ../requirements.txt /tmp/",
        "ADD no*.txt /tmp/",
    ],
)
def test_a_file_that_cannot_be_told_is_refused_by_its_name(context: Path, text: str) -> None:
    with pytest.raises(
        Refused, match=r"environment\.dockerfile: .*Dockerfile:[2-4]: .*(requirements|base|nope|no\*|lib)"
    ):
        installed(context, text)
