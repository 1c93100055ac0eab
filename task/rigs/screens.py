"""What a machine says of its screens, its graphics and what stands between them.

Nothing here decides; it is found once, when the window opens, for the log and for the preflight.
"""

import os
import sys
from ctypes import c_uint
from typing import Any


def graphics() -> dict[str, object]:
    """Who draws, and with which OpenGL."""
    from pyglet import gl

    return {
        "renderer": str(gl.gl_info.get_renderer()),
        "gl_vendor": str(gl.gl_info.get_vendor()),
        "gl_version": str(gl.gl_info.get_version()),
    }


def arrangement(handle: Any) -> dict[str, object]:
    """The window among the screens.

    Parameters
    ----------
    handle : pyglet's window
    """
    screens = [[s.x, s.y, s.width, s.height] for s in handle.display.get_screens()]
    mine = [handle.screen.x, handle.screen.y, handle.screen.width, handle.screen.height]
    return {
        "screens_px": screens,  # left, top, width and height of each, in the order of their numbers
        "screen_px": mine,
        "mirrored": screens.count(mine) > 1,
        "covers_screen": [*handle.get_location(), *handle.get_size()] == mine,
        "vsync": _vsync(handle),
        "compositor": _compositor(handle),
    }


def _vsync(handle: Any) -> str:
    """What became of the wish that swaps wait for the vertical blank."""
    if not sys.platform.startswith("linux"):
        return "asked for"
    if not handle.context._have_EXT_swap_control:
        return "asked for; the driver has no swap control"
    from pyglet.gl import glx, glxext_arb

    interval = c_uint()
    drawable = glx.glXGetCurrentDrawable()
    glx.glXQueryDrawable(
        handle.context.x_display, drawable, glxext_arb.GLX_SWAP_INTERVAL_EXT, interval
    )
    return f"every {interval.value} vertical blanks"


def _compositor(handle: Any) -> str:
    """Whether another program may hold frames back."""
    if not sys.platform.startswith("linux"):
        return "the system's"
    if os.environ.get("WAYLAND_DISPLAY"):
        return "wayland"
    from pyglet.libs.x11 import xlib

    name = xlib.XInternAtom(handle._x_display, b"_NET_WM_CM_S%d" % handle._x_screen_id, False)
    return "running" if xlib.XGetSelectionOwner(handle._x_display, name) else "none"
