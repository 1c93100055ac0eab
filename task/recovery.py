"""Where an interrupted session goes on: read off its log, decided by nobody else.  Pure.

A session is resumed at the start of the block that was cut short, or at the trial.  Presentations
get new numbers; those of the block shown again are superseded.
"""

from collections.abc import Sequence
from datetime import datetime

from task.contract.errors import UserError
from task.contract.sessionlog import Event, SessionLog
from task.flow import START, Command, Position, next_position
from task.plan import Plan
from task.present import RUN_ENDED, Going


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
    position, passed = _reached(plan, log.events)
    if position is None:
        raise UserError("this session was shown to its end; there is nothing to resume")
    return Going(
        position=position if at_trial else Position(position.block, 0),
        cut=_cut(plan, log.events),
        used=frozenset(e.presentation for e in _begun(log.events) if e.presentation is not None),
        passed=passed if at_trial else (),
        superseded=() if at_trial else passed,
        clock_offset_s=_offset_s(log, now_s, now),
        resumed=True,
    )


def _cut(plan: Plan, events: Sequence[Event]) -> int | None:
    """The last presentation, if the end of the run cut it short."""
    begun = _begun(events)
    if not begun or _whole(plan, events, begun[-1]):
        return None
    after = events[events.index(begun[-1]) :]
    ended = any(event.name in ("BLOCK_END", "INTERRUPTED") for event in after)
    return None if ended else begun[-1].presentation


def _whole(plan: Plan, events: Sequence[Event], begun: Event) -> bool:
    """Whether a presentation came to its last step."""
    steps = plan.blocks[begun.detail["block"]].trials[begun.detail["trial"]].steps
    sent = {event.name for event in events if event.presentation == begun.presentation}
    return {step.code for step in steps} <= sent and "INTERRUPTED" not in sent


def _begun(events: Sequence[Event]) -> list[Event]:
    return [event for event in events if event.name == "PRESENTATION"]


def _reached(plan: Plan, events: Sequence[Event]) -> tuple[Position | None, tuple[int, ...]]:
    """The trial that comes next, and the presentations of the unfinished pass through its block.

    A pass may go through several runs: one that was resumed at a trial goes on with it.
    """
    position: Position | None = START
    block, passed = START.block, list[int]()
    for event in events:
        if event.name == "BLOCK" and event.detail["block"] != block:
            block, passed = event.detail["block"], []
            position = Position(block, 0)
        elif event.name == "PRESENTATION" and event.presentation is not None:
            position = Position(event.detail["block"], event.detail["trial"])
            passed.append(event.presentation)
        elif event.name == "SUPERSEDED":
            position, passed = Position(block, 0), []
        elif event.name in ("BLOCK_END", "SKIP"):
            position, passed = next_position(plan, Position(block, 0), Command.SKIP_BLOCK), []
    if position and passed and _done(plan, events):
        position = next_position(plan, position, Command.NEXT)
    if position is None or position.block != block:
        passed = []
    return position, tuple(passed)


def _done(plan: Plan, events: Sequence[Event]) -> bool:
    """Whether the last trial begun is not to be shown again."""
    last = _begun(events)[-1]
    cut = [e for e in events if e.name == "INTERRUPTED" and e.presentation == last.presentation]
    if not cut:
        return _whole(plan, events, last)
    return plan.interrupted == "keep" and all(e.detail["why"] != RUN_ENDED for e in cut)


def _offset_s(log: SessionLog, now_s: float, now: datetime) -> float:
    """What brings the rig's clock to the log's: by wall time, and never back before its end."""
    if not log.events:
        return 0.0
    first_s, last_s = log.events[0].time_s, max(event.time_s for event in log.events)
    passed_s = (now - datetime.fromisoformat(log.header.started)).total_seconds()
    return max(first_s + passed_s, last_s + 1.0) - now_s
