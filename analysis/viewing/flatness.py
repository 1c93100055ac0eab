"""Whether a unit is indifferent to what varies across its axis.

A slope across the axis says nothing: the axis is the direction of all slope, so that across it
there is none whatever the tuning.  Over the pictures of a fit the published test of flatness
(correlation with the orthogonal projection) finds exactly 0; over left-out pictures, only how much
of the slope the fitted axis missed.  That is reported, as a share of the slope along the axis.

What sets an axis apart from a preferred exemplar (Chang & Tsao 2017,
doi:10.1016/j.cell.2017.05.011) is a bend: rates that fall off to both sides.  That is tested.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.stats
from numpy.typing import NDArray

from analysis.axis import left_out_orthogonal, left_out_projections
from analysis.inference import SAME, benjamini_hochberg
from analysis.prediction import centred
from analysis.space import ObjectSpace
from analysis.threads import matrices_on_one_thread
from analysis.viewing.matched import matched, why_untested
from analysis.viewing.shuffled_axes import Progress, shuffled_orders
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]

CONFIDENCE = 0.95
BOUND = 0.5
SPARE = 10  # pictures beyond the dimensions


@matrices_on_one_thread()
def flatness(
    rates: pd.DataFrame,
    space: ObjectSpace,
    *,
    n_shuffles: int = 1000,
    bound: float = BOUND,
    seed: int = 0,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Tuning across the preferred axis, along the principal orthogonal one, on left-out pictures.

    Parameters
    ----------
    rates : (n_images, n_units); index: picture id
    space : of the pictures
    n_shuffles : permutations of the pictures, the same for all units
    bound : a unit counts as flat where slope and bend across the axis are surely smaller than this
        share of the slope along it
    seed : of the folds and of the shuffles
    progress : called now and then with how many units are done, and of how many

    Returns
    -------
    DataFrame, one row per unit
        `along_hz`, `across_hz` : slope of the rate along either axis, Hz per SD of the projection
        `bend_hz` : change of the rate per SD of the squared projection across; below 0 for a hump
        `slope_ratio`, `slope_low`, `slope_high` : ``across_hz / along_hz`` and its 95 % interval
        `bend_ratio`, `bend_low`, `bend_high` : ``bend_hz / along_hz``, likewise.  Intervals reach
        from -inf to inf where the slope along the axis may be zero
        `p` : of a rate that does not bend across the axis
        `q` : Benjamini-Hochberg over the units
        `flat` : whether both intervals lie within ``-bound ... bound``.  A large p does not say so
        NaN and False for units that cannot be tested, and for those whose rate does not vary once
        a tenth of the pictures is left out.

    Raises
    ------
    AnalysisError
        As `fit_axes`, in a space of fewer than two dimensions, or with fewer than ten pictures more
        than dimensions.

    Notes
    -----
    Every picture is projected on axes fitted without it (`left_out_orthogonal`).  Slopes come from
    one regression on both projections; the bend from one on both, their squares and their product,
    so that a rate that bends *along* the axis does not pass for one that bends across.  Variances
    are HC3 (MacKinnon & White 1985, doi:10.1016/0304-4076(85)90158-7): rates of neurons vary more
    where they are high.  Intervals of ratios are Fieller's (1954,
    doi:10.1111/j.2517-6161.1954.tb00159.x).

    For p the rates are regressed on *all* dimensions, the squared projection along, and the
    product; their residuals are shuffled, and what the squared projection across explains of them
    counts (Freedman & Lane 1983, doi:10.1080/07350015.1983.10509354).  With all slopes taken out,
    it does not matter how well the axis is known: p holds for units with an axis and without.
    """
    table, coordinates = matched(rates, space)
    _refuse_too_few(*coordinates.shape)
    tested = table.loc[:, ~table.columns.isin(list(why_untested(table)))]
    along = left_out_projections(tested, space, seed)
    across = left_out_orthogonal(tested, space, seed)
    orders = shuffled_orders(len(table), n_shuffles, seed)
    slopes = np.linalg.qr(centred(coordinates.to_numpy()))[0]
    rows = []
    for done, unit in enumerate(tested, start=1):
        rate, a, b = (part[unit].to_numpy(dtype=float) for part in (table, along, across))
        rows.append(_of_unit(rate, a, b, slopes, orders))
        if progress is not None:
            progress(done, tested.shape[1])
    found = pd.DataFrame(rows, tested.columns, _OfUnit._fields, dtype=float)
    found = found.reindex(table.columns)
    limits = found[["slope_low", "slope_high", "bend_low", "bend_high"]]
    flat = (limits.abs() < bound).all(axis=1)
    return found.assign(q=benjamini_hochberg(found["p"]), flat=flat)


def _refuse_too_few(n_images: int, n_dims: int) -> None:
    if n_dims < 2:
        raise AnalysisError("an orthogonal axis needs a space of at least two dimensions")
    if n_images < n_dims + SPARE:
        raise AnalysisError(
            f"flatness in {n_dims} dimensions needs rates for at least {n_dims + SPARE} pictures,"
            f" not {n_images}"
        )


class _OfUnit(NamedTuple):
    along_hz: float
    across_hz: float
    bend_hz: float
    slope_ratio: float
    slope_low: float
    slope_high: float
    bend_ratio: float
    bend_low: float
    bend_high: float
    p: float


def _of_unit(
    rate: FloatArray,
    along: FloatArray,
    across: FloatArray,
    slopes: FloatArray,
    orders: NDArray[np.intp],
) -> _OfUnit:
    """`slopes` is an orthonormal basis of all centred dimensions, (n_images, n_dims)."""
    if not np.isfinite(along + across).all():
        return _OfUnit(*(np.nan,) * len(_OfUnit._fields))
    a, b = _standard(along), _standard(across)
    square_a, square_b, product = _standard(a**2), _standard(b**2), centred(a * b)
    straight, of_straight = _regression(rate, np.column_stack([a, b]))
    bent, of_bent = _regression(rate, np.column_stack([a, b, square_b, square_a, product]))
    p = _shuffled_p(rate, np.column_stack([slopes, square_a, product]), square_b, orders)
    return _OfUnit(
        *(straight[0], straight[1], bent[2]),
        *_ratio(straight[1], straight[0], of_straight[np.ix_([1, 0], [1, 0])]),
        *_ratio(bent[2], bent[0], of_bent[np.ix_([2, 0], [2, 0])]),
        p,
    )


def _standard(values: FloatArray) -> FloatArray:
    """Mean 0, SD 1."""
    return np.asarray((values - values.mean()) / values.std())


def _regression(y: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Slopes on centred columns, and their covariance where the variance of y is not constant."""
    q, r = np.linalg.qr(x)
    residual = centred(y) - q @ (q.T @ centred(y))
    leverage = (q**2).sum(axis=1) + 1 / len(y)
    influence = np.linalg.solve(r, q.T)
    errors = (influence * (residual / (1 - leverage)) ** 2) @ influence.T
    return influence @ y, errors


def _ratio(top: float, bottom: float, errors: FloatArray) -> tuple[float, float, float]:
    """``top / bottom`` and the interval of it; `errors` is their covariance, top first."""
    c = scipy.stats.norm.ppf((1 + CONFIDENCE) / 2) ** 2
    a = bottom**2 - c * errors[1, 1]
    b = top * bottom - c * errors[0, 1]
    inside = b**2 - a * (top**2 - c * errors[0, 0])
    if a <= 0 or inside < 0:
        return top / bottom, -np.inf, np.inf
    half = np.sqrt(inside)
    return top / bottom, (b - half) / a, (b + half) / a


def _shuffled_p(
    y: FloatArray, kept: FloatArray, tested: FloatArray, orders: NDArray[np.intp]
) -> float:
    """p of one column beside others, all centred: residuals of y on the others are shuffled."""
    basis = np.linalg.qr(np.column_stack([kept, tested]))[0]
    others, own = basis[:, :-1], basis[:, -1]
    residual = centred(y) - others @ (others.T @ centred(y))
    whole = residual @ residual
    powers = np.square(residual[orders] @ basis)
    share = powers[:, -1] / (whole - powers[:, :-1].sum(axis=1))
    observed = (residual @ own) ** 2 / whole
    return float((1 + (share >= observed * (1 - SAME)).sum()) / (1 + len(orders)))
