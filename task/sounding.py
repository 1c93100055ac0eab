"""Sounds of screens: set ahead of the swap, silenced by a pause, told with their presentation."""

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from task.plan import Screen, SoundItem, ToneItem, sounds_of
from task.rig import Sound, SoundStart

_NOT_SHOWN = "its screen was not shown"


class NoSound:
    """The loudspeaker of a rig that has none; see `task.rig.Sound`."""

    def __init__(self) -> None:
        self.description: dict[str, object] = {}
        self._asked: list[SoundStart] = []

    def prepare(self, items: Iterable[ToneItem | SoundItem]) -> None:
        """Nothing to make ready."""

    def start(self, item: ToneItem | SoundItem, at_s: float) -> None:
        """Nothing is heard; that is told."""
        self._asked.append(SoundStart(item, at_s, None, "this rig has no sound"))

    def silence(self) -> None:
        """It is silent."""

    def started(self) -> Sequence[SoundStart]:
        """What should have begun."""
        asked, self._asked = self._asked, []
        return asked

    def close(self) -> None:
        """Nothing to give back."""


@dataclass(slots=True)
class _Asked:
    """A sound that was set; `number` is its presentation once its screen comes on."""

    screen: Screen
    item: ToneItem | SoundItem
    asked_s: float
    shown: bool = False
    number: int | None = None
    given_up: bool = False


class Sounding:
    """Which sounds were set for which screen.

    Attributes
    ----------
    foretold : how many screens to come have their sounds set already
    lead_frames : how long before its swap a sound should be set; more than the loudspeaker needs
    """

    def __init__(self, speaker: Sound | None, refresh_hz: float) -> None:
        self._speaker = speaker or NoSound()
        lead_s = self._speaker.description.get("lead_s", 0.0)
        assert isinstance(lead_s, float)
        self.lead_frames = math.ceil(lead_s * refresh_hz) + 1 if speaker else 0
        self._coming: deque[Screen] = deque()
        self._asked: list[_Asked] = []
        self._told: list[SoundStart] = []

    @property
    def foretold(self) -> int:
        """Screens whose sounds are set and that have not come on."""
        return len(self._coming)

    def prepare(self, screens: Iterable[Screen]) -> None:
        """Make the sounds of screens ready; outside timed spans."""
        self._speaker.prepare(sounds_of(screens))

    def foretell(self, screen: Screen, swap_s: float) -> None:
        """Set the sounds of the next screen that has some."""
        self._coming.append(screen)
        for item in sounds_of([screen]):
            self._asked.append(_Asked(screen, item, swap_s))
            self._speaker.start(item, swap_s)

    def begin(self, screen: Screen, number: int, swap_s: float) -> None:
        """A screen comes on with the next swap; its sounds are set now if they are not yet."""
        if not sounds_of([screen]):
            return
        if not self._coming:
            self.foretell(screen, swap_s)
        begun = self._coming.popleft()
        assert begun is screen
        for asked in self._asked:
            if asked.screen is begun and not asked.shown:
                asked.shown, asked.number = True, number

    def silence(self) -> None:
        """What sounds stops; what was set will not begin."""
        self._speaker.silence()
        self._coming.clear()
        for asked in self._asked:
            asked.given_up = not asked.shown

    def began(self) -> list[tuple[SoundStart, int | None]]:
        """What began, or did not, since the last call, with its presentation."""
        told, self._told = [*self._told, *self._speaker.started()], []
        found: list[tuple[SoundStart, int | None]] = []
        for start in told:
            asked = next(
                a for a in self._asked if (a.item, a.asked_s) == (start.item, start.asked_s)
            )
            if not asked.shown and not asked.given_up:  # whose it is, is not known yet
                self._told.append(start)
                continue
            self._asked.remove(asked)
            problem = start.problem or (_NOT_SHOWN if asked.given_up else "")
            found.append((start._replace(problem=problem), asked.number))
        return found
