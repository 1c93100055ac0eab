"""How the machine is kept from falling asleep while a patient looks at its screen."""

import ctypes
import ctypes.util
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

_WHY = "a session is running"
_PATIENCE_S = 2.0  # with another program's answer


@contextmanager
def kept_awake() -> Iterator[tuple[str, ...]]:
    """No sleep, no screen saver, no lock, for as long as this lasts; yields what sees to it.

    All of it ends by itself when this program ends, killed or not.
    """
    with ExitStack() as stack:
        if sys.platform == "win32":
            held = [stack.enter_context(_execution_state())]
        elif sys.platform == "darwin":
            program = ("caffeinate", "-dims", "-w", str(os.getpid()))
            held = [stack.enter_context(_beside(program))]
        else:
            started = [stack.enter_context(_inhibitor(command)) for command in INHIBITORS]
            held = [_holds(*one) for one in started]
            held.append(stack.enter_context(_x_saver_suspended()))
        yield tuple(name for name in held if name)


# Each runs the command that follows it, and holds as long as that runs.
INHIBITORS: Sequence[Sequence[str]] = (
    (
        "systemd-inhibit", "--what=idle:sleep:handle-lid-switch", "--mode=block",
        "--who=imagery", f"--why={_WHY}",
    ),
    ("gnome-session-inhibit", "--app-id", "imagery", "--reason", _WHY, "--inhibit", "idle:suspend"),
    ("kde-inhibit", "--power", "--screenSaver"),
)  # fmt: skip


@contextmanager
def _inhibitor(command: Sequence[str]) -> Iterator[tuple[str, subprocess.Popen[bytes] | None]]:
    """`cat` under an inhibitor: it ends when our end of its pipe closes, and so when we end."""
    program = shutil.which(command[0])
    if not program:
        yield command[0], None
        return
    process = subprocess.Popen(
        [program, *command[1:], "cat"],
        bufsize=0,  # nothing is left to be written when a pipe is closed that nobody reads
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the session, whose end is shown awake
    )
    try:
        yield command[0], process
    finally:
        with process:  # closes the pipes
            if process.stdin:
                process.stdin.close()
            try:
                process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _holds(name: str, process: subprocess.Popen[bytes] | None) -> str:
    """The name of an inhibitor if it holds: its `cat` runs only then, and gives a line back."""
    if process is None or process.stdin is None or process.stdout is None:
        return ""
    try:
        process.stdin.write(b"\n")
    except OSError:  # over already
        return ""
    answered, _, _ = select.select([process.stdout], [], [], _PATIENCE_S)
    return name if answered and process.stdout.readline() == b"\n" else ""


@contextmanager
def _beside(command: Sequence[str]) -> Iterator[str]:
    """A program that keeps the machine awake while it runs, and ends when we do."""
    program = shutil.which(command[0])
    if not program:
        yield ""
        return
    process = subprocess.Popen(
        [program, *command[1:]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield command[0]
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _execution_state() -> Iterator[str]:
    """Windows: the calling thread says that system and display are in use."""
    if sys.platform != "win32":
        yield ""
        return
    continuous, system, display = 0x80000000, 1, 2
    say = ctypes.windll.kernel32.SetThreadExecutionState
    yield "SetThreadExecutionState" if say(continuous | system | display) else ""
    say(continuous)


@contextmanager
def _x_saver_suspended() -> Iterator[str]:
    """XScreenSaverSuspend: the X server forgets it when our connection ends."""
    names = [ctypes.util.find_library(name) for name in ("X11", "Xss")]
    if not os.environ.get("DISPLAY") or None in names:
        yield ""
        return
    x11, saver = (ctypes.CDLL(name) for name in names)
    pointer, unused = ctypes.c_void_p, ctypes.c_int()
    x11.XOpenDisplay.restype = pointer
    x11.XSync.argtypes = saver.XScreenSaverSuspend.argtypes = (pointer, ctypes.c_int)
    x11.XConnectionNumber.argtypes = (pointer,)
    saver.XScreenSaverQueryExtension.argtypes = (pointer, pointer, pointer)
    display = x11.XOpenDisplay(None)
    if display is None:
        yield ""
        return
    known = saver.XScreenSaverQueryExtension(display, ctypes.byref(unused), ctypes.byref(unused))
    if known:
        saver.XScreenSaverSuspend(display, 1)
        x11.XSync(display, 0)
    try:
        yield "XScreenSaverSuspend" if known else ""
    finally:  # not through Xlib, which ends this program if the X server is gone
        os.close(x11.XConnectionNumber(display))
