"""Watch a presenter from inside: when its buffers were swapped, when it wrote to the trigger port.

Standard library only, so that a presenter with packages of its own is watched by the same code.
Everybody's swap is wrapped at its lowest level, and everybody's `glFinish` and `os.write`, so that
no presenter is taken at its word.  A display without vertical blank (Xvfb) swaps as fast as it is
asked to; where the presenter does not pace itself, the wrapped swap waits for the next tick of a
steady grid, as a vertical blank would make it wait, after all drawing is done.
"""

import atexit
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

clock = time.perf_counter  # one clock for all processes of a Linux machine
_SPIN_S = 0.002  # before a deadline, waiting is done by looking at the clock


class Stage:
    """Times of swaps and of writes; kept in memory, saved when the process ends."""

    def __init__(self, port: str, *, paced_hz: float | None = None) -> None:
        """Watch what is written to the terminal `port`; pace swaps if a rate is given."""
        self.swaps: list[float] = []
        self.flips: list[float] = []
        self.writes: list[tuple[float, float, bytes]] = []
        self.disk_writes_s: list[float] = []
        self._terminal = Path(port).stat().st_rdev  # the device, by whatever name it is opened
        self._period_s = 1 / paced_hz if paced_hz else None
        self._deadline_s = 0.0

    def watch_pyglet(self) -> None:
        """Every pyglet window's swap, PsychoPy's among them."""
        from pyglet import gl, window

        window.Window.flip = self._swap(window.Window.flip, gl.glFinish)
        gl.glFinish = self._flip(gl.glFinish)

    def watch_pygame(self) -> None:
        """The swap of pygame's one window."""
        import pygame
        from OpenGL import GL

        pygame.display.flip = self._swap(pygame.display.flip, GL.glFinish)
        GL.glFinish = self._flip(GL.glFinish)

    def _flip(self, finish: Callable[[], Any]) -> Callable[[], None]:
        """`finish`, timed: what a toolkit waits for after a swap and takes as the flip's time."""

        def finished() -> None:
            finish()
            self.flips.append(clock())

        return finished

    def _swap(self, swap: Callable[..., Any], finish: Callable[[], Any]) -> Callable[..., None]:
        """`swap`, paced and timed; `finish` waits until all that was drawn is there."""

        def swapped(*arguments: Any) -> None:
            finish()
            if self._period_s:
                self._wait_for_turn(self._period_s)
            swap(*arguments)
            finish()
            self.swaps.append(clock())

        return swapped

    def watch_writes(self) -> None:
        """Every write of this process, from now on."""
        write = os.write

        def watched(descriptor: int, data: Any) -> int:
            before_s = clock()
            done = write(descriptor, data)
            after_s = clock()
            if os.fstat(descriptor).st_rdev == self._terminal:
                self.writes.append((before_s, after_s, bytes(data)))
            else:
                self.disk_writes_s.append(after_s - before_s)
            return done

        os.write = watched

    def save_at_exit(self, path: Path) -> None:
        """Save what was seen when the interpreter ends."""
        atexit.register(self._save, path)

    def _save(self, path: Path) -> None:
        seen = {
            "swaps": self.swaps,
            "flips": self.flips,
            "writes": [(before, after, data.hex()) for before, after, data in self.writes],
            "peak_mb": peak_mb(),
        }
        path.write_text(json.dumps(seen))

    def _wait_for_turn(self, period_s: float) -> None:
        now = clock()
        late = now - self._deadline_s
        self._deadline_s += period_s * (1 if late < 0 else 1 + int(late / period_s))
        if late > 1.0:
            self._deadline_s = now + period_s
        while (left := self._deadline_s - clock()) > 0:
            if left > _SPIN_S:
                time.sleep(left - _SPIN_S)


def peak_mb() -> float:
    """Most memory that this process ever held, megabytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    kilobytes = next(line.split()[1] for line in lines if line.startswith("VmHWM"))
    return int(kilobytes) / 1000


def resident_mb() -> float:
    """Memory that this process holds now, megabytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
