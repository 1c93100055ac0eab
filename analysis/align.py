"""Put the events of a log on the clock of a recording, or say why that cannot be trusted.

`sent` is what the log says was put on the lines, `seen` what the recording kept.  How the words are
found is told in `matching`, how the two clocks are related in `clock`.  Here the result is judged:
enough of the log explained on one clock, clearly more than on any rival one; otherwise it is
refused, with what was found and what can be done.  What was measured and what was only inferred
stays apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.clock import Clock, Times
from analysis.matching import (
    FEWEST_ROWS,
    TICK_SHORTEST_S,
    Match,
    agreeing,
    clear_lead,
    find_match,
    find_places,
    log_tick,
    rival_rows,
)
from analysis.voting import Integers, NoOffset, Words, words_of
from task.contract.codes import MAX_PRESENTATION, Code, announce_presentation, read_labels
from task.contract.errors import UserError

LEAST_SHARE = 0.5  # of the rows when the recording heard anything: 30 % may be lost, some replaced
SILENCE_S = 5.0  # no word at all within this: the recording was off, which proves nothing
LEAST_NUMBERED = 0.01  # of numbered rows: heavy losses leave few announcements whole
MOST_PPM = 550.0  # quartz clocks stay below 100; up to 500 must pass, however short the run
MOST_JUMPS = 3
OUTSIDE_S = (
    1.0  # unexpected words are counted from this long before the first row to after the last
)

_WRONG_FILES = "check that this is the recording of this log, and the port that carried the codes"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why an alignment is believed, or not.

    Attributes
    ----------
    rows : rows of the log that were sent (code above 0)
    heard : of these, rows at times when the recording heard anything
    matched : rows whose word was found on the clock
    rival : rows that the best other clock explains
    numbered, agreeing : matched rows that carry a number, and those whose word carries the same
    contradicting : rows whose word, by code and time, carries another number
    jumps : how often one of the clocks was set
    drift_ppm : recording against log; NaN where no clock was found
    tolerance_s : how near to the clock a word had to be
    tick_s : step of the log's clock; NaN where it shows none by which its stamps are off
    """

    rows: int
    heard: int = 0
    matched: int = 0
    rival: int = 0
    numbered: int = 0
    agreeing: int = 0
    contradicting: int = 0
    jumps: int = 0
    drift_ppm: float = np.nan
    tolerance_s: float = np.nan
    tick_s: float = np.nan

    @property
    def share(self) -> float:
        """Of the rows that could be heard, those explained."""
        return self.matched / self.heard if self.heard else 0.0


class AlignmentRefused(UserError):  # noqa: N818 - refusing is what it does; nothing is in error
    """Log and recording cannot be brought together.

    Attributes
    ----------
    what : what was found and what was needed
    advice : what the user can do
    evidence : the numbers
    """

    def __init__(self, what: str, advice: str, evidence: Evidence) -> None:
        super().__init__(f"log and recording cannot be aligned: {what}; {advice}")
        self.what = what
        self.advice = advice
        self.evidence = evidence


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """A log on the clock of a recording; exists only if it can be trusted.

    Attributes
    ----------
    pairs : for each row that has its word, in the order of the log: row positions `sent` and
        `seen`; `residual_s`, recorded minus expected; `placed`, True where the log's stamp was
        wrong and the word was found by its place between its neighbours
    time_s : every row of `sent` on the recording's clock; index as `sent`
    measured : True where that is the recorded time of the row's own word, else it is inferred
    uncertainty_s : how far an inferred time may be off; 0 where measured
    lost, spurious : rows without a word, and words without a row, counted by code
    replaced : lost rows with an unexpected word in their place, counted by codes (sent, seen)
    clock : recording time as a function of log time
    evidence : the numbers behind the verdict
    """

    pairs: pd.DataFrame
    time_s: pd.Series
    measured: pd.Series
    uncertainty_s: pd.Series
    lost: pd.Series
    spurious: pd.Series
    replaced: pd.Series
    clock: Clock
    evidence: Evidence

    @property
    def drift_ppm(self) -> float:
        """How much faster the recording's clock runs than the log's."""
        return self.clock.drift_ppm

    @property
    def tick_s(self) -> float:
        """Step of the log's clock."""
        return self.evidence.tick_s

    def to_recording(self, time_s: Sequence[float] | Times | pd.Series) -> Times:
        """Recording time of any log times, (n,); NaN where the log shows a time twice."""
        return self.clock.to_recording(np.asarray(time_s, dtype=float))

    @property
    def verdict(self) -> str:
        """The alignment in two sentences."""
        found, placed = self.evidence, self.pairs["placed"]
        residual_ms = self.pairs.loc[~placed, "residual_s"].abs() * 1e3
        pieces = len(self.clock.pieces)
        shape = "straight" if pieces == 1 else f"in {pieces} pieces, {self.clock.jumps} jumps"
        coarse = self.tick_s > TICK_SHORTEST_S
        steps = f"; the log's clock steps by {self.tick_s * 1e3:.3g} ms" if coarse else ""
        return (
            f"{len(self.pairs)} of {found.rows} rows have their word ({int(placed.sum())} found by"
            f" place), {int(self.lost.sum())} are lost, {int(self.spurious.sum())} words are"
            f" unexpected; the best rival clock explains {found.rival} rows."
            f" The clock is {shape}: drift {self.drift_ppm:+.1f} ppm, residuals"
            f" {residual_ms.median():.2f} ms (median) and {residual_ms.quantile(0.99):.2f} ms"
            f" (99 %){steps}."
        )


def align(sent: pd.DataFrame, seen: pd.DataFrame) -> Alignment:
    """Bring a log and a recording together.

    Parameters
    ----------
    sent : rows of the log in its own order: `time_s`, `code` and, if the stream numbers itself,
        `trial` (nullable; see `identify`).  Codes of 0 and below were never sent
    seen : words of the recording, same columns, in any order; codes of 0 are rests

    Raises
    ------
    AlignmentRefused
        If too little, too scattered or too ambiguous evidence ties the two together.
    """
    numbered = "trial" in sent and "trial" in seen
    log, words = words_of(sent, numbered), words_of(seen, numbered)
    words = words[np.argsort(words.time_s, kind="stable")]
    if len(log) < FEWEST_ROWS or not len(words):
        raise _too_few(log, words)
    stamps_s = sent["time_s"].to_numpy(float)
    tick_s = log_tick(log.time_s)
    try:
        match = find_match(log, words, tick_s)
    except NoOffset as found:
        raise _no_offset(log, found) from None
    every = np.arange(len(sent))
    inferred_s, uncertainty_s = match.clock.infer(stamps_s, _between(every, log.place))
    expected_s = inferred_s[log.place]
    evidence = _weigh(log, words, match, expected_s, tick_s)
    _judge(evidence)
    placed, doubt_s = find_places(log, words, match, expected_s)
    uncertainty_s[log.place] += doubt_s
    pairs = _pairs(log, words, match.word, placed, expected_s)
    scatter_s = float(pairs.loc[~pairs["placed"], "residual_s"].abs().quantile(0.95))
    measured = np.zeros(len(sent), bool)
    measured[pairs["sent"]] = True
    time_s = inferred_s.copy()
    time_s[pairs["sent"]] = seen["time_s"].to_numpy(float)[pairs["seen"]]
    lost = log[np.flatnonzero(~measured[log.place])]
    unsent = _unsent(words, pairs, expected_s)
    return Alignment(
        pairs,
        pd.Series(time_s, sent.index, name="time_s"),
        pd.Series(measured, sent.index, name="measured"),
        pd.Series(
            np.where(measured, 0, uncertainty_s + scatter_s), sent.index, name="uncertainty_s"
        ),
        _count(lost.code),
        _count(unsent.code),
        _replaced(lost, unsent, inferred_s, match.tolerance_s),
        match.clock,
        evidence,
    )


def identify(codes: Sequence[int] | pd.Series, session: int | None = None) -> pd.Series:
    """Number of the presentation that each word belongs to, for the column `trial`.

    Parameters
    ----------
    codes : the stream, with or without rests
    session : the session, where it is known from its log: words of others get no number

    Returns
    -------
    Series of nullable integers, index as `codes`
        `session * 2**14 + presentation`, so that no two sessions share a number.  An announcement
        has the number that it announces, if it arrived whole.
    """
    values = np.asarray(codes, dtype=np.int64)
    place = np.flatnonzero(values > 0)
    stream = values[place].tolist()
    sessions, presentations = _announced(stream, session)
    if session is not None:
        # Where our announcement was lost, one before it of another session must not hide our words.
        unannounced = [Code.NOTE if word == Code.SESSION else word for word in stream]
        ours = _announced(unannounced, session)[1]
        theirs = (sessions != session) & (presentations >= 0)
        sessions, presentations = np.full_like(sessions, session), np.where(theirs, -1, ours)
    known = (sessions >= 0) & (presentations >= 0)
    numbers = np.full(len(values), -1)
    numbers[place[known]] = sessions[known] * MAX_PRESENTATION + presentations[known]
    index = codes.index if isinstance(codes, pd.Series) else None
    return pd.Series(numbers, index, dtype="Int64", name="trial").mask(numbers < 0)


def _announced(stream: list[int], session: int | None) -> tuple[Integers, Integers]:
    """Session and presentation of every word, -1 where unknown."""
    labels = read_labels(stream, session)
    at = np.array([label.position for label in labels], dtype=np.int64)
    named = [-1 if label.session is None else label.session for label in labels]
    latest = np.searchsorted(at, np.arange(len(stream)), side="right")
    sessions = np.array([-1 if session is None else session, *named])[latest]
    presentations = np.full(len(stream), -1)
    presentations[at] = [-1 if n is None else n for n in (label.presentation for label in labels)]
    for position in np.flatnonzero(np.array(stream) == Code.TRIAL).tolist():
        words, announced = stream[position : position + 4], int(sessions[position])
        if len(words) == 4 and announced >= 0:
            presentation = (words[1] & 0x7F) << 7 | words[2] & 0x7F
            if announce_presentation(announced, presentation) == tuple(words):
                presentations[position : position + 4] = presentation
    return sessions, presentations


# Verdict


def _weigh(log: Words, words: Words, match: Match, expected_s: Times, tick_s: float) -> Evidence:
    numbers = agreeing(log, words, match.word)
    found = match.word >= 0
    return Evidence(
        rows=len(log),
        heard=int(_heard(words, expected_s).sum()),
        matched=int(found.sum()),
        rival=rival_rows(replace(log, time_s=expected_s), words, match.tolerance_s),
        numbered=int((log.number[found] > 0).sum()),
        agreeing=int((numbers > 0).sum()),
        contradicting=match.contradicted,
        jumps=match.clock.jumps,
        drift_ppm=match.clock.drift_ppm,
        tolerance_s=match.tolerance_s,
        tick_s=tick_s if match.step_s >= 0.9 * tick_s else np.nan,
    )


def _heard(words: Words, expected_s: Times) -> NDArray[np.bool_]:
    """Rows at times when the recording has any word nearby."""
    bounded = np.concatenate([[-np.inf], words.time_s, [np.inf]])
    after = np.searchsorted(bounded, expected_s)
    gap_s = np.minimum(bounded[after] - expected_s, expected_s - bounded[after - 1])
    heard: NDArray[np.bool_] = gap_s < SILENCE_S
    return heard


def _judge(found: Evidence) -> None:
    """Refuse what does not convince.

    Raises
    ------
    AlignmentRefused
    """
    if found.matched < FEWEST_ROWS or found.share < LEAST_SHARE:
        raise AlignmentRefused(
            f"on the best clock {found.matched} of {found.heard} rows have their word within"
            f" {found.tolerance_s * 1e3:.0f} ms, and at least {FEWEST_ROWS} and"
            f" {LEAST_SHARE:.0%} are needed",
            _WRONG_FILES,
            found,
        )
    few = LEAST_NUMBERED * found.numbered if found.numbered >= FEWEST_ROWS else 0
    if found.agreeing < max(found.contradicting, few):
        raise AlignmentRefused(
            f"codes and times agree, but of {found.numbered} numbered rows {found.agreeing} have a"
            f" word with the same number and {found.contradicting} one with another",
            "this looks like another session of the same protocol; if the lines of the numbers were"
            " dead, align without the column `trial`",
            found,
        )
    if not clear_lead(found.matched, found.rival, found.heard):
        raise AlignmentRefused(
            f"the best clock explains {found.matched} rows, but one that is off by more than"
            f" {4e3 * found.tolerance_s:.0f} ms explains {found.rival}: the words come too"
            " regularly to tell the two apart",
            "give the numbers of the presentations (column `trial`), or only the words of this run",
            found,
        )
    if abs(found.drift_ppm) > MOST_PPM:
        raise AlignmentRefused(
            f"the clocks drift apart by {found.drift_ppm:+.0f} ppm, more than the {MOST_PPM:.0f}"
            " that a sound pair of clocks may",
            "check the sampling rate from which the recording's times were computed",
            found,
        )
    if found.jumps > MOST_JUMPS:
        raise AlignmentRefused(
            f"log and recording agree only in {found.jumps + 1} pieces, each on a clock of its own",
            _WRONG_FILES,
            found,
        )


def _too_few(log: Words, words: Words) -> AlignmentRefused:
    rows = f"the log has {len(log)} rows with a code, and fewer than {FEWEST_ROWS} prove nothing"
    what = rows if len(words) else "the recording holds no words"
    return AlignmentRefused(what, _WRONG_FILES, Evidence(rows=len(log)))


def _no_offset(log: Words, found: NoOffset) -> AlignmentRefused:
    return AlignmentRefused(
        f"no minute of the log fits: at best {found.votes} of {found.rows} rows have words of their"
        " codes at one offset between the clocks",
        _WRONG_FILES,
        Evidence(rows=len(log)),
    )


# Result


def _between(row: Integers, place: Integers) -> Times:
    """Rows of the table as rows of the log: those that were never sent lie between two of them."""
    after = np.searchsorted(place, row)
    return np.where(np.isin(row, place), after, after - 0.5)


def _pairs(
    log: Words, words: Words, word: Integers, placed: Integers, expected_s: Times
) -> pd.DataFrame:
    rows = np.flatnonzero((word >= 0) | (placed >= 0))
    mine = np.where(word >= 0, word, placed)[rows]
    return pd.DataFrame(
        {
            "sent": log.place[rows],
            "seen": words.place[mine],
            "residual_s": words.time_s[mine] - expected_s[rows],
            "placed": word[rows] < 0,
        }
    )


def _unsent(words: Words, pairs: pd.DataFrame, expected_s: Times) -> Words:
    """Words that no row accounts for, from just before the first row to just after the last."""
    within = (words.time_s >= expected_s[0] - OUTSIDE_S) & (
        words.time_s <= expected_s[-1] + OUTSIDE_S
    )
    return words[np.flatnonzero(within & ~np.isin(words.place, pairs["seen"]))]


def _count(codes: Integers) -> pd.Series:
    values, count = np.unique(codes, return_counts=True)
    return pd.Series(count, pd.Index(values, name="code"), name="count")


def _replaced(lost: Words, unsent: Words, inferred_s: Times, tolerance_s: float) -> pd.Series:
    """Lost rows by their code and that of the unexpected word in their place."""
    expected_s = inferred_s[lost.place]
    after = np.searchsorted(unsent.time_s, expected_s - tolerance_s)
    there = np.append(unsent.time_s, np.inf)[after] <= expected_s + tolerance_s
    codes = np.column_stack([lost.code[there], unsent.code[after[there]]])
    values, count = np.unique(codes, axis=0, return_counts=True)
    index = pd.MultiIndex.from_arrays(list(values.T), names=["sent", "seen"])
    return pd.Series(count, index, name="count")
