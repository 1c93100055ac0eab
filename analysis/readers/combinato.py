"""Units as Combinato leaves them, in a folder per channel.

`<channel>/data_<channel>.h5` holds the groups `pos` and `neg`, spikes of either sign, each with
`times` (ms) and `spikes` (a waveform a row).  `<channel>/sort_<sign>_<label>/sort_cat.h5` says what
became of one sign: `index` (into `times`) and `classes` have an entry per spike; `groups` has rows
of class and group, `types` rows of group and type: -1 artifact, 0 not assigned, 1 multi-unit,
2 single unit (jniediek/combinato: `cluster/concatenate.py`, `cluster/create_groups.py`,
`manager/manager_cat.py`).  Folders without a `sort_cat.h5` are steps on the way.

A unit is a group, `CSC47_neg_1`.  Artifacts and what was not assigned are none.  Times are on the
clock of the recording where `.ncs` files were sorted, and from the beginning of the file where
`.mat` files were.  Waveforms of `.ncs` files are in uV; those of others are as they came, and no
file tells which it was.  One neuron can be found in both signs.

A file is read without leaving it: links to other files and values kept elsewhere are refused.
"""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from analysis.recording import MULTI, SINGLE, Unit, Units, Waveforms, collect_units
from task.contract.errors import RecordingError

SORTED_NAME, NAMES_NAME = "sort_cat.h5", "channel_names.csv"
_SORTING = re.compile(r"sort_(?P<sign>pos|neg)_(?P<label>.+)")
_KINDS = {-1: None, 0: None, 1: MULTI, 2: SINGLE}
_WIRE = re.compile(r"(?P<area>.*?)(?:\d+|_Ref)?")
_BLOCK = 65_536
_LATEST_MS, _MOST_BACK_MS = 1e13, 1e3
_MOST_DEFLATED = 1100  # deflate makes nothing smaller than by this factor
# What h5py raises over a file that is damaged.
_FAILURES = (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError, OverflowError)


@dataclass(frozen=True, slots=True)
class _Sorting:
    """What became of the spikes of one sign of one channel."""

    folder: Path
    sign: str
    label: str

    @property
    def channel(self) -> str:
        return self.folder.parent.name

    @property
    def spikes(self) -> Path:
        return self.folder.parent / f"data_{self.channel}.h5"


def recognises(folder: Path) -> bool:
    """Whether it is a session, a channel or a sorting of Combinato."""
    return folder.is_dir() and any(True for _ in _sortings(folder))


def read_units(folder: Path) -> Units:
    """All units of a session, by channel, sign and group.

    Parameters
    ----------
    folder : a session (channels in folders), one channel, or one sorting of a channel

    Returns
    -------
    Units; `cell` is the group; `channel` the number that the name of the channel ends with; `area`
    the name of the wire without its number, where `channel_names.csv` lies beside the channels

    Raises
    ------
    RecordingError
        If a file is missing, damaged or not of this layout, or a channel was sorted several times.
    """
    sortings = sorted(_sortings(folder), key=lambda s: (_number(s.channel) or 0, s.folder))
    _refuse_choice(sortings)
    found: dict[str, tuple[_Sorting, NDArray[np.int64]]] = {}
    units: list[Unit] = []
    for sorting in sortings:
        area = _area(sorting)
        for unit, index in _units(sorting, area):
            units.append(unit)
            found[unit.label] = sorting, index
    return collect_units(units, lambda label: _waveforms(*found[label]))


def _sortings(folder: Path) -> Iterator[_Sorting]:
    """Sortings in a session, in a channel, or the one that the folder is."""
    folder = folder.resolve()
    own = _SORTING.fullmatch(folder.name)
    if own and (folder / SORTED_NAME).is_file():
        yield _Sorting(folder, own["sign"], own["label"])
        return
    for pattern in (f"sort_*/{SORTED_NAME}", f"*/sort_*/{SORTED_NAME}"):
        for path in folder.glob(pattern):
            name = _SORTING.fullmatch(path.parent.name)
            if name:
                yield _Sorting(path.parent, name["sign"], name["label"])


def _refuse_choice(sortings: list[_Sorting]) -> None:
    """Which of several sortings of a channel is meant, only a person knows."""
    labels: dict[Path, set[str]] = {}
    for sorting in sortings:
        labels.setdefault(sorting.folder.parent, set()).add(sorting.label)
    for channel, several in labels.items():
        if len(several) > 1:
            names = ", ".join(s.folder.name for s in sortings if s.folder.parent == channel)
            raise RecordingError(
                f"{channel}: was sorted several times ({names}); name one of these folders, or"
                " leave one label there"
            )


def _number(channel: str) -> int | None:
    digits = re.search(r"\d+$", channel)
    return int(digits[0]) if digits else None


def _area(sorting: _Sorting) -> str:
    """Where the wire lies by its name, as Combinato's own tools take it."""
    path = sorting.folder.parent.parent / NAMES_NAME
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise RecordingError(f"{path}: is no text in UTF-8") from None
    for n, line in enumerate(lines, start=1):
        channel, semicolon, wire = line.partition(";")
        if line.strip() and not semicolon:
            raise RecordingError(f"{path}:{n}: is {line!r}, not a channel;name")
        name = _WIRE.fullmatch(wire.partition(";")[0].strip())
        if name and channel.strip() == sorting.channel:
            return name["area"]
    return ""


def _units(sorting: _Sorting, area: str) -> Iterator[tuple[Unit, NDArray[np.int64]]]:
    """Units with the places of their spikes in the data file, in the order of their times."""
    group_of_spike, index, kinds = _groups(sorting)
    with _opened(sorting.spikes) as file:
        times_ms = _array(sorting.spikes, file, f"{sorting.sign}/times", "f", (None,))
    if index.size and (index.min() < 0 or index.max() >= len(times_ms)):
        raise RecordingError(
            f"{sorting.folder / SORTED_NAME}: speaks of spike {int(index.max())}, but"
            f" {sorting.spikes.name} has {len(times_ms)} of sign {sorting.sign}; the two are not of"
            " one extraction"
        )
    _refuse_disorder(sorting, times_ms)
    for group, kind in sorted(kinds.items()):
        mine = index[group_of_spike == group]
        if kind is None or not mine.size:
            continue
        mine = mine[np.argsort(times_ms[mine], kind="stable")]
        label = f"{sorting.channel}_{sorting.sign}_{group}"
        channel = _number(sorting.channel)
        yield Unit(label, group, times_ms[mine] / 1e3, channel, kind=kind, area=area), mine


def _refuse_disorder(sorting: _Sorting, times_ms: NDArray[np.float64]) -> None:
    """Spikes were written as they were found; only where two overlap is one a little early."""
    wrong = ~((times_ms >= 0) & (times_ms < _LATEST_MS))
    wrong[1:] |= np.diff(np.where(wrong, 0, times_ms)) < -_MOST_BACK_MS
    if wrong.any():
        first = int(wrong.argmax())
        raise RecordingError(
            f"{sorting.spikes}: {sorting.sign}/times[{first}] is {times_ms[first]:g} ms, which is"
            " no time, or far earlier than the one before it"
        )


def _groups(
    sorting: _Sorting,
) -> tuple[NDArray[np.int64], NDArray[np.int64], dict[int, str | None]]:
    """Group of every sorted spike, its place in the data file, and the kind of every group."""
    path = sorting.folder / SORTED_NAME
    with _opened(path) as file:
        _check_sign(path, file, sorting.sign)
        if "types" not in file:
            raise RecordingError(f"{path}: its classes were not grouped yet; run css-combine")
        index = _array(path, file, "index", "iu", (None,)).astype(np.int64)
        classes = _array(path, file, "classes", "iu", (len(index),)).astype(np.int64)
        groups = _pairs(path, "groups", _array(path, file, "groups", "iu", (None, 2)))
        types = _pairs(path, "types", _array(path, file, "types", "iu", (None, 2)))
    if len(np.unique(index)) != len(index):
        raise RecordingError(f"{path}: sorts some spikes twice; its sessions overlap")
    known, places = np.unique(classes, return_inverse=True)
    for number in known.tolist():
        if number not in groups:
            raise RecordingError(f"{path}: class {number} is in no group")
    kinds: dict[int, str | None] = {}
    for group in sorted(set(groups.values())):
        if types.get(group) not in _KINDS:
            raise RecordingError(
                f"{path}: group {group} is of type {types.get(group)}; known are -1 (artifact),"
                " 0 (not assigned), 1 (multi-unit) and 2 (single unit)"
            )
        kinds[group] = _KINDS[types[group]]
    of_class = np.array([groups[number] for number in known.tolist()], dtype=np.int64)
    return of_class[places], index, kinds


def _check_sign(path: Path, file: h5py.File, sign: str) -> None:
    """The file says itself which sign it sorted; a text, or the pickle of one."""
    said = file.attrs.get("sign", sign)
    text = said.decode("latin-1") if isinstance(said, bytes) else str(said)
    if {known for known in ("pos", "neg") if known in text} != {sign}:
        raise RecordingError(f"{path}: sorts spikes of sign {text!r}, but its folder says {sign}")


def _pairs(path: Path, name: str, rows: NDArray[Any]) -> dict[int, int]:
    pairs: dict[int, int] = {}
    for key, value in rows.tolist():
        if pairs.setdefault(key, value) != value:
            raise RecordingError(f"{path}: '{name}' has {key} as both {pairs[key]} and {value}")
    return pairs


def _waveforms(sorting: _Sorting, index: NDArray[np.int64]) -> Waveforms:
    path, name = sorting.spikes, f"{sorting.sign}/spikes"
    with _opened(path) as file:
        times = _dataset(path, file, f"{sorting.sign}/times", "f", (None,))
        spikes = _dataset(path, file, name, "f", (len(times), None))
        values = np.empty((len(index), spikes.shape[1]), spikes.dtype)
        for start in range(0, len(times), _BLOCK):  # single rows out of HDF5 take much longer
            here = (index >= start) & (index < start + _BLOCK)
            if here.any():
                values[here] = spikes[start : start + _BLOCK][index[here] - start]
    return Waveforms(values)


# HDF5 --------------------------------------------------------------------------------------------


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    try:
        with path.open("rb"):  # says why it cannot be opened, which h5py does not
            pass
        with h5py.File(path, "r") as file:
            yield file
    except _FAILURES as error:
        why = getattr(error, "strerror", None)
        said = f"cannot be read: {why}" if why else "is damaged, or no file of HDF5"
        raise RecordingError(f"{path}: {said}") from None


def _array(
    path: Path, file: h5py.File, name: str, kinds: str, shape: tuple[int | None, ...]
) -> NDArray[Any]:
    return np.asarray(_dataset(path, file, name, kinds, shape)[()])


def _dataset(
    path: Path, file: h5py.File, name: str, kinds: str, shape: tuple[int | None, ...]
) -> h5py.Dataset:
    """A matrix of numbers that lies in the file itself, whole; None stands for any length."""
    found: Any = file
    for part in name.split("/"):
        if not isinstance(found, h5py.Group) or part not in found:
            raise RecordingError(f"{path}: holds no '{name}'")
        if not isinstance(found.get(part, getlink=True), h5py.HardLink):
            raise RecordingError(
                f"{path}: '{name}' is a link; copy what it points at into the file"
            )
        found = found[part]
    if not isinstance(found, h5py.Dataset) or found.dtype.kind not in kinds or found.dtype.subdtype:
        raise RecordingError(f"{path}: '{name}' is no array of numbers")
    if len(found.shape) != len(shape) or any(
        wanted not in (None, there) for wanted, there in zip(shape, found.shape, strict=True)
    ):
        wanted = " x ".join("n" if length is None else str(length) for length in shape)
        raise RecordingError(f"{path}: '{name}' is {found.shape}, not {wanted}")
    _refuse_absent(path, found, name)
    return found


def _refuse_absent(path: Path, found: h5py.Dataset, name: str) -> None:
    """Values that were lost read as zeros, and a damaged size asks for any amount of memory."""
    if found.external or found.is_virtual:
        raise RecordingError(f"{path}: the values of '{name}' lie in another file")
    stored = found.id.get_storage_size()
    claimed = math.prod(found.shape) * found.dtype.itemsize
    most = stored * (_MOST_DEFLATED if found.id.get_create_plist().get_nfilters() else 1)
    if stored > path.stat().st_size or claimed > most:
        raise RecordingError(
            f"{path}: '{name}' should be {claimed} bytes, but there are {stored}; copy it again"
        )
