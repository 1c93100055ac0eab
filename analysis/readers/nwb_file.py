"""The parts of an NWB 2 file that events, units and traces are made of: typed groups and tables.

Every group says what it is in its attribute `neurodata_type`.  A table is a group of datasets of
equal length, one of them `id`; where a row holds several values, `<column>_index` says where those
of each row end, and `<column>_index_index` where the rows of that do (NWB Format Specification
2.10, https://nwb-schema.readthedocs.io; HDMF Common Specification 1.9, `DynamicTable` and
`VectorIndex`).  Types are known by name, wherever they are defined: those of the extension
ndx-events are now in the standard, and mean the same.

h5py reads all of it.  pynwb, which the standard maintains, refuses files that were written with
that extension, opens what links of a file name anywhere on the disk, and lets the errors of a
damaged file through as they come; what it would give back are the same datasets.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from analysis.readers import hdf5
from task.contract.errors import RecordingError

SUFFIX = ".nwb"
LATEST_S = 1e10  # more than 300 years from the start of a session is no time
_NO_DATA = ("specifications", "general")
_DEEPEST = 12


@dataclass(frozen=True, slots=True)
class Typed:
    """A group that says what it is.

    Attributes
    ----------
    path : names from the root, `acquisition/events`
    kind : its `neurodata_type`
    """

    path: str
    kind: str
    group: h5py.Group

    @property
    def name(self) -> str:
        """The last of its names."""
        return self.path.rpartition("/")[2]


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """An NWB 2 file, to be read.

    Raises
    ------
    RecordingError
        If it cannot be read, or is no NWB 2 file.
    """
    if path.is_dir():
        raise RecordingError(f"{path}: is a folder, as NWB in Zarr is; export it as one HDF5 file")
    with hdf5.opened(path) as file:
        version = hdf5.text(file, "nwb_version")
        if hdf5.child(file, "nwb_version") is not None:
            raise RecordingError(f"{path}: is of NWB 1; convert it to NWB 2")
        if not version:
            raise RecordingError(f"{path}: does not say its version of NWB: it is no NWB 2 file")
        if not re.match(r"2\.\d", version):
            raise RecordingError(f"{path}: is of NWB {ascii(version)[1:-1]}; NWB 2 can be read")
        yield file


def typed(file: h5py.File) -> Iterator[Typed]:
    """All groups with data, in the order of their names."""
    yield from _typed(file, "", set(), 0)


def _typed(group: h5py.Group, path: str, seen: set[int], depth: int) -> Iterator[Typed]:
    for name, node in hdf5.children(group):
        if not isinstance(node, h5py.Group) or (not path and name in _NO_DATA):
            continue
        place = hdf5.address(node)
        if place in seen or depth > _DEEPEST:
            continue
        seen.add(place)
        inside = f"{path}/{name}" if path else name
        yield Typed(inside, _kind(node), node)
        yield from _typed(node, inside, seen, depth + 1)


def _kind(group: h5py.Group) -> str:
    """What a group says it is; '' where it only holds others."""
    told = hdf5.texts_of(group, "neurodata_type")
    if told and not (len(told) == 1 and told[0].isidentifier()):
        raise RecordingError(f"{hdf5.where(group)} is damaged: it does not say what it is")
    return told[0] if told else ""


def words_in(name: str) -> list[str]:
    """The words that a name is made of: `pulse_value`, `PulseValue` and `pulse value` have two."""
    return re.findall(r"[a-z]+|\d+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower())


def unique_names(found: list[Typed]) -> list[str]:
    """Names of groups; those that several share, with what they lie in."""
    names = [one.name for one in found]
    return [
        one.path if names.count(name) > 1 else name for one, name in zip(found, names, strict=True)
    ]


def times_s(data: h5py.Dataset) -> NDArray[np.float64]:
    """Times in s, in the order of the file.

    Raises
    ------
    RecordingError
        If they are no list of times.
    """
    found = hdf5.values(data)
    if found.ndim != 1:
        raise RecordingError(f"{hdf5.where(data)} is no list of times")
    found = found.astype(np.float64)
    sound = np.abs(found) < LATEST_S  # NaN is not
    if not sound.all():
        row = int(np.argmin(sound))
        raise RecordingError(
            f"{hdf5.where(data)}: row {row + 1} is {found[row]}, which is no time in s from the"
            " start of a session"
        )
    return found


# Tables ------------------------------------------------------------------------------------------


def row_ids(table: h5py.Group) -> NDArray[np.int64]:
    """Numbers of the rows of a table."""
    data = hdf5.dataset(table, "id")
    if data is None:
        raise RecordingError(f"{hdf5.where(table)} has no column 'id'")
    found = hdf5.values(data)
    if found.ndim != 1 or found.dtype.kind not in "iu":
        raise RecordingError(f"{hdf5.where(data)} is no list of numbers of rows")
    return found.astype(np.int64)


def column_names(table: h5py.Group) -> list[str]:
    """Columns of a table, first those it lists; without `id` and the ends of rows."""
    there = [name for name, node in hdf5.children(table) if isinstance(node, h5py.Dataset)]
    listed = [name for name in hdf5.texts_of(table, "colnames") if name in there]
    names = dict.fromkeys([*listed, *there])
    ends = {f"{name}_index" for name in names}
    return [name for name in names if name != "id" and name not in ends]


def plain_column(table: h5py.Group, name: str) -> NDArray[Any] | list[str] | None:
    """A column with one number or text in each row; None where it has other things.

    Raises
    ------
    RecordingError
        If it is damaged, or has more or fewer rows than the table.
    """
    data = hdf5.dataset(table, name)
    if data is None or len(data.shape or ()) != 1 or ends_of(table, name) is not None:
        return None
    if not (hdf5.is_number(data) or hdf5.is_text(data)):
        return None
    found = hdf5.values(data) if hdf5.is_number(data) else hdf5.texts(data)
    _refuse_length(data, len(found), len(row_ids(table)))
    return found


def ends_of(table: h5py.Group, name: str, over: int | None = None) -> NDArray[np.int64] | None:
    """Where the values of each row of a column end; None where each row has one.

    Parameters
    ----------
    over : how many values there are

    Raises
    ------
    RecordingError
        If the ends step back, or the last is not the end of the values.
    """
    data = hdf5.dataset(table, f"{name}_index")
    if data is None:
        return None
    found = hdf5.values(data)
    if found.ndim != 1 or found.dtype.kind not in "iu":
        raise RecordingError(f"{hdf5.where(data)} is no list of ends of rows")
    ends = found.astype(np.int64)
    if (np.diff(ends, prepend=0) < 0).any():
        row = int((np.diff(ends, prepend=0) < 0).argmax())
        raise RecordingError(f"{hdf5.where(data)}: row {row + 1} ends before it begins")
    last = int(ends[-1]) if len(ends) else 0
    if over is not None and last != over:
        raise RecordingError(
            f"{hdf5.where(data)}: the last row ends at value {last} of {over} values"
        )
    return ends


def _refuse_length(data: h5py.Dataset, found: int, rows: int) -> None:
    if found != rows:
        raise RecordingError(f"{hdf5.where(data)} has {found} rows, its table {rows}")
