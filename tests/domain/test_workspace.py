"""What a workspace requires of its jobs."""

from __future__ import annotations

from treering.domain.workspace import WORKSPACE, UpdateWorkspace, WorkspaceCreated, WorkspaceUpdated
from treering.testing.scenario import given

CREATED = WorkspaceCreated()


def test_the_network_of_jobs_is_a_setting_that_other_changes_leave_alone() -> None:
    closed = WorkspaceUpdated(network="none")
    given(WORKSPACE, CREATED).when(UpdateWorkspace(network="none")).then(closed)
    assert WORKSPACE.fold([CREATED, closed, WorkspaceUpdated(description="ours")]).network == "none"


def test_a_setting_that_holds_already_changes_nothing() -> None:
    given(WORKSPACE, CREATED).when(UpdateWorkspace(network="full")).nothing_happens()
