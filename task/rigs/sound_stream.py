"""Sounds through sounddevice: PortAudio asks for the samples of the next few milliseconds."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from task.contract.errors import RigError
from task.rigs.other_clock import OtherClock
from task.rigs.sound_engine import APIS, Device, Onset, Voice, choose, missing, wait_until_running

if TYPE_CHECKING:
    from task.rigs.waveforms import Samples

clock = time.perf_counter
_READINGS = 16  # a device that stumbled counts on from a later time


class StreamEngine:
    """sounddevice: PortAudio asks for the samples of the next few milliseconds."""

    def __init__(self, device: str) -> None:
        """Open a device and wait until it takes samples.

        Raises
        ------
        RigError
            If the library or the device is missing, or the device does not run.
        """
        try:
            import sounddevice
        except (ImportError, OSError) as error:
            raise RigError(f"sounddevice cannot be loaded ({error}){missing(str(error))}") from None
        self._voices: tuple[_StreamVoice, ...] = ()
        self._clock = OtherClock(_READINGS)
        self._frames = 0
        try:
            found = _stream_device(sounddevice, device)
            self.rate_hz = round(found.rate_hz)
            self._stream = sounddevice.OutputStream(
                samplerate=self.rate_hz, device=found.number, channels=2, dtype="float32",
                latency="high", callback=self.fill,
            )  # fmt: skip
            self._stream.start()
            wait_until_running(lambda: self._frames / self.rate_hz)
        except sounddevice.PortAudioError as error:
            raise RigError(f"the sound device cannot be opened: {error}") from None
        except RigError:
            self.close()
            raise
        self.description: dict[str, object] = {
            "device": found.name,
            "api": found.api,
            "lead_s": round(self._stream.latency + 0.01, 4),
        }

    def voice(self, samples: "Samples") -> Voice:
        """Samples that are mixed in when their time has come."""
        voice = _StreamVoice(samples, self.rate_hz, self._drop)
        self._voices += (voice,)
        return voice

    def close(self) -> None:
        """Stop the stream."""
        if stream := getattr(self, "_stream", None):
            stream.abort()
            stream.close()

    def fill(self, out: Any, frames: int, when: Any, status: object) -> None:
        """Called by PortAudio in a thread of its own."""
        self._clock.add(when.currentTime, clock())
        first_s = self._clock.ours(max(when.outputBufferDacTime, when.currentTime))
        self._frames += frames
        out.fill(0)
        for voice in self._voices:
            voice.mix(out, first_s or 0.0)
        out.clip(-1, 1, out=out)

    def _drop(self, voice: "_StreamVoice") -> None:
        self._voices = tuple(one for one in self._voices if one is not voice)


class _StreamVoice:
    def __init__(
        self, samples: "Samples", rate_hz: int, drop: Callable[["_StreamVoice"], None]
    ) -> None:
        self._samples, self._rate_hz, self._drop = samples, rate_hz, drop
        self._run: _Run | None = None

    def start(self, at_s: float) -> None:
        self._run = _Run(at_s)  # whoever fills a buffer now still has the old one

    def stop(self) -> None:
        self._run = None

    def onset(self) -> Onset | None:
        begun_s = self._run.begun_s if self._run else None
        return None if begun_s is None else Onset(begun_s)

    def close(self) -> None:
        self._drop(self)

    def mix(self, out: Any, first_s: float) -> None:
        """Add to a buffer whose first sample sounds at `first_s` what falls into it."""
        run = self._run
        if run is None or run.next >= len(self._samples):
            return
        at = 0
        if run.begun_s is None:
            at = max(0, round((run.at_s - first_s) * self._rate_hz))
            if at >= len(out):
                return
            run.begun_s = first_s + at / self._rate_hz
        part = self._samples[run.next : run.next + len(out) - at]
        out[at : at + len(part)] += part
        run.next += len(part)


class _Run:
    """One playing of a sound."""

    def __init__(self, at_s: float) -> None:
        self.at_s = at_s
        self.begun_s: float | None = None
        self.next = 0


def _stream_device(sounddevice: Any, wanted: str) -> Device:
    apis = sounddevice.query_hostapis()
    devices = [
        Device(number, one["name"], apis[one["hostapi"]]["name"], one["default_samplerate"])
        for number, one in enumerate(sounddevice.query_devices())
        if one["max_output_channels"] > 0
    ]
    if wanted:
        return choose(devices, wanted)
    usual = {api["name"]: api["default_output_device"] for api in apis}
    numbers = [usual[api] for api in (*APIS[1:], *usual) if usual.get(api, -1) >= 0]
    if not numbers:
        raise RigError("there is no sound device here")
    return next(device for device in devices if device.number == numbers[0])
