"""How well a unit's rates to pictures can be predicted, and how well they could be at best."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.inference import SAME
from analysis.labels import refuse_gaps, some
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]

N_FOLDS = 10
# Ridge penalties, relative to the mean squared singular value of the coordinates.
PENALTIES = np.logspace(-4, 3, 15)


def left_out_predictions(x: FloatArray, y: FloatArray, seed: int = 0) -> FloatArray:
    """Rates predicted for pictures that took no part in the prediction, (n_images, n_units).

    Parameters
    ----------
    x : coordinates, (n_images, n_dims)
    y : rates, (n_images, n_units)
    seed : of the folds

    Notes
    -----
    Ten random folds.  In each, ridge regression on the other nine; every unit's penalty is the one
    with the least leave-one-out error *among those nine* (closed form, by the diagonal of the hat
    matrix), so that no left-out rate has chosen anything.
    """
    predicted = np.empty_like(y)
    for held in folds(len(y), seed):
        train_x, train_y = x[~held], y[~held]
        x_mean, y_mean = train_x.mean(axis=0), train_y.mean(axis=0)
        u, s, vt = np.linalg.svd(train_x - x_mean, full_matrices=False)
        uty = u.T @ (train_y - y_mean)
        filters = _best_filters(u, s, uty, train_y - y_mean)
        slopes = vt.T @ (filters * uty)
        predicted[held] = y_mean + (x[held] - x_mean) @ slopes
    return predicted


def _best_filters(u: FloatArray, s: FloatArray, uty: FloatArray, y: FloatArray) -> FloatArray:
    """``s / (s**2 + penalty)`` with each unit's best penalty, (n_dims, n_units)."""
    penalties = PENALTIES * (s**2).mean()
    errors = np.empty((len(penalties), y.shape[1]))
    for n, penalty in enumerate(penalties):
        shrink = s**2 / (s**2 + penalty)
        leverage = u**2 @ shrink + 1 / len(u)  # 1/n: the mean is fitted too
        residual = (y - u @ (shrink[:, None] * uty)) / (1 - leverage)[:, None]
        errors[n] = np.einsum("iu,iu->u", residual, residual)
    best = penalties[errors.argmin(axis=0)]
    chosen: FloatArray = s[:, None] / (s[:, None] ** 2 + best)
    return chosen


def variance_explained(y: FloatArray, predicted: FloatArray) -> FloatArray:
    """``1 - error / variance`` of every column, (n_units,); NaN for those that do not vary."""
    still = unvarying(y)
    total = (centred(y) ** 2).sum(axis=0)
    error = ((y - predicted) ** 2).sum(axis=0)
    return np.where(still, np.nan, 1 - error / np.where(still, 1.0, total))


def ceiling(trials: pd.DataFrame, n_splits: int = 200, seed: int = 0) -> pd.Series:
    """Variance of the mean rates that a perfect model could explain.

    Parameters
    ----------
    trials : rates of single trials, (n_trials, n_units); index: picture id
    n_splits : random halvings of every picture's trials

    Returns
    -------
    Series, (n_units,)
        ``2 rho / (1 + rho)`` (Spearman-Brown), rho being the correlation over pictures of the means
        of the two halves, averaged over the splits.  Of an odd number of trials one, drawn anew
        for every split, is left aside: the formula holds for equal halves.  Neither squared nor
        clipped.  NaN for units with a half that does not vary.

    Raises
    ------
    AnalysisError
        If a picture was shown only once, or there are fewer than three.
    """
    shown = trials.groupby(level=0).size()
    if (shown < 2).any():
        raise AnalysisError(f"a ceiling needs two trials of {some(shown.index[shown < 2])}")
    if len(shown) < 3:
        raise AnalysisError(f"a ceiling needs at least three pictures, not {len(shown)}")
    refuse_gaps(trials, "rates")
    values = trials.sort_index(kind="stable").to_numpy(dtype=float)
    counts, rng = shown.to_numpy(dtype=np.int64), np.random.default_rng(seed)
    splits = (_pearson(*_halves(values, counts, rng)) for _ in range(n_splits))
    rho = sum(splits, np.zeros(values.shape[1])) / n_splits
    return pd.Series(2 * rho / (1 + rho), trials.columns, name="ceiling")


def _halves(
    values: FloatArray, shown: NDArray[Any], rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Means of two random halves of every picture's trials, (n_images, n_units).

    The trials are sorted by picture, each of which was shown `shown` times.
    """
    picture = np.repeat(np.arange(len(shown)), shown)
    starts = np.cumsum(shown) - shown
    shuffled = values[np.lexsort((rng.random(len(values)), picture))]
    place, half = np.arange(len(values)) - starts[picture], (shown // 2)[picture]
    first, second = place < half, (place >= half) & (place < 2 * half)
    one, other = (np.add.reduceat(shuffled * part[:, None], starts) for part in (first, second))
    return one / (shown // 2)[:, None], other / (shown // 2)[:, None]


def _pearson(a: FloatArray, b: FloatArray) -> FloatArray:
    """Correlation of columns, (n_columns,); NaN where one does not vary."""
    a, b = centred(a), centred(b)
    size = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    return np.where(size > 0, (a * b).sum(axis=0) / np.where(size > 0, size, 1.0), np.nan)


def folds(n_images: int, seed: int) -> Iterator[NDArray[np.bool_]]:
    """Which pictures are left out, fold by fold."""
    fold = np.random.default_rng(seed).permutation(n_images) % N_FOLDS
    return (fold == n for n in range(N_FOLDS))


def centred(values: FloatArray) -> FloatArray:
    """Columns less their means."""
    return np.asarray(values - values.mean(axis=0))


def unvarying(values: FloatArray) -> NDArray[np.bool_]:
    """Columns that do not vary beyond rounding, (n_columns,)."""
    return np.asarray(np.ptp(values, axis=0) <= SAME * np.abs(values).max(axis=0))
