"""Other clocks that explain a log as well, or a stretch of it.

A clock is believed because no other one explains as much.  Where a task comes regularly another,
one picture off, explains a good part; and if the log's clock was set by just that, a stretch may
lie on the wrong side without a row to betray it.
"""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analysis.clock import Times
from analysis.nearby import Stretch, agreeing, gain, nearest_words
from analysis.voting import Integers, Words, rival_times

# A clock is believed if
LEAD_ROWS = 20  # the best rival explains this many rows fewer ...
MOST_RIVAL = 0.8  # ... this share of its own at most ...
LEAD_SIGMAS = 5.0  # ... and this many standard deviations of the number of rows lost
# A stretch is in doubt if rows and words miss each other, and another clock explains it as well
STRETCH_ROWS = 100
LEAST_MUTUAL = 0.8  # of the rows and words that are there
MOST_STRETCH_RIVAL = 0.9
REACH_S = 60.0  # another clock is that near


def clear_lead(explained: int, rival: int, rows: int, least: int = LEAD_ROWS) -> bool:
    """Whether a clock explains clearly more of some rows than its best rival.

    Words are lost at random, so the lead must exceed what that makes of two equal clocks; and where
    a task comes so regularly that a rival explains most, a jump of the clock would go unseen.
    """
    lead, lost = explained - rival, max(rows - explained, 0)
    clear = lead >= max(least, LEAD_SIGMAS * math.sqrt(lost))
    return clear and rival <= MOST_RIVAL * explained


def rival_rows(log: Words, words: Words, tolerance_s: float, explained: int) -> int:
    """How many rows the best clock that is off can explain.

    The times of the log are those of the recording already; offsets within four tolerances of zero
    are no rivals.

    Parameters
    ----------
    explained : rows that the clock explains which is challenged
    """
    rivals = rival_times(log, words, 2 * tolerance_s, explained / max(len(log), 1))
    found = [nearest_words(log, words, [Stretch(0, rival)], tolerance_s)[0] for rival in rivals]
    return max((int((gain(log, words, word) > 0).sum()) for word in found), default=0)


def in_doubt(
    log: Words, words: Words, word: Integers, expected_s: Times, tolerance_s: float
) -> NDArray[np.bool_]:
    """Rows of stretches in which rows miss their words while words come that no row explains, and
    which another clock nearby explains about as well, (n_rows,).

    Lost stretches have no such words, and storms of words no such rows.
    """
    doubtful = np.zeros(len(log), bool)
    found = word >= 0
    unsent_s = words.time_s[np.setdiff1d(np.arange(len(words)), word[found])]
    for first in range(0, len(log), STRETCH_ROWS // 2):
        rows = np.arange(first, min(first + STRETCH_ROWS, len(log)))
        explained = int((gain(log[rows], words, word[rows]) > 0).sum())
        if not explained or (agreeing(log[rows], words, word[rows]) > 0).any():
            continue
        span_s = np.array([expected_s[rows].min(), expected_s[rows].max()])
        came = int(np.diff(np.searchsorted(unsent_s, span_s + [-tolerance_s, tolerance_s]))[0])
        if explained >= LEAST_MUTUAL * (explained + min(came, len(rows) - explained)):
            continue
        near = np.arange(*np.searchsorted(words.time_s, span_s + [-REACH_S, REACH_S]))
        moved = replace(log[rows], time_s=expected_s[rows])
        if rival_rows(moved, words[near], tolerance_s, explained) > MOST_STRETCH_RIVAL * explained:
            doubtful[rows] = True
    return doubtful
