"""Writes the log of a session, so that nothing that was shown is ever lost.

Every event goes to the disk as it happens, unbuffered, at the end of one file.  If the disk refuses
(full, read-only, unplugged), the log goes on in another place: as a whole copy, or where what was
written cannot be read any more, with what follows; or in memory until one of the places takes it.
At the end it is brought home if that is possible by then.
"""

import errno
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from task.contract.errors import LogError
from task.contract.rescue import rescue_name
from task.contract.sessionlog import RESUMED_RUN, VERSION, Event, Header, line_of

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)
_OLD = os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0)


class LogWriter:
    """Appends to a log; what was written survives the death of this process.

    Attributes
    ----------
    trouble : what is wrong with the disk, in words; empty while all is well
    ending : the counts with which the log was ended
    """

    def __init__(
        self, path: Path, header: Header | None, *, elsewhere: Sequence[Path] = ()
    ) -> None:
        """Create the log, readable by its owner only; without a header, go on with one.

        Parameters
        ----------
        elsewhere : folders where the log may go on if its own disk refuses

        Raises
        ------
        LogError
            If it exists (or, to go on, does not), or cannot be written.
        """
        self._path, self._elsewhere = path, elsewhere
        self._backlog = b""  # what no disk has taken yet
        self.trouble = ""
        self.ending: Mapping[str, Any] = {}
        try:
            self.descriptor = os.open(path, _NEW if header else _OLD, 0o600)
            # The files that the log is made of, and how much of each is whole lines of it.
            self._parts = [(path, os.fstat(self.descriptor).st_size)]
            if header:
                named = {name: getattr(header, name) for name in header.__slots__}
                self._write(_json({"imagery_log": VERSION, **named}))
            elif self._cut_short():
                self._write(b"\n")
        except FileExistsError:
            raise LogError(f"{path}: there is a log already; nothing was overwritten") from None
        except OSError as error:
            what = "created" if header else "written"
            raise LogError(f"{path}: the log cannot be {what}: {error.strerror}") from None

    def write(self, events: Iterable[Event]) -> None:
        """Append events: one unbuffered write for all of them.  Never raises; see `trouble`."""
        self._append(b"".join(map(_line, events)))

    def end(self, ending: Mapping[str, Any]) -> None:
        """Append the ending, bring it to the disk, and close."""
        self.ending = ending
        self._append(_json({"ending": ending}))
        try:
            os.fsync(self.descriptor)
            if self._backlog:
                lines = self._backlog.count(b"\n")
                self.trouble += f"; the last {lines} lines are lost: no place took them"
            elif self._parts[-1][0] != self._path:
                self._bring_home()
        except OSError as error:
            self.trouble = self.trouble or self._said(error)
        finally:
            os.close(self.descriptor)

    def _append(self, data: bytes) -> None:
        data = self._backlog + data
        try:
            if self._backlog:  # the disk refused before; a part of a line may stand at the end
                os.ftruncate(self.descriptor, self._parts[-1][1])
            self._write(data)
            self._backlog = b""
        except OSError as error:
            self.trouble = self.trouble or self._said(error)
            self._backlog = data
            self._go_elsewhere()

    def _write(self, data: bytes) -> None:
        """All of it, or it does not count."""
        _write_all(self.descriptor, data)
        path, length = self._parts[-1]
        self._parts[-1] = path, length + len(data)

    def _go_elsewhere(self) -> None:
        """Go on in the first place that takes it: with a whole copy, where the log can be read."""
        earlier: list[tuple[Path, int]] = []
        try:
            so_far = self._so_far()
        except OSError:  # its disk is gone
            earlier, so_far = self._parts, b""
        for folder in self._elsewhere:
            try:
                path, descriptor = self._new_file(folder)
            except OSError:
                continue
            try:
                _write_all(descriptor, so_far + self._backlog)
                os.dup2(descriptor, self.descriptor)  # whoever syncs the log knows this number
            except OSError:
                path.unlink(missing_ok=True)
                continue
            finally:
                os.close(descriptor)
            self.trouble += f"; {'what follows' if earlier else 'the log'} goes on in {path}"
            self._parts = [*earlier, (path, len(so_far) + len(self._backlog))]
            self._backlog = b""
            return

    def _new_file(self, folder: Path) -> tuple[Path, int]:
        """A file that nobody has yet, named after the session."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        named = rescue_name(self._path.parent)
        for number in range(1, 1000):
            path = folder / f"{named}_{number}{self._path.suffix}"
            try:
                return path, os.open(path, _NEW, 0o600)
            except FileExistsError:  # of a session before
                continue
        raise OSError(errno.EEXIST, "999 logs of this session")

    def _so_far(self) -> bytes:
        """What was written whole before the disk refused."""
        return b"".join(path.read_bytes()[:length] for path, length in self._parts)

    def _bring_home(self) -> None:
        """The whole log in the session's folder, in one step."""
        partial = self._path.with_name(f"{self._path.name}.partial")
        try:
            partial.write_bytes(self._so_far())
            partial.chmod(0o600)
            partial.replace(self._path)
        except OSError:  # it stays where it is
            files = " and ".join(path.name for path, _ in self._parts)
            joined = f"{files}, one after the other," if len(self._parts) > 1 else "it"
            self.trouble += f"; copy {joined} over {self._path.name} before you resume or analyse"
            partial.unlink(missing_ok=True)
            return
        for path, _ in self._parts:
            if path != self._path:
                path.unlink()
        self.trouble += "; it was brought back to its folder when the session ended"

    def _cut_short(self) -> bool:
        with self._path.open("rb") as log:
            log.seek(max(0, self._parts[-1][1] - 1))
            return log.read() not in (b"", b"\n")

    def _said(self, error: OSError) -> str:
        return f"{self._path}: cannot be written: {error.strerror}"


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _json(line: Mapping[str, Any]) -> bytes:
    return (json.dumps(line, separators=(",", ":")) + "\n").encode()


def _line(event: Event) -> bytes:
    line = line_of(event)
    if "resumed" in line:  # first, so that a reader knows what a cut line before it is
        line = {"resumed": line.pop("resumed"), **line}
        assert _json(line).startswith(RESUMED_RUN)
    return _json(line)
