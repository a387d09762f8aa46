"""Reads the file ``MLmodel`` of an MLflow model: which flavors it can be loaded as.

Source: the layout of mlflow/models/model.py of 3.18. The file comes from whoever made the model, so it is read under
the bounds of ``yaml_text``, and what it says of its flavors is bounded again: aliases make much out of little.
"""

from __future__ import annotations

from treering.kernel.refusal import Refused
from treering.specs.nodes import ListNode, MapNode, Node, Plain, Scalar, plain
from treering.specs.yaml_text import BYTES_MAX, Unreadable, parse_yaml

MLMODEL = "MLmodel"
FLAVORS_CHARACTERS_MAX = 64 * 1024


def read_flavors(data: bytes) -> dict[str, Plain]:
    """The flavors that the content of an ``MLmodel`` names; ``Refused("model.mlmodel")`` when it names none."""
    if len(data) > BYTES_MAX:
        raise Refused("model.mlmodel", f"{MLMODEL} has {len(data)} bytes, at most {BYTES_MAX} are read")
    try:
        root = parse_yaml(data.decode(), MLMODEL)
    except UnicodeDecodeError:
        raise Refused("model.mlmodel", f"{MLMODEL} is not UTF-8 text") from None
    except Unreadable as error:
        raise Refused("model.mlmodel", error.detail) from None
    flavors = root.map("flavors")
    if not flavors.entries:
        raise Refused("model.mlmodel", f"{MLMODEL} names no flavors: an mlflow_model is the folder that MLflow saved")
    if characters(flavors) > FLAVORS_CHARACTERS_MAX:
        raise Refused("model.mlmodel", f"the flavors in {MLMODEL} have more than {FLAVORS_CHARACTERS_MAX} characters")
    found = plain(flavors)
    assert isinstance(found, dict)
    return found


def characters(node: Node) -> int:
    """How much text a node is when it is written out."""
    match node:
        case MapNode():
            return sum(len(key) + characters(child) for key, child in node.entries.items())
        case ListNode():
            return sum(characters(child) for child in node.items)
        case Scalar():
            return len(node.written)
