"""When a unit's response begins.

The default is a change point: of all intervals after the onset, the one whose rate stands out most
from the rest of the window.  It uses every spike of many trials and no smoothing, so it neither
waits for a noisy peak nor starts at a noisy bump, and the baseline is the unit's own over all
those trials.  (`analysis.responses.half_maximum_latency_s` reads the half-maximum off a curve,
`analysis.viewing.bursts` takes the mean of single trials, as the study did.)
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy

from analysis.inference import LEVEL, benjamini_hochberg, permutation_p
from analysis.labels import some
from analysis.responses import Trains, Window, binned_counts
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]

BIN_S = 0.002
# No unit of ventral temporal cortex is this fast: of 367 the first responded after 83 ms.
EARLIEST_S = 0.08
WINDOW_S: Window = (0.0, 0.4)
SHORTEST_S = 0.03
END_STEP_S = 0.02  # ends are looked for in coarser steps: only the start is told
BEST_PICTURES = 0.25


def latencies(
    spikes: Trains,
    onsets_s: ArrayLike,
    images: Sequence[Any] | None = None,
    *,
    window_s: Window = WINDOW_S,
    earliest_s: float = EARLIEST_S,
    n_shuffles: int = 199,
    n_resamples: int = 400,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Start of each unit's response, by a change point of its rate, with an interval.

    Parameters
    ----------
    spikes : ascending spike times of every unit, s
    onsets_s : (n_trials,)
    images : picture shown at each onset.  With them, a unit's trials are those of the quarter of
        the pictures to which it fired most *in the other half of the trials* (every other
        presentation of a picture), in the whole window: no spike has chosen its own trial, and
        when it came has chosen nothing.  Without them, all trials are used.
    window_s : relative to the onset; it should not reach beyond the next onset
    earliest_s : no response begins before
    n_shuffles, n_resamples, seed : of test and interval; the same for every unit

    Returns
    -------
    DataFrame, one row per unit
        `latency_s`, NaN where p > 0.05; `low_s`, `high_s` percentile interval over resampled
        trials, NaN where the latency is; `p` that the rate does not depend on the time since the
        onset; `q` (Benjamini-Hochberg over the units); `trials` used, `share` of all that is,
        `spikes` in them.  p is NaN where no spike was fired.

    Raises
    ------
    AnalysisError
        If the window is no whole number of 2 ms bins or too short, there is no onset, onsets and
        pictures differ in number, a picture was shown once only, or spikes are out of order.

    Notes
    -----
    Poisson counts with one rate inside an interval and another outside; the interval is that with
    the largest likelihood among those that begin at or after `earliest_s`, last at least 30 ms and
    have more spikes than the rest (the scan statistic of Kulldorff 1997,
    doi:10.1080/03610929708831995).  Only rises are found.  p: every trial's spikes are
    moved round the window by an amount of their own, which leaves each trial its number of spikes,
    and so any drift of the session, and the choice of trials, as they were.
    """
    binned = binned_counts(spikes, onsets_s, window_s, BIN_S)
    n_trials, n_bins, n_units = binned.counts.shape
    first = _first_start(n_bins, round((earliest_s - window_s[0]) / BIN_S))
    used = np.ones((n_trials, n_units), bool)
    if images is not None:
        used = _trials_of_best(binned.counts.sum(axis=1), images)
    found = [
        _latency(binned.counts[used[:, n], :, n], first, n_shuffles, n_resamples, seed)
        for n in range(n_units)
    ]
    starts, resampled, p = (
        (np.array(part) for part in zip(*found, strict=True)) if found else (np.empty((3, 0)))
    )
    return _table(
        binned.units, window_s[0] + BIN_S * starts, window_s[0] + BIN_S * resampled, p, confidence
    ).assign(
        trials=used.sum(axis=0),
        share=used.mean(axis=0),
        spikes=[int(binned.counts[used[:, n], :, n].sum()) for n in range(n_units)],
    )


def _table(
    units: pd.Index, starts_s: FloatArray, resampled_s: FloatArray, p: FloatArray, confidence: float
) -> pd.DataFrame:
    responds = p <= LEVEL
    tail = (1 - confidence) / 2
    low, high = np.full((2, len(units)), np.nan)
    if responds.any():
        low[responds], high[responds] = np.quantile(resampled_s[responds], [tail, 1 - tail], axis=1)
    table = pd.DataFrame(
        {"latency_s": np.where(responds, starts_s, np.nan), "low_s": low, "high_s": high, "p": p},
        units,
    )
    return table.assign(q=benjamini_hochberg(table["p"]))


def _first_start(n_bins: int, earliest: int) -> int:
    """First bin at which a response may begin."""
    first = max(earliest, 1)
    if n_bins - first < round(SHORTEST_S / BIN_S):
        raise AnalysisError(
            f"a latency needs a window that ends at least {SHORTEST_S * 1000:g} ms after the"
            " earliest response"
        )
    return first


def _latency(
    counts: NDArray[np.int32], first: int, n_shuffles: int, n_resamples: int, seed: int
) -> tuple[int, NDArray[np.int64], float]:
    """Start of the response and those of resampled trials, in bins; p that there is none."""
    rng = np.random.default_rng(seed)
    pooled, unasked = counts.sum(axis=0)[None, :], np.zeros(n_resamples, np.int64)
    if not pooled.any():
        return 0, unasked, np.nan
    shuffled = _shuffled(counts, n_shuffles, rng)
    starts, gains = _best_interval(np.concatenate([pooled, shuffled]), first)
    p = float(permutation_p(gains[:1], gains[1:, None], exact=False)[0])
    if not p <= LEVEL:  # no latency, and so no interval
        return int(starts[0]), unasked, p
    resampled, _ = _best_interval(_resampled(counts, n_resamples, rng), first)
    return int(starts[0]), resampled, p


def _shuffled(
    counts: NDArray[np.int32], n_shuffles: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Pooled counts after every trial was moved round the window, (n_shuffles, n_bins)."""
    n_trials, n_bins = counts.shape
    trial, place = (np.repeat(where, counts[counts > 0]) for where in np.nonzero(counts))
    shift = rng.integers(0, n_bins, (n_shuffles, n_trials))
    moved = (place + shift[:, trial]) % n_bins + n_bins * np.arange(n_shuffles)[:, None]
    flat = np.bincount(moved.ravel(), minlength=n_shuffles * n_bins)
    return flat.reshape(n_shuffles, n_bins)


def _resampled(
    counts: NDArray[np.int32], n_resamples: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Pooled counts of trials drawn with replacement, (n_resamples, n_bins)."""
    n_trials = len(counts)
    drawn = rng.integers(0, n_trials, (n_resamples, n_trials))
    drawn += n_trials * np.arange(n_resamples)[:, None]
    times = np.bincount(drawn.ravel(), minlength=n_resamples * n_trials)
    # Whole numbers below 2**24 are exact in single precision.
    weights = times.reshape(n_resamples, n_trials).astype(np.float32)
    return (weights @ counts.astype(np.float32)).astype(np.int64)


def _best_interval(pooled: NDArray[np.int64], first: int) -> tuple[NDArray[np.int64], FloatArray]:
    """Start of the interval that stands out most, and by how much log likelihood; by row."""
    n_bins, shortest = pooled.shape[1], round(SHORTEST_S / BIN_S)
    sums = np.zeros((len(pooled), n_bins + 1), dtype=np.int64)
    np.cumsum(pooled, axis=1, out=sums[:, 1:])
    total = sums[:, -1:]
    whole = np.arange(int(total.max()) + 1)
    log_table = xlogy(whole, whole)  # n log n of every count there can be
    rows = np.arange(len(pooled))
    start, most = np.full(len(pooled), first), np.zeros(len(pooled))
    for end in range(n_bins, first + shortest - 1, -round(END_STEP_S / BIN_S)):
        starts = np.arange(first, end - shortest + 1)
        inside = sums[:, [end]] - sums[:, starts]
        share = (end - starts) / n_bins
        gain = log_table.take(inside) + log_table.take(total - inside)
        gain -= inside * (np.log(share) - np.log1p(-share)) + total * np.log1p(-share)
        gain[inside <= total * share] = -np.inf
        best = gain.argmax(axis=1)
        found = gain[rows, best] - log_table[total[:, 0]]
        start = np.where(found > most, starts[best], start)
        most = np.maximum(most, found)
    return start, most


def _trials_of_best(counts: NDArray[np.int64], images: Sequence[Any]) -> NDArray[np.bool_]:
    """Trials of the pictures that excite a unit most in the other half, (n_trials, n_units)."""
    if len(images) != len(counts):
        raise AnalysisError(f"{len(counts)} onsets, but {len(images)} pictures for them")
    names = pd.Series(list(images))
    picture, labels = pd.factorize(names)
    half = names.groupby(picture).cumcount().to_numpy() % 2
    shown_once = labels[np.bincount(picture, half) == 0]
    if len(shown_once):
        raise AnalysisError(f"choosing pictures needs two trials of {some(shown_once)}")
    n_best = max(1, round(BEST_PICTURES * len(labels)))
    used = np.zeros(counts.shape, bool)
    for part in (0, 1):
        other = half != part
        sums = np.zeros((len(labels), counts.shape[1]))
        np.add.at(sums, picture[other], counts[other])
        means = sums / np.bincount(picture[other])[:, None]
        rank = (-means).argsort(axis=0, kind="stable").argsort(axis=0)
        used |= (half == part)[:, None] & (rank[picture] < n_best)
    return used
