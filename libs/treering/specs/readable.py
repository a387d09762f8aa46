"""Which references have files on an installation, as far as that needs no server, and what to write instead of others.

Servers and clients ask here, so that ``validate`` refuses what a server would refuse of every job.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from msgspec.structs import replace

from treering.specs.expressions import OPEN
from treering.specs.references import Form, Reference

Assets = Literal["models", "data"]
ASSETS: Mapping[str, Assets] = {"models": "models", "data": "data", "datasets": "data"}  # kinds that have files
# Where Azure ML's default datastores have what jobs leave.
OUTPUT_PLACE = re.compile(r"azureml/(?P<job>[^/]+)/(?P<name>[^/]+)(?:/(?P<path>.*))?")
ROOT_PLACE = re.compile(r"ExperimentRun/dcid\.(?P<job>[^/]+)(?:/(?P<path>.*))?")
PLACES = {"workspaceblobstore": OUTPUT_PLACE, "workspaceartifactstore": ROOT_PLACE}
CHARACTERS_SHOWN_MAX = 200
LOCAL = "give a path of your machine, and the client uploads it"
OUTPUT = "azureml://jobs/JOB/outputs/NAME of a job that ran here"
CLOUD = f"it is in a store of a cloud, from which nothing is read here yet: download it and {LOCAL}"
BLOB = re.compile(
    r"(?:wasbs?|abfss?)://(?P<container>[^/@]+)@(?P<account>[^/@.]+)\.(?:blob|dfs)\.(?P<host>[^/@]+)/(?P<path>.*[^/])"
)
INSTEAD: Mapping[Form, str] = {
    "registry": f"it is in a registry, and there are none here: download it and {LOCAL}",
    "datastore": f"it is on a datastore, and there are none here yet: {LOCAL}, or write {OUTPUT}",
    "http": "it is a web address, and only an input of type uri_file is fetched from one: download it first",
    "wasbs": CLOUD,
    "abfss": CLOUD,
    "adl": CLOUD,
    "git": f"it is a repository: clone it and {LOCAL}",
    "local": "it is a path of a machine, which a server does not read: upload it first, as the command line does",
}
OURS = re.compile(r"azureml:|/subscriptions/")  # what only this installation can open


def assets_of(reference: Reference, wanted: Assets) -> str:
    """The kind of an asset: ``azureml:NAME:VERSION`` is what is wanted where it stands, and an ARM id says its kind."""
    return ASSETS.get(reference.kind.lower(), "") if reference.kind else wanted


def output_of(reference: Reference) -> Reference | None:
    """The output of a job that a place on one of Azure ML's default datastores is; None for another place."""
    place = PLACES.get(reference.name) if reference.form == "datastore" else None
    match = place.fullmatch(reference.path.strip("/")) if place else None
    if match is None:
        return None
    parts = {"name": "artifacts", **{name: text or "" for name, text in match.groupdict().items()}}
    return replace(reference, form="job_output", **parts)


def why_unreadable(reference: Reference, wanted: Assets, *, for_input: bool) -> str:
    """Why a reference cannot be read on any installation, and what to write instead; "" when a server may know it."""
    why = INSTEAD.get(reference.form, "")
    if OPEN in reference.text:
        why = "only the path of an output has expressions: write the name of the job and of its output"
    elif reference.form in ("asset", "arm"):
        kind = assets_of(reference, wanted)
        hint = "for a model say type custom_model or mlflow_model" if for_input else LOCAL
        data = f"it is a data asset, and there are none here yet: {LOCAL}, or write {OUTPUT}; {hint}"
        why = {"models": "", "data": data}.get(kind, f"it names one of the {reference.kind!r}, which have no files")
    elif output_of(reference) is not None:
        return ""
    elif for_input and (match := BLOB.fullmatch(reference.text)):
        why += f"; a file that is public is also https://{match['account']}.blob.{match['host']}/"
        why += f"{match['container']}/{match['path'][:CHARACTERS_SHOWN_MAX]}, with type uri_file"
    return f"{reference.text[:CHARACTERS_SHOWN_MAX]!r} cannot be read: {why}" if why else ""


def is_handed_on(reference: Reference) -> bool:
    """Whether an input of mode ``direct`` is given to its command as it is written, because something may open that."""
    is_elsewhere = reference.form in ("datastore", "registry") and output_of(reference) is None
    return is_elsewhere or not OURS.match(reference.text)
