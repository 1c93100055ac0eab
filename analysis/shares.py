"""Shares and medians of units with their intervals, as JSON values."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from analysis.inference import proportion_interval
from analysis.resampling import drawn_of, mean, median
from analysis.resampling import interval as resampled

Statistic = Callable[[Any], float]


def share(passed: pd.Series) -> dict[str, Any] | None:
    """How many of the units asked, with its interval; None if none was asked."""
    count, total = int(passed.sum()), len(passed)
    if not total:
        return None
    low, high = proportion_interval(count, total)
    return {"count": count, "of": total, "share": count / total, "low": low, "high": high}


def interval(values: pd.Series, statistic: Statistic, patients: pd.Series) -> dict[str, Any]:
    """95 % interval of the median, `np.median`, or of a share, `np.mean`; and what it draws.

    As `analysis.resampling.interval`: patients where there are five, else units.
    """
    of = patients[values.index]
    weighted = median if statistic is np.median else mean
    found = resampled(values.astype(float), of, weighted)
    return {"low": found.low, "high": found.high, "drawn": drawn_of(of)}


def by_patient(
    values: pd.Series, statistic: Statistic, patients: pd.Series
) -> dict[str, float] | None:
    """95 % interval with patients drawn anew; None where there are too few of them."""
    found = interval(values, statistic, patients)
    return found if found.pop("drawn") == "patients" else None


def middle(values: pd.Series | None, patients: pd.Series) -> dict[str, Any] | None:
    """Median of the units that have a value, with its interval; None if fewer than two have one."""
    known = pd.Series(dtype=float) if values is None else values.dropna().astype(float)
    if len(known) < 2:
        return None
    return {
        "median": float(known.median()),
        "units": len(known),
        "interval": interval(known, np.median, patients),
    }
