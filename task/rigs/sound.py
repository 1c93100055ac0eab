"""Tones and sounds that begin when they are asked to, and say when they did.

Psychtoolbox plays where it can be loaded: its C code starts a sound on the very sample that leaves
the device at a given time, and tells when that was.  Otherwise sounddevice: a function of ours is
called for every few milliseconds of sound and does the same, somewhat less steadily.  PsychoPy's
own `Sound` goes through the same two libraries but keeps to itself when a sound began.

Both say what the computer knows.  What amplifier and air add is `latency_s` of the rig file.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from task.contract.errors import RigError
from task.peripherals import SoundOut
from task.plan import SoundItem, ToneItem
from task.rig import SoundStart
from task.rigs.sound_engine import Engine, Onset, Voice
from task.rigs.sound_ptb import PtbEngine
from task.rigs.sound_stream import StreamEngine

if TYPE_CHECKING:
    from task.rigs.waveforms import Samples

clock = time.perf_counter
Heard = ToneItem | SoundItem

_PATIENCE_S = 1.0  # after this a sound that did not begin will not


class Loudspeaker:
    """See `task.rig.Sound`."""

    def __init__(self, engine: Engine, sound: SoundOut, files: Mapping[str, Path]) -> None:
        """Play on a device that is open.

        Parameters
        ----------
        files : file of every sound, by the name that plans use; a name not in it is a path
        """
        self._engine, self._sound, self._files = engine, sound, files
        self._voices: dict[Heard, Voice] = {}
        self._begun: deque[SoundStart] = deque()
        self._waiting: list[tuple[Heard, float]] = []
        self.description: dict[str, object] = engine.description | {
            "rate_hz": engine.rate_hz,
            "volume": sound.volume,
            "latency_s": sound.latency_s,
        }

    def prepare(self, items: Iterable[Heard]) -> None:
        """Make these ready and drop others.

        Raises
        ------
        StimulusError, RigError
            If a file cannot be played.
        """
        wanted = dict.fromkeys(items)
        for item in [item for item in self._voices if item not in wanted]:
            self._voices.pop(item).close()
        for item in wanted:
            if item not in self._voices:
                samples = self._samples(item) * self._sound.volume
                self._voices[item] = self._engine.voice(samples)

    def start(self, item: Heard, at_s: float) -> None:
        """Let a sound begin at a time; call it at least `lead_s` of the description before."""
        voice = self._voices.get(item)
        if voice is None:
            self._begun.append(SoundStart(item, at_s, None, "was not made ready"))
            return
        self._settle()
        for waiting in [waiting for waiting in self._waiting if waiting[0] == item]:
            self._waiting.remove(waiting)
            self._begun.append(
                SoundStart(*waiting, None, "was started again before it was known to have begun")
            )
        voice.start(at_s - self._sound.latency_s)
        self._waiting.append((item, at_s))

    def silence(self) -> None:
        """What plays stops, what was to begin will not."""
        self._settle()
        for voice in self._voices.values():
            voice.stop()
        for waiting in self._waiting:
            self._begun.append(SoundStart(*waiting, None, "was silenced before it began"))
        self._waiting.clear()

    def started(self) -> Sequence[SoundStart]:
        """What began since the last call, as the device tells it, and what did not begin."""
        self._settle()
        return [self._begun.popleft() for _ in range(len(self._begun))]

    def close(self) -> None:
        """Silence; the device is given back."""
        self._voices.clear()
        self._engine.close()

    def _settle(self) -> None:
        for item, at_s in tuple(self._waiting):
            onset = self._voices[item].onset() if item in self._voices else Onset(None, "dropped")
            if onset is None and clock() < at_s + _PATIENCE_S:
                continue
            self._waiting.remove((item, at_s))
            time_s, problem = onset or Onset(
                None, f"did not begin within {_PATIENCE_S:g} s; is the sound device still there?"
            )
            begun_s = None if time_s is None else time_s + self._sound.latency_s
            self._begun.append(SoundStart(item, at_s, begun_s, problem))

    def _samples(self, item: Heard) -> "Samples":
        from task.rigs.waveforms import read_sound, tone

        if isinstance(item, ToneItem):
            return tone(item.frequency_hz, item.duration_s, self._engine.rate_hz)
        return read_sound(self._files.get(item.file, Path(item.file)), self._engine.rate_hz)


def open_sound(sound: SoundOut, files: Mapping[str, Path]) -> Loudspeaker:
    """The loudspeaker that a rig file describes, seen to be running.

    Raises
    ------
    RigError
        If there is none, with what to do.
    """
    names = tuple(_ENGINES) if sound.backend == "auto" else (sound.backend,)
    failed: dict[str, str] = {}
    for name in names:
        try:
            engine = _ENGINES[name](sound.device)
        except RigError as error:
            failed[name] = str(error)
            continue
        speaker = Loudspeaker(engine, sound, files)
        speaker.description["backend"] = name
        if failed:
            speaker.description["not_used"] = failed
        return speaker
    reasons = "; ".join(f"{name}: {why}" for name, why in failed.items())
    raise RigError(
        f"no sound can be played: {reasons}; switch the loudspeaker or the headphones on and choose"
        " them in the computer's sound settings, or name another device under [sound] in the rig"
        " file"
    )


_ENGINES: Mapping[str, Callable[[str], Engine]] = {"ptb": PtbEngine, "sounddevice": StreamEngine}
