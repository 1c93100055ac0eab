"""What a design can answer: how each question is put to chance, and the least p it can give.

Eight blocks of two items give sign flips of block means a smallest p of 2/256: no correction for a
hundred units leaves anything of that.  So a design is asked beforehand what it could show.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.imagined.blocks import blocks_without_trend
from analysis.inference import (
    LEVEL,
    Relabellings,
    balanced_permutations,
    label_swaps,
    permutation_p,
    sign_flips,
    units_needed,
)
from analysis.labels import some

QUESTIONS = ("modulated", "selective")


@dataclass(frozen=True, slots=True)
class Reach:
    """What a design can show of single units, whatever they do.

    Attributes
    ----------
    tests : one row per test (`modulated`, `selective`, `modulated_by_block`, `selective_by_swap`,
        and `reactivated`, which is both questions together); `relabellings` that its null has;
        `exact`, whether these are all there are; `smallest_p` that it can give;
        `units_needed`, how many units must reach it before any has q <= 0.05, NaN if all of them
        together would not be enough
    claims : whether `reactivated` can be said of a single unit
    trends : from how many blocks a trend is taken out before items are compared; in the others
        it cannot be told from the items
    leaning : items that are cued first in all of their blocks, or in none.  A straight trend within
        blocks is taken out; what is left of a bent one could pass for these.  If their place was
        not drawn at random, tests of items rest on its being small
    order : what tests of items assume of the order of the cues, in words
    said : what the tests can show, in a sentence
    """

    tests: pd.DataFrame
    claims: bool
    trends: int
    leaning: tuple[Any, ...]
    order: str
    said: str


@dataclass(frozen=True, slots=True)
class Null:
    """How a test is made.

    Attributes
    ----------
    observed : the design as it was: signs or positions into the items, (n_labels,)
    by : the same as it might have been
    alike : relabellings whose statistic is that of the observed one, whatever the rates
    """

    observed: NDArray[Any]
    by: Relabellings
    alike: NDArray[np.bool_]

    @property
    def smallest_p(self) -> float:
        """The least p; 1 where nothing can be tested."""
        return float(permutation_p(1.0, self.alike.astype(float), exact=self.by.exact))


def design_reach(items: Sequence[Any], blocks: Sequence[Any], n_units: int) -> Reach:
    """What a design could show of so many units, before it is run.

    Parameters
    ----------
    items, blocks : of each cue in the order of time, (n_trials,)
    n_units : how many are expected
    """
    design = np.asarray(items), np.asarray(blocks)
    return reach_of(nulls_of(*design, 0), n_units, *design)[0]


def nulls_of(items: NDArray[Any], blocks: NDArray[Any], seed: int) -> dict[str, Null]:
    """The null of every test of a design."""
    n_blocks, codes = len(pd.unique(blocks)), pd.factorize(items)[0]
    nulls = {}
    # Behind the trials stands the correction of each block, which is flipped as one of them is.
    for name, n, drifts in (
        ("modulated", len(items), n_blocks),
        ("modulated_by_block", n_blocks, 0),
    ):
        flips = sign_flips(n + drifts, seed)
        signs = flips.rows[:, :n]
        alike = (signs == signs[:, :1]).all(axis=1)
        nulls[name] = Null(np.ones(n + drifts), flips, alike)
    for name, by in (
        ("selective", balanced_permutations(items, blocks, seed)),
        ("selective_by_swap", label_swaps(items, blocks, seed)),
    ):
        nulls[name] = Null(codes, by, _same_groups(by.rows, codes))
    return nulls


def _same_groups(rows: NDArray[Any], codes: NDArray[Any]) -> NDArray[np.bool_]:
    """Relabellings that only rename the items, and so cannot differ from what was observed."""
    first = np.unique(codes, return_index=True)[1]
    renamed = rows[:, first][:, codes]  # what each row would be if it did nothing else
    distinct = np.array([len(set(names)) == len(first) for names in rows[:, first].tolist()])
    return np.asarray((renamed == rows).all(axis=1) & distinct)


def reach_of(
    nulls: Mapping[str, Null], n_units: int, items: NDArray[Any], blocks: NDArray[Any]
) -> tuple[Reach, int | None]:
    """What the tests can show, and how many units `reactivated` needs."""
    smallest = smallest_of(nulls)
    needed = {name: units_needed(n_units, p) for name, p in smallest.items()}
    tests = pd.DataFrame(
        {
            "relabellings": {name: len(null.by.rows) for name, null in nulls.items()},
            "exact": {name: null.by.exact for name, null in nulls.items()},
            "smallest_p": smallest,
            "units_needed": {k: math.nan if n is None else n for k, n in needed.items()},
        },
        index=pd.Index([*nulls, "reactivated"], name="test"),
    ).astype({"relabellings": "Int64", "exact": "boolean", "units_needed": float})
    n_blocks = len(pd.unique(blocks))
    said = _said(n_units, smallest["reactivated"], needed["reactivated"])
    trends, leaning = blocks_without_trend(items, blocks), _leaning(items, blocks)
    reach = Reach(
        tests=tests,
        claims=needed["reactivated"] is not None,
        trends=trends,
        leaning=leaning,
        order=_order(trends, n_blocks, leaning),
        said=f"{len(items)} cues in {n_blocks} block{'s' * (n_blocks != 1)}: {said}",
    )
    return reach, needed["reactivated"]


def _leaning(items: NDArray[Any], blocks: NDArray[Any]) -> tuple[Any, ...]:
    """Items that lead always or never, among those that meet others."""
    cues = pd.DataFrame({"item": items, "block": blocks})
    met = cues[cues.groupby("block")["item"].transform("nunique") > 1]
    first = met["item"] == met.groupby("block")["item"].transform("first")
    leads = first.groupby(met["item"]).mean()
    return tuple(leads.index[(leads == 0) | (leads == 1)])


def _order(trends: int, n_blocks: int, leaning: Sequence[Any]) -> str:
    """What is taken out of the rates before items are compared, and what is assumed."""
    line = (
        f"a straight trend within the block is taken out of the rates in {trends} of {n_blocks}"
        f" block{'s' * (n_blocks != 1)}, so that p of items are corrected for it"
    )
    if not leaning:
        return f"{line}; no item was cued first in all of its blocks, or in none"
    return (
        f"{line}. {some(leaning)} {'was' if len(leaning) == 1 else 'were'} cued first in all blocks"
        " or in none: there item and place in the block are one. Unless the order was drawn, p of"
        " items assume that what a trend has beyond a straight line is small"
    )


def smallest_of(nulls: Mapping[str, Null]) -> dict[str, float]:
    """Smallest p of each test, and of both questions together."""
    smallest = {name: null.smallest_p for name, null in nulls.items()}
    asked = [smallest[name] for name in QUESTIONS if smallest[name] < 1]
    return {**smallest, "reactivated": min([1.0, *(len(asked) * p for p in asked)])}


def _said(n_units: int, smallest: float, needed: int | None) -> str:
    least = f"the smallest p of a unit is {smallest:.2g}"
    if needed is None:
        return (
            f"{least}; not even all {n_units} units together could have q <= {LEVEL:g}, so that"
            " only the units as a whole can be tested"
        )
    return f"{least}; {needed} of {n_units} units must reach it before any has q <= {LEVEL:g}"
