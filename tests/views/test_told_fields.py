"""What subscribers see of each event type there is: a declared list, and nothing of specs beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from msgspec import Struct

from treering.domain import KINDS
from treering.domain.job_messages import JobSubmitted
from treering.domain.job_spec import EnvironmentSpec, InputSpec, JobSpec
from treering.domain.sealed import Sealed
from treering.domain.webhook_messages import WebhookCreated
from treering.kernel.log import encoder
from treering.views.told_fields import fields_told, schema_told, told

TYPES = {tag: struct for kind in KINDS.values() for tag, struct in kind.event_types.items()}
# Fields that subscribers never see, whatever the event.
NEVER = {
    "command", "code_path", "environment_variables", "variables", "requirements", "sealed", "secret", "macs",
    "reference", "url", "git", "notes", "inputs", "profile", "state", "holding",
}  # fmt: skip
# Fields of structs that are told whole: what became of a job, and what a run used and made.
ENDED = {"outputs", "left_out"}
WHOLE = {
    "job.completed": ENDED, "job.failed": ENDED, "job.canceled": ENDED,
    "run.outputs_logged": {"models"},
}  # fmt: skip


def structs_in(hint: Any) -> Iterator[type[Struct]]:
    if isinstance(hint, type) and issubclass(hint, Struct):
        yield hint
    for part in get_args(hint):
        yield from structs_in(part)


def paths_of(struct: type[Struct], fields: dict[str, Any], within: str = "") -> Iterator[str]:
    """The paths told of a struct; KeyError for one that it has not."""
    hints = get_type_hints(struct)
    for name, deeper in fields.items():
        nested = list(structs_in(hints[name]))
        yield f"{within}{name}"
        for one in nested:
            yield from paths_of(one, deeper or {key: {} for key in one.__struct_fields__}, f"{within}{name}.")


@pytest.mark.parametrize("tag", sorted(TYPES))
def test_of_every_event_type_only_fields_that_are_no_secret_are_told(tag: str) -> None:
    struct = TYPES[tag]
    fields = fields_told().get(tag) or {key: {} for key in struct.__struct_fields__}
    paths = set(paths_of(struct, fields))
    assert not NEVER & {path.rpartition(".")[2] for path in paths}, tag


@pytest.mark.parametrize("tag", sorted(set(TYPES) - set(fields_told())))
def test_an_event_with_a_spec_declares_what_is_told_of_it(tag: str) -> None:
    hints = get_type_hints(TYPES[tag])
    nested = {name for name in TYPES[tag].__struct_fields__ if list(structs_in(hints[name]))}
    assert nested <= WHOLE.get(tag, set()), "declare in Aggregate(told=...) which of its fields subscribers need"


def test_a_submitted_job_is_told_without_what_it_runs() -> None:
    spec = JobSpec(
        "python train.py", EnvironmentSpec("3.11", ("x",), source="azureml:e:1", variables={"A": "b"}), experiment="e",
        tags={"team": "blue"}, inputs={"i": InputSpec("string", "v")}, sealed=Sealed("job-1", {"T": "0"}),
        environment_variables={"LEVEL": "debug"}, display_name="first", description="d",
    )  # fmt: skip
    body = msgspec.Raw(encoder.encode(JobSubmitted(spec)))
    assert msgspec.json.decode(told("job.submitted", body)) == {
        "type": "job.submitted",
        "spec": {
            "display_name": "first", "experiment": "e", "tags": {"team": "blue"},
            "environment": {"source": "azureml:e:1"},
        },
    }  # fmt: skip


def test_a_webhook_is_told_without_its_address_and_its_secret() -> None:
    body = msgspec.Raw(encoder.encode(WebhookCreated("https://hooks.example/T/B/x", 4, "job", secret="s")))
    assert msgspec.json.decode(told("webhook.created", body)) == {"type": "webhook.created", "since": 4, "kind": "job"}


@pytest.mark.parametrize("tag", sorted(fields_told()))
def test_the_schema_of_what_is_told_has_no_other_fields(tag: str) -> None:
    (schema,), components = msgspec.json.schema_components([TYPES[tag]], ref_template="#/$defs/{name}")
    found = schema_told(tag, schema, components)
    assert set(found["properties"]) == {"type", *fields_told()[tag]} >= set(found["required"])
    if tag == "job.submitted":
        assert "command" not in found["properties"]["spec"]["properties"]
