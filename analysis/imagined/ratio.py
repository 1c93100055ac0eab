"""A ratio of sums over blocks or patients, and between what bounds it lies."""

from dataclasses import dataclass

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from analysis.inference import SAME

FloatArray = NDArray[np.float64]

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Ratio:
    """Sums put into one ratio, column by column.

    Attributes
    ----------
    value : NaN where the denominator is not above 0, (n_columns,)
    low, high : 95 % interval, infinite where the denominator is too uncertain to bound it
    variance : of `value`, for small errors of the denominator
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray
    variance: FloatArray


def ratio(along: FloatArray, size: FloatArray, error: FloatArray, shared: FloatArray) -> Ratio:
    """``sum(along) / sum(size - error)`` over clusters, with Fieller's interval.

    Parameters
    ----------
    along, size, error : (n_clusters, n_columns)
    shared : variance of the denominator that lies between clusters, (n_columns,)
    """
    above, below, whole = along.sum(axis=0), (size - error).sum(axis=0), size.sum(axis=0)
    safe = np.where(whole > 0, whole, 1.0)
    leverage = size / safe
    residual = along - above / safe * size
    with_leverage = np.where(leverage < 1, residual / np.where(leverage < 1, 1 - leverage, 1.0), 0)
    alone = (leverage >= 1).any(axis=0)
    noise = np.where(alone, np.inf, (with_leverage**2).sum(axis=0))
    t = _t(len(along))
    # gain is inside where (above - gain * below)**2 <= t**2 * (noise + gain**2 * shared)
    curve = below**2 - t**2 * shared
    known = below > SAME * whole
    bounded = (curve > 0) & known & ~alone
    curve, finite = np.where(bounded, curve, 1.0), np.where(bounded, noise, 0.0)
    half = t * np.sqrt(np.where(bounded, finite * curve + above**2 * shared, 0.0))
    low, high = (above * below - half) / curve, (above * below + half) / curve
    value = np.where(known, above / np.where(known, below, 1.0), np.nan)
    variance = (noise + value**2 * shared) / np.where(known, below, np.nan) ** 2
    return Ratio(value, np.where(bounded, low, -np.inf), np.where(bounded, high, np.inf), variance)


def half_width(variance: FloatArray, n_clusters: int) -> FloatArray:
    """Half of a 95 % interval."""
    return np.asarray(_t(n_clusters) * np.sqrt(variance))


def _t(n_clusters: int) -> float:
    return float(scipy.stats.t.ppf((1 + CONFIDENCE) / 2, n_clusters - 1))
