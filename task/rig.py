"""What presenting needs of the world.  A hospital's rig and the simulated one both look like this.

All times are seconds on one monotonic clock, the rig's.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from task.plan import Item, Screen, SoundItem, Step, ToneItem


class Sent(NamedTuple):
    """A change of the lines: the clock before and after it, and whether the device took it."""

    before_s: float
    after_s: float
    done: bool


class KeyPress(NamedTuple):
    """A key: its meaning on this rig (`yes`, `3`, `pause`), the key itself, when, and who.

    A key without a meaning keeps its own name.  `by` is "patient", "operator" or "robot".
    """

    meaning: str
    key: str
    time_s: float
    by: str = "patient"


class SoundStart(NamedTuple):
    """A sound that began: when it should have, when it did (None if the machine cannot tell)."""

    item: ToneItem | SoundItem
    asked_s: float
    started_s: float | None
    problem: str = ""


class Display(Protocol):
    """A screen and its swap times."""

    refresh_hz: float
    """What the plan is made for: whole, and within 1 % of what was measured."""

    description: dict[str, object]
    """What was measured and found, for the log."""

    texture_mb: int
    """Most that the pictures made ready may take, megabytes."""

    def texture_bytes(self, item: Item) -> int:
        """What an item will take, without making it ready."""

    def prepare(self, screens: Iterable[Screen]) -> Iterator[None]:
        """Drop what is on none of these screens; then each step makes one missing item ready."""

    def ready(self, screen: Screen) -> bool:
        """Whether all of a screen has been made ready."""

    def draw(self, screen: Screen, lit: bool = False) -> None:
        """Draw a prepared screen on the hidden buffer; `lit` is the photodiode's patch."""

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

    def there(self) -> bool:
        """Whether the device is still there, as far as can be told without sending.  Returns at
        once and never raises."""

    def reopen(self) -> bool:
        """After a loss, outside any flip: try to get the device back; whether it is, at rest."""

    def close(self) -> None:
        """Lines to rest; give the port back."""


class Keys(Protocol):
    """Who answers: a patient at a keyboard, or a robot."""

    description: dict[str, object]
    """What was found, for the log."""

    def listen(self, step: Step, onset_s: float) -> Sequence[KeyPress]:
        """A screen that waits for an answer came on; returns what was pressed too early."""

    def poll(self) -> Sequence[KeyPress]:
        """What was pressed since the last call."""

    def typed(self) -> str:
        """Characters typed since the last call, for the operator's notes; "\\b" takes one back."""

    def close(self) -> None:
        """Give devices back."""


class Sound(Protocol):
    """A loudspeaker or headphones."""

    description: dict[str, object]

    def prepare(self, items: Iterable[ToneItem | SoundItem]) -> None:
        """Make sounds ready; outside timed spans."""

    def start(self, item: ToneItem | SoundItem, at_s: float) -> None:
        """Sound it at a time on the rig's clock.  Returns at once and never raises."""

    def silence(self) -> None:
        """What plays stops, what was to begin will not.  Returns at once and never raises."""

    def started(self) -> Sequence[SoundStart]:
        """What began since the last call, and what will not."""

    def close(self) -> None:
        """Give the device back."""


PACED = "software: no vertical blank"  # `pacing` of a virtual display: nothing is to be measured
OPERATOR_KEYS: Mapping[str, str] = {
    "pause": "escape", "resume": "r", "skip": "k", "repeat": "b", "note": "t", "stop": "q",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rig:
    """Everything a session touches; `operator`: which key is which of the operator's commands."""

    name: str
    display: Display
    port: TriggerPort
    keys: Keys
    sound: Sound | None = None
    operator: Mapping[str, str] = field(default_factory=lambda: OPERATOR_KEYS)

    def close(self) -> None:
        """Lines to rest first."""
        self.port.close()
        self.keys.close()
        if self.sound:
            self.sound.close()
        self.display.close()


def pulse_frames(pulse_s: float, refresh_hz: float) -> int:
    """Frames that a code stands on the lines: the fewest that hold the device's pulse."""
    return max(1, math.ceil(pulse_s * refresh_hz - 1e-6))


def spacing_frames(pulse_s: float, gap_s: float, refresh_hz: float) -> int:
    """Frames from one code's onset to the next: pulse and gap, at least two."""
    gap = max(1, math.ceil(gap_s * refresh_hz - 1e-6))
    return pulse_frames(pulse_s, refresh_hz) + gap
