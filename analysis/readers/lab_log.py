"""Text logs of laboratories: lines of `time;code;note;`, time in units of 1e-9 day (86.4 us).

The time is wall clock as MATLAB tells it (`now`), a count of days; it is left as it is.  The first
row of a run has code 0 and holds settings.
"""

import re
from pathlib import Path

import pandas as pd

from analysis.readers import tables
from analysis.readers.text import Faults, head, inspect
from task.contract.errors import LogError

_LINE = re.compile(r"(?P<ticks>\d{1,18});(?P<code>\d{1,9});(?P<note>.*?)(?P<closed>;?)\s*", re.A)
_BEGINS = re.compile(r"\s*\d+;\d+;", re.A)
_LARGEST = 0xFFFF


def recognises(path: Path) -> bool:
    """Whether this is a text log: it begins as one, or is a text and no table."""
    suffix = path.suffix.lower()
    if suffix not in (".txt", ".log", ".csv", ".tsv") or not path.is_file():
        return suffix in (".txt", ".log")
    first = next((line for line in head(path) if line.strip()), "")
    return bool(_BEGINS.match(first)) or not tables.recognises(path)


def read_log(path: Path) -> pd.DataFrame:
    """Rows of the log that are not empty.

    Returns
    -------
    DataFrame with `time_s`, `code`, `note`

    Raises
    ------
    LogError
        If the file cannot be read, holds no row, or holds lines that are none; they are named.
    """
    text = inspect(path, LogError)
    faults = Faults(path, LogError)
    rows, first = [], ""
    cut = False
    with path.open(encoding=text.encoding) as file:
        for number, line in enumerate(file, start=1):
            found = _LINE.fullmatch(line)
            if found and int(found["code"]) <= _LARGEST:
                rows.append((_seconds(int(found["ticks"])), int(found["code"]), found["note"]))
                cut = not found["closed"] and not line.endswith("\n")
            elif line.strip():
                first = first or line.strip()[:60]
                faults.add(number, f"is not 'time;code;note;' but {line.strip()[:60]!r}")
            if cut:
                faults.add(number, f"is cut short: {line.strip()[-60:]!r}; copy the log again")
    if not rows:
        names = f", and its first line, {first!r}, names no columns of a table" if first else ""
        raise LogError(f"{path}: holds no row of 'time;code;note;'{names}")
    faults.refuse()
    table = pd.DataFrame(rows, columns=["time_s", "code", "note"])
    return table.astype({"time_s": float, "code": "int64"})


def _seconds(ticks: int) -> float:
    return ticks * 86_400 / 10**9
