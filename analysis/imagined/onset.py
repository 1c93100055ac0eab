"""When a code begins: the change point of a course over sliding windows, and how sure it is.

The onset is the start of the one stretch of time with a constant code, none outside it, that
explains the course best by least squares.  Each window counts with the share of it that lies in the
stretch, so that a start is told more finely than windows are wide.

Half of the peak, the usual reading, is none: the peak is the largest of many noisy windows, and the
last dip below its half comes late.  In 82 sessions simulated at the study's rates it was 1.7 s late
in the median, and resamples of blocks, noisier than the course itself, held the truth in 43 %.
`benchmarks/recovery.md` has the same for what is done here.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.inference import LEVEL, SAME, sign_flips

FloatArray = NDArray[np.float64]
Window = tuple[float, float]

MOST_BLOCKS, N_FLIPS = 8, 499  # every start has its own null, so that flips cost time


class Onset(NamedTuple):
    """Start of the code and its 95 % interval, s; NaN where no stretch has a positive code."""

    at_s: float
    low_s: float
    high_s: float


class _Stretches(NamedTuple):
    """Stretches of time: starts by ends, and what each would look like in the windows.

    `shapes` (n_starts * n_ends, n_windows), of length 1; 0 where a start lies too late for an end.
    """

    starts_s: FloatArray
    n_ends: int
    shapes: FloatArray


def onset(blocks: FloatArray, windows: Sequence[Window], seed: int = 0) -> Onset:
    """When the code begins.

    Parameters
    ----------
    blocks : what each block adds to the course, (n_blocks, n_windows)
    windows : start and end relative to the cue, s; of one width, in steps
    seed : of sign flips, beyond 8 blocks

    Notes
    -----
    The interval holds every start that is not rejected at 5 %: how much worse than the best it
    explains the course, against courses in which it is the true one and what each block has beyond
    it turns its sign (wild cluster bootstrap with the hypothesis imposed; Cameron, Gelbach & Miller
    2008, doi:10.1162/rest.90.3.414).  Blocks are what was sampled; nothing is taken for granted of
    how overlapping windows hang together.
    """
    stretches = _stretches(windows)
    n_starts, n_ends = len(stretches.starts_s), stretches.n_ends
    added = blocks @ stretches.shapes.T
    seen = np.maximum(added.sum(axis=0), 0).reshape(n_starts, n_ends)
    explained = (seen**2).max(axis=1)
    if not explained.max() > 0:
        return Onset(np.nan, np.nan, np.nan)
    short = explained.max() - explained
    flips = _flips(len(blocks), seed)
    flipped, turned = flips @ added, (1 - flips.mean(axis=1))[:, None]
    alike = stretches.shapes @ stretches.shapes.T
    p = np.empty(n_starts)
    for n in range(n_starts):
        end = int(seen[n].argmax())
        courses = flipped + turned * seen[n, end] * alike[n * n_ends + end]
        null = (np.maximum(courses, 0).reshape(-1, n_starts, n_ends) ** 2).max(axis=2)
        as_short = null.max(axis=1) - null[:, n] >= short[n] - SAME * explained.max()
        p[n] = as_short.mean()
    low, high = (_border_s(p[::way], stretches.starts_s[::way]) for way in (1, -1))
    return Onset(float(stretches.starts_s[explained.argmax()]), low, high)


def _flips(n_blocks: int, seed: int) -> NDArray[np.int64]:
    """Signs of the blocks: all up to 8 blocks, the observed ones and 499 drawn beyond."""
    if n_blocks <= MOST_BLOCKS:
        return sign_flips(n_blocks).rows
    drawn = np.random.default_rng(seed).choice((1, -1), (N_FLIPS, n_blocks))
    return np.concatenate([np.ones((1, n_blocks), dtype=drawn.dtype), drawn])


def _border_s(p: FloatArray, starts_s: FloatArray) -> float:
    """Where p passes 5 % on the way to the first start that is not rejected."""
    first = int((p > LEVEL).argmax())
    if first == 0:
        return float(starts_s[0])
    return float(np.interp(LEVEL, p[first - 1 : first + 1], starts_s[first - 1 : first + 1]))


def _stretches(windows: Sequence[Window]) -> _Stretches:
    """Starts in half steps of the windows; ends after the cue, a window's width apart."""
    begin, end = np.array(windows).T
    width = float(end[0] - begin[0])
    step = float(np.diff(begin).min(initial=width)) / 2
    last = float(end[-1])
    starts = np.arange(begin[0], last - width + SAME, step)
    ends = np.arange(last, max(0.0, begin[0] + width - SAME), -width)
    inside = np.minimum(end, ends[:, None]) - np.maximum(begin, starts[:, None, None])
    shapes = np.clip(inside, 0, None) * (ends - starts[:, None] >= width - SAME)[:, :, None]
    flat = shapes.reshape(-1, len(windows))
    size = np.linalg.norm(flat, axis=1, keepdims=True)
    return _Stretches(starts, len(ends), flat / np.where(size > 0, size, 1.0))
