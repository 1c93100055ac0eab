"""Units in the format of phy, which Kilosort and others write: one folder of arrays and tables.

`spike_times.npy` (samples, ascending) and `spike_clusters.npy` have an entry per spike, as n or
n x 1; before phy was opened `spike_templates.npy` stands for the clusters.  `params.py` is Python,
from which `sample_rate` and `dat_path` are read as literals; it is never run (phy 2:
`docs/dataset.md`; `phylib/io/model.py`; Kilosort 4: `io.py`).

Times are samples over the rate: they count from the first sample of the raw file that was sorted,
and nothing in the folder tells when that was.  They are on the clock of the recording only if the
raw file begins where that clock does, and has no gaps; `offset` in `params.py` is no time, but
bytes.  Files that were sorted one after another hide the gaps between them, and are refused.

A cluster that a person called noise is no unit.  `good` is a single unit and `mua` a multi-unit;
where a person decided nothing, Kilosort's own label stands.  `channel` is phy's, else the one on
which the mean shape is largest; it counts from 0.
"""

import ast
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.readers.npy import read_whole
from analysis.readers.phy_shapes import TEMPLATES_NAME, Shapes, read_shapes
from analysis.readers.phy_tables import NOISE, Tables, read_tables
from analysis.recording import Unit, Units, Waveforms, collect_units
from task.contract.errors import RecordingError

TIMES_NAME, CLUSTERS_NAME, PARAMS_NAME = "spike_times.npy", "spike_clusters.npy", "params.py"
_SLOWEST_HZ, _FASTEST_HZ = 100, 1e6
_BEFORE = 200  # samples: at the edge of a file Kilosort can find a spike a little before it
_MOST_CLUSTER = 2**31
_MOST_PARAMS_BYTES = 65_536
# What Python raises over a text that is no Python, or no literal.
_NO_PYTHON = (SyntaxError, ValueError, TypeError, MemoryError, RecursionError)


def recognises(folder: Path) -> bool:
    """Whether the folder holds spike times by phy's name."""
    return folder.is_dir() and (folder / TIMES_NAME).is_file()


def read_units(folder: Path) -> Units:
    """All clusters with spikes but noise, by their numbers (`cluster_12`); areas are not known.

    Raises
    ------
    RecordingError
        If a file is missing, damaged, of no known layout, or of another state than the others; if
        several raw files were sorted as one.
    """
    rate_hz = _rate_hz(folder / PARAMS_NAME)
    samples, clusters = _spikes(folder)
    trains = _by_cluster(samples, clusters)
    tables = read_tables(folder, {number: len(train) for number, train in trains.items()})

    @cache
    def shapes() -> Shapes | None:
        return read_shapes(folder, clusters)

    units = [
        Unit(
            f"cluster_{number}",
            number,
            train / rate_hz,
            _channel(number, tables, shapes),
            number,
            tables.kinds.get(number, ""),
            quality=tables.quality_of(number),
        )
        for number, train in trains.items()
        if tables.kinds.get(number) != NOISE
    ]
    numbers = {unit.label: unit.cell for unit in units}

    def read_waveforms(label: str) -> Waveforms | None:
        found = shapes()
        return Waveforms(found.largest(numbers[label])[1], rate_hz) if found else None

    return collect_units(units, read_waveforms)


def _spikes(folder: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sample and cluster of every spike."""
    path = folder / TIMES_NAME
    samples = read_whole(path, -_BEFORE)
    back = np.diff(samples) < 0
    if back.any():
        raise RecordingError(
            f"{path}: row {int(back.argmax()) + 2} is earlier than the one before it; phy's spikes"
            " are in the order of their times"
        )
    seen_by_phy = (folder / CLUSTERS_NAME).exists()
    path = folder / (CLUSTERS_NAME if seen_by_phy else TEMPLATES_NAME)
    clusters = read_whole(path, 0, _MOST_CLUSTER)
    if len(clusters) != len(samples):
        raise RecordingError(
            f"{path}: has {len(clusters)} spikes, but {TIMES_NAME} has {len(samples)}; the two are"
            " not of one sorting"
        )
    return samples, clusters


def _by_cluster(
    samples: NDArray[np.int64], clusters: NDArray[np.int64]
) -> dict[int, NDArray[np.int64]]:
    order = np.argsort(clusters, kind="stable")
    numbers, starts = np.unique(clusters[order], return_index=True)
    bounds = [*starts.tolist(), len(order)]
    pieces = zip(numbers.tolist(), bounds, bounds[1:], strict=False)
    return {number: samples[order[a:b]] for number, a, b in pieces}


def _channel(number: int, tables: Tables, shapes: Callable[[], Shapes | None]) -> int | None:
    if tables.channels is not None:
        return tables.channels.get(number)
    found = shapes()
    return found.largest(number)[0] if found else None


# params.py ---------------------------------------------------------------------------------------


def _rate_hz(path: Path) -> float:
    found = _literals(path)
    files = found.get("dat_path")
    if isinstance(files, list | tuple) and len(files) > 1:
        raise RecordingError(
            f"{path}: {len(files)} raw files were sorted as one, so that times do not show the gaps"
            " between them; if there are none, name the first file alone in 'dat_path'"
        )
    rate_hz = found.get("sample_rate")
    if not isinstance(rate_hz, int | float) or not _SLOWEST_HZ <= rate_hz <= _FASTEST_HZ:
        raise RecordingError(
            f"{path}: has no line 'sample_rate = ' with the samples per second as a number"
        )
    return float(rate_hz)


def _literals(path: Path) -> dict[str, Any]:
    """Names that are assigned plain values; the file is Python, and is not run."""
    found: dict[str, Any] = {}
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_PARAMS_BYTES)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's advice about backslashes in paths
            for line in ast.parse(text).body:
                if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
                    found[line.targets[0].id] = _literal(line.value)
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from None
    except _NO_PYTHON:
        raise RecordingError(f"{path}: is damaged, or none of phy's: it is no Python") from None
    return found


def _literal(value: ast.expr) -> Any:
    try:
        return ast.literal_eval(value)
    except _NO_PYTHON:
        return None
