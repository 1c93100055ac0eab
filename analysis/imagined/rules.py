"""The published rules put to one session, each beside how often it errs in a session like it.

The rules are those of `analysis.imagined.published`.  How often they call units that do nothing was
measured once, at length (`published.FALSE_POSITIVES`), for one design and even rates; here it is
measured again on null units of the session's own design, rates and drift.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.imagined.null_units import block_levels, drift_of, null_spikes
from analysis.imagined.published import (
    BIN_S,
    ENCODING_BASELINE_S,
    FALSE_POSITIVES,
    SMOOTHING_S,
    published_rule_bursts,
    published_rule_rank_sum,
    published_rule_threshold_or_anova,
)
from analysis.imagined.trials import ImageryTrials, imagery_trials
from analysis.responses import Window
from task.contract.errors import AnalysisError

THRESHOLD, RANK_SUM, BURST = FALSE_POSITIVES
FEWEST_NULL_UNITS = 100


@dataclass(frozen=True, slots=True)
class PublishedRules:
    """What the published rules say of a session.

    Attributes
    ----------
    units : whether each rule calls each unit reactivated, (n_units, n_rules)
    null_units : the same of units that do nothing in imagery, at least 100, each with the rate and
        the drift of a unit of the session
    drift : SD of the level of a unit over blocks as a share of its mean, median over units
    absent : rules that could not be put, and why
    """

    units: pd.DataFrame
    null_units: pd.DataFrame
    drift: float
    absent: Mapping[str, str]


def published_rules(
    spikes: Mapping[Any, NDArray[np.floating]],
    cues: pd.DataFrame,
    encoded: pd.DataFrame,
    before_s: Window,
    during_s: Window,
    seed: int = 0,
) -> PublishedRules:
    """Put the published rules to a session and to null units like its own.

    Parameters
    ----------
    spikes : ascending spike times of every unit, s
    cues : one row per cue, in the order of time; `item`, `block`, `onset_s`
    encoded : one row per view before imagining; `item`, `onset_s`
    before_s, during_s : windows relative to the cue, s
    seed : of the null units

    Raises
    ------
    AnalysisError
        As `analysis.imagined.trials.imagery_trials`.
    """
    trials = imagery_trials(spikes, cues, before_s, during_s)
    levels = block_levels(trials)
    copies = -(-FEWEST_NULL_UNITS // max(1, levels.shape[1]))
    many = pd.concat([levels.add_suffix(f" {n}") for n in range(copies)], axis=1)
    around_s = _around(cues, encoded, before_s, during_s)
    nothing = null_spikes(many, cues, around_s, seed)
    units, absent = _put(spikes, trials, cues, encoded, during_s)
    null_units, _ = _put(
        nothing, imagery_trials(nothing, cues, before_s, during_s), cues, encoded, during_s
    )
    return PublishedRules(units, null_units, float(drift_of(levels).median()), absent)


def _around(
    cues: pd.DataFrame, encoded: pd.DataFrame, before_s: Window, during_s: Window
) -> Window:
    """All that the rules look at, and smooth over."""
    first = cues["onset_s"].min() + before_s[0]
    if len(encoded):
        first = min(first, encoded["onset_s"].min() + ENCODING_BASELINE_S[0])
    last = max(cues["onset_s"].max() + during_s[1], encoded["onset_s"].max() if len(encoded) else 0)
    return float(first - SMOOTHING_S), float(last + SMOOTHING_S)


def _put(
    spikes: Mapping[Any, NDArray[np.floating]],
    trials: ImageryTrials,
    cues: pd.DataFrame,
    encoded: pd.DataFrame,
    during_s: Window,
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Which units each rule calls, and the rules that could not be put."""
    found, absent = {}, {}
    try:
        window_s = _whole_bins(during_s)
        found[THRESHOLD] = published_rule_threshold_or_anova(spikes, cues, encoded, window_s)
    except AnalysisError as reason:
        absent[THRESHOLD] = str(reason)
    found[RANK_SUM] = published_rule_rank_sum(trials)
    found[BURST] = published_rule_bursts(spikes, cues, during_s)
    called = {rule: units["reactivated"] for rule, units in found.items()}
    return pd.DataFrame(called, trials.during.columns), absent


def _whole_bins(window_s: Window) -> Window:
    """The window with its borders on those of the bins that the rule counts in."""
    start, end = (round(round(at / BIN_S) * BIN_S, 6) for at in window_s)
    return start, end
