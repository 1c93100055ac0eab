"""Events of a Neuralynx recording (`.nev`).

A text header of 16,384 bytes, then records of 184 bytes, little-endian, in the order in which the
system wrote them; their times can step back by milliseconds.  Which port a value was seen on stands
only in the text of the record, and inputs, outputs and the system's own marks share values: the
text decides what a record is.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from task.contract.errors import RecordingError

HEADER_BYTES = 16_384
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
# Ports of records that are no change of the lines.
RECORDING, NOTE = "recording", "note"
POSTED = "posted"
_BEGINS = b"######## Neuralynx"
# Newer systems say "TTL Input on AcqSystem1_0 board 0 port 1 value (0x0020).", older ones "Digital
# Lynx Parallel Input Port TTL (0x0020)" or "RecID: 4098 Port: 0 TTL Value: 0x0020".
_CHANGE = re.compile(r"(?P<port>.*\bTTL\b.*?)(?: [Vv]alue:?)? \(?0x(?P<lines>[0-9A-Fa-f]+)\)?\.?")
_BOARD = re.compile(r"TTL (?P<way>Input|Output) on \S+ (?P<port>board \d+ port \d+)")
_MARKS = {"Starting Recording", "Stopping Recording"}


def recognises(path: Path) -> bool:
    """Whether this is an events file by its name."""
    return path.suffix.lower() == ".nev"


def read_events(path: Path) -> pd.DataFrame:
    """Changes of the lines, in the order of the file.

    Returns
    -------
    DataFrame with `time_s`, `code` (state of the lines, returns to 0 included) and `port`
    (`board 0 port 1 input`, or what an older system calls it; `posted` where a program on the
    recording computer put it there)

    Raises
    ------
    RecordingError
        As `read_records`.
    """
    records = read_records(path)
    changes = ~records["port"].isin([RECORDING, NOTE])
    return records.loc[changes, ["time_s", "code", "port"]].reset_index(drop=True)


def read_records(path: Path) -> pd.DataFrame:
    """All records, in the order of the file.

    Returns
    -------
    DataFrame with `time_s`, `code`, `port`, `text`; `port` is `recording` where recording starts or
    stops and `note` of a comment: their `code` is whatever the lines were, and no code

    Raises
    ------
    RecordingError
        If the file is none of Neuralynx, has no records, ends within one, or holds one whose text
        tells another value than its number.
    """
    records = _records(path)
    texts, which = np.unique(records["text"], return_inverse=True)
    said = [_decoded(text) for text in texts.tolist()]
    code = records["lines"].astype(np.int64)
    port = np.array([_port(text) for text in said], dtype=object)[which]
    port[(port == NOTE) & (code != 0)] = POSTED
    table = pd.DataFrame(
        {
            "time_s": records["time_us"] / 1e6,
            "code": code,
            "port": port,
            "text": np.array(said, dtype=object)[which],
        }
    )
    told = np.array([_told(text) for text in said])[which]
    _refuse_damage(path, table, told)
    return table


def _records(path: Path) -> NDArray[np.void]:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            begins = file.read(len(_BEGINS))
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from None
    if not begins:
        raise RecordingError(f"{path}: is empty")
    if begins != _BEGINS:
        raise RecordingError(f"{path}: is no events file of Neuralynx: its header is another")
    whole, rest = divmod(size - HEADER_BYTES, RECORD.itemsize)
    if whole < 0 or rest:
        raise RecordingError(
            f"{path}: ends within {f'record {whole + 1}' if whole >= 0 else 'its header'}"
            f" ({max(whole, 0)} whole records before it); copy it again from the recording computer"
        )
    if not whole:
        raise RecordingError(f"{path}: holds a header and no events")
    return np.memmap(path, RECORD, "r", HEADER_BYTES)


def _decoded(text: bytes) -> str:
    """What stands before the first zero byte; older systems leave remains behind it."""
    return text.partition(b"\0")[0].decode("latin-1").strip()


def _port(text: str) -> str:
    if text in _MARKS:
        return RECORDING
    change = _CHANGE.fullmatch(text)
    if not change:
        return NOTE
    board = _BOARD.fullmatch(change["port"])
    return f"{board['port']} {board['way'].lower()}" if board else change["port"]


def _told(text: str) -> int:
    """State of the lines by the text; -1 where it tells none."""
    change = _CHANGE.fullmatch(text)
    return int(change["lines"], 16) & 0xFFFF if change else -1


def _refuse_damage(path: Path, records: pd.DataFrame, told: NDArray[np.int64]) -> None:
    """Refuse records that were never written, and those whose text tells another value."""
    blank = (records["time_s"] == 0) & (records["text"] == "")
    other = (told >= 0) & (told != records["code"])
    if not (blank | other).any():
        return
    first = int((blank | other).argmax())
    record = records.iloc[first]
    what = "is blank"
    if not blank[first]:
        what = f"has the value {record['code']}, but its text says {record['text']!r}"
    raise RecordingError(f"{path}: record {first + 1} {what}; the file is damaged")
