"""Which rows a judge labels for a student: a sample that covers the data, and one drawn blindly to examine it with.

Rows are told by a hash of what they say, so the choice does not depend on their order.

Shapes: N rows, S strata.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.int64]
    Mask: TypeAlias = npt.NDArray[np.bool_]

_MIX = 0x9E3779B97F4A7C15  # 2**64 over the golden ratio
_AUDIT = 0xA0D1  # tells the draw of the audit from that of the labels


class Frame(NamedTuple):
    """What rows are chosen by. No two rows have the same key."""

    keys_N: npt.NDArray[np.uint64]  # noqa: N815 - a hash of what a row says
    strata_SN: npt.NDArray[np.int64]  # noqa: N815 - what the sample is spread over, the coarsest first


def covering(frame: Frame, free_N: Mask, count: int, *, seed: int = 0) -> Numbers:  # noqa: N803
    """`count` of the free rows, spread over the strata: every k-th row where they stand sorted, k a fraction.

    Systematic sampling with a random start (Madow and Madow, 1944): every free row has the same chance, and every
    stratum, and every stretch of a stratum, gets its share of the sample to within one row.
    """
    import numpy as np

    scattered = _scattered(frame.keys_N, seed)
    order = np.lexsort((scattered, *frame.strata_SN[::-1]))
    order = order[free_N[order]]
    count = min(count, len(order))
    if not count:
        return order[:0]
    start = int(_scattered(np.array([seed], np.uint64), seed)[0] >> np.uint64(32))  # of 2**32
    steps = np.arange(count, dtype=np.int64) * len(order) + (start * len(order) >> 32)
    return np.sort(order[steps // count])


def blind(frame: Frame, free_N: Mask, count: int, *, seed: int = 0) -> Numbers:  # noqa: N803
    """`count` of the free rows, each set of them as likely as any other: those whose hashes are least."""
    import numpy as np

    scattered = _scattered(frame.keys_N, seed + _AUDIT)
    order = np.argsort(scattered, kind="stable")
    return np.sort(order[free_N[order]][:count])


def _scattered(keys: npt.NDArray[np.uint64], seed: int) -> npt.NDArray[np.uint64]:
    """Keys in another order for each seed: one to one, by the finaliser of SplitMix64 (Steele et al., 2014)."""
    import numpy as np

    mixed = keys + np.uint64((seed + 1) * _MIX % (1 << 64))
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
