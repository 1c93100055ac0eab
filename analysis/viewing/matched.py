"""Rates and coordinates of the same pictures, in the same order, or a sentence on what is wrong."""

from typing import Any

import numpy as np
import pandas as pd

from analysis.labels import refuse_doubles, refuse_gaps, rows_of, some
from analysis.prediction import N_FOLDS, unvarying
from analysis.space import ObjectSpace
from task.contract.errors import AnalysisError

# Labelled tables where the caller gave labelled tables, bare arrays where bare arrays.
Matrix = Any


def matched(rates: Matrix, space: ObjectSpace | Matrix) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rates and coordinates of the pictures that have rates.

    Parameters
    ----------
    rates : (n_images, n_units)
    space : coordinates, (n_images, n_dims)
        Two DataFrames are matched by picture id, and sorted by it: what is drawn by chance then
        does not depend on the order of the rows.  Two arrays stay as they are.

    Returns
    -------
    rates : NaN throughout for units that miss a rate, see `why_untested`
    coordinates : finite, each dimension with more than one value

    Raises
    ------
    AnalysisError
        If pictures cannot be matched, come twice or are too few, a unit or a dimension is named
        twice, no unit has all its rates, or a dimension is the same for all pictures.
    """
    table, coordinates = _paired(rates, space)
    if min(table.shape[1], coordinates.shape[1]) == 0:
        raise AnalysisError("axes need at least one unit and one dimension")
    _refuse_same_names(table.columns, "rates: more than one unit")
    _refuse_same_names(coordinates.columns, "object space: more than one dimension")
    whole = np.isfinite(table.to_numpy()).all(axis=0)
    if not whole.any():
        refuse_gaps(table, "rates")
    refuse_gaps(coordinates, "coordinates")
    fewest = max(N_FOLDS, coordinates.shape[1] + 2)
    if len(table) < fewest:
        raise AnalysisError(
            f"axes in {coordinates.shape[1]} dimensions need rates for at least {fewest} pictures,"
            f" not {len(table)}"
        )
    flat = unvarying(coordinates.to_numpy())
    if flat.any():
        raise AnalysisError(f"all pictures lie at one point of {some(coordinates.columns[flat])}")
    return table.where(np.broadcast_to(whole, table.shape)), coordinates


def why_untested(rates: pd.DataFrame) -> dict[Any, str]:
    """Units that cannot be tested, and why; `rates` as returned by `matched`."""
    values = rates.to_numpy()
    gaps = np.isnan(values).any(axis=0)
    still = unvarying(values)
    reasons = dict.fromkeys(rates.columns[gaps], "missing or infinite rates")
    return reasons | dict.fromkeys(rates.columns[still], "the same rate for every picture")


def _refuse_same_names(names: pd.Index, what: str) -> None:
    if names.has_duplicates:
        raise AnalysisError(f"{what} is named {some(names[names.duplicated()].unique())}")


def _paired(rates: Matrix, space: ObjectSpace | Matrix) -> tuple[pd.DataFrame, pd.DataFrame]:
    points = space.coordinates if isinstance(space, ObjectSpace) else space
    if isinstance(rates, pd.DataFrame) and isinstance(points, pd.DataFrame):
        refuse_doubles(rates.index, "rates")
        # One order whatever the caller's, so that shuffles and folds do not depend on it.
        table = rates.sort_index().astype(float)
        return table, rows_of(points, table.index, "object space").astype(float)
    if isinstance(rates, pd.DataFrame) or isinstance(points, pd.DataFrame):
        raise AnalysisError("rates and coordinates must both name their pictures, or neither")
    y, x = np.asarray(rates, dtype=float), np.asarray(points, dtype=float)
    if y.ndim != 2 or x.ndim != 2 or len(y) != len(x):
        raise AnalysisError(
            f"rates of shape {y.shape} and coordinates of shape {x.shape} do not belong together;"
            " needed are (n_images, n_units) and (n_images, n_dims)"
        )
    return pd.DataFrame(y), pd.DataFrame(x)
