"""MATLAB files of version 7.3: HDF5, with MATLAB's kinds told in attributes.

Layout, which MathWorks does not publish, as the files show it: a block of 512 bytes for the user,
then HDF5.  Every variable is a data set or group of the root with the attribute `MATLAB_class`;
dimensions run the other way round.  `MATLAB_empty` marks an array without elements, of which the
data are the dimensions.  A structure is a group of its fields; the fields of an array of structures
are arrays of references, and so are cells; what they refer to lies in `/#refs#`.  Only what lies in
the file itself is read: no links to others.

Nothing of variable length is read, of which MATLAB has only the order of fields (`MATLAB_fields`):
HDF5 (2.0) does not come back from some damaged files if asked for it.  Fields come by the alphabet.
"""

import math
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import h5py
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

SIGNATURE = b"\x89HDF\r\n\x1a\n"
USER_BYTES = 512
_DTYPES = {"double": "f8", "single": "f4", "logical": "u1"} | {
    f"{sign}int{bits}": f"{sign or 'i'}{bits // 8}"
    for sign in ("", "u")
    for bits in (8, 16, 32, 64)
}
_SPARE_BYTES = 1 << 20  # a chunk of the file may be larger than the few numbers in it
# What h5py raises over a file that is not sound.
_FAILURES = (OSError, KeyError, RuntimeError, ValueError, TypeError, OverflowError)


def read(path: Path, names: Collection[str]) -> dict[str, Array]:
    """Those variables that the file has, by name; all of them if none is named."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            return {
                name: _value(file, item, frozenset())
                for name, item in _members(file)
                if not names or name in names
            }
    except DamagedError:
        raise
    except _FAILURES as error:
        raise DamagedError(str(error.args[0]) if error.args else "it is not sound") from None


def list_names(path: Path) -> tuple[str, ...]:
    """Names of all variables."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            return tuple(name for name, _ in _members(file))
    except _FAILURES as error:
        raise DamagedError(str(error.args[0]) if error.args else "it is not sound") from None


def _members(group: h5py.Group) -> Iterator[tuple[str, Any]]:
    for name in group:
        own = isinstance(group.get(name, getlink=True), h5py.HardLink)
        if own and not name.startswith("#"):
            yield name, group[name]


def _value(file: h5py.File, item: Any, above: frozenset[int]) -> Array:
    """What a data set or group holds; `above` are the addresses of what it lies in."""
    address = int(h5py.h5o.get_info(item.id).addr)
    if address in above or len(above) > DEEPEST:
        raise DamagedError(f"{item.name} lies within itself")
    above |= {address}
    kind = _kind(item)
    if isinstance(item, h5py.Group):
        return _structures(file, item, above) if kind in ("struct", "") else nothing()
    if not isinstance(item, h5py.Dataset):
        raise DamagedError(f"{item.name} is no data")
    _check_size(item)
    if _attribute(item, "MATLAB_empty", 0):
        return _empty(item, kind)
    if item.dtype == h5py.ref_dtype and kind in ("cell", ""):
        return cells(_referred(file, item, above), item.shape[::-1])
    if kind == "char":
        return _characters(item)
    return _numbers(item) if kind in _DTYPES or not kind else nothing()


def _kind(item: Any) -> str:
    """MATLAB's class of what an item holds; '' where none is told."""
    if "MATLAB_object_decode" in item.attrs or "MATLAB_sparse" in item.attrs:
        return "object"
    return str(_attribute(item, "MATLAB_class", b"").decode("latin-1"))


def _attribute(item: Any, name: str, absent: Any) -> Any:
    if name not in item.attrs:
        return absent
    told = item.attrs.get_id(name)
    if told.shape or told.dtype.kind not in ("S" if isinstance(absent, bytes) else "iu"):
        raise DamagedError(f"{item.name} has no sound attribute {name}")
    return item.attrs[name]


def _check_size(item: h5py.Dataset) -> None:
    """Refuse a data set that is not in the file as large as it says."""
    if item.external or item.is_virtual:
        raise DamagedError(f"{item.name} lies in another file")
    wanted, stored = item.size * item.dtype.itemsize, item.id.get_storage_size()
    if not wanted:
        return
    if item.chunks is None:
        sound = wanted == stored
    else:
        rows = zip(item.shape, item.chunks, strict=True)
        chunks = math.prod(-(-length // chunk) for length, chunk in rows)
        most = MOST_INFLATED * stored + _SPARE_BYTES
        one = math.prod(item.chunks) * item.dtype.itemsize
        sound = max(wanted, one) <= most and item.id.get_num_chunks() == chunks
    if not sound:
        raise DamagedError(f"{item.name} says it has {wanted} bytes, and has not")


def _empty(item: h5py.Dataset, kind: str) -> Array:
    if item.dtype.kind != "u" or item.size > 32:
        raise DamagedError(f"{item.name} is empty and tells no dimensions")
    dims = [int(length) for length in np.ravel(item[()])]
    if math.prod(dims):
        raise DamagedError(f"{item.name} is empty and has the dimensions {dims}")
    if kind == "char":
        return np.empty(0, "U1")
    if kind == "cell":
        return cells([], dims)
    return np.empty(dims, _DTYPES[kind]) if kind in _DTYPES else nothing()


def _characters(item: h5py.Dataset) -> Array:
    if item.dtype.kind != "u" or item.dtype.itemsize > 2:
        raise DamagedError(f"{item.name} is text without letters")
    units = item[()]
    return text(units.astype("<u2").tobytes(), "utf-16-le", item.shape[::-1])


def _numbers(item: h5py.Dataset) -> Array:
    is_complex = item.dtype.names == ("real", "imag")
    parts = [item.dtype[n] for n in range(2)] if is_complex else [item.dtype]
    if any(part.kind not in "iuf" for part in parts):
        return nothing()
    values = item[()]
    if is_complex:
        values = complexes(values["real"], values["imag"])
    native = values.astype(values.dtype.newbyteorder("="), copy=False)
    return np.asarray(np.atleast_2d(native).T)


def _referred(file: h5py.File, item: h5py.Dataset, above: frozenset[int]) -> list[Array]:
    """What an array of references refers to, by MATLAB's columns."""
    return [
        _value(file, file[reference], above) if reference else np.empty((0, 0))
        for reference in np.ravel(item[()])
    ]


def _structures(file: h5py.File, group: h5py.Group, above: frozenset[int]) -> Array:
    members = dict(_members(group))
    if not members:
        return nothing()
    if not all(_is_column(item) for item in members.values()):
        row = tuple(_value(file, item, above) for item in members.values())
        return structures(list(members), [row], (1, 1))
    shapes = {item.shape for item in members.values()}
    if len(shapes) > 1:
        raise DamagedError(f"the fields of {group.name} differ in length")
    for item in members.values():
        _check_size(item)
    columns = [_referred(file, item, above) for item in members.values()]
    rows = list(zip(*columns, strict=True))
    return structures(list(members), rows, shapes.pop()[::-1])


def _is_column(item: Any) -> bool:
    """Whether this is a field of all structures of an array."""
    is_references = isinstance(item, h5py.Dataset) and item.dtype == h5py.ref_dtype
    return is_references and not _kind(item)
