"""treering's verdict on the Azure ML examples, file by file, against that of azure-ai-ml 1.35.2.

The examples lie beside the repository (``../shared/azureml-yaml``), without their code and most of their data,
so files that a YAML names may be absent.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from treering.specs.validate import Judgement, judge

CORPUS = Path(__file__).resolve().parents[2].parent / "shared" / "azureml-yaml"
EXPECTED = CORPUS / "EXPECT.jsonl"
# Where treering says otherwise, and why. A file that stops differing must leave this list.
DIFFERENT = {
    "cli/jobs/pipelines-with-components/pipeline_job_with_flow_as_component/run.yml": (
        "a prompt flow, which treering does not read"
    ),
    "sdk/python/endpoints/online/deploy-with-packages/custom-model/environment/sklearn-regression-env.yml": (
        "its conda file is absent in the original too, and absent files are let pass here"
    ),
}
pytestmark = pytest.mark.skipif(not EXPECTED.is_file(), reason=f"the Azure ML examples are not at {CORPUS}")


def expected() -> list[dict[str, Any]]:
    return [json.loads(line) for line in EXPECTED.read_text().splitlines()]


def judged(kind: str) -> list[tuple[dict[str, Any], Judgement]]:
    rows = [row for row in expected() if row["kind"].startswith(kind)]
    return [(row, judge(CORPUS / row["file"], need_files=False)) for row in rows]


def test_command_jobs_are_accepted_and_refused_as_azure_ml_does_it() -> None:
    rows = judged("job/command")
    assert len(rows) == 21
    assert [(row["file"], judgement.kind, judgement.accepted) for row, judgement in rows] == [
        (row["file"], "job/command", row["ok"]) for row, _ in rows
    ]


def test_every_kind_is_found_and_judged_as_azure_ml_does_it() -> None:
    agreed, seen, different = Counter[str](), Counter[str](), set()
    for row, judgement in judged(""):
        seen[row["kind"]] += 1
        if (judgement.kind, judgement.accepted) == (row["kind"], row["ok"]):
            agreed[row["kind"]] += 1
        else:
            different.add(row["file"])
    for kind in sorted(seen):
        print(f"{kind}: {agreed[kind]} of {seen[kind]} as azure-ai-ml says")
    assert different == DIFFERENT.keys()


def test_an_environment_whose_conda_file_is_absent_is_refused_when_files_are_needed() -> None:
    name = "sdk/python/endpoints/online/deploy-with-packages/custom-model/environment/sklearn-regression-env.yml"
    (problem,) = judge(CORPUS / name).problems
    assert (problem.line, problem.key) == (4, "conda_file")


def test_every_problem_of_the_corpus_names_its_file_and_line() -> None:
    problems = [problem for _, judgement in judged("") for problem in judgement.problems]
    assert problems
    assert all(problem.line > 0 and Path(problem.file).is_file() for problem in problems)
