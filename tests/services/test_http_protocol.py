"""What of uvicorn's private parts our protocol relies on. A failure here is a release of uvicorn that changed one."""

from __future__ import annotations

import ast
import inspect
import textwrap

import pytest
import uvicorn
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from treering_services.gateway.http.protocol import LimitedProtocol
from treering_services.gateway.service import Server

OVERRIDDEN = (
    "connection_made", "connection_lost", "data_received", "on_message_begin", "on_url", "on_header",
    "on_headers_complete", "on_body", "on_message_complete", "on_response_complete",
)  # fmt: skip
OF_PROTOCOL = {"transport", "flow", "client", "cycle", "scope", "app_state", "loop", "parser", "headers", "pipeline"}
OF_CYCLE = {
    "body", "message_event", "response_complete", "response_started", "waiting_for_100_continue", "keep_alive",
    "disconnected",
}  # fmt: skip


def attributes_set(of: type) -> set[str]:
    """The names that ``__init__`` gives values on ``self``."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(of.__init__)))  # type: ignore[misc]
    stores = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)]
    return {node.attr for node in stores if isinstance(node.value, ast.Name) and node.value.id == "self"}


def test_uvicorns_server_still_stops_as_we_have_it_stop() -> None:
    for name in ("startup", "main_loop", "shutdown", "on_tick", "capture_signals"):
        ours, theirs = inspect.signature(getattr(Server, name)), inspect.signature(getattr(uvicorn.Server, name))
        assert list(ours.parameters) == list(theirs.parameters), f"{name} takes other arguments in this uvicorn"
    assert "counter % 10 == 0" in inspect.getsource(uvicorn.Server.on_tick), "each of our ticks sets the date"
    assert "self.should_exit" in inspect.getsource(uvicorn.Server.on_tick)


@pytest.mark.parametrize("name", OVERRIDDEN)
def test_uvicorn_still_has_each_method_that_we_override(name: str) -> None:
    assert hasattr(HttpToolsProtocol, name), f"uvicorn's protocol has no {name} any more: http/protocol.py overrides it"
    ours, theirs = (
        inspect.signature(getattr(LimitedProtocol, name)),
        inspect.signature(getattr(HttpToolsProtocol, name)),
    )
    assert list(ours.parameters) == list(theirs.parameters), f"{name} takes other arguments in this uvicorn: {theirs}"


def test_uvicorn_still_keeps_what_we_read_and_set() -> None:
    missing = OF_PROTOCOL - attributes_set(HttpToolsProtocol)
    assert not missing, f"uvicorn's protocol does not set {missing} any more: http/protocol.py relies on it"
    missing = OF_CYCLE - attributes_set(RequestResponseCycle)
    assert not missing, f"uvicorn's request does not set {missing} any more: http/protocol.py relies on it"
    missing = {"read_paused"} - attributes_set(FlowControl)
    assert not missing, f"uvicorn's flow control does not set {missing} any more: http/protocol.py relies on it"
    assert hasattr(HttpToolsProtocol, "_unset_keepalive_if_required"), "http/protocol.py calls it at each read"
    pipelined = (
        inspect.getsource(HttpToolsProtocol.on_headers_complete),
        inspect.getsource(HttpToolsProtocol.on_response_complete),
    )
    assert "self.pipeline.appendleft((" in pipelined[0] and "self.pipeline.pop()" in pipelined[1]
    assert httptools_impl.STATUS_LINE[408].startswith(b"HTTP/1.1 408 ")


def test_uvicorn_still_gives_each_request_a_copy_of_the_state_and_wakes_it_by_its_event() -> None:
    begin = inspect.getsource(HttpToolsProtocol.on_message_begin)
    assert '"state": self.app_state.copy()' in begin, "the peer of a request is found in the state of its scope"
    receive = inspect.getsource(RequestResponseCycle.receive)
    woken = "await self.message_event.wait()" in receive and '"more_body": self.more_body' in receive
    assert woken, "a body that is too slow wakes the application by message_event, with more_body still true"
