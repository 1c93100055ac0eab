"""Which units respond to pictures at all.

The default slides a window over the time after the onset and compares it, trial by trial, with the
same trial's baseline.  The study's rule has its own name, `published_rule_responsive`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.inference import Relabellings, benjamini_hochberg, permutation_p, sign_flips
from analysis.labels import some
from analysis.responses import (
    Trains,
    Window,
    ascending,
    binned_counts,
    boxcar,
    count_spikes,
)
from analysis.viewing.bursts import burst_latencies
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]

# Before the fastest unit responds (83 ms) there is only baseline.  In a stream of pictures it is
# better than the time before the onset, which holds the response to the picture before.
BASELINE_S: Window = (0.0, 0.08)
SEARCH_S: Window = (0.08, 0.4)
STEP_S = 0.02
LEAST_TRIALS = 10
_BLOCK_NUMBERS = 10_000_000  # of flipped sums held at once


@dataclass(frozen=True, slots=True, eq=False)
class Responsiveness:
    """Which units respond.

    Attributes
    ----------
    units : one row per unit: `p`, corrected for all windows and groups looked at; `q`
        (Benjamini-Hochberg over the units); `start_s` and `stop_s` of the window that stands out
        most, s after the onset; `group` to which it belongs ('' for all trials); `direction`, +1 or
        -1; `baseline_hz` and `peak_hz` there, the latter chosen for being extreme and no estimate
        of how strong a response is.  NaN where nothing could be tested.
    smallest_p : the least p that so many trials can give
    windows, groups : how many of each were looked at, all trials together being a group
    untested : units without a spike in any window
    """

    units: pd.DataFrame
    smallest_p: float
    windows: int
    groups: int
    untested: tuple[Any, ...]


def responsive_units(
    spikes: Trains,
    onsets_s: ArrayLike,
    groups: Sequence[Any] | None = None,
    *,
    baseline_s: Window = BASELINE_S,
    search_s: Window = SEARCH_S,
    seed: int = 0,
) -> Responsiveness:
    """Test whether each unit's rate changes after the onsets, whenever that may be.

    Parameters
    ----------
    spikes : ascending spike times of every unit, s
    onsets_s : (n_trials,)
    groups : of each trial: the picture, where pictures are few, or its category.  Each group is
        looked at by itself, and all trials together.
    baseline_s : relative to the onset; the windows are as wide as this
    search_s : windows begin at its start and every 20 ms later, as long as they end within it; it
        should not reach beyond the next onset

    Raises
    ------
    AnalysisError
        If no window fits or windows overlap the baseline, there are fewer than 10 trials (of a
        group), groups do not match the onsets, an onset is no time, or spikes are out of order.

    Notes
    -----
    In each window and group: ``sum(d) / sqrt(sum(d**2))`` of the differences d between the spikes
    in the window and those in the trial's baseline.  Statistic: the largest absolute value over all
    windows and groups.  Null: window and baseline of a trial change places, in all its windows
    together, all 2^n ways up to 2^12 and 4999 drawn ones beyond; this leaves every trial its level,
    and so any drift of the session as it was.
    """
    starts = _starts(baseline_s, search_s)
    names, members = _groups(np.asarray(onsets_s, dtype=float), groups)
    flips = sign_flips(members.shape[1], seed)
    units, trains = list(spikes), ascending(spikes, spikes.values())
    size = max(1, _BLOCK_NUMBERS // (len(flips.rows) * len(starts)))
    parts = [
        _tested(trains[n : n + size], onsets_s, baseline_s, starts, members, flips)
        for n in range(0, max(1, len(units)), size)
    ]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    table = pd.DataFrame(columns, pd.Index(units, name="unit"))
    fired = table.pop("fired").to_numpy(dtype=bool)
    group = names[table.pop("group").to_numpy(dtype=int)]
    table[~fired] = np.nan
    table.insert(1, "q", benjamini_hochberg(table["p"]))
    table.insert(4, "group", np.where(fired, group, ""))
    n_flips = len(flips.rows)
    return Responsiveness(
        table,
        2 / n_flips if flips.exact else 1 / (1 + n_flips),
        len(starts),
        len(names),
        tuple(table.index[~fired]),
    )


def _starts(baseline_s: Window, search_s: Window) -> FloatArray:
    """Starts of the windows, as wide as the baseline."""
    width = baseline_s[1] - baseline_s[0]
    n_windows = int(np.floor((search_s[1] - search_s[0] - width) / STEP_S + 1e-9)) + 1
    if not width > 0 or n_windows < 1:
        raise AnalysisError(
            f"no window as wide as the baseline {baseline_s[0]:g} to {baseline_s[1]:g} s fits"
            f" between {search_s[0]:g} and {search_s[1]:g} s"
        )
    if search_s[0] < baseline_s[1]:
        raise AnalysisError(
            f"responses are looked for from {search_s[0]:g} s on, before the baseline ends at"
            f" {baseline_s[1]:g} s"
        )
    return np.asarray((search_s[0] + STEP_S * np.arange(n_windows)).round(9))


def _groups(
    onsets_s: FloatArray, groups: Sequence[Any] | None
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Names of the groups, all trials first, and which trials belong to each."""
    n_trials = len(onsets_s)
    if n_trials < LEAST_TRIALS:
        raise AnalysisError(f"responses need at least {LEAST_TRIALS} trials, not {n_trials}")
    everything = np.ones((1, n_trials), bool)
    if groups is None:
        return np.array([""], dtype=object), everything
    if len(groups) != n_trials:
        raise AnalysisError(f"{n_trials} onsets, but {len(groups)} groups for them")
    codes, names = pd.factorize(pd.Series(list(groups), dtype=object), sort=True)
    shown = np.bincount(codes[codes >= 0], minlength=len(names))
    if (codes < 0).any() or (shown < LEAST_TRIALS).any():
        few = some(names[shown < LEAST_TRIALS]) or "trials without a group"
        raise AnalysisError(f"responses by group need at least {LEAST_TRIALS} trials each: {few}")
    members = codes == np.arange(len(names))[:, None]
    return np.array(["", *names], dtype=object), np.concatenate([everything, members])


def _tested(
    trains: Sequence[NDArray[np.floating]],
    onsets_s: ArrayLike,
    baseline_s: Window,
    starts_s: FloatArray,
    members: NDArray[np.bool_],
    flips: Relabellings,
) -> dict[str, NDArray[Any]]:
    """Columns of the result for some of the units; `group` by number, `fired` whether at all."""
    width_s = baseline_s[1] - baseline_s[0]
    base = count_spikes(trains, onsets_s, baseline_s)
    windows = [(start, round(start + width_s, 9)) for start in starts_s.tolist()]
    inside = np.stack([count_spikes(trains, onsets_s, window) for window in windows])
    differences = inside - base  # (n_windows, n_trials, n_units)
    as_seen = np.ones((1, members.shape[1]))
    observed = np.concatenate([_squares(differences, trials, as_seen)[0] for trials in members])
    null = np.zeros((len(flips.rows), len(trains)))
    for trials in members:
        np.maximum(null, _squares(differences, trials, flips.rows).max(axis=1), out=null)
    group, window = np.divmod(observed.argmax(axis=0), len(starts_s))
    trials = members[group].T
    n_trials, unit = trials.sum(axis=0), np.arange(len(trains))
    base_hz = (trials * base).sum(axis=0) / n_trials / width_s
    peak_hz = (trials * inside[window, :, unit].T).sum(axis=0) / n_trials / width_s
    return {
        "p": permutation_p(observed.max(axis=0), null, exact=flips.exact),
        "start_s": starts_s[window],
        "stop_s": (starts_s[window] + width_s).round(9),
        "direction": np.sign(peak_hz - base_hz),
        "baseline_hz": base_hz,
        "peak_hz": peak_hz,
        "group": group,
        "fired": base.any(axis=0) | inside.any(axis=(0, 1)),
    }


def _squares(
    differences: NDArray[np.int64], trials: NDArray[np.bool_], signs: NDArray[Any]
) -> FloatArray:
    """``sum(d)**2 / sum(d**2)`` over some trials, (n_flips, n_windows, n_units)."""
    n_windows, _, n_units = differences.shape
    d = differences[:, trials].transpose(1, 0, 2).reshape(int(trials.sum()), -1)
    # Sums of whole numbers below 2**24 are exact in single precision, in whatever order.
    sums = signs[:, trials].astype(np.float32) @ d.astype(np.float32)
    squares = sums.astype(np.float64) ** 2 / np.maximum((d**2).sum(axis=0), 1)
    return np.asarray(squares.reshape(len(signs), n_windows, n_units))


# The study's rule --------------------------------------------------------------------------------

RULE_BASELINE_S: Window = (-0.05, 0.0)
RULE_BEFORE_S = 0.17
RULE_BIN_S = 0.001
RULE_SD, RULE_PICTURE_SD = 3.5, 10.0
RULE_LEAST_HZ = 0.5


def published_rule_responsive(
    spikes: Trains,
    onsets_s: ArrayLike,
    images: Sequence[Any],
    categories: pd.Series,
    duration_s: float,
) -> pd.DataFrame:
    """The study's rule (doi:10.1126/science.adt8343), for comparison; it is no test.

    Parameters
    ----------
    spikes : ascending spike times of every unit, s
    onsets_s : (n_trials,)
    images : picture shown at each onset
    categories : of each picture; index: picture id
    duration_s : how long a picture is shown

    Returns
    -------
    DataFrame, one row per unit
        `responsive`: (`burst` and (`rises` or `falls`) and `fires`) or `picture`.  `burst`: a
        Poisson burst in at least one trial; their mean onset is `latency_s`, and the window is as
        long as the picture from there on.  `rises`: the curve of the category with the most spikes
        in the window exceeds its baseline by 3.5 SD somewhere in it; `falls`: that of the category
        with the fewest falls below its own by 3.5 SD; baseline and SD over the bins from -50 to
        0 ms.  `fires`: at least 0.5 Hz in the window.  `picture`: the curve of a single picture
        exceeds the mean of the baselines of all by 10 SD, over the bins of all, somewhere in the
        window.  Without a burst there is no window, and all of these are false.

    Raises
    ------
    AnalysisError
        As `burst_latencies`; or if pictures and onsets differ in number, or one has no category.

    Notes
    -----
    Curves in 1 ms bins, smoothed by a boxcar of a tenth of the picture's duration (26 ms).  Fifty
    bins smoothed over 26 hold about two independent values: their SD is far too small, and the
    largest of some 270 bins is compared with it.  The false-positive rate in
    `benchmarks/responses.md` is the consequence.
    """
    if len(images) != len(np.asarray(onsets_s)):
        raise AnalysisError(
            f"{len(np.asarray(onsets_s))} onsets, but {len(images)} pictures for them"
        )
    shown = pd.Index(images)
    missing = shown[~shown.isin(categories.dropna().index)].unique()
    if len(missing):
        raise AnalysisError(f"categories: none for {some(missing)}")
    found = burst_latencies(spikes, onsets_s, duration_s)
    picture, names = pd.factorize(shown, sort=True)
    category = pd.factorize(categories.loc[names], sort=True)[0]
    rows = []
    for train, latency_s in zip(spikes.values(), found["latency_s"].tolist(), strict=True):
        curves = _picture_curves(train, onsets_s, picture, duration_s)
        rows.append(_judged(curves, np.bincount(picture), category, latency_s, duration_s))
    table = pd.DataFrame(rows, found.index)
    strong = table["burst"] & (table["rises"] | table["falls"]) & table["fires"]
    table.insert(0, "responsive", strong | table["picture"])
    return table.assign(latency_s=found["latency_s"])


def _picture_curves(
    train: NDArray[np.floating], onsets_s: ArrayLike, picture: NDArray[np.int64], duration_s: float
) -> pd.DataFrame:
    """Smoothed curve of each picture in Hz, (n_bins, n_pictures)."""
    window = (-RULE_BEFORE_S, round(2 * duration_s, 3))
    binned = binned_counts({0: train}, onsets_s, window, RULE_BIN_S)
    order = picture.argsort(kind="stable")
    shown = np.bincount(picture)
    sums = np.add.reduceat(binned.counts[order, :, 0], shown.cumsum() - shown, axis=0)
    rates = pd.DataFrame((sums / shown[:, None]).T / RULE_BIN_S, binned.starts_s)
    return boxcar(rates, max(1, int(100 * duration_s)) * RULE_BIN_S)


def _judged(
    curves: pd.DataFrame,
    shown: NDArray[np.int64],
    category: NDArray[np.int64],
    latency_s: float,
    duration_s: float,
) -> dict[str, bool]:
    """The conditions of the rule for one unit."""
    if np.isnan(latency_s):
        return dict.fromkeys(("burst", "rises", "falls", "fires", "picture"), False)
    starts, values = curves.index.to_numpy(dtype=float), curves.to_numpy()
    before = (starts >= RULE_BASELINE_S[0]) & (starts < RULE_BASELINE_S[1])
    window = (starts >= latency_s) & (starts < latency_s + duration_s)
    member = (category == np.arange(category.max() + 1)[:, None]) * shown
    by_category = values @ (member / member.sum(axis=1, keepdims=True)).T
    in_window = by_category[window].mean(axis=0)
    most, least = (by_category[:, n] for n in (in_window.argmax(), in_window.argmin()))
    return {
        "burst": True,
        "rises": bool(most[window].max() > most[before].mean() + RULE_SD * most[before].std()),
        "falls": bool(least[window].min() < least[before].mean() - RULE_SD * least[before].std()),
        "fires": bool(values[window].mean(axis=0) @ shown / shown.sum() >= RULE_LEAST_HZ),
        "picture": bool(
            values[window].max() >= values[before].mean() + RULE_PICTURE_SD * values[before].std()
        ),
    }
