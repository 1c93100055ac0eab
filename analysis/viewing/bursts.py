"""Poisson bursts: runs of spikes too dense for a rate, and the study's latency from them.

Hanes, Thompson & Schall 1995, doi:10.1007/BF00241967, after Legendy & Salcman 1985,
doi:10.1152/jn.1985.53.4.926.  Offered for comparison with the study: its rate is that of the single
trial, which for most units and trials is 0 (see `burst_latencies`).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import pdtrc

from analysis.responses import Trains, Window, ascending, count_spikes
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BurstRule:
    """What counts as a burst.

    Attributes
    ----------
    least_spikes : a burst has at least so many
    level : so unlikely must so many spikes in so short a time be at the reference rate
    anchor_s : added to the time that the spikes take before its chance is computed
    extra_s, extra_spikes : growing stops once the spikes beyond the best end so far take longer, or
        are more, than this
    """

    least_spikes: int
    level: float
    anchor_s: float
    extra_s: float
    extra_spikes: int


VIEWING_RULE = BurstRule(4, 0.01, 0.5, 0.010, 10)
IMAGERY_RULE = BurstRule(5, 0.01, 0.3, 0.250, 10)
BASELINE_S: Window = (-0.05, 0.0)
SEARCH_FROM_S = 0.05


@dataclass(frozen=True, slots=True)
class Burst:
    """A burst: its first and last spike, how many it has, and ``-ln`` of its chance."""

    start_s: float
    stop_s: float
    spikes: int
    surprise: float


def bursts(times_s: ArrayLike, rate_hz: float, rule: BurstRule) -> list[Burst]:
    """Bursts of one stretch of spikes, in the order of time.

    Parameters
    ----------
    times_s : ascending spike times, s
    rate_hz : reference rate.  At 0 every run of enough spikes is a burst of infinite surprise.
    rule : for example `VIEWING_RULE`

    Notes
    -----
    The surprise of n spikes that take a time T is ``-ln P(n or more in T + anchor)`` of a Poisson
    process of the reference rate.  A burst grows from two neighbouring spikes no further apart than
    spikes of that rate on average.  It takes up the next spike while that does not lower the
    surprise, or one up to `extra_s` and `extra_spikes` further if that makes up for those between;
    then its beginning is where its surprise is largest; both again, until neither changes.  After a
    burst, accepted or not, the search goes on behind it.
    """
    times = np.asarray(times_s, dtype=float)
    found, first = [], 0
    while first < len(times) - 1:
        if rate_hz > 0 and (times[first + 1] - times[first]) * rate_hz > 1:
            first += 1
            continue
        start, stop, surprise = _settled(times, first, rate_hz, rule)
        if stop - start + 1 >= rule.least_spikes and surprise > -np.log(rule.level):
            found.append(Burst(float(times[start]), float(times[stop]), stop - start + 1, surprise))
        first = stop + 1
    return found


def _settled(
    times: FloatArray, first: int, rate_hz: float, rule: BurstRule
) -> tuple[int, int, float]:
    """First and last spike of the burst that grows from `first`, and its surprise."""
    start, stop = first, -1
    for _ in range(len(times)):
        end = _end(times, start, rate_hz, rule)
        begin = _begin(times, start, end, rate_hz, rule)
        if (begin, end) == (start, stop):
            break
        start, stop = begin, end
    return (
        start,
        stop,
        float(_surprise(times[stop] - times[start], stop - start + 1, rate_hz, rule)),
    )


def _surprise(
    duration_s: ArrayLike, n_spikes: ArrayLike, rate_hz: float, rule: BurstRule
) -> FloatArray:
    """``-ln`` of the chance of so many spikes or more."""
    expected = rate_hz * (np.asarray(duration_s) + rule.anchor_s)
    chance = pdtrc(np.asarray(n_spikes) - 1, expected)
    with np.errstate(divide="ignore"):  # no chance at all: infinite surprise
        return np.asarray(-np.log(chance))


def _end(times: FloatArray, start: int, rate_hz: float, rule: BurstRule) -> int:
    """Last spike of the burst that begins at `start`."""
    last = np.arange(start + 1, len(times))
    surprise = _surprise(times[last] - times[start], last - start + 1, rate_hz, rule)
    best = 0
    for n in range(1, len(last)):
        further = n - best
        far = times[last[n]] - times[last[best]] > rule.extra_s or further > rule.extra_spikes
        raised = surprise[n] >= surprise[best]
        if far and not (raised and further == 1):
            break
        if raised:
            best = n
    return int(last[best])


def _begin(times: FloatArray, start: int, stop: int, rate_hz: float, rule: BurstRule) -> int:
    """First spike of the burst up to `stop`; of equally surprising ones the earliest."""
    first = np.arange(start, stop)
    surprise = _surprise(times[stop] - times[first], stop - first + 1, rate_hz, rule)
    return int(first[surprise.argmax()])


def burst_latencies(
    spikes: Trains,
    onsets_s: ArrayLike,
    duration_s: float,
    rule: BurstRule = VIEWING_RULE,
) -> pd.DataFrame:
    """The study's latency of each unit: mean onset of the strongest burst of every trial.

    Parameters
    ----------
    spikes : ascending spike times of every unit, s
    onsets_s : (n_trials,)
    duration_s : how long a picture is shown; bursts are sought from 50 ms after its onset on and
        until its end

    Returns
    -------
    DataFrame, one row per unit
        `latency_s`, mean over the trials with a burst of the onset of its strongest (the first of
        equally strong ones), NaN without any; `sem_s`, its standard error; `trials`, with a burst;
        `share`, of all trials, that is; `degenerate`, the share of all trials in which the
        reference rate is 0.

    Raises
    ------
    AnalysisError
        If there is no onset or one is no time, the picture is shown for 50 ms or less, or spikes
        are out of order.

    Notes
    -----
    The reference is the rate in the 50 ms before the onset *of the same trial*.  At 2.4 Hz these
    are empty in 89 % of the trials; the surprise is then infinite for any four spikes, however far
    apart.  A single spike makes the reference 20 Hz, and no four spikes are a burst: with the
    anchor, ten are expected.  In a fast stream those 50 ms hold the response to the picture before.
    """
    onsets = np.asarray(onsets_s, dtype=float)
    if not len(onsets):
        raise AnalysisError("a latency needs at least one onset")
    if not duration_s > SEARCH_FROM_S:
        raise AnalysisError(
            f"bursts are sought from {SEARCH_FROM_S * 1000:g} ms on, but pictures are shown for"
            f" {duration_s * 1000:g} ms"
        )
    trains = ascending(spikes, spikes.values())
    before = count_spikes(trains, onsets, BASELINE_S)
    rates = before / (BASELINE_S[1] - BASELINE_S[0])
    rows = [
        _strongest_onsets(train, onsets, rates[:, n], duration_s, rule)
        for n, train in enumerate(trains)
    ]
    table = pd.DataFrame(
        [_mean_onset(row) for row in rows],
        pd.Index(list(spikes), name="unit"),
        ["latency_s", "sem_s", "trials"],
    ).astype({"trials": int})
    return table.assign(share=table["trials"] / len(onsets), degenerate=(before == 0).mean(axis=0))


def _strongest_onsets(
    train: NDArray[np.floating],
    onsets_s: FloatArray,
    rates_hz: FloatArray,
    duration_s: float,
    rule: BurstRule,
) -> FloatArray:
    """Onset of the strongest burst of every trial that has one, s after the picture."""
    first = np.searchsorted(train, onsets_s + SEARCH_FROM_S, side="left")
    last = np.searchsorted(train, onsets_s + duration_s, side="left")
    found = []
    for n in np.flatnonzero(last - first >= rule.least_spikes):
        here = bursts(train[first[n] : last[n]], float(rates_hz[n]), rule)
        if here:
            found.append(max(here, key=lambda burst: burst.surprise).start_s - onsets_s[n])
    return np.array(found)


def _mean_onset(onsets_s: FloatArray) -> tuple[float, float, int]:
    n = len(onsets_s)
    mean = float(onsets_s.mean()) if n else np.nan
    return mean, float(onsets_s.std(ddof=1) / np.sqrt(n)) if n > 1 else np.nan, n
