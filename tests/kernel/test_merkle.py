"""The tree of RFC 6962: published vectors, and every proof of every size against the definition in the RFC."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache

import pytest

from treering.kernel.merkle import (
    EMPTY_ROOT,
    Frontier,
    Node,
    ProofInvalid,
    check_consistency,
    check_inclusion,
    consistency_proof,
    frontier,
    inclusion_proof,
    leaf_hash,
    node_hash,
)

SIZE_MAX = 1024
EVERY_PAIR_MAX = 256
# The vectors of the Certificate Transparency reference implementation: leaves, and the roots of their trees.
CT_LEAVES = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
CT_ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
# (leaf counted from 0, size): the hashes of the proof.
CT_INCLUSION = {
    (0, 1): (),
    (0, 8): (
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
    (5, 8): (
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
    (2, 3): ("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",),
}
CT_CONSISTENCY = {
    (1, 1): (),
    (1, 8): (
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
    (6, 8): (
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
    (2, 5): (
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ),
}


def grown(leaves: Sequence[bytes]) -> tuple[list[bytes], Node]:
    """The root at every size as the tree grows, and its complete subtrees as they were kept."""
    tree, kept, roots = Frontier(), [b""], [EMPTY_ROOT]
    for leaf in leaves:
        kept.append(tree.append(leaf_hash(leaf)))
        roots.append(tree.root())
    return roots, lambda level, index: kept[(index + 1) << level][32 * level : 32 * (level + 1)]


def by_definition(leaves: Sequence[bytes]) -> Callable[[int, int], bytes]:
    """MTH(D[begin:end]) as section 2.1 of the RFC writes it."""

    @cache
    def root(begin: int, end: int) -> bytes:
        if begin == end:
            return EMPTY_ROOT
        if end - begin == 1:
            return leaf_hash(leaves[begin])
        middle = begin + max(1 << power for power in range(11) if 1 << power < end - begin)
        return node_hash(root(begin, middle), root(middle, end))

    return root


def hexed(hashes: Sequence[bytes]) -> tuple[str, ...]:
    return tuple(hash.hex() for hash in hashes)


LEAVES = [bytes([n % 251, n // 251]) * (n % 5) for n in range(SIZE_MAX)]
ROOTS, NODE = grown(LEAVES)


def test_the_published_vectors_hold() -> None:
    roots, node = grown([bytes.fromhex(leaf) for leaf in CT_LEAVES])
    assert hexed(roots) == CT_ROOTS
    for (index, size), hashes in CT_INCLUSION.items():
        assert hexed(inclusion_proof(index, size, node)) == hashes
    for (old, new), hashes in CT_CONSISTENCY.items():
        assert hexed(consistency_proof(old, new, node)) == hashes


def test_every_root_is_the_one_the_rfc_defines() -> None:
    define = by_definition(LEAVES)
    assert [define(0, size) for size in range(SIZE_MAX + 1)] == ROOTS
    assert [frontier(size, NODE).root() for size in range(SIZE_MAX + 1)] == ROOTS


def test_inclusion_proofs_verify_at_every_size() -> None:
    """All leaves up to 256; above, the first, the last, those about the middle, and some at random."""
    chance = random.Random(1)
    for size in range(1, SIZE_MAX + 1):
        some = {0, size // 2, size // 2 + 1, size - 2, size - 1, *(chance.randrange(size) for _ in range(12))}
        for index in range(size) if size <= EVERY_PAIR_MAX else some & set(range(size)):
            proof = inclusion_proof(index, size, NODE)
            check_inclusion(leaf_hash(LEAVES[index]), index, size, proof, ROOTS[size])


def test_consistency_proofs_verify_for_every_pair_of_sizes() -> None:
    chance = random.Random(2)
    for new in range(SIZE_MAX + 1):
        some = {0, 1, new // 2, new - 1, new, *(chance.randint(0, new) for _ in range(12))}
        for old in range(new + 1) if new <= EVERY_PAIR_MAX else some:
            check_consistency(old, new, consistency_proof(old, new, NODE), ROOTS[old], ROOTS[new])


def test_a_proof_takes_at_most_two_hashes_a_level() -> None:
    for size in range(1, SIZE_MAX + 1):
        proof = inclusion_proof(size * 7 // 11, size, NODE)
        assert len(proof) <= (size - 1).bit_length()
        assert len(consistency_proof(size * 7 // 11, size, NODE)) <= (size - 1).bit_length() + 1


@pytest.mark.parametrize("seed", range(4))
def test_a_changed_inclusion_proof_never_verifies(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(2500):
        size = chance.randint(2, SIZE_MAX)
        index = chance.randrange(size)
        leaf, proof, root = leaf_hash(LEAVES[index]), inclusion_proof(index, size, NODE), ROOTS[size]
        match chance.randrange(6):
            case 0:
                leaf = flipped(leaf, chance)
            case 1:
                root = flipped(root, chance)
            case 2:
                proof.pop(chance.randrange(len(proof)))
            case 3:
                proof.insert(chance.randint(0, len(proof)), chance.choice([leaf, root, *proof]))
            case 4:
                index = chance.choice([n for n in (index - 1, index + 1, size, -1) if n != index])
            case _:
                at = chance.randrange(len(proof))
                proof[at] = flipped(proof[at], chance)
        with pytest.raises(ProofInvalid):
            check_inclusion(leaf, index, size, proof, root)


@pytest.mark.parametrize("seed", range(4))
def test_a_changed_consistency_proof_never_verifies(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(2500):
        new = chance.randint(2, SIZE_MAX)
        old = chance.randint(1, new - 1)
        proof, first, second = consistency_proof(old, new, NODE), ROOTS[old], ROOTS[new]
        match chance.randrange(5):
            case 0:
                first = flipped(first, chance)
            case 1:
                second = flipped(second, chance)
            case 2:
                proof.pop(chance.randrange(len(proof)))
            case 3:
                proof.insert(chance.randint(0, len(proof)), chance.choice([first, second, *proof]))
            case _:
                at = chance.randrange(len(proof))
                proof[at] = flipped(proof[at], chance)
        with pytest.raises(ProofInvalid):
            check_consistency(old, new, proof, first, second)


def test_a_log_that_was_rewritten_is_consistent_with_no_old_one() -> None:
    other, node = grown([b"other", *LEAVES[1:300]])
    for old in range(1, 300):
        with pytest.raises(ProofInvalid):
            check_consistency(old, 300, consistency_proof(old, 300, node), ROOTS[old], other[300])


def flipped(hash: bytes, chance: random.Random) -> bytes:
    data = bytearray(hash)
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)
