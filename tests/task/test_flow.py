"""What comes next, for every command at every place of a plan."""

import pytest

from task.contract.sessionlog import Kind
from task.flow import START, Command, Position, next_position
from task.plan import Block, Plan, Trial

TRIAL = Trial(Kind.VIEW, ())
PLAN = Plan("x", 60.0, 0, 2, {}, "pets", (Block("a", (TRIAL,) * 3), Block("b", (TRIAL,))), ())


def test_a_session_goes_through_every_trial_once_and_ends() -> None:
    position: Position | None = START
    seen = []
    while position:
        seen.append(position)
        position = next_position(PLAN, position, Command.NEXT)
    assert seen == [(0, 0), (0, 1), (0, 2), (1, 0)]


@pytest.mark.parametrize(
    ("command", "at", "expected"),
    [
        (Command.REPEAT_TRIAL, (0, 1), (0, 1)),
        (Command.REPEAT_BLOCK, (0, 2), (0, 0)),
        (Command.REPEAT_BLOCK, (1, 0), (1, 0)),
        (Command.SKIP_BLOCK, (0, 0), (1, 0)),
        (Command.SKIP_BLOCK, (1, 0), None),
        (Command.STOP, (0, 0), None),
    ],
)
def test_a_command_leads_where_it_says(
    command: Command, at: tuple[int, int], expected: tuple[int, int] | None
) -> None:
    assert next_position(PLAN, Position(*at), command) == expected
