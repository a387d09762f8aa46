#!/usr/bin/env python3
"""Check a proof of treering's log with the log's public key and nothing else: no treering, no package, no network.

    python3 verify_proof.py PROOF KEY

PROOF is what `treering audit prove` or `treering log consistency -o` wrote; KEY is the line of `treering log key`, or a
file that has it. Exit code 0: proven; 1: not; 2: wrong usage.
What is checked: the Ed25519 signature (RFC 8032) of the checkpoint (C2SP signed-note, tlog-checkpoint); then the hashes
(RFC 9162 sections 2.1.3.2 and 2.1.4.2) from the commit, or the older checkpoint, to the root that is signed.
"""

import base64
import hashlib
import json
import sys
from pathlib import Path

EVENT, PERSON = "c2sp.org/tlog-proof@v1", "evt.main.credential.user:"
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)


def require(condition: object, why: str) -> None:
    if not condition:
        raise ValueError(why)


# Ed25519 (RFC 8032, section 5.1): points in extended coordinates (X, Y, Z, T).
def add(p: tuple[int, ...], q: tuple[int, ...]) -> tuple[int, ...]:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(number: int, point: tuple[int, ...]) -> tuple[int, ...]:
    result = (0, 1, 1, 0)
    while number:
        result = add(result, point) if number & 1 else result
        point, number = add(point, point), number >> 1
    return result


def decompress(data: bytes) -> tuple[int, ...]:
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    require(y < P, "a point of the curve is not in its canonical form")
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x * ROOT_OF_MINUS_1 % P if (x * x - square) % P else x
    require((x * x - square) % P == 0 and not (x == 0 and sign), "the bytes are no point of the curve")
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = decompress((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def check_signature(public: bytes, message: bytes, signature: bytes) -> None:
    require(len(public) == 32 and len(signature) == 64, "a key has 32 bytes and a signature 64")
    key, commitment = decompress(public), decompress(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    require(scalar < L, "the signature is not in its canonical form")
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    left = multiply(scalar, BASE)
    right = add(commitment, multiply(int.from_bytes(digest, "little") % L, key))
    same = (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0
    require(same, "the signature does not fit")


# Text: base64 and numbers have one form each, so that no byte can change unnoticed.
def from_base64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        data = b""
    require(data and base64.b64encode(data).decode() == text, "not base64: " + text[:60])
    return data


def number(text: str) -> int:
    digits = text.isascii() and text.isdecimal() and len(text) < 19 and str(int(text)) == text
    require(digits, "no number: " + text[:60])
    return int(text)


def hash_lines(lines: list[str]) -> list[bytes]:
    hashes = [from_base64(line) for line in lines]
    require(len(hashes) <= 64 and all(len(one) == 32 for one in hashes), "a proof has at most 64 hashes of 32 bytes")
    return hashes


def read_key(text: str) -> tuple[str, bytes, bytes]:
    text = text if "+" in text else Path(text).read_text()
    name, id, encoded = [*text.strip().split("+", 2), "", ""][:3]
    require(encoded, "the key is not a line like that of `treering log key`: " + text[:60])
    key = from_base64(encoded)
    require(key[:1] == b"\x01" and len(key) == 33, "the key is not an Ed25519 key")
    require(hashlib.sha256(name.encode() + b"\n" + key).hexdigest()[:8] == id, "the key is not whole")
    return name, bytes.fromhex(id), key[1:]


def read_checkpoint(note: str, key: tuple[str, bytes, bytes]) -> tuple[int, bytes]:
    """Size and root of a checkpoint, when the key signed it."""
    name, id, public = key
    text, line, signatures = note.rpartition("\n\n")
    require(line and signatures.endswith("\n"), "the checkpoint is not a signed note")
    signed = False
    for one in signatures[:-1].split("\n"):
        dash, signer, encoded = one.split(" ") if one.count(" ") == 2 else ("", "", "")
        require(dash == "\u2014", "no signature line: " + one[:60])
        signature = from_base64(encoded)
        if (signer, signature[:4]) == (name, id):
            check_signature(public, (text + "\n").encode(), signature[4:])
            signed = True
    require(signed, "the checkpoint is not signed with this key")
    origin, size, root, *_ = [*text.split("\n"), "", ""]
    require(origin == name and len(from_base64(root)) == 32, "the checkpoint is not one of this log")
    return number(size), from_base64(root)


def climb(here: int, last: int, hashes: list[bytes], roots: list[bytes]) -> list[bytes]:
    """Follow the hashes up the tree; ``roots`` are [with left siblings only, with all] and end as the two roots."""
    for one in hashes:
        require(last > 0, "the proof has too many hashes")
        if here & 1 or here == last:
            roots = [hashlib.sha256(b"\x01" + one + root).digest() for root in roots]
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            roots = [roots[0], hashlib.sha256(b"\x01" + roots[1] + one).digest()]
        here, last = here >> 1, last >> 1
    require(last == 0, "the proof has too few hashes")
    return roots


def included(lines: list[str], rest: str, key: tuple[str, bytes, bytes]) -> tuple[str, ...]:
    """Subject, commit and place of what a proof shows to be in the log, and all of it in words."""
    form = len(lines) >= 3 and (lines[0], lines[1][:6], lines[2][:6]) == (EVENT, "extra ", "index ")
    require(form, "no proof of an event")
    leaf, index = from_base64(lines[1][6:]), number(lines[2][6:])
    size, root = read_checkpoint(rest, key)
    require(index < size, "the log had fewer commits")
    start = [hashlib.sha256(b"\x00" + leaf).digest()] * 2
    require(climb(index, size - 1, hash_lines(lines[3:]), start)[1] == root, "the commit is not in the log")
    (subject, _, commit), place = leaf.decode().partition("\n"), f"commit {index + 1} of {size} of the log {key[0]}"
    return subject, commit, place, f"proven: {place}, subject {subject}:\n{commit}"


def named(lines: list[str], rest: str, key: tuple[str, bytes, bytes]) -> tuple[str, ...]:
    """A proof of an event, then one of the commit that told the commitment to the name of its actor."""
    parts = rest.split("\n\n")
    require(len(parts) == 6 and [line[:5] for line in lines[1:]] == ["name ", "salt "], "no proof with a name")
    _, commit, _, event = included(parts[0].split("\n"), parts[1] + "\n\n" + parts[2] + "\n", key)
    whose, telling, place, _ = included(parts[3].split("\n"), parts[4] + "\n\n" + parts[5], key)
    actor, name = json.loads(commit)["actor"], from_base64(lines[1][5:])
    said = hashlib.sha256(f"treering-name-1\n{lines[2][5:]}\n{actor}\n".encode() + name).hexdigest()
    fits = whose == PERSON + actor and said in [one.get("name") for one in json.loads(telling)["events"]]
    require(fits, "the log was not told this name of " + actor)
    return (f"{event}\nproven: {actor} is {name.decode()!r}, as {place} was told",)


def consistent(lines: list[str], rest: str, key: tuple[str, bytes, bytes]) -> tuple[str, ...]:
    parts = rest.split("\n\n")
    require(len(parts) == 4, "there should be two checkpoints")
    old, old_root = read_checkpoint(parts[0] + "\n\n" + parts[1] + "\n", key)
    new, new_root = read_checkpoint(parts[2] + "\n\n" + parts[3], key)
    hashes = hash_lines(lines[1:])
    require(old <= new, "the older log is longer")
    if old in (0, new):
        require(not hashes and old_root == (new_root if old else hashlib.sha256(b"").digest()), "two different logs")
    else:
        require(hashes, "the proof is empty")
        first, *others = [old_root, *hashes] if old & old - 1 == 0 else hashes
        below = (~(old - 1) & old).bit_length() - 1  # the levels that the old log fills
        roots = climb(old - 1 >> below, new - 1 >> below, others, [first, first])
        require(roots == [old_root, new_root], "the new log does not begin with the old")
    return (f"proven: the log {key[0]} of {new} commits begins with that of {old} commits",)


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        head, _, rest = Path(arguments[0]).read_bytes().decode().partition("\n\n")
        lines, key = head.split("\n"), read_key(arguments[1])
        kinds = {EVENT: included, "treering/named-event@v1": named, "treering/log-consistency@v1": consistent}
        require(lines[0] in kinds, "the file is no proof")
        print(kinds[lines[0]](lines, rest, key)[-1])
    except (ValueError, LookupError, OSError) as error:
        why = f"cannot read {error.filename}: {error.strerror}" if isinstance(error, OSError) else error
        print("NOT PROVEN:", why, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
