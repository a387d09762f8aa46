"""Names for what nobody named: two words that are easy to say, and some letters and digits that keep it apart."""

from __future__ import annotations

import hashlib

ADJECTIVES = (
    "amber", "bold", "brave", "bright", "calm", "clever", "coral", "crisp", "eager", "fair", "gentle", "golden",
    "green", "happy", "honest", "jolly", "keen", "kind", "lively", "loyal", "lucid", "mellow", "mighty", "neat",
    "noble", "olive", "patient", "plucky", "polite", "proud", "quiet", "rapid", "silver", "sincere", "steady", "sunny",
    "tidy", "upbeat", "vivid", "witty",
)  # fmt: skip
NOUNS = (
    "acorn", "alder", "apple", "ash", "aspen", "bark", "beech", "berry", "birch", "bloom", "branch", "cedar", "cherry",
    "cone", "cork", "elm", "fern", "fig", "fir", "grove", "hazel", "holly", "ivy", "juniper", "larch", "leaf", "lime",
    "maple", "moss", "oak", "palm", "pear", "pine", "plum", "poplar", "root", "rowan", "spruce", "willow", "yew",
)  # fmt: skip


def name_from(command_id: str) -> str:
    """``<adjective>_<noun>_<8 letters and digits>``: the same for the same command id, so a retry finds its job."""
    digest = hashlib.sha256(command_id.encode()).digest()
    return f"{ADJECTIVES[digest[0] % len(ADJECTIVES)]}_{NOUNS[digest[1] % len(NOUNS)]}_{digest[2:6].hex()}"
