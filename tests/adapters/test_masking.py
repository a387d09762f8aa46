"""Secret values are masked in every form that programs write them in, wherever a text is cut."""

from __future__ import annotations

import base64
import json
import re
import shlex
import urllib.parse
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treering.adapters.masking import MASK, MaskedStream, Masker
from treering.kernel.secret_forms import PIECE_BYTES_MAX

SECRET = "pä$$ w0rd/+&<'\"\\~%"
KEY = "-----BEGIN KEY-----\n  c3VyZWx5IG5vdCBhIGtleQ\n  bm90IGF0IGFsbCBvbmU\nab\n-----END KEY-----\n"
CONNECTION = "Endpoint=sb://x.example;SharedAccessKeyName=root;SharedAccessKey=kHb7Qm2Zt9=="


def lower(match: re.Match[str]) -> str:
    return match[0].lower()


FORMS: dict[str, Callable[[str], str]] = {
    "itself": str,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 after one byte": lambda text: base64.b64encode(b"x" + text.encode() + b"yz").decode()[2:-4],
    "base64 after two bytes": lambda text: base64.b64encode(b"xx" + text.encode() + b"yz").decode()[3:-4],
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "base64 folded by MIME": lambda text: base64.encodebytes(b"y" * 50 + text.encode()).decode()[67:],
    "URL": lambda text: urllib.parse.quote(text, safe=""),
    "URL in lower case": lambda text: re.sub("%..", lower, urllib.parse.quote(text, safe="")),
    "URL path": urllib.parse.quote,
    "URL twice": lambda text: urllib.parse.quote(urllib.parse.quote(text, safe="")),
    "URL of JavaScript": lambda text: urllib.parse.quote(text, safe="!'()*~"),
    "form of Java": lambda text: urllib.parse.quote_plus(text, safe="*").replace("~", "%7E"),
    "path of Go": lambda text: urllib.parse.quote(text, safe="$&+=:@"),
    "form": urllib.parse.quote_plus,
    "JSON": json.dumps,
    "JSON in UTF-8": lambda text: json.dumps(text, ensure_ascii=False),
    "JSON of .NET": lambda text: re.sub(
        "[&<>'\"+ä]", lambda match: f"\\u{ord(match[0]):04X}", text.replace("\\", "\\\\")
    ),
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)),
    "repr": repr,
    "repr of bytes": lambda text: repr(text.encode()),
    "hex": lambda text: text.encode().hex(),
    "hex in upper case": lambda text: text.encode().hex().upper(),
    "hex with colons": lambda text: text.encode().hex(":"),
    "shell": shlex.quote,
    "HTML": lambda text: text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;").replace("'", "&#39;"),
}


def masked(values: list[str], text: str) -> str:
    return Masker(values).text(text)


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_masked_in_the_form(form: str) -> None:
    found = masked([SECRET], f"before {FORMS[form](SECRET)} after")
    assert found.startswith("before ") and found.endswith(" after") and "***" in found
    left = found.removeprefix("before ").removesuffix(" after")
    assert len(left.replace("***", "").strip("\"'\\b=\n")) <= 4, left


def test_every_line_of_a_value_is_masked_and_line_breaks_stay() -> None:
    assert masked([KEY], f"see:\n{KEY}") == "see:\n***\n***\n***\n***\n***\n"
    assert masked([KEY], "see: bm90IGF0IGFsbCBvbmU, and ab") == "see: ***, and ab"


@pytest.mark.parametrize(
    ("value", "part"),
    [
        (CONNECTION, "kHb7Qm2Zt9=="),
        ("postgres://user:s3cr%40et-x@host/db", "s3cr@et-x"),
        ("https://x.example/c?sv=1&sig=aB%2FcDeFgH", "aB/cDeFgH"),
        ("Bearer eyJhbGciOi", "eyJhbGciOi"),
        ("trj.main.job.1.0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef"),
        ("-----BEGIN KEY-----\\nYWJjZGVmZ2hpams\\n-----END KEY-----\\n", "YWJjZGVmZ2hpams"),
        (base64.b64encode(b'{"user": "me", "password": "hunter22"}').decode(), "hunter22"),
        ("s3cr%40et-x", "s3cr@et-x"),
        ('{"client_email": "someone", "private_key": "one line\\nanother line"}', "another line"),
    ],
)
def test_the_secret_within_a_value_is_masked_too(value: str, part: str) -> None:
    assert masked([value], f"refused: {part}.") == "refused: ***."


def test_a_value_of_less_than_six_characters_is_not_masked() -> None:
    assert masked(["false", " abc\n", ""], "false abc") == "false abc"


def test_secrets_that_overlap_are_masked_whole() -> None:
    assert masked(["abcdef123", "123xyz789"], "abcdef123xyz789.") == "***."


def test_a_long_value_is_masked_and_no_more_than_a_piece_of_it_is_held_back() -> None:
    value = "".join(f"{number:05d}," for number in range(2000))
    stream = MaskedStream(Masker([value]))
    passed = b""
    for place in range(0, len(value), 100):
        passed += stream.feed(value[place : place + 100].encode())
        assert len(stream.held) < PIECE_BYTES_MAX
    assert passed + stream.feed(b"; next") + stream.flush() == b"***; next"


@pytest.mark.parametrize("cut", range(1, len(SECRET.encode())))
def test_a_value_cut_across_two_writes_is_masked(cut: int) -> None:
    stream, data = MaskedStream(Masker([SECRET])), SECRET.encode()
    first = stream.feed(b"a " + data[:cut])
    assert first == b"a "
    assert first + stream.feed(data[cut:] + b" z") + stream.flush() == b"a *** z"


def test_what_only_looked_like_a_secret_is_passed_on_at_the_next_write_or_the_end() -> None:
    stream = MaskedStream(Masker(["hunter22"]))
    assert stream.feed(b"the hunt") == b"the "
    assert stream.feed(b" is on, hu") == b"hunt is on, "
    assert stream.flush() == b"hu"


def test_a_line_is_passed_on_at_once_although_its_end_is_the_beginning_of_a_secret() -> None:
    stream = MaskedStream(Masker(["hunter22"]))
    assert stream.feed(b"we hunt\n") == b"we hunt\n"
    assert stream.feed(b"er22\n") == b"***\n"  # folded: what was passed on is no secret by itself


def test_of_a_secret_that_is_cut_off_at_the_end_the_greater_part_is_masked() -> None:
    assert masked(["correct-horse-battery"], "refused: correct-horse-bat") == "refused: ***"


@given(
    values=st.lists(st.text("ab1", min_size=6, max_size=9), min_size=1, max_size=3),
    parts=st.lists(st.sampled_from(["ab", "1", "a1b", "\n", "-", "ba1ab1"]), max_size=30),
    data=st.data(),
)
@settings(max_examples=200)
def test_a_stream_is_masked_like_the_whole_however_it_is_cut(
    values: list[str], parts: list[str], data: st.DataObject
) -> None:
    masker = Masker(values)
    text = "".join(part if data.draw(st.booleans()) else data.draw(st.sampled_from(values)) for part in parts).encode()
    text += b"-" * PIECE_BYTES_MAX
    stream, passed, rest = MaskedStream(masker), b"", text
    while rest:
        cut = data.draw(st.integers(1, 20)) if len(rest) > PIECE_BYTES_MAX else len(rest)
        passed, rest = passed + stream.feed(rest[:cut]), rest[cut:]
    passed += stream.flush()
    flat = passed.translate(None, b"\r\n")
    assert not any(pattern in flat for pattern in masker.found.patterns)
    assert passed.count(b"\n") == text.count(b"\n")
    if b"\n" not in text:
        assert passed == masker.data(text)
    assert set(flat) <= set(text) | set(MASK)
