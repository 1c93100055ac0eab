"""The numpy forms of MATLAB's kinds of value, the same for every version of its files.

Numbers keep the type they are stored in (MATLAB keeps small whole doubles as bytes), logicals are
0 and 1.  A char array is an array of its rows.  A cell array is an array of objects, an array of
structures is one of objects under field names; both have the dimensions they have in MATLAB.
These are the forms of `scipy.io.loadmat`.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
DEEPEST = 64  # structures within cells within structures ...: no file of a laboratory goes so deep
# No compression of zlib's makes a byte of more.
MOST_INFLATED = 1032


class DamagedError(ValueError):
    """The bytes are none of a sound MATLAB file: what is wrong, and where."""


def text(raw: bytes, codec: str, dims: Sequence[int]) -> Array:
    """Rows of a char array, out of its characters by columns."""
    if 0 in dims:
        return np.empty(0, "U1")
    found = raw.decode(codec, "replace")
    if math.prod(dims[:-1]) == 1:
        return np.array([found]).reshape(tuple(dims[:-1]))
    if len(found) != math.prod(dims):
        raise DamagedError(f"a text of {len(found)} characters where {math.prod(dims)} are told")
    letters = np.array(list(found), "U1").reshape(dims, order="F")
    return np.ascontiguousarray(letters).view(f"U{dims[-1]}").reshape(tuple(dims[:-1]))


def complexes(real: Array, imaginary: Array) -> Array:
    """Complex numbers out of their parts, infinite ones included."""
    values = np.empty(real.shape, np.result_type(real, np.complex64))
    values.real, values.imag = real, imaginary
    return values


def cells(values: Sequence[Array], dims: Sequence[int]) -> Array:
    """A cell array, out of what is in it by columns."""
    array = np.empty(len(values), dtype=object)
    for n, value in enumerate(values):
        array[n] = value
    return array.reshape(dims, order="F")


def structures(
    fields: Sequence[str], rows: Sequence[tuple[Array, ...]], dims: Sequence[int]
) -> Array:
    """An array of structures, out of their fields' values by columns."""
    if len(set(fields)) < len(fields) or "" in fields:
        raise DamagedError(f"a structure with the fields {list(fields)}")
    array = np.empty(len(rows), dtype=[(field, object) for field in fields])
    for n, row in enumerate(rows):
        array[n] = row
    return array.reshape(dims, order="F")


def nothing() -> Array:
    """What stands for a value that is not read: functions, objects of classes, sparse matrices."""
    return np.empty((0, 0), dtype=object)
