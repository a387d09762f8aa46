"""One training script against ``mlflow server`` and against treering: the two run histories, field by field.

    python -m bench.mlflow_compare --mlflow VENV [--more FOLDER]

VENV has mlflow, scikit-learn and pandas; FOLDER is put on the script's path (xgboost or keras, say). Ids, times and
addresses differ by nature and are replaced by what they stand for; everything else must be equal. Exit code 1 when it
is not.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

from bench.mlflow_servers import Server, mlflow_server, treering_server

SCRIPT = Path(__file__).resolve().parents[1] / "examples" / "mlflow" / "train.py"
MODEL = "iris-classifier"
# Differences that are meant: where they are, what MLflow says there and what treering says.
EXPLAINED = (
    (r"\.experiment\.workspace", "default", "None",
     "MLflow's API names its one workspace; treering's workspaces are in the tracking URI"),
    (r"\.logged models\[\d+\]\.data\.metrics\[\d+\]\.value", r"0\.0", "(?i)nan",
     "NaN was logged: MLflow answers 0 here, and NaN on the run"),
    (r"\.runs\[\d+\]\.inputs\.model_inputs", "None", r"\[.+\]",
     "MLflow shows the models that were a run's inputs when one run is asked for, and leaves them out of a search"),
)  # fmt: skip
# What differs by nature: when it was, and what the script's machine measured.
TIMES = re.compile(r"(time|timestamp|creation_time|last_update_time|_ms|utc_time_created)$")


def trained(server: Server, python: Path, more: str) -> None:
    variables = {"MLFLOW_TRACKING_URI": server.url, "PYTHONPATH": more, "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run([str(python), str(SCRIPT)], env={**os.environ, **variables}, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the script failed against {server.name}:\n{done.stderr[-3000:]}")


class History:
    """All that a server says it has, with ids replaced in the order in which they come up."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.names: dict[str, str] = {}

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)
        with urlopen(request, timeout=60) as reply:
            return json.loads(reply.read())

    def read(self) -> dict[str, Any]:
        api = "/api/2.0/mlflow"
        experiment = self.ask("GET", f"{api}/experiments/get-by-name?experiment_name=iris")["experiment"]
        number = experiment["experiment_id"]
        found = self.ask("POST", f"{api}/runs/search", {"experiment_ids": [number], "order_by": ["start_time ASC"]})
        runs = found["runs"]
        models = self.ask("POST", f"{api}/logged-models/search", {"experiment_ids": [number]})["models"]
        models.sort(key=lambda one: one["info"]["creation_timestamp_ms"])
        self.note(experiment, runs, models)
        history: dict[str, Any] = self.plain({
            "experiment": experiment,
            "runs": [self.run(api, run) for run in runs],
            "logged models": models,
            "registered model": self.ask("GET", f"{api}/registered-models/get?name={MODEL}"),
            "versions": self.ask("GET", f"{api}/model-versions/search?filter={quote('name=' + repr(MODEL))}"),
        })  # fmt: skip
        return history

    def note(self, experiment: Any, runs: Any, models: Any) -> None:
        for at, run in enumerate(runs):
            self.names[run["info"]["run_id"]] = f"<run {at}>"
        for at, model in enumerate(models):
            self.names[model["info"]["model_id"]] = f"<model {at}>"
        self.number = experiment["experiment_id"]

    def run(self, api: str, run: Any) -> Any:
        run_id = run["info"]["run_id"]
        histories = {}
        for metric in run["data"].get("metrics", []):
            path = f"{api}/metrics/get-history?run_id={run_id}&metric_key={quote(metric['key'])}"
            histories[metric["key"]] = self.ask("GET", path)["metrics"]
        return {**run, "histories": histories, "artifacts": list(self.files(api, run_id, ""))}

    def files(self, api: str, run_id: str, folder: str) -> Iterator[Any]:
        listed = self.ask("GET", f"{api}/artifacts/list?run_id={run_id}&path={quote(folder)}")
        for one in listed.get("files", []):
            yield one
            if one["is_dir"]:
                yield from self.files(api, run_id, one["path"])

    def plain(self, value: Any, name: str = "") -> Any:
        """Without what differs by nature; lists of keys and values become objects."""
        match value:
            case dict():
                return {key: self.plain(item, key) for key, item in sorted(value.items())}
            case list() if value and all(isinstance(one, dict) and {"key", "value"} == set(one) for one in value):
                return {one["key"]: self.plain(one["value"], one["key"]) for one in value}
            case list():
                return sorted((self.plain(one, name) for one in value), key=lambda one: json.dumps(one, sort_keys=True))
            case str():
                return self.text(value, name)
            case int() | float() if TIMES.search(name):
                return "<time>"
            case _:
                return value

    def text(self, value: str, name: str) -> str:
        if TIMES.search(name):
            return "<time>"
        if name == "experiment_id":
            return "<experiment>"
        if value[:1] in "[{":
            try:
                return json.dumps(self.plain(json.loads(value)))
            except ValueError:
                pass
        for id, stands_for in self.names.items():
            value = value.replace(id, stands_for)
        value = value.replace(self.url, "<server>").replace(
            f"mlflow-artifacts:/{self.number}/", "mlflow-artifacts:/<e>/"
        )
        return re.sub(r"mlflow-artifacts:/\d+$", "mlflow-artifacts:/<e>", value)


def differences(one: Any, other: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where two values differ. A field that is empty and one that is not there are the same to a client."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            yield from differences(one.get(key), other.get(key), f"{path}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for at, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from differences(left, right, f"{path}[{at}]")
    elif one != other and (one or None, other or None) != (None, None):
        yield path, one, other


def explanation(path: str, one: Any, other: Any) -> str:
    """Why a difference is meant, "" when it is not."""
    for where, mlflow, treering, why in EXPLAINED:
        if all(re.fullmatch(*pair) for pair in ((where, path), (mlflow, str(one)), (treering, str(other)))):
            return why
    return ""


def leaves(value: Any) -> int:
    match value:
        case dict():
            return sum(map(leaves, value.values()))
        case list():
            return sum(map(leaves, value))
        case _:
            return 1


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--mlflow", type=Path, required=True, metavar="VENV")
    options.add_argument("--more", default="", metavar="FOLDER")
    options.add_argument("--keep", type=Path, metavar="FOLDER", help="where to leave both histories as JSON")
    said = options.parse_args()
    python = said.mlflow / "bin" / "python"
    with tempfile.TemporaryDirectory() as name:
        histories = {}
        for serving in (mlflow_server(said.mlflow, Path(name) / "m"), treering_server(Path(name) / "t")):
            with serving as server:
                trained(server, python, said.more)
                histories[server.name] = History(server.url).read()
    if said.keep:
        for key, value in histories.items():
            (said.keep / f"{key}.json").write_text(json.dumps(value, indent=1, sort_keys=True))
    report(histories["mlflow"], histories["treering"])


def report(mlflow: dict[str, Any], treering: dict[str, Any]) -> None:
    for what, one in mlflow.items():
        count = f"{len(one)} of them, " if isinstance(one, list) else ""
        print(f"compared: {what}, {count}{leaves(one)} values")
    meant, wrong = 0, 0
    for path, one, other in differences(mlflow, treering):
        why = explanation(path, one, other)
        meant, wrong = meant + bool(why), wrong + (not why)
        print(f"differs: {path}{f' ({why})' if why else ''}\n  mlflow:   {one!s:.300}\n  treering: {other!s:.300}")
    print(f"{leaves(mlflow)} values compared, {wrong} differ, {meant} more as explained")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
