"""How much work a JSON Schema makes of a value, found out without doing it.

A validator has no deadline: a schema of a kilobyte whose definitions refer to the next one twice looks at a value 2^30
times, and one that applies itself twice to each item doubles with each level of the data. So the applications of
subschemas to values are counted first. Values that the same is applied to are looked at together, once, with the number
of times that each subschema is applied to them; that is quick however large the numbers get.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Any

from treering.kernel.schema_parts import Part, SchemaParts

CHARACTERS_EACH = 100  # of a string: as much as one application

Applied = Counter[Part]  # how many times each is applied to a value


class SchemaCost(SchemaParts):
    """The cost of one schema on any data, in steps: a subschema at a value, some 40 ns. ``pattern_steps`` says what a
    pattern costs at each character. A reference to something outside of the schema costs nothing."""

    def exceeds(self, data: Any, most: int) -> bool:
        """Whether more than ``most`` steps may be needed to judge ``data``."""
        spent = 0
        waiting: list[tuple[list[Any], Applied]] = [([data], Counter({self.root: 1}))]
        while waiting:
            values, applied = waiting.pop()
            applied = self.on_the_same(applied)
            spent += sum(times * part.steps for part, times in applied.items()) * sum(map(size_of, values))
            if text_steps := sum(times * part.text_steps for part, times in applied.items()):
                spent += text_steps * sum(len(value) for value in values if isinstance(value, str))
            if name_steps := sum(times * part.name_steps for part, times in applied.items()):
                spent += name_steps * sum(1 + len(name) for one in values if isinstance(one, dict) for name in one)
            if spent > most:
                return True
            waiting.extend(below_lists(values, applied))
            waiting.extend(below_objects(values, applied))
        return False

    def on_the_same(self, applied: Applied) -> Applied:
        """All that is applied to a value when ``applied`` are; a schema that refers to itself there, once."""
        whole = Counter(applied)
        heap = sorted((part.order, id(part), part) for part in applied)
        seen = set(applied)
        while heap:
            _, _, part = heappop(heap)
            for other in part.same:
                if other.order > part.order:
                    whole[other] += whole[part] * part.times
                    if other not in seen:
                        seen.add(other)
                        heappush(heap, (other.order, id(other), other))
        return whole


def size_of(value: Any) -> int:
    return 1 + len(value) // CHARACTERS_EACH if isinstance(value, str) else 1


def below_lists(values: list[Any], applied: Applied) -> Iterator[tuple[list[Any], Applied]]:
    """The items of all lists among ``values``, together where the same is applied to them."""
    lists = [value for value in values if isinstance(value, list) and value]
    if not lists:
        return
    every = summed((one, times) for part, times in applied.items() for one in part.items)
    named = max((len(part.places) for part in applied), default=0)
    for index in range(min(named, max(map(len, lists)))):
        here = ((part.places[index], times) for part, times in applied.items() if index < len(part.places))
        yield [value[index] for value in lists if index < len(value)], every + summed(here)
    if every:
        yield [item for value in lists for item in value[named:]], every


def below_objects(values: list[Any], applied: Applied) -> Iterator[tuple[list[Any], Applied]]:
    """The properties of all objects among ``values``, together where the same is applied to them."""
    objects = [value for value in values if isinstance(value, dict) and value]
    if not objects:
        return
    every = summed((one, times) for part, times in applied.items() for one in part.any_property)
    if names := summed((one, times) for part, times in applied.items() for one in part.names):
        yield [name for value in objects for name in value], names
    known = {name for part in applied for name in part.properties}
    for name in known:
        if found := [value[name] for value in objects if name in value]:
            here = ((one, times) for part, times in applied.items() for one in part.properties.get(name, ()))
            yield found, every + summed(here)
    if every:
        yield [one for value in objects for name, one in value.items() if name not in known], every


def summed(counts: Iterator[tuple[Part, int]]) -> Applied:
    total = Counter[Part]()
    for part, times in counts:
        total[part] += times
    return total
