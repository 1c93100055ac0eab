"""Arrays out of MATLAB files of every version, for the readers of this package."""

import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from analysis.readers import matlab_v4, matlab_v5, matlab_v73
from analysis.readers.matlab_forms import DamagedError
from task.contract.errors import RecordingError

_YEAR_2100_US = 4_102_444_800_000_000
_LONGEST_US = 30 * 86_400_000_000
MOST_NUMBER = 2**31 - 1  # of channels, cells, clusters, runs
_V73 = b"\x00\x02IM"
_Result = TypeVar("_Result")


def read_arrays(path: Path, *names: str) -> dict[str, NDArray[Any]]:
    """Those variables of a .mat file that it has, by name; all of them if none is named.

    Returns
    -------
    arrays as `analysis.readers.matlab_forms` tells, whatever the version of the file

    Raises
    ------
    RecordingError
        If the file cannot be read.
    """
    return _open(
        path,
        lambda version, file, size: version.read(file, size, names),
        lambda: matlab_v73.read(path, names),
    )


def list_names(path: Path) -> tuple[str, ...]:
    """Names of the variables of a .mat file; their values are not looked at.

    Raises
    ------
    RecordingError
        If the file cannot be read.
    """
    return _open(
        path,
        lambda version, file, size: version.list_names(file, size),
        lambda: matlab_v73.list_names(path),
    )


def _open(
    path: Path, older: Callable[[Any, BinaryIO, int], _Result], newest: Callable[[], _Result]
) -> _Result:
    """What the reader of the file's version makes of it."""
    try:
        size = path.stat().st_size
        if not size:
            raise RecordingError(f"{path}: is empty; copy it again from where it was written")
        with path.open("rb") as file:
            start = file.read(matlab_v73.USER_BYTES + len(matlab_v73.SIGNATURE))
            if not _is_newest(start):
                return older(matlab_v4 if 0 in start[:4] else matlab_v5, file, size)
        return newest()
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror or error}") from None
    except MemoryError:
        raise RecordingError(f"{path}: needs more memory than there is") from None
    except zlib.error:
        said = "what is compressed in it does not fit its checksum"
        raise RecordingError(f"{path}: is damaged, or no MATLAB file: {said}") from None
    except (DamagedError, ValueError) as error:  # as numpy's of dimensions
        raise RecordingError(f"{path}: is damaged, or no MATLAB file: {error}") from None


def _is_newest(start: bytes) -> bool:
    """Whether a file that begins so is of version 7.3."""
    at = matlab_v73.USER_BYTES
    return start[124:128] == _V73 or matlab_v73.SIGNATURE in (start[:8], start[at : at + 8])


def take_matrix(
    path: Path, arrays: Mapping[str, NDArray[Any]], name: str, columns: int
) -> NDArray[np.float64]:
    """The first columns of one of the variables; an empty one has no rows.

    Raises
    ------
    RecordingError
        If the variable is not there, or is no matrix of numbers with so many columns.
    """
    found = _matrix(path, arrays, name)
    if found.size == 0:
        return np.empty((0, columns))
    if found.shape[1] < columns:
        raise RecordingError(
            f"{path}: {name!r} has {found.shape[1]} columns; at least {columns} are needed"
        )
    return found[:, :columns].astype(np.float64)


def take_vector(path: Path, arrays: Mapping[str, NDArray[Any]], name: str) -> NDArray[np.float64]:
    """One of the variables as a row of numbers, whichever way it lies.

    Raises
    ------
    RecordingError
        If the variable is not there, or is no row or column of numbers.
    """
    found = _matrix(path, arrays, name)
    if found.size and 1 not in found.shape:
        raise RecordingError(f"{path}: {name!r} is no row of numbers")
    return found.ravel().astype(np.float64)


def _matrix(path: Path, arrays: Mapping[str, NDArray[Any]], name: str) -> NDArray[Any]:
    if name not in arrays:
        raise RecordingError(f"{path}: holds no variable {name!r}")
    found = arrays[name]
    if found.dtype.kind not in "iuf" or found.ndim != 2:
        raise RecordingError(f"{path}: {name!r} is no matrix of numbers")
    return found


def whole(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the values are whole numbers."""
    return np.asarray(np.isfinite(values) & (values == np.floor(values)))


def numbers(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the values may be the number of a channel, a cell, a cluster or a run."""
    return whole(values) & (values >= 0) & (values <= MOST_NUMBER)


def times_us(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the values may be times in us: from the start of a system, or from 1970."""
    return np.asarray((values >= 0) & (values < _YEAR_2100_US))


def check_span(path: Path, values_us: NDArray[np.float64], what: str) -> None:
    """Refuse times that no one recording has.

    Raises
    ------
    RecordingError
        If the first and last are more than a month apart.
    """
    if len(values_us) and np.ptp(values_us) > _LONGEST_US:
        days = np.ptp(values_us) / 86_400e6
        raise RecordingError(f"{path}: {what} span {days:.0f} days; no recording is so long")
