"""Where in object space the picture lies that a population answers to.

Coordinates of pictures are regressed on the rates of all units, and each picture is decoded by a
regression that never saw it.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.prediction import centred
from analysis.space import ObjectSpace
from analysis.viewing.matched import matched, why_untested
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Ridge penalties, relative to the mean squared singular value of the rates.
PENALTIES = np.logspace(-3, 4, 8)
_BLOCK_SHUFFLES = 25  # decoded at once


def decode_coordinates(rates: pd.DataFrame, space: ObjectSpace | pd.DataFrame) -> pd.DataFrame:
    """Coordinates of each picture, read from the rates by a regression on all other pictures.

    Parameters
    ----------
    rates : mean rate of every unit to every picture, (n_images, n_units); index: picture id
    space : coordinates, (n_images, n_dims); index: picture id

    Returns
    -------
    DataFrame, (n_images, n_dims)
        Rows in the order of `rates`.

    Raises
    ------
    AnalysisError
        If pictures cannot be matched, come twice or are too few, two units have one name, no unit
        varies, or a dimension is the same for all pictures.

    Notes
    -----
    Ridge regression of the coordinates on the z-scored rates and a constant.  The penalty, one for
    all dimensions, has the least leave-one-out error among the *other* pictures; both levels of
    leaving out are in closed form and exact.

    The constant is the mean of all coordinates, not of the others.  The mean of the others lies a
    little away from the picture left out, always on the far side, and a decoder that knows nothing
    would so be *worse* than chance (with cosines, always wrong).  The mean of all is the same for
    every picture and tells none from another: it leaves a decoder that knows nothing at chance.
    """
    table, points, _ = usable(rates, space)
    decoder = CoordinateDecoder(table.to_numpy())
    decoded = decoder.leave_one_out(points.to_numpy()[None])[0]
    return pd.DataFrame(decoded, points.index, points.columns).loc[rates.index]


class CoordinateDecoder:
    """Ridge regression on z-scored rates, the same for any coordinates."""

    def __init__(self, rates: FloatArray) -> None:
        z = centred(rates) / rates.std(axis=0)
        self.u, s, _ = np.linalg.svd(z, full_matrices=False)
        self.shrinks = [s**2 / (s**2 + penalty * (s**2).mean()) for penalty in PENALTIES]

    def of_orders(self, x: FloatArray, orders: IntArray) -> Iterator[FloatArray]:
        """What is decoded of coordinates shuffled in these ways, each (n_images, n_dims)."""
        for n in range(0, len(orders), _BLOCK_SHUFFLES):
            yield from self.leave_one_out(x[orders[n : n + _BLOCK_SHUFFLES]])

    def leave_one_out(self, x: FloatArray) -> FloatArray:
        """Coordinates decoded without the picture; given and returned (n_ways, n_images, n_dims).

        With the hat matrix H, the mean included, and ``e = x - H x``, the error at j when i and j
        are left out is ``((1 - H_ii) e_j + H_ij e_i) / D_ij``, D_ij being
        ``(1 - H_ii) (1 - H_jj) - H_ij**2``.  Its squares, summed over the others, choose the
        penalty for i; the error when i alone is left out is ``e_i / (1 - H_ii)``.
        """
        ways, n, dims = x.shape
        decoded, least = np.empty_like(x), np.full((ways, n), np.inf)
        side_by_side = x.transpose(1, 0, 2).reshape(n, -1)

        def back(flat: FloatArray) -> FloatArray:
            return flat.reshape(n, ways, dims).transpose(1, 0, 2)

        for shrink in self.shrinks:
            hat = (self.u * shrink) @ self.u.T + 1 / n
            kept = 1 - np.diag(hat)
            weight = 1 / (np.outer(kept, kept) - hat**2) ** 2
            np.fill_diagonal(weight, 0.0)
            residual = side_by_side - hat @ side_by_side
            mixed = back((weight * hat) @ residual)
            e = back(residual)
            squares = (e**2).sum(axis=2)
            error = (
                kept**2 * (squares @ weight)
                + 2 * kept * (e * mixed).sum(axis=2)
                + squares * (weight * hat**2).sum(axis=1)
            )
            better = error < least
            decoded[better] = (x - e / kept[:, None])[better]
            least = np.where(better, error, least)
        mean = x.mean(axis=1, keepdims=True)
        return np.asarray(decoded + (x - mean) / (n - 1))  # the mean of all, not of the others


def usable(
    rates: pd.DataFrame, space: ObjectSpace | pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, dict[Any, str]]:
    """Rates of the units that vary, coordinates, and why the other units were left aside."""
    table, points = matched(rates, space)
    untested = why_untested(table)
    used = table.drop(columns=list(untested))
    if not used.shape[1]:
        raise AnalysisError("decoding needs at least one unit that varies")
    return used, points, untested


def shuffled_orders(n: int, n_shuffles: int, seed: int) -> IntArray:
    """Random orders of n pictures, (n_shuffles, n)."""
    rng = np.random.default_rng(seed)
    return rng.permuted(np.tile(np.arange(n), (n_shuffles, 1)), axis=1)
