"""The events that a lost log held, from a reading of the recording.

Every code that was heard stands at its recorded time.  One that was not heard stands where the
plan's frames put it, marked `inferred`, if its presentation came to its end.  Words that no reading
explains are left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from analysis.course import Trial, moments, trials_of
from analysis.heard import SWEEP, Announced, Head, Words
from analysis.planned import Place, Plan
from analysis.retrace import MARKS, Read, Way
from task.contract.codes import MAX_PRESENTATION, announce_presentation, announce_session
from task.contract.sessionlog import Event

PAUSED, RUN_ENDED = "pause", "the run ended"  # why a presentation was cut short
UNKNOWN = "what was shown here is not known"
_DRAWN_OUT_S = 0.06  # by which late frames may part an answer from the code after it
_NAME_WORDS = 7  # a mark with the session's name is over within so many spacings
_ANSWERS = {"no": "0", "yes": "1", **{n: n for n in "0123456789"}}
_ANY_ANSWER = "1"
_CUT = (Way.AGAIN, Way.PASSED, Way.BLOCK, Way.SKIP, Way.RUN)
# What stands first among events of the same time.
_RUN, _SUPERSEDED, _BLOCK, _PRESENTATION, _ANSWER, _CODE, _INTERRUPTED, _LATER = range(8)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A session's part of a recording.

    Attributes
    ----------
    words : of the whole port
    session : its number
    own : positions of its words, ascending
    before : of these, codes before the first presentation
    heads : where presentations begin
    names : where the session was announced
    """

    words: Words
    session: int
    own: tuple[int, ...]
    before: tuple[int, ...]
    heads: tuple[Head, ...]
    names: tuple[Announced, ...]


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


@dataclass(frozen=True, slots=True)
class Relogged:
    """What a log would have held.

    Attributes
    ----------
    events : in the order of a log
    ending : its last line, None where the end was not heard
    read, inferred : numbers of the presentations whose own number was heard, and was not
    unplaced : presentations of which it is not known which trial they were
    undecided : numbers of presentations of which it is not known whether their block began anew
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


@dataclass(frozen=True, slots=True)
class _Scene:
    """What all of the following needs."""

    plan: Plan
    trials: Mapping[int, Trial]
    stretch: Stretch

    @property
    def words(self) -> Words:
        return self.stretch.words

    def marks(self, tail: Sequence[int], name: str) -> list[int]:
        """Where a code stands among these words."""
        return [at for at in tail if self.words.name[at] == name]


class _Leg(NamedTuple):
    """A presentation of the reading, and all that was heard from its beginning to the next."""

    read: Read
    trial: Trial
    head: Head
    number: int
    tail: tuple[int, ...]
    onward: Read | None
    until_s: float | None  # its end, where the next code shows it

    @property
    def sure(self) -> bool:
        return not self.read.others


class _Code(NamedTuple):
    """A code of a presentation; `word` is its position, None where it was not heard."""

    name: str
    value: int
    time_s: float
    word: int | None


class _Shown(NamedTuple):
    """A presentation whose trial is known; answers by the step that asked."""

    leg: _Leg
    codes: tuple[_Code, ...]
    answers: Mapping[int, int]


class _Entry(NamedTuple):
    """An event, and its place among those of the same time."""

    time_s: float
    rank: int
    event: Event


def relog(plan: Plan, stretch: Stretch, reads: Sequence[Read]) -> Relogged:
    """Make the events of a session.

    Parameters
    ----------
    plan : as in `plan.json`
    stretch : what was heard of it
    reads : its reading
    """
    scene = _Scene(plan, trials_of(plan), stretch)
    legs = _numbered(scene, [part for leg in _legs(scene, reads) for part in _parted(scene, leg)])
    shown = [found for leg in legs if leg.sure and (found := _shown(scene, leg))]
    doubtful = [leg for leg in legs if not leg.sure]
    entries = [entry for each in shown for entry in _told(scene, each)]
    entries += [entry for leg in doubtful for entry in _told_of_doubtful(scene, leg)]
    entries += _marks(scene, legs)
    entries += _commands(scene, legs)
    entries += _breaks(scene, legs, shown)
    entries.sort(key=lambda entry: entry[:2])
    events = tuple(entry.event for entry in entries)
    heard = sum(e.code is not None and not e.detail.get("inferred") for e in events)
    read = frozenset(each.leg.number for each in shown if each.leg.head.number is not None)
    whole = [each for each in shown if each.leg.read.whole]
    return Relogged(
        events=events,
        ending=_ending(scene, legs),
        read=read,
        inferred=frozenset(each.leg.number for each in shown) - read,
        unplaced=tuple(_unplaced(scene, doubtful, reads)),
        undecided=tuple(_undecided(scene, legs)),
        asked=sum(sum(each.leg.trial.asks) for each in whole),
        answered=sum(len(each.answers) for each in whole),
        unexplained=len(stretch.own) - heard,
    )


# From the reading to presentations ---------------------------------------------------------------


def _legs(scene: _Scene, reads: Sequence[Read]) -> Iterator[_Leg]:
    heads = scene.stretch.heads
    for n, read in enumerate(reads):
        onward = reads[n + 1] if n + 1 < len(reads) else None
        stop = onward.head if onward else len(heads)
        tail = tuple(at for head in heads[read.head : stop] for at in head.tail)
        trial = scene.trials[read.trial]
        until_s = heads[onward.head].time_s if onward and not trial.last else None
        if trial.last:
            closes = [at for at in tail if scene.words.name[at] in trial.closes]
            until_s = scene.words.time_s[closes[0]] if closes else None
        held = onward and "PAUSE" in onward.marks and scene.marks(tail, "PAUSE")
        if onward and (held or onward.way not in (Way.NEXT, Way.SILENT)):
            until_s = None
        yield _Leg(read, trial, heads[read.head], 0, tail, onward, until_s)


def _numbered(scene: _Scene, legs: Sequence[_Leg]) -> list[_Leg]:
    """Every presentation with its number: as heard, or as the presenter must have given it."""
    n_trials = len(scene.trials)
    heard = [leg.head.number for leg in legs]
    furthest = [0, *accumulate((leg.trial.number for leg in legs), max)]
    repeats = _in_a_row(heard, n_trials)
    taken = {number for number in heard if number is not None}
    last, found = n_trials, []
    for n, leg in enumerate(legs):
        number = heard[n] or repeats.get(n)
        if number is None and leg.trial.number > furthest[n]:
            number = leg.trial.number
        elif number is None:
            number = last + 1 if last + 1 not in taken else max(taken) + 1
        taken.add(number)
        last = max(last, number)
        found.append(leg._replace(number=number))
    return found


def _in_a_row(heard: Sequence[int | None], n_trials: int) -> Mapping[int, int]:
    """Numbers that were lost between two of presentations that were not the first of their trial,
    where as many are missing."""
    found: dict[int, int] = {}
    again = [n for n, number in enumerate(heard) if number is not None and number > n_trials]
    for a, b in pairwise(again):
        unknown = [n for n in range(a + 1, b) if heard[n] is None]
        first, last = heard[a] or 0, heard[b] or 0
        if len(unknown) == last - first - 1:
            found.update(zip(unknown, range(first + 1, last), strict=True))
    return found


def _parted(scene: _Scene, leg: _Leg) -> Iterator[_Leg]:
    """A leg; two where a presentation within it was not heard to begin."""
    if not (leg.onward and leg.onward.way is Way.SILENT):
        yield leg
        return
    trial, words = scene.trials[leg.trial.number + 1], scene.words
    heard = [(words.time_s[at], words.name[at]) for at in leg.tail]
    last = moments(leg.trial, leg.head.time_s, heard)[-1]
    onset_s, its_s = None, trial.fixed_s()
    if last.time_s is not None and not leg.trial.asks[-1]:
        onset_s = last.time_s + leg.trial.lengths_s[-1]
    elif its_s is not None and leg.until_s is not None:
        onset_s = leg.until_s - its_s
    if onset_s is None:
        yield leg._replace(until_s=None)
        return
    early = tuple(at for at in leg.tail if words.time_s[at] < onset_s - words.spacing_s / 2)
    read = Read(-1, trial.number, Way.NEXT, True, (), frozenset())
    head = Head(onset_s, "", None, (), leg.tail[len(early) :])
    yield leg._replace(tail=early, onward=read, until_s=onset_s)
    yield _Leg(read, trial, head, 0, head.tail, leg.onward, leg.until_s)


def _shown(scene: _Scene, leg: _Leg) -> _Shown | None:
    """A presentation with its codes and answers; None if nothing of it was heard."""
    steps = _steps(scene, leg)
    codes = [steps[0], *_identity(scene, leg), *(step for step in steps[1:] if step)]
    known = [code for code in codes if code]
    heard_s = [code.time_s for code in known if code.word is not None]
    if not heard_s:
        return None
    if not leg.read.whole:  # what follows the last that was heard may never have been sent
        known = [code for code in known if code.time_s <= max(heard_s)]
    return _Shown(leg, tuple(known), _answers(scene, leg, steps))


def _steps(scene: _Scene, leg: _Leg) -> list[_Code | None]:
    """Codes of the steps in order; None where a step's time cannot be told."""
    words, table = scene.words, scene.plan["codes"]
    heard = [(words.time_s[at], words.name[at]) for at in leg.tail]
    until_s = leg.until_s if leg.read.whole else None
    found = moments(leg.trial, leg.head.time_s, heard, until_s)
    onset = leg.head.words[0] if leg.head.code else None
    positions = [onset, *(None if m.word is None else leg.tail[m.word] for m in found[1:])]
    return [
        None if moment.time_s is None else _Code(name, table[name], moment.time_s, word)
        for name, moment, word in zip(leg.trial.codes, found, positions, strict=True)
    ]


def _identity(scene: _Scene, leg: _Leg) -> Iterator[_Code]:
    """The words that number a presentation."""
    if leg.number >= MAX_PRESENTATION:
        return
    words = scene.words
    payload = announce_presentation(scene.stretch.session, leg.number)[1:]
    sent = (scene.plan["codes"]["TRIAL"], *payload)
    heard = list(leg.head.words[1:] if leg.head.code else leg.head.words)
    for n, value in enumerate(sent, start=1):
        mine = next((at for at in heard if words.value[at] == value & words.live), None)
        if mine is not None:
            heard = heard[heard.index(mine) + 1 :]
        time_s = leg.head.time_s + n * words.spacing_s if mine is None else words.time_s[mine]
        yield _Code("TRIAL", value, time_s, mine)


def _answers(scene: _Scene, leg: _Leg, steps: Sequence[_Code | None]) -> Mapping[int, int]:
    """Which word answered each step that asks.

    An answer is followed by the next step's code as soon as the lines allow: a word elsewhere, or
    one of two, is not believed.
    """
    words, found = scene.words, {}
    for n, step in enumerate(steps[:-1]):
        after = steps[n + 1]
        if step is None or after is None or not leg.trial.asks[n]:
            continue
        near_s = words.spacing_s + _DRAWN_OUT_S
        near = [
            at
            for at in leg.tail
            if words.name[at].startswith("ANSWER_") or words.name[at] == "NO_ANSWER"
            if words.time_s[at] > step.time_s
            if 0.5 * words.spacing_s <= after.time_s - words.time_s[at] <= near_s
        ]
        if len(near) == 1 and _meant(scene, leg, n, near[0]) is not None:
            found[n] = near[0]
    return found


def _meant(scene: _Scene, leg: _Leg, step: int, word: int) -> str | None:
    """The answer of a step that a word stands for; empty for none, None if it is not one of it."""
    name = scene.words.name[word]
    if name == "NO_ANSWER":
        return ""
    possible = _step(scene, leg, step)["answers"]
    digit = name.removeprefix("ANSWER_")
    meant = [answer for answer in possible if _ANSWERS.get(answer, _ANY_ANSWER) == digit]
    if "any" in possible:
        return "any"
    return meant[0] if len(meant) == 1 else None


def _step(scene: _Scene, leg: _Leg, step: int) -> Mapping[str, Any]:
    block, trial = leg.trial.place
    found: Mapping[str, Any] = scene.plan["blocks"][block]["trials"][trial]["steps"][step]
    return found


# Events of presentations -------------------------------------------------------------------------


def _told(scene: _Scene, shown: _Shown) -> Iterator[_Entry]:
    leg, words = shown.leg, scene.words
    detail: dict[str, Any] = {"kind": leg.trial.kind, **leg.trial.place._asdict()}
    if leg.trial.item is not None:
        detail["item"] = leg.trial.item
    if leg.head.number is None:
        detail["inferred"] = True
    onset_s = shown.codes[0].time_s
    about = Event(onset_s, "PRESENTATION", None, leg.number, detail)
    yield _Entry(onset_s, _PRESENTATION, about)
    for code in shown.codes:
        known = {} if code.word is not None else {"inferred": True}
        event = Event(code.time_s, code.name, code.value, leg.number, known)
        yield _Entry(code.time_s, _CODE, event)
    asked_s = {code.name: code.time_s for code in shown.codes}
    for step, word in shown.answers.items():
        time_s, to = words.time_s[word], leg.trial.codes[step]
        answer = _answer(scene, leg, step, word, time_s - asked_s[to])
        yield _Entry(time_s, _ANSWER, Event(time_s, answer[0], None, leg.number, answer[1]))
        yield _Entry(time_s, _CODE, _heard(scene, word, leg.number))


def _answer(
    scene: _Scene, leg: _Leg, step: int, word: int, after_s: float
) -> tuple[str, dict[str, Any]]:
    """Name and detail of an answer's event."""
    said: dict[str, Any] = {"to": leg.trial.codes[step]}
    meant = _meant(scene, leg, step, word)
    if not meant:
        return "NO_ANSWER", said
    # The code of an answer follows the key by a frame or two: the press itself is lost.
    said |= {"answer": meant, "by": "unknown", "reaction_s": round(after_s, 6)}
    correct = _step(scene, leg, step).get("correct")
    return "ANSWER", said if correct is None else {**said, "correct": meant == correct}


def _told_of_doubtful(scene: _Scene, leg: _Leg) -> Iterator[_Entry]:
    """Codes of a presentation of which it is not known which trial it was."""
    number = leg.head.number
    steps = [at for at in leg.tail if scene.words.name[at].endswith(("_ON", "_OFF"))]
    for word in (*leg.head.words, *steps):
        yield _Entry(scene.words.time_s[word], _CODE, _heard(scene, word, number))


def _heard(scene: _Scene, word: int, number: int | None = None) -> Event:
    """A word that was heard, as the code that it was."""
    words = scene.words
    value = scene.plan["codes"].get(words.name[word], words.value[word])
    return Event(words.time_s[word], words.name[word] or "TRIAL", value, number)


# Events around presentations ---------------------------------------------------------------------


def _marks(scene: _Scene, legs: Sequence[_Leg]) -> Iterator[_Entry]:
    """Codes that belong to no presentation, as far as the reading explains them."""
    regions = [(scene.stretch.before, MARKS)]
    regions += [(leg.tail, leg.onward.marks if leg.onward else MARKS) for leg in legs]
    names = {name.at: name.words for name in scene.stretch.names}
    payload = announce_session(scene.stretch.session)[1:]
    for tail, explained in regions:
        for at in tail:
            if scene.words.name[at] in explained or scene.words.name[at] == "NOTE":
                yield _Entry(scene.words.time_s[at], _CODE, _heard(scene, at))
                for word, value in zip(names.get(at, ())[1:], payload, strict=False):
                    time_s = scene.words.time_s[word]
                    yield _Entry(time_s, _CODE, Event(time_s, "SESSION", value))
    for at in scene.stretch.own:
        if scene.words.name[at] == SWEEP:
            yield _Entry(scene.words.time_s[at], _CODE, _heard(scene, at))


def _commands(scene: _Scene, legs: Sequence[_Leg]) -> Iterator[_Entry]:
    """What the log knows and the lines do not say: runs, blocks, what was cut short or repeated."""
    own, passed = scene.stretch.own, list[int]()
    if own:
        first_s = scene.words.time_s[own[0]]
        yield _Entry(first_s, _RUN, Event(first_s, "RUN", detail={"rebuilt": True}))
    for before, leg in pairwise((None, *legs)):
        assert leg
        tail = before.tail if before else scene.stretch.before
        if before:
            yield from _between(scene, before, leg, passed)
        if _opens(before, leg):
            opened_s = _opened_s(scene, tail, leg)
            yield _Entry(
                opened_s, _BLOCK, Event(opened_s, "BLOCK", detail={"block": leg.trial.place.block})
            )
            if leg.trial.number == leg.trial.start or _restarts(before, leg):
                passed.clear()
        if before and before.trial.start != leg.trial.start:
            passed.clear()
        passed.append(leg.number)
    if legs and _paused_at_last(scene, legs[-1]):
        yield from _interrupted(scene, legs[-1], None)


def _between(scene: _Scene, before: _Leg, leg: _Leg, passed: Sequence[int]) -> Iterator[_Entry]:
    way, run_s = leg.read.way, _run_s(scene, before, leg)
    if run_s is not None:
        ends = [at for at in before.tail if scene.words.name[at] in ("STOP", "RUN_END")
                if scene.words.time_s[at] < run_s]  # fmt: skip
        for at in ends[-1:]:
            time_s = scene.words.time_s[at]
            yield _Entry(time_s, _LATER, Event(time_s, "ENDED", detail={"how": "stopped"}))
        place = leg.trial.place._asdict() if leg.sure else {}
        detail = {"resumed": place, "rebuilt": True}
        yield _Entry(run_s, _RUN, Event(run_s, "RUN", detail=detail))
    held = "PAUSE" in leg.read.marks and scene.marks(before.tail, "PAUSE")
    if before.sure and not before.read.whole and (held or way in _CUT or run_s is not None):
        yield from _interrupted(scene, before, run_s)
    if way is Way.SKIP and not scene.marks(before.tail, "SKIP"):
        time_s = _opened_s(scene, before.tail, leg)
        yield _Entry(time_s, _SUPERSEDED, Event(time_s, "SKIP", detail={"inferred": True}))
    if leg.sure and passed and _restarts(before, leg):
        starts = scene.marks(before.tail, "RUN_START") if run_s is not None else []
        time_s = scene.words.time_s[starts[-1]] if starts else _opened_s(scene, before.tail, leg)
        event = Event(time_s, "SUPERSEDED", detail={"presentations": list(passed)})
        yield _Entry(time_s, _LATER if starts else _SUPERSEDED, event)


def _interrupted(scene: _Scene, leg: _Leg, run_s: float | None) -> Iterator[_Entry]:
    """That a presentation was cut short: by a pause, or by the end of its run."""
    words, why = scene.words, PAUSED
    at = scene.marks(leg.tail, "PAUSE")[:1]
    if not at and run_s is not None:
        at, why = scene.marks(leg.tail, "RUN_START")[-1:], RUN_ENDED
    heard = [*leg.head.words, *(a for a in leg.tail if words.name[a] in leg.trial.codes)]
    time_s = words.time_s[at[0] if at else heard[-1]]
    event = Event(time_s, "INTERRUPTED", None, leg.number, {"why": why})
    yield _Entry(time_s, _INTERRUPTED, event)


def _breaks(
    scene: _Scene, legs: Sequence[_Leg], shown: Sequence[_Shown]
) -> Iterator[_Entry]:
    """Where it is not known what the patient saw last: nothing may be reckoned across these."""
    known = {(each.leg.number, each.leg.head.time_s): each for each in shown}
    last = {each.head for each in (leg.read for leg in legs)}
    for before, leg in pairwise(legs):
        each = known.get((before.number, before.head.time_s))
        complete = each is not None and each.codes[-1].name == before.trial.codes[-1]
        between = set(range(before.read.head + 1, leg.read.head)) - last
        stray = any(scene.stretch.heads[n].number is not None for n in between)
        event = Event(leg.head.time_s, "INTERRUPTED", detail={"why": UNKNOWN})
        skips = leg.read.way is Way.SILENT and leg.trial.number != before.trial.number + 1
        if skips or leg.read.way is Way.UNHEARD or each is None or stray:
            yield _Entry(event.time_s, _SUPERSEDED, event)
        elif not complete:
            own = [at for at in before.tail if scene.words.name[at] in before.trial.codes]
            time_s = max([scene.words.time_s[at] for at in own], default=before.head.time_s)
            yield _Entry(time_s, _INTERRUPTED, replace(event, time_s=time_s))


def _opens(before: _Leg | None, leg: _Leg) -> bool:
    """Whether a block was opened for a presentation."""
    if before is None or leg.read.way in (Way.BLOCK, Way.SKIP, Way.RUN):
        return True
    return before.trial.start != leg.trial.start or _restarts(before, leg)


def _restarts(before: _Leg | None, leg: _Leg) -> bool:
    """Whether its block was begun anew."""
    if before is None or before.trial.start != leg.trial.start:
        return False
    at_start = leg.trial.number == leg.trial.start and leg.read.way is Way.RUN
    return leg.read.way is Way.BLOCK or at_start or leg.trial.number < before.trial.number


def _opened_s(scene: _Scene, tail: Sequence[int], leg: _Leg) -> float:
    """When its block was opened: at the session's name before BLOCK_START."""
    starts = scene.marks(tail, "BLOCK_START")
    if not starts:
        return leg.head.time_s
    start_s = scene.words.time_s[starts[-1]]
    names = [scene.words.time_s[at] for at in scene.marks(tail, "SESSION")]
    near = [s for s in names if 0 < start_s - s < _NAME_WORDS * scene.words.spacing_s]
    return min(near, default=start_s)


def _run_s(scene: _Scene, before: _Leg, leg: _Leg) -> float | None:
    """When another run began between two presentations: with its sweep, or its session's name."""
    starts = scene.marks(before.tail, "RUN_START")
    if leg.read.way is not Way.RUN and not (leg.read.way is Way.UNHEARD and starts):
        return None
    words, onset_s = scene.words, leg.head.time_s
    last_s = max([words.time_s[at] for at in before.tail
                  if words.name[at] in ("STOP", "RUN_END", *before.trial.codes)],
                 default=before.head.time_s)  # fmt: skip
    opening = [
        words.time_s[at]
        for at in scene.stretch.own
        if words.name[at] in (SWEEP, "SESSION", "RUN_START")
        if last_s < words.time_s[at] < onset_s
    ]
    return min(opening, default=onset_s)


def _paused_at_last(scene: _Scene, leg: _Leg) -> bool:
    """Whether the session ended in a pause that had cut its last presentation short."""
    return leg.sure and not leg.read.whole and bool(scene.marks(leg.tail, "PAUSE"))


def _ending(scene: _Scene, legs: Sequence[_Leg]) -> Mapping[str, Any] | None:
    if not legs:
        return None
    last = legs[-1]
    if scene.marks(last.tail, "STOP"):
        return {"how": "stopped"}
    over = scene.marks(last.tail, "BLOCK_END") or scene.marks(last.tail, "RUN_END")
    if over and last.read.whole and last.trial.number == len(scene.trials):
        return {"how": "completed"}
    return {"how": "stopped"} if scene.marks(last.tail, "RUN_END") else None


# What cannot be told -----------------------------------------------------------------------------


def _unplaced(scene: _Scene, doubtful: Sequence[_Leg], reads: Sequence[Read]) -> Iterator[Unplaced]:
    """Presentations that may have been several trials, and numbered ones that may be none."""
    known = {leg.read.head: leg.read for leg in doubtful}
    read = {each.head for each in reads}
    for n, head in enumerate(scene.stretch.heads):
        if n in known:
            numbers = {known[n].trial, *(other for other in known[n].others if other is not None)}
            places = tuple(scene.trials[number].place for number in sorted(numbers))
            yield Unplaced(head.time_s, head.number, head.code, places)
        elif n not in read and head.number is not None:
            yield Unplaced(head.time_s, head.number, head.code, ())


def _undecided(scene: _Scene, legs: Sequence[_Leg]) -> Iterator[int]:
    """Presentations of a pass of which it is not known whether another took its place."""
    passed: list[_Leg] = []
    for before, leg in pairwise((None, *legs)):
        assert leg
        if before and before.trial.start != leg.trial.start:
            passed = []
        if not leg.sure and before:
            again = {leg.trial.start} & {leg.trial.number, *leg.read.others}
            yield from (each.number for each in passed if again)
        passed.append(leg)
