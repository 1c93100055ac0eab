"""Flicker: more than 3 flashes a second can trigger a seizure."""

from collections.abc import Sequence

from task.plan import SOONEST_ANSWER_S, Block
from task.protocol import Faults, Safety
from task.screens import only_fixation

FLASHES_PER_S = 3.0


def flashes_per_s(blocks: Sequence[Block], refresh_hz: float) -> float:
    """Most picture or text onsets in any one second, half-open, if answers come at once."""
    onsets: list[int] = []
    now = 0
    for step in (s for b in blocks for t in b.trials for s in t.steps):
        if step.screen and not only_fixation(step.screen):
            onsets.append(now)
        now += step.frames if not step.answers else round(refresh_hz * SOONEST_ANSWER_S)
    first, most = 0, 0
    for last, frame in enumerate(onsets):
        while frame - onsets[first] >= refresh_hz - 1e-6:
            first += 1
        most = max(most, last - first + 1)
    return float(most)


def check_flashes(
    blocks: Sequence[Block],
    refresh_hz: float,
    safety: Safety | None,
    faults: Faults,
) -> None:
    """Find a plan that flickers more than is allowed."""
    most = flashes_per_s(blocks, refresh_hz)
    allowed = safety.flashes_per_s if safety else FLASHES_PER_S
    if most > allowed:
        task = "screening" if any(b.kind == "screening" for b in blocks) else "imagery"
        path = (task, "blank_s" if task == "screening" else "encode_blank_s")
        faults.append(
            (
                path,
                f"{most:g} flashes in one second, where {allowed:g} are allowed: flicker can"
                " trigger a seizure; make image and blank longer, or record who approves it"
                " under [safety] (flashes_per_s, approved_by, reason)",
            )
        )
