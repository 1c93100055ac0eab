"""How well isolated and how steady units are, before anything is made of what they fire."""

from typing import Any

import numpy as np
import pandas as pd
import scipy.stats
from numpy.typing import NDArray

from analysis.recording import Units
from analysis.responses import Window, ascending
from task.contract.errors import AnalysisError

REFRACTORY_S = 0.003
LONGEST_CV2_S = 1.0
BURST_S: Window = (0.001, 0.010)
BIN_S = 60.0


def unit_quality(units: Units, span_s: Window) -> pd.DataFrame:
    """Measures of every unit of a recording.

    Parameters
    ----------
    units : sorted units
    span_s : start and end of the time in which spikes could have been found, on the recording's
        clock: of the recording, or from the first spike of any unit to the last

    Returns
    -------
    DataFrame, one row per unit, in the order of `units.table`
        `spikes` : how many, within the span
        `rate_hz` : spikes / length of the span
        `isi_below_3ms_percent` : intervals shorter than 3 ms
        `contamination` : share of the spikes that belong to other cells, estimated from intervals
            below 3 ms (Hill et al. 2011, doi:10.1523/JNEUROSCI.0971-11.2011: other cells together
            are independent of this one); 0.5 where there are too many intervals for any answer
        `cv` : SD / mean of the intervals
        `cv2` : mean of ``2 |b - a| / (a + b)`` over neighbouring intervals, both up to 1 s (Holt et
            al. 1996, doi:10.1152/jn.1996.75.5.1806); 1 for a Poisson process of any rate
        `burst_index` : intervals from 1 up to 10 ms / intervals of 10 ms and more
        `presence` : share of the minutes of the span that hold a spike
        `rate_cv` : SD over minutes of the rate, in units of its mean, beyond what a Poisson process
            scatters
        `drift_rho`, `drift_p` : Spearman correlation of a minute's spikes with time, and its p.  It
            takes minutes for independent: where rates wander, p is too small, and `drift_ratio`
            says more
        `drift_ratio` : rate in the second half of the span / rate in the first
        and what the sorter measured (`isolation_distance`, `snr`, ...), as it stands in the table.
        What a unit has too few spikes for is NaN: intervals need 2 spikes, `cv` 3, pairs of
        intervals 3; the minutes need a span of 3.

    Raises
    ------
    AnalysisError
        If the span is empty or spikes are out of order.
    """
    start, end = span_s
    if not (np.isfinite(start) and np.isfinite(end) and start < end):
        raise AnalysisError(f"quality of units: the time from {start:g} to {end:g} s is empty")
    trains = ascending(units.table.index, units.spikes_s)
    rows = []
    for train in trains:
        inside = train[np.searchsorted(train, start) : np.searchsorted(train, end)]
        rows.append({**_intervals(inside, end - start), **_course(inside, span_s)})
    columns = [*_intervals(np.empty(0), 1.0), *_course(np.empty(0), (0.0, 1.0))]
    table = pd.DataFrame(rows, units.table.index, columns).astype({"spikes": int})
    sorter = units.table.select_dtypes("float")
    return table.join(sorter)


def _intervals(train: NDArray[np.floating], length_s: float) -> dict[str, float]:
    """What the intervals between spikes tell."""
    isi, n = np.diff(train), len(train)
    first, second = isi[:-1], isi[1:]
    near = (first <= LONGEST_CV2_S) & (second <= LONGEST_CV2_S) & (first + second > 0)
    pairs = 2 * np.abs(second - first)[near] / (first + second)[near]
    short = int((isi < REFRACTORY_S).sum())
    within = int(((isi >= BURST_S[0]) & (isi < BURST_S[1])).sum())
    beyond = int((isi >= BURST_S[1]).sum())
    return {
        "spikes": n,
        "rate_hz": n / length_s,
        "isi_below_3ms_percent": 100 * short / len(isi) if n > 1 else np.nan,
        "contamination": _contamination(short, n, length_s) if n > 1 else np.nan,
        "cv": float(isi.std(ddof=1) / isi.mean()) if n > 2 and isi.any() else np.nan,
        "cv2": float(pairs.mean()) if len(pairs) else np.nan,
        "burst_index": within / beyond if beyond else np.nan,
    }


def _contamination(short: int, n: int, length_s: float) -> float:
    """Share f of foreign spikes that explains the short intervals.

    Foreign spikes meet own ones, in either order, within 3 ms:
    ``short = 2 * 0.003 * f * (1 - f) * n**2 / length``.
    """
    product = short * length_s / (2 * REFRACTORY_S * n**2)
    return float((1 - np.sqrt(1 - 4 * product)) / 2) if product < 0.25 else 0.5


def _course(train: NDArray[np.floating], span_s: Window) -> dict[str, float]:
    """What the minutes of the span tell."""
    start, end = span_s
    middle = int(np.searchsorted(train, (start + end) / 2))
    found = {
        "presence": np.nan,
        "rate_cv": np.nan,
        "drift_rho": np.nan,
        "drift_p": np.nan,
        "drift_ratio": (len(train) - middle) / middle if middle else np.nan,
    }
    n_bins = int((end - start) // BIN_S)  # the rest, shorter than a minute, is left aside
    if n_bins < 3:
        return found
    edges = start + BIN_S * np.arange(n_bins + 1)
    counts = np.diff(np.searchsorted(train, edges))
    found["presence"] = float((counts > 0).mean())
    if counts.any():
        beyond = max(0.0, float(counts.var(ddof=1) - counts.mean()))
        found["rate_cv"] = float(np.sqrt(beyond) / counts.mean())
    if np.ptp(counts):
        drift = scipy.stats.spearmanr(np.arange(n_bins), counts)
        found["drift_rho"], found["drift_p"] = float(drift.statistic), float(drift.pvalue)
    return found


def waveform_snr(waveforms: NDArray[Any]) -> tuple[float, float]:
    """Signal-to-noise ratio of a unit's spikes, by the mean and by the peak of their mean shape.

    Parameters
    ----------
    waveforms : (n_spikes, n_samples)

    Returns
    -------
    snr, peak_snr : root mean square, and largest absolute value, of the mean waveform, each over
        the SD of the spikes around it.  NaN where there are fewer than two spikes: a mean alone
        does not tell its noise.
    """
    shapes = np.asarray(waveforms, dtype=float)
    if len(shapes) < 2:
        return np.nan, np.nan
    mean = shapes.mean(axis=0)
    noise = float(np.sqrt(((shapes - mean) ** 2).sum() / ((len(shapes) - 1) * shapes.shape[1])))
    if not noise > 0:
        return np.nan, np.nan
    return float(np.sqrt((mean**2).mean()) / noise), float(np.abs(mean).max() / noise)
