"""Jumps of a log's clock that hide: by a period of the task, in a stream that comes regularly.

On the wrong side of such a jump every row finds a word of its code, one picture off.  What betrays
it is the log itself: at the jump two rows follow each other as no others of their codes do.  There
the rows on either side are tried where the interval would be one of the task's own.
"""

from collections.abc import Iterator

import numpy as np

from analysis.clock import JUMP_S, Times
from analysis.nearby import USUAL_ROWS, gain, nearest, usual_intervals
from analysis.voting import CODES, Integers, Words

USUALLY = 0.8  # of the rows of two codes follow each other at a usual interval, or none is strange
FEWEST_PAIRS = 10
MOST_INTERVALS = 16  # of two codes that are tried
FEWEST_EXPLAINED = 5


def settle_leaps(
    log: Words,
    words: Words,
    placed: tuple[Integers, Integers],
    expected_s: Times,
    tolerance_s: float,
) -> tuple[Integers, Integers] | None:
    """Words and parts with hidden jumps put right; None if there are none.

    Parameters
    ----------
    placed : position of each row's word, -1 where it has none, and the part of the clock that the
        row is on, each (n_rows,)
    expected_s : where each row should be in the recording, (n_rows,)
    """
    word, part = (one.copy() for one in placed)
    expected_s = expected_s.copy()
    strange = _strange(log, tolerance_s)
    bounds = np.unique(np.concatenate([[0, len(log)], strange, np.flatnonzero(np.diff(part)) + 1]))
    label, changed = part.copy(), False
    for row in strange.tolist():
        place = int(np.searchsorted(bounds, row))
        sides = (int(bounds[place - 1]), row, -1.0), (row, int(bounds[place + 1]), 1.0)
        best, worth = None, 0
        for interval_s in _usual_between(log, row, tolerance_s):
            leap_s = interval_s - (expected_s[row] - expected_s[row - 1])
            if abs(leap_s) <= JUMP_S:
                best = None
                break
            for start, stop, sign in sides:
                rows = np.arange(start, stop)
                moved_s = expected_s[rows] + sign * leap_s
                found = _in_between(log, words, word, rows, moved_s, tolerance_s)
                more = _explained(log, words, rows, found) - _explained(
                    log, words, rows, word[rows]
                )
                if more + USUAL_ROWS > worth and (found >= 0).sum() >= FEWEST_EXPLAINED:
                    best, worth = (rows, found, moved_s), more + USUAL_ROWS
        if best is not None:
            rows, found, moved_s = best
            word[rows], expected_s[rows] = found, moved_s
            label[rows] = label.max() + 1
            changed = True
    if not changed:
        return None
    return word, np.cumsum(np.diff(label, prepend=label[:1]) != 0)


def _strange(log: Words, tolerance_s: float) -> Integers:
    """Rows that follow the row before them as no others of their codes do, who mostly do alike."""
    usual = usual_intervals(log, tolerance_s)[1:]
    _, pair, count = np.unique(_pairs(log), return_inverse=True, return_counts=True)
    alike = np.bincount(pair, usual) / count
    regular = (count[pair] >= FEWEST_PAIRS) & (alike[pair] >= USUALLY)
    anew = np.diff(log.run) != 0
    back = np.diff(log.time_s) < -JUMP_S
    return np.flatnonzero(((regular & ~usual) | (back & regular)) & ~anew) + 1


def _pairs(log: Words) -> Integers:
    """Every row's code with that of the row before it."""
    pairs: Integers = log.code[:-1] * CODES + log.code[1:]
    return pairs


def _usual_between(log: Words, row: int, tolerance_s: float) -> Iterator[float]:
    """Intervals at which these two codes follow each other elsewhere, the commonest first."""
    pairs = _pairs(log)
    like = (pairs == pairs[row - 1]) & usual_intervals(log, tolerance_s)[1:]
    steps, count = np.unique(np.round(np.diff(log.time_s)[like] / JUMP_S), return_counts=True)
    apart_s = np.diff(log.time_s)[like]
    for step in steps[np.argsort(-count, kind="stable")][:MOST_INTERVALS]:
        yield float(np.median(apart_s[np.round(apart_s / JUMP_S) == step]))


def _in_between(
    log: Words, words: Words, word: Integers, rows: Integers, at_s: Times, tolerance_s: float
) -> Integers:
    """The nearest word of each row, in order, between those of the rows around them."""
    found = nearest(log.code[rows], at_s, words, tolerance_s)
    before, after = word[: rows[0]], word[rows[-1] + 1 :]
    least = before.max(initial=-1)
    most = after[after >= 0].min(initial=len(words))
    found = np.where((found > least) & (found < most), found, -1)
    rising = np.maximum.accumulate(found)
    first = np.concatenate([[True], rising[1:] > rising[:-1]])
    return np.where((found == rising) & first, found, -1)


def _explained(log: Words, words: Words, rows: Integers, word: Integers) -> int:
    return int(gain(log[rows], words, word).sum())
