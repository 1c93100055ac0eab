"""Units as wave_clus leaves them: `times_<wire>.mat`, one file per wire, or per bundle of wires.

`cluster_class` has a row per spike: class and time in ms; class 0 means none.  `spikes` has their
waveforms, `par.sr` the samples a second.  Some laboratories put a session before the name
(`030e16timesCSC47.mat`); if no number of a wire ends it, such a file counts if it holds
`cluster_class`.  Units are called after the wire, `CSC47_2`; its number is the channel where the
name is one of the usual codes and a number.  Times are taken as they stand, for times on the
recording's clock.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.readers.matlab import (
    check_span,
    list_names,
    numbers,
    read_arrays,
    take_matrix,
    times_us,
)
from analysis.recording import Unit, Units, Waveforms, collect_units
from task.contract.errors import RecordingError

_PLAIN = re.compile(r"times_(.+)\.mat")
_WITH_SESSION = re.compile(r"[^.].*times_?([A-Za-z].*)\.mat")
_CHANNEL = re.compile(r"(?:CSC|NSX|channel|chan|ch|A)_?0*(\d{1,9})", re.IGNORECASE)
_US = 1e3  # in a ms


class _Place(NamedTuple):
    """Where the waveforms of a unit are."""

    path: Path
    cluster: int


def recognises(folder: Path) -> bool:
    """Whether the folder holds files of wave_clus."""
    return folder.is_dir() and any(map(_is_ours, folder.iterdir()))


def _is_ours(path: Path) -> bool:
    try:
        return _wire(path) is not None
    except RecordingError:
        return False


def read_units(folder: Path) -> Units:
    """All units of a recording, by wire and class; their areas are not known here.

    Raises
    ------
    RecordingError
        If a file cannot be read or is none of wave_clus', or two are of the same wire.
    """
    places: dict[str, _Place] = {}
    units = []
    for wire, path in _wires(folder):
        for unit in _classes(path, wire):
            places[unit.label] = _Place(path, unit.cell)
            units.append(unit)
    return collect_units(units, lambda label: _waveforms(places[label]))


def _wire(path: Path) -> str | None:
    """Name of the wire whose spikes are in a file; None if the file is none of wave_clus'."""
    if name := _PLAIN.fullmatch(path.name):
        return name[1]
    name = _WITH_SESSION.fullmatch(path.name)
    if not name:
        return None
    sure = _CHANNEL.fullmatch(name[1]) or "cluster_class" in list_names(path)
    return name[1] if sure else None


def _wires(folder: Path) -> list[tuple[str, Path]]:
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        wire = _wire(path)
        if wire is None:
            continue
        other = found.setdefault(wire, path)
        if other != path:
            raise RecordingError(
                f"{folder}: {other.name} and {path.name} are of the same wire, {wire}"
            )
    return sorted(found.items(), key=lambda item: _by_number(item[0]))


def _by_number(wire: str) -> tuple[str, int, str]:
    """CSC2 before CSC10."""
    letters = wire.rstrip("0123456789")
    return letters, int(wire[len(letters) :] or 0), wire


def _classes(path: Path, wire: str) -> Iterator[Unit]:
    spikes = take_matrix(path, read_arrays(path, "cluster_class"), "cluster_class", columns=2)
    classes, time_us = spikes[:, 0], spikes[:, 1] * _US
    sound = numbers(classes) & times_us(time_us)
    if not sound.all():
        first = int(np.argmin(sound))
        raise RecordingError(
            f"{path}: row {first + 1} of 'cluster_class' is {spikes[first].tolist()}, not a class"
            " and a time in ms"
        )
    check_span(path, time_us, "the times of its spikes")
    number = _CHANNEL.fullmatch(wire)
    channel = int(number[1]) if number else None
    for cell in np.unique(classes).astype(int).tolist():
        if cell:
            times_s = spikes[classes == cell, 1] / 1e3
            yield Unit(f"{wire}_{cell}", cell, times_s, channel, cluster=cell)


def _waveforms(place: _Place) -> Waveforms | None:
    arrays = read_arrays(place.path, "cluster_class", "spikes", "par")
    values = arrays.get("spikes")
    if values is None or not values.size:
        return None  # newer versions keep them in the file of all detected spikes
    spikes = take_matrix(place.path, arrays, "cluster_class", columns=2)
    if values.ndim != 2 or values.dtype.kind not in "iuf" or len(values) != len(spikes):
        raise RecordingError(
            f"{place.path}: 'spikes' is no matrix of {len(spikes)} waveforms, one per row of"
            " 'cluster_class'"
        )
    mine = np.flatnonzero(spikes[:, 0] == place.cluster)
    in_order = mine[np.argsort(spikes[mine, 1], kind="stable")]
    return Waveforms(values[in_order], _rate_hz(arrays.get("par", np.empty(0))))


def _rate_hz(par: NDArray[Any]) -> float:
    """Samples a second, NaN where the parameters do not tell."""
    if par.size != 1 or "sr" not in (par.dtype.names or ()):
        return np.nan
    rate = par["sr"].ravel()[0]
    is_number = rate.size == 1 and rate.dtype.kind in "iuf"
    return float(rate.ravel()[0]) if is_number else np.nan
