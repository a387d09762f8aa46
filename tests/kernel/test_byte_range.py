"""Which bytes a Range header asks for."""

from __future__ import annotations

import pytest

from treering.kernel.byte_range import byte_range
from treering.kernel.refusal import Refused


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("bytes=0-", (0, 10)),
        ("bytes=3-", (3, 10)),
        ("bytes=3-5", (3, 6)),
        ("bytes=9-9", (9, 10)),
        ("bytes=3-99", (3, 10)),
        ("bytes=-4", (6, 10)),
        ("bytes=-99", (0, 10)),
    ],
)
def test_one_range_is_honoured(header: str, wanted: tuple[int, int]) -> None:
    assert byte_range(header, 10) == wanted


@pytest.mark.parametrize("header", ["", "bytes=-", "bytes=5-3", "bytes=0-1,3-4", "lines=0-", "bytes=a-b", "bytes=-1-2"])
def test_what_is_not_one_range_is_ignored(header: str) -> None:
    assert byte_range(header, 10) is None


@pytest.mark.parametrize(("header", "size"), [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-", 0)])
def test_a_range_with_nothing_in_it_is_refused(header: str, size: int) -> None:
    with pytest.raises(Refused) as refused:
        byte_range(header, size)
    assert refused.value.code == "blob.range"
