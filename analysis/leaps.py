"""Jumps of a log's clock that hide: by a period of the task, in a stream that comes regularly.

On the wrong side of such a jump every row finds a word of its code, one picture off.  What betrays
it is the log itself: at the jump two rows follow each other as no others of their codes do.  There
the rows on either side are tried where the interval would be one of the task's own.
"""

from collections.abc import Iterator

import numpy as np

from analysis.clock import JUMP_S, Clock, Piece, Times
from analysis.nearby import USUAL_ROWS, gain, nearest, pairs_of, usual_intervals
from analysis.voting import Integers, Words

USUALLY = 0.8  # of the rows of two codes follow each other at a usual interval, or none is strange
FEWEST_PAIRS = 10
LEAST_S = 0.05  # no task has a shorter period, and a frame may come late
AROUND_ROWS = 4
TRIED_ROWS = 40  # next to the jump, before all of a side are tried
MOST_INTERVALS = 16  # of two codes that are tried
FEWEST_EXPLAINED = 5


def settle_leaps(
    log: Words,
    words: Words,
    placed: tuple[Integers, Integers],
    clock: Clock,
    tolerance_s: float,
) -> tuple[Integers, Integers] | None:
    """Words and parts with hidden jumps put right; None if there are none.

    Parameters
    ----------
    placed : position of each row's word, -1 where it has none, and the part of the clock that the
        row is on, each (n_rows,)
    clock : through them
    """
    word, part = (one.copy() for one in placed)
    expected_s, _ = clock.infer(log.time_s, np.arange(len(log)), log.run)
    strange = _strange(log, tolerance_s)
    borders = (np.flatnonzero(np.diff(log.run)) + 1).tolist()
    bounds = [0, *strange.tolist(), *borders, len(log)]
    parts = [0, *(np.flatnonzero(np.diff(part)) + 1).tolist(), len(log)]
    label, changed = part.copy(), False
    usual_between: dict[int, Times] = {}
    pairs = pairs_of(log)
    for row in strange.tolist():
        if _undisturbed(word, row):
            continue
        pair = int(pairs[row - 1])
        if pair not in usual_between:
            usual_between[pair] = np.array(list(_usual_between(log, row, tolerance_s)))
        intervals_s = usual_between[pair]
        leaps_s = intervals_s - (expected_s[row] - expected_s[row - 1])
        if not len(leaps_s) or np.abs(leaps_s).min() <= LEAST_S:
            continue
        best, worth = None, 0
        for rows, moved_s in _tries(log, clock, expected_s, row, intervals_s, (bounds, parts)):
            first = slice(-TRIED_ROWS, None) if rows[-1] < row else slice(TRIED_ROWS)
            tried = nearest(log.code[rows[first]], moved_s[first], words, tolerance_s)
            if (tried >= 0).sum() < FEWEST_EXPLAINED:
                continue
            found = _in_between(log, words, word, rows, moved_s, tolerance_s)
            now = gain(log[rows], words, word[rows]).sum()
            more = int(gain(log[rows], words, found).sum() - now) + USUAL_ROWS
            if more > worth:
                best, worth = (rows, found, moved_s), more
        if best is not None:
            rows, found, moved_s = best
            word[rows], expected_s[rows] = found, moved_s
            label[rows] = label.max() + 1
            changed = True
    if not changed:
        return None
    return word, np.cumsum(np.diff(label, prepend=label[:1]) != 0)


def _undisturbed(word: Integers, row: int) -> bool:
    """Whether the words about a strange interval are all there, and no others between: a pause."""
    around = word[max(0, row - AROUND_ROWS) : row + AROUND_ROWS]
    return bool((around >= 0).all() and word[row] - word[row - 1] == 1)


def _tries(
    log: Words,
    clock: Clock,
    expected_s: Times,
    row: int,
    intervals_s: Times,
    bounds: tuple[list[int], list[int]],
) -> Iterator[tuple[Integers, Times]]:
    """Rows on either side of a strange interval, where a usual one would put them.

    From there to the next bound of either kind, by the clock that they are on or by that of the
    other side.
    """
    before = {max(b for b in some if b < row) for some in bounds}
    after = {min(b for b in some if b > row) for some in bounds}
    sides = [(start, row, row - 1, row, -1) for start in before]
    sides += [(row, stop, row, row - 1, 1) for stop in after]
    for start, stop, inner, outer, sign in sides:
        rows = np.arange(start, stop)
        other_s = _piece_of(clock, outer)(log.time_s[np.append(rows, inner)])
        for interval_s in intervals_s.tolist():
            at_s = expected_s[outer] + sign * interval_s
            yield rows, expected_s[rows] + (at_s - expected_s[inner])
            yield rows, other_s[:-1] + (at_s - other_s[-1])


def _piece_of(clock: Clock, row: int) -> Piece:
    """The piece of a clock that holds at a row."""
    return max(
        (piece for piece in clock.pieces if piece.first_row <= row),
        key=lambda piece: piece.first_row,
        default=clock.pieces[0],
    )


def _strange(log: Words, tolerance_s: float) -> Integers:
    """Rows that follow the row before them as no others of their codes do, who mostly do alike."""
    usual = usual_intervals(log, tolerance_s)[1:]
    _, pair, count = np.unique(pairs_of(log), return_inverse=True, return_counts=True)
    alike = np.bincount(pair, usual) / count
    regular = (count[pair] >= FEWEST_PAIRS) & (alike[pair] >= USUALLY)
    anew = np.diff(log.run) != 0
    back = np.diff(log.time_s) < -JUMP_S
    return np.flatnonzero(((regular & ~usual) | (back & regular)) & ~anew) + 1


def _usual_between(log: Words, row: int, tolerance_s: float) -> Iterator[float]:
    """Intervals at which these two codes follow each other elsewhere, the commonest first."""
    pairs = pairs_of(log)
    like = (pairs == pairs[row - 1]) & usual_intervals(log, tolerance_s)[1:]
    apart_s = np.diff(log.time_s)[like]
    steps, count = np.unique(np.round(apart_s / JUMP_S), return_counts=True)
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
