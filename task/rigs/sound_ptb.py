"""Sounds through Psychtoolbox's PortAudio."""

import io
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

from task.contract.errors import RigError
from task.rigs.sound_engine import Device, Onset, Voice, choose, missing, wait_until_running

if TYPE_CHECKING:
    from task.rigs.waveforms import Samples

clock = time.perf_counter
_JUMP_S = 0.001  # how far apart two clocks may move while a sound waits


class PtbEngine:
    """Psychtoolbox's PortAudio.

    Its clock is the system's time of day on Linux, which may be set while a sound waits; how far it
    is from the rig's is looked up for every start and every onset.
    """

    def __init__(self, device: str) -> None:
        """Open a device and wait until it takes samples.

        Raises
        ------
        RigError
            If the library or the device is missing, or the device does not run.
        """
        try:
            import psychtoolbox
        except (ImportError, OSError) as error:
            raise RigError(
                f"psychtoolbox cannot be loaded ({error}){missing(str(error))}"
            ) from None
        self._command = psychtoolbox.PsychPortAudio
        self._seconds: Callable[[], float] = psychtoolbox.GetSecs
        with redirect_stdout(io.StringIO()):  # where it prints what it also raises
            self.call("Verbosity", 0)
            number, rate_hz = self._find(device)
            # 9: play, as a master; 1: low latency, sharing the device with other programs
            self._master = self.call("Open", number, 9, 1, rate_hz, 2)
            try:
                self.call("Start", self._master, 0, 0, 1)
                wait_until_running(self._played_s)
            except RigError:
                self.close()
                raise
            self.rate_hz = self._rate_hz()
            self.description: dict[str, object] = self._describe()

    def voice(self, samples: "Samples") -> Voice:
        """A slave of the open device, which holds the samples."""
        return _PtbVoice(self, self._master, samples)

    def close(self) -> None:
        """Close the device with all that belongs to it."""
        self.call("Close", self._master)

    def call(self, command: str, *arguments: object) -> Any:
        """A command of Psychtoolbox, whose errors are plain `Exception`s."""
        try:
            return self._command(command, *arguments)
        except Exception as error:
            if type(error) is not Exception:
                raise
            raise RigError(str(error).strip()) from None

    def status(self, handle: object) -> Any:
        """What it says of a device or of a voice."""
        return self.call("GetStatus", handle)

    def offset_s(self) -> float:
        """What to add to its clock for the rig's: the quickest of three readings."""
        return min(_read_both(self._seconds) for _ in range(3))[1]

    def _rate_hz(self) -> int:
        return int(self.status(self._master)["SampleRate"])

    def _played_s(self) -> float:
        status = self.status(self._master)
        return float(status["ElapsedOutSamples"] / status["SampleRate"])

    def _describe(self) -> dict[str, object]:
        status = self.status(self._master)
        found = self.call("GetDevices", [], status["OutDeviceIndex"])
        device = found[0] if isinstance(found, list) else found
        lead_s = status["PredictedLatency"] + status["BufferSize"] / status["SampleRate"]
        return {
            "device": device["DeviceName"],
            "api": device["HostAudioAPIName"],
            "lead_s": round(lead_s, 4),
            "clock_offset_s": self.offset_s(),
        }

    def _find(self, wanted: str) -> tuple[object, object]:
        if not wanted:
            return [], []
        devices = [
            Device(int(one["DeviceIndex"]), one["DeviceName"], one["HostAudioAPIName"],
                   one["DefaultSampleRate"])
            for one in self.call("GetDevices")
            if one["NrOutputChannels"] > 0
        ]  # fmt: skip
        found = choose(devices, wanted)
        return float(found.number), found.rate_hz


class _PtbVoice:
    def __init__(self, engine: PtbEngine, master: object, samples: "Samples") -> None:
        self._engine = engine
        self._handle = engine.call("OpenSlave", master, 1, 2)
        engine.call("FillBuffer", self._handle, samples)
        self._offset_s = 0.0
        self._problem = ""

    def start(self, at_s: float) -> None:
        self._offset_s, self._problem = self._engine.offset_s(), ""
        try:
            self._stop()
            self._engine.call("Start", self._handle, 1, at_s - self._offset_s, 0)
        except RigError as error:
            self._problem = str(error)

    def stop(self) -> None:
        try:
            self._stop()
        except RigError as error:
            self._problem = str(error)

    def onset(self) -> Onset | None:
        if self._problem:
            return Onset(None, self._problem)
        try:
            begun_s = self._engine.status(self._handle)["StartTime"]
        except RigError as error:
            return Onset(None, str(error))
        if not begun_s:
            return None
        if abs(self._engine.offset_s() - self._offset_s) > _JUMP_S:
            return Onset(None, "the computer's time of day was set while the sound waited")
        return Onset(begun_s + self._offset_s)

    def close(self) -> None:
        self._engine.call("Close", self._handle)

    def _stop(self) -> None:
        if self._engine.status(self._handle)["State"]:  # it waits or plays
            self._engine.call("Stop", self._handle, 2, 0)


def _read_both(seconds: Callable[[], float]) -> tuple[float, float]:
    """How long it took to read the other clock, and what to add to it for ours."""
    before_s = clock()
    theirs_s = seconds()
    after_s = clock()
    return after_s - before_s, (before_s + after_s) / 2 - theirs_s
