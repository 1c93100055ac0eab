"""Stretches of time in which imagery follows an axis: a cluster test whose cells are blocks.

Units of one session share its blocks and its items, so that they are no cells to flip the signs of.
Blocks are.  Where every block has two items, exchanging them turns the sign of what the block adds
to the mean correlation, in all windows together and for all units: the sign flips of
`analysis.viewing.clusters` are then the exchanges of items that every other test of a session of
imagery rests on.
"""

import numpy as np
import pandas as pd

from analysis.imagined.sliding import Course
from analysis.viewing.clusters import Clusters, cluster_test
from task.contract.errors import AnalysisError

FEWEST_BLOCKS = 2


def block_clusters(course: Course, cues: pd.DataFrame, seed: int = 0) -> Clusters:
    """Where in time the mean correlation over units is not 0.

    Parameters
    ----------
    course : of one session, see `analysis.imagined.sliding.time_course`
    cues : of the same trials; `item`, `block`
    seed : of flips, beyond 12 blocks

    Returns
    -------
    Clusters
        Bins are windows, called by their centres, s after the cue; cells are blocks of two items,
        others of one item add nothing.

    Raises
    ------
    AnalysisError
        If a block has more than two items, or fewer than two blocks have two.
    """
    items = cues.groupby(cues["block"], sort=False)["item"].nunique()
    if (items > 2).any():
        raise AnalysisError(
            f"blocks of {items.max()} items: signs stand for exchanges of two items only"
        )
    if (n := int((items == 2).sum())) < FEWEST_BLOCKS:
        raise AnalysisError(f"stretches of time need {FEWEST_BLOCKS} blocks of two items, not {n}")
    centres = pd.Index([round(sum(window) / 2, 6) for window in course.windows], name="centre_s")
    size = np.sqrt(course.size.sum(axis=0) * course.spread.sum(axis=0))
    shares = course.along / np.where(size > 0, size, 1.0)
    added = pd.DataFrame(shares.mean(axis=2), items.index, centres)
    return cluster_test(added[items == 2], seed=seed)
