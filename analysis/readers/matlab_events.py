"""Events as laboratories keep them in MATLAB: `eventsRaw.mat`, rows of time in us, code, run.

Files without the third column, as scripts write them from `Events.nev`, tell no runs.  Codes are
words of 16 lines.  The import functions of some systems take them for signed: a word whose highest
line is up comes as a negative number, and is put right here.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.readers.matlab import (
    check_span,
    list_names,
    numbers,
    read_arrays,
    take_matrix,
    times_us,
    whole,
)
from task.contract.errors import RecordingError

EVENTS_NAME = "eventsRaw.mat"
_VARIABLES = ("events", "eventsraw")  # in small letters
_WORD = 0xFFFF
_LEAST_SIGNED = -0x8000
_FEW = 20
_LEAST_MEAN_US = 2_000.0


def recognises(path: Path) -> bool:
    """Whether this is an events file by its name."""
    return path.name.lower() == EVENTS_NAME.lower()


def read_events(path: Path) -> pd.DataFrame:
    """Events in the order of the file.

    Returns
    -------
    DataFrame with `time_s`, `code`, `port` ('': not known), and `run` (0 outside runs) if the file
    tells it

    Raises
    ------
    RecordingError
        If the file cannot be read, or `events` is no matrix of times, codes and runs.
    """
    name = _variable(path)
    arrays = read_arrays(path, name)
    has_runs = _has_runs(arrays, name)
    events = take_matrix(path, arrays, name, columns=3 if has_runs else 2)
    _check(path, name, events)
    table = pd.DataFrame(
        {
            "time_s": events[:, 0] / 1e6,
            "code": events[:, 1].astype(np.int64) & _WORD,
            "port": "",
        }
    )
    return table.assign(run=events[:, 2].astype(np.int64)) if has_runs else table


def _variable(path: Path) -> str:
    """Name of the variable with the events."""
    names = list_names(path)
    found = [name for name in names if name.lower() in _VARIABLES]
    if not found:
        shown = [name if name.isprintable() else repr(name) for name in names]
        held = f"it has {', '.join(shown)}" if names else "it has none"
        raise RecordingError(f"{path}: holds no variable 'events' ({held})")
    if len(found) > 1:
        raise RecordingError(
            f"{path}: holds {' and '.join(map(repr, found))}; only one can be the events"
        )
    return found[0]


def _has_runs(arrays: Mapping[str, NDArray[Any]], name: str) -> bool:
    found = arrays[name]
    return not found.size or found.ndim != 2 or found.shape[1] != 2


def _check(path: Path, name: str, events: NDArray[np.float64]) -> None:
    time_us, code = events[:, 0], events[:, 1]
    sound = times_us(time_us) & whole(code) & (code >= _LEAST_SIGNED) & (code <= _WORD)
    wanted = "a time in us and a word of 16 bits"
    if events.shape[1] > 2:
        sound &= numbers(events[:, 2])
        wanted = "a time in us, a word of 16 bits and the number of a run"
    if not sound.all():
        first = int(np.argmin(sound))
        raise RecordingError(
            f"{path}: row {first + 1} of {name!r} is {events[first].tolist()}, not {wanted}"
        )
    check_span(path, time_us, "the times of its events")
    if len(events) >= _FEW and np.ptp(time_us) / (len(events) - 1) < _LEAST_MEAN_US:
        raise RecordingError(
            f"{path}: {len(events)} events within {np.ptp(time_us) / 1e6:g} s; their times are"
            " no microseconds"
        )
