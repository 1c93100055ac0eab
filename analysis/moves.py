"""Every step that a session can take from one trial to another, and what is heard of it.

The mirror image of the presenter: what the operator may command, what a protocol's rules do, and
the codes that tell of it on the lines.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from analysis.course import Trial
from analysis.heard import SWEEP

_NONE = frozenset[str]()
_HELD = frozenset({"PAUSE", "RESUME"})
_NEW_RUN = frozenset({SWEEP, "RUN_START", "SESSION", "BLOCK_START"})
_BEFORE_RUN = frozenset(
    {
        *("PAUSE", "RESUME", "REPEAT", "SKIP", "STOP", "RUN_END"),
        *("BLOCK_END", "PRACTICE_START", "PRACTICE_END"),
    }
)
ALWAYS = frozenset({"GAP", SWEEP, "NOTE"})  # the trigger box came back, somebody wrote a note
MARKS = _NEW_RUN | _BEFORE_RUN | ALWAYS


class Way(StrEnum):
    """How the task came to a presentation."""

    BEGIN = "begin"
    NEXT = "next"
    PASSED = "passed"  # the one before was cut short, and by the protocol's rule left so
    AGAIN = "again"
    BLOCK = "block again"
    SKIP = "skip"
    RUN = "another run"
    SILENT = "one between them was not heard to begin"
    UNHEARD = "what lies between was not heard"


@dataclass(frozen=True, slots=True)
class Move:
    """A step from one trial to another.

    Attributes
    ----------
    to : number of the trial
    marks, optional : codes between them that must be heard, and that may be
    whole : whether the trial before came to its end
    """

    to: int
    way: Way
    marks: frozenset[str]
    optional: frozenset[str]
    whole: bool

    @property
    def at_once(self) -> bool:
        """Whether a trial follows the one before as soon as that is over."""
        return self.way in (Way.NEXT, Way.SILENT) and not self.marks

    @property
    def explained(self) -> frozenset[str]:
        """All marks that it accounts for."""
        return self.marks | self.optional | ALWAYS


def moves(trials: Mapping[int, Trial], number: int, *, keeps: bool) -> Iterator[Move]:
    """Every step that can be taken after a trial.

    Parameters
    ----------
    keeps : whether a trial that was cut short is left so, and not shown again
    """
    trial = trials[number]
    if number + 1 in trials:
        yield from _onward(trials, trial, keeps=keeps)
    yield from _repeats(trials, trial, keeps=keeps)
    yield from _runs(trials, trial, keeps=keeps)


def _onward(trials: Mapping[int, Trial], trial: Trial, *, keeps: bool) -> Iterator[Move]:
    to, onward = trial.number + 1, trials[trial.number + 1]
    between = trial.closes | onward.opens if trial.last else _NONE
    # What was not understood shows after the practice; a round's REPEAT waits for a free slot.
    extra = _HELD | {"REPEAT"} if trial.last else _NONE
    if trial.practised and trial.number == trial.start:
        extra |= {"REPEAT"}
    yield Move(to, Way.NEXT, between, extra, whole=True)
    if keeps:
        yield Move(to, Way.PASSED, between | _HELD, _NONE, whole=False)
    elif onward.sounds and not trial.last:  # a pause asked for on the empty screen before a sound
        yield Move(to, Way.NEXT, _HELD, _NONE, whole=True)
    if not trial.last and not onward.last:
        yield Move(to + 1, Way.SILENT, _NONE, _NONE, whole=True)


def _repeats(trials: Mapping[int, Trial], trial: Trial, *, keeps: bool) -> Iterator[Move]:
    opens = trials[trial.start].opens
    if trial.last and trial.practised:
        yield Move(trial.start, Way.BLOCK, opens, _HELD | {"REPEAT"}, whole=True)
    if not keeps:
        yield Move(trial.number, Way.AGAIN, _HELD, _NONE, whole=False)
    yield Move(trial.start, Way.BLOCK, opens | {"PAUSE", "REPEAT"}, _NONE, whole=False)
    if later := _later_block(trials, trial):
        marks = trial.closes | later.opens | {"PAUSE", "SKIP"}
        yield Move(later.number, Way.SKIP, marks, _NONE, whole=False)


def _runs(trials: Mapping[int, Trial], trial: Trial, *, keeps: bool) -> Iterator[Move]:
    """Another run goes on at the trial that was cut short, at the next, or at a block's start."""
    later = _later_block(trials, trial) or trial
    after = {trial.number + 1} & set(trials)
    starts = {trial.start, later.start}
    for to in after | starts:  # first, for of two readings at one price the first is taken
        yield Move(to, Way.RUN, _NEW_RUN, _BEFORE_RUN, whole=True)
    for to in {trial.number} | starts | (after if keeps else set()):
        yield Move(to, Way.RUN, _NEW_RUN, _BEFORE_RUN, whole=False)


def _later_block(trials: Mapping[int, Trial], trial: Trial) -> Trial | None:
    number = trial.number
    while not trials[number].last:
        number += 1
    return trials.get(number + 1)
