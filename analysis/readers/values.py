"""Single columns and arrays out of anybody's files: `trials.csv:image`, `order.mat:runs[2].images`.

Text tables by column, NumPy files by array, MATLAB files by a path into structures, whose positions
count from 1 as in MATLAB.  MATLAB has one type for all numbers, kept in more or fewer bytes: its
whole numbers are whole here, however they were kept.
"""

import re
import struct
import zlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from analysis.readers.matlab import read_arrays
from task.contract.errors import RecordingError

Row = Mapping[str, Any]
# What NumPy raises over a file that is cut short, damaged, or none of its own.
_FAILURES = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    TypeError,
    RuntimeError,
    SyntaxError,
    OverflowError,
    MemoryError,
    BadZipFile,
    zlib.error,
    struct.error,
)


def read_rows(folder: Path, place: str) -> list[Row]:
    """Rows of a table: a .csv, or an array of structures in a .mat file.

    Fields of structures that hold one value are that value; empty rows are left out.

    Raises
    ------
    RecordingError
        If there is no such table.
    """
    path, inside = _split(folder, place)
    if path.suffix == ".csv":
        table = _csv(path)
        names = [str(name) for name in table]
        return [dict(zip(names, row, strict=True)) for row in table.itertuples(index=False)]
    found = _inside(path, inside)
    if not isinstance(found, np.ndarray) or found.dtype.names is None:
        raise RecordingError(f"{path}: {inside or 'it'} is no array of structures")
    rows = [{name: _plain(row[name]) for name in found.dtype.names} for row in found.ravel()]
    return [row for row in rows if any(value is not None for value in row.values())]


def read_vector(folder: Path, place: str) -> list[Any]:
    """A column or array as a list of plain values.

    Raises
    ------
    RecordingError
        If there is no such file, or no such thing in it.
    """
    path, inside = _split(folder, place)
    if path.suffix == ".csv":
        table = _csv(path)
        if inside not in table:
            known = ", ".join(map(str, table))
            raise RecordingError(f"{path}: no column {inside!r}; it has {known}")
        return list(table[inside])
    found = np.asarray(_inside(path, inside)).ravel()
    if path.suffix == ".mat":
        return ["" if (value := _plain(cell)) is None else value for cell in found.tolist()]
    return list(found.tolist())


def _split(folder: Path, place: str) -> tuple[Path, str]:
    """File and what to take from it; a drive letter's colon is none of ours."""
    file, colon, inside = place.rpartition(":")
    if not colon or len(file) == 1:
        file, inside = place, ""
    return folder / file, inside


def _csv(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise RecordingError(f"{path}: is no table of text: {error}") from None


def _inside(path: Path, inside: str) -> Any:
    """What lies at a path like `structures[3].field` in a .mat, .npz or .npy file."""
    found: Any = _contents(path)
    at = ""
    for name, position in re.findall(r"(\w+)|\[(\d+)\]", inside):
        at += f".{name}" if name else f"[{position}]"
        try:
            if position == "0":
                raise IndexError
            if position:
                found = np.ravel(found)[int(position) - 1]
                continue
            if isinstance(found, np.ndarray) and found.size == 1:
                found = found.ravel()[0]
            found = found[name]
        except (KeyError, IndexError, ValueError, TypeError):
            raise RecordingError(f"{path}: has no {at.lstrip('.')} (asked: {inside})") from None
    return found


@lru_cache(maxsize=8)
def _contents(path: Path) -> Any:
    if path.suffix == ".mat":
        return read_arrays(path)
    if path.suffix not in (".npz", ".npy"):
        raise RecordingError(f"{path}: values are taken from .csv, .mat, .npz and .npy files")
    try:
        with path.open("rb") as stream:
            stored = np.load(stream, allow_pickle=False)
            return stored if path.suffix == ".npy" else dict(stored)
    except _FAILURES as error:
        why = getattr(error, "strerror", None) or error
        raise RecordingError(f"{path}: cannot be read: {why}") from None


def _plain(value: Any) -> Any:
    """One value out of MATLAB's arrays of one; None for an empty array."""
    array = np.asarray(value)
    if array.size == 0:
        return None
    first = array.ravel()[0]
    plain = first.item() if isinstance(first, np.generic) else str(first)
    return int(plain) if isinstance(plain, float) and plain.is_integer() else plain
