"""Sources are compared as RFC 3986 compares URI references: however they are spelled."""

from __future__ import annotations

import re

import pytest

from treering.kernel.uri_reference import fault_in, fault_in_reference, normalised
from treering.views.cloud_events import is_our_source


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("/ci/main", "/ci/main"), ("/c%69/m%61in", "/ci/main"), ("/a%2fb", "/a%2Fb"), ("/a/./b/../c", "/a/c"),
        ("/a/..", "/"), ("/../../a", "/a"), ("a/../b", "b"), ("../b", "b"), ("/a/b/.", "/a/b/"), ("", ""),
        ("HTTPS://Me:Pw@CI.Example/A?B#C", "https://Me:Pw@ci.example/A?B#C"), ("urn:A:b", "urn:A:b"),
        ("//HOST/../a", "//host/a"), ("/a//b", "/a//b"), ("?q=%41", "?q=A"), ("%2e%2e/x", "x"),
    ],
)  # fmt: skip
def test_two_spellings_of_one_reference_become_the_same(text: str, same: str) -> None:
    assert normalised(text) == same
    assert normalised(same) == same


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("/ci", ""), ("https://[::1]:8080/a?b=c#d", ""), ("urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66", ""),
        ("mailto:ci@example.com", ""), ("a b", "%20"), ("/\u00fcber", "%C3%BC"), ("/a\u202eb", "%E2%80%AE"),
        ("/a\x07", "%07"), ("/50%", "%25"), ("/%zz", "%25"), ("1a:b", "no scheme"), ("/a\\b", "%5C"), ("<x>", "%3C"),
    ],
)  # fmt: skip
def test_what_is_no_uri_reference_is_told_with_how_to_write_it(text: str, fault: str) -> None:
    assert fault in fault_in(text) and bool(fault_in(text)) == bool(fault)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("/a#b#c", "a second #"), ("/a[1]", "%5B"), ("/a?b=]", "%5D"), ("http://[::1/", "stands outside|no host"),
        ("http://a:b:c/", "no host"), ("http://a:port/", "no host"), ("//[zz]/", "no host"), (":a", "has a colon"),
        ("50%:a/b", "%25"), ("http://me:pw@[::1]:80/a?b#c", ""), ("//a:", ""), ("urn:a:b:c", ""), ("./a:b", ""),
        ("#f", ""), ("?a:b", ""), ("//host/a:b", ""), ("http://[v1.x]/", ""), ("mailto:a@b.c", ""), ("", ""),
    ],
)  # fmt: skip
def test_a_whole_reference_has_each_mark_in_its_place(text: str, fault: str) -> None:
    found = fault_in_reference(text)
    assert (bool(found), bool(re.search(fault, found))) == (bool(fault), True)


@pytest.mark.parametrize(
    "source",
    [
        "/treering/w", "/Treering/w", " /TREERING/main", "/%74reering/w", "/%54REERING/w", "/x/../treering/w",
        "/./treering/w", "/%2574reering/w", "%2Ftreering/w", "/treering%2Fw", "treering/w", "../treering/w",
        "/x/%2e%2e/treering/w", "\\treering\\w", "/\uff54reering/w", "/treering", "/treering/w/job/other",
        "/treering?x", "/treering#x", "/treering;v=1/w", "//treering/w", "/x/..//treering/w", "/%2Ftreering/w",
    ],
)  # fmt: skip
def test_a_source_of_ours_is_known_in_every_spelling(source: str) -> None:
    assert is_our_source(source)


@pytest.mark.parametrize(
    "source", ["/treerings/w", "/ci/treering/w", "https://ci.example/treering/w", "/", "treeringx", "/x?/treering/w"]
)
def test_a_source_that_only_looks_alike_is_free(source: str) -> None:
    assert not is_our_source(source)
