"""The ASGI application: guard, route, authenticate, permit, handle, and answer whatever happens."""

from __future__ import annotations

import re
from collections.abc import Sequence

import structlog
from msgspec import Struct
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute
from starlette.routing import Router
from starlette.types import Message, Receive, Scope, Send

from treering.kernel.asking import Asker, AskerGone, asking
from treering.kernel.clock import monotonic_seconds
from treering.kernel.refusal import Refused
from treering.tracing import Span, span
from treering_services.gateway.auth import authenticate, permit
from treering_services.gateway.blobs import Begun
from treering_services.gateway.call import Call
from treering_services.gateway.core import Gateway
from treering_services.gateway.guard import Guard
from treering_services.gateway.mlflow.errors import INVALID
from treering_services.gateway.mlflow.errors import answered as mlflow_answer
from treering_services.gateway.mlflow.routes import MLFLOW_ROUTES
from treering_services.gateway.mount import mounted, prefix_of
from treering_services.gateway.policy import OPEN, JobMay
from treering_services.gateway.problem import SERVER_ERROR, problem, problem_of, status_of
from treering_services.gateway.route import Route
from treering_services.gateway.routes import ROUTES

FAILED = "the service failed on this request; its log says why"
PLAIN_PATH = re.compile(r"[A-Za-z0-9/._~!$&'()*+,;=:@%-]*")  # RFC 3986, 3.3
MLFLOW_PATHS = ("/api/2.0/mlflow", "/api/3.0/mlflow")
BAD_REQUEST = 400
NOWHERE = "-"  # the route of a request that matches none
log = structlog.get_logger()


class Endpoint:
    """One route of the table at work."""

    def __init__(self, gateway: Gateway, route: Route) -> None:
        self.gateway = gateway
        self.route = route
        self.only_reads = route.only_reads
        self.takes_no_query = route.method == "GET" and route.query is None and route.path.startswith("/v1/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = Call(self.gateway, scope, receive)
        about = {"http.request.method": self.route.method, "http.route": self.route.path}
        with span(f"{self.route.method} {self.route.path}", call.asked_trace, "server", about) as whole:
            call.trace = whole.trace or call.trace
            await self.handle(call, send, whole)

    async def handle(self, call: Call, send: Send, whole: Span) -> None:
        started = monotonic_seconds()
        try:
            response = await self.respond(call)
            whole.set("http.response.status_code", response.status_code)
            if response.status_code >= SERVER_ERROR:
                whole.fail(str(response.status_code))
            await answer(call, response, send)
        except ClientDisconnect:
            return
        finally:
            call.let_go()
        seconds = monotonic_seconds() - started
        self.gateway.metrics.observe(self.route.method, self.route.path, response.status_code, seconds)

    async def respond(self, call: Call) -> Response:
        """The handler's response, or the problem that came up; nothing of our insides in either."""
        try:
            if self.route.policy is not OPEN:
                call.caller = await authenticate(call, tickets=self.route.tickets)
                key = call.peer.caller = call.caller.key
                # What changes something goes on without its client: it would be left half done.
                asking.set(call.peer if self.only_reads else Asker(key))
                call.hold(call.gateway.requests, key)
                permit(self.route, call.caller, call.params)
                call.may_write = not call.caller.is_bounded or self.route.policy.job is JobMay.CREATE
                if prefix_of(call.scope):
                    await self.gateway.require_workspace(call.workspace)
            if self.route.method == "GET" and "ws" in call.params:  # commands ask by themselves: one makes it
                await self.gateway.require_workspace(call.workspace)
            if self.takes_no_query and call.scope["query_string"]:
                call.query(NoQuery)
            return await self.route.handler(call)
        except ClientDisconnect:
            raise
        except AskerGone:
            raise ClientDisconnect from None
        except Exception as error:
            known = self.route.problems(error)
            if known is not None:
                return known
            log.exception("request.failed", method=self.route.method, route=self.route.path, trace=call.trace)
            return self.route.problems(Refused("service.failed", FAILED)) or problem("service.failed", FAILED)


class NoQuery(Struct, forbid_unknown_fields=True):
    """Of a route that reads nothing from the query string: what is asked for there would be passed over."""


class TableRoute(StarletteRoute):
    """A Starlette route that takes exactly the method of its line, and says so in our own words."""

    def __init__(self, gateway: Gateway, route: Route) -> None:
        super().__init__(route.path, Endpoint(gateway, route), methods=[route.method])
        self.methods = {route.method}
        self.line = route
        self.gateway = gateway

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in (self.methods or ()):
            await self.app(scope, receive, send)
            return
        said = f"{scope['path']!r} does not take {scope['method']}"
        await refuse(self.gateway, nowhere(scope, "route.method", said), scope, receive, send)


class Application:
    """What uvicorn runs."""

    def __init__(self, gateway: Gateway, guard: Guard) -> None:
        self.gateway = gateway
        self.guard = guard
        self.router = self.router_of(ROUTES)
        self.of_workspace = self.router_of(MLFLOW_ROUTES)
        # A path without parameters is looked up: the router tries its patterns one after the other.
        self.fixed = {(route.method, route.path): Endpoint(gateway, route) for route in ROUTES if "{" not in route.path}
        self.fixed_of_workspace = {
            (route.method, route.path): self.fixed[route.method, route.path]
            for route in MLFLOW_ROUTES
            if "{" not in route.path
        }

    def router_of(self, routes: Sequence[Route]) -> Router:
        lines = [TableRoute(self.gateway, route) for route in routes]
        return Router(lines, redirect_slashes=False, default=self.not_found)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self.guard.check(scope)
        except Exception as error:
            known = problem_of(error) or problem("service.failed", FAILED)
            await refuse(self.gateway, known, scope, receive, send)
            return
        if scope["method"] == "HEAD":
            scope, send = as_get(scope), head_only(send)
        within = mounted(scope)
        if within is None:
            router, found = self.router, self.fixed.get((scope["method"], scope["path"]))
        else:
            scope, router = within, self.of_workspace
            found = self.fixed_of_workspace.get((scope["method"], scope["path"]))
        await (found or router)(scope, receive, send)

    async def not_found(self, scope: Scope, receive: Receive, send: Send) -> None:
        target = "/" + scope["raw_path"].decode("latin-1").lstrip("/")
        # A client that joined a base and a path, each with its own slash. A browser takes "\\" for "/" and what follows
        # two of them for a host, so nothing but a plain path is ever given back.
        if scope["path"].startswith("//") and PLAIN_PATH.fullmatch(target):
            query = scope["query_string"].decode("latin-1")
            location = {"location": f"{target}?{query}" if query else target}
            await refuse(self.gateway, Response(status_code=308, headers=location), scope, receive, send)
            return
        if "\n" in scope["path"]:  # where the patterns of the table end
            said = "the path has a line break (%0A) in it; nothing here has such a name"
            await refuse(self.gateway, nowhere(scope, "path.unsafe", said), scope, receive, send)
            return
        said = "there is nothing at this path; GET /openapi.json says what there is"
        await refuse(self.gateway, nowhere(scope, "route.unknown", said), scope, receive, send)


def nowhere(scope: Scope, code: str, said: str) -> Response:
    """The answer to what reaches no line of the table, in the words of the API that its path is of."""
    if not (prefix_of(scope) or scope["path"].startswith(MLFLOW_PATHS)):
        return problem(code, said)
    status = status_of(code)
    return mlflow_answer(INVALID if status == BAD_REQUEST else "ENDPOINT_NOT_FOUND", said, status)


def head_only(send: Send) -> Send:
    """A HEAD is answered as a GET whose client goes away when it has the head: no body is made, and no stream begun."""

    async def forward(message: Message) -> None:
        await send(message)
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        raise ClientDisconnect

    return forward


def as_get(scope: Scope) -> Scope:
    """The GET that a HEAD stands for; a Range means nothing in it (RFC 9110, 14.2)."""
    return {**scope, "method": "GET", "headers": [one for one in scope["headers"] if one[0] != b"range"]}


async def refuse(gateway: Gateway, refusal: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """The answer to a request that reaches no line of the table."""
    await answer(Call(gateway, scope, receive), refusal, send)
    gateway.metrics.observe(NOWHERE, NOWHERE, refusal.status_code, 0.0)


async def answer(call: Call, response: Response, send: Send) -> None:
    """Send a response with the headers all have. A client that went away harms nobody."""
    response.raw_headers += [(b"traceparent", call.trace.encode()), (b"x-content-type-options", b"nosniff")]
    try:
        await response(call.scope, call.receive, send)
    except (ClientDisconnect, AskerGone, OSError):
        log.debug("client.gone", path=call.scope["path"])
    except Refused as refused:  # as below; what is behind it was found and said where it happened
        log.warning("answer.broken_off", path=call.scope["path"], trace=call.trace, code=refused.code)
    except Exception:
        # The head is sent: all that is left is to break off, so that the client does not take it for the whole.
        log.exception("answer.broken_off", path=call.scope["path"], trace=call.trace)
        raise
    finally:
        chunks = getattr(response, "body_iterator", None)
        if isinstance(chunks, Begun):  # of which the client may have taken none: then nothing else closes them
            await chunks.aclose()
