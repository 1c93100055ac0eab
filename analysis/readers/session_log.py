"""Our own session log, as the table that any log becomes."""

from pathlib import Path
from typing import Any

import pandas as pd

from task.contract import sessionlog
from task.contract.errors import LogError
from task.contract.sessionlog import Event

_LARGEST = 0xFFFF
_BEYOND = 10**12  # seconds, presentations: no clock and no session counts as far


def recognises(path: Path) -> bool:
    """Whether this is a session folder, or its log."""
    if path.is_dir():
        return (path / sessionlog.LOG_NAME).exists()
    return path.suffix == Path(sessionlog.LOG_NAME).suffix


def read_log(path: Path) -> pd.DataFrame:
    """Every event of a session that put a code on the lines.

    Returns
    -------
    DataFrame with `time_s`, `code`, `note` (the event's name), `presentation` (missing where none
    was under way), and `run`: 1, 2, ... of a session that was resumed.  The clock of a run is one
    of its own: it goes on from the last by wall time only.

    Raises
    ------
    LogError
        As `task.contract.sessionlog.read_log`, or if a code was sent at no time, is no word of 16
        bits, or belongs to no whole number of a presentation.
    """
    rows = []
    run = 0
    for number, event in enumerate(sessionlog.read_log(path).events, start=1):
        run += event.name == "RUN"
        if event.code is None:
            continue
        if not _sound(event):
            raise LogError(
                f"{path}: event {number} ({str(event.name)[:40]}) is damaged: time_s"
                f" {_shown(event.time_s)}, code {_shown(event.code)}, presentation"
                f" {_shown(event.presentation)}"
            )
        rows.append((event.time_s, event.code, event.name, event.presentation, max(run, 1)))
    table = pd.DataFrame(rows, columns=["time_s", "code", "note", "presentation", "run"])
    kinds: Any = {"time_s": float, "code": "int64", "presentation": "Int64", "run": "int64"}
    return table.astype(kinds)


def _sound(event: Event) -> bool:
    number = event.presentation
    return (
        type(event.time_s) in (int, float)
        and abs(event.time_s) < _BEYOND
        and isinstance(event.name, str)
        and _whole(event.code, _LARGEST)
        and (number is None or _whole(number, _BEYOND))
    )


def _whole(value: Any, largest: int) -> bool:
    return type(value) is int and 0 <= value <= largest


def _shown(value: Any) -> str:
    return repr(value)[:40]
