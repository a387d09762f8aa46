"""Counts what a request sends beside its payload, so that none of it is without end.

The parser keeps no bound of its own: header fields, the fields of a trailer, extensions and digits of a chunk size may
go on for ever. Each method raises ``Refused`` when its count has gone too far; what is refused is not kept.
"""

from __future__ import annotations

from treering.kernel.refusal import Refused
from treering_services.gateway.http.limits import Limits

FIELD_BYTES = 4  # the colon, the space and the line's end of a field
REQUEST_LINE_BYTES = len("OPTIONS  HTTP/1.1\r\n")


class Framing:
    """The newest request of a connection, counted as the parser finds its parts."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.ended = False
        self.begin()

    def begin(self) -> None:
        """The first byte of a request."""
        self.header_bytes = REQUEST_LINE_BYTES
        self.target_bytes = self.fields = self.payload_bytes = self.payload_before = self.loose_bytes = 0

    def target(self, size: int) -> None:
        """A further ``size`` bytes of the request's target. Raises ``request.target_too_long``."""
        self.target_bytes += size
        self.header_bytes += size
        if self.target_bytes > self.limits.target_bytes_max:
            why = f"the path and the query string have more than {self.limits.target_bytes_max} bytes, the most taken"
            raise Refused("request.target_too_long", f"{why}; ask for less at once")
        if self.header_bytes > self.limits.header_bytes_max:
            raise self.header_too_large()

    def field(self, size: int) -> None:
        """A field of the header or, with the same bounds, of a trailer. Raises ``request.header_too_large``."""
        self.fields += 1
        self.header_bytes += size + FIELD_BYTES
        if self.fields > self.limits.fields_max:
            why = f"the header has more than {self.limits.fields_max} fields, the most taken"
            raise Refused("request.header_too_large", f"{why}; send fewer")
        if self.header_bytes > self.limits.header_bytes_max:
            raise self.header_too_large()

    def header_too_large(self) -> Refused:
        why = f"the header is larger than {self.limits.header_bytes_max} bytes, the most taken"
        return Refused("request.header_too_large", f"{why}; send fewer or shorter fields")

    def end(self) -> None:
        """The header, or the whole request, is complete."""
        self.loose_bytes, self.ended = 0, True

    def read(self, size: int, *, in_header: bool) -> None:
        """``size`` bytes were given to the parser, which added to ``payload_bytes`` what of them was payload. The rest
        is counted here, spaces and chunk extensions too. A read in which a header or a request ended is not: where in
        it is not known. Raises ``request.header_too_large``, ``request.framing``."""
        loose = size - (self.payload_bytes - self.payload_before)
        self.payload_before = self.payload_bytes
        if self.ended:
            self.ended = False  # nothing is loose
            return
        self.loose_bytes += loose
        if in_header and self.loose_bytes > self.limits.header_bytes_max:
            raise self.header_too_large()
        most = self.limits.framing_bytes_max + self.payload_bytes
        if not in_header and self.loose_bytes > most:
            why = "the body has more bytes of chunk sizes, extensions and trailers than of content"
            raise Refused("request.framing", f"{why}; send larger chunks, without extensions")
