"""When, after a picture comes on, rates say where it lies on the axis.

Rates to the pictures highest on each unit's axis against those to the lowest, over all units of a
population.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.axis import projected_left_out
from analysis.inference import permutation_p
from analysis.responses import Window, binned_counts
from analysis.space import ObjectSpace
from analysis.threads import matrices_on_one_thread
from analysis.viewing.matched import matched, why_untested
from analysis.viewing.profile import Shown
from analysis.viewing.shuffled_axes import shuffled_orders
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]

SHARE = 0.2  # of the pictures, at either end of the axis
BINS = 40  # about so many
CONFIDENCE = 0.95
AT_ONCE = 16  # shuffles in one product


@dataclass(frozen=True, slots=True, eq=False)
class AxisCourse:
    """Rates to pictures at both ends of the axis.

    Attributes
    ----------
    curves : index: start of a bin, s; columns `high`, `low`: mean over units of the rate as a
        multiple of the unit's mean rate; `band`: what their difference does not exceed in any bin
        in 95 % of the shuffles; `apart`: whether it does
    p : of the largest difference, in units of its scatter over shuffles, anywhere
    smallest_p : the least p that so many shuffles can give
    units : how many took part
    bin_s : width of a bin
    """

    curves: pd.DataFrame
    p: float
    smallest_p: float
    units: int
    bin_s: float


@matrices_on_one_thread()
def axis_course(
    recordings: Sequence[Shown],
    rates: pd.DataFrame,
    space: ObjectSpace | pd.DataFrame,
    window_s: Window,
    *,
    n_shuffles: int = 199,
    seed: int = 0,
) -> AxisCourse:
    """Where in time the ends of the axis part.

    Parameters
    ----------
    recordings : with different units each, which all saw the same pictures
    rates : from which axes are fitted, (n_images, n_units); index: picture id
    space : of the pictures
    window_s : to be covered, relative to the onset; widened to whole bins
    n_shuffles : of the pictures; axes are fitted anew in each
    seed : of the folds and of the shuffles

    Raises
    ------
    AnalysisError
        As `fit_axes`, or if fewer than two units fired.

    Notes
    -----
    Every picture has its place on axes fitted without it, and no unit is chosen by how well it
    follows its axis.  Pictures are shuffled for all units alike, so that what units of one trial
    have in common counts as chance.
    """
    table, coordinates = matched(rates, space)
    bin_s = round((window_s[1] - window_s[0]) / BINS, 2) or 0.01
    start, stop = int(np.floor(window_s[0] / bin_s)), int(np.ceil(window_s[1] / bin_s))
    window = round(start * bin_s, 9), round(stop * bin_s, 9)
    tested = table.columns[~table.columns.isin(list(why_untested(table)))]
    curves = _picture_curves(recordings, table.index, tested, window, bin_s)
    if len(curves) < 2:
        raise AnalysisError(f"the course of tuning needs at least two units, not {len(curves)}")
    # (n_bins, n_images * n_units), so that a mean over units is a product with weights
    relative = np.stack(list(curves.values()), axis=2).swapaxes(0, 1).reshape(stop - start, -1)
    x, y = coordinates.to_numpy(), table[list(curves)].to_numpy()
    high, low = (relative @ of.ravel() for of in _ends(projected_left_out(x, y, seed)))
    orders = shuffled_orders(len(x), n_shuffles, seed)
    null = np.concatenate(
        [
            _differences(relative, [projected_left_out(x[one], y, seed) for one in orders[n:m]])
            for n, m in pairwise([*range(0, n_shuffles, AT_ONCE), n_shuffles])
        ]
    )
    scatter = np.maximum(null.std(axis=0), np.finfo(float).tiny)
    difference, most = (high - low) / scatter, (null / scatter).max(axis=1)
    band = np.quantile(most, CONFIDENCE) * scatter
    table = pd.DataFrame(
        {"high": high, "low": low, "band": band, "apart": high - low > band},
        pd.Index((np.arange(start, stop) * bin_s).round(9), name="start_s"),
    )
    p = float(permutation_p(difference.max(), most, exact=False))
    return AxisCourse(table, p, 1 / (1 + n_shuffles), len(curves), bin_s)


def _picture_curves(
    recordings: Sequence[Shown], images: pd.Index, units: pd.Index, window_s: Window, bin_s: float
) -> dict[str, FloatArray]:
    """Of each unit that fired the mean rate to every picture over its own mean, by bin."""
    curves = {}
    for shown in recordings:
        picture = images.get_indexer(pd.Index(shown.images))
        order = picture.argsort(kind="stable")
        times = np.bincount(picture, minlength=len(images))
        for unit in units.intersection(pd.Index(list(shown.spikes)), sort=False):
            binned = binned_counts({unit: shown.spikes[unit]}, shown.onsets_s, window_s, bin_s)
            counts = binned.counts[order, :, 0]
            means = np.add.reduceat(counts, times.cumsum() - times) / times[:, None]
            if counts.any():
                curves[str(unit)] = np.asarray(means / means.mean())
    return curves


def _ends(places: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weights of the pictures highest and lowest on each unit's axis, (n_images, n_units).

    Products with them are means over these pictures, and over units.
    """
    n_images, n_units = places.shape
    n = max(1, round(SHARE * n_images))
    order = np.argpartition(places, (n - 1, n_images - n), axis=0)
    high, low = np.zeros_like(places), np.zeros_like(places)
    np.put_along_axis(high, order[n_images - n :], 1 / (n * n_units), axis=0)
    np.put_along_axis(low, order[:n], 1 / (n * n_units), axis=0)
    return high, low


def _differences(relative: FloatArray, places: Sequence[FloatArray]) -> FloatArray:
    """Of the rates to both ends, for some fits at once, (n_fits, n_bins)."""
    weights = [high - low for high, low in map(_ends, places)]
    return np.asarray(np.stack([of.ravel() for of in weights]) @ relative.T)
