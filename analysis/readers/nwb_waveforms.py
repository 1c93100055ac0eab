"""The shape of a unit's spikes in an NWB 2 file, out of the columns of the table of units.

`waveforms` has a row for each spike, and `waveforms_index` says where those of each unit end; or a
row for each spike and electrode, `waveforms_index` says where those of each spike end, and
`waveforms_index_index` where the spikes of each unit do.  `waveform_mean` has a row for each unit,
(samples,) or (samples, electrodes) (NWB Format Specification 2.10, `Units`); releases of human
recordings have several such columns, `waveform_mean_<part>`, of which the first is read.  Of
several electrodes it is the one with the largest shape.

The standard fixes the unit as volts, and files say so whatever they hold: shapes larger than those
of any spike in volts have no known unit here.
"""

import math
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from analysis.readers import hdf5, nwb_file
from analysis.recording import Waveforms
from task.contract.errors import RecordingError

_LARGEST_V = 0.02  # spikes outside of cells stay far below
_UV = 1e6

_Values = NDArray[Any]


def waveforms_of(table: h5py.Group, row: int) -> Waveforms | None:
    """The waveforms of the unit in a row, None where the file has none.

    Raises
    ------
    RecordingError
        If they are damaged.
    """
    data = hdf5.dataset(table, "waveforms")
    found = None if data is None else _of_spikes(table, data, row)
    if data is None or found is None or not len(found):
        data, found = _mean(table, row)
    return None if data is None or found is None else _described(data, found)


def _of_spikes(table: h5py.Group, data: h5py.Dataset, row: int) -> _Values | None:
    """A row per spike, in the order of their times; their mean where not all were kept."""
    shape = hdf5.shape_of(data)
    ends = nwb_file.ends_of(table, "waveforms", shape[0] if shape else None)
    if len(shape) not in (2, 3) or ends is None:
        return None
    spikes = nwb_file.ends_of(table, "waveforms_index", len(ends))
    first, last = _bounds(data, ends if spikes is None else spikes, row)
    if first == last:
        return None
    if spikes is None:
        found = hdf5.values(data, slice(first, last))
    else:
        begin = int(ends[first - 1]) if first else 0
        each = np.diff(ends[first:last], prepend=begin)
        if each.min() != each.max() or not each[0]:
            raise RecordingError(f"{hdf5.where(data)}: spikes of one unit have other electrodes")
        rows = hdf5.values(data, slice(begin, int(ends[last - 1])))
        found = np.moveaxis(rows.reshape(last - first, int(each[0]), *shape[1:]), 1, -1)
        found = found if found.ndim == 3 else found[..., 0]
    found = _largest(found) if found.ndim == 3 else found
    order = _order(table, row)
    return found[order] if len(order) == len(found) else found.mean(axis=0, keepdims=True)


def _order(table: h5py.Group, row: int) -> NDArray[np.intp]:
    """The order of a unit's spikes by their times."""
    data = hdf5.dataset(table, "spike_times")
    ends = nwb_file.ends_of(table, "spike_times")
    if data is None or ends is None:
        return np.empty(0, np.intp)
    first, last = _bounds(data, ends, row)
    return np.argsort(hdf5.values(data, slice(first, last)), kind="stable")


def _bounds(data: h5py.Dataset, ends: NDArray[np.int64], row: int) -> tuple[int, int]:
    if row >= len(ends):
        raise RecordingError(f"{hdf5.where(data)} has no row {row + 1}")
    return (int(ends[row - 1]) if row else 0), int(ends[row])


def _mean(table: h5py.Group, row: int) -> tuple[h5py.Dataset | None, _Values | None]:
    for name in nwb_file.column_names(table):
        if not "".join(nwb_file.words_in(name)).startswith("waveformmean"):
            continue
        data = hdf5.dataset(table, name)
        if data is None or nwb_file.ends_of(table, name) is not None or not hdf5.is_number(data):
            continue
        shape = hdf5.shape_of(data)
        if len(shape) in (2, 3) and row < shape[0]:
            found = hdf5.values(data, slice(row, row + 1))
            return data, _largest(found) if found.ndim == 3 else found
    return None, None


def _largest(found: _Values) -> _Values:
    """Of (spikes, samples, electrodes) the electrode with the largest mean shape."""
    mean = found.mean(axis=0)
    return np.asarray(found[:, :, int(np.argmax(mean.max(axis=0) - mean.min(axis=0)))])


def _described(data: h5py.Dataset, found: _Values) -> Waveforms:
    rate_hz = hdf5.number(data, "sampling_rate")
    rate_hz = rate_hz if rate_hz > 0 else math.nan
    unit = hdf5.text(data, "unit").lower()
    if unit in ("uv", "\u00b5v", "\u03bcv", "microvolt", "microvolts"):
        return Waveforms(found, rate_hz, "uV")
    largest = float(np.abs(found.astype(np.float64)).max(initial=0))
    if unit in ("v", "volt", "volts") and 0 < largest < _LARGEST_V:
        return Waveforms(found * _UV, rate_hz, "uV")
    return Waveforms(found, rate_hz)
