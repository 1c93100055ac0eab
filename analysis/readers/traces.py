"""Analog channels in files of their own: `.csv` and `.wav`.

A `.csv` has columns `time_s` (the recording's clock) and `value`.  A `.wav` counts from its own
beginning: what it holds is related to a log by its edges alone, which hides constant delays.
"""

import struct
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.io import wavfile

from analysis.readers.text import inspect
from analysis.trace import Piece, Trace, split_at_gaps
from task.contract.errors import RecordingError

COLUMNS = ("time_s", "value")
_FEWEST = 2
_SHOWN = 200  # letters of what pandas says, which quotes the file
# What scipy and NumPy raise over a damaged sound file.
_FAILURES = (ValueError, OSError, EOFError, struct.error, ZeroDivisionError, MemoryError, TypeError)


def recognises(path: Path) -> bool:
    """Whether this is a sound file, or a table of times and values."""
    suffix = path.suffix.lower()
    if suffix != ".csv" or not path.is_file():
        return suffix == ".wav"
    with path.open("rb") as file:
        first = file.readline(200).decode("utf-8-sig", "replace")
    return set(COLUMNS) <= {name.strip() for name in first.split(",")}


def channels(path: Path) -> tuple[str, ...]:
    """The only channel, by the name of its file."""
    return (path.stem,)


def read_trace(path: Path, channel: str | None = None) -> Trace:
    """An analog channel.

    Raises
    ------
    RecordingError
        If it is damaged, or no channel of this name.
    """
    if channel not in (None, path.stem):
        raise RecordingError(f"{path}: holds no channel {channel!r}; it has {path.stem}")
    return _csv(path) if path.suffix.lower() == ".csv" else _wav(path)


def _csv(path: Path) -> Trace:
    encoding = inspect(path, RecordingError).encoding
    try:
        table = pd.read_csv(path, usecols=list(COLUMNS), dtype=float, encoding=encoding)
    except (ValueError, pd.errors.ParserError) as error:
        raise RecordingError(
            f"{path}: is no table of numbers with columns time_s and value: {str(error)[:_SHOWN]}"
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
        with warnings.catch_warnings(record=True) as said:  # also of chunks that nobody needs
            warnings.simplefilter("always")
            rate_hz, values = wavfile.read(path)
    except UnboundLocalError:  # what scipy makes of it
        raise RecordingError(f"{path}: is no sound file: it has no samples") from None
    except _FAILURES as error:
        raise RecordingError(f"{path}: is no sound file: {str(error)[:_SHOWN]}") from None
    if any("EOF" in str(warning.message) for warning in said):
        raise RecordingError(
            f"{path}: ends within its samples; copy it again from the computer that recorded it"
        )
    if values.ndim != 1:
        raise RecordingError(
            f"{path}: has {values.shape[1]} channels; save the photodiode's alone (mono)"
        )
    if len(values) < _FEWEST or not rate_hz:
        raise RecordingError(f"{path}: holds no samples")
    return Trace((Piece(0.0, 1 / rate_hz, values),), own_clock=True)
