"""Stretches of time in which curves differ: a cluster test by sign flips.

Maris & Oostenveld 2007, doi:10.1016/j.jneumeth.2007.03.024.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.stats
from numpy.typing import NDArray

from analysis.inference import SAME, permutation_p, sign_flips
from analysis.labels import refuse_gaps, rows_of, some
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]

BIN_LEVEL = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Stretches of bins in which curves differ.

    Attributes
    ----------
    t : of every bin, (n_bins,)
    threshold : a bin belongs to a cluster if its ``|t|`` is above
    table : one row per cluster in the order of time: `first_bin` and `last_bin`, counted from 0,
        the last belonging to it; `start` and `stop`, their labels; `t_sum`; `p`, the share of flips
        whose largest cluster anywhere, of either sign, is at least as large (two-sided, corrected
        for the bins); `p_one_sided`, the same among clusters of its sign only, which is half as
        large and no p of a test whose direction was not declared before
    smallest_p : the least p that so many flips can give
    n_cells : how many rows were compared
    """

    t: pd.Series
    threshold: float
    table: pd.DataFrame
    smallest_p: float
    n_cells: int


def cluster_test(
    curves: pd.DataFrame,
    others: pd.DataFrame | None = None,
    *,
    bin_level: float = BIN_LEVEL,
    seed: int = 0,
) -> Clusters:
    """Where in time curves differ from others of the same cells, or from zero.

    Parameters
    ----------
    curves : (n_cells, n_bins), a row per cell (or per patient, where cells of few patients would
        pretend to be independent); index: names
    others : the same cells and bins, matched by name; without them `curves` is tested against 0
    bin_level : two-sided level of a bin, from which clusters are made
    seed : of the flips, where not all are listed

    Raises
    ------
    AnalysisError
        If there are fewer than two cells or no bins, cells or bins of the two do not match, a value
        is missing, or all differences in a bin are the same.

    Notes
    -----
    A t per bin over cells; neighbouring bins with ``|t|`` above the quantile and of the same sign
    are a cluster, its size the sum of their t.  Under the null the difference of a cell may have
    either sign, in all its bins together.  Up to 2^12 flips are all listed, else 4999 drawn.
    """
    differences = _differences(curves, others)
    n_cells = len(differences)
    flips = sign_flips(n_cells, seed)
    t = _t_values(differences, np.ones((1, n_cells)))[0]
    threshold = float(scipy.stats.t.ppf(1 - bin_level / 2, n_cells - 1))
    first, last, sums = _clusters(t, threshold)
    null = _largest(_t_values(differences, flips.rows), threshold)
    size, side = np.abs(sums), (sums < 0).astype(int)
    bins = curves.columns
    table = pd.DataFrame(
        {
            "first_bin": first,
            "last_bin": last,
            "start": bins[first],
            "stop": bins[last],
            "t_sum": sums,
            "p": permutation_p(size, null.max(axis=0)[:, None], exact=flips.exact),
            "p_one_sided": permutation_p(size, null[side].T, exact=flips.exact),
        }
    )
    smallest = 2 / len(flips.rows) if flips.exact else 1 / (1 + len(flips.rows))
    return Clusters(pd.Series(t, bins, name="t"), threshold, table, smallest, n_cells)


def _differences(curves: pd.DataFrame, others: pd.DataFrame | None) -> FloatArray:
    if len(curves) < 2 or not curves.shape[1]:
        raise AnalysisError(
            f"a cluster test needs at least two cells and one bin, not {len(curves)} and"
            f" {curves.shape[1]}"
        )
    refuse_gaps(curves, "curves")
    values = curves.to_numpy(dtype=float)
    if others is not None:
        if not others.columns.equals(curves.columns) or len(others) != len(curves):
            raise AnalysisError("curves: the two to be compared have different cells or bins")
        refuse_gaps(others, "curves")
        values = values - rows_of(others, curves.index, "curves").to_numpy(dtype=float)
    still = (np.ptp(values, axis=0) <= SAME * np.abs(values).max(axis=0)) & values.any(axis=0)
    if still.any():
        raise AnalysisError(
            f"curves: the same difference in every cell in {some(curves.columns[still])}"
        )
    return values


def _t_values(differences: FloatArray, signs: NDArray[np.float64]) -> FloatArray:
    """t of every bin, (n_flips, n_bins); 0 in bins in which nothing differs."""
    n = len(differences)
    mean = signs @ differences / n
    squares = (differences**2).sum(axis=0)  # flips leave them as they are
    error = np.sqrt(np.maximum(squares - n * mean**2, 0.0) / (n - 1) / n)
    return np.asarray(np.divide(mean, error, out=np.zeros_like(mean), where=error > 0))


def _runs(t: FloatArray, threshold: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First bin, and first bin after, of the clusters of a row of t."""
    side = np.concatenate([[0], np.sign(t) * (np.abs(t) > threshold), [0]])
    turns = np.flatnonzero(np.diff(side))
    inside = side[turns + 1] != 0
    # A cluster ends at the next turn, whether into nothing or straight to the other side.
    return turns[inside], turns[np.flatnonzero(inside) + 1]


def _clusters(
    t: FloatArray, threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]:
    """First and last bin of every cluster, and its sum of t."""
    first, stop = _runs(t, threshold)
    return first, stop - 1, _sums(np.append(t, 0.0), first, stop)


def _largest(t: FloatArray, threshold: float) -> FloatArray:
    """Largest ``|sum of t|`` of clusters above and below 0 in each row, (2, n_rows), or 0."""
    # One row behind the other, an empty bin between them.
    padded = np.zeros((len(t), t.shape[1] + 1))
    padded[:, :-1] = t
    first, stop = _runs(padded.ravel(), threshold)
    sums, row = _sums(padded.ravel(), first, stop), first // padded.shape[1]
    largest = np.zeros((2, len(t)))
    for side, size in enumerate((sums, -sums)):
        np.maximum.at(largest[side], row, size)
    return largest


def _sums(values: FloatArray, first: NDArray[np.int64], stop: NDArray[np.int64]) -> FloatArray:
    """Sums of stretches; no stretch ends behind the last value."""
    borders = np.column_stack([first, stop]).ravel()
    return np.asarray(np.add.reduceat(values, borders)[::2]) if len(borders) else np.zeros(0)
