"""The presentations of a reading: when each of their codes was sent, and what was answered.

A code that was heard has its recorded time.  One that was lost has the time that the plan's frames
give it, reckoned from what was heard before it or from the end of its presentation; if neither
tells, it has none and is left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from analysis.course import AGREEING_S, Moment, Trial, moments, trials_of
from analysis.heard import Head, Stretch, Words
from analysis.moves import MARKS, Way
from analysis.planned import Plan, trial_at
from analysis.retrace import Read
from task.contract.codes import MAX_PRESENTATION, announce_presentation

NO_ANSWER = "NO_ANSWER"
_DRAWN_OUT_S = 0.06  # by which late frames may part an answer from the code after it
_ANSWERS = {"no": "0", "yes": "1", **{n: n for n in "0123456789"}}
_ANY_KEY, _ANY_ANSWER = "any", "1"


class Sent(NamedTuple):
    """A code of a presentation; `word` is its position, None where it was not heard."""

    name: str
    value: int
    time_s: float
    word: int | None


class Answer(NamedTuple):
    """What was answered to a step: the answer, empty for none, and the word that says so."""

    step: int
    answer: str
    word: int


@dataclass(frozen=True, slots=True)
class Presented:
    """A presentation.

    Attributes
    ----------
    read : its reading
    trial : by this reading
    possible : this and every other trial that it may have been
    head : where it begins
    number : as heard, or as the presenter must have given it
    tail : positions of the codes up to the next one
    until_s : its end, where the next code shows it
    codes : of its steps and its number, in the order of time; none where its trial is in doubt or
        nothing of it was heard
    answers : those that were heard
    """

    read: Read
    trial: Trial
    possible: tuple[Trial, ...]
    head: Head
    number: int
    tail: tuple[int, ...]
    until_s: float | None
    codes: tuple[Sent, ...] = ()
    answers: tuple[Answer, ...] = ()

    @property
    def sure(self) -> bool:
        """Whether it can have been no other trial."""
        return not self.read.others

    @property
    def complete(self) -> bool:
        """Whether the time of its last step is known."""
        return any(code.name == self.trial.codes[-1] for code in self.codes)


def presented(plan: Plan, stretch: Stretch, reads: Sequence[Read]) -> list[Presented]:
    """Presentations in the order of time.

    Parameters
    ----------
    plan : as in `plan.json`
    stretch : what was heard of the session
    reads : its reading
    """
    trials, words = trials_of(plan), stretch.words
    reads = _in_time(trials, stretch, reads)
    found: list[Presented] = []
    for read, onward in zip(reads, [*reads[1:], None], strict=True):
        one = _one(trials, stretch, read, onward)
        found += _parted(trials, words, one) if onward and onward.way is Way.SILENT else [one]
    numbered = _numbered(found, trials)
    return [
        _with_codes(plan, stretch, one, before) if one.sure else one
        for before, one in zip([None, *numbered], numbered, strict=False)
    ]


def step_of(plan: Plan, trial: Trial, step: int) -> Mapping[str, Any]:
    """A step as the plan has it."""
    planned = trial_at(plan, trial.place)
    assert planned
    found: Mapping[str, Any] = planned["steps"][step]
    return found


# Which presentations -----------------------------------------------------------------------------


def _in_time(trials: Mapping[int, Trial], stretch: Stretch, reads: Sequence[Read]) -> list[Read]:
    """The same, but where what was not heard is one presentation that fits to the frame, that is
    what it was."""
    found = list(reads)
    for n, (read, onward) in enumerate(pairwise(reads)):
        trial, silent = trials[read.trial], trials.get(read.trial + 1)
        among = silent and silent.start == trial.start and not silent.last
        if onward.way is not Way.UNHEARD or not among or onward.trial != read.trial + 2:
            continue
        one = _one(trials, stretch, read, onward)
        over_s, its_s = _over_s(stretch.words, one), silent.fixed_s() if silent else None
        held = any(stretch.words.name[at] in MARKS for at in one.tail)
        if held or over_s is None or its_s is None:
            continue
        if abs(over_s + its_s - stretch.heads[onward.head].time_s) < AGREEING_S:
            found[n] = replace(found[n], cut=None)
            found[n + 1] = replace(onward, way=Way.SILENT, marks=frozenset())
    return found


def _one(
    trials: Mapping[int, Trial], stretch: Stretch, read: Read, onward: Read | None
) -> Presented:
    """A presentation up to the next one."""
    words, trial = stretch.words, trials[read.trial]
    stop = onward.head if onward else len(stretch.heads)
    tail = tuple(at for head in stretch.heads[read.head : stop] for at in head.tail)
    held = onward is None or "PAUSE" in onward.marks
    direct = onward is None or onward.way in (Way.NEXT, Way.SILENT)
    until_s = None
    if direct and not (held and any(words.name[at] == "PAUSE" for at in tail)):
        closes = [words.time_s[at] for at in tail if words.name[at] in trial.closes]
        if trial.last:
            until_s = closes[0] if closes else None
        elif onward:
            until_s = stretch.heads[onward.head].time_s
    others = (trials[number] for number in read.others if number is not None)
    return Presented(read, trial, (trial, *others), stretch.heads[read.head], 0, tail, until_s)


def _parted(trials: Mapping[int, Trial], words: Words, one: Presented) -> list[Presented]:
    """A presentation, and the one after it, whose own beginning was not heard."""
    trial = trials[one.trial.number + 1]
    its_s, over_s = trial.fixed_s(), _over_s(words, one)
    back_s = one.until_s - its_s if its_s is not None and one.until_s is not None else None
    onsets_s = [onset_s for onset_s in (over_s, back_s) if onset_s is not None]
    if not onsets_s or max(onsets_s) - min(onsets_s) > AGREEING_S:
        return [replace(one, until_s=None)]
    onset_s = onsets_s[0]
    early = tuple(at for at in one.tail if words.time_s[at] < onset_s - words.spacing_s / 2)
    read = Read(-1, trial.number, Way.NEXT, frozenset())
    tail = one.tail[len(early) :]
    head = Head(onset_s, "", None, (), tail)
    after = Presented(read, trial, (trial,), head, 0, tail, one.until_s)
    return [replace(one, tail=early, until_s=onset_s), after]


def _numbered(found: Sequence[Presented], trials: Mapping[int, Trial]) -> list[Presented]:
    """Every presentation with its number."""
    heard = [one.head.number for one in found]
    furthest = [0, *accumulate((one.trial.number for one in found), max)]
    between = _in_a_row(heard, len(trials))
    taken = {number for number in heard if number is not None}
    last, result = len(trials), []
    for n, one in enumerate(found):
        number = heard[n] or between.get(n)
        if number is None and one.trial.number > furthest[n]:
            number = one.trial.number
        elif number is None:
            number = last + 1 if last + 1 not in taken else max(taken) + 1
        taken.add(number)
        last = max(last, number)
        result.append(replace(one, number=number))
    return result


def _in_a_row(heard: Sequence[int | None], n_trials: int) -> Mapping[int, int]:
    """Lost numbers between two of presentations that were not the first of their trial, where as
    many are missing."""
    found: dict[int, int] = {}
    again = [(n, number) for n, number in enumerate(heard) if number and number > n_trials]
    for (a, first), (b, last) in pairwise(again):
        unknown = [n for n in range(a + 1, b) if heard[n] is None]
        if len(unknown) == last - first - 1:
            found.update(zip(unknown, range(first + 1, last), strict=True))
    return found


# Codes and answers -------------------------------------------------------------------------------


def _with_codes(
    plan: Plan, stretch: Stretch, one: Presented, before: Presented | None
) -> Presented:
    """A presentation with its codes and answers, if any was heard."""
    words = stretch.words
    found = _moments(words, one, one.until_s if one.read.whole else None)
    identity = list(_identity(plan, stretch, one))
    if one.read.cut is not None:  # what follows the last that was heard may never have been sent
        found = found[: one.read.cut + 1]
        while len(found) == 1 and identity and identity[-1].word is None:
            identity.pop()
    steps = _sent(plan, one, found)
    first = [] if before and _late_number(words, before, one) else steps[:1]
    codes = (*first, *identity, *steps[1:])
    if all(code.word is None for code in codes):
        return one
    return replace(one, codes=codes, answers=tuple(_answers(plan, words, one, found)))


def _sent(plan: Plan, one: Presented, found: Sequence[Moment]) -> list[Sent]:
    """Codes of the steps whose time is known; that of the first always is."""
    onset = one.head.words[0] if one.head.code else None
    words = [onset, *(None if m.word is None else one.tail[m.word] for m in found[1:])]
    return [
        Sent(name, plan["codes"][name], moment.time_s, word)
        for name, moment, word in zip(one.trial.codes, found, words, strict=False)
        if moment.time_s is not None
    ]


def _late_number(words: Words, before: Presented, one: Presented) -> bool:
    """Whether an onset that is reckoned back from its number was not when the trial before ended:
    then the display was held up between the two, and the onset is not known."""
    if one.head.code or one.read.head < 0:
        return False
    if one.read.way is not Way.NEXT or before.trial.last:
        return one.read.way is Way.UNHEARD
    over_s = _over_s(words, before)
    return over_s is not None and abs(over_s - one.head.time_s) > AGREEING_S


def _over_s(words: Words, one: Presented) -> float | None:
    """When a presentation was over, by its own codes."""
    last = _moments(words, one, None)[-1]
    known = last.time_s is not None and not one.trial.asks[-1]
    return (last.time_s or 0.0) + one.trial.lengths_s[-1] if known else None


def _moments(words: Words, one: Presented, until_s: float | None) -> list[Moment]:
    heard = [(words.time_s[at], words.name[at]) for at in one.tail]
    return moments(one.trial, one.head.time_s, heard, until_s)


def _identity(plan: Plan, stretch: Stretch, one: Presented) -> Iterator[Sent]:
    """The words that number a presentation."""
    if one.number >= MAX_PRESENTATION:
        return
    words = stretch.words
    payload = announce_presentation(stretch.session, one.number)[1:]
    heard = list(one.head.words[1:] if one.head.code else one.head.words)
    for n, value in enumerate((plan["codes"]["TRIAL"], *payload), start=1):
        mine = next((at for at in heard if words.value[at] == value & words.live), None)
        if mine is not None:
            heard = heard[heard.index(mine) + 1 :]
        time_s = one.head.time_s + n * words.spacing_s if mine is None else words.time_s[mine]
        yield Sent("TRIAL", value, time_s, mine)


def _answers(plan: Plan, words: Words, one: Presented, found: Sequence[Moment]) -> Iterator[Answer]:
    """What answered each step that asks.

    An answer is followed by the next step's code as soon as the lines allow: a word elsewhere, or
    one of two, is not believed.
    """
    given = [at for at in one.tail if words.name[at].startswith("ANSWER_")]
    given += [at for at in one.tail if words.name[at] == NO_ANSWER]
    for n, (moment, after) in enumerate(pairwise(found)):
        if not one.trial.asks[n] or moment.time_s is None or after.time_s is None:
            continue
        low_s = max(moment.time_s, after.time_s - words.spacing_s - _DRAWN_OUT_S)
        high_s = after.time_s - words.spacing_s / 2
        near = [at for at in given if low_s <= words.time_s[at] <= high_s]
        meant = _meant(step_of(plan, one.trial, n), words.name[near[0]]) if near else None
        if len(near) == 1 and meant is not None:
            yield Answer(n, meant, near[0])


def _meant(step: Mapping[str, Any], name: str) -> str | None:
    """The answer to a step that a code stands for; empty for none, None if it is not one of it."""
    if name == NO_ANSWER:
        return ""
    if _ANY_KEY in step["answers"]:
        return _ANY_KEY
    digit = name.removeprefix("ANSWER_")
    meant = [a for a in step["answers"] if _ANSWERS.get(a, _ANY_ANSWER) == digit]
    return meant[0] if len(meant) == 1 else None
