"""Arrays out of MATLAB files (to version 7), for the readers of this package."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from task.contract.errors import RecordingError

# What scipy's reader raises over a file that is cut short or none of MATLAB's.
_DAMAGE = (
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    OverflowError,
    EOFError,
    struct.error,
    zlib.error,
    MatReadError,
)


def read_arrays(path: Path, *names: str) -> dict[str, NDArray[Any]]:
    """Those variables of a .mat file that it has, by name.

    Raises
    ------
    RecordingError
        If the file cannot be read.
    """
    try:
        return loadmat(path, variable_names=names)
    except NotImplementedError:
        raise RecordingError(
            f"{path}: is a MATLAB file of version 7.3; save it in MATLAB with '-v7'"
        ) from None
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror or error}") from None
    except _DAMAGE:
        raise RecordingError(f"{path}: is damaged, or no MATLAB file") from None


def read_matrix(path: Path, name: str, least_columns: int) -> NDArray[np.float64]:
    """A matrix of numbers with at least so many columns; an empty one has no rows.

    Raises
    ------
    RecordingError
        If the file cannot be read, or the variable is not there or is no such matrix.
    """
    found = read_arrays(path, name).get(name)
    if found is None:
        raise RecordingError(f"{path}: holds no variable {name!r}")
    return as_matrix(path, name, found, least_columns)


def as_matrix(
    path: Path, name: str, found: NDArray[Any], least_columns: int
) -> NDArray[np.float64]:
    """See `read_matrix`."""
    if found.dtype.kind not in "iuf" or found.ndim != 2:
        raise RecordingError(f"{path}: {name!r} is no matrix of numbers")
    if found.size == 0:
        return np.empty((0, least_columns))
    if found.shape[1] < least_columns:
        raise RecordingError(
            f"{path}: {name!r} has {found.shape[1]} columns, not at least {least_columns}"
        )
    return found.astype(np.float64)
