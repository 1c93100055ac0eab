"""Which sound begins when, on devices that are only played."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from task.contract.errors import RigError
from task.peripherals import SoundOut
from task.plan import SoundItem, ToneItem
from task.rig import SoundStart
from task.rigs import sound, sound_engine, sound_ptb, sound_stream
from task.rigs.sound import Loudspeaker, open_sound
from task.rigs.sound_engine import Device, Onset, choose
from task.rigs.sound_ptb import PtbEngine
from task.rigs.sound_stream import StreamEngine
from task.rigs.waveforms import Samples, tone

LOW, HIGH = ToneItem(500.0, 0.1), ToneItem(1000.0, 0.1)


class Time:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    for module in (sound, sound_engine, sound_ptb, sound_stream):
        monkeypatch.setattr(module, "clock", time)
    return time


class PlayedVoice:
    def __init__(self, samples: Samples) -> None:
        self.samples = samples
        self.asked_s: list[float] = []
        self.says: Onset | None = None
        self.stopped, self.closed = 0, False

    def start(self, at_s: float) -> None:
        self.asked_s.append(at_s)

    def stop(self) -> None:
        self.stopped += 1

    def onset(self) -> Onset | None:
        return self.says

    def close(self) -> None:
        self.closed = True


class PlayedEngine:
    rate_hz = 48_000

    def __init__(self) -> None:
        self.description: dict[str, object] = {"device": "played"}
        self.voices: list[PlayedVoice] = []
        self.closed = False

    def voice(self, samples: Samples) -> PlayedVoice:
        self.voices.append(PlayedVoice(samples))
        return self.voices[-1]

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def engine() -> PlayedEngine:
    return PlayedEngine()


def loudspeaker(engine: PlayedEngine, **table: float) -> Loudspeaker:
    speaker = Loudspeaker(engine, SoundOut.model_validate(table), {})
    speaker.prepare([LOW, HIGH])
    return speaker


def test_a_sound_that_began_is_told_once(engine: PlayedEngine, now: Time) -> None:
    speaker = loudspeaker(engine)
    speaker.start(HIGH, 1000.5)
    assert engine.voices[1].asked_s == [1000.5] and engine.voices[0].asked_s == []
    assert speaker.started() == []
    engine.voices[1].says = Onset(1000.5004)
    assert speaker.started() == [SoundStart(HIGH, 1000.5, 1000.5004, "")]
    assert speaker.started() == []


def test_a_measured_latency_is_started_earlier_and_counted_in(
    engine: PlayedEngine, now: Time
) -> None:
    speaker = loudspeaker(engine, latency_s=0.25)
    speaker.start(LOW, 1000.5)
    assert engine.voices[0].asked_s == [1000.25]
    engine.voices[0].says = Onset(1000.25)
    assert speaker.started() == [SoundStart(LOW, 1000.5, 1000.5, "")]


@pytest.mark.parametrize(("after_s", "told"), [(0.999, False), (1.0, True)])
def test_a_sound_that_does_not_begin_is_told(
    engine: PlayedEngine, now: Time, after_s: float, told: bool
) -> None:
    speaker = loudspeaker(engine)
    speaker.start(LOW, 1000.5)
    now.now_s = 1000.5 + after_s
    why = "did not begin within 1 s; is the sound device still there?"
    assert speaker.started() == ([SoundStart(LOW, 1000.5, None, why)] if told else [])


def test_what_the_device_says_is_wrong_is_told(engine: PlayedEngine, now: Time) -> None:
    speaker = loudspeaker(engine)
    speaker.start(LOW, 1000.5)
    engine.voices[0].says = Onset(None, "broken")
    assert speaker.started() == [SoundStart(LOW, 1000.5, None, "broken")]


def test_a_sound_that_was_not_made_ready_raises_nothing(engine: PlayedEngine, now: Time) -> None:
    speaker = loudspeaker(engine)
    other = ToneItem(50.0, 1.0)
    speaker.start(other, 1000.5)
    assert speaker.started() == [SoundStart(other, 1000.5, None, "was not made ready")]


def test_no_start_is_lost_if_one_sound_follows_itself(engine: PlayedEngine, now: Time) -> None:
    speaker = loudspeaker(engine)
    speaker.start(LOW, 1000.5)
    speaker.start(LOW, 1000.6)
    engine.voices[0].says = Onset(1000.6)
    speaker.start(LOW, 1000.9)  # the second was heard
    why = "was started again before it was known to have begun"
    assert speaker.started() == [
        SoundStart(LOW, 1000.5, None, why),
        SoundStart(LOW, 1000.6, 1000.6, ""),
        SoundStart(LOW, 1000.9, 1000.6, ""),
    ]


def test_silence_stops_every_sound_and_tells_which_had_begun(
    engine: PlayedEngine, now: Time
) -> None:
    speaker = loudspeaker(engine)
    speaker.start(LOW, 1000.0)
    speaker.start(HIGH, 1000.5)
    engine.voices[0].says = Onset(1000.001)
    speaker.silence()
    assert [voice.stopped for voice in engine.voices] == [1, 1]
    assert speaker.started() == [
        SoundStart(LOW, 1000.0, 1000.001, ""),
        SoundStart(HIGH, 1000.5, None, "was silenced before it began"),
    ]
    now.now_s += 5
    assert speaker.started() == []


def test_only_what_is_needed_is_held(engine: PlayedEngine, now: Time) -> None:
    speaker = loudspeaker(engine)
    speaker.start(LOW, 1000.5)
    speaker.prepare([HIGH, HIGH])
    assert [voice.closed for voice in engine.voices] == [True, False]
    assert speaker.started() == [SoundStart(LOW, 1000.5, None, "dropped")]
    speaker.close()
    assert engine.closed


def test_the_volume_makes_a_sound_softer(engine: PlayedEngine) -> None:
    loudspeaker(engine, volume=0.25)
    assert np.array_equal(engine.voices[0].samples, tone(500, 0.1, 48_000) * np.float32(0.25))


def test_a_sound_file_is_found_by_its_name_or_its_path(
    engine: PlayedEngine, tmp_path: Path
) -> None:
    soundfile = pytest.importorskip("soundfile")
    file = tmp_path / "word.wav"
    soundfile.write(file, np.full(480, 0.5), 48_000)
    speaker = Loudspeaker(engine, SoundOut(volume=1.0), {"word": file})
    speaker.prepare([SoundItem("word"), SoundItem(str(file))])
    assert [voice.samples.shape for voice in engine.voices] == [(480, 2), (480, 2)]


def test_the_log_learns_what_plays(engine: PlayedEngine) -> None:
    assert loudspeaker(engine, latency_s=0.012).description == {
        "device": "played",
        "rate_hz": 48_000,
        "volume": 0.5,
        "latency_s": 0.012,
    }


# Which library, and none.


def opens(description: str) -> Callable[[str], PlayedEngine]:
    def opened(device: str) -> PlayedEngine:
        engine = PlayedEngine()
        engine.description = {"device": f"{description} {device}"}
        return engine

    return opened


def fails(why: str) -> Callable[[str], PlayedEngine]:
    def failed(device: str) -> PlayedEngine:
        raise RigError(why)

    return failed


@pytest.mark.parametrize(
    ("backend", "said"),
    [
        ("ptb", {"device": "a here", "backend": "ptb"}),
        ("sounddevice", {"device": "b here", "backend": "sounddevice"}),
        ("auto", {"device": "a here", "backend": "ptb"}),
    ],
)
def test_the_library_of_the_rig_file_is_taken(
    monkeypatch: pytest.MonkeyPatch, backend: str, said: dict[str, str]
) -> None:
    monkeypatch.setattr(sound, "_ENGINES", {"ptb": opens("a"), "sounddevice": opens("b")})
    speaker = open_sound(SoundOut.model_validate({"backend": backend, "device": "here"}), {})
    assert speaker.description.items() >= said.items()
    assert "not_used" not in speaker.description


def test_auto_takes_the_second_if_the_first_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound, "_ENGINES", {"ptb": fails("no jack"), "sounddevice": opens("b")})
    said = open_sound(SoundOut(), {}).description
    assert said["backend"] == "sounddevice" and said["not_used"] == {"ptb": "no jack"}


def test_a_computer_that_cannot_play_is_told_with_every_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sound, "_ENGINES", {"ptb": fails("no jack"), "sounddevice": fails("mute")})
    with pytest.raises(RigError) as error:
        open_sound(SoundOut(), {})
    assert str(error.value) == (
        "no sound can be played: ptb: no jack; sounddevice: mute; switch the loudspeaker or the"
        " headphones on and choose them in the computer's sound settings, or name another device"
        " under [sound] in the rig file"
    )


@pytest.mark.parametrize(("engine", "name"), [(PtbEngine, "psychtoolbox"),
                                              (StreamEngine, "sounddevice")])  # fmt: skip
def test_a_missing_library_is_told(
    monkeypatch: pytest.MonkeyPatch, engine: Callable[[str], object], name: str
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(RigError, match=f"{name} cannot be loaded"):
        engine("")


def test_what_to_install_is_told_where_a_system_library_is_missing() -> None:
    error = "libjack.so.0: cannot open shared object file: No such file or directory"
    assert sound_engine.missing(error) == "; sudo apt-get install libportaudio2"
    assert sound_engine.missing("PortAudio library not found") == (
        "; sudo apt-get install libportaudio2"
    )
    assert sound_engine.missing("No module named 'x'") == ""


DEVICES = [
    Device(0, "Headphones (Realtek High Defini", "MME", 44_100),
    Device(1, "Headphones (Realtek High Definition)", "Windows WASAPI", 48_000),
    Device(2, "Speakers (USB)", "Windows WASAPI", 48_000),
    Device(3, "Speakers (HDMI)", "Windows WASAPI", 48_000),
]


@pytest.mark.parametrize(
    ("wanted", "number"),
    [("headphones", 1), ("Headphones (Realtek High Defini", 0), ("usb", 2), ("SPEAKERS (HDMI)", 3)],
)
def test_a_device_is_found_by_name_on_the_interface_that_knows_its_time(
    wanted: str, number: int
) -> None:
    assert choose(DEVICES, wanted).number == number


def test_no_device_and_several_are_refused() -> None:
    with pytest.raises(RigError) as none:
        choose(DEVICES[2:], "bluetooth")
    assert str(none.value) == (
        "no sound devices are called 'bluetooth'; devices here: Speakers (USB), Speakers (HDMI)"
    )
    with pytest.raises(RigError) as several:
        choose(DEVICES, "speakers")
    assert str(several.value) == (
        "2 sound devices are called 'speakers'; devices here: Speakers (USB), Speakers (HDMI)"
    )


# Psychtoolbox, played: its clock is far from ours.


class Ptb:
    """PsychPortAudio on a device that takes samples as time goes by."""

    def __init__(self, now: Time) -> None:
        self.now, self.offset_s, self.runs = now, 1.7e9, True
        self.starts: list[float] = []
        self.said: list[str] = []
        self.voice: dict[str, float] = {"State": 0.0, "StartTime": 0.0}
        self.fails_at = ""

    def seconds(self) -> float:
        return self.now.now_s + self.offset_s

    def __call__(self, command: str, *arguments: Any) -> Any:
        self.said.append(command)
        if command == self.fails_at:
            raise Exception("Failed to open PortAudio audio device.\n")
        return getattr(self, command)(*arguments)

    def Verbosity(self, level: int) -> None:  # noqa: N802
        assert level == 0

    def GetDevices(self, *which: Any) -> Any:  # noqa: N802
        one = {"DeviceIndex": 3.0, "DeviceName": "USB", "HostAudioAPIName": "ALSA",
               "DefaultSampleRate": 44100.0, "NrOutputChannels": 2.0}  # fmt: skip
        return one if which else [one, one | {"DeviceName": "mic", "NrOutputChannels": 0.0}]

    def Open(self, *arguments: Any) -> float:  # noqa: N802
        self.opened = arguments
        return 0.0

    def Start(self, handle: float, _: int, when_s: float, __: int) -> None:  # noqa: N802
        if handle:
            self.starts.append(when_s)
            self.voice = {"State": 1.0, "StartTime": 0.0}

    def Stop(self, *arguments: Any) -> None:  # noqa: N802
        assert arguments == (7.0, 2, 0)  # at once, without waiting

    def GetStatus(self, handle: float) -> dict[str, float]:  # noqa: N802
        if handle:
            return self.voice
        self.now.now_s += 0.1 if self.runs else 1.0
        return {"SampleRate": 44100.0, "PredictedLatency": 0.02, "BufferSize": 441.0,
                "OutDeviceIndex": 3.0,
                "ElapsedOutSamples": 44100 * (self.now.now_s - 1000) * self.runs}  # fmt: skip

    def OpenSlave(self, *arguments: Any) -> float:  # noqa: N802
        assert arguments == (0.0, 1, 2)
        return 7.0

    def FillBuffer(self, handle: float, samples: Samples) -> None:  # noqa: N802
        assert handle == 7.0 and samples.shape[1] == 2

    def Close(self, handle: float) -> None:  # noqa: N802
        pass


@pytest.fixture
def ptb(now: Time, monkeypatch: pytest.MonkeyPatch) -> Ptb:
    played = Ptb(now)
    module = SimpleNamespace(PsychPortAudio=played, GetSecs=played.seconds)
    monkeypatch.setitem(sys.modules, "psychtoolbox", module)
    return played


def test_psychtoolbox_opens_the_usual_device_or_the_named_one(ptb: Ptb) -> None:
    engine = PtbEngine("")
    assert ptb.opened == ([], 9, 1, [], 2)
    assert engine.rate_hz == 44_100
    assert engine.description == {
        "device": "USB", "api": "ALSA", "lead_s": 0.03, "clock_offset_s": -1.7e9
    }  # fmt: skip
    PtbEngine("usb")
    assert ptb.opened == (3.0, 9, 1, 44100.0, 2)


def test_times_are_turned_into_psychtoolboxs_clock_and_back(ptb: Ptb, now: Time) -> None:
    voice = PtbEngine("").voice(tone(500, 0.1, 44_100))
    voice.start(now.now_s + 0.5)
    assert ptb.starts == [pytest.approx(ptb.seconds() + 0.5, abs=1e-6)]
    assert voice.onset() is None
    ptb.voice["StartTime"] = ptb.starts[0] + 0.001
    onset = voice.onset()
    assert onset and onset.problem == ""
    assert onset.time_s == pytest.approx(now.now_s + 0.501, abs=1e-6)


@pytest.mark.parametrize(("jump_s", "known"), [(0.0009, True), (0.002, False), (-3600.0, False)])
def test_a_clock_that_is_set_while_a_sound_waits_is_told(
    ptb: Ptb, now: Time, jump_s: float, known: bool
) -> None:
    voice = PtbEngine("").voice(tone(500, 0.1, 44_100))
    voice.start(now.now_s + 0.5)
    ptb.voice["StartTime"] = ptb.starts[0]
    ptb.offset_s += jump_s
    onset = voice.onset()
    assert onset and (onset.time_s is not None) == known
    assert known or onset.problem == "the computer's time of day was set while the sound waited"


def test_a_sound_that_still_plays_is_stopped_and_begun_again(ptb: Ptb, now: Time) -> None:
    voice = PtbEngine("").voice(tone(500, 0.1, 44_100))
    voice.start(now.now_s)
    voice.start(now.now_s + 0.1)
    assert [said for said in ptb.said if said in ("Start", "Stop")] == [
        "Start", "Start", "Stop", "Start"
    ]  # fmt: skip


def test_a_voice_is_stopped_while_it_waits_or_plays_and_only_then(ptb: Ptb, now: Time) -> None:
    voice = PtbEngine("").voice(tone(500, 0.1, 44_100))
    voice.stop()
    assert "Stop" not in ptb.said
    voice.start(now.now_s + 0.1)
    voice.stop()
    assert ptb.said.count("Stop") == 1
    ptb.fails_at = "Stop"
    voice.stop()
    assert voice.onset() == Onset(None, "Failed to open PortAudio audio device.")


@pytest.mark.parametrize("command", ["Start", "GetStatus"])
def test_a_device_that_fails_is_told_and_raises_nothing(ptb: Ptb, now: Time, command: str) -> None:
    voice = PtbEngine("").voice(tone(500, 0.1, 44_100))
    ptb.fails_at = command
    voice.start(now.now_s)
    assert voice.onset() == Onset(None, "Failed to open PortAudio audio device.")


def test_a_device_that_cannot_be_opened_is_told(ptb: Ptb) -> None:
    ptb.fails_at = "Open"
    with pytest.raises(RigError, match=r"^Failed to open PortAudio audio device\.$"):
        PtbEngine("")


def test_a_device_that_takes_no_samples_is_refused_and_closed(ptb: Ptb) -> None:
    ptb.runs = False
    with pytest.raises(RigError, match="^the sound device opens but does not run$"):
        PtbEngine("")
    assert ptb.said[-1] == "Close"


def test_a_bug_of_ours_is_not_taken_for_a_device_that_fails(ptb: Ptb) -> None:
    with pytest.raises(TypeError):
        PtbEngine("").call("Verbosity", 0, 1)


# sounddevice, played: buffers of 480 samples at 48 kHz, on a clock of its own.


class PortAudioError(Exception):
    pass


class Stream:
    """An output stream; `run` plays buffers and returns what was heard."""

    dac_s, offset_s = 0.03, -990.0  # from call to sound; from our clock to the stream's

    def __init__(self, now: Time, **options: Any) -> None:
        self.now, self.options, self.latency, self.runs = now, options, 0.035, True

    def start(self) -> None:
        if self.runs:
            self.run(30)

    def run(self, buffers: int, late_s: float = 0.0) -> Samples:
        heard = []
        for _ in range(buffers):
            out = np.full((480, 2), 9.0, np.float32)
            current_s = self.now.now_s + self.offset_s
            when = SimpleNamespace(
                currentTime=current_s, outputBufferDacTime=current_s + self.dac_s
            )
            self.now.now_s += late_s
            self.options["callback"](out, 480, when, None)
            self.now.now_s += 0.01 - late_s
            heard.append(out)
        return np.concatenate(heard)

    def abort(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


class Library(SimpleNamespace):
    PortAudioError = PortAudioError
    fails = False
    runs = True

    def query_hostapis(self) -> Any:
        return ({"name": "MME", "default_output_device": 0},
                {"name": "Windows WASAPI", "default_output_device": 1})  # fmt: skip

    def query_devices(self) -> Any:
        return [
            {"name": name, "hostapi": api, "default_samplerate": 48_000.0,
             "max_output_channels": channels}
            for name, api, channels in (("A", 0, 2), ("A long", 1, 2), ("mic", 1, 0), ("B", 1, 2))
        ]  # fmt: skip

    def OutputStream(self, **options: Any) -> Stream:  # noqa: N802
        if self.fails:
            raise PortAudioError("Error opening OutputStream: Device unavailable [-9985]")
        self.stream = Stream(self.now, **options)
        self.stream.runs = self.runs
        return self.stream


@pytest.fixture
def library(now: Time, monkeypatch: pytest.MonkeyPatch) -> Library:
    played = Library(now=now)
    monkeypatch.setitem(sys.modules, "sounddevice", played)
    return played


def test_sounddevice_opens_the_usual_device_of_the_better_interface(library: Library) -> None:
    engine = StreamEngine("")
    assert engine.description == {"device": "A long", "api": "Windows WASAPI", "lead_s": 0.045}
    assert library.stream.options["device"] == 1 and engine.rate_hz == 48_000
    assert StreamEngine("b").description["device"] == "B"


@pytest.mark.parametrize("late_s", [0.0, 0.004])
def test_a_sound_begins_on_the_sample_that_is_heard_at_its_time(
    library: Library, now: Time, late_s: float
) -> None:
    voice = StreamEngine("").voice(np.full((700, 2), 0.5, np.float32))
    begins_s = now.now_s
    at_s = begins_s + 0.03 + 1234.4 / 48_000
    voice.start(at_s)
    assert voice.onset() is None
    heard = library.stream.run(8, late_s)[:, 0]
    assert np.flatnonzero(heard).tolist() == list(range(1234, 1934))
    onset = voice.onset()
    assert onset and onset.time_s == pytest.approx(begins_s + 0.03 + 1234 / 48_000, abs=1e-6)


def test_a_sound_asked_for_too_late_begins_at_once_and_says_so(library: Library, now: Time) -> None:
    voice = StreamEngine("").voice(np.full((100, 2), 0.5, np.float32))
    voice.start(now.now_s - 1)
    begins_s = now.now_s
    heard = library.stream.run(2)[:, 0]
    assert np.flatnonzero(heard).tolist() == list(range(100))
    onset = voice.onset()
    assert onset and onset.time_s == pytest.approx(begins_s + 0.03, abs=1e-6)


def test_sounds_are_added_and_never_beyond_full_scale(library: Library, now: Time) -> None:
    engine = StreamEngine("")
    voices = [engine.voice(np.full((n, 2), 0.75, np.float32)) for n in (200, 100)]
    for voice in voices:
        voice.start(now.now_s)
    heard = library.stream.run(1)[:, 0]
    assert heard[:100].tolist() == [1.0] * 100
    assert heard[100:200].tolist() == [0.75] * 100
    assert not heard[200:].any()


def test_a_sound_can_be_started_again_and_dropped(library: Library, now: Time) -> None:
    voice = StreamEngine("").voice(np.full((100, 2), 0.5, np.float32))
    for _ in range(2):
        voice.start(now.now_s)
        assert np.count_nonzero(library.stream.run(1)[:, 0]) == 100
    voice.start(now.now_s)
    voice.close()
    assert not library.stream.run(1).any()
    assert voice.onset() is None


def test_a_sound_that_is_stopped_is_heard_no_more_or_never(library: Library, now: Time) -> None:
    voice = StreamEngine("").voice(np.full((1000, 2), 0.5, np.float32))
    voice.start(now.now_s)
    assert library.stream.run(1).any()
    voice.stop()
    assert not library.stream.run(1).any()
    voice.start(now.now_s + 0.045)
    voice.stop()
    assert not library.stream.run(10).any() and voice.onset() is None


def test_a_stream_that_stumbles_is_timed_right_again(library: Library, now: Time) -> None:
    voice = StreamEngine("").voice(np.full((100, 2), 0.5, np.float32))
    library.stream.offset_s -= 0.5  # half a second of sound was lost
    library.stream.run(16)
    begins_s = now.now_s
    voice.start(begins_s + 0.035)
    library.stream.run(2)
    onset = voice.onset()
    assert onset and onset.time_s == pytest.approx(begins_s + 0.035, abs=3e-5)


def test_a_stream_that_cannot_be_opened_is_told(library: Library) -> None:
    library.fails = True
    with pytest.raises(RigError) as error:
        StreamEngine("")
    assert str(error.value) == (
        "the sound device cannot be opened: Error opening OutputStream: Device unavailable [-9985]"
    )


def test_a_stream_that_does_not_run_is_refused_and_closed(
    library: Library, now: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.runs = False

    def sleep(seconds: float) -> None:
        now.now_s += 1

    monkeypatch.setattr(sound_engine.time, "sleep", sleep)
    with pytest.raises(RigError, match="^the sound device opens but does not run$"):
        StreamEngine("")
    assert library.stream.closed


def test_a_computer_without_any_device_is_told(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Library, "query_hostapis", lambda self: ())
    monkeypatch.setattr(Library, "query_devices", lambda self: [])
    with pytest.raises(RigError, match="^there is no sound device here$"):
        StreamEngine("")


@pytest.mark.parametrize(
    "table", [{"volume": 1.1}, {"latency_s": -0.1}, {"backend": "pygame"}, {"loud": 1}]
)
def test_impossible_settings_are_refused(table: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SoundOut.model_validate(table)
