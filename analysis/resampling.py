"""Intervals of shares and medians: patients are drawn anew where there are enough of them.

Units of one patient are not independent, and what is said of patients must draw patients.  Fewer
than five give no interval for others: then units are drawn, and the interval holds for these
patients only.
"""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.stats
from numpy.typing import NDArray

from analysis.inference import proportion_interval

FloatArray = NDArray[np.float64]

FEWEST_PATIENTS = 5
FEWEST_DRAWN = 5  # of a median: the stretch of fewer would leave what is possible
N_RESAMPLES = 4999
CONFIDENCE = 0.95
_NUMBERS_AT_ONCE = 4_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A number with its 95 % interval; NaN where there is none."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Count:
    """So many of so many, with the exact binomial interval: it takes units as independent."""

    count: int
    of: int
    share: float
    low: float
    high: float


def counted(count: int, of: int) -> Count:
    """A count with its Clopper-Pearson interval (1934, doi:10.1093/biomet/26.4.404)."""
    low, high = proportion_interval(count, of)
    return Count(count, of, count / of if of else math.nan, low, high)


Weighted = Callable[[FloatArray, FloatArray], FloatArray]


def drawn_of(patients: pd.Series) -> str:
    """What intervals draw: patients where there are five or more."""
    return "patients" if patients.nunique() >= FEWEST_PATIENTS else "units"


def mean(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Mean of values (n_units,) under each row of weights (n_resamples, n_units)."""
    return np.asarray(weights @ values / weights.sum(axis=1))


def median(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Median of values (n_units,), each taken so many times, (n_resamples, n_units)."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    below = np.cumsum(weights[:, order], axis=1)
    half = below[:, -1:] / 2
    low, high = (below < half).sum(axis=1), (below <= half).sum(axis=1)
    return np.asarray((ordered[low] + ordered[high]) / 2)


def interval(
    values: pd.Series,
    patients: pd.Series,
    statistic: Weighted,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> Interval:
    """A statistic and its 95 % interval, drawing patients where there are five, else units.

    Parameters
    ----------
    values : one per unit, without gaps; 0 or 1 where their mean, a share, is asked for
    patients : of each unit, index as in `values`
    statistic : `mean` or `median`

    Returns
    -------
    Interval; of a median without bounds where all units are the same, or fewer than five

    Notes
    -----
    Of a median: how far percentiles of the bootstrap lie from it, stretched as far as t with n - 1
    degrees of freedom exceeds the normal distribution, and by the ``sqrt(n / (n - 1))`` by which
    drawing takes the scatter too small (Hesterberg 2015, doi:10.1080/00031305.2015.1089789).  Wider
    percentiles instead would end at the most extreme of few patients.  Of a share: see
    `share_interval`.  n is the number of patients as if all had equally many units,
    ``sum(m)**2 / sum(m**2)`` of their units m (Kish 1965, Survey Sampling): where one patient gave
    half of the units, there are not many.  `benchmarks/recovery.md` tells how many of the intervals
    hold the truth.
    """
    x = values.to_numpy(dtype=float)
    seen = float(statistic(x, np.ones((1, len(x))))[0])
    by_patient = drawn_of(patients) == "patients"
    groups = pd.factorize(patients.reindex(values.index))[0] if by_patient else np.arange(len(x))
    if statistic is mean:
        return Interval(seen, *share_interval(x, groups))
    n = int(groups.max()) + 1
    if n < FEWEST_DRAWN or np.ptp(x) == 0:  # what is all the same says nothing of the rest
        return Interval(seen, math.nan, math.nan)
    rng = np.random.default_rng(seed)
    at_once = max(1, _NUMBERS_AT_ONCE // len(x))
    parts = []
    for start in range(0, n_resamples, at_once):
        drawn = rng.multinomial(n, np.full(n, 1 / n), size=min(at_once, n_resamples - start))
        parts.append(statistic(x, drawn[:, groups].astype(float)))
    ends = np.quantile(np.concatenate(parts), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    alike = _alike(groups)
    stretch = _t(alike - 1) / _t(math.inf) * math.sqrt(alike / (alike - 1))
    low, high = seen + stretch * (ends - seen)
    return Interval(seen, float(low), float(high))


def share_interval(passed: FloatArray, groups: NDArray[np.int64]) -> tuple[float, float]:
    """95 % interval of a share of units that go together within groups.

    Jeffreys' (Brown, Cai & DasGupta 2001, doi:10.1214/ss/1009213286) with the number of independent
    units that would scatter as the groups do, at most that of the units (Korn & Graubard 1998,
    Survey Methodology 24:193).  The scatter is the jackknife's over groups, so that one with most
    of the units counts for what it would move.  Where none or all pass, the exact interval.

    Parameters
    ----------
    passed : 1 or 0, (n_units,)
    groups : number of each unit's group, from 0, (n_units,)
    """
    units, share, n_units = np.bincount(groups), float(passed.mean()), len(passed)
    independent, alone = float(n_units), share * (1 - share)
    if 1 < len(units) < n_units and alone > 0:
        moved = (np.bincount(groups, passed) - share * units) / (n_units - units)
        variance = (len(units) - 1) / len(units) * float(moved @ moved)
        wider = _t(n_units - 1) / _t(_alike(groups) - 1)
        if variance > 0:
            independent = min(independent, alone / variance * wider**2)
    if alone == 0:
        return proportion_interval(int(passed.sum()), n_units)
    tails = np.array([1 - CONFIDENCE, 1 + CONFIDENCE]) / 2
    low, high = scipy.stats.beta.ppf(
        tails, 0.5 + share * independent, 0.5 + (1 - share) * independent
    )
    return float(low), float(high)


def _alike(groups: NDArray[np.int64]) -> float:
    """How many groups of equally many units tell as much as these."""
    units = np.bincount(groups)
    return max(2.0, float(units.sum() ** 2 / (units**2).sum()))


def _t(free: float) -> float:
    return float(scipy.stats.t.ppf((1 + CONFIDENCE) / 2, free))


def for_whom(units: Collection[str]) -> str:
    """For whom intervals hold that drew these, in words."""
    kinds = set(units)
    if kinds == {"patients"}:
        return "Intervals draw patients, with all their units: they speak of patients like these."
    if "patients" in kinds:
        return (
            "Intervals draw patients where five or more have such units, and then speak of patients"
            " like these; where they draw units they hold for these patients only."
        )
    return (
        f"There are fewer than {FEWEST_PATIENTS} patients: intervals draw units and hold for these"
        " patients only. They say nothing about others."
    )
