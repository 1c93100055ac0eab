"""Analog channels of Blackrock and Ripple recordings (`.ns1` to `.ns9`, versions 2.1 to 3.0).

Little-endian.  2.1 (`NEURALSG`): label, period, number of channels, their electrodes; then frames
of one 16-bit sample per channel to the end of the file, from time 0.  2.2, 2.3 (`NEURALCD`) and 3.0
(`BRSMPGRP`): a header of 314 bytes, 66 per channel, then blocks: 1, stamp (32 bits, in 3.0 64),
number of frames, frames.  A pause begins a new block; with the precision time protocol every frame
is a block.  Periods count in 1/30,000 s, stamps in ticks of their own.

Sources: Blackrock, NSx file format LB-0023; Ripple, Trellis NSx specification R01838.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.readers.blackrock import LAST_ELECTRODE, TICKS, decoded, electrode_names
from analysis.readers.blackrock_clock import DISORDER_S, WRAP, passes, restarted
from analysis.trace import Piece, Trace
from task.contract.errors import RecordingError

PERIODS_HZ = TICKS[0]
GAP_PERIODS = 0.5
OVERLAP_PERIODS = 2.0  # clocks that follow another are put back by less
_OLD, _MIDDLE, _NEW = b"NEURALSG", b"NEURALCD", b"BRSMPGRP"
_VERSIONS = {_MIDDLE: ((2, 2), (2, 3)), _NEW: ((3, 0),)}
_OLD_HEADER = np.dtype([("magic", "S8"), ("label", "S16"), ("period", "<u4"), ("channels", "<u4")])
_HEADER = np.dtype(
    [
        ("magic", "S8"),
        ("version", "u1", 2),
        ("header_bytes", "<u4"),
        ("label", "S16"),
        ("comment", "S256"),
        ("period", "<u4"),
        ("second", "<u4"),
        ("date", "<u2", 8),
        ("channels", "<u4"),
    ]
)
_CHANNEL = np.dtype(
    {
        "names": ["kind", "electrode", "label"],
        "formats": ["S2", "<u2", "S16"],
        "offsets": [0, 2, 4],
        "itemsize": 66,
    }
)
_FRONT_END = 128  # electrodes up to here; analog inputs follow
_SHOWN = 10
_CHUNK = 1 << 18
_MOST_PIECES = 10_000
_COPY = "copy it again from the recording computer"


@dataclass(frozen=True, slots=True, eq=False)
class _File:
    path: Path
    size: int
    header_bytes: int
    stamp: int  # bytes of a stamp; 0 where there are no blocks
    second: int  # ticks per second of the stamps
    period: int
    names: tuple[str, ...]

    @property
    def frame(self) -> int:
        """Bytes of one sample of every channel."""
        return 2 * len(self.names)

    @property
    def period_s(self) -> float:
        """From one sample to the next, nominally."""
        return self.period / PERIODS_HZ


@dataclass(frozen=True, slots=True)
class _Blocks:
    """Blocks of one size that follow each other in the file; `number` counts from 1."""

    number: int
    offset: int
    count: int
    frames: int


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Blocks that follow each other in time too: of `blocks`, from `first` up to `last`."""

    blocks: _Blocks
    first: int
    last: int
    stamp: int
    end: float  # by the stamps
    start: int  # in ticks of its clock, which may have passed the end of its counter
    run: int
    joins: bool  # goes on where the stretch before ends


def recognises(path: Path) -> bool:
    """Whether this is a file of analog channels by its name."""
    suffix = path.suffix.lower()
    return suffix[:3] == ".ns" and suffix[3:] in set("123456789") and path.is_file()


def channels(path: Path) -> tuple[str, ...]:
    """Labels of the channels, in the order of the file.

    Raises
    ------
    RecordingError
        If the file is none of these systems, or its header is cut or damaged.
    """
    return _open(path).names


def read_trace(path: Path, channel: str | None = None, clock: int | None = None) -> Trace:
    """A channel, in pieces between gaps, in steps of the converter.

    Parameters
    ----------
    channel : its label; None for the only one
    clock : which, from 1 (see `blackrock_clock`); None for the only one

    Raises
    ------
    RecordingError
        If the file is none of these systems, cut or damaged, holds no samples; or holds several
        channels or clocks and none is named, or none of that name.
    """
    file = _open(path)
    column = _column(file, channel)
    try:
        stored = np.memmap(path, np.uint8, "r", shape=(file.size,))
    except (OSError, ValueError) as error:
        raise RecordingError(f"{path}: cannot be read: {error}") from None
    stretches = _stretches(file, stored)
    if not stretches:
        raise RecordingError(f"{path}: holds a header and no samples")
    chosen = _of_clock(file, stretches, clock)
    joined: list[list[_Stretch]] = []
    for stretch in chosen:
        if stretch.joins and joined:
            joined[-1].append(stretch)
        else:
            joined.append([stretch])
    return Trace(tuple(_piece(file, stored, column, stretches) for stretches in joined))


def _column(file: _File, channel: str | None) -> int:
    shown = ", ".join(file.names[:_SHOWN])
    if len(file.names) > _SHOWN:
        shown += f", … ({len(file.names)} in all)"
    if channel is None and len(file.names) > 1:
        raise RecordingError(f"{file.path}: holds several channels; name one of {shown}")
    if channel is not None and channel not in file.names:
        raise RecordingError(f"{file.path}: holds no channel {channel!r}; it has {shown}")
    return 0 if channel is None else file.names.index(channel)


def _of_clock(file: _File, stretches: list[_Stretch], clock: int | None) -> list[_Stretch]:
    clocks = stretches[-1].run
    if clock is None and clocks > 1:
        raise RecordingError(
            f"{file.path}: its clock was restarted: it holds {clocks} clocks, whose times have"
            f" nothing to do with each other; name one of 1 to {clocks}"
        )
    if clock is not None and not 1 <= clock <= clocks:
        raise RecordingError(f"{file.path}: holds no clock {clock}; it has 1 to {clocks}")
    return [s for s in stretches if clock is None or s.run == clock]


def _piece(file: _File, stored: NDArray[np.uint8], column: int, stretches: list[_Stretch]) -> Piece:
    """Stretches without a gap; where many blocks tell their times, the rate is theirs."""
    values = [_values(file, stored, column, s) for s in stretches]
    period_s = file.period_s
    first, last = stretches[0], stretches[-1]
    last_block = _stamp(file, stored, last.blocks, last.last - 1) + last.start - last.stamp
    frames = sum(map(len, values)) - last.blocks.frames  # up to where the last block begins
    if frames > 0:
        period_s = (last_block - first.start) / file.second / frames
    return Piece(
        first.start / file.second,
        period_s,
        values[0] if len(values) == 1 else np.concatenate(values),
    )


def _values(file: _File, stored: NDArray[np.uint8], column: int, stretch: _Stretch) -> NDArray[Any]:
    """The samples of one channel, as they lie in the file."""
    blocks, count = stretch.blocks, stretch.last - stretch.first
    begins = blocks.offset + stretch.first * _stride(file, blocks) + _head_bytes(file) + 2 * column
    strides = (_stride(file, blocks), file.frame)
    seen: NDArray[Any] = np.ndarray((count, blocks.frames), "<i2", stored, begins, strides)
    if blocks.frames == 1:
        return seen[:, 0]
    return seen[0] if count == 1 else seen.reshape(-1)


# Blocks ------------------------------------------------------------------------------------------


def _head_bytes(file: _File) -> int:
    return file.stamp + 5 if file.stamp else 0


def _stride(file: _File, blocks: _Blocks) -> int:
    return _head_bytes(file) + blocks.frames * file.frame


def _heads(
    file: _File, stored: NDArray[np.uint8], offset: int, stride: int, count: int
) -> NDArray[np.void]:
    head = np.dtype([("one", "u1"), ("stamp", f"<u{file.stamp}"), ("frames", "<u4")])
    seen: NDArray[np.void] = np.ndarray((count,), head, stored, offset, (stride,))
    return seen


def _stamp(file: _File, stored: NDArray[np.uint8], blocks: _Blocks, which: int) -> int:
    if not file.stamp:
        return 0
    offset = blocks.offset + which * _stride(file, blocks)
    return int(_heads(file, stored, offset, 1, 1)["stamp"][0])


def _blocks(file: _File, stored: NDArray[np.uint8]) -> Iterator[_Blocks]:
    """Walk through the blocks; those of one size are taken together."""
    if not file.stamp:
        frames = (file.size - file.header_bytes) // file.frame
        if frames:
            yield _Blocks(1, file.header_bytes, 1, frames)
        return
    offset, number, empty = file.header_bytes, 1, False
    while offset < file.size:
        if offset + _head_bytes(file) > file.size:
            raise RecordingError(f"{file.path}: ends within the head of block {number}; {_COPY}")
        head = _heads(file, stored, offset, 1, 1)[0]
        if head["one"] != 1:
            why = "the one before it says that it is empty; recording was not ended properly"
            raise RecordingError(
                f"{file.path}: block {number} does not begin with 1:"
                f" {why if empty else 'the file is damaged'}"
            )
        frames = int(head["frames"])
        room = (file.size - offset - _head_bytes(file)) // file.frame
        if frames > room:
            raise RecordingError(
                f"{file.path}: block {number} says that it holds {frames} samples, but the file"
                f" ends after {room}; {_COPY}"
            )
        count = _alike(file, stored, offset, frames)
        blocks = _Blocks(number, offset, count, frames)
        if frames:
            yield blocks
        offset, number, empty = offset + count * _stride(file, blocks), number + count, not frames


def _alike(file: _File, stored: NDArray[np.uint8], offset: int, frames: int) -> int:
    """How many blocks of this size follow each other from here."""
    stride = _head_bytes(file) + frames * file.frame
    most = (file.size - offset) // stride
    count, step = 1, 1
    while count < most:
        some = min(step, most - count)
        heads = _heads(file, stored, offset + count * stride, stride, some)
        same = (heads["one"] == 1) & (heads["frames"] == frames)
        if not same.all():
            return count + int(same.argmin())
        count, step = count + some, min(2 * step, _CHUNK)
    return count


# Time --------------------------------------------------------------------------------------------


def _stretches(file: _File, stored: NDArray[np.uint8]) -> list[_Stretch]:
    """Blocks whose stamps follow each other, and where the clock was restarted."""
    found: list[_Stretch] = []
    expected: float | None = None  # ticks of this run's clock
    run = 1
    period = file.period_s * file.second
    close = GAP_PERIODS * period
    for blocks in _blocks(file, stored):
        length = blocks.frames * file.period_s * file.second
        for first, last in _regular(file, stored, blocks, length):
            stamp = _stamp(file, stored, blocks, first)
            start, anew = _placed(file, stamp, expected)
            joins = expected is not None and not anew and abs(start - expected) <= close
            end = _stamp(file, stored, blocks, last - 1) + length
            expected_before = expected if expected is not None else start
            run, expected = run + anew, start - stamp + end
            found.append(_Stretch(blocks, first, last, stamp, end, start, run, joins))
            if len(found) > 2:
                _refuse_strays(file, *found[-3:])
            if len(found) > 1 and found[-2].run == run and found[-2].start >= start:
                raise RecordingError(
                    f"{file.path}: block {blocks.number + first} is older than the one before it"
                )
            if len(found) > 1 and not anew and expected_before - start > OVERLAP_PERIODS * period:
                raise RecordingError(
                    f"{file.path}: block {blocks.number + first} begins within the one before it;"
                    " the file is damaged"
                )
            if len(found) > _MOST_PIECES:
                raise RecordingError(
                    f"{file.path}: its time jumps more than {_MOST_PIECES} times, last at block"
                    f" {blocks.number + first}; the file is damaged"
                )
    return found


def _regular(
    file: _File, stored: NDArray[np.uint8], blocks: _Blocks, length: float
) -> Iterator[tuple[int, int]]:
    """Ranges of blocks each of which begins where the one before ends."""
    begins = 0
    close = GAP_PERIODS * file.period_s * file.second
    stride = _stride(file, blocks)
    for start in range(0, blocks.count - 1, _CHUNK):
        some = min(_CHUNK + 1, blocks.count - start)
        heads = _heads(file, stored, blocks.offset + start * stride, stride, some)
        told = heads["stamp"].astype(np.int64)
        step = told[1:] - told[:-1]
        for place in (start + 1 + np.flatnonzero(np.abs(step - length) > close)).tolist():
            yield begins, place
            begins = place
    yield begins, blocks.count


def _placed(file: _File, stamp: int, expected: float | None) -> tuple[int, bool]:
    """Ticks at which a block begins, and whether its clock is another than that before."""
    if expected is None:
        return stamp, False
    base = int(expected // WRAP) * WRAP if file.stamp == 4 else 0
    if file.stamp == 4 and passes(expected - base, stamp, file.second):
        return base + WRAP + stamp, False
    if restarted(expected - base, stamp, file.second):
        return stamp, True
    return base + stamp, False


def _refuse_strays(file: _File, before: _Stretch, here: _Stretch, after: _Stretch) -> None:
    """Refuse blocks whose time lies elsewhere while their neighbours follow each other."""
    off = here.stamp - before.end
    close = GAP_PERIODS * file.period_s * file.second
    if abs(off) > DISORDER_S * file.second and abs(after.stamp + off - here.end) <= close:
        raise RecordingError(
            f"{file.path}: block {here.blocks.number + here.first} has a time far from those of"
            " its neighbours; the file is damaged"
        )


# The header --------------------------------------------------------------------------------------


def _open(path: Path) -> _File:
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            magic = stream.read(8)
            stream.seek(0)
            if not magic:
                raise RecordingError(f"{path}: is empty")
            if magic == _OLD:
                return _old(path, size, stream.read(_OLD_HEADER.itemsize + 4 * LAST_ELECTRODE))
            if magic in (_MIDDLE, _NEW):
                begins = stream.read(_HEADER.itemsize + _CHANNEL.itemsize * LAST_ELECTRODE)
                return _new(path, size, begins)
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from None
    raise RecordingError(
        f"{path}: is no file of analog channels of Blackrock or Ripple: its header is another"
    )


def _old(path: Path, size: int, begins: bytes) -> _File:
    head = _head(path, begins, _OLD_HEADER)
    count = int(head["channels"])
    ids = np.frombuffer(_described(path, begins, _OLD_HEADER.itemsize, 4 * count), "<u4").tolist()
    if not ids or max(ids) > LAST_ELECTRODE:
        raise RecordingError(f"{path}: its header lists no channels that can be; it is damaged")
    labels = [f"chan{n}" if n <= _FRONT_END else f"ainp{n - _FRONT_END}" for n in ids]
    names = _names(path, ids, labels)
    header_bytes = _OLD_HEADER.itemsize + 4 * count
    return _File(path, size, header_bytes, 0, PERIODS_HZ, int(head["period"]), names)


def _new(path: Path, size: int, begins: bytes) -> _File:
    head = _head(path, begins, _HEADER)
    version = tuple(head["version"].tolist())
    known = _VERSIONS[begins[:8]]
    if version not in known:
        names = ", ".join(f"{a}.{b}" for a, b in known)
        raise RecordingError(
            f"{path}: is of version {version[0]}.{version[1]}; {begins[:8].decode()} is known in"
            f" {names}"
        )
    count = int(head["channels"])
    total = _HEADER.itemsize + _CHANNEL.itemsize * count
    if head["header_bytes"] != total:
        raise RecordingError(
            f"{path}: its header says {head['header_bytes']} bytes, its {count} channels make"
            f" {total}; it is damaged"
        )
    if head["second"] not in TICKS:
        raise RecordingError(
            f"{path}: its header says {head['second']} ticks per second; there are"
            f" {TICKS[0]} and {TICKS[1]}; it is damaged"
        )
    entries = np.frombuffer(
        _described(path, begins, _HEADER.itemsize, _CHANNEL.itemsize * count), _CHANNEL
    )
    if not count or (entries["kind"] != b"CC").any():
        raise RecordingError(f"{path}: its header lists no channels that can be; it is damaged")
    ids = entries["electrode"].tolist()
    names_ = _names(path, ids, [decoded(label) for label in entries["label"].tolist()])
    stamp = 4 if begins[:8] == _MIDDLE else 8
    return _File(path, size, total, stamp, int(head["second"]), int(head["period"]), names_)


def _head(path: Path, begins: bytes, kind: np.dtype[np.void]) -> np.void:
    if len(begins) < kind.itemsize:
        raise RecordingError(f"{path}: ends within its header; {_COPY}")
    head: np.void = np.frombuffer(begins, kind, 1)[0]
    if not head["period"]:
        raise RecordingError(f"{path}: its header says that its period is 0; it is damaged")
    return head


def _described(path: Path, begins: bytes, start: int, length: int) -> bytes:
    if len(begins) < start + length:
        raise RecordingError(f"{path}: ends within its header; {_COPY}")
    return begins[start : start + length]


def _names(path: Path, ids: list[int], labels: list[str]) -> tuple[str, ...]:
    if len(set(ids)) < len(ids):
        twice = next(n for n in ids if ids.count(n) > 1)
        raise RecordingError(f"{path}: two of its channels are of electrode {twice}; it is damaged")
    odd = [n for n, label in enumerate(labels, start=1) if not (label.isprintable() or not label)]
    if odd:
        raise RecordingError(f"{path}: channel {odd[0]} has a name of no letters; it is damaged")
    return tuple(electrode_names(dict(zip(ids, labels, strict=True))).values())
