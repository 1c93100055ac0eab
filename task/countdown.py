"""Countdowns: a plan says that the seconds left are shown; a screen shows each number as words."""

from collections.abc import Iterable, Iterator

from task.plan import CountdownItem, Screen, Step, TextItem


def screens_of(steps: Iterable[Step], refresh_hz: float) -> Iterator[Screen]:
    """Every screen of steps, a countdown as each of its numbers."""
    for step in steps:
        yield at(step.screen, step.frames, refresh_hz)
        if any(isinstance(item, CountdownItem) for item in step.screen):
            for left in range(1, step.frames, int(refresh_hz)):
                yield at(step.screen, left, refresh_hz)


def at(screen: Screen, left_frames: int, refresh_hz: float) -> Screen:
    """A screen with so many frames left."""
    if not any(isinstance(item, CountdownItem) for item in screen):
        return screen
    seconds = -(-max(left_frames, 1) // int(refresh_hz))
    said = f"{seconds // 60}:{seconds % 60:02d}"
    return tuple(
        TextItem(said, item.height_deg, item.x_deg, item.y_deg)
        if isinstance(item, CountdownItem)
        else item
        for item in screen
    )
