"""Spikes around events: counts, rates and response curves.

Windows are relative to the onset, in seconds, start included and end not.  A spike is in a window
if it is not before ``onset + start`` and before ``onset + end``, as these sums come out in double
precision; counts, rates and curves all keep to that, so that neighbouring windows share no spike
and lose none.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.labels import some
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]
Window = tuple[float, float]
Trains = Mapping[Any, NDArray[np.floating]]


@dataclass(frozen=True, slots=True, eq=False)
class Binned:
    """Spikes of every trial, bin and unit.

    Attributes
    ----------
    counts : (n_trials, n_bins, n_units); trials in the order of the onsets
    starts_s : start of each bin after the onset, s
    bin_s : width of a bin, s
    units : names of the units
    """

    counts: NDArray[np.int32]
    starts_s: pd.Index
    bin_s: float
    units: pd.Index

    def of(self, unit: Any) -> pd.DataFrame:
        """Spikes of one unit, (n_trials, n_bins)."""
        counts = self.counts[:, :, self.units.get_loc(unit)]
        return pd.DataFrame(counts, pd.RangeIndex(len(counts), name="trial"), self.starts_s)


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """Response curves with their uncertainty.

    Attributes
    ----------
    mean : rate, Hz, (n_bins, n_units); index: start of the bin after the onset, s
    sem : standard error of that mean over the trials, Hz, (n_bins, n_units); NaN of a single trial
    n_trials : how many it is the mean of
    """

    mean: pd.DataFrame
    sem: pd.DataFrame
    n_trials: int


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
        If the window is empty, an onset is no time, or spikes are out of order.
    """
    start, end = _window(window_s)
    onsets = _onsets(onsets_s)
    counts = np.empty((len(onsets), len(units_spikes)), np.int64)
    for n, train in enumerate(ascending(range(len(units_spikes)), units_spikes)):
        counts[:, n] = _before(train, onsets + end) - _before(train, onsets + start)
    return counts


def trial_rates(
    spikes: Trains,
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
        If the window is empty, an onset is no time, spikes are out of order, or onsets and pictures
        differ in number.
    """
    start, end = _window(window_s)
    ascending(spikes, spikes.values())  # refused by name
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


def binned_counts(spikes: Trains, onsets_s: ArrayLike, window_s: Window, bin_s: float) -> Binned:
    """Spikes of every unit around every onset, bin by bin.

    Parameters
    ----------
    spikes : ascending spike times of every unit, s
    onsets_s : (n_trials,), in any order
    window_s : start of the first bin and end of the last, relative to the onset
    bin_s : width of a bin; start included, end not

    Raises
    ------
    AnalysisError
        If the window is no whole number of bins, there is no onset or one is no time, or spikes are
        out of order.
    """
    edges, onsets = _edges(window_s, bin_s), _some_onsets(onsets_s)
    by_unit = np.empty((len(spikes), len(onsets), len(edges) - 1), np.int32)
    for n, train in enumerate(ascending(spikes, spikes.values())):
        by_unit[n] = _trial_bins(train, onsets, edges, bin_s)
    units = pd.Index(list(spikes), name="unit")
    return Binned(np.moveaxis(by_unit, 0, -1), _starts(edges), bin_s, units)


def psth(spikes: Trains, onsets_s: ArrayLike, window_s: Window, bin_s: float) -> pd.DataFrame:
    """Mean rate around the onsets, bin by bin.

    Parameters
    ----------
    spikes, onsets_s, window_s, bin_s : as for `binned_counts`

    Returns
    -------
    DataFrame, Hz, (n_bins, n_units)
        Index: start of the bin, s after the onset; columns: units.

    Raises
    ------
    AnalysisError
        As `binned_counts`.
    """
    edges, onsets = _edges(window_s, bin_s), _some_onsets(onsets_s)
    sums = np.empty((len(edges) - 1, len(spikes)))
    for n, train in enumerate(ascending(spikes, spikes.values())):
        sums[:, n] = np.bincount(_places(train, onsets, edges, bin_s)[1], minlength=len(edges) - 1)
    return pd.DataFrame(
        sums / len(onsets) / bin_s, _starts(edges), pd.Index(list(spikes), name="unit")
    )


def response_curves(
    spikes: Trains,
    onsets_s: ArrayLike,
    window_s: Window,
    bin_s: float,
    *,
    boxcar_s: float | None = None,
) -> Curves:
    """Mean rate around the onsets and its standard error over trials.

    Parameters
    ----------
    spikes, onsets_s, window_s, bin_s : as for `binned_counts`
    boxcar_s : every trial is smoothed by `boxcar` of this width before mean and error are taken

    Raises
    ------
    AnalysisError
        As `binned_counts` and `boxcar`.
    """
    edges, onsets = _edges(window_s, bin_s), _some_onsets(onsets_s)
    width = 1 if boxcar_s is None else _bins_of(boxcar_s, bin_s)
    mean, error = np.empty((2, len(edges) - 1, len(spikes)))
    width_s, n_trials = _reached(len(edges) - 1, width) * bin_s, len(onsets)
    for n, train in enumerate(ascending(spikes, spikes.values())):
        # Whole numbers: their squares can be summed without losing digits.
        inside = _sums_around(_trial_bins(train, onsets, edges, bin_s), width)
        mean[:, n] = inside.sum(axis=0) / n_trials
        squares = np.einsum("tb,tb->b", inside, inside) / n_trials - mean[:, n] ** 2
        error[:, n] = np.sqrt(squares / (n_trials - 1)) if n_trials > 1 else np.nan
    starts, units = _starts(edges), pd.Index(list(spikes), name="unit")
    mean_hz, error_hz = (
        pd.DataFrame(part / width_s[:, None], starts, units) for part in (mean, error)
    )
    return Curves(mean_hz, error_hz, n_trials)


def boxcar(curves: pd.DataFrame, width_s: float) -> pd.DataFrame:
    """Moving average along the bins.

    Parameters
    ----------
    curves : (n_bins, n_units); index: start of the bin, s, in equal steps
    width_s : a whole number of bins.  An even number of them reaches one further back than ahead.

    Returns
    -------
    DataFrame of the same shape
        At the ends, the mean of those bins of the boxcar that there are.

    Raises
    ------
    AnalysisError
        If the width is no whole number of bins.
    """
    starts = curves.index.to_numpy(dtype=float)
    bin_s = float((starts[-1] - starts[0]) / (len(starts) - 1)) if len(starts) > 1 else width_s
    width = _bins_of(width_s, bin_s)
    means = _sums_around(curves.to_numpy(dtype=float).T, width) / _reached(len(starts), width)
    return pd.DataFrame(means.T, curves.index, curves.columns)


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

    Notes
    -----
    The highest of many noisy bins is too high, and in a fast stream the time before the onset holds
    the response to the picture before: `analysis.viewing.latency.latencies` suffers from neither.
    """
    starts = curves.index.to_numpy(dtype=float)
    before, after = curves[starts < 0], curves[starts >= 0]
    if before.empty or after.empty:
        raise AnalysisError("a latency needs bins before and after the onset")
    baseline, peak = before.mean(), after.max()
    latency = (after >= (baseline + peak) / 2).idxmax().astype(float)
    return latency.where(peak > baseline).rename("latency_s")


def ascending(
    units: Iterable[Any], trains: Iterable[NDArray[np.floating]]
) -> list[NDArray[np.floating]]:
    """The spike times of the units, if they are in order.

    Raises
    ------
    AnalysisError
        Naming the units whose spikes are not in ascending order, or hold what is no time.
    """
    named = [(unit, np.asarray(train)) for unit, train in zip(units, trains, strict=True)]
    # A NaN is neither before nor after its neighbour, an infinity can only be at an end.
    wrong = [
        unit
        for unit, train in named
        if not ((train[1:] >= train[:-1]).all() and np.isfinite(train[[0, -1][: len(train)]]).all())
    ]
    if wrong:
        raise AnalysisError(
            f"spike times are not finite and in ascending order in the units {some(wrong)}"
        )
    return [train for _, train in named]


def _window(window_s: Window) -> Window:
    start, end = window_s
    if not (np.isfinite(start) and np.isfinite(end) and start < end):
        raise AnalysisError(f"the window from {start:g} to {end:g} s after the onset is empty")
    return start, end


def _edges(window_s: Window, bin_s: float) -> FloatArray:
    """Borders of the bins of a window, relative to the onset."""
    start, end = _window(window_s)
    n_bins = round((end - start) / bin_s) if bin_s > 0 else 0
    if n_bins < 1 or abs(n_bins * bin_s - (end - start)) > 1e-9:
        raise AnalysisError(
            f"the window {start:g} to {end:g} s is no whole number of {bin_s:g} s bins"
        )
    # As written, 0.3 and not 3 * 0.1: the border of a bin is that of the window of these numbers.
    return (start + bin_s * np.arange(n_bins + 1, dtype=float)).round(9)


def _starts(edges_s: FloatArray) -> pd.Index:
    return pd.Index(edges_s[:-1], name="start_s")


def _bins_of(width_s: float, bin_s: float) -> int:
    n_bins = round(width_s / bin_s)
    if n_bins < 1 or abs(n_bins * bin_s - width_s) > 1e-9:
        raise AnalysisError(f"a boxcar of {width_s:g} s is no whole number of {bin_s:g} s bins")
    return n_bins


def _onsets(onsets_s: ArrayLike) -> FloatArray:
    onsets = np.asarray(onsets_s, dtype=float)
    gaps = np.flatnonzero(~np.isfinite(onsets))
    if len(gaps):
        raise AnalysisError(f"no time for the onsets in the positions {some(gaps.tolist())}")
    return onsets


def _some_onsets(onsets_s: ArrayLike) -> FloatArray:
    onsets = _onsets(onsets_s)
    if not len(onsets):
        raise AnalysisError("a response curve needs at least one onset")
    return onsets


def _places(
    train: NDArray[np.floating], onsets_s: FloatArray, edges_s: FloatArray, bin_s: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Trial and bin of every spike in a window; a spike in two windows comes twice.

    Work grows with the spikes and not with the bins.
    """
    first, last = (_before(train, onsets_s + border) for border in (edges_s[0], edges_s[-1]))
    n = last - first
    trial = np.repeat(np.arange(len(onsets_s)), n)
    spike = np.arange(len(trial)) + np.repeat(first - (np.cumsum(n) - n), n)
    times, onset = train[spike], onsets_s[trial]
    place = ((times - onset - edges_s[0]) / bin_s).astype(np.int64)
    np.minimum(np.maximum(place, 0, out=place), len(edges_s) - 2, out=place)
    # The quotient may round across a border; the border itself decides.
    place -= times < onset + edges_s[place]
    place += times >= onset + edges_s[place + 1]
    return trial, place


def _trial_bins(
    train: NDArray[np.floating], onsets_s: FloatArray, edges_s: FloatArray, bin_s: float
) -> NDArray[np.int64]:
    """Spikes of one unit, (n_trials, n_bins)."""
    trial, place = _places(train, onsets_s, edges_s, bin_s)
    n_bins = len(edges_s) - 1
    counts = np.bincount(trial * n_bins + place, minlength=len(onsets_s) * n_bins)
    return counts.reshape(len(onsets_s), n_bins)


def _before(train: NDArray[np.floating], times_s: FloatArray) -> NDArray[np.int64]:
    """How many spikes come before each time."""
    n = len(times_s)
    if len(train) > 4 * n or (times_s[1:] < times_s[:-1]).any():
        return np.searchsorted(train, times_s, side="left")
    # Two lists in order are merged several times faster than one is searched for the other.  The
    # sort is stable: of equal times the spike comes second.
    merged = np.concatenate([times_s, train]).argsort(kind="stable")
    return np.flatnonzero(merged < n) - np.arange(n)


def _sums_around(values: NDArray[Any], width: int) -> NDArray[Any]:
    """Sums of `width` bins around every bin, bins beyond the ends being 0; along the last axis."""
    padded = np.pad(values, ((0, 0), (width // 2 + 1, (width - 1) // 2))).cumsum(axis=1)
    return np.asarray(padded[:, width:] - padded[:, :-width])


def _reached(n_bins: int, width: int) -> NDArray[np.int64]:
    """How many bins there are around every bin."""
    return np.asarray(_sums_around(np.ones((1, n_bins), np.int64), width)[0])
