"""URI references as RFC 3986 has them: what is one, and which two of them are the same.

The ``source`` of an event is one. Whoever compares sources compares them normalised, or ``/%74reering/`` would slip
past a rule for ``/treering/``.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote

PARTS = re.compile(
    r"(?:(?P<scheme>[^:/?#]+):)?(?://(?P<authority>[^/?#]*))?(?P<path>[^?#]*)(?P<rest>.*)", re.DOTALL
)  # RFC 3986, appendix B
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*")
NOT_ALLOWED = re.compile(r"[^A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]")
HALF_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
UNRESERVED = re.compile(r"[A-Za-z0-9\-._~]")
AUTHORITY = re.compile(
    r"(?:[^@\[\]]*@)?(?:\[(?:[0-9A-Fa-f:.]{2,45}|[vV][0-9A-Fa-f]+\.[^\[\]/@]+)\]|[^@:\[\]]*)(?::[0-9]*)?"
)
DECODINGS_MAX = 4


def fault_in(text: str) -> str:
    """What keeps ``text`` from being a URI reference, as the end of a sentence; "" when it is one."""
    if bad := NOT_ALLOWED.search(text):
        written = "".join(f"%{byte:02X}" for byte in bad[0].encode("utf-8", "surrogatepass"))
        return f"it has the character {bad[0]!a}, which is written as {written} in a URI"
    if half := HALF_ESCAPE.search(text):
        return f"{text[half.start() : half.start() + 3]!r} in it is no percent-encoding; % itself is written as %25"
    parts = PARTS.fullmatch(text)
    if parts and parts["scheme"] is not None and not SCHEME.fullmatch(parts["scheme"]):
        return f"{parts['scheme'][:40]!r} before its first colon is no scheme"
    return ""


def fault_in_reference(text: str) -> str:
    """``fault_in`` of a whole reference, which a part of one may have: where ``[``, ``]``, ``:`` and ``#`` stand."""
    if fault := fault_in(text):
        return fault
    parts = PARTS.fullmatch(text)
    assert parts is not None
    authority, path, rest = parts["authority"] or "", parts["path"], parts["rest"]
    if rest.count("#") > 1:
        return "it has a second #; one within a fragment is written as %23"
    if bracket := re.search(r"[\[\]]", path + rest):
        return f"{bracket[0]!r} stands outside of a host; there it is written as %{ord(bracket[0]):02X}"
    if not AUTHORITY.fullmatch(authority):
        return f"{authority[:60]!r} is no host with a port behind it"
    if parts["scheme"] is None and parts["authority"] is None and ":" in path.partition("/")[0]:
        return "the first part of a path has a colon; write ./ before it, or a scheme"
    return ""


def respelled(text: str) -> str:
    """``text`` with scheme and host in lower case and no character encoded that need not be (RFC 3986, 6.2.2.1-2)."""
    parts = PARTS.fullmatch(text)
    assert parts is not None  # it matches any text
    scheme = "" if parts["scheme"] is None else f"{parts['scheme'].lower()}:"
    authority = "" if parts["authority"] is None else f"//{lower_host(decoded(parts['authority']))}"
    return scheme + authority + decoded(parts["path"] + parts["rest"])


def normalised(text: str) -> str:
    """``respelled``, and without the ``.`` and ``..`` of its path (6.2.2.3)."""
    parts = PARTS.fullmatch(respelled(text))
    assert parts is not None
    scheme = "" if parts["scheme"] is None else f"{parts['scheme']}:"
    authority = "" if parts["authority"] is None else f"//{parts['authority']}"
    return scheme + authority + without_dots(parts["path"]) + parts["rest"]


def lower_host(authority: str) -> str:
    user, at, host = authority.rpartition("@")
    return user + at + host.lower()


def decoded(text: str) -> str:
    """Only letters, digits and ``-._~`` mean the same encoded or not; the digits of the others are in upper case."""
    return ESCAPE.sub(
        lambda found: plain if UNRESERVED.fullmatch(plain := chr(int(found[1], 16))) else found[0].upper(), text
    )


def without_dots(path: str) -> str:
    """RFC 3986, 5.2.4, of a path that may be relative."""
    kept = list[str]()
    for part in path.split("/"):
        if part == ".." and kept:
            if kept != [""]:
                kept.pop()
        elif part not in (".", ".."):
            kept.append(part)
    if path.endswith(("/.", "/..")):
        kept.append("")
    return "/".join(kept)


def readings(text: str) -> list[str]:
    """``text`` as others may read it: decoded again and again, compatibility characters folded, in lower case, its
    path without dots and from the root. For rules that must not be got round; nobody has to read so."""
    found = list[str]()
    for _ in range(DECODINGS_MAX):
        form = normalised(text.strip()).casefold()
        found.append(form if form.startswith("/") else f"/{form}")
        further = unicodedata.normalize("NFKC", unquote(text)).replace("\\", "/")
        if further == text:
            break
        text = further
    return found
