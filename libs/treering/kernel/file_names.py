"""Names of resources as names of files: those may be shorter, and a name is as long as its user likes."""

from __future__ import annotations

from hashlib import sha256

# A file system takes 255 bytes; the rest is for what is put before and behind, such as the random part of a file that
# is not whole yet.
BYTES_MAX = 190
DIGEST_CHARACTERS = 32


def file_name(name: str) -> str:
    """``name``, which is ASCII and safe as a file name; of one that is too long the beginning, and a digest of it all,
    behind ``~~``, which no name has."""
    if len(name) <= BYTES_MAX:
        return name
    digest = sha256(name.encode()).hexdigest()[:DIGEST_CHARACTERS]
    return f"{name[: BYTES_MAX - len(digest) - 2]}~~{digest}"
