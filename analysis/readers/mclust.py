"""Units as MClust leaves them: one file per cell, `<session>-TT<tetrode>_<cell>.t`.

A text header from `%%BEGINHEADER` to a line `%%ENDHEADER`, then the times of the spikes, ascending,
as unsigned big-endian integers in units of 0.1 ms on the clock of the recording (MClust 4.4,
`@MClustData/WriteTfiles.m` and `LoadSpikes.m`).  `.t` and `.t32` hold 32 bits a spike, `.t64` 64;
some versions wrote 64 bits under the shorter names, others said "uint32" over 64 bits, so that the
name, the header and the order of the times together decide.  Numbers that do not fit into 32 bits
were written as the largest that does.  `.raw32` and `.raw64` are in units of whatever was sorted,
which no file says, and files from before there were headers say nothing at all: both are refused.

A name with an underscore after the dot (`._t`, `._t64`) marks a cell that the person who sorted did
not trust to be a single one: its kind is `multi`.  Where a folder has such files the others are
`single`; where it has none, nobody was asked, and the kind is unknown.
"""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.recording import MULTI, SINGLE, Unit, Units, collect_units
from task.contract.errors import RecordingError

TICKS_PER_S = 10_000
_FILE = re.compile(r"(?P<stem>[^.].*_(?P<cell>\d+))\.(?P<mark>_?)(?P<form>t|t32|t64|raw32|raw64)")
_PROBE = re.compile(
    r"(?P<session>.*[^A-Za-z0-9])?(?P<label>[A-Za-z]+(?P<channel>\d+)(_[A-Za-z]+)?_\d+)"
)
_BEGINS, _ENDS = b"%%BEGINHEADER", re.compile(rb"^%%ENDHEADER[ \t]*\r?\n", re.MULTILINE)
_HEADER_MOST_BYTES = 65_536
_RAW = re.compile(rb"same as input", re.IGNORECASE)
_WIDE = re.compile(rb"uint64", re.IGNORECASE)
_LATEST = 2**45  # a hundred years; what two times of 32 bits make when taken for one of 64 is more
_FULL = 2**32 - 1
_Match = re.Match[str]


def recognises(folder: Path) -> bool:
    """Whether the folder holds files that are named like MClust's."""
    return folder.is_dir() and any(_FILE.fullmatch(path.name) for path in folder.iterdir())


def read_units(folder: Path) -> Units:
    """All cells of a session, by tetrode and cell; their areas are not known here.

    A label is the name of the file without the session and the ending (`TT01_1`), and `channel` the
    number of the tetrode; a file whose name tells no tetrode has all of its name as label.

    Raises
    ------
    RecordingError
        If a file cannot be read, is none of MClust's, or tells no units of time; if two files are
        of the same cell, or some are of another session.
    """
    names = [name for path in sorted(folder.iterdir()) if (name := _FILE.fullmatch(path.name))]
    probes = [_PROBE.fullmatch(name["stem"]) for name in names]
    labels = [
        probe["label"] if probe else name["stem"] for name, probe in zip(names, probes, strict=True)
    ]
    _refuse_mixture(folder, names, probes, labels)
    asked = any(name["mark"] for name in names)
    units = [
        Unit(
            label,
            int(name["cell"]),
            _spikes_s(folder / name[0], name["form"]),
            int(probe["channel"]) if probe else None,
            kind=MULTI if name["mark"] else SINGLE if asked else "",
        )
        for name, probe, label in zip(names, probes, labels, strict=True)
    ]
    return collect_units(sorted(units, key=_place))


def _place(unit: Unit) -> tuple[bool, int, int, str]:
    return unit.channel is None, unit.channel or 0, unit.cell, unit.label


def _refuse_mixture(
    folder: Path, names: list[_Match], probes: list[_Match | None], labels: list[str]
) -> None:
    """Two files of one cell, or of two sessions, cannot be told from damage."""
    cells: dict[str, str] = {}
    sessions: dict[str, str] = {}
    for name, probe, label in zip(names, probes, labels, strict=True):
        other = cells.setdefault(label, name[0])
        if other != name[0]:
            raise RecordingError(f"{folder}: {other} and {name[0]} are both {label}; keep one")
        if probe:
            sessions.setdefault(probe["session"] or "", name[0])
    if len(sessions) > 1:
        one, two, *_ = sessions.values()
        raise RecordingError(
            f"{folder}: {one} and {two} are of two sessions; keep each in a folder of its own"
        )


def _spikes_s(path: Path, form: str) -> NDArray[np.float64]:
    header, size = _header(path)
    if form.startswith("raw") or _RAW.search(header):
        raise RecordingError(
            f"{path}: holds times in units of what was sorted, which it does not name; let MClust"
            " write .t64 files"
        )
    rest = size - len(header)
    if not rest:
        raise RecordingError(
            f"{path}: holds a header and no spikes, which MClust never writes; copy it again"
        )
    wide = form == "t64" or bool(_WIDE.search(header)) or _is_wide(path, len(header), rest)
    return _ticks(path, ">u8" if wide else ">u4", header, rest) / TICKS_PER_S


def _header(path: Path) -> tuple[bytes, int]:
    """The header with the line that ends it, and the size of the file."""
    try:
        with path.open("rb") as file:
            begins = file.read(_HEADER_MOST_BYTES)
        size = path.stat().st_size
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from None
    if not size:
        raise RecordingError(f"{path}: is empty; copy it again from where it was written")
    if not begins.startswith(_BEGINS):
        raise RecordingError(
            f"{path}: does not begin with %%BEGINHEADER, so that nothing tells what its numbers"
            " mean; let MClust write it again"
        )
    ends = _ENDS.search(begins)
    if not ends:
        raise RecordingError(f"{path}: its header has no line %%ENDHEADER; copy it again")
    return begins[: ends.end()], size


def _is_wide(path: Path, begins: int, rest: int) -> bool:
    """Whether 64 bits were written a spike though nothing says so: every other word is the same."""
    if rest % 8:
        return False
    words = np.memmap(path, ">u4", "r", begins)
    steps_back = bool((words[1:] < words[:-1]).any())
    return steps_back and bool((words[::2] == words[0]).all())


def _ticks(path: Path, dtype: str, header: bytes, rest: int) -> NDArray[np.uint64]:
    n, more = divmod(rest, np.dtype(dtype).itemsize)
    if more:
        raise RecordingError(f"{path}: ends within spike {n + 1}; copy it again")
    ticks = np.memmap(path, dtype, "r", len(header)).astype(np.uint64)
    back = ticks[1:] < ticks[:-1]
    if back.any():
        raise RecordingError(
            f"{path}: spike {int(back.argmax()) + 2} is earlier than the one before it; the file is"
            " damaged, or none of MClust's"
        )
    if ticks[-1] >= _LATEST:
        first = int(np.searchsorted(ticks, np.uint64(_LATEST)))
        raise RecordingError(
            f"{path}: spike {first + 1} is at {int(ticks[first])} x 0.1 ms; the file is damaged, or"
            " none of MClust's"
        )
    if dtype == ">u4" and ticks[-1] == _FULL:
        raise RecordingError(
            f"{path}: holds times that do not fit into its 32 bits; let MClust write .t64 files"
        )
    return ticks
