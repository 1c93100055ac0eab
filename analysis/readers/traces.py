"""Analog channels, each from a file of its own: Neuralynx `.ncs`, `.csv`, `.wav`.

A `.csv` has columns `time_s` (the recording's clock) and `value`.  A `.wav` counts from its own
beginning: what it holds is related to a log by its edges alone, which hides constant delays.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.io import wavfile

from analysis.readers import neuralynx_csc
from analysis.trace import Piece, Trace, split_at_gaps
from task.contract.errors import RecordingError

COLUMNS = ("time_s", "value")
_FEWEST = 2


def read_trace(path: Path) -> Trace:
    """An analog channel.

    Raises
    ------
    RecordingError
        If it is missing, of no known form, or damaged.
    """
    if not path.is_file():
        raise RecordingError(f"{path}: cannot be read: no such file")
    if neuralynx_csc.recognises(path):
        return neuralynx_csc.read_trace(path)
    if path.suffix.lower() == ".csv":
        return _csv(path)
    if path.suffix.lower() == ".wav":
        return _wav(path)
    raise RecordingError(
        f"{path}: is no trace that can be read here; known are .ncs, .csv (time_s, value) and .wav"
    )


def _csv(path: Path) -> Trace:
    try:
        table = pd.read_csv(path, usecols=list(COLUMNS), dtype=float)
    except (ValueError, pd.errors.ParserError) as error:
        raise RecordingError(
            f"{path}: is no table of numbers with columns time_s and value: {error}"
        ) from None
    times_s, values = (table[name].to_numpy() for name in COLUMNS)
    if len(table) < _FEWEST or not np.isfinite(table.to_numpy()).all():
        raise RecordingError(f"{path}: holds fewer than two samples, or fields without a number")
    if (np.diff(times_s) <= 0).any():
        row = int((np.diff(times_s) <= 0).argmax()) + 3  # after the header; people count from 1
        raise RecordingError(f"{path}:{row}: time_s does not grow")
    return split_at_gaps(times_s, values)


def _wav(path: Path) -> Trace:
    try:
        rate_hz, values = wavfile.read(path)
    except (ValueError, OSError, EOFError) as error:
        raise RecordingError(f"{path}: is no sound file: {error}") from None
    if values.ndim != 1:
        raise RecordingError(
            f"{path}: has {values.shape[1]} channels; save the photodiode's alone (mono)"
        )
    if len(values) < _FEWEST or not rate_hz:
        raise RecordingError(f"{path}: holds no samples")
    return Trace((Piece(0.0, 1 / rate_hz, values),), own_clock=True)
