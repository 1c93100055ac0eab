"""What is left of rates within a block once the block's mean and its trend are out.

Rates drift from block to block and within each.  An item lives in few blocks, and where the first
item of a block is always cued first, a rate that falls within blocks looks like a preference for
it.  A straight line through the rates of each block, in the order of its trials, takes that out; it
costs 5 % of what two items cued A B A B A B A B tell apart.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.inference import MOST_LOPSIDED, lopsided

FloatArray = NDArray[np.float64]


def without_trends(values: FloatArray, items: NDArray[Any], blocks: NDArray[Any]) -> FloatArray:
    """Rows less a straight line through the rows of their block.

    Parameters
    ----------
    values : (n_trials, n_units), in the order of time
    items, blocks : of each trial

    Returns
    -------
    (n_trials, n_units)
        Where the places of a block's trials tell its items apart (`lopsided` above 0.5: one trial
        of each, or A A B B), a line would take the items with it: there only the mean is taken out.
    """
    left = np.empty_like(values, dtype=float)
    for trials in _trials_of(blocks):
        line = np.ones((len(trials), 1))
        if trend_apart(items[trials]):
            place = np.arange(len(trials)) - (len(trials) - 1) / 2
            line = np.column_stack([line, place])
        here = values[trials]
        left[trials] = here - line @ (line.T @ here / (line**2).sum(axis=0)[:, None])
    return left


def trend_apart(items: NDArray[Any]) -> bool:
    """Whether the items of one block, in the order of time, can be told from a trend in it."""
    return bool(lopsided(pd.factorize(items)[0]) <= MOST_LOPSIDED) and len(items) > 2


def blocks_without_trend(items: NDArray[Any], blocks: NDArray[Any]) -> int:
    """From how many blocks `without_trends` takes a trend."""
    return sum(trend_apart(items[trials]) for trials in _trials_of(blocks))


def _trials_of(blocks: NDArray[Any]) -> Iterator[NDArray[np.int64]]:
    codes, names = pd.factorize(blocks)
    return (np.flatnonzero(codes == n) for n in range(len(names)))
