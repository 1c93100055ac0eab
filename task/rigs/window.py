"""A PsychoPy window as a display: what must be known of PsychoPy is known here.

PsychoPy opens the window and swaps the buffers.  Pictures and words are 8-bit textures of our own:
an ImageStim costs 30 times the memory of a grey one and makes the first frames late.

A virtual display (Xvfb) has no vertical blank and swaps as fast as it is asked to.  It is
recognised by its server and its software renderer, and paced here, by the clock; the log says so.
A screen that people look at is measured, whoever draws on it.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from task.bitmaps import BANNER_DEG, LIGHT, Theme, bitmap, extent, words
from task.contract.errors import RigError
from task.placing import Canvas, banner_y_deg, box, has_room
from task.plan import DeskItem, Item, Screen, SoundItem, TextItem, ToneItem, VisualItem
from task.rig import PACED
from task.rigfile import RigFile
from task.rigs import screens as facts
from task.rigs import x11
from task.rigs.textures import (
    Patch,
    Pixels,
    Texture,
    ahead,
    delete,
    draw,
    finish,
    pixels,
    texture_bytes,
    upload,
)
from task.rigs.virtual import is_virtual
from task.room import px_per_deg

clock = time.perf_counter

VIRTUAL_HZ = 60.0  # of a virtual display, where nobody says another rate
ATTEMPTS = 3
VALID_INTERVALS = 50
LARGEST_SD_OF_MEAN_S = 0.0002
_SMALLEST = 1.0  # pixels of a degree; nothing is legible by then
DESK_DEG = (30.0, 17.0)  # the screen that the operator's words are made for
_SOFTWARE_RENDERERS = ("llvmpipe", "softpipe", "swr", "swiftshader")
_SPIN_S = 0.002  # before a deadline, waiting is done by looking at the clock


class WindowDisplay:
    """A display on a PsychoPy window; see `task.rig.Display`."""

    def __init__(
        self, rig: RigFile, files: Mapping[str, Path], banner: str, theme: Theme = LIGHT
    ) -> None:
        """Open the window and measure its refresh rate.

        Parameters
        ----------
        files : file of every picture that will be shown
        banner : small print at the foot of every screen

        Raises
        ------
        RigError
            If there is no display, or nobody knows its rate: it cannot be measured, and the rig
            file does not say it.
        """
        self._window = _open_window(rig, theme)
        if sys.platform.startswith("linux"):
            x11.outlive(_connections(self.handle))
            x11.watch(self.handle)
        try:
            self._set_up(rig, files, banner, theme)
        except BaseException:
            self.close()
            raise

    def _set_up(self, rig: RigFile, files: Mapping[str, Path], banner: str, theme: Theme) -> None:
        self._files, self._theme = files, theme
        self.texture_mb = rig.screen.texture_mb
        width, height = (int(n) for n in self._window.size)
        self._size = width, height
        self._scale = px_per_deg(width, rig.screen.width_cm, rig.screen.distance_cm)
        self._textures: dict[Item, Texture] = {}
        self._held_bytes = 0
        self._banner = self._placed_banner(banner) if banner else None
        self._lit, self._unlit = _patches(rig, width, height)
        self._period_s: float | None = None  # set where swaps are paced here
        self._deadline_s = 0.0
        self._flipped_s = 0.0
        self._on_flip: Callable[[], None] | None = None
        graphics = facts.graphics()
        software = any(name in str(graphics["renderer"]).lower() for name in _SOFTWARE_RENDERERS)
        paced = software and is_virtual(os.environ.get("DISPLAY", ""))
        said_hz = rig.screen.refresh_hz
        measured_hz = None if paced else self._measure()
        if paced:
            self._period_s = 1 / (said_hz or VIRTUAL_HZ)
        elif not said_hz and not measured_hz:
            raise RigError(
                "the display's refresh rate cannot be measured: its swaps are too irregular; close"
                " other programs, switch off variable refresh and the compositor, use one screen."
                " Somebody may answer for going on without (--override refresh=WHO) if the rig file"
                " says refresh_hz under [screen]"
            )
        self.refresh_hz = said_hz or float(round(measured_hz or VIRTUAL_HZ))
        self.description: dict[str, object] = {
            "kind": "window",
            **graphics,
            "size_px": [width, height],
            "px_per_deg": round(self._scale, 3),
            "measured_hz": None if measured_hz is None else round(measured_hz, 4),
            "refresh_hz": self.refresh_hz,
            "pacing": PACED if paced else "vertical blank",
            "full_screen": rig.screen.full_screen,
            **facts.arrangement(self.handle),
            "sync_patch": rig.screen.sync_patch,
            "texture_mb": self.texture_mb,
        }

    @property
    def handle(self) -> Any:
        """Pyglet's window, from which keys come."""
        return self._window.winHandle

    # What is shown ----------------------------------------------------------------------

    def texture_bytes(self, item: Item) -> int:
        """What an item will take on the graphics side; of a picture only the head is read."""
        if not isinstance(item, VisualItem):
            return 0
        return texture_bytes(*extent(item, self._scale_of(item), self._files))

    def prepare(self, screens: Iterable[Screen]) -> Iterator[None]:
        """Drop what is on none of these screens; then each step makes at most one texture.

        A step takes a few milliseconds: where the next picture is not read yet, it makes none.

        Raises
        ------
        RigError
            If an item does not fit on the screen, or all of them not in `texture_mb`.
        """
        wanted = dict.fromkeys(i for screen in screens for i in screen if isinstance(i, VisualItem))
        for item in [item for item in self._textures if item not in wanted]:
            self._drop(item)
        missing = [item for item in wanted if item not in self._textures]
        for ready in ahead(missing, self._pixels):
            if ready:
                self._keep(*ready)
            yield

    def ready(self, screen: Screen) -> bool:
        """Whether every item that is seen has its texture."""
        return all(item in self._textures for item in screen if isinstance(item, VisualItem))

    def draw(self, screen: Screen, lit: bool = False) -> None:
        """Textured rectangles on whole pixels; `lit` is the state of the photodiode's patch.

        Raises
        ------
        KeyError
            If an item was not prepared.
        RigError
            If the screen is lost.
        """
        _refuse_if_lost()
        shown = [self._textures[i] for i in screen if not isinstance(i, ToneItem | SoundItem)]
        if self._banner:
            shown.append(self._banner)
        patch = self._lit if lit else self._unlit
        if shown or patch:
            draw(shown, patch)

    def pixels(self) -> Any:
        """The hidden buffer as a PIL image: what the next flip will show."""
        return self._window._getFrame(buffer="back")

    def _pixels(self, item: VisualItem) -> Pixels:
        return pixels(bitmap(item, self._scale_of(item), self._files, self._theme))

    def _scale_of(self, item: VisualItem) -> float:
        """Pixels of a degree; of the operator's words as many as leave room for all of them."""
        if not isinstance(item, DeskItem):
            return self._scale
        width, height = self._size
        scale = min(width / DESK_DEG[0], height / DESK_DEG[1])
        while not self._has_room(item, scale) and scale > _SMALLEST:
            scale *= 0.95
        return scale

    def _has_room(self, item: TextItem, scale: float) -> bool:
        width, height = self._size
        size = extent(item, scale, {})
        return size.width < width and size.height + 2 * abs(item.y_deg) * scale < height

    def _keep(self, item: VisualItem, bitmap: Pixels) -> None:
        _refuse_if_lost()
        what = item.text if isinstance(item, TextItem) else f"picture {item.picture}"
        if self._held_bytes + bitmap.bytes > self.texture_mb * 1_000_000:
            raise RigError(
                f"the pictures of one block take more than {self.texture_mb} MB: make blocks"
                " shorter (break_after) or pictures smaller (picture_deg), or raise texture_mb in"
                " the rig file"
            )
        self._textures[item] = self._texture(
            what, bitmap, item.x_deg, item.y_deg, self._scale_of(item)
        )
        self._held_bytes += bitmap.bytes

    def _drop(self, item: Item) -> None:
        texture = self._textures.pop(item)
        self._held_bytes -= texture.bytes
        delete(texture)

    def _placed_banner(self, text: str) -> Texture:
        line = words(text, BANNER_DEG * self._scale, theme=self._theme)
        y_deg = banner_y_deg(Canvas(*self._size, self._scale), line.height)
        return self._texture(text, pixels(line), 0.0, y_deg, self._scale)

    def _texture(
        self, what: str, bitmap: Pixels, x_deg: float, y_deg: float, scale: float
    ) -> Texture:
        canvas = Canvas(*self._size, scale)
        width, height = self._size
        place = box(canvas, x_deg, y_deg, (bitmap.width, bitmap.height))
        if not has_room(canvas, place):
            raise RigError(
                f"{what!r} does not fit on the screen of {width / scale:.1f} by"
                f" {height / scale:.1f} degrees: it is {bitmap.width / scale:.1f} by"
                f" {bitmap.height / scale:.1f}; make it smaller under [look], break its"
                " lines, or correct width_cm and distance_cm in the rig file"
            )
        return Texture(
            upload(bitmap),
            bitmap.bytes,
            place.left / width * 2 - 1,
            place.bottom / height * 2 - 1,
            (place.left + place.width) / width * 2 - 1,
            (place.bottom + place.height) / height * 2 - 1,
        )

    # When it is shown -------------------------------------------------------------------

    def flip(self, on_flip: Callable[[], None] | None) -> float:
        """Swap; the time is the clock's when PsychoPy calls back, right after the swap.

        Raises
        ------
        RigError
            If the screen is lost; `on_flip` was not called then.
        """
        if self._period_s is not None:
            # A renderer in software paints now, not after the wait: otherwise a swap comes the
            # later the more there is to paint (measured: spread of intervals 1.5 ms, not 0.75).
            finish()
            self._wait_for_turn(self._period_s)
        self._on_flip = on_flip
        self._window.callOnFlip(self._flip_called)
        self._window.flip()
        _refuse_if_lost()
        return self._flipped_s

    def close(self) -> None:
        """Close the window; one that is lost is left alone, also when Python ends."""
        if sys.platform.startswith("linux"):
            x11.ask(self.handle)
        if x11.lost():
            self._window._closed = True
        else:
            self._window.close()

    def _flip_called(self) -> None:
        self._flipped_s = clock()
        if self._on_flip and not x11.lost():  # no code for what nobody saw
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

    def _measure(self) -> float | None:
        """What the display's swaps tell, in three attempts; None if nothing certain."""
        for _ in range(ATTEMPTS):
            for _ in range(10):
                self.flip(None)
            times = [self.flip(None) for _ in range(2 * VALID_INTERVALS)]
            rate = refresh_rate(times)
            if rate:
                return rate
        return None


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


def _patches(rig: RigFile, width: int, height: int) -> tuple[Patch | None, Patch | None]:
    """The photodiode's patch when it is lit, and when it is not; at the very corner."""
    where = rig.screen.sync_patch
    if not where:
        return None, None
    side_px = round(rig.screen.sync_patch_cm * width / rig.screen.width_cm)
    wide, high = 2 * side_px / width, 2 * side_px / height
    left = -1.0 if where.endswith("left") else 1 - wide
    bottom = -1.0 if where.startswith("bottom") else 1 - high
    white, black = (Patch(level, left, bottom, left + wide, bottom + high) for level in (1.0, 0.0))
    return (white, black) if rig.screen.sync_patch_lit == "white" else (black, white)


def _refuse_if_lost() -> None:
    if why := x11.lost():
        raise RigError(why)


def _connections(handle: Any) -> Iterator[Any]:
    """Every connection to an X server that pyglet has: the window's, and those of its own."""
    import pyglet

    yield handle._x_display
    yield from (display._display for display in pyglet.canvas._displays)


def _open_window(rig: RigFile, theme: Theme) -> Any:
    import pyglet

    pyglet.options["debug_gl"] = False  # or every call is followed by another that asks for errors
    from psychopy import logging

    logging.console.setLevel(logging.CRITICAL)
    try:
        from psychopy import visual

        window = visual.Window(
            size=rig.screen.window_px,
            fullscr=rig.screen.full_screen,
            screen=rig.screen.number,
            color=(theme.ground,) * 3,
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
                f"no window can be opened: {error}; is there a display with OpenGL?"
                f" DISPLAY is {os.environ.get('DISPLAY', 'not set')!r}"
            ) from None
        raise
    window.mouseVisible = False
    window.recordFrameIntervals = False
    return window
