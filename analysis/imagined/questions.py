"""Which units take part in imagery: two questions, declared here, and what a design can answer.

*Modulated*: does a unit's rate change after the cue?  *Item-selective*: does it differ between the
items of a block?  Each has one rule, on which claims rest, and a stricter reading by whole blocks,
which assumes less and, with the eight blocks of the study, can call next to no single unit.

    modulated    rate in imagery less that before the cue, trial by trial, against sign flips
                 (strict: block means against sign flips)
    selective    variance between items within blocks, against exchanges of items among the trials
                 of a block (strict: against exchanges on all trials of a block together)

What is no imagery and yet looks like it is taken out beforehand: block means, and a straight trend
within each block, whose items may always have been cued in the same order.  How often the rules err
without any imagery stands in `docs/validation.md`, and how much they find beside it.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.stats
from numpy.typing import NDArray

from analysis.imagined.blocks import without_trends
from analysis.imagined.reach import QUESTIONS, Null, Reach, nulls_of, reach_of, smallest_of
from analysis.imagined.trials import ImageryTrials
from analysis.inference import LEVEL, SAME, benjamini_hochberg, permutation_p
from analysis.labels import refuse_gaps, some
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]

_UNITS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Reactivation:
    """Which units take part in imagery.

    Attributes
    ----------
    units : one row per unit, with the columns
        `change_hz`, `p_modulated`, `q_modulated`: rate in imagery less that before the cue;
        `eta2`, `p_selective`, `q_selective`: share of the variance within blocks between items;
        `p`, `q`: of both questions together; `reactivated`: q <= 0.05;
        `p_modulated_by_block`, `p_swap`: the strict readings; `untested`: why, '' if tested
    smallest_p : least `p` that this design can give
    needed : how many units must reach it before any is called reactivated; None if all together
        would not be enough: then this session cannot show reactivation of single units
    reach : what each test can show
    population : one row per question, `modulated` and `selective`: `units` tested, `share` (mean
        over units of the share of a unit's variance that the answer explains), `p` of all units
        together, `smallest_p`; relabelled for all units at once, so that what they share is
        respected.  It stands where `reach.claims` is false too
    """

    units: pd.DataFrame
    smallest_p: float
    needed: int | None
    reach: Reach
    population: pd.DataFrame


@dataclass(frozen=True, slots=True)
class _Tested:
    """Statistic and p of each unit, and of all together."""

    share: FloatArray
    p: FloatArray
    population_p: float


def reactivation(trials: ImageryTrials, seed: int = 0) -> Reactivation:
    """Which units take part in imagery, by one rule declared here.

    ``p = 2 * min(p_modulated, p_selective)`` answers for both questions, and units with
    ``q <= 0.05`` (Benjamini-Hochberg over the units of the session) are called reactivated.

    Parameters
    ----------
    trials : rows in the order of time
    seed : of relabellings that are drawn; the same for all units

    Raises
    ------
    AnalysisError
        If rates are not finite or two units have one name.

    Notes
    -----
    *Modulated* takes what a unit does after a cue as symmetrical about no change, trial by trial.
    A change must stand whether the trend within a block runs on within its trials, where the window
    of imagery is later than that before the cue, or only from one trial to the next: p is the
    larger of both.  Counts of slow units are skew, for which sign flips call up to four times too
    many at 0.001; where the widths of the windows are known, p is also no smaller than that of a
    binomial test of all spikes before and after the cue, which holds for Poisson counts of any rate
    and any drift.  Price: a twentieth of the power.

    *Selective* takes trials of a block as equal but for their item, once a straight trend is out.
    Rates that wander slowly make it too strict, since items alternate; only rates that go up and
    down from one trial to the next make it too lenient.  Where the order in the block was fixed
    (A first, as published) it assumes that a trend is straight, or small where it bends.  Swaps of
    whole blocks, ``p_swap``, assume nothing of trials within a block where the order was drawn;
    with two items a block they see little more than whether an item stands out in both of its
    blocks, and their p begins at 2/256.

    These units were chosen by their imagery rates: sizes of effects in imagery measured on them
    alone are too large.
    """
    _refuse_unusable(trials)
    items, blocks = trials.item.to_numpy(), trials.block.to_numpy()
    nulls = nulls_of(items, blocks, seed)
    asked = _asked(trials, nulls)
    units = _units(trials, asked, sum(nulls[name].smallest_p < 1 for name in QUESTIONS))
    units["untested"] = _untested(trials, nulls, units["p"].isna())
    reach, needed = reach_of(nulls, int(units["p"].notna().sum()), items, blocks)
    smallest = smallest_of(nulls)["reactivated"]
    return Reactivation(units, smallest, needed, reach, _population(asked, nulls))


def _asked(trials: ImageryTrials, nulls: Mapping[str, Null]) -> dict[str, _Tested]:
    """Every test of every unit."""
    items, rates = trials.item.to_numpy(), trials.during.to_numpy(dtype=float)
    left = _or_zero(without_trends(rates, items, trials.block.to_numpy()), rates)
    n_items = len(pd.unique(items))

    def between(rows: NDArray[Any], y: FloatArray) -> FloatArray:
        return _between(rows, n_items, y)

    by_trial, by_block = nulls["modulated"], nulls["modulated_by_block"]
    return {
        "modulated": _larger(_tested(by_trial, _summed, v) for v in _changes(trials)),
        "modulated_by_block": _larger(
            _tested(by_block, _summed, v) for v in _changes_by_block(trials)
        ),
        "selective": _tested(nulls["selective"], between, left),
        "selective_by_swap": _tested(nulls["selective_by_swap"], between, left),
    }


def _units(trials: ImageryTrials, asked: Mapping[str, _Tested], questions: int) -> pd.DataFrame:
    """The table of `Reactivation`, but for `untested`; `questions` is how many can be asked."""
    by_flips = asked["modulated"].p
    units = pd.DataFrame(
        {
            "change_hz": (trials.during - trials.before).mean(),
            "p_modulated": np.where(
                np.isnan(by_flips), np.nan, np.fmax(by_flips, _spikes_p(trials))
            ),
            "eta2": asked["selective"].share,
            "p_selective": asked["selective"].p,
        },
        index=trials.during.columns,
    )
    both = np.fmin(units["p_modulated"], units["p_selective"])
    units["p"] = np.minimum(1.0, questions * both)
    units["q"] = benjamini_hochberg(units["p"])
    units["reactivated"] = units["q"] <= LEVEL
    units["q_modulated"] = benjamini_hochberg(units["p_modulated"])
    units["q_selective"] = benjamini_hochberg(units["p_selective"])
    units["p_modulated_by_block"] = asked["modulated_by_block"].p
    units["p_swap"] = asked["selective_by_swap"].p
    return units


def _refuse_unusable(trials: ImageryTrials) -> None:
    units = trials.during.columns
    if units.has_duplicates:
        raise AnalysisError(f"imagery: two units are called {some(units[units.duplicated()])}")
    refuse_gaps(trials.before, "rates before the cue")
    refuse_gaps(trials.during, "rates in imagery")


def _tested(
    null: Null, statistic: Callable[[NDArray[Any], FloatArray], FloatArray], values: FloatArray
) -> _Tested:
    """Statistic against its relabellings, as a share of the sum of squares of `values`."""
    share, p = np.full((2, values.shape[1]), np.nan)
    together = np.zeros(len(null.by.rows))
    for start in range(0, values.shape[1], _UNITS_AT_ONCE):
        here = slice(start, start + _UNITS_AT_ONCE)
        squares = (values[:, here] ** 2).sum(axis=0)
        total = np.where(squares > 0, squares, 1.0)
        seen = statistic(null.observed[None], values[:, here])[0] / total
        share[here] = np.where(squares > 0, seen, np.nan)
        chance = statistic(null.by.rows, values[:, here])
        chance /= total
        p[here] = permutation_p(share[here], chance, exact=null.by.exact)
        together += chance.sum(axis=1)
    if null.smallest_p == 1 or np.isnan(share).all():
        return _Tested(share, np.full_like(p, np.nan), math.nan)
    return _Tested(share, p, float(permutation_p(np.nansum(share), together, exact=null.by.exact)))


def _summed(rows: NDArray[Any], values: FloatArray) -> FloatArray:
    """Squared sums under each row of signs, over how many there are: 1 if all are equal."""
    sums = (rows / np.sqrt(len(values))) @ values
    return np.asarray(np.square(sums, out=sums))


def _between(rows: NDArray[Any], n_items: int, y: FloatArray) -> FloatArray:
    """Sum of squares between items under each relabelling, (n_relabellings, n_units)."""
    squares = np.zeros((len(rows), y.shape[1]))
    for n in range(n_items):
        here = (rows == n).astype(float)
        sums = (here / np.sqrt(np.maximum(here.sum(axis=1, keepdims=True), 1))) @ y
        squares += np.square(sums, out=sums)
    return squares


def _larger(tested: Iterable[_Tested]) -> _Tested:
    """The first, with the largest p of all."""
    first, *others = tested
    p, population_p = first.p, first.population_p
    for other in others:
        p, population_p = np.maximum(p, other.p), max(population_p, other.population_p)
    return _Tested(first.share, p, population_p)


def _changes(trials: ImageryTrials) -> tuple[FloatArray, FloatArray]:
    """Changes after the cue, without and with a trend taken out, (n_trials + n_blocks, n_units).

    The correction of each block's sum stands as a row behind those of the trials.
    """
    change = (trials.during - trials.before).to_numpy(dtype=float)
    drift, _ = _drifts(trials)
    return np.vstack([change, 0 * drift]), np.vstack([change, -drift])


def _changes_by_block(trials: ImageryTrials) -> tuple[FloatArray, FloatArray]:
    """Mean change in each block, without and with that correction, (n_blocks, n_units)."""
    change = trials.during - trials.before
    drift, sizes = _drifts(trials)
    means = change.groupby(trials.block.to_numpy(), sort=False).mean().to_numpy(dtype=float)
    return means, means - drift / sizes[:, None]


def _drifts(trials: ImageryTrials) -> tuple[FloatArray, NDArray[np.int64]]:
    """What a trend makes of the sum of changes in each block, (n_blocks, n_units), and its trials.

    For each trial so many parts of the mean step from trial to trial as the one window is later.
    """
    level = ((trials.during + trials.before) / 2).to_numpy(dtype=float)
    codes, names = pd.factorize(trials.block.to_numpy())
    drift = np.empty((len(names), level.shape[1]))
    for n in range(len(names)):
        here = np.flatnonzero(codes == n)
        step = (level[here[-1]] - level[here[0]]) / max(1, len(here) - 1)
        drift[n] = trials.lag * len(here) * step
    return drift, np.bincount(codes)


def _spikes_p(trials: ImageryTrials) -> FloatArray:
    """Two-sided p (mid-p) that spikes fall after the cue as the windows are wide, (n_units,).

    Given all spikes of a unit, those in imagery are binomial if its rate does not change,
    whatever it is in each trial.  NaN where the widths of the windows are not known.
    """
    if trials.widths_s is None:
        return np.full(trials.during.shape[1], np.nan)
    before, during = (
        (rates.to_numpy(dtype=float).sum(axis=0) * width).round()
        for rates, width in zip((trials.before, trials.during), trials.widths_s, strict=True)
    )
    spikes = scipy.stats.binom(before + during, trials.widths_s[1] / sum(trials.widths_s))
    half = spikes.pmf(during) / 2
    fewer, more = spikes.cdf(during) - half, spikes.sf(during) + half
    return np.asarray(np.minimum(1.0, 2 * np.minimum(fewer, more)))


def _or_zero(left: FloatArray, rates: FloatArray) -> FloatArray:
    """What is left of rates, and zero where that is rounding."""
    rounding = np.linalg.norm(left, axis=0) <= SAME * np.abs(rates).max(axis=0, initial=0)
    return np.where(rounding, 0.0, left)


def _untested(
    trials: ImageryTrials, nulls: Mapping[str, Null], none: pd.Series
) -> NDArray[np.object_]:
    silent = ~((trials.before != 0).any() | (trials.during != 0).any()).to_numpy()
    small = all(nulls[name].smallest_p == 1 for name in QUESTIONS)
    why = "no relabelling differs from the design" if small else "the same rate in every trial"
    return np.where(none, np.where(silent, "no spike in any window", why), "").astype(object)


def _population(asked: dict[str, _Tested], nulls: Mapping[str, Null]) -> pd.DataFrame:
    """All units together, question by question."""
    rows = {
        name: {
            "units": int(np.isfinite(asked[name].share).sum()),
            "share": float(np.nanmean(asked[name].share))
            if np.isfinite(asked[name].share).any()
            else math.nan,
            "p": asked[name].population_p,
            "smallest_p": nulls[name].smallest_p,
        }
        for name in QUESTIONS
    }
    return pd.DataFrame(rows).T.rename_axis("question").astype({"units": int})
