"""What a filter names must be there: an empty answer about what never was would be taken for the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treering.domain import check_status
from treering.domain.experiment import EXPERIMENT
from treering.domain.job import JOB
from treering.domain.run import RUN
from treering.kernel.refusal import COMPARED_MAX, Refused, instead
from treering.kernel.subjects import Address, checked_name
from treering.views.states import newest

if TYPE_CHECKING:
    from treering_services.gateway.core import Gateway

OF_EXPERIMENTS = (JOB.kind, RUN.kind)  # whose parent is an experiment


async def check_filters(gateway: Gateway, workspace: str, kind: str, *, status: str = "", parent: str = "") -> None:
    """``Refused`` for a status no such resource ever has, or an experiment that never was."""
    if status:
        check_status(kind, status)
    if not parent or kind not in OF_EXPERIMENTS:
        return
    if await gateway.find(Address(workspace, EXPERIMENT.kind, checked_name(parent, "experiment"))) is None:
        known = await gateway.reader.read(
            lambda db: newest(db, workspace, EXPERIMENT.kind, archived=None, limit=COMPARED_MAX)
        )  # fmt: skip
        there = instead(parent, [one.name for one in known])
        raise Refused("experiment.absent", f"there is no experiment {parent[:80]!r}{there}")
