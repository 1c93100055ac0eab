"""Units as OSort leaves them: `A<channel>_cells.mat`, one file per channel.

`spikes` has a row per spike: cell, original cluster, time in us, and more that is not read; cell 0
means none.  `IsolDist_SNR` has the quality of every cluster.  OSort does not promise any order of
spikes: those of a unit are sorted here.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.readers.matlab import read_arrays, take_matrix, whole
from analysis.recording import QUALITY, Unit, Units, collect_units, unit_label
from task.contract.errors import RecordingError

_FILE = re.compile(r"A(?P<channel>\d+)_cells\.mat")
_MEASURES = ("clust", "IsolDist", "SNR")


def recognises(folder: Path) -> bool:
    """Whether the folder holds files of OSort."""
    return folder.is_dir() and any(_FILE.fullmatch(path.name) for path in folder.iterdir())


def read_units(folder: Path) -> Units:
    """All units of a recording, by channel and cell; their areas are not known here.

    Raises
    ------
    RecordingError
        If a file cannot be read or is none of OSort's, or two are of the same channel.
    """
    return collect_units(u for channel, path in _channels(folder) for u in _cells(path, channel))


def _channels(folder: Path) -> list[tuple[int, Path]]:
    found: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        name = _FILE.fullmatch(path.name)
        if not name:
            continue
        other = found.setdefault(int(name["channel"]), path)
        if other != path:
            raise RecordingError(f"{folder}: {other.name} and {path.name} are of the same channel")
    return sorted(found.items())


def _cells(path: Path, channel: int) -> Iterator[Unit]:
    arrays = read_arrays(path, "spikes", "IsolDist_SNR")
    spikes = take_matrix(path, arrays, "spikes", columns=3)
    _check(path, spikes)
    quality = _quality(path, arrays.get("IsolDist_SNR"))
    for cell in np.unique(spikes[:, 0]):
        if cell == 0:
            continue
        mine = spikes[spikes[:, 0] == cell]
        clusters = np.unique(mine[:, 1])
        cluster = int(clusters[0]) if len(clusters) == 1 else None
        label = unit_label(channel, int(cell))
        measures = dict(zip(QUALITY, quality.get(cluster, ()), strict=False))
        yield Unit(label, int(cell), mine[:, 2] / 1e6, channel, cluster, quality=measures)


def _check(path: Path, spikes: NDArray[np.float64]) -> None:
    numbers, time_us = spikes[:, :2], spikes[:, 2]
    sound = (whole(numbers) & (numbers >= 0)).all(axis=1) & np.isfinite(time_us)
    if not sound.all():
        first = int(np.argmin(sound))
        raise RecordingError(
            f"{path}: row {first + 1} of 'spikes' begins with {spikes[first].tolist()}, not"
            " with a cell, a cluster and a time in us"
        )


def _quality(path: Path, found: NDArray[Any] | None) -> dict[int | None, tuple[float, float]]:
    """Isolation distance and SNR of each cluster, where the file tells them."""
    if found is None or found.size == 0:
        return {}
    if not set(_MEASURES) <= set(found.dtype.names or ()):
        raise RecordingError(f"{path}: 'IsolDist_SNR' has no fields clust, IsolDist and SNR")
    try:
        rows = [[_one(row[field]) for field in _MEASURES] for row in found.ravel()]
    except (TypeError, ValueError):
        raise RecordingError(f"{path}: 'IsolDist_SNR' holds other than numbers") from None
    return {int(clust): (isolation, snr) for clust, isolation, snr in rows if np.isfinite(clust)}


def _one(value: Any) -> float:
    """The number in MATLAB's matrix of one; NaN for an empty one."""
    numbers = np.asarray(value, dtype=float).ravel()
    return float(numbers[0]) if numbers.size else np.nan
