"""What presenting needs of the world.  A hospital's rig and the simulated one both look like this.

All times are seconds on one monotonic clock, the rig's.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from task.plan import Screen, Step


class Sent(NamedTuple):
    """A change of the lines: the clock before and after it, and whether the device took it."""

    before_s: float
    after_s: float
    done: bool


class KeyPress(NamedTuple):
    """A key: its meaning on this rig (`yes`, `3`, `stop`), the key itself, and when."""

    meaning: str
    key: str
    time_s: float


class Display(Protocol):
    """A screen and its swap times."""

    refresh_hz: float
    """What the plan is made for: whole, and within 1 % of what was measured."""

    description: dict[str, object]
    """What was measured and found, for the log."""

    def prepare(self, screens: Iterable[Screen]) -> None:
        """Make all that is on these screens ready to be drawn at once; drop what was before."""

    def draw(self, screen: Screen) -> None:
        """Draw a prepared screen on the hidden buffer."""

    def flip(self, on_flip: Callable[[], None] | None) -> float:
        """Swap buffers at the next refresh, call `on_flip` at once, return the time of the swap."""

    def close(self) -> None:
        """Give the screen back."""


class TriggerPort(Protocol):
    """Eight lines to the recording system."""

    pulse_s: float
    gap_s: float
    description: dict[str, object]

    def set(self, value: int) -> Sent:
        """Put 0-255 on the lines.  Returns at once and never raises: it is called inside a flip."""

    def close(self) -> None:
        """Lines to rest; give the port back."""


class Keys(Protocol):
    """Who answers: a patient at a keyboard, or a robot."""

    def listen(self, step: Step, onset_s: float) -> Sequence[KeyPress]:
        """A screen that waits for an answer came on; returns what was pressed too early."""

    def poll(self) -> Sequence[KeyPress]:
        """What was pressed since the last call."""


@dataclass(frozen=True, slots=True)
class Rig:
    """Everything a session touches."""

    name: str
    display: Display
    port: TriggerPort
    keys: Keys

    def close(self) -> None:
        """Lines to rest first."""
        self.port.close()
        self.display.close()


def pulse_frames(pulse_s: float, refresh_hz: float) -> int:
    """Frames that a code stands on the lines: the fewest that hold the device's pulse."""
    return max(1, math.ceil(pulse_s * refresh_hz - 1e-6))


def spacing_frames(pulse_s: float, gap_s: float, refresh_hz: float) -> int:
    """Frames from one code's onset to the next: pulse and gap, at least two."""
    gap = max(1, math.ceil(gap_s * refresh_hz - 1e-6))
    return pulse_frames(pulse_s, refresh_hz) + gap
