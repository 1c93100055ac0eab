"""The words of a recording near where a clock expects the rows of a log.

Each row takes the nearest word of its code.  Where two parts of a clock, before and after it was
set, both claim rows, they hand over at one place; where that cannot be told, rows that the two
disagree about have no word.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from analysis.clock import Times
from analysis.voting import Integers, Words

SILENCE_S = 5.0  # no word at all within this: the recording was off, which proves nothing
HAND_OVER_ROWS = 2  # so few lost words must not decide where a clock jumped
USUAL_ROWS = 4  # that a jump must explain more, where the log's interval is one of the task's own
SURE_ROWS = 4  # in between that are taken from the only clock that offers a word
RARE = 0.02  # of the rows: payload, answers
USUAL_TIMES = 2  # as often it must be met elsewhere
MARGIN_S = 0.5  # about the words of a code
LONGEST_S = 3.0  # longer intervals are all one
SHORTEST_S = -2.0


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Where rows, from `first` on, should be in the recording; stretches may overlap.

    Attributes
    ----------
    part : of the clock, between two jumps of it
    """

    first: int
    expected_s: Times
    part: int = 0


def agreeing(log: Words, words: Words, word: Integers) -> Integers:
    """Of each row and its word: 1 if their numbers agree, -1 if they differ, 0 if one has none."""
    both = (word >= 0) & (log.number > 0) & (words.number[word] > 0)
    signs: Integers = np.where(both, np.where(log.number == words.number[word], 1, -1), 0)
    return signs


def heard(words: Words, expected_s: Times) -> NDArray[np.bool_]:
    """Rows at times when the recording has any word nearby."""
    bounded = np.concatenate([[-np.inf], words.time_s, [np.inf]])
    after = np.searchsorted(bounded, expected_s)
    gap_s = np.minimum(bounded[after] - expected_s, expected_s - bounded[after - 1])
    near: NDArray[np.bool_] = gap_s < SILENCE_S
    return near


def nearest_words(
    log: Words, words: Words, stretches: Sequence[Stretch], tolerance_s: float
) -> tuple[Integers, Integers]:
    """For each row the nearest word of its code, where there is one within the tolerance.

    Each word is taken once, and in the order of the log.

    Returns
    -------
    position of each row's word, -1 where it has none, (n_rows,)
    the part of the clock that it is on, (n_rows,); it never falls
    """
    word, off_s = np.full(len(log), -1), np.zeros(len(log))
    part = np.zeros(len(log), dtype=np.int64)
    done = 0
    for stretch in stretches:
        rows = np.arange(stretch.first, stretch.first + len(stretch.expected_s))
        mine = nearest(log.code[rows], stretch.expected_s, words, tolerance_s)
        shared = rows[: max(0, done - stretch.first)]
        begins = done
        if len(shared):
            # The log's first row follows none: nothing can have been set before it.
            usual = usual_intervals(log, tolerance_s)[shared] | (shared == 0)
            both = word[shared], mine[: len(shared)]
            mine[: len(shared)], change = _hand_over(log[shared], words, *both, usual)
            begins = int(shared[0]) + change
        new = (mine >= 0) & (mine != word[rows])
        off_s[rows[new]] = np.abs(words.time_s[mine] - stretch.expected_s)[new]
        word[rows] = mine
        part[begins : rows[-1] + 1] = stretch.part
        done = rows[-1] + 1
    found = np.flatnonzero(word >= 0)
    nearest_first = found[np.argsort(off_s[found], kind="stable")]
    _, taken = np.unique(word[nearest_first], return_index=True)
    mine = np.full(len(log), -1)
    mine[nearest_first[taken]] = word[nearest_first[taken]]
    return _once(mine), np.maximum.accumulate(part)


def _hand_over(
    log: Words, words: Words, before: Integers, after: Integers, usual: NDArray[np.bool_]
) -> tuple[Integers, int]:
    """Words of rows for which two clocks each have their own: first the one's, then the other's.

    And the row from which it is the other's.  They hand over where most rows are explained, rather
    at an interval of the log that the task does not have than at one that it has.  Where several
    places are about equally good, rows in between have a word only where nothing speaks for
    another: both clocks mean the same, or they are few and only one clock offers any.
    """
    gained = np.concatenate([[0], np.cumsum(gain(log, words, _once(before)))])
    missed = np.concatenate([[0], np.cumsum(gain(log, words, _once(after)))])
    score = gained - missed - USUAL_ROWS * np.append(usual, True)
    best = np.flatnonzero(score >= np.max(score) - HAND_OVER_ROWS)
    row = np.arange(len(log))
    either = np.where(before < 0, after, np.where(after < 0, before, -1))
    between = (row >= best[0]) & (row < best[-1])
    apart = np.any(between & (before >= 0) & (after >= 0) & (before != after))
    if apart or between.sum() > SURE_ROWS:
        either = np.full(len(log), -1)
    certain = np.where(row < best[0], before, np.where(row >= best[-1], after, either))
    change = int(best[np.argmax(score[best])])
    return np.where(before == after, before, certain), change


@lru_cache(maxsize=8)
def pairs_of(log: Words) -> Integers:
    """What every row but the first is, with what the row before it is; rare codes are one kind."""
    _, kind, count = np.unique(log.code, return_inverse=True, return_counts=True)
    kind = np.where(count[kind] >= RARE * len(log), kind, len(count))
    pairs: Integers = kind[:-1] * (len(count) + 1) + kind[1:]
    return pairs


@lru_cache(maxsize=8)
def usual_intervals(log: Words, tolerance_s: float) -> NDArray[np.bool_]:
    """Rows that follow the row before them as other rows of the same codes do elsewhere."""
    apart_s = np.clip(np.diff(log.time_s), SHORTEST_S, LONGEST_S)
    lane = 4 * (LONGEST_S - SHORTEST_S)
    spot = pairs_of(log) * lane + apart_s
    ordered = np.sort(spot)
    like = np.searchsorted(ordered, spot + tolerance_s) - np.searchsorted(
        ordered, spot - tolerance_s
    )
    return np.concatenate([[False], like > USUAL_TIMES])


def gain(log: Words, words: Words, word: Integers) -> Integers:
    """1 for each row that has its word, -1 if that carries another number."""
    return np.where(agreeing(log, words, word) < 0, -1, word >= 0).astype(np.int64)


def _once(word: Integers) -> Integers:
    """Words of rows in their order, each once; a chance word far ahead hides none but itself."""
    rows = np.flatnonzero(word >= 0)
    rows = rows[_longest_ascending(word[rows])]
    once = np.full(len(word), -1)
    once[rows] = word[rows]
    return once


def nearest(code: Integers, expected_s: Times, words: Words, tolerance_s: float) -> Integers:
    """The nearest word with the code, or -1; the tolerance is below the margin."""
    index = _index(words)
    wanted = np.searchsorted(index.kinds, code).clip(max=len(index.kinds) - 1)
    within_s = np.clip(expected_s - index.start_s, -MARGIN_S, index.lane_s - MARGIN_S)
    target = wanted * index.lane_s + within_s
    last = len(index.spot) - 1
    right = np.searchsorted(index.spot, target).clip(max=last)
    left = (right - 1).clip(min=0)
    closer = np.where(target - index.spot[left] <= index.spot[right] - target, left, right)
    near = np.abs(index.spot[closer] - target) <= tolerance_s  # False where nothing is expected
    found: Integers = np.where(near & (index.kinds[wanted] == code), index.order[closer], -1)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Index:
    """Words on one number line, a stretch of it for each code.

    Attributes
    ----------
    kinds : the codes, ascending
    start_s, lane_s : when a stretch begins, and how long it is
    spot : places of the words, ascending; `order` says which words they are
    """

    kinds: Integers
    start_s: float
    lane_s: float
    spot: Times
    order: Integers


@lru_cache(maxsize=8)
def _index(words: Words) -> _Index:
    kinds, kind = np.unique(words.code, return_inverse=True)
    start_s = float(words.time_s[0])
    lane_s = float(words.time_s[-1]) - start_s + 2 * MARGIN_S
    spot = kind * lane_s + (words.time_s - start_s)
    order = np.argsort(spot)
    return _Index(kinds, start_s, lane_s, spot[order], order)


def _longest_ascending(values: Integers) -> Integers:
    """Places of a longest ascending run of values, others left out."""
    if np.all(np.diff(values) > 0):
        return np.arange(len(values))
    tops: list[int] = []
    at: list[int] = []
    previous = np.full(len(values), -1)
    for place, value in enumerate(values.tolist()):
        length = bisect_left(tops, value)
        previous[place] = at[length - 1] if length else -1
        tops[length : length + 1] = [value]
        at[length : length + 1] = [place]
    chosen = [at[-1]]
    while previous[chosen[-1]] >= 0:
        chosen.append(int(previous[chosen[-1]]))
    return np.array(chosen[::-1])
