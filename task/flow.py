"""What comes next: the order of a session at run time, as one pure function.

The plan says what there is; the operator may pause, skip, repeat or stop.  Whoever knows the plan
and the commands (the log has them, and so has the recording) knows what was shown.
"""

from enum import StrEnum
from typing import NamedTuple

from task.plan import Plan


class Position(NamedTuple):
    """A trial of a plan: its block, and its place in the block, from 0."""

    block: int
    trial: int


class Command(StrEnum):
    """What decides where to go from a trial."""

    NEXT = "next"
    REPEAT_TRIAL = "repeat trial"
    REPEAT_BLOCK = "repeat block"
    SKIP_BLOCK = "skip block"
    STOP = "stop"


START = Position(0, 0)


def next_position(plan: Plan, position: Position, command: Command) -> Position | None:
    """The trial that follows, or None where the session ends."""
    block, trial = position
    if command is Command.STOP:
        return None
    if command is Command.REPEAT_TRIAL:
        return position
    if command is Command.REPEAT_BLOCK:
        return Position(block, 0)
    if command is Command.NEXT and trial + 1 < len(plan.blocks[block].trials):
        return Position(block, trial + 1)
    return Position(block + 1, 0) if block + 1 < len(plan.blocks) else None
