"""Which picture was seen?  Told from others by what the population says of its place.

The point of object space that is decoded of each picture is compared with that picture and with
distractors: the picture is identified where it lies nearest.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.inference import SAME, permutation_p
from analysis.labels import refuse_doubles, refuse_gaps, rows_of
from analysis.space import ObjectSpace
from analysis.viewing.coordinates import CoordinateDecoder, shuffled_orders, usable
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Measure = Literal["cosine", "euclid"]

MOST_DISTRACTORS = 49
TAILS = (0.025, 0.975)
N_RESAMPLES = 4999


@dataclass(frozen=True, slots=True)
class Identification:
    """How well the picture that was seen is told from others.

    Attributes
    ----------
    decoded : coordinates read for each picture without it, (n_images, n_dims)
    pictures : one row per picture: `closer`, pictures that lie closer to what was decoded than the
        right one (ties count half); `accuracy`, share of single distractors that lie farther
    curve : one row per number of distractors, index `distractors`, with the columns `accuracy`,
        `low`, `high` (interval over pictures), `chance` (1 / (1 + distractors)), `null_mean`,
        `null_low`, `null_high` (95 % of the shuffles)
    accuracy, low, high : with one distractor
    null : the same with pictures shuffled and all refitted, (n_shuffles,)
    p : of the accuracy with one distractor
    smallest_p : the least p that so many shuffles can give
    measure : of distance, `cosine` (angle at the mean picture) or `euclid`
    units : how many took part
    untested : why, for each unit that did not
    """

    decoded: pd.DataFrame
    pictures: pd.DataFrame
    curve: pd.DataFrame
    accuracy: float
    low: float
    high: float
    null: FloatArray
    p: float
    smallest_p: float
    measure: Measure
    units: int
    untested: dict[Any, str]


def identify(
    rates: pd.DataFrame,
    space: ObjectSpace | pd.DataFrame,
    *,
    measure: Measure = "cosine",
    most_distractors: int = MOST_DISTRACTORS,
    n_shuffles: int = 199,
    seed: int = 0,
) -> Identification:
    """How often the picture that was seen lies nearer to what was decoded than N others.

    Parameters
    ----------
    rates, space : as in `decode_coordinates`
    measure : of distance
    most_distractors : N runs from 1 to this, or to the number of other pictures
    n_shuffles : of the pictures; in each the decoder is fitted anew
    seed : of the shuffles, and of the pictures that the interval resamples

    Returns
    -------
    Identification
        Accuracies are exact expectations over all ways to draw N distractors from the other
        pictures: with k of them closer than the right one, ``C(n-1-k, N) / C(n-1, N)``.

    Raises
    ------
    AnalysisError
        As `decode_coordinates`.
    """
    table, points, untested = usable(rates, space)
    x, decoder = points.to_numpy(), CoordinateDecoder(table.to_numpy())
    most = min(most_distractors, len(x) - 1)
    decoded = decoder.leave_one_out(x[None])[0]
    closer, ties = _closer(decoded, x, measure)
    curve = _curve(closer, ties, most, seed)
    orders = shuffled_orders(len(x), n_shuffles, seed)
    null = np.array(
        [
            _accuracies(*_closer(read, x[order], measure), most).mean(axis=0)
            for order, read in zip(orders, decoder.of_orders(x, orders), strict=True)
        ]
    )
    curve["null_mean"] = null.mean(axis=0)
    curve["null_low"], curve["null_high"] = np.quantile(null, TAILS, axis=0)
    passed = closer + ties / 2
    pictures = pd.DataFrame({"closer": passed, "accuracy": 1 - passed / (len(x) - 1)}, points.index)
    accuracy, low, high = curve[["accuracy", "low", "high"]].to_numpy()[0].tolist()
    return Identification(
        decoded=pd.DataFrame(decoded, points.index, points.columns).loc[rates.index],
        pictures=pictures.loc[rates.index],
        curve=curve,
        accuracy=accuracy,
        low=low,
        high=high,
        null=null[:, 0],
        p=float(permutation_p(accuracy, null[:, 0], exact=False)),
        smallest_p=1 / (1 + n_shuffles),
        measure=measure,
        units=table.shape[1],
        untested=untested,
    )


def identification_curve(
    decoded: pd.DataFrame,
    space: ObjectSpace | pd.DataFrame,
    *,
    measure: Measure = "cosine",
    most_distractors: int = MOST_DISTRACTORS,
    seed: int = 0,
) -> pd.DataFrame:
    """How often pictures are identified by coordinates decoded in any way.

    Parameters
    ----------
    decoded : coordinates read for each picture, (n_images, n_dims); index: picture id
    space : coordinates of the pictures, the others among them being the distractors

    Returns
    -------
    DataFrame, one row per number of distractors
        `accuracy`, `low`, `high` and `chance`, as `Identification.curve`.

    Raises
    ------
    AnalysisError
        If a picture is not in the space, comes twice, or there is one only.
    """
    points = space.coordinates if isinstance(space, ObjectSpace) else space
    x = rows_of(points, decoded.index, "object space")[decoded.columns].to_numpy(dtype=float)
    refuse_doubles(decoded.index, "decoded coordinates")
    refuse_gaps(decoded, "decoded coordinates")
    if len(x) < 2:
        raise AnalysisError("identification needs at least two pictures")
    closer, ties = _closer(decoded.to_numpy(dtype=float), x, measure)
    return _curve(closer, ties, min(most_distractors, len(x) - 1), seed)


def _curve(closer: IntArray, ties: IntArray, most: int, seed: int) -> pd.DataFrame:
    """Accuracy among 1 ... `most` distractors, its interval over pictures, and chance."""
    right, numbers = _accuracies(closer, ties, most), np.arange(1, most + 1)
    low, high = _interval_of_mean(right, seed)
    return pd.DataFrame(
        {"accuracy": right.mean(axis=0), "low": low, "high": high, "chance": 1 / (1 + numbers)},
        pd.Index(numbers, name="distractors"),
    )


def _closer(decoded: FloatArray, x: FloatArray, measure: Measure) -> tuple[IntArray, IntArray]:
    """How many pictures are closer to what was decoded than the right one, and how many as close.

    Row i of `decoded` is to be told as row i of `x`.
    """
    middle = x.mean(axis=0)
    read, points = decoded - middle, x - middle
    if measure == "cosine":
        read, points = _unit_length(read), _unit_length(points)
        nearness = read @ points.T
    else:
        nearness = read @ points.T - (points**2).sum(axis=1) / 2
    own = np.diag(nearness)[:, None]
    same = SAME * np.abs(nearness).max(axis=1, keepdims=True)
    closer = (nearness > own + same).sum(axis=1)
    return closer, (nearness >= own - same).sum(axis=1) - closer - 1


def _unit_length(rows: FloatArray) -> FloatArray:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(length > 0, length, 1.0))


def _accuracies(closer: IntArray, ties: IntArray, most: int) -> FloatArray:
    """Chance to be the closest among 1 ... `most` distractors, (n_images, most); ties by lot."""
    n = len(closer)
    others, drawn = n - 1 - np.arange(n)[:, None], np.arange(most)
    of_rank = np.cumprod(np.maximum(others - drawn, 0) / (n - 1 - drawn), axis=1)
    summed = np.vstack([np.zeros(most), np.cumsum(of_rank, axis=0)])
    return np.asarray((summed[closer + ties + 1] - summed[closer]) / (ties + 1)[:, None])


def _interval_of_mean(values: FloatArray, seed: int) -> tuple[FloatArray, FloatArray]:
    """95 % interval of column means, rows drawn anew."""
    n = len(values)
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), N_RESAMPLES)
    low, high = np.quantile(drawn @ values / n, TAILS, axis=0)
    return low, high
