"""Each way to say where artifacts are kept has one outcome: as it is, made absolute, or a refusal that says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from treering_services.gateway.mlflow.errors import MlflowError
from treering_services.gateway.mlflow.locations import checked_location

HOST = "127.0.0.1:8790"


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("./my_art", "{cwd}/my_art"),
        ("my_art", "{cwd}/my_art"),
        ("a//b/", "{cwd}/a/b"),
        (".", "{cwd}"),
        ("a b", "{cwd}/a b"),
        ("file:./x", "file://{cwd}/x"),
        ("file:x", "file://{cwd}/x"),
        ("mlflow-artifacts:", "mlflow-artifacts:/"),
        ("mlflow-artifacts:x", "mlflow-artifacts:/x"),
        ("mlflow-artifacts:/a//b/./c/", "mlflow-artifacts:/a/b/c"),
    ],
)
def test_what_is_relative_is_made_absolute(said: str, meant: str) -> None:
    assert checked_location(said, HOST) == meant.format(cwd=Path.cwd())


@pytest.mark.parametrize(
    "said",
    [
        "", "/tmp/x", "file:///tmp/x", "file://localhost/tmp/x", "s3://bucket/x", "S3://bucket/x", "gs://b", "dbfs:/x",
        "wasbs://c@a.blob.core.windows.net/p", "abfss://f@a.dfs.core.windows.net/x", "hdfs://n/x", "C:\\x", "C:/x",
        "\\\\host\\share", f"mlflow-artifacts://{HOST}/x",
    ],
)  # fmt: skip
def test_what_is_absolute_stays_as_it_is(said: str) -> None:
    assert checked_location(said, HOST) == said


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("../x", "folder above"),
        ("mlflow-artifacts:/..%2fx", "folder above"),
        ("  ", "leave it out"),
        ("~/x", "say the whole path"),
        ("x?y=1", "no '\\?'"),
        ("a\\b", "no backslash"),
        ("runs:/a/b", "cannot be a runs:/ URI"),
        ("models:/m/1", "cannot be a models:/ URI"),
        ("http://h/x", "another server"),
        ("mlflow-artifacts://h:1/x", "another server"),
        ("a#b", "fragments"),
        ("x" * 2049, "maximum length of 2048"),
    ],
)
def test_what_would_be_somewhere_else_for_each_client_or_nowhere_is_refused(said: str, why: str) -> None:
    with pytest.raises(MlflowError, match=why):
        checked_location(said, HOST)
