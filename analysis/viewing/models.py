"""Rival accounts of a unit's rates, each as predictions for pictures that it did not see.

Every model is fitted on the same nine tenths of the pictures and predicts the remaining tenth (the
folds of `analysis.prediction`), and whatever it may choose (penalties, exemplars, shapes) is chosen
by leave-one-out errors among the pictures of the fit.  All are shrunk towards the unit's mean rate
as far as these errors say, so that a unit without tuning favours none of them.

- *axis*: rates grow along a direction of object space
- *category*: one rate for each category
- *both*: the two added, for the variance that only one of them explains
- *exemplar*: rates fall with the distance from a point of object space

Another embedding, or another layer of a network, is another space for `axis_predictions`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.labels import refuse_doubles, refuse_gaps, rows_of, some
from analysis.prediction import (
    N_FOLDS,
    folds,
    left_out_predictions,
    variance_explained,
)
from analysis.space import ObjectSpace
from analysis.viewing.exemplar import exemplar_fit
from analysis.viewing.matched import matched
from analysis.viewing.ridge import Ridge
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]

# How much of the variance of the regressors is the category's where category and axis are joined;
# at 0 and 1 one of them stands alone, so that the joint model contains both rivals.
CATEGORY_SHARES = (0.0, 0.05, 0.2, 0.5, 0.8, 0.95, 1.0)


def axis_predictions(
    rates: pd.DataFrame, space: ObjectSpace | pd.DataFrame, seed: int = 0
) -> pd.DataFrame:
    """Rates predicted by the projection on an axis: ridge regression on the coordinates.

    Parameters
    ----------
    rates : mean rate of every unit to every picture, (n_images, n_units); index: picture id
    space : coordinates in any embedding, (n_images, n_dims); index: picture id
    seed : of the folds

    Returns
    -------
    DataFrame, (n_images, n_units)
        In the unit of the rates, rows in their order; for the same space and seed the same as
        `analysis.axis.AxisFit.predictions`.  NaN for units that miss a rate.

    Raises
    ------
    AnalysisError
        If pictures cannot be matched, come twice or are too few, two units have one name, no unit
        has all its rates, or a dimension is the same for all pictures.
    """
    table, points = matched(rates, space)
    predicted = left_out_predictions(points.to_numpy(), table.to_numpy(), seed)
    return _labelled(predicted, table, rates)


def category_predictions(rates: pd.DataFrame, categories: pd.Series, seed: int = 0) -> pd.DataFrame:
    """Rates predicted by the mean of the picture's category.

    Parameters
    ----------
    rates : (n_images, n_units); index: picture id
    categories : of each picture, names or numbers without order; index: picture id
    seed : of the folds

    Returns
    -------
    DataFrame, (n_images, n_units)
        Ridge regression on one regressor for each category: category means, drawn together as far
        as the pictures of the fit say.  The least penalty leaves the means as they are.

    Raises
    ------
    AnalysisError
        As `axis_predictions`; also if a picture has no category or all have the same.
    """
    table = sorted_rates(rates)
    member = _members(table.index, categories, seed)
    return _labelled(left_out_predictions(member, table.to_numpy(), seed), table, rates)


def category_axis_predictions(
    rates: pd.DataFrame,
    categories: pd.Series,
    space: ObjectSpace | pd.DataFrame,
    seed: int = 0,
) -> pd.DataFrame:
    """Rates predicted by category and axis together.

    Parameters
    ----------
    rates, categories, space, seed : as in `category_predictions` and `axis_predictions`

    Returns
    -------
    DataFrame, (n_images, n_units)
        Ridge regression on both sets of regressors, each with a penalty of its own (banded ridge,
        doi:10.1016/j.neuroimage.2022.119728): their total and their ratio are chosen for each unit.
        Compared with the category alone it gives what only the axis explains, and the other way
        round.

    Raises
    ------
    AnalysisError
        As the two models alone.
    """
    table, points = matched(rates, space)
    y, x, member = table.to_numpy(), points.to_numpy(), _members(table.index, categories, seed)
    predicted = np.empty_like(y)
    for held in folds(len(y), seed):
        predicted[held] = _joint(member, x, y, held)
    return _labelled(predicted, table, rates)


def exemplar_predictions(
    rates: pd.DataFrame, space: ObjectSpace | pd.DataFrame, seed: int = 0
) -> pd.DataFrame:
    """Rates predicted by the distance from the picture that the unit likes best, if it has one.

    Parameters
    ----------
    rates, space, seed : as in `axis_predictions`

    Returns
    -------
    DataFrame, (n_images, n_units)
        ``a + b * f(|picture - exemplar|)`` with ``b > 0`` and f falling: evenly with the squared
        distance, or as a Gaussian.  Where nothing of the kind predicts better, the mean rate.

    Raises
    ------
    AnalysisError
        As `axis_predictions`.

    Notes
    -----
    The exemplar is any point of the space, no picture that was shown.  Its direction from the mean
    picture is the unit's ridge slope, the picture's own distance from the mean held constant: where
    rates follow the squared distance from a point this is exact, and where pictures lie alike in
    all directions it holds for any function of the distance (doi:10.1080/713663221).  How
    far along it the exemplar lies (not beyond the farthest picture), how rates fall, and whether
    distances are those of the coordinates given or of coordinates with unit variance has the least
    leave-one-out error over the pictures of the fit, each projected on a slope found without it.

    An exemplar infinitely far away would be an axis; the bound on its distance keeps them apart.
    Chang & Tsao (doi:10.1016/j.cell.2017.05.011) search all coordinates of the exemplar and fit a
    cubic polynomial of the distance, which may also rise.
    """
    table, points = matched(rates, space)
    y, x = table.to_numpy(), points.to_numpy()
    predicted = np.empty_like(y)
    for held in folds(len(y), seed):
        predicted[held] = exemplar_fit(x[~held], y[~held], x[held])
    return _labelled(predicted, table, rates)


def published_scalar_category_predictions(
    rates: pd.DataFrame, categories: pd.Series, order: Sequence[Any], seed: int = 0
) -> pd.DataFrame:
    """Rates predicted by a straight line over the number of the category.

    Parameters
    ----------
    rates, categories, seed : as in `category_predictions`
    order : all categories, in the order in which they are numbered 1, 2, ...; in the study face,
        text, plant or fruit, animal, object

    Returns
    -------
    DataFrame, (n_images, n_units)

    Raises
    ------
    AnalysisError
        As `category_predictions`; also if `order` lacks a category.

    Notes
    -----
    The category model of the code published with doi:10.1126/science.adt8343, for comparison only:
    the order of the categories is arbitrary, and a unit that likes the one in the middle cannot be
    described.  By least squares, as there; left out are tenths of the pictures as for the other
    models here, there single pictures.
    """
    table = sorted_rates(rates)
    of_picture = _categories(table.index, categories)
    numbers = {name: float(n) for n, name in enumerate(order, start=1)}
    if unknown := [name for name in pd.unique(of_picture) if name not in numbers]:
        raise AnalysisError(f"categories: {some(unknown)} not in the order that numbers them")
    y, x = table.to_numpy(), of_picture.map(numbers).to_numpy(dtype=float)
    predicted = np.empty_like(y)
    for held in folds(len(y), seed):
        x_mean, y_mean = x[~held].mean(), y[~held].mean(axis=0)
        distance = x[~held] - x_mean
        slope = distance @ (y[~held] - y_mean) / max(distance @ distance, np.finfo(float).tiny)
        predicted[held] = y_mean + np.outer(x[held] - x_mean, slope)
    return _labelled(predicted, table, rates)


def left_out_r2(rates: pd.DataFrame, predictions: pd.DataFrame) -> pd.Series:
    """Variance of the rates that predictions explain, (n_units,).

    Parameters
    ----------
    rates, predictions : (n_images, n_units), of the same pictures and units in any order

    Returns
    -------
    Series, ``1 - error / variance``
        Below 0 where the mean rate would have predicted better; NaN for units whose rate is the
        same for every picture.

    Raises
    ------
    AnalysisError
        If pictures or units differ.
    """
    table = sorted_rates(rates)
    explained = variance_explained(table.to_numpy(), predicted_values(table, predictions))
    return pd.Series(explained, table.columns, name="r2")


def sorted_rates(rates: pd.DataFrame) -> pd.DataFrame:
    """Rates sorted by picture, so that nothing drawn by chance depends on the caller's order.

    Returns
    -------
    DataFrame, (n_images, n_units)
        NaN throughout for units that miss a rate; see `analysis.viewing.matched.why_untested`.

    Raises
    ------
    AnalysisError
        If a picture comes twice, two units have one name, no unit has all its rates, or pictures
        are fewer than the folds.
    """
    refuse_doubles(rates.index, "rates")
    if rates.columns.has_duplicates:
        doubles = some(rates.columns[rates.columns.duplicated()].unique())
        raise AnalysisError(f"rates: more than one unit is named {doubles}")
    if len(rates) < N_FOLDS or not rates.shape[1]:
        raise AnalysisError(
            f"models of rates need at least {N_FOLDS} pictures and one unit,"
            f" not {len(rates)} and {rates.shape[1]}"
        )
    table = rates.sort_index().astype(float)
    whole = np.isfinite(table.to_numpy()).all(axis=0)
    if not whole.any():
        refuse_gaps(table, "rates")
    return table.where(np.broadcast_to(whole, table.shape))


def predicted_values(table: pd.DataFrame, predictions: pd.DataFrame) -> FloatArray:
    """Predictions for the pictures and units of `table`, in its order.

    Raises
    ------
    AnalysisError
        If there is none for a picture or a unit, or a unit with rates has gaps.
    """
    missing = table.columns[~table.columns.isin(predictions.columns)]
    if len(missing):
        raise AnalysisError(f"predictions: none for the units {some(missing)}")
    found = rows_of(predictions, table.index, "predictions")[table.columns].astype(float)
    refuse_gaps(found.loc[:, table.notna().all()], "predictions")
    return found.to_numpy()


def _labelled(predicted: FloatArray, table: pd.DataFrame, rates: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(predicted, table.index, table.columns).loc[rates.index]


def _categories(images: pd.Index, categories: pd.Series) -> pd.Series:
    """Category of each of the pictures."""
    refuse_doubles(categories.index, "categories")
    known = categories.dropna()
    missing = images[~images.isin(known.index)]
    if len(missing):
        raise AnalysisError(f"categories: none for {some(missing)}")
    found: pd.Series = known.loc[images]
    if found.nunique() < 2:
        raise AnalysisError(f"categories: at least two are needed, not only {some(found.unique())}")
    return found


def _members(images: pd.Index, categories: pd.Series, seed: int) -> FloatArray:
    """1 where a picture belongs to a category, else 0, (n_images, n_categories)."""
    codes, names = pd.factorize(_categories(images, categories), sort=True)
    if any(len(np.unique(codes[~held])) < 2 for held in folds(len(codes), seed)):
        alone = names[int(np.bincount(codes).argmax())]
        raise AnalysisError(
            f"categories: too few pictures are not {alone!r} to leave a tenth of all out"
        )
    return np.asarray(codes[:, None] == np.arange(len(names)), dtype=float)


def _joint(member: FloatArray, x: FloatArray, y: FloatArray, held: NDArray[np.bool_]) -> FloatArray:
    """Rates of the held-out pictures by category and axis, in each unit's best mixture."""
    y_mean, least = y[~held].mean(axis=0), np.full(y.shape[1], np.inf)
    predicted = np.full((held.sum(), y.shape[1]), np.nan)
    parts = [_equal_sized(part, held) for part in (member, x)]
    for share in CATEGORY_SHARES:
        weights = np.sqrt([share, 1 - share])
        mixed = np.hstack([w * p for w, p in zip(weights, parts, strict=True) if w > 0])
        ridge = Ridge(mixed[~held], y[~held])
        error, penalty = ridge.best()
        better = error < least
        predicted[:, better] = (y_mean + mixed[held] @ ridge.slopes(penalty))[:, better]
        least = np.minimum(least, error)
    return predicted


def _equal_sized(x: FloatArray, held: NDArray[np.bool_]) -> FloatArray:
    """Regressors less their mean, of total variance 1, both over the pictures of the fit."""
    moved = x - x[~held].mean(axis=0)
    return np.asarray(moved / np.linalg.norm(moved[~held]))
