"""What the folder of a recording holds: which of its files are events, units, analog channels.

Nothing is read before it is asked for, and what was chosen among several is said.  Event files of
one folder are kept apart by a column `file`; units are looked for in the folder and below it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.readers import tables
from analysis.readers.known import (
    ANALOG,
    EVENTS,
    EVENTS_OF_FOLDER,
    RECORDERS,
    SORTERS,
    UNITS,
    Reader,
    systems,
)
from analysis.recording import Units
from analysis.trace import Trace
from task.contract.errors import AbsentError, RecordingError

DEEPEST = 3  # folders below the recording's, in which sorters leave their results
MOST_FOLDERS = 2_000  # more is no recording's folder


@dataclass(frozen=True, slots=True)
class Found:
    """A file or folder, and what reads it."""

    path: Path
    reader: Reader


@dataclass(frozen=True, slots=True)
class Recording:
    """Where everything of a recording is.

    Attributes
    ----------
    path : the folder, or the only file
    events, units, analog : what was found; of units the first is the one that is read
    said : what was chosen, in sentences
    """

    path: Path
    events: tuple[Found, ...]
    units: tuple[Found, ...]
    analog: tuple[Found, ...]
    said: tuple[str, ...]

    def read_events(self) -> pd.DataFrame:
        """Words on the digital lines, see `analysis.readers.read_events`.

        Raises
        ------
        RecordingError
            If there are none, or a file is damaged.
        """
        if not self.events:
            raise RecordingError(f"{self.path}: holds no events ({systems(EVENTS)})")
        tables: list[tuple[str, pd.DataFrame]] = _present(self.events)
        if len(tables) == 1:
            return tables[0][1]
        named = [table.assign(file=name) for name, table in tables]
        return pd.concat(named, ignore_index=True)

    def read_units(self) -> Units:
        """Sorted units.

        Raises
        ------
        RecordingError
            If there are none, or in several places, or a file is damaged.
        """
        if not self.units:
            raise RecordingError(f"{self.path}: holds no units ({systems(UNITS)})")
        recorders = all(found.reader in RECORDERS for found in self.units)
        present: list[tuple[str, Units]] = _present(self.units) if recorders else []
        if len(present) == 1:
            return present[0][1]
        if len(self.units) > 1:
            places = ", ".join(self._named(found) for found in self.units)
            raise RecordingError(f"{self.path}: holds units in several places ({places}); name one")
        units: Units = self.units[0].reader.read(self.units[0].path)
        return units

    def read_analog(self, channel: str) -> Trace:
        """One analog channel by its name.

        Raises
        ------
        RecordingError
            If no file, or more than one, has a channel of this name.
        """
        having = [found for found in self.analog if channel in channels_of(found)]
        if len(having) != 1:
            names = [name for found in self.analog for name in channels_of(found)]
            listed = ", ".join(names[:12]) + (f" … ({len(names)} in all)" if names[12:] else "")
            how = "several files have" if having else "no file has"
            raise RecordingError(
                f"{self.path}: {how} an analog channel {channel!r}; there are {listed or 'none'}"
            )
        trace: Trace = having[0].reader.read(having[0].path, channel)
        return trace

    def _named(self, found: Found) -> str:
        inside = found.path.relative_to(self.path) if found.path != self.path else found.path
        return f"{inside.as_posix()}: {found.reader.system}"


def _present(places: Sequence[Found]) -> list[tuple[str, Any]]:
    """What the files hold, by their names; those that hold nothing of it are left out.

    Raises
    ------
    RecordingError
        If a file is damaged, or all of them hold nothing.
    """
    read, absent = [], None
    for found in places:
        try:
            read.append((found.path.name, found.reader.read(found.path)))
        except AbsentError as error:
            absent = error
    if absent and not read:
        raise absent
    return read


def channels_of(found: Found) -> tuple[str, ...]:
    """Names of the channels of an analog file."""
    assert found.reader.channels
    return found.reader.channels(found.path)


def open_recording(path: Path) -> Recording:
    """Find what a recording holds.

    Parameters
    ----------
    path : its folder, or a file of it

    Raises
    ------
    RecordingError
        If there is no such file or folder, or it cannot be listed.
    """
    try:
        if not path.is_dir():
            path.stat()
            return _recording(path, [path], [])
        folders = list(_folders(path))
        files = sorted(inside for inside in path.iterdir() if inside.is_file())
        return _recording(path, files, folders)
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from None


def _folders(folder: Path) -> Iterator[Path]:
    """A folder and those below it, hidden ones and links aside, from the top."""
    level, found = [folder], 0
    for _ in range(DEEPEST + 1):
        for inside in level:
            found += 1
            if found > MOST_FOLDERS:
                raise RecordingError(f"{folder}: holds too many folders to be a recording's")
            yield inside
        level = sorted(
            below
            for inside in level
            for below in inside.iterdir()
            if below.is_dir() and not below.is_symlink() and not below.name.startswith(".")
        )


def _recording(path: Path, files: Sequence[Path], folders: Sequence[Path]) -> Recording:
    analog = _of(files, ANALOG)
    traces = [found.path for found in analog if found.reader is ANALOG[-1]]
    worded = [file for file in files if path.is_file() or file not in traces]
    events = _of(worded, EVENTS if path.is_file() else EVENTS_OF_FOLDER)
    native = [found for found in events if found.reader is not EVENTS_OF_FOLDER[-1]]
    said = []
    if native and len(native) < len(events):
        left = ", ".join(f.path.name for f in events if f not in native)
        said.append(f"tables beside the recorder's events are not read: {left}")
        events = native
    if events and not native and (others := _other_tables(files, [*events, *analog])):
        said.append(f"hold no times and codes, and are not read: {', '.join(others)}")
    if len(events) > 1:
        said.append(
            "events of several files, each tried by itself and all together:"
            f" {', '.join(f.path.name for f in events)}"
        )
    units = _outermost(_of(folders or files, SORTERS))
    if not units:
        units = _outermost(_of([*folders[:1], *files], RECORDERS))
    said += [f"units of {u.reader.system}: {u.path.name}" for u in units]
    return Recording(path, tuple(events), tuple(units), tuple(analog), tuple(said))


def _other_tables(files: Sequence[Path], found: Sequence[Found]) -> list[str]:
    """Tables that may be events whose first line is lost, or something else."""
    taken = {one.path for one in found}
    return [path.name for path in files if tables.recognises(path) and path not in taken]


def _of(paths: Sequence[Path], readers: Sequence[Reader]) -> list[Found]:
    found = []
    for path in paths:
        reader = next((reader for reader in readers if reader.recognises(path)), None)
        if reader:
            found.append(Found(path, reader))
    return found


def _outermost(found: list[Found]) -> list[Found]:
    """Results that do not lie within another one's folder."""
    return [
        one
        for one in found
        if not any(other.path in one.path.parents for other in found if other is not one)
    ]
