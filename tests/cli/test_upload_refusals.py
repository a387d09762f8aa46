"""What cannot be uploaded is refused with the file and the key that name it, before a server is asked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from treering.client.http import Client
from treering.client.submission import submit
from treering.kernel.refusal import Refused
from treering.specs.prepared import load_job

JOB = "command: ls\nenvironment: {python: '3.11'}\n"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("code: folder\n", "code"),
        ("inputs: {n: 1, d: {type: uri_folder, path: folder}}\n", "inputs.d"),
    ],
)
@pytest.mark.parametrize(
    ("spoil", "code", "why"),
    [
        (lambda folder: os.mkfifo(folder / "pipe"), "tree.special_file", "'pipe' is a FIFO"),
        (lambda folder: (folder / "a\nb").touch(), "path.unsafe", "'a\\nb' has a control character"),
        (lambda folder: (folder / "out").symlink_to("/etc/hostname"), "tree.symlink", "leads out of the folder"),
    ],
)
def test_what_cannot_be_uploaded_names_the_file_and_the_key(
    tmp_path: Path, text: str, key: str, spoil: object, code: str, why: str
) -> None:
    (tmp_path / "folder").mkdir()
    assert callable(spoil)
    spoil(tmp_path / "folder")
    file = tmp_path / "job.yml"
    file.write_text(JOB + text)
    with pytest.raises(Refused) as refused, Client("http://127.0.0.1:9", "") as nobody:
        submit(nobody, load_job(file), "main")
    assert refused.value.code == code
    assert refused.value.detail.startswith(f"{file}: {key}: ")
    assert why in refused.value.detail
