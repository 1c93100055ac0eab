"""Imagined rates along an axis of viewing, the items of all units in one picture.

Units differ in rate and in how far their axes reach: places and rates of each are put in its own
standard deviations over the items, so that the slope through all points is the mean correlation
over units.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.inference import SAME

BINS = 7
FEWEST_IN_BIN = 5


@dataclass(frozen=True, slots=True, eq=False)
class Along:
    """Items of all units on an axis.

    Attributes
    ----------
    points : one row per unit and item; `place` and `rate`, in SD of the unit over its items
    bins : one row per bin of equally many points, by place: `place` and `rate`, means; `sem`, of
        the rate, over points; `points`, how many
    slope : of rate on place through all points
    units : how many vary on both
    """

    points: pd.DataFrame
    bins: pd.DataFrame
    slope: float
    units: int


def along_axes(
    profiles: Mapping[str, pd.DataFrame], places: Mapping[str, pd.DataFrame]
) -> dict[str, Along]:
    """Items of all units on both axes, with their rates in imagery.

    Parameters
    ----------
    profiles : rates to the items by `viewing` and `imagery`, (n_items, n_units); without `imagery`
        there is nothing to be said
    places : of the items by axis.  An orthogonal axis has no sign of its own: each is turned so
        that the unit's rates to the items rise along it when they are viewed
    """
    if "imagery" not in profiles:
        return {}
    imagined, seen = profiles["imagery"], profiles.get("viewing")
    found = {}
    for axis, at in places.items():
        known = turned(at, seen) if axis == "orthogonal" and seen is not None else at
        found[axis] = along_axis(known.dropna(), imagined)
    return found


def turned(places: pd.DataFrame, seen: pd.DataFrame) -> pd.DataFrame:
    """Places on axes without a sign of their own, turned so that rates when seen rise along them.

    Parameters
    ----------
    places, seen : places and rates of the items, (n_items, n_units)
    """
    rise = ((places - places.mean()) * (seen - seen.mean())).sum()
    return places * np.where(rise[places.columns] < 0, -1.0, 1.0)


def along_axis(places: pd.DataFrame, rates: pd.DataFrame) -> Along:
    """Items of all units on an axis.

    Parameters
    ----------
    places, rates : of the items, (n_items, n_units), matched by name; an item or a unit that one of
        the two lacks is left out
    """
    items = places.index.intersection(rates.index).sort_values()
    units = places.columns.intersection(rates.columns, sort=False)
    x, y = _standardised(places.loc[items, units]), _standardised(rates.loc[items, units])
    kept = units[x.notna().all().to_numpy() & y.notna().all().to_numpy()]
    named = {"place": x[kept], "rate": y[kept]}
    points = pd.DataFrame({n: of.T.stack() for n, of in named.items()}, columns=["place", "rate"])
    slope = float((points["place"] * points["rate"]).mean()) if len(points) else np.nan
    return Along(points.rename_axis(["unit", "item"]), _bins(points), slope, len(kept))


def _standardised(values: pd.DataFrame) -> pd.DataFrame:
    """Over the rows; NaN where a column is constant."""
    spread = values.std(ddof=0)
    varies = spread > SAME * values.abs().max()
    return (values - values.mean()) / spread.where(varies)


def _bins(points: pd.DataFrame) -> pd.DataFrame:
    n = min(BINS, len(points) // FEWEST_IN_BIN)
    if not n:
        return pd.DataFrame(columns=["place", "rate", "sem", "points"], dtype=float)
    rank = points["place"].rank(method="first").to_numpy() - 1
    groups = points.groupby((rank * n // len(points)).astype(int))
    return pd.DataFrame(
        {
            "place": groups["place"].mean(),
            "rate": groups["rate"].mean(),
            "sem": groups["rate"].sem(),
            "points": groups.size(),
        }
    )
