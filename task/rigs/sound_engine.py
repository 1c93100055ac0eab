"""What plays a sound, seen from above the two libraries that can; and what both have in common."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from task.contract.errors import RigError

if TYPE_CHECKING:
    from task.rigs.waveforms import Samples

clock = time.perf_counter

# The computer's interfaces to its devices; where several offer one, the first of these is taken.
APIS = ("ASIO", "Windows WASAPI", "Core Audio", "ALSA", "JACK Audio Connection Kit")
_RUNNING_S = 0.25  # sound that a device must have taken before it counts as running
_START_UP_S = 3.0


class Onset(NamedTuple):
    """When a sound began on the rig's clock, if that can be told."""

    time_s: float | None
    problem: str = ""


class Voice(Protocol):
    """One sound, ready to play."""

    def start(self, at_s: float) -> None:
        """Let it begin at a time on the rig's clock, or as soon as possible after it."""

    def stop(self) -> None:
        """Play no more of it, or none at all if it has not begun."""

    def onset(self) -> Onset | None:
        """Since the last start; None while it waits."""

    def close(self) -> None:
        """Give its memory back."""


class Engine(Protocol):
    """A device that plays."""

    rate_hz: int
    description: dict[str, object]

    def voice(self, samples: "Samples") -> Voice:
        """Make a sound ready."""

    def close(self) -> None:
        """Give the device back."""


class Device(NamedTuple):
    """A device that can play, as PortAudio lists it."""

    number: int
    name: str
    api: str
    rate_hz: float


def choose(devices: Sequence[Device], wanted: str) -> Device:
    """The one device that is called so; through the best interface that offers it.

    Raises
    ------
    RigError
        If there is none, or several.
    """
    named = [d for d in devices if d.name.lower() == wanted.lower()]
    named = named or [d for d in devices if wanted.lower() in d.name.lower()]
    ranks = {api: rank for rank, api in enumerate(APIS)}
    best = min((ranks.get(d.api, len(APIS)) for d in named), default=0)
    named = [d for d in named if ranks.get(d.api, len(APIS)) == best]
    if len(named) == 1:
        return named[0]
    there = ", ".join(dict.fromkeys(d.name for d in named or devices)) or "none"
    raise RigError(
        f"{len(named) or 'no'} sound devices are called {wanted!r}; devices here: {there}"
    )


def wait_until_running(played_s: Callable[[], float]) -> None:
    """A device may open and then take nothing: a sound server that hangs, headphones asleep."""
    until_s = clock() + _START_UP_S
    while played_s() < _RUNNING_S:
        if clock() > until_s:
            raise RigError("the sound device opens but does not run")
        time.sleep(0.01)


def missing(error: str) -> str:
    """What to install on Linux, where the library itself is there."""
    wants = ("libjack", "libasound", "PortAudio", "portaudio")
    return "; sudo apt-get install libportaudio2" if any(w in error for w in wants) else ""
