"""Sessions in a real window that lose their screen or their cable, or are closed, at full speed."""

import json
import os
import select
import shutil
import subprocess
import sys
import time
import tty
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import pytest

from task.contract.sessionlog import LOG_NAME, SessionLog, read_log
from task.rigs import x11

ROOT = Path(__file__).parents[3]
ROBOT = "a robot answers: this is no session with a patient\n"
PATIENCE_S = 60.0
PROTOCOL = """schema = 1
name = "short"
stimuli = "pets"
[pictures]
ids = ["dog", "cat", "owl"]
[look]
fixation = false
[screening]
repeats = 40
image_s = 0.2
break_s = 0
[texts]
text_s = 0
"""
RIG = """schema = 1
name = "short"
robot = true
[screen]
full_screen = false
window_px = [640, 480]
refresh_hz = 60.0
[triggers]
device = "serial"
port = "{port}"
"""

pytestmark = pytest.mark.skipif(
    not (sys.platform.startswith("linux") and shutil.which("Xvfb")),
    reason="there is no Xvfb here, whose death could be watched",
)


class Cable:
    """A pseudo-terminal for a trigger box, and what came out of it."""

    def __init__(self) -> None:
        self._far, self._near = os.openpty()
        tty.setraw(self._near)
        self.port = os.ttyname(self._near)
        self.came: list[int] = []
        self._in = True
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def codes(self) -> list[int]:
        return [byte for byte in self.came if byte]

    def _read(self) -> None:
        while self._in:
            if select.select([self._far], [], [], 0.02)[0]:
                with suppress(OSError):
                    self.came += os.read(self._far, 4096)

    def pull(self) -> None:
        if self._in:
            self._in = False
            self._reader.join()
            os.close(self._near)
            os.close(self._far)


class Running(NamedTuple):
    """A session under way, the X server that it is shown on, and the port it was told."""

    process: subprocess.Popen[str]
    server: subprocess.Popen[bytes]
    environment: Mapping[str, str]
    cable: Cable
    link: Path
    data: Path

    def until(self, codes: int, cable: Cable | None = None) -> None:
        """Wait for so many codes."""
        cable, end_s = cable or self.cable, time.monotonic() + PATIENCE_S
        while len(cable.codes) < codes:
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < end_s, f"only {len(cable.codes)} codes came"
            time.sleep(0.01)

    def ended(self) -> tuple[int, str, str]:
        """Exit code, and what was printed."""
        out, err = self.process.communicate(timeout=PATIENCE_S)
        time.sleep(0.1)
        return self.process.returncode, out, err.strip()

    @property
    def folder(self) -> Path:
        return next(self.data.rglob(LOG_NAME)).parent

    @property
    def log(self) -> SessionLog:
        return read_log(self.folder)


def imagery(*arguments: object) -> list[str]:
    return [sys.executable, "-P", "-m", "task", *map(str, arguments)]


def server() -> tuple[subprocess.Popen[bytes], str]:
    """An X server of our own, and its name."""
    reader, writer = os.pipe()
    process = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writer), "-screen", "0", "800x600x24", "-nolisten", "tcp"],
        pass_fds=(writer,),
        stderr=subprocess.DEVNULL,
    )
    os.close(writer)
    with os.fdopen(reader) as answer:
        return process, f":{answer.readline().strip()}"


@contextmanager
def session(pets: Path) -> Iterator[Running]:
    """`imagery run`, its trigger box named by a link; the set of pictures lies beside its files."""
    folder = pets.parent
    with ExitStack() as ends:
        cable, link = Cable(), folder / "box"
        ends.callback(cable.pull)
        link.symlink_to(cable.port)
        (folder / "short.toml").write_text(PROTOCOL)
        (folder / "rig.toml").write_text(RIG.format(port=link))
        xvfb, name = server()
        ends.callback(xvfb.wait)
        ends.callback(xvfb.kill)
        environment = os.environ | {"DISPLAY": name, "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(
            imagery(
                "run", folder / "short.toml", "--subject", "A", "--rig", folder / "rig.toml",
                "--data", folder / "data",
            ),
            cwd=ROOT, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        ends.callback(process.wait)
        ends.callback(process.kill)
        yield Running(process, xvfb, environment, cable, link, folder / "data")


def codes_of(log: SessionLog) -> list[int]:
    return [e.code for e in log.events if e.code is not None and not e.detail.get("lost")]


def test_a_session_whose_screen_dies_ends_as_one_that_failed_and_can_be_resumed(
    pet_folder: Path,
) -> None:
    with session(pet_folder) as running:
        running.until(codes=40)
        running.server.kill()
        code, out, err = running.ended()
        assert (code, out) == (2, ROBOT)
        assert err.endswith(
            f"{x11.LOST}\nto go on with the session: imagery resume {running.folder}"
        )
        assert running.cable.came[-1] == 0, "the lines are at rest"
        log = running.log
        assert codes_of(log) == running.cable.codes
        assert (log.events[-1].name, log.events[-1].detail) == ("FAILED", {"why": x11.LOST})
        assert log.ending and log.ending["how"] == "failed"
        # On another screen it goes on, until that is lost too.
        xvfb, name = server()
        try:
            resumed = subprocess.Popen(
                imagery("resume", running.folder, "--stimuli", pet_folder),
                cwd=ROOT, env={**running.environment, "DISPLAY": name},
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
            before = len(running.cable.codes)
            again = running._replace(process=resumed, server=xvfb)
            again.until(codes=before + 30)
            xvfb.kill()
            assert again.ended()[0] == 2
        finally:
            xvfb.kill()
            xvfb.wait()
        runs = [e for e in running.log.events if e.name == "RUN"]
        assert len(runs) == 2 and codes_of(running.log) == running.cable.codes


_WINDOWS = """
from ctypes import byref
from pyglet.libs.x11 import xlib

def below(window):
    root, parent, count = xlib.Window(), xlib.Window(), xlib.c_uint()
    children = xlib.POINTER(xlib.Window)()
    xlib.XQueryTree(display, window, byref(root), byref(parent), byref(children), byref(count))
    return [children[n] for n in range(count.value)]

display = xlib.XOpenDisplay(None)
windows = below(xlib.XDefaultRootWindow(display))
assert windows
"""
_CLOSE = f"""{_WINDOWS}
for window in windows:
    event = xlib.XEvent()
    event.xclient.type, event.xclient.window, event.xclient.format = xlib.ClientMessage, window, 32
    event.xclient.message_type = xlib.XInternAtom(display, b"WM_PROTOCOLS", 0)
    event.xclient.data.l[0] = xlib.XInternAtom(display, b"WM_DELETE_WINDOW", 0)
    xlib.XSendEvent(display, window, 0, 0, byref(event))
xlib.XSync(display, 0)
"""
_DESTROY = f"""{_WINDOWS}
for window in windows:
    xlib.XDestroyWindow(display, window)
xlib.XSync(display, 0)
"""
_KILL = f"""{_WINDOWS}
for window in windows:
    xlib.XKillClient(display, window)
xlib.XSync(display, 0)
"""


def do(script: str, environment: Mapping[str, str]) -> None:
    """What another program does to every window of a screen."""
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)


def test_a_window_that_is_closed_ends_the_session_in_good_order(pet_folder: Path) -> None:
    with session(pet_folder) as running:
        running.until(codes=40)
        do(_CLOSE, running.environment)
        code, out, _ = running.ended()
        assert code == 130
        assert out.splitlines()[-1] == f"to go on with it: imagery resume {running.folder}"
        assert running.cable.came[-1] == 0
        log = running.log
        assert codes_of(log) == running.cable.codes
        assert log.ending and log.ending["how"] == "interrupted"


@pytest.mark.parametrize(
    ("script", "why"), [(_DESTROY, x11.DESTROYED), (_KILL, x11.LOST)], ids=["destroyed", "killed"]
)
def test_a_window_that_another_program_destroys_ends_the_session_at_once(
    script: str, why: str, pet_folder: Path
) -> None:
    with session(pet_folder) as running:
        running.until(codes=40)
        do(script, running.environment)
        code, out, err = running.ended()
        assert (code, out) == (2, ROBOT)
        assert err.endswith(f"{why}\nto go on with the session: imagery resume {running.folder}")
        assert running.cable.came[-1] == 0, "the lines are at rest"
        log = running.log
        assert codes_of(log) == running.cable.codes
        assert (log.events[-1].name, log.events[-1].detail) == ("FAILED", {"why": why})
        assert log.ending and log.ending["how"] == "failed"
        last_s = max(e.time_s for e in log.events if e.code)
        assert log.events[-1].time_s - last_s < 0.5, "nothing is shown to nobody"


def test_a_cable_that_is_pulled_and_put_back_carries_codes_again(pet_folder: Path) -> None:
    with session(pet_folder) as running:
        running.until(codes=40)
        running.link.unlink()
        running.cable.pull()
        time.sleep(0.3)
        other = Cable()
        running.link.symlink_to(other.port)
        try:
            running.until(codes=14, cable=other)  # the sweep, the session's name, GAP
            running.process.terminate()
            assert running.ended()[0] == 2, "codes were lost"
        finally:
            other.pull()
        log = running.log
        names = [e.name for e in log.events]
        back = names.index("TRIGGERS_BACK")
        assert names.index("TRIGGERS_LOST") < back < names.index("GAP")
        assert [e.code for e in log.events[back:] if e.code] == other.codes
        assert other.came[-1] == 0


# The connection -------------------------------------------------------------------------------

_ALONE = """
import json, sys
from task.contract.errors import RigError
from task.plan import TextItem
from task.rigfile import RigFile
from task.rigs import x11
from task.rigs.keyboard import WindowKeys
from task.rigs.window import WindowDisplay

rig = RigFile.model_validate({"name": "x", "triggers": {"device": "none"},
                              "screen": {"full_screen": False, "window_px": (200, 100)}})
display = WindowDisplay(rig, {}, "")
keys = WindowKeys(display, rig)
print(bool(x11.lost()), flush=True)
sys.stdin.readline()
calls, said = [], []
what = {"flip": lambda: display.flip(lambda: calls.append(1)),
        "poll": keys.poll, "close": display.close}
for name in sys.argv[1:]:
    try:
        what[name]()
    except RigError as error:
        said.append(str(error))
display.close()
print(json.dumps([x11.lost(), calls, said]))
"""


@pytest.mark.parametrize("first", ["flip", "poll", "close"])
@pytest.mark.parametrize("death", ["server", "window"])
def test_whoever_meets_a_dead_server_or_window_first_lives_on(first: str, death: str) -> None:
    xvfb, name = server()
    environment = os.environ | {"DISPLAY": name}
    try:
        alone = subprocess.Popen(
            [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{_ALONE}",
             first, "flip"],
            env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert alone.stdout
        assert alone.stdout.readline() == "False\n"
        if death == "window":
            do(_DESTROY, environment)
            out, err = alone.communicate("\n", timeout=PATIENCE_S)
    finally:
        xvfb.kill()
        xvfb.wait()
    if death == "server":
        out, err = alone.communicate("\n", timeout=PATIENCE_S)
    assert alone.returncode == 0, err
    found: list[Any] = json.loads(out)
    lost, calls, said = found
    why = {"server": x11.LOST, "window": x11.DESTROYED}[death]
    assert lost == why and not calls, "nothing is sent for what nobody saw"
    assert said and set(said) == {why}
