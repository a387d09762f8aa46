"""A request's body as it comes, in as few objects as it needs."""

from __future__ import annotations

SMALL_BYTES = 4096


class Gathered:
    """Stands in for the ``bytearray`` in which uvicorn gathers a body: it is added to, measured, and read once. Small
    parts are joined as they come: an object for each chunk of two bytes would take thirty times the memory."""

    def __init__(self) -> None:
        self.parts: list[bytes | bytearray] = []
        self.size_bytes = 0

    def __iadd__(self, part: bytes) -> Gathered:
        last = self.parts[-1] if self.parts else b""
        if len(part) >= SMALL_BYTES:
            self.parts.append(part)
        elif isinstance(last, bytearray):
            last += part
        else:
            self.parts.append(bytearray(part))
        self.size_bytes += len(part)
        return self

    def __len__(self) -> int:
        return self.size_bytes

    def __bytes__(self) -> bytes:
        return b"".join(self.parts)
