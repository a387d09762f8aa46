"""A job from its YAML to what its script may do: with rights of its own, and with those of who submitted it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.cli.conftest import Treering, answer

SCRIPT = """
import json, os, sys, urllib.error, urllib.request
body = json.dumps({"experiment_id": "0", "key": sys.argv[1], "value": "yes"}).encode()
asked = urllib.request.Request(
    os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/experiments/set-experiment-tag",
    body,
    {"Content-Type": "application/json", "Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"]},
)
try:
    print("answered", urllib.request.urlopen(asked).status)
except urllib.error.HTTPError as error:
    print("answered", error.code, error.read().decode())
"""
JOB = """
command: python tag.py ${{inputs.tag}}
code: src
environment: {python: "3.11"}
inputs: {tag: TAG}
identity: {type: TYPE}
"""


def submitted(online: Treering, folder: Path, type: str) -> Any:
    (folder / "src").mkdir(exist_ok=True)
    (folder / "src" / "tag.py").write_text(SCRIPT)
    (folder / "job.yml").write_text(JOB.replace("TYPE", type).replace("TAG", f"by-{type}"))
    name = f"as-{type.replace('_', '-')}"
    return online("job", "create", "-f", str(folder / "job.yml"), "-n", name, "--stream")


def test_a_jobs_script_changes_what_others_made_only_with_its_submitters_rights(
    online: Treering, tmp_path: Path
) -> None:
    own = submitted(online, tmp_path, "aml_token")
    assert "answered 403" in own.stdout and "PERMISSION_DENIED" in own.stdout, own.stderr
    managed = submitted(online, tmp_path, "managed")
    assert "answered 403" in managed.stdout and "there are no managed identities here" in managed.stderr
    users = submitted(online, tmp_path, "user_identity")
    assert "answered 200" in users.stdout, (users.stdout, users.stderr)
    job = answer(online, "job", "show", "-n", "as-user-identity")
    assert job["identity"] == {"type": "user_identity"}
    # What it did is the submitter's, through the job, wherever it is told.
    events = answer(online, "audit", "query", "--kind", "experiment", "--type", "experiment.tags_set")
    (row,) = [one for one in events if one.get("via")]
    assert row["via"] == "job:as-user-identity" and row["actor"].startswith("u_")
    told = online("story", "experiment/Default").stdout
    assert "via job/as-user-identity" in told
    causes = answer(online, "audit", "ask", "causes", "experiment/Default")
    assert {"experiment.tags_set", "job.started", "job.submitted"} <= {one["type"] for one in causes}


NESTED = """
import json, os, urllib.request
spec = {"command": "sleep 300", "environment": {}}
url = os.environ["TREERING_URL"] + "/v1/workspaces/" + os.environ["TREERING_WORKSPACE"] + "/jobs"
asked = urllib.request.Request(
    url,
    json.dumps({"name": "submitted-by-script", "spec": spec}).encode(),
    {"Content-Type": "application/json", "Authorization": "Bearer " + os.environ["TREERING_TOKEN"]},
)
print("answered", urllib.request.urlopen(asked).status)
"""


def test_a_cancel_names_what_the_jobs_script_submitted_and_cancels_it_when_asked(
    online: Treering, tmp_path: Path
) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "tag.py").write_text(NESTED)
    (tmp_path / "job.yml").write_text(JOB.replace("TYPE", "user_identity").replace("TAG", "x"))
    done = online("job", "create", "-f", str(tmp_path / "job.yml"), "-n", "submitter", "--stream")
    assert "answered 201" in done.stdout, (done.stdout, done.stderr)
    assert answer(online, "job", "show", "-n", "submitted-by-script")["submitted_via"] == "submitter"
    told = online("job", "cancel", "-n", "submitter")
    assert "go on: submitted-by-script; --with-submitted cancels them too" in told.stderr
    also = online("job", "cancel", "-n", "submitter", "--with-submitted")
    assert "job submitted-by-script, which it submitted, is canceled too" in also.stderr
    assert answer(online, "job", "show", "-n", "submitted-by-script")["status"] in ("CancelRequested", "Canceled")
