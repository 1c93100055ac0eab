"""Which word of a recording belongs to which row of a log.

Words get lost, turn into others, come unsent; the two clocks start anywhere, drift, bend, and one
of them may be set anew.  So words are never counted, and neither codes nor times believed alone.

The votes (see `voting`) give a first clock.  Near it, each row takes the nearest word of its code;
a robust clock through these narrows it down.  What lies beyond a jump of the clock is looked for
in the same way, among the rows and words that are left, and must prove itself as the whole must.
Last, rows that the log stamped wrongly are found between their neighbours.
"""

import math
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from analysis.clock import Clock, Times, fit_clock
from analysis.voting import CODES, Integers, NoOffset, Words, guess_times, rival_times

FEWEST_ROWS = 30
ANCHOR_S = 0.03  # half the width of a vote, and 10 ms for a stepping clock
SLACK_S = 0.003  # what a flip, a port and a recorder may differ by
STEP_SHARE = 1.1  # of the log's own step, by which its stamps may be early
NEIGHBOURS = 41  # of which the median is taken
STEP_BIN_S = 1e-3
SPREAD_SHARE = 0.97  # of the rows lie within what is called the spread
FEWEST_BEYOND = 0.1  # of the rows lie beyond the tolerance, or the step is believed
STEP_SPREAD = 2.2  # times what 95 % of residuals reach is their range, if they are spread evenly
BEND_S = 0.001  # a line is given up where the running median of its residuals leaves this band ...
BEND_SHARE = 0.2  # ... and this share of the log's step
REFINEMENTS = 4
MISS_COST, CONTRADICTION_COST, STRETCH_COST = 0.5, 2.0, 4.0  # in rows that are explained
SILENCE_S = 5.0  # no word at all within this: the recording was off, which proves nothing
HAND_OVER_ROWS = 2  # so few lost words must not decide where a clock jumped
USUAL_ROWS = 4  # that a jump must explain more, where the log's interval is one of the task's own
USUAL_TIMES = 2  # as often it must be met elsewhere
# Rows beyond a jump of the clock
FEWEST_MOVED = 10
LEAD_MOVED = 7
PAUSE_S = 60.0  # longer, and what follows is another run's
# A clock is believed if
LEAD_ROWS = 20  # the best rival explains this many rows fewer ...
LEAD_SIGMAS = 5.0  # ... and this many standard deviations of the number of rows lost
# The log's clock
TICK_SPAN_S = 2.0  # intervals that are looked at
TICK_BIN_S = 1e-4
TICK_BINS = 1 << 15
TICK_LONGEST_S = 0.05
TICK_SHORTEST_S = 5e-4
TICK_FINEST_S = 1e-6  # finer ones are lost in wall-clock seconds as floating-point numbers
TICK_POWER = 0.8  # 1 if every interval is a multiple; 0.9 if steps of 10 ms are stamped in 1 ms
TICK_MULTIPLES = 10  # fewer: these are the durations of the task
# Places
PLACED_ROWS = 10  # in a longer gap neighbours say little
MISSTAMP_S = 1.5  # the largest error of single stamps met in old logs is 1.001 s
BOUNCE_S = 0.1  # where one word is missing, this soon after it comes the same word, bouncing
CHANCE_PLACED = 0.05  # rows misplaced that may be expected in a whole log


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """Rows of a log and their words.

    Attributes
    ----------
    word : position of each row's word in the recording, -1 where it has none, (n_rows,)
    contradicted : rows that found a word of their code that belongs to another presentation
    clock : the clock through them; its rows are those of the log
    step_s : by how much the log's stamps may be early
    tolerance_s : how near to the clock a word had to be
    """

    word: Integers
    contradicted: int
    clock: Clock
    step_s: float
    tolerance_s: float


def find_match(log: Words, words: Words, tick_s: float) -> Match:
    """The words of a log, and the clock through them.

    Parameters
    ----------
    log : rows of the log in its order
    words : words of the recording, times ascending
    tick_s : step of the log's clock, NaN if unknown

    Raises
    ------
    NoOffset
        If no clock can even be begun.
    """
    word = _anchors(log, words)
    step_s = _step_s(log, words, word, tick_s)
    word, _ = _refine(log, words, word, step_s)
    word = _recover(log, words, _densest_run(log, words, word), step_s)
    word, clock = _refine(log, words, word, step_s)
    other = agreeing(log, words, word) < 0
    word = np.where(_believable(log, words, word, clock) & ~other, word, -1)
    return Match(word, int(other.sum()), clock, step_s, _tolerance_s(step_s))


def clear_lead(explained: int, rival: int, rows: int, least: int = LEAD_ROWS) -> bool:
    """Whether a clock explains clearly more of some rows than its best rival.

    Words are lost at random, so the lead must exceed what that makes of two equal clocks.
    """
    lead, lost = explained - rival, max(rows - explained, 0)
    return lead >= max(least, LEAD_SIGMAS * math.sqrt(lost))


def rival_rows(log: Words, words: Words, tolerance_s: float) -> int:
    """How many rows the best clock that is off can explain.

    The times of the log are those of the recording already; offsets within four tolerances of zero
    are no rivals.
    """
    rivals = rival_times(log, words, 2 * tolerance_s)
    found = [_nearest_words(log, words, [_Stretch(0, rival)], tolerance_s) for rival in rivals]
    return max((int(_gain(log, words, word).sum()) for word in found), default=0)


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
    # Every duration once, or those that the task repeats would look like steps.
    interval = interval[np.diff(interval // TICK_BIN_S, prepend=-1) > 0]
    there = np.zeros(TICK_BINS)
    there[np.round(interval / TICK_BIN_S).astype(int)] = 1
    power = np.fft.rfft(there).real / there.sum()
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
    are missed once and there once.  That is believed only if rows and words so rarely go missing or
    come unsent that no such coincidence is to be expected in the whole log.

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
        if np.all(away_s < MISSTAMP_S) and np.all(agreeing(log[rows], words, inside) >= 0):
            placed[rows], off_s[rows] = inside, away_s
    if _placed_by_chance(log, words, match.word, placed, gap_s) > CHANCE_PLACED:
        return np.full(len(log), -1), off_s
    return placed, np.zeros(len(log))


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


# A clock, and the words near it


@dataclass(frozen=True, slots=True, eq=False)
class _Stretch:
    """Where rows, from `first` on, should be in the recording; stretches may overlap."""

    first: int
    expected_s: Times


def _anchors(log: Words, words: Words, least: int = FEWEST_ROWS) -> Integers:
    """Words near the clock of the votes."""
    word = _nearest_words(log, words, [_Stretch(0, guess_times(log, words))], ANCHOR_S)
    if (word >= 0).sum() < least:
        raise NoOffset(int((word >= 0).sum()), len(log))
    return word


def _step_s(log: Words, words: Words, word: Integers, tick_s: float) -> float:
    """By how much stamps may be early: the log's step, or less where the residuals say so."""
    clock = _fit(log, words, word, 0.0)
    rows = np.flatnonzero(word >= 0)
    residual_s = words.time_s[word[rows]] - clock.infer(log.time_s, np.arange(len(log)))[0][rows]
    told_s = float(np.fmin(tick_s, STEP_SPREAD * np.quantile(np.abs(residual_s), 0.95)))
    return max(told_s, _spread_s(log, words, word, _tolerance_s(told_s)))


def _spread_s(log: Words, words: Words, word: Integers, near_s: float) -> float:
    """By how much stamps are off, if that is more than the step of the log can explain; else 0.

    Offsets are compared with those of their neighbours, so no clock is assumed.  Chance words lie
    anywhere about them: what lies far out tells how many there are further in.
    """
    rows = np.flatnonzero(word >= 0)
    offset = words.time_s[word[rows]] - log.time_s[rows]
    off_s = np.sort(np.abs(offset - median_filter(offset, NEIGHBOURS, mode="nearest")))
    chance_hz = (off_s > ANCHOR_S / 2).sum() / (ANCHOR_S / 2)
    width_s = np.arange(1, 16) * STEP_BIN_S
    own = np.searchsorted(off_s, width_s) - chance_hz * width_s
    every = len(off_s) - chance_hz * ANCHOR_S
    spread_s = float(width_s[int(np.argmax(own >= SPREAD_SHARE * every))])
    beyond = every - np.searchsorted(off_s, near_s) + chance_hz * near_s
    return spread_s if beyond > FEWEST_BEYOND * len(off_s) and spread_s > near_s else 0.0


def _tolerance_s(step_s: float) -> float:
    return SLACK_S + STEP_SHARE * step_s


def _fit(log: Words, words: Words, word: Integers, step_s: float) -> Clock:
    rows = np.flatnonzero(word >= 0)
    bend_s = BEND_S + BEND_SHARE * step_s
    return fit_clock(rows, log.time_s[rows], words.time_s[word[rows]], bend_s)


def _refine(
    log: Words, words: Words, word: Integers, step_s: float, least: int = FEWEST_ROWS
) -> tuple[Integers, Clock]:
    """Words near the clock through those so far, until they stay the same; and that clock."""
    for _ in range(REFINEMENTS):
        clock = _fit(log, words, word, step_s)
        stretches = [
            _Stretch(first, piece(log.time_s[first:stop]))
            for piece, (first, stop) in zip(clock.pieces, clock.reaches(len(log)), strict=True)
        ]
        nearer = _nearest_words(log, words, stretches, _tolerance_s(step_s))
        if np.array_equal(nearer, word) or (nearer >= 0).sum() < least:
            return word, clock
        word = nearer
    return word, _fit(log, words, word, step_s)


def _densest_run(log: Words, words: Words, word: Integers) -> Integers:
    """Words of the run of rows that has the most rows with a word over those without one."""
    gain = 2 * _gain(log, words, word) - 1
    total = np.concatenate([[0], np.cumsum(gain)])
    lowest = np.minimum.accumulate(total)
    stop = int(np.argmax(total - lowest))
    first = int(np.argmin(total[: stop + 1]))
    row = np.arange(len(word))
    return np.where((row >= first) & (row < stop), word, -1)


def _recover(log: Words, words: Words, word: Integers, step_s: float) -> Integers:
    """Words of rows that are on another clock, because one of the clocks was set in between.

    They are looked for among the words between those of their neighbours, and not much further from
    these than the task takes to get there: what comes later is another run's.
    """
    matched = np.flatnonzero(word >= 0)
    row = np.concatenate([[-1], matched, [len(log)]])
    at = np.concatenate([[-1], word[matched], [len(words)]])
    word = word.copy()
    for gap in np.flatnonzero((np.diff(row) > FEWEST_MOVED) & (np.diff(at) > FEWEST_MOVED)):
        rows = np.arange(row[gap] + 1, row[gap + 1])
        inside = np.arange(at[gap] + 1, at[gap + 1])
        ends = np.arange(max(row[gap], 0), min(row[gap + 1], len(log) - 1) + 1)
        anew = bool(np.ptp(log.run[ends]))
        if not anew:
            inside = inside[_within_reach(log, ends, words, inside, (row[gap], row[gap + 1]), word)]
        least = FEWEST_ROWS if anew else FEWEST_MOVED
        if len(rows) < least or len(inside) < least:
            continue
        found = _prove(log[rows], words[inside], step_s, least)
        word[rows[found >= 0]] = inside[found[found >= 0]]
    return word


def _within_reach(
    log: Words,
    ends: Integers,
    words: Words,
    inside: Integers,
    neighbours: tuple[int, int],
    word: Integers,
) -> NDArray[np.bool_]:
    """Words that come while the rows between two neighbours can have been sent."""
    natural_s = np.clip(np.diff(log.time_s[ends]), 0, PAUSE_S).sum() + PAUSE_S
    time_s = words.time_s[inside]
    before, after = neighbours
    near = np.ones(len(inside), bool)
    if before >= 0:
        near &= time_s <= words.time_s[word[before]] + natural_s
    if after < len(log):
        near &= time_s >= words.time_s[word[after]] - natural_s
    return near


def _prove(log: Words, words: Words, step_s: float, least: int) -> Integers:
    """Words of a part of a log, none if it is not convincing by itself."""
    nothing = np.full(len(log), -1)
    try:
        word = _anchors(log, words, least)
    except NoOffset:
        return nothing
    word = _densest_run(log, words, _refine(log, words, word, step_s, least)[0])
    matched = np.flatnonzero(word >= 0)
    if len(matched) < least:
        return nothing
    expected_s, _ = _fit(log, words, word, step_s).infer(log.time_s, np.arange(len(log)))
    run = np.arange(matched[0], matched[-1] + 1)
    moved = replace(log[run], time_s=expected_s[run])
    explained = int(_gain(moved, words, word[run]).sum())
    rival = rival_rows(moved, words, _tolerance_s(step_s))
    lead = LEAD_ROWS if least == FEWEST_ROWS else LEAD_MOVED
    if not clear_lead(explained, rival, len(run), lead):
        return nothing
    return _recover(log, words, word, step_s)


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
        if len(shared):
            usual = _usual(log, tolerance_s)[shared]
            both = word[shared], mine[: len(shared)]
            mine[: len(shared)] = _hand_over(log[shared], words, *both, usual)
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


def _hand_over(
    log: Words, words: Words, before: Integers, after: Integers, usual: NDArray[np.bool_]
) -> Integers:
    """Words of rows for which two clocks each have their own: first the one's, then the other's.

    They hand over where most rows are explained, rather at an interval of the log that the task
    does not have than at one that it has.  Where several places are about equally good, rows in
    between have a word only where nothing speaks for another: both clocks mean the same, or nowhere
    in between does each of them offer one.
    """
    gained = np.concatenate([[0], np.cumsum(_gain(log, words, before))])
    missed = np.concatenate([[0], np.cumsum(_gain(log, words, after))])
    score = gained - missed - USUAL_ROWS * np.append(usual, True)
    best = np.flatnonzero(score >= np.max(score) - HAND_OVER_ROWS)
    row = np.arange(len(log))
    either = np.where(before < 0, after, np.where(after < 0, before, -1))
    between = (row >= best[0]) & (row < best[-1])
    if np.any(between & (before >= 0) & (after >= 0) & (before != after)):
        either = np.full(len(log), -1)
    certain = np.where(row < best[0], before, np.where(row >= best[-1], after, either))
    return np.where(before == after, before, certain)


def _usual(log: Words, tolerance_s: float) -> NDArray[np.bool_]:
    """Rows that follow the row before them as other rows of the same codes do elsewhere."""
    apart_s = np.clip(np.diff(log.time_s), -TICK_SPAN_S, 2 * MISSTAMP_S)
    lane = 10 * MISSTAMP_S
    spot = (log.code[:-1] * CODES + log.code[1:]) * lane + apart_s
    ordered = np.sort(spot)
    like = np.searchsorted(ordered, spot + tolerance_s) - np.searchsorted(
        ordered, spot - tolerance_s
    )
    return np.concatenate([[False], like > USUAL_TIMES])


def _gain(log: Words, words: Words, word: Integers) -> Integers:
    """1 for each row that has its word, -1 if that carries another number."""
    return np.where(agreeing(log, words, word) < 0, -1, word >= 0).astype(np.int64)


def _believable(log: Words, words: Words, word: Integers, clock: Clock) -> NDArray[np.bool_]:
    """Rows in stretches that the clock explains better than chance.

    Where most rows have no word, or one with another number, a word here and there is chance.
    """
    sign = agreeing(log, words, word)
    expected_s, _ = clock.infer(log.time_s, np.arange(len(log)))
    gain = np.where(word >= 0, 1.0, np.where(heard(words, expected_s), -MISS_COST, 0.0))
    gain = np.where(sign < 0, -CONTRADICTION_COST, gain)
    return _good_stretches(gain.tolist())


def _good_stretches(gain: list[float]) -> NDArray[np.bool_]:
    """Where it pays to be in: the best choice of stretches, each of which costs something."""
    enter: list[bool] = []  # whether being in at a row begins there
    leave: list[bool] = []  # whether being out at a row begins there
    inside, outside = 0.0, 0.0
    for value in gain:
        enter.append(outside - STRETCH_COST > inside)
        leave.append(inside > outside)
        inside, outside = max(inside, outside - STRETCH_COST) + value, max(outside, inside)
    good = np.zeros(len(gain), bool)
    now = inside > outside
    for row in range(len(gain) - 1, -1, -1):
        good[row] = now
        now = (not enter[row]) if now else leave[row]
    return good


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
