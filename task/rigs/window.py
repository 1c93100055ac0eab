"""A PsychoPy window as a display: what must be known of PsychoPy and OpenGL is known here.

PsychoPy opens the window, swaps the buffers and takes the keys.  Pictures and words are 8-bit
textures of our own, one byte a pixel for grey: an ImageStim costs 30 times the memory and makes the
first frames late.

A display without vertical blank (Xvfb, some virtual machines) swaps as fast as it is asked to.  It
is recognised by its software renderer and paced here, by the clock; the log says so.
"""

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from ctypes import c_uint
from pathlib import Path
from typing import Any, NamedTuple

from task.bitmaps import BANNER_DEG, GROUND, bitmap, px_per_deg, words
from task.contract.errors import RigError
from task.plan import Item, MovieItem, Screen, SoundItem, TextItem
from task.rig import KeyPress
from task.rigfile import RigFile

clock = time.perf_counter

ATTEMPTS = 3
VALID_INTERVALS = 50
LARGEST_SD_OF_MEAN_S = 0.0002
_SOFTWARE_RENDERERS = ("llvmpipe", "softpipe", "swr", "swiftshader")
_SPIN_S = 0.002  # before a deadline, waiting is done by looking at the clock


class _Texture(NamedTuple):
    """A bitmap on the graphics side, and its corners in OpenGL's coordinates (-1 to 1)."""

    name: int
    bytes: int
    left: float
    bottom: float
    right: float
    top: float


class WindowDisplay:
    """A display on a PsychoPy window; see `task.rig.Display`."""

    def __init__(self, rig: RigFile, files: Mapping[str, Path], banner: str) -> None:
        """Open the window and measure its refresh rate.

        Parameters
        ----------
        files : file of every picture that will be shown
        banner : small print at the foot of every screen

        Raises
        ------
        RigError
            If there is no display, or its rate cannot be measured or is not the rig file's.
        """
        self._window = _open_window(rig)
        self._files, self._banner_text = files, banner
        self._most_bytes = rig.screen.texture_mb * 1_000_000
        width, height = (int(n) for n in self._window.size)
        self._size = width, height
        self._scale = px_per_deg(width, rig.screen.width_cm, rig.screen.distance_cm)
        self._textures: dict[Item, _Texture] = {}
        self._banner: _Texture | None = None
        self._period_s: float | None = None  # set where swaps are paced here
        self._deadline_s = 0.0
        self._flipped_s = 0.0
        self._on_flip: Callable[[], None] | None = None
        renderer = _renderer()
        paced = any(name in renderer.lower() for name in _SOFTWARE_RENDERERS)
        if paced:
            measured_hz = rig.screen.refresh_hz or 60.0
            self._period_s = 1 / measured_hz
        else:
            measured_hz = self._measure()
        self.refresh_hz = rig.screen.refresh_hz or float(round(measured_hz))
        if abs(measured_hz / self.refresh_hz - 1) > 0.01:
            self.close()
            raise RigError(
                f"the display runs at {measured_hz:.2f} Hz, not at {self.refresh_hz:g} Hz;"
                " set the display, or refresh_hz under [screen] in the rig file"
            )
        self.description: dict[str, object] = {
            "kind": "window",
            "renderer": renderer,
            "size_px": [width, height],
            "px_per_deg": round(self._scale, 3),
            "measured_hz": round(measured_hz, 4),
            "refresh_hz": self.refresh_hz,
            "pacing": "software: no vertical blank" if paced else "vertical blank",
        }

    def prepare(self, screens: Iterable[Screen]) -> None:
        """Make a texture of every item that is not one yet; drop those no longer needed."""
        wanted = dict.fromkeys(item for screen in screens for item in screen)
        for item in [item for item in self._textures if item not in wanted]:
            _delete(self._textures.pop(item).name)
        for item in wanted:
            if item not in self._textures:
                self._textures[item] = self._texture(item)
                self._refuse_too_many()
        if self._banner_text and not self._banner:
            line = words(self._banner_text, BANNER_DEG * self._scale)
            foot = (self._size[1] / 2 - line.height) / self._scale - 0.3
            self._banner = self._upload(self._banner_text, line, 0.0, -foot)

    def draw(self, screen: Screen) -> None:
        """Textured rectangles, on whole pixels."""
        shown = [self._textures[item] for item in screen]
        if self._banner:
            shown.append(self._banner)
        if shown:
            _draw(shown)

    def flip(self, on_flip: Callable[[], None] | None) -> float:
        """Swap; the time is the clock's when PsychoPy calls back, right after the swap."""
        if self._period_s is not None:
            self._wait_for_turn(self._period_s)
        self._on_flip = on_flip
        self._window.callOnFlip(self._flip_called)
        self._window.flip()
        return self._flipped_s

    def presses(self) -> Sequence[tuple[str, float]]:
        """Keys pressed since the last call: name, and when they were seen."""
        from psychopy import event

        self._window.winHandle.dispatch_events()
        return [(key, clock()) for key in event.getKeys()]

    def pixels(self) -> Any:
        """The hidden buffer as a PIL image: what the next flip will show."""
        return self._window._getFrame(buffer="back")

    def close(self) -> None:
        """Close the window."""
        self._window.close()

    def _flip_called(self) -> None:
        self._flipped_s = clock()
        if self._on_flip:
            self._on_flip()

    def _wait_for_turn(self, period_s: float) -> None:
        """Wait for the next tick of a steady grid, as a vertical blank would make us."""
        now = clock()
        late = now - self._deadline_s
        self._deadline_s += period_s * (1 if late < 0 else 1 + int(late / period_s))
        if late > 1.0:
            self._deadline_s = now + period_s
        while (left := self._deadline_s - clock()) > 0:
            if left > _SPIN_S:
                time.sleep(left - _SPIN_S)

    def _measure(self) -> float:
        for _ in range(ATTEMPTS):
            for _ in range(10):
                self.flip(None)
            times = [self.flip(None) for _ in range(2 * VALID_INTERVALS)]
            rate = refresh_rate(times)
            if rate:
                return rate
        self.close()
        raise RigError(
            "the display's refresh rate cannot be measured: its swaps are too irregular; close"
            " other programs, switch off variable refresh and the compositor, use one screen"
        )

    def _refuse_too_many(self) -> None:
        held = sum(texture.bytes for texture in self._textures.values())
        if held > self._most_bytes:
            raise RigError(
                f"the pictures of one block take more than {self._most_bytes / 1e6:.0f} MB: make"
                " blocks shorter (break_after) or pictures smaller (picture_deg), or raise"
                " texture_mb in the rig file"
            )

    def _texture(self, item: Item) -> _Texture:
        if isinstance(item, SoundItem | MovieItem):
            raise RigError(f"{item.file}: this display shows pictures and words only")
        what = item.text if isinstance(item, TextItem) else f"picture {item.picture}"
        return self._upload(what, bitmap(item, self._scale, self._files), item.x_deg, item.y_deg)

    def _upload(self, what: str, image: Any, x_deg: float, y_deg: float) -> _Texture:
        width, height = self._size
        left = round(width / 2 + x_deg * self._scale - image.width / 2)
        bottom = round(height / 2 + y_deg * self._scale - image.height / 2)
        if min(left, bottom, width - left - image.width, height - bottom - image.height) < 0:
            raise RigError(
                f"{what!r} does not fit on the screen of {width / self._scale:.1f} by"
                f" {height / self._scale:.1f} degrees: it is {image.width / self._scale:.1f} by"
                f" {image.height / self._scale:.1f}; make it smaller under [look], break its lines,"
                " or correct width_cm and distance_cm in the rig file"
            )
        return _Texture(
            _upload(image),
            image.width * image.height * len(image.getbands()),
            left / width * 2 - 1,
            bottom / height * 2 - 1,
            (left + image.width) / width * 2 - 1,
            (bottom + image.height) / height * 2 - 1,
        )


class WindowKeys:
    """The keyboard, through the window that has the focus; see `task.rig.Keys`."""

    def __init__(self, display: WindowDisplay, rig: RigFile) -> None:
        self._display = display
        self._meanings: dict[str, str] = {
            key: meaning for meaning, keys in rig.answers.items() for key in keys
        }
        self._meanings[rig.stop_key] = "stop"

    def listen(self, step: object, onset_s: float) -> Sequence[KeyPress]:
        """What was pressed before the patient could have seen the screen."""
        return self.poll()

    def poll(self) -> Sequence[KeyPress]:
        """Presses since the last call, by meaning; keys without a meaning keep their name."""
        return [
            KeyPress(self._meanings.get(key, key), key, time_s)
            for key, time_s in self._display.presses()
        ]


def refresh_rate(flips_s: Sequence[float]) -> float | None:
    """Refresh rate from swap times, Hz; None where they are too few or too irregular to tell.

    An interval is valid if it lies within 20 % of their median; a rate needs 50 of them, with the
    standard deviation of their mean at most 0.2 ms (Psychtoolbox's bar).
    """
    intervals = [b - a for a, b in zip(flips_s, flips_s[1:], strict=False)]
    if not intervals:
        return None
    middle = statistics.median(intervals)
    valid = [i for i in intervals if 0.8 * middle <= i <= 1.2 * middle and 0.002 <= i <= 0.04]
    if len(valid) < VALID_INTERVALS:
        return None
    if statistics.stdev(valid) / len(valid) ** 0.5 > LARGEST_SD_OF_MEAN_S:
        return None
    return 1 / statistics.fmean(valid)


def _open_window(rig: RigFile) -> Any:
    from psychopy import logging

    logging.console.setLevel(logging.CRITICAL)
    try:
        from psychopy import visual

        window = visual.Window(
            size=rig.screen.window_px,
            fullscr=rig.screen.full_screen,
            screen=rig.screen.number,
            color=(GROUND,) * 3,
            colorSpace="rgb255",
            units="pix",
            allowGUI=not rig.screen.full_screen,
            waitBlanking=True,
            checkTiming=False,
            autoLog=False,
        )
    except Exception as error:
        if type(error).__name__ in ("NoSuchDisplayException", "NoSuchConfigException"):
            raise RigError(
                f"no window can be opened: {error}; is there a display (DISPLAY) with OpenGL?"
            ) from None
        raise
    window.mouseVisible = False
    window.recordFrameIntervals = False
    return window


def _renderer() -> str:
    from pyglet import gl

    return str(gl.gl_info.get_renderer())


def _upload(image: Any) -> int:
    from pyglet import gl

    name = c_uint()
    gl.glGenTextures(1, name)
    gl.glBindTexture(gl.GL_TEXTURE_2D, name.value)
    for setting in (gl.GL_TEXTURE_MIN_FILTER, gl.GL_TEXTURE_MAG_FILTER):
        gl.glTexParameteri(gl.GL_TEXTURE_2D, setting, gl.GL_NEAREST)
    gl.glPixelStorei(gl.GL_UNPACK_ALIGNMENT, 1)
    stored, given = (
        (gl.GL_LUMINANCE8, gl.GL_LUMINANCE) if image.mode == "L" else (gl.GL_RGB8, gl.GL_RGB)
    )
    gl.glTexImage2D(
        gl.GL_TEXTURE_2D, 0, stored, image.width, image.height, 0, given, gl.GL_UNSIGNED_BYTE,
        image.tobytes(),
    )  # fmt: skip
    return int(name.value)


def _delete(texture: int) -> None:
    from pyglet import gl

    gl.glDeleteTextures(1, c_uint(texture))


def _draw(textures: Sequence[_Texture]) -> None:
    from pyglet import gl

    gl.glUseProgram(0)
    for matrix in (gl.GL_PROJECTION, gl.GL_MODELVIEW):
        gl.glMatrixMode(matrix)
        gl.glPushMatrix()
        gl.glLoadIdentity()
    gl.glActiveTexture(gl.GL_TEXTURE0)
    gl.glEnable(gl.GL_TEXTURE_2D)
    gl.glDisable(gl.GL_BLEND)
    gl.glColor4f(1, 1, 1, 1)
    for name, _, left, bottom, right, top in textures:
        gl.glBindTexture(gl.GL_TEXTURE_2D, name)
        gl.glBegin(gl.GL_QUADS)
        for s, t, x, y in (
            (0, 1, left, bottom),
            (1, 1, right, bottom),
            (1, 0, right, top),
            (0, 0, left, top),
        ):
            gl.glTexCoord2f(s, t)
            gl.glVertex2f(x, y)
        gl.glEnd()
    gl.glDisable(gl.GL_TEXTURE_2D)
    for matrix in (gl.GL_MODELVIEW, gl.GL_PROJECTION):
        gl.glMatrixMode(matrix)
        gl.glPopMatrix()
