"""Imagery-only units: active in imagery, and shown to have no visual response worth the name.

That no response was found does not show that there is none.  A unit counts as not responding only
where its response to pictures is *equivalent* to none: both the mean change of its rate and the
spread of its rate over pictures lie, beyond chance, inside a stated bound (two one-sided tests;
Schuirmann 1987, doi:10.1007/BF01068419).  What neither responds nor is shown not to is undecided.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.stats
from numpy.typing import NDArray

from analysis.imagined.questions import Reactivation
from analysis.inference import LEVEL, SAME, benjamini_hochberg
from analysis.labels import refuse_gaps, some
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]

# Of units with an axis at the study's calibration (`analysis.synthetic.neurons`) 5 % change their
# mean rate by less than this and spread by less over pictures; half of them spread over 2 Hz.
BOUND_HZ = 0.5
FEWEST_PICTURES = 30
KINDS = ("both", "viewing only", "imagery only", "neither", "undecided")


@dataclass(frozen=True, slots=True)
class VisualResponse:
    """How large the visual response of each unit can be.

    Attributes
    ----------
    units : one row per unit, with the columns
        `baseline_hz`; `change_hz`, `change_low`, `change_high`: mean rate to pictures less the
        baseline, with its 90 % interval; `spread_hz`, `spread_high`: standard deviation of the rate
        over pictures, noise taken out, and its upper 95 % bound (no lower one is needed);
        `p_equivalent`: that the response is not within the bound, the larger of all one-sided p;
        `equivalent`: p_equivalent <= 0.05; `bound_share`: the bound as a share of the baseline;
        `untested`: why there is none of this, '' if tested
    bound_hz : the bound on both
    pictures : how many were seen at least twice
    """

    units: pd.DataFrame
    bound_hz: float
    pictures: int


@dataclass(frozen=True, slots=True)
class TakingPart:
    """Units by what they do in viewing and in imagery.

    Attributes
    ----------
    units : one row per unit: `imagery` (reactivated), `viewing` (responsive), `equivalent` (to no
        visual response), `p_imagery_only`, `q_imagery_only`, `kind` (one of `KINDS`)
    counts : units of each kind
    said : what the kinds mean and how many there are, in a sentence
    """

    units: pd.DataFrame
    counts: pd.Series
    said: str


def visual_response(
    response: pd.DataFrame,
    baseline: pd.DataFrame,
    blocks: pd.Series | None = None,
    bound_hz: float = BOUND_HZ,
) -> VisualResponse:
    """Test each unit's response to pictures for being as good as none.

    Parameters
    ----------
    response : rate after each view, Hz, (n_views, n_units); index: picture
    baseline : rate before any response to it, Hz, rows and columns as in `response`.  In a stream
        of pictures the time before an onset holds the response to the picture before: take the
        first 80 ms after the onset (`analysis.viewing.responsive.BASELINE_S`) instead
    blocks : of each view, in the order of `response`, where rates may drift; each block's mean is
        taken out before pictures are compared
    bound_hz : what is called no response, Hz

    Notes
    -----
    The change is the mean over pictures, by t with pictures as the sample.  The spread rests on the
    products of rates to the same picture in different views, whose mean over pictures is the
    variance that the pictures make, free of noise; these products are skew, and t is corrected for
    that (Hall 1992, doi:10.1111/j.2517-6161.1992.tb01872.x).  A unit that one picture of hundreds
    drives is not equivalent to none, however small its mean change.  `docs/validation.md` has how
    often units exactly at the bound are called equivalent.

    Raises
    ------
    AnalysisError
        If the tables differ in rows or units, rates are not finite, or the bound is not positive.
    """
    _refuse_unusable(response, baseline, blocks, bound_hz)
    codes, names = pd.factorize(response.index, sort=True)
    views = np.bincount(codes, minlength=len(names))
    y, base = response.to_numpy(dtype=float), baseline.to_numpy(dtype=float)
    member = (codes == np.flatnonzero(views >= 2)[:, None]).astype(float)
    n = views[views >= 2][:, None]
    change = member @ (y - base) / n
    centred = _centred(y, blocks)
    sums, squares = member @ centred, member @ centred**2
    products = (sums**2 - squares) / (n * (n - 1))
    enough = len(n) >= FEWEST_PICTURES
    columns = _tested(change, products, bound_hz) if enough else {}
    units = pd.DataFrame(columns, response.columns, _COLUMNS, dtype=float)
    silent = ~(y != 0).any(axis=0) & ~(base != 0).any(axis=0)
    units.loc[silent] = np.nan
    units.insert(0, "baseline_hz", base.mean(axis=0))
    units["equivalent"] = units["p_equivalent"] <= LEVEL
    units["bound_share"] = bound_hz / units["baseline_hz"].where(units["baseline_hz"] > 0)
    few = f"{len(n)} pictures were seen twice or more; {FEWEST_PICTURES} are needed"
    why = np.where(silent, "no spike in any window", "" if enough else few)
    units["untested"] = why.astype(object)
    return VisualResponse(units, bound_hz, len(n))


_COLUMNS = ["change_hz", "change_low", "change_high", "spread_hz", "spread_high", "p_equivalent"]


def taking_part(imagery: Reactivation, visual: VisualResponse, responsive: pd.Series) -> TakingPart:
    """Tell units that are active in viewing, in imagery, in both, or in neither.

    Parameters
    ----------
    imagery : which units are reactivated
    visual : of the same units; others in it are left aside
    responsive : whether each unit was found to respond to pictures, by the tests of viewing

    Returns
    -------
    TakingPart
        *Both* and *viewing only*: responsive.  *Imagery only*: not responsive, and reactivated and
        equivalent to no visual response, both at once: p is the larger of the two (Berger 1982,
        doi:10.1080/00401706.1982.10487790), and q <= 0.05 over the units.  *Neither*: equivalent to
        no visual response and not reactivated.  *Undecided*: the rest, units with too few views
        among them.  Not reactivated means only that no reactivation was found.

    Raises
    ------
    AnalysisError
        If a unit is missing in `visual` or `responsive`.
    """
    names = imagery.units.index
    for table, what in ((visual.units, "visual responses"), (responsive, "responsive units")):
        missing = names.difference(table.index)
        if len(missing):
            raise AnalysisError(f"{what}: nothing of unit {some(missing)}")
    seen, active = responsive[names].astype(bool), imagery.units["reactivated"]
    found = visual.units.loc[names]
    p_only = imagery.units["p"].combine(found["p_equivalent"], np.maximum)
    q_only = benjamini_hochberg(p_only)
    only = (q_only <= LEVEL) & active & found["equivalent"] & ~seen
    kind = np.select(
        [seen & active, seen, only, found["equivalent"] & ~active], KINDS[:4], KINDS[4]
    )
    units = pd.DataFrame(
        {
            "imagery": active,
            "viewing": seen,
            "equivalent": found["equivalent"],
            "p_imagery_only": p_only,
            "q_imagery_only": q_only,
            "kind": pd.Categorical(kind, KINDS),
        },
        index=names,
    )
    counts = units["kind"].value_counts().reindex(list(KINDS)).rename("units").rename_axis("kind")
    return TakingPart(units, counts, _said(counts, visual.bound_hz))


def _said(counts: pd.Series, bound_hz: float) -> str:
    found = ", ".join(f"{n} {kind}" for kind, n in counts.items())
    return (
        f"Of {counts.sum()} units: {found}. Imagery only: reactivated, and the response to pictures"
        f" shown to be within {bound_hz:g} Hz in mean and in spread. Viewing only: responsive or"
        " axis-tuned in viewing, and not detected in imagery, which is no proof of absence."
    )


def _refuse_unusable(
    response: pd.DataFrame, baseline: pd.DataFrame, blocks: pd.Series | None, bound_hz: float
) -> None:
    if not (response.index.equals(baseline.index) and response.columns.equals(baseline.columns)):
        raise AnalysisError("visual responses: rates and baselines differ in their views or units")
    if blocks is not None and len(blocks) != len(response):
        raise AnalysisError(f"visual responses: {len(response)} views, but {len(blocks)} blocks")
    if not (bound_hz > 0 and math.isfinite(bound_hz)):
        raise AnalysisError(f"visual responses: the bound is {bound_hz:g} Hz; it must be above 0")
    refuse_gaps(response, "visual responses")
    refuse_gaps(baseline, "visual baselines")


def _centred(y: FloatArray, blocks: pd.Series | None) -> FloatArray:
    """Less the mean of each block."""
    groups = np.zeros(len(y)) if blocks is None else blocks.to_numpy()
    codes, names = pd.factorize(groups)
    sizes = np.bincount(codes)
    member = (codes == np.arange(len(names))[:, None]).astype(float)
    return np.asarray(y - (member @ y / sizes[:, None])[codes])


def _tested(change: FloatArray, products: FloatArray, bound_hz: float) -> dict[str, FloatArray]:
    """Intervals and p of all units, by column."""
    mean, error, df = change.mean(axis=0), _error(change), len(change) - 1
    wide = scipy.stats.t.ppf(1 - LEVEL, df) * error
    variance, above = _upper(products)
    with np.errstate(divide="ignore", invalid="ignore"):  # no error at all: p is 0 or 1
        low_p = scipy.stats.t.sf((mean + bound_hz) / error, df)
        high_p = scipy.stats.t.cdf((mean - bound_hz) / error, df)
    p = np.fmax.reduce([low_p, high_p, _p_below(products, bound_hz**2)])
    return dict(
        zip(
            _COLUMNS,
            (mean, mean - wide, mean + wide, _root(variance), _root(above), p),
            strict=True,
        )
    )


def _error(values: FloatArray) -> FloatArray:
    return np.asarray(values.std(axis=0, ddof=1) / math.sqrt(len(values)))


def _root(variance: FloatArray) -> FloatArray:
    return np.sqrt(np.maximum(variance, 0.0))


def _skewness(values: FloatArray) -> FloatArray:
    centred = values - values.mean(axis=0)
    spread = np.sqrt((centred**2).mean(axis=0))
    return np.asarray((centred**3).mean(axis=0) / np.where(spread > 0, spread, 1.0) ** 3)


def _p_below(values: FloatArray, bound: float) -> FloatArray:
    """One-sided p that the mean is below the bound, skewness corrected."""
    error = _error(values)
    t = (values.mean(axis=0) - bound) / np.where(error > 0, error, SAME)
    lean = _skewness(values) / math.sqrt(len(values))
    corrected = t + lean * t**2 / 3 + lean**2 * t**3 / 27 + lean / 6
    return np.asarray(scipy.stats.t.cdf(corrected, len(values) - 1))


def _upper(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and the upper 95 % bound that goes with `_p_below`."""
    mean, error = values.mean(axis=0), _error(values)
    lean = _skewness(values) / math.sqrt(len(values))
    corrected = scipy.stats.t.ppf(LEVEL, len(values) - 1)
    # t + lean t^2/3 + lean^2 t^3/27 = ((1 + lean t/3)^3 - 1) / lean, turned round
    safe = np.where(np.abs(lean) > SAME, lean, 1.0)
    t = 3 * (np.cbrt(1 + safe * (corrected - lean / 6)) - 1) / safe
    t = np.where(np.abs(lean) > SAME, t, corrected)
    return mean, mean - t * error
