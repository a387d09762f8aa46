"""Who may use a line of the route table, and what the token of a job may do there.

Every line has one policy; a line that says nothing does not exist. What a job may do is decided in three places, all of
them before anything is written: here for the line, in ``permit`` (auth.py) for the workspace and the kind, and in
``ownership.py`` for the resource itself.
"""

from __future__ import annotations

from enum import Enum

from msgspec import Struct


class JobMay(Enum):
    """What a job's token may do at a line. The values are what the API's description says."""

    NOTHING = "nothing"  # also not with its submitter's rights
    AS_SUBMITTER = "with its submitter's rights (identity: user_identity)"
    OWN_JOB = "about itself"
    READ = "read"
    CREATE = "create"
    CHANGE_OWN = "change what it made"


class Policy(Struct, frozen=True):
    """``tokens`` are the kinds of token let in, beside a job's."""

    tokens: frozenset[str]
    job: JobMay = JobMay.NOTHING

    def described(self) -> str:
        """For the API's description."""
        said = f"Let in: {', '.join(sorted(self.tokens))}."
        return said if self.job is JobMay.NOTHING else f"{said} A job: {self.job.value}."


OPEN = Policy(frozenset({"anybody"}))  # the only one that asks for no token
OWNER = Policy(frozenset({"owner"}))
PEOPLE = Policy(frozenset({"owner"}), JobMay.AS_SUBMITTER)  # in one workspace, also through a job of theirs
WATCH = Policy(frozenset({"owner", "subscriber"}), JobMay.AS_SUBMITTER)  # the events of its own workspace only
TICKET = Policy(frozenset({"owner", "subscriber"}))  # makes one for what its token may watch
OWN_JOB = Policy(frozenset({"owner"}), JobMay.OWN_JOB)
# Blobs have no workspace, so no job reads them, whosever rights it has: its executor lays out what it needs. One with
# its submitter's rights stores what it submits.
READ_BLOBS = Policy(frozenset({"owner", "node"}))
STORE_BLOBS = Policy(frozenset({"owner", "node"}), JobMay.AS_SUBMITTER)
JOIN = Policy(frozenset({"owner", "join"}))
NODE = Policy(frozenset({"node"}))
# MLflow's API: nearly every line is one of these.
READ = Policy(frozenset({"owner"}), JobMay.READ)
CREATE = Policy(frozenset({"owner"}), JobMay.CREATE)
CHANGE = Policy(frozenset({"owner"}), JobMay.CHANGE_OWN)

# The kinds a job with its submitter's rights reaches. The others are about who is let in, what runs jobs and what
# leaves the installation: no job reaches those, whosever rights it has. A new kind is closed until it is named here.
KINDS_OPEN_TO_JOBS = frozenset(
    {"environment", "event", "event_schema", "experiment", "job", "logged_model", "model", "registered_model", "run"}
)
