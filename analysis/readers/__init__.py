"""Recordings and logs of any system, read: one module per format, one table of them in `known`.

events = read_events(path)        words on the digital lines
units = read_units(path)          sorted units
trace = read_analog(path, name)   a photodiode, a microphone
log = read_log(path)              what a stimulus computer says it sent
open_recording(path)              finds what a folder holds, and says what it chose
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from analysis.readers import session_log
from analysis.readers.areas import AREAS_NAME, read_areas
from analysis.readers.known import ANALOG, EVENTS, LOGS, UNITS, reader_of
from analysis.readers.places import Recording as Recording
from analysis.readers.places import open_recording as open_recording
from analysis.recording import Units
from analysis.trace import Trace
from task.contract import sessionlog
from task.contract.errors import LogError, RecordingError


def read_events(path: Path) -> pd.DataFrame:
    """Words on the digital lines of a recording.

    Parameters
    ----------
    path : an events file, or the folder of a recording that holds some

    Returns
    -------
    DataFrame
        `time_s`, `code` (unsigned; returns to 0 included), `port`; `run` where the file tells runs
        of a task apart, `clock` where it holds several whose times have nothing to do with each
        other, `file` where a folder holds several files.  In the order of the file, which may step
        back by milliseconds.

    Raises
    ------
    RecordingError
        If the file is missing, of no known system, damaged or incomplete; if the folder holds none.
    """
    if path.is_dir():
        return open_recording(path).read_events()
    events: pd.DataFrame = reader_of(path, EVENTS, RecordingError).read(path)
    return events


def read_units(
    path: Path, areas: Path | None = None, area_names: Mapping[int, str] | None = None
) -> Units:
    """Sorted units.

    Parameters
    ----------
    path : folder with what the sorter left, in it or below it, or a file that holds units
    areas : `brainArea.mat` or the folder with it, if it is not with the units
    area_names : names of the numbers that stand for areas, which differ between projects; see
        `areas.read_areas`

    Returns
    -------
    Units in the sorter's order; `area` is '' where neither sorter nor list tells it

    Raises
    ------
    RecordingError
        If the files are missing, of no known sorter, or damaged.
    """
    units = _units(path)
    file = path if areas is None else areas
    file = file / AREAS_NAME if file.is_dir() else file
    if areas is None and not (file.name == AREAS_NAME and file.exists()):
        return units
    listed = read_areas(file, area_names)
    cells = zip(units.table["channel"], units.table["cell"], strict=True)
    area = pd.Series([listed.get(cell, "") for cell in cells], units.table.index, dtype=str)
    return replace(units, table=units.table.assign(area=area))


def _units(path: Path) -> Units:
    if path.is_dir():
        return open_recording(path).read_units()
    units: Units = reader_of(path, UNITS, RecordingError).read(path)
    return units


def read_analog(path: Path, channel: str | None = None) -> Trace:
    """An analog channel.

    Parameters
    ----------
    path : a file with analog channels, or the folder of a recording
    channel : its name; of a file with one channel it need not be said

    Raises
    ------
    RecordingError
        If it is missing, of no known form, or damaged; if there is no such channel, or several and
        none is named.
    """
    if path.is_dir():
        recording = open_recording(path)
        if channel is None:
            raise RecordingError(f"{path}: is a folder; name a file of it, or a channel")
        return recording.read_analog(channel)
    trace: Trace = reader_of(path, ANALOG, RecordingError).read(path, channel)
    return trace


def read_log(path: Path) -> pd.DataFrame:
    """Codes that a stimulus computer says it sent.

    Returns
    -------
    DataFrame
        `time_s` (float64, clock of the log), `code` (int64; 0 was never sent), `note` (str), in the
        order of the log; of a session log of this program also `presentation` and `run`.

    Raises
    ------
    LogError
        If the log is missing, of no known kind, or damaged.
    """
    log: pd.DataFrame = reader_of(path, LOGS, LogError).read(path)
    return log


def session_number(path: Path) -> int | None:
    """The number that a session's codes announce; None where the log is not one of ours.

    Raises
    ------
    LogError
        If it is one of ours and cannot be read.
    """
    if not session_log.recognises(path):
        return None
    return sessionlog.read_log(path).header.session
