"""A made-up lab: a session, the recorder that heard it, and a photodiode before its screen."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.readers.neuralynx_csc import RECORD, SAMPLES
from analysis.synthetic.clock import Clock
from analysis.synthetic.neuralynx import EventFile
from tests.analysis.hand_made import HandMade, plan_of, view, whole_session

PULSE_S = 0.008
RATE_HZ = 8_000
SESSION = [[view(item) for item in ("dog", "cup", "oak", "hat", "pen", "key", "owl", "cow")]] * 3


@dataclass
class Lab:
    """A recorder that heard a session, and a photodiode before its screen."""

    made: HandMade = field(default_factory=lambda: whole_session(plan=plan_of(*SESSION), lit=True))
    clock: Clock = field(default_factory=lambda: Clock(offset_s=500.0, drift_ppm=30.0))
    rise_s: float = 0.005
    fall_s: float = 0.007
    jitter_s: float = 0.0  # of light
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(3))

    @property
    def codes(self) -> list[tuple[float, int]]:
        return [(e.time_s, e.code) for e in self.made.events if e.code]

    def record(self, folder: Path, codes: list[tuple[float, int]] | None = None) -> Path:
        """What the recorder kept of the codes: up, and back to rest."""
        changes = [c for t, v in codes or self.codes for c in ((t, v), (t + PULSE_S, 0))]
        stamps_s = self.clock.stamps_s(np.array([t for t, _ in changes]), self.rng)
        folder.mkdir()
        with EventFile(folder / "Events.nev") as events:
            events.start_recording(stamps_s[0] - 1)
            events.append(zip(stamps_s.tolist(), (lines for _, lines in changes), strict=True))
            events.stop_recording(stamps_s[-1] + 1)
        return folder

    def light(
        self,
        *,
        low: float = -2000.0,
        high: float = 6000.0,
        ripple: float = 0.0,
        flicker_hz: float = 240.0,
        noise: float = 0.0,
        without: tuple[int, ...] = (),
        more: tuple[float, ...] = (),
        rate_hz: float = RATE_HZ,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Times (recorder's clock) and values; changes `without` are not seen, flashes `more` are.

        `ripple`: share of the light that flickers, 1 for a backlight that is switched off and on.
        """
        changes = [c for n, c in enumerate(self.made.patch) if n not in without]
        changes += [c for t in more for c in ((t, 1), (t + 0.05, 0))]
        changes.sort()
        when = [
            t + (self.rise_s if state else self.fall_s) + self.jitter_s * self.rng.standard_normal()
            for t, state in changes
        ]
        start_s = self.clock.offset_s + self.made.events[0].time_s - 1
        seconds = self.made.events[-1].time_s - self.made.events[0].time_s + 2
        times_s = start_s + np.arange(int(seconds * rate_hz)) / rate_hz
        shown_s = (times_s - self.clock.offset_s) / (1 + self.clock.drift_ppm * 1e-6)
        states = np.array([0, *(state for _, state in changes)])
        lit = states[np.searchsorted(when, shown_s, side="right")]
        wave = np.sin(2 * np.pi * flicker_hz * shown_s)
        shine = np.where(wave > 0, 1.0, 0.0) if ripple == 1 else 1 + ripple * wave
        values = low + (high - low) * lit * shine
        return times_s, values + noise * abs(high - low) * self.rng.standard_normal(len(values))


def write_ncs(path: Path, times_s: NDArray[np.float64], values: NDArray[np.float64]) -> Path:
    count = len(values) // SAMPLES
    made = np.zeros(count, RECORD)
    made["time_us"] = np.round(times_s[: count * SAMPLES : SAMPLES] * 1e6)
    made["rate_hz"], made["valid"] = round(1 / (times_s[1] - times_s[0])), SAMPLES
    made["samples"] = values[: count * SAMPLES].reshape(-1, SAMPLES).round()
    header = b"######## Neuralynx Data File Header\r\n".ljust(16_384, b"\0")
    path.write_bytes(header + made.tobytes())
    return path
