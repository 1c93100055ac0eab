"""Sorted units of an NWB 2 file: the table `units`, a row for each.

`spike_times` in s; `electrodes`, rows of the table of electrodes, of which one gives the number of
the channel (`origChannel`, `channel`, or its `id`) and `location` the area (NWB Format
Specification 2.10, `Units`).  All other columns are of whoever wrote the file: those that are known
by name give the cluster and its kind, and every further column of numbers is a measure under its
own name.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from analysis.readers import hdf5, nwb_file
from analysis.readers.nwb_traces import electrodes
from analysis.readers.nwb_waveforms import waveforms_of
from analysis.recording import MULTI, SINGLE, Unit, Units, Waveforms, collect_units
from task.contract.errors import AbsentError, RecordingError

TABLE = "units"
_LABELS = ("unitname", "name", "label")
_CLUSTERS = ("clusteridorig", "origclusterid", "originalclusterid", "clusterid")
_CHANNELS = ("origchannel", "channel", "channelid", "channelnumber")
_AREAS = ("location", "brainarea", "brainregion", "area")
_KINDS = ("quality", "group", "clustergroup", "unitquality", "kslabel", "label")  # people's first
_NOISE = "noise"
_WORDS = {
    **dict.fromkeys(("good", "single", "su", "sua", "single unit"), SINGLE),
    **dict.fromkeys(("mua", "multi", "mu", "multi unit", "multiunit"), MULTI),
    "noise": _NOISE,
}
_ISOLATION = ("isolationdistance", "isolationdist", "waveformsisolationdistance")
_SNR = ("snr", "meansnr", "waveformsmeansnr", "waveformmeansnr")
_MEASURES = {**dict.fromkeys(_ISOLATION, "isolation_distance"), **dict.fromkeys(_SNR, "snr")}
_TAKEN = frozenset(["channel", "cell", "cluster", "kind", "area"])  # in the table of units
_NO_MEASURES = frozenset(["spike_times", "electrodes"])
_UNKNOWN_AREAS = frozenset(["", "unknown", "n/a", "na", "nan", "none"])

_Columns = Mapping[str, NDArray[Any] | list[str]]
_Whole = NDArray[np.int64]


def read_units(path: Path) -> Units:
    """All units but those that are called noise, in the order of the file.

    They are labelled by their names, if all have one and no two the same, or by the numbers of
    their rows (`unit_12`); `cell` is that number.  `channel` is missing where a unit lies on
    several electrodes, or the file does not tell.

    Raises
    ------
    RecordingError
        If the file is damaged, is no NWB 2 file, or holds no units.
    """
    with nwb_file.opened(path) as file:
        found = list(_units(file, _table(file)))
    row_of = {unit.label: row for row, unit in found}

    def read_waveforms(label: str) -> Waveforms | None:
        with nwb_file.opened(path) as again:
            return waveforms_of(_table(again), row_of[label])

    return collect_units((unit for _, unit in found), read_waveforms)


def _table(file: h5py.File) -> h5py.Group:
    table = hdf5.child(file, TABLE)
    if not isinstance(table, h5py.Group):
        raise AbsentError(f"{file.filename}: holds no table of units")
    return table


def _units(file: h5py.File, table: h5py.Group) -> Iterator[tuple[int, Unit]]:
    """Units with their rows."""
    ids = nwb_file.row_ids(table)
    if len(np.unique(ids)) < len(ids):
        raise RecordingError(f"{hdf5.where(table)}: two units have the same number")
    columns = _plain_columns(table)
    trains, labels, kinds = _trains(table, len(ids)), _labels(columns, ids), _kinds(columns, ids)
    channels, areas = _places(file, table, columns, len(ids))
    clusters = _numbers(columns, _CLUSTERS, len(ids))
    quality = _quality(columns)
    for row, number in enumerate(ids.tolist()):
        measures = {name: float(column[row]) for name, column in quality.items()}
        if kinds[row] != _NOISE:
            train, kind = trains[row], kinds[row]
            place = channels[row], clusters[row], kind, areas[row]
            yield row, Unit(labels[row], number, train, *place, measures)


def _trains(table: h5py.Group, count: int) -> list[NDArray[np.float64]]:
    data = hdf5.dataset(table, "spike_times")
    if data is None:
        raise RecordingError(f"{hdf5.where(table)} has no spike times")
    time_s = nwb_file.times_s(data)
    ends = nwb_file.ends_of(table, "spike_times", len(time_s))
    if ends is None or len(ends) != count:
        raise RecordingError(
            f"{hdf5.where(data)}: does not say which spikes are of which of {count} units"
        )
    return np.split(time_s, ends[:-1]) if count else []


# Columns -----------------------------------------------------------------------------------------


def _key(name: str) -> str:
    """A name however it is spelt: `origClusterID`, `orig_cluster_id`."""
    return "".join(nwb_file.words_in(name))


def _plain_columns(table: h5py.Group) -> _Columns:
    named = {name: nwb_file.plain_column(table, name) for name in nwb_file.column_names(table)}
    return {name: column for name, column in named.items() if column is not None}


def _texts(columns: _Columns, keys: Sequence[str]) -> Iterator[list[str]]:
    """Columns of texts of these names."""
    for key in keys:
        for name, column in columns.items():
            if _key(name) == key and isinstance(column, list):
                yield [text.strip() for text in column]


def _numbers(columns: _Columns, keys: Sequence[str], count: int) -> list[int | None]:
    """The first column of whole numbers of these names."""
    for key in keys:
        for name, column in columns.items():
            if _key(name) == key and isinstance(column, np.ndarray):
                return [_whole(value) for value in column.tolist()]
    return [None] * count


def _whole(value: float) -> int | None:
    return int(value) if abs(value) < 2**63 and value == int(value) else None


def _labels(columns: _Columns, ids: _Whole) -> list[str]:
    for names in _texts(columns, _LABELS):
        if all(names) and len({*names}) == len(names):
            return names
    return [f"unit_{number}" for number in ids.tolist()]


def _kinds(columns: _Columns, ids: _Whole) -> list[str]:
    """What people, or else a sorter, called each unit."""
    found = [""] * len(ids)
    for words in _texts(columns, _KINDS):
        told = [_WORDS.get(word.lower().replace("-", " "), "") for word in words]
        found = [before or new for before, new in zip(found, told, strict=True)]
    return found


def _quality(columns: _Columns) -> dict[str, NDArray[Any]]:
    """Columns of measures by their names here."""
    found: dict[str, NDArray[Any]] = {}
    for name, column in columns.items():
        key = _key(name)
        if isinstance(column, list) or name in _NO_MEASURES or key in (*_CLUSTERS, *_CHANNELS):
            continue
        called = _MEASURES.get(key, name)
        called = name if called in found or called in columns else called
        found[f"{called}_in_file" if called in _TAKEN else called] = column
    return found


# Places ------------------------------------------------------------------------------------------


def _places(
    file: h5py.File, table: h5py.Group, columns: _Columns, count: int
) -> tuple[list[int | None], list[str]]:
    """Channel and area of each unit."""
    channels = _numbers(columns, _CHANNELS, count)
    areas = next(_texts(columns, _AREAS), [""] * count)
    rows, wires = _electrodes_of(table, count), electrodes(file)
    if rows is not None and wires is not None:
        many = len(nwb_file.row_ids(wires))
        theirs = _plain_columns(wires)
        numbers = _numbers({**theirs, "channel": nwb_file.row_ids(wires)}, _CHANNELS, many)
        located = next(_texts(theirs, _AREAS), [""] * many)
        if any((mine < 0).any() or (mine >= many).any() for mine in rows):
            raise RecordingError(f"{hdf5.where(table)} names an electrode that is not listed")
        for unit, mine in enumerate(rows):
            here = {located[row] for row in mine.tolist()}
            if len(mine) == 1:
                channels[unit] = numbers[int(mine[0])]
            if len(here) == 1 and not _known(areas[unit]):
                areas[unit] = here.pop()
    return channels, [area if _known(area) else "" for area in areas]


def _known(area: str) -> bool:
    return area.lower() not in _UNKNOWN_AREAS


def _electrodes_of(table: h5py.Group, count: int) -> list[_Whole] | None:
    """Rows of the table of electrodes on which each unit lies."""
    data = hdf5.dataset(table, "electrodes")
    if data is None:
        return None
    rows = hdf5.values(data)
    ends = nwb_file.ends_of(table, "electrodes", len(rows))
    ends = np.arange(1, count + 1) if ends is None else ends
    if rows.ndim != 1 or rows.dtype.kind not in "iu" or len(ends) != count:
        raise RecordingError(f"{hdf5.where(data)}: is no list of the electrodes of {count} units")
    if count and ends[-1] != len(rows):
        raise RecordingError(f"{hdf5.where(data)} has {len(rows)} electrodes for {count} units")
    return np.split(rows.astype(np.int64), ends[:-1]) if count else []
