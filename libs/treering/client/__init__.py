"""Talks to a treering installation over HTTP: what the command line and other Python programs use.

from treering.client import Client, AsyncClient
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from treering.client.async_client import AsyncClient
    from treering.client.http import Client

__all__ = ["AsyncClient", "Client"]


def __getattr__(name: str) -> Any:
    """Imported when asked for: the command line's start-up counts."""
    match name:
        case "Client":
            from treering.client.http import Client

            return Client
        case "AsyncClient":
            from treering.client.async_client import AsyncClient

            return AsyncClient
        case _:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
