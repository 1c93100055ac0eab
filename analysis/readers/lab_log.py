"""Text logs of laboratories: lines of `time;code;note;`, time in units of 1e-9 day.

The time is wall clock as MATLAB tells it (`now`), a count of days; it is left as it is.
"""

import re
from pathlib import Path

import pandas as pd

from task.contract.errors import LogError

_LINE = re.compile(r"(?P<ticks>\d+);(?P<code>\d+);(?P<note>.*?);?\s*")
_LARGEST = 0xFFFF
_SHOWN = 10


def recognises(path: Path) -> bool:
    """Whether this is a text log by its name."""
    return path.suffix.lower() in (".txt", ".log")


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
    try:
        text = path.read_bytes()
    except OSError as error:
        raise LogError(f"{path}: cannot be read: {error.strerror}") from None
    rows, faults = [], []
    for number, line in enumerate(_decoded(text).split("\n"), start=1):
        found = _LINE.fullmatch(line)
        if found and int(found["code"]) <= _LARGEST:
            rows.append((_seconds(int(found["ticks"])), int(found["code"]), found["note"]))
        elif line.strip():
            faults.append(f"{path}:{number}: is not 'time;code;note;' but {line.strip()[:60]!r}")
    if len(faults) > _SHOWN:
        faults[_SHOWN:] = [f"{path}: and {len(faults) - _SHOWN} lines more"]
    if faults:
        raise LogError("\n".join(faults))
    if not rows:
        raise LogError(f"{path}: holds no row of 'time;code;note;'")
    table = pd.DataFrame(rows, columns=["time_s", "code", "note"])
    return table.astype({"time_s": float, "code": "int64"})


def _seconds(ticks: int) -> float:
    return ticks * 86_400 / 10**9


def _decoded(text: bytes) -> str:
    """Notes may hold file names in the encoding of an old machine; times and codes are plain."""
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError:
        return text.decode("latin-1")
