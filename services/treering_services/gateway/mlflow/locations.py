"""Where the artifacts of an experiment are to be kept: one place, whoever logs from wherever (docs/mlflow.md)."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from treering_services.gateway.mlflow.errors import MlflowError, invalid
from treering_services.gateway.mlflow.limits import check_length

LOCATION_CHARACTERS_MAX = 2048
SHOWN_CHARACTERS_MAX = 200
PROXY = "mlflow-artifacts"
OF_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")  # a drive, or a share
NO_PLACE = frozenset({"runs", "models"})  # they name what is there already
OTHER_SERVERS = frozenset({"http", "https"})  # clients would send them the token of this one


def checked_location(location: str, host: str) -> str:
    """``location`` made absolute in the folder that the server was started in, as MLflow does; ``host`` is the name by
    which the client reaches this server. Raises MlflowError."""
    check_length("artifact_location", LOCATION_CHARACTERS_MAX, location)
    if not location:
        return ""
    try:
        parts = urlsplit(location)
    except ValueError:
        raise refused(location, "It is no path and no URI.") from None
    check_characters(location, parts.path, fragment=parts.fragment)
    if OF_WINDOWS.match(location):
        return location
    if not parts.scheme:
        return absolute(location, location)
    if parts.scheme in NO_PLACE:
        raise invalid(f"Artifact location cannot be a {parts.scheme}:/ URI. Given: '{location[:SHOWN_CHARACTERS_MAX]}'")
    if parts.scheme in OTHER_SERVERS or (parts.scheme == PROXY and parts.netloc not in ("", host)):
        raise invalid(
            f"'artifact_location' cannot use the '{parts.scheme}' scheme for another server than this one. "
            f"Given: '{location[:SHOWN_CHARACTERS_MAX]}'"
        )
    if parts.scheme == PROXY and not parts.netloc:
        return f"{PROXY}:/{posixpath.normpath('/' + parts.path).strip('/')}"
    if parts.scheme == "file" and not parts.netloc and not parts.path.startswith("/"):
        return f"file://{absolute(parts.path, location)}"
    return location


def check_characters(location: str, path: str, *, fragment: str) -> None:
    """No fragment, no parameters, and no way up, however it is written."""
    if fragment or "#" in location or ";" in path:
        raise invalid("'artifact_location' URL can't include fragments or params.")
    plain = unquote(unquote(location))
    if ".." in plain.replace("\\", "/").split("/") or any(ord(character) < 32 for character in plain):
        raise refused(location, "It must not lead to a folder above.")


def absolute(path: str, location: str) -> str:
    """A path of the machine that the server runs on; where a client on another machine writes is its own affair."""
    if not path.strip() and path:
        raise refused(location, "It is blank; leave it out for the server's own store.")
    if path.startswith("~"):
        raise refused(location, "Whose home '~' is depends on the client; say the whole path.")
    if "?" in path or "\\" in path:
        raise refused(location, "A path has no '?' and no backslash in it.")
    return path if path.startswith("/") else (Path.cwd() / unquote(path)).as_posix()


def refused(location: str, why: str) -> MlflowError:
    return invalid(f"Invalid artifact_location: '{location[:SHOWN_CHARACTERS_MAX]}'. {why}")
