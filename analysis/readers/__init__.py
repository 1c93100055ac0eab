"""Recordings and logs of any system, read: one module per format, and one row in a table here.

The first row that recognises a file or folder reads it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.readers import lab_log, matlab_events, neuralynx, osort, session_log
from analysis.readers.areas import AREAS_NAME, read_areas
from analysis.recording import Units
from task.contract import sessionlog
from task.contract.errors import LogError, RecordingError, UserError

_Readers = Sequence[tuple[Callable[[Path], bool], Callable[..., Any]]]
EVENTS: _Readers = (
    (neuralynx.recognises, neuralynx.read_events),
    (matlab_events.recognises, matlab_events.read_events),
)
UNITS: _Readers = ((osort.recognises, osort.read_units),)
LOGS: _Readers = (
    (session_log.recognises, session_log.read_log),
    (lab_log.recognises, lab_log.read_log),
)
_KNOWN_EVENTS = "Neuralynx .nev, eventsRaw.mat"
_MAIN_EVENTS = "Events.nev"
_FURTHER_EVENTS = "Events_*.nev"  # a recording that was stopped and went on


def read_events(path: Path) -> pd.DataFrame:
    """Words on the digital lines of a recording.

    Parameters
    ----------
    path : an events file, or the folder of a recording that holds one

    Returns
    -------
    DataFrame
        `time_s`, `code`, `port`, and `run` where the file tells runs apart; in the order of the
        file, which may step back by milliseconds.

    Raises
    ------
    RecordingError
        If the file is missing, of no known system, damaged or incomplete; if the folder holds none
        or several.
    """
    file = _events_file(path) if path.is_dir() else path
    events: pd.DataFrame = _reader(file, EVENTS, RecordingError, _KNOWN_EVENTS)(file)
    return events


def _events_file(folder: Path) -> Path:
    """The only events file of a folder, or its `Events.nev` if that has no further parts."""
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise RecordingError(f"{folder}: cannot be read: {error.strerror}") from None
    found = [path for path in files if any(recognises(path) for recognises, _ in EVENTS)]
    if not found:
        raise RecordingError(f"{folder}: holds no events file ({_KNOWN_EVENTS})")
    main = folder / _MAIN_EVENTS
    if main in found and not any(path.match(_FURTHER_EVENTS) for path in found):
        return main
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise RecordingError(f"{folder}: holds several events files ({names}); name one of them")
    return found[0]


def read_units(
    path: Path, areas: Path | None = None, area_names: Mapping[int, str] | None = None
) -> Units:
    """Sorted units.

    Parameters
    ----------
    path : folder with what the sorter left
    areas : `brainArea.mat` or the folder with it, if it is not with the units
    area_names : names of the numbers that stand for areas, which differ between projects; see
        `areas.read_areas`

    Returns
    -------
    Units by channel and cell; `area` is '' where it is not listed

    Raises
    ------
    RecordingError
        If the files are missing, of no known sorter, or damaged.
    """
    known = "folders with OSort's A<channel>_cells.mat"
    units: Units = _reader(path, UNITS, RecordingError, known)(path)
    file = path if areas is None else areas
    file = file / AREAS_NAME if file.is_dir() else file
    if areas is None and not file.exists():
        return units
    listed = read_areas(file, area_names)
    cells = zip(units.table["channel"], units.table["cell"], strict=True)
    area = pd.Series([listed.get(cell, "") for cell in cells], units.table.index, dtype=str)
    return replace(units, table=units.table.assign(area=area))


def read_log(path: Path) -> pd.DataFrame:
    """Codes that a stimulus computer says it sent.

    Returns
    -------
    DataFrame
        `time_s` (float64, clock of the log), `code` (int64; 0 was never sent), `note` (str), in the
        order of the log; of a session log of this program also `presentation`.

    Raises
    ------
    LogError
        If the log is missing, of no known kind, or damaged.
    """
    known = "session folders of this program, and text files with lines time;code;note;"
    log: pd.DataFrame = _reader(path, LOGS, LogError, known)(path)
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


def _reader(
    path: Path, readers: _Readers, refusal: type[UserError], known: str
) -> Callable[..., Any]:
    """What reads this file."""
    try:
        path.stat()
        for recognises, read in readers:
            if recognises(path):
                return read
    except OSError as error:
        raise refusal(f"{path}: cannot be read: {error.strerror}") from None
    raise refusal(f"{path}: is nothing that can be read here; known are {known}")
