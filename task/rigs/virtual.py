"""A virtual X display where there is none: Xvfb, started for the time it is needed."""

import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from task.contract.errors import RigError

SCREEN = "1280x800x24"
_CREDENTIALS = struct.Struct("3i")  # pid, user, group of whoever listens at a socket
_SERVERS_WITHOUT_SCREEN = {"Xvfb", "Xephyr", "Xnest", "Xvnc", "Xtigervnc", "Xtightvnc"}


def is_virtual(display: str) -> bool:
    """Whether an X display belongs to a server that has no screen, as far as can be seen.

    Parameters
    ----------
    display : as in DISPLAY, for example ":13" or ":0.0"
    """
    host, _, number = display.partition(".")[0].rpartition(":")
    if not sys.platform.startswith("linux") or host or not number.isdigit():
        return False
    try:
        with socket.socket(socket.AF_UNIX) as wire:
            wire.settimeout(1.0)
            wire.connect(f"/tmp/.X11-unix/X{number}")
            who = wire.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, _, _ = _CREDENTIALS.unpack(who)
        name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return False
    return name in _SERVERS_WITHOUT_SCREEN


@contextmanager
def display_here() -> Iterator[str | None]:
    """The user's display, or a virtual one; yields what it is if it is virtual.

    Raises
    ------
    RigError
        If there is neither.
    """
    if not sys.platform.startswith("linux") or os.environ.get("DISPLAY"):
        yield None
        return
    program = shutil.which("Xvfb")
    if not program:
        raise RigError(
            "there is no display here (DISPLAY is not set) and no Xvfb;"
            " run this on a machine with a screen, or: sudo apt-get install xvfb"
        )
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [program, "-displayfd", str(writer), "-screen", "0", SCREEN, "-nolisten", "tcp"],
        pass_fds=(writer,),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the session, whose end needs the display
    )
    os.close(writer)
    try:
        with os.fdopen(reader) as answer:
            number = answer.readline().strip()
        if not number:
            raise RigError("Xvfb did not start; is /tmp writable?")
        os.environ["DISPLAY"] = f":{number}"
        yield f"virtual display :{number}, {SCREEN}"
    finally:
        os.environ.pop("DISPLAY", None)
        process.terminate()
        process.wait()
