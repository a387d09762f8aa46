"""A node is one process: a second executor of the same node and home does not begin."""

from __future__ import annotations

from pathlib import Path

import pytest

from treering.config import Home
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering_services.executor import service
from treering_services.executor.node import folder_name
from treering_services.executor.service import only_one

pytestmark = pytest.mark.anyio


async def test_a_second_executor_of_a_node_is_refused_until_the_first_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "TAKEN_SECONDS", 0.1)
    home = Home(tmp_path)
    async with only_one(home, "n1"), only_one(home, "n2"):
        with pytest.raises(Refused) as refused:
            async with only_one(home, "n1"):
                pytest.fail("two executors run one node")
    assert refused.value.code == "node.taken"
    async with only_one(home, "n1"):
        pass  # it raises nothing


def test_jobs_of_two_workspaces_whose_names_run_together_have_folders_of_their_own() -> None:
    folders = {folder_name(Address(workspace, "job", job), 1) for workspace, job in (("a.b", "c"), ("a", "b.c"))}
    assert len(folders) == 2
