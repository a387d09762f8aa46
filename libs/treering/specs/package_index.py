"""The package indexes an environment names beside the one that the installation uses.

Which of them may be used is for the operator to say (``TREERING_INDEXES``); here their addresses are read.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from treering.domain.job_spec import INDEXES_MAX
from treering.kernel.refusal import Refused

CHARACTERS_MAX = 500
PYPI = frozenset({"https://pypi.org/simple", "https://pypi.python.org/simple", "http://pypi.python.org/simple"})


def index_url(written: str, where: str) -> str:
    """The address without a slash at its end; "" of PyPI, in whose place the operator's own index stands.

    Raises ``Refused("environment.index")``; ``where`` is named in it.
    """
    text = written.strip().strip("'\"").rstrip("/")
    if not text.isprintable() or len(text) > CHARACTERS_MAX or "," in text or " " in text:
        raise Refused("environment.index", f"{where}: {text[:80]!r} is no address of a package index")
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        wanted = "an index is named by its http(s) address, such as https://download.pytorch.org/whl/cpu"
        raise Refused("environment.index", f"{where}: {text[:80]!r} is no address of a package index: {wanted}")
    if "@" in parts.netloc or parts.query or parts.fragment:
        advice = "write the address without them; the operator who lists the index keeps its credential"
        raise Refused("environment.index", f"{where}: the index at {host} is written with a credential; {advice}")
    return "" if text.lower() in PYPI else text


def index_urls(written: Iterable[str], where: str) -> tuple[str, ...]:
    """Addresses in their order, each once."""
    found = tuple(dict.fromkeys(url for one in written if (url := index_url(one, where))))
    if len(found) > INDEXES_MAX:
        raise Refused("environment.index", f"{where}: names {len(found)} package indexes, at most {INDEXES_MAX}")
    return found
