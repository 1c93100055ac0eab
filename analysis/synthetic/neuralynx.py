"""How a Neuralynx system writes the events of a recording (`Events.nev`).

A text header of 16,384 bytes, then records of 184 bytes, little-endian, in the order of arrival:
one when recording starts and stops, and one for every change of the eight lines, returns to zero
included.  The header has the form of Cheetah 6; a file that was never closed says so there.
"""

import struct
import uuid
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

from task.contract.errors import RecordingError

EVENTS_NAME = "Events.nev"
HEADER_BYTES = 16_384
# reserved, id, size of data; time (us), event id, TTL word, CRC, 2 x dummy, 8 x extra, event string
RECORD = struct.Struct("<3hQhH3h8i128s")
TTL_EVENT, RECORDING_EVENT = 11, 19
_NOT_CLOSED = "File was not closed properly"


class EventFile:
    """Appends to an `Events.nev`; what was written survives the death of this process."""

    def __init__(self, path: Path) -> None:
        """Create the file with its header.

        Raises
        ------
        RecordingError
            If it exists or cannot be created.
        """
        self.path, self.opened = path, datetime.now()
        self.ids = uuid.uuid4(), uuid.uuid4()
        try:
            self.file = path.open("xb")
        except FileExistsError:
            raise RecordingError(
                f"{path}: there is a recording already; nothing was overwritten"
            ) from None
        except OSError as error:
            raise RecordingError(f"{path}: cannot be created: {error.strerror}") from None
        self._write(self._header(_NOT_CLOSED))

    def __enter__(self) -> Self:
        """Return the file itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file; its header tells when."""
        self.file.seek(0)
        self._write(self._header(f"{datetime.now():%Y/%m/%d %H:%M:%S}"))
        self.file.close()

    def start_recording(self, time_s: float) -> None:
        """Append the record that recording started."""
        self._write(_record(time_s, RECORDING_EVENT, 0, b"Starting Recording"))

    def append(self, changes: Iterable[tuple[float, int]]) -> None:
        """Append changes of the lines (time on the recorder's clock, in s; state of all lines)."""
        self._write(b"".join(_record(t, TTL_EVENT, lines, _said(lines)) for t, lines in changes))

    def stop_recording(self, time_s: float) -> None:
        """Append the record that recording stopped."""
        self._write(_record(time_s, RECORDING_EVENT, 0, b"Stopping Recording"))

    def _write(self, data: bytes) -> None:
        self.file.write(data)
        self.file.flush()

    def _header(self, closed: str) -> bytes:
        text = "\r\n".join(
            (
                "######## Neuralynx Data File Header",
                "-FileType Event",
                "-FileVersion 3.4",
                f"-FileUUID {self.ids[0]}",
                f"-SessionUUID {self.ids[1]}",
                "-ProbeName simulated",
                f'-OriginalFileName "{self.path.name}"',
                f"-TimeCreated {self.opened:%Y/%m/%d %H:%M:%S}",
                f"-TimeClosed {closed}",
                "",
                f"-RecordSize {RECORD.size}",
                '-ApplicationName Cheetah "6.4.1"',
                "-AcquisitionSystem AcqSystem1 ATLAS",
                "-AcqEntName Events",
                "",
            )
        )
        return text.encode("latin-1").ljust(HEADER_BYTES, b"\0")


def _record(time_s: float, event: int, lines: int, said: bytes) -> bytes:
    time_us = round(time_s * 1e6)
    return RECORD.pack(0, 0, 2, time_us, event, lines, 0, 0, 0, *(0,) * 8, said)


@cache
def _said(lines: int) -> bytes:
    return f"TTL Input on AcqSystem1_0 board 0 port 0 value (0x{lines:04X}).".encode()
