"""The package indexes that jobs may name beside the installation's own: the operator lists them.

``TREERING_INDEXES`` has a name and an address of each, with commas between, for the gateway and the executors::

    TREERING_INDEXES=pytorch=https://download.pytorch.org/whl/cpu,corp=https://feed.example/simple

The credential of one is in the environment of the executors only, as uv reads it: ``UV_INDEX_CORP_USERNAME`` and
``UV_INDEX_CORP_PASSWORD``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from treering.kernel.refusal import Refused
from treering.specs.package_index import index_url

VARIABLE = "TREERING_INDEXES"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def listed_indexes(settings: Mapping[str, str]) -> dict[str, str]:
    """The name of each index by its address. Raises ``Refused("environment.index")`` naming the entry that is wrong."""
    found = {}
    for entry in filter(None, (one.strip() for one in settings.get(VARIABLE, "").split(","))):
        name, equals, url = entry.partition("=")
        if not equals or not NAME.fullmatch(name):
            wanted = "write NAME=URL, with commas between several; a name has letters, digits and . _ -"
            raise Refused("environment.index", f"{VARIABLE}: {entry.split('@')[-1][:80]!r} is no index: {wanted}")
        found[index_url(url, VARIABLE)] = name
    return found


def uv_indexes(urls: Sequence[str], listed: Mapping[str, str]) -> tuple[str, ...]:
    """The indexes in uv's words, ``NAME=URL``, so that uv finds the credential of each by its name.

    Raises ``Refused("environment.index_forbidden")`` of one that is not listed.
    """
    check_listed(urls, listed)
    return tuple(f"{listed[url]}={url}" for url in urls)


def check_listed(urls: Sequence[str], listed: Mapping[str, str]) -> None:
    """Raises ``Refused("environment.index_forbidden")`` of the first that the operator does not list."""
    for url in urls:
        if url not in listed:
            have = ", ".join(listed) or "none"
            advice = f"leave it out if the packages are on the default index, or ask the operator for {VARIABLE}"
            message = f"the package index {url} is not listed by this installation (listed: {have}); {advice}"
            raise Refused("environment.index_forbidden", message)
