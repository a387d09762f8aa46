"""What CloudEvents 1.0 says of attributes and of data: which names, values, media types and base64 are well formed."""

from __future__ import annotations

import binascii
import re
from functools import lru_cache
from typing import Any

from treering.kernel.bounds import CONTROLS
from treering.kernel.refusal import Refused
from treering.kernel.subjects import NAME_CHARACTERS_MAX
from treering.kernel.uri_reference import PARTS, fault_in_reference

CODE = "event.invalid"
EXTENSIONS_MAX = 100  # of one event
VALUE_CHARACTERS_MAX = 8192
INT32_MAX = 2**31 - 1
NAME = re.compile(rf"[a-z0-9]{{1,{NAME_CHARACTERS_MAX}}}")
NONCHARACTERS = "".join(chr(plane + end) for plane in range(0x10000, 0x110000, 0x10000) for end in (0xFFFE, 0xFFFF))
NOT_IN_STRINGS = re.compile(f"[{CONTROLS}\ud800-\udfff{NONCHARACTERS}]")
TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
# Possessive (``*+``): what was read once is not read again in another way, or blanks and semicolons take for ever.
VALUE = rf'(?:{TOKEN}|"(?:[^"\\]|\\.)*+")'
MEDIA_TYPE = re.compile(rf"{TOKEN}/{TOKEN}(?:[ \t]*+;[ \t]*+(?:{TOKEN}={VALUE})?+)*+[ \t]*+")
UTF_8 = ("", "utf-8", "utf8", "us-ascii")
TEXTS = re.compile(r"text/.*|.*/xml|.*\+xml|application/(?:javascript|yaml|x-www-form-urlencoded|graphql|sql)")

Value = str | int | bool


def check_name(name: str) -> None:
    """``Refused`` for what is no name of an attribute."""
    if not NAME.fullmatch(name):
        why = f"lower-case letters a-z and digits only, at most {NAME_CHARACTERS_MAX}"
        raise Refused(CODE, f"{name[:100]!a} is no name of an attribute: it may have {why}")


def check_value(name: str, value: Any) -> None:
    """``Refused`` for what no attribute may be: texts, whole numbers of 32 bits and booleans are possible."""
    if isinstance(value, str):
        if len(value) > VALUE_CHARACTERS_MAX:
            why = f"has {len(value)} characters; at most {VALUE_CHARACTERS_MAX} are possible"
            raise Refused(CODE, f"the attribute {name!r} {why}")
        if found := NOT_IN_STRINGS.search(value):
            why = f"has the character U+{ord(found[0]):04X}, which no text of an attribute may have; leave it out"
            raise Refused(CODE, f"the attribute {name!r} {why}")
    elif not isinstance(value, int):
        kind = {float: "a number with a fraction or an exponent", list: "a list", dict: "an object"}[type(value)]
        why = f"is {kind}; it may be a text, a whole number of 32 bits, true or false"
        raise Refused(CODE, f"the attribute {name!r} {why}")
    elif not -INT32_MAX - 1 <= value <= INT32_MAX:
        why = f"is {str(value)[:40]}; whole numbers have 32 bits, from {-INT32_MAX - 1} to {INT32_MAX}"
        raise Refused(CODE, f"the attribute {name!r} {why}; write it as a text")


@lru_cache(256)
def is_media_type(said: str) -> bool:
    return MEDIA_TYPE.fullmatch(said) is not None


def check_media_type(said: str) -> None:
    """``Refused`` for a datacontenttype that RFC 2046 does not know."""
    if not is_media_type(said):
        raise Refused(CODE, f"datacontenttype is {said[:100]!r}; it must be a media type such as text/plain")


def check_uri(name: str, text: str) -> None:
    """``Refused`` for what is no absolute URI."""
    parts = PARTS.fullmatch(text)
    fault = fault_in_reference(text) or ("" if parts and parts["scheme"] else "it has no scheme such as https:")
    if fault:
        raise Refused(CODE, f"{name} is {text[:100]!r}, which is no URI: {fault}")


def holds_json(media_type: str) -> bool:
    """Whether data of this type is JSON; without a type it is."""
    name = media_type.partition(";")[0].strip().lower()
    return not name or name.endswith(("/json", "+json"))


def holds_text(media_type: str) -> bool:
    """Whether data of this type, in UTF-8, can be read by people."""
    return bool(TEXTS.fullmatch(media_type.partition(";")[0].strip().lower()))


def is_utf8(media_type: str) -> bool:
    """Whether its charset is UTF-8, said or not."""
    for parameter in media_type.split(";")[1:]:
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "charset":
            return value.strip().strip('"').lower() in UTF_8
    return True


def bytes_of(text: str) -> bytes:
    """Of data_base64. ``Refused`` for what is no base64 (RFC 4648, 4)."""
    try:
        return binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (ValueError, UnicodeEncodeError):
        why = "A-Z, a-z, 0-9, + and / in groups of four, filled up with = at the end"
        raise Refused(CODE, f"data_base64 is {text[:40]!a}, which is no base64: {why}") from None
