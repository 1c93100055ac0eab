"""Where in a recording a log lies: on which port, in which stretch, through which lines.

A recording holds the words of several ports, perhaps of several attempts, of other tasks, and of
lines that are dead or float.  Every port is tried by itself.  Where the words of a port do not
convince as they are, they are compared without the lines that may be at fault; where they do, what
arrived tells which lines are.  The alignment that explains most is taken, by the same checks in
every case, and what else the recording holds is listed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.align import Alignment, align
from analysis.evidence import CHECKS, LEAST_SHARE, AlignmentRefused
from analysis.identity import identify, steady
from analysis.lines import Integers, Lines, find_lines, restored, silent, suspects, tells_apart
from analysis.matching import FEWEST_ROWS
from analysis.rival import clear_lead
from task.contract.codes import MAX_PRESENTATION, Code
from task.contract.errors import UserError

FEWEST_NAMING = 4  # words that name the session: fewer say nothing
BY_CHANCE = 20  # times fewer words have our number: one in 128 checks fits by chance
NAMED = 4  # sessions that a refusal names
PAYLOAD = 128
PAUSE_S = 60.0  # so long without a word, and a new stretch begins
FEW_STARTS = 3  # a code that the log has more often does not begin an attempt
COLUMNS = ("start_s", "stop_s", "port", "run", "words", "matched")


@dataclass(frozen=True, slots=True)
class Choice:
    """What the user decided, where the program would find out or refuse.

    Attributes
    ----------
    port : the only port to look at, '' for all
    between_s : the only stretch of the recording to look at, half-open, on its clock
    accept : checks that may fail
    """

    port: str = ""
    between_s: tuple[float, float] = (-np.inf, np.inf)
    accept: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unknown = sorted(set(self.accept) - set(CHECKS))
        if unknown:
            raise UserError(f"there is no check {unknown[0]!r}; the checks are {', '.join(CHECKS)}")
        start_s, stop_s = self.between_s
        if not start_s < stop_s:
            raise UserError(f"between {start_s:g} and {stop_s:g} s: the first must be the earlier")


AS_FOUND = Choice()


def locate(
    log: pd.DataFrame, events: pd.DataFrame, session: int | None = None, choice: Choice = AS_FOUND
) -> Alignment:
    """The alignment of a log with whatever of a recording belongs to it.

    Parameters
    ----------
    log : `time_s`, `code` and, if there are several, `run`; in its own order
    events : `time_s`, `code`, `port` and, if known, `run`; in the order of the file
    session : the number that the log's stream announces, if it is one of ours
    choice : what the user decided

    Returns
    -------
    Alignment, whose `pairs.seen` and `unexpected` are rows of `events`

    Raises
    ------
    AlignmentRefused
        If no port convinces: the refusal of the one that explains most.
    UserError
        If there is no such port.
    """
    if session is not None:
        log = log.assign(trial=identify(log["code"].to_numpy(np.int64), session).to_numpy())
    found: list[Alignment] = []
    refused: list[AlignmentRefused] = []
    for port, rows in _streams(events, choice):
        seen = events.iloc[rows][["time_s", "code"]].reset_index(drop=True)
        try:
            best = _through_lines(log, seen, session, choice)
        except AlignmentRefused as refusal:
            refused.append(refusal)
            continue
        pairs = best.pairs.assign(seen=rows[best.pairs["seen"].to_numpy()])
        found.append(replace(best, pairs=pairs, unexpected=rows[best.unexpected], port=port))
    if not found:
        closest = max(refused, key=lambda refusal: refusal.evidence.matched)
        raise (
            _foreign(events, closest, session)
            or _elsewhere(events, closest, choice)
            or closest.after(_tried(log, events, choice))
        )
    best = max(found, key=lambda one: len(one.pairs))
    if "rival" not in choice.accept:
        _refuse_equal(best, found)
    return best


def _refuse_equal(best: Alignment, found: Sequence[Alignment]) -> None:
    """Refuse where the words of another stream explain about as much at other times.

    Raises
    ------
    AlignmentRefused
    """
    for other in found:
        apart_s = float((other.time_s - best.time_s).abs().median())
        least = clear_lead(len(best.pairs), len(other.pairs), best.evidence.heard)
        if apart_s > best.evidence.tolerance_s and not least:
            raise AlignmentRefused(
                f"words of {_named(best)} explain {len(best.pairs)} rows, but those of"
                f" {_named(other)} explain {len(other.pairs)}, {apart_s:.3g} s away",
                "name the port or the file that carried the codes, or the stretch of this run",
                best.evidence,
                "rival",
            )


def _named(found: Alignment) -> str:
    port = f"port {found.port!r}" if found.port else "the recording"
    seen = found.pairs["seen"]
    return f"{port} (rows {seen.min()} to {seen.max()} of its events)"


def _foreign(
    events: pd.DataFrame, refusal: AlignmentRefused, session: int | None
) -> AlignmentRefused | None:
    """A plainer refusal where the recording announces other sessions and never this one."""
    if session is None:
        return None
    for _, words in events[events["code"] > 0].groupby("port", sort=False):
        numbers = identify(words["code"].to_numpy(np.int64), session).dropna()
        theirs = (numbers // MAX_PRESENTATION).value_counts()
        ours = int(theirs.pop(session)) if session in theirs.index else 0
        others = theirs.index[theirs >= max(FEWEST_ROWS, BY_CHANCE * ours)].tolist()
        if others:
            named = ", ".join(map(str, others[:NAMED]))
            return AlignmentRefused(
                f"the log is of session {session}, the recording announces {named}",
                "this is the recording of another session; look for that of this one",
                refusal.evidence,
                refusal.check,
            )
    return None


def _elsewhere(
    events: pd.DataFrame, refusal: AlignmentRefused, choice: Choice
) -> AlignmentRefused | None:
    """A plainer refusal where the stretch that was named holds no words."""
    start_s, stop_s = choice.between_s
    time_s = events.loc[events["code"] > 0, "time_s"]
    if time_s.empty or time_s.between(start_s, stop_s, inclusive="left").any():
        return None
    return AlignmentRefused(
        f"from {start_s:g} to {stop_s:g} s the recording holds no words",
        f"its words lie from {time_s.min():.1f} to {time_s.max():.1f} s",
        refusal.evidence,
    )


def _streams(events: pd.DataFrame, choice: Choice) -> list[tuple[str, Integers]]:
    """Ports, and the rows of their words within the stretch; never none.

    Each file and each clock by itself, and of a port that several files have, all of them together:
    a recorder that was stopped and went on.
    """
    port, time_s = events["port"].to_numpy(object), events["time_s"].to_numpy(float)
    known = [str(name) for name in dict.fromkeys(port.tolist())]
    if choice.port and choice.port not in known:
        listed = ", ".join(repr(name) for name in known if name)
        has = f"it has {listed}" if listed else "its ports have no names: leave the port out"
        raise UserError(f"the recording has no port {choice.port!r}; {has}")
    start_s, stop_s = choice.between_s
    within = (time_s >= start_s) & (time_s < stop_s)
    chosen = [choice.port] if choice.port else known or [""]
    apart = [name for name in ("file", "clock") if name in events and events[name].nunique() > 1]
    streams = []
    for name in chosen:
        rows = np.flatnonzero(within & (port == name))
        parts = [(name, rows)]
        if apart and len(rows):
            groups = events.iloc[rows].reset_index().groupby(apart, dropna=False).indices
            parts = [(name, rows[np.sort(part)]) for part in groups.values()]
        if apart == ["file"] and len(parts) > 1 and _follow(time_s, [part for _, part in parts]):
            parts.append((name, rows))
        streams += parts
    return streams


def _follow(time_s: NDArray[Any], parts: Sequence[Integers]) -> bool:
    """Whether the words of several files follow each other in time, file by file."""
    spans = sorted((time_s[part].min(), time_s[part].max()) for part in parts)
    return all(before[1] < after[0] for before, after in pairwise(spans))


def _tried(log: pd.DataFrame, events: pd.DataFrame, choice: Choice) -> str:
    """Ports and lines that were looked at."""
    sent, said = log["code"].to_numpy(np.int64), []
    for port, rows in _streams(events, choice):
        words = events["code"].to_numpy(np.int64)[rows]
        words = words[words > 0]
        name = f"port {port!r}" if port else "the recording"
        guesses = _guesses(sent, words)
        said.append(
            f"{name} ({len(words)} words)"
            + (f", also without {len(guesses)} sets of suspect lines" if guesses else "")
        )
    return "; ".join(said)


def _guesses(sent: Integers, words: Integers) -> list[Lines]:
    """What the lines may have done."""
    sent, words = sent[sent > 0], words[words > 0]
    return list(suspects(sent, words)) if len(sent) and len(words) else []


# Lines -------------------------------------------------------------------------------------------


def _through_lines(
    log: pd.DataFrame, seen: pd.DataFrame, session: int | None, choice: Choice
) -> Alignment:
    """The words of one port as they are, or without lines that are at fault."""
    try:
        best = _compared(log, seen, Lines(), session, choice)
    except AlignmentRefused as refusal:
        return _without_suspects(log, seen, session, choice, refusal)
    lines = _at_fault(log, seen, session, best)
    if not lines:
        return best
    try:
        without = _compared(log, seen, lines, session, choice)
    except AlignmentRefused:
        return best
    more = len(without.pairs) - len(best.pairs)
    return without if more >= LEAST_SHARE * best.replaced.sum() else best


def _at_fault(
    log: pd.DataFrame, seen: pd.DataFrame, session: int | None, found: Alignment
) -> Lines:
    """Lines that what arrived shows to be at fault, and that can be left out."""
    arrived = _arrived(log, seen, found)
    lines = find_lines(arrived)
    if session is not None:
        # Announcements alone may differ because they are of another session or presentation.
        events = {pair: count for pair, count in arrived.items() if pair[0] < PAYLOAD}
        lines = lines.within(silent(events) | ~find_lines(events).mask)
    sent = log["code"].to_numpy(np.int64)
    return lines if tells_apart(sent[sent > 0], lines) else Lines()


def _without_suspects(
    log: pd.DataFrame,
    seen: pd.DataFrame,
    session: int | None,
    choice: Choice,
    refusal: AlignmentRefused,
) -> Alignment:
    """An alignment without lines that are at fault.

    A guess that convinces must also show its fault: words that arrived as others, all in the lines
    that were left out.

    Raises
    ------
    AlignmentRefused
        If nothing convinces: the refusal of what explains most.
    """
    sent, words = (t["code"].to_numpy(np.int64) for t in (log, seen))
    for guess in _guesses(sent, words):
        try:
            found = _compared(log, seen, guess, session, choice)
            lines = _at_fault(log, seen, session, found)
            if lines and lines.mask != guess.mask:
                found = _compared(log, seen, lines, session, choice)
        except AlignmentRefused as other:
            if other.evidence.matched > refusal.evidence.matched:
                refusal = other
            continue
        if lines:
            return replace(found, lines=lines)
    raise refusal


def _compared(
    log: pd.DataFrame, seen: pd.DataFrame, lines: Lines, session: int | None, choice: Choice
) -> Alignment:
    """Log and words of one port, compared without some lines.

    Raises
    ------
    AlignmentRefused
        As `align`, or if the words that name the session are those of another one.
    """
    if session is None:
        return replace(align(log, seen, choice.accept, lines.mask), lines=lines)
    numbers = _numbers(log, seen, lines, session)
    if numbers is not None:
        seen = seen.assign(trial=numbers)
    found = replace(align(log, seen, choice.accept, lines.mask), lines=lines)
    if numbers is None:
        _refuse_another(log, found, choice)
    return found


def _refuse_another(log: pd.DataFrame, found: Alignment, choice: Choice) -> None:
    """Where no announcement is whole, what is left of the words that differ between sessions must
    be ours as often as other words are."""
    there = np.zeros(len(log), bool)
    there[found.pairs["sent"].to_numpy()] = True
    if "numbers" in choice.accept:
        return
    for naming in _naming(log["code"].to_numpy(np.int64)):
        known = naming[np.isfinite(found.time_s.to_numpy()[naming])]
        if len(known) >= FEWEST_NAMING and there[known].mean() < LEAST_SHARE:
            raise AlignmentRefused(
                f"codes and times agree, but of {len(known)} words that name the session"
                f" {int(there[known].sum())} are this session's",
                "this looks like another session of the same protocol",
                found.evidence,
                "numbers",
            )


def _naming(codes: Integers) -> Iterator[Integers]:
    """Rows that differ between sessions: the payload of SESSION, and the check of TRIAL.

    Each is judged by itself: one session in 128 shares all checks of another.
    """
    session = np.flatnonzero(codes == Code.SESSION)[:, None] + np.arange(1, 5)
    check = np.flatnonzero(codes == Code.TRIAL)[:, None] + 3
    for rows in (session.ravel(), check.ravel()):
        inside = rows[rows < len(codes)]
        yield inside[codes[inside] >= PAYLOAD]


def _numbers(
    log: pd.DataFrame, seen: pd.DataFrame, lines: Lines, session: int
) -> NDArray[Any] | None:
    """Presentations of the words of a port; None where faulty lines left no announcement whole.

    Then nothing speaks against the session either.  Words with an announcement of another one are
    not ours, whatever the lines do.
    """
    sent = log["code"].to_numpy(np.int64)
    used = int(np.bitwise_or.reduce(sent))
    codes = seen["code"].to_numpy(np.int64) & used  # lines that none of our words uses say nothing
    if lines:
        codes = restored(codes, sent[sent > 0], lines)
    theirs = identify(codes, session)
    if lines:
        theirs = steady(theirs)
        others = steady(identify(codes))
        if max(int(theirs.notna().sum()), int(others.notna().sum())) < FEWEST_ROWS:
            return None
    return theirs.to_numpy()


def _arrived(
    log: pd.DataFrame, seen: pd.DataFrame, found: Alignment
) -> Mapping[tuple[int, int], int]:
    """How every word that was sent arrived, as itself or as another."""
    sent = log["code"].to_numpy()[found.pairs["sent"].to_numpy()]
    came = seen["code"].to_numpy()[found.pairs["seen"].to_numpy()]
    codes, count = np.unique(sent[sent == came], return_counts=True)
    arrived = {(int(code), int(code)): int(n) for code, n in zip(codes, count, strict=True)}
    changed = zip(found.replaced.index, found.replaced, strict=True)
    return arrived | {(int(code), int(other)): int(n) for (code, other), n in changed}


# What else the recording holds -------------------------------------------------------------------


def stretches(
    log: pd.DataFrame, events: pd.DataFrame, found: Alignment | None = None
) -> pd.DataFrame:
    """What a recording holds: runs, attempts and what lies between pauses, port by port.

    Returns
    -------
    A row for each: `start_s`, `stop_s`, `port`, `run` (of the recording, 0 where it does not tell),
    `words`, `matched` (of the log)
    """
    matched = np.zeros(len(events), bool)
    if found is not None:
        matched[found.pairs["seen"].to_numpy()] = True
    start = _start_code(log)
    rows = []
    for port, words in events[events["code"] > 0].groupby("port", sort=False):
        words = words.sort_values("time_s", kind="stable")
        time_s = words["time_s"].to_numpy()
        new = np.diff(time_s, prepend=-np.inf) > PAUSE_S
        run = np.zeros(len(words), np.int64)
        if "run" in words and words["run"].any():
            # Words outside runs, 0, lie before the next one.
            run = words["run"].replace(0, np.nan).bfill().fillna(0).to_numpy(np.int64)
            new |= np.diff(run, prepend=run[:1]) != 0
        else:
            new |= words["code"].to_numpy() == start
        mine = matched[events.index.get_indexer(words.index)]
        bounds = [*np.flatnonzero(new).tolist(), len(words)]
        for a, b in pairwise(bounds):
            times = float(time_s[a]), float(time_s[b - 1])
            rows.append((*times, port, int(run[a]), b - a, int(mine[a:b].sum())))
    return pd.DataFrame(rows, columns=list(COLUMNS)).sort_values("start_s", ignore_index=True)


def _start_code(log: pd.DataFrame) -> int:
    """The code that begins the log, if it is one of those that only begin; else -1."""
    codes = log["code"].to_numpy()
    codes = codes[codes > 0]
    if not len(codes) or (codes == codes[0]).sum() > FEW_STARTS:
        return -1
    return int(codes[0])
