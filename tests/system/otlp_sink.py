"""A collector on this machine that speaks OTLP over HTTP and remembers every span."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

PATIENCE_SECONDS = 30.0


class Seen(NamedTuple):
    service: str
    name: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, str]


@dataclass
class Sink:
    """``url`` is the value for OTEL_EXPORTER_OTLP_ENDPOINT."""

    url: str = ""
    spans: list[Seen] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        with self.changed:
            for group in request.resource_spans:
                service = {one.key: one.value.string_value for one in group.resource.attributes}["service.name"]
                for scope in group.scope_spans:
                    for span in scope.spans:
                        said = {one.key: one.value.string_value for one in span.attributes}
                        ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
                        self.spans.append(Seen(service, span.name, *ids, said))
            self.changed.notify_all()

    def wait(self, enough: Callable[[list[Seen]], bool]) -> list[Seen]:
        """All spans as soon as they are ``enough``; AssertionError with their names otherwise."""
        with self.changed:
            came = self.changed.wait_for(lambda: enough(self.spans), PATIENCE_SECONDS)
            assert came, sorted({f"{span.service}: {span.name}" for span in self.spans})
            return list(self.spans)


@contextmanager
def running_sink() -> Iterator[Sink]:
    sink = Sink()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path == "/v1/traces" and self.headers["content-type"] == "application/x-protobuf":
                sink.take(body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        sink.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield sink
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
