"""What a reference means on this installation: the one door for inputs of jobs, models and MLflow's sources.

``FORMS`` says for each form who resolves it: to files that are kept here, with what made them. What cannot be resolved
is refused with what it is and what to write instead (``specs/readable.py``). ``specs/references.py`` takes a reference
apart; ``model_origins.py`` finds the files of jobs and runs, ``model_trees.py`` those of models, and
``environments.py`` environments, which have no files.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from treering.domain.workspace import WORKSPACE
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.specs.readable import CHARACTERS_SHOWN_MAX, output_of, why_unreadable
from treering.specs.references import Form, Reference, parse_reference
from treering_services.gateway.core import Gateway
from treering_services.gateway.model_origins import Origin, Wanted, of_artifact, of_job, of_logged
from treering_services.gateway.model_trees import of_logged_model, of_version

Resolver = Callable[[Gateway, str, Reference, Wanted], Awaitable[Origin]]


ADVICE = {
    "computes": "name one of this workspace, or submit the job there, with -w",
    "environments": "create it in this one too",
}  # where nothing can be downloaded


async def resolve(gateway: Gateway, workspace: str, text: str, wanted: Wanted) -> Origin:
    """The files that a reference means now, whoever stored them.

    Raises ``Refused``: ``reference.*``, ``job.absent``, ``run.absent``, ``model.absent``, ``path.unsafe`` and, under
    ``model.`` or ``input.``, ``job_not_completed``, ``output_absent``, ``empty``, ``path`` or ``unsupported``.
    """
    reference = parse_reference(text)
    notes = await elsewhere(gateway, workspace, reference)
    if why := why_unreadable(reference, wanted.assets, for_input=wanted.purpose == "input"):
        raise Refused("input.unsupported" if wanted.purpose == "input" else f"{wanted.purpose}.path", why)
    found = await FORMS[reference.form](gateway, workspace, reference, wanted)
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
        advice = ADVICE.get(reference.kind, "download it there and upload it")
        raise Refused("reference.workspace", f"{why}: a workspace uses only its own; {advice}")
    return (f"{shown!r} names workspace {named!r}, which is not here; it was looked for in {workspace!r}",)


async def of_asset(gateway: Gateway, workspace: str, reference: Reference, wanted: Wanted) -> Origin:
    """The only assets with files are models so far."""
    return await of_version(gateway, workspace, reference)


async def of_place(gateway: Gateway, workspace: str, reference: Reference, wanted: Wanted) -> Origin:
    """The places on Azure ML's default datastores where jobs leave their outputs are those outputs."""
    return await of_job(gateway, workspace, output_of(reference) or reference, wanted)


FORMS: Mapping[Form, Resolver] = {
    "job_output": of_job,
    "run": of_logged,
    "artifact": of_artifact,
    "mlflow_model": of_logged_model,
    "asset": of_asset,
    "arm": of_asset,
    "datastore": of_place,
}
