"""The axis code: a unit's rate grows along one direction of object space.

Chang & Tsao 2017, doi:10.1016/j.cell.2017.05.011; human neurons: doi:10.1126/science.adt8343.

Coordinates are divided by their norm over the pictures.  The preferred axis is then the mean of the
pictures' coordinates weighted by rate (spike-triggered average).  Where the coordinates are
component scores of the same pictures it equals least squares.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.inference import benjamini_hochberg, permutation_p
from analysis.labels import refuse_doubles, refuse_gaps, rows_of, some
from analysis.prediction import (
    N_FOLDS,
    centred,
    folds,
    left_out_predictions,
    unvarying,
    variance_explained,
)
from analysis.space import ObjectSpace
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]
# Labelled tables where the caller gave labelled tables, bare arrays where bare arrays.
Matrix = Any
Vector = Any

_BLOCK_NUMBERS = 2_000_000  # of shuffled coordinates held at once


@dataclass(frozen=True, slots=True)
class AxisFit:
    """Axes of many units, fitted at once.

    Attributes
    ----------
    axis : preferred axis in normalised coordinates, (n_dims, n_units)
    weights : the same in the coordinates given, scaled so that ``coordinates @ weights`` is the
        projection on an axis of length 1, (n_dims, n_units)
    r : Pearson correlation of rate and projection, on the pictures of the fit, (n_units,).
        Never take it for an effect: with 50 dimensions and 500 pictures chance gives 0.31
    p : share of shuffles whose refitted axis correlates as well, the fit itself counted in,
        (n_units,); NaN for units not tested
    q : Benjamini-Hochberg over the units, (n_units,)
    r2 : variance explained of left-out pictures, (n_units,); below 0 where their mean rate would
        have predicted better.  See `left_out_predictions`
    predictions : rates predicted for left-out pictures, in the unit of the rates,
        (n_images, n_units)
    untested : units whose rate is the same for every picture
    smallest_p : the least p that so many shuffles can give
    """

    axis: Matrix
    weights: Matrix
    r: Vector
    p: Vector
    q: Vector
    r2: Vector
    predictions: Matrix
    untested: tuple[Any, ...]
    smallest_p: float


def fit_axes(
    rates: Matrix, space: ObjectSpace | Matrix, n_shuffles: int = 1000, seed: int = 0
) -> AxisFit:
    """Fit every unit's preferred axis, test it, and score it on left-out pictures.

    Parameters
    ----------
    rates : mean rate of every unit to every picture, (n_images, n_units)
    space : coordinates of the pictures, (n_images, n_dims)
        Two DataFrames are matched by picture id, in whatever order they are; pictures without
        rates are left aside.  Two arrays must have the same pictures in the same order.
    n_shuffles : permutations of the pictures, the same for all units; the axis is refitted in each
    seed : of the shuffles and of the folds

    Returns
    -------
    AxisFit
        Labelled by unit and dimension where the tables were; rows in the order of `rates`.

    Raises
    ------
    AnalysisError
        If pictures cannot be matched, come twice or are too few, values are not finite, or a
        dimension is the same for all pictures.
    """
    table, coordinates = _match(rates, space)
    x, y = coordinates.to_numpy(), table.to_numpy()
    sta, scale = _spike_triggered(x, y)
    still = unvarying(y)
    r, null = _correlations(x / scale, y, n_shuffles, seed)
    r = np.where(still, np.nan, r)
    predictions = left_out_predictions(x, y, seed)
    units, dims = table.columns, coordinates.columns
    p = pd.Series(permutation_p(r, null, exact=False), units, name="p")
    fit = AxisFit(
        axis=pd.DataFrame(np.where(still, np.nan, sta), dims, units),
        weights=pd.DataFrame(_weights(sta, scale, still), dims, units),
        r=pd.Series(r, units, name="r"),
        p=p,
        q=benjamini_hochberg(p),
        r2=pd.Series(variance_explained(y, predictions), units, name="r2"),
        predictions=pd.DataFrame(predictions, table.index, units),
        untested=tuple(units[still]),
        smallest_p=1 / (1 + n_shuffles),
    )
    if isinstance(rates, pd.DataFrame):
        return replace(fit, predictions=fit.predictions.loc[rates.index])
    return _bare(fit)


def axis_weights(rates: pd.DataFrame, space: ObjectSpace | pd.DataFrame) -> pd.DataFrame:
    """Preferred axes alone, without test or score.

    Parameters
    ----------
    rates : (n_images, n_units); index: picture id
    space : coordinates, (n_images, n_dims); index: picture id

    Returns
    -------
    DataFrame, (n_dims, n_units)
        As `AxisFit.weights`; NaN for units whose rate is the same for every picture.

    Raises
    ------
    AnalysisError
        As `fit_axes`.
    """
    table, coordinates = _match(rates, space)
    y = table.to_numpy()
    weights = _weights(*_spike_triggered(coordinates.to_numpy(), y), unvarying(y))
    return pd.DataFrame(weights, coordinates.columns, table.columns)


def projections(weights: pd.DataFrame, space: ObjectSpace | pd.DataFrame) -> pd.DataFrame:
    """Where pictures lie along each unit's axis, (n_images, n_units).

    Parameters
    ----------
    weights : of preferred or orthogonal axes, (n_dims, n_units)
    space : coordinates, (n_images, n_dims), with the same dimensions
    """
    return _coordinates(space)[weights.index] @ weights


def orthogonal_axis(weights: pd.DataFrame, space: ObjectSpace | pd.DataFrame) -> pd.DataFrame:
    """Principal orthogonal axis: how pictures vary most where a unit should not care.

    Parameters
    ----------
    weights : of the preferred axes, (n_dims, n_units)
    space : coordinates of the pictures over which they should vary, (n_images, n_dims)

    Returns
    -------
    weights, (n_dims, n_units)
        The projection on it is uncorrelated with that on the preferred axis over these pictures.
        Scaled as `AxisFit.weights`; its largest weight is positive.

    Raises
    ------
    AnalysisError
        If the space has one dimension only.

    Notes
    -----
    The first principal component of the coordinates after the preferred projection is regressed
    out of them.  The study takes the first component of *normalised* coordinates instead; over the
    pictures that made the space these vary equally in all orthogonal directions, so that rounding
    decides which comes first.
    """
    x = _coordinates(space)[weights.index].to_numpy(dtype=float)
    if x.shape[1] < 2:
        raise AnalysisError("an orthogonal axis needs a space of at least two dimensions")
    scale = np.linalg.norm(x, axis=0)
    covariance = centred(x).T @ centred(x)
    w = weights.to_numpy(dtype=float)
    found = np.full_like(w, np.nan)
    for unit in np.flatnonzero(np.isfinite(w).all(axis=0)):
        found[:, unit] = _orthogonal(covariance, w[:, unit], scale)
    return pd.DataFrame(found, weights.index, weights.columns)


def _orthogonal(covariance: FloatArray, weights: FloatArray, scale: FloatArray) -> FloatArray:
    along = covariance @ weights
    residual = covariance - np.outer(along, along) / (weights @ along)
    component = np.linalg.eigh(residual)[1][:, -1]
    other = component - weights * (along @ component) / (weights @ along)
    other /= np.linalg.norm(other * scale)
    return np.asarray(other * np.sign(other[np.abs(other).argmax()]))


def left_out_projections(
    rates: pd.DataFrame, space: ObjectSpace | pd.DataFrame, seed: int = 0
) -> pd.DataFrame:
    """Each picture's projection on the axis fitted without it, (n_images, n_units).

    For tuning curves: along an axis that the same rates have chosen, noise alone makes a ramp.
    Ten random folds; scaled as by `projections`.  Parameters and errors as in `axis_weights`.
    """
    table, coordinates = _match(rates, space)
    x, y = coordinates.to_numpy(), table.to_numpy()
    scale = np.linalg.norm(x, axis=0)
    projected = np.empty_like(y)
    for held in folds(len(y), seed):
        sta = (x[~held] / scale).T @ centred(y[~held])
        projected[held] = x[held] @ _weights(sta, scale, unvarying(y[~held]))
    return pd.DataFrame(projected, table.index, table.columns).loc[rates.index]


def left_out_orthogonal(rates: pd.DataFrame, space: ObjectSpace, seed: int) -> pd.DataFrame:
    """Each picture's projection on the orthogonal axis found without it, (n_images, n_units).

    Over the pictures of a fit the orthogonal projection is uncorrelated with the rates however they
    are tuned, as the residuals of a regression are with its regressors.  Only left-out pictures can
    show that tuning is flat.
    """
    whole = projections(orthogonal_axis(axis_weights(rates, space), space.at(rates.index)), space)
    parts = []
    for held in folds(len(rates), seed):
        others, left_out = rates.index[~held], rates.index[held]
        axes = orthogonal_axis(axis_weights(rates.loc[others], space), space.at(others))
        along = projections(axes, space.at(others))
        side = np.sign((along * whole.loc[others]).sum())  # an orthogonal axis has no own sign
        parts.append(projections(axes * side, space.at(left_out)))
    return pd.concat(parts).loc[rates.index]


def binned_tuning(
    projection: pd.Series, rate: pd.Series, n_bins: int = 8, fewest: int = 10
) -> pd.DataFrame:
    """Mean rate of a unit along an axis.

    Parameters
    ----------
    projection : of the pictures on the axis, (n_images,); index: picture id
    rate : (n_images,); index: picture id
    n_bins : bins of equal width, before merging
    fewest : bins with fewer pictures are joined with the next one, the last with the one before

    Returns
    -------
    DataFrame, one row per bin
        Columns `projection` (mean of its pictures), `rate`, `sem` (standard error of the mean over
        pictures) and `images` (how many).
    """
    table = pd.DataFrame(
        {"projection": projection, "rate": rate.reindex(projection.index)}
    ).dropna()
    edges = np.linspace(table["projection"].min(), table["projection"].max(), n_bins + 1)
    bins = np.searchsorted(edges[1:-1], table["projection"], side="right")
    merged = _merged(np.bincount(bins, minlength=n_bins), fewest)
    groups = table.groupby(merged[bins])
    return pd.DataFrame(
        {
            "projection": groups["projection"].mean(),
            "rate": groups["rate"].mean(),
            "sem": groups["rate"].sem(),
            "images": groups.size(),
        }
    ).reset_index(drop=True)


def _merged(sizes: NDArray[np.int64], fewest: int) -> NDArray[np.int64]:
    """New number of every bin, so that each holds at least `fewest`."""
    numbers, number, held = np.zeros(len(sizes), np.int64), 0, 0
    for n, size in enumerate(sizes):
        numbers[n] = number
        held += size
        if held >= fewest:
            number, held = number + 1, 0
    return np.minimum(numbers, max(number - 1, 0))


def _match(rates: Matrix, space: ObjectSpace | Matrix) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rates and coordinates of the same pictures in the same order, free of gaps."""
    table, coordinates = _paired(rates, space)
    if min(table.shape[1], coordinates.shape[1]) == 0:
        raise AnalysisError("axes need at least one unit and one dimension")
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
    return table, coordinates


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


def _coordinates(space: ObjectSpace | pd.DataFrame) -> pd.DataFrame:
    return space.coordinates if isinstance(space, ObjectSpace) else space


def _bare(fit: AxisFit) -> AxisFit:
    """The same without labels."""
    names = ("axis", "weights", "r", "p", "q", "r2", "predictions")
    return replace(fit, **{name: getattr(fit, name).to_numpy() for name in names})


def _spike_triggered(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Axes in normalised coordinates, (n_dims, n_units), and the norms, (n_dims,)."""
    scale = np.linalg.norm(x, axis=0)
    return (x / scale).T @ centred(y), scale


def _weights(sta: FloatArray, scale: FloatArray, still: NDArray[np.bool_]) -> FloatArray:
    length = np.where(still, np.nan, np.linalg.norm(sta, axis=0))
    return np.asarray(sta / length / scale[:, None])


def _correlations(
    x: FloatArray, y: FloatArray, n_shuffles: int, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Correlation of rate and projection, (n_units,), and of shuffled ones, (n_shuffles, n_units).

    With centred columns and an axis ``g = x[order].T @ y``, the correlation of ``x[order] @ g``
    with ``y`` is ``g @ g / (sqrt(g @ C @ g) * |y|)``, where ``C = x.T @ x`` is the same in every
    order: no projection is ever formed.
    """
    x, y = centred(x), centred(y)
    overlap = x.T @ x
    size = np.linalg.norm(y, axis=0)

    def correlation(orders: NDArray[np.int64]) -> FloatArray:
        gathered = x.T[:, orders]  # (n_dims, n_orders, n_images)
        g = (gathered.reshape(-1, len(y)) @ y).reshape(x.shape[1], -1)
        along = np.einsum("du,du->u", g, g).reshape(len(orders), -1)
        length = np.sqrt(np.einsum("du,du->u", g, overlap @ g)).reshape(len(orders), -1)
        whole = length * size
        return np.asarray(along / np.where(whole > 0, whole, 1.0))

    rng = np.random.default_rng(seed)
    orders = rng.permuted(np.tile(np.arange(len(y)), (n_shuffles, 1)), axis=1)
    step = max(1, _BLOCK_NUMBERS // x.size)
    null = [correlation(orders[n : n + step]) for n in range(0, n_shuffles, step)]
    return correlation(np.arange(len(y))[None])[0], np.concatenate(null)
