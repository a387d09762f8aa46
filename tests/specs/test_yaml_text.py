"""YAML from anybody is read under bounds, and every value knows where it was written."""

from __future__ import annotations

from pathlib import Path
from time import thread_time

import pytest

from treering.specs.nodes import MapNode, Plain, Scalar, plain
from treering.specs.yaml_text import BYTES_MAX, DEPTH_MAX, NODES_MAX, Unreadable, parse_yaml, read_yaml

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def read(text: str) -> Plain:
    return plain(parse_yaml(text, "job.yml"))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: " + "[" * 100_000, "yaml.too_deep"),
        ("a: " + "{a: " * 50_000, "yaml.too_deep"),
        ("- " * 100_000, "yaml.too_deep"),
        ("".join(" " * depth + "a:\n" for depth in range(500)), "yaml.too_deep"),
        (BOMB, "yaml.too_many_nodes"),
        ("".join(f"k{number}:\n" for number in range(NODES_MAX)), "yaml.too_many_nodes"),
        ("a: '" + "x" * BYTES_MAX + "'", "yaml.too_large"),
        ("a: &a [*a]", "yaml.alias"),
        ("a: &a {b: *a}", "yaml.alias"),
        ("a: *nowhere", "yaml.alias"),
        ("a: 1\nb: 2\na: 3", "yaml.duplicate_key"),
        ("a: {b: 1, b: 2}", "yaml.duplicate_key"),
        ("a: {<<: x}", "yaml.merge_key"),
        ("x: &x {y: 1}\na: {<<: [*x, 1]}", "yaml.merge_key"),
        ("x: &x {y: 1}\na: {<<: *x, <<: *x}", "yaml.duplicate_key"),
        ("a: &a {<<: *a}", "yaml.alias"),
        ("a: !!int x", "yaml.number"),
        ("a: !!set {x}", "yaml.tag"),
        ("a: !!seq {x: 1}", "yaml.tag"),
        ("a: !!python/object/apply:os.system [id]", "yaml.tag"),
        ("a: !custom 1", "yaml.tag"),
        ("? [a]\n: 1", "yaml.key"),
        ("a: 1\n---\nb: 2", "yaml.documents"),
        ("", "yaml.empty"),
        ("# only words\n", "yaml.empty"),
        ("- a", "yaml.not_a_mapping"),
        ("text", "yaml.not_a_mapping"),
        ("a: [1", "yaml.syntax"),
        ("a: b: c", "yaml.syntax"),
        ("a: \x00", "yaml.syntax"),
        ("a: .nan", "yaml.number"),
        ("a: -.inf", "yaml.number"),
    ],
)
def test_hostile_text_is_refused_quickly(text: str, code: str) -> None:
    started = thread_time()
    with pytest.raises(Unreadable) as refused:
        parse_yaml(text, "job.yml")
    assert refused.value.code == code
    assert refused.value.detail.startswith("job.yml")
    assert thread_time() - started < 2  # of processor time: milliseconds; deep input took 2.6 s unbounded


def test_text_as_deep_as_allowed_is_read_and_one_level_more_is_not() -> None:
    parse_yaml("a: " + "[" * (DEPTH_MAX - 1) + "]" * (DEPTH_MAX - 1), "f")
    with pytest.raises(Unreadable, match="levels deep"):
        parse_yaml("a: " + "[" * DEPTH_MAX + "]" * DEPTH_MAX, "f")


def test_an_alias_may_not_lead_deeper_than_is_allowed() -> None:
    half = DEPTH_MAX // 2 + 1
    text = f"a: &a {'[' * half}{']' * half}\nb: {'[' * half}*a{']' * half}"
    with pytest.raises(Unreadable, match="levels deep"):
        parse_yaml(text, "f")


def test_an_alias_repeats_its_value() -> None:
    assert read("a: &a {x: 1}\nb: *a") == {"a": {"x": 1}, "b": {"x": 1}}


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("true", True), ("False", False), ("yes", "yes"), ("no", "no"), ("on", "on"),
        ("", None), ("~", None), ("null", None), ("'null'", "null"), ('"1"', "1"),
        ("12", 12), ("-3", -3), ("+4", 4), ("0x1f", 31), ("0", 0), ("-0", 0),
        ("0.1", 0.1), ("1e-3", 0.001), (".5", 0.5), ("2.", 2.0), ("1_000", "1_000"),
        ("010", "010"), ("12:30:45", "12:30:45"), ("2023-03-15", "2023-03-15"), ("1.2.3", "1.2.3"),
        ("0.10", 0.1), ("'-'", "-"), ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", "9223372036854775808"), ("1e999", "1e999"), ("9" * 5000, "9" * 5000),
    ],
)  # fmt: skip
def test_unquoted_words_mean_what_yaml_1_2_says_or_stay_text(word: str, value: object) -> None:
    found = read(f"a: {word}")
    assert found == {"a": value}
    assert isinstance(found, dict)
    assert type(found["a"]) is type(value)


def test_every_value_knows_its_line_and_column_and_how_it_was_written() -> None:
    root = parse_yaml("a: 1\nb:\n  c: 0.10\n", "job.yml")
    inner = root.entries["b"]
    assert isinstance(inner, MapNode)
    found = inner.entries["c"]
    assert isinstance(found, Scalar)
    assert (str(found.at), found.at.column, found.written) == ("job.yml:3", 6, "0.10")
    assert str(inner.places["c"]) == "job.yml:3"


def test_keys_are_text_as_written() -> None:
    assert read("1: a\ntrue: b\n0x1: c") == {"1": "a", "true": "b", "0x1": "c"}


def test_a_duplicate_key_names_both_lines() -> None:
    with pytest.raises(Unreadable, match=r"job.yml:3: the key 'a' is there twice, first in line 1"):
        parse_yaml("a: 1\nb: 2\na: 3", "job.yml")


def test_a_file_that_is_not_utf8_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "job.yml"
    path.write_bytes(b"a: 1\nb: caf\xe9\n")
    with pytest.raises(Unreadable, match=r"job.yml:2: is not UTF-8"):
        read_yaml(path)


def test_a_file_that_is_too_large_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "job.yml"
    path.write_bytes(b"a: " + b"x" * BYTES_MAX)
    with pytest.raises(Unreadable) as refused:
        read_yaml(path)
    assert refused.value.code == "yaml.too_large"


@pytest.mark.parametrize(
    ("name", "why"),
    [("absent.yml", "there is no such file"), (".", "is not a regular file"), ("/dev/zero", "is not a regular file")],
)
def test_what_is_no_file_is_refused_and_what_is_there_is_not_called_absent(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        read_yaml(tmp_path / name)


def test_a_byte_order_mark_is_read_over(tmp_path: Path) -> None:
    path = tmp_path / "job.yml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert plain(read_yaml(path)) == {"a": 1}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("x: &x {y: 1, z: 2}\na: {<<: *x, z: 3}", {"y": 1, "z": 3}),
        ("x: &x {y: 1, z: 2}\na: {z: 3, <<: *x}", {"y": 1, "z": 3}),
        ("x: &x {y: 1}\nz: &z {y: 2, w: 2}\na:\n  <<: [*x, *z]", {"y": 1, "w": 2}),
        ("x: &x {y: 1}\nz: &z {<<: *x, w: 2}\na:\n  <<: *z", {"y": 1, "w": 2}),
        ("a: {<<: {y: 1}}", {"y": 1}),
        ("a: {'<<': {y: 1}}", {"<<": {"y": 1}}),
        ("a: {b: !!str 5, c: !!int '5', d: !!float 1, e: !!bool 'true', f: !!null ''}",
         {"b": "5", "c": 5, "d": 1.0, "e": True, "f": None}),
        ("a: !!map {b: !!seq [1]}", {"b": [1]}),
        ("a: {&k b: 1, c: *k}", {"b": 1, "c": "b"}),
    ],
)  # fmt: skip
def test_merge_keys_and_yamls_own_tags_are_read_as_azure_ml_reads_them(text: str, found: object) -> None:
    tree = read(text)
    assert isinstance(tree, dict)
    assert tree["a"] == found


def test_a_merged_key_has_the_place_it_was_written_at() -> None:
    merged = parse_yaml("x: &x\n  y: 1\na:\n  <<: *x\n", "f").map("a")
    assert (merged.places["y"].line, merged.entries["y"].at.line) == (2, 2)


def test_merges_of_merges_are_bounded() -> None:
    lists = "\n".join(f"a{n + 1}: &a{n + 1} {{<<: [{', '.join([f'*a{n}'] * 9)}]}}" for n in range(9))
    with pytest.raises(Unreadable) as refused:
        parse_yaml("a0: &a0 {k: 1}\n" + lists, "f")
    assert refused.value.code == "yaml.too_many_nodes"


def test_halves_of_a_character_are_put_together_and_one_alone_is_refused() -> None:
    assert read('a: "\\ud83d\\ude00"\n"\\ud83d\\ude00": é') == {"a": "\U0001f600", "\U0001f600": "é"}
    for text in ('x: 1\na: "\\ud800"', 'x: 1\n"\\ude00\\ud83d": 1'):
        with pytest.raises(Unreadable, match="f:2: has half of a character"):
            parse_yaml(text, "f")
