"""Ids are all different: in a row, in threads, and on both sides of a fork."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor

from treering.kernel.clock import POOL_BYTES, new_id, new_traceparent

IDS = 4 * POOL_BYTES // 16  # several pools of them


def some_ids(_: int) -> list[str]:
    return [new_id() for _ in range(IDS)]


def test_ids_are_different_in_threads() -> None:
    with ThreadPoolExecutor(4) as threads:
        made = [id for ids in threads.map(some_ids, range(8)) for id in ids]
    assert len(set(made)) == len(made) == 8 * IDS
    assert all(re.fullmatch("[0-9a-f]{32}", id) for id in made)


def test_a_child_makes_other_ids_than_its_parent() -> None:
    new_id()  # so that a pool is there to be inherited
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, "".join(new_id() for _ in range(20)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reading, 20 * 32).decode()
    os.close(reading)
    os.close(writing)
    ours = {new_id() for _ in range(20)}
    assert len(theirs) == 20 * 32
    assert ours.isdisjoint(theirs[at : at + 32] for at in range(0, len(theirs), 32))


def test_a_traceparent_is_one_and_never_the_same() -> None:
    made = {new_traceparent() for _ in range(1000)}
    assert len(made) == 1000 and all(re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00", one) for one in made)
