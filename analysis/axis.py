"""The axis code: a unit's rate grows along one direction of object space.

Chang & Tsao 2017, doi:10.1016/j.cell.2017.05.011; human neurons: doi:10.1126/science.adt8343.

Coordinates are divided by their norm over the pictures.  The preferred axis is then the mean of the
pictures' coordinates weighted by rate (spike-triggered average).  Where the coordinates are
component scores of the same pictures it equals least squares.

The spike-triggered average is the default: it is what the field reports, has nothing to choose, and
one matrix product fits it to all units, so that every shuffle can fit it anew.  Ridge regression
(`viewing.ridge_axis`) shrinks the dimensions in which pictures differ little; it is what predicts
left-out pictures.  Neither is nearer to the true axis in general: the average is where a unit cares
for all dimensions alike, ridge where it cares most for those that vary most (`benchmarks/axis.md`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.inference import benjamini_hochberg
from analysis.prediction import (
    centred,
    folds,
    left_out_predictions,
    unvarying,
    variance_explained,
)
from analysis.space import ObjectSpace
from analysis.threads import matrices_on_one_thread
from analysis.viewing.deflated import leading_components
from analysis.viewing.matched import Matrix, matched, why_untested
from analysis.viewing.shuffled_axes import (
    Progress,
    axis_correlations,
    count_as_good,
    shuffled_orders,
)
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]
Vector = Any


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
    untested : units without axis and p, and why: the same rate for every picture, or rates missing
    smallest_p : the least p that so many shuffles can give
    """

    axis: Matrix
    weights: Matrix
    r: Vector
    p: Vector
    q: Vector
    r2: Vector
    predictions: Matrix
    untested: Mapping[Any, str]
    smallest_p: float


def fit_axes(
    rates: Matrix,
    space: ObjectSpace | Matrix,
    n_shuffles: int = 1000,
    seed: int = 0,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
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
    threads : at most so many shuffle at once; by default as many as the matrix library may take
        (the cores, or OMP_NUM_THREADS).  The answer is the same for any number
    progress : called now and then with how many shuffles are done, and of how many

    Returns
    -------
    AxisFit
        Labelled by unit and dimension where the tables were; rows in the order of `rates`.

    Raises
    ------
    AnalysisError
        If pictures cannot be matched, come twice or are too few, a unit is named twice, no unit has
        a rate for every picture, or a dimension is missing or the same for all pictures.
    """
    table, coordinates = matched(rates, space)
    x, y = coordinates.to_numpy(), table.to_numpy()
    sta, scale = _spike_triggered(x, y)
    untested = why_untested(table)
    still = table.columns.isin(list(untested))
    r, p = _tested(x / scale, y, still, n_shuffles, seed, threads, progress)
    predictions = left_out_predictions(x, y, seed)
    units, dims = table.columns, coordinates.columns
    labelled_p = pd.Series(p, units, name="p")
    fit = AxisFit(
        axis=pd.DataFrame(np.where(still, np.nan, sta), dims, units),
        weights=pd.DataFrame(_weights(sta, scale, still), dims, units),
        r=pd.Series(r, units, name="r"),
        p=labelled_p,
        q=benjamini_hochberg(labelled_p),
        r2=pd.Series(variance_explained(y, predictions), units, name="r2"),
        predictions=pd.DataFrame(predictions, table.index, units),
        untested=untested,
        smallest_p=1 / (1 + n_shuffles),
    )
    if isinstance(rates, pd.DataFrame):
        return replace(fit, predictions=fit.predictions.loc[rates.index])
    return _bare(fit)


def _tested(
    x: FloatArray,
    y: FloatArray,
    still: NDArray[np.bool_],
    n_shuffles: int,
    seed: int,
    threads: int | None,
    progress: Progress | None,
) -> tuple[FloatArray, FloatArray]:
    """Correlation and p of the units that are not `still`, NaN of the others, (n_units,)."""
    r, p = np.full(y.shape[1], np.nan), np.full(y.shape[1], np.nan)
    if not still.all():
        lively, orders = y[:, ~still], shuffled_orders(len(y), n_shuffles, seed)
        as_good = count_as_good(x, lively, orders, threads=threads, progress=progress)
        r[~still] = axis_correlations(x, lively)
        p[~still] = (1 + as_good) / (1 + n_shuffles)
    return r, p


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
    table, coordinates = matched(rates, space)
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


@matrices_on_one_thread()
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
    known = np.isfinite(w).all(axis=0)
    found = np.full_like(w, np.nan)
    found[:, known] = _orthogonal(covariance, w[:, known], scale)
    return pd.DataFrame(found, weights.index, weights.columns)


def _orthogonal(covariance: FloatArray, weights: FloatArray, scale: FloatArray) -> FloatArray:
    along = covariance @ weights
    spread = np.einsum("du,du->u", weights, along)
    component = leading_components(covariance, along / np.sqrt(spread))
    other = component - weights * np.einsum("du,du->u", along, component) / spread
    other /= np.linalg.norm(other * scale[:, None], axis=0)
    largest = np.take_along_axis(other, np.abs(other).argmax(axis=0)[None], axis=0)
    return np.asarray(other * np.sign(largest))


@matrices_on_one_thread()
def left_out_projections(
    rates: pd.DataFrame, space: ObjectSpace | pd.DataFrame, seed: int = 0
) -> pd.DataFrame:
    """Each picture's projection on the axis fitted without it, (n_images, n_units).

    For tuning curves: along an axis that the same rates have chosen, noise alone makes a ramp.
    Ten random folds; scaled as by `projections`.  Parameters and errors as in `axis_weights`.
    """
    table, coordinates = matched(rates, space)
    projected = projected_left_out(coordinates.to_numpy(), table.to_numpy(), seed)
    return pd.DataFrame(projected, table.index, table.columns).loc[rates.index]


def projected_left_out(x: FloatArray, y: FloatArray, seed: int = 0) -> FloatArray:
    """The same of arrays whose pictures are in one order, (n_images, n_units)."""
    scale = np.linalg.norm(x, axis=0)
    projected = np.empty_like(y)
    for held in folds(len(y), seed):
        sta = (x[~held] / scale).T @ centred(y[~held])
        projected[held] = x[held] @ _weights(sta, scale, unvarying(y[~held]))
    return projected


@matrices_on_one_thread()
def left_out_orthogonal(rates: pd.DataFrame, space: ObjectSpace, seed: int) -> pd.DataFrame:
    """Each picture's projection on the orthogonal axis found without it, (n_images, n_units).

    Over the pictures of a fit the orthogonal projection is uncorrelated with the rates however they
    are tuned, as the residuals of a regression are with its regressors.  Only left-out pictures can
    show that tuning is flat.
    """
    images = rates.index.sort_values()  # the folds do not depend on the order of the rows
    whole = projections(orthogonal_axis(axis_weights(rates, space), space.at(images)), space)
    parts = []
    for held in folds(len(images), seed):
        others, left_out = images[~held], images[held]
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
