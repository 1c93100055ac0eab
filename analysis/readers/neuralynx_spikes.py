"""Spikes of a Neuralynx recording: single electrodes (`.nse`) and tetrodes (`.ntt`).

Records of 112 bytes (304 of tetrodes): time of the spike (us), number of the electrode in the
recorder, cell, 8 features, 32 samples of each wire, interleaved.  The recorder writes what crossed
a threshold; a sorter writes the file again with the number of each spike's cell, 0 where it found
none.  Spikes without a cell are no unit where others have one: they are its noise.  A file that was
never sorted is one unit of kind `multi`, all that the electrode heard.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.readers.neuralynx_file import LATEST_US, Records, entity_name, open_records
from analysis.recording import MULTI, Unit, Units, Waveforms, collect_units
from task.contract.errors import RecordingError

SAMPLES = 32
WIRES = {".nse": 1, ".ntt": 4}
MOST_CELL = 999
MOST_BACK_US = 10**6  # of a cell; a sorter may write one cell after the other
_TWICE = 0.5  # so many times in common, to the microsecond, are no chance
_NUMBERED = re.compile(r"(?:SE|Sc|TT|CSC)(?P<number>\d{1,9})", re.IGNORECASE | re.ASCII)


def recognises(path: Path) -> bool:
    """Whether this is a file of spikes by its name, or a folder that holds one."""
    return bool(_files(path)) if path.is_dir() else path.suffix.lower() in WIRES


def read_units(path: Path) -> Units:
    """The units of a file, or of all files in a folder: `SE7_2` is cell 2 of `SE7.nse`.

    `channel` is the number in the recorder's own names of electrodes (`SE7`, `TT3`, `CSC12`), and
    missing where they have other names.  Waveforms are in uV at the electrode, (n, 32), of tetrodes
    (n, 4, 32).  A file with a header alone has no units.

    Raises
    ------
    RecordingError
        If a file is none of Neuralynx, ends within a record, or has records that repeat, are of
        several electrodes, go back in time, or have an absurd time or cell; if two files of a
        folder hold the same spikes.
    """
    files = [_load(file) for file in (_files(path) if path.is_dir() else [path])]
    _refuse_twice(path, files)
    found = [(file.records, _unit(file, cell)) for file in files for cell in file.cells()]
    kept = {unit.label: (records, unit.cell) for records, unit in found}
    if len(kept) < len(found):
        raise RecordingError(f"{path}: holds .nse and .ntt files of the same name; rename one")
    return collect_units((unit for _, unit in found), lambda label: _waveforms(*kept[label]))


@dataclass(frozen=True, slots=True, eq=False)
class _File:
    """Times and cells of the spikes of an electrode, in the order of the file."""

    records: Records
    time_us: NDArray[np.int64]
    cell: NDArray[np.uint32]

    def cells(self) -> list[int]:
        """Those that are units."""
        cells: list[int] = np.unique(self.cell).tolist()
        return cells if cells == [0] else [cell for cell in cells if cell]


def _files(folder: Path) -> list[Path]:
    """Files of spikes; other systems leave hidden ones of the same name beside them."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in WIRES and not path.name.startswith(".") and path.is_file()
    )


def _layout(path: Path) -> np.dtype[np.void]:
    head = [("time_us", "<u8"), ("electrode", "<u4"), ("cell", "<u4"), ("features", "<i4", 8)]
    return np.dtype([*head, ("samples", "<i2", (SAMPLES, WIRES[path.suffix.lower()]))])


def _load(path: Path) -> _File:
    records = open_records(path, _layout(path), "file of spikes")
    time_us = np.empty(records.count, np.int64)
    cell, electrode = np.empty(records.count, np.uint32), np.empty(records.count, np.uint32)
    for before, chunk in _chunks(records):
        here = slice(before, before + len(chunk))
        time_us[here], cell[here], electrode[here] = (
            chunk[name] for name in ("time_us", "cell", "electrode")
        )
    _refuse_damage(path, time_us, cell, electrode)
    return _File(records, time_us, cell)


def _unit(file: _File, cell: int) -> Unit:
    number = _NUMBERED.fullmatch(entity_name(file.records))
    return Unit(
        f"{file.records.path.stem}_{cell}",
        cell,
        file.time_us[file.cell == cell] / 1e6,
        channel=int(number["number"]) if number else None,
        cluster=cell or None,
        kind="" if cell else MULTI,
    )


def _waveforms(records: Records, cell: int) -> Waveforms:
    mine = np.concatenate([chunk[chunk["cell"] == cell] for _, chunk in _chunks(records)])
    order = np.argsort(mine["time_us"], kind="stable")
    values = mine["samples"][order].transpose(0, 2, 1).astype(np.float32)
    uv = _uv_per_count(records)
    if uv is not None:
        values *= uv[:, np.newaxis]
    rate_hz = (_numbers(records, "SamplingFrequency") or [np.nan])[0]
    shown = values[:, 0] if values.shape[1] == 1 else values
    return Waveforms(shown, rate_hz, "" if uv is None else "uV")


def _chunks(records: Records) -> Iterator[tuple[int, NDArray[np.void]]]:
    return records.chunks(most_back_us=LATEST_US)


def _uv_per_count(records: Records) -> NDArray[np.float32] | None:
    """Of each wire; negative where the recorder turned its input over.  None if it does not say."""
    volts = _numbers(records, "ADBitVolts")
    wires = WIRES[records.path.suffix.lower()]
    volts = volts * wires if len(volts) == 1 else volts
    if len(volts) != wires:
        return None
    inverted = records.header.get("InputInverted", "").lower() == "true"
    return np.array(volts, np.float32) * np.float32(-1e6 if inverted else 1e6)


def _numbers(records: Records, key: str) -> list[float]:
    """Positive numbers of a line of the header; none if anything else stands there."""
    try:
        numbers = [float(word) for word in records.header.get(key, "").split()]
    except ValueError:
        return []
    return numbers if all(0 < number < np.inf for number in numbers) else []


# Damage ------------------------------------------------------------------------------------------


def _refuse_damage(
    path: Path,
    time_us: NDArray[np.int64],
    cell: NDArray[np.uint32],
    electrode: NDArray[np.uint32],
) -> None:
    _refuse(path, "is of another electrode than the first", electrode != electrode[:1])
    _refuse(path, f"is of a cell above {MOST_CELL}", cell > MOST_CELL)
    by_cell = np.argsort(cell, kind="stable")
    after_cell_us = (time_us + cell * np.int64(LATEST_US))[by_cell]  # one cell after the other
    back_us = np.maximum.accumulate(after_cell_us) - after_cell_us
    older, repeats = np.zeros(len(cell), bool), np.zeros(len(cell), bool)
    older[by_cell] = back_us > MOST_BACK_US
    _refuse(path, "is older than one of the same cell before it", older)
    in_time = np.argsort(after_cell_us, kind="stable")
    repeats[by_cell[in_time[1:]]] = np.diff(after_cell_us[in_time]) == 0
    _refuse(path, "repeats a spike", repeats)


def _refuse(path: Path, what: str, wrong: NDArray[np.bool_]) -> None:
    if wrong.any():
        raise RecordingError(
            f"{path}: record {int(wrong.argmax()) + 1} {what}; the file is damaged or was put"
            " together from several"
        )


def _refuse_twice(folder: Path, files: Iterable[_File]) -> None:
    """Refuse an electrode that is there both as recorded and as sorted."""
    for one, other in combinations([file for file in files if len(file.time_us)], 2):
        if entity_name(one.records) != entity_name(other.records):
            continue
        common = np.intersect1d(one.time_us, other.time_us).size
        if common > _TWICE * min(len(one.time_us), len(other.time_us)):
            names = f"{one.records.path.name} and {other.records.path.name}"
            raise RecordingError(f"{folder}: {names} hold the same spikes; leave one of them there")
