"""The rules of alerts."""

from __future__ import annotations

import pytest

from treering.domain import KINDS
from treering.domain.installation import (
    INSTALLATION,
    AlertCleared,
    AlertRaised,
    BeginEpoch,
    ClearAlert,
    EpochBegun,
    RaiseAlert,
    alert_address,
    alert_key,
)
from treering.domain.watched import check_watched
from treering.kernel.aggregate import ANY_SERVICE
from treering.kernel.subjects import checked_name
from treering.testing.scenario import given
from treering_services.gateway.commands import public_commands

ALERT = RaiseAlert("view.incomplete", "it cannot be shown", "tracking", "main", "run/r1", 7)
RAISED = AlertRaised("view.incomplete", "it cannot be shown", "tracking", "main", "run/r1", 7)


def test_an_alert_is_an_event_with_its_code_resource_and_position() -> None:
    given(INSTALLATION).when(ALERT).then(RAISED)


def test_an_alert_repeated_with_another_sentence_changes_nothing() -> None:
    again = RaiseAlert("view.incomplete", "it still cannot be shown", "tracking", "main", "run/r1", 9)
    given(INSTALLATION, RAISED).when(again).then()


def test_an_alert_comes_back_after_it_was_cleared() -> None:
    given(INSTALLATION, RAISED).when(ClearAlert("mended")).then(AlertCleared("view.incomplete", "mended"))
    given(INSTALLATION, RAISED, AlertCleared("view.incomplete")).when(ALERT).then(RAISED)


@pytest.mark.parametrize("code", ["", "View.incomplete", "view", "view.incomplete.now", "view incomplete"])
def test_a_code_of_another_form_is_refused(code: str) -> None:
    given(INSTALLATION).when(RaiseAlert(code, "something")).is_refused("installation.invalid")


def test_the_key_of_an_alert_is_a_name_and_another_for_each_resource() -> None:
    keys = {alert_key("view.incomplete", "tracking", "main", f"run/{name}") for name in ("a", "b", "c:1")}
    assert len(keys) == 3 and all(checked_name(key) == key for key in keys)
    assert alert_address(ALERT).workspace == "main"


def test_webhooks_and_subscribers_can_ask_for_alerts() -> None:
    check_watched(["installation.alert", "installation.alert_cleared", "installation.*"])


def test_a_restore_begins_an_epoch_whose_name_leads_back_to_the_first() -> None:
    first = EpochBegun("90-a1", 90, "1")
    given(INSTALLATION).when(BeginEpoch(90, "a1")).then(first)
    given(INSTALLATION, first).when(BeginEpoch(120, "b2")).then(EpochBegun("90-a1_120-b2", 120, "90-a1"))
    given(INSTALLATION, first).when(BeginEpoch(90, "a1")).then()


def test_an_epoch_begins_behind_the_one_before_and_in_a_resource_of_its_own() -> None:
    first = EpochBegun("90-a1", 90, "1")
    given(INSTALLATION, first).when(BeginEpoch(89, "b2")).is_refused("installation.invalid")
    given(INSTALLATION).when(BeginEpoch(90, "A:1")).is_refused("installation.invalid")
    given(INSTALLATION, RAISED).when(BeginEpoch(90, "a1")).is_refused("installation.invalid")
    given(INSTALLATION, first).when(ALERT).is_refused("installation.invalid")


def test_no_user_can_send_a_command_of_an_alert() -> None:
    assert {command.sent_by for command in INSTALLATION.command_types.values()} == {ANY_SERVICE, "restore"}
    assert not public_commands(KINDS["installation"])
