"""Replies as they lie on disk: those of one commit together in a compressed block, and found in it by offset.

Measured on 1,610 real answers of 2.7 kB with requests of 0.4 kB: zstd one by one takes 38 µs each and halves them;
20 in a block take 15 µs each and leave 30 %. zlib takes twice the time of zstd. Verdicts are 20 kB each, three quarters
of that logprobs: two in a block take 36 µs each and leave 21 %, seven take 30 µs and leave 16 %.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import xxhash

FULL = 1 << 17  # bytes; reading one reply unpacks its whole block: 0.1 ms


class Block(NamedTuple):
    """A block ready to be written."""

    size: int
    hash: bytes
    body: bytes


class DamagedBlock(Exception):
    """A block does not hold what was put into it."""


def pack(parts: list[bytes]) -> Block:
    """The parts, one behind the other, compressed."""
    plain = b"".join(parts)
    return Block(len(plain), xxhash.xxh3_64_digest(plain), _zstd().compress(plain, asbytes=True))


def unpack(number: int, block: Block) -> bytes:
    """The parts of a block, one behind the other. Raises DamagedBlock where they are not what they were."""
    try:
        plain: bytes = _zstd().decompress(block.body, block.size, asbytes=True)
    except OSError as error:
        raise DamagedBlock(f"block {number}: {error}") from None
    if xxhash.xxh3_64_digest(plain) != block.hash:
        raise DamagedBlock(f"block {number} does not have its checksum")
    return plain


def read(connection: sqlite3.Connection, numbers: Collection[int]) -> Iterator[tuple[int, bytes]]:
    """The blocks of these numbers, unpacked. Raises DamagedBlock where one is missing."""
    marks = ",".join("?" * len(numbers))
    found = 0
    for number, *block in connection.execute(
        f"SELECT id, size, hash, body FROM block WHERE id IN ({marks})",  # noqa: S608 - question marks alone
        tuple(numbers),
    ):
        found += 1
        yield number, unpack(number, Block(*block))
    if found != len(numbers):
        raise DamagedBlock(f"{len(numbers) - found} blocks are missing")


def _zstd() -> Any:
    import pyarrow as pa

    return pa.Codec("zstd", compression_level=1)
