"""Arrays out of MATLAB files (to version 7), for the readers of this package."""

import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from task.contract.errors import RecordingError

# What scipy's reader raises over a file that is not there, is cut short, or is none of MATLAB's.
_FAILURES = (
    OSError,
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
    """Those variables of a .mat file that it has, by name; all of them if none is named.

    Raises
    ------
    RecordingError
        If the file cannot be read.
    """
    try:
        with path.open("rb"):  # says why it cannot be opened, which scipy does not
            return dict(loadmat(path, variable_names=names or None, appendmat=False))
    except NotImplementedError:
        raise RecordingError(
            f"{path}: is a MATLAB file of version 7.3; save it in MATLAB with '-v7'"
        ) from None
    except _FAILURES as error:
        why = getattr(error, "strerror", None)
        said = f"cannot be read: {why}" if why else "is damaged, or no MATLAB file"
        raise RecordingError(f"{path}: {said}") from None


def take_matrix(
    path: Path, arrays: Mapping[str, NDArray[Any]], name: str, columns: int
) -> NDArray[np.float64]:
    """The first columns of one of the variables; an empty one has no rows.

    Raises
    ------
    RecordingError
        If the variable is not there, or is no matrix of numbers with so many columns.
    """
    if name not in arrays:
        raise RecordingError(f"{path}: holds no variable {name!r}")
    found = arrays[name]
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "iuf" or found.ndim != 2:
        raise RecordingError(f"{path}: {name!r} is no matrix of numbers")
    if found.size == 0:
        return np.empty((0, columns))
    if found.shape[1] < columns:
        raise RecordingError(
            f"{path}: {name!r} has {found.shape[1]} columns; at least {columns} are needed"
        )
    return found[:, :columns].astype(np.float64)


def whole(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the values are whole numbers."""
    return np.asarray(np.isfinite(values) & (values == np.floor(values)))
