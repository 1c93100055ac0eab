"""Which word of a recording belongs to which row of a log.

Words get lost, turn into others, come unsent; the two clocks start anywhere, drift, bend, and one
of them may be set anew.  So words are never counted, and neither codes nor times believed alone.

The votes (see `voting`) give a first clock.  Near it, each row takes the nearest word of its code
(`nearby`); a robust clock through these narrows it down.  What lies beyond a jump of the clock is
looked for in the same way, among the rows and words that are left, and must prove itself as the
whole must; jumps by a period of the task, which hide, are betrayed by the log's own intervals
(`leaps`).  Last, stretches that the clock explains no better than chance are given up.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from analysis.clock import Clock, Times, fit_clock
from analysis.leaps import settle_leaps
from analysis.nearby import Stretch, agreeing, gain, heard, nearest_words
from analysis.rival import LEAD_ROWS, clear_lead, in_doubt, rival_rows
from analysis.voting import Integers, NoOffset, Words, guess_times, rival_times

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
BEND_SHARE = 0.4  # ... and this share of the log's step
REFINEMENTS = 4
CONVINCING = 0.9  # of the rows that can be heard: no other clock is tried
LEAPS = 3  # times that the clock is fitted again after leaps were settled
FEWEST_TOGETHER, APART_ROWS = 5, 10  # fewer, so many lost rows away from all others: chance
MOST_ROWS, MARGIN_SHARE, MARGIN_S = 0.99, 1.5, 0.001  # so much further than most: chance
MISS_COST, CONTRADICTION_COST, STRETCH_COST = 0.5, 2.0, 4.0  # in rows that are explained
# Rows beyond a jump of the clock
FEWEST_MOVED = 10
LEAD_MOVED = 7
MOVED_SHARE = 0.2  # of a minute's rows: the recording may end in it
PAUSE_S = 60.0  # longer, and what follows is another run's


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


@dataclass(frozen=True, slots=True, eq=False)
class _Placed:
    """Words of rows, and the part of the clock that each row is on.

    Attributes
    ----------
    word : -1 where a row has none, (n_rows,)
    part : never falls, (n_rows,)
    """

    word: Integers
    part: Integers


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
    placed, step_s = _begin_runs(log, words, tick_s)
    placed = _recover(log, words, placed, step_s)
    placed, clock = _refine(log, words, placed, step_s)
    for _ in range(LEAPS):
        settled = settle_leaps(log, words, (placed.word, placed.part), clock, _tolerance_s(step_s))
        if settled is None:
            break
        placed, clock = _refine(log, words, _Placed(*settled), step_s)
    placed, clock = _settle_doubts(log, words, placed, clock, step_s)
    if placed.part[-1]:
        placed = _proven_parts(log, words, placed, clock, step_s)
        clock = _fit(log, words, placed, step_s)
    other = agreeing(log, words, placed.word) < 0
    believed = _believable(log, words, placed.word, clock) & ~other
    word = _without_outliers(log, words, np.where(believed, placed.word, -1), clock)
    word = _without_islands(log, words, word)
    return Match(word, int(other.sum()), clock, step_s, _tolerance_s(step_s))


# A clock, and the words near it


def _begin_runs(log: Words, words: Words, tick_s: float) -> tuple[_Placed, float]:
    """Words near the first clock of every run of the log, for each may have a clock of its own.

    Of runs that do not follow each other in the recording, the one that explains more is kept.
    """
    borders = (np.flatnonzero(np.diff(log.run)) + 1).tolist()
    if not borders:
        placed, step_s = _begin(log, words, tick_s)
        return _densest_run(log, words, placed), step_s
    word, part = np.full(len(log), -1), np.zeros(len(log), dtype=np.int64)
    begun: list[tuple[int, Integers, _Placed, float]] = []
    refused = NoOffset(0, len(log))
    for start, stop in pairwise([0, *borders, len(log)]):
        rows = np.arange(start, stop)
        try:
            placed, step_s = _begin(log[rows], words, tick_s)
        except NoOffset as error:
            refused = max(refused, error, key=lambda one: one.votes)
            continue
        placed = _densest_run(log[rows], words, placed)
        begun.append((_explained(log[rows], words, placed), rows, placed, step_s))
    if not begun:
        raise refused
    for _, rows, placed, _ in sorted(begun, key=lambda one: -one[0]):
        before, after = word[: rows[0]], word[rows[-1] + 1 :]
        inside = np.arange(before.max(initial=-1) + 1, after[after >= 0].min(initial=len(words)))
        found = placed.word[placed.word >= 0]
        if found[0] < inside.min(initial=len(words)) or found[-1] > inside.max(initial=-1):
            try:
                again = _begin(log[rows], words[inside], tick_s)[0]
            except (NoOffset, IndexError):
                continue
            again = _densest_run(log[rows], words[inside], again)
            placed = replace(again, word=np.where(again.word < 0, -1, inside[again.word]))
        word[rows], part[rows] = placed.word, part.max() + 1
    return _Placed(word, _in_order(part)), max(step_s for *_, step_s in begun)


def _begin(log: Words, words: Words, tick_s: float) -> tuple[_Placed, float]:
    """Words near the first clock, and by how much stamps may be early.

    Votes are wide.  Where the task's intervals differ by less, another clock may have as many, and
    is better at closer sight: if the first does not explain nearly all, its rivals are tried.
    """
    guess_s = guess_times(log, words)
    placed, step_s = _begun(log, words, guess_s, tick_s)
    explained = _explained(log, words, placed)
    if explained < FEWEST_ROWS:
        raise NoOffset(explained, len(log))
    if explained >= CONVINCING * heard(words, guess_s).sum():
        return placed, step_s
    for rival_s in rival_times(replace(log, time_s=guess_s), words, ANCHOR_S):
        other, other_step_s = _begun(log, words, rival_s, tick_s)
        more = _explained(log, words, other)
        # A clock that is off explains more by being taken less exactly.
        sharper = other_step_s < step_s / 2 and more >= CONVINCING * explained
        blunter = other_step_s > 2 * step_s and more * CONVINCING < explained
        if sharper or (more > explained and not blunter):
            placed, step_s, explained = other, other_step_s, more
    return placed, step_s


def _begun(log: Words, words: Words, guess_s: Times, tick_s: float) -> tuple[_Placed, float]:
    placed = _Placed(*nearest_words(log, words, [Stretch(0, guess_s)], ANCHOR_S))
    if (placed.word >= 0).sum() < FEWEST_ROWS:
        return placed, 0.0
    step_s = _step_s(log, words, placed, tick_s)
    return _refine(log, words, placed, step_s)[0], step_s


def _explained(log: Words, words: Words, placed: _Placed) -> int:
    return int((gain(log, words, placed.word) > 0).sum())


def _anchors(log: Words, words: Words, least: int) -> _Placed:
    """Words near the clock of the votes."""
    guessed = Stretch(0, guess_times(log, words, MOVED_SHARE))
    placed = _Placed(*nearest_words(log, words, [guessed], ANCHOR_S))
    found = int((placed.word >= 0).sum())
    if found < least:
        raise NoOffset(found, len(log))
    return placed


def _step_s(log: Words, words: Words, placed: _Placed, tick_s: float) -> float:
    """By how much stamps may be early: the log's step, or less where the residuals say so."""
    clock, word = _fit(log, words, placed, 0.0), placed.word
    rows = np.flatnonzero(word >= 0)
    residual_s = words.time_s[word[rows]] - _expected(log, clock)[rows]
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
    width_s = np.arange(1, 12) * STEP_BIN_S  # no log was met that steps by more than 10 ms
    own = np.searchsorted(off_s, width_s) - chance_hz * width_s
    every = len(off_s) - chance_hz * ANCHOR_S
    spread_s = float(width_s[int(np.argmax(own >= SPREAD_SHARE * every))])
    beyond = every - np.searchsorted(off_s, near_s) + chance_hz * near_s
    return spread_s if beyond > FEWEST_BEYOND * len(off_s) and spread_s > near_s else 0.0


def _tolerance_s(step_s: float) -> float:
    return SLACK_S + STEP_SHARE * step_s


def _fit(log: Words, words: Words, placed: _Placed, step_s: float) -> Clock:
    rows = np.flatnonzero(placed.word >= 0)
    seen_s, bend_s = words.time_s[placed.word[rows]], BEND_S + BEND_SHARE * step_s
    return fit_clock(rows, log.time_s[rows], seen_s, bend_s, placed.part[rows], log.run[rows])


def _expected(log: Words, clock: Clock) -> Times:
    """Where a clock expects each row in the recording."""
    return clock.infer(log.time_s, np.arange(len(log)), log.run)[0]


def _refine(
    log: Words, words: Words, placed: _Placed, step_s: float, least: int = FEWEST_ROWS
) -> tuple[_Placed, Clock]:
    """Words near the clock through those so far, until they stay the same; and that clock."""
    for _ in range(REFINEMENTS):
        clock = _fit(log, words, placed, step_s)
        nearer = _Placed(*nearest_words(log, words, _stretches(log, clock), _tolerance_s(step_s)))
        same = np.array_equal(nearer.word, placed.word)
        if same or (nearer.word >= 0).sum() < least:
            return placed, clock
        placed = nearer
    return placed, _fit(log, words, placed, step_s)


def _stretches(log: Words, clock: Clock) -> list[Stretch]:
    """Where the pieces of a clock expect rows; the pieces between two jumps are one part.

    A run of the log whose clock began anew is not reached by the clock of another run.
    """
    leaps = {piece.first_row for _, piece in clock.leaps}
    anew = np.concatenate([[0], _begun_anew(log), [len(log)]])
    stretches, part = [], 0
    for piece, (first, stop) in zip(clock.pieces, clock.reaches(len(log)), strict=True):
        part += piece.first_row in leaps
        first = max(first, int(anew[np.searchsorted(anew, piece.first_row, side="right") - 1]))
        stop = min(stop, int(anew[np.searchsorted(anew, piece.last_row, side="right")]))
        stretches.append(Stretch(first, piece(log.time_s[first:stop]), part))
    return stretches


def _begun_anew(log: Words) -> Integers:
    """Rows at which a run begins whose times do not go on from the run before."""
    step_s = np.diff(log.time_s)
    return np.flatnonzero((np.diff(log.run) != 0) & (step_s < 0)) + 1


def _densest_run(log: Words, words: Words, placed: _Placed) -> _Placed:
    """Words of the run of rows that has the most rows with a word over those without one."""
    surplus = 2 * (gain(log, words, placed.word) > 0) - 1
    total = np.concatenate([[0], np.cumsum(surplus)])
    lowest = np.minimum.accumulate(total)
    stop = int(np.argmax(total - lowest))
    first = int(np.argmin(total[: stop + 1]))
    row = np.arange(len(log))
    return replace(placed, word=np.where((row >= first) & (row < stop), placed.word, -1))


# Beyond a jump


def _recover(log: Words, words: Words, placed: _Placed, step_s: float) -> _Placed:
    """Words of rows that are on another clock, because one of the clocks was set in between.

    They are looked for among the words between those of their neighbours, and not much further from
    these than the task takes to get there: what comes later is another run's, but for words that
    carry the very numbers of the rows.
    """
    matched = np.flatnonzero(placed.word >= 0)
    row = np.concatenate([[-1], matched, [len(log)]])
    at = np.concatenate([[-1], placed.word[matched], [len(words)]])
    word, label = placed.word.copy(), placed.part.copy()
    for gap in np.flatnonzero((np.diff(row) > FEWEST_MOVED) & (np.diff(at) > FEWEST_MOVED)):
        neighbours = int(row[gap]), int(row[gap + 1])
        rows = np.arange(neighbours[0] + 1, neighbours[1])
        inside = np.arange(at[gap] + 1, at[gap + 1])
        ends = np.arange(max(neighbours[0], 0), min(neighbours[1], len(log) - 1) + 1)
        far = inside
        anew = bool(np.ptp(log.run[ends]))
        if not anew:
            inside = inside[_within_reach(log, ends, words, inside, neighbours, word)]
        found = _prove(log[rows], words[inside], step_s, FEWEST_ROWS if anew else FEWEST_MOVED)
        if found is None and len(far) > len(inside):
            # Further away only what carries the rows' own numbers: the recorder's clock was set.
            inside, found = far, _prove(log[rows], words[far], step_s, FEWEST_ROWS)
            if found and not _carry_numbers(log[rows], words[far], found.word):
                found = None
        if found is None:
            continue
        word[rows[found.word >= 0]] = inside[found.word[found.word >= 0]]
        label[rows] = label.max() + 1 + found.part
    return _Placed(word, _in_order(label))


def _settle_doubts(
    log: Words, words: Words, placed: _Placed, clock: Clock, step_s: float
) -> tuple[_Placed, Clock]:
    """Words without those of stretches in doubt."""
    tolerance_s = _tolerance_s(step_s)
    doubtful = in_doubt(log, words, placed.word, _expected(log, clock), tolerance_s)
    kept = np.where(doubtful, -1, placed.word)
    if not doubtful.any() or (kept >= 0).sum() < FEWEST_ROWS:
        return placed, clock
    placed = replace(placed, word=kept)
    return placed, _fit(log, words, placed, step_s)


def _carry_numbers(log: Words, words: Words, word: Integers) -> bool:
    """Whether many words carry the number of their row, and hardly one another's."""
    sign = agreeing(log, words, word)
    return int((sign > 0).sum()) >= FEWEST_ROWS > 10 * int((sign < 0).sum())


def _in_order(label: Integers) -> Integers:
    """Labels of rows as numbers that never fall; equal neighbours stay together."""
    parts: Integers = np.cumsum(np.diff(label, prepend=label[:1]) != 0)
    return parts


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


def _prove(log: Words, words: Words, step_s: float, least: int) -> _Placed | None:
    """Words of a part of a log, none if they do not convince by themselves."""
    if len(log) < least or len(words) < least:
        return None
    try:
        placed = _anchors(log, words, least)
    except NoOffset:
        return None
    placed = _densest_run(log, words, _refine(log, words, placed, step_s, least)[0])
    matched = np.flatnonzero(placed.word >= 0)
    if len(matched) < least:
        return None
    expected_s = _expected(log, _fit(log, words, placed, step_s))
    run = np.arange(matched[0], matched[-1] + 1)
    moved = replace(log[run], time_s=expected_s[run])
    explained = int((gain(moved, words, placed.word[run]) > 0).sum())
    rival = rival_rows(moved, words, _tolerance_s(step_s), explained)
    lead = LEAD_ROWS if least == FEWEST_ROWS else LEAD_MOVED
    if not clear_lead(explained, rival, len(run), lead):
        return None
    return _recover(log, words, placed, step_s)


def _proven_parts(
    log: Words, words: Words, placed: _Placed, clock: Clock, step_s: float
) -> _Placed:
    """Words without those of parts, between two jumps, that another clock explains as well.

    In a stream that numbers itself also without short parts in which no number agrees: every block
    of a task begins with the same words.
    """
    expected_s = _expected(log, clock)
    word = placed.word.copy()
    numbered = agreeing(log, words, word) > 0
    tells = numbered.sum() >= FEWEST_ROWS
    for part in range(int(placed.part[-1]) + 1):
        matched = np.flatnonzero((placed.part == part) & (word >= 0))
        if not len(matched):
            continue
        rows = np.arange(matched[0], matched[-1] + 1)
        before, after = word[: rows[0]], word[rows[-1] + 1 :]
        inside = np.arange(before.max(initial=-1) + 1, after[after >= 0].min(initial=len(words)))
        moved = replace(log[rows], time_s=expected_s[rows])
        rival = rival_rows(moved, words[inside], _tolerance_s(step_s), len(matched))
        unnumbered = tells and len(matched) < FEWEST_ROWS and not numbered[matched].any()
        if unnumbered or not clear_lead(len(matched), rival, len(rows), LEAD_MOVED):
            word[rows] = -1
    if (word >= 0).sum() < FEWEST_ROWS:
        return placed
    return replace(placed, word=word)


# What is no better than chance


def _believable(log: Words, words: Words, word: Integers, clock: Clock) -> NDArray[np.bool_]:
    """Rows in stretches that the clock explains better than chance.

    Where most rows have no word, or one with another number, a word here and there is chance.
    """
    sign = agreeing(log, words, word)
    expected_s = _expected(log, clock)
    worth = np.where(word >= 0, 1.0, np.where(heard(words, expected_s), -MISS_COST, 0.0))
    worth = np.where(sign < 0, -CONTRADICTION_COST, worth)
    return _good_stretches(worth.tolist())


def _without_outliers(log: Words, words: Words, word: Integers, clock: Clock) -> Integers:
    """Words but those that lie further from the clock than nearly all others, by a margin.

    The tolerance must let in what a stepping clock and a first guess need; in the end chance words
    have less room.  A word with the row's own number is no chance.  Words that are nothing but a
    stuck line may be rests and have no say.
    """
    found = np.flatnonzero(word >= 0)
    if not np.any(log.code[found] > 0):
        return word
    expected_s = _expected(log, clock)
    off_s = np.abs(words.time_s[word[found]] - expected_s[found])
    usual_s = off_s[log.code[found] > 0]
    far = off_s > MARGIN_SHARE * np.quantile(usual_s, MOST_ROWS) + MARGIN_S
    far &= agreeing(log, words, word)[found] <= 0
    kept = word.copy()
    kept[found[far]] = -1
    return kept


def _without_islands(log: Words, words: Words, word: Integers) -> Integers:
    """Words but those of a few rows far from all others, none with the row's own number.

    Where the recording was silent around them, nothing else contradicts: the clock may have been
    set in between, and these be words of other rows.
    """
    found = np.flatnonzero(word >= 0)
    island = np.cumsum(np.diff(found, prepend=found[:1]) > APART_ROWS)
    rows = np.bincount(island)
    proven = np.bincount(island, agreeing(log, words, word)[found] > 0)
    kept = word.copy()
    kept[found[((rows < FEWEST_TOGETHER) & (proven == 0))[island]]] = -1
    return kept


def _good_stretches(worth: list[float]) -> NDArray[np.bool_]:
    """Where it pays to be in: the best choice of stretches, each of which costs something."""
    enter: list[bool] = []  # whether being in at a row begins there
    leave: list[bool] = []  # whether being out at a row begins there
    inside, outside = 0.0, 0.0
    for value in worth:
        enter.append(outside - STRETCH_COST > inside)
        leave.append(inside > outside)
        inside, outside = max(inside, outside - STRETCH_COST) + value, max(outside, inside)
    good = np.zeros(len(worth), bool)
    now = inside > outside
    for row in range(len(worth) - 1, -1, -1):
        good[row] = now
        now = (not enter[row]) if now else leave[row]
    return good
