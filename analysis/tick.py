"""By what steps a log's clock goes on, from the intervals between its rows."""

import numpy as np

from analysis.clock import Times

FEWEST_ROWS = 30
SPAN_S = 2.0  # intervals that are looked at
BIN_S = 1e-4
BINS = 1 << 15
LONGEST_S = 0.05
SHORTEST_S = 5e-4
FINEST_S = 1e-6  # finer ones are lost in wall-clock seconds as floating-point numbers
POWER = 0.8  # 1 if every interval is a multiple; 0.9 if steps of 10 ms are stamped in 1 ms
MULTIPLES = 10  # fewer: these are the durations of the task


def log_tick(log_s: Times) -> float:
    """Step of a log's clock, s, found in the intervals between its rows.

    Coarse steps (0.5 to 50 ms) stand out in the spectrum of the intervals; for finer clocks it is
    the smallest difference between two intervals.  The frames of a display show as a step too: how
    far stamps are off is for the residuals to say.  NaN where there are too few short intervals.
    """
    interval = np.diff(log_s)
    interval = np.sort(interval[(interval > 0) & (interval < SPAN_S)])
    if len(interval) < FEWEST_ROWS:
        return np.nan
    # Every duration once, or those that the task repeats would look like steps.
    interval = interval[np.diff(interval // BIN_S, prepend=-1) > 0]
    there = np.zeros(BINS)
    there[np.round(interval / BIN_S).astype(int)] = 1
    power = np.fft.rfft(there).real / there.sum()
    span_s = BINS * BIN_S
    low, high = int(span_s / LONGEST_S), int(span_s / SHORTEST_S)
    strong = np.flatnonzero(power[low:high] > POWER)
    if len(strong):
        peak = low + strong[0] + int(np.argmax(power[low + strong[0] :][:4]))
        hz = np.linspace(peak - 1, peak + 1, 41) / span_s
        best = hz[np.argmax(np.cos(2 * np.pi * np.outer(hz, interval)).sum(axis=1))]
        steps = np.round(interval * best)
        if len(np.unique(steps)) >= MULTIPLES:
            return float((interval @ steps) / (steps @ steps))
    finer = np.diff(interval)
    return float(finer[finer > FINEST_S].min(initial=SHORTEST_S))
