"""Rules of webhooks: which addresses they may have, and what their commands do."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from treering.domain.mlflow_events import MODEL_KIND, only_kind
from treering.domain.webhook import WEBHOOK
from treering.domain.webhook_messages import (
    CreateWebhook,
    DeleteWebhook,
    PauseWebhook,
    ReplayWebhook,
    RotateSecret,
    UpdateWebhook,
    WebhookCreated,
    WebhookDeleted,
    WebhookPaused,
    WebhookReplayRequested,
    WebhookSecretRotated,
)
from treering.testing.scenario import given

URL = "https://example.com/hook"
CREATED = WebhookCreated(URL, since=7)


@pytest.mark.parametrize(
    "url",
    ["", "example.com", "ftp://example.com/", "https://", "http://u:p@example.com/", "http://u@example.com/",
     "http://example.com/#part", "http://exa mple.com/", "http://example.com:0/", "http://example.com:99999/",
     "http://ex\u00e4mple.com/", "http://example.com/\r\nHost: evil", "javascript:alert(1)", "http://[::1/",
     "http://example.com/" + "x" * 2048],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(url: str) -> None:
    given(WEBHOOK).when(CreateWebhook(url)).is_refused("webhook.url_invalid")
    given(WEBHOOK, CREATED).when(UpdateWebhook(url=url)).is_refused("webhook.url_invalid")


@pytest.mark.parametrize(
    "command",
    [CreateWebhook(URL, attempts_max=0), CreateWebhook(URL, attempts_max=21), CreateWebhook(URL, timeout_seconds=31),
     CreateWebhook(URL, since=-1), CreateWebhook(URL, resource="a"), CreateWebhook(URL, types=[""]),
     CreateWebhook(URL, types=["a"] * 65), CreateWebhook(URL, description="x" * 5000)],
)  # fmt: skip
def test_numbers_and_texts_are_bounded(command: CreateWebhook) -> None:
    given(WEBHOOK).when(command).is_refused("webhook.invalid")


def test_the_same_webhook_may_be_created_twice_whatever_the_head_is_meanwhile() -> None:
    given(WEBHOOK, CREATED).when(CreateWebhook(URL, since=99, secret="other")).nothing_happens()
    given(WEBHOOK, CREATED).when(CreateWebhook(URL, kind="job")).is_refused("webhook.exists")


def test_a_deleted_webhook_takes_no_command_but_create() -> None:
    given(WEBHOOK, CREATED, WebhookDeleted()).when(PauseWebhook()).is_refused("webhook.absent")
    given(WEBHOOK, CREATED, WebhookDeleted()).when(CreateWebhook(URL, since=9)).then(WebhookCreated(URL, since=9))
    given(WEBHOOK, CREATED).when(DeleteWebhook()).then(WebhookDeleted())
    given(WEBHOOK).when(DeleteWebhook()).is_refused("webhook.absent")


def test_one_that_tells_as_mlflow_does_has_types_of_mlflow() -> None:
    given(WEBHOOK).when(CreateWebhook(URL, body="mlflow", types=["job.completed"])).is_refused("webhook.invalid")
    created = WebhookCreated(URL, body="mlflow", types=["prompt_*", "model_version.created"], title="one")
    made = CreateWebhook(URL, body="mlflow", types=created.types, title="one", paused=True)
    given(WEBHOOK).when(made).then(created, WebhookPaused())
    given(WEBHOOK, created).when(UpdateWebhook(types=["model.created"])).is_refused("webhook.invalid")
    given(WEBHOOK, created).when(UpdateWebhook(title="t" * 256)).is_refused("webhook.invalid")
    assert only_kind(created.types) == "" and only_kind(["model_version_alias.*", "prompt.created"]) == MODEL_KIND


def test_a_replay_is_asked_for_once_by_its_request() -> None:
    asked = WebhookReplayRequested(3, "r1")
    given(WEBHOOK, CREATED).when(ReplayWebhook(3, "r1")).then(asked)
    given(WEBHOOK, CREATED, asked).when(ReplayWebhook(3, "r1")).nothing_happens()
    given(WEBHOOK, CREATED, asked, WebhookPaused()).when(ReplayWebhook(3, "r2")).then(WebhookReplayRequested(3, "r2"))
    given(WEBHOOK, CREATED).when(ReplayWebhook(-1, "r1")).is_refused("webhook.invalid")


def test_a_rotated_secret_is_kept_beside_its_successor_while_they_overlap_and_no_longer() -> None:
    until = datetime(2026, 11, 26, tzinfo=UTC)
    made = WebhookCreated(URL, secret="a")
    rotated = WebhookSecretRotated("b", until)
    given(WEBHOOK, made).when(RotateSecret("b", until)).then(rotated)
    given(WEBHOOK, made, rotated).when(RotateSecret("b", until)).then()
    kept = WEBHOOK.fold([made, rotated])
    assert (kept.secret, kept.previous, kept.previous_until) == ("b", "a", until)
    at_once = WEBHOOK.fold([made, rotated, WebhookSecretRotated("c")])
    assert (at_once.secret, at_once.previous, at_once.previous_until) == ("c", "", None)
    given(WEBHOOK, WebhookCreated(URL, body="mlflow")).when(RotateSecret("b", until)).is_refused("webhook.invalid")
    given(WEBHOOK).when(RotateSecret("b")).is_refused("webhook.absent")
