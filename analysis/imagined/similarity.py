"""Is what is high when seen high when imagined?  Similarity of two profiles over items.

Between viewing, encoding and imagery, unit by unit and for the population.  Three nulls answer
three questions, and none of them tells whether the units were chosen for the answer:

- `similarity` exchanges items within blocks: was the unit's profile in these trials due to items?
- `similarity_of_means`, where single trials are not told, exchanges items freely within a session.
  It assumes that the mean rates to all items differ by noise alone, equal for all.  Items live in
  few blocks, so drift from block to block can pass for an item; this null cannot exclude it.
- `unit_specific` exchanges units within a session: is a unit's imagery more like its own viewing
  than like its neighbours'?  What moves all units alike (a salient item) is excluded.
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import pandas as pd
import scipy.stats
from numpy.typing import NDArray

from analysis.imagery import ImaginedCode, imagined_code
from analysis.imagined.blocks import without_trends
from analysis.imagined.trials import ImageryTrials
from analysis.inference import N_SAMPLED, permutation_p
from analysis.labels import refuse_doubles, some
from analysis.prediction import centred, unvarying
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]
Method = Literal["pearson", "spearman"]

FEWEST_ITEMS = 3


def similarity(
    trials: pd.DataFrame,
    blocks: pd.Series,
    known: pd.DataFrame,
    *,
    method: Method = "pearson",
    seed: int = 0,
) -> ImaginedCode:
    """How the rates of single trials follow the profile that units have elsewhere.

    View-imagine: trials of imagery against `item_rates` of viewing; encode-imagine: against
    `item_rates` of encoding with its blocks; view-encode: trials of encoding against viewing.

    Parameters
    ----------
    trials : rates, Hz, (n_trials, n_units), in the order of time; index: item
    blocks : of each trial, in the order of `trials`
    known : profile, (n_items, n_units); index: item
    method : Spearman ranks the profile over items, and the rates of all trials after block means
        and trends are taken out; with one block of one trial each it is the ordinary coefficient
    seed : of swaps, where a design has more than 4096

    Returns
    -------
    ImaginedCode
        As `analysis.imagery.imagined_code`, p one-sided by swaps within blocks; for
        `analysis.imagery.population`.  `slope` is of ranks where the method is Spearman.

    Raises
    ------
    AnalysisError
        If rows and blocks differ in number, there are fewer than 3 items, two units have one name,
        or an item or a unit has no profile.
    """
    if len(blocks) != len(trials):
        raise AnalysisError(f"similarity: {len(trials)} trials, but blocks for {len(blocks)}")
    refuse_doubles(trials.columns, "units")
    if (n := trials.index.nunique()) < FEWEST_ITEMS:
        raise AnalysisError(f"similarity: at least {FEWEST_ITEMS} items are needed, not {n}")
    item, block = pd.Series(trials.index), pd.Series(blocks.to_numpy())
    rates = trials.reset_index(drop=True)
    if method == "spearman":
        free = without_trends(rates.to_numpy(dtype=float), item.to_numpy(), block.to_numpy())
        # Rounding would tell apart what is equal.
        rates = pd.DataFrame(scipy.stats.rankdata(free.round(9), axis=0), columns=rates.columns)
        known = known.loc[known.index.isin(item)].rank()
    return imagined_code(ImageryTrials(item, block, rates, rates), known, seed=seed)


def similarity_of_means(
    first: pd.DataFrame, second: pd.DataFrame, *, method: Method = "pearson", seed: int = 0
) -> tuple[ImaginedCode, ...]:
    """The same where only mean rates to items are known.

    Parameters
    ----------
    first, second : Hz, (n_items, n_units), matched by name; NaN where a unit has no such item
    method : Pearson or Spearman over items
    seed : of permutations: all are listed up to 6 items

    Returns
    -------
    One code for every set of items: units with the same items are taken as one session and
    permuted together, which keeps what they share.

    Raises
    ------
    AnalysisError
        If the tables hold different items or units, values of one where the other has none, or a
        unit has fewer than 3 items.
    """
    return tuple(
        similarity(there, pd.Series(0, there.index), here, method=method, seed=seed)
        for here, there in _sessions(first, second)
    )


def unit_specific(first: pd.DataFrame, second: pd.DataFrame, seed: int = 0) -> pd.Series:
    """Whether profiles are a unit's own, or shared by the units of a session.

    Parameters
    ----------
    first, second : as for `similarity_of_means`
    seed : of exchanges of units

    Returns
    -------
    Series
        `units` (of sessions with two or more), `own`: mean Pearson r of a unit's two profiles,
        `others`: of its second profile with the first of the others of its session, `p` that `own`
        exceeds what exchanging units within sessions gives (one-sided)

    Raises
    ------
    AnalysisError
        As `similarity_of_means`; or if no session has two units that vary.
    """
    r = [_correlations(*tables) for tables in _sessions(first, second)]
    r = [table for table in r if len(table) > 1]
    if not r:
        raise AnalysisError("unit-specific similarity: no session has two units that vary")
    rng = np.random.default_rng(seed)
    own = sum(float(np.trace(table)) for table in r)
    null = np.zeros(N_SAMPLED)
    for table in r:
        order = rng.permuted(np.tile(np.arange(len(table)), (N_SAMPLED, 1)), axis=1)
        null += table[order, np.arange(len(table))].sum(axis=1)
    units, pairs = sum(map(len, r)), sum(len(table) * (len(table) - 1) for table in r)
    others = (sum(float(table.sum()) for table in r) - own) / pairs
    p = float(permutation_p(own, null, exact=False))
    return pd.Series({"units": units, "own": own / units, "others": others, "p": p})


def published_pooled(first: pd.DataFrame, second: pd.DataFrame) -> pd.Series:
    """Correlations over all pairs of unit and item, as if each were a sample of its own.

    Parameters
    ----------
    first, second : as for `similarity_of_means`

    Returns
    -------
    Series
        `within_unit_z_pearson`: Pearson of rates z-scored within unit; `raw_pearson`,
        `raw_spearman`: of the rates themselves.  The raw ones say mostly that units with high rates
        have high rates: they are large for units without any code.
    """
    pairs = [table.melt()["value"].to_numpy(dtype=float) for table in (first, second)]
    z = [((t - t.mean()) / t.std(ddof=0)).melt()["value"].to_numpy() for t in (first, second)]
    known = np.isfinite(pairs[0]) & np.isfinite(pairs[1])
    varying = np.isfinite(z[0]) & np.isfinite(z[1])
    return pd.Series(
        {
            "within_unit_z_pearson": scipy.stats.pearsonr(*(v[varying] for v in z)).statistic,
            "raw_spearman": scipy.stats.spearmanr(*(v[known] for v in pairs)).statistic,
            "raw_pearson": scipy.stats.pearsonr(*(v[known] for v in pairs)).statistic,
        }
    )


def _sessions(
    first: pd.DataFrame, second: pd.DataFrame
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Tables without gaps, one pair for every set of items."""
    for what, one, other in (
        ("item", first.index, second.index),
        ("unit", first.columns, second.columns),
    ):
        refuse_doubles(one, f"{what}s")
        if len(differing := one.symmetric_difference(other)):
            raise AnalysisError(f"similarity: only one of the tables has {what} {some(differing)}")
    second = second.loc[first.index, first.columns]
    known = first.notna()
    unlike = first.columns[(known != second.notna()).any()]
    if len(unlike):
        raise AnalysisError(f"similarity: an item is known in one table only for {some(unlike)}")
    patterns = known.T.groupby(list(first.index), sort=False).groups if len(first) else {}
    for units in patterns.values():
        items = first.index[known[units[0]]]
        yield first.loc[items, list(units)], second.loc[items, list(units)]


def _correlations(first: pd.DataFrame, second: pd.DataFrame) -> FloatArray:
    """Pearson r of every first with every second profile, of units that vary in both."""
    x, y = (table.to_numpy(dtype=float) for table in (first, second))
    varying = ~(unvarying(x) | unvarying(y))
    x, y = (centred(values[:, varying]) for values in (x, y))
    return np.asarray((x / np.linalg.norm(x, axis=0)).T @ (y / np.linalg.norm(y, axis=0)))
