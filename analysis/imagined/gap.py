"""How much weaker imagery is than viewing: gain and offset, unit by unit and together.

    imagined rate of an item = offset + gain x viewed rate of that item

The viewed rate is the mean of few views.  Least squares takes its error for tuning and calls
imagery weaker than it is (attenuation).  Here the error, which the scatter of the views tells, is
taken out of the variance of the regressor (method of moments; Fuller 1987,
doi:10.1002/9780470316665, section 1.2; the same as one half of the views as an instrument for the
other, averaged over all halves):

    gain = sum x y / (sum x**2 - errors),     x, y: viewed and imagined

Block means and the trend within each block are taken out of both (`analysis.imagined.blocks`).

The views must not be those by which the items were chosen: items chosen for high rates are seen to
fire less when looked at again, and that is an error no scatter tells.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.imagined.blocks import without_trends
from analysis.imagined.items import ItemRates, item_rates
from analysis.imagined.ratio import Ratio, half_width, ratio
from analysis.imagined.trials import ImageryTrials
from analysis.inference import SAME, benjamini_hochberg, label_swaps, permutation_p
from analysis.labels import refuse_doubles, some
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Parts:
    """Sums over the trials of each block, (n_blocks, n_units), and what the blocks share.

    Attributes
    ----------
    along : sum of x y
    size : sum of x**2
    error : how much of `size` is expected to be error
    imagined, viewed : mean rates, Hz
    shared : variance that errors of viewing bring to several blocks at once, because the same item
        is in them, (n_units,); of the sum of x**2, Hz^4
    null : `along` summed over blocks under every swap, (n_relabellings, n_units)
    exact : whether these swaps are all
    """

    along: FloatArray
    size: FloatArray
    error: FloatArray
    imagined: FloatArray
    viewed: FloatArray
    shared: FloatArray
    null: FloatArray
    exact: bool


@dataclass(frozen=True, slots=True)
class IntensityGap:
    """Imagery against viewing in one session.

    Attributes
    ----------
    units : one row per unit, with the columns
        `gain` (Hz per Hz), `low`, `high`: its 95 % interval, infinite where viewing tells the items
        apart too little to bound it; `gap`: 1 - gain;
        `offset_hz`, `offset_low`, `offset_high`;
        `slope`: least squares, errors of viewing left in; `reliability`: share of the variance of
        viewed rates that is no error, slope / gain, not clipped;
        `p`, `q`: gain above 0, by swaps of items within blocks;
        `untested`: why there is no gain, else empty
    source : which views these are
    views : of each item, (n_items,)
    blocks : in how many blocks items were compared
    smallest_p : that their swaps can give
    parts : what `analysis.imagined.gap_population` adds up
    """

    units: pd.DataFrame
    source: str
    views: pd.Series
    blocks: int
    smallest_p: float
    parts: Parts


def intensity_gap(
    trials: ImageryTrials,
    views: pd.DataFrame,
    *,
    source: str,
    view_blocks: pd.Series | None = None,
    seed: int = 0,
) -> IntensityGap:
    """Gain and offset of imagery on viewing, unit by unit.

    Parameters
    ----------
    trials : imagery, in the order of time
    views : rates of single views, Hz, (n_views, n_units); index: item.  Take views that had no say
        in the choice of the items: a second screening, or encoding.  Other items and units in it
        are left aside
    source : which views these are, in words, for whoever reads the result
    view_blocks : of each view, in the order of `views`; where none are told, rates in viewing are
        taken not to drift
    seed : of swaps, where a design has more than 4096

    Returns
    -------
    IntensityGap
        The interval speaks of these items; blocks are what was sampled.  It is Fieller's for a
        ratio (1954, doi:10.1111/j.2517-6161.1954.tb00159.x), with residuals of blocks enlarged by
        their leverage (HC3; MacKinnon & White 1985, doi:10.1016/0304-4076(85)90158-7) and t with
        one degree of freedom fewer than blocks; errors of viewing that several blocks share are
        added.  The interval of the offset takes blocks as independent: slow drift over the session
        makes it too narrow.

    Notes
    -----
    The swaps assume that any item of a block could as well have had another's place.  Where the
    order was fixed they rest on the trend within blocks being straight.

    Raises
    ------
    AnalysisError
        If a unit or an item was not viewed, an item was viewed once only, values are not finite,
        two units have one name, or fewer than two blocks have two items.
    """
    seen = _seen(trials, views, view_blocks)
    parts = _parts(trials, seen, seed)
    return IntensityGap(
        units=_units(parts, trials.during.columns),
        source=source,
        views=seen.views,
        blocks=len(parts.along),
        smallest_p=float(1 / len(parts.null) if parts.exact else 1 / (1 + len(parts.null))),
        parts=parts,
    )


def published_slope(viewed: pd.DataFrame, imagined: pd.DataFrame) -> pd.Series:
    """Least squares of mean imagined on mean viewed rates over items, unit by unit.

    The published number (doi:10.1126/science.adt8343) is the median over 43 units, 0.107 Hz per Hz.
    It is attenuated by the errors of the viewed rates, and block drift is in it.

    Parameters
    ----------
    viewed, imagined : Hz, (n_items, n_units), matched by name; NaN where a unit has no such item

    Returns
    -------
    Series, Hz per Hz, (n_units,); NaN for units whose viewed rates do not vary
    """
    x = viewed.loc[imagined.index, imagined.columns].where(imagined.notna())
    y = imagined.where(x.notna())
    x, y = x - x.mean(), y - y.mean()
    size = (x**2).sum()
    return ((x * y).sum() / size.where(size > 0)).rename("slope")


def _seen(trials: ImageryTrials, views: pd.DataFrame, blocks: pd.Series | None) -> ItemRates:
    """Rates to the imagined items, with their errors, of the units of the imagery."""
    units, items = trials.during.columns, pd.Index(trials.item.unique())
    refuse_doubles(units, "units of the imagery")
    refuse_doubles(views.columns, "units of the views")
    if len(missing := units.difference(views.columns)):
        raise AnalysisError(f"views: no rates of unit {some(missing)}")
    if len(missing := items.difference(views.index)):
        raise AnalysisError(f"views: item {some(missing)} was imagined but not viewed")
    if blocks is not None and len(blocks) != len(views):
        raise AnalysisError(f"views: {len(views)} rows, but blocks for {len(blocks)}")
    wanted = views.index.isin(items)
    return item_rates(views.loc[wanted, units], None if blocks is None else blocks[wanted])


def _parts(trials: ImageryTrials, seen: ItemRates, seed: int) -> Parts:
    items, blocks = trials.item.to_numpy(), trials.block.to_numpy()
    apart = trials.item.groupby(blocks).transform("nunique").to_numpy() > 1
    items, blocks, rates = items[apart], blocks[apart], trials.during.to_numpy(dtype=float)[apart]
    where = [np.flatnonzero(blocks == block) for block in pd.unique(blocks)]
    if len(where) < 2:
        raise AnalysisError(
            "the intensity gap compares items within blocks; it needs at least two blocks of two"
            f" items, not {len(where)}"
        )
    codes = seen.rates.index.get_indexer(pd.Index(items))
    known = seen.rates.to_numpy()
    x, y, entering = (
        without_trends(values, items, blocks)
        for values in (known[codes], rates, seen.weights[codes])
    )
    # How each single view enters what is compared in each block.
    pulls = [entering[rows].T @ x[rows] for rows in where]
    alone = sum((pull**2 for pull in pulls), np.zeros_like(seen.squares))
    shared = (seen.squares * (sum(pulls, np.zeros_like(alone)) ** 2 - alone)).sum(axis=0)
    swaps = label_swaps(items, blocks, seed)
    of_name = known[seen.rates.index.get_indexer(pd.Index(pd.unique(items)))]
    null = sum(
        (value * ((swaps.rows == n) @ y) for n, value in enumerate(of_name)),
        np.zeros((len(swaps.rows), y.shape[1])),
    )
    return Parts(
        along=_by_block(x * y, where),
        size=_by_block(x**2, where),
        error=_by_block(entering**2, where) @ seen.squares,
        imagined=np.array([rates[rows].mean(axis=0) for rows in where]),
        viewed=np.array([known[codes[rows]].mean(axis=0) for rows in where]),
        shared=np.maximum(shared, 0.0),
        null=null,
        exact=swaps.exact,
    )


def _by_block(values: FloatArray, where: Sequence[NDArray[np.int64]]) -> FloatArray:
    return np.array([values[rows].sum(axis=0) for rows in where])


def _units(parts: Parts, names: pd.Index) -> pd.DataFrame:
    gain = ratio(parts.along, parts.size, parts.error, parts.shared)
    level = offset(parts.imagined, parts.viewed, np.ones_like(parts.viewed), gain)
    along, size, error = (part.sum(axis=0) for part in (parts.along, parts.size, parts.error))
    reasons = _untested(parts)
    # The slope and its p stand also where viewing tells the items apart too little for a gain.
    varying = speaking(parts) & (size > 0)
    spread = np.where(varying, size, np.nan)
    p = permutation_p(np.where(varying, along, np.nan), parts.null, exact=parts.exact)
    known = {
        "gain": gain.value,
        "low": gain.low,
        "high": gain.high,
        "gap": 1 - gain.value,
        "offset_hz": level.value,
        "offset_low": level.low,
        "offset_high": level.high,
    }
    found = pd.DataFrame(
        {name: np.where(reasons == "", values, np.nan) for name, values in known.items()},
        index=names,
    ).assign(slope=along / spread, reliability=1 - error / spread, p=p)
    return found.assign(q=benjamini_hochberg(found["p"]), untested=reasons)


def _untested(parts: Parts) -> NDArray[Any]:
    """Why a unit has no gain."""
    size, error = parts.size.sum(axis=0), parts.error.sum(axis=0)
    reasons = np.full(len(size), "", dtype=object)
    reasons[~(size - error > SAME * size)] = (
        "viewing tells these items apart no better than its errors"
    )
    reasons[~(parts.imagined > 0).any(axis=0)] = "silent in imagery"
    reasons[~(parts.viewed > 0).any(axis=0)] = "silent in viewing"
    return reasons


def speaking(parts: Parts) -> NDArray[np.bool_]:
    """Units that fired both in viewing and in imagery."""
    return np.asarray((parts.imagined > 0).any(axis=0) & (parts.viewed > 0).any(axis=0))


def offset(imagined: FloatArray, viewed: FloatArray, units: FloatArray, gain: Ratio) -> Ratio:
    """Mean over clusters of imagined rate - gain x viewed rate, sums over `units` units each."""
    apart = ratio(imagined - gain.value * viewed, units, np.zeros_like(units), np.zeros(1))
    seen = viewed.sum(axis=0) / units.sum(axis=0)
    variance = apart.variance + seen**2 * gain.variance
    half = half_width(variance, len(units))
    return Ratio(apart.value, apart.value - half, apart.value + half, variance)
