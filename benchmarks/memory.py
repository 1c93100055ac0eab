"""Memory of a long session: `python -m benchmarks.memory`.

Three hours of virtual time on a simulated rig, and 30,000 real swaps of a real window.  Resident
memory is read every so many swaps; growth counts from the end of a warm-up.
"""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.ours import made_plan, opened, show, write_rig, write_stream
from benchmarks.stage import resident_mb
from benchmarks.table import finish, machine, table
from benchmarks.wire import wire
from task.protocol import read_protocol
from task.rig import Rig, Sent
from task.rigs.simulated import simulated_rig
from task.rigs.virtual import display_here

HOURS = 3.0
SWAPS = 30_000
FAST_HZ = 200.0  # as fast as a software renderer swaps: pacing at 60 Hz would take 8 minutes
WARM_UP = 0.1  # of all swaps


class Growth(NamedTuple):
    """Resident memory over a session, megabytes."""

    swaps: int
    seconds: float
    start_mb: float
    most_mb: float
    end_mb: float
    per_1000_swaps_kb: float


class _SampledDisplay:
    """A display that reads the memory of this process now and then, and keeps nothing else."""

    def __init__(self, display: Any, every: int) -> None:
        self._display, self._every = display, every
        self.swaps = 0
        self.first_s = self.last_s = 0.0
        self.samples: list[tuple[int, float]] = []

    def flip(self, on_flip: Callable[[], None] | None) -> float:
        """Swap, and look at the memory if it is time."""
        self.last_s = self._display.flip(on_flip)
        if not self.swaps:
            self.first_s = self.last_s
        self.swaps += 1
        if self.swaps % self._every == 0:
            self.samples.append((self.swaps, resident_mb()))
        return self.last_s

    def __getattr__(self, name: str) -> Any:
        return getattr(self._display, name)


class _ForgetfulPort:
    """Simulated lines that keep no edges: hours of them would be memory of the test's own."""

    pulse_s = gap_s = 0.005

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.description: dict[str, object] = {"device": "none"}

    def set(self, value: int) -> Sent:
        """Nothing to set."""
        return Sent(self._clock(), self._clock(), True)

    def there(self) -> bool:
        """Always."""
        return True

    def reopen(self) -> bool:
        """Nothing was lost."""
        return True

    def close(self) -> None:
        """Nothing to close."""


def virtual(folder: Path, hours: float) -> Growth:
    """A session of slow viewing in virtual time: 0.4 s on, 0.4 s off."""
    repeats = round(hours * 3600 / (0.8 * 500))
    protocol = write_stream(
        folder / "hours.toml", pictures=500, repeats=max(1, repeats), image_s=0.4, blank_s=0.4
    )
    rig = simulated_rig(60.0, pulse_s=0.005, gap_s=0.005, seed=0)
    display: Any = rig.display
    return _grown(protocol, replace(rig, port=_ForgetfulPort(lambda: display.now_s)), folder, 60.0)


def real(folder: Path, swaps: int) -> Growth:
    """A session in a window, as fast as the display allows, with a cable."""
    frames = 160  # 0.4 s on, 0.4 s off
    pictures = min(50, max(2, swaps // frames))
    protocol = write_stream(
        folder / "real.toml",
        pictures=pictures,
        repeats=max(1, round(swaps / frames / pictures)),
        image_s=0.4,
        blank_s=0.4,
    )
    with wire() as cable:
        rig = opened(protocol, write_rig(folder / "rig.toml", cable.port, hz=FAST_HZ))
        try:
            return _grown(protocol, rig, folder, FAST_HZ)
        finally:
            rig.close()


def _grown(protocol: Path, rig: Rig, folder: Path, hz: float) -> Growth:
    frames = made_plan(read_protocol(protocol), hz=hz).longest_s * hz
    sampled = _SampledDisplay(rig.display, every=max(1, round(frames / 500)))
    show(protocol, replace(rig, display=sampled), folder / protocol.stem, hz=hz)
    warm = [s for s in sampled.samples if s[0] >= WARM_UP * sampled.swaps]
    swaps, memory = np.array(warm).T
    slope = np.polyfit(swaps, memory, 1)[0]
    seconds = sampled.last_s - sampled.first_s
    return Growth(sampled.swaps, seconds, memory[0], memory.max(), memory[-1], float(1e6 * slope))


def report(grown: dict[str, tuple[Growth, float]]) -> str:
    """The result in words and a table."""
    rows = [
        {
            "": what,
            "swaps": f"{found.swaps:,}",
            "time": f"{found.seconds / 60:.1f} min",
            "after warm-up, MB": f"{found.start_mb:.1f}",
            "most, MB": f"{found.most_mb:.1f}",
            "at the end, MB": f"{found.end_mb:.1f}",
            "growth, MB": f"{found.most_mb - found.start_mb:.2f} (aim < {aim:g})",
            "slope, kB per 1,000 swaps": f"{found.per_1000_swaps_kb:.3f}",
        }
        for what, (found, aim) in grown.items()
    ]
    return f"""# Memory of long sessions

Made by `python -m benchmarks.memory`.  {machine()}.  Resident memory of the whole process, read \
500 times over each session; the first tenth is warm-up, growth is the most after it less the \
first sample after it.

{table(rows)}
The real window swaps {FAST_HZ:g} times a second at most: Xvfb has no vertical blank to wait for.
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--short", action="store_true", help="a tenth; writes no file")
    chosen = arguments.parse_args()
    share = 0.1 if chosen.short else 1.0
    with tempfile.TemporaryDirectory() as name, display_here():
        folder = Path(name)
        grown = {
            "virtual time": (virtual(folder, HOURS * share), 10.0),
            "real window": (real(folder, round(SWAPS * share)), 20.0),
        }
    finish(report(grown), __file__, short=chosen.short)


if __name__ == "__main__":
    main()
