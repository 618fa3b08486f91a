"""What calibration finds: frozen values, as `phase0 calibrate --json` prints them."""

from __future__ import annotations

import msgspec

Interval = tuple[float, float]


class Estimate(msgspec.Struct, frozen=True):
    """A statistic and its bootstrap interval; None where it is not defined."""

    value: float | None
    interval: Interval | None


class Baseline(msgspec.Struct, frozen=True):
    """What a scorer has to beat."""

    pairwise_accuracy: float | None
    interval: Interval | None


class Baselines(msgspec.Struct, frozen=True):
    """The longer answer (in characters) wins, and a coin decides."""

    longer_wins: Baseline
    chance: Baseline


class Taught(msgspec.Struct, frozen=True):
    """What a student learned from: so many labelled answers to so many questions. `held_out` of the answers that were
    measured are to one of those questions; each of them was scored by a student that was not taught it."""

    answers: int
    questions: int
    held_out: int


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """How well a scorer agrees with a file of labels, or with one group of them.

    `pairs` are compared with half a point for each of the scorer's `ties`; `compared` is `pairs`, or `all` where every
    row is compared with every row of another label. `spearman`, `kappa` (quadratic weights) and `calibration_error`
    are of the `points` on their `scale` where there are any, else of the pairs. `left_out` counts rows by reason.
    Intervals hold 95 % of `bootstrap` resamples. `by` says what divides a file into groups such as this one. `taught`
    is None where no student was measured.
    """

    labels: str
    model: str
    pairs: int
    ties: int
    pairwise_accuracy: float | None
    interval: Interval | None
    baselines: Baselines
    difference_to_longer: Estimate
    groups: dict[str, Calibration]
    by: str | None
    compared: str
    points: int
    scale: Interval | None
    spearman: Estimate
    kappa: Estimate
    calibration_error: Estimate
    left_out: dict[str, int]
    bootstrap: int
    seed: int
    taught: Taught | None = None
