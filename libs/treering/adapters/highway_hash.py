"""HighwayHash-64 (https://github.com/google/highwayhash), with which a nats-server sums each stored message.

Pure Python: about a tenth of a millisecond for 300 bytes, so it is for some thousands of messages, not for millions.
"""

from __future__ import annotations

import struct

INIT0 = (0xDBE6D5D5FE4CCE2F, 0xA4093822299F31D0, 0x13198A2E03707344, 0x243F6A8885A308D3)
INIT1 = (0x3BD39E10CB0EF593, 0xC0ACF169B5F18A8C, 0xBE5466CF34E90C6C, 0x452821E638D01377)
MASK, LOW = (1 << 64) - 1, (1 << 32) - 1
PACKET_BYTES = 32
LANES = struct.Struct("<4Q")
ROUNDS = 4


class State:
    """Four lanes of each of the four words, as the reference names them."""

    def __init__(self, key: bytes) -> None:
        lanes = LANES.unpack(key)
        self.mul0, self.mul1 = list(INIT0), list(INIT1)
        self.v0 = [one ^ lane for one, lane in zip(INIT0, lanes, strict=True)]
        self.v1 = [one ^ rotated(lane) for one, lane in zip(INIT1, lanes, strict=True)]

    def update(self, lanes: tuple[int, ...]) -> None:
        v0, v1, mul0, mul1 = self.v0, self.v1, self.mul0, self.mul1
        for i in range(4):
            v1[i] = (v1[i] + mul0[i] + lanes[i]) & MASK
            mul0[i] ^= (v1[i] & LOW) * (v0[i] >> 32)
            v0[i] = (v0[i] + mul1[i]) & MASK
            mul1[i] ^= (v0[i] & LOW) * (v1[i] >> 32)
        for into, of in ((v0, v1), (v1, v0)):
            for i in (0, 2):
                low, high = zipped(of[i], of[i + 1])
                into[i] = (into[i] + low) & MASK
                into[i + 1] = (into[i + 1] + high) & MASK

    def remainder(self, rest: bytes) -> None:
        """The last packet, which is not full."""
        size, odd = len(rest), len(rest) & 3
        self.v0 = [(one + (size << 32) + size) & MASK for one in self.v0]
        self.v1 = [turned(one, size) for one in self.v1]
        packet = bytearray(PACKET_BYTES)
        whole = size - odd
        packet[:whole] = rest[:whole]
        if size & 16:
            packet[28:32] = rest[size - 4 : size]
        elif odd:
            packet[16], packet[17], packet[18] = rest[whole], rest[whole + (odd >> 1)], rest[whole + odd - 1]
        self.update(LANES.unpack(packet))

    def finish(self) -> bytes:
        for _ in range(ROUNDS):
            self.update(tuple(rotated(self.v0[i]) for i in (2, 3, 0, 1)))
        whole: int = (self.v0[0] + self.v1[0] + self.mul0[0] + self.mul1[0]) & MASK
        return whole.to_bytes(8, "little")


def highway_hash_64(key: bytes, data: bytes) -> bytes:
    """The hash of ``data`` under a key of 32 bytes, as the eight bytes that are stored."""
    state = State(key)
    whole = len(data) - len(data) % PACKET_BYTES
    for at in range(0, whole, PACKET_BYTES):
        state.update(LANES.unpack_from(data, at))
    if len(data) > whole:
        state.remainder(data[whole:])
    return state.finish()


def rotated(word: int) -> int:
    return word >> 32 | (word & LOW) << 32


def turned(word: int, count: int) -> int:
    """Each half of the word rotated left by ``count`` bits."""
    halves = [(half << count | half >> (32 - count)) & LOW if count else half for half in (word & LOW, word >> 32)]
    return halves[0] | halves[1] << 32


def zipped(v0: int, v1: int) -> tuple[int, int]:
    """ZipperMerge of two lanes: what is added to the even one and to the odd one."""
    low = (
        ((v0 & 0xFF000000) | (v1 & 0xFF00000000)) >> 24
        | ((v0 & 0xFF0000000000) | (v1 & 0xFF000000000000)) >> 16
        | (v0 & 0xFF0000)
        | (v0 & 0xFF00) << 32
        | (v1 & 0xFF00000000000000) >> 8
        | (v0 << 56) & MASK
    )
    high = (
        ((v1 & 0xFF000000) | (v0 & 0xFF00000000)) >> 24
        | (v1 & 0xFF0000)
        | (v1 & 0xFF0000000000) >> 16
        | (v1 & 0xFF00) << 24
        | (v0 & 0xFF000000000000) >> 8
        | (v1 & 0xFF) << 48
        | (v0 & 0xFF00000000000000)
    )
    return low, high
