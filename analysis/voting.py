"""Which offset between two clocks: rows of a log vote, minute by minute.

Every row of a log could be any word of the recording with the same key (code, and number where the
stream numbers itself); each of these says an offset between the clocks.  In every minute of the log
the offsets that many rows have in common stand out.  By chance, too: two logs of one task share
their order of codes, and the durations inside a trial.  What hangs together over the minutes as one
drifting clock is the best guess, and the best of what contradicts it the rival to beat.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.clock import Times

Integers = NDArray[np.int64]

CODES = 1 << 16  # no system has wider words; a key is number * CODES + code

MINUTE_S = 60.0  # short enough that 500 ppm of drift smear a vote by 30 ms only
MINUTE_ROWS = 20  # a slow task votes over longer stretches
VOTE_WIDTH_S = 0.04  # two steps of a log clock of 10 ms, and 300 ppm over a minute
VOTE_SHARE = 0.5  # of a minute's rows: 30 % may be lost
FEWEST_VOTES = 5
VOTERS = 30  # rows of a minute that vote, those with rare keys first ...
PAIRS_PER_MINUTE = 100_000  # ... until they have met this many words
PAIRS = 3_000_000  # if all minutes together meet more, only every second votes, or third ...
BOUNCED_S = 0.005  # a word that comes again this soon is one word, bouncing: it has one vote
CANDIDATES = 32  # offsets kept per minute
SEARCHED_PPM = 1000.0  # twice what is accepted, so that too much drift can be seen and named
STEADY_PPM = 150.0  # how far a minute may depart from the drift of the others
SHIFT_VOTERS = 100  # rows, from the whole log, that vote for a clock shifted by a constant
SHIFT_SHARE = 0.3  # of these that make a shift worth trying
SHIFTS = 8


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """Rows that carry a code.

    Attributes
    ----------
    time_s, code : (n,)
    key : code and number in one, (n,)
    place : row of the table that each came from, (n,)
    run : of the log, between which its clock may begin anew, (n,)
    """

    time_s: Times
    code: Integers
    key: Integers
    place: Integers
    run: Integers

    def __len__(self) -> int:
        return len(self.time_s)

    def __getitem__(self, rows: Integers) -> "Words":
        return Words(
            self.time_s[rows], self.code[rows], self.key[rows], self.place[rows], self.run[rows]
        )

    @property
    def number(self) -> Integers:
        """Number of each word, 0 where it has none."""
        return self.key // CODES


class NoOffset(Exception):  # noqa: N818 - turned into a refusal by `align`
    """No offset between the clocks stands out; says what the best one reached."""

    def __init__(self, votes: int, rows: int) -> None:
        super().__init__(f"{votes} of {rows}")
        self.votes = votes
        self.rows = rows


def words_of(table: pd.DataFrame, numbered: bool, mask: int) -> Words:
    """The rows of a table whose code is above 0, told by the bits of the mask.

    Parameters
    ----------
    table : `time_s`, `code`, if `numbered` also `trial`, if there are several also `run`
    """
    code = table["code"].to_numpy(np.int64)
    if len(code) and code.max() >= CODES:
        raise ValueError(f"{code.max()} is no word of 16 bits")
    place = np.flatnonzero(code > 0)
    code = code[place] & mask
    run = table["run"].to_numpy()[place] if "run" in table else np.ones(len(place), np.int64)
    number = np.full(len(code), -1)
    if numbered:
        number = table["trial"].to_numpy(np.int64, na_value=-1)[place]
    time_s = table["time_s"].to_numpy(float)[place]
    return Words(time_s, code, code + (number + 1) * CODES, place, run)


def guess_times(log: Words, words: Words, share: float = VOTE_SHARE) -> Times:
    """Where each row should be in the recording, by the clock that wins most votes, (n_rows,).

    Right to some 30 ms where the log's clock does not jump; beyond a jump it is wrong.

    Parameters
    ----------
    share : of a minute's rows that an offset must unite

    Raises
    ------
    NoOffset
        If in no minute an offset stands out.
    """
    minute = _minutes(log.time_s)
    votes = _vote(log, words, minute, VOTE_WIDTH_S, share)
    if not len(votes):
        raise NoOffset(*_best_vote(log, words, minute))
    drift = 0.0
    for drift_range in (SEARCHED_PPM * 1e-6, STEADY_PPM * 1e-6):
        chain = _chain(votes, VOTE_WIDTH_S, drift, drift_range)
        drift = _slope(chain)
    return _times(chain, log.time_s, drift)


def rival_times(log: Words, words: Words, width_s: float, share: float = 1.0) -> list[Times]:
    """Where each row could be as well, by clocks that are off, each (n_rows,).

    The times of the log are those of the recording already.  Rivals are the chain of votes that is
    best if offsets below two widths are left out, and the whole log shifted by a constant.

    Parameters
    ----------
    share : of the rows that are explained, and of which a rival must have a good part
    """
    shifts = _shifts(log, words, width_s, SHIFT_SHARE * share)
    rivals = [log.time_s + shift for shift in shifts]
    votes = _vote(log, words, _minutes(log.time_s), width_s, beyond_s=2 * width_s)
    if len(votes):
        chain = _chain(votes, width_s, 0.0, STEADY_PPM * 1e-6)
        rivals.append(_times(chain, log.time_s, 0.0))
    return rivals


def minute_votes(log: pd.DataFrame, words: pd.DataFrame) -> pd.DataFrame:
    """Which offsets the rows of every minute have in common, whether or not they are enough.

    Parameters
    ----------
    log, words : `time_s`, `code`

    Returns
    -------
    A row for each offset that stands out: `log_s` (middle of the minute, from the first row),
    `offset_s`, `share` of the minute's rows, `best` of its minute
    """
    sent, seen = (words_of(table, False, CODES - 1) for table in (log, words))
    votes = _vote(sent, seen, _minutes(sent.time_s), VOTE_WIDTH_S, share=0.0)
    rows = np.bincount(_minutes(sent.time_s))[votes.minute] if len(votes) else votes.votes
    table = pd.DataFrame(
        {
            "minute": votes.minute,
            "log_s": votes.middle_s,
            "offset_s": votes.offset_s,
            "share": np.minimum(votes.votes / rows, 1),
        }
    )
    most = table.groupby("minute")["share"].transform("max")
    first = ~table.assign(top=table["share"] == most).duplicated(["minute", "top"])
    return table.assign(best=(table["share"] == most) & first)[rows >= FEWEST_VOTES].drop(
        columns="minute"
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Votes:
    """Offsets (recording minus log) that stood out in a minute, in the order of the minutes.

    `middle_s` is the time passed up to the middle of the minute.  `votes` counts rows: each voter
    has as many votes as there are rows that it speaks for.
    """

    minute: Integers
    middle_s: Times
    offset_s: Times
    votes: Times

    def __len__(self) -> int:
        return len(self.votes)

    def __getitem__(self, chosen: Integers) -> "_Votes":
        return _Votes(
            self.minute[chosen], self.middle_s[chosen], self.offset_s[chosen], self.votes[chosen]
        )


def _minutes(log_s: Times) -> Integers:
    """Which minute each row lies in; long pauses, and a clock set anew, count as one minute."""
    busy_s = _passed(log_s, MINUTE_S)
    length_s = max(MINUTE_S, MINUTE_ROWS * float(busy_s[-1]) / len(log_s))
    return np.floor(busy_s / length_s).astype(np.int64)


def _passed(log_s: Times, longest_s: float = np.inf) -> Times:
    """Time since the first row; a clock that was set back does not go back here."""
    passed: Times = np.concatenate([[0.0], np.cumsum(np.clip(np.diff(log_s), 0, longest_s))])
    return passed


def _vote(
    log: Words,
    words: Words,
    minute: Integers,
    width_s: float,
    share: float = VOTE_SHARE,
    beyond_s: float = 0.0,
) -> _Votes:
    """Offsets that put a share of a minute's rows on words with the same key.

    Only offsets of at least `beyond_s` count.
    """
    electorate, weight = _electorate(log, words, minute)
    row, offset = _pairs(log[electorate], words)
    row = electorate[row]
    if beyond_s:
        far = np.abs(offset) >= beyond_s
        row, offset = row[far], offset[far]
    if not len(row):
        return _Votes(row, offset, offset, offset)
    need = np.maximum(FEWEST_VOTES, np.ceil(share * _voters(row, minute)).astype(int))
    of_minute = minute[row]  # ascending
    lane = np.ptp(offset) + 2 * width_s
    start = of_minute * lane - offset.min()
    spot = np.sort(offset + start)  # minute by minute, offsets ascending
    full, votes = _crowded(spot, width_s, int(need.min()))
    enough = votes >= need[of_minute[full]]
    full, votes = full[enough], votes[enough]
    kept = _peaks(spot[full], votes, of_minute[full], width_s, CANDIDATES)
    full, votes = full[kept], votes[kept]
    centre, of_minute = spot[full + votes // 2] - start[full], of_minute[full]
    return _Votes(
        of_minute, _middles(log.time_s, minute)[of_minute], centre, votes * weight[of_minute]
    )


def _crowded(spot: Times, width_s: float, least: int) -> tuple[Integers, Integers]:
    """Where in an ascending array the next `width_s` hold at least so many values, and how many."""
    full = np.flatnonzero(spot[least - 1 :] - spot[: max(0, len(spot) - least + 1)] <= width_s)
    return full, np.searchsorted(spot, spot[full] + width_s, side="right") - full


def _middles(log_s: Times, minute: Integers) -> Times:
    """Time passed up to the middle of every minute."""
    passed_s, every = _passed(log_s), np.arange(minute[-1] + 1)
    first = np.searchsorted(minute, every).clip(max=len(minute) - 1)
    last = np.searchsorted(minute, every, side="right") - 1
    middles: Times = (passed_s[first] + passed_s[last]) / 2
    return middles


def _voters(row: Integers, minute: Integers) -> Integers:
    """How many rows of each minute vote; every row's votes stand together."""
    first = np.concatenate([[True], np.diff(row) != 0])
    voters: Integers = np.bincount(minute[row[first]])
    return voters


def _best_vote(log: Words, words: Words, minute: Integers) -> tuple[int, int]:
    """The largest share of a minute's rows that any offset unites: votes, rows."""
    votes = _vote(log, words, minute, VOTE_WIDTH_S, share=0.0)
    if not len(votes):
        return 0, len(log)
    rows = np.bincount(minute)[votes.minute]
    # The last minute may have a handful of rows, which prove nothing.
    best = int(np.argmax(votes.votes / np.maximum(rows, MINUTE_ROWS)))
    return round(votes.votes[best]), int(rows[best])


def _electorate(log: Words, words: Words, minute: Integers) -> tuple[Integers, Times]:
    """Rows that vote, minute by minute: rare keys first, then spread over the minute.

    And for each minute, how many rows each of them speaks for.
    """
    keys = np.sort(words.key)
    count = np.searchsorted(keys, log.key, side="right") - np.searchsorted(keys, log.key)
    scattered = np.arange(len(log)) * 40_503 % 65_536  # multiplicative hashing
    order = np.lexsort((scattered, count, minute))
    order = order[count[order] > 0]
    first = np.searchsorted(minute[order], minute[order])
    spent = np.cumsum(count[order]) - count[order]
    spent -= spent[first]
    rank = np.arange(len(order)) - first
    enough = (spent < PAIRS_PER_MINUTE) | (rank < 2 * FEWEST_VOTES)
    chosen = order[(rank < VOTERS) & enough]
    thinned = -(-int(count[chosen].sum()) // PAIRS)
    chosen = chosen[minute[chosen] % thinned == 0] if thinned > 1 else chosen
    rows, voters = (np.bincount(minute[some], minlength=minute[-1] + 1) for some in (order, chosen))
    return chosen, rows / np.maximum(voters, 1)


def _pairs(log: Words, words: Words) -> tuple[Integers, Times]:
    """Every row with every word of the same key: the row, and how much later the word comes."""
    words = words[np.argsort(words.key, kind="stable")]
    again = (np.diff(words.key) == 0) & (np.diff(words.time_s) < BOUNCED_S)
    words = words[np.flatnonzero(np.concatenate([[True], ~again]))]
    first = np.searchsorted(words.key, log.key)
    count = np.searchsorted(words.key, log.key, side="right") - first
    row = np.repeat(np.arange(len(log)), count)
    nth = np.arange(len(row)) - np.repeat(np.cumsum(count) - count - first, count)
    return row, words.time_s[nth] - log.time_s[row]


def _shifts(log: Words, words: Words, width_s: float, share: float) -> Times:
    """Constant shifts of the whole log that put many of its rows on words of the same key."""
    sample = log[np.arange(0, len(log), max(1, len(log) // SHIFT_VOTERS))]
    shift = np.sort(_pairs(sample, words)[1])
    shift = shift[np.abs(shift) >= 2 * width_s]
    many, votes = _crowded(shift, width_s, max(2, math.ceil(share * len(sample))))
    # Of shifts about equally good the smallest: a regular stream then loses least at its ends.
    tenths = 10 * votes // len(sample) - np.abs(shift[many]) / (2 * np.ptp(words.time_s) + 1)
    best = _peaks(shift[many], tenths, np.zeros_like(many), width_s, SHIFTS)
    many, votes = many[best], votes[best]
    shifts: Times = shift[many + votes // 2]
    return shifts


def _peaks(
    spot: Times, votes: NDArray[Any], minute: Integers, width_s: float, most: int
) -> Integers:
    """The strongest of each minute, none within the width of a stronger one; minutes ascending."""
    kept: list[int] = []
    for m in np.unique(minute):
        left = np.flatnonzero(minute == m)
        for _ in range(most):
            if not len(left):
                break
            best = left[np.argmax(votes[left])]
            kept.append(best)
            left = left[np.abs(spot[left] - spot[best]) > width_s]
    return np.array(kept, dtype=np.int64)


def _chain(votes: _Votes, width_s: float, drift: float, drift_range: float) -> _Votes:
    """At most one offset a minute, together the most votes that one clock can have.

    From one to the next the offset may change by `drift` (s/s), give or take `drift_range` and the
    width of a vote.
    """
    level_s = votes.offset_s - drift * votes.middle_s
    score = votes.votes.copy()
    previous = np.full(len(votes), -1)
    for m in np.unique(votes.minute)[1:]:
        now = np.flatnonzero(votes.minute == m)
        then = np.arange(now[0])
        change_s = np.abs(level_s[now, None] - level_s[then])
        allowed_s = width_s + drift_range * (votes.middle_s[now, None] - votes.middle_s[then])
        gain = np.where(change_s <= allowed_s, score[then], 0.0)
        best = np.argmax(gain, axis=1)
        won = gain[np.arange(len(now)), best]
        score[now] += won
        previous[now] = np.where(won > 0, best, -1)
    chain = [int(np.argmax(score))]
    while previous[chain[-1]] >= 0:
        chain.append(int(previous[chain[-1]]))
    return votes[np.array(chain[::-1])]


def _slope(chain: _Votes) -> float:
    """Median change of the offset from minute to minute, s/s."""
    if len(chain) < 2:
        return 0.0
    return float(np.median(np.diff(chain.offset_s) / np.diff(chain.middle_s)))


def _times(chain: _Votes, log_s: Times, drift: float) -> Times:
    """Recording time of every row by a chain; beyond its ends it drifts on."""
    passed_s = _passed(log_s)
    level_s = np.interp(passed_s, chain.middle_s, chain.offset_s - drift * chain.middle_s)
    times: Times = log_s + (level_s + drift * passed_s)
    return times
