"""Where bitmaps stand on a screen of whole pixels: in the window, and on pages that show the same.

Degrees have their origin in the middle of the screen, y upwards; pixels have theirs at the top
left, y downwards.
"""

from typing import NamedTuple

from task.rigfile import Screen
from task.room import room_said

_ABOVE_FOOT_DEG = 0.3  # what a banner leaves free below itself
_WIDE_SCREEN = 9 / 16


class Canvas(NamedTuple):
    """A screen in pixels, and how many of them are a degree."""

    width_px: int
    height_px: int
    px_per_deg: float


class Box(NamedTuple):
    """A rectangle of pixels; `bottom` is counted from the bottom of the screen."""

    left: int
    bottom: int
    width: int
    height: int


def canvas_said(screen: Screen) -> Canvas:
    """The screen of a rig file; how high a full screen is, nobody says: a wide one is taken."""
    room = room_said(screen)
    width_px = round(room.width_deg * room.px_per_deg)
    height_px = round((room.height_deg or room.width_deg * _WIDE_SCREEN) * room.px_per_deg)
    return Canvas(width_px, height_px, room.px_per_deg)


def box(canvas: Canvas, x_deg: float, y_deg: float, size: tuple[int, int]) -> Box:
    """Where a bitmap of this size stands, its centre at these degrees."""
    width, height = size
    left = round(canvas.width_px / 2 + x_deg * canvas.px_per_deg - width / 2)
    bottom = round(canvas.height_px / 2 + y_deg * canvas.px_per_deg - height / 2)
    return Box(left, bottom, width, height)


def has_room(canvas: Canvas, place: Box) -> bool:
    """Whether all of it is on the screen."""
    right = canvas.width_px - place.left - place.width
    top = canvas.height_px - place.bottom - place.height
    return min(place.left, place.bottom, right, top) >= 0


def banner_y_deg(canvas: Canvas, height_px: int) -> float:
    """Where the centre of a banner stands, at the foot of the screen."""
    return -((canvas.height_px / 2 - height_px) / canvas.px_per_deg - _ABOVE_FOOT_DEG)
