"""Where the files of a new model version may be said to lie.

A client that loads a version downloads what its source names, with the rights of whoever loads it. So a source is a
place that its run or logged model owns, another version, or an object store; a path of a machine only where its run or
model keeps its artifacts, and never a host that somebody named (mlflow/server/handlers.py of 3.18,
``_validate_source_run`` and the functions around it). No tag skips a check.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, unquote_plus, urlsplit

from treering.domain.logged_model import LoggedModelSpec
from treering.kernel.subjects import Address
from treering.views.tracking.logged_models import logged_model
from treering.views.tracking.registry import PROMPT
from treering.views.tracking.roots import artifact_root
from treering_services.gateway import references
from treering_services.gateway.call import Call
from treering_services.gateway.mlflow.errors import MlflowError, absent, invalid
from treering_services.gateway.mlflow.model_uris import parse_model_uri, version_of
from treering_services.gateway.mlflow.place import workspace_of
from treering_services.gateway.mlflow.registry_messages import NewVersion
from treering_services.gateway.mlflow.registry_rules import check_length
from treering_services.gateway.model_origins import Wanted
from treering_services.gateway.provenance import known_run

PROMPT_SOURCES = ("dummy-source", "prompt-template")  # a prompt has no files; its clients send one of these
HOST_ADDRESSED = frozenset({"ftp", "sftp", "hdfs", "viewfs", "http", "https", "r2", "b2", "abfss"})
LOCAL_HOSTS = ("", "localhost", "127.0.0.1", ".")
CHARACTERS_MAX = 2000
DECODINGS_MAX = 8
PARTS = re.compile(r"[/\\]")


class Source(NamedTuple):
    """``uri`` as the version says it; ``storage`` is where that leads, which is what gets downloaded. ``shown`` is the
    run that the files lie with, or that the model they were taken from names."""

    uri: str
    storage: str
    run_id: str
    model_id: str
    shown: str = ""
    digest: str = ""


async def resolve(call: Call, asked: NewVersion, tags: Mapping[str, str]) -> Source:
    """The source of a new version, judged; MlflowError INVALID_PARAMETER_VALUE when it may not be one."""
    uri, run_id, model_id = asked.source, asked.run_id or "", asked.model_id or ""
    check_length("source", uri, CHARACTERS_MAX)
    if is_prompt(tags):
        if uri not in PROMPT_SOURCES:
            raise invalid(f"Invalid prompt source: '{uri}'. Prompt sources must use an MLflow placeholder.")
        return Source(uri, uri, run_id, model_id)
    if uri.startswith("azureml:"):
        return await of_reference(call, asked)
    parts = split(uri)
    check_scheme(parts, uri)
    if parts.scheme == "models" and parse_model_uri(uri).model_id == "":
        return await of_version(call, asked)
    if not is_local(parts):
        check_plain(uri)
    if not model_id:
        owned = is_proxied(parts) or is_local(parts)
        check_below(uri, parts, "run_id", run_id, await run_root(call, run_id) if owned else "")
        if parts.scheme.lower() == "runs" and call.caller.is_bounded:
            await known_run(call, workspace_of(call), run_id)
        return Source(uri, uri, run_id, "", run_id if parts.scheme.lower() == "runs" or is_proxied(parts) else "")
    model = await logged_spec(call, model_id)
    check_below(uri, parts, "model_id", model_id, model.artifact_uri if model else "")
    if model is None:
        raise absent(f"Logged model with ID '{model_id}' not found.")
    storage = model.artifact_uri if parts.scheme == "models" else uri
    return Source(uri, storage, run_id or model.source_run_id, model_id, model.source_run_id)


def is_prompt(tags: Mapping[str, str]) -> bool:
    return tags.get(PROMPT, "false").lower() == "true"


async def of_version(call: Call, asked: NewVersion) -> Source:
    """Another version of a registered model: what it was made by is what the new one was made by."""
    row = await version_of(call, asked.source)
    check_same(asked, row.run_id, row.model_id)
    uri, storage = f"models:/{row.name}/{row.version}", row.storage or row.source
    return Source(uri, storage, row.run_id, row.model_id, row.run_id, row.digest)


async def of_reference(call: Call, asked: NewVersion) -> Source:
    """Azure ML's references, as treering's own doors read them: an output of a job, or another version."""
    origin = await references.resolve(call.gateway, workspace_of(call), asked.source, Wanted())
    check_same(asked, origin.run_id, origin.model_id)
    return Source(asked.source, origin.source, origin.run_id, origin.model_id, origin.run_id, origin.digest)


def check_same(asked: NewVersion, run_id: str, model_id: str) -> None:
    said = ((asked.run_id, run_id), (asked.model_id, model_id))
    if any(one is not None and one != known for one, known in said):
        raise invalid(
            f"Invalid model version source: '{asked.source}'. The run_id and model_id request parameters must match "
            "the referenced model version."
        )


def split(uri: str) -> SplitResult:
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018  it is parsed only when asked for
    except ValueError:
        raise invalid(f"Invalid model version source: '{uri}'. It is not a URI.") from None
    return parts


def check_scheme(parts: SplitResult, uri: str) -> None:
    """No path of Windows, and no scheme that makes whoever reads it connect to a host it names."""
    scheme = parts.scheme.lower()
    if scheme in HOST_ADDRESSED or (scheme == "mlflow-artifacts" and parts.netloc):
        raise invalid(
            f"'source' cannot use the '{scheme}' scheme: it addresses a host other than this server's artifact storage."
        )
    if scheme == "file" and (parts.hostname or "") not in LOCAL_HOSTS:
        raise invalid(f"{uri} is not a valid remote uri. Use mlflow-artifacts:, runs:, models: or an object store.")
    if len(scheme) == 1:  # a drive
        raise not_contained(uri)


def not_contained(uri: str) -> MlflowError:
    return invalid(
        f"Invalid model version source: '{uri}'. To use a local path as a model version source, the run_id request "
        "parameter has to be specified and the local path has to be contained within the artifact directory of the "
        "run specified by the run_id."
    )


def check_plain(uri: str) -> None:
    """Nothing in it climbs, in whatever encoding."""
    text = uri
    for _ in range(DECODINGS_MAX):
        plain = unquote_plus(text)
        if plain == text:
            break
        text = plain
    else:
        raise not_plain(uri)
    try:
        path = re.sub("/+", "/", urlsplit(text).path.rstrip("/"))
    except ValueError:
        raise not_plain(uri) from None
    climbs = any(part == ".." for part in PARTS.split(text)) or not text.isprintable()
    if climbs or not path.startswith("/") or posixpath.normpath(path) != path:
        raise not_plain(uri)


def not_plain(uri: str) -> MlflowError:
    return invalid(
        f"Invalid model version source: '{uri}'. If supplying a source as an http, https, local file path, ftp, "
        "objectstore, or mlflow-artifacts uri, an absolute path must be provided without relative path references "
        "present. Please provide an absolute path."
    )


def check_below(uri: str, parts: SplitResult, id_name: str, id: str, root: str) -> None:
    """A source in this server's care, or on a machine, lies below what the run or model ``id`` owns."""
    if is_local(parts):
        if not id or not is_within(parts, root):
            raise not_contained(uri)
        check_plain(uri)
        return
    match parts.scheme.lower():
        case "models":
            good = not parts.netloc and id_name == "model_id" and parse_model_uri(uri).model_id == id
        case "runs":
            run_id = parts.path.removeprefix("/").partition("/")[0]
            good = not parts.netloc and id_name == "run_id" and bool(run_id) and run_id == id
        case _:
            good = not is_proxied(parts) or (bool(id) and is_within(parts, root))
    if not good:
        raise invalid(
            f"Invalid model version source: '{uri}'. The {id_name} request parameter must identify the resource that "
            "contains the source."
        )


def is_proxied(parts: SplitResult) -> bool:
    return parts.scheme.lower() == "mlflow-artifacts"


def is_local(parts: SplitResult) -> bool:
    return parts.scheme.lower() in ("", "file")


def is_within(parts: SplitResult, root: str) -> bool:
    owner = urlsplit(root)
    if place_of(parts) != place_of(owner):
        return False
    above = path_parts(owner.path)
    return bool(above) and path_parts(parts.path)[: len(above)] == above


def place_of(parts: SplitResult) -> tuple[str, str]:
    """Scheme and host; the same for a path of this machine, however it is written."""
    if is_local(parts) and (parts.hostname or "") in LOCAL_HOSTS:
        return "file", ""
    return parts.scheme.lower(), parts.netloc.lower()


def path_parts(path: str) -> list[str]:
    return [unquote(part) for part in path.split("/") if part]


async def run_root(call: Call, run_id: str) -> str:
    """The artifact root of a run; "" when there is no such run."""
    workspace = workspace_of(call)
    root = await call.gateway.tracking.peek(lambda db: artifact_root(db, Address(workspace, "run", run_id)))
    return root or ""


async def logged_spec(call: Call, model_id: str) -> LoggedModelSpec | None:
    workspace = workspace_of(call)
    row = await call.gateway.tracking.peek(lambda db: logged_model(db, workspace, model_id))
    return row.spec if row else None
