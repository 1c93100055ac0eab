"""What a seen picture looked like: the nearest of pictures that were never shown.

As in Bao et al. 2020 (doi:10.1038/s41586-020-2350-5), so that no picture of the experiment can be
recognised by its own rates.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.inference import SAME, permutation_p
from analysis.labels import refuse_doubles, refuse_gaps, some
from analysis.space import ObjectSpace
from analysis.viewing.coordinates import CoordinateDecoder, shuffled_orders, usable
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

TAILS = (0.025, 0.975)
N_RESAMPLES = 1999


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """The pictures never shown that lie nearest to what was decoded.

    Attributes
    ----------
    pictures : one row per picture: `nearest`, the unseen picture nearest to what was decoded;
        `best`, the unseen picture nearest to the one that was seen; `distance`,
        ``|nearest - seen| / |best - seen|``: 1 where the decoder finds the best there is, else more
    median, low, high : of `distance`, and its interval over pictures
    null : median with pictures shuffled and all refitted, (n_shuffles,)
    p : of a median as small
    smallest_p : the least p that so many shuffles can give
    unseen : how many pictures there were to choose from
    """

    pictures: pd.DataFrame
    median: float
    low: float
    high: float
    null: FloatArray
    p: float
    smallest_p: float
    unseen: int


def nearest_unseen(
    rates: pd.DataFrame,
    space: ObjectSpace | pd.DataFrame,
    unseen: pd.DataFrame,
    *,
    n_shuffles: int = 199,
    seed: int = 0,
) -> Reconstruction:
    """Reconstruct what was seen by the nearest of many pictures that were never shown.

    Parameters
    ----------
    rates, space : as in `decode_coordinates`
    unseen : coordinates of pictures never shown, in the same space, (n_unseen, n_dims); index:
        picture id
    n_shuffles : of the pictures that were shown; in each the decoder is fitted anew
    seed : of the shuffles, and of the pictures that the interval resamples

    Raises
    ------
    AnalysisError
        As `decode_coordinates`; also if an unseen picture was shown, by its name or by its place,
        or lacks a coordinate.
    """
    table, points, _ = usable(rates, space)
    bank = _unseen(unseen, points)
    x, decoder = points.to_numpy(), CoordinateDecoder(table.to_numpy())
    best = _nearest(x, bank.to_numpy())
    shortest = np.linalg.norm(x - bank.to_numpy()[best], axis=1)
    if (same := shortest <= SAME * np.linalg.norm(x, axis=1).max()).any():
        raise AnalysisError(
            f"unseen pictures: {some(bank.index[best[same]])} lie where pictures lie that were"
            f" shown, {some(points.index[same])}"
        )

    def ratios(decoded: FloatArray, of: IntArray) -> tuple[IntArray, FloatArray]:
        found = _nearest(decoded, bank.to_numpy())
        return found, np.linalg.norm(x[of] - bank.to_numpy()[found], axis=1) / shortest[of]

    found, distance = ratios(decoder.leave_one_out(x[None])[0], np.arange(len(x)))
    orders = shuffled_orders(len(x), n_shuffles, seed)
    null = np.array(
        [
            np.median(ratios(read, order)[1])
            for order, read in zip(orders, decoder.of_orders(x, orders), strict=True)
        ]
    )
    pictures = pd.DataFrame(
        {"nearest": bank.index[found], "best": bank.index[best], "distance": distance},
        points.index,
    ).loc[rates.index]
    low, high = _interval_of_median(distance, seed)
    median = float(np.median(distance))
    p = float(permutation_p(-median, -null, exact=False))
    return Reconstruction(pictures, median, low, high, null, p, 1 / (1 + n_shuffles), len(bank))


def _unseen(unseen: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    refuse_doubles(unseen.index, "unseen pictures")
    absent = points.columns[~points.columns.isin(unseen.columns)]
    if len(absent):
        raise AnalysisError(f"unseen pictures: no coordinates {some(absent)}")
    shown = unseen.index[unseen.index.isin(points.index)]
    if len(shown):
        raise AnalysisError(f"unseen pictures: {some(shown)} were shown")
    if unseen.empty:
        raise AnalysisError("unseen pictures: there are none")
    bank = unseen[points.columns].astype(float)
    refuse_gaps(bank, "unseen pictures")
    return bank


def _interval_of_median(values: FloatArray, seed: int) -> tuple[float, float]:
    """95 % interval, pictures drawn anew."""
    drawn = np.random.default_rng(seed).integers(len(values), size=(N_RESAMPLES, len(values)))
    low, high = np.quantile(np.median(values[drawn], axis=1), TAILS)
    return float(low), float(high)


def _nearest(points: FloatArray, bank: FloatArray) -> IntArray:
    return np.asarray(((bank**2).sum(axis=1) / 2 - points @ bank.T).argmin(axis=1))
