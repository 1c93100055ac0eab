"""Whether all that a plan shows has room on a screen, measured as it will be drawn."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from task.bitmaps import BANNER_DEG, Extent, extent
from task.contract.errors import RigError
from task.plan import CountdownItem, PictureItem, Plan, TextItem, VisualItem
from task.rigfile import Screen
from task.room import Room, room_said

_LONGEST_COUNTDOWN = "10:00"


def outside(plan: Plan, room: Room, files: Mapping[str, Path]) -> list[str]:
    """What has no room, one sentence each.

    Raises
    ------
    StimulusError
        If a picture cannot be read.
    """
    known: dict[VisualItem, Extent] = {}
    found: dict[str, None] = {}
    for item in _drawn(plan):
        there = replace(item, x_deg=0.0, y_deg=0.0)
        if there not in known:
            known[there] = extent(there, room.px_per_deg, files)
        if said := _said(item, known[there], room):
            found[said] = None
    return list(found)


def refuse_outside(plan: Plan, screen: Screen, files: Mapping[str, Path]) -> None:
    """Refuse a plan that has no room on the screen of a rig file.

    Raises
    ------
    RigError
        With all that has none.
    """
    if found := outside(plan, room_said(screen), files):
        raise RigError("\n".join(f"{what}; {WHAT_TO_DO}" for what in found))


WHAT_TO_DO = (
    "write fewer words, make it smaller under [look], or correct width_cm and distance_cm in the"
    " rig file (a session that is resumed needs a screen like the one it was planned for)"
)


def _drawn(plan: Plan) -> Iterator[VisualItem]:
    """Everything seen, countdowns at their widest."""
    for item in plan.items:
        if isinstance(item, CountdownItem):
            yield TextItem(_LONGEST_COUNTDOWN, item.height_deg, item.x_deg, item.y_deg)
        elif isinstance(item, VisualItem):
            yield item
    if plan.banner:
        yield TextItem(plan.banner, BANNER_DEG)


def _said(item: VisualItem, size: Extent, room: Room) -> str:
    """Empty where there is room; a pixel more or less is the screen's own rounding."""
    what = f"picture {item.picture}" if isinstance(item, PictureItem) else repr(item.text)
    if what == repr(_LONGEST_COUNTDOWN):
        what = "the countdown of a break"
    pixel = 1 / room.px_per_deg
    wide = size.width * pixel + 2 * abs(item.x_deg)
    high = size.height * pixel + 2 * abs(item.y_deg)
    if wide > room.width_deg + pixel:
        return f"{what} needs a screen {wide:.1f} degrees wide; this one has {room.width_deg:.1f}"
    if room.height_deg and high > room.height_deg + pixel:
        return f"{what} needs a screen {high:.1f} degrees high; this one has {room.height_deg:.1f}"
    return ""
