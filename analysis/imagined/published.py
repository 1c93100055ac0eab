"""The published rules for which units are reactivated, by name, for comparison only.

Three generations of them stand in the public analysis code (vwadia/Recall, Apache-2.0) of Wadia et
al. 2026, doi:10.1126/science.adt8343.  None allows for drift between blocks, though each item is
cued in two blocks only.  How often each calls a unit that does nothing in imagery is measured in
`docs/validation.md` (`benchmarks/validity.py`) and stands beside its result in `FALSE_POSITIVES`.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import scipy.stats
from numpy.typing import NDArray
from scipy.special import pdtrc

from analysis.imagined.trials import ImageryTrials
from analysis.inference import SAME
from analysis.prediction import unvarying
from analysis.responses import Trains, Window, ascending, boxcar, count_spikes, psth
from analysis.viewing.bursts import IMAGERY_RULE, BurstRule, bursts
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]

IMAGERY_S: Window = (0.0, 5.0)
ENCODING_BASELINE_S: Window = (-1.5, 0.0)
SMOOTHING_S = 0.5
BIN_S = 0.01
N_SD = 2.0
ANOVA_LEVEL = 0.05
RANK_SUM_LEVEL = 0.05
LEAST_BURST_TRIALS = 3

# Share of units called without any imagery: no drift between blocks, and drift of 0.5 SD of the
# log rate; Poisson units of 0.5 to 8 Hz, design P80_1.  From `docs/validation.md`.
FALSE_POSITIVES: Mapping[str, tuple[float, float]] = {
    "threshold or ANOVA": (0.273, 0.632),
    "rank sum, Bonferroni": (0.058, 0.065),
    "burst in 3 of 8 trials": (0.003, 0.004),
}


def published_rule_threshold_or_anova(
    spikes: Trains, imagined: pd.DataFrame, encoded: pd.DataFrame, window_s: Window = IMAGERY_S
) -> pd.DataFrame:
    """First rule: above a threshold for any item, or different between items.

    Parameters
    ----------
    spikes : ascending spike times of every unit, s
    imagined : one row per cue; `item`, `onset_s`
    encoded : one row per view before imagining; `item`, `onset_s`
    window_s : of imagery, after the cue

    Returns
    -------
    DataFrame, one row per unit
        `items_above`: for how many items the mean of the response curve in imagery, smoothed over
        500 ms, exceeds the mean of the smoothed curve in the 1.5 s before the item's views by two
        of its standard deviations over time; `anova_p`: of a one-way analysis of variance of the
        rates in imagery over items, NaN for units that do not vary; `reactivated`: one item above,
        or p < 0.05.

    Raises
    ------
    AnalysisError
        If an item was imagined and not encoded.
    """
    items = _items(imagined, encoded)
    above = np.zeros(len(spikes), dtype=int)
    for item in items:
        cues, views = (t.loc[t["item"] == item, "onset_s"] for t in (imagined, encoded))
        during = _smoothed(spikes, cues, window_s).mean()
        before = _smoothed(spikes, views, ENCODING_BASELINE_S)
        above += (during > before.mean() + N_SD * before.std()).to_numpy()
    rates = count_spikes(
        ascending(spikes, spikes.values()), imagined["onset_s"].to_numpy(dtype=float), window_s
    ).astype(float)
    p = _anova_p(rates, imagined["item"].to_numpy())
    found = {"items_above": above, "anova_p": p, "reactivated": (above > 0) | (p < ANOVA_LEVEL)}
    return pd.DataFrame(found, index=pd.Index(list(spikes), name="unit"))


def published_rule_rank_sum(trials: ImageryTrials) -> pd.DataFrame:
    """Second rule: rank sums of the rates in imagery against those before the cue, item by item.

    Returns
    -------
    DataFrame, one row per unit
        `p`: the smallest over items, two-sided (Mann & Whitney 1947, doi:10.1214/aoms/1177730491),
        times the number of items (Bonferroni); `reactivated`: p < 0.05.
    """
    items = trials.item.unique()
    before, during = trials.before.to_numpy(dtype=float), trials.during.to_numpy(dtype=float)
    smallest = np.ones(during.shape[1])
    for item in items:
        here = (trials.item == item).to_numpy()
        found = scipy.stats.mannwhitneyu(during[here], before[here], axis=0, method="asymptotic")
        smallest = np.fmin(smallest, found.pvalue)  # NaN where all rates are one: no difference
    p = np.minimum(1.0, len(items) * smallest)
    units = {"p": p, "reactivated": p < RANK_SUM_LEVEL}
    return pd.DataFrame(units, index=trials.during.columns)


def published_rule_bursts(
    spikes: Trains,
    imagined: pd.DataFrame,
    window_s: Window = IMAGERY_S,
    rule: BurstRule = IMAGERY_RULE,
) -> pd.DataFrame:
    """Third and latest rule: a Poisson burst in three or more of the trials of one item.

    Parameters
    ----------
    spikes : ascending spike times of every unit, s
    imagined : one row per cue; `item`, `onset_s`
    window_s : of imagery, after the cue.  The published code shifts its spikes twice, so that
        bursts are sought from 1 to 5 s after the tone
    rule : what is a burst; the reference rate is that of the window of the same trial

    Returns
    -------
    DataFrame, one row per unit
        `burst_trials`: of the item with most, the number of trials with a burst; `reactivated`:
        three or more.
    """
    onsets = imagined["onset_s"].to_numpy(dtype=float)
    items, names = pd.factorize(imagined["item"])
    most = np.zeros(len(spikes), dtype=int)
    for n, train in enumerate(ascending(spikes, spikes.values())):
        burst = _has_burst(train, onsets, window_s, rule)
        most[n] = np.bincount(items, burst, minlength=len(names)).max(initial=0)
    found = {"burst_trials": most, "reactivated": most >= LEAST_BURST_TRIALS}
    return pd.DataFrame(found, index=pd.Index(list(spikes), name="unit"))


def _has_burst(
    train: NDArray[np.floating], onsets_s: FloatArray, window_s: Window, rule: BurstRule
) -> NDArray[np.bool_]:
    """Whether there is a burst after each onset."""
    edges = np.searchsorted(train, onsets_s[:, None] + np.array(window_s))
    width = window_s[1] - window_s[0]
    found = _dense(train, edges, width, rule)
    for n in np.flatnonzero(found):
        a, b = edges[n]
        found[n] = bool(bursts(train[a:b], (b - a) / width, rule))
    return found


def _dense(
    train: NDArray[np.floating], edges: NDArray[np.intp], width_s: float, rule: BurstRule
) -> NDArray[np.bool_]:
    """Where any run of spikes is as unlikely as a burst: without one there is none to look for.

    All trials at once; the search itself, trial by trial, takes thirty times as long.
    """
    sizes = edges[:, 1] - edges[:, 0]
    trial = np.repeat(np.arange(len(edges)), sizes)
    first = np.cumsum(sizes) - sizes
    times = train[np.arange(len(trial)) - first[trial] + edges[trial, 0]]
    found = np.zeros(len(edges), dtype=bool)
    for more in range(rule.least_spikes - 1, sizes.max(initial=0)):
        within = np.flatnonzero(trial[more:] == trial[: len(trial) - more])
        of = trial[within]
        expected = sizes[of] / width_s * (times[within + more] - times[within] + rule.anchor_s)
        found[of[pdtrc(more, expected) <= rule.level * (1 + SAME)]] = True
    return found


def _items(imagined: pd.DataFrame, encoded: pd.DataFrame) -> NDArray[np.object_]:
    items = imagined["item"].unique()
    missing = [item for item in items if item not in set(encoded["item"])]
    if missing:
        raise AnalysisError(f"published rule: item {missing[0]!r} was imagined but never encoded")
    return np.asarray(items, dtype=object)


def _smoothed(spikes: Trains, onsets_s: pd.Series, window_s: Window) -> pd.DataFrame:
    return boxcar(psth(spikes, onsets_s.to_numpy(dtype=float), window_s, BIN_S), SMOOTHING_S)


def _anova_p(rates: FloatArray, items: NDArray[np.object_]) -> FloatArray:
    groups = [rates[items == item] for item in pd.unique(items)]
    still = np.logical_and.reduce([unvarying(group) for group in groups])
    p = np.full(rates.shape[1], np.nan)
    if (~still).any():
        p[~still] = scipy.stats.f_oneway(*(group[:, ~still] for group in groups)).pvalue
    return p
