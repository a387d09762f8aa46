"""Every write to a run or an experiment goes through here: found on fresh rows, permitted, sent, remembered."""

from __future__ import annotations

from treering.domain.experiment import EXPERIMENT
from treering.domain.experiment_messages import CreateExperiment, ExperimentCommand
from treering.domain.run import RUN
from treering.domain.run_messages import CreateRun, RunCommand
from treering.kernel.clock import now
from treering.kernel.command import Context, Written
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.views.tracking.experiments import ACTIVE, DEFAULT, key_of_id
from treering.views.tracking.run_reads import RunHead, run
from treering_services.gateway.call import Call
from treering_services.gateway.mlflow.errors import MlflowError, absent, invalid
from treering_services.gateway.mlflow.place import workspace_of
from treering_services.gateway.ownership import may_change_run, must_own
from treering_services.gateway.provenance import check_named, known_run

GATEWAY = "service:gateway"


async def find_run(call: Call, run_id: str) -> RunHead:
    """A run, whatever its state."""
    return await known_run(call, workspace_of(call), run_id)


async def writable_run(call: Call, run_id: str) -> RunHead:
    """A run that the caller may log to, and that is not deleted."""
    found = await find_run(call, run_id)
    may_change_run(call, run_id, found.created_by)
    if found.lifecycle != ACTIVE:
        raise invalid(f"The run {run_id} must be in the 'active' state. Current state is deleted.")
    return found


async def send_to_run(call: Call, run_id: str, head: RunHead, command: RunCommand) -> Written:
    """Carry out a command on a run; the run of a job becomes a resource with its first."""
    address = Address(workspace_of(call), RUN.kind, run_id)
    await check_named(call, address.workspace, command)
    if not head.logged:
        await make_run_of_job(call, address, head)
    try:
        return await call.gateway.commands.send(address, command, call.context())
    except Refused as refused:
        raise in_words(refused, run_id) from None


async def make_run_of_job(call: Call, address: Address, head: RunHead) -> None:
    """Two first writers say the same, so one of them changes nothing."""
    view = call.gateway.tracking.view
    found = await view.peek(lambda db: key_of_id(db, address.workspace, head.experiment))
    shown = await view.peek(lambda db: run(db, address.workspace, address.key))
    tags = {tag.key: tag.value for tag in shown.data.tags} if shown else {}
    command = CreateRun(found[0] if found else "", head.name, start_time=head.start_time, tags=tags, of_job=True)
    await call.gateway.commands.send(address, command, call.context(f"{call.trace}:{address}"))


def in_words(refused: Refused, run_id: str) -> Exception:
    """A refusal of the run, as MLflow says it: with the id, which the run itself does not know."""
    match refused.code:
        case "run.param_changed":
            return invalid(f"{refused.detail} for run ID='{run_id}'.")
        case "run.deleted":
            return invalid(f"The run {run_id} must be in the 'active' state. Current state is deleted.")
        case "run.absent":
            return absent(f"Run with id={run_id} not found")
        case _:
            return refused


async def find_experiment(call: Call, number: int) -> tuple[str, int]:
    """The key and the lifecycle of an experiment by its number."""
    tracking, workspace = call.gateway.tracking, workspace_of(call)
    # Runs may be far ahead of the view without a reader of experiments noticing.
    await tracking.commits.reached(tracking.experiments_written)
    found = await tracking.view.peek(lambda db: key_of_id(db, workspace, number))
    if found is None:
        await tracking.commits.reached(await call.gateway.log.head())
        found = await tracking.view.peek(lambda db: key_of_id(db, workspace, number))
    if found is None and number == 0:
        await make_default(call)
        found = await tracking.view.peek(lambda db: key_of_id(db, workspace, number))
    if found is None:
        raise no_experiment(number)
    return found


async def make_default(call: Call) -> None:
    """A client that names no experiment logs to the one with the id 0, and expects it to be there. That of main is
    made with the installation, those of other workspaces when they are asked for first."""
    workspace = workspace_of(call)
    context = Context(f"default:experiment/{workspace}", now(), GATEWAY, trace=call.trace)
    address = Address(workspace, EXPERIMENT.kind, DEFAULT[1])
    written = await call.gateway.commands.send(address, CreateExperiment(), context)
    await call.gateway.tracking.commits.reached(written.position)


async def own_experiment(call: Call, number: int) -> tuple[str, int]:
    """Like ``find_experiment``, of one that the caller may change."""
    key, lifecycle = await find_experiment(call, number)
    await must_own(call, Address(workspace_of(call), EXPERIMENT.kind, key))
    return key, lifecycle


def no_experiment(number: int) -> MlflowError:
    return absent(f"No Experiment with id={number} exists")


async def send_to_experiment(call: Call, key: str, command: ExperimentCommand) -> Written:
    address = Address(workspace_of(call), EXPERIMENT.kind, key)
    written = await call.gateway.commands.send(address, command, call.context())
    call.gateway.tracking.wrote_experiment(written.position)
    return written
