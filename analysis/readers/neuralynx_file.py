"""What all files of a Neuralynx system share, `.nev`, `.ncs`, `.nse` and `.ntt` alike.

A text header of 16,384 bytes, then records of one size, little-endian, each with its time in us
("Neuralynx Data File Formats", Neuralynx Inc.).  Lines of the header read `-Key value`; which keys
there are differs from version to version, so nobody here needs any.  Records are read in chunks:
files of many GB do not fit into memory.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from task.contract.errors import RecordingError

HEADER_BYTES = 16_384
CHUNK_BYTES = 2**23
LATEST_US = 2**52  # the year 2112 of clocks that count from 1970; others count from their start
LONGEST_US = 100 * 86_400 * 10**6  # between records: no patient stays that long
_BEGINS = b"######## Neuralynx"
_LINE = re.compile(r"^[ \t]*-(\w+):?[ \t]+(.*)$", re.MULTILINE)
_COPY_AGAIN = "copy it again from the recording computer"


@dataclass(frozen=True, slots=True)
class Records:
    """The records of a file, still on disk.

    Attributes
    ----------
    header : values by key as they stand there, without quotes; the first where a key repeats
    layout : of a record; with a field `time_us`
    """

    path: Path
    header: Mapping[str, str]
    layout: np.dtype[np.void]
    count: int

    def chunks(self, *, most_back_us: int = 0) -> Iterator[tuple[int, NDArray[np.void]]]:
        """The records in the order of the file: how many came before, and the next ones.

        Parameters
        ----------
        most_back_us : so much a record may be older than one before it

        Raises
        ------
        RecordingError
            If the file cannot be read, or a time is absurd.
        """
        newest_us: int | None = None
        try:
            with self.path.open("rb") as file:
                file.seek(HEADER_BYTES)
                size = max(1, CHUNK_BYTES // self.layout.itemsize)
                for before in range(0, self.count, size):
                    records = self._next(file, min(size, self.count - before))
                    time_us: NDArray[np.uint64] = records["time_us"]
                    newest_us = self._newest(before, time_us, newest_us, most_back_us)
                    yield before, records
        except OSError as error:
            raise RecordingError(f"{self.path}: cannot be read: {error.strerror}") from None

    def _next(self, file: BinaryIO, count: int) -> NDArray[np.void]:
        records = np.fromfile(file, self.layout, count)
        if len(records) < count:
            raise RecordingError(f"{self.path}: became shorter while it was read")
        return records

    def _newest(
        self, before: int, time_us: NDArray[np.uint64], newest_us: int | None, most_back_us: int
    ) -> int:
        """The latest time so far, once these are found plausible."""
        absurd = time_us >= LATEST_US
        if absurd.any():
            at = int(absurd.argmax())
            raise RecordingError(
                f"{self.path}: record {before + at + 1} has the time {time_us[at]} us, which no"
                " recorder's clock reaches; the file is damaged"
            )
        times_us = time_us.astype(np.int64)
        start_us = int(times_us[0]) if newest_us is None else newest_us
        newest = np.maximum.accumulate(np.append(start_us, times_us))
        ahead_us = times_us - newest[:-1]
        wrong = (ahead_us < -most_back_us) | (ahead_us > LONGEST_US)
        if wrong.any():
            at = int(wrong.argmax())
            seconds = abs(int(ahead_us[at])) / 1e6
            raise RecordingError(
                f"{self.path}: record {before + at + 1} is {seconds:.15g} s"
                f" {'older' if ahead_us[at] < 0 else 'later'} than one before it: the recorder's"
                " clock was set anew within the file, or the file is damaged"
            )
        return int(newest[-1])


def open_records(path: Path, layout: np.dtype[np.void], what: str) -> Records:
    """A file and its header.

    Parameters
    ----------
    what : the file should be, for messages (`events file`)

    Raises
    ------
    RecordingError
        If the file is missing, empty, none of Neuralynx, or ends within its header or a record.
    """
    try:
        with path.open("rb") as file:
            begins = file.read(HEADER_BYTES)
            size = file.seek(0, 2)
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from None
    if not begins:
        raise RecordingError(f"{path}: is empty; {_COPY_AGAIN}")
    if not begins.startswith(_BEGINS):
        raise RecordingError(f"{path}: is no {what} of Neuralynx: its header is another")
    if size < HEADER_BYTES:
        raise RecordingError(f"{path}: ends within its header; {_COPY_AGAIN}")
    header = _parse(begins)
    whole, rest = divmod(size - HEADER_BYTES, layout.itemsize)
    if rest:
        raise RecordingError(f"{path}: {_why_not_whole(header, layout, what, whole)}")
    return Records(path, header, layout, whole)


def entity_name(records: Records) -> str:
    """What the recorder calls the wire or the group of wires; the file's name where it is silent.

    Files are renamed and split (`CSC7_0001.ncs`); their headers keep the name.
    """
    for key in ("AcqEntName", "NLX_Base_Class_Name"):  # now, and before Cheetah 5
        name = records.header.get(key, "")
        if name and name.isprintable():
            return name
    return records.path.stem


def _parse(begins: bytes) -> dict[str, str]:
    text = begins.replace(b"\0", b"\n").decode("latin-1").replace("\r", "\n")
    header: dict[str, str] = {}
    for key, value in _LINE.findall(text):
        header.setdefault(key, value.strip().strip('"').strip())
    return header


def _why_not_whole(
    header: Mapping[str, str], layout: np.dtype[np.void], what: str, whole: int
) -> str:
    said = header.get("RecordSize", "")
    if said.isdecimal() and int(said) != layout.itemsize:
        return (
            f"is no {what}: by its header its records have {said} bytes, not {layout.itemsize};"
            " was it renamed?"
        )
    return f"ends within record {whole + 1} ({whole} whole records before it); {_COPY_AGAIN}"
