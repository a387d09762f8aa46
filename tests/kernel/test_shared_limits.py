"""A limit is written once: a client and a service that each have their own come apart one day."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from pathlib import Path

import treering
import treering_services

LIMIT = ("_MAX", "_MIN", "_BYTES", "_SECONDS")
ASKING = ("cli", "client", "specs")
# The same word for something else.
OTHERS = {"BLOCK_BYTES", "BYTES_MAX", "CHARACTERS_MAX", "CHUNK_BYTES", "HEAD_BYTES_MAX", "NODES_MAX", "SHOWN_MAX"} | {
    "PAGE_MAX",  # of MLflow's search of runs
    "SHOWN_CHARACTERS_MAX", "STEPS_MAX", "WAITING_MAX",
}  # fmt: skip


def limits() -> list[tuple[str, str, str, str]]:
    """Side, module, name and value of every limit there is."""
    found = []
    for package in (treering, treering_services):
        root = Path(package.__path__[0])
        for path in sorted(root.rglob("*.py")):
            module = str(path.relative_to(root))
            side = "asking" if module.partition("/")[0] in ASKING else "answering"
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                    name = node.targets[0].id
                    if name.isupper() and name.endswith(LIMIT):
                        found.append((side, module, name, ast.unparse(node.value)))
    return found


def test_no_limit_of_a_client_is_written_again_in_a_service() -> None:
    sides: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for side, module, name, value in limits():
        if name not in OTHERS:
            sides[name, value][side].append(module)
    assert {limit: dict(where) for limit, where in sides.items() if len(where) > 1} == {}


def test_no_module_gives_a_limit_two_values() -> None:
    twice = Counter((module, name) for _, module, name, _ in limits())
    assert [where for where, times in twice.items() if times > 1] == []
