"""Which word of a recording is which row of a log: votes, a chain of them, nearest words, places.

Words get lost, turn into others, come unsent; the two clocks start anywhere, drift, bend, and one
of them may be set anew.  So words are never counted, and neither codes nor times believed alone.

*vote*: in every minute of the log, which offsets between the clocks put most rows on words of the
same key (code, and number where the stream numbers itself)?  *chain*: which of these hang together
as one clock?  *match*: near a clock, each row takes the nearest word of its code.  *place*: rows
that the log stamped wrongly are found between their neighbours.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.clock import Clock, Times, fit_clock

Integers = NDArray[np.int64]

CODES = 1 << 16  # no system has wider words; a key is number * CODES + code

# Votes
MINUTE_S = 60.0  # short enough that 500 ppm of drift smear a vote by 30 ms only
MINUTE_ROWS = 20  # a slow task votes over longer stretches
VOTE_WIDTH_S = 0.04  # two steps of a log clock of 10 ms, and 300 ppm over a minute
VOTE_SHARE = 0.5  # of a minute's rows: 30 % may be lost; chance offsets stay below 0.4
FEWEST_VOTES = 5
BOUNCED_S = 0.005  # a word that comes again this soon is one word, bouncing: it has one vote
VOTERS = 30  # rows of a minute that vote, those with rare keys first ...
PAIRS_PER_MINUTE = 100_000  # ... until they have met this many words
CANDIDATES = 32  # offsets kept per minute
# Chain
SEARCHED_PPM = 1000.0  # twice what is accepted, so that too much drift can be seen and named
STEADY_PPM = 150.0  # how far a minute may depart from the drift of the others
JUMP_ROWS = 20  # a jump of a clock must explain this many rows more than its absence
# Rivals
SHIFT_VOTERS = 100  # rows, from the whole log, that vote for a clock shifted by a constant
SHIFT_SHARE = 0.3  # of these that make a shift worth trying
SHIFTS = 8
# Match
FEWEST_ROWS = 30
ANCHOR_S = 0.03  # half the width of a vote, and 10 ms for a stepping clock
SLACK_S = 0.003  # what a flip, a port and a recorder may differ by
STEP_SHARE = 1.1  # of the log's own step, by which its stamps may be early
STEP_SPREAD = 2.0  # a step is not wider than twice what 95 % of the residuals reach
BEND_S = 0.001  # a line is given up where the running median of its residuals leaves this band ...
BEND_SHARE = 0.4  # ... and this share of the log's step
REFINEMENTS = 4
HAND_OVER_ROWS = 1  # one lost word must not decide where a clock jumped
# Tick
TICK_SPAN_S = 2.0  # intervals that are looked at
TICK_BIN_S = 1e-4
TICK_BINS = 1 << 15
TICK_LONGEST_S = 0.05
TICK_SHORTEST_S = 5e-4
TICK_FINEST_S = 1e-6  # finer ones are lost in wall-clock seconds as floating-point numbers
TICK_POWER = 0.8  # 1 if every interval is a multiple; 0.9 if steps of 10 ms are stamped in 1 ms
TICK_MULTIPLES = 10  # fewer: these are the durations of the task
# Place
MISSTAMP_S = 1.5  # the largest error of single stamps met in old logs is 1.001 s
BOUNCE_S = 0.1  # where one word is missing, this soon after it comes the same word, bouncing
CHANCE_PLACED = 0.05  # words of a code that may be expected to be misplaced in a whole log


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """Rows that carry a code.

    Attributes
    ----------
    time_s, code : (n,)
    key : code and number in one, (n,)
    place : row of the table that each came from, (n,)
    """

    time_s: Times
    code: Integers
    key: Integers
    place: Integers

    def __len__(self) -> int:
        return len(self.time_s)

    def __getitem__(self, rows: Integers) -> "Words":
        return Words(self.time_s[rows], self.code[rows], self.key[rows], self.place[rows])

    @property
    def number(self) -> Integers:
        """Number of each word, 0 where it has none."""
        return self.key // CODES


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """Rows of a log and their words.

    Attributes
    ----------
    word : position of each row's word in the recording, -1 where it has none, (n_rows,)
    clock : the clock through them
    step_s : by how much the log's stamps may be early
    tolerance_s : how near to the clock a word had to be
    """

    word: Integers
    clock: Clock
    step_s: float
    tolerance_s: float


class NoOffset(Exception):  # noqa: N818 - turned into a refusal by `align`
    """No offset between the clocks stands out; says what the best one reached."""

    def __init__(self, votes: int, voters: int) -> None:
        super().__init__(f"{votes} of {voters}")
        self.votes = votes
        self.voters = voters


def words_of(table: pd.DataFrame, numbered: bool) -> Words:
    """The rows of a table (`time_s`, `code`, if `numbered` also `trial`) whose code is above 0."""
    code = table["code"].to_numpy(np.int64)
    place = np.flatnonzero(code > 0)
    code = code[place]
    number = np.full(len(code), -1)
    if numbered:
        number = table["trial"].to_numpy(np.int64, na_value=-1)[place]
    return Words(table["time_s"].to_numpy(float)[place], code, code + (number + 1) * CODES, place)


def find_match(log: Words, words: Words, stamps_s: Times, tick_s: float) -> Match:
    """The words of a log, and the clock through them.

    Parameters
    ----------
    log : rows of the log in its order
    words : words of the recording, times ascending
    stamps_s : times of all rows of the log's table, to which `log.place` refers
    tick_s : step of the log's clock, NaN if unknown

    Raises
    ------
    NoOffset
        If no clock can even be begun.
    """
    minute = minutes(log.time_s)
    votes = _vote(log, words, minute, VOTE_WIDTH_S)
    if not len(votes):
        raise NoOffset(*_best_vote(log, words, minute))
    drift = 0.0
    for drift_range in (SEARCHED_PPM * 1e-6, STEADY_PPM * 1e-6):
        parts = _chain(votes, log.time_s, minute, VOTE_WIDTH_S, drift, drift_range)
        drift = _slope(parts, log.time_s, minute)
    word = _nearest_words(log, words, _near_chain(parts, log.time_s, minute, drift), ANCHOR_S)
    if (word >= 0).sum() < FEWEST_ROWS:
        raise NoOffset(int((word >= 0).sum()), len(log))
    step_s = float(np.nan_to_num(tick_s))
    clock = _fit(log, words, word, step_s)
    finer_s = float(np.fmin(tick_s, STEP_SPREAD * _spread_s(log, words, word, clock, stamps_s)))
    if finer_s != step_s:
        step_s, clock = finer_s, _fit(log, words, word, finer_s)
    tolerance_s = SLACK_S + STEP_SHARE * step_s
    for _ in range(REFINEMENTS):
        nearer = _nearest_words(log, words, _near_clock(log, clock, stamps_s), tolerance_s)
        if np.array_equal(nearer, word) or (nearer >= 0).sum() < FEWEST_ROWS:
            break
        word, clock = nearer, _fit(log, words, nearer, step_s)
    return Match(nearer, clock, step_s, tolerance_s)


def rival_rows(log: Words, words: Words, tolerance_s: float) -> int:
    """How many rows the best clock that is off can explain.

    The times of the log are those of the recording already.  Tried are clocks of any form that the
    votes allow, and the whole clock shifted; offsets within four tolerances of zero are no rivals.
    """
    minute = minutes(log.time_s)
    width_s = 2 * tolerance_s
    votes = _vote(log, words, minute, width_s, beyond_s=2 * width_s)
    rivals = [[_Stretch(0, log.time_s + shift)] for shift in _shifts(log, words, width_s)]
    if len(votes):
        parts = _chain(votes, log.time_s, minute, width_s, 0.0, STEADY_PPM * 1e-6)
        rivals.append(_near_chain(parts, log.time_s, minute, 0.0))
    found = [_nearest_words(log, words, rival, tolerance_s) for rival in rivals]
    return max((int(_gain(log, words, word).sum()) for word in found), default=0)


def agreeing(log: Words, words: Words, word: Integers) -> Integers:
    """Of each row and its word: 1 if their numbers agree, -1 if they differ, 0 if one has none."""
    both = (word >= 0) & (log.number > 0) & (words.number[word] > 0)
    signs: Integers = np.where(both, np.where(log.number == words.number[word], 1, -1), 0)
    return signs


def minutes(log_s: Times) -> Integers:
    """Which minute each row lies in; by elapsed time, so that a clock set anew does no harm."""
    elapsed = np.concatenate([[0.0], np.cumsum(np.clip(np.diff(log_s), 0, MINUTE_S))])
    return (elapsed // max(MINUTE_S, MINUTE_ROWS * elapsed[-1] / len(log_s))).astype(np.int64)


def log_tick(log_s: Times) -> float:
    """Step of a log's clock, s, found in the intervals between its rows.

    Coarse steps (0.5 to 50 ms) stand out in the spectrum of the intervals; for finer clocks it is
    the smallest difference between two intervals.  The frames of a display show as a step too: how
    far stamps are off is for the residuals to say.  NaN where there are too few short intervals.
    """
    interval = np.diff(log_s)
    interval = np.sort(interval[(interval > 0) & (interval < TICK_SPAN_S)])
    if len(interval) < FEWEST_ROWS:
        return np.nan
    counts = np.bincount(np.round(interval / TICK_BIN_S).astype(int), minlength=TICK_BINS)
    power = np.fft.rfft(counts).real / len(interval)
    span_s = TICK_BINS * TICK_BIN_S
    low, high = int(span_s / TICK_LONGEST_S), int(span_s / TICK_SHORTEST_S)
    strong = np.flatnonzero(power[low:high] > TICK_POWER)
    if len(strong):
        peak = low + strong[0] + int(np.argmax(power[low + strong[0] :][:4]))
        hz = np.linspace(peak - 1, peak + 1, 41) / span_s
        best = hz[np.argmax(np.cos(2 * np.pi * np.outer(hz, interval)).sum(axis=1))]
        steps = np.round(interval * best)
        if len(np.unique(steps)) >= TICK_MULTIPLES:
            return float((interval @ steps) / (steps @ steps))
    finer = np.diff(interval)
    return float(finer[finer > TICK_FINEST_S].min(initial=TICK_SHORTEST_S))


def find_places(
    log: Words, words: Words, match: Match, expected_s: Times
) -> tuple[Integers, Times]:
    """Words of rows that were stamped wrongly, found between the neighbours of the row.

    The missing rows must be the words of their codes that stand there: all of them, or those that
    are missed once and there once.  That is believed of a code only if it so rarely goes missing or
    comes unsent that no such coincidence is to be expected in the whole log.

    Parameters
    ----------
    expected_s : where each row should be in the recording, (n_rows,)

    Returns
    -------
    as `word` of the match, for rows that have none there, (n_rows,)
    how far the row is off if a word that was not believed is its own after all, s, (n_rows,)
    """
    placed = np.full(len(log), -1)
    off_s, gap_s = np.zeros(len(log)), np.zeros(len(log))
    for missing, there, length_s in _gaps(words, match.word, expected_s):
        gap_s[missing] = length_s
        rows, inside = _same_sequence(log, missing, words, there)
        away_s = np.abs(words.time_s[inside] - expected_s[rows])
        if np.all(away_s < MISSTAMP_S):
            placed[rows], off_s[rows] = inside, away_s
    doubted = np.isin(log.code, _placed_by_chance(log, words, match.word, placed, gap_s))
    return np.where(doubted, -1, placed), np.where(doubted, off_s, 0.0)


def _gaps(
    words: Words, word: Integers, expected_s: Times
) -> Iterator[tuple[Integers, Integers, float]]:
    """Rows without a word between two that have one, the words there, and how long that lasts."""
    matched = np.flatnonzero(word >= 0)
    first = np.searchsorted(words.time_s, expected_s[0] - MISSTAMP_S)
    last = np.searchsorted(words.time_s, expected_s[-1] + MISSTAMP_S) - 1
    row = np.concatenate([[-1], matched, [len(word)]])
    at = np.concatenate([[min(first, word[matched[0]]) - 1], word[matched], [last + 1]])
    for gap in np.flatnonzero(np.diff(row) > 1):
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
) -> Integers:
    """Codes of which some lost row may have found an unsent word in its place by chance.

    An unsent word lands in the gaps of lost rows as often as these fill the time.
    """
    matched = np.flatnonzero(word >= 0)
    first, last = word[matched[0]], word[matched[-1]]
    unsent = np.setdiff1d(np.arange(first, last), np.concatenate([word, placed]))
    unsent = unsent[_first_of_bounce(words, unsent)]
    lost = (word < 0) & (placed < 0)
    codes = np.unique(log.code[placed >= 0])
    times = [max(1, int((words.code[unsent] == code).sum())) for code in codes]
    filled_s = [gap_s[lost & (log.code == code)].sum() for code in codes]
    expected = np.array(times) * np.array(filled_s) / max(np.ptp(words.time_s[[first, last]]), 1e-3)
    doubtful: Integers = codes[expected > CHANCE_PLACED]
    return doubtful


# Votes


@dataclass(frozen=True, slots=True, eq=False)
class _Votes:
    """Offsets (recording minus log) that stood out in a minute, in the order of the minutes."""

    minute: Integers
    offset_s: Times
    votes: Integers

    def __len__(self) -> int:
        return len(self.votes)

    def __getitem__(self, chosen: Integers) -> "_Votes":
        return _Votes(self.minute[chosen], self.offset_s[chosen], self.votes[chosen])


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
    electorate = _electorate(log, words, minute)
    row, offset = _pairs(log[electorate], words)
    row = electorate[row]
    if beyond_s:
        far = np.abs(offset) >= beyond_s
        row, offset = row[far], offset[far]
    if not len(row):
        return _Votes(row, offset, row)
    need = np.maximum(FEWEST_VOTES, np.ceil(share * _voters(row, minute)).astype(int))
    of_minute = minute[row]  # ascending
    lane = np.ptp(offset) + 2 * width_s
    start = of_minute * lane - offset.min()
    spot = np.sort(offset + start)  # minute by minute, offsets ascending
    nth = np.arange(len(spot)) + need[of_minute] - 1
    full = np.flatnonzero(nth < len(spot))
    full = full[spot[nth[full]] - spot[full] <= width_s]
    votes = np.searchsorted(spot, spot[full] + width_s, side="right") - full
    kept = _peaks(spot[full], votes, of_minute[full], width_s, CANDIDATES)
    full, votes = full[kept], votes[kept]
    return _Votes(of_minute[full], spot[full + votes // 2] - start[full], votes)


def _voters(row: Integers, minute: Integers) -> Integers:
    """How many rows of each minute vote; every row's votes stand together."""
    first = np.concatenate([[True], np.diff(row) != 0])
    voters: Integers = np.bincount(minute[row[first]])
    return voters


def _best_vote(log: Words, words: Words, minute: Integers) -> tuple[int, int]:
    """The largest share of a minute's voters that any offset unites: votes, voters."""
    votes = _vote(log, words, minute, VOTE_WIDTH_S, share=0.0)
    if not len(votes):
        return 0, len(log)
    voters = np.minimum(np.bincount(minute), VOTERS)[votes.minute]
    best = int(np.argmax(votes.votes / voters))
    return int(votes.votes[best]), int(voters[best])


def _electorate(log: Words, words: Words, minute: Integers) -> Integers:
    """Rows that vote, minute by minute: rare keys first, then spread over the minute."""
    keys = np.sort(words.key)
    count = np.searchsorted(keys, log.key, side="right") - np.searchsorted(keys, log.key)
    scattered = np.arange(len(log)) * 40_503 % 65_536  # multiplicative hashing
    order = np.lexsort((scattered, count, minute))
    order = order[count[order] > 0]
    first = np.searchsorted(minute[order], minute[order])
    spent = np.cumsum(count[order]) - count[order]
    spent -= spent[first]
    chosen: Integers = order[(np.arange(len(order)) - first < VOTERS) & (spent < PAIRS_PER_MINUTE)]
    return chosen


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


def _shifts(log: Words, words: Words, width_s: float) -> Times:
    """Constant shifts of the whole log that put many of its rows on words of the same key."""
    sample = log[np.arange(0, len(log), max(1, len(log) // SHIFT_VOTERS))]
    shift = np.sort(_pairs(sample, words)[1])
    shift = shift[np.abs(shift) >= 2 * width_s]
    votes = np.searchsorted(shift, shift + width_s, side="right") - np.arange(len(shift))
    many = np.flatnonzero(votes >= SHIFT_SHARE * len(sample))
    # Of shifts about equally good the smallest: a regular stream then loses least at its ends.
    tenths = 10 * votes[many] // len(sample) - np.abs(shift[many]) / (2 * np.ptp(words.time_s) + 1)
    best = many[_peaks(shift[many], tenths, np.zeros_like(many), width_s, SHIFTS)]
    shifts: Times = shift[best + votes[best] // 2]
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


# Chain


def _chain(
    votes: _Votes, log_s: Times, minute: Integers, width_s: float, drift: float, drift_range: float
) -> list[_Votes]:
    """The offsets that win most votes as one clock, cut where the clock jumps.

    From minute to minute the offset may change by `drift` (s/s), give or take `drift_range` and the
    width of a vote, for nothing; by anything else for JUMP_ROWS votes, as long as the recording's
    time does not run backwards.
    """
    start_s, end_s = _bounds(votes, log_s, minute)
    middle_s = (start_s + end_s) / 2
    level_s = votes.offset_s - drift * middle_s
    score = votes.votes.astype(float)
    previous = np.full(len(votes), -1)
    jumped = np.zeros(len(votes), bool)
    for m in np.unique(votes.minute)[1:]:
        now = np.flatnonzero(votes.minute == m)
        then = np.arange(now[0])
        change_s = np.abs(level_s[now, None] - level_s[then])
        jump = change_s > width_s + drift_range * np.abs(middle_s[now, None] - middle_s[then])
        back = (start_s + votes.offset_s)[now, None] < (end_s + votes.offset_s)[then] - width_s
        gain = np.where(back, -np.inf, score[then] - JUMP_ROWS * jump)
        best = np.argmax(gain, axis=1)
        better = np.flatnonzero(gain[np.arange(len(now)), best] > 0)
        score[now[better]] += gain[better, best[better]]
        previous[now[better]] = best[better]
        jumped[now[better]] = jump[better, best[better]]
    return _trace(votes, int(np.argmax(score)), previous, jumped)


def _trace(votes: _Votes, last: int, previous: Integers, jumped: NDArray[np.bool_]) -> list[_Votes]:
    """The chain that ends in `last`, one part for each stretch without a jump."""
    parts: list[list[int]] = [[]]
    while last >= 0:
        parts[-1].append(last)
        if jumped[last]:
            parts.append([])
        last = int(previous[last])
    return [votes[np.array(part[::-1])] for part in reversed(parts)]


def _bounds(votes: _Votes, log_s: Times, minute: Integers) -> tuple[Times, Times]:
    """First and last log time of the minute of each vote."""
    first = np.searchsorted(minute, votes.minute)
    last = np.searchsorted(minute, votes.minute, side="right") - 1
    return log_s[first], log_s[last]


def _middles(votes: _Votes, log_s: Times, minute: Integers) -> Times:
    start_s, end_s = _bounds(votes, log_s, minute)
    middle: Times = (start_s + end_s) / 2
    return middle


def _slope(parts: list[_Votes], log_s: Times, minute: Integers) -> float:
    """Median change of the offset from minute to minute, s/s."""
    steady = [part for part in parts if len(part) > 1]
    slopes = [np.diff(p.offset_s) / np.diff(_middles(p, log_s, minute)) for p in steady]
    return float(np.median(np.concatenate(slopes))) if slopes else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class _Stretch:
    """Where rows, from `first` on, should be in the recording; stretches may overlap."""

    first: int
    expected_s: Times


def _near_chain(
    parts: list[_Votes], log_s: Times, minute: Integers, drift: float
) -> list[_Stretch]:
    """Stretches of the log, each on the clock of one part of the chain.

    They overlap by the minutes in which the clock may have jumped.
    """
    stretches = []
    for k, part in enumerate(parts):
        first = np.searchsorted(minute, parts[k - 1].minute[-1]) if k else 0
        stop = len(log_s)
        if k + 1 < len(parts):
            stop = np.searchsorted(minute, parts[k + 1].minute[0], side="right")
        here_s, middle_s = log_s[first:stop], _middles(part, log_s, minute)
        level_s = np.interp(here_s, middle_s, part.offset_s - drift * middle_s)
        stretches.append(_Stretch(int(first), here_s + (level_s + drift * here_s)))
    return stretches


def _near_clock(log: Words, clock: Clock, stamps_s: Times) -> list[_Stretch]:
    """Stretches of the log, each on one piece of a clock."""
    stretches = []
    for piece, reach in zip(clock.pieces, clock.reaches(len(stamps_s)), strict=True):
        first, stop = np.searchsorted(log.place, reach)
        stretches.append(_Stretch(int(first), piece(log.time_s[first:stop])))
    return stretches


# Match


def _fit(log: Words, words: Words, word: Integers, step_s: float) -> Clock:
    rows = np.flatnonzero(word >= 0)
    bend_s = BEND_S + BEND_SHARE * step_s
    return fit_clock(log.place[rows], log.time_s[rows], words.time_s[word[rows]], bend_s)


def _spread_s(log: Words, words: Words, word: Integers, clock: Clock, stamps_s: Times) -> float:
    """What 95 % of the residuals do not exceed."""
    rows = np.flatnonzero(word >= 0)
    expected_s = clock.infer_rows(stamps_s)[0][log.place[rows]]
    return float(np.quantile(np.abs(words.time_s[word[rows]] - expected_s), 0.95))


def _nearest_words(
    log: Words, words: Words, stretches: list[_Stretch], tolerance_s: float
) -> Integers:
    """For each row the nearest word of its code, -1 where there is none within the tolerance.

    Each word is taken once, and in the order of the log.
    """
    word, off_s = np.full(len(log), -1), np.zeros(len(log))
    done = 0
    for stretch in stretches:
        rows = np.arange(stretch.first, stretch.first + len(stretch.expected_s))
        mine = _nearest(log.code[rows], stretch.expected_s, words, tolerance_s)
        shared = rows[: max(0, done - stretch.first)]
        mine[: len(shared)] = _hand_over(log[shared], words, word[shared], mine[: len(shared)])
        new = (mine >= 0) & (mine != word[rows])
        off_s[rows[new]] = np.abs(words.time_s[mine] - stretch.expected_s)[new]
        word[rows] = mine
        done = rows[-1] + 1
    found = np.flatnonzero(word >= 0)
    nearest_first = found[np.argsort(off_s[found], kind="stable")]
    _, taken = np.unique(word[nearest_first], return_index=True)
    rows = np.sort(nearest_first[taken])
    rows = rows[_longest_ascending(word[rows])]
    once = np.full(len(log), -1)
    once[rows] = word[rows]
    return once


def _hand_over(log: Words, words: Words, before: Integers, after: Integers) -> Integers:
    """Words of rows for which two clocks each have their own: first the one's, then the other's.

    They hand over where most rows are explained.  Where several places are about equally good, rows
    in between have no word, unless both clocks mean the same.
    """
    gained = np.concatenate([[0], np.cumsum(_gain(log, words, before))])
    missed = np.concatenate([[0], np.cumsum(_gain(log, words, after))])
    best = np.flatnonzero(gained - missed >= np.max(gained - missed) - HAND_OVER_ROWS)
    row = np.arange(len(log))
    certain = np.where(row < best[0], before, np.where(row >= best[-1], after, -1))
    return np.where(before == after, before, certain)


def _gain(log: Words, words: Words, word: Integers) -> Integers:
    """1 for each row whose word is not contradicted by its number."""
    return ((word >= 0) & (agreeing(log, words, word) >= 0)).astype(np.int64)


def _nearest(code: Integers, expected_s: Times, words: Words, tolerance_s: float) -> Integers:
    """The nearest word with the code, or -1."""
    kinds, kind = np.unique(words.code, return_inverse=True)
    start, margin = words.time_s[0], 2 * tolerance_s
    lane = words.time_s[-1] - start + 2 * margin  # one stretch of the number line for each code
    spot = kind * lane + (words.time_s - start)
    order = np.argsort(spot)
    spot = spot[order]
    wanted = np.searchsorted(kinds, code).clip(max=len(kinds) - 1)
    target = wanted * lane + np.clip(expected_s - start, -margin, lane - margin)
    right = np.searchsorted(spot, target).clip(1, len(spot) - 1)
    nearest = np.where(target - spot[right - 1] <= spot[right] - target, right - 1, right)
    near = np.abs(spot[nearest] - target) <= tolerance_s  # False where nothing is expected
    found: Integers = np.where(near & (kinds[wanted] == code), order[nearest], -1)
    return found


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
