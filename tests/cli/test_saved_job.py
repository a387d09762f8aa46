"""``job create --save-as``: secret variables are saved by name, and must be given when the file is submitted again."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tests.cli.conftest import Treering, answer

JOB = """
command: test -n "$API_KEY" && test -n "$PLAIN" && test "$TOKEN_TYPE" = classifier
environment: ENVIRONMENT
environment_variables: {API_KEY: hunter-55, TOKEN_TYPE: classifier, LEVEL: debug}
public_variables: [TOKEN_TYPE]
"""
INLINE = '{python: "3.11"}'


@pytest.fixture
def registered(online: Treering, tmp_path: Path) -> str:
    file = tmp_path / "environment.yml"
    file.write_text("name: saved\nconda_file: {dependencies: [python=3.11], variables: {ITS_TOKEN: hunter-77}}\n")
    return f"azureml:saved:{answer(online, 'environment', 'create', '-f', str(file))['version']}"


def test_a_saved_job_names_its_secret_variables_and_asks_for_their_values(online: Treering, tmp_path: Path) -> None:
    job, saved = tmp_path / "job.yml", tmp_path / "saved.yml"
    job.write_text(JOB.replace("ENVIRONMENT", INLINE))
    done = online("job", "create", "-f", str(job), "-a", str(saved), "--secret", "PLAIN", PLAIN="hunter-66")
    assert done.returncode == 0 and "submit it again with --secret API_KEY --secret PLAIN" in done.stderr
    kept = yaml.safe_load(saved.read_text())
    assert set(kept["secret_variables"]) == {"API_KEY", "PLAIN"} and kept["public_variables"] == ["TOKEN_TYPE"]
    assert kept["environment_variables"] == {"TOKEN_TYPE": "classifier", "LEVEL": "debug"}
    assert "hunter" not in saved.read_text()

    refused = online("job", "create", "-f", str(saved), "--secret", "PLAIN", PLAIN="hunter-66")
    assert refused.returncode == 1 and "or give it with --secret API_KEY" in refused.stderr

    secrets = ("--secret", "PLAIN", "--secret", "API_KEY")
    again = online(
        "job", "create", "-f", str(saved), "-n", "saved-secrets", *secrets, "-s", PLAIN="hunter-66", API_KEY="hunter-55"
    )
    assert again.returncode == 0, again.stderr


def test_the_secrets_of_a_registered_environment_come_with_it(
    online: Treering, tmp_path: Path, registered: str
) -> None:
    job, saved = tmp_path / "job.yml", tmp_path / "saved.yml"
    job.write_text(JOB.replace("ENVIRONMENT", registered))
    done = online("job", "create", "-f", str(job), "-a", str(saved))
    assert done.returncode == 0 and done.stderr.rstrip().endswith("submit it again with --secret API_KEY")
    assert yaml.safe_load(saved.read_text())["secret_variables"] == ["API_KEY"]
    refused = online("job", "create", "-f", str(saved))
    assert refused.returncode == 1 and "--secret API_KEY" in refused.stderr
