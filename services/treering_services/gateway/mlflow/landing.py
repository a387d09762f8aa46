"""What stands at the address that MLflow's clients print: "View run ... at: http://host:port/#/experiments/1/runs/ID".

There are no web pages yet, so it says how to see the run from a terminal. What follows the # is not sent here.
"""

from __future__ import annotations

from html import escape

from msgspec import Struct
from starlette.responses import Response

from treering_services.gateway.call import Call, reply
from treering_services.gateway.mlflow.place import workspace_of

HTML = "text/html"
HEADERS = {"content-security-policy": "default-src 'none'", "cache-control": "no-cache"}
NOTHING_YET = "treering has no web pages yet"
WHERE = "The id of the run is what follows /runs/ in the address, and that of a job is its name."


class Landing(Struct, frozen=True):
    """``see`` are commands of the machine where treering runs, or where it is set up as a client."""

    detail: str
    see: list[str]
    api: str = "/openapi.json"


async def landing(call: Call) -> Response:
    """As a page for a browser, which sends no token: nothing of the installation is in it."""
    place = f" -w {workspace}" if (workspace := workspace_of(call)) != "main" else ""
    see = [f"treering run show{place} RUN", f"treering job show{place} JOB", f"treering run list{place}"]
    if HTML not in call.header(b"accept"):
        return reply(Landing(f"{NOTHING_YET}. {WHERE}", see))
    commands = "\n".join(see)
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>treering</title></head>\n'
        f"<body><h1>treering</h1>\n<p>{NOTHING_YET}. To see a run, a job or all runs, in a terminal:</p>\n"
        f"<pre>{escape(commands)}</pre>\n<p>{WHERE}</p>\n"
        '<p>The API is described in <a href="/openapi.json">/openapi.json</a>.</p></body></html>\n'
    )
    return Response(page, headers=HEADERS, media_type=HTML)
