"""The events that a lost log held, from a reading of the recording.

What was heard stands at its recorded time, what was not is marked `inferred`.  Words that the
reading does not explain are left out.  What the log knew and the lines do not say (which block,
what was cut short, which pass was given up) follows from the order of the trials.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from analysis.course import Trial
from analysis.heard import SWEEP, Stretch
from analysis.moves import MARKS, Way
from analysis.planned import Place, Plan, trials_in
from analysis.presented import Presented, presented, step_of
from analysis.retrace import Read
from task.contract.codes import announce_session
from task.contract.sessionlog import Event

PAUSED, RUN_ENDED = "pause", "the run ended"  # why a presentation was cut short
NOT_KNOWN = "what was shown here is not known"
NAMED = 3  # as many possible trials are named
_NAME_WORDS = 7  # a mark with the session's name is over within so many spacings
_CUT = (Way.AGAIN, Way.PASSED, Way.BLOCK, Way.SKIP)
# What comes first among events of the same time.
_RUN, _GIVEN_UP, _BLOCK, _PRESENTATION, _ANSWER, _CODE, _INTERRUPTED, _LATER = range(8)


@dataclass(frozen=True, slots=True)
class Unplaced:
    """A presentation that was heard, but which of several trials it was cannot be told.

    Attributes
    ----------
    onset_s : on the recording's clock
    number : None where it was lost
    code : of its onset, empty where that was lost
    possible : the trials that it may have been; none where the plan has no room for it
    """

    onset_s: float
    number: int | None
    code: str
    possible: tuple[Place, ...]

    def __str__(self) -> str:
        number = "" if self.number is None else f", number {self.number}"
        places = [str(place) for place in self.possible[:NAMED]]
        more = len(self.possible) - NAMED
        places += [f"{more} others"] if more > 0 else []
        among = " or ".join(places) if places else "none of the plan"
        return f"{self.code or 'no onset'} at {self.onset_s:.1f} s{number} ({among})"


@dataclass(frozen=True, slots=True)
class Relogged:
    """What a log would have held.

    Attributes
    ----------
    events : in the order of a log
    ending : its last line, None where the end was not heard
    read, inferred : numbers of the presentations whose own number was heard, and was not
    unplaced : presentations of which it is not known which trial they were
    undecided : numbers of presentations that may have been given up: cut short, or with their block
    asked, answered : questions of whole presentations, and those whose answer was heard
    unexplained : words that belong to nothing
    """

    events: tuple[Event, ...]
    ending: Mapping[str, Any] | None
    read: frozenset[int]
    inferred: frozenset[int]
    unplaced: tuple[Unplaced, ...]
    undecided: tuple[int, ...]
    asked: int
    answered: int
    unexplained: int


class _Entry(NamedTuple):
    """An event, and its place among those of the same time."""

    time_s: float
    rank: int
    event: Event


class _Step(NamedTuple):
    """From one presentation that is known to the next.

    `marks` are positions of the codes between them that are explained, by name; `direct` tells
    whether nothing that is in doubt lies between.
    """

    before: Presented | None
    after: Presented
    marks: Mapping[str, Sequence[int]]
    direct: bool


def relog(plan: Plan, stretch: Stretch, reads: Sequence[Read]) -> Relogged:
    """Make the events of a session.

    Parameters
    ----------
    plan : as in `plan.json`
    stretch : what was heard of it
    reads : its reading
    """
    every = presented(plan, stretch, reads)
    known = [one for one in every if one.codes]
    steps = list(_steps(stretch, every))
    entries = [
        *(entry for one in known for entry in _told(plan, stretch, one)),
        *(entry for one in every if not one.sure for entry in _in_doubt(plan, stretch, one)),
        *_marks(plan, stretch, every),
        *_commands(stretch, steps),
        *_last(stretch, every),
    ]
    entries.sort(key=lambda entry: entry[:2])
    events = tuple(entry.event for entry in entries)
    heard = sum(e.code is not None and not e.detail.get("inferred") for e in events)
    read = frozenset(one.number for one in known if one.head.number is not None)
    whole = [one for one in known if one.read.whole]
    return Relogged(
        events=events,
        ending=_ending(stretch, every, trials_in(plan)),
        read=read,
        inferred=frozenset(one.number for one in known) - read,
        unplaced=tuple(_unplaced(stretch, every)),
        undecided=tuple(dict.fromkeys(_undecided(stretch, every, trials_in(plan)))),
        asked=sum(sum(one.trial.asks) for one in whole),
        answered=sum(len(one.answers) for one in whole),
        unexplained=len(stretch.own) - heard,
    )


# Presentations -----------------------------------------------------------------------------------


def _told(plan: Plan, stretch: Stretch, one: Presented) -> Iterator[_Entry]:
    """Events of a presentation whose trial is known."""
    detail: dict[str, Any] = {"kind": one.trial.kind, **one.trial.place._asdict()}
    if condition := plan["blocks"][one.trial.place.block].get("condition"):
        detail["condition"] = condition
    if one.trial.item is not None:
        detail["item"] = one.trial.item
    if one.head.number is None:
        detail["inferred"] = True
    began_s = one.codes[0].time_s
    yield _Entry(began_s, _PRESENTATION, Event(began_s, "PRESENTATION", None, one.number, detail))
    for code in one.codes:
        known = {"inferred": True} if code.word is None else {}
        event = Event(code.time_s, code.name, code.value, one.number, known)
        yield _Entry(code.time_s, _CODE, event)
    asked_s = {code.name: code.time_s for code in one.codes}
    for answer in one.answers:
        time_s, to = stretch.words.time_s[answer.word], one.trial.codes[answer.step]
        name = "ANSWER" if answer.answer else "NO_ANSWER"
        said: dict[str, Any] = {"to": to}
        if answer.answer:
            said |= {"answer": answer.answer, "by": "unknown"}
            correct = step_of(plan, one.trial, answer.step).get("correct")
            said |= {} if correct is None else {"correct": answer.answer == correct}
        if answer.answer and to in asked_s:
            # The code of an answer follows the key by a frame or two: the press itself is lost.
            said["reaction_s"] = round(time_s - asked_s[to], 6)
        yield _Entry(time_s, _ANSWER, Event(time_s, name, None, one.number, said))
        yield _heard(plan, stretch, answer.word, one.number)


def _in_doubt(plan: Plan, stretch: Stretch, one: Presented) -> Iterator[_Entry]:
    """Codes of a presentation of which it is not known which trial it was."""
    names = stretch.words.name
    steps = [at for at in one.tail if names[at].endswith(("_ON", "_OFF"))]
    for at in (*one.head.words, *steps):
        yield _heard(plan, stretch, at, one.head.number)


def _heard(plan: Plan, stretch: Stretch, at: int, number: int | None = None) -> _Entry:
    """A word that was heard, as the code that it was."""
    words = stretch.words
    value = plan["codes"].get(words.name[at], words.value[at])
    event = Event(words.time_s[at], words.name[at] or "TRIAL", value, number)
    return _Entry(event.time_s, _CODE, event)


# Between presentations ---------------------------------------------------------------------------


def _marks(plan: Plan, stretch: Stretch, every: Sequence[Presented]) -> Iterator[_Entry]:
    """Codes that belong to no presentation, as far as the reading explains them."""
    words = stretch.words
    announced = {name.at: name.words[1:] for name in stretch.names}
    payload = announce_session(stretch.session)[1:]
    for at in _explained(stretch, every, 0, len(every)):
        yield _heard(plan, stretch, at)
        for word, value in zip(announced.get(at, ()), payload, strict=False):
            event = Event(words.time_s[word], "SESSION", value)
            yield _Entry(event.time_s, _CODE, event)


def _explained(
    stretch: Stretch, every: Sequence[Presented], first: int, stop: int
) -> Iterator[int]:
    """Marks before some presentations (after the last, if `stop` is one more than there are)."""
    for n in range(first, stop + 1):
        tail = every[n - 1].tail if n else stretch.before
        marks = every[n].read.marks if n < len(every) else MARKS
        yield from (at for at in tail if stretch.words.name[at] in marks)


def _steps(stretch: Stretch, every: Sequence[Presented]) -> Iterator[_Step]:
    """From each presentation that is known to the next."""
    known = [n for n, one in enumerate(every) if one.codes]
    for a, b in pairwise((-1, *known)):
        marks: dict[str, list[int]] = {}
        for at in _explained(stretch, every, a + 1, b):
            marks.setdefault(stretch.words.name[at], []).append(at)
        yield _Step(every[a] if a >= 0 else None, every[b], marks, direct=a + 1 == b)


def _commands(stretch: Stretch, steps: Sequence[_Step]) -> Iterator[_Entry]:
    """What the log knew of runs, blocks, and what was cut short or given up."""
    if stretch.own:
        began_s = stretch.words.time_s[stretch.own[0]]
        yield _Entry(began_s, _RUN, Event(began_s, "RUN", detail={"rebuilt": True}))
    passed: list[int] = []
    for step in steps:
        run_s = _run_s(stretch, step)
        yield from _run(stretch, step, run_s)
        yield from _cut_short(stretch, step, run_s)
        # A block's first trial that the run's end cut short is shown again, or its block is.
        at_first = step.after.read.way is Way.RUN and len(passed) == 1
        if _restarts(step) and not (at_first and step.before and not step.before.read.whole):
            yield _given_up(stretch, step, run_s, passed)
        if _opens(step):
            opened_s = _opened_s(stretch, step)
            detail = {"block": step.after.trial.place.block}
            yield _Entry(opened_s, _BLOCK, Event(opened_s, "BLOCK", detail=detail))
        if _restarts(step) or not _same_block(step):
            passed = []
        passed.append(step.after.number)


def _run(stretch: Stretch, step: _Step, run_s: float | None) -> Iterator[_Entry]:
    """The end of a run and the beginning of another."""
    if run_s is None:
        return
    ends = [stretch.words.time_s[at] for name in ("STOP", "RUN_END")
            for at in step.marks.get(name, ()) if stretch.words.time_s[at] < run_s]  # fmt: skip
    if ends:
        yield _Entry(max(ends), _LATER, Event(max(ends), "ENDED", detail={"how": "stopped"}))
    detail = {"resumed": step.after.trial.place._asdict(), "rebuilt": True}
    yield _Entry(run_s, _RUN, Event(run_s, "RUN", detail=detail))


def _cut_short(stretch: Stretch, step: _Step, run_s: float | None) -> Iterator[_Entry]:
    """That a presentation was cut short, or that it is not known what came between two."""
    before, after = step.before, step.after
    if before is None:
        return
    paused = step.marks.get("PAUSE", ())
    if not before.read.whole and (paused or run_s is not None or after.read.way in _CUT):
        yield _interrupted(stretch, before, step.marks, run_s)
    elif not before.complete:
        event = Event(before.codes[-1].time_s, "INTERRUPTED", detail={"why": NOT_KNOWN})
        yield _Entry(event.time_s, _INTERRUPTED, event)
    if not step.direct or _skips(stretch, step):
        event = Event(after.head.time_s, "INTERRUPTED", detail={"why": NOT_KNOWN})
        yield _Entry(event.time_s, _GIVEN_UP, event)
    if after.read.way is Way.SKIP and step.direct and "SKIP" not in step.marks:
        time_s = _opened_s(stretch, step)
        yield _Entry(time_s, _GIVEN_UP, Event(time_s, "SKIP", detail={"inferred": True}))


def _interrupted(
    stretch: Stretch, one: Presented, marks: Mapping[str, Sequence[int]], run_s: float | None
) -> _Entry:
    """Cut short by a pause, or by the end of its run."""
    times_s, why = [stretch.words.time_s[at] for at in marks.get("PAUSE", ())][:1], PAUSED
    if not times_s and run_s is not None:
        why = RUN_ENDED
        times_s = [run_s, *(stretch.words.time_s[at] for at in marks.get("RUN_START", ()))][-1:]
    time_s = times_s[0] if times_s else one.codes[-1].time_s
    event = Event(time_s, "INTERRUPTED", None, one.number, {"why": why})
    return _Entry(time_s, _INTERRUPTED, event)


def _skips(stretch: Stretch, step: _Step) -> bool:
    """Whether another presentation may lie between two that follow each other."""
    before, after = step.before, step.after
    if before is None or after.read.way is Way.UNHEARD:
        return True
    if after.read.way is Way.SILENT and after.trial.number != before.trial.number + 1:
        return True
    noise = stretch.heads[before.read.head + 1 : max(after.read.head, 0)]
    return before.read.head >= 0 and any(head.number is not None for head in noise)


def _given_up(stretch: Stretch, step: _Step, run_s: float | None, passed: Sequence[int]) -> _Entry:
    """That a pass through a block does not count."""
    starts = step.marks.get("RUN_START", ()) if run_s is not None else ()
    time_s = stretch.words.time_s[starts[-1]] if starts else _opened_s(stretch, step)
    event = Event(time_s, "SUPERSEDED", detail={"presentations": list(passed)})
    return _Entry(time_s, _LATER if starts else _GIVEN_UP, event)


def _same_block(step: _Step) -> bool:
    return step.before is not None and step.before.trial.start == step.after.trial.start


def _restarts(step: _Step) -> bool:
    """Whether the block of a presentation was begun anew: nothing else leads back in it."""
    before, after = step.before, step.after
    if before is None or not _same_block(step):
        return False
    if after.trial.number < before.trial.number:
        return True
    at_start = after.trial.number == after.trial.start
    return at_start and step.direct and after.read.way in (Way.BLOCK, Way.RUN)


def _opens(step: _Step) -> bool:
    return not _same_block(step) or _restarts(step) or step.after.read.way is Way.RUN


def _opened_s(stretch: Stretch, step: _Step) -> float:
    """When the block of a presentation was opened: at the session's name before BLOCK_START."""
    starts = step.marks.get("BLOCK_START")
    if not starts:
        return step.after.head.time_s
    words, start_s = stretch.words, stretch.words.time_s[starts[-1]]
    names_s = [words.time_s[at] for at in step.marks.get("SESSION", ())]
    near = [s for s in names_s if 0 < start_s - s < _NAME_WORDS * words.spacing_s]
    return min(near, default=start_s)


def _run_s(stretch: Stretch, step: _Step) -> float | None:
    """When another run began between two presentations: with its sweep, or its session's name."""
    before, words = step.before, stretch.words
    heard = step.after.read.way in (Way.RUN, Way.UNHEARD) or not step.direct
    if before is None or not heard:
        return None
    if step.after.read.way is not Way.RUN and "RUN_START" not in step.marks:
        return None
    ends = [words.time_s[at] for name in ("STOP", "RUN_END") for at in step.marks.get(name, ())]
    since_s, until_s = max([before.codes[-1].time_s, *ends]), step.after.head.time_s
    opening = [
        words.time_s[at]
        for at in stretch.own
        if words.name[at] in (SWEEP, "SESSION", "RUN_START")
        if since_s < words.time_s[at] < until_s
    ]
    return min(opening, default=until_s)


# The end -----------------------------------------------------------------------------------------


def _last(stretch: Stretch, every: Sequence[Presented]) -> Iterator[_Entry]:
    """That the session ended in a pause that had cut its last presentation short."""
    if not every or not every[-1].codes or every[-1].read.whole:
        return
    paused = [at for at in every[-1].tail if stretch.words.name[at] == "PAUSE"]
    if paused:
        yield _interrupted(stretch, every[-1], {"PAUSE": paused}, None)


def _ending(
    stretch: Stretch, every: Sequence[Presented], n_trials: int
) -> Mapping[str, Any] | None:
    if not every:
        return None
    last = every[-1]
    heard = {stretch.words.name[at] for at in last.tail}
    if "STOP" in heard:
        return {"how": "stopped"}
    if last.read.whole and last.trial.number == n_trials and heard & {"BLOCK_END", "RUN_END"}:
        return {"how": "completed"}
    return {"how": "stopped"} if "RUN_END" in heard else None


# What cannot be told -----------------------------------------------------------------------------


def _unplaced(stretch: Stretch, every: Sequence[Presented]) -> Iterator[Unplaced]:
    """Presentations that may have been several trials, and numbered ones that may be none."""
    reads = {one.read.head: one for one in every}
    for n, head in enumerate(stretch.heads):
        one = reads.get(n)
        if one and not one.sure:
            places = tuple(sorted(trial.place for trial in one.possible))
            yield Unplaced(head.time_s, head.number, head.code, places)
        elif one is None and head.number is not None:
            yield Unplaced(head.time_s, head.number, head.code, ())


def _undecided(stretch: Stretch, every: Sequence[Presented], n_trials: int) -> Iterator[int]:
    """Presentations of which it is not known whether they were given up."""
    passed: list[Presented] = []  # of this pass through the block
    doubtful: list[Trial] = []
    for one, onward in zip(every, [*every[1:], None], strict=True):
        if not one.sure:
            doubtful += one.possible
            continue
        unheard = onward is None or onward.read.way is Way.UNHEARD or not onward.sure
        all_heard = one.read.whole and all(code.word is not None for code in one.codes)
        if unheard and not all_heard:
            yield one.number
        # Shown again where it is the first time that is known: its first time was not heard.
        if one.read.way is Way.UNHEARD and one.number > n_trials:
            doubtful.append(one.trial)
        if passed and _perhaps_given_up(passed[-1].trial, doubtful, one):
            yield from (each.number for each in passed)
        last = passed[-1].trial if passed else one.trial
        if one.trial.start != last.start or one.trial.number < last.number:
            passed = []
        passed, doubtful = [*passed, one], []
        if not (one.trial.last and one.read.whole) and _perhaps_begun_anew(stretch, one, onward):
            yield from (each.number for each in passed)
    if passed and _perhaps_given_up(passed[-1].trial, doubtful, None):
        yield from (each.number for each in passed)


def _perhaps_begun_anew(stretch: Stretch, one: Presented, onward: Presented | None) -> bool:
    """Whether its block may have been opened once more, and left before anything was shown."""
    if onward and onward.trial.start == one.trial.start:
        return False
    names = [stretch.words.name[at] for at in one.tail]
    held = [name for name in names if name in ("PAUSE", "RESUME", "REPEAT", "SKIP", "STOP")]
    another = {"STOP", "RUN_END", "RUN_START"} & set(names) if onward else set[str]()
    return bool(another) or ("PAUSE", "PAUSE") in pairwise(held)


def _perhaps_given_up(last: Trial, doubtful: Sequence[Trial], onward: Presented | None) -> bool:
    if onward and last.start <= onward.trial.number < last.number:
        return False  # it was
    shown = onward.trial.number if onward and onward.trial.start == last.start else last.number
    return any(last.start <= trial.number <= shown for trial in doubtful)
