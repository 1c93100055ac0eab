"""An X server that goes away takes its own connection with it, and not this program.

Left to itself, Xlib ends the program in the C library: the lines would keep their last code and the
log would have no end.  Since version 1.7 it may be asked to come back instead.
"""

import ctypes
from collections.abc import Iterable
from typing import Any

LOST = (
    "the screen is lost: the connection to the X server broke (the server ended, somebody logged"
    " out, or xkill was used)"
)

_lost: list[bool] = []  # one entry for each connection that broke


def _broke(connection: int) -> int:
    """Instead of Xlib's, which prints."""
    _lost.append(True)
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


def ask(connection: Any) -> None:
    """Wait for an answer, so that a loss is known."""
    from pyglet.libs.x11 import xlib

    xlib.XSync(connection, 0)


def lost() -> bool:
    """Whether one of them broke; then nothing more may be asked of X or of OpenGL."""
    return bool(_lost)
