"""One owner's artifacts: find, list, put and take away. What the proxy and the run's own paths have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from treering.adapters.sqlite_view import Database
from treering.domain.artifact_messages import DeleteArtifact, LogArtifact
from treering.kernel.blobs import PREFIX
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.views.tracking import artifacts
from treering.views.tracking.artifacts import Artifact, Child
from treering_services.gateway.call import Call
from treering_services.gateway.mlflow.access import find_run, send_to_run
from treering_services.gateway.mlflow.artifact_content import not_a_file
from treering_services.gateway.mlflow.artifact_paths import TREE, Owned
from treering_services.gateway.mlflow.artifact_trees import children_of, files_of
from treering_services.gateway.mlflow.errors import FORBIDDEN, MlflowError, absent, invalid
from treering_services.gateway.mlflow.place import check_writes_run

T = TypeVar("T")


async def trees_of(call: Call, owner: Address) -> dict[str, str]:
    """The digests of an owner's trees by the folder each stands in; a tree by its digest is its own."""
    if owner.kind == TREE:
        return {"": f"{PREFIX}{owner.key}"}
    return await look(call, lambda db: artifacts.trees(db, owner))


async def find(call: Call, where: Owned, shown: str) -> Artifact:
    """The file at ``where``; ``shown`` is how the client wrote its path."""
    gateway = call.gateway
    found = await look(call, lambda db: artifacts.artifact(db, *where))
    if found is not None:
        return found
    if await look(call, lambda db: artifacts.is_folder(db, *where)):
        raise not_a_file(shown)
    files = await files_of(gateway, await trees_of(call, where.owner))
    for file in files:
        if file.path == where.path:
            return file
        if file.path.startswith(f"{where.path}/"):
            raise not_a_file(shown)
    raise absent(f"No such artifact: '{shown}'")


async def children(call: Call, where: Owned) -> list[Child]:
    """What stands in the folder, by name; nothing in what is a file or is not there."""
    gateway = call.gateway
    trees = await trees_of(call, where.owner)
    found = {child.name: child for child in children_of(await files_of(gateway, trees), where.path)} if trees else {}
    logged = await look(call, lambda db: list(artifacts.children(db, *where)))
    found.update((child.name, child) for child in logged)
    return [found[name] for name in sorted(found)]


async def check_writable(call: Call, where: Owned) -> None:
    """Before a body is read: may this caller write here, and can a file stand here?"""
    await check_permitted(call, where.owner)
    above = await look(call, lambda db: artifacts.file_above(db, *where))
    if above:
        raise invalid(f"'{above}' is a file, so nothing can be put below it")
    if await look(call, lambda db: artifacts.is_folder(db, *where)):
        raise not_a_file(where.path)


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
    """A job's token is good for the artifacts of its own runs, and of logged models. A tree never changes."""
    if owner.kind == TREE:
        raise invalid("the files of a registered model never change; register a new version")
    if owner.kind == "run":
        check_writes_run(call, owner.key, (await find_run(call, owner.key)).created_by)
    elif owner.kind == "workspace" and call.caller.policy == "job":
        raise MlflowError(FORBIDDEN, "this token writes to the artifacts of runs and logged models only")


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
