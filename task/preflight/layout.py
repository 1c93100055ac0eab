"""Whether all that a plan shows has room on a screen, measured as it will be drawn."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from task.bitmaps import BANNER_DEG, Extent, extent, px_per_deg
from task.contract.errors import RigError
from task.plan import CountdownItem, PictureItem, Plan, TextItem, VisualItem
from task.rig import Display
from task.rigfile import Screen

_LONGEST_COUNTDOWN = "10:00"
_USUAL_PX = 1920  # what a screen is measured with that nobody has opened


class Room(NamedTuple):
    """A screen: degrees of visual angle, and pixels of each; no height where it is not known."""

    width_deg: float
    height_deg: float | None
    px_per_deg: float


def room_of(display: Display) -> Room | None:
    """The room on a display that is open; None where it has no size."""
    about = display.description
    size, scale = about.get("size_px"), about.get("px_per_deg")
    if not isinstance(size, list | tuple) or not isinstance(scale, float):
        return None
    return Room(size[0] / scale, size[1] / scale, scale)


def room_said(screen: Screen) -> Room:
    """The room on a screen as the rig file has it; how high a full screen is, nobody says."""
    width_px, height_px = (_USUAL_PX, None) if screen.full_screen else screen.window_px
    scale = px_per_deg(width_px, screen.width_cm, screen.distance_cm)
    return Room(width_px / scale, height_px / scale if height_px else None, scale)


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
    " rig file"
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
    pixel = 1 / room.px_per_deg
    wide = size.width * pixel + 2 * abs(item.x_deg)
    high = size.height * pixel + 2 * abs(item.y_deg)
    if wide > room.width_deg + pixel:
        return f"{what} needs a screen {wide:.1f} degrees wide; this one has {room.width_deg:.1f}"
    if room.height_deg and high > room.height_deg + pixel:
        return f"{what} needs a screen {high:.1f} degrees high; this one has {room.height_deg:.1f}"
    return ""
