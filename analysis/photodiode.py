"""When light came: the edges of a photodiode's trace, and which screen change each belongs to.

Assumed: the patch has two states, each for at least 33 ms at a time; the light of either flickers
faster than 90 Hz (backlights that are dimmed by switching do), or weakly.

The trace is averaged over 20 ms to find the two levels and, with hysteresis, where it changes
between them; the edge itself is then looked for in the trace as it was recorded, averaged over
0.2 ms only: the first time it rises through halfway, the last time it falls through.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from analysis.trace import Piece, Trace
from task.contract.errors import AnalysisError

Floats = NDArray[np.float64]

BIN_S = 0.001  # levels and coarse edges are found in averages this long ...
FLICKER_S = 0.020  # ... smoothed over the slowest flicker
SMOOTH_S = 0.0002  # of the trace in which an edge is timed
HYSTERESIS = 0.15  # of the distance between the levels, to either side of halfway
CLEAR = 4.0  # levels lie at least this many times their own scatter apart
AROUND_S = 0.025  # of a coarse edge, where the edge itself is looked for
EARLIEST_S = -0.020  # light before its code: a slow trigger box
LATEST_S = 0.100  # the slowest first flips met
EXTRA_S = 1.0  # edges are counted as extra from this long before the first onset to after the last


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """Edges of a trace.

    Attributes
    ----------
    time_s, rising : (n,), ascending
    low, high : the two levels
    halfway : where an edge is timed
    ripple : flicker at the high level, peak to peak, as a share of the distance of the levels
    """

    time_s: Floats
    rising: NDArray[np.bool_]
    low: float
    high: float
    halfway: float
    ripple: float


@dataclass(frozen=True, slots=True, eq=False)
class Light:
    """Screen changes and the light they made.

    Attributes
    ----------
    onsets : the onsets that were asked about, with `latency_s` (NaN where no edge came) and
        `wrong_way` (an edge came, in the other direction)
    extra_s : times of edges that belong to no onset
    dimmed : how many falls are the patch going dark between blocks
    inverted : whether light lowers the trace
    """

    onsets: pd.DataFrame
    extra_s: Floats
    dimmed: int
    inverted: bool


def find_edges(trace: Trace, halfway: float | None = None) -> Edges:
    """Every change between the two levels of a trace.

    Parameters
    ----------
    halfway : where an edge is timed, in units of the trace; in the middle if not said

    Raises
    ------
    AnalysisError
        If the trace has no two levels.
    """
    coarse = [_coarse(piece) for piece in trace.pieces]
    smooth = np.concatenate([values for _, values in coarse])
    low, high = _levels(smooth)
    middle = (low + high) / 2 if halfway is None else halfway
    if not low < middle < high:
        raise AnalysisError(
            f"the threshold {middle:g} does not lie between the levels {low:g} and {high:g}"
        )
    band = HYSTERESIS * (high - low)
    times: list[float] = []
    rising: list[bool] = []
    for piece, (bins_s, values) in zip(trace.pieces, coarse, strict=True):
        found = list(_crossings(values, middle - band, middle + band))
        near_s = bins_s[[at for at, _ in found]]
        apart_s = np.diff(near_s, prepend=-np.inf, append=np.inf)
        around_s = np.minimum(np.minimum(apart_s[:-1], apart_s[1:]) / 2, AROUND_S)
        for (_, up), at_s, reach_s in zip(found, near_s, around_s, strict=True):
            times.append(_timed(piece, float(at_s), float(reach_s), middle, rising=up))
            rising.append(up)
    ripple = _ripple(trace, coarse, (low, high))
    return Edges(np.array(times, float), np.array(rising, bool), low, high, middle, ripple)


def _coarse(piece: Piece) -> tuple[Floats, Floats]:
    """Bins of 1 ms: their middles, and the trace averaged over the slowest flicker."""
    size = max(1, round(BIN_S / piece.period_s))
    count = len(piece.values) // size
    bins = piece.values[: count * size].reshape(count, size)
    means: Floats = bins.mean(axis=1, dtype=np.float64)
    bins_s: Floats = (
        piece.start_s
        + (np.arange(count, dtype=np.float64) * size + (size - 1) / 2) * piece.period_s
    )
    width = max(1, round(FLICKER_S / (size * piece.period_s)))
    smooth: Floats = uniform_filter1d(means, width, mode="nearest") if count else means
    return bins_s, smooth


def _levels(values: Floats) -> tuple[float, float]:
    """The two levels: medians to either side of the middle between them.

    Raises
    ------
    AnalysisError
    """
    if not len(values):
        raise AnalysisError("the trace is too short to have levels")
    low, high = np.quantile(values, [0.005, 0.995])
    for _ in range(20):
        above = values > (low + high) / 2
        if above.all() or not above.any():
            break
        low, high = np.median(values[~above]), np.median(values[above])
    above = values > (low + high) / 2
    scatter = [_scatter(values[side]) for side in (above, ~above) if side.any()]
    if not high - low > CLEAR * max(scatter, default=0.0):
        raise AnalysisError(
            f"the trace has no two levels (at {low:g} and {high:g} it scatters by"
            f" {max(scatter, default=0.0):g}): is the sensor on the patch, and `sync_patch` on in"
            " the rig file? A sound card's input cannot hold a level"
        )
    return float(low), float(high)


def _scatter(values: Floats) -> float:
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def _crossings(values: Floats, low: float, high: float) -> Iterator[tuple[int, bool]]:
    """Bins at which the trace has gone from below `low` to above `high`, or back."""
    state = np.where(values > high, 1, np.where(values < low, -1, 0))
    known = np.flatnonzero(state)
    turned = np.flatnonzero(np.diff(state[known]))
    for before, after in zip(known[turned], known[turned + 1], strict=True):
        yield int(before + after) // 2, bool(state[after] > 0)


def _timed(piece: Piece, around_s: float, reach_s: float, halfway: float, *, rising: bool) -> float:
    """The edge near a time: the first rise through halfway, or the last fall."""
    times_s, values = piece.between(around_s - reach_s, around_s + reach_s)
    width = max(1, round(SMOOTH_S / piece.period_s)) | 1  # odd: it moves nothing
    values = uniform_filter1d(values, width, mode="nearest")
    above = values > halfway
    change = np.flatnonzero(~above[:-1] & above[1:] if rising else above[:-1] & ~above[1:])
    if not len(change):
        return around_s
    at = change[0] if rising else change[-1]
    share = (halfway - values[at]) / (values[at + 1] - values[at])
    return float(times_s[at] + share * piece.period_s)


def _ripple(
    trace: Trace, coarse: list[tuple[Floats, Floats]], levels: tuple[float, float]
) -> float:
    """Flicker at the high level, of at most a hundred moments in which it holds."""
    low, high = levels
    found = []
    for piece, (bins_s, values) in zip(trace.pieces, coarse, strict=True):
        steady = np.flatnonzero(np.abs(values - high) < HYSTERESIS * (high - low))
        for at in steady[:: max(1, len(steady) // 100)]:
            _, near = piece.between(float(bins_s[at]) - FLICKER_S / 2, bins_s[at] + FLICKER_S / 2)
            if len(near):
                found.append(float(np.ptp(np.quantile(near, [0.05, 0.95]))))
    return float(np.median(found)) / (high - low) if found else 0.0


# Which onset each belongs to ---------------------------------------------------------------------


def match_light(onsets: pd.DataFrame, edges: Edges) -> Light:
    """Give every onset its edge, in the direction in which most of them agree.

    Parameters
    ----------
    onsets : `time_s` (the edges' clock, ascending) and `lit` (state of the patch from then on)
    """
    straight, inverted = (_matched(onsets, edges, inverted=way) for way in (False, True))
    found = max((straight, inverted), key=lambda each: int((each >= 0).sum()))
    inverts = found is inverted
    other = straight if inverts else inverted
    at = np.append(edges.time_s, np.nan)[found]
    table = onsets.assign(
        latency_s=at - onsets["time_s"].to_numpy(), wrong_way=(found < 0) & (other >= 0)
    )
    left = np.setdiff1d(np.arange(len(edges.time_s)), [*found, *other[table["wrong_way"]]])
    lit = edges.rising != inverts
    dims = _dims(onsets, edges.time_s[left], lit[left])
    extra_s = edges.time_s[left[~dims]]
    first, last = onsets["time_s"].iloc[0] - EXTRA_S, onsets["time_s"].iloc[-1] + EXTRA_S
    within = (extra_s >= first) & (extra_s <= last)
    return Light(table, extra_s[within], int(dims.sum()), inverts)


def _matched(onsets: pd.DataFrame, edges: Edges, *, inverted: bool) -> NDArray[np.int64]:
    """Each onset's edge, the first of its direction within reach that is free; -1 for none."""
    found = np.full(len(onsets), -1)
    lit = onsets["lit"].to_numpy() != 0
    for state in (True, False):
        mine = np.flatnonzero(lit == state)
        edge = np.flatnonzero(edges.rising == (state != inverted))
        taken = 0
        latest_s = _reach_s(onsets["time_s"].to_numpy()[mine])
        for n, time_s in zip(mine, onsets["time_s"].to_numpy()[mine], strict=True):
            start = int(np.searchsorted(edges.time_s[edge], time_s + EARLIEST_S))
            at = max(start, taken)
            if at < len(edge) and edges.time_s[edge[at]] < time_s + latest_s:
                found[n], taken = edge[at], at + 1
    return found


def _reach_s(times_s: Floats) -> float:
    """How late an edge may come: never so late that it could be the next one of its direction."""
    apart_s = np.diff(times_s)
    closest_s = float(apart_s.min()) if len(apart_s) else np.inf
    return min(LATEST_S, closest_s + EARLIEST_S)


def _dims(onsets: pd.DataFrame, times_s: Floats, lit: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Edges to dark between two onsets that both light the patch: it was dimmed in between."""
    onset_s, state = onsets["time_s"].to_numpy(), onsets["lit"].to_numpy() != 0
    before = np.searchsorted(onset_s, times_s, side="right") - 1
    was_lit = np.where(before >= 0, state[before], False)
    following = np.append(state, True)[before + 1]
    dims = was_lit & following & ~lit
    first_of_its_gap = np.zeros(len(dims), bool)
    first_of_its_gap[np.unique(np.where(dims, before, -2), return_index=True)[1]] = True
    kept: NDArray[np.bool_] = dims & first_of_its_gap
    return kept


def spread(latency_s: pd.Series | Floats) -> dict[str, float]:
    """Median, 5 %, 95 %, SD and number of latencies, those that are there."""
    known = np.asarray(latency_s, dtype=float)
    known = known[np.isfinite(known)]
    if not len(known):
        return {"n": 0}
    low, middle, high = np.quantile(known, [0.05, 0.5, 0.95])
    return {
        "n": len(known),
        "median_s": float(middle),
        "p5_s": float(low),
        "p95_s": float(high),
        "sd_s": float(known.std()),
    }
