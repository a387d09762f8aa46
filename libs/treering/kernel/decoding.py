"""One decoder for bytes from outside: whatever is wrong with them, the answer is one refusal."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from treering.kernel.refusal import Refused

T = TypeVar("T")
BYTES_MAX = 16 * 1024 * 1024


def decode(data: bytes, type: type[T], *, code: str = "request.malformed", bytes_max: int = BYTES_MAX) -> T:
    """Decode JSON ``data`` as ``type``.

    msgspec reports only some bad input as its own error: depth ends in RecursionError and bad text
    in UnicodeDecodeError, so all three become ``Refused(code)`` here.
    """
    if len(data) > bytes_max:
        raise Refused(code, f"the body has {len(data)} bytes, at most {bytes_max} are read")
    try:
        return msgspec.json.decode(data, type=type)
    except RecursionError:
        raise Refused(code, "the JSON is nested too deeply") from None
    except UnicodeDecodeError as error:
        raise Refused(code, f"the JSON is not UTF-8: {error.reason} at byte {error.start}") from None
    except msgspec.MsgspecError as error:
        raise Refused(code, str(error)) from None
