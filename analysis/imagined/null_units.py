"""Units that fire like those of a session and do nothing when something is imagined.

What a rule calls among them it calls falsely.  Each is a Poisson process at the mean rate of a unit
around its cues.  The rate is steady within a block and drifts between blocks as that unit's own
does, as far as its scatter over blocks goes beyond what Poisson counts give.  Differences that the
items make between blocks count as drift; bursts and trends within blocks are not imitated.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.imagined.trials import ImageryTrials

FloatArray = NDArray[np.float64]


def block_levels(trials: ImageryTrials) -> pd.DataFrame:
    """Rate of every unit in every block, Poisson scatter taken out, Hz, (n_blocks, n_units).

    Blocks lie around the mean as they do in the counts, drawn together until their variance is that
    of the counts less that of Poisson counts; in one place where nothing is left of it.

    Parameters
    ----------
    trials : with the widths of its windows
    """
    assert trials.widths_s is not None
    before_s, during_s = trials.widths_s
    counts = trials.before * before_s + trials.during * during_s
    blocks = counts.groupby(trials.block.to_numpy(), sort=False)
    time_s = (blocks.size() * (before_s + during_s)).to_numpy()[:, None]
    rates = blocks.sum() / time_s
    mean = counts.sum().to_numpy() / time_s.sum()
    scatter = ((rates - mean) ** 2).sum().to_numpy()
    by_chance = mean * (1 / time_s - 1 / time_s.sum()).sum()
    left = 1 - by_chance / np.where(scatter > 0, scatter, np.inf)
    levels: pd.DataFrame = mean + np.sqrt(np.maximum(left * (scatter > 0), 0.0)) * (rates - mean)
    return levels


def drift_of(levels: pd.DataFrame) -> pd.Series:
    """SD of each unit's levels over blocks as a share of their mean; NaN for silent units."""
    mean = levels.mean()
    return levels.std(ddof=0) / mean.where(mean > 0)


def null_spikes(
    levels: pd.DataFrame, cues: pd.DataFrame, around_s: tuple[float, float], seed: int = 0
) -> dict[Any, FloatArray]:
    """Ascending spike times of one null unit for each unit, s.

    Parameters
    ----------
    levels : rate of every unit in every block, as `block_levels` gives
    cues : in the order of time; `block`, `onset_s`.  The rate changes midway between the last cue
        of a block and the first of the next
    around_s : first and last moment that is looked at
    """
    onsets, blocks = cues["onset_s"].to_numpy(dtype=float), cues["block"].to_numpy()
    turns = np.flatnonzero(blocks[1:] != blocks[:-1])
    edges = np.concatenate([[around_s[0]], (onsets[turns] + onsets[turns + 1]) / 2, [around_s[1]]])
    of_stretch = levels.loc[blocks[np.append(turns, len(blocks) - 1)]].to_numpy()
    length = np.diff(edges)
    rng = np.random.default_rng(seed)
    counts = rng.poisson(of_stretch * length[:, None])
    spikes = {}
    for unit, n in zip(levels.columns, counts.T, strict=True):
        start = np.repeat(edges[:-1], n)
        spikes[unit] = np.sort(start + np.repeat(length, n) * rng.random(n.sum()))
    return spikes
