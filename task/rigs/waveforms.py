"""What is sent to a loudspeaker: samples between -1 and 1, one row each, left and right.

A tone begins and ends with a raised cosine, so that it does not click.  A sound file plays as it
is, at the device's rate.
"""

from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from task.contract.errors import RigError, StimulusError

Samples = NDArray[np.float32]
RAMP_S = 0.010
LONGEST_S = 10.0
QUIETEST = 0.001  # of full scale; what stays below is silence
_HIGHEST = 0.45  # of the sampling rate; above, converters filter


def tone(frequency_hz: float, duration_s: float, rate_hz: int) -> Samples:
    """A pure tone.

    Raises
    ------
    RigError
        If the device cannot play it.
    """
    if frequency_hz > _HIGHEST * rate_hz:
        raise RigError(
            f"a tone of {frequency_hz:g} Hz cannot be played at {rate_hz} samples a second;"
            f" {_HIGHEST * rate_hz:.0f} Hz is the highest"
        )
    size = max(1, round(duration_s * rate_hz))
    wave = np.sin(2 * np.pi * frequency_hz * np.arange(size) / rate_hz)
    ramp = min(round(RAMP_S * rate_hz), size // 2)
    rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(ramp) + 0.5) / max(ramp, 1))
    wave[:ramp] *= rise
    wave[size - ramp :] *= rise[::-1]
    return _both_ears(wave[:, np.newaxis])


def read_sound(path: Path, rate_hz: int) -> Samples:
    """A sound file (WAV, FLAC, OGG and what else libsndfile knows) at the rate of a device.

    Raises
    ------
    StimulusError
        If it cannot be read, lasts longer than 10 s, is silent, or is neither mono nor stereo.
    RigError
        If the library is missing.
    """
    try:
        import soundfile
    except (ImportError, OSError) as error:
        raise RigError(
            f"sound files cannot be played: soundfile cannot be loaded ({error}); set imagery up"
            " again"
        ) from None
    if not path.is_file():
        raise StimulusError(f"{path}: there is no such file")
    try:
        with soundfile.SoundFile(path) as file:
            _refuse(path, file)
            wave = file.read(dtype="float64", always_2d=True)
            recorded_hz = file.samplerate
    except soundfile.LibsndfileError as error:
        raise StimulusError(
            f"{path}: cannot be read as sound: {_reason(error)}; save it as WAV, FLAC or OGG"
        ) from None
    loudest = np.abs(wave).max(initial=0.0)
    if not loudest >= QUIETEST:  # also where a sample is no number
        raise StimulusError(f"{path}: is silent")
    return _both_ears(_resampled(wave, recorded_hz, rate_hz))


def lasts_s(path: Path) -> float | None:
    """Length of a sound file, seconds; None where it cannot be read: `read_sound` says why."""
    try:
        import soundfile
    except (ImportError, OSError):
        return None
    try:
        return float(soundfile.info(path).duration)
    except soundfile.LibsndfileError:
        return None


def _refuse(path: Path, file: Any) -> None:
    if file.channels > 2:
        raise StimulusError(f"{path}: has {file.channels} channels; save it as mono or stereo")
    lasts_s = file.frames / file.samplerate
    if lasts_s > LONGEST_S:
        raise StimulusError(
            f"{path}: lasts {lasts_s:.1f} s; a sound may last {LONGEST_S:g} s at most"
        )


def _resampled(wave: NDArray[np.float64], from_hz: int, to_hz: int) -> NDArray[np.float64]:
    """At another rate; made softer as a whole where that would overshoot full scale."""
    if from_hz != to_hz:
        from scipy.signal import resample_poly

        shared = gcd(from_hz, to_hz)
        wave = resample_poly(wave, to_hz // shared, from_hz // shared, axis=0)
    return wave / max(1.0, float(np.abs(wave).max()))


def _both_ears(wave: NDArray[np.float64]) -> Samples:
    return np.ascontiguousarray(np.broadcast_to(wave, (len(wave), 2)), dtype=np.float32)


def _reason(error: Any) -> str:
    return str(error.error_string).rstrip(".")
