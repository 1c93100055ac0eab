"""How well a unit's rates to pictures can be predicted, and how well they could be at best."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.inference import SAME
from analysis.labels import refuse_gaps, some
from analysis.threads import matrices_on_one_thread
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]

N_FOLDS = 10
# Ridge penalties, relative to the mean squared singular value of the coordinates.
PENALTIES = np.logspace(-4, 3, 15)
BLOCK_UNITS = 256


@dataclass(frozen=True, slots=True)
class LeaveOneOut:
    """Ridge regression, scored by leaving out one picture at a time.

    Attributes
    ----------
    slopes : of the fit to all pictures, (n_dims, n_units)
    penalties : each unit's, relative to the mean squared singular value of the coordinates,
        (n_units,)
    predictions : of each picture by all others, (n_images, n_units)
    """

    slopes: FloatArray
    penalties: FloatArray
    predictions: FloatArray


@matrices_on_one_thread()
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
        train = _decomposed(x[~held])
        for units in _blocks(y.shape[1]):
            rates = y[~held, units]
            mean = rates.mean(axis=0)
            shrunk = _shrunk(train, rates - mean)
            predicted[held, units] = mean + (x[held] - train.mean) @ _slopes(train, shrunk)
    return predicted


@matrices_on_one_thread()
def leave_one_out(x: FloatArray, y: FloatArray) -> LeaveOneOut:
    """Ridge regression with each unit's best penalty, and every picture predicted by the others.

    Parameters
    ----------
    x : coordinates, (n_images, n_dims)
    y : rates, (n_images, n_units)

    Notes
    -----
    With the hat matrix H of the fit to all pictures, intercept included, the error at a picture
    that took no part is ``(y - H y) / (1 - diag H)``: exact, without any refit.  The penalty, of
    `PENALTIES`, is the one with the least sum of these errors squared.
    """
    whole = _decomposed(x)
    slopes, predictions = np.empty((x.shape[1], y.shape[1])), np.empty_like(y)
    penalties = np.empty(y.shape[1])
    for units in _blocks(y.shape[1]):
        rates = y[:, units] - y[:, units].mean(axis=0)
        shrunk = _shrunk(whole, rates)
        leverage = whole.u**2 @ shrunk.by + 1 / len(y)
        fitted = whole.u @ (shrunk.by * shrunk.along)
        predictions[:, units] = y[:, units] - (rates - fitted) / (1 - leverage)
        slopes[:, units] = _slopes(whole, shrunk)
        penalties[units] = shrunk.penalty
    return LeaveOneOut(slopes, penalties, predictions)


class _Decomposed(NamedTuple):
    """Singular values and vectors of centred coordinates, and their centre."""

    u: FloatArray
    s: FloatArray
    vt: FloatArray
    mean: FloatArray


class _Shrunk(NamedTuple):
    """Rates along the singular vectors, how much to shrink them, and the penalty that says so."""

    along: FloatArray
    by: FloatArray
    penalty: FloatArray


def _decomposed(x: FloatArray) -> _Decomposed:
    mean = x.mean(axis=0)
    u, s, vt = np.linalg.svd(x - mean, full_matrices=False)
    return _Decomposed(u, s, vt, mean)


def _blocks(n_units: int) -> Iterator[slice]:
    """Few enough units at once for what is computed of them to stay in the cache."""
    return (slice(n, n + BLOCK_UNITS) for n in range(0, n_units, BLOCK_UNITS))


def _shrunk(x: _Decomposed, y: FloatArray) -> _Shrunk:
    """The best of the penalties for every unit, by leave-one-out; `y` is centred."""
    along, power = x.u.T @ y, x.s**2
    errors = np.empty((len(PENALTIES), y.shape[1]))
    for n, penalty in enumerate(PENALTIES * power.mean()):
        by = power / (power + penalty)
        leverage = x.u**2 @ by + 1 / len(y)  # 1/n: the mean is fitted too
        residual = y - x.u @ (by[:, None] * along)
        errors[n] = (1 - leverage) ** -2 @ np.square(residual, out=residual)
    best = PENALTIES[errors.argmin(axis=0)]
    return _Shrunk(along, power[:, None] / (power[:, None] + best * power.mean()), best)


def _slopes(x: _Decomposed, shrunk: _Shrunk) -> FloatArray:
    """Of rates on coordinates, (n_dims, n_units)."""
    varies = x.s > 0
    inverse = np.where(varies, 1 / np.where(varies, x.s, 1.0), 0.0)
    return np.asarray(x.vt.T @ (inverse[:, None] * shrunk.by * shrunk.along))


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
    splits = (_pearson(*halves(values, counts, rng)) for _ in range(n_splits))
    rho = sum(splits, np.zeros(values.shape[1])) / n_splits
    return pd.Series(2 * rho / (1 + rho), trials.columns, name="ceiling")


def halves(
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
