"""Events of a Neuralynx recording (`.nev`).

Records of 184 bytes in the order in which the system wrote them; their times can step back by
milliseconds.  Which port a value was seen on stands only in the text of the record, and inputs,
outputs and the system's own marks share values: the text decides what a record is.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.readers.neuralynx_file import open_records
from task.contract.errors import RecordingError

RECORD = np.dtype(
    [
        ("reserved", "<i2"),
        ("id", "<i2"),
        ("size", "<i2"),
        ("time_us", "<u8"),
        ("event", "<i2"),
        ("lines", "<u2"),
        ("crc", "<i2"),
        ("dummy", "<i2", 2),
        ("extra", "<i4", 8),
        ("text", "S128"),
    ]
)
POSTED = "posted"
STARTS, STOPS = MARKS = ("Starting Recording", "Stopping Recording")
MOST_BACK_US = 10**6  # programs that post events stamp them late
SAME_MARK_S = 1.0  # a system of several boxes marks the start of each
_OTHERS = (b"NEURALEV", b"BREVENTS")  # Blackrock and Ripple: their reader takes these
# Newer systems say "TTL Input on AcqSystem1_0 board 0 port 1 value (0x0020).", older ones "Digital
# Lynx Parallel Input Port TTL (0x0020)" or "RecID: 4098 Port: 0 TTL Value: 0x0020"; lines beyond
# the sixteenth repeat it (0xFFFF8000).
_CHANGE = re.compile(r"(?P<port>.*\bTTL\b.*?)(?: [Vv]alue:?)? \(?0x(?P<lines>[0-9A-Fa-f]+)\)?\.?")
_BOARD = re.compile(r"TTL (?P<way>Input|Output) on (?P<box>\S+) (?P<port>board \d+ port \d+)")
# What is left of the text of a change once letters of it are spoilt or its end is lost.
_REMAINS = re.compile(r"TTL (Input|Output)\b|\bboard \d+ port \d+\b|\(0x[0-9A-Fa-f]{4,8}\)\.?$")
_BEGINS = "TTL Input"
_FIRST_EIGHT = {text[:8] for text in (_BEGINS, "TTL Output", *MARKS)}
_UNTYPED = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


def recognises(path: Path) -> bool:
    """Whether this is an events file by its name, and no other system's by its first bytes.

    A file that begins like nobody's is taken too, and refused when it is read.
    """
    if path.suffix.lower() != ".nev" or path.is_dir():
        return False
    with path.open("rb") as file:
        return not file.read(len(_OTHERS[0])).startswith(_OTHERS)


def read_events(path: Path) -> pd.DataFrame:
    """Changes of the lines, in the order of the file.

    Returns
    -------
    DataFrame with `time_s`, `code` (state of the lines, returns to 0 included) and `port`
    (`board 0 port 1 input`, after the name of its box where there are several, or what an older
    system calls it; `posted` where a program on the recording computer put it there; '' throughout
    where the file has no texts)

    Raises
    ------
    RecordingError
        If the file is none of Neuralynx, has no records, ends within one, or holds one that is
        blank, has an absurd time, or whose text is spoilt or tells another value
        than its number.
    """
    found = _read(path)
    ports = _ports(found)
    names = list(dict.fromkeys(port for port in ports if port is not None))
    numbers = np.array([-1 if port is None else names.index(port) for port in ports], np.int32)
    which = numbers[found.which]
    posted = (which < 0) & (found.code != 0) & ~np.isin(found.which, _numbers_of(found, MARKS))
    which[posted] = len(names)
    kept = which >= 0
    shown = pd.Series([*_shown(names), POSTED], dtype=str)
    return pd.DataFrame(
        {
            "time_s": found.time_s[kept],
            "code": found.code[kept].astype(np.int64),
            "port": shown.take(which[kept]).array,
        }
    )


def read_recordings(path: Path) -> pd.DataFrame:
    """When the system recorded, by its marks of start and stop.

    Returns
    -------
    DataFrame with `start_s` and `stop_s`, ascending; NaN where the mark is missing

    Raises
    ------
    RecordingError
        As `read_events`.
    """
    found = _read(path)
    kept = np.isin(found.which, _numbers_of(found, MARKS))
    is_start = np.isin(found.which[kept], _numbers_of(found, (STARTS,)))
    marks = sorted(zip(found.time_s[kept].tolist(), is_start.tolist(), strict=True))
    rows: list[list[float]] = []
    before_s, before_start = -np.inf, False
    for time_s, start in marks:
        again = start == before_start and time_s - before_s <= SAME_MARK_S
        before_s, before_start = time_s, start
        if start and not again:
            rows.append([time_s, np.nan])
        elif not start and rows and (again or np.isnan(rows[-1][1])):
            rows[-1][1] = time_s
        elif not start:
            rows.append([np.nan, time_s])
    return pd.DataFrame(rows, columns=["start_s", "stop_s"], dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """What matters of all records; `which` of the `texts` each has."""

    path: Path
    time_s: NDArray[np.float64]
    code: NDArray[np.uint16]
    event: NDArray[np.int16]
    which: NDArray[np.int32]
    texts: list[str]

    def damage(self, record: int, what: str) -> RecordingError:
        return RecordingError(f"{self.path}: record {record + 1} {what}; the file is damaged")

    def spoilt(self, text: int) -> RecordingError:
        record = int((self.which == text).argmax())
        return self.damage(record, f"has the text {self.texts[text]!r}")


def _read(path: Path) -> _Found:
    records = open_records(path, RECORD, "events file")
    if not records.count:
        raise RecordingError(f"{path}: holds a header and no events")
    time_s, code = np.empty(records.count, np.float64), np.empty(records.count, np.uint16)
    event, which = np.empty(records.count, np.int16), np.empty(records.count, np.int32)
    numbers: dict[str, int] = {}
    for before, chunk in records.chunks(most_back_us=MOST_BACK_US):
        here = slice(before, before + len(chunk))
        time_s[here] = chunk["time_us"] / 1e6
        code[here], event[here] = chunk["lines"], chunk["event"]
        # Told apart by hash, as Python's bytes: to sort 128 bytes each takes far longer.
        mine, texts = pd.factorize(chunk["text"].astype(object))
        known = [numbers.setdefault(_decoded(text), len(numbers)) for text in texts]
        which[here] = np.array(known, np.int32)[mine]
    found = _Found(path, time_s, code, event, which, list(numbers))
    _refuse_damage(found)
    return found


def _decoded(text: bytes) -> str:
    """What stands before the first zero byte; older systems leave remains behind it."""
    return text.partition(b"\0")[0].decode("latin-1").strip()


def _numbers_of(found: _Found, texts: tuple[str, ...]) -> list[int]:
    return [k for k, text in enumerate(found.texts) if text in texts]


def _ports(found: _Found) -> list[str | None]:
    """What each text calls its port; None where it tells of no change."""
    if found.texts == [""]:
        return [""]
    changes = [_CHANGE.fullmatch(text) for text in found.texts]
    return [change["port"] if change else None for change in changes]


def _shown(ports: list[str]) -> list[str]:
    """Names of ports for people: short, as long as that tells them apart."""
    boards = [_BOARD.fullmatch(port) for port in ports]
    several = len({board["box"] for board in boards if board}) > 1
    return [
        f"{board['box'] + ' ' if several else ''}{board['port']} {board['way'].lower()}"
        if board
        else port
        for port, board in zip(ports, boards, strict=True)
    ]


# Damage ------------------------------------------------------------------------------------------


def _refuse_damage(found: _Found) -> None:
    """Refuse records that were never written, and texts that are spoilt or tell another value."""
    _refuse_blank(found)
    changes = [_CHANGE.fullmatch(text) for text in found.texts]
    says = [int(change["lines"], 16) & 0xFFFF if change else -1 for change in changes]
    told = np.array(says, np.int32)[found.which]
    other = (told >= 0) & (told != found.code)
    if other.any():
        at = int(other.argmax())
        text = found.texts[found.which[at]]
        raise found.damage(at, f"has the value {found.code[at]}, but its text says {text!r}")
    _refuse_spoilt(found)


def _refuse_blank(found: _Found) -> None:
    blank = (found.time_s == 0) & np.isin(found.which, _numbers_of(found, ("",)))
    if blank.any():
        raise found.damage(int(blank.argmax()), "is blank")


def _refuse_spoilt(found: _Found) -> None:
    """Refuse texts that were one of the system's own; programs may post whatever they like."""
    ports = _ports(found)
    seen = np.bincount(found.which, minlength=len(ports)).tolist()
    spoilt = _unreadable(found.texts) | _garbled(ports, seen) | _left_of_changes(found, ports)
    if spoilt:
        raise found.spoilt(min(spoilt))


def _unreadable(texts: list[str]) -> set[int]:
    """What nobody types, and what is nearly a mark."""
    return {
        k
        for k, text in enumerate(texts)
        if _UNTYPED.search(text) or _is_turned(text) or any(_alike(text, mark) for mark in MARKS)
    }


def _is_turned(text: str) -> bool:
    """Whether it is one of the system's own, in another order of bytes."""
    return any(
        "".join(begins[n : n + width][::-1] for n in range(0, 8, width)) in _FIRST_EIGHT
        for begins in (text[:8], f" {text[:7]}")  # a blank before it was taken off
        for width in (2, 4, 8)
    )


def _garbled(ports: list[str | None], seen: list[int]) -> set[int]:
    """Ports of no known form but nearly, and what was seen but once and is nearly another."""
    names = {k: port for k, port in enumerate(ports) if port is not None}
    boards = {k: _BOARD.fullmatch(port) for k, port in names.items()}
    wrong = {k for k, port in names.items() if not boards[k] and _REMAINS.search(port)}
    wrong |= _rare(names, seen, _alike)
    boxes = {k: board["box"] for k, board in boards.items() if board}
    return wrong | _rare(boxes, seen, lambda one, other: one != other)


def _rare(names: dict[int, str], seen: list[int], alike: Callable[[str, str], bool]) -> set[int]:
    """Whose name is there once, and another like it more often."""
    often: Counter[str] = Counter()
    for k, name in names.items():
        often[name] += seen[k]
    once = {name for name, times in often.items() if times == 1}
    rare = {one for one, other in product(once, often.keys() - once) if alike(one, other)}
    return {k for k, name in names.items() if name in rare}


def _left_of_changes(found: _Found, ports: list[str | None]) -> set[int]:
    """Texts that look like remains of a change, in records with the event id of changes."""
    is_change = np.array([port is not None for port in ports])
    ids = np.unique(found.event[is_change[found.which]])
    return {
        k
        for k, text in enumerate(found.texts)
        if not is_change[k]
        and (_BEGINS.startswith(text) or _REMAINS.search(text))
        and np.isin(found.event[found.which == k], ids).any()
    }


def _alike(one: str, other: str) -> bool:
    """Whether two texts differ in one or two letters, and not in digits or their case alone."""
    if one.casefold() == other.casefold() or len(one) != len(other):
        return False
    apart = [(a, b) for a, b in zip(one, other, strict=True) if a != b]
    return len(apart) <= 2 and not all(a.isdigit() and b.isdigit() for a, b in apart)
