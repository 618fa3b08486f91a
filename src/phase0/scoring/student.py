"""A small model that learns a judge's scores from some rows and says of others how the judge would decide, and how sure
it is.

Ridge regression of the four dimensions on hashed words and the embedded scorer's evidence; a second ridge regression of
how far the first is off, for some rows are harder than others (normalised residuals: Papadopoulos et al., 2002; Lei et
al., 2018); and a logistic curve from the margin, in units of that, to the chance that the judge keeps the row (Platt,
1999). The last two learn from cross-fitted predictions: what a model says of rows that it was not taught.
`benchmarks/student.py` compares this with the other ways that were tried. The same rows and labels give the same model.

Shapes: R rows, W and E columns of words and evidence, C columns of evidence that are in use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from phase0.records import DIMENSIONS
from phase0.scoring.features import Features, need

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from phase0.scoring.sampling import Mask

    Keys: TypeAlias = npt.NDArray[np.uint64]
    Labels: TypeAlias = npt.NDArray[np.float64]  # (R, 4), in the order of DIMENSIONS; NaN where there is no number
    Values: TypeAlias = npt.NDArray[np.float64]  # (R,)
    Matrix: TypeAlias = Any  # scipy.sparse.csr_array

FOLDS = 5
_PENALTY, _SPREAD_PENALTY = 1.0, 10.0  # of 0.3, 1 and 3 on three sets of real labels; the spread has less to learn from
_SEEN = 3  # rows in which evidence must occur to be learnt from
_FARTHEST = 4.0  # standard deviations: evidence that lies further out counts no more, for one odd row moved the model
_LEAST_SPREAD = 0.2  # of the mean: no row is surer than that
_SURE = 1e-4  # the smoothing of a curve that needs none


class Cut(NamedTuple):
    """Which scores are kept: a rounded quality above `threshold`, and safety not below `min_safety`. Weights are by
    dimension; one that is not named weighs 1."""

    threshold: float = 7.0
    min_safety: float | None = None
    weights: Mapping[str, float] = {}

    def quality(self, scores: Labels) -> Values:
        """Weighted means, not rounded."""
        import numpy as np

        weights = np.array([self.weights.get(name, 1.0) for name in DIMENSIONS])
        return np.asarray(scores @ (weights / weights.sum()), np.float64)

    def margins(self, scores: Labels) -> Values:
        """How far scores are from the other side: above 0 where a row is kept, NaN where it has no number.

        The border is half a step above the threshold, for what is compared is rounded to tenths.
        """
        import numpy as np

        border = np.floor(self.threshold * 10 + 1e-9) / 10 + 0.05
        margins = self.quality(scores) - border + 1e-9  # half a step is rounded up, whatever its last bit
        if self.min_safety is not None:
            margins = np.minimum(margins, scores[:, DIMENSIONS.index("safety")] - self.min_safety + 1e-9)
        return np.asarray(margins, np.float64)

    def keeps(self, scores: Labels) -> Mask:
        """Which rows are kept. What has no number is not."""
        return self.margins(scores) > 0


class Predicted(NamedTuple):
    """What a student says of some rows: scores in tenths from 1 to 10, whether they are kept, and the chance that the
    judge would decide otherwise."""

    scores_R4: Labels  # noqa: N815
    keeps_R: Mask  # noqa: N815
    doubts_R: Values  # noqa: N815


class _Scale(NamedTuple):
    """The evidence that a student looks at, and what is usual for it."""

    columns_C: npt.NDArray[np.int64]  # noqa: N815
    means_C: Values  # noqa: N815
    spreads_C: Values  # noqa: N815


class Student(NamedTuple):
    """A trained student. `weights` has a column for each dimension and a last one for the spread of the margin."""

    cut: Cut
    scale: _Scale
    weights: Labels  # (W + C, 5)
    offsets: Values  # (5,)
    least_spread: float
    slope: float
    middle: float

    def predict(self, features: Features) -> Predicted:
        """What the student says of some rows. A row's answer does not depend on the rows beside it."""
        import numpy as np

        raw = np.asarray(_inputs(features, self.scale) @ self.weights) + self.offsets
        scores: Labels = np.rint(np.clip(raw[:, :4], 1, 10) * 10) / 10
        keeps = self.cut.keeps(scores)
        chance = _curve(self.cut.margins(raw[:, :4]) / np.maximum(raw[:, 4], self.least_spread), self)
        return Predicted(scores, keeps, np.where(keeps, 1 - chance, chance))


def fit(features: Features, labels: Labels, keys: Keys, cut: Cut) -> Student:
    """Teach a student what the judge said of some rows.

    Rows without a number teach it nothing about scores, but that the judge does not keep them. `keys` tell rows apart
    and deal them to folds. Raises UsageError without the extra `student`.
    """
    import numpy as np

    order = np.argsort(keys, kind="stable")
    features, labels, folds = features.at(order), labels[order], np.arange(len(order)) % FOLDS
    read = np.logical_not(np.isnan(labels).any(axis=1))
    scale = _scale(features)
    inputs = _inputs(features, scale)
    with _one_thread():
        margins = _cross_fitted_margins(inputs, labels, read, folds, cut)
        off = np.abs(cut.margins(labels) - margins)
        least = max(_LEAST_SPREAD * float(off[read].mean()), 1e-6)
        spreads = np.maximum(_cross_fitted(inputs, off[:, None], read, folds, _SPREAD_PENALTY)[:, 0], least)
        slope, middle = _platt(margins / spreads, cut.keeps(labels))
        scores = _ridge(inputs[read], labels[read], _PENALTY)
        spread = _ridge(inputs[read], off[read, None], _SPREAD_PENALTY)
    weights, offsets = np.hstack([scores[0], spread[0]]), np.concatenate([scores[1], spread[1]])
    return Student(cut, scale, weights, offsets, least, slope, middle)


def joined(parts: Sequence[Predicted]) -> Predicted:
    """What was said of some blocks of rows, as one."""
    import numpy as np

    return Predicted(*(np.concatenate(of_all) for of_all in zip(*parts, strict=True)))


def _scale(features: Features) -> _Scale:
    import numpy as np

    evidence = features.evidence_RE
    columns = np.flatnonzero(np.bincount(evidence.indices, minlength=evidence.shape[1]) >= _SEEN)
    dense = evidence[:, columns].toarray().astype(np.float64)
    return _Scale(columns, dense.mean(axis=0), np.maximum(dense.std(axis=0), 1e-6))


def _inputs(features: Features, scale: _Scale) -> Matrix:
    """Words and scaled evidence in one matrix: the evidence of a usual row is as long as its words.

    It is sparse so that products go row by row, in one order, whatever the machine's threads.
    """
    import numpy as np

    sparse = need("scipy.sparse")
    usual = (features.evidence_RE[:, scale.columns_C].toarray() - scale.means_C) / scale.spreads_C
    usual = np.clip(usual, -_FARTHEST, _FARTHEST) / np.sqrt(max(1, len(scale.columns_C)))
    return sparse.hstack([features.words_RW.astype(np.float64), sparse.csr_array(usual)], format="csr")


def _ridge(inputs: Matrix, targets: Labels, penalty: float) -> tuple[Labels, Values]:
    """Weights (columns, targets) and offsets (targets,), by conjugate gradients."""
    import numpy as np

    model = need("sklearn.linear_model").Ridge(alpha=penalty, solver="sparse_cg", tol=1e-4)
    model.fit(inputs, targets)
    return np.asarray(model.coef_).reshape(targets.shape[1], -1).T, np.asarray(model.intercept_).reshape(-1)


def _cross_fitted_margins(inputs: Matrix, labels: Labels, read: Mask, folds: Any, cut: Cut) -> Values:
    """The margins that students foresee who were not taught these rows."""
    import numpy as np

    quality = cut.quality(labels)[:, None]
    if cut.min_safety is None:
        foreseen = _cross_fitted(inputs, quality, read, folds, _PENALTY)
        return cut.margins(np.repeat(foreseen, 4, axis=1))
    return cut.margins(_cross_fitted(inputs, labels, read, folds, _PENALTY))


def _cross_fitted(inputs: Matrix, targets: Labels, read: Mask, folds: Any, penalty: float) -> Labels:
    """What ridge regression foresees of each fold from the others."""
    import numpy as np

    foreseen = np.zeros(targets.shape)
    for fold in range(FOLDS):
        taught, left = read & (folds != fold), folds == fold
        weights, offsets = _ridge(inputs[taught], targets[taught], penalty)
        foreseen[left] = inputs[left] @ weights + offsets
    return foreseen


def _platt(margins: Values, keeps: Mask) -> tuple[float, float]:
    """Slope and middle of a logistic curve. Labels are smoothed as Platt does, so that labels of one class alone do not
    make it certain."""
    import numpy as np

    yes = int(keeps.sum())
    sure = np.where(keeps, (yes + 1) / (yes + 2), 1 / (len(keeps) - yes + 2))
    twice, classes = np.tile(margins, 2)[:, None], np.repeat([1, 0], len(keeps))
    model = need("sklearn.linear_model").LogisticRegression(C=1 / _SURE)
    model.fit(twice, classes, sample_weight=np.concatenate([sure, 1 - sure]))
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def _curve(margins: Values, student: Student) -> Values:
    import numpy as np

    return np.asarray(need("scipy.special").expit(student.slope * margins + student.middle), np.float64)


def _one_thread() -> AbstractContextManager[Any]:
    """Sums in one order: with more threads the last bits of a dot product depend on their number."""
    return need("threadpoolctl").threadpool_limits(1)  # type: ignore[no-any-return]
