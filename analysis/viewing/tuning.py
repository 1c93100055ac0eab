"""How choosy a unit is among pictures, and how reliably.

`analysis.decoding.category_selectivity` is the analysis of variance as textbooks have it; the tests
here take no distribution of the counts for granted, and no session without drift.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.inference import SAME, benjamini_hochberg, permutation_p
from analysis.labels import refuse_doubles, refuse_gaps, some
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]

N_SHUFFLES = 1000


def category_selectivity_by_pictures(
    trials: pd.DataFrame,
    categories: pd.Series,
    blocks: Sequence[Any],
    *,
    n_shuffles: int = N_SHUFFLES,
    seed: int = 0,
) -> pd.DataFrame:
    """Whether a unit's rates differ between categories more than between any sets of pictures.

    Parameters
    ----------
    trials : spikes or rates of single trials, (n_trials, n_units); index: picture id
    categories : of each picture; index: picture id
    blocks : of each trial, (n_trials,)
    n_shuffles, seed : categories dealt anew to the pictures

    Returns
    -------
    DataFrame, one row per unit
        `f` of the analysis of variance of the pictures' means over categories; `p`, `q`; `omega2`,
        the share of the variance of the means that is between categories, corrected for chance
        (Hays), and possibly below 0; `best`, the category with the highest mean.  NaN for units
        that do not vary.

    Raises
    ------
    AnalysisError
        If there are fewer than two categories with two pictures each, a picture has no category, a
        value is missing, blocks do not match the trials, or no two pictures of different
        categories were shown in the same blocks.

    Notes
    -----
    Means are of rates less the mean of their block.  Pictures, and with them all their trials,
    exchange categories with pictures shown in the same blocks equally often: pictures are what was
    sampled, and what drifts from block to block meets all alike.
    """
    means, strata = _picture_means(trials, blocks)
    code, names = _categories(means.index, categories)
    rng = np.random.default_rng(seed)
    dealt = _within(code, strata, n_shuffles, rng)
    if (dealt == code).all():
        raise AnalysisError(
            "categories cannot be dealt anew: no two pictures of different ones were shown in the"
            " same blocks"
        )
    y = means.to_numpy()
    total = (y**2).sum(axis=0)
    tested = total > 0
    n, k = len(y), len(names)
    between = _between(y, code[None, :], k)[0]
    p = permutation_p(np.where(tested, between, np.nan), _between(y, dealt, k), exact=False)
    within = (total - between) / (n - k)
    f = np.divide(between / (k - 1), within, out=np.full(len(total), np.inf), where=within > 0)
    by_category = (code == np.arange(k)[:, None]) @ y / np.bincount(code)[:, None]
    table = pd.DataFrame({"f": f, "p": p}, means.columns)
    table["q"] = benjamini_hochberg(table["p"])
    table["omega2"] = (between - (k - 1) * within) / np.where(tested, total + within, 1.0)
    table.loc[~tested, ["f", "omega2"]] = np.nan
    table["best"] = pd.Series(names[by_category.argmax(axis=0)], means.columns).where(tested)
    return table


def picture_selectivity(
    trials: pd.DataFrame,
    blocks: Sequence[Any],
    *,
    n_shuffles: int = N_SHUFFLES,
    seed: int = 0,
) -> pd.DataFrame:
    """Whether a unit tells any pictures apart.

    Parameters
    ----------
    trials : spikes or rates of single trials, (n_trials, n_units); index: picture id
    blocks : of each trial, (n_trials,)
    n_shuffles, seed : pictures dealt anew to the trials of each block

    Returns
    -------
    DataFrame, one row per unit
        `f` over the pictures, of rates less the mean of their block; `p`, `q`; NaN for units that
        do not vary.

    Raises
    ------
    AnalysisError
        If there are fewer than two pictures, none was shown twice, a value is missing, blocks do
        not match the trials, or every block shows one picture only.
    """
    values = _without_blocks(trials, blocks)
    code, names = pd.factorize(trials.index, sort=True)
    n, k = len(code), len(names)
    if k < 2 or n <= k:
        raise AnalysisError(f"{n} trials of {k} pictures: two are needed, and one shown twice")
    block = pd.factorize(pd.Series(list(blocks)))[0]
    rng = np.random.default_rng(seed)
    total = (values**2).sum(axis=0)
    tested = total > 0
    null = np.empty((n_shuffles, values.shape[1]))
    moved = False
    for row in range(n_shuffles):
        dealt = _within(code, block, 1, rng)[0]
        moved = moved or bool((dealt != code).any())
        null[row] = _between(values, dealt[None, :], k)[0]
    if not moved:
        raise AnalysisError("pictures cannot be dealt anew: every block shows one picture only")
    between = _between(values, code[None, :], k)[0]
    within = (total - between) / (n - k)
    f = np.divide(between / (k - 1), within, out=np.full(len(total), np.inf), where=within > 0)
    p = permutation_p(np.where(tested, between, np.nan), null, exact=False)
    table = pd.DataFrame({"f": np.where(tested, f, np.nan), "p": p}, trials.columns)
    return table.assign(q=benjamini_hochberg(table["p"]))


def sparseness(rates: pd.DataFrame) -> pd.Series:
    """How few pictures make up a unit's response: 0 if all alike, 1 if one alone.

    ``(1 - mean(r)**2 / mean(r**2)) / (1 - 1/n)``; Vinje & Gallant 2000,
    doi:10.1126/science.287.5456.1273.  Rates from few spikes look sparser than they are.

    Parameters
    ----------
    rates : Hz, (n_images, n_units)

    Returns
    -------
    Series, (n_units,); NaN for silent units

    Raises
    ------
    AnalysisError
        If there are fewer than two pictures, or a rate is missing or negative.
    """
    r = _rates(rates)
    mean_square = (r**2).mean(axis=0)
    fired = mean_square > 0
    activity = np.divide(r.mean(axis=0) ** 2, mean_square, out=np.ones(len(fired)), where=fired)
    sparse = (1 - activity) / (1 - 1 / len(r))
    return pd.Series(np.where(fired, sparse, np.nan), rates.columns, name="sparseness")


def depth_of_selectivity(rates: pd.DataFrame) -> pd.Series:
    """How far the best picture stands out: 0 if all alike, 1 if it alone is answered.

    ``(n - sum(r) / max(r)) / (n - 1)``; Moody et al. 1998, doi:10.1523/JNEUROSCI.18-01-00399.1998.

    Parameters and errors as `sparseness`; NaN for silent units.
    """
    r = _rates(rates)
    n, largest = len(r), r.max(axis=0)
    fired = largest > 0
    relative = np.divide(r.sum(axis=0), largest, out=np.full(len(fired), np.nan), where=fired)
    return pd.Series((n - relative) / (n - 1), rates.columns, name="depth")


def reliability(
    trials: pd.DataFrame,
    *,
    n_splits: int = 50,
    n_resamples: int = 400,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """How well half of the trials predicts the other, with an interval over pictures.

    Parameters
    ----------
    trials : rates of single trials, (n_trials, n_units); index: picture id
    n_splits : random halvings of every picture's trials
    n_resamples : drawings of pictures, with all their trials, with replacement

    Returns
    -------
    DataFrame, one row per unit
        `rho`, correlation over pictures of the means of two halves, averaged over the splits;
        `low`, `high`, its percentile interval; `reliability`, ``2 rho / (1 + rho)``, of the mean of
        all trials (Spearman-Brown).  Of an odd number of trials one, drawn anew for every split, is
        left aside.  NaN for units with a half that does not vary.

    Raises
    ------
    AnalysisError
        If a picture was shown only once, there are fewer than three, or a rate is missing.
    """
    refuse_gaps(trials, "rates")
    picture, names = pd.factorize(trials.index, sort=True)
    shown = np.bincount(picture)
    if (shown < 2).any():
        raise AnalysisError(f"reliability needs two trials of {some(names[shown < 2])}")
    if len(names) < 3:
        raise AnalysisError(f"reliability needs at least three pictures, not {len(names)}")
    rng = np.random.default_rng(seed)
    values, n = trials.to_numpy(dtype=float), len(names)
    drawn = rng.integers(0, n, (n_resamples, n)) + n * np.arange(n_resamples)[:, None]
    times = np.bincount(drawn.ravel(), minlength=n_resamples * n).reshape(n_resamples, n)
    weights = np.concatenate([np.ones((1, n)), times]) / n
    rho = np.zeros((len(weights), values.shape[1]))
    for _ in range(n_splits):
        rho += _weighted_correlation(weights, *_halves(values, picture, shown, rng)) / n_splits
    tail = (1 - confidence) / 2
    low, high = np.quantile(rho[1:], [tail, 1 - tail], axis=0)
    return pd.DataFrame(
        {"rho": rho[0], "low": low, "high": high, "reliability": 2 * rho[0] / (1 + rho[0])},
        trials.columns,
    )


def _rates(rates: pd.DataFrame) -> FloatArray:
    refuse_gaps(rates, "rates")
    r = rates.to_numpy(dtype=float)
    if len(r) < 2:
        raise AnalysisError(f"at least two pictures are needed, not {len(r)}")
    below = np.flatnonzero((r < 0).any(axis=0))
    if len(below):
        raise AnalysisError(f"rates: below 0 in {some(rates.columns[below])}")
    return r


def _without_blocks(trials: pd.DataFrame, blocks: Sequence[Any]) -> FloatArray:
    """Rates less the mean of their block; exactly 0 for units that do not vary."""
    refuse_gaps(trials, "rates")
    if len(blocks) != len(trials):
        raise AnalysisError(f"{len(trials)} trials, but {len(blocks)} blocks for them")
    values = trials.to_numpy(dtype=float)
    block = pd.factorize(pd.Series(list(blocks)))[0]
    rest = values - _group_sums(values, block)[block] / np.bincount(block)[block, None]
    still = np.abs(rest).max(axis=0) <= SAME * np.abs(values).max(axis=0)
    rest[:, still] = 0.0
    return np.asarray(rest)


def _group_sums(values: FloatArray, code: NDArray[np.int64]) -> FloatArray:
    order = code.argsort(kind="stable")
    size = np.bincount(code)
    return np.asarray(np.add.reduceat(values[order], size.cumsum() - size, axis=0))


def _picture_means(
    trials: pd.DataFrame, blocks: Sequence[Any]
) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """Mean of each picture less the mean of its blocks, and which were shown in the same blocks."""
    values = _without_blocks(trials, blocks)
    picture, names = pd.factorize(trials.index, sort=True)
    means = _group_sums(values, picture) / np.bincount(picture)[:, None]
    means -= means.mean(axis=0)
    still = ~values.any(axis=0)
    means[:, still] = 0.0
    shown_in = pd.crosstab(picture, pd.factorize(pd.Series(list(blocks)))[0]).to_numpy()
    strata = np.unique(shown_in, axis=0, return_inverse=True)[1].ravel()
    return pd.DataFrame(means, names, trials.columns), strata


def _categories(
    pictures: pd.Index, categories: pd.Series
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    refuse_doubles(categories.index, "categories")
    known = categories.dropna()
    missing = pictures[~pictures.isin(known.index)]
    if len(missing):
        raise AnalysisError(f"categories: none for {some(missing)}")
    code, names = pd.factorize(known.loc[pictures], sort=True)
    lonely = names[np.bincount(code) < 2]
    if len(names) < 2 or len(lonely):
        found = f"only one of {some(lonely)}" if len(lonely) else f"only {some(names)}"
        raise AnalysisError(f"categories: two with at least two pictures each are needed; {found}")
    return code, np.asarray(names, dtype=object)


def _within(
    code: NDArray[np.int64], strata: NDArray[np.int64], n: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """The codes dealt anew within each stratum, (n, n_codes)."""
    keys = rng.random((n, len(code)))
    order = np.lexsort((keys, np.broadcast_to(strata, keys.shape)), axis=1)
    dealt = np.empty((n, len(code)), dtype=np.int64)
    place = np.lexsort((np.arange(len(code)), strata))
    dealt[:, place] = code[order]
    return dealt


def _between(y: FloatArray, codes: NDArray[np.int64], n_groups: int) -> FloatArray:
    """Sum of squares between groups of centred columns, (n_codings, n_units)."""
    found = np.empty((len(codes), y.shape[1]))
    for row, code in enumerate(codes):
        order = code.argsort(kind="stable")
        size = np.bincount(code, minlength=n_groups)
        sums = np.add.reduceat(y[order], size.cumsum() - size, axis=0)
        found[row] = (sums**2 / size[:, None]).sum(axis=0)
    return found


def _halves(
    values: FloatArray,
    picture: NDArray[np.int64],
    shown: NDArray[np.int64],
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray]:
    """Means of two random halves of every picture's trials, (n_images, n_units)."""
    order = np.lexsort((rng.random(len(picture)), picture))
    start = shown.cumsum() - shown
    place = np.arange(len(order)) - np.repeat(start, shown)
    size = np.repeat(shown // 2, shown)
    first, second = (
        np.add.reduceat(values[order] * part[:, None], start, axis=0) / (shown // 2)[:, None]
        for part in (place < size, (place >= size) & (place < 2 * size))
    )
    return first, second


def _weighted_correlation(weights: FloatArray, a: FloatArray, b: FloatArray) -> FloatArray:
    """Correlation of columns under each row of weights that sum to 1, (n_weights, n_columns)."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    mean_a, mean_b = weights @ a, weights @ b
    spread = (weights @ a**2 - mean_a**2) * (weights @ b**2 - mean_b**2)
    together = weights @ (a * b) - mean_a * mean_b
    moving = spread > SAME * ((a**2).mean(axis=0) * (b**2).mean(axis=0))
    return np.asarray(
        np.divide(together, np.sqrt(np.abs(spread)), out=np.full_like(spread, np.nan), where=moving)
    )
