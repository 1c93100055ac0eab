"""An analog channel of a Neuralynx recording (`.ncs`).

Records of 1,044 bytes: time of the first sample (us), channel, rate (Hz), number of valid samples,
512 samples.  Recording may pause, and samples or whole records may be lost: samples are placed by
the times of their records, never counted from the beginning.  Where times go back the file is
refused, not split: the same moment would have two samples, and nothing tells which is meant.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.readers.neuralynx_file import Records, entity_name, open_records
from analysis.trace import Piece, Trace
from task.contract.errors import RecordingError

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
# Times are whole microseconds and jitter.  A record that is not full lost what it lacks, to the
# sample, unless the next one follows at once.
GAP_SAMPLES, CUT_SAMPLES = 2.0, 0.5
RATE_OFF = 0.01  # a nominal rate is a whole number, and may be off by that
FEWEST_STEPS = 3  # of fewer, half may be gaps
_HEAD = ["time_us", "channel", "rate_hz", "valid"]


def recognises(path: Path) -> bool:
    """Whether this is a channel by its name."""
    return path.suffix.lower() == ".ncs" and not path.is_dir()


def channels(path: Path) -> tuple[str, ...]:
    """The name of the one channel in a file.

    Raises
    ------
    RecordingError
        If the file is none of Neuralynx, or ends within a record.
    """
    return (entity_name(_open(path)),)


def read_trace(path: Path, channel: str | None = None) -> Trace:
    """The channel, in pieces between gaps, on the recording's clock.

    Its samples are held in memory, as the integers they are in the file: two hours at 32 kHz take
    460 MB.

    Parameters
    ----------
    channel : its name as `channels` tells it; None for the one there is

    Raises
    ------
    RecordingError
        If the file is none of Neuralynx, holds no samples or another channel, ends within a record,
        or its records go back in time, overlap, or are of several channels or rates.
    """
    records = _open(path)
    name = entity_name(records)
    if channel not in (None, name):
        raise RecordingError(f"{path}: has no channel {channel!r}, but {name!r}")
    heads, samples = _load(records)
    _refuse_damage(path, heads)
    time_us, valid = heads["time_us"].astype(np.int64), heads["valid"].astype(np.int64)
    period_us = _usual_period_us(time_us, valid, int(heads["rate_hz"][0]))
    late_us = np.diff(time_us) - valid[:-1] * period_us
    _refuse_overlap(path, np.diff(time_us), late_us, valid, period_us)
    most_us = np.where(valid[:-1] < SAMPLES, CUT_SAMPLES, GAP_SAMPLES) * period_us
    bounds = [0, *(np.flatnonzero(late_us > most_us) + 1).tolist(), len(valid)]
    return Trace(tuple(_pieces(samples, time_us, valid, bounds, period_us)))


def _open(path: Path) -> Records:
    return open_records(path, RECORD, "channel")


def _load(records: Records) -> tuple[NDArray[np.void], NDArray[np.int16]]:
    """What the records say, and their valid samples one after the other."""
    heads = np.empty(records.count, [(name, RECORD[name]) for name in _HEAD])
    samples = np.empty(records.count * SAMPLES, np.int16)
    filled = 0
    for before, chunk in records.chunks():
        heads[before : before + len(chunk)] = chunk[_HEAD]
        all_valid = (chunk["valid"] >= SAMPLES).all()
        kept = ... if all_valid else np.arange(SAMPLES) < chunk["valid"][:, np.newaxis]
        valid = chunk["samples"][kept].reshape(-1)
        samples[filled : filled + len(valid)] = valid
        filled += len(valid)
    if not filled:
        raise RecordingError(f"{records.path}: holds a header and no samples")
    return heads, samples[:filled]


def _usual_period_us(time_us: NDArray[np.int64], valid: NDArray[np.int64], rate_hz: int) -> float:
    """From sample to sample, by the times of full records; nominal where they do not tell."""
    nominal_us = 1e6 / rate_hz
    steps_us = np.diff(time_us)[valid[:-1] == SAMPLES]
    if len(steps_us) < FEWEST_STEPS:
        return nominal_us
    shown_us = float(np.quantile(steps_us, 0.5, method="lower")) / SAMPLES
    return shown_us if abs(shown_us / nominal_us - 1) < RATE_OFF else nominal_us


def _pieces(
    samples: NDArray[np.int16],
    time_us: NDArray[np.int64],
    valid: NDArray[np.int64],
    bounds: list[int],
    period_us: float,
) -> Iterator[Piece]:
    """Records that follow each other; the rate is the one that their times show."""
    ends = np.append(0, np.cumsum(valid))
    for first, stop in zip(bounds, bounds[1:], strict=False):
        values = samples[ends[first] : ends[stop]]
        if not len(values):
            continue
        between = int(ends[stop - 1] - ends[first])
        span_us = float(time_us[stop - 1] - time_us[first])
        own_us = span_us / between if between else period_us
        yield Piece(float(time_us[first]) / 1e6, own_us / 1e6, values)


# Damage ------------------------------------------------------------------------------------------


def _refuse_damage(path: Path, heads: NDArray[np.void]) -> None:
    rate_hz, channel = heads["rate_hz"], heads["channel"]
    what = {
        "says that it holds more samples than it can": heads["valid"] > SAMPLES,
        "has another rate than the first": (rate_hz != rate_hz[0]) | (rate_hz == 0),
        "is of another channel than the first": channel != channel[0],
    }
    for said, wrong in what.items():
        if wrong.any():
            raise RecordingError(f"{path}: record {int(wrong.argmax()) + 1} {said}")


def _refuse_overlap(
    path: Path,
    step_us: NDArray[np.int64],
    late_us: NDArray[np.float64],
    valid: NDArray[np.int64],
    period_us: float,
) -> None:
    """Refuse records that come again, or before those before them have ended."""
    wrong = ((step_us == 0) & (valid[:-1] > 0)) | (late_us < -GAP_SAMPLES * period_us)
    if wrong.any():
        at = int(wrong.argmax())
        what = "has the time of the one" if step_us[at] == 0 else "begins within the one"
        raise RecordingError(f"{path}: record {at + 2} {what} before it; the file is damaged")
