"""Secrets on disk, one file each: AES-256-GCM under a key that lies apart, every file readable by its owner only.

The name is bound into the seal, so one file cannot be put in the place of another.
"""

from __future__ import annotations

import hashlib
import os
from functools import cached_property
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from treering.adapters.nats_credentials import make_private_folder
from treering.adapters.sums import remove_kept, write_kept
from treering.adapters.tokens import TokenUnsafe, secret_at
from treering.kernel.refusal import Refused

NONCE_BYTES = 12


class SealedStore:
    """Secrets by name below ``folder``; ``key_file`` is made when it is not there."""

    def __init__(self, folder: Path, key_file: Path) -> None:
        self.folder = folder
        make_private_folder(key_file.parent)
        make_private_folder(folder)
        self.key_file = key_file

    @cached_property
    def cipher(self) -> AESGCM:
        """Read when it is first needed: without the key there are no secrets, and all else goes on."""
        try:
            return AESGCM(hashlib.sha256(secret_at(self.key_file).encode()).digest())  # of 256 random bits
        except TokenUnsafe as error:
            raise Refused("secret.damaged", str(error)) from None

    def put(self, name: str, secret: bytes) -> None:
        """Keep ``secret`` under ``name`` (which is safe as a file name), in place of what was there."""
        nonce = os.urandom(NONCE_BYTES)
        write_kept(self.path(name), nonce + self.cipher.encrypt(nonce, secret, name.encode()))

    def get(self, name: str) -> bytes | None:
        """None when there is none; ``Refused("secret.damaged")`` when it is not what was sealed under this name."""
        try:
            data = self.path(name).read_bytes()
        except FileNotFoundError:
            return None
        try:
            return self.cipher.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], name.encode())
        except (InvalidTag, ValueError):
            raise Refused("secret.damaged", f"the secret of {name!r} cannot be opened with this key") from None

    def remove(self, name: str) -> None:
        remove_kept(self.path(name))

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.sealed"
