"""Time series of an NWB file: which are words that came now and then, and which are signals.

`data` has a value, or a row of them, for each sample; `timestamps` are times in s, or
`starting_time` is the first and its attribute `rate` how many follow in a second (NWB Format
Specification 2.10, `TimeSeries`).  Nothing in the file tells a list of codes from a sampled line:
what has no rate, whole numbers, and times that do not follow each other like samples is taken for
words, all else for a signal.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from analysis.readers import hdf5, nwb_file
from analysis.readers.nwb_file import Typed
from task.contract.errors import RecordingError

_WORDS = "TimeSeries"  # further kinds have a meaning of their own
_NO_SIGNALS = frozenset(
    [
        *("AnnotationSeries", "IndexSeries", "IntervalSeries", "SpikeEventSeries"),
        *("ImageSeries", "OpticalSeries", "ImageMaskSeries", "OnePhotonSeries", "TwoPhotonSeries"),
    ]
)
_HEAD = 4096  # samples that a series is judged by
_FEWEST = 16  # samples that can be a signal with times of its own
_SLOWEST_S = 0.02  # from one sample of a signal to the next
_ALIKE, _MOSTLY = 0.01, 0.9  # steps between samples are alike; but for gaps
_AT_ONCE = 2**22
_CLEAR = 6.0  # times the scatter of either level that two levels lie apart; of a sine it is 4.1


@dataclass(frozen=True, slots=True)
class Series:
    """A time series of numbers.

    Attributes
    ----------
    shape : (samples,) or (samples, columns)
    timestamps : None where there is a rate
    """

    typed: Typed
    data: h5py.Dataset
    shape: tuple[int, ...]
    timestamps: h5py.Dataset | None

    @property
    def start_s(self) -> float:
        """Time of the first sample, where there is a rate."""
        found = hdf5.child(self.typed.group, "starting_time")
        value = hdf5.values(found).ravel() if isinstance(found, h5py.Dataset) else np.empty(0)
        if len(value) != 1 or not abs(float(value[0])) < nwb_file.LATEST_S:
            raise RecordingError(f"{hdf5.where(self.typed.group)} does not say when it starts")
        return float(value[0])

    @property
    def rate_hz(self) -> float:
        """Samples a second, where they have no times of their own."""
        found = hdf5.child(self.typed.group, "starting_time")
        rate_hz = math.nan if found is None else hdf5.number(found, "rate")
        if not 1e-6 < rate_hz < 1e9:
            raise RecordingError(f"{hdf5.where(self.typed.group)} does not say its rate in Hz")
        return rate_hz

    def times_s(self) -> NDArray[np.float64]:
        """Times of all samples, where they have times of their own.

        Raises
        ------
        RecordingError
            If there are more or fewer of them than samples.
        """
        assert self.timestamps is not None
        found = nwb_file.times_s(self.timestamps)
        if len(found) != self.shape[0]:
            raise RecordingError(
                f"{hdf5.where(self.typed.group)} has {self.shape[0]} values, but {len(found)} times"
            )
        return found


def series_of(typed: Typed) -> Series | None:
    """The numbers of a group, if it is a time series of them."""
    if not typed.kind.endswith("Series"):
        return None
    data = hdf5.dataset(typed.group, "data")
    if data is None or not hdf5.is_number(data):
        return None
    shape = hdf5.shape_of(data)
    if len(shape) not in (1, 2):
        return None
    return Series(typed, data, shape, hdf5.dataset(typed.group, "timestamps"))


def is_words(series: Series) -> bool:
    """Whether its values are words that came now and then."""
    if series.typed.kind != _WORDS or series.timestamps is None or math.prod(series.shape[1:]) != 1:
        return False
    head = slice(0, _HEAD)
    values = hdf5.values(series.data, head).astype(np.float64)
    known = values[np.isfinite(values)]
    if not len(known) or (known != np.floor(known)).any():
        return False
    return not _follow_like_samples(hdf5.values(series.timestamps, head).astype(np.float64))


def _follow_like_samples(times_s: NDArray[np.float64]) -> bool:
    if len(times_s) < _FEWEST:
        return False
    steps_s = np.diff(times_s)
    usual_s = float(np.median(steps_s))
    alike = np.abs(steps_s - usual_s) <= _ALIKE * usual_s
    return 0 < usual_s < _SLOWEST_S and float(alike.mean()) >= _MOSTLY


def is_signal(series: Series) -> bool:
    """Whether its values are samples of a signal."""
    return series.typed.kind not in _NO_SIGNALS and series.shape[0] > 1 and not is_words(series)


# Edges -------------------------------------------------------------------------------------------


def edges(series: Series) -> tuple[NDArray[np.float64], NDArray[np.int64]] | None:
    """When a signal of two levels rises (1) and falls (0); None if it has no two levels.

    An edge lies at the first sample beyond halfway between the least and the greatest value.
    """
    if series.typed.kind != _WORDS or len(series.shape) != 1:
        return None
    ends = [(float(part.min()), float(part.max())) for part in _parts(series)]
    low, high = min((a for a, _ in ends), default=0.0), max((b for _, b in ends), default=0.0)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        return None
    halfway = (low + high) / 2
    found: list[NDArray[np.int64]] = []
    ways: list[NDArray[np.int64]] = []
    sums: NDArray[Any] = np.zeros((2, 3))
    before: bool | None = None
    begins = 0
    for part in _parts(series):
        above = part > halfway
        for side, chosen in enumerate((part[~above], part[above])):
            around = chosen - halfway
            sums[side] += (len(around), float(around.sum()), float((around**2).sum()))
        last = bool(above[0]) if before is None else before
        at = np.flatnonzero(np.diff(above, prepend=last))
        found.append(at + begins)
        ways.append(above[at].astype(np.int64))
        before, begins = bool(above[-1]), begins + len(part)
    if not _two_levels(sums):
        return None
    samples = np.concatenate(found)
    if series.timestamps is not None:
        return series.times_s()[samples], np.concatenate(ways)
    return series.start_s + samples / series.rate_hz, np.concatenate(ways)


def _two_levels(sums: NDArray[Any]) -> bool:
    """Whether the values to either side of halfway lie close together, by their sums."""
    count, total, squares = sums.T
    if not count.all():
        return False
    mean = total / count
    scatter = math.sqrt(max(0.0, float((squares / count - mean**2).max())))
    return bool(mean[1] - mean[0] > _CLEAR * scatter)


def _parts(series: Series) -> Iterator[NDArray[np.float64]]:
    for begins in range(0, series.shape[0], _AT_ONCE):
        part = slice(begins, begins + _AT_ONCE)
        yield hdf5.values(series.data, part).astype(np.float64)
