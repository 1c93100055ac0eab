"""Does a unit take part in imagery, and by the code it has for seen pictures?

A session of cued imagery comes in blocks, each with a few items (two in the study) cued several
times.  Rates drift from block to block, and every item lives in few blocks, so that trials of
different blocks are never compared: block means are taken out, and chance is what exchanging
items within blocks would give.  Exchanged on all trials of a block together (a *swap*), the test is
exact whatever rates do within the block, where the order of the items in it was drawn at random.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.stats
from numpy.typing import NDArray

from analysis.axis import axis_weights, orthogonal_axis, projections
from analysis.imagined.trials import ImageryTrials, without_block_means
from analysis.inference import (
    LEVEL,
    N_SAMPLED,
    SAME,
    benjamini_hochberg,
    label_permutations,
    label_swaps,
    permutation_p,
    proportion_interval,
    sign_flips,
    units_needed,
)
from analysis.labels import refuse_gaps, rows_of, some
from analysis.space import ObjectSpace
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reactivation:
    """Which units take part in imagery.

    Attributes
    ----------
    units : one row per unit, with the columns
        `change_hz`, `p_modulated`: rate in imagery less that before the cue, mean of the blocks;
        `eta2`, `p_selective`: share of the variance within blocks that lies between items;
        `p`, `q`: of both questions together; `reactivated`: q <= 0.05;
        `p_swap`: of `eta2`, by swaps alone
    smallest_p : least `p` that this design can give
    needed : how many units must reach it before any is called reactivated; None if all together
        would not be enough: then this session cannot show reactivation of single units
    """

    units: pd.DataFrame
    smallest_p: float
    needed: int | None


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


def reactivation(trials: ImageryTrials, seed: int = 0) -> Reactivation:
    """Which units take part in imagery, by one rule declared here.

    Two questions are put to each unit.  *Modulated*: does its rate change after the cue?  The block
    means of (during - before) against their sign flips, two-sided.  *Selective*: does its rate
    differ between items?  The variance between items, block means removed, against exchanges of
    items among the trials of each block (`label_permutations`).
    ``p = 2 * min(p_modulated, p_selective)`` answers for both, and units with ``q <= 0.05``
    (Benjamini-Hochberg over the units of the session) are called reactivated.

    Parameters
    ----------
    seed : of relabellings that are drawn

    Notes
    -----
    `p_swap` asks the second question of swaps only: it assumes nothing about trials within a
    block, but with two items a block it sees little more than whether an item stands out in both
    of its blocks.  Take it as the strictest reading, not as the rule.

    These units were chosen by their imagery rates: sizes of effects in imagery measured on them
    alone are too large.  `viewing_code` is meant for units chosen by viewing.
    """
    p_modulated, change, least_modulated = _modulated(trials, seed)
    eta2, p_selective, p_swap, least_selective = _selective(trials, seed)
    both = np.fmin(p_modulated, p_selective)
    p = pd.Series(np.minimum(1.0, 2 * both), trials.during.columns)
    q = benjamini_hochberg(p)
    smallest = min(1.0, 2 * min(least_modulated, least_selective))
    units = pd.DataFrame(
        {
            "change_hz": change,
            "p_modulated": p_modulated,
            "eta2": eta2,
            "p_selective": p_selective,
            "p": p,
            "q": q,
            "reactivated": q <= LEVEL,
            "p_swap": p_swap,
        },
        index=trials.during.columns,
    )
    return Reactivation(units, smallest, units_needed(int(p.notna().sum()), smallest))


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
        block, block means removed from both; `slope` the regression coefficient.  With a single
        block these are the ordinary ones over items.  NaN for units that do not vary.

    Raises
    ------
    AnalysisError
        If an item or a unit is not in the table, or a unit has a quantity of some items only.
    """
    cells = trials.during.groupby([trials.block, trials.item], sort=False).mean()
    blocks, items = (cells.index.get_level_values(n).to_numpy() for n in (0, 1))
    codes, names = pd.factorize(items)
    known = _known(quantity, pd.Index(names), cells.columns)
    x = without_block_means(known[codes], blocks)
    y = without_block_means(cells.to_numpy(dtype=float), blocks)
    swaps = label_swaps(items, blocks, seed)
    along, size = (x * y).sum(axis=0), _length(x, known) * _length(y, cells.to_numpy())
    r = along / size
    # Exchanging items within a block changes neither its mean nor the sum of squares.
    sums = _item_sums(swaps.rows, len(names), y)
    null = sum(value * of_item for value, of_item in zip(known, sums, strict=True)) / size
    p = _p(r, null, swaps.exact, two_sided)
    units = pd.DataFrame({"r": r, "slope": along / _length(x, known) ** 2, "p": p})
    units.index = cells.columns
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


def _modulated(trials: ImageryTrials, seed: int) -> tuple[FloatArray, FloatArray, float]:
    """P, mean change in Hz, and the smallest possible p."""
    change = (trials.during - trials.before).groupby(trials.block).mean().to_numpy(dtype=float)
    flips = sign_flips(len(change), seed)
    mean = change.mean(axis=0)
    observed = np.where((change != 0).any(axis=0), mean, np.nan)
    p = _p(observed, flips.rows @ change / len(change), flips.exact, two_sided=True)
    alike = (flips.rows == flips.rows[:, :1]).all(axis=1)
    return p, mean, _smallest(alike, flips.exact)


def _selective(
    trials: ImageryTrials, seed: int
) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    """Share of variance between items, p, p by swaps alone, and the smallest possible p."""
    blocks, items = trials.block.to_numpy(), trials.item.to_numpy()
    codes, names = pd.factorize(items)
    rates = trials.during.to_numpy(dtype=float)
    y = without_block_means(rates, blocks)
    total = _length(y, rates) ** 2
    eta2 = _between(codes[None], len(names), y)[0] / total
    drawn, swaps = label_permutations(items, blocks, seed), label_swaps(items, blocks, seed)
    p, p_swap = (
        permutation_p(eta2, _between(by.rows, len(names), y) / total, exact=by.exact)
        for by in (drawn, swaps)
    )
    return eta2, p, p_swap, _smallest(_same_groups(drawn.rows, codes), drawn.exact)


def _between(rows: NDArray[Any], n_items: int, y: FloatArray) -> FloatArray:
    """Sum of squares between items under each relabelling, (n_relabellings, n_units)."""
    squares = np.zeros((len(rows), y.shape[1]))
    for n, sums in enumerate(_item_sums(rows, n_items, y)):
        trials = (rows == n).sum(axis=1)[:, None]
        squares += sums**2 / np.maximum(trials, 1)
    return squares


def _item_sums(rows: NDArray[Any], n_items: int, y: FloatArray) -> Iterator[FloatArray]:
    """For each item the sum of `y` over its rows, (n_relabellings, n_units)."""
    return ((rows == n) @ y for n in range(n_items))


def _same_groups(rows: NDArray[Any], codes: NDArray[Any]) -> NDArray[np.bool_]:
    """Relabellings that only rename the items, and so cannot differ from what was observed."""
    together = codes[:, None] == codes
    return np.array([np.array_equal(row[:, None] == row, together) for row in rows])


def _smallest(alike: NDArray[np.bool_], exact: bool) -> float:
    return float(permutation_p(1.0, alike.astype(float), exact=exact))


def _p(r: FloatArray, null: FloatArray, exact: bool, two_sided: bool) -> FloatArray:
    if two_sided:
        r, null = np.abs(r), np.abs(null)
    return permutation_p(r, null, exact=exact)


def _length(centred: FloatArray, values: FloatArray) -> FloatArray:
    """Length of the columns of `centred`; NaN where only rounding is left of `values`."""
    length = np.linalg.norm(centred, axis=0)
    return np.where(length > SAME * np.abs(values).max(axis=0), length, np.nan)
