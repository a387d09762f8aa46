"""One owner's artifacts: find, list, put and take away. What the proxy and the run's own paths have in common.

What a job left was stored by its node, from the files that were there in the end. Where a script logged something else
to the same path, what the node stored is shown; nobody can write over it afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from treering.adapters.sqlite_view import Database
from treering.domain.artifact_messages import DeleteArtifact, LogArtifact
from treering.domain.job import JOB
from treering.kernel.blobs import PREFIX
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.views.tracking import artifacts
from treering.views.tracking.artifacts import Artifact, Child
from treering_services.gateway.call import Call
from treering_services.gateway.mlflow.access import find_run, send_to_run
from treering_services.gateway.mlflow.artifact_content import not_a_file
from treering_services.gateway.mlflow.artifact_paths import TREE, Owned
from treering_services.gateway.mlflow.artifact_trees import Left, all_opened, children_at, left_at
from treering_services.gateway.mlflow.errors import FORBIDDEN, MlflowError, absent, invalid
from treering_services.gateway.ownership import HINT, may_change_run, must_own

T = TypeVar("T")
RESERVED = ("user_logs", "named-outputs")  # a script may log to outputs/, as in Azure ML, and to all else


async def trees_of(call: Call, owner: Address) -> dict[str, str]:
    """The digests of an owner's trees by the folder each stands in; a tree by its digest is its own."""
    if owner.kind == TREE:
        return {"": f"{PREFIX}{owner.key}"}
    return await look(call, lambda db: artifacts.trees(db, owner))


async def left(call: Call, where: Owned) -> Left:
    return await left_at(call.gateway, await trees_of(call, where.owner), where.path)


async def find(call: Call, where: Owned, shown: str) -> Artifact:
    """The file at ``where``; ``shown`` is how the client wrote its path."""
    there = await left(call, where)
    if there.file is not None:
        return there.file
    if there.is_folder:
        raise not_a_file(shown)
    found = await look(call, lambda db: artifacts.artifact(db, *where))
    if found is not None:
        return found
    if await look(call, lambda db: artifacts.is_folder(db, *where)):
        raise not_a_file(shown)
    raise absent(f"No such artifact: '{shown}'")


async def children(call: Call, where: Owned, shown: Callable[[list[Child]], T]) -> T:
    """``shown`` of what stands in the folder, by name; nothing in what is a file or is not there.

    A folder may have a million files, so all of it is done on a thread for reads, which callers have in turn.
    """
    tracking, digests = call.gateway.tracking, await trees_of(call, where.owner)
    if (await left_at(call.gateway, digests, where.path)).file is not None:
        return shown([])
    trees = await all_opened(call.gateway, digests)

    def gathered(db: Database) -> T:
        left = children_at(trees, where.path)
        found = {child.name: child for child in (*artifacts.children(db, *where), *left)}
        return shown([found[name] for name in sorted(found)])

    await tracking.fresh_commits()
    return await tracking.beside.read(gathered)


async def check_writable(call: Call, where: Owned) -> None:
    """Before a body is read: may this caller write here, and can a file stand here?"""
    await check_permitted(call, where.owner)
    await check_not_left(call, where)
    above = await look(call, lambda db: artifacts.file_above(db, *where))
    if above:
        raise invalid(f"'{above}' is a file, so nothing can be put below it")
    if await look(call, lambda db: artifacts.is_folder(db, *where)):
        raise not_a_file(where.path)


async def check_not_left(call: Call, where: Owned) -> None:
    """What a job leaves is what its node stores. ``Refused``: ``artifact.reserved``, ``artifact.archived``."""
    top = where.path.partition("/")[0]
    if top in RESERVED and where.owner.kind == "run" and await is_of_job(call, where.owner):
        why = f"{top}/ of a job's run is what its node stores when the job ends"
        raise Refused("artifact.reserved", f"{why}; log to outputs/ or another folder")
    there = await left(call, where)
    if there.is_folder:
        raise not_a_file(where.path)
    if there.above or there.file is not None:
        why = f"{there.above or where.path!r} is what the job left, which never changes"
        raise Refused("artifact.archived", f"{why}; log to another path")


async def is_of_job(call: Call, run: Address) -> bool:
    return await call.gateway.find(run._replace(kind=JOB.kind)) is not None


async def put(call: Call, where: Owned, digest: str, size_bytes: int) -> None:
    """Say in the log that the blob ``digest`` stands at ``where``."""
    await send(call, where.owner, LogArtifact(where.path, digest, size_bytes))


async def remove(call: Call, where: Owned) -> None:
    """Take away a file or a folder. What a job left goes as a whole or not at all; the record of all of it stays."""
    await check_permitted(call, where.owner)
    trees = await trees_of(call, where.owner)
    if where.path and any(f"{where.path}/".startswith(f"{prefix}/") for prefix in trees if prefix != where.path):
        raise invalid(f"'{where.path}' is part of what the job left, which is removed as a whole")
    await send(call, where.owner, DeleteArtifact(where.path))


async def check_permitted(call: Call, owner: Address) -> None:
    """A job changes the artifacts of its own runs and logged models. A tree never changes."""
    if owner.kind == TREE:
        raise invalid("the files of a registered model never change; register a new version")
    if owner.kind == "run":
        may_change_run(call, owner.key, (await find_run(call, owner.key)).created_by)
    elif owner.kind == "logged_model":
        await must_own(call, owner)
    elif call.caller.is_bounded:
        raise MlflowError(FORBIDDEN, f"a job changes the artifacts of its own runs and logged models only; {HINT}")


async def send(call: Call, owner: Address, command: LogArtifact | DeleteArtifact) -> None:
    if owner.kind == "run":
        await send_to_run(call, owner.key, await find_run(call, owner.key), command)
        return
    try:
        await call.gateway.commands.send(owner, command, call.context())
    except Refused as refused:
        if refused.code == f"{owner.kind}.absent":
            raise absent(f"there is no {owner.kind} {owner.key!r} to hold artifacts") from None
        raise


async def look(call: Call, query: Callable[[Database], T]) -> T:
    """A look-up on rows that show every commit this process has written."""
    await call.gateway.tracking.fresh_commits()
    return await call.gateway.tracking.view.peek(query)
