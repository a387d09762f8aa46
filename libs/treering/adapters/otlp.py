"""Export of spans by OTLP over HTTP, set up by the standard OTEL_* variables and by nothing of ours.

Imported only when a variable asks for it: docs/adr/0012-otlp.md says what it costs.
"""

from __future__ import annotations

import logging
import os
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

import treering
from treering.adapters.scrubbing import scrub
from treering.tracing import Exporter, Kind, Span, Spans, Value

if TYPE_CHECKING:
    from opentelemetry import trace

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
FLUSH_SECONDS_MAX = 3.0
INSTALL = ".venv/bin/pip install -e '.[otlp]' in treering's folder brings it"
log = structlog.get_logger()


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Whether the standard variables ask for an export of spans."""
    off = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    none = environment.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp"
    return any(environment.get(name) for name in ENDPOINTS) and not off and not none


def start_export(service: str) -> Callable[[], None]:
    """Begin to export the spans of this process if that is wanted; what to call at its end, so that none is lost."""
    if not is_wanted(os.environ):
        return nothing
    protocol = next((os.environ[name] for name in PROTOCOLS if os.environ.get(name)), "http/protobuf")
    if protocol != "http/protobuf":
        log.warning("otlp.off", why=f"the protocol {protocol} is not supported, http/protobuf is")
        return nothing
    try:
        return export(service)
    except ImportError as error:
        log.warning("otlp.off", why=f"{error.name} is not installed: {INSTALL}")
        return nothing


def nothing() -> None:
    pass


def export(service: str) -> Callable[[], None]:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    logging.getLogger("opentelemetry").setLevel(logging.ERROR)  # each failed try would be a warning
    name = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": f"treering-{service}"}
    provider = TracerProvider(
        resource=Resource.create({**name, "service.version": treering.__version__}), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    Exporter.spans = spans_of(provider.get_tracer("treering", treering.__version__))
    log.info("otlp.exporting", service=service)

    def stop() -> None:
        """In a thread: the SDK heeds no timeout of a flush, and a collector that hangs must not hold up our end."""
        Exporter.spans = None
        closing = threading.Thread(target=provider.shutdown, name="the last spans", daemon=True)
        closing.start()
        closing.join(FLUSH_SECONDS_MAX)

    return stop


class ExportedSpan:
    """A span of the SDK."""

    def __init__(self, span: trace.Span) -> None:
        from opentelemetry.trace import StatusCode

        self.span = span
        self.error = StatusCode.ERROR
        context = span.get_span_context()
        self.trace = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def set(self, name: str, value: Value) -> None:
        self.span.set_attribute(name, scrub(value) if isinstance(value, str) else value)

    def fail(self, why: str) -> None:
        self.span.set_status(self.error, scrub(why))

    def tell(self, error: BaseException) -> None:
        """As the SDK would, but without secrets."""
        kind = type(error).__qualname__
        trace = "".join(traceback.format_exception(error))
        about = {"exception.type": kind, "exception.message": str(error), "exception.stacktrace": trace}
        self.span.add_event("exception", {name: scrub(text) for name, text in about.items()})
        self.fail(f"{kind}: {error}")


def spans_of(tracer: trace.Tracer) -> Spans:
    from opentelemetry.context import Context
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    kinds = {"server": SpanKind.SERVER, "client": SpanKind.CLIENT, "internal": SpanKind.INTERNAL}
    propagator = TraceContextTextMapPropagator()

    @contextmanager
    def spans(name: str, parent: str, kind: Kind, attributes: Mapping[str, Value]) -> Iterator[Span]:
        # An empty context: the span of another request that this task descends from must not become the parent.
        context = propagator.extract({"traceparent": parent} if parent else {}, Context())
        about = {key: scrub(value) if isinstance(value, str) else value for key, value in attributes.items()}
        with tracer.start_as_current_span(
            name, context, kinds[kind], about, record_exception=False, set_status_on_exception=False
        ) as span:
            exported = ExportedSpan(span)
            try:
                yield exported
            except Exception as error:
                exported.tell(error)
                raise

    return spans
