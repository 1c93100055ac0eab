"""NWB 2 files (`.nwb`, HDF5): what can be read of one, and its tables of trials.

Events are in `nwb_events`, units in `nwb_units`, analog channels in `nwb_traces`; what they have in
common is in `nwb_file`.  Tables of trials are `TimeIntervals` (NWB Format Specification 2.10):
`start_time` and `stop_time` in s, and whatever columns their writer chose.
"""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from analysis.readers import hdf5, nwb_file
from analysis.readers.nwb_events import read_events as read_events
from analysis.readers.nwb_traces import channels as channels
from analysis.readers.nwb_traces import read_trace as read_trace
from analysis.readers.nwb_units import read_units as read_units
from task.contract.errors import RecordingError

_INTERVALS = "TimeIntervals"
_DEEPEST = 3


def recognises(path: Path) -> bool:
    """Whether this is an NWB file by its name."""
    return path.suffix.lower() == nwb_file.SUFFIX


def read_trials(path: Path) -> dict[str, pd.DataFrame]:
    """Tables of trials, epochs and other intervals, by name.

    Returns
    -------
    DataFrames by `id`, with the columns as they are: an absent time may be NaN or 0, as its writer
    chose.  Where a row holds several values, or an array, its cell is an array of them.  Columns
    that refer to other objects of the file are left out.

    Raises
    ------
    RecordingError
        If the file is damaged, or is no NWB 2 file.
    """
    with nwb_file.opened(path) as file:
        tables = [typed for typed in nwb_file.typed(file) if typed.kind == _INTERVALS]
        names = nwb_file.unique_names(tables)
        return {n: _intervals(typed.group) for n, typed in zip(names, tables, strict=True)}


def _intervals(table: h5py.Group) -> pd.DataFrame:
    index = pd.Index(nwb_file.row_ids(table), name="id")
    found = {name: _column(table, name, len(index)) for name in nwb_file.column_names(table)}
    known = {name: column for name, column in found.items() if column is not None}
    return pd.DataFrame(known, index=index)


def _column(table: h5py.Group, name: str, rows: int) -> Any:
    """A column with a cell for each row; None where it has neither numbers nor texts."""
    data = hdf5.dataset(table, name)
    if data is None or not (hdf5.is_number(data) or hdf5.is_text(data)):
        return None
    shape = hdf5.shape_of(data)
    if hdf5.is_text(data) and len(shape) != 1:
        return None
    found: Any = hdf5.values(data) if hdf5.is_number(data) else np.array(hdf5.texts(data), object)
    for depth in range(_DEEPEST):
        ends = nwb_file.ends_of(table, name + "_index" * depth, len(found))
        if ends is None:
            break
        found = [found[a:b] for a, b in zip([0, *ends[:-1]], ends, strict=True)]
    if len(found) != rows:
        raise RecordingError(f"{hdf5.where(data)} has {len(found)} rows, its table {rows}")
    return found if getattr(found, "ndim", 0) == 1 else _cells(found)


def _cells(found: Any) -> np.ndarray[Any, Any]:
    """A cell for each of the arrays, whatever their lengths."""
    cells = np.empty(len(found), object)
    for row, value in enumerate(found):
        cells[row] = value
    return cells
