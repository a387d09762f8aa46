"""Which variables of the operator reach builds of environments, and which reach jobs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from uv import find_uv_bin

from treering.adapters.uv import child_environment
from treering.adapters.uv_variables import for_jobs, without_credentials

SECRET = "s3cret"
# uv's documentation names these; the list of those in its program is longer, though not all of that are names.
CREDENTIALS = (
    "UV_PUBLISH_TOKEN", "UV_PUBLISH_PASSWORD", "UV_PUBLISH_USERNAME", "UV_GITHUB_TOKEN", "UV_CREDENTIALS_DIR",
    "UV_AUTH_TOKEN", "UV_API_KEY", "NETRC", "SSL_CLIENT_CERT", "PIP_PASSWORD", "TWINE_PASSWORD", "HF_TOKEN",
)  # fmt: skip
OF_INDEXES = ("UV_INDEX_CORP_USERNAME", "UV_INDEX_CORP_PASSWORD", "UV_INDEX_A_B_PASSWORD")
ADDRESSES = (
    "UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS",
)  # fmt: skip
HIDDEN = re.compile(r"TOKEN|PASSWORD|USERNAME|KEY|CREDENTIAL|AUTH|PUBLISH|CLIENT_CERT")


def known_to_uv() -> set[str]:
    found = re.findall(rb"UV_[A-Z0-9_]{2,40}", Path(find_uv_bin()).read_bytes())
    return {name.decode() for name in found}


def test_no_variable_with_a_credential_reaches_a_job() -> None:
    parent = {name: SECRET for name in (*known_to_uv(), *CREDENTIALS, *OF_INDEXES) if HIDDEN.search(name)}
    parent |= {"NETRC": f"/home/{SECRET}"} | dict.fromkeys(ADDRESSES, f"https://anna:{SECRET}@index.example/simple")
    assert len(parent) > len(CREDENTIALS)
    found = for_jobs(child_environment(parent | {"PIP_CONFIG_FILE": "/dev/null"}))
    assert [name for name, value in found.items() if SECRET in value or "anna" in value] == []
    assert found["UV_INDEX_URL"] == "https://index.example/simple"


def test_a_build_has_the_credentials_of_indexes_and_no_others() -> None:
    of_others = {name for name in (*known_to_uv(), *CREDENTIALS) if HIDDEN.search(name)} - {
        "NETRC",
        "UV_KEYRING_PROVIDER",
    }
    found = child_environment(dict.fromkeys((*of_others, *OF_INDEXES), SECRET) | {"PIP_CONFIG_FILE": "/dev/null"})
    assert {name for name, value in found.items() if value == SECRET} == set(OF_INDEXES)


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ("https://u:p@ss@h:8/x?sig=1#f https://t@i/", "https://h:8/x#f https://i/"),
        ("/wheels,https://u@h/a@b,file:///x", "/wheels,https://h/a@b,file:///x"),
        ("corp=https://:p@h/simple", "corp=https://h/simple"),
        ("/plain/path@1?", "/plain/path@1?"),
    ],
)
def test_an_address_loses_its_user_and_its_query(given: str, left: str) -> None:
    assert without_credentials(given) == left
