"""Units as OSort leaves them, one file per channel, times in us.

`A<channel>_cells.mat`, the cells that a person chose: `spikes` has a row per spike: cell, original
cluster, time, and more that is not read; cell 0 means none.  `IsolDist_SNR` has the quality of the
clusters, `meanWaveform_learn` and `meanWaveform_recog` their mean waveforms in two parts of a task.
Published files hold entries of other channels behind those of their own, so of several entries for
a cluster the first counts.

`A<channel>_sorted_new.mat`, OSort's working form (its storeSortResultFiles.m): for every detected
spike `newTimestampsNegative`, the cluster in `assignedNegative` and the waveform in
`newSpikesNegative`; units are the clusters listed in `useNegative`.  All others are noise
(99999999) or were not taken for units.  The same with `Positive`, which newer versions leave empty.
A unit is called after its cluster, because cells have no numbers yet.

Of a channel that is there in both forms the cells are read.  OSort does not promise any order of
spikes: those of a unit are sorted here.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.readers.matlab import (
    check_span,
    numbers,
    read_arrays,
    take_matrix,
    take_vector,
    times_us,
)
from analysis.recording import QUALITY, Unit, Units, Waveforms, collect_units, unit_label
from task.contract.errors import RecordingError

_FILE = re.compile(r"(?P<wire>[A-Za-z]\w*?)_(?P<form>cells|sorted_new)\.mat")
_CELLS_WIRE = re.compile(r"[A-Z]+\d+")  # other programs' files may end in _cells.mat, too
_CHANNEL = re.compile(r"A0*(\d{1,9})")
_MEASURES = ("clust", "IsolDist", "SNR")
_MEANS = ("meanWaveform_learn", "meanWaveform_recog")
_NOISE = 99_999_999
_MOST_CELL = 999
# OSort brings waveforms to 256 samples at this rate (its upsampleSpikes.m).
_WAVEFORM_HZ = 100_000.0


class _File(NamedTuple):
    path: Path
    wire: str
    form: str

    @property
    def channel(self) -> int | None:
        number = _CHANNEL.fullmatch(self.wire)
        return int(number[1]) if number else None

    def label(self, cell: int) -> str:
        channel = self.channel
        return f"{self.wire}_{cell}" if channel is None else unit_label(channel, cell)


class _Place(NamedTuple):
    """Where the waveforms of a unit are."""

    path: Path
    cluster: int | None
    polarity: str  # '' in a file of cells


def recognises(folder: Path) -> bool:
    """Whether the folder holds files of OSort."""
    return folder.is_dir() and any(_file(path) for path in folder.iterdir())


def read_units(folder: Path) -> Units:
    """All units of a recording, by channel and cell; their areas are not known here.

    Returns
    -------
    Units; waveforms are the means that a file of cells holds, or those of all spikes

    Raises
    ------
    RecordingError
        If a file cannot be read or is none of OSort's, or two are of the same channel.
    """
    places: dict[str, _Place] = {}
    units = []
    for file in _files(folder):
        for unit, polarity in _cells(file) if file.form == "cells" else _clusters(file):
            places[unit.label] = _Place(file.path, unit.cluster, polarity)
            units.append(unit)
    return collect_units(units, lambda label: _waveforms(places[label]))


def _file(path: Path) -> _File | None:
    name = _FILE.fullmatch(path.name)
    if not name or (name["form"] == "cells" and not _CELLS_WIRE.fullmatch(name["wire"])):
        return None
    return _File(path, name["wire"], name["form"])


def _files(folder: Path) -> list[_File]:
    """A file for every channel, in the order of their numbers."""
    found: dict[tuple[str, str], _File] = {}
    for path in sorted(folder.iterdir()):
        file = _file(path)
        if not file:
            continue
        other = found.setdefault((file.label(0), file.form), file)
        if other != file:
            raise RecordingError(
                f"{folder}: {other.path.name} and {path.name} are of the same channel"
            )
    chosen = [
        file
        for (label, form), file in found.items()
        if form == "cells" or (label, "cells") not in found
    ]
    return sorted(chosen, key=lambda f: (f.channel is None, f.channel or 0, f.wire))


# Cells -------------------------------------------------------------------------------------------


def _cells(file: _File) -> Iterator[tuple[Unit, str]]:
    arrays = read_arrays(file.path, "spikes", "IsolDist_SNR")
    spikes = take_matrix(file.path, arrays, "spikes", columns=3)
    sound = numbers(spikes[:, :2]).all(axis=1) & times_us(spikes[:, 2])
    sound &= spikes[:, 0] <= _MOST_CELL
    if not sound.all():
        first = int(np.argmin(sound))
        raise RecordingError(
            f"{file.path}: row {first + 1} of 'spikes' begins with {spikes[first].tolist()}, not"
            " with a cell, a cluster and a time in us"
        )
    check_span(file.path, spikes[:, 2], "the times of its spikes")
    quality = _quality(file.path, arrays)
    for cell in np.unique(spikes[:, 0]).astype(int).tolist():
        if cell == 0:
            continue
        mine = spikes[spikes[:, 0] == cell]
        clusters = np.unique(mine[:, 1])
        cluster = int(clusters[0]) if len(clusters) == 1 else None
        measures = dict(zip(QUALITY, quality.get(cluster, ()), strict=False))
        yield (
            Unit(file.label(cell), cell, mine[:, 2] / 1e6, file.channel, cluster, quality=measures),
            "",
        )


def _quality(
    path: Path, arrays: Mapping[str, NDArray[Any]]
) -> dict[int | None, tuple[float, float]]:
    """Isolation distance and SNR of each cluster, where the file tells them."""
    found: dict[int | None, tuple[float, float]] = {}
    for row in _entries(path, arrays, "IsolDist_SNR", _MEASURES):
        cluster, isolation, snr = (_one(path, "IsolDist_SNR", value) for value in row)
        if np.isfinite(cluster):
            found.setdefault(int(cluster), (isolation, snr))
    return found


def _entries(
    path: Path, arrays: Mapping[str, NDArray[Any]], name: str, fields: tuple[str, ...]
) -> list[list[Any]]:
    """Rows of an array of structures, which may not be there."""
    found = arrays.get(name)
    if found is None or found.size == 0:
        return []
    if not set(fields) <= set(found.dtype.names or ()):
        told = f"{', '.join(fields[:-1])} and {fields[-1]}"
        raise RecordingError(f"{path}: {name!r} has no fields {told}")
    return [[row[field] for field in fields] for row in found.ravel()]


def _one(path: Path, name: str, value: NDArray[Any]) -> float:
    """The number in MATLAB's matrix of one; NaN for an empty one."""
    if value.size == 0:
        return np.nan
    if value.dtype.kind not in "iuf":
        raise RecordingError(f"{path}: {name!r} holds other than numbers")
    return float(value.ravel()[0])


# Clusters ----------------------------------------------------------------------------------------


def _clusters(file: _File) -> Iterator[tuple[Unit, str]]:
    """Units of OSort's working form, with their polarity."""
    wanted = [
        f"{kind}{polarity}"
        for polarity in ("Negative", "Positive")
        for kind in ("use", "assigned", "newTimestamps")
    ]
    arrays = read_arrays(file.path, *wanted)
    for polarity in ("Negative", "Positive"):
        if polarity == "Positive" and f"use{polarity}" not in arrays:
            continue
        used = take_vector(file.path, arrays, f"use{polarity}")
        if not used.size:
            continue
        assigned = take_vector(file.path, arrays, f"assigned{polarity}")
        time_us = take_vector(file.path, arrays, f"newTimestamps{polarity}")
        _check_clusters(file.path, polarity, used, assigned, time_us)
        for cluster in used.astype(int).tolist():
            label = file.label(cluster)
            yield (
                Unit(
                    label if polarity == "Negative" else f"{label}_positive",
                    cluster,
                    time_us[assigned == cluster] / 1e6,
                    file.channel,
                    cluster,
                ),
                polarity,
            )


def _check_clusters(
    path: Path,
    polarity: str,
    used: NDArray[np.float64],
    assigned: NDArray[np.float64],
    time_us: NDArray[np.float64],
) -> None:
    if len(assigned) != len(time_us):
        raise RecordingError(
            f"{path}: {len(assigned)} clusters in 'assigned{polarity}', but {len(time_us)} times"
            f" in 'newTimestamps{polarity}'"
        )
    sound = times_us(time_us) & numbers(assigned)
    if not sound.all():
        first = int(np.argmin(sound))
        raise RecordingError(
            f"{path}: spike {first + 1} of 'assigned{polarity}' has the cluster"
            f" {assigned[first]:g} and the time {time_us[first]:g}, not a number and a time in us"
        )
    check_span(path, time_us, "the times of its spikes")
    odd = used[~numbers(used) | (used == _NOISE) | ~np.isin(used, assigned)]
    if odd.size or len(np.unique(used)) < len(used):
        raise RecordingError(
            f"{path}: 'use{polarity}' lists {used.tolist()}; units are different clusters of"
            f" 'assigned{polarity}'"
        )


# Waveforms ---------------------------------------------------------------------------------------


def _waveforms(place: _Place) -> Waveforms | None:
    if place.cluster is None:
        return None
    if not place.polarity:
        return _mean_waveform(place.path, place.cluster)
    spikes, assigned, times = (
        f"{kind}{place.polarity}" for kind in ("newSpikes", "assigned", "newTimestamps")
    )
    arrays = read_arrays(place.path, spikes, assigned, times, "scalingFactor")
    if spikes not in arrays or not arrays[spikes].size:
        return None
    clusters = take_vector(place.path, arrays, assigned)
    time_us = take_vector(place.path, arrays, times)
    found = arrays[spikes]
    if found.ndim != 2 or found.dtype.kind not in "iuf" or len(found) != len(clusters):
        raise RecordingError(
            f"{place.path}: {spikes!r} is no matrix of {len(clusters)} waveforms, one per spike"
        )
    mine = np.flatnonzero(clusters == place.cluster)
    values = found[mine[np.argsort(time_us[mine], kind="stable")]]
    volts = _one(place.path, "scalingFactor", arrays.get("scalingFactor", np.empty(0)))
    if volts > 0 and np.isfinite(volts):
        return Waveforms(values * (1e6 * volts), _WAVEFORM_HZ, "uV")
    return Waveforms(values, _WAVEFORM_HZ)


def _mean_waveform(path: Path, cluster: int) -> Waveforms | None:
    """Mean over the parts of the task in which the cell fired."""
    arrays = read_arrays(path, *_MEANS)
    means = []
    for name in _MEANS:
        for number, wave in _entries(path, arrays, name, ("clust", "m_waveform")):
            is_wave = wave.dtype.kind in "iuf" and wave.size > 1 and np.isfinite(wave).all()
            if is_wave and _one(path, name, number) == cluster:
                means.append(wave.ravel().astype(np.float64))
                break
    if not means:
        return None
    if len({len(mean) for mean in means}) > 1:
        raise RecordingError(f"{path}: the mean waveforms of cluster {cluster} differ in length")
    return Waveforms(np.mean(means, axis=0)[np.newaxis], _WAVEFORM_HZ)
