"""Secret environment variables on disk, sealed: a file for each job and environment that has some, none in the log."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from threading import Lock

import msgspec
from msgspec import Struct

from treering.adapters.sealed_store import SealedStore
from treering.config import Home
from treering.domain.sealed import Sealed
from treering.kernel.decoding import decode
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address

MAC_KEY = "mac"
KEY_BYTES, REFERENCE_BYTES = 32, 16
SEALED_BYTES_MAX = 512 * 1024
# Each is read by `doctor` and looked at by /readyz, and a backup of the keys takes 10,000 files.
FILES_MAX = 5000
making_key = Lock()


class Content(Struct, frozen=True):
    """``of``: the subject of the resource, so that nobody gets them by naming the reference of another."""

    of: str
    values: dict[str, str]


class SealedValues:
    """What is kept below ``home``. Every method waits for the disk."""

    def __init__(self, home: Home) -> None:
        self.store = SealedStore(home.keys / "values", home.keys / "values-seal.key")

    def seal(self, owner: Address, values: Mapping[str, str]) -> Sealed | None:
        """Keep ``values`` for ``owner``, None when there are none. ``Refused``: ``secret.too_many``,
        ``secret.too_large``."""
        if not values:
            return None
        content = msgspec.json.encode(Content(owner.subject, dict(values)))
        if len(content) > SEALED_BYTES_MAX:
            why = f"the secret variables are {len(content)} bytes; at most {SEALED_BYTES_MAX} are kept"
            raise Refused("secret.too_large", f"{why}: put what is large into an input")
        if len(self.files()) >= FILES_MAX:
            why = f"{FILES_MAX} jobs and environments with secret variables are kept already"
            raise Refused("secret.too_many", f"{why}; those of a job go when it has ended: wait for some to end")
        reference = f"{owner.kind}-{secrets.token_hex(REFERENCE_BYTES)}"
        self.store.put(reference, content)
        key = self.mac_key()
        return Sealed(reference, {name: mac_of(key, owner.workspace, value) for name, value in values.items()})

    def open(self, owner: Address, sealed: Sealed | None) -> dict[str, str]:
        """The values by name; ``Refused``: ``secret.missing``, ``secret.damaged``."""
        if sealed is None:
            return {}
        content = self.content(sealed.reference)
        if content is None or content.of != owner.subject:
            names = ", ".join(sorted(sealed.macs))
            why = f"the secret variables of {owner} are not here (a restore without keys?): {names[:300]}"
            raise Refused("secret.missing", f"{why}; submit it again with their values")
        return content.values

    def files(self) -> list[Path]:
        return [path for path in self.store.folder.glob("*.sealed") if path.stem != MAC_KEY]

    def content(self, reference: str) -> Content | None:
        data = self.store.get(reference)
        return None if data is None else decode(data, Content, code="secret.damaged", bytes_max=SEALED_BYTES_MAX)

    def remove(self, sealed: Sealed | None) -> None:
        if sealed is not None:
            self.store.remove(sealed.reference)

    def mac_key(self) -> bytes:
        """The key under which equality is told; made once a home."""
        with making_key:
            key = self.store.get(MAC_KEY)
            if key is None:
                key = secrets.token_bytes(KEY_BYTES)
                self.store.put(MAC_KEY, key)
        return key


def mac_of(key: bytes, workspace: str, value: str) -> str:
    """What the log may hold of ``value``: nobody without the key can try values against it."""
    return hmac.new(key, f"{workspace}\0{value}".encode(errors="surrogatepass"), sha256).hexdigest()


def secret_values(home: Home, job: Address, sealed: Sealed | None) -> dict[str, str]:
    """The secret variables of a job by name, for the executor that runs it; ``Refused``: ``secret.missing``,
    ``secret.damaged``."""
    return SealedValues(home).open(job, sealed) if sealed else {}
