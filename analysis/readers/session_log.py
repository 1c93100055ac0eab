"""Our own session log, as the table that any log becomes."""

from pathlib import Path

import pandas as pd

from task.contract import sessionlog


def recognises(path: Path) -> bool:
    """Whether this is a session folder, or its log."""
    return path.is_dir() or path.suffix == Path(sessionlog.LOG_NAME).suffix


def read_log(path: Path) -> pd.DataFrame:
    """Every event of a session that put a code on the lines.

    Returns
    -------
    DataFrame with `time_s`, `code`, `note` (the event's name), `presentation` (missing where none
    was under way)

    Raises
    ------
    LogError
        As `task.contract.sessionlog.read_log`.
    """
    coded = [e for e in sessionlog.read_log(path).events if e.code is not None]
    rows = [(e.time_s, e.code, e.name, e.presentation) for e in coded]
    table = pd.DataFrame(rows, columns=["time_s", "code", "note", "presentation"])
    return table.astype({"time_s": float, "code": "int64", "presentation": "Int64"})
