"""compose.yaml and the Dockerfile as far as they can be judged without a container engine: names, options, files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from treering_services.__main__ import parser

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SERVERS = [name for name in SERVICES if name.startswith("nats-")]


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_runs_a_service_with_options_it_has(name: str) -> None:
    options = parser().parse_args(SERVICES[name]["command"])
    assert options.name == ("nats" if name in SERVERS else name)
    if name in SERVERS:
        assert options.node == name and options.route == [f"{server}:6222" for server in SERVERS]
    else:
        assert options.nats == [f"nats://{server}:4222" for server in SERVERS]


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_keeps_its_data_in_volumes_that_are_declared(name: str) -> None:
    volumes = dict(volume.split(":") for volume in SERVICES[name]["volumes"])
    assert volumes.keys() <= COMPOSE["volumes"].keys()
    assert volumes["home"] == "/var/lib/treering"
    assert name not in SERVERS or volumes[name] == "/var/lib/treering/nats"


def test_the_gateway_is_published_on_this_machine_only() -> None:
    assert [service.get("ports") for service in SERVICES.values() if "ports" in service] == [["127.0.0.1:8790:8790"]]


def test_what_the_image_is_made_of_is_there_and_not_ignored() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    copied = [word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]]
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied and all((ROOT / name).exists() for name in copied)
    assert set(copied) == kept
    # The image builds treering itself without an index: what builds it must be locked too.
    assert re.search(r"^hatchling==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)


def test_only_the_executor_may_make_namespaces() -> None:
    unconfined = {name: service["security_opt"] for name, service in SERVICES.items() if "security_opt" in service}
    assert unconfined == {"executor": ["seccomp:unconfined", "apparmor:unconfined", "systempaths=unconfined"]}
