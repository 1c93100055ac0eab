"""A session whose log is lost, rebuilt from what the recorder heard and from its plan.

`rescue` finds the session in a recording, reads which trial each presentation was (`retrace`), and
makes the events that its log would have held (`relog`), on the recording's clock.  What was not
heard is inferred from the plan's frames where they leave one answer, and marked; where they leave
several, nothing is guessed.  `write_rescued` makes a session folder of it that any command reads.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, cast

import pandas as pd

from analysis.align import Alignment
from analysis.course import Trial, onsets_of, trials_of
from analysis.gather import own_trials
from analysis.heard import (
    Announced,
    Stretch,
    Words,
    heads_of,
    owners,
    presentations_announced,
    read_words,
    sessions_announced,
)
from analysis.lights import counted
from analysis.planned import Plan, follow, trials_in
from analysis.readers.plan import PLAN_NAME, read_plan
from analysis.relog import Relogged, Unplaced, relog
from analysis.retrace import Reading, retrace
from task import __version__
from task.contract.catalog import MANIFEST, read_catalog
from task.contract.errors import AnalysisError
from task.contract.sessionlog import LOG_NAME, VERSION, Header, SessionLog, line_of

TRIALS_NAME = "trials.csv"
PROTOCOL_NAME = "protocol.toml"
UNKNOWN = "unknown"
MOST_CONTRADICTED = 0.01  # of the numbered presentations: their onset is that of another trial
DEAREST = 0.2  # of the words: more that were lost or came from nowhere, and the plan is another's
NAMED = 5  # as many of a kind are named in a sentence


@dataclass(frozen=True, slots=True, eq=False)
class Rescued:
    """A session, rebuilt.

    Attributes
    ----------
    session : its number
    port : of the recording, as its reader calls it
    plan : by which it was read
    log : as it was, times on the recording's clock, with a header that knows only what plan and
        recording know; `inferred` marks what the plan says and nobody heard
    trials : as `analysis.gather` makes them of a log, with two further columns: `inferred`, the
        number of the presentation was not heard, its trial follows from its neighbours;
        `undecided`, it may belong to a pass through its block that was given up
    unplaced : presentations that are not in the log, for their trial cannot be told
    said : what the user should know, a sentence each
    """

    session: int
    port: Any
    plan: Plan
    log: SessionLog
    trials: pd.DataFrame
    unplaced: tuple[Unplaced, ...]
    said: tuple[str, ...]


class _OnItsOwnClock(NamedTuple):
    """What the trial table needs of an alignment, for a log that is on the recording's clock."""

    time_s: pd.Series
    measured: pd.Series


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A session of a recording, held against the plan."""

    stretch: Stretch
    numbered: int
    contradicted: int
    reading: Reading

    @property
    def follows(self) -> bool:
        """Whether it may be a session of this plan."""
        few = max(1.0, MOST_CONTRADICTED * self.numbered)
        cheap = self.reading.price <= DEAREST * (self.reading.words + self.reading.price)
        return self.numbered > 0 and self.contradicted <= few and cheap

    def __str__(self) -> str:
        first_s = self.stretch.words.time_s[self.stretch.own[0]]
        agreeing = self.numbered - self.contradicted
        return (
            f"session {self.stretch.session} from {first_s:.1f} s:"
            f" {counted(self.numbered, 'presentation')} numbered as in the plan, {agreeing} of them"
            f" with its onset; {self.reading.price:.0f} words lost or without a sense,"
            f" {self.reading.words} heard"
        )


def rescue(events: pd.DataFrame, plan: Plan, *, session: int | None = None) -> Rescued:
    """Rebuild a session.

    Parameters
    ----------
    events : words of a recording: `time_s`, `code`, `port`
    plan : as from `analysis.readers.plan.read_plan`
    session : which, where the recording holds several

    Raises
    ------
    AnalysisError
        If the plan numbers nothing on the lines, no session is announced, none or several follow
        the plan, or the one that is asked for does not.
    """
    if not plan["announced"]:
        raise AnalysisError(
            f"the sessions of plan {plan['name']!r} do not number their presentations on the lines"
            " (its code table leaves no room): what was shown cannot be read off a recording"
        )
    port, words, announced = _busiest_port(events, plan)
    candidates = _candidates(words, announced, plan)
    chosen = _chosen(candidates, plan, session)
    found = relog(plan, chosen.stretch, chosen.reading.reads)
    log = SessionLog(_header(plan, chosen.stretch.session), found.events, found.ending)
    return Rescued(
        session=chosen.stretch.session,
        port=port,
        plan=plan,
        log=log,
        trials=_trials(log, found),
        unplaced=found.unplaced,
        said=(*_ports(events, port), *_said(plan, candidates, chosen, found)),
    )


def write_rescued(
    rescued: Rescued,
    plan: Path,
    out: Path,
    *,
    subject: str,
    started: str,
    stimuli: Path,
    recording: Path,
    protocol: Path | None = None,
) -> None:
    """Write a session folder: log, plan, list of pictures, `trials.csv`.

    Parameters
    ----------
    plan : the file that `rescued` was made with
    out : a new folder, or an empty one
    subject : subject code
    started : wall time of the session's first frame, ISO 8601 with zone
    stimuli : folder of the set that was shown, as it is now
    recording : what it was rebuilt from, for the header
    protocol : the protocol file, if it is still there

    Raises
    ------
    AnalysisError
        If the folder holds something, the plan is another, the set lacks a picture, the time is
        none, or a file cannot be read or written.
    FileError, StimulusError
        If the plan or the set cannot be read.
    """
    if read_plan(plan) != rescued.plan:
        raise AnalysisError(f"{plan}: is not the plan by which the session was rebuilt")
    catalog = read_catalog(stimuli)
    lacking = [name for name in rescued.plan["picture_ids"] if name not in catalog.pictures]
    if lacking:
        raise AnalysisError(f"{stimuli}: is not the set that was shown: it lacks {_some(lacking)}")
    files = {
        PLAN_NAME: _bytes(plan),
        MANIFEST: _bytes(stimuli / MANIFEST),
        **({PROTOCOL_NAME: _bytes(protocol)} if protocol else {}),
        TRIALS_NAME: rescued.trials.to_csv(index=False, lineterminator="\n").encode(),
    }
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    header = Header(
        **{
            **asdict(rescued.log.header),
            "subject": subject,
            "started": _wall_time(started),
            "plan_sha256": digests[PLAN_NAME],
            "protocol_sha256": digests.get(PROTOCOL_NAME, ""),
            "catalog": catalog.name,
            "catalog_sha256": catalog.sha256,
            "software": {**rescued.log.header.software, "rebuilt_from": recording.name},
        }
    )
    files[LOG_NAME] = b"".join(_lines(header, rescued.log))
    _write(out, files)


# Which port, which session -----------------------------------------------------------------------


def _busiest_port(events: pd.DataFrame, plan: Plan) -> tuple[Any, Words, list[Announced]]:
    """The port on which sessions are announced most often."""
    found = []
    for port, rows in events.groupby("port", sort=False):
        words = read_words(rows["time_s"].tolist(), rows["code"].tolist(), plan)
        found.append((port, words, sessions_announced(words)))
    if not any(announced for _, _, announced in found):
        heard = sum(len(words.name) for _, words, _ in found)
        raise AnalysisError(
            f"the recording's {counted(heard, 'word')} announce no session: it holds none of this"
            " program's, or the lines that name them were dead"
        )
    return max(found, key=lambda each: len(each[2]))


def _ports(events: pd.DataFrame, port: Any) -> Iterator[str]:
    others = [other for other in events["port"].unique() if other != port]
    if others:
        listed = _some([repr(other) for other in others])
        yield f"read from port {port!r}, where sessions are announced most often; left: {listed}"


def _candidates(words: Words, announced: Sequence[Announced], plan: Plan) -> list[_Candidate]:
    """Every session that was announced, in the order of the recording."""
    times = Counter(each.number for each in announced)
    trials = trials_of(plan)
    numbers = {s: presentations_announced(words, s, len(trials)) for s in times}
    mentions = {session: times[session] + len(numbers[session]) for session in times}
    most = max(mentions.values())
    sessions = [s for s in times if mentions[s] > 1 or most == 1]  # once may be a garbled word
    evidence = [(each.at, each.number) for each in announced if each.number in sessions]
    for session in sessions:
        others = {each.at for s in sessions if s != session for each in numbers[s]}
        evidence += [(each.at, session) for each in numbers[session] if each.at not in others]
    owner = owners(words, sorted(evidence))
    onsets, found = onsets_of(trials), []
    for session in sessions:
        own = tuple(at for at, whose in enumerate(owner) if whose == session)
        names = tuple(each for each in announced if each.number == session)
        before, heads = heads_of(words, own, numbers[session], onsets)
        stretch = Stretch(words, session, own, before, tuple(heads), names)
        found.append(_candidate(plan, trials, stretch))
    return found


def _candidate(plan: Plan, trials: Mapping[int, Trial], stretch: Stretch) -> _Candidate:
    numbered = [h for h in stretch.heads if h.number in trials and h.code]
    contradicted = [h for h in numbered if h.number and trials[h.number].codes[0] != h.code]
    reading = retrace(plan, stretch)
    return _Candidate(stretch, len(numbered), len(contradicted), reading)


def _chosen(candidates: Sequence[_Candidate], plan: Plan, session: int | None) -> _Candidate:
    listed = "\n".join(f"  {candidate}" for candidate in candidates)
    asked = [c for c in candidates if session in (None, c.stretch.session)]
    following = [candidate for candidate in asked if candidate.follows]
    if not asked:
        raise AnalysisError(
            f"session {session} is not announced in the recording, which has\n{listed}"
        )
    if not following:
        none = (
            "no session here follows" if session is None else f"session {session} does not follow"
        )
        raise AnalysisError(f"{none} plan {plan['name']!r}; the recording has\n{listed}")
    if len(following) > 1:
        raise AnalysisError(
            f"several sessions follow plan {plan['name']!r}; say which one is meant:\n{listed}"
        )
    return following[0]


# What it comes to --------------------------------------------------------------------------------


def _trials(log: SessionLog, found: Relogged) -> pd.DataFrame:
    """The trial table, as of any log."""
    coded = [event for event in log.events if event.code is not None]
    clock = _OnItsOwnClock(
        pd.Series([event.time_s for event in coded], dtype=float),
        pd.Series([not event.detail.get("inferred") for event in coded], dtype=bool),
    )
    trials = own_trials(log, cast(Alignment, clock))
    if trials.empty:
        return trials
    number = trials["presentation"]
    return trials.assign(
        inferred=number.isin(found.inferred), undecided=number.isin(found.undecided)
    )


def _said(
    plan: Plan, candidates: Sequence[_Candidate], chosen: _Candidate, found: Relogged
) -> Iterator[str]:
    """What the user should know."""
    shown = len(found.read) + len(found.inferred)
    yield (
        f"session {chosen.stretch.session}: {counted(shown, 'presentation')}, {len(found.read)} by"
        f" the numbers on the lines, {len(found.inferred)} by their neighbours"
    )
    yield from _not_heard(plan, chosen.stretch.session, found)
    yield from _not_known(found)
    if words := counted(found.unexplained, "word") if found.unexplained else "":
        yield f"{words} of the recording belong to nothing that was shown"
    lines = chosen.stretch.words.lines
    if lines:
        restored = counted(chosen.stretch.words.restored, "code")
        yield f"{lines}: {restored} restored from what the other lines show"
    yield from (f"also there: {other}" for other in candidates if other is not chosen)
    yield (
        "the lines tell which trial of the plan it was, not which picture: make sure that the plan"
        " is that of this session"
    )


def _not_heard(plan: Plan, session: int, found: Relogged) -> Iterator[str]:
    coded = [event for event in found.events if event.code is not None]
    if lost := sum(bool(event.detail.get("inferred")) for event in coded):
        yield (
            f"{lost} of {len(coded)} codes were not heard: their times follow from the plan's"
            " frames"
        )
    if found.asked > found.answered:
        missing = counted(found.asked - found.answered, "answer")
        yield f"{missing} to {counted(found.asked, 'question')} not heard"
    completed = found.ending is not None and found.ending["how"] == "completed"
    followed = follow(plan, session, found.events, completed=completed)
    if followed.missing:
        places = _some([str(place) for place in followed.missing])
        yield f"{counted(len(followed.missing), 'trial')} not heard whole: {places}"
    known = {*found.read, *found.inferred, *(each.number for each in found.unplaced)}
    again = range(trials_in(plan) + 1, max([0, *found.read]))
    if unheard := [str(number) for number in again if number not in known]:
        what = counted(len(unheard), "repeated presentation")
        yield f"{what} not heard or not placed: {_some(unheard)}"
    if found.ending is None:
        yield "the end of the session was not heard"


def _not_known(found: Relogged) -> Iterator[str]:
    if found.unplaced:
        told = _some([str(each) for each in found.unplaced])
        yield (
            f"{counted(len(found.unplaced), 'presentation')} left out, for it cannot be told which"
            f" trial of the plan they were: {told}"
        )
    if found.undecided:
        numbers = _some([str(number) for number in found.undecided])
        yield f"kept, but perhaps given up when they were shown: presentations {numbers}"


# Files -------------------------------------------------------------------------------------------


def _header(plan: Plan, session: int) -> Header:
    """What plan and recording know."""
    return Header(
        session=session,
        subject=UNKNOWN,
        protocol=plan["name"],
        protocol_sha256="",
        plan_sha256="",
        catalog=plan["stimuli"],
        catalog_sha256="",
        seed=plan["seed"],
        rig=UNKNOWN,
        started=UNKNOWN,
        codes=plan["codes"],
        software={"rebuilt": f"from a recording and the plan, by imagery {__version__}"},
        safety=plan.get("safety"),
    )


def _wall_time(started: str) -> str:
    try:
        zone = datetime.fromisoformat(started).tzinfo
    except ValueError:
        zone = None
    if zone is None:
        raise AnalysisError(
            f"started {started!r}: give date, time and zone, as in 2026-03-14T10:00:00+01:00"
        )
    return started


def _lines(header: Header, log: SessionLog) -> Iterator[bytes]:
    yield _json({"imagery_log": VERSION, **asdict(header)})
    for event in log.events:
        if event.name == "ENDED":
            yield _json({"ending": dict(event.detail)})
        else:
            line = line_of(event)
            first = {"resumed": line.pop("resumed")} if "resumed" in line else {}
            yield _json({**first, **line})
    if log.ending is not None:
        yield _json({"ending": dict(log.ending)})


def _json(line: Mapping[str, Any]) -> bytes:
    return (json.dumps(line, separators=(",", ":")) + "\n").encode()


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise AnalysisError(f"{path}: cannot be read: {error.strerror}") from None


def _write(out: Path, files: Mapping[str, bytes]) -> None:
    """All files, the log last: a folder without one is no session."""
    try:
        if out.exists() and any(out.iterdir()):
            raise AnalysisError(f"{out}: holds something already; name a new folder")
        out.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, data in files.items():
            partial = out / f"{name}.partial"
            partial.write_bytes(data)
            partial.chmod(0o600)
            partial.replace(out / name)
    except OSError as error:
        raise AnalysisError(f"{out}: cannot be written: {error.strerror}") from None


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
