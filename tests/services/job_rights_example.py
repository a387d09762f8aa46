"""What two jobs and a person have in one workspace, and a request for each line of MLflow's API that changes some."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.services.gateway_example import Api, Reply

from treering_services.gateway.mlflow.routes import API, MLFLOW_ROUTES
from treering_services.gateway.policy import JobMay
from treering_services.gateway.route import Route

AT = "/w/w"
M = f"{AT}/api/2.0/mlflow"
FILES = f"{AT}/api/2.0/mlflow-artifacts/artifacts"


class Belongings(NamedTuple):
    """One of everything that a script can make."""

    experiment: str
    run: str
    model: str
    logged: str
    root: str  # of the run's artifacts


class Asked(NamedTuple):
    method: str
    path: str
    body: Any = None


async def done(api: Api, token: str | None, method: str, path: str, body: Any = None) -> Any:
    answer = await api.ask(method, path, body, token=token)
    assert answer.status == 200, (method, path, body, answer.status, answer.body)
    return answer.json if answer.body else None


async def belongings(api: Api, token: str | None, name: str) -> Belongings:
    """Made with ``token`` (None: the owner's), all called ``name``."""

    async def post(path: str, body: Any) -> Any:
        return await done(api, token, "POST", f"{M}/{path}", body)

    tagged = {"tags": [{"key": "t", "value": "1"}]}
    experiment = (await post("experiments/create", {"name": name, **tagged}))["experiment_id"]
    asked = {"experiment_id": experiment, "start_time": 1, **tagged}
    run = (await post("runs/create", asked))["run"]["info"]
    root = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
    await done(api, token, "PUT", f"{FILES}/{root}/file.txt", b"first")
    await post("registered-models/create", {"name": name, **tagged})
    source = {"name": name, "source": f"runs:/{run['run_id']}/m", "run_id": run["run_id"]}
    await post("model-versions/create", {**source, **tagged})
    await post("registered-models/alias", {"name": name, "alias": "best", "version": "1"})
    logged = {"experiment_id": experiment, "name": name, **tagged}
    model_id = (await post("logged-models", logged))["model"]["info"]["model_id"]
    return Belongings(experiment, run["run_id"], name, model_id, root)


def change(line: Route, has: Belongings) -> Asked:
    """A request of this line that changes what ``has`` names; KeyError for a line without an example."""
    short = line.path.removeprefix(API + "2.0/mlflow").lstrip("/")
    body = dict(BODIES[line.method, short](has))
    path = line.path
    for place, value in {"{model_id}": has.logged, "{tag:path}": "t"}.items():
        path = path.replace(place, value)
    at_root = has.root if "/mpu/" in path else f"{has.root}/file.txt"
    path = path.replace("{path:path}", at_root).replace("{upload}", "0" * 32).replace("{number}", "1")
    if short == "upload-artifact":
        return Asked(line.method, f"{AT}{path}?run_id={has.run}&path=file.txt", b"second")
    return Asked(line.method, AT + path, b"second" if line.method == "PUT" else body)


def of_run(**fields: Any) -> Any:
    return lambda has: {"run_id": has.run, **fields}


def of_experiment(**fields: Any) -> Any:
    return lambda has: {"experiment_id": has.experiment, **fields}


def of_model(**fields: Any) -> Any:
    return lambda has: {"name": has.model, **fields}


def said(**fields: Any) -> Any:
    return lambda has: fields


MODEL_JSON = '{{"artifact_path": "m", "flavors": {{}}, "utc_time_created": "now", "run_id": "{}"}}'
BODIES: Mapping[tuple[str, str], Any] = {
    ("POST", "runs/log-metric"): of_run(key="m", value=1, timestamp=1),
    ("POST", "runs/log-batch"): of_run(metrics=[{"key": "m", "value": 2, "timestamp": 2}]),
    ("POST", "runs/update"): of_run(status="FINISHED", run_name="taken"),
    ("POST", "runs/log-parameter"): of_run(key="p", value="1"),
    ("POST", "runs/set-tag"): of_run(key="t", value="2"),
    ("POST", "runs/delete-tag"): of_run(key="t"),
    ("POST", "runs/delete"): of_run(),
    ("POST", "runs/restore"): of_run(),
    ("POST", "runs/log-inputs"): lambda has: {"run_id": has.run, "models": [{"model_id": has.logged}]},
    ("POST", "runs/outputs"): lambda has: {"run_id": has.run, "models": [{"model_id": has.logged}]},
    ("POST", "runs/log-model"): lambda has: {"run_id": has.run, "model_json": MODEL_JSON.format(has.run)},
    ("POST", "experiments/update"): lambda has: {"experiment_id": has.experiment, "new_name": f"{has.model}-taken"},
    ("POST", "experiments/delete"): of_experiment(),
    ("POST", "experiments/restore"): of_experiment(),
    ("POST", "experiments/set-experiment-tag"): of_experiment(key="t", value="2"),
    ("POST", "experiments/delete-experiment-tag"): of_experiment(key="t"),
    ("PATCH", "logged-models/{model_id}"): said(status="LOGGED_MODEL_READY"),
    ("DELETE", "logged-models/{model_id}"): said(),
    ("POST", "logged-models/{model_id}/params"): said(params=[{"key": "p", "value": "1"}]),
    ("PATCH", "logged-models/{model_id}/tags"): said(tags=[{"key": "t", "value": "2"}]),
    ("DELETE", "logged-models/{model_id}/tags/{tag:path}"): said(),
    ("POST", "registered-models/rename"): lambda has: {"name": has.model, "new_name": f"{has.model}-taken"},
    ("PATCH", "registered-models/update"): of_model(description="taken"),
    ("DELETE", "registered-models/delete"): of_model(),
    ("POST", "registered-models/set-tag"): of_model(key="t", value="2"),
    ("DELETE", "registered-models/delete-tag"): of_model(key="t"),
    ("POST", "registered-models/alias"): of_model(alias="other", version="1"),
    ("DELETE", "registered-models/alias"): of_model(alias="best"),
    ("PATCH", "model-versions/update"): of_model(version="1", description="taken"),
    ("DELETE", "model-versions/delete"): of_model(version="1"),
    ("POST", "model-versions/transition-stage"): of_model(version="1", stage="Production"),
    ("POST", "model-versions/set-tag"): of_model(version="1", key="t", value="2"),
    ("DELETE", "model-versions/delete-tag"): of_model(version="1", key="t"),
    ("PUT", "-artifacts/artifacts/{path:path}"): said(),
    ("DELETE", "-artifacts/artifacts/{path:path}"): said(),
    ("POST", "-artifacts/mpu/create/{path:path}"): said(path="large.bin", num_parts=1),
    ("POST", "-artifacts/mpu/complete/{path:path}"): said(path="large.bin", upload_id="0" * 32, parts=[]),
    ("POST", "-artifacts/mpu/abort/{path:path}"): said(path="large.bin", upload_id="0" * 32),
    ("PUT", "-artifacts/mpu/parts/{upload}/{number}"): said(),
    ("POST", "upload-artifact"): said(),
}
# These need something that was not done before, so they answer 404; what counts is that they are let in.
INCOMPLETE = ("mpu/complete", "mpu/abort", "mpu/parts", "experiments/restore")
# An upload's id is a secret of who began it: whoever has it may send parts, and only its owner can have them joined.
BY_SECRET = "mpu/parts"

CHANGES = [line for line in MLFLOW_ROUTES if line.policy.job is JobMay.CHANGE_OWN and line.path.startswith(API)]


async def shown(api: Api, has: Belongings) -> list[bytes]:
    """All there is to see of some belongings, as the owner sees it."""
    paths = [
        f"{M}/experiments/get?experiment_id={has.experiment}",
        f"{M}/runs/get?run_id={has.run}",
        f"{M}/registered-models/get?name={has.model}",
        f"{M}/model-versions/get?name={has.model}&version=1",
        f"{M}/registered-models/alias?name={has.model}&alias=best",
        f"{M}/logged-models/{has.logged}",
        f"{FILES}/{has.root}/file.txt",
    ]
    answers: list[Reply] = [await api.ask("GET", path) for path in paths]
    assert all(one.status == 200 for one in answers), [one.body for one in answers]
    return [one.body for one in answers]
