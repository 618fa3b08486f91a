"""Machine instructions that numba has no name for. Their code is in `instructions`, their twins are in `slow`."""

from __future__ import annotations

from phase0.dedup.kernels.compiling import Array, instruction


@instruction
def load64(text_B: Array, at: int) -> int:  # type: ignore[empty-body]
    """Bytes `at` to `at + 7` as one little-endian number; all eight must be inside the array."""


@instruction
def equal64(text_B: Array, at: int, byte: int) -> int:  # type: ignore[empty-body]
    """Which of the bytes `at` to `at + 63` equal a constant: bit i is about `at + i`. All must be inside the array."""


@instruction
def below64(text_B: Array, at: int, byte: int) -> int:  # type: ignore[empty-body]
    """Which of the bytes `at` to `at + 63` are less than a constant: bit i is about `at + i`. All must be inside."""


@instruction
def copy64(text_B: Array, at: int, out_B: Array, to: int) -> None:
    """Write the bytes `at` to `at + 63` to `to` and behind; all must be inside the arrays."""


@instruction
def trailing_zeros(value: int) -> int:  # type: ignore[empty-body]
    """How many zeros end a number that is not zero."""


@instruction
def ones(value: int) -> int:  # type: ignore[empty-body]
    """How many bits are set."""


@instruction
def alike8(keys_S: Array, one: int, other: int) -> int:  # type: ignore[empty-body]
    """How many of the eight numbers from two places on are the same before the first that is not; all are inside."""


@instruction
def differing8(keys_S: Array, one: int, other: int) -> int:  # type: ignore[empty-body]
    """Which of the eight numbers from two places on differ: bit i is about the i-th of each."""


@instruction
def pack8(keys_S: Array, at: int, chosen: int, turned: int, out_S: Array, to: int) -> None:
    """Write those of the eight numbers from `at` on whose bit is set in `chosen` to `to` and behind, without gaps, with
    the bits that are set in `turned` turned."""


@instruction
def differing512(sketches_N8: Array, one: int, other: int) -> int:  # type: ignore[empty-body]
    """In how many bits two rows of eight numbers differ."""


@instruction
def sort64(keys_S: Array, at: int) -> None:
    """Sort the 64 signed numbers from index `at` on."""


@instruction
def sort128(keys_S: Array, at: int) -> None:
    """Sort the 128 signed numbers from index `at` on."""


@instruction
def merge64(keys_S: Array, at: int) -> None:
    """Sort the 64 signed numbers from index `at` on, which are bitonic: they ascend and then descend, or would if they
    were rotated."""


@instruction
def exchange64(keys_S: Array, one: int, other: int) -> None:
    """Of each two of the 64 signed numbers from two places on put the less to the one, the greater to the other."""


@instruction
def exchange_mirrored64(keys_S: Array, one: int, other: int) -> None:
    """The same of the first from the one place on and the last from the other, the second and the last but one, ..."""
