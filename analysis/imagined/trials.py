"""Cued trials of imagery: what was imagined when, and the rates before and after the cue.

Rates drift from block to block, and every item lives in few blocks: what compares trials takes
block means out first.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.labels import some
from analysis.responses import Window, trial_rates
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ImageryTrials:
    """Cued trials of one session; the rows of all four belong together, in the order of time.

    Attributes
    ----------
    item : picture to be imagined, (n_trials,)
    block : (n_trials,)
    before : rate before the cue, Hz, (n_trials, n_units)
    during : rate in imagery, Hz, (n_trials, n_units)
    widths_s : of the windows before the cue and in imagery; None where rates are no counts
    lag : how much later `during` is than `before`, as a share of the time from cue to cue
    """

    item: pd.Series
    block: pd.Series
    before: pd.DataFrame
    during: pd.DataFrame
    widths_s: tuple[float, float] | None = None
    lag: float = 0.5


def imagery_trials(
    spikes: Mapping[Any, NDArray[np.floating]],
    trials: pd.DataFrame,
    before_s: Window,
    during_s: Window,
) -> ImageryTrials:
    """Rates of every unit around the cues.

    Parameters
    ----------
    spikes : ascending spike times of every unit, s
    trials : one row per cue; `item`, `block`, `onset_s` (of the cue, s)
    before_s, during_s : windows relative to the cue, s; start included, end not

    Raises
    ------
    AnalysisError
        If there is no trial, a column is missing, a trial has no item or block, a window is empty,
        or an onset is no time.
    """
    absent = [c for c in ("item", "block", "onset_s") if c not in trials]
    if absent:
        raise AnalysisError(f"imagery trials: no column {some(absent)}")
    if trials.empty or trials[["item", "block"]].isna().any(axis=None):
        raise AnalysisError(
            "imagery trials: at least one is needed, and an item and block for each"
        )
    onsets, items = trials["onset_s"].to_numpy(dtype=float), trials["item"].tolist()
    before, during = (
        trial_rates(spikes, onsets, items, window).reset_index(drop=True)
        for window in (before_s, during_s)
    )
    item, block = (trials[c].reset_index(drop=True) for c in ("item", "block"))
    widths_s = (before_s[1] - before_s[0], during_s[1] - during_s[0])
    later_s = sum(during_s) / 2 - sum(before_s) / 2
    apart_s = trials["onset_s"].astype(float).groupby(trials["block"]).diff().median()
    lag = float(later_s / apart_s) if apart_s > 0 else 0.5  # one cue a block tells no trend
    return ImageryTrials(item, block, before, during, widths_s, lag)


def of_items(trials: ImageryTrials, items: pd.Index) -> ImageryTrials | None:
    """Trials on which these items were imagined, rows by their old names; None if there is none."""
    kept = trials.item.isin(items)
    if not kept.any():
        return None
    return replace(
        trials,
        item=trials.item[kept],
        block=trials.block[kept],
        before=trials.before[kept],
        during=trials.during[kept],
    )


def without_block_means(values: FloatArray, blocks: NDArray[Any]) -> FloatArray:
    """Rows less the mean of the rows of their block, (n_rows, n_units)."""
    codes, names = pd.factorize(blocks)
    sums = np.zeros((len(names), values.shape[1]))
    np.add.at(sums, codes, values)
    return np.asarray(values - (sums / np.bincount(codes)[:, None])[codes])
