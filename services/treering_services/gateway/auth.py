"""Who is asking: a bearer (or Basic password) token, and what each kind of token may do."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping

from treering.adapters.names import new_name, person_name, read_names, write_names
from treering.adapters.tokens import JobToken, NodeToken
from treering.config import Home
from treering.domain.job import HELD, JOB, Job
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.views.states import show
from treering_services.gateway.access_files import subscriber_address
from treering_services.gateway.call import Call, Caller
from treering_services.gateway.core import PLURALS, Gateway
from treering_services.gateway.route import Route

# Policies: which kinds of token a route lets in. OPEN is the only one that asks for none.
OPEN = frozenset({"anybody"})
OWNER = frozenset({"owner"})
WATCH = frozenset({"owner", "subscriber"})  # a subscriber's token: the events of its own workspace only
OWN_JOB = frozenset({"owner", "job"})  # a job's token: its own job only
BLOBS = frozenset({"owner", "job", "node"})
JOIN = frozenset({"owner", "join"})
NODE = frozenset({"node"})
NEEDED = "a valid token is needed: Authorization: Bearer <the text of the token file>"


async def authenticate(call: Call) -> Caller:
    """Whose token it is; ``Refused("auth.required")`` without a valid one."""
    gateway, token = call.gateway, presented(call.header(b"authorization"))
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
    job = await job_state(gateway, address)
    if said.attempt > job.attempt and await gateway.catch_up():  # an attempt the view has not seen yet
        job = await job_state(gateway, address)
    if job.attempt != said.attempt or job.status not in HELD:
        raise Refused("auth.required", f"attempt {said.attempt} of job {said.job!r} is over, and so is its token")
    return Caller("job", f"job:{said.job}", said.workspace, said.job, said.attempt)


async def job_state(gateway: Gateway, address: Address) -> Job:
    found = await gateway.reader.view.peek(lambda db: show(db, address))
    return JOB.states.decode(found.state) if found else JOB.initial


def permit(route: Route, caller: Caller, params: Mapping[str, str]) -> None:
    """``Refused("auth.forbidden")`` unless the caller's kind of token is good for the route and this path."""
    if caller.policy not in route.policy:
        raise Refused("auth.forbidden", "this token is not good for this request")
    if caller.policy not in ("job", "node", "subscriber"):
        return
    if params.get("ws", caller.workspace) != caller.workspace:
        raise Refused("auth.forbidden", f"this token is good for workspace {caller.workspace!r} only")
    if caller.policy == "job" and ("key" in params or "kinds" in params):
        own = PLURALS.get(kinds_in(route.path, params)) == JOB.kind and params.get("key") == caller.name
        if not own:
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
