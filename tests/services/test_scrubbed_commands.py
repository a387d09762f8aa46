"""Addresses in what clients send lose what is secret in them, and nobody waits while a large command is looked at."""

from __future__ import annotations

import threading

import pytest

from treering.domain.event import EVENT, PublishEvent
from treering.domain.experiment import EXPERIMENT
from treering.domain.experiment_messages import SetExperimentTags
from treering.kernel.url_secrets import without_secrets
from treering_services.gateway import scrubbing
from treering_services.gateway.scrubbing import AT_ONCE_BYTES_MAX, scrubbed

pytestmark = pytest.mark.anyio
WITH_SECRET, WITHOUT = "https://user:password@example.com/a", "https://example.com/a"


@pytest.mark.parametrize("is_large", [False, True])
async def test_a_large_command_is_looked_through_beside_the_event_loop(
    is_large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set[int]()
    look = without_secrets

    def watched(text: str) -> str:
        threads.add(threading.get_ident())
        return look(text)

    monkeypatch.setattr(scrubbing, "without_secrets", watched)
    rest = "-" * AT_ONCE_BYTES_MAX if is_large else ""
    command = await scrubbed(EXPERIMENT.kind, SetExperimentTags({"from": WITH_SECRET, "rest": rest}))
    assert "password" not in command.tags["from"] and command.tags["rest"] == rest
    assert (threads == {threading.get_ident()}) is not is_large


async def test_a_command_without_a_secret_and_what_a_publisher_says_are_the_same_object() -> None:
    tags, event = SetExperimentTags({"from": WITHOUT}), PublishEvent("/ci", "1", "build", data=WITH_SECRET)
    assert await scrubbed(EXPERIMENT.kind, tags) is tags and await scrubbed(EVENT.kind, event) is event
