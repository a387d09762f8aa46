"""Names that MLflow's clients cannot say: what they would send, or read back, is the name of another file.

Its Python client puts a name into an address as it is: what follows a "?" arrives as a query, what follows a "#" not at
all, and %2F as a slash. What a listing says, it decodes and takes apart as an address before it asks for the file.
"""

from __future__ import annotations

import re
from urllib.parse import unquote, unquote_to_bytes, urlparse

from treering_services.gateway.call import Call
from treering_services.gateway.mlflow.artifact_content import BINARY, TEXTS
from treering_services.gateway.mlflow.errors import MlflowError, invalid

PYTHON_CLIENT = "mlflow-python-client"
DECODINGS_MAX = 10
NO_LETTER = "a '%' in the name and the two digits or letters behind it stand for a byte"
URL_MARKS = re.compile(r"[?#]")
# What log_image of clients before MLflow 3.12 calls a picture: KEY%step%0%timestamp%1796148724424%UUID.png
IMAGE = re.compile(r"%step%-?\d+%timestamp%\d+%[0-9a-fA-F-]{36}(%compressed)?\.(png|webp)\Z")
PICTURES = frozenset({"gif", "htm", "html", "jpeg", "jpg", "pdf", "png", "svg"})  # every Python knows what these are


def asked(call: Call) -> str:
    """The path of a request for one file. Raises MlflowError when not all of it arrived."""
    check_sent(call)
    return image_as_now(call.params["path"])


def image_as_now(path: str) -> str:
    """The name that today's ``log_image`` gives a picture, which every client can read: in older ones %17 of the time
    would be read as U+0017. What looks like an escape arrives in capitals: %c1 of an id as %C1."""
    return IMAGE.sub(lambda found: found[0].replace("%", "+").lower(), path)


def check_sent(call: Call) -> None:
    """Did the whole name of the file arrive? Raises MlflowError when it did not."""
    if call.scope["query_string"]:
        raise unkept("what follows '?' arrived as a query: the name was cut off there. Take a name without '?'")
    raw = bytes(call.scope["raw_path"])
    try:
        unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise unkept(f"{NO_LETTER} that is no UTF-8, as in '90%acc.txt'. Take a name without '%'") from None
    if not call.header(b"user-agent").startswith(PYTHON_CLIENT):
        return
    if b"%2f" in raw.lower():
        raise unkept("'%2F' in a name arrives as a slash. Take a name without '%'")
    name = call.params["path"].rpartition("/")[2]
    if call.scope["method"] == "PUT" and was_cut(name, call.header(b"content-type")):
        raise unkept(
            f"{name[:100]!r} is of another type than the file that is sent ({call.header(b'content-type')[:100]}):"
            " its name was cut off at a '#'. Take a name without '#'"
        )


def was_cut(name: str, media_type: str) -> bool:
    """Whether ``name`` is not all of the name that the client took ``media_type`` from. Only what is sure counts: a
    name without an ending has no type but for some words, and one with these endings has one."""
    stem, dot, ending = name.rpartition(".")
    known = (ending if dot and stem else name) in TEXTS or (dot and stem and ending.lower() in PICTURES)
    if known:
        return media_type == BINARY
    return bool(media_type) and media_type != BINARY and "." not in name


def check_kept(path: str) -> str:
    """``path`` when a client that lists it asks for the same file; MlflowError otherwise. What a job left may have such
    names too: they can be read here, by who writes the address right."""
    if found := URL_MARKS.search(unquote(path)):
        raise unkept(f"{path[:100]!r} has a {found[0]!r} in it, which no MLflow client can ask for")
    for name in path.split("/"):
        if (shown := as_listed(name)) != name:
            raise unkept(f"MLflow's clients take {name[:100]!r} in a listing for {shown[:100]!r}. Take another name")
    return path


def as_listed(name: str) -> str:
    """What MLflow's client makes of ``name`` in a listing (``validate_path_is_safe``, mlflow/utils/uri.py)."""
    for _ in range(DECODINGS_MAX):
        try:
            further = urlparse(unquote(name)).geturl()
        except ValueError:
            return "no name"
        if further == name:
            return "a file of its own machine" if name.startswith("file:") else name
        name = further
    return "no name"


def unkept(why: str) -> MlflowError:
    return invalid(f"Invalid path: {why}.")
