"""Spikes around events: counts, rates and response curves.

Windows are relative to the onset, in seconds, start included and end not.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.labels import some
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]
Window = tuple[float, float]


def count_spikes(
    units_spikes: Sequence[NDArray[np.floating]], onsets_s: ArrayLike, window_s: Window
) -> NDArray[np.int64]:
    """Spikes of every unit in a window after every onset.

    Parameters
    ----------
    units_spikes : spike times of each unit, ascending, s
    onsets_s : (n_trials,), in any order
    window_s : start and end relative to the onset; start included, end not

    Returns
    -------
    counts, (n_trials, n_units)

    Raises
    ------
    AnalysisError
        If the window is empty or an onset is no time.
    """
    start, end = _window(window_s)
    counts = _counts_between(units_spikes, _onsets(onsets_s), np.array([start, end]))
    return counts[:, 0, :]


def trial_rates(
    spikes: Mapping[Any, NDArray[np.floating]],
    onsets_s: ArrayLike,
    images: Sequence[Any],
    window_s: Window,
) -> pd.DataFrame:
    """Rate of every unit on every trial.

    Parameters
    ----------
    spikes : ascending spike times of every unit, s
    onsets_s : (n_trials,)
    images : picture shown at each onset, (n_trials,)
    window_s : start and end relative to the onset; start included, end not

    Returns
    -------
    DataFrame, Hz, (n_trials, n_units)
        Index: picture id, as often as it was shown, in the order given; columns: units.

    Raises
    ------
    AnalysisError
        If the window is empty, an onset is no time, or onsets and pictures differ in number.
    """
    start, end = _window(window_s)
    counts = count_spikes(list(spikes.values()), onsets_s, window_s)
    if len(counts) != len(images):
        raise AnalysisError(f"{len(counts)} onsets, but {len(images)} pictures for them")
    return pd.DataFrame(
        counts / (end - start), pd.Index(images, name="image"), pd.Index(list(spikes), name="unit")
    )


def rates_by_image(trials: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Mean rate of every unit to every picture, and how many trials it is the mean of.

    Parameters
    ----------
    trials : rates of single trials, Hz, (n_trials, n_units); index: picture id

    Returns
    -------
    rates : Hz, (n_images, n_units); index: picture id, sorted
    trials : (n_images,); index: the same
    """
    groups = trials.groupby(level=0)
    return groups.mean(), groups.size().rename("trials")


def psth(
    spikes: Mapping[Any, NDArray[np.floating]],
    onsets_s: ArrayLike,
    window_s: Window,
    bin_s: float,
) -> pd.DataFrame:
    """Mean rate around the onsets, bin by bin.

    Parameters
    ----------
    spikes : ascending spike times of every unit, s
    onsets_s : (n_trials,)
    window_s : start of the first bin and end of the last, relative to the onset
    bin_s : width of a bin; start included, end not

    Returns
    -------
    DataFrame, Hz, (n_bins, n_units)
        Index: start of the bin, s after the onset; columns: units.

    Raises
    ------
    AnalysisError
        If the window is no whole number of bins, there is no onset, or one is no time.
    """
    start, end = _window(window_s)
    n_bins = round((end - start) / bin_s) if bin_s > 0 else 0
    if n_bins < 1 or abs(n_bins * bin_s - (end - start)) > 1e-9:
        raise AnalysisError(
            f"the window {start:g} to {end:g} s is no whole number of {bin_s:g} s bins"
        )
    onsets = _onsets(onsets_s)
    if not len(onsets):
        raise AnalysisError("a response curve needs at least one onset")
    edges = start + bin_s * np.arange(n_bins + 1, dtype=float)
    mean_counts = _counts_between(list(spikes.values()), onsets, edges).mean(axis=0)
    return pd.DataFrame(
        mean_counts / bin_s,
        pd.Index(edges[:-1].round(9), name="start_s"),
        pd.Index(list(spikes), name="unit"),
    )


def half_maximum_latency_s(curves: pd.DataFrame) -> pd.Series:
    """When each unit's response first reaches half of its peak above baseline.

    Parameters
    ----------
    curves : `psth` that begins before the onset, Hz, (n_bins, n_units)

    Returns
    -------
    Series, s after the onset, (n_units,)
        Start of the first bin after the onset at or above the middle between the unit's mean rate
        before the onset and its highest rate after it.  NaN where it never exceeds that mean.

    Raises
    ------
    AnalysisError
        If the curves have no bin before the onset or none after it.
    """
    starts = curves.index.to_numpy(dtype=float)
    before, after = curves[starts < 0], curves[starts >= 0]
    if before.empty or after.empty:
        raise AnalysisError("a latency needs bins before and after the onset")
    baseline, peak = before.mean(), after.max()
    latency = (after >= (baseline + peak) / 2).idxmax().astype(float)
    return latency.where(peak > baseline).rename("latency_s")


def _window(window_s: Window) -> Window:
    start, end = window_s
    if not (np.isfinite(start) and np.isfinite(end) and start < end):
        raise AnalysisError(f"the window from {start:g} to {end:g} s after the onset is empty")
    return start, end


def _onsets(onsets_s: ArrayLike) -> FloatArray:
    onsets = np.asarray(onsets_s, dtype=float)
    gaps = np.flatnonzero(~np.isfinite(onsets))
    if len(gaps):
        raise AnalysisError(f"no time for the onsets in the positions {some(gaps.tolist())}")
    return onsets


def _counts_between(
    units_spikes: Sequence[NDArray[np.floating]], onsets_s: FloatArray, edges_s: FloatArray
) -> NDArray[np.int64]:
    """Spikes between neighbouring edges after every onset, (n_trials, n_edges - 1, n_units)."""
    times = onsets_s[:, None] + edges_s
    counts = np.empty((len(onsets_s), len(edges_s) - 1, len(units_spikes)), np.int64)
    for n, spikes in enumerate(units_spikes):
        counts[:, :, n] = np.diff(np.searchsorted(spikes, times, side="left"), axis=1)
    return counts
