"""Merge keys of YAML 1.1, which Azure ML reads: ``<<: *defaults`` puts the keys of another mapping into this one."""

from __future__ import annotations

import yaml

from treering.specs.nodes import ListNode, MapNode, Node

MERGE = "<<"


def is_merge_key(event: yaml.Event) -> bool:
    """Whether a key is ``<<`` without quotes."""
    return isinstance(event, yaml.ScalarEvent) and event.value == MERGE and bool(event.implicit[0])


def merged(own: MapNode, merge: Node | None) -> MapNode | None:
    """A mapping with the keys of ``merge``, if there is one, that it does not have itself; the first mapping of a list
    that has a key decides. None when ``merge`` holds something else than mappings. Each key keeps the place it was
    written at."""
    if merge is None:
        return own
    sources = merge.items if isinstance(merge, ListNode) else (merge,)
    maps = [one for one in sources if isinstance(one, MapNode)]
    if len(maps) != len(sources):
        return None
    entries, places = {}, {}
    for one in (*reversed(maps), own):
        entries.update(one.entries)
        places.update(one.places)
    return MapNode(entries, places, own.at)
