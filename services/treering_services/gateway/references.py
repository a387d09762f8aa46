"""What a reference means on this installation: the one door for inputs of jobs, models and MLflow's sources.

``FORMS`` says for each form who resolves it: to files that are kept here, with what made them. What cannot be resolved
is refused with what it is and what to write instead. ``specs/references.py`` takes a reference apart;
``model_origins.py`` finds the files of jobs and runs, ``model_trees.py`` those of models, and ``environments.py``
environments, which have no files.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from treering.domain.workspace import WORKSPACE
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.specs.references import Form, Reference, parse_reference
from treering_services.gateway.core import Gateway
from treering_services.gateway.model_origins import Origin, Wanted, of_artifact, of_job, of_logged
from treering_services.gateway.model_trees import of_logged_model, of_version

CHARACTERS_SHOWN_MAX = 200
ASSETS = {"models": "models", "data": "data", "datasets": "data"}  # the kinds of assets that have files
# Where Azure ML's default datastores have what jobs leave.
OUTPUT_PLACE = re.compile(r"azureml/(?P<job>[^/]+)/(?P<name>[^/]+)(?:/(?P<path>.*))?")
ROOT_PLACE = re.compile(r"ExperimentRun/dcid\.(?P<job>[^/]+)(?:/(?P<path>.*))?")
PLACES = {"workspaceblobstore": OUTPUT_PLACE, "workspaceartifactstore": ROOT_PLACE}
LOCAL = "give a path of your machine, and the client uploads it"
OUTPUT = "azureml://jobs/JOB/outputs/NAME of a job that ran here"
INSTEAD: Mapping[Form, str] = {
    "registry": f"it is in a registry, and there are none here: download it and {LOCAL}",
    "datastore": f"it is on a datastore, and there are none here yet: {LOCAL}, or write {OUTPUT}",
    "http": "it is a web address, and only an input of type uri_file is fetched from one: download it first",
    "wasbs": f"it is in a store of a cloud, from which nothing is read here yet: download it and {LOCAL}",
    "abfss": f"it is in a store of a cloud, from which nothing is read here yet: download it and {LOCAL}",
    "adl": f"it is in a store of a cloud, from which nothing is read here yet: download it and {LOCAL}",
    "git": f"it is a repository: clone it and {LOCAL}",
    "local": "it is a path of a machine, which a server does not read: upload it first, as the command line does",
}
Resolver = Callable[[Gateway, str, Reference, Wanted], Awaitable[Origin]]


async def resolve(gateway: Gateway, workspace: str, text: str, wanted: Wanted) -> Origin:
    """The files that a reference means now, whoever stored them.

    Raises ``Refused``: ``reference.*``, ``job.absent``, ``run.absent``, ``model.absent``, ``path.unsafe`` and, under
    ``model.`` or ``input.``, ``job_not_completed``, ``output_absent``, ``empty``, ``path`` or ``unsupported``.
    """
    reference = parse_reference(text)
    notes = await elsewhere(gateway, workspace, reference)
    resolver = FORMS.get(reference.form)
    if resolver is None:
        raise not_here(wanted, reference.text, INSTEAD[reference.form])
    found = await resolver(gateway, workspace, reference, wanted)
    return found._replace(notes=(*notes, *found.notes))


async def elsewhere(gateway: Gateway, workspace: str, reference: Reference) -> tuple[str, ...]:
    """What to say when a long form names a workspace that is not this one; ``Refused("reference.workspace")`` when that
    one is here as well, because then it means something there."""
    named = reference.workspace
    if named in ("", workspace):
        return ()
    shown = reference.text[:CHARACTERS_SHOWN_MAX]
    if await gateway.find(Address(named, WORKSPACE.kind, named)) is not None:
        why = f"{shown!r} is in workspace {named!r}, and this is {workspace!r}"
        raise Refused("reference.workspace", f"{why}: a workspace uses only its own; download it there and upload it")
    return (f"{shown!r} names workspace {named!r}, which is not here; it was looked for in {workspace!r}",)


def not_here(wanted: Wanted, text: str, why: str) -> Refused:
    code = "input.unsupported" if wanted.purpose == "input" else f"{wanted.purpose}.path"
    return Refused(code, f"{text[:CHARACTERS_SHOWN_MAX]!r} cannot be read: {why}")


async def of_asset(gateway: Gateway, workspace: str, reference: Reference, wanted: Wanted) -> Origin:
    """``azureml:NAME:VERSION`` means what is wanted where it stands; ARM ids say their kind."""
    kind = ASSETS.get(reference.kind.lower()) if reference.kind else wanted.assets
    if kind == "models":
        return await of_version(gateway, workspace, reference)
    if kind == "data":
        hint = "for a model say type custom_model or mlflow_model" if wanted.purpose == "input" else LOCAL
        why = f"it is a data asset, and there are none here yet: {LOCAL}, or write {OUTPUT}; {hint}"
        raise not_here(wanted, reference.text, why)
    raise not_here(wanted, reference.text, f"it names one of the {reference.kind!r}, which have no files")


async def of_place(gateway: Gateway, workspace: str, reference: Reference, wanted: Wanted) -> Origin:
    """The places on Azure ML's default datastores where jobs leave their outputs are those outputs."""
    place = PLACES.get(reference.name)
    match = place.fullmatch(reference.path.strip("/")) if place else None
    if match is None:
        raise not_here(wanted, reference.text, INSTEAD["datastore"])
    parts = {"name": "artifacts", **{name: text or "" for name, text in match.groupdict().items()}}
    return await of_job(gateway, workspace, msgspec.structs.replace(reference, form="job_output", **parts), wanted)


FORMS: Mapping[Form, Resolver] = {
    "job_output": of_job,
    "run": of_logged,
    "artifact": of_artifact,
    "mlflow_model": of_logged_model,
    "asset": of_asset,
    "arm": of_asset,
    "datastore": of_place,
}
