"""Tokens: who may ask the gateway what. Secrets are made once, in 0600 files; derived tokens are signed.

    owner   ``<home>/token``            may do everything
    join    ``<home>/keys/join-token``  lets a machine become a node
    job     ``trj.<ws>.<job>.<attempt>.<signature>``  for what runs in one attempt of one job
    node    ``trn.<ws>.<node>.<signature>``           for the executor of one node

A signed token is not stored anywhere; whether the attempt is still held is for the gateway to ask.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from treering.adapters.nats_credentials import make_private_folder, write_private
from treering.adapters.scrubbing import know
from treering.adapters.sums import hash_of, keep_sum, noted
from treering.config import Home
from treering.kernel.subjects import Address, decode_token, encode_token

SECRET_BYTES = 32
TOKEN_CHARACTERS_MAX = 2048


class TokenUnsafe(Exception):
    """A secret file is gone, changed or open to others; the message says which and what to do."""


class JobToken(Struct, frozen=True):
    workspace: str
    job: str
    attempt: int


class NodeToken(Struct, frozen=True):
    workspace: str
    node: str


class Tokens:
    """The secrets of one home, read once. Raises TokenUnsafe."""

    def __init__(self, home: Home) -> None:
        make_private_folder(home.keys)
        self.owner = secret_at(home.token_file)
        self.join = secret_at(home.keys / "join-token")
        self.key = job_key(home)

    def is_owner(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self.owner.encode())

    def is_join(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self.join.encode())

    def mint_job(self, job: Address, attempt: int) -> str:
        return signed(self.key, job_text(job, attempt))

    def mint_node(self, workspace: str, node: str) -> str:
        return signed(self.key, f"trn.{encode_token(workspace)}.{encode_token(node)}")

    def read(self, token: str) -> JobToken | NodeToken | None:
        """What a token of ours says; None for any other text."""
        said, dot, _ = token.rpartition(".")
        if not dot or len(token) > TOKEN_CHARACTERS_MAX:
            return None
        if not hmac.compare_digest(token.encode(), signed(self.key, said).encode()):
            return None
        match said.split("."):
            case ["trj", workspace, job, attempt]:
                return JobToken(decode_token(workspace), decode_token(job), int(attempt))
            case ["trn", workspace, node]:
                return NodeToken(decode_token(workspace), decode_token(node))
            case _:
                return None


def signed(key: bytes, said: str) -> str:
    return f"{said}.{hmac.new(key, said.encode(), hashlib.sha256).hexdigest()}"


def job_key(home: Home) -> bytes:
    return secret_at(home.keys / "job-token.key").encode()


def mint_job_token(home: Home, job: Address, attempt: int) -> str:
    """For an executor that lives in the gateway's own home; another asks the gateway for it."""
    return signed(job_key(home), job_text(job, attempt))


def job_text(job: Address, attempt: int) -> str:
    return f"trj.{encode_token(job.workspace)}.{encode_token(job.key)}.{attempt}"


def secret_at(path: Path) -> str:
    """The secret in ``path``, made when it is not there. Two processes that make it agree on one."""
    if not path.exists():
        if noted(path):
            raise TokenUnsafe(f"{path} is gone: put it back from a backup of the keys")
        make_secret(path)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise TokenUnsafe(f"{path} is open to others (mode {mode:o}): set it to 600")
    data, known = path.read_bytes(), noted(path)
    if not data.isascii() or (known and hash_of(data) not in known):
        raise TokenUnsafe(f"{path} is not what was written: put it back from a backup of the keys")
    secret = data.decode().strip()
    if len(secret) < SECRET_BYTES:
        raise TokenUnsafe(f"{path} has {len(secret)} characters, too few for a secret: put it back from a backup")
    return know(secret)


def make_secret(path: Path) -> None:
    """A link, unlike a rename, fails when the other process was first: its secret stays."""
    made = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    write_private(made, secrets.token_urlsafe(SECRET_BYTES).encode())
    with suppress(FileExistsError):
        path.hardlink_to(made)
    made.unlink()
    keep_sum(path)
