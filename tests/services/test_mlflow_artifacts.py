"""MLflow's artifact proxy over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.services.gateway_example import Api, Reply, running_gateway
from tests.services.mlflow_example import Mlflow

from treering.adapters.blobs import LocalBlobs
from treering.adapters.trees import put_tree
from treering.domain.job_messages import CompleteJob, OutputData
from treering.kernel.blobs import digest_of
from treering.testing.nats import RunningNats

pytestmark = pytest.mark.anyio
A = "/api/2.0/mlflow-artifacts"
M = "/api/2.0/mlflow"
ROOT = f"{A}/artifacts"
LARGE = bytes(range(256)) * 8_000


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running:
        yield running


async def put(api: Api, path: str, data: bytes = b"x") -> Reply:
    return await api.ask("PUT", f"{ROOT}/{path}", data, {"content-type": "text/plain"})


async def listed(api: Api, path: str = "") -> Any:
    return (await api.ask("GET", f"{ROOT}?path={path}")).json.get("files", [])


@pytest.mark.parametrize("data", [b"", b"0", LARGE], ids=["empty", "small", "large"])
async def test_what_goes_in_comes_out_and_is_never_shown_as_a_page(api: Api, data: bytes) -> None:
    assert (await put(api, "dir/page.html", data)).status == 200
    reply = await api.ask("GET", f"{ROOT}/dir/page.html")
    assert (reply.status, reply.body) == (200, data)
    assert reply.headers["content-disposition"] == "attachment; filename=page.html"
    assert reply.headers["content-security-policy"] == "sandbox"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["etag"] == f'"{digest_of(data)}"'


async def test_a_range_of_an_artifact_is_sent_alone(api: Api) -> None:
    await put(api, "a.bin", LARGE)
    for said, start, end in (("bytes=5-", 5, len(LARGE)), ("bytes=7-300000", 7, 300_001), ("bytes=-9", -9, None)):
        reply = await api.ask("GET", f"{ROOT}/a.bin", headers={"range": said})
        assert (reply.status, reply.body) == (206, LARGE[start:end])
    reply = await api.ask("GET", f"{ROOT}/a.bin", headers={"range": f"bytes={len(LARGE)}-"})
    assert (reply.status, reply.headers["content-range"]) == (416, f"bytes */{len(LARGE)}")


async def test_a_folder_lists_what_stands_directly_in_it(api: Api) -> None:
    for path in ("b.txt", "d/one", "d/two/deep/file", "d/two.txt", "d-x", "d0", "e/f"):
        await put(api, path, path.encode())
    names = [(one["path"], one["is_dir"], one.get("file_size")) for one in await listed(api)]
    assert names == [
        ("b.txt", False, 5), ("d", True, None), ("d-x", False, 3), ("d0", False, 2), ("e", True, None),
    ]  # fmt: skip
    assert [one["path"] for one in await listed(api, "d")] == ["one", "two", "two.txt"]
    assert await listed(api, "d/two/deep") == [{"path": "file", "is_dir": False, "file_size": 15}]
    assert await listed(api, "b.txt") == await listed(api, "nothing") == []


async def test_a_file_put_again_is_the_new_one_and_the_log_has_both(api: Api) -> None:
    await put(api, "a", b"first")
    await put(api, "a", b"second")
    assert (await api.ask("GET", f"{ROOT}/a")).body == b"second"


async def test_deleting_takes_away_a_file_or_a_folder_and_says_the_same_when_there_was_none(api: Api) -> None:
    for path in ("d/a", "d/b/c", "d.txt", "e"):
        await put(api, path)
    for path in ("d", "e", "nothing"):
        reply = await api.ask("DELETE", f"{ROOT}/{path}")
        assert (reply.status, reply.body) == (200, b"{}")
    assert [one["path"] for one in await listed(api)] == ["d.txt"]
    gone = await api.ask("GET", f"{ROOT}/d/a")
    assert (gone.status, gone.json["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


async def test_a_folder_is_no_file_and_a_file_is_no_folder(api: Api) -> None:
    await put(api, "d/a")
    for reply in (
        await api.ask("GET", f"{ROOT}/d"),
        await put(api, "d"),
        await put(api, "d/a/b"),
        await put(api, "d/"),
    ):
        assert (reply.status, reply.json["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert [one["path"] for one in await listed(api, "d")] == ["a"]


UNSAFE = [
    "..%2f..%2fetc%2fpasswd", "%2e%2e/x", "a/%2e%2e/%2e%2e/x", "%252e%252e%252fetc", "a;%2f..%2f..%2fx", "%2fetc%2fx",
    "C:%2fwindows", "C:%5cwindows", "a%5c..%5cb", "%5c..%5cx", "%00", "a%09b", "file:%2f%2f%2fetc",
    "%25252e%25252e/x", "%EF%BC%8E%EF%BC%8E/x", "~root/x", "a/" * 70 + "x", "x" * 2000,
]  # fmt: skip


@pytest.mark.parametrize("path", UNSAFE)
async def test_no_encoding_of_a_path_leads_out(shared_api: Api, path: str) -> None:
    await put(shared_api, "kept")
    replies = [await put(shared_api, path)]
    replies += [await shared_api.ask(method, f"{ROOT}/{path}") for method in ("GET", "DELETE")]
    replies.append(await shared_api.ask("GET", f"{ROOT}?path={path}"))
    replies.append(await shared_api.ask("POST", f"{A}/mpu/create/{path}", {"path": "f", "num_parts": 1}))
    for reply in replies:
        assert (reply.status, reply.json["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), reply.body
    assert [one["path"] for one in await listed(shared_api)] == ["kept"]


@pytest.mark.parametrize(
    "path", ["a..b/c", "a.b/..c", "%C3%A9t%C3%A9/x", "100%25", "a;b", "a+b=c,d@e", "C-x", "-x", "a%20b", "ab:c"]
)
async def test_an_odd_but_harmless_path_is_taken(api: Api, path: str) -> None:
    assert (await put(api, path)).status == 200
    assert (await api.ask("GET", f"{ROOT}/{path}")).body == b"x"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("PUT", f"{ROOT}/d/a%0Ab.txt", 400, "INVALID_PARAMETER_VALUE"),
        ("GET", f"{ROOT}/d/a%0Ab.txt", 400, "INVALID_PARAMETER_VALUE"),
        ("DELETE", f"/w/w{ROOT}/a%0D%0Ab", 400, "INVALID_PARAMETER_VALUE"),
        ("PATCH", f"{ROOT}/d/a.txt", 405, "ENDPOINT_NOT_FOUND"),
        ("GET", "/w/w/nothing/here", 404, "ENDPOINT_NOT_FOUND"),
    ],
)
async def test_what_no_path_of_mlflows_api_takes_is_refused_in_its_words(
    shared_api: Api, method: str, path: str, status: int, code: str
) -> None:
    answer = await shared_api.ask(method, path, b"x" if method == "PUT" else None)
    assert (answer.status, answer.json["error_code"]) == (status, code), answer.body


async def test_a_name_that_is_not_ascii_is_told_to_the_browser_in_both_ways(api: Api) -> None:
    await put(api, "caf%C3%A9%20%22x%22.txt")
    said = (await api.ask("GET", f"{ROOT}/caf%C3%A9%20%22x%22.txt")).headers["content-disposition"]
    assert said == 'attachment; filename="cafe \\"x\\".txt"; filename*=UTF-8\'\'caf%C3%A9%20%22x%22.txt'


async def test_an_upload_in_parts_becomes_one_artifact(api: Api) -> None:
    made = (await api.ask("POST", f"{A}/mpu/create/big", {"path": "/home/me/f.bin", "num_parts": 3})).json
    assert [one["part_number"] for one in made["credentials"]] == [1, 2, 3]
    parts = []
    for one, data in zip(made["credentials"], (LARGE, b"middle", b"end"), strict=True):
        reply = await api.ask("PUT", urlsplit(one["url"]).path, data, one["headers"], token="")
        parts.append({"part_number": one["part_number"], "etag": reply.headers["etag"], "url": one["url"]})
    body = {"path": "f.bin", "upload_id": made["upload_id"], "parts": parts}
    assert (await api.ask("POST", f"{A}/mpu/complete/big", body)).status == 200
    assert (await api.ask("GET", f"{ROOT}/big/f.bin")).body == LARGE + b"middleend"
    again = await api.ask("POST", f"{A}/mpu/complete/big", body)
    assert (again.status, again.json["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


@pytest.mark.parametrize("name", ["..", "src%5C..", "a%2f..", "", "C:.."])
async def test_the_name_of_an_upload_cannot_lead_out(shared_api: Api, name: str) -> None:
    reply = await shared_api.ask("POST", f"{A}/mpu/create/big", {"path": name, "num_parts": 1})
    assert (reply.status, reply.json["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


async def test_an_upload_that_breaks_off_leaves_the_artifact_as_it_was(api: Api) -> None:
    await put(api, "a", b"whole")

    def break_off() -> None:
        with api.connection() as connection:
            connection.putrequest("PUT", f"{ROOT}/a")
            connection.putheader("authorization", f"Bearer {api.tokens.owner}")
            connection.putheader("content-length", str(len(LARGE)))
            connection.endheaders()
            connection.send(LARGE[:1000])

    await asyncio.to_thread(break_off)
    assert (await api.ask("GET", f"{ROOT}/a")).body == b"whole"
    assert list((api.home.blobs / "incoming").iterdir()) == []


async def test_what_a_client_asks_first_is_answered_to_everybody(api: Api) -> None:
    health, version = await api.ask("GET", "/health", token=""), await api.ask("GET", "/version", token="")
    info = await api.ask("GET", "/api/3.0/mlflow/server-info", token="")
    assert (health.body, version.body) == (b"OK", b"3.18.0")
    assert info.json["artifact_serving_enabled"] and info.json["multipart_uploads_enabled"]


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("POST", "/api/3.0/mlflow/traces/search", "NOT_IMPLEMENTED"),
        ("GET", "/ajax-api/3.0/mlflow/datasets/d-1", "NOT_IMPLEMENTED"),
        ("POST", "/api/3.0/mlflow/gateway/endpoints/create", "NOT_IMPLEMENTED"),
        ("POST", "/v1/traces", "NOT_IMPLEMENTED"),
        ("POST", "/graphql", "NOT_IMPLEMENTED"),
        ("GET", f"{A}/presigned/a", "NOT_IMPLEMENTED"),
        ("GET", "/api/2.0/mlflow/no/such", "ENDPOINT_NOT_FOUND"),
    ],
)
async def test_what_mlflow_has_and_treering_has_not_is_said_in_its_words(
    shared_api: Api, method: str, path: str, code: str
) -> None:
    reply = await shared_api.ask(method, path, {} if method == "POST" else None)
    assert (reply.status, reply.json["error_code"]) == (501 if code == "NOT_IMPLEMENTED" else 404, code)


async def test_a_runs_artifacts_are_found_by_the_proxy_and_by_the_run(api: Api) -> None:
    mlflow = Mlflow(api)
    experiment = await mlflow.experiment("digits")
    run = await mlflow.run(experiment)
    root = (await mlflow.shown(run))["info"]["artifact_uri"]
    assert root == f"mlflow-artifacts:/{experiment}/{run}/artifacts"
    await put(api, f"{experiment}/{run}/artifacts/model/MLmodel", b"flavors: {}")
    listed_ = (await mlflow.get("artifacts/list", run_id=run)).json
    assert listed_ == {"root_uri": root, "files": [{"path": "model", "is_dir": True}]}
    below = (await api.ask("GET", f"{M}/artifacts/list?run_id={run}&path=model")).json["files"]
    assert below == [{"path": "model/MLmodel", "is_dir": False, "file_size": 11}]
    read = await api.ask("GET", f"/get-artifact?run_id={run}&path=model/MLmodel")
    assert (read.body, read.headers["content-type"]) == (b"flavors: {}", "text/plain")
    assert [one["path"] for one in await listed(api, f"{experiment}/{run}/artifacts/model")] == ["MLmodel"]
    story = (await api.ask("GET", f"/v1/workspaces/main/runs/{run}")).json
    assert story["state"]["artifact"] == ["model/MLmodel", digest_of(b"flavors: {}")]


async def test_a_small_file_may_come_through_the_web_pages_way_in(api: Api) -> None:
    mlflow = Mlflow(api)
    run = await mlflow.run()
    path = f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run}&path=notes/a.txt"
    assert (await api.ask("POST", path, b"hello", {"content-type": "application/octet-stream"})).status == 200
    assert (await api.ask("GET", f"/get-artifact?run_id={run}&path=notes/a.txt")).body == b"hello"
    for refused in (path.replace(run, ""), path.replace("notes/a.txt", ""), path.replace("notes", "..")):
        reply = await api.ask("POST", refused, b"x", {"content-type": "application/octet-stream"})
        assert (reply.status, reply.json["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    large = await api.ask("POST", path, b"x" * (10 * 1024 * 1024 + 1), {"content-type": "application/octet-stream"})
    assert large.status == 400 and "Max size" in large.json["message"]


async def test_a_run_that_is_not_there_has_no_artifacts(api: Api) -> None:
    mlflow = Mlflow(api)
    for reply in (
        await mlflow.get("artifacts/list", run_id="0" * 32),
        await api.ask("GET", f"/get-artifact?run_id={'0' * 32}&path=a"),
        await mlflow.get("logged-models/m-1/artifacts/directories"),
    ):
        assert (reply.status, reply.json["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


async def test_a_jobs_token_writes_artifacts_of_its_own_run_only(api: Api) -> None:
    job = await api.held("mine")
    token = api.tokens.mint_job(job, 1)
    experiment = (await api.ask("GET", f"{M}/runs/get?run_id=mine", token=token)).json["run"]["info"]["experiment_id"]
    other = await Mlflow(api).run()
    for path, status in ((f"{experiment}/mine/artifacts/a", 200), (f"0/{other}/artifacts/a", 403), ("loose", 403)):
        assert (await api.ask("PUT", f"{ROOT}/{path}", b"x", token=token)).status == status
        assert (await api.ask("DELETE", f"{ROOT}/{path}", token=token)).status == status
    for run, status in ((f"{experiment}/mine", 200), (f"0/{other}", 403)):
        body = {"path": "large.bin", "num_parts": 1}
        assert (await api.ask("POST", f"{A}/mpu/create/{run}/artifacts", body, token=token)).status == status


async def test_what_a_script_logs_never_takes_the_place_of_what_its_job_left(api: Api) -> None:
    job = await api.held("mine")
    token = api.tokens.mint_job(job, 1)
    experiment = (await api.ask("GET", f"{M}/runs/get?run_id=mine", token=token)).json["run"]["info"]["experiment_id"]
    root = f"{experiment}/mine/artifacts"

    async def status(path: str, token: str | None = None) -> int:
        return (await api.ask("PUT", f"/w/w{ROOT}/{root}/{path}", b"logged", token=token)).status

    for path, expected in (("report.txt", 200), ("extra/e.txt", 200), ("is-file/below", 200)):
        assert await status(f"outputs/{path}", token) == expected
    for path in ("user_logs/std_log.txt", "named-outputs/net/w.bin"):
        assert await status(path, token) == 400
        body = {"path": "f", "num_parts": 1}
        refused = await api.ask("POST", f"{A}/mpu/create/{root}/{path}", body, token=token)
        assert refused.status == 400 and "what its node stores" in refused.json["message"]
    assert (await put(api, f"0/{await Mlflow(api).run()}/artifacts/user_logs/free.txt")).status == 200

    left, logs = api.home.root / "left", api.home.root / "logs"
    for file in (left / "report.txt", left / "is-file", logs / "user_logs/std_log.txt"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("archived")
    blobs = LocalBlobs(api.home.blobs)
    tree, console = await put_tree(blobs, left), await put_tree(blobs, logs)
    done = CompleteJob(1, "n1", {"default": OutputData(*tree)}, logs=console.digest)
    ended = await api.send_as("executor", job, done)
    assert (await api.ask("GET", f"/v1/workspaces/w/jobs/mine?after={ended.position}")).json["status"] == "Completed"

    for path in ("outputs/report.txt", "outputs/is-file", "user_logs/std_log.txt"):
        assert (await api.ask("GET", f"/w/w{ROOT}/{root}/{path}")).body == b"archived", path
        assert await status(path) == await status(f"{path}/below") == 400
    assert (await api.ask("GET", f"/w/w{ROOT}/{root}/outputs/extra/e.txt")).body == b"logged"
    shown = (await api.ask("GET", f"/w/w{M}/artifacts/list?run_id=mine&path=outputs")).json["files"]
    assert [(one["path"], one.get("file_size")) for one in shown] == [
        ("outputs/extra", None), ("outputs/is-file", 8), ("outputs/report.txt", 8)
    ]  # fmt: skip
    assert (await status("outputs"), await status("outputs/later.txt"), await status("user_logs/later")) == (
        400,
        200,
        400,
    )
    created = {"name": "net", "path": "runs:/mine/outputs"}
    assert (await api.ask("POST", "/v1/workspaces/w/models", created)).status == 201
    source = (await api.ask("GET", "/w/w/model-versions/get-artifact?name=net&version=1&path=report.txt")).body
    assert source == b"archived"


@pytest.mark.parametrize(
    "location", ["mlflow-artifacts:/store/", "mlflow-artifacts:/a//b", "mlflow-artifacts://{host}/c"]
)
async def test_a_location_of_ones_own_is_where_the_runs_artifacts_are(api: Api, location: str) -> None:
    mlflow = Mlflow(api)
    made = await mlflow.done(
        "experiments/create", name="own", artifact_location=location.format(host=f"127.0.0.1:{api.port}")
    )
    run = await mlflow.run(made["experiment_id"])
    path = urlsplit((await mlflow.shown(run))["info"]["artifact_uri"]).path.strip("/").replace("//", "/")
    assert (await put(api, f"{path}/f", b"mine")).status == 200
    assert (await mlflow.get("artifacts/list", run_id=run)).json["files"][0]["path"] == "f"
