"""Requests to every route there is, made from the route table and the types that its handlers decode."""

from __future__ import annotations

import ast
import hashlib
import http.client
import inspect
import json
import math
import random
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from msgspec import Struct
from tests.system.odd_values import TEXTS, Generator, encoded

from treering.config import Home
from treering.domain import KINDS
from treering.kernel.free_form import is_struct
from treering.kernel.subjects import plural
from treering_services.gateway.commands import public_commands
from treering_services.gateway.route import Route
from treering_services.gateway.routes import ROUTES

SECONDS_MAX = 30.0
BYTES_MAX = 890 * 1024
NAMES = ["a1", "b2", "c3"]
BLOB = b"content"
DIGEST = "sha256:" + hashlib.sha256(BLOB).hexdigest()
# 503 and 507 may have any code; the others are what MLflow's protocol says.
CODES_5XX: dict[int, tuple[str, ...]] = {500: ("INVALID_STATE",), 501: ("NOT_IMPLEMENTED",), 503: (), 507: ()}
WRITES_SHARE = 0.8
WS, MLFLOW = "/v1/workspaces/main", "/api/2.0/mlflow"
JOB = {"command": "true", "environment": {"python": "3.11"}, "compute": "far"}
HOOK = {"url": "https://example.org/x", "types": ["nothing.*"]}
# Something of every kind, so that commands find what they change. No node serves the compute target "far".
GOOD: tuple[tuple[str, str, Any], ...] = (
    ("POST", f"{WS}/restore", {}),
    ("POST", f"{WS}/computes/far/create", {}),
    ("POST", f"{MLFLOW}/experiments/restore", {"experiment_id": "0"}),
    ("POST", f"{MLFLOW}/experiments/create", {"name": "a1"}),
    ("POST", f"{MLFLOW}/runs/create", {"experiment_id": "0"}),
    ("POST", f"{WS}/environments", {"name": "a1", "version": "1", "spec": {"python": "3.11"}}),
    ("POST", f"{WS}/runs/{'0' * 32}/create", {"experiment": "Default"}),
    ("POST", f"{MLFLOW}/registered-models/create", {"name": "a1"}),
    ("POST", f"{MLFLOW}/model-versions/create", {"name": "a1", "source": "s3://bucket/x"}),
    ("POST", f"{MLFLOW}/logged-models", {"experiment_id": "0", "name": "m"}),
    ("POST", f"{WS}/event_schemas/a.b/create", {"schema": {}}),
    ("POST", f"{WS}/webhooks", {"name": "a1", **HOOK}),
    ("POST", f"{WS}/jobs", {"name": "a1", "spec": JOB}),
    ("POST", f"{WS}/jobs", {"name": "b2", "spec": JOB}),
)


class Line(NamedTuple):
    """One route with what it is sent. ``versioned``: its keys are ``name:version``."""

    method: str
    path: str
    body: type[Struct] | None = None
    query: type[Struct] | None = None
    is_bytes: bool = False
    versioned: bool = False


class Sent(NamedTuple):
    method: str
    path: str
    body: bytes | None

    def __str__(self) -> str:
        return f"{self.method} {self.path[:300]} {(self.body or b'')[:600]!r}"


class Answer(NamedTuple):
    status: int
    body: bytes

    @property
    def fault(self) -> str:
        """Why it is not an answer that a client may be given, "" when it is."""
        if self.status < 500:
            return ""
        try:
            said = json.loads(self.body)
            code = str(said.get("code") or said.get("error_code") or "")
        except ValueError:
            return f"{self.status} without JSON: {self.body[:200]!r}"
        allowed = CODES_5XX.get(self.status)
        good = allowed is not None and code and (not allowed or code in allowed)
        return "" if good else f"{self.status} {code}: {self.body[:300]!r}"


def lines() -> list[Line]:
    """Every route, those of all kinds and commands spelled out."""
    return [line for route in ROUTES for line in spelled_out(route)]


def spelled_out(route: Route) -> Iterator[Line]:
    kinds = KINDS if "{kinds}" in route.path else {"": KINDS["workspace"]}
    for name, kind in kinds.items():
        path = route.path.replace("{kinds}", plural(name))
        versioned = name in ("environment", "model")
        if "{command}" in path:
            for command, type in public_commands(kind).items():
                yield Line(route.method, path.replace("{command}", command), type, versioned=versioned)
            continue
        types = [one for one in (route.request, *decoded_by(route.handler)) if is_struct(one)]
        body, query = (types[0] if types else None), route.query
        if route.method == "GET":
            body, query = None, query or body
        yield Line(route.method, path, body, query if is_struct(query) else None, route.request is bytes, versioned)


def decoded_by(handler: Any) -> Iterator[Any]:
    """The types that MLflow's handlers say in ``read(call, X)``: their lines of the table do not."""
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(handler)))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "read" and len(node.args) > 1:
            yield handler.__globals__.get(getattr(node.args[1], "id", ""))


class Requests:
    """An endless supply of requests; what earlier answers named is used in later ones."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        found = [line for line in lines() if not line.path.startswith("/ajax-api")]  # the same handlers once more
        self.writes = [line for line in found if line.method not in ("GET", "HEAD") and line.body]
        self.others = [line for line in found if line not in self.writes]
        self.runs: list[str] = ["0" * 32]
        self.models: list[str] = ["m-" + "0" * 32]
        names, times = NAMES, [0, 1_700_000_000_000]
        self.known: dict[str, list[Any]] = {
            "run_id": self.runs, "run_uuid": self.runs, "run_ids": self.runs, "name": names, "key": names,
            "at": ["1", ""], "new_name": names, "experiment_id": ["0", "1"], "experiment_ids": ["0", "1"],
            "experiment": ["Default"], "digest": [DIGEST], "compute": ["far"], "version": [1, 2, "1", "2"],
            "after": [0], "since": [0, 1, "0", "1"], "until": ["", "5"], "page": [""], "page_token": [""],
            "start_time": times, "end_time": times, "kind": ["job", "run", ""], "environment": [{"python": "3.11"}],
            "source": ["/tmp/x", "runs:/a/b"], "url": ["http://127.0.0.1:9/x"], "command": ["true"],
            'filter': ['', 'metrics.m > 0', "tags.t = 'x'"], "event_type": ["a.b"], "limit": [1, 50],
            "type": ["a.b", "custom_model", "uri_file", "cloudevents"], "schema": [{"type": "object"}, {}],
            "workspace": ["main", ""], "model_id": self.models, "metric_key": ["m"], "stage": ["Staging"],
            "status": ["FINISHED", ""], "by": ["type"], "subject": ["", "experiment/Default"], "specversion": ["1.0"],
            "datacontenttype": ["application/json"], "max_results": [5], "num_parts": [1], "path": ["", "a/b.txt"],
            "inputs": [{}], "instance_count": [1], "follow": [False],
            "time": ["2026-01-31T12:00:00Z", "2016-12-31T23:59:60Z"], "sql": ["SELECT 1", "SELECT * FROM events"],
            "order_by": [[], ["start_time DESC"]], "view_type": ["ALL"], "run_view_type": ["ALL"],
            "id": ["1", "2", "3"],
        }  # fmt: skip
        self.generator = Generator(chance, self.known)

    def next(self) -> Sent:
        line = self.chance.choice(self.writes if self.chance.random() < WRITES_SHARE else self.others)
        path = self.filled(line)
        if line.query is not None and self.chance.random() < 0.7:
            path += "?" + self.query(line.query)
        if line.is_bytes:
            return Sent(line.method, path, BLOB)
        body = None
        if line.method not in ("GET", "HEAD"):
            body = encoded(self.generator.struct(line.body) if line.body else {})
            if self.chance.random() < 0.02 and body.startswith(b"{") and len(body) > 2:
                body = body[:-1] + b"," + body[1:]  # every name twice
        return Sent(line.method, path, body if body is None or len(body) < BYTES_MAX else b"{}")

    def query(self, type: type[Struct]) -> str:
        fields = self.generator.struct(type)
        fields["follow"] = fields.get("follow", False) and False
        if "follow" not in type.__struct_fields__:
            del fields["follow"]
        if isinstance(fields.get("after"), int) and fields["after"] < 2**60:
            fields["after"] = min(fields["after"], 0)  # a position that is not there yet is waited for
        plain = [(name, text(one)) for name, one in fields.items() if len(text(one)) < 4000]
        return urlencode(plain, errors="surrogatepass")

    def filled(self, line: Line) -> str:
        path = line.path
        values = {
            "ws": "main", "digest": DIGEST, "model_id": self.chance.choice(self.models), "path:path": "a/b.txt",
            "tag:path": "t", "label": "latest",
            "key": self.chance.choice(self.runs if "/runs/" in path else NAMES) + (":1" if line.versioned else ""),
        }  # fmt: skip
        for name, value in values.items():
            if self.chance.random() < 0.03:
                value = str(self.chance.choice(TEXTS))[:2000]
            path = path.replace("{" + name + "}", quote(value, safe="", errors="surrogatepass"))
        return path

    def learn(self, sent: Sent, answer: Answer) -> None:
        """A run or a logged model that was made is written to from now on."""
        if answer.status == 200 and sent.path.endswith("runs/create"):
            self.runs.append(json.loads(answer.body)["run"]["info"]["run_id"])
        if answer.status == 200 and sent.path.endswith("/logged-models"):
            self.models.append(json.loads(answer.body)["model"]["info"]["model_id"])


def text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN"
    return value if isinstance(value, str) else str(value)


@dataclass
class Client:
    """One connection at a time to the gateway of ``home``, as its owner."""

    home: Home
    connection: http.client.HTTPConnection | None = None

    def send(self, sent: Sent) -> Answer:
        """Raises OSError or HTTPException when there is no whole answer, on a connection that is new."""
        for _ in range(2):
            is_new = self.connection is None
            if self.connection is None:
                url = urlsplit(self.home.url_file.read_text().strip())
                self.connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=SECONDS_MAX)
            try:
                headers = {
                    "authorization": f"Bearer {self.home.token_file.read_text().strip()}",
                    "content-type": "application/octet-stream" if sent.body == BLOB else "application/json",
                }
                self.connection.request(sent.method, sent.path, sent.body, headers)
                reply = self.connection.getresponse()
                return Answer(reply.status, reply.read())
            except (OSError, http.client.HTTPException):
                self.close()
                if is_new:
                    raise
        raise AssertionError("unreachable")

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None
