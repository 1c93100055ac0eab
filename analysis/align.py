"""Put the events of a log on the clock of a recording, or say why that cannot be trusted.

`sent` is what the log says was put on the lines, `seen` what the recording kept.  How the words are
found is told in `matching`, how the two clocks are related in `clock`, what must be reached in
`evidence`.  Here the three come together: what was measured and what was only inferred stays apart,
and runs of the log that were not found have no times.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.clock import Clock, Times
from analysis.evidence import LEAST_SHARE, WRONG_FILES, AlignmentRefused, Evidence, judge
from analysis.lines import EVERY, Lines
from analysis.matching import FEWEST_ROWS, Match, find_match
from analysis.misstamped import find_places
from analysis.nearby import agreeing, heard
from analysis.rival import rival_rows
from analysis.tick import SHORTEST_S as TICK_SHORTEST_S
from analysis.tick import log_tick
from analysis.voting import Integers, NoOffset, Words, words_of

OUTSIDE_S = (
    1.0  # unexpected words are counted from this long before the first row to after the last
)
RUN_ROWS = 5  # a run of which fewer were found has no clock
UNKNOWN_ROWS = 10  # that go missing together while words come: they may be there, on another clock
UNKNOWN_SHARE = 0.5  # as many words of their codes as this share of them


class Lag(NamedTuple):
    """How much later than its code light came: median and SD, s; screen changes seen and missed."""

    median_s: float
    sd_s: float
    seen: int
    missed: int

    def __str__(self) -> str:
        return (
            f"{self.median_s * 1e3:.2f} ms after their codes (median; SD {self.sd_s * 1e3:.2f} ms),"
            f" {self.seen} of {self.seen + self.missed} seen"
        )


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
    uncertainty_s : how far an inferred time may be off, 99 % of the scatter of measured ones and
        what the clock may wander; 0 where it was measured, infinite where nothing is known (see
        `unknown`, and runs that were not found): such times are NaN
    lost, spurious : rows without a word, and words without a row, counted by code
    missing, unexpected : the rows of `sent` that are lost, and of `seen` that are spurious
    replaced : rows whose word arrived as another one, counted by codes (sent, seen): found without
        the lines that are at fault, or lost with an unexpected word in their place
    clock : recording time as a function of log time
    evidence : the numbers behind the verdict
    runs : of the log: index its number, `rows`, `matched`, `found`, `start_s`, `stop_s` (its clock)
    unknown : stretches of the log that no clock explains though words come: `first`, `last` (rows
        of `sent`), `start_s`, `stop_s` (the log's clock), `words` that are there instead
    port : the port that carried the codes; '' where recordings of this kind do not tell
    lines : trigger lines that were left out because they cannot be trusted
    light : how late light came, where screen changes are when it came; else they are when their
        codes were
    """

    pairs: pd.DataFrame
    time_s: pd.Series
    measured: pd.Series
    uncertainty_s: pd.Series
    lost: pd.Series
    spurious: pd.Series
    missing: Integers
    unexpected: Integers
    replaced: pd.Series
    clock: Clock
    evidence: Evidence
    runs: pd.DataFrame
    unknown: pd.DataFrame
    port: str = ""
    lines: Lines = Lines()
    light: Lag | None = None

    @property
    def drift_ppm(self) -> float:
        """How much faster the recording's clock runs than the log's."""
        return self.clock.drift_ppm

    @property
    def tick_s(self) -> float:
        """Step of the log's clock."""
        return self.evidence.tick_s

    def to_recording(self, time_s: Sequence[float] | Times | pd.Series) -> Times:
        """Recording time of any log times, (n,).

        NaN where the log shows a time twice, during a run that was not found or an unknown stretch.
        """
        log_s = np.asarray(time_s, dtype=float)
        seen_s = self.clock.to_recording(log_s)
        span = ["start_s", "stop_s"]
        absent = self.runs.loc[~self.runs["found"], span]
        for start_s, stop_s in [*absent.to_numpy(), *self.unknown[span].to_numpy()]:
            seen_s[(log_s >= start_s) & (log_s <= stop_s)] = np.nan
        return seen_s

    @property
    def verdict(self) -> str:
        """The alignment in two sentences."""
        found, placed = self.evidence, self.pairs["placed"]
        residual_ms = self.pairs.loc[~placed, "residual_s"].abs() * 1e3
        pieces = len(self.clock.pieces)
        shape = "straight" if pieces == 1 else f"in {pieces} pieces, {self.clock.jumps} jumps"
        absent = self.runs[~self.runs["found"]]
        unfound = "".join(
            f" Run {number} of the log ({row.rows} rows) was not found: its times are not known."
            for number, row in zip(absent.index, absent.itertuples(), strict=True)
        )
        unfound += "".join(
            f" From row {gap['first']} to row {gap['last']} of the log no clock fits the"
            f" {gap['words']} words that came: these times are not known."
            for gap in self.unknown.to_dict("records")
        )
        overridden = "".join(f" OVERRIDDEN: the check {name!r}." for name in found.overridden)
        light = f" Screen changes are when light came: {self.light}." if self.light else ""
        lines = f" {str(self.lines).capitalize()}." if self.lines else ""
        coarse = self.tick_s > TICK_SHORTEST_S
        steps = f"; the log's clock steps by {self.tick_s * 1e3:.3g} ms" if coarse else ""
        return (
            f"{len(self.pairs)} of {found.rows} rows have their word ({int(placed.sum())} found by"
            f" place), {int(self.lost.sum())} are lost, {int(self.spurious.sum())} words are"
            f" unexpected; the best rival clock explains {found.rival} rows."
            f" The clock is {shape}: drift {self.drift_ppm:+.1f} ppm, residuals"
            f" {residual_ms.median():.2f} ms (median) and {residual_ms.quantile(0.99):.2f} ms"
            f" (99 %){steps}.{light}{lines}{unfound}{overridden}"
        )


def align(
    sent: pd.DataFrame, seen: pd.DataFrame, accept: Collection[str] = (), mask: int = EVERY
) -> Alignment:
    """Bring a log and a recording together.

    Parameters
    ----------
    sent : rows of the log in its own order: `time_s`, `code` and, if the stream numbers itself,
        `trial` (nullable; see `identity`), if its clock may have begun anew, `run`.  Codes of 0 and
        below were never sent
    seen : words of the recording, `time_s`, `code`, `trial`, in any order; codes of 0 are rests
    accept : checks of `evidence` that may fail
    mask : the bits by which words are compared

    Raises
    ------
    AlignmentRefused
        If too little, too scattered or too ambiguous evidence ties the two together.
    """
    numbered = "trial" in sent and "trial" in seen
    log, words = words_of(sent, numbered, mask), words_of(seen, numbered, mask)
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
    run = sent["run"].to_numpy() if "run" in sent else np.ones(len(sent), np.int64)
    inferred_s, uncertainty_s = match.clock.infer(stamps_s, _between(every, log.place), run)
    expected_s = inferred_s[log.place]
    evidence = _weigh(log, words, match, expected_s, tick_s)
    evidence = replace(evidence, overridden=judge(evidence, accept))
    placed, doubt_s = find_places(log, words, match.word, expected_s, match.tolerance_s)
    uncertainty_s[log.place] += doubt_s
    pairs = _pairs(log, words, match.word, placed, expected_s)
    runs = _runs(log, match.word, expected_s, words)
    unfound = np.isin(run, runs.index[~runs["found"]])
    inferred_s[unfound], uncertainty_s[unfound] = np.nan, np.inf
    pairs = pairs[~unfound[pairs["sent"]]].reset_index(drop=True)
    unknown = _unknown(log, words, pairs, expected_s, match.tolerance_s)
    for first, last in unknown[["first", "last"]].to_numpy(np.int64):
        inferred_s[first : last + 1], uncertainty_s[first : last + 1] = np.nan, np.inf
    scatter_s = float(pairs.loc[~pairs["placed"], "residual_s"].abs().quantile(0.99))
    measured = np.zeros(len(sent), bool)
    measured[pairs["sent"]] = True
    time_s = inferred_s.copy()
    time_s[pairs["sent"]] = seen["time_s"].to_numpy(float)[pairs["seen"]]
    sent_code, seen_code = (table["code"].to_numpy(np.int64) for table in (sent, seen))
    lost = np.flatnonzero(~measured & (sent_code > 0))
    unsent = _unsent(words, pairs, expected_s).place
    unsent = unsent[(seen_code[unsent] & mask) > 0]  # of a stuck line they are its rests
    return Alignment(
        pairs,
        pd.Series(time_s, sent.index, name="time_s"),
        pd.Series(measured, sent.index, name="measured"),
        pd.Series(
            np.where(measured, 0, uncertainty_s + scatter_s), sent.index, name="uncertainty_s"
        ),
        _count(sent_code[lost]),
        _count(seen_code[unsent]),
        lost,
        unsent,
        _replaced(
            np.column_stack([sent_code[pairs["sent"]], seen_code[pairs["seen"]]]),
            (inferred_s[lost], sent_code[lost]),
            (seen["time_s"].to_numpy(float)[unsent], seen_code[unsent]),
            match.tolerance_s,
        ),
        match.clock,
        evidence,
        runs,
        unknown,
    )


# Verdict


def _weigh(log: Words, words: Words, match: Match, expected_s: Times, tick_s: float) -> Evidence:
    numbers = agreeing(log, words, match.word)
    found = match.word >= 0
    moved = replace(log, time_s=expected_s)
    return Evidence(
        rows=len(log),
        heard=int(heard(words, expected_s).sum()),
        matched=int(found.sum()),
        rival=rival_rows(moved, words, match.tolerance_s, int(found.sum())),
        numbered=int((log.number[found] > 0).sum()),
        agreeing=int((numbers > 0).sum()),
        contradicting=match.contradicted,
        jumps=_jumps_within(match.clock, log.run),
        span_s=sum(piece.end_s - piece.start_s for piece in match.clock.pieces),
        drift_ppm=match.clock.drift_ppm,
        tolerance_s=match.tolerance_s,
        tick_s=tick_s if match.step_s >= 0.9 * tick_s else np.nan,
    )


def _jumps_within(clock: Clock, run: Integers) -> int:
    """Jumps of a clock that are not between two runs, where the log's may have begun anew."""
    return sum(bool(run[at.last_row] == run[to.first_row]) for at, to in clock.leaps)


def _runs(log: Words, word: Integers, expected_s: Times, words: Words) -> pd.DataFrame:
    """What was found of each run of the log."""
    numbers, at = np.unique(log.run, return_inverse=True)
    rows, hearing, matched = (
        np.bincount(at[some], minlength=len(numbers))
        for some in (slice(None), heard(words, expected_s), word >= 0)
    )
    found = (matched >= RUN_ROWS) & (matched >= LEAST_SHARE * hearing)
    if len(numbers) == 1:
        found[:] = True
    spans = pd.Series(log.time_s).groupby(at)
    table = {
        "rows": rows,
        "matched": matched,
        "found": found,
        "start_s": spans.min().to_numpy(),
        "stop_s": spans.max().to_numpy(),
    }
    return pd.DataFrame(table, pd.Index(numbers, name="run"))


def _too_few(log: Words, words: Words) -> AlignmentRefused:
    rows = f"the log has {len(log)} rows with a code, and fewer than {FEWEST_ROWS} prove nothing"
    what = rows if len(words) else "the recording holds no words"
    return AlignmentRefused(what, WRONG_FILES, Evidence(rows=len(log)))


def _no_offset(log: Words, found: NoOffset) -> AlignmentRefused:
    return AlignmentRefused(
        f"no minute of the log fits: at best {found.votes} of {found.rows} rows have words of their"
        " codes at one offset between the clocks",
        WRONG_FILES,
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


def _unknown(
    log: Words, words: Words, pairs: pd.DataFrame, expected_s: Times, tolerance_s: float
) -> pd.DataFrame:
    """Stretches without a pair in whose time words of their codes come: one of the clocks may have
    been set there, and the time that is expected be another row's."""
    paired = np.isin(log.place, pairs["sent"])
    unsent = words[np.flatnonzero(~np.isin(words.place, pairs["seen"]))]
    ends = np.flatnonzero(np.concatenate([[True], paired, [True]]))
    gaps = []
    for before, after in pairwise(ends.tolist()):
        if after - before <= UNKNOWN_ROWS:
            continue
        rows = np.arange(before, after - 1)
        span_s = np.array([np.min(expected_s[rows]), np.max(expected_s[rows])])
        there = slice(*np.searchsorted(unsent.time_s, span_s + [-tolerance_s, tolerance_s]))
        came = int(np.isin(unsent.code[there], log.code[rows]).sum())
        if came >= UNKNOWN_SHARE * len(rows):
            spent_s = log.time_s[rows]
            gaps.append((*log.place[rows[[0, -1]]], spent_s.min(), spent_s.max(), came))
    return pd.DataFrame(gaps, columns=["first", "last", "start_s", "stop_s", "words"])


def _count(codes: Integers) -> pd.Series:
    values, count = np.unique(codes, return_counts=True)
    return pd.Series(count, pd.Index(values, name="code"), name="count")


def _replaced(
    found: Integers,
    lost: tuple[Times, Integers],
    unsent: tuple[Times, Integers],
    tolerance_s: float,
) -> pd.Series:
    """Rows by their code and that of their word, or of the unexpected word in their place."""
    (expected_s, sent), (time_s, seen) = lost, unsent
    after = np.searchsorted(time_s, expected_s - tolerance_s)
    there = np.append(time_s, np.inf)[after] <= expected_s + tolerance_s
    codes = np.concatenate([found, np.column_stack([sent[there], seen[after[there]]])])
    codes = codes[codes[:, 0] != codes[:, 1]]
    values, count = np.unique(codes, axis=0, return_counts=True)
    index = pd.MultiIndex.from_arrays(list(values.T), names=["sent", "seen"])
    return pd.Series(count, index, name="count")
