"""Which screens there are, which is the primary one, and whether two show the same."""

import ctypes
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from task.preflight.facts import Screens
from task.rigs.system import ROOT, run, text_of

Box = tuple[int, int, int, int]  # left, top, width, height of a screen, pixels


def screens(display: Mapping[str, object]) -> Screens:
    """How the rig's screen stands among the others.

    Parameters
    ----------
    display : its description: `screen_px` and `screens_px` are the rectangles of screens
    """
    mine, all_px = display.get("screen_px"), display.get("screens_px")
    if not isinstance(mine, Sequence) or not isinstance(all_px, Sequence):
        return Screens()
    outputs = None
    if sys.platform == "darwin":
        mirrored, primary_at = _mirrored_macos(), (0, 0)
    elif sys.platform == "win32":
        mirrored, primary_at = _mirrored_windows(), (0, 0)
    else:
        if not os.environ.get("WAYLAND_DISPLAY"):
            outputs = xrandr_outputs(run(("xrandr", "--query")))
        mirrored = overlapping(outputs) if outputs else more_outputs(len(all_px))
        primary_at = primary_of(outputs)
    if len(all_px) == 1:
        return Screens(True, mirrored)
    return Screens(None if primary_at is None else tuple(mine[:2]) == primary_at, mirrored)


def xrandr_outputs(said: str | None) -> list[tuple[Box, bool]] | None:
    """Place of every output that shows something, and whether it is the primary one."""
    if said is None:
        return None
    found = []
    for line in said.splitlines():
        name, _, rest = line.partition(" connected ")
        words = rest.split()
        primary = words[:1] == ["primary"]
        place = words[primary] if len(words) > primary else ""
        numbers = place.replace("x", "+").split("+")
        if name and len(numbers) == 4 and all(n.isdigit() for n in numbers):
            width, height, left, top = map(int, numbers)
            found.append(((left, top, width, height), primary))
    return found


def overlapping(outputs: Sequence[tuple[Box, bool]]) -> bool:
    """Whether two outputs show some of the same."""
    boxes = [box for box, _ in outputs]
    return any(
        a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]
        for n, a in enumerate(boxes)
        for b in boxes[:n]
    )


def primary_of(outputs: Sequence[tuple[Box, bool]] | None) -> tuple[int, int] | None:
    """Where the primary output lies, if one is."""
    return next((box[:2] for box, primary in outputs or () if primary), None)


def more_outputs(screens: int, root: Path = ROOT) -> bool | None:
    """Whether more sockets carry a picture than there are pictures; None where none is known."""
    states = root.glob("sys/class/drm/card*-*/enabled")
    carrying = sum(text_of(state) == "enabled" for state in states)
    return carrying > screens if carrying else None


def _mirrored_macos() -> bool | None:
    """Quartz Display Services: CGDisplayIsInMirrorSet of every screen that is on."""
    if sys.platform != "darwin":
        return None
    quartz = ctypes.CDLL("/System/Library/Frameworks/CoreGraphics.framework/CoreGraphics")
    ids, count = (ctypes.c_uint32 * 16)(), ctypes.c_uint32()
    if quartz.CGGetOnlineDisplayList(16, ids, ctypes.byref(count)):
        return None
    return any(quartz.CGDisplayIsInMirrorSet(ids[n]) for n in range(count.value))


def _mirrored_windows() -> bool | None:
    """QueryDisplayConfig: two active paths from one source are the same picture twice."""
    if sys.platform != "win32":
        return None
    active, path_size, mode_size = 2, 72, 64
    user32 = ctypes.windll.user32
    paths, modes = ctypes.c_uint32(), ctypes.c_uint32()
    if user32.GetDisplayConfigBufferSizes(active, ctypes.byref(paths), ctypes.byref(modes)):
        return None
    held = ctypes.create_string_buffer(path_size * paths.value)
    rest = ctypes.create_string_buffer(mode_size * modes.value)
    if user32.QueryDisplayConfig(
        active, ctypes.byref(paths), held, ctypes.byref(modes), rest, None
    ):
        return None
    # A path begins with its source: the adapter (8 bytes) and the number of the source (4).
    sources = [held.raw[n * path_size :][:12] for n in range(paths.value)]
    return len(set(sources)) < len(sources)
