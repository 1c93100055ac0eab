"""An X server that goes away takes its own connection with it, and not this program.

Left to itself, Xlib ends the program in the C library: the lines would keep their last code and the
log would have no end.  Since version 1.7 it may be asked to come back instead.  Of a window that
another program destroys, X tells once; who does not listen shows pictures to nobody.
"""

import ctypes
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NoReturn

from task.contract.errors import RigError

LOST = (
    "the screen is lost: the connection to the X server broke (the server ended, somebody logged"
    " out, or xkill was used)"
)
DESTROYED = "the window is lost: another program destroyed it (a window manager, or a script)"

_lost: list[str] = []  # why, each time


def _broke(connection: int) -> int:
    """Instead of Xlib's, which prints."""
    _lost.append(LOST)
    return 0


def _come_back(connection: int, unused: int) -> None:
    """Instead of Xlib's, which ends the program; whoever called Xlib asks `lost` afterwards."""


# Xlib keeps these for good: so must we.
_BROKE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(_broke)
_COME_BACK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(_come_back)


def outlive(connections: Iterable[Any]) -> bool:
    """From now on these connections (pyglet's) may break; whether this Xlib can do that."""
    from pyglet.libs.x11 import xlib

    _lost.clear()
    library = ctypes.CDLL(xlib._lib._name)  # the same library; functions of our own
    try:
        set_exit = library.XSetIOErrorExitHandler
    except AttributeError:  # older than 1.7
        return False
    library.XSetIOErrorHandler(_BROKE)
    for connection in connections:
        set_exit(connection, _COME_BACK, None)
    return True


def watch(handle: Any) -> None:
    """From now on `handle` (pyglet's window) raises a RigError when it is destroyed.

    It does where pyglet hands out events, and so before every swap, which for a window that is
    gone might wait for ever.  That costs no more than the other events do.
    """
    from pyglet.libs.x11 import xlib

    for handlers in (handle._event_handlers, handle._view_event_handlers):
        handlers[xlib.DestroyNotify] = _destroyed


def _destroyed(event: object) -> NoReturn:
    _lost.append(DESTROYED)
    raise RigError(DESTROYED)


def ask(handle: Any) -> None:
    """Wait for an answer from a window's server, so that a loss is known."""
    from pyglet.libs.x11 import xlib

    xlib.XSync(handle._x_display, 0)
    if not _lost and handle._window:
        with suppress(RigError):
            handle.dispatch_events()


def lost() -> str:
    """Why there is no window any more, if so; then nothing may be asked of X or of OpenGL."""
    return _lost[0] if _lost else ""
