"""The Merkle tree of RFC 6962 (section 2.1) over a log: its roots, proofs from it, and what a proof shows.

::

    size 7     root                 leaf hash = SHA-256(0x00 || data)
              /    \\                node hash = SHA-256(0x01 || left || right)
            *        .              * is a complete subtree: once there, it never changes.
          /   \\     /  \\            A complete subtree is kept with its last leaf, so a leaf brings
         *     *   *    6           its own hash and those of the subtrees that end with it.
        / \\   / \\ / \\
       0   1 2  3 4  5

Only complete subtrees are kept; everything else is computed from at most two of them a level.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()
PROOF_HASHES_MAX = 64

Node = Callable[[int, int], bytes]
"""The hash of the ``index``-th complete subtree of 2**``level`` leaves."""


class ProofInvalid(Exception):
    """A proof does not show what it is said to show."""


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf (RFC 6962 section 2.1)."""
    return sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node (RFC 6962 section 2.1)."""
    return sha256(b"\1" + left + right).digest()


class Frontier:
    """The right edge of a growing tree: its size and the roots of its complete subtrees, largest first."""

    __slots__ = ("peaks", "size")

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        self.size = size
        self.peaks = list(peaks)

    def copy(self) -> Frontier:
        return Frontier(self.size, self.peaks)

    def append(self, leaf: bytes) -> bytes:
        """Add a leaf's hash; that hash and those of the subtrees it completes, smallest first, in one piece."""
        self.size = rest = self.size + 1
        peaks, node, hashes = self.peaks, leaf, leaf
        while not rest & 1:
            node = sha256(b"\1" + peaks.pop() + node).digest()
            hashes += node
            rest >>= 1
        peaks.append(node)
        return hashes

    def root(self) -> bytes:
        if not self.peaks:
            return EMPTY_ROOT
        root = self.peaks[-1]
        for peak in self.peaks[-2::-1]:
            root = node_hash(peak, root)
        return root


def complete_subtrees(size: int) -> list[tuple[int, int]]:
    """The (level, index) of the largest complete subtrees of a tree of ``size`` leaves, left to right."""
    levels = [level for level in reversed(range(size.bit_length())) if size >> level & 1]
    return [(level, (size >> level) - 1) for level in levels]


def frontier(size: int, node: Node) -> Frontier:
    """The right edge of the tree as it was with ``size`` leaves."""
    return Frontier(size, [node(level, index) for level, index in complete_subtrees(size)])


def inclusion_proof(index: int, size: int, node: Node) -> list[bytes]:
    """What leads from leaf ``index`` to the root at ``size``, the leaf's sibling first (RFC 6962 section 2.1.1)."""
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    begin, end, path = 0, size, []
    while end - begin > 1:
        middle = begin + left_leaves(end - begin)
        if index < middle:
            path.append(subtree(middle, end, node))
            end = middle
        else:
            path.append(subtree(begin, middle, node))
            begin = middle
    return path[::-1]


def consistency_proof(old: int, new: int, node: Node) -> list[bytes]:
    """What shows that the first ``old`` leaves of the tree at ``new`` are the old tree (RFC 6962 section 2.1.2)."""
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} leaves was never one of {old}")
    if old == 0:
        return []
    begin, end, path = 0, new, []
    while end > old:
        middle = begin + left_leaves(end - begin)
        if old <= middle:
            path.append(subtree(middle, end, node))
            end = middle
        else:
            path.append(subtree(begin, middle, node))
            begin = middle
    if begin:
        path.append(subtree(begin, end, node))
    return path[::-1]


def left_leaves(leaves: int) -> int:
    """How many of ``leaves`` (at least 2) are in the left subtree: the largest power of two below."""
    return 1 << (leaves - 1).bit_length() - 1


def subtree(begin: int, end: int, node: Node) -> bytes:
    """The hash over leaves ``begin`` up to ``end``; ``begin`` is where such a subtree of the whole tree starts."""
    leaves = end - begin
    if leaves & leaves - 1 == 0:
        level = leaves.bit_length() - 1
        return node(level, begin >> level)
    middle = begin + left_leaves(leaves)
    return node_hash(subtree(begin, middle, node), subtree(middle, end, node))


def included_root(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The root that the proof leads to from the hash ``leaf`` (RFC 9162 section 2.1.3.2); ProofInvalid if to none."""
    if not 0 <= index < size:
        raise ProofInvalid(f"a log of {size} commits has none with index {index}")
    here, last, root = index, size - 1, leaf
    for hash in proof:
        if last == 0:
            raise ProofInvalid("the inclusion proof has too many hashes")
        if here & 1 or here == last:
            root = node_hash(hash, root)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            root = node_hash(root, hash)
        here, last = here >> 1, last >> 1
    if last:
        raise ProofInvalid("the inclusion proof has too few hashes")
    return root


def check_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """ProofInvalid unless the proof shows that ``leaf`` is at ``index`` of the tree with this root."""
    if included_root(leaf, index, size, proof) != root:
        raise ProofInvalid(f"this is not the commit at index {index} of the log: the proof leads to another root")


def check_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """ProofInvalid unless the tree at ``new`` begins with the tree at ``old`` (RFC 9162 section 2.1.4.2)."""
    if not 0 <= old <= new:
        raise ProofInvalid(f"a log of {new} commits was never one of {old}")
    if old in (0, new):
        if old_root != (EMPTY_ROOT if old == 0 else new_root):
            raise ProofInvalid(f"these are two different logs of {old} commits")
        if proof:
            raise ProofInvalid("the consistency proof should be empty")
        return
    first, second = consistent_roots(old, new, proof, old_root)
    if first != old_root:
        raise ProofInvalid(f"the proof does not lead to the root of the log of {old} commits")
    if second != new_root:
        raise ProofInvalid(f"the log of {new} commits does not begin with the one of {old}")


def consistent_roots(old: int, new: int, proof: Sequence[bytes], old_root: bytes) -> tuple[bytes, bytes]:
    """The two roots that a consistency proof leads to; 0 < old < new."""
    if not proof:
        raise ProofInvalid("the consistency proof is empty")
    # With a power of two the old tree is a complete subtree of the new one, and the proof begins above it.
    start, *rest = proof if old & old - 1 else (old_root, *proof)
    here, last = old - 1, new - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    first = second = start
    for hash in rest:
        if last == 0:
            raise ProofInvalid("the consistency proof has too many hashes")
        if here & 1 or here == last:
            first, second = node_hash(hash, first), node_hash(hash, second)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            second = node_hash(second, hash)
        here, last = here >> 1, last >> 1
    if last:
        raise ProofInvalid("the consistency proof has too few hashes")
    return first, second
