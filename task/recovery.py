"""Where an interrupted session goes on: read off its log, decided by nobody else.  Pure.

A session is resumed at the start of the block that was cut short, or at the trial.  Presentations
get new numbers; those of the block shown again are superseded.
"""

from collections.abc import Sequence
from datetime import datetime

from task.contract.errors import UserError
from task.contract.sessionlog import Event, SessionLog
from task.flow import Position
from task.plan import Plan
from task.present import Going


def going_on(plan: Plan, log: SessionLog, *, at_trial: bool, now_s: float, now: datetime) -> Going:
    """Where a session goes on.

    Parameters
    ----------
    at_trial : at the trial that was cut short, not at the start of its block
    now_s, now : the rig's clock and wall time, read together

    Raises
    ------
    UserError
        If it was shown to its end.
    """
    position, unfinished = _reached(plan, log.events)
    if position is None:
        raise UserError("this session was shown to its end; there is nothing to resume")
    if not at_trial:
        position = Position(position.block, 0)
    return Going(
        position=position,
        cut=_cut(plan, log.events),
        used=frozenset(e.presentation for e in _begun(log.events) if e.presentation is not None),
        superseded=() if at_trial else unfinished,
        clock_offset_s=_offset_s(log, now_s, now),
        resumed=True,
    )


def _cut(plan: Plan, events: Sequence[Event]) -> int | None:
    """The last presentation, if the end of the run cut it short."""
    begun = _begun(events)
    if not begun:
        return None
    number, detail = begun[-1].presentation, begun[-1].detail
    steps = plan.blocks[detail["block"]].trials[detail["trial"]].steps
    sent = {event.name for event in events if event.presentation == number}
    after = events[events.index(begun[-1]) :]
    ended = any(event.name in ("BLOCK_END", "INTERRUPTED") for event in after)
    return None if ended or {step.code for step in steps} <= sent else number


def _begun(events: Sequence[Event]) -> list[Event]:
    return [event for event in events if event.name == "PRESENTATION"]


def _reached(plan: Plan, events: Sequence[Event]) -> tuple[Position | None, tuple[int, ...]]:
    """The trial that comes next, and the presentations of the unfinished pass through its block."""
    position: Position | None = Position(0, 0)
    passed: list[int] = []
    for event in events:
        if event.name == "BLOCK":
            position, passed = Position(event.detail["block"], 0), []
        elif event.name == "PRESENTATION" and event.presentation is not None:
            position = Position(event.detail["block"], event.detail["trial"])
            passed.append(event.presentation)
        elif event.name == "BLOCK_END" and position:
            following = position.block + 1
            position = Position(following, 0) if following < len(plan.blocks) else None
            passed = []
    return position, tuple(passed)


def _offset_s(log: SessionLog, now_s: float, now: datetime) -> float:
    """What brings the rig's clock to the log's: by wall time, and never back before its end."""
    if not log.events:
        return 0.0
    first_s, last_s = log.events[0].time_s, max(event.time_s for event in log.events)
    passed_s = (now - datetime.fromisoformat(log.header.started)).total_seconds()
    return max(first_s + passed_s, last_s + 1.0) - now_s
