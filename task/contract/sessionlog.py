"""The record of a session: one JSON object per line, in the order things happened.

First a header (all that was known beforehand), then events, then an ending (all that could only be
known afterwards).  A session that was resumed holds several runs: each begins with a RUN event, and
the ending of an earlier run is an event ENDED.  Every value that went to the trigger lines is an
event with its `code`; every presentation is announced by an event that maps its number to the plan.

A log without an ending is a session that was cut short.  It is readable up to its last whole line;
a line cut in flight may stand before a resumed run.  `task.logwriter` writes logs.
The header carries the code table it was recorded with, and is decoded with that.

Times are seconds on the presenter's monotonic clock; wall time stands in the header only.  A
resumed run counts on from the first by wall time: between runs, times are as good as that clock.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from task.contract.errors import LogError

VERSION = 1
LOG_NAME = "session.jsonl"
RESUMED_RUN = b'{"resumed":'  # how the first line of a resumed run begins


class Kind(StrEnum):
    """What a presentation is."""

    VIEW = "view"  # a picture in the stream of screening
    ENCODE = "encode"  # a picture seen before it is imagined
    SEARCH = "search"  # the visual-search distractor
    BASELINE = "baseline"
    IMAGINE = "imagine"  # cue, blank imagery, rating
    QUESTION = "question"  # about the picture just seen, or of a questionnaire
    REST = "rest"
    PRACTICE = "practice"  # never analysed
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
    rig_sha256 : of the rig file, empty where there is none
    overrides : checks before the session that were red, and who answered for going on
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
    rig_sha256: str = ""
    overrides: Mapping[str, str] = field(default_factory=dict)


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
    records = list(_records(path, lines))
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
    return SessionLog(_header(path, header), tuple(_events(path, records[1:])), ending)


def line_of(event: Event) -> dict[str, Any]:
    """An event as an object of the log."""
    line: dict[str, Any] = {"time_s": round(event.time_s, 7), "name": event.name}
    if event.code is not None:
        line["code"] = event.code
    if event.presentation is not None:
        line["presentation"] = event.presentation
    line.update(event.detail)
    return line


def _header(path: Path, header: Mapping[str, Any]) -> Header:
    known = {f.name for f in fields(Header)}
    needed = [f.name for f in fields(Header) if f.default is f.default_factory is MISSING]
    lacking = [name for name in needed if name not in header]
    unknown = sorted(repr(name)[:40] for name in header.keys() - known)
    if lacking or unknown:
        said = [f"lacks {', '.join(lacking)}"] if lacking else []
        said += [f"has unknown {', '.join(unknown)}"] if unknown else []
        raise LogError(f"{path}: is damaged: its header {' and '.join(said)}")
    return Header(**header)


def _records(path: Path, lines: Sequence[bytes]) -> Iterator[dict[str, Any]]:
    """Every line as an object; one that was cut in flight only where a resumed run follows."""
    for number, line in enumerate(lines, start=1):
        try:
            yield _record(path, number, line)
        except LogError:
            following = lines[number] if number < len(lines) else b""
            if not following.startswith(RESUMED_RUN):
                raise


def _record(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise LogError(f"{path}:{number}: is not an event: {error}") from None
    if not isinstance(record, dict):
        raise LogError(f"{path}:{number}: is not an event")
    return record


def _events(path: Path, records: Sequence[dict[str, Any]]) -> Iterator[Event]:
    """Events; the ending of a run that was resumed is one too, at the time of the last before."""
    time_s = 0.0
    for number, record in enumerate(records, start=1):
        if "ending" in record:
            yield Event(time_s, "ENDED", detail=record["ending"])
        else:
            lacking = [name for name in ("time_s", "name") if name not in record]
            if lacking:
                raise LogError(f"{path}: is damaged: event {number} lacks {', '.join(lacking)}")
            event = _as_event(record)
            time_s = event.time_s
            yield event


def _as_event(record: dict[str, Any]) -> Event:
    line = dict(record)
    return Event(
        line.pop("time_s"),
        line.pop("name"),
        line.pop("code", None),
        line.pop("presentation", None),
        line,
    )
