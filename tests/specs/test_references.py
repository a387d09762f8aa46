"""What a path or an asset reference points at."""

from __future__ import annotations

import pytest

from treering.kernel.refusal import Refused
from treering.specs.references import Reference, parse_reference

ARM = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("azureml:cpu:3", {"form": "asset", "name": "cpu", "version": "3"}),
        ("azureml:AzureML-sklearn-1.5@latest", {"form": "asset", "name": "AzureML-sklearn-1.5", "label": "latest"}),
        ("azureml:cpu", {"form": "asset", "name": "cpu"}),
        (
            f"azureml:{ARM}/environments/e/versions/1",
            {"form": "arm", "kind": "environments", "name": "e", "version": "1"},
        ),
        (f"{ARM}/computes/c", {"form": "arm", "kind": "computes", "name": "c"}),
        (
            "azureml://registries/azureml/environments/sklearn-1.5/labels/latest",
            {
                "form": "registry",
                "registry": "azureml",
                "kind": "environments",
                "name": "sklearn-1.5",
                "label": "latest",
            },
        ),
        (
            "azureml://registries/r/models/m/versions/2",
            {"form": "registry", "registry": "r", "kind": "models", "name": "m", "version": "2"},
        ),
        ("azureml://datastores/d/paths/a/b.csv", {"form": "datastore", "name": "d", "path": "a/b.csv"}),
        (
            "azureml://datastores/${{default_datastore}}/paths/${{name}}",
            {"form": "datastore", "name": "${{default_datastore}}", "path": "${{name}}"},
        ),
        (
            "azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/d/paths/p",
            {"form": "datastore", "name": "d", "path": "p"},
        ),
        (
            "azureml://jobs/j/outputs/o/paths/p/q",
            {"form": "job_output", "job": "j", "name": "o", "path": "p/q"},
        ),
        ("azureml://jobs/j/outputs/o", {"form": "job_output", "job": "j", "name": "o"}),
        ("runs:/abc/model", {"form": "run", "job": "abc", "path": "model"}),
        ("https://x.example/a.csv", {"form": "http", "path": "https://x.example/a.csv"}),
        ("wasbs://c@a.blob/x", {"form": "wasbs", "path": "wasbs://c@a.blob/x"}),
        ("abfss://c@a/x", {"form": "abfss", "path": "abfss://c@a/x"}),
        ("git+https://x.example/r.git", {"form": "git", "path": "https://x.example/r.git"}),
        ("../data", {"form": "local", "path": "../data"}),
        ("file:./env.yml", {"form": "local", "path": "./env.yml"}),
        ("file:///data/x", {"form": "local", "path": "/data/x"}),
        ("a:b.csv", {"form": "local", "path": "a:b.csv"}),
    ],
)
def test_references_are_taken_apart(text: str, parts: dict[str, str]) -> None:
    found = parse_reference(text)
    assert found == Reference(text=text, **parts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["", "  ", "azureml:", "azureml:a:b:c", "azureml://nope/x", "s3://bucket/x", "runs:x", "a\nb", "x" * 5000]
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_reference(text)
    assert refused.value.code == "reference.invalid"
