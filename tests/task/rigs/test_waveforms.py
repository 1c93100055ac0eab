"""Tones by their spectrum, files by what is refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import hilbert

from task.contract.errors import RigError, StimulusError
from task.rigs.waveforms import QUIETEST, RAMP_S, Samples, read_sound, tone

soundfile = pytest.importorskip("soundfile")


def strongest_hz(samples: Samples, rate_hz: int) -> float:
    power = np.abs(np.fft.rfft(samples[:, 0] * np.hanning(len(samples)), 1 << 20))
    return float(np.argmax(power)) * rate_hz / (1 << 20)


@given(st.floats(100, 15_000), st.sampled_from([44_100, 48_000, 96_000]))
@settings(max_examples=25, deadline=None)
def test_a_tone_has_its_frequency_and_length(frequency_hz: float, rate_hz: int) -> None:
    samples = tone(frequency_hz, 0.2, rate_hz)
    assert samples.shape == (round(0.2 * rate_hz), 2) and samples.dtype == np.float32
    assert strongest_hz(samples, rate_hz) == pytest.approx(frequency_hz, abs=0.2)
    assert np.array_equal(samples[:, 0], samples[:, 1])
    assert np.abs(samples).max() <= 1


def test_a_tone_rises_and_falls_over_ten_milliseconds() -> None:
    rate_hz = 48_000
    samples = tone(1000, 0.2, rate_hz)[:, 0]
    envelope = np.abs(hilbert(samples))
    ramp = round(RAMP_S * rate_hz)
    expected = 0.5 - 0.5 * np.cos(np.pi * (np.arange(ramp) + 0.5) / ramp)
    assert np.abs(envelope[:ramp] - expected)[48:].max() < 0.03
    assert np.abs(envelope[-ramp:] - expected[::-1])[:-48].max() < 0.03
    assert np.abs(envelope[ramp + 96 : -ramp - 96] - 1).max() < 0.02


def test_a_tone_does_not_click() -> None:
    samples = tone(1000, 0.1, 48_000)[:, 0]
    edges = np.diff(np.concatenate([[0], samples, [0]]))
    assert np.abs(edges).max() <= 2 * np.pi * 1000 / 48_000
    power = np.abs(np.fft.rfft(samples)) ** 2
    away = np.abs(np.fft.rfftfreq(len(samples), 1 / 48_000) - 1000) > 500
    assert power[away].max() < 1e-7 * power.max()


def test_a_tone_shorter_than_its_ramps_still_rises_and_falls() -> None:
    samples = tone(1000, 0.01, 48_000)
    assert len(samples) == 480 and abs(samples[0, 0]) < 0.001 > abs(samples[-1, 0])
    assert len(tone(1000, 1e-6, 48_000)) == 1


def test_a_tone_too_high_for_the_device_is_refused() -> None:
    tone(21_600, 0.1, 48_000)
    with pytest.raises(RigError) as error:
        tone(21_700, 0.1, 48_000)
    assert str(error.value) == (
        "a tone of 21700 Hz cannot be played at 48000 samples a second; 21600 Hz is the highest"
    )


def write(path: Path, samples: np.ndarray, rate_hz: int, **options: str) -> Path:
    soundfile.write(path, samples, rate_hz, **options)
    return path


def sine(frequency_hz: float, duration_s: float, rate_hz: int, peak: float = 0.5) -> np.ndarray:
    return peak * np.sin(
        2 * np.pi * frequency_hz * np.arange(round(duration_s * rate_hz)) / rate_hz
    )


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg"])
@pytest.mark.parametrize("recorded_hz", [16_000, 44_100, 48_000])
def test_a_file_plays_at_the_rate_of_the_device_in_both_ears(
    tmp_path: Path, kind: str, recorded_hz: int
) -> None:
    file = write(tmp_path / f"word.{kind}", sine(440, 0.5, recorded_hz), recorded_hz)
    samples = read_sound(file, 48_000)
    assert samples.shape == (24_000, 2) and samples.dtype == np.float32
    assert np.array_equal(samples[:, 0], samples[:, 1])
    assert strongest_hz(samples, 48_000) == pytest.approx(440, abs=0.5)
    assert np.abs(samples[2000:-2000]).max() == pytest.approx(0.5, abs=0.02)


def test_stereo_stays_stereo(tmp_path: Path) -> None:
    both = np.column_stack([sine(440, 0.5, 48_000), sine(880, 0.5, 48_000)])
    samples = read_sound(write(tmp_path / "a.wav", both, 48_000, subtype="FLOAT"), 48_000)
    assert np.abs(samples - both).max() < 1e-6


def test_a_loud_file_is_made_softer_rather_than_cut_off(tmp_path: Path) -> None:
    square = np.sign(sine(400, 0.3, 44_100))
    samples = read_sound(write(tmp_path / "a.wav", square, 44_100), 48_000)
    assert np.abs(samples).max() == pytest.approx(1.0)
    assert np.median(np.abs(samples)) < 0.9  # flat tops would lie at 1


def refusal(file: Path) -> str:
    with pytest.raises(StimulusError) as error:
        read_sound(file, 48_000)
    return str(error.value)


def test_files_that_cannot_be_played_are_refused(tmp_path: Path) -> None:
    nothing, text, empty = tmp_path / "no.wav", tmp_path / "text.wav", tmp_path / "empty.wav"
    text.write_text("hello, this is not a sound", encoding="utf-8")
    assert refusal(nothing) == f"{nothing}: there is no such file"
    assert refusal(text) == (
        f"{text}: cannot be read as sound: Format not recognised; save it as WAV, FLAC or OGG"
    )
    assert refusal(write(empty, np.zeros(0), 48_000)) == f"{empty}: is silent"


def test_a_file_may_last_ten_seconds_and_no_longer(tmp_path: Path) -> None:
    long, longer = tmp_path / "long.wav", tmp_path / "longer.wav"
    assert len(read_sound(write(long, sine(99, 10, 8_000), 8_000), 8_000)) == 80_000
    write(longer, sine(99, 10.125, 8_000), 8_000)
    assert refusal(longer) == f"{longer}: lasts 10.1 s; a sound may last 10 s at most"


def test_a_silent_file_is_refused(tmp_path: Path) -> None:
    soft, silent, broken = (tmp_path / f"{name}.wav" for name in ("soft", "silent", "broken"))
    wave = np.full(480, QUIETEST)
    assert len(read_sound(write(soft, wave, 48_000, subtype="DOUBLE"), 48_000)) == 480
    assert refusal(write(silent, wave * 0.99, 48_000, subtype="DOUBLE")) == f"{silent}: is silent"
    wave[7] = np.nan
    assert refusal(write(broken, wave, 48_000, subtype="DOUBLE")) == f"{broken}: is silent"


def test_a_file_of_many_channels_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "a.wav", np.full((480, 3), 0.5), 48_000)
    assert refusal(file) == f"{file}: has 3 channels; save it as mono or stereo"


def test_a_missing_library_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "soundfile", None)
    with pytest.raises(RigError, match="sound files cannot be played: soundfile cannot be loaded"):
        read_sound(tmp_path / "a.wav", 48_000)
