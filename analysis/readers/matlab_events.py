"""Events as laboratories keep them in MATLAB: `eventsRaw.mat`, rows of time in us, code, run.

Codes are words of 16 lines.  The import functions of some systems take them for signed: a word
whose highest line is up comes as a negative number, and is put right here.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from analysis.readers.matlab import read_arrays, take_matrix, whole
from task.contract.errors import RecordingError

EVENTS_NAME = "eventsRaw.mat"
_WORD = 0xFFFF
_LEAST_SIGNED = -0x8000


def recognises(path: Path) -> bool:
    """Whether this is an events file by its name."""
    return path.name.lower() == EVENTS_NAME.lower()


def read_events(path: Path) -> pd.DataFrame:
    """Events in the order of the file.

    Returns
    -------
    DataFrame with `time_s`, `code`, `port` ('': not known), `run` (0 outside runs)

    Raises
    ------
    RecordingError
        If the file cannot be read, or `events` is no matrix of times, codes and runs.
    """
    events = take_matrix(path, read_arrays(path, "events"), "events", columns=3)
    time_us, code, run = events.T
    sound = np.isfinite(time_us) & whole(code) & whole(run) & (run >= 0)
    sound &= (code >= _LEAST_SIGNED) & (code <= _WORD)
    if not sound.all():
        first = int(np.argmin(sound))
        raise RecordingError(
            f"{path}: row {first + 1} of 'events' is {events[first].tolist()}, not a time in"
            " us, a word of 16 bits and the number of a run"
        )
    return pd.DataFrame(
        {
            "time_s": time_us / 1e6,
            "code": code.astype(np.int64) & _WORD,
            "port": "",
            "run": run.astype(np.int64),
        }
    )
