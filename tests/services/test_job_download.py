"""``job download`` brings all that belongs to a job: what its node stored, and what its script logged with MLflow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.services.gateway_example import WS, Api, running_gateway

from treering.adapters.bus import ask
from treering.cli.job_files import brought, to_come, wanted
from treering.client.http import Client
from treering.client.staged import staged
from treering.domain.job_messages import CompleteJob, OutputData
from treering.kernel.blobs import digest_of
from treering.kernel.refusal import Refused
from treering.testing.nats import RunningNats

pytestmark = pytest.mark.anyio
M = "/w/w/api/2.0/mlflow"


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running:
        yield running


async def log_file(api: Api, uri: str, path: str, data: bytes) -> None:
    root = uri.removeprefix("mlflow-artifacts:/").strip("/")
    reply = await api.ask("PUT", f"/w/w/api/2.0/mlflow-artifacts/artifacts/{root}/{path}", data)
    assert reply.status == 200, reply.body


async def log_model(api: Api, run: str, name: str, data: bytes) -> str:
    experiment = (await run_of(api, run))["info"]["experiment_id"]
    said = {"experiment_id": experiment, "name": name, "source_run_id": run}
    reply = await api.ask("POST", f"{M}/logged-models", said)
    info = reply.json["model"]["info"]
    await log_file(api, info["artifact_uri"], "MLmodel", data)
    models = {"run_id": run, "models": [{"model_id": info["model_id"], "step": 0}]}
    assert (await api.ask("POST", f"{M}/runs/outputs", models)).status == 200
    return str(info["model_id"])


async def run_of(api: Api, run: str) -> Any:
    return (await api.ask("GET", f"{M}/runs/get?run_id={run}")).json["run"]


async def left_by(api: Api, name: str, **ending: Any) -> None:
    """The job, which ran and logged files to its run before it ended."""
    job = await api.held(name, outputs={"d": {}})
    root = (await run_of(api, name))["info"]["artifact_uri"]
    await log_file(api, root, "plots/deep/p.png", b"plot")
    await log_file(api, root, "outputs/logged.txt", b"logged")
    await log_file(api, root, "outputs/both.txt", b"as it was logged")
    await api.send_as("executor", job, CompleteJob(1, "n1", **ending))


async def download(api: Api, name: str, folder: Path, output: str | None = None, all_: bool = False) -> list[str]:
    """As the verb does it; what it says was not brought."""

    def now() -> list[str]:
        with Client(f"http://127.0.0.1:{api.port}", api.tokens.owner, workspace="w") as client:
            job = client.get(f"{WS}/jobs/{name}")
            with staged(folder) as stage:
                return brought(client, job, wanted(job, output, all_), stage)[1]

    return await asyncio.to_thread(now)


def below(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


async def test_what_a_script_logged_comes_with_its_outputs_and_logs(api: Api, tmp_path: Path) -> None:
    ending = {
        "outputs": {
            "default": await api.put_tree(**{"both.txt": b"as the node stored it", "o": b"out"}),
            "d": await api.put_tree(w=b"weights"),
        },
        "logs": (await api.put_tree(user_logs__std_log=b"epoch 1", logs__events=b"own")).digest,
    }
    await left_by(api, "j", **ending)
    artifacts = {
        "artifacts/outputs/both.txt": b"as the node stored it",
        "artifacts/outputs/o": b"out",
        "artifacts/outputs/logged.txt": b"logged",
        "artifacts/plots/deep/p.png": b"plot",
        "artifacts/logs/events": b"own",
        "artifacts/user_logs/std_log": b"epoch 1",
    }
    for output, all_, expected in (
        (None, False, artifacts),
        (None, True, {**artifacts, "named-outputs/d/w": b"weights"}),
        ("default", False, artifacts),
        ("artifacts", False, artifacts),
        ("d", False, {"named-outputs/d/w": b"weights"}),
    ):
        folder = tmp_path / f"{output}{all_}"
        assert await download(api, "j", folder, output, all_) == []
        assert below(folder) == expected


async def test_logged_models_come_by_their_names_the_newest_first(api: Api, tmp_path: Path) -> None:
    await api.held("j")
    first = await log_model(api, "j", "net", b"first")
    await log_model(api, "j", "net", b"second")
    gone = await log_model(api, "j", "other", b"gone")
    assert (await api.ask("DELETE", f"{M}/logged-models/{gone}")).status == 200
    assert await download(api, "j", tmp_path / "got") == [f"not brought: the logged model {gone}, which was deleted"]
    assert below(tmp_path / "got") == {"artifacts/net/MLmodel": b"second", f"artifacts/net-{first}/MLmodel": b"first"}


async def test_a_job_that_left_and_logged_nothing_is_no_error(api: Api, tmp_path: Path) -> None:
    await api.send_as("executor", await api.held("j"), CompleteJob(1, "n1"))
    assert await download(api, "j", tmp_path / "got", "default") == []
    assert not (tmp_path / "got").exists()
    with pytest.raises(Refused, match="has no output 'd'; it has default"):
        await download(api, "j", tmp_path / "got", "d")


async def test_an_output_of_a_job_that_runs_is_said_to_come_later(api: Api, tmp_path: Path) -> None:
    await api.held("j", outputs={"d": {}})
    with pytest.raises(Refused, match="job j is Running; its output 'd' is stored when it ends"):
        await download(api, "j", tmp_path / "got", "d")


async def test_a_job_that_runs_brings_its_console_so_far_and_what_it_logged(api: Api, tmp_path: Path) -> None:
    await api.held("j", outputs={"d": {}})
    await log_file(api, (await run_of(api, "j"))["info"]["artifact_uri"], "plots/p.png", b"plot")
    executor = await api.nats.connect("executor")
    for text in (b"one\n", "zwölf".encode()[:3], "zwölf".encode()[3:]):
        await ask(executor, "log.w.j.1", text)
    assert await download(api, "j", tmp_path / "got") == []
    console = "one\nzwölf".encode()
    assert below(tmp_path / "got") == {"artifacts/user_logs/std_log.txt": console, "artifacts/plots/p.png": b"plot"}


async def test_a_job_that_said_nothing_yet_brings_no_console_and_names_what_comes_later(
    api: Api, tmp_path: Path
) -> None:
    await api.held("j", outputs={"d": {}})
    assert await download(api, "j", tmp_path / "got") == []
    assert not (tmp_path / "got").exists()
    job = (await api.ask("GET", f"{WS}/jobs/j")).json
    assert to_come(job) == "./outputs, ./logs, d are stored when it ends"


async def test_nothing_stays_of_a_download_that_fails(api: Api, tmp_path: Path) -> None:
    await left_by(
        api, "j", outputs={"default": await api.put_tree(o=b"out"), "d": OutputData(digest_of(b"never"), 1, 1)}
    )
    here, new = tmp_path / "here", tmp_path / "new"
    here.mkdir()
    (here / "mine").write_text("mine")
    for folder in (new, here):
        with pytest.raises(Refused, match=r"blob\.absent"):
            await download(api, "j", folder, all_=True)
    assert below(here) == {"mine": b"mine"} and not new.exists()


def test_a_folder_in_the_way_of_a_file_is_told_before_anything_is_moved(tmp_path: Path) -> None:
    (tmp_path / "b" / "inner").mkdir(parents=True)
    with pytest.raises(Refused, match="is a folder already and a file of that name would come"), staged(tmp_path) as at:
        for name in ("a", "b"):
            (at / name).write_text("x")
    assert below(tmp_path) == {} and [one.name for one in tmp_path.iterdir()] == ["b"]


def test_a_link_that_leads_out_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "artifacts").symlink_to("../out")
    with pytest.raises(Refused, match="leads out of its folder"), staged(tmp_path / "in") as at:
        (at / "artifacts").mkdir()
        (at / "artifacts" / "a").write_text("x")
    assert below(tmp_path / "out") == {}
