"""When every screen of a plan comes: at the earliest, as a rule, and at the latest.

How long people take is known of nobody beforehand.  `USUAL` says what is assumed of a patient at a
bedside; the two bounds are the plan's own: answers at once, and no answer ever.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from task.contract.sessionlog import Kind
from task.plan import ANY_KEY, PRACTICE, CountdownItem, Plan, Step, TextItem, Trial

READING_S, A_WORD_S = 2.0, 0.4  # a page: 150 words a minute, and a moment to find the key
A_BREAK_S = 30.0
A_SEARCH_S = 10.0
AN_ANSWER_S = 3.0  # to a question or a rating
USUAL = (
    f"As a rule: {READING_S:g} s and {A_WORD_S:g} s a word to read a page, {A_BREAK_S:g} s of a"
    f" break, {A_SEARCH_S:g} s to search, {AN_ANSWER_S:g} s to answer; practice once."
)


class Times(NamedTuple):
    """A time or a duration, seconds: if all is answered at once, as a rule, and if nothing is."""

    least_s: float
    usual_s: float
    longest_s: float

    def after(self, other: "Times") -> "Times":
        """This much later than another."""
        return Times(*(a + b for a, b in zip(self, other, strict=True)))


@dataclass(frozen=True, slots=True)
class Moment:
    """A step in its place: its numbers from 0, when it begins, from the session's start, and how
    long it lasts."""

    block: int
    trial: int
    number: int
    step: Step
    begins: Times
    lasts: Times


@dataclass(frozen=True, slots=True)
class Span:
    """A block: when it begins and ends, from the session's start, with all of its moments."""

    block: int
    kind: str
    begins: Times
    ends: Times
    moments: tuple[Moment, ...]

    @property
    def lasts(self) -> Times:
        """How long it takes."""
        return Times(*(b - a for a, b in zip(self.begins, self.ends, strict=True)))


def schedule(plan: Plan) -> tuple[Span, ...]:
    """Every block with every step, in order."""
    return tuple(_spans(plan))


def lasts(plan: Plan) -> Times:
    """How long a session takes; the ends of `schedule`, and the closing of the run."""
    closing = _fixed(plan, plan.spacing_frames + plan.marker_frames(named=False))
    return closing.after(schedule(plan)[-1].ends if plan.blocks else _opening(plan))


def _spans(plan: Plan) -> Iterator[Span]:
    now = _opening(plan)
    for number, block in enumerate(plan.blocks):
        begins = now
        marks = plan.spacing_frames if block.kind == PRACTICE else 0
        now = now.after(_fixed(plan, plan.marker_frames(named=True) + marks))
        moments = []
        for place, trial in enumerate(block.trials):
            for n, step in enumerate(trial.steps):
                moment = Moment(number, place, n, step, now, _lasts(plan, trial, step))
                now = now.after(moment.lasts)
                moments.append(moment)
        now = now.after(_fixed(plan, plan.marker_frames(named=False) + marks))
        yield Span(number, block.kind, begins, now, tuple(moments))


def _opening(plan: Plan) -> Times:
    return _fixed(plan, plan.sweep_frames + plan.marker_frames(named=True))


def _fixed(plan: Plan, frames: int) -> Times:
    return Times(*(frames / plan.refresh_hz,) * 3)


def _lasts(plan: Plan, trial: Trial, step: Step) -> Times:
    longest_s = step.frames / plan.refresh_hz
    if not step.answers:
        return _fixed(plan, step.frames)
    # The code of a missing answer follows the last frame.
    return Times(
        0.0,
        min(_usual_s(trial, step), longest_s),
        longest_s + plan.spacing_frames / plan.refresh_hz,
    )


def _usual_s(trial: Trial, step: Step) -> float:
    if any(isinstance(item, CountdownItem) for item in step.screen):
        return A_BREAK_S
    if ANY_KEY in step.answers:
        words = sum(len(i.text.split()) for i in step.screen if isinstance(i, TextItem))
        return READING_S + A_WORD_S * words
    return A_SEARCH_S if trial.kind is Kind.SEARCH else AN_ANSWER_S
