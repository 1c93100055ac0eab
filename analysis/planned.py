"""A session log held against its plan: what became of every presentation, and what is missing.

The log is never trusted to follow the plan, nor the plan to be what was shown: kind, item, place,
codes and order of every presentation are compared.  What the operator did (skip, repeat, stop) and
what broke (a kill, a cable) explains departures; what nothing explains is a fault, said in words.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from task.contract.codes import MAX_PRESENTATION, RUN_TIME, announce_presentation
from task.contract.sessionlog import Event

Plan = Mapping[str, Any]
RUN_TIME_NAMES = frozenset(code.name for code in RUN_TIME)
# Between two presentations these explain that the second does not follow the first in the plan.
_DETOURS = {"INTERRUPTED", "PAUSE", "REPEAT", "RUN", "SKIP", "STOP", "SUPERSEDED"}
_KEPT = "keep"  # by the protocol's rule a trial cut short is not shown again


class Place(NamedTuple):
    """A trial of a plan: its block, and its place in the block, from 0; people count from 1."""

    block: int
    trial: int

    def __str__(self) -> str:
        return f"block {self.block + 1} trial {self.trial + 1}"


class State(StrEnum):
    """What became of a presentation."""

    WHOLE = "whole"
    INTERRUPTED = "interrupted"  # the log says so
    CUT = "cut"  # the log ends in it
    SUPERSEDED = "superseded"  # its block was shown again, and that counts
    WRONG = "wrong"  # not as planned


@dataclass(frozen=True, slots=True)
class Presentation:
    """One presentation; `why` says what is wrong with it, if anything is."""

    number: int
    place: Place
    kind: str
    state: State
    why: str = ""


@dataclass(frozen=True, slots=True)
class Followed:
    """A log beside its plan.

    Attributes
    ----------
    presentations : in the order of the log
    faults : what neither plan nor operator explains
    missing : trials that should have been shown and have no presentation that counts
    skipped, not_reached, kept : trials without one for a known reason (`kept`: cut short, and by
        the protocol's rule not shown again)
    doubled : trials with more than one that counts, practice aside
    """

    presentations: tuple[Presentation, ...]
    faults: tuple[str, ...]
    missing: tuple[Place, ...]
    skipped: tuple[Place, ...]
    not_reached: tuple[Place, ...]
    kept: tuple[Place, ...]
    doubled: tuple[Place, ...]

    def of(self, state: State) -> list[Presentation]:
        """Presentations of one state."""
        return [p for p in self.presentations if p.state is state]


def follow(plan: Plan, session: int, events: Sequence[Event], *, completed: bool) -> Followed:
    """Hold a log against its plan.

    Parameters
    ----------
    plan : as in `plan.json`
    session : the session's number, by which its presentations are announced
    events : of the whole log
    completed : whether the session came to its end
    """
    shown = tuple(_presentations(plan, session, events))
    faults = [f"presentation {p.number} ({p.place}): {p.why}" for p in shown if p.why]
    numbers = Counter(p.number for p in shown)
    faults += [f"presentation number {n} was given {c} times" for n, c in numbers.items() if c > 1]
    faults += _disorder(plan, events)
    counted = Counter(p.place for p in shown if p.state is State.WHOLE)
    absent = _absent(plan, events, shown, set(counted), completed=completed)
    missing, skipped, not_reached, kept = map(tuple, absent)
    doubled = [
        place
        for place, count in counted.items()
        if count > 1 and not _practised(plan["blocks"][place.block])
    ]
    return Followed(shown, tuple(faults), missing, skipped, not_reached, kept, tuple(doubled))


def trial_at(plan: Plan, place: Place) -> Mapping[str, Any] | None:
    """The trial of a place, if the plan has it."""
    if not (0 <= place.block < len(plan["blocks"]) and place.trial >= 0):
        return None
    trials = plan["blocks"][place.block]["trials"]
    return trials[place.trial] if place.trial < len(trials) else None


def place_of(event: Event) -> Place:
    """The place that a PRESENTATION names; one that no plan has where it names none."""
    block, trial = event.detail.get("block"), event.detail.get("trial")
    return Place(block, trial) if type(block) is type(trial) is int else Place(-1, -1)


# Every presentation ------------------------------------------------------------------------------


def _presentations(plan: Plan, session: int, events: Sequence[Event]) -> Iterator[Presentation]:
    interrupted = {e.presentation for e in events if e.name == "INTERRUPTED"}
    superseded = {
        n for e in events if e.name == "SUPERSEDED" for n in e.detail.get("presentations", ())
    }
    codes: dict[int, list[tuple[str, int]]] = {}
    for event in events:
        if event.code and event.presentation is not None and event.name not in RUN_TIME_NAMES:
            codes.setdefault(event.presentation, []).append((event.name, event.code))
    last_of_run, taken_up = _last_of_runs(events), _taken_up(events)
    for event in events:
        number = event.presentation
        if event.name != "PRESENTATION" or number is None:
            continue
        place, kind = place_of(event), str(event.detail.get("kind"))
        trial = trial_at(plan, place)
        why = _departure(plan, trial, event) if trial else "the plan has no such trial"
        planned = planned_codes(plan, trial, session, number) if trial else []
        sent = codes.get(number, [])
        broken = number in interrupted or number in last_of_run
        if not why and sent != planned and not (broken and sent == planned[: len(sent)]):
            why = _other_codes(planned, sent)
        state = State.WHOLE
        if why:
            state = State.WRONG
        elif number in superseded:
            state = State.SUPERSEDED
        elif number in interrupted:
            state = State.INTERRUPTED
        elif sent != planned or number in taken_up:
            state = State.CUT
        yield Presentation(number, place, kind, state, why)


def _last_of_runs(events: Sequence[Event]) -> set[int]:
    """The last presentation of every run: a kill may have cut it short."""
    last: dict[int, int] = {}
    run = 0
    for event in events:
        run += event.name == "RUN"
        if event.name == "PRESENTATION" and event.presentation is not None:
            last[run] = event.presentation
    return set(last.values())


def _taken_up(events: Sequence[Event]) -> set[int]:
    """Presentations at whose trial the next run went on: their last step was cut short."""
    found, last = set(), Event(0.0, "")
    for event in events:
        resumed = event.detail.get("resumed") if event.name == "RUN" else None
        there = (resumed.get("block"), resumed.get("trial")) if isinstance(resumed, dict) else None
        if place_of(last) == there and last.presentation is not None:
            found.add(last.presentation)
        if event.name == "PRESENTATION":
            last = event
    return found


def _departure(plan: Plan, trial: Mapping[str, Any], event: Event) -> str:
    for key in ("kind", "item"):
        planned, shown = trial.get(key), event.detail.get(key)
        if planned != shown:
            return f"its {key} is {shown!r}, planned was {planned!r}"
    # The first presentation of a trial has the trial's place in the plan for its number.
    first = number_of(plan, place_of(event))
    if event.presentation != first and (event.presentation or 0) <= trials_in(plan):
        return f"its number is that of another trial; the first of this one is {first}"
    return ""


def number_of(plan: Plan, place: Place) -> int:
    """Number of a trial's first presentation."""
    return sum(len(b["trials"]) for b in plan["blocks"][: place.block]) + place.trial + 1


def trials_in(plan: Plan) -> int:
    """Number of trials."""
    return sum(len(block["trials"]) for block in plan["blocks"])


def planned_codes(
    plan: Plan, trial: Mapping[str, Any], session: int, number: int
) -> list[tuple[str, int]]:
    """Names and values that a presentation puts on the lines, answers aside."""
    table = plan["codes"]
    steps = [(step["code"], table[step["code"]]) for step in trial["steps"]]
    if not plan["announced"] or not 0 <= number < MAX_PRESENTATION:
        return steps
    identity = [("TRIAL", value) for value in announce_presentation(session, number)]
    return [steps[0], ("TRIAL", table["TRIAL"]), *identity[1:], *steps[1:]]


def _other_codes(planned: Sequence[tuple[str, int]], sent: Sequence[tuple[str, int]]) -> str:
    pairs = [*planned, ("nothing", 0)], [*sent, ("nothing", 0)]
    first = next((p, s) for p, s in zip(*pairs, strict=False) if p != s)
    (wanted, value), (found, other) = first
    return f"its code {found} {other} stands where {wanted} {value} was planned"


# The order, and what is missing ------------------------------------------------------------------


def _disorder(plan: Plan, events: Sequence[Event]) -> Iterator[str]:
    before: Place | None = None
    explained = False
    for event in events:
        explained = explained or event.name in _DETOURS
        if event.name == "RUN" and before is None:  # it begins at the beginning, or says where
            explained = bool(event.detail.get("resumed"))
        if event.name != "PRESENTATION":
            continue
        place = place_of(event)
        if not explained and place not in _followers(plan, before):
            after = f"follows {before}" if before else "comes first"
            yield f"presentation {event.presentation}: {place} {after}, and nothing says why"
        before, explained = place, False


def _followers(plan: Plan, before: Place | None) -> set[Place]:
    if before is None:
        return {Place(0, 0)}
    onward = {Place(before.block, before.trial + 1)}
    if trial_at(plan, next(iter(onward))) is None:
        onward = {Place(before.block + 1, 0)}
        if 0 <= before.block < len(plan["blocks"]) and _practised(plan["blocks"][before.block]):
            onward.add(Place(before.block, 0))
    return onward


def _practised(block: Mapping[str, Any]) -> bool:
    """Whether a block may be shown again until it is answered rightly."""
    return bool(block["kind"] == "practice" or block.get("rounds", 1) > 1)


def _absent(
    plan: Plan,
    events: Sequence[Event],
    shown: Sequence[Presentation],
    counted: set[Place],
    *,
    completed: bool,
) -> tuple[list[Place], list[Place], list[Place], list[Place]]:
    """Trials that have no presentation that counts: missing, skipped, not reached, kept."""
    skipped_blocks = _skipped_blocks(events)
    furthest = max((p.place for p in shown), default=Place(-1, -1))
    cut = {p.place for p in shown if p.state in (State.CUT, State.INTERRUPTED, State.SUPERSEDED)}
    keeps = plan.get("interrupted") == _KEPT
    interrupted = {p.place for p in shown if p.state is State.INTERRUPTED} if keeps else set()
    missing, skipped, not_reached, kept = [], [], [], []
    for b, block in enumerate(plan["blocks"]):
        for place in (Place(b, t) for t in range(len(block["trials"]))):
            if place in counted:
                continue
            if b in skipped_blocks:
                skipped.append(place)
            elif place in interrupted:
                kept.append(place)
            elif not completed and (place > furthest or place in cut):
                not_reached.append(place)
            else:
                missing.append(place)
    return missing, skipped, not_reached, kept


def _skipped_blocks(events: Sequence[Event]) -> set[int]:
    """Blocks that the operator skipped: as SKIP says, or the one under way."""
    found, block = set(), 0
    for event in events:
        named = event.detail.get("block")
        if event.name in ("BLOCK", "PRESENTATION") and isinstance(named, int):
            block = named
        if event.name == "SKIP":
            found.add(named if isinstance(named, int) else block)
    return found
