"""Does a trial that was imagined more vividly look different in the neurons?

Ratings are steps of a scale, 1 to k, given after most trials.  They are ranked, and trials are
compared within blocks only: ratings and rates both drift over a session.  What they are set
against is a vector per unit, or a single one: the rate of each trial, how far it goes along the
code of viewing (`signed_evidence`), or how clearly a decoder read the item.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.stats
from numpy.typing import NDArray

from analysis.imagined.trials import ImageryTrials, without_block_means
from analysis.inference import (
    LEVEL,
    N_SAMPLED,
    SAME,
    benjamini_hochberg,
    label_permutations,
    permutation_p,
)
from analysis.labels import refuse_doubles, refuse_gaps, rows_of, some
from analysis.prediction import unvarying
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]

POWER = 0.8
FEWEST_RATED = 4
# An effect so many standard errors from 0 is found with 80 % power at p <= 0.05, two-sided.
DETECTABLE = float(scipy.stats.norm.ppf(1 - LEVEL / 2) + scipy.stats.norm.ppf(POWER))


@dataclass(frozen=True, slots=True)
class Vividness:
    """Ratings against what neurons did, within one session.

    Attributes
    ----------
    units : one row per column of the values; `r`: Spearman correlation within blocks; `p`, `q`:
        two-sided; `detectable_r`: least r that this design finds with 80 % power at p <= 0.05
    mean_r : over the units tested
    p : of `mean_r`, two-sided; ratings are permuted for all units at once
    detectable_mean_r : least mean r that is found with 80 % power
    answered, missing : trials with and without a rating
    counts : how often each rating was given, (n_ratings,)
    blocks : within which trials were compared
    smallest_p : that the draws can give
    untested : columns that do not vary within blocks
    null : sum of `r` over units under every permutation, (n_permutations,)
    """

    units: pd.DataFrame
    mean_r: float
    p: float
    detectable_mean_r: float
    answered: int
    missing: int
    counts: pd.Series
    blocks: int
    smallest_p: float
    untested: tuple[Any, ...]
    null: FloatArray


def vividness(
    values: pd.DataFrame, ratings: pd.Series, blocks: pd.Series, seed: int = 0
) -> Vividness:
    """Rank correlation of ratings with what neurons did, trial by trial.

    Both are ranked over the trials with a rating; the mean of each block and a straight trend
    within it are taken out of the ranks, and the rest is correlated (Pearson).  Chance is what
    permuting the ratings within blocks gives; where ratings have a trend of their own it is strict.

    Parameters
    ----------
    values : of every trial, in the order of time, (n_trials, n_units): rates, `signed_evidence`, or
        a single column of evidence from a decoder
    ratings : of every trial, in the same order; NaN where no answer came
    blocks : of every trial, in the same order.  To exclude that vivid items simply drive a unit
        more, give a name to every item of every block instead
    seed : of the 4999 permutations

    Raises
    ------
    AnalysisError
        If rows differ in number, values of rated trials are not finite, fewer than 4 trials were
        rated, or ratings are the same in all trials or within every block.
    """
    if not len(values) == len(ratings) == len(blocks):
        raise AnalysisError(
            f"vividness: {len(values)} trials, {len(ratings)} ratings and blocks for {len(blocks)}"
        )
    refuse_doubles(values.columns, "units")
    given = ratings.notna().to_numpy()
    kept, rated, where = values[given], ratings[given].to_numpy(), blocks[given].to_numpy()
    refuse_gaps(kept, "vividness")
    x = _rating_ranks(rated, where)
    y = _block_free_ranks(kept.to_numpy(dtype=float), where)
    size = np.linalg.norm(x) * np.linalg.norm(y, axis=0)
    tested = size > 0
    drawn = label_permutations(rated, where, seed)
    null, r = np.full((len(drawn.rows), kept.shape[1]), np.nan), np.full(kept.shape[1], np.nan)
    # Means and trends of blocks stay in the permuted ranks: `y` has none for them to meet.
    raw = scipy.stats.rankdata(rated)
    ranks = raw[[np.flatnonzero(rated == one)[0] for one in pd.unique(rated)]]
    null[:, tested] = ranks[drawn.rows] @ y[:, tested] / size[tested]
    r[tested] = x @ y[:, tested] / size[tested]
    p = permutation_p(np.abs(r), np.abs(null), exact=False)
    units = pd.DataFrame({"r": r, "p": p}, index=values.columns)
    units["q"] = benjamini_hochberg(units["p"])
    units["detectable_r"] = DETECTABLE * null.std(axis=0)
    sums = null[:, tested].sum(axis=1)
    n = int(tested.sum())
    return Vividness(
        units=units,
        mean_r=float(r[tested].mean()) if n else np.nan,
        p=float(permutation_p(abs(r[tested].sum()), np.abs(sums), exact=False)) if n else np.nan,
        detectable_mean_r=float(DETECTABLE * sums.std() / n) if n else np.nan,
        answered=int(given.sum()),
        missing=int((~given).sum()),
        counts=pd.Series(rated, name="trials").value_counts().sort_index(),
        blocks=len(pd.unique(where)),
        smallest_p=1 / (1 + N_SAMPLED),
        untested=tuple(values.columns[~tested]),
        null=sums,
    )


def signed_evidence(trials: ImageryTrials, quantity: pd.DataFrame) -> pd.DataFrame:
    """How far the rate of each trial goes where the code of viewing says it should, Hz.

    ``(rate - mean of its block) * (quantity of its item - mean of its block) / SD``: above 0 where
    a unit fires more for an item that lies further along its axis, or less for one less far.
    Against ratings it asks whether the *gain* of imagery grows with vividness.

    Parameters
    ----------
    quantity : projections on the viewing axis or viewing rates, (n_items, n_units)

    Returns
    -------
    DataFrame, (n_trials, n_units)
        NaN columns for units whose quantity does not vary within blocks.

    Raises
    ------
    AnalysisError
        If an item or a unit is not in the table, or a unit has a quantity of some items only.
    """
    known = rows_of(quantity, pd.Index(trials.item), "imagined items")
    units = trials.during.columns
    if len(missing := units.difference(known.columns)):
        raise AnalysisError(f"imagined items: nothing is known for unit {some(missing)}")
    known = known[units]
    refuse_gaps(known.dropna(axis="columns", how="all"), "imagined items")
    blocks = trials.block.to_numpy()
    x = without_block_means(known.to_numpy(dtype=float), blocks)
    y = without_block_means(trials.during.to_numpy(dtype=float), blocks)
    spread = np.where(unvarying(known.to_numpy(dtype=float)), 0.0, x.std(axis=0))
    scaled = x / np.where(spread > 0, spread, np.nan)
    return pd.DataFrame(y * scaled, trials.during.index, units)


def population_vividness(sessions: Sequence[Vividness], seed: int = 0) -> pd.Series:
    """The mean correlation over the units of all sessions.

    Parameters
    ----------
    seed : of combinations of permutations

    Returns
    -------
    Series
        `units`, `mean_r`, `p` (two-sided; each session is permuted as a whole), `detectable_mean_r`

    Raises
    ------
    AnalysisError
        If no unit was tested in any session.
    """
    units = sum(int(s.units["r"].notna().sum()) for s in sessions)
    if not units:
        raise AnalysisError("vividness: no unit was tested in any session")
    rng = np.random.default_rng(seed)
    total = sum(float(s.units["r"].sum()) for s in sessions)
    null = np.sum([rng.choice(s.null, N_SAMPLED) for s in sessions], axis=0)
    return pd.Series(
        {
            "units": units,
            "mean_r": total / units,
            "p": float(permutation_p(abs(total), np.abs(null), exact=False)),
            "detectable_mean_r": DETECTABLE * float(null.std()) / units,
        }
    )


def _rating_ranks(rated: FloatArray, blocks: NDArray[Any]) -> FloatArray:
    """Ranks of the ratings, block means taken out."""
    if len(rated) < FEWEST_RATED:
        raise AnalysisError(
            f"vividness: {len(rated)} trials were rated; at least {FEWEST_RATED} are needed"
        )
    if len(different := pd.unique(rated)) == 1:
        raise AnalysisError(f"vividness: all {len(rated)} ratings are {different[0]:g}")
    ranks = _block_free_ranks(rated[:, None], blocks)[:, 0]
    if not ranks.any():
        raise AnalysisError("vividness: the ratings are the same within every block")
    return ranks


def _block_free_ranks(values: FloatArray, blocks: NDArray[Any]) -> FloatArray:
    """Ranks of the rows less a line through each block; exactly 0 where only rounding is left."""
    free = scipy.stats.rankdata(values, axis=0)
    for block in pd.unique(blocks):
        rows = np.flatnonzero(blocks == block)
        place = np.arange(len(rows)) - (len(rows) - 1) / 2
        line = np.column_stack([np.ones(len(rows)), place])
        free[rows] -= line @ (np.linalg.pinv(line) @ free[rows])
    return np.asarray(np.where(np.abs(free) > SAME * len(values), free, 0.0))
