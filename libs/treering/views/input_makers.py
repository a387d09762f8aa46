"""Whose work an input of a job is: the job, the run or the model that its path names."""

from __future__ import annotations

import re
from typing import NamedTuple

from treering.domain.job import JOB
from treering.domain.logged_model import LOGGED_MODEL
from treering.domain.model import MODEL
from treering.domain.registered_model import registered_model_key
from treering.domain.run import RUN

# As the gateway writes them when it has resolved what somebody wrote.
OUTPUT = re.compile(r"azureml://jobs/([^/]+)/outputs/.+")
LOGGED = re.compile(r"runs:/([^/]+)(?:/.*)?")
VERSION = re.compile(r"azureml:([^/:@]+):([0-9]+)(?:/.*)?")
BY_ID = re.compile(r"models:/([^/@]+)")


class Maker(NamedTuple):
    kind: str
    key: str


def maker_of(path: str) -> Maker | None:
    """None for what came from outside."""
    if match := OUTPUT.fullmatch(path):
        return Maker(JOB.kind, match[1])
    if match := LOGGED.fullmatch(path):
        return Maker(RUN.kind, match[1])
    if match := VERSION.fullmatch(path):
        return Maker(MODEL.kind, f"{registered_model_key(match[1])}:{match[2]}")
    match = BY_ID.fullmatch(path)
    return Maker(LOGGED_MODEL.kind, match[1]) if match else None
