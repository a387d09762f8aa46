"""Log lines: JSON for machines, readable on a terminal. Every line carries what its task has bound."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, TextIO, cast

import structlog

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
            shown if pretty else structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, Unfailing(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    # Libraries log through the standard module: only what went wrong is of interest.
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
    logging.getLogger("nats.aio.client").setLevel(logging.CRITICAL)  # its errors reach us through callbacks
