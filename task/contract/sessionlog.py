"""The record of a session: one JSON object per line, in the order things happened.

First a header (all that was known beforehand), then events, then an ending (all that could only be
known afterwards).  A session may hold several runs (an aborted start, a resume); each begins with a
RUN event and presentation numbers go on counting.  Every value that went to the trigger lines is an
event with its `code`; every presentation is announced by an event that maps its number to the plan.

A log without an ending is a session that was cut short.  It is readable up to its last whole line.
The header carries the code table it was recorded with, and is decoded with that.

Times are seconds on the presenter's monotonic clock; wall time stands in the header only.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from task.contract.errors import LogError

VERSION = 1
LOG_NAME = "session.jsonl"


class Kind(StrEnum):
    """What a presentation is."""

    VIEW = "view"  # a picture in the stream of screening
    ENCODE = "encode"  # a picture seen before it is imagined
    SEARCH = "search"  # the visual-search distractor
    BASELINE = "baseline"
    IMAGINE = "imagine"  # cue, blank imagery, rating
    QUESTION = "question"  # about the picture just seen
    TEXT = "text"  # instructions and breaks


@dataclass(frozen=True, slots=True)
class Header:
    """All that is known before the first frame.

    Attributes
    ----------
    session : the number that the trigger lines announce (21 bits)
    subject : subject code
    protocol, protocol_sha256, plan_sha256, catalog, catalog_sha256 : what was shown, verifiable
    seed : of every random choice in the plan
    rig : the rig file's name
    started : wall time, ISO 8601 with zone
    codes : name -> value, as used in this session
    software : versions
    safety : the override of the flash limit, with who approved it, if there is one
    """

    session: int
    subject: str
    protocol: str
    protocol_sha256: str
    plan_sha256: str
    catalog: str
    catalog_sha256: str
    seed: int
    rig: str
    started: str
    codes: Mapping[str, int]
    software: Mapping[str, str]
    safety: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    Attributes
    ----------
    time_s : when: of a screen change the flip, of a code the flip it belongs to, of a key the press
    name : `RUN`, `PRESENTATION`, `ANSWER`, `LATE_FRAME`, ..., or of a code its name
    code : value put on the trigger lines, if any
    presentation : the presentation under way, if any
    detail : what else there is to know; for PRESENTATION `kind`, `item`, `block`, `trial`
    """

    time_s: float
    name: str
    code: int | None = None
    presentation: int | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SessionLog:
    """A log read back; `ending` is None where the session was cut short."""

    header: Header
    events: tuple[Event, ...]
    ending: Mapping[str, Any] | None


class LogWriter:
    """Appends to a log; what was written survives the death of this process.

    After a write that failed (a full disk) nothing more is written: a log cut short stays readable.
    """

    def __init__(self, path: Path, header: Header) -> None:
        """Create the log, readable by its owner only.

        Raises
        ------
        LogError
            If the file exists or cannot be created.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)
        try:
            self.descriptor = os.open(path, flags, 0o600)
        except FileExistsError:
            raise LogError(f"{path}: there is a log already; nothing was overwritten") from None
        except OSError as error:
            raise LogError(f"{path}: the log cannot be created: {error.strerror}") from None
        self._path = path
        self._failed = False
        self.ending: Mapping[str, Any] = {}
        named = {name: getattr(header, name) for name in header.__slots__}
        self._append([{"imagery_log": VERSION, **named}])

    def write(self, events: Iterable[Event]) -> None:
        """Append events: one unbuffered write for all of them.

        Raises
        ------
        LogError
            The first time that the disk does not take them.
        """
        self._append(map(_as_line, events))

    def end(self, ending: Mapping[str, Any]) -> None:
        """Append the ending, bring it to the disk, and close."""
        self.ending = ending
        try:
            self._append([{"ending": ending}])
            if not self._failed:
                os.fsync(self.descriptor)
        finally:
            os.close(self.descriptor)

    def _append(self, lines: Iterable[Mapping[str, Any]]) -> None:
        if self._failed:
            return
        data = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode()
        try:
            while data:
                data = data[os.write(self.descriptor, data) :]
        except OSError as error:
            self._failed = True
            raise LogError(
                f"{self._path}: cannot be written: {error.strerror}; what was shown until now is"
                " in the log"
            ) from None


def read_log(path: Path) -> SessionLog:
    """Read a log, complete or cut short.

    Parameters
    ----------
    path : the log, or the session folder that holds it

    Raises
    ------
    LogError
        If it is no log, is of a newer version, or holds a line (other than a cut last one) that is
        no event.
    """
    if path.is_dir():
        path = path / LOG_NAME
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise LogError(f"{path}: cannot be read: {error.strerror}") from None
    lines.pop()  # what follows the last line end: nothing, or an event cut in flight
    records = [_record(path, number, line) for number, line in enumerate(lines, start=1)]
    if not records or not isinstance(records[0].get("imagery_log"), int):
        raise LogError(f"{path}: is not a session log: its first line is no header")
    header = dict(records[0])
    version = header.pop("imagery_log")
    if version > VERSION:
        raise LogError(
            f"{path}: log version {version} was written by a newer imagery;"
            f" this one reads up to {VERSION}"
        )
    ending = records.pop()["ending"] if "ending" in records[-1] else None
    try:
        return SessionLog(Header(**header), tuple(map(_as_event, records[1:])), ending)
    except (TypeError, KeyError) as error:
        raise LogError(f"{path}: is damaged: {error}") from None


def _record(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise LogError(f"{path}:{number}: is not an event: {error}") from None
    if not isinstance(record, dict):
        raise LogError(f"{path}:{number}: is not an event")
    return record


def _as_line(event: Event) -> dict[str, Any]:
    line: dict[str, Any] = {"time_s": round(event.time_s, 7), "name": event.name}
    if event.code is not None:
        line["code"] = event.code
    if event.presentation is not None:
        line["presentation"] = event.presentation
    line.update(event.detail)
    return line


def _as_event(record: dict[str, Any]) -> Event:
    line = dict(record)
    return Event(
        line.pop("time_s"),
        line.pop("name"),
        line.pop("code", None),
        line.pop("presentation", None),
        line,
    )
