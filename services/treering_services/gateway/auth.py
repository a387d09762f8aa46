"""Who is asking: a bearer (or Basic password) token, and what each kind of token may do."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping

from treering.adapters.names import new_name, person_name, read_names, write_names
from treering.adapters.sqlite_view import Database
from treering.adapters.tokens import JobToken, NodeToken
from treering.config import Home
from treering.domain.job import HELD, JOB, Job
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.views.states import show
from treering_services.gateway.access_files import subscriber_address, user_address
from treering_services.gateway.call import Call, Caller
from treering_services.gateway.core import PLURALS, Gateway
from treering_services.gateway.ownership import HINT
from treering_services.gateway.policy import KINDS_OPEN_TO_JOBS, JobMay
from treering_services.gateway.route import Route
from treering_services.gateway.tickets import ticket_caller, ticket_in

NOT_GOOD = "this token is not good for this request"
NEEDED = (
    "a valid token is needed, in the header Authorization: Bearer TOKEN. MLflow's clients send what is in"
    " MLFLOW_TRACKING_TOKEN; the owner's token is in the file `token` of the folder that `treering up` keeps"
    " (export MLFLOW_TRACKING_TOKEN=$(cat ~/.treering/token)), a job's is set where it runs"
)


async def authenticate(call: Call, *, tickets: bool = False) -> Caller:
    """Whose token it is; ``Refused("auth.required")`` without a valid one. ``tickets``: instead of a token a ticket in
    the query string will do (tickets.py)."""
    gateway, token = call.gateway, presented(call.header(b"authorization"))
    if tickets and not token and (ticket := ticket_in(call)):
        return await ticket_caller(gateway, ticket)
    if token and gateway.tokens.is_owner(token):
        return Caller("owner", gateway.actor)
    if token and gateway.tokens.is_join(token):
        return Caller("join", "join")
    if subscriber := gateway.subscribers.read(token):
        await gateway.access.require(subscriber_address(subscriber))
        return Caller("subscriber", f"subscriber:{subscriber.name}", subscriber.workspace, subscriber.name)
    match gateway.tokens.read(token) if token else None:
        case JobToken() as said:
            return await job_caller(gateway, said)
        case NodeToken() as said:
            return Caller("node", f"node:{said.node}", said.workspace, said.node)
        case _:
            pass
    if not gateway.auth:
        return Caller("owner", gateway.actor)
    raise Refused("auth.required", NEEDED)


def presented(authorization: str) -> str:
    """The token of a Bearer header, or the password of a Basic one (which is all some clients can send)."""
    scheme, _, value = authorization.partition(" ")
    match scheme.lower():
        case "bearer":
            return value.strip()
        case "basic":
            try:
                return base64.b64decode(value, validate=True).decode().partition(":")[2]
            except (binascii.Error, UnicodeDecodeError):
                return ""
        case _:
            return ""


async def job_caller(gateway: Gateway, said: JobToken) -> Caller:
    """A job's token is good only while that attempt is held by an executor."""
    address = Address(said.workspace, JOB.kind, said.job)
    job, submitter = await job_state(gateway, address)
    if said.attempt > job.attempt and await gateway.catch_up():  # an attempt the view has not seen yet
        job, submitter = await job_state(gateway, address)
    if job.attempt != said.attempt or job.status not in HELD:
        raise Refused("auth.required", f"attempt {said.attempt} of job {said.job!r} is over, and so is its token")
    name = f"job:{said.job}"
    if job.spec is None or job.spec.identity != "user_identity" or ":" in submitter:  # only people have an id without
        return Caller("job", name, said.workspace, said.job, said.attempt)
    await require_rights(gateway, submitter)
    return Caller("job", submitter, said.workspace, said.job, said.attempt, name)


async def require_rights(gateway: Gateway, person: str) -> None:
    """A job that has its submitter's rights has none when the submitter has none any more."""
    address = user_address(person)
    if not await gateway.reader.view.peek(lambda db: is_let_in(db, address)):
        raise Refused("auth.required", f"{person!r}, with whose rights this job acts, is not let in any more")


def is_let_in(db: Database, address: Address) -> bool:
    """Who is not in the log yet was let in by the files, when the job was submitted."""
    found = show(db, address)
    return found is None or found.status == "granted"


async def job_state(gateway: Gateway, address: Address) -> tuple[Job, str]:
    """The job as the view shows it, and who submitted it."""
    found = await gateway.reader.view.peek(lambda db: show(db, address))
    return (JOB.states.decode(found.state), found.created_by) if found else (JOB.initial, "")


def permit(route: Route, caller: Caller, params: Mapping[str, str]) -> None:
    """``Refused("auth.forbidden")`` unless the caller's kind of token is good for the route and this path."""
    if caller.policy != "job" and caller.policy not in route.policy.tokens:
        raise Refused("auth.forbidden", NOT_GOOD)
    if caller.policy not in ("job", "node", "subscriber"):
        return
    if params.get("ws", caller.workspace) != caller.workspace:
        raise Refused("auth.forbidden", f"this token is good for workspace {caller.workspace!r} only")
    if caller.policy == "job":
        permit_job(route, caller, params)


def permit_job(route: Route, caller: Caller, params: Mapping[str, str]) -> None:
    may = route.policy.job
    if may is JobMay.NOTHING:
        raise Refused("auth.forbidden", f"{NOT_GOOD}: no job may make it")
    kind = PLURALS.get(kinds_in(route.path, params), "") if "key" in params or "kinds" in params else ""
    if kind and kind not in KINDS_OPEN_TO_JOBS:
        raise Refused("auth.forbidden", f"{NOT_GOOD}: jobs have no access to a {kind}")
    if caller.via:
        return
    if may is JobMay.AS_SUBMITTER:
        raise Refused("auth.forbidden", f"{NOT_GOOD}; {HINT}")
    if ("key" in params or "kinds" in params) and (kind != JOB.kind or params.get("key") != caller.name):
        raise Refused("auth.forbidden", f"this token is good for job {caller.name!r} only")


def kinds_in(path: str, params: Mapping[str, str]) -> str:
    """What ``{key}`` in the path of a route is a name of: the word before it, or what stands for ``{kinds}`` there."""
    before = path.partition("/{key}")[0].rpartition("/")[2]
    return params.get("kinds", "") if before == "{kinds}" else before


def owner_actor(home: Home) -> str:
    """The opaque id of the person who runs this installation; the name stays in ``keys/actors.json``, outside
    the log, so that it can be erased."""
    login, names = person_name(), read_names(home)
    salted = {actor: one if one.salt else new_name(one.name, one.login) for actor, one in names.items()}
    actor = next((actor for actor, one in names.items() if one.login == login), "")
    if not actor:
        actor = f"u_{secrets.token_hex(4)}"
        salted[actor] = new_name(login, login)
    if salted != names:
        write_names(home, salted)
    return actor
