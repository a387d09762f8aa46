"""Ed25519 keys for signed notes: the log's key, made once, and what is needed to verify its signatures."""

from __future__ import annotations

import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from treering.adapters.nats_credentials import write_private
from treering.adapters.notes import (
    ED25519,
    KEY_ID_BYTES,
    Note,
    NoteInvalid,
    Signature,
    TreeHead,
    check_key_name,
    from_base64,
    head_text,
    key_id,
    note_bytes,
    parse_head,
    parse_note,
    to_base64,
)
from treering.adapters.sums import keep_sum
from treering.kernel.refusal import Refused

SEED_BYTES = 32
KEY_BYTES_MAX = 4096
SECRET_MARK = "PRIVATE+KEY+"
LOG_KEY_FILE = "log.key"


class VerifierKey(NamedTuple):
    """A public key. As text: ``<name>+<id in hex>+<base64 of type and key>``, as other tools of the format read it."""

    name: str
    public: bytes

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{to_base64(ED25519 + self.public)}"

    @property
    def id(self) -> bytes:
        return key_id(self.name, self.public)

    def open(self, data: bytes) -> str:
        """The text of a note that this key signed; NoteInvalid when it did not."""
        note = parse_note(data)
        mine = [one.signature for one in note.signatures if (one.name, one.key_id) == (self.name, self.id)]
        if not mine:
            signers = ", ".join(one.name for one in note.signatures)
            raise NoteInvalid(f"it is not signed by {self.name} with this key, but by {signers}")
        if not all(self.verifies(signature, note.text.encode()) for signature in mine):
            raise NoteInvalid(f"the signature of {self.name} does not fit what is signed")
        return note.text

    def open_head(self, data: bytes) -> TreeHead:
        """The tree head of a checkpoint of the log whose key this is."""
        head = parse_head(self.open(data))
        if head.origin != self.name:
            raise NoteInvalid(f"the checkpoint is of the log {head.origin}, not of {self.name}")
        return head

    def verifies(self, signature: bytes, data: bytes) -> bool:
        # What asks nobody to sign or verify starts without loading the library.
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, data)
        except (InvalidSignature, ValueError):
            return False
        return True


class SigningKey(NamedTuple):
    """A private key; its text never goes anywhere but into its file."""

    name: str
    seed: bytes

    def __repr__(self) -> str:
        return f"SigningKey(name={self.name!r})"

    @property
    def verifier(self) -> VerifierKey:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        public = Ed25519PrivateKey.from_private_bytes(self.seed).public_key()
        return VerifierKey(self.name, public.public_bytes_raw())

    def sign(self, text: str) -> bytes:
        """The signed note of ``text``."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        signature = Ed25519PrivateKey.from_private_bytes(self.seed).sign(text.encode())
        return note_bytes(Note(text, (Signature(self.name, self.verifier.id, signature),)))

    def sign_head(self, size: int, root: bytes) -> bytes:
        """A checkpoint: the log called as this key has this root at this size."""
        return self.sign(head_text(TreeHead(self.name, size, root)))


def parse_verifier_key(text: str) -> VerifierKey:
    """The key of ``name+id+base64``; NoteInvalid names what is wrong."""
    name, id, key = key_parts(text.strip())
    found = VerifierKey(name, key)
    if found.id.hex() != id:
        raise NoteInvalid(f"the key of {name} is not whole: its id should be {found.id.hex()} and is {id[:8]}")
    return found


def parse_signing_key(text: str) -> SigningKey:
    if not text.startswith(SECRET_MARK):
        raise NoteInvalid(f"a private key begins with {SECRET_MARK}")
    name, id, seed = key_parts(text.removeprefix(SECRET_MARK).strip())
    found = SigningKey(name, seed)
    if found.verifier.id.hex() != id:
        raise NoteInvalid(f"the private key of {name} is not whole")
    return found


def key_parts(text: str) -> tuple[str, str, bytes]:
    name, _, rest = text.partition("+")
    id, _, encoded = rest.partition("+")
    check_key_name(name)
    if len(id) != 2 * KEY_ID_BYTES or not encoded:
        raise NoteInvalid("a key is written as name+id+base64")
    key = from_base64(encoded)
    if key[:1] != ED25519 or len(key) != 1 + SEED_BYTES:
        raise NoteInvalid(f"the key of {name} is not an Ed25519 key")
    return name, id, key[1:]


def signing_key_text(key: SigningKey) -> str:
    return f"{SECRET_MARK}{key.name}+{key.verifier.id.hex()}+{to_base64(ED25519 + key.seed)}\n"


def make_log_key(folder: Path) -> SigningKey:
    """The log's key in ``folder``, made with a name of its own at the first start; of two who make it one wins."""
    path = folder / LOG_KEY_FILE
    if not path.exists():
        key = SigningKey(f"treering/{secrets.token_hex(8)}", secrets.token_bytes(SEED_BYTES))
        part = folder / f".{LOG_KEY_FILE}.{secrets.token_hex(8)}"
        write_private(part, signing_key_text(key).encode())
        with suppress(FileExistsError):
            path.hardlink_to(part)
        part.unlink()
        keep_sum(path)
    return read_log_key(folder)


def read_log_key(folder: Path) -> SigningKey:
    """The log's key; ``Refused("log.key")`` when it is absent, open to others or not whole."""
    path = folder / LOG_KEY_FILE
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        data = path.read_bytes()[:KEY_BYTES_MAX]
    except FileNotFoundError:
        raise Refused("log.key", f"there is no key {path} to sign or verify the log with") from None
    if mode & 0o077:
        raise Refused("log.key", f"{path} is open to others (mode {mode:o}): set it to 600")
    try:
        return parse_signing_key(data.decode())
    except (NoteInvalid, UnicodeDecodeError):
        raise Refused("log.key", f"{path} is damaged: put it back from the backup of the keys") from None
