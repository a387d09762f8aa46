"""Every name of an artifact is read back as it was logged, or refused with the reason."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from tests.services.gateway_example import Api, Reply

ROOT = "/api/2.0/mlflow-artifacts/artifacts"
CLIENT = "mlflow-python-client/3.18.0"


@pytest.fixture
async def api(shared_api: Api) -> Api:
    return shared_api


async def put(api: Api, target: str, media_type: str = "application/octet-stream", agent: str = CLIENT) -> Reply:
    return await api.ask("PUT", f"{ROOT}/{target}", b"x", {"content-type": media_type, "user-agent": agent})


def why(reply: Reply) -> str:
    assert (reply.status, reply.json["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), reply.body
    return str(reply.json["message"])


@pytest.mark.parametrize(
    "name",
    [
        "~$x.docx", "~x", "\u00e9", "e\u0301", "a;b", "a+b=c&d", "100%", "a%zz", "[x]", "...", "trail ", "日本",
        "*|<>`",
    ],
)  # fmt: skip
async def test_a_name_is_listed_and_read_as_it_was_logged(api: Api, name: str) -> None:
    assert (await put(api, f"kept/{quote(name)}")).status == 200
    found = (await api.ask("GET", f"{ROOT}?path=kept")).json["files"]
    assert name in [one["path"] for one in found]
    assert (await api.ask("GET", f"{ROOT}/kept/{quote(name)}")).body == b"x"
    assert (await put(api, quote(name))).status == 200  # at the root too


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("a?b.txt", "without '?'"),
        ("a%3Fb", "has a '?'"),
        ("a%23b", "has a '#'"),
        ("a%2Fb.txt", "arrives as a slash"),
        ("a%FFb", "no UTF-8"),
        ("a%2520b", "take 'a%20b' in a listing for 'a b'"),
        ("http:x", "for 'http:///x'"),
        ("C%3A", "C:"),
        ("%20lead", "for 'lead'"),
        ("f/file:x", "of its own machine"),
        ("90%acc.bin", "'%' in the name"),
        ("a%2517b", "take a name without '%'"),
        ("a%5Cb", "backslash"),
        ("a%09b", "control character"),
        ("c:foo", "drive of Windows"),
        ("~/f", "somebody's home"),
    ],
)
async def test_a_name_that_would_be_read_as_another_is_refused_with_the_reason(
    api: Api, target: str, reason: str
) -> None:
    assert reason in why(await put(api, target))


async def test_a_file_is_not_asked_for_or_removed_by_part_of_its_name(api: Api) -> None:
    assert (await put(api, "part")).status == 200
    for method in ("GET", "DELETE"):
        assert "without '?'" in why(await api.ask(method, f"{ROOT}/part?b.txt"))
    assert (await api.ask("GET", f"{ROOT}/part")).body == b"x"


@pytest.mark.parametrize(
    ("cut", "media_type"),
    [("fig", "image/png"), ("epoch/run", "text/plain"), ("a.json", "application/octet-stream")],
)
async def test_a_name_that_was_cut_off_at_its_hash_sign_is_refused_where_the_type_tells(
    api: Api, cut: str, media_type: str
) -> None:
    assert "without '#'" in why(await put(api, cut, media_type))
    assert (await put(api, cut, media_type, agent="curl/8")).status == 200  # who sets the type as it likes


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("MLmodel", "text/plain"),
        ("weights.onnx", "application/x-onnx"),
        ("a.parquet", "application/octet-stream"),
        (".json", "application/octet-stream"),
        ("LICENSE", "application/octet-stream"),
        ("fig.png", "image/png"),
        ("nothing-said", ""),
    ],
)
async def test_a_whole_name_is_never_taken_for_one_that_was_cut_off(api: Api, name: str, media_type: str) -> None:
    assert (await put(api, f"whole/{name}", media_type)).status == 200


async def test_a_line_break_in_a_path_is_refused_with_the_reason(api: Api) -> None:
    assert "line break" in why(await put(api, "a%0Ab"))


@pytest.mark.parametrize("ending", [".png", "%compressed.webp"])
async def test_a_picture_that_an_older_client_logs_has_the_name_that_all_can_read(api: Api, ending: str) -> None:
    old = f"dogs%step%0%timestamp%1796148724424%27744c4d-0c8e-4ab1-9e3c-3f6ee77ebc9c{ending}"
    now = old.replace("%", "+")
    sent = quote(old).replace("27744c4d", "27744C4D")  # as urllib3 writes what it takes for an escape
    assert (await put(api, f"images/{sent}", "image/png")).status == 200
    found = (await api.ask("GET", f"{ROOT}?path=images")).json["files"]
    assert now in [one["path"] for one in found] and old not in [one["path"] for one in found]
    assert {(await api.ask("GET", f"{ROOT}/images/{quote(name)}")).body for name in (old, now)} == {b"x"}
