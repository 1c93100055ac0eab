"""Rows of a log that were stamped wrongly, found between their neighbours.

Old logs have single rows that are off by up to a second; their words stand where the rows stand.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from analysis.clock import Times
from analysis.nearby import agreeing
from analysis.voting import Integers, Words

PLACED_ROWS = 10  # in a longer gap neighbours say little
MISSTAMP_S = 1.5  # the largest error of single stamps met in old logs is 1.001 s
BOUNCE_S = 0.01  # where one word is missing, this soon after it comes the same word, bouncing
SETTLING_S = 0.03  # a slow line settles within this: another word first, then the row's own
CHANCE_PLACED = 0.05  # rows misplaced that may be expected in a whole log


def find_places(
    log: Words, words: Words, word: Integers, expected_s: Times, tolerance_s: float
) -> tuple[Integers, Times]:
    """Words of rows that were stamped wrongly, found between the neighbours of the row.

    The missing rows must be the words of their codes that stand there: all of them, or those that
    are missed once and there once.  That is believed only if rows and words so rarely go missing or
    come unsent that no such coincidence is to be expected in the whole log.

    Parameters
    ----------
    word : position of each row's word in the recording, -1 where it has none, (n_rows,)
    expected_s : where each row should be in the recording, (n_rows,)

    Returns
    -------
    as `word`, for rows that have none there, (n_rows,)
    how far the row is off if a word that was not believed is its own after all, s, (n_rows,)
    """
    placed = np.full(len(log), -1)
    unsent = np.setdiff1d(np.arange(len(words)), word)
    off_s, gap_s = np.zeros(len(log)), np.zeros(len(log))
    for missing, there, length_s in _gaps(words, word, expected_s):
        gap_s[missing] = length_s
        rows, inside = _same_sequence(log, missing, words, there)
        away_s = np.abs(words.time_s[inside] - expected_s[rows])
        if _replaced(words, unsent, expected_s[rows[away_s > SETTLING_S]], tolerance_s):
            continue
        if np.all(away_s < MISSTAMP_S) and np.all(agreeing(log[rows], words, inside) >= 0):
            placed[rows], off_s[rows] = inside, away_s
    if _placed_by_chance(log, words, word, placed, gap_s) > CHANCE_PLACED:
        return np.full(len(log), -1), off_s
    return placed, np.zeros(len(log))


def _replaced(words: Words, unsent: Integers, expected_s: Times, tolerance_s: float) -> bool:
    """Whether an unsent word stands where one of the rows is expected: that is the row's own word,
    changed on its way, and its stamp was right."""
    times_s = words.time_s[unsent]
    first = np.searchsorted(times_s, expected_s - tolerance_s)
    return bool((first < np.searchsorted(times_s, expected_s + tolerance_s, side="right")).any())


def _gaps(
    words: Words, word: Integers, expected_s: Times
) -> Iterator[tuple[Integers, Integers, float]]:
    """Rows without a word between two that have one, the words there, and how long that lasts."""
    matched = np.flatnonzero(word >= 0)
    first = np.searchsorted(words.time_s, expected_s[0] - MISSTAMP_S)
    last = np.searchsorted(words.time_s, expected_s[-1] + MISSTAMP_S) - 1
    row = np.concatenate([[-1], matched, [len(word)]])
    at = np.concatenate([[min(first, word[matched[0]]) - 1], word[matched], [last + 1]])
    few = (np.diff(row) > 1) & (np.diff(row) <= PLACED_ROWS + 1)
    for gap in np.flatnonzero(few):
        inside = np.arange(at[gap] + 1, at[gap + 1])
        ends = np.clip(at[gap : gap + 2], 0, len(words) - 1)
        length_s = min(float(np.diff(words.time_s[ends])[0]), 2 * MISSTAMP_S)
        yield np.arange(row[gap] + 1, row[gap + 1]), inside, length_s


def _same_sequence(
    log: Words, rows: Integers, words: Words, between: Integers
) -> tuple[Integers, Integers]:
    """Those of the rows and words that can only be each other, by their codes and order."""
    between = between[np.isin(words.code[between], log.code[rows])]
    between = between[_first_of_bounce(words, between)]
    if not np.array_equal(words.code[between], log.code[rows]):
        common = _single(log.code[rows]) & _single(words.code[between])
        rows = rows[np.isin(log.code[rows], list(common))]
        between = between[np.isin(words.code[between], list(common))]
        if not np.array_equal(words.code[between], log.code[rows]):
            return rows[:0], between[:0]
    return rows, between


def _single(codes: Integers) -> set[int]:
    values, count = np.unique(codes, return_counts=True)
    return set(values[count == 1].tolist())


def _first_of_bounce(words: Words, chosen: Integers) -> NDArray[np.bool_]:
    """Of words that come again at once, the first."""
    again = (np.diff(words.code[chosen]) == 0) & (np.diff(words.time_s[chosen]) < BOUNCE_S)
    return np.concatenate([np.ones(min(1, len(chosen)), bool), ~again])


def _placed_by_chance(
    log: Words, words: Words, word: Integers, placed: Integers, gap_s: Times
) -> float:
    """How many lost rows would have an unsent word of their code in their place, by chance.

    An unsent word lands in the gap of a lost row as often as that fills the time, or holds words.
    """
    matched = np.flatnonzero(word >= 0)
    first, last = word[matched[0]], word[matched[-1]]
    unsent = np.setdiff1d(np.arange(first, last), word)
    unsent = unsent[_first_of_bounce(words, unsent)]
    codes, times = np.unique(words.code[unsent], return_counts=True)
    lost = np.flatnonzero((word < 0) & (placed < 0) & np.isin(log.code, codes))
    share = np.maximum(gap_s[lost] / np.ptp(words.time_s[[first, last]]), 2 / (last - first + 1))
    return float(times @ np.bincount(np.searchsorted(codes, log.code[lost]), share, len(codes)))
