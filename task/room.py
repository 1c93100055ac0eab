"""How large a screen is for the eye, in degrees of visual angle."""

from math import pi, tan
from typing import NamedTuple

from task.rig import Display
from task.rigfile import Screen

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


def px_per_deg(width_px: int, width_cm: float, distance_cm: float) -> float:
    """Pixels of a degree of visual angle at the centre of a screen."""
    return distance_cm * tan(pi / 180) * width_px / width_cm
