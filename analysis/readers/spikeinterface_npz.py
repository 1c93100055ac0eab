"""Units as SpikeInterface saves a sorting in one `.npz` file.

A zip of arrays: `num_segment` and `sampling_frequency` (one number each), `unit_ids` (numbers or
texts), and for every segment n `spike_indexes_seg<n>` (samples, ascending) and
`spike_labels_seg<n>` (the unit of each) (SpikeInterface, `core/npzsortingextractor.py`).  Up to
version 0.98 a saved folder held it as `sorting_cached.npz`.

Times are samples over the rate, from the beginning of what was sorted: they are on the clock of the
recording only if it begins there.  Several segments each have a beginning of their own, of which
the file tells nothing: they are refused.  Neither kinds, channels nor waveforms are in the file.
"""

import math
import zlib
from errno import EINVAL
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from analysis.readers.npy import read_header
from analysis.recording import Unit, Units, collect_units
from task.contract.errors import RecordingError

CACHED_NAME = "sorting_cached.npz"
_SEGMENTS = "num_segment"
_MOST_DEFLATED = 1100  # deflate makes nothing smaller than by this factor
# What Python raises over a zip file that is damaged.
_FAILURES = (
    BadZipFile,
    EOFError,
    KeyError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,
    zlib.error,
)


def recognises(path: Path) -> bool:
    """Whether it is such a file, or a folder with one of its name."""
    if path.is_dir():
        return (path / CACHED_NAME).is_file()
    try:
        with path.open("rb") as stream, ZipFile(stream) as archive:
            return f"{_SEGMENTS}.npy" in archive.namelist()
    except (FileNotFoundError, *_FAILURES):
        return False
    except OSError as error:
        if error.errno != EINVAL:
            raise
        return False


def read_units(path: Path) -> Units:
    """All units, in the order of `unit_ids` (`unit_3`); what they are and where is not known.

    Raises
    ------
    RecordingError
        If the file cannot be read, is damaged, or holds several segments.
    """
    file = _file(path)
    try:
        with file.open("rb") as stream, ZipFile(stream) as archive:
            segments = _one(file, _read(file, archive, _SEGMENTS))
            rate_hz = _one(file, _read(file, archive, "sampling_frequency"))
            if segments != 1:
                raise RecordingError(
                    f"{file}: has {segments:g} segments, each with a clock of its own; save one at"
                    " a time"
                )
            ids = _read(file, archive, "unit_ids")
            samples = _read(file, archive, "spike_indexes_seg0")
            labels = _read(file, archive, "spike_labels_seg0")
    except _FAILURES:
        raise _damaged(file) from None
    except OSError as error:
        if error.errno == EINVAL:  # a place before the file's beginning
            raise _damaged(file) from None
        raise RecordingError(f"{file}: cannot be read: {error.strerror or error}") from None
    _check(file, rate_hz, ids, samples, labels)
    return collect_units(_units(ids, samples / rate_hz, labels))


def _damaged(file: Path) -> RecordingError:
    if not _size(file):
        return RecordingError(f"{file}: is empty; copy it again from where it was written")
    return RecordingError(f"{file}: is damaged, or no .npz file of NumPy")


def _file(path: Path) -> Path:
    return path / CACHED_NAME if path.is_dir() else path


def _read(file: Path, archive: ZipFile, name: str) -> NDArray[Any]:
    member = f"{name}.npy"
    if member not in archive.namelist():
        raise RecordingError(f"{file}: holds no '{name}'")
    info = archive.getinfo(member)
    if info.file_size > _MOST_DEFLATED * info.compress_size or info.compress_size > _size(file):
        raise RecordingError(f"{file}: '{name}' claims more bytes than there can be")
    with archive.open(info) as stream:
        shape, fortran, dtype = read_header(file / member, stream, info.file_size)
        values = stream.read()  # zipfile compares the check sum at the end
    if len(values) != math.prod(shape) * dtype.itemsize:
        raise RecordingError(f"{file}: '{name}' ends early; copy it again")
    return np.frombuffer(values, dtype).reshape(shape, order="F" if fortran else "C")


def _size(file: Path) -> int:
    return file.stat().st_size


def _one(file: Path, found: NDArray[Any]) -> float:
    if found.dtype.kind not in "iuf" or found.size != 1:
        raise RecordingError(f"{file}: its rate or number of segments is not one number")
    return float(found.reshape(-1)[0])


def _check(
    file: Path, rate_hz: float, ids: NDArray[Any], samples: NDArray[Any], labels: NDArray[Any]
) -> None:
    if not (math.isfinite(rate_hz) and rate_hz > 0):
        raise RecordingError(f"{file}: {rate_hz:g} is no rate in samples per second")
    numbers = ids.dtype.kind in "iu" and labels.dtype.kind in "iu"
    texts = ids.dtype.kind == "U" and labels.dtype.kind == "U"
    if ids.ndim != 1 or not (numbers or texts or not labels.size):
        raise RecordingError(f"{file}: its units are neither numbers nor texts")
    if samples.shape != labels.shape or samples.ndim != 1:
        raise RecordingError(
            f"{file}: has {samples.shape} spike times and {labels.shape} units of spikes"
        )
    if samples.dtype.kind not in "iu" or (np.diff(samples.astype(np.int64)) < 0).any():
        raise RecordingError(f"{file}: its spike times are not samples in ascending order")
    if len(np.unique(ids)) != len(ids) or not np.isin(labels, ids).all():
        raise RecordingError(
            f"{file}: names a unit twice, or has spikes of one that it does not name"
        )


def _units(ids: NDArray[Any], times_s: NDArray[np.float64], labels: NDArray[Any]) -> list[Unit]:
    order = np.argsort(labels, kind="stable")
    in_order = labels[order]
    units = []
    for n, name in enumerate(ids.tolist(), start=1):
        number = name if isinstance(name, int) else None
        mine = order[np.searchsorted(in_order, name) : np.searchsorted(in_order, name, "right")]
        units.append(
            Unit(f"unit_{name}", n if number is None else number, times_s[mine], None, number)
        )
    return units
