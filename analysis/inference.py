"""What chance would give: p, q and intervals, by one rule each.

A null made by drawing relabellings counts the observed one in, so that p is never 0
(Phipson & Smyth 2010, doi:10.2202/1544-6115.1585).  A null that lists every relabelling contains
the observed one already and is exact.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any

import numpy as np
import pandas as pd
import scipy.stats
from numpy.typing import ArrayLike, NDArray

from analysis.labels import some
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]

MOST_ENUMERATED = 2**12
N_SAMPLED = 4999
# Beyond so many orders of a block its items are exchanged round by round.
MOST_ORDERS = 5000
# A trend that items share with their places by more than this cannot be told from them.
MOST_LOPSIDED = 0.5
LEVEL = 0.05
# Sums of the same numbers in another order differ in their last digits; they count as equal.
SAME = 1e-10


@dataclass(frozen=True, slots=True)
class Relabellings:
    """Ways in which a design might have come out.

    Attributes
    ----------
    rows : one relabelling per row, (n_relabellings, n_labels)
    exact : whether these are all there are, the observed one among them; else they are drawn
    """

    rows: NDArray[Any]
    exact: bool


def permutation_p(observed: ArrayLike, null: ArrayLike, *, exact: bool) -> FloatArray:
    """How often chance does at least as well; large statistics count.

    Parameters
    ----------
    observed : statistic of each unit, (n_units,)
    null : the same statistic under each relabelling, (n_relabellings, n_units)
    exact : the relabellings are all there are, the observed one among them

    Returns
    -------
    p, (n_units,): ``n / S`` if exact, else ``(1 + n) / (1 + S)``; NaN where the statistic is.
    """
    seen, chance = np.asarray(observed, dtype=float), np.asarray(null, dtype=float)
    as_large = (chance >= seen - SAME * np.abs(seen)).sum(axis=0)
    added = 0 if exact else 1
    return np.where(np.isnan(seen), np.nan, (added + as_large) / (added + len(chance)))


def benjamini_hochberg(p: pd.Series) -> pd.Series:
    """False-discovery rate at which each test is accepted; tests with p NaN were not made.

    Benjamini & Hochberg (1995), doi:10.1111/j.2517-6161.1995.tb02031.x.
    """
    q = p.astype(float).rename("q")
    tested = q.notna()
    if tested.any():
        q[tested] = scipy.stats.false_discovery_control(q[tested], method="bh")
    return q


def units_needed(n_units: int, smallest_p: float, level: float = LEVEL) -> int | None:
    """How many of `n_units` must reach the smallest p before Benjamini-Hochberg accepts any.

    None where not even all of them together would: the false-discovery rate cannot be reached.
    """
    # The k smallest p are accepted if p * n_units / k <= level.
    needed = max(1, math.ceil(n_units * smallest_p / level - SAME))
    return needed if needed <= n_units else None


def proportion_interval(count: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Clopper-Pearson interval of a proportion: its coverage is never below `confidence`."""
    if total == 0:
        return 0.0, 1.0
    interval = scipy.stats.binomtest(count, total).proportion_ci(confidence, method="exact")
    return float(interval.low), float(interval.high)


def bootstrap_interval(
    values: pd.Series,
    statistic: Callable[[FloatArray], float] = np.median,
    groups: pd.Series | None = None,
    *,
    n_resamples: int = 4999,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of a statistic, resampling what was sampled.

    Parameters
    ----------
    values : one per unit; NaN is left out
    statistic : of the values of a resample
    groups : patient of each unit, index as in `values`.  Whole patients are drawn, with all their
        units, because units of one patient are not independent.  Without groups units are drawn.

    Returns
    -------
    low, high : NaN where fewer than two things could be drawn

    Raises
    ------
    AnalysisError
        If `groups` does not say to whom a unit belongs.
    """
    kept = values.dropna()
    if groups is not None and (unknown := kept.index.difference(groups.dropna().index)).size:
        raise AnalysisError(f"no patient is named for {some(unknown)}")
    keys = np.arange(len(kept)) if groups is None else groups.reindex(kept.index).to_numpy()
    parts = [part.to_numpy(dtype=float) for _, part in kept.groupby(keys)]
    if len(parts) < 2:
        return math.nan, math.nan

    def resampled(drawn: NDArray[np.int64]) -> float:
        return statistic(np.concatenate([parts[n] for n in drawn]))

    interval = scipy.stats.bootstrap(
        (np.arange(len(parts)),),
        resampled,
        n_resamples=n_resamples,
        confidence_level=confidence,
        method="percentile",
        vectorized=False,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def sign_flips(n_blocks: int, seed: int = 0) -> Relabellings:
    """Signs of the blocks, each + or -: all of them up to 2^12, drawn beyond.

    Returns
    -------
    rows of +1 and -1, (n_relabellings, n_blocks)
    """
    if 2**n_blocks <= MOST_ENUMERATED:
        return Relabellings(np.array(list(product((1, -1), repeat=n_blocks))), exact=True)
    drawn = np.random.default_rng(seed).choice((1, -1), size=(N_SAMPLED, n_blocks))
    return Relabellings(drawn, exact=False)


def label_swaps(items: ArrayLike, blocks: ArrayLike, seed: int = 0) -> Relabellings:
    """Names of the items exchanged within each block, on all its trials together.

    Trials that shared a cue keep sharing one; only which item it stood for is changed, as if the
    draw of the order within the block had come out otherwise.  A drift from block to block, or
    from trial to trial, therefore stays as it was.  Two items in each of 8 blocks give 256
    relabellings: all of them are listed up to 2^12, and drawn beyond.

    Parameters
    ----------
    items, blocks : of each trial, (n_trials,)

    Returns
    -------
    positions into ``pandas.unique(items)``, (n_relabellings, n_trials); the first row of a full
    list is the observed labelling
    """
    codes, _ = pd.factorize(np.asarray(items))
    block_codes, block_names = pd.factorize(np.asarray(blocks))
    where = [np.flatnonzero(block_codes == n) for n in range(len(block_names))]
    named = [np.unique(codes[trials]) for trials in where]
    n_ways = math.prod(math.factorial(len(names)) for names in named)
    exact = n_ways <= MOST_ENUMERATED
    if exact:
        orders = list(product(*(permutations(names) for names in named)))
    else:
        rng = np.random.default_rng(seed)
        orders = [tuple(tuple(rng.permutation(n)) for n in named) for _ in range(N_SAMPLED)]
    rows = np.empty((len(orders), len(codes)), dtype=np.int64)
    for n, order in enumerate(orders):
        for trials, names, new in zip(where, named, order, strict=True):
            rows[n, trials] = np.asarray(new)[np.searchsorted(names, codes[trials])]
    return Relabellings(rows, exact)


def label_permutations(items: ArrayLike, blocks: ArrayLike, seed: int = 0) -> Relabellings:
    """Names of the items exchanged freely among the trials of each block, drawn 4999 times.

    A drift from block to block stays as it was.  Within a block the trials are taken as equal but
    for their item.  Where items alternate, slow drift within blocks makes a test by these draws
    too strict; only rates that go up and down from one trial to the next make it too lenient.

    Parameters
    ----------
    items, blocks : of each trial, (n_trials,)

    Returns
    -------
    positions into ``pandas.unique(items)``, (4999, n_trials)
    """
    codes, _ = pd.factorize(np.asarray(items))
    block_codes, block_names = pd.factorize(np.asarray(blocks))
    rng = np.random.default_rng(seed)
    rows = np.tile(codes, (N_SAMPLED, 1))
    for n in range(len(block_names)):
        rows[:, block_codes == n] = rng.permuted(rows[:, block_codes == n], axis=1)
    return Relabellings(rows, exact=False)


def lopsided(items: ArrayLike) -> FloatArray:
    """How far the items of one block come early or late in it.

    Parameters
    ----------
    items : of each trial in the order of time, (..., n_trials)

    Returns
    -------
    (...): share of the variance of the places that lies between items: 0 where all items have the
    same mean place, 1 where their places tell the items apart, as they do with one trial each
    """
    orders = np.asarray(items)
    place = np.arange(orders.shape[-1]) - (orders.shape[-1] - 1) / 2
    if orders.shape[-1] < 2:
        return np.zeros(orders.shape[:-1])
    between = np.zeros(orders.shape[:-1])
    for name in np.unique(orders):
        here = orders == name
        between += (here @ place) ** 2 / np.maximum(here.sum(axis=-1), 1)
    return np.asarray(between / (place @ place))


def balanced_permutations(items: ArrayLike, blocks: ArrayLike, seed: int = 0) -> Relabellings:
    """Names of the items exchanged among the trials of each block, no order more lopsided than was.

    For rates from which block means *and a linear trend within each block* were taken out.  Where
    items alternate, a trend takes little from what tells them apart; from a free exchange
    (`label_permutations`) it would take more, and make that null too narrow.  So only orders count
    that are no more `lopsided` than the one that was run.  Blocks with more than 5000 orders
    exchange the k-th trials of all items, for each k.  Where places and items cannot be told apart
    (`lopsided` above 0.5), the items of a block are exchanged as a whole, as by `label_swaps`.

    Parameters
    ----------
    items, blocks : of each trial in the order of time, (n_trials,)

    Returns
    -------
    positions into ``pandas.unique(items)``, (n_relabellings, n_trials): all up to 2^12, 4999 drawn
    beyond
    """
    codes, _ = pd.factorize(np.asarray(items))
    block_codes, block_names = pd.factorize(np.asarray(blocks))
    parts = [
        part
        for n in range(len(block_names))
        for part in _block_parts(np.flatnonzero(block_codes == n), codes)
    ]
    ways = math.prod(len(orders) for _, orders in parts)
    exact = ways <= MOST_ENUMERATED
    if exact:
        chosen = np.array(list(product(*(range(len(orders)) for _, orders in parts))))
    else:
        rng = np.random.default_rng(seed)
        sizes = [len(orders) for _, orders in parts]
        chosen = rng.integers(sizes, size=(N_SAMPLED, len(parts)))
    rows = np.empty((len(chosen), len(codes)), dtype=np.int64)
    for (trials, orders), picked in zip(parts, chosen.T, strict=True):
        rows[:, trials] = orders[picked]
    return Relabellings(rows, exact)


def _block_parts(
    trials: NDArray[np.int64], codes: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Groups of trials of one block, and the labels that each of them may have."""
    here = codes[trials]
    names, counts = np.unique(here, return_counts=True)
    ways = math.factorial(len(here)) // math.prod(math.factorial(n) for n in counts.tolist())
    if lopsided(here) > MOST_LOPSIDED:
        yield trials, _renamed(here)
    elif ways <= MOST_ORDERS:
        orders = np.array(list(_distinct_orders(dict(zip(names, counts, strict=True)))))
        yield trials, orders[lopsided(orders) <= lopsided(here) + SAME]
    else:
        turn = pd.Series(here).groupby(here).cumcount().to_numpy()
        for n in range(turn.max() + 1):
            yield trials[turn == n], _renamed(here[turn == n])


def _renamed(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """These trials with the items exchanged as a whole, in each way; at most 5000 ways, drawn."""
    names = np.unique(codes)
    if math.factorial(len(names)) <= MOST_ORDERS:
        new = np.array(list(permutations(names)))
    else:
        drawn = np.random.default_rng(len(names)).random((MOST_ORDERS, len(names)))
        new = names[np.vstack([np.arange(len(names)), drawn.argsort(axis=1)])]
    return np.asarray(new[:, np.searchsorted(names, codes)])


def _distinct_orders(left: Mapping[int, int]) -> Iterator[tuple[int, ...]]:
    if not any(left.values()):
        yield ()
    for name, n in left.items():
        if n:
            yield from ((name, *rest) for rest in _distinct_orders({**left, name: n - 1}))
