"""Shares and medians of units with their intervals, as JSON values."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from analysis.inference import bootstrap_interval, proportion_interval


def share(passed: pd.Series) -> dict[str, Any] | None:
    """How many of the units asked, with its interval; None if none was asked."""
    count, total = int(passed.sum()), len(passed)
    if not total:
        return None
    low, high = proportion_interval(count, total)
    return {"count": count, "of": total, "share": count / total, "low": low, "high": high}


Statistic = Callable[[Any], float]


def interval(values: pd.Series, statistic: Statistic, patients: pd.Series) -> dict[str, Any]:
    """95 % interval: patients are drawn anew, or the units where there is one patient only."""
    found = by_patient(values, statistic, patients)
    if found is not None:
        return {**found, "drawn": "patients"}
    low, high = bootstrap_interval(values, statistic)
    return {"low": low, "high": high, "drawn": "units"}


def by_patient(
    values: pd.Series, statistic: Statistic, patients: pd.Series
) -> dict[str, float] | None:
    """95 % interval with patients drawn anew; None where there is one patient only."""
    groups = patients[values.index]
    if groups.nunique() < 2:
        return None
    low, high = bootstrap_interval(values.astype(float), statistic, groups)
    return {"low": low, "high": high}
