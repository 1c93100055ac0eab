"""MATLAB files of version 5 to 7: variables as tagged elements, each perhaps compressed.

Layout: MathWorks, "MAT-File Format", chapter 1, "Level 5 MAT-Files".  A header of 128 bytes; then
elements, each with a tag of 8 bytes: its type and its size (or, if at most 4 bytes are in it, both
in 4 bytes and the data in the other 4).  A variable is an element of type 14 that holds others:
flags, dimensions, name, data.  An element of type 15 holds one such compressed by zlib, which ends
with a checksum.

`scipy.io.loadmat` trusts the sizes and dimensions it finds: 1 of 115 flipped bits in a small file
ended the interpreter.  Here every size is held against what there is before anything is made.
"""

import math
import struct
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

import numpy as np

from analysis.readers.matlab_forms import (
    DEEPEST,
    MOST_INFLATED,
    Array,
    DamagedError,
    cells,
    complexes,
    nothing,
    structures,
    text,
)

HEADER_BYTES = 128
_TAG_BYTES = 8
_NAME_BYTES = 4096  # flags, dimensions and name of a variable are within its first so many
_MOST_BLANKS = 1024
_MATRIX, _COMPRESSED = 14, 15
_INT8, _UINT8, _INT32, _UINT32, _UTF8 = 1, 2, 5, 6, 16
_INTEGERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 12: "i8", 13: "u8"}
_FLOATS = {7: "f4", 9: "f8"}
_CODECS = {1: "latin-1", 2: "latin-1", 3: "utf-16", 4: "utf-16", 16: "utf-8", 17: "utf-16"}
_CELL, _STRUCT, _CHAR, _OPAQUE = 1, 2, 4, 17
_REAL_CLASSES, _INTEGER_CLASSES = (6, 7), range(8, 16)
_COMPLEX = 0x08


class _Element(NamedTuple):
    type: int
    start: int
    size: int
    next: int  # where the element after it begins


class _Head(NamedTuple):
    kind: int
    is_complex: bool
    dims: tuple[int, ...]
    name: str
    next: int

    @property
    def elements(self) -> int:
        return math.prod(self.dims)


@dataclass(frozen=True, slots=True)
class _Bytes:
    """What a variable is made of, and how its numbers are written: `<` or `>`."""

    data: bytes
    order: str

    def element(self, at: int, stop: int) -> _Element:
        if stop - at < _TAG_BYTES:
            raise DamagedError("an element is cut short")
        kind, size = struct.unpack_from(f"{self.order}II", self.data, at)
        if kind >> 16:
            kind, size, start, after = kind & 0xFFFF, kind >> 16, at + 4, at + _TAG_BYTES
            if size > 4:
                raise DamagedError(f"a small element of {size} bytes")
        else:
            start = at + _TAG_BYTES
            after = start + size + (-size % 8)
        if start + size > stop:
            raise DamagedError(f"an element of {size} bytes where {stop - start} are left")
        return _Element(kind, start, size, min(after, stop))

    def raw(self, element: _Element) -> bytes:
        return self.data[element.start : element.start + element.size]

    def integers(self, element: _Element, code: str) -> tuple[int, ...]:
        if element.size % 4:
            raise DamagedError(f"whole numbers of 4 bytes in {element.size} bytes")
        return struct.unpack(f"{self.order}{element.size // 4}{code}", self.raw(element))


def read(file: BinaryIO, size: int, names: Collection[str]) -> dict[str, Array]:
    """Those variables that the file has, by name; all of them if none is named."""
    found: dict[str, Array] = {}
    for name, element, order in _variables(file, size):
        if names and name not in names:
            continue
        matrix = _Bytes(_whole(file, element, order), order)
        found[name] = _matrix(matrix, 0, len(matrix.data), 0)
    return found


def list_names(file: BinaryIO, size: int) -> tuple[str, ...]:
    """Names of all variables; their values are not looked at."""
    return tuple(name for name, _, _ in _variables(file, size))


def _variables(file: BinaryIO, size: int) -> Iterator[tuple[str, _Element, str]]:
    """Name, place and byte order of every variable."""
    file.seek(0)
    order = {b"IM": "<", b"MI": ">"}.get(file.read(HEADER_BYTES)[126:])
    if order is None:
        raise DamagedError("its header is cut short, or tells no byte order")
    at, names = HEADER_BYTES, set()
    while at < size:
        element = _top(file, at, size, order)
        name = _name(file, element, order)
        if name in names:
            raise DamagedError(f"two variables are called {name!r}")
        names.add(name)
        if name:  # what has no name is a workspace of functions
            yield name, element, order
        at = element.next


def _top(file: BinaryIO, at: int, size: int, order: str) -> _Element:
    file.seek(at)
    tag = file.read(_TAG_BYTES)
    if len(tag) < _TAG_BYTES:
        raise DamagedError(f"it is cut short at byte {size}")
    kind, length = struct.unpack(f"{order}II", tag)
    start = at + _TAG_BYTES
    if kind not in (_MATRIX, _COMPRESSED) or not length:
        raise DamagedError(f"byte {at} begins no variable")
    if start + length > size:
        raise DamagedError(f"it ends at byte {size}, within the variable that begins at byte {at}")
    return _Element(kind, start, length, start + length)


def _name(file: BinaryIO, element: _Element, order: str) -> str:
    """Name of a variable, of which no more is read than that takes."""
    file.seek(element.start)
    begin = file.read(min(element.size, _NAME_BYTES))
    if element.type == _COMPRESSED:
        begin = zlib.decompressobj().decompress(begin, _NAME_BYTES)[_TAG_BYTES:]
    return _head(_Bytes(begin, order), 0, len(begin)).name


def _whole(file: BinaryIO, element: _Element, order: str) -> bytes:
    """What is in the element of a variable, held against its checksum if it has one."""
    file.seek(element.start)
    raw = file.read(element.size)
    if element.type == _MATRIX:
        return raw
    stream = zlib.decompressobj()
    tag = stream.decompress(raw, _TAG_BYTES)
    if len(tag) < _TAG_BYTES:
        raise DamagedError("a compressed variable is cut short")
    kind, size = struct.unpack(f"{order}II", tag)
    if kind != _MATRIX or size > MOST_INFLATED * element.size:
        raise DamagedError("what is compressed is no variable")
    data = stream.decompress(stream.unconsumed_tail, size) if size else b""
    beyond = stream.decompress(stream.unconsumed_tail, 1)
    if len(data) != size or beyond or not stream.eof:
        raise DamagedError("a compressed variable is not as long as it says")
    return data


def _head(matrix: _Bytes, at: int, stop: int) -> _Head:
    flags = matrix.element(at, stop)
    if flags.type != _UINT32 or flags.size != 8:
        raise DamagedError("a variable has no flags")
    word = matrix.integers(flags, "I")[0]
    kind = word & 0xFF
    if kind == _OPAQUE:  # has no dimensions; its own name comes next
        name = matrix.element(flags.next, stop)
        return _Head(kind, False, (0, 0), _text_of(matrix, name), stop)
    dims = matrix.element(flags.next, stop)
    lengths = matrix.integers(dims, "i")
    if dims.type not in (_INT32, _UINT32) or not 2 <= len(lengths) <= 32 or min(lengths) < 0:
        raise DamagedError("a variable has no dimensions")
    name = matrix.element(dims.next, stop)
    is_complex = bool(word >> 8 & _COMPLEX)
    return _Head(kind, is_complex, lengths, _text_of(matrix, name), name.next)


def _text_of(matrix: _Bytes, element: _Element) -> str:
    if element.type not in (_INT8, _UINT8, _UTF8):
        raise DamagedError("a variable has no name")
    return matrix.raw(element).decode("latin-1").rstrip("\0")


def _matrix(matrix: _Bytes, start: int, stop: int, depth: int) -> Array:
    """What a variable, a cell or a field holds."""
    if start == stop:  # a cell that was never filled
        return np.empty((0, 0))
    if depth > DEEPEST:
        raise DamagedError(f"more than {DEEPEST} structures lie within each other")
    head = _head(matrix, start, stop)
    at = head.next
    if head.kind in _REAL_CLASSES or head.kind in _INTEGER_CLASSES:
        value, at = _numbers(matrix, head, at, stop)
    elif head.kind == _CHAR:
        value, at = _characters(matrix, head, at, stop)
    elif head.kind == _CELL:
        values, at = _matrices(matrix, head.elements, at, stop, depth)
        value = cells(values, head.dims)
    elif head.kind == _STRUCT:
        value, at = _structures(matrix, head, at, stop, depth)
    else:
        return nothing()
    if stop - at >= _TAG_BYTES:
        raise DamagedError(f"{stop - at} bytes are left over in {head.name or 'a value'!r}")
    return value


def _numbers(matrix: _Bytes, head: _Head, at: int, stop: int) -> tuple[Array, int]:
    value, at = _part(matrix, head, at, stop)
    if head.is_complex:
        imaginary, at = _part(matrix, head, at, stop)
        value = complexes(value, imaginary)
    return value.reshape(head.dims, order="F"), at


def _part(matrix: _Bytes, head: _Head, at: int, stop: int) -> tuple[Array, int]:
    element = matrix.element(at, stop)
    # Whole doubles are kept as shorter integers; those of 8 bytes would gain nothing by it.
    known = _INTEGERS if head.kind in _INTEGER_CLASSES else _INTEGERS | _FLOATS
    code = known.get(element.type)
    if code is None or (head.kind in _REAL_CLASSES and code in ("i8", "u8")):
        raise DamagedError(f"numbers of class {head.kind} kept as type {element.type}")
    dtype = np.dtype(code)
    if element.size != head.elements * dtype.itemsize:
        raise DamagedError(
            f"{element.size} bytes of numbers where {head.dims} of {dtype.itemsize} bytes are told"
        )
    stored = np.frombuffer(
        matrix.data, np.dtype(f"{matrix.order}{code}"), head.elements, element.start
    )
    return stored.astype(dtype), element.next


def _characters(matrix: _Bytes, head: _Head, at: int, stop: int) -> tuple[Array, int]:
    element = matrix.element(at, stop)
    if not element.size and head.elements <= _MOST_BLANKS:  # some writers leave blanks away
        return text(b" " * head.elements, "latin-1", head.dims), element.next
    codec = _CODECS.get(element.type)
    if codec is None:
        raise DamagedError(f"a text kept as type {element.type}")
    if codec == "utf-16":
        codec = "utf-16-le" if matrix.order == "<" else "utf-16-be"
    width = {"latin-1": 1, "utf-8": 1}.get(codec, 2)
    if element.size != width * head.elements and not (
        codec == "utf-8" and head.elements <= element.size <= 4 * head.elements
    ):
        raise DamagedError(f"a text of {element.size} bytes where {head.dims} letters are told")
    return text(matrix.raw(element), codec, head.dims), element.next


def _structures(matrix: _Bytes, head: _Head, at: int, stop: int, depth: int) -> tuple[Array, int]:
    length = matrix.element(at, stop)
    names = matrix.element(length.next, stop)
    widths = matrix.integers(length, "i")
    if len(widths) != 1 or widths[0] < 1 or names.size % widths[0]:
        raise DamagedError("a structure has no names of fields")
    raw = matrix.raw(names)
    fields = [
        raw[n : n + widths[0]].partition(b"\0")[0].decode("latin-1")
        for n in range(0, len(raw), widths[0])
    ]
    if not fields:
        return nothing(), names.next
    values, at = _matrices(matrix, head.elements * len(fields), names.next, stop, depth)
    rows = [tuple(values[n : n + len(fields)]) for n in range(0, len(values), len(fields))]
    return structures(fields, rows, head.dims), at


def _matrices(
    matrix: _Bytes, count: int, at: int, stop: int, depth: int
) -> tuple[list[Array], int]:
    """What lies in the cells or fields that follow one another."""
    if count * _TAG_BYTES > stop - at:
        raise DamagedError(f"{count} values in {stop - at} bytes")
    values = []
    for _ in range(count):
        element = matrix.element(at, stop)
        if element.type != _MATRIX:
            raise DamagedError(f"an element of type {element.type} where a value should be")
        values.append(_matrix(matrix, element.start, element.start + element.size, depth + 1))
        at = element.next
    return values, at
