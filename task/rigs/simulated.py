"""A rig in virtual time: an hour passes in a second, and every edge on the lines is kept."""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence

from task.plan import Item, Screen, Step
from task.rig import KeyPress, Rig, Sent


class SimulatedDisplay:
    """A screen that swaps exactly at its rate, without taking any time."""

    texture_mb = 800

    def __init__(self, refresh_hz: float) -> None:
        self.refresh_hz = refresh_hz
        self.description: dict[str, object] = {"kind": "simulated", "refresh_hz": refresh_hz}
        self._period_s = 1 / refresh_hz
        self._flips = 0
        self.now_s = 0.0

    def texture_bytes(self, item: Item) -> int:
        """Nothing is drawn here."""
        return 0

    def prepare(self, screens: Iterable[Screen]) -> Iterator[None]:
        """Nothing to make ready."""
        return iter(())

    def ready(self, screen: Screen) -> bool:
        """Always."""
        return True

    def draw(self, screen: Screen, lit: bool = False) -> None:
        """Nobody looks."""

    def flip(self, on_flip: Callable[[], None] | None) -> float:
        """One period passes."""
        self._flips += 1
        self.now_s = self._flips * self._period_s
        if on_flip:
            on_flip()
        return self.now_s

    def close(self) -> None:
        """Nothing to give back."""


class SimulatedPort:
    """Lines whose every change is kept, with its time."""

    def __init__(self, clock: Callable[[], float], pulse_s: float, gap_s: float) -> None:
        self.pulse_s, self.gap_s = pulse_s, gap_s
        self.description: dict[str, object] = {"device": "virtual"}
        self.edges: list[tuple[float, int]] = []
        self._clock = clock

    def set(self, value: int) -> Sent:
        """Keep the edge."""
        now_s = self._clock()
        self.edges.append((now_s, value))
        return Sent(now_s, now_s, True)

    def there(self) -> bool:
        """Always."""
        return True

    def reopen(self) -> bool:
        """Never lost."""
        return True

    def close(self) -> None:
        """Lines to rest."""
        self.set(0)


class Robot:
    """A patient who reads quickly, mostly finds the T, and rates as it comes."""

    def __init__(self, clock: Callable[[], float], seed: int) -> None:
        self._clock = clock
        self._rng = random.Random(seed)
        self._due: KeyPress | None = None
        self.description: dict[str, object] = {"robot": True}

    def listen(self, step: Step, onset_s: float) -> Sequence[KeyPress]:
        """Decide on an answer and when it will come; a robot is never too early."""
        answer, reaction_s = self._decide(step)
        self._due = KeyPress(answer, "robot", onset_s + reaction_s, "robot")
        return ()

    def poll(self) -> Sequence[KeyPress]:
        """The answer, once its time has come."""
        due = self._due
        if due is None or self._clock() < due.time_s:
            return ()
        self._due = None
        return (due,)

    def typed(self) -> str:
        """A robot writes no notes."""
        return ""

    def close(self) -> None:
        """Nothing to give back."""

    def _decide(self, step: Step) -> tuple[str, float]:
        rng = self._rng
        if step.correct is None and len(step.answers) > 2:  # a scale
            return step.answers[int(rng.random() * len(step.answers))], 0.2 + 0.2 * rng.random()
        if step.correct is not None:
            wrong = [a for a in step.answers if a != step.correct]
            answer = step.correct if rng.random() < 0.9 else wrong[0]
            return answer, 0.4 + 0.6 * rng.random()
        return step.answers[0], 0.5


def simulated_rig(refresh_hz: float, *, pulse_s: float, gap_s: float, seed: int) -> Rig:
    """A rig in virtual time, with a robot for a patient."""
    display = SimulatedDisplay(refresh_hz)

    def clock() -> float:
        return display.now_s

    return Rig("simulated", display, SimulatedPort(clock, pulse_s, gap_s), Robot(clock, seed))
