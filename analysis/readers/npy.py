"""Arrays in NumPy's own format, `.npy`: believed only once their header agrees with their size.

A magic string, two bytes of version, the length of a header, the header as the text of a dictionary
(`descr`, `fortran_order`, `shape`), then the values and nothing else (NEP 1,
https://numpy.org/neps/nep-0001-npy-format.html).  A header that was damaged may claim any amount of
memory: what it claims is compared with what is there before anything is allocated.
"""

import math
import tokenize
import warnings
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from task.contract.errors import RecordingError

_KINDS = "iufU"
_PARSERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
# What NumPy raises over a header that is none.
_FAILURES = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    OverflowError,
    EOFError,
    SyntaxError,
    RecursionError,
    MemoryError,
    tokenize.TokenError,
)

Header = tuple[tuple[int, ...], bool, np.dtype[Any]]


def map_array(path: Path) -> NDArray[Any]:
    """The array in a file, left on the disk until it is asked for.

    Raises
    ------
    RecordingError
        If the file cannot be read, is no `.npy` file of numbers or texts, or is of another size
        than its header says.
    """
    try:
        with path.open("rb") as stream:
            shape, fortran, dtype = read_header(path, stream, path.stat().st_size)
            begins = stream.tell()
        if math.prod(shape) == 0:
            return np.empty(shape, dtype)
        return np.memmap(path, dtype, "r", begins, shape, "F" if fortran else "C")
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror or error}") from None


def read_whole(path: Path, least: int, most: int = 2**53) -> NDArray[np.int64]:
    """Whole numbers in a row, or in a column as MATLAB leaves them, from `least` to `most`.

    Raises
    ------
    RecordingError
        As `map_array`, and if the values are others.
    """
    found = map_array(path)
    if found.dtype.kind not in "iuf" or sum(length != 1 for length in found.shape) > 1:
        raise RecordingError(f"{path}: is {found.dtype} {found.shape}, not one row of numbers")
    values = np.asarray(found).reshape(-1)
    with np.errstate(invalid="ignore"):
        numbers = values.astype(np.int64)
    wrong = (numbers != values) | (numbers < least) | (numbers > most)
    if wrong.any():
        first = int(wrong.argmax())
        raise RecordingError(
            f"{path}: row {first + 1} is {values[first].item()}, not a whole number from {least} to"
            f" {most}"
        )
    return numbers


def read_header(path: Path, stream: IO[bytes], size: int) -> Header:
    """Shape, whether columns come first, and type; the stream is left at the first value.

    Parameters
    ----------
    path : what to call the array in a refusal
    size : bytes of the stream from its beginning to its end

    Raises
    ------
    RecordingError
        If it is no header of numbers or texts, or the values are fewer or more than it says.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy's advice about headers of old versions
            shape, fortran, dtype = _PARSERS[npy.read_magic(stream)](stream)
    except _FAILURES:
        raise RecordingError(f"{path}: is damaged, or no .npy file of NumPy") from None
    if dtype.kind not in _KINDS or dtype.names or min(shape, default=0) < 0:
        raise RecordingError(f"{path}: holds other than numbers or texts")
    values = math.prod(shape)
    claimed, there = values * dtype.itemsize, size - stream.tell()
    if claimed != there or (values and not dtype.itemsize) or max(shape, default=0) > size:
        raise RecordingError(
            f"{path}: its header says {claimed} bytes of values, but there are {there}; copy it"
            " again from where it was written"
        )
    return shape, fortran, dtype
