"""Analog channels of an NWB 2 file: signals (`nwb_series`), by series and column.

A series of one column is a channel by its own name; those of a series of several are called
`series/column`: by the electrodes' `channel_name`, `label` or `id` where it lies over electrodes
(its `electrodes` are rows of `general/extracellular_ephys/electrodes`), or counted from 0.  Values
stay as they are in the file: `conversion` and `offset` of a series are not applied.
"""

import math
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np

from analysis.readers import hdf5, nwb_file, nwb_series
from analysis.readers.nwb_series import Series
from analysis.trace import Piece, Trace, split_at_gaps
from task.contract.errors import RecordingError

ELECTRODES = "general/extracellular_ephys/electrodes"
_NAMES = ("channel_name", "label", "id")
_MOST_GAPS = 0.1  # of all steps; more, and it was not sampled regularly
_SHORTEST = 2


def channels(path: Path) -> tuple[str, ...]:
    """Names of the analog channels.

    Raises
    ------
    RecordingError
        If the file is damaged, or is no NWB 2 file.
    """
    with nwb_file.opened(path) as file:
        return tuple(_channels(file))


def read_trace(path: Path, channel: str | None = None) -> Trace:
    """An analog channel, on the clock of the session.

    Parameters
    ----------
    channel : its name; the only one there is if not said

    Raises
    ------
    RecordingError
        If the file is damaged, is no NWB 2 file, or has no such channel; if none is named, and it
        has several.
    """
    with nwb_file.opened(path) as file:
        found = _channels(file)
        names = ", ".join(found) or "none"
        if channel is None and len(found) != 1:
            raise RecordingError(f"{path}: name one of its channels; it has {names}")
        if channel is not None and channel not in found:
            raise RecordingError(f"{path}: has no channel {channel!r}; it has {names}")
        series, column = found[channel] if channel is not None else next(iter(found.values()))
        return _trace(series, column)


def _channels(file: h5py.File) -> Mapping[str, tuple[Series, int | None]]:
    """Series and column by the name of the channel."""
    read = [nwb_series.series_of(typed) for typed in nwb_file.typed(file)]
    signals = [series for series in read if series and nwb_series.is_signal(series)]
    found: dict[str, tuple[Series, int | None]] = {}
    names = nwb_file.unique_names([series.typed for series in signals])
    for name, series in zip(names, signals, strict=True):
        if len(series.shape) == 1:
            found[name] = (series, None)
        elif series.shape[1] == 1:
            found[name] = (series, 0)
        else:
            columns = enumerate(_columns(file, series))
            found |= {f"{name}/{called}": (series, column) for column, called in columns}
    return found


def _columns(file: h5py.File, series: Series) -> list[str]:
    """What the columns of a series are called."""
    counted = [str(column) for column in range(series.shape[1])]
    region = hdf5.dataset(series.typed.group, "electrodes")
    table = electrodes(file)
    if region is None or table is None:
        return counted
    rows = hdf5.values(region)
    if rows.shape != (len(counted),) or rows.dtype.kind not in "iu":
        raise RecordingError(
            f"{hdf5.where(region)} lists {rows.size} electrodes for {len(counted)} columns"
        )
    many = len(nwb_file.row_ids(table))
    if len(rows) and (rows.min() < 0 or rows.max() >= many):
        raise RecordingError(f"{hdf5.where(region)} names an electrode that is not listed")
    for name in _NAMES:
        column = nwb_file.row_ids(table) if name == "id" else nwb_file.plain_column(table, name)
        called = [] if column is None else [str(column[int(row)]).strip() for row in rows]
        if called and len({*called} - {""}) == len(counted):
            return called
    return counted


def electrodes(file: h5py.File) -> h5py.Group | None:
    """The table of electrodes."""
    found: hdf5.Node | None = file
    for name in ELECTRODES.split("/"):
        found = hdf5.child(found, name) if isinstance(found, h5py.Group) else None
    return found if isinstance(found, h5py.Group) else None


def _trace(series: Series, column: int | None) -> Trace:
    if series.timestamps is None:
        piece = Piece(series.start_s, 1 / series.rate_hz, hdf5.mapped(series.data, column))
        return Trace((piece,))
    times_s = series.times_s()
    steps_s = np.diff(times_s)
    where = hdf5.where(series.typed.group)
    if len(times_s) < _SHORTEST or not (steps_s > 0).all():
        row = int(np.argmax(steps_s <= 0)) + 2 if len(steps_s) else 1
        raise RecordingError(f"{where}: time {row} is not later than the one before it")
    gaps = int((steps_s > 1.5 * float(np.median(steps_s))).sum())
    if gaps > math.ceil(_MOST_GAPS * len(steps_s)):
        raise RecordingError(
            f"{where} has {gaps} gaps in {len(times_s)} samples: it was not sampled regularly"
        )
    return split_at_gaps(times_s, hdf5.mapped(series.data, column))
