"""Which of two models predicts a unit's rates better, and by how much: unit by unit, and over all.

Two models that predicted the same left-out pictures are compared by the squared errors that each
made at each picture, the pictures being what was sampled.  Errors of left-out pictures are not
independent: each picture helped to predict nearly all the others.  How much that matters depends on
the unit.  Where one model is better than the other, what the pictures have in common is small; in a
unit without tuning the errors differ by the noise of the fits alone, and their sum has twice the
variance that its terms suggest (``1 + k * tested / fitted`` of Nadeau & Bengio 2003,
doi:10.1023/A:1024068626366: 2.11 for ten folds), more where penalties were chosen by chance too.
So intervals are stretched by how much of the spread is noise of the fits, which predictions by
other folds tell: two fits to nine tenths of the pictures share nine tenths of them, so that the
variance of their difference is a fifth of that of one.  Without such predictions all intervals are
stretched alike, by 1.45, and are too wide where one model is better.
`benchmarks/rival_models.md` measures what that is worth.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.inference import SAME, benjamini_hochberg, permutation_p
from analysis.labels import refuse_doubles, some
from analysis.prediction import N_FOLDS, centred
from analysis.resampling import Weighted, drawn_of, interval, mean, median
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
    again: tuple[pd.DataFrame, pd.DataFrame] | None = None,
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
    patients : of each unit; where there are five, intervals of the population draw them
    again : the same predictions by other folds (another `seed` of `analysis.viewing.models`), from
        which intervals learn how far errors hang together
    n_resamples : of pictures, the same for all units, and of units or patients
    seed : of both

    Returns
    -------
    Comparison
        Intervals of units are percentiles over resampled pictures, the variance of the rates
        resampled with them; p counts how often a resample departs from the difference found by as
        much as this does from 0; both stretched as said at the top of this module.

    Raises
    ------
    AnalysisError
        If pictures or units differ, predictions are not finite, or a unit has no ceiling or
        patient.
    """
    table = sorted_rates(rates)
    y, untested = table.to_numpy(), why_untested(table)
    predicted = [predicted_values(table, model) for model in (first, second)]
    errors = [(y - values) ** 2 for values in predicted]
    gain = errors[1] - errors[0]
    total = (centred(y) ** 2).sum(axis=0)
    total[table.columns.isin(list(untested))] = np.nan
    stretch = np.full(y.shape[1], STRETCH)
    if again is not None:
        other = [predicted_values(table, model) for model in again]
        stretch = _stretch(gain, np.array(predicted), np.array(other))
    low, high, p = _resampled(gain, y, total, stretch, n_resamples, seed)
    r2 = [1 - error.sum(axis=0) / total for error in errors]
    columns = {"first": r2[0], "second": r2[1], "difference": gain.sum(axis=0) / total}
    units = pd.DataFrame(columns | {"low": low, "high": high, "p": p}, table.columns)
    units["q"] = benjamini_hochberg(units["p"])
    units = _with_ceilings(units, ceilings, least_ceiling)
    of_one = pd.Series(0, units.index)
    groups = of_one if patients is None else _of_units(patients, units.index, "patients")
    return Comparison(
        units,
        *_population(units[units["counted"]], groups, n_resamples, seed),
        drawn_of(groups),
        untested,
        None if ceilings is None else least_ceiling,
        1 / (1 + n_resamples),
    )


def _stretch(gain: FloatArray, predicted: FloatArray, again: FloatArray) -> FloatArray:
    """By how much intervals of each unit exceed those of independent pictures, (n_units,).

    Parameters
    ----------
    gain : squared error of the second less that of the first model, (n_images, n_units)
    predicted, again : of both models, by two draws of the folds, (2, n_images, n_units)
    """
    difference, other = predicted[0] - predicted[1], again[0] - again[1]
    # Two fits to nine tenths each share nine tenths of their pictures, and so of their error.
    noise = N_FOLDS / 2 * (difference - other) ** 2
    apart = difference**2
    by_noise = np.where(apart > 0, gain**2 * noise / np.where(apart > 0, apart, 1.0), 0.0)
    plain = (centred(gain) ** 2).sum(axis=0)
    more = by_noise.sum(axis=0) / np.where(plain > 0, plain, 1.0)
    return np.asarray(np.sqrt(1 + more))


def _resampled(
    gain: FloatArray,
    y: FloatArray,
    total: FloatArray,
    stretch: FloatArray,
    n_resamples: int,
    seed: int,
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
        departure = stretch[units] * (drawn @ gain[:, units] / variance - at)
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
    units: pd.DataFrame, patients: pd.Series, n_resamples: int, seed: int
) -> tuple[Estimate, Estimate, Estimate]:
    """Median difference, the same of the ceiling, and share of units with a positive one."""

    def estimate(values: pd.Series, statistic: Weighted) -> Estimate:
        known = values.dropna()
        if known.empty:
            return Estimate(math.nan, math.nan, math.nan)
        found = interval(known, patients, statistic, seed, n_resamples)
        return Estimate(found.value, found.low, found.high)

    return (
        estimate(units["difference"], median),
        estimate(units["difference_of_ceiling"], median),
        estimate((units["difference"] > 0).astype(float), mean),
    )


def _of_units(known: pd.Series, units: pd.Index, what: str) -> pd.Series:
    """What is known of each unit, in their order."""
    refuse_doubles(known.index, what)
    missing = units[~units.isin(known.index)]
    if len(missing):
        raise AnalysisError(f"{what}: none for {some(missing)}")
    return known.loc[units]
