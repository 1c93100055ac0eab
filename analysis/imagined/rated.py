"""Ratings of vividness against everything that a session has trial by trial, in two readings.

Rank correlations within blocks, permuted, say whether there is anything; a mixed model over units
says how much (`analysis.imagined.vividness`, `analysis.imagined.mixed`).
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pandas as pd

from analysis.imagined.mixed import MixedVividness, mixed_vividness, rated_trials
from analysis.imagined.trials import ImageryTrials
from analysis.imagined.vividness import Vividness, vividness

Answer = Callable[[str, Callable[[], Any]], Any]
OVER_UNITS = ("rate", "axis")


def rated(
    values: Mapping[str, pd.DataFrame],
    ratings: pd.Series,
    blocks: pd.Series,
    answer: Answer,
    seed: int = 0,
) -> dict[str, Vividness]:
    """Rank correlations of ratings with each of the values.

    Parameters
    ----------
    values : by name, (n_trials, n_columns) each; its rows are named by the place of the trial, and
        some trials may be missing
    ratings, blocks : of every trial
    answer : asks, and keeps the reason where there is no answer
    """
    found = {
        name: answer(
            f"vividness and {name}",
            partial(vividness, of, ratings.loc[of.index], blocks.loc[of.index], seed),
        )
        for name, of in values.items()
    }
    return {name: told for name, told in found.items() if told is not None}


def mixed_of(
    values: Mapping[str, pd.DataFrame],
    ratings: pd.Series,
    trials: ImageryTrials,
    answer: Answer,
) -> dict[str, MixedVividness]:
    """Mixed models over the units of a session; parameters as in `rated`."""
    found = {}
    for name in OVER_UNITS:
        if name not in values:
            continue
        of = values[name]
        given, block, item = (s.loc[of.index] for s in (ratings, trials.block, trials.item))
        found[name] = answer(
            f"vividness and {name}, mixed model", partial(_mixed, of, given, block, item)
        )
    return {name: model for name, model in found.items() if model is not None}


def _mixed(
    values: pd.DataFrame, ratings: pd.Series, blocks: pd.Series, items: pd.Series
) -> MixedVividness:
    return mixed_vividness(rated_trials(values, ratings, blocks, items, "session"))
