"""How far two logs agree, told from the names of their epochs alone; checked against the logs themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treering.kernel.epochs import FIRST, PARTS_MAX, Lineage, Place, names_epoch, next_name, read_id

Log = tuple[tuple[str, ...], Lineage]  # its commits, and what it knows of its epochs


def restored(log: Log, at: int, mark: str) -> Log:
    """What a restore makes of a backup of ``log`` that was taken at ``at``: the epoch is the first of what is new."""
    commits, lineage = log
    lineage = lineage.up_to(at)
    name = next_name(lineage.current, at, mark)
    return (*commits[:at], f"begins {name}"), lineage.with_epoch(name, at)


def grown(log: Log, count: int, number: int) -> Log:
    commits, lineage = log
    return (*commits, *(f"{number}.{one}" for one in range(count))), lineage


def agree(one: Log, other: Log) -> int:
    pairs = zip(one[0], other[0], strict=False)
    return next((at for at, (mine, theirs) in enumerate(pairs) if mine != theirs), min(len(one[0]), len(other[0])))


@st.composite
def families(draw: st.DrawFn, restores_max: int = PARTS_MAX) -> list[Log]:
    """Logs of one installation and its backups: each is another one, restored at some position, that has gone on."""
    empty: Log = restored(((), Lineage()), 0, "m0") if draw(st.booleans()) else ((), Lineage())
    logs: list[Log] = [grown(empty, draw(st.integers(1, 12)), 0)]
    for number in range(1, 1 + draw(st.integers(0, restores_max))):
        origin = draw(st.sampled_from(logs))
        made = restored(origin, draw(st.integers(1, len(origin[0]))), f"m{number}")
        logs.append(grown(made, draw(st.integers(0, 12)), number))
    return logs


@given(families(), st.data())
def test_common_is_the_last_position_at_which_both_logs_agree_known_epoch_or_not(
    logs: list[Log], data: st.DataObject
) -> None:
    here, there = data.draw(st.sampled_from(logs)), data.draw(st.sampled_from(logs))
    common = here[1].common(there[1].current, len(here[0]))
    # The other log is known as far as it ever went, and its end is not in its name.
    assert agree(here, there) == min(common, len(there[0]))


@given(families(4 * PARTS_MAX), st.data())
def test_of_names_that_lack_their_beginning_common_is_never_too_far(logs: list[Log], data: st.DataObject) -> None:
    here, there = data.draw(st.sampled_from(logs)), data.draw(st.sampled_from(logs))
    assert len(there[1].current) < 250
    assert min(here[1].common(there[1].current, len(here[0])), len(there[0])) <= agree(here, there)


@given(families(), st.data())
def test_an_event_has_one_id_in_every_log_that_holds_it_and_no_two_events_have_the_same(
    logs: list[Log], data: st.DataObject
) -> None:
    ids: dict[str, str] = {}
    for commits, lineage in logs:
        for position, commit in enumerate(commits, start=1):
            assert ids.setdefault(lineage.id(position, 0), commit) == commit
    assert len(set(ids.values())) == len(ids)


@given(families(), st.data())
def test_every_id_of_a_log_is_one_that_it_goes_on_behind(logs: list[Log], data: st.DataObject) -> None:
    commits, lineage = data.draw(st.sampled_from(logs))
    for position in range(1, len(commits) + 1):
        place = read_id(lineage.id(position, 2))
        assert place is not None and (place.after, place.skip, place.position) == (position - 1, 3, position)
        assert place.position <= lineage.common(place.epoch, len(commits))


def test_a_backup_restored_twice_agrees_with_both_up_to_where_it_was_taken() -> None:
    first: Log = grown(((), Lineage()), 100, 0)
    second, third = grown(restored(first, 90, "a"), 30, 1), grown(restored(first, 90, "b"), 30, 2)
    assert (second[1].current, third[1].current) == ("90-a", "90-b")
    assert third[1].common(FIRST, 121) == third[1].common("", 121) == 90
    assert third[1].common("90-a", 121) == 90, "the log has never heard of 90-a"
    deep = grown(restored(grown(restored(second, 110, "c"), 50, 3), 150, "d"), 9, 4)
    assert third[1].common(deep[1].current, 121) == 90
    assert second[1].common("90-a_110-c_150-d", 121) == 110


def test_the_first_log_may_have_a_name_and_ids_without_one_mean_it() -> None:
    lineage = Lineage().with_epoch("0-a", 0).with_epoch("0-a_40-b", 40)
    assert (lineage.id(7, 0), lineage.id(41, 0)) == ("0-a:7.0", "0-a_40-b:41.0")
    assert lineage.common("", 50) == lineage.common("1", 50) == lineage.common("0-a", 50) == 40
    assert lineage.common("0-z", 50) == 0, "another installation"


@pytest.mark.parametrize("epoch", ["x", "90", "90-", "-a", "_", "90-a__120-b", "90-a_x", "_5-zz", "later"])
def test_an_epoch_of_which_nothing_can_be_told_agrees_with_nothing(epoch: str) -> None:
    assert Lineage().with_epoch("90-a", 90).common(epoch, 100) == 0


@pytest.mark.parametrize("text", ["1:5", "this:5", "90-ab:5", "_90-ab_120-c:7.0"])
def test_an_id_with_an_epoch_is_told_from_a_time(text: str) -> None:
    assert names_epoch(text)
    assert not any(map(names_epoch, ("5", "2026-01-01T00:30", "2026-01-01T00:30:05", "2026-01-01", "now", "", ":")))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("0", Place("", 0, 0)), ("95", Place("", 95, 0)), ("95.0", Place("", 94, 1)), ("1:95.2", Place("1", 94, 3)),
        ("90-ab_120-c:121", Place("90-ab_120-c", 121, 0)), ("", None), (":5", None), ("a b:5", None), ("5.", None),
        ("0.0", None), ("a:b:5", None), ("-1", None), ("٣", None), ("9" * 19, None), ("x" * 300 + ":5", None),
    ],
)  # fmt: skip
def test_an_id_has_an_epoch_a_position_and_an_index_or_fewer_of_them(text: str, place: Place | None) -> None:
    assert read_id(text) == place
