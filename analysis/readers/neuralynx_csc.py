"""An analog channel of a Neuralynx recording (`.ncs`).

A text header of 16,384 bytes, then records of 1,044 bytes, little-endian: time of the first sample
(us), channel, rate (Hz), number of valid samples, 512 samples.  Recording may pause, and records
may be lost: samples are placed by the times of their records, never counted from the beginning.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.trace import Piece, Trace
from task.contract.errors import RecordingError

HEADER_BYTES = 16_384
SAMPLES = 512
RECORD = np.dtype(
    [
        ("time_us", "<u8"),
        ("channel", "<u4"),
        ("rate_hz", "<u4"),
        ("valid", "<u4"),
        ("samples", "<i2", SAMPLES),
    ]
)
GAP_SAMPLES = 2.0  # time stamps are whole microseconds, and nominal rates differ from true ones
_BEGINS = b"######## Neuralynx"


def recognises(path: Path) -> bool:
    """Whether this is a channel by its name."""
    return path.suffix.lower() == ".ncs"


def read_trace(path: Path) -> Trace:
    """The channel, in pieces between gaps, on the recording's clock.

    Raises
    ------
    RecordingError
        If the file is none of Neuralynx, holds no samples, ends within a record, or its records
        are out of order or of several channels.
    """
    records = _records(path)
    time_us = records["time_us"].astype(np.int64)
    valid, rate_hz = records["valid"].astype(np.int64), records["rate_hz"].astype(np.int64)
    _refuse_damage(path, records, time_us, valid, rate_hz)
    period_us = 1e6 / float(rate_hz[0])
    off_us = np.diff(time_us) - valid[:-1] * period_us
    breaks = np.flatnonzero((np.abs(off_us) > GAP_SAMPLES * period_us) | (valid[:-1] < SAMPLES)) + 1
    bounds = [0, *breaks.tolist(), len(records)]
    pieces = [
        _piece(records["samples"][a:b], time_us[a:b], int(valid[b - 1]), period_us)
        for a, b in zip(bounds, bounds[1:], strict=False)
        if valid[a:b].sum()
    ]
    return Trace(tuple(pieces))


def _piece(
    samples: NDArray[np.int16], time_us: NDArray[np.int64], last: int, period_us: float
) -> Piece:
    """Records that follow each other; the rate is the one that their times show."""
    if len(time_us) > 1:
        period_us = float(time_us[-1] - time_us[0]) / (SAMPLES * (len(time_us) - 1))
    values = samples.reshape(-1)[: SAMPLES * (len(time_us) - 1) + last]
    return Piece(float(time_us[0]) / 1e6, period_us / 1e6, values)


def _records(path: Path) -> NDArray[np.void]:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            begins = file.read(len(_BEGINS))
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from None
    if begins != _BEGINS:
        raise RecordingError(f"{path}: is no channel of Neuralynx: its header is another")
    whole, rest = divmod(size - HEADER_BYTES, RECORD.itemsize)
    if whole < 0 or rest:
        raise RecordingError(
            f"{path}: ends within {f'record {whole + 1}' if whole >= 0 else 'its header'};"
            " copy it again from the recording computer"
        )
    if not whole:
        raise RecordingError(f"{path}: holds a header and no samples")
    return np.memmap(path, RECORD, "r", HEADER_BYTES)


def _refuse_damage(
    path: Path,
    records: NDArray[np.void],
    time_us: NDArray[np.int64],
    valid: NDArray[np.int64],
    rate_hz: NDArray[np.int64],
) -> None:
    what = {
        "says that it holds more samples than it can": valid > SAMPLES,
        "has another rate than the first": (rate_hz != rate_hz[0]) | (rate_hz == 0),
        "is of another channel than the first": records["channel"] != records["channel"][0],
        "is older than the one before it": np.diff(time_us, prepend=time_us[0]) < 0,
    }
    for said, wrong in what.items():
        if wrong.any():
            raise RecordingError(f"{path}: record {int(wrong.argmax()) + 1} {said}")
    if not valid.any():
        raise RecordingError(f"{path}: holds a header and no samples")
