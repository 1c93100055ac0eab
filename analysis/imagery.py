"""Does imagery follow, unit by unit and together, what is known from viewing?

A session of cued imagery comes in blocks, each with a few items (two in the study) cued several
times.  Rates drift from block to block, and every item lives in few blocks, so that trials of
different blocks are never compared: block means and the trend within each block are taken out
(`analysis.imagined.blocks`), and chance is what exchanging items within blocks would give.
Exchanged on all trials of a block together (a *swap*), the test is exact whatever rates do within
the block, where the order of the items in it was drawn at random.  Where the first item of a pair
was always cued first, as published, a straight trend cannot pass for an item, a bent one hardly.

Whether a unit takes part in imagery at all is asked in `analysis.imagined.questions`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.stats
from numpy.typing import NDArray

from analysis.axis import axis_weights, orthogonal_axis, projections
from analysis.imagined.blocks import without_trends
from analysis.imagined.questions import Reactivation, reactivation
from analysis.imagined.trials import ImageryTrials, without_block_means
from analysis.inference import (
    N_SAMPLED,
    SAME,
    benjamini_hochberg,
    label_swaps,
    permutation_p,
    proportion_interval,
)
from analysis.labels import refuse_gaps, rows_of, some
from analysis.space import ObjectSpace
from task.contract.errors import AnalysisError

__all__ = [
    "ImaginedCode",
    "Reactivation",
    "ViewingCode",
    "imagined_code",
    "population",
    "reactivation",
    "viewing_code",
]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ImaginedCode:
    """How imagery follows a quantity known of every item, unit by unit.

    Attributes
    ----------
    units : one row per unit; `r`, `slope` (Hz per unit of the quantity), `p`, `q`
    null : `r` under every exchange of items within blocks, (n_relabellings, n_units)
    exact : whether these exchanges are all there are
    two_sided : whether the sign of the quantity means nothing, so that `p` counts ``abs(r)``
    """

    units: pd.DataFrame
    null: FloatArray
    exact: bool
    two_sided: bool


@dataclass(frozen=True, slots=True)
class ViewingCode:
    """What viewing says about imagery.

    Attributes
    ----------
    axis : by the projection on the preferred axis, fitted without the imagined pictures
    orthogonal : by the projection on the principal orthogonal axis, whose sign means nothing
    viewing : by the rate while the item was seen; its slope is the gain of imagery, Hz per Hz
    """

    axis: ImaginedCode
    orthogonal: ImaginedCode
    viewing: ImaginedCode


def imagined_code(
    trials: ImageryTrials, quantity: pd.DataFrame, *, two_sided: bool = False, seed: int = 0
) -> ImaginedCode:
    """How rates in imagery follow a quantity known of every item.

    Parameters
    ----------
    quantity : of every item for every unit, (n_items, n_units); for instance projections or
        viewing rates.  Units that have none at all (no axis in viewing) are not tested
    two_sided : whether `r` below 0 counts as much as above
    seed : of relabellings, where a design has more than 4096

    Returns
    -------
    ImaginedCode
        `r` is the Pearson correlation of the quantity with the mean rate of every item in every
        block, block means removed from both and the trend within each block from the rates;
        `slope` the regression coefficient, for which the trend is removed from both.  With a single
        block of single trials these are the ordinary ones over items.  NaN for units that do not
        vary.

    Raises
    ------
    AnalysisError
        If an item or a unit is not in the table, or a unit has a quantity of some items only.
    """
    items, blocks = trials.item.to_numpy(), trials.block.to_numpy()
    codes, names = pd.factorize(items)
    known = _known(quantity, pd.Index(names), trials.during.columns)
    rates = trials.during.to_numpy(dtype=float)
    y = without_trends(rates, items, blocks)
    cell_means = _means_of(y, items, blocks)
    swaps = label_swaps(items, blocks, seed)
    along = (known[codes] * y).sum(axis=0)
    x = without_block_means(known[codes], blocks)
    size = _length(x, known) * _length(cell_means, rates)
    r = along / size
    # Exchanging items within a block changes what the rates are multiplied with, not their size.
    sums = _item_sums(swaps.rows, len(names), y)
    null = sum(value * of_item for value, of_item in zip(known, sums, strict=True)) / size
    p = _p(r, null, swaps.exact, two_sided)
    slope = along / _length(without_trends(known[codes], items, blocks), known) ** 2
    units = pd.DataFrame({"r": r, "slope": slope, "p": p}, index=trials.during.columns)
    units["q"] = benjamini_hochberg(units["p"])
    return ImaginedCode(units, null, swaps.exact, two_sided)


def _known(quantity: pd.DataFrame, items: pd.Index, units: pd.Index) -> FloatArray:
    """The quantity of these items for these units, (n_items, n_units)."""
    wanted = rows_of(quantity, items, "imagined items")
    missing = units.difference(wanted.columns)
    if len(missing):
        raise AnalysisError(f"imagined items: nothing is known for unit {some(missing)}")
    refuse_gaps(wanted.dropna(axis="columns", how="all"), "imagined items")
    return wanted[units].to_numpy(dtype=float)


def viewing_code(
    trials: ImageryTrials, rates: pd.DataFrame, space: ObjectSpace, seed: int = 0
) -> ViewingCode:
    """Whether imagery re-uses the code of viewing.

    Parameters
    ----------
    rates : viewing rates, Hz, (n_images, n_units); the imagined pictures among them
    space : object space of all these pictures
    seed : of relabellings, where a design has more than 4096

    Notes
    -----
    The axes are fitted on the pictures that were *not* imagined, so that no rate to an imagined
    picture decides where that picture lies on the axis.

    Raises
    ------
    AnalysisError
        If an imagined picture has no viewing rate or no place in the space, a unit of the imagery
        was not recorded in viewing, or too few pictures remain for a fit.
    """
    items = pd.Index(trials.item.unique())
    missing = trials.during.columns.difference(rates.columns)
    if len(missing):
        raise AnalysisError(f"viewing: no rates of unit {some(missing)}")
    seen = rates[trials.during.columns]
    viewed = rows_of(seen, items, "viewing rates")
    others = seen.drop(index=items)
    imagined = space.at(items)
    weights = axis_weights(others, space)
    orthogonal = orthogonal_axis(weights, space.at(others.index))
    return ViewingCode(
        imagined_code(trials, projections(weights, imagined), seed=seed),
        imagined_code(trials, projections(orthogonal, imagined), two_sided=True, seed=seed),
        imagined_code(trials, viewed, seed=seed),
    )


def population(sessions: Sequence[ImaginedCode], seed: int = 0) -> pd.Series:
    """Whether the units as a whole follow the quantity in imagery.

    Parameters
    ----------
    sessions : the same question in each session
    seed : of combinations of exchanges, where there are several sessions

    Returns
    -------
    Series
        `units`, `mean_r`, `median_r`, `positive` (share of r > 0) with its 95 % interval
        `positive_low`, `positive_high`; `wilcoxon_p`, which takes units as independent; `swap_p`,
        which exchanges items for all units of a session at once and so respects what they share.
        The statistic of `swap_p` is the mean of r, or of ``abs(r)`` where the question is
        two-sided.

    Raises
    ------
    AnalysisError
        If no unit varies in imagery.
    """
    tested = [code.units["r"].notna().to_numpy() for code in sessions]
    r = np.concatenate(
        [c.units["r"].to_numpy()[ok] for c, ok in zip(sessions, tested, strict=True)]
    )
    if not len(r):
        raise AnalysisError("population: no unit varies in imagery")
    two_sided = sessions[0].two_sided
    swap_p = _swap_p(sessions, tested, np.abs(r).sum() if two_sided else r.sum(), seed)
    wilcoxon = scipy.stats.wilcoxon(r, alternative="two-sided" if two_sided else "greater")
    positive = int((r > 0).sum())
    low, high = proportion_interval(positive, len(r))
    found: dict[str, float] = {
        "units": len(r),
        "mean_r": float(r.mean()),
        "median_r": float(np.median(r)),
        "positive": positive / len(r),
        "positive_low": low,
        "positive_high": high,
        "wilcoxon_p": float(wilcoxon.pvalue),
        "swap_p": swap_p,
    }
    return pd.Series(found)


def _swap_p(
    sessions: Sequence[ImaginedCode], tested: list[NDArray[np.bool_]], total: float, seed: int
) -> float:
    """P of the sum of r, or of its absolute value, over the units of all sessions."""
    side = np.abs if sessions[0].two_sided else np.asarray
    sums = [side(c.null[:, ok]).sum(axis=1) for c, ok in zip(sessions, tested, strict=True)]
    exact = len(sums) == 1 and sessions[0].exact
    if not exact:
        rng = np.random.default_rng(seed)
        sums = [rng.choice(session, N_SAMPLED) for session in sums]
    return float(permutation_p(total, sum(sums), exact=exact))


def _means_of(y: FloatArray, items: NDArray[Any], blocks: NDArray[Any]) -> FloatArray:
    """Every row the mean of the rows with its item and block."""
    means = pd.DataFrame(y).groupby([blocks, items], sort=False).transform("mean")
    return means.to_numpy(dtype=float)


def _item_sums(rows: NDArray[Any], n_items: int, y: FloatArray) -> Iterator[FloatArray]:
    """For each item the sum of `y` over its rows, (n_relabellings, n_units)."""
    return ((rows == n).astype(float) @ y for n in range(n_items))


def _p(r: FloatArray, null: FloatArray, exact: bool, two_sided: bool) -> FloatArray:
    if two_sided:
        r, null = np.abs(r), np.abs(null)
    return permutation_p(r, null, exact=exact)


def _length(centred: FloatArray, values: FloatArray) -> FloatArray:
    """Length of the columns of `centred`; NaN where only rounding is left of `values`."""
    length = np.linalg.norm(centred, axis=0)
    return np.where(length > SAME * np.abs(values).max(axis=0), length, np.nan)
