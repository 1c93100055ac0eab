"""Objects out of HDF5 files that may be damaged, for the readers of formats that are kept in it.

h5py reads them; but the library below it believes a file.  In a damaged one (HDF5 2.0, measured) it
loops for ever in a heap of texts when an object there has no length, crashes over attributes whose
type has become a list, and asks for whatever memory a size claims; and in any file it opens others
that a link or a dataset names.  So heaps are looked through before anything is read, attributes and
datasets only read where their type and size can be right, and nothing leads out of the file.

Heaps of texts: `GCOL`, version 1, three zeros, their length; then objects of index (u2, 0 is free
space), count (u2), four zeros, length (u8) and contents to a multiple of 8 bytes (HDF5 File Format
Specification 3.0, III.E "Global Heap").
"""

import math
import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import h5py
import numpy as np
from h5py import h5l, h5o, h5t
from numpy.typing import NDArray

from task.contract.errors import RecordingError

Node: TypeAlias = h5py.Group | h5py.Dataset
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_HEAP = b"GCOL\x01\0\0\0"
_OBJECT = struct.Struct("<HHIQ")
_LARGE_BYTES = 2**26  # of a dataset whose values are not searched for heaps
_SPARE_BYTES = 2**20  # what even the smallest compressed dataset may unfold to
_MOST_FOLDED = 1100  # deflate makes at most 1032 bytes out of one
_MOST_LINKS = 16
_REFERENCE = np.dtype([("length", "<u4"), ("heap", "<u8"), ("index", "<u4")])  # to a text
_LONGEST_BYTES = 2**24  # of a text
# What h5py raises over a damaged file.
_FAILURES = (
    OSError,
    KeyError,
    RuntimeError,
    ValueError,
    TypeError,
    AttributeError,
    OverflowError,
    MemoryError,
    IndexError,
)


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """An HDF5 file, to be read.

    Raises
    ------
    RecordingError
        If it cannot be read, is no HDF5 file, is cut short, or would never be read to its end.
    """
    try:
        with path.open("rb") as stream:
            begins = stream.read(len(_SIGNATURE))
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from None
    if begins != _SIGNATURE:
        what = "does not begin as an HDF5 file does" if begins else "is empty"
        raise RecordingError(f"{path}: {what}; copy it again from where it was written")
    try:
        file = h5py.File(path, "r")
    except _FAILURES as error:
        what = "is cut short" if "truncated" in str(error) else "is damaged"
        raise RecordingError(f"{path}: {what}; copy it again from where it was written") from None
    with file:
        _refuse_endless_heaps(path, file)
        yield file


@contextmanager
def _sound(node: Node, name: str = "") -> Iterator[None]:
    """Says in plain words what h5py says of a damaged file."""
    try:
        yield
    except _FAILURES as error:
        what = "is damaged"
        if "filter" in str(error):
            what = "is compressed in a way that is not installed here, or damaged"
        raise RecordingError(f"{where(node, name)} {what} and cannot be read") from None


def where(node: Node, name: str = "") -> str:
    """File and place of an object, as a message begins."""
    try:
        inside = str(node.name or "")
        return f"{node.file.filename}: {'/'.join([inside.rstrip('/'), name]) if name else inside}"
    except _FAILURES:
        return f"the recording: {name}"


# Links -------------------------------------------------------------------------------------------


def _key(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _kind_of_link(group: h5py.Group, name: str) -> int:
    return int(group.id.links.get_info(_key(name)).type)


def child(group: h5py.Group, name: str, depth: int = 0) -> Node | None:
    """What a group holds under a name; None where it holds nothing.

    Raises
    ------
    RecordingError
        If it lies in another file, or is damaged.
    """
    key = _key(name)
    with _sound(group, name):
        if not group.id.links.exists(key):
            return None
        kind = _kind_of_link(group, name)
        if kind == h5l.TYPE_HARD:
            found = group[name]
            return found if isinstance(found, h5py.Group | h5py.Dataset) else None
        target = group.id.links.get_val(key)
    if kind != h5l.TYPE_SOFT:
        raise RecordingError(
            f"{where(group, name)} lies in another file ({_elsewhere(target)}), which is not"
            " opened; export the recording into one file"
        )
    if depth >= _MOST_LINKS:
        raise RecordingError(f"{where(group, name)} is a link that leads to itself")
    return _followed(group, target.decode("utf-8", "surrogateescape"), depth + 1)


def _elsewhere(target: Any) -> str:
    name = target[0] if isinstance(target, tuple) else b"?"
    return ascii(name.decode("utf-8", "replace"))[1:-1]


def _followed(group: h5py.Group, target: str, depth: int) -> Node | None:
    """What lies at a path in the same file."""
    found: Node | None = group.file["/"] if target.startswith("/") else group
    for part in target.split("/"):
        if part in ("", "."):
            continue
        if not isinstance(found, h5py.Group):
            return None
        found = child(found, part, depth)
    return found


def children(group: h5py.Group) -> Iterator[tuple[str, Node]]:
    """What a group itself holds, by name; what links lead to is left out."""
    with _sound(group):
        names = list(group)
    for name in names:
        with _sound(group, name):
            direct = _kind_of_link(group, name) == h5l.TYPE_HARD
        found = child(group, name) if direct else None
        if found is not None:
            yield name, found


def leading_out(group: h5py.Group) -> list[str]:
    """Names under which a group holds something that lies in another file."""
    with _sound(group):
        kinds = {name: _kind_of_link(group, name) for name in group}
    return [name for name, kind in kinds.items() if kind not in (h5l.TYPE_HARD, h5l.TYPE_SOFT)]


def dataset(group: h5py.Group, name: str) -> h5py.Dataset | None:
    """A dataset of a group; None where it has none of this name.

    Raises
    ------
    RecordingError
        If it lies in another file, or is damaged.
    """
    found = child(group, name)
    return found if isinstance(found, h5py.Dataset) else None


def address(node: Node) -> int:
    """Where an object lies in its file: the same for two names of one object."""
    with _sound(node):
        return int(h5o.get_info(node.id).addr)


# Attributes --------------------------------------------------------------------------------------


def text(node: Node, name: str) -> str:
    """An attribute that is one text; '' where there is none."""
    found = _attribute(node, name, (h5t.TypeStringID,))
    return found[0] if len(found) == 1 else ""


def texts_of(node: Node, name: str) -> list[str]:
    """An attribute that is a list of texts; none where there is none."""
    return _attribute(node, name, (h5t.TypeStringID,))


def number(node: Node, name: str) -> float:
    """An attribute that is one number; NaN where there is none."""
    found = _attribute(node, name, (h5t.TypeIntegerID, h5t.TypeFloatID))
    return float(found[0]) if len(found) == 1 else math.nan


def _attribute(node: Node, name: str, types: tuple[type, ...]) -> list[Any]:
    with _sound(node, name):
        if name not in node.attrs:
            return []
        kept = node.attrs.get_id(name)
        if kept.shape is None or 0 in kept.shape:
            return []  # of any type
        if not isinstance(kept.get_type(), types):
            raise TypeError
        found = np.asarray(node.attrs[name]).ravel().tolist()
        return [v.decode("utf-8") if isinstance(v, bytes) else v for v in found]


# Values ------------------------------------------------------------------------------------------


def is_number(data: h5py.Dataset) -> bool:
    """Whether a dataset holds numbers (or yes and no)."""
    with _sound(data):
        kind = data.id.get_type()
        numbers = (h5t.TypeIntegerID, h5t.TypeFloatID, h5t.TypeEnumID)
        return isinstance(kind, numbers) and data.dtype.kind in "iufb"


def is_text(data: h5py.Dataset) -> bool:
    """Whether a dataset holds texts."""
    with _sound(data):
        return isinstance(data.id.get_type(), h5t.TypeStringID)


def shape_of(data: h5py.Dataset) -> tuple[int, ...]:
    """Shape of a dataset whose values are all there.

    Raises
    ------
    RecordingError
        If they are not, or lie in other files.
    """
    with _sound(data):
        shape, chunks = data.shape, data.chunks
        if shape is None:
            raise ValueError
        kept = data.id.get_create_plist()
        elsewhere = data.is_virtual or (chunks is None and kept.get_external_count() > 0)
        claimed = math.prod(shape) * data.id.get_type().get_size()
        there = data.id.get_storage_size()
        pieces = data.id.get_num_chunks() if chunks and claimed else 0
    if elsewhere:
        raise RecordingError(
            f"{where(data)} keeps its values in other files, which are not opened; export the"
            " recording into one file"
        )
    if chunks:
        most = there * _MOST_FOLDED + _SPARE_BYTES
        short = claimed and pieces < math.prod(
            -(-n // size) for n, size in zip(shape, chunks, strict=True)
        )
    else:
        most, short = there, False
    if short or claimed > most:
        raise RecordingError(
            f"{where(data)} claims {' x '.join(map(str, shape))} values, but not all of them were"
            " written; the file is damaged or its recording was broken off"
        )
    return tuple(shape)


def values(data: h5py.Dataset, *rows: slice | int) -> NDArray[Any]:
    """Numbers of a dataset.

    Raises
    ------
    RecordingError
        If they are not all there, are no numbers, or are damaged.
    """
    shape_of(data)
    if not is_number(data):
        raise RecordingError(f"{where(data)} holds other than numbers")
    with _sound(data):
        return np.asarray(data[rows])


def texts(data: h5py.Dataset) -> list[str]:
    """Texts of a list of them.

    Raises
    ------
    RecordingError
        If they are not all there, are no texts, or are damaged.
    """
    shape = shape_of(data)
    if not is_text(data) or len(shape) != 1:
        raise RecordingError(f"{where(data)} holds other than a list of texts")
    _refuse_endless_texts(data)
    with _sound(data):
        return [str(value) for value in data.asstr()[:]]


def _refuse_endless_texts(data: h5py.Dataset) -> None:
    """Refuse texts that claim more length than any has: memory is taken for them unread."""
    with _sound(data):
        packed = data.id.get_create_plist().get_nfilters() or not data.id.get_storage_size()
        if not data.id.get_type().is_variable_str() or packed:
            return
        with Path(data.file.filename).open("rb") as stream:
            for start, stop in _stretches(data):
                stream.seek(start)
                size = (stop - start) // _REFERENCE.itemsize * _REFERENCE.itemsize
                length = np.frombuffer(stream.read(size), _REFERENCE)["length"]
                if (length > _LONGEST_BYTES).any():
                    raise ValueError


def mapped(data: h5py.Dataset, column: int | None = None) -> NDArray[Any]:
    """Numbers of a dataset, or of one of its columns, left on the disk where they lie in one piece.

    Raises
    ------
    RecordingError
        As `values`.
    """
    shape = shape_of(data)
    with _sound(data):
        begins = data.id.get_offset() if data.chunks is None else None
        name, kind = data.file.filename, data.dtype
    if begins is None or kind.kind not in "iuf" or not math.prod(shape):
        return values(data) if column is None else values(data, slice(None), column)
    with _sound(data):
        found = np.memmap(name, kind, "r", begins, shape)
    return found if column is None else found[:, column]


# Heaps -------------------------------------------------------------------------------------------


def _refuse_endless_heaps(path: Path, file: h5py.File) -> None:
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as raw:
        for start, stop in _searched(file, len(raw)):
            at = raw.find(_HEAP, start, stop)
            while at >= 0:
                if _endless(raw, at):
                    raise RecordingError(
                        f"{path}: its texts are damaged (at byte {at}); copy it again from where it"
                        " was written"
                    )
                at = raw.find(_HEAP, at + len(_HEAP), stop)


def _endless(raw: mmap.mmap, heap: int) -> bool:
    """Whether going from object to object of a heap does not end."""
    at = heap + 16
    if at > len(raw):
        return False
    end = min(heap + struct.unpack_from("<Q", raw, heap + 8)[0], len(raw))
    while at + _OBJECT.size <= end:
        index, _, _, size = _OBJECT.unpack_from(raw, at)
        step = (_OBJECT.size + -(-size // 8) * 8 if index else size) % 2**64
        if step == 0 or step >= 2**63:
            return True
        at += step
    return False


def _searched(file: h5py.File, size: int) -> Iterator[tuple[int, int]]:
    """Stretches of a file without the values of its large datasets."""
    at = 0
    for start, stop in sorted(_values(file)) if size > _LARGE_BYTES else ():
        if start > at:
            yield at, start
        at = max(at, stop)
    yield at, size


def _values(file: h5py.File) -> Iterator[tuple[int, int]]:
    """Where the values of large datasets begin and end."""
    seen: set[int] = set()
    left: list[h5py.Group] = [file]
    while left:
        for _, node in children(left.pop()):
            place = address(node)
            if place in seen:
                continue
            seen.add(place)
            if isinstance(node, h5py.Group):
                left.append(node)
            else:
                with _sound(node):
                    large = node.id.get_storage_size() > _LARGE_BYTES
                yield from _stretches(node) if large else ()


def _stretches(data: h5py.Dataset) -> list[tuple[int, int]]:
    """Where its values begin and end in the file."""
    found: list[tuple[int, int]] = []
    with _sound(data):
        if data.chunks is None:
            begins = data.id.get_offset()
            return [] if begins is None else [(begins, begins + data.id.get_storage_size())]
        data.id.chunk_iter(lambda c: found.append((c.byte_offset, c.byte_offset + c.size)))
    return found
