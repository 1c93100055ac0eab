"""Tables of text with named columns, as logs and as events: `.csv`, `.tsv`, BIDS `events.tsv`.

The first line names the columns; lines before it that begin with `#`, and Excel's `sep=;`, are
passed over.  Columns part at commas, tabs or semicolons, and numbers between tabs or semicolons may
have a decimal comma.  The case of a name does not matter, nor what parts its words: `Time (ms)` is
`time_ms`.  A value that is missing is empty, `n/a`, `NA` or `NaN`.

BIDS: `onset` is in seconds and `value` the code; `Levels` in a side-car say what values mean
(Brain Imaging Data Structure 1.10, "Task events", https://bids-specification.readthedocs.io).
"""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.readers.text import Faults, Text, head, inspect
from task.contract.errors import LogError, RecordingError, UserError

_SEPARATORS = ",;\t"
_POWERS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 0),
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), -3),
    **dict.fromkeys(("us", "usec", "microsecond", "microseconds"), -6),
    **dict.fromkeys(("ns", "nsec", "nanosecond", "nanoseconds"), -9),
}
_CLOCKS = ("time", "times", "timestamp", "timestamps", "onset", "event_time", "event_onset")
TIMES = {"onset": 0} | {f"{clock}_{unit}": _POWERS[unit] for clock in _CLOCKS for unit in _POWERS}
_UNITLESS = {*_CLOCKS} - {*TIMES}
_KIND = "trial_type"
# What a column may be called.
NAMES: Mapping[str, frozenset[str]] = {
    "code": frozenset(
        ["code", "value", "trigger", "ttl", "marker", "word"]
        + [f"{what}_code" for what in ("event", "trigger", "ttl", "marker")]
        + [f"{what}_value" for what in ("event", "trigger", "ttl", "marker")]
    ),
    "port": frozenset(["port", "channel", "line"]),
    "run": frozenset(["run"]),
    "trial": frozenset(["trial", "trial_number", "trial_index", "presentation"]),
}
_NOTES = {"note", _KIND}  # say what happened without a name before it
_MISSING_TEXTS = {"", "n/a", "na", "nan"}
_MISSING, _FAULTY = -(1 << 62), -(1 << 62) - 1  # no number of 18 digits
_LARGEST, _LEAST_SIGNED = 0xFFFF, -0x8000
_NUMBER = re.compile(
    r"(?P<digits>[+-]?(?:\d+\.?\d*|\.\d+))(?:[eE](?P<power>[+-]?\d{1,3}))?", re.ASCII
)
_WHOLE = re.compile(
    r"(?P<sign>[+-]?)(?:0[xX](?P<hex>[0-9a-fA-F]{1,8})|(?P<digits>\d{1,18})(?:[.,]0{1,2})?)",
    re.ASCII,
)
_THOUSANDS = re.compile(r"\s*[+-]?[1-9]\d{0,2},\d{3}\s*", re.ASCII)
_LINE_END = re.compile(r"\r\n?|\n")
_COARSE_S = 1e-3
_ROWS = 5_000  # read at a time

Row = list[str]
Columns = Sequence[Sequence[str]]
Block = tuple[Sequence[int], Columns]  # with the lines at which its rows begin
Levels = Mapping[str, Mapping[str, str]]  # what values mean, by column


@dataclass(frozen=True, slots=True)
class _Header:
    """The columns of a table: where it names them, how they part, and what they are.

    Attributes
    ----------
    at : position of each column that is read for itself: `time`, `code`, `port`, `run`, `trial`
    power : of ten, from the unit of its times to seconds
    """

    line: int
    separator: str
    names: tuple[str, ...]
    at: Mapping[str, int]
    power: int


def recognises(path: Path) -> bool:
    """Whether this is a table: a `.csv` or `.tsv`, or a text whose first line names columns."""
    suffix = path.suffix.lower()
    if suffix in (".txt", ".log") and path.is_file():
        known = _plain_names(path)
        return len(known) > 1 and any(_is_time(name) or name in NAMES["code"] for name in known)
    return suffix in (".csv", ".tsv") and path.is_file()


def holds_events(path: Path) -> bool:
    """Whether this is a table of times and codes, among the many tables that a folder may hold."""
    if path.suffix.lower() not in (".csv", ".tsv", ".txt", ".log") or not path.is_file():
        return False
    known = _plain_names(path)
    return any(map(_is_time, known)) and any(n in NAMES["code"] or n == _KIND for n in known)


def read_events(path: Path) -> pd.DataFrame:
    """Events that somebody exported from a recording, in the order of the table.

    Codes that were taken for signed words of 16 bits (-32768 to -1) are put right.  Rows whose
    code is `n/a` are no change of the lines, and are left out.

    Returns
    -------
    DataFrame with `time_s`, `code`, `port` ('' where not told), and `run` if there is such a column

    Raises
    ------
    RecordingError
        If the file cannot be read, has no column of times and one of codes, or holds rows that are
        none; all of them are named.
    """
    table = _read(path, RecordingError, _LEAST_SIGNED, None)
    table = table[table["code"] != _MISSING].reset_index(drop=True)
    if table.empty:
        raise RecordingError(f"{path}: holds no row with a code")
    table["code"] &= _LARGEST
    return table[[name for name in ("time_s", "code", "port", "run") if name in table]]


def read_log(path: Path) -> pd.DataFrame:
    """Rows of a log of the stimulus computer, in its order; rows without a time and a code are not.

    Returns
    -------
    DataFrame with `time_s`, `code` (0, never sent, where there is none), `note` (what the other
    columns say), and `trial` (missing where none) and `run` if there are such columns

    Raises
    ------
    LogError
        As `read_events`; also for negative codes, and for a side-car that cannot be read.
    """
    table = _read(path, LogError, 0, _levels(path))
    table["code"] = table["code"].replace(_MISSING, 0)
    if "trial" in table:
        trial = table["trial"].astype("Int64")
        table["trial"] = trial.mask(trial == _MISSING)
    return table[[n for n in ("time_s", "code", "note", "trial", "run") if n in table]]


# Names -------------------------------------------------------------------------------------------


def _plain(name: str) -> str:
    """A name in small letters, its words parted by `_`; any micro sign is a `u`."""
    return re.sub(r"[\W_]+", "_", name.casefold()).strip("_").replace("μ", "u").replace("µ", "u")


def _is_time(name: str) -> bool:
    return name in TIMES or name in _UNITLESS


def _plain_names(path: Path) -> list[str]:
    """Names in the first line that is no comment."""
    for line in head(path):
        if line.strip() and not _passed_over(line):
            return [_plain(name) for name in _names(line)[1]]
    return []


def _passed_over(line: str) -> bool:
    return line.startswith(("#", "sep="))


def _names(line: str) -> tuple[str, tuple[str, ...]]:
    """What parts the columns, and their names: the reading in which most names are known."""

    def known(names: Iterable[str]) -> int:
        plain = [_plain(name) for name in names]
        return sum(_is_time(n) or any(n in known for known in NAMES.values()) for n in plain)

    readings = []
    for separator in _SEPARATORS:
        cells = next(csv.reader([line], delimiter=separator), [])
        readings.append((separator, tuple(cell.strip() for cell in cells)))
    return max(readings, key=lambda reading: (known(reading[1]), len(reading[1])))


def _read_header(file: TextIO, path: Path, refusal: type[UserError]) -> _Header:
    lines = enumerate(file, start=1)
    line, text = next(((n, t) for n, t in lines if t.strip() and not _passed_over(t)), (0, ""))
    if not line:
        raise refusal(f"{path}: is empty")
    try:
        separator, names = _names(text)
    except csv.Error as error:
        raise refusal(f"{path}:{line}: names no columns: {error}") from None
    while names and not names[-1]:
        names = names[:-1]
    faults = Faults(path, refusal)
    at = {"time": _find_time(names, line, faults), "code": _find_code(names, line, faults)}
    for what in ("port", "run", "trial"):
        found = [i for i, name in enumerate(names) if _plain(name) in NAMES[what]]
        if len(found) > 1:
            faults.add(line, _ambiguous(names, found, what))
        if found:
            at[what] = found[0]
    faults.refuse()
    return _Header(line, separator, names, at, TIMES[_plain(names[at["time"]])])


def _find_time(names: Sequence[str], line: int, faults: Faults) -> int:
    plain = [_plain(name) for name in names]
    found = [i for i, name in enumerate(plain) if name in TIMES]
    if len(found) == 1:
        return found[0]
    unitless = [name for name, known in zip(names, plain, strict=True) if known in _UNITLESS]
    if found:
        faults.add(line, _ambiguous(names, found, "time"))
    elif unitless:
        faults.add(
            line,
            f"{unitless[0]!r} is a time without a unit: call the column time_s, time_ms or time_us",
        )
    else:
        faults.add(
            line,
            f"names no column of times: call it time_s, time_ms or time_us ({_listed(names)})",
        )
    return 0


def _find_code(names: Sequence[str], line: int, faults: Faults) -> int:
    plain = [_plain(name) for name in names]
    found = [i for i, name in enumerate(plain) if name in NAMES["code"]]
    if len(found) == 1:
        return found[0]
    if found:
        faults.add(line, _ambiguous(names, found, "code"))
    elif _KIND in plain:
        faults.add(
            line,
            f"{_KIND!r} says what happened, but not which code was sent: add a column 'value' (as"
            " in BIDS) or 'code'",
        )
    else:
        faults.add(line, f"names no column of codes: call it code ({_listed(names)})")
    return 0


def _ambiguous(names: Sequence[str], found: Sequence[int], what: str) -> str:
    several = " and ".join(repr(names[i]) for i in found)
    return f"{several} may each be the {what}: keep one, and give the others other names"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name[:40]) for name in names[:8])
    return f"the line names {shown}{', ...' if len(names) > 8 else ''}"


# Rows --------------------------------------------------------------------------------------------


def _read(path: Path, refusal: type[UserError], least: int, levels: Levels | None) -> pd.DataFrame:
    """The whole table, a block of rows at a time; with notes if `levels` are given."""
    text = inspect(path, refusal)
    faults = Faults(path, refusal)
    spelling = _Spelling()
    parts: dict[str, list[NDArray[Any]]] = {}
    with path.open(encoding=text.encoding, newline="") as file:
        header = _read_header(file, path, refusal)
        for lines, columns in _blocks(file, header, text, faults):
            found = _numbers(lines, columns, header, least, faults, spelling)
            uncoded = found["code"] == _MISSING
            empty = uncoded & np.isnan(found["time_s"])
            if levels is None:
                found["port"] = _ports(columns, header)
                _refuse_unsaid(lines, columns[header.at["code"]], ~empty & uncoded, faults)
            else:
                found["note"] = _notes(columns, header, levels)
            for name, values in found.items():
                parts.setdefault(name, []).append(values[~empty])
    spelling.judge(faults)
    faults.refuse()
    if not parts or not any(map(len, parts["code"])):
        raise refusal(f"{path}: names columns and holds no rows")
    table = pd.DataFrame({name: np.concatenate(values) for name, values in parts.items()})
    return table.astype({name: str for name in ("port", "note") if name in parts})


def _blocks(file: TextIO, header: _Header, text: Text, faults: Faults) -> Iterator[Block]:
    """Rows that are as long as the header, by column, and the lines at which they begin."""
    reader = csv.reader(file, delimiter=header.separator, strict=True)
    width = len(header.names)
    before = last = header.line  # the last line read; the last line of the last row
    failure, more = "", True
    while more and not failure:
        rows, failure = _next_rows(reader)
        more, end = bool(rows), header.line + reader.line_num
        lines: Sequence[int] = range(before + 1, before + 1 + len(rows))
        plain = all(len(row) == width and row[0][:1] != "#" for row in rows)
        if rows and plain and end - before == len(rows):
            before = last = end
        else:
            lines, rows, before, last = _judged_rows(rows, before, last, header, faults)
        if rows:
            yield lines, list(zip(*rows, strict=True))
    if failure:
        faults.add(before + 1, f"its quotes do not close as they should: {failure}")
    elif not text.ended and last == before and width - 1 in header.at.values():
        faults.add(
            last,
            f"ends without a line end: its {header.names[-1]} may be cut short; if it is whole, add"
            " a line end",
        )


def _next_rows(reader: Any) -> tuple[list[Row], str]:
    """As many rows as there are, and what kept the reader from going on."""
    rows: list[Row] = []
    try:
        for row in islice(reader, _ROWS):
            rows.append(row)
    except csv.Error as error:
        return rows, str(error)
    return rows, ""


def _judged_rows(
    rows: Sequence[Row], before: int, last: int, header: _Header, faults: Faults
) -> tuple[list[int], list[Row], int, int]:
    """The lines at which rows begin, those rows, the last line of all, and that of the last row."""
    lines, kept = [], []
    for row in rows:
        line = before + 1
        before = line + sum(len(_LINE_END.findall(cell)) for cell in row)
        if found := _judged(row, line, header, faults):
            lines.append(line)
            kept.append(found)
            last = before
    return lines, kept, before, last


def _judged(row: Row, line: int, header: _Header, faults: Faults) -> Row | None:
    """A row that is not plainly one: itself if it is one all the same."""
    width = len(header.names)
    if not "".join(row).strip():
        return None
    if row[0].startswith("#"):
        time = row[header.at["time"]].lstrip("#").replace(",", ".") if len(row) == width else ""
        if not np.isnan(_time(time, 0)):
            faults.add(line, "begins with '#' and holds a time: take out the line, or the '#'")
        return None
    if len(row) < width:
        faults.add(line, f"has {len(row)} of {width} columns: is it cut short?")
        return None
    if "".join(row[width:]).strip():
        faults.add(line, f"has {len(row)} columns, where {width} are named")
        return None
    separators = width - 1
    for cell in row:
        later = _LINE_END.split(cell)[1:]
        if any(text.count(header.separator) >= separators for text in later):
            faults.add(line, "opens a quote that takes in lines which look like rows")
            return None
    return row[:width]


# Values ------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Spelling:
    """How the times of a table are written: what gives a column away and not a single value."""

    rows: int = 0
    commas: int = 0
    rounded: int = 0
    thousands: int = 0
    first_rounded: tuple[int, str] = (0, "")
    first_thousands: tuple[int, str] = (0, "")

    def note(self, lines: Sequence[int], texts: Sequence[str], power: int) -> None:
        """Count what is out of the ordinary in a block."""
        self.rows += len(texts)
        joined = "".join(texts)
        for line, text in zip(lines, texts, strict=True) if "," in joined else ():
            self.commas += "," in text
            if _THOUSANDS.fullmatch(text):
                self.first_thousands = self.first_thousands if self.thousands else (line, text)
                self.thousands += 1
        for line, text in zip(lines, texts, strict=True) if "e" in joined.lower() else ():
            if _resolution_s(text, power) > _COARSE_S:
                self.first_rounded = self.first_rounded if self.rounded else (line, text)
                self.rounded += 1

    def judge(self, faults: Faults) -> None:
        """Refuse a column that was rounded, or whose commas may part thousands."""
        if 10 * self.rounded > self.rows:
            line, text = self.first_rounded
            faults.add(
                line,
                f"{text!r} is a rounded time ({self.rounded} such rows): write the column with"
                " all its digits (in Excel: as a number, not 'general')",
            )
        if 0 < self.thousands == self.commas < self.rows:
            line, text = self.first_thousands
            faults.add(
                line,
                f"{text!r} may have a decimal comma, or one that parts thousands: write all times"
                " with a point",
            )


def _resolution_s(text: str, power: int) -> float:
    """What the last digit of a number like 1.23E+15 stands for; 0 of others."""
    found = _NUMBER.fullmatch(text.strip().replace(",", "."))
    exponent = int(found["power"] or 0) if found else 0
    if not found or exponent <= 0:
        return 0.0
    decimals = len(found["digits"].partition(".")[2])
    return float(f"1e{exponent - decimals + power}")


def _numbers(
    lines: Sequence[int],
    columns: Columns,
    header: _Header,
    least: int,
    faults: Faults,
    spelling: _Spelling,
) -> dict[str, Any]:
    """Times, codes and counts of a block; NaN and `_MISSING` where there is none."""
    place = header.at["time"]
    spelling.note(lines, columns[place], header.power)
    time_s = _times(columns[place], header)
    code = _each(columns[header.at["code"]], _whole)
    found: dict[str, Any] = {"time_s": time_s, "code": code}
    bad = (code != _MISSING) & ((code < least) | (code > _LARGEST))
    said = f"is no code, which is a whole number from {least} to {_LARGEST}"
    faulty = [(bad, header.at["code"], said)]
    untimed = ~np.isfinite(time_s)
    silent = np.zeros(len(lines), dtype=bool)
    silent[untimed] = [_is_missing(columns[place][i]) for i in np.flatnonzero(untimed).tolist()]
    faulty.append((untimed & ~silent, place, "is no time"))
    faulty.append((silent & (code != _MISSING), place, "is no time, and the row has a code"))
    for what in ("run", "trial"):
        if what in header.at:
            values = found[what] = _each(columns[header.at[what]], _whole)
            bad = (values < 0) & ((values != _MISSING) | (what == "run"))
            faulty.append((bad, header.at[what], "is no whole number"))
    wrong = np.logical_or.reduce([bad for bad, _, _ in faulty])
    for row in np.flatnonzero(wrong).tolist():
        sentences = (
            f"{header.names[column]}: {columns[column][row][:40]!r} {what}"
            for bad, column, what in faulty
            if bad[row]
        )
        faults.add(lines[row], "; ".join(sentences))
    return found


def _refuse_unsaid(
    lines: Sequence[int], codes: Sequence[str], uncoded: NDArray[np.bool_], faults: Faults
) -> None:
    """Refuse events whose code is left empty: it may have been lost."""
    for row in np.flatnonzero(uncoded).tolist():
        if not codes[row].strip():
            faults.add(lines[row], "has a time and no code: write n/a if there is none")


def _times(texts: Sequence[str], header: _Header) -> NDArray[np.float64]:
    """Times in s, each the nearest to what is written; NaN where it is no number.

    The power of ten of the unit is written behind the digits: nothing is rounded twice.
    """
    joined = "".join(texts)
    if "," in joined and header.separator != ",":
        texts = [text.replace(",", ".") for text in texts]
    if joined.isascii() and "_" not in joined:
        power = f"e{header.power}"
        try:
            return np.array([float(text + power) for text in texts])
        except ValueError:
            pass  # some have a power of their own, are missing, or are none
    return np.array([_time(text, header.power) for text in texts])


def _time(text: str, power: int) -> float:
    found = _NUMBER.fullmatch(text.strip())
    return float(f"{found['digits']}e{int(found['power'] or 0) + power}") if found else np.nan


def _each(texts: Sequence[str], value: Callable[[str], Any], kind: type = np.int64) -> NDArray[Any]:
    """Values of texts of which many are the same."""
    known = {text: value(text) for text in set(texts)}
    return np.array([known[text] for text in texts], dtype=kind)


def _whole(text: str) -> int:
    """A whole number, decimal or `0x...`, or why there is none."""
    if _is_missing(text):
        return _MISSING
    found = _WHOLE.fullmatch(text.strip())
    if not found:
        return _FAULTY
    number = int(found["hex"], 16) if found["hex"] else int(found["digits"])
    return -number if found["sign"] == "-" else number


def _is_missing(text: str) -> bool:
    return text.strip().casefold() in _MISSING_TEXTS


# Words -------------------------------------------------------------------------------------------


def _ports(columns: Columns, header: _Header) -> NDArray[Any]:
    if "port" not in header.at:
        return np.full(len(columns[0]), "", dtype=object)
    return _each(columns[header.at["port"]], lambda text: _said(text.strip(), "", {}), object)


def _notes(columns: Columns, header: _Header, levels: Levels) -> NDArray[Any]:
    """What the other columns say: `left; duration=0.5`, and what the code means by the side-car."""
    numbers = {place for what, place in header.at.items() if what != "port"}
    others = [i for i in range(len(header.names)) if i not in numbers]
    parts = []
    for i in others:
        name = header.names[i]
        label = "" if len(others) == 1 or _plain(name) in _NOTES else f"{name}="
        meaning = levels.get(_plain(name), {})
        parts.append(_each(columns[i], partial(_said, label=label, meaning=meaning), object))
    code = header.at["code"]
    if meaning := levels.get(_plain(header.names[code]), {}):
        parts.append(_each(columns[code], lambda text: meaning.get(text.strip(), ""), object))
    if len(parts) < 2:
        return parts[0] if parts else np.full(len(columns[0]), "", dtype=object)
    joined = ["; ".join(filter(None, row)) for row in zip(*parts, strict=True)]
    return np.array(joined, dtype=object)


def _said(text: str, label: str, meaning: Mapping[str, str]) -> str:
    if text in ("", "n/a"):
        return ""
    means = meaning.get(text.strip())
    return f"{label}{text}: {means}" if means else f"{label}{text}"


def _levels(path: Path) -> Levels:
    """What values mean, by the side-car `..._events.json` of a BIDS table."""
    side_car = path.with_suffix(".json")
    if not path.name.lower().endswith("events.tsv") or not side_car.is_file():
        return {}
    try:
        columns = json.loads(side_car.read_bytes())
    except OSError as error:
        raise LogError(f"{side_car}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise LogError(f"{side_car}: is no JSON: {error}") from None
    if not isinstance(columns, dict):
        raise LogError(f"{side_car}: is no side-car: it does not describe columns by name")
    found: dict[str, dict[str, str]] = {}
    for name, column in columns.items():
        levels = column.get("Levels") if isinstance(column, dict) else None
        if isinstance(levels, dict):
            found[_plain(name)] = {value: _described(level) for value, level in levels.items()}
    return found


def _described(level: Any) -> str:
    """Since BIDS 1.8 a level may be described by an object."""
    return str(level.get("Description", "")) if isinstance(level, dict) else str(level)
