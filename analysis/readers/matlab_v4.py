"""MATLAB files of version 4: matrices one after the other, each with a header of 20 bytes.

Layout: MathWorks, "MAT-File Format", chapter 1, "Level 4 MAT-Files": five integers of 4 bytes
(type, rows, columns, whether complex, length of the name), the name, the numbers by columns.  The
decimal digits of the type tell byte order, 0, number format and kind (numbers, text, sparse).
"""

import struct
from collections.abc import Collection, Iterator
from typing import BinaryIO, NamedTuple

import numpy as np

from analysis.readers.matlab_forms import Array, DamagedError, complexes, nothing, text

_HEADER_BYTES = 20
_FORMATS = ("f8", "f4", "i4", "i2", "u2", "u1")
_NUMBERS, _TEXT, _SPARSE = range(3)
_LONGEST_NAME = 64


class _Variable(NamedTuple):
    name: str
    dtype: np.dtype[np.number]
    kind: int
    dims: tuple[int, int]
    is_complex: bool
    start: int

    @property
    def size(self) -> int:
        return self.dims[0] * self.dims[1] * self.dtype.itemsize * (1 + self.is_complex)


def read(file: BinaryIO, size: int, names: Collection[str]) -> dict[str, Array]:
    """Those variables that the file has, by name; all of them if none is named."""
    return {v.name: _value(file, v) for v in _variables(file, size) if not names or v.name in names}


def list_names(file: BinaryIO, size: int) -> tuple[str, ...]:
    """Names of all variables."""
    return tuple(variable.name for variable in _variables(file, size))


def _variables(file: BinaryIO, size: int) -> Iterator[_Variable]:
    at, names = 0, set()
    while at < size:
        variable = _variable(file, at, size)
        if variable.name in names:
            raise DamagedError(f"two variables are called {variable.name!r}")
        names.add(variable.name)
        yield variable
        at = variable.start + variable.size


def _variable(file: BinaryIO, at: int, size: int) -> _Variable:
    file.seek(at)
    head = file.read(_HEADER_BYTES)
    if len(head) < _HEADER_BYTES:
        raise DamagedError(f"it is cut short at byte {size}")
    order = "<" if struct.unpack("<i", head[:4])[0] in range(10_000) else ">"
    code, rows, columns, is_complex, length = struct.unpack(f"{order}5i", head)
    machine, zero, number, kind = (code // n % 10 for n in (1000, 100, 10, 1))
    sound = code in range(10_000) and machine == "<>".find(order) and zero == 0
    sound = sound and number < len(_FORMATS) and kind in (_NUMBERS, _TEXT, _SPARSE)
    sound = sound and min(rows, columns) >= 0 and is_complex in (0, 1)
    name = file.read(length) if sound and 1 < length <= _LONGEST_NAME else b""
    if len(name) < 2 or len(name) != length or name[-1:] != b"\0":
        raise DamagedError(f"byte {at} begins no variable")
    dtype = np.dtype(f"{order}{_FORMATS[number]}")
    start = at + _HEADER_BYTES + length
    called = name.rstrip(b"\0").decode("latin-1")
    found = _Variable(called, dtype, kind, (rows, columns), bool(is_complex), start)
    if start + found.size > size:
        raise DamagedError(f"it ends at byte {size}, within the variable that begins at byte {at}")
    return found


def _value(file: BinaryIO, variable: _Variable) -> Array:
    file.seek(variable.start)
    stored = np.frombuffer(file.read(variable.size), variable.dtype)
    numbers = stored.astype(variable.dtype.newbyteorder("="))
    if variable.kind == _SPARSE:
        return nothing()
    if variable.kind == _TEXT:
        if not ((numbers >= 0) & (numbers < 256)).all():
            raise DamagedError(f"the text {variable.name!r} has no letters")
        return text(numbers.astype(np.uint8).tobytes(), "latin-1", variable.dims)
    if variable.is_complex:
        numbers = complexes(*np.split(numbers, 2))
    return numbers.reshape(variable.dims, order="F")
