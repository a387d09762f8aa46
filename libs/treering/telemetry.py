"""Log lines: JSON for machines, readable on a terminal. Every line carries what its task has bound."""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from collections.abc import MutableMapping
from contextlib import suppress
from types import TracebackType
from typing import Any, TextIO, cast

import structlog

from treering.adapters.known_secrets import environment_secrets
from treering.adapters.scrubbing import know, scrub, scrubbed
from treering.kernel.plain_text import harmless

LEVEL_VARIABLE = "TREERING_LOG_LEVEL"


class Unfailing:
    """A text file whose lines are lost where it takes none (a full disk, a closed pipe): to say what goes on must not
    end what goes on."""

    def __init__(self, file: TextIO) -> None:
        self.file = file

    def write(self, text: str) -> None:
        with suppress(OSError):
            self.file.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self.file.flush()


class ScrubbingFormatter(logging.Formatter):
    """Lines of libraries, tracebacks included."""

    def format(self, record: logging.LogRecord) -> str:
        return scrub(super().format(record))


def without_secrets(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What a line says, without secrets: names, reasons and tracebacks come from anywhere."""
    return {name: scrubbed(value, name) for name, value in event.items()}


def say_without_secrets(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What is printed of an error that nobody caught."""
    with suppress(OSError):
        sys.stderr.write(scrub("".join(traceback.format_exception(kind, error, trace))))


def shown(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """For a terminal: names and reasons that others chose are shown, not obeyed. (JSON writes them in ASCII.)"""
    return {name: harmless(value) if isinstance(value, str) else value for name, value in event.items()}


def configure_logging(service: str, default_level: str = "info") -> None:
    """Set up structlog for this process, on standard error; ``TREERING_LOG_LEVEL`` is debug, info, warning or error."""
    level = getattr(logging, (os.environ.get(LEVEL_VARIABLE) or default_level).upper(), logging.INFO)
    pretty = sys.stderr.isatty()
    renderer = structlog.dev.ConsoleRenderer() if pretty else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            without_secrets,
            *([shown] if pretty else []),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, Unfailing(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    # Libraries log through the standard module: only what went wrong is of interest.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(ScrubbingFormatter("%(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for value in environment_secrets(os.environ):
        know(value)
    sys.excepthook = say_without_secrets
    threading.excepthook = lambda hook: say_without_secrets(
        hook.exc_type, hook.exc_value or hook.exc_type(), hook.exc_traceback
    )
    logging.getLogger("nats.aio.client").setLevel(logging.CRITICAL)  # its errors reach us through callbacks
