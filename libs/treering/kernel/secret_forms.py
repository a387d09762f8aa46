"""How a secret value may be written: as it is, or as programs encode it on the way into a log."""

from __future__ import annotations

import json
import re
import shlex
from base64 import b64encode
from collections.abc import Iterable, Iterator
from html import escape
from urllib.parse import quote

from treering.kernel.secret_parts import CHARACTERS_MIN, texts_of

# A longer form is masked piece by piece, so that no more than this is held back of a live console.
PIECE_BYTES_MAX = 256
# To look for one byte takes some 45 bytes of memory. ``FORMS``: about so many of a value differ.
PATTERNS_BYTES_MAX = 2 * 1024 * 1024
FORMS = 24
# The characters that encoders of URLs leave as they are: none; a path; encodeURIComponent and encodeURI of JavaScript;
# forms of Java; a path of Go; path and query of yarl (aiohttp).
URL_SAFE = ("", "/", "!'()*", ";,/?:@&=+$-_.!~*'()#", "*", "$&+=:@", "!$'()*,+&=;@:/", "?/:@!$'()*,")
TO_URL_SAFE = bytes.maketrans(b"+/", b"-_")
BREAKS = b"\r\n"
SHELL_SPECIAL = re.compile(r"([^\w@%+=:,./-])")
UTF8 = ("utf-8", "surrogatepass")


def patterns_of(values: Iterable[str]) -> set[bytes]:
    """What to look for in a text whose line breaks were taken out: every form of every secret in ``values``.

    The shortest first: of those beyond ``PATTERNS_BYTES_MAX`` only the values as they are.
    """
    found: set[bytes] = set()
    size_bytes = 0
    for text in sorted({text for value in values for text in texts_of(value)}, key=len):
        all_forms = forms(text) if size_bytes < PATTERNS_BYTES_MAX else [text.encode(*UTF8)]
        size_bytes += FORMS * len(text)
        for form in all_forms:
            flat = form.translate(None, BREAKS)
            if len(flat) >= CHARACTERS_MIN:  # of a value of very short lines less may be left
                found.update(pieces(flat))
    return found


def forms(text: str) -> Iterator[bytes]:
    data = text.encode(*UTF8)
    yield data
    yield from base64_forms(data)
    yield from hex_forms(data)
    for written in {*url_forms(data), *json_forms(text), *shell_forms(text), *markup_forms(text)}:
        yield written.encode(*UTF8)


def base64_forms(data: bytes) -> Iterator[bytes]:
    """What base64 makes of ``data`` wherever it stands in what is encoded: the characters that it alone decides."""
    for offset, first in enumerate((0, 2, 3)):
        whole = b64encode(bytes(offset) + data)
        core = whole[first : (offset + len(data)) * 8 // 6]
        yield core
        yield core.translate(TO_URL_SAFE)


def hex_forms(data: bytes) -> Iterator[bytes]:
    for separator in ("", " ", ":"):
        text = data.hex(separator) if separator else data.hex()
        yield text.encode()
        yield text.upper().encode()
    yield "".join(f"\\x{byte:02x}" for byte in data).encode()


def url_forms(data: bytes) -> Iterator[str]:
    for safe in URL_SAFE:
        quoted = quote(data, safe=safe)
        for one in (quoted, quoted.replace("%20", "+")):
            yield one
            yield re.sub("%..", lambda match: match[0].lower(), one)
            yield one.replace("~", "%7E")
    yield quote(quote(data, safe=""))
    each = "".join(f"%{byte:02X}" for byte in data)
    yield each
    yield each.lower()


def json_forms(text: str) -> Iterator[str]:
    """In JSON, in JSON within JSON, and as Python and JavaScript show a text or its bytes."""
    for ascii_only in (True, False):
        once = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield once
        yield once.replace("/", "\\/")
        yield json.dumps(once, ensure_ascii=ascii_only)[1:-1]
        for safe in (escaped(once, "&<>'"), escaped(once.replace('\\"', '"'), "&<>'\"+`")):  # for HTML; .NET
            yield safe
            yield re.sub(r"\\u....", lambda match: "\\u" + match[0][2:].upper(), safe)
    for shown in (repr(text), ascii(text), repr(text.encode(*UTF8))[1:]):
        yield shown[1:-1]
        yield shown[1:-1].replace("'", "\\'").replace('"', '\\"')
        yield shown[1:-1].replace("\\", "\\\\")


def escaped(text: str, characters: str) -> str:
    return "".join(f"\\u{ord(one):04x}" if one in characters else one for one in text)


def shell_forms(text: str) -> Iterator[str]:
    yield shlex.quote(text)[1:-1] if shlex.quote(text) != text else text
    yield text.replace("'", "'\\''")
    yield SHELL_SPECIAL.sub(r"\\\1", text)
    yield re.sub(r'(["\\$`])', r"\\\1", text)


def markup_forms(text: str) -> Iterator[str]:
    quoted = escape(text)
    yield quoted
    yield escape(text, quote=False)
    yield quoted.replace("&#x27;", "&#39;")
    yield quoted.replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
    yield quoted.replace("&#x27;", "&apos;")


def pieces(form: bytes) -> Iterator[bytes]:
    """A form that is too long for one pattern, cut; the last piece is as long as the others."""
    if len(form) <= PIECE_BYTES_MAX:
        yield form
        return
    for start in range(0, len(form) - PIECE_BYTES_MAX, PIECE_BYTES_MAX):
        yield form[start : start + PIECE_BYTES_MAX]
    yield form[-PIECE_BYTES_MAX:]
