"""Which of two models predicts a unit's rates better, and by how much: unit by unit, and over all.

Two models that predicted the same left-out pictures are compared by the squared errors that each
made at each picture, the pictures being what was sampled.  Errors of left-out pictures are not
independent: each picture helped to predict nearly all the others.  A unit without tuning shows the
most that this can do: its summed errors are a degenerate U-statistic, whose variance is twice what
the spread of the errors suggests.  Intervals and nulls are therefore stretched by
``sqrt(1 + k * tested / fitted)``, 1.45 for ten folds (Nadeau & Bengio 2003,
doi:10.1023/A:1024068626366).  `benchmarks/rival_models.py` measures what that is worth.  Where two
models are equal or a unit has no tuning, intervals of 95 % hold 0 in 94 to 100 of 100 data sets
(not stretched in 73 to 90); where one is better, they hold the mean difference in 98 to 100 with
500 pictures, and with 100 pictures in 96 to 99, but for what a category adds to an axis: 84.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.inference import (
    SAME,
    benjamini_hochberg,
    bootstrap_interval,
    permutation_p,
    proportion_interval,
)
from analysis.labels import refuse_doubles, some
from analysis.prediction import N_FOLDS, centred
from analysis.viewing.matched import why_untested
from analysis.viewing.models import predicted_values, sorted_rates
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]

LEAST_CEILING = 0.1
TAILS = (0.025, 0.975)
# Nadeau & Bengio: pictures tested in each of the folds over pictures fitted.
STRETCH = math.sqrt(1 + N_FOLDS / (N_FOLDS - 1))
_BLOCK_NUMBERS = 2_000_000  # of resampled sums held at once


class Estimate(NamedTuple):
    """A number and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models of the same rates.

    Attributes
    ----------
    units : one row per unit, with the columns
        `first`, `second`: variance of left-out pictures that each model explains;
        `difference`: first less second, and `low`, `high`, its interval over pictures;
        `p`, `q`: of no difference, two-sided;
        `ceiling` (NaN where none was given) and `first_of_ceiling`, `second_of_ceiling`,
        `difference_of_ceiling`: shares of it, NaN where it does not exceed `least_ceiling`;
        `counted`: whether the unit counts in the population
    difference : median of the counted units
    of_ceiling : median of their differences as shares of the ceiling; NaN without ceilings
    better : share of the counted units that the first model predicts better than the second
    drawn : what the intervals of these three resample, `patients` or `units`.  By units they hold
        for these patients only
    untested : why, for each unit that could not be compared
    least_ceiling : what the ceiling of a counted unit exceeds; None where no ceilings were given
    smallest_p : the least `p` that so many resamples can give
    """

    units: pd.DataFrame
    difference: Estimate
    of_ceiling: Estimate
    better: Estimate
    drawn: str
    untested: dict[Any, str]
    least_ceiling: float | None
    smallest_p: float


def compare_models(
    rates: pd.DataFrame,
    first: pd.DataFrame,
    second: pd.DataFrame,
    *,
    ceilings: pd.Series | None = None,
    least_ceiling: float = LEAST_CEILING,
    patients: pd.Series | None = None,
    n_resamples: int = 1999,
    seed: int = 0,
) -> Comparison:
    """Compare two models by their errors at left-out pictures.

    With `first` the joint model of `analysis.viewing.models` and `second` one of its parts, the
    difference is the variance that only the other part explains.

    Parameters
    ----------
    rates : mean rate of every unit to every picture, (n_images, n_units); index: picture id
    first, second : predictions of two models for left-out pictures, by the same folds;
        (n_images, n_units), in any order
    ceilings : `analysis.prediction.ceiling` of each unit.  With them only units whose ceiling
        exceeds `least_ceiling` count in the population: a choice that favours no model
    patients : patient of each unit; given, intervals of the population resample patients
    n_resamples : of pictures, the same for all units, and of units or patients
    seed : of both

    Returns
    -------
    Comparison
        Intervals of units are percentiles over resampled pictures, the variance of the rates
        resampled with them; p counts how often a resample departs from the difference found by as
        much as this does from 0; both stretched as said above.

    Raises
    ------
    AnalysisError
        If pictures or units differ, predictions are not finite, or a unit has no ceiling or
        patient.
    """
    table = sorted_rates(rates)
    y, untested = table.to_numpy(), why_untested(table)
    errors = [(y - predicted_values(table, model)) ** 2 for model in (first, second)]
    gain = errors[1] - errors[0]
    total = (centred(y) ** 2).sum(axis=0)
    total[table.columns.isin(list(untested))] = np.nan
    low, high, p = _resampled(gain, y, total, n_resamples, seed)
    r2 = [1 - error.sum(axis=0) / total for error in errors]
    columns = {"first": r2[0], "second": r2[1], "difference": gain.sum(axis=0) / total}
    units = pd.DataFrame(columns | {"low": low, "high": high, "p": p}, table.columns)
    units["q"] = benjamini_hochberg(units["p"])
    units = _with_ceilings(units, ceilings, least_ceiling)
    groups = None if patients is None else _of_units(patients, units.index, "patients")
    return Comparison(
        units,
        *_population(units[units["counted"]], groups, n_resamples, seed),
        "units" if groups is None else "patients",
        untested,
        None if ceilings is None else least_ceiling,
        1 / (1 + n_resamples),
    )


def _resampled(
    gain: FloatArray, y: FloatArray, total: FloatArray, n_resamples: int, seed: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Interval over pictures of the gain as a share of the total, and p of none, (n_units,) each.

    NaN where the total is.
    """
    n, deviations, estimate = len(y), centred(y), gain.sum(axis=0) / total
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), n_resamples).astype(float)
    low, high, p = np.full((3, y.shape[1]), np.nan)
    for units in _blocks(np.flatnonzero(~np.isnan(total)), n_resamples):
        d, at = deviations[:, units], estimate[units]
        variance = drawn @ d**2 - (drawn @ d) ** 2 / n
        # A unit that answers to a single picture has resamples without it, and no variance there.
        variance[variance <= SAME * total[units]] = np.nan
        departure = STRETCH * (drawn @ gain[:, units] / variance - at)
        low[units], high[units] = at + np.nanquantile(departure, TAILS, axis=0)
        null = np.where(np.isnan(departure), np.inf, np.abs(departure))
        p[units] = permutation_p(np.abs(at), null, exact=False)
    return low, high, p


def _blocks(units: NDArray[np.int64], n_resamples: int) -> Iterator[NDArray[np.int64]]:
    step = max(1, _BLOCK_NUMBERS // n_resamples)
    return (units[n : n + step] for n in range(0, len(units), step))


def _with_ceilings(
    units: pd.DataFrame, ceilings: pd.Series | None, least_ceiling: float
) -> pd.DataFrame:
    """The same with shares of the ceiling, and whether each unit counts in the population."""
    known = np.nan if ceilings is None else _of_units(ceilings, units.index, "ceilings")
    units = units.assign(ceiling=known)
    reliable = units["ceiling"] > least_ceiling
    for name in ("first", "second", "difference"):
        units[f"{name}_of_ceiling"] = (units[name] / units["ceiling"]).where(reliable)
    compared = units["difference"].notna()
    return units.assign(counted=compared if ceilings is None else compared & reliable)


def _population(
    units: pd.DataFrame, patients: pd.Series | None, n_resamples: int, seed: int
) -> tuple[Estimate, Estimate, Estimate]:
    """Median difference, the same of the ceiling, and share of units with a positive one."""

    def estimate(values: pd.Series, statistic: Callable[[FloatArray], float]) -> Estimate:
        if not values.notna().any():
            return Estimate(math.nan, math.nan, math.nan)
        low, high = bootstrap_interval(
            values, statistic, patients, n_resamples=n_resamples, seed=seed
        )
        return Estimate(float(statistic(values.dropna().to_numpy())), low, high)

    better = (units["difference"] > 0).astype(float)
    share = estimate(better, np.mean)
    if patients is None and len(units):
        share = Estimate(share.value, *proportion_interval(int(better.sum()), len(better)))
    median = estimate(units["difference"], np.median)
    return median, estimate(units["difference_of_ceiling"], np.median), share


def _of_units(known: pd.Series, units: pd.Index, what: str) -> pd.Series:
    """What is known of each unit, in their order."""
    refuse_doubles(known.index, what)
    missing = units[~units.isin(known.index)]
    if len(missing):
        raise AnalysisError(f"{what}: none for {some(missing)}")
    return known.loc[units]
