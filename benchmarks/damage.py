"""What happens to files: flipped bits, lost ends, blocks that stand elsewhere, odd times.

Every kind of damage takes the bytes of a file, its specimen, bytes of another file, and a random
generator, and gives the damaged bytes.  Kinds that need records work only where a specimen has a
layout, kinds that need rows of numbers only on MATLAB's files up to version 7.
"""

import io
import random
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
from scipy.io import loadmat, savemat

from benchmarks.specimens import Layout, Specimen

Damage = Callable[[bytes, Specimen, bytes, random.Random], bytes]
_SIZES = (1, 2, 8, 64, 184, 512, 1_044, 4_096)
_HEAD = 32_768
_MATRICES = ("events", "cluster_class", "spikes", "brainArea")


@cache
def kinds_for(specimen: Specimen) -> list[str]:
    """Kinds of damage that this specimen can take."""
    fitting = list(_ANY)
    if specimen.layout:
        fitting += _RECORDS
    contents = specimen.contents[specimen.victim]
    if contents.startswith(b"MATLAB 5.0") and _matrix(loadmat(io.BytesIO(contents))):
        fitting += _ROWS
    if _is_text(contents):
        fitting += _LINES
    return fitting


def damaged(kind: str, specimen: Specimen, other: bytes, rng: random.Random) -> bytes:
    """The victim of a specimen after one kind of damage."""
    every = {**_ANY, **_RECORDS, **_ROWS, **_LINES}
    return every[kind](specimen.contents[specimen.victim], specimen, other, rng)


# Any bytes ---------------------------------------------------------------------------------------


def _bits(whole: bytes, specimen: Specimen, other: bytes, rng: random.Random) -> bytes:
    """Half of the time where formats have their headers."""
    found = bytearray(whole)
    reach = len(found) if rng.random() < 0.5 else min(_HEAD, len(found))
    for _ in range(rng.choice([1, 1, 2, 8, 64])):
        found[rng.randrange(reach)] ^= 1 << rng.randrange(8)
    return bytes(found)


def _header_byte(whole: bytes, specimen: Specimen, other: bytes, rng: random.Random) -> bytes:
    found = bytearray(whole)
    at = rng.randrange(min(400, len(found)))
    found[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
    return bytes(found)


def _cut(whole: bytes, specimen: Specimen, other: bytes, rng: random.Random) -> bytes:
    return whole[: rng.randrange(len(whole))]


def _cut_by_few(whole: bytes, specimen: Specimen, other: bytes, rng: random.Random) -> bytes:
    return whole[: max(0, len(whole) - rng.randint(1, 600))]


def _longer(whole: bytes, specimen: Specimen, other: bytes, rng: random.Random) -> bytes:
    return whole + rng.randbytes(rng.choice(_SIZES))


def _block(whole: bytes, rng: random.Random) -> tuple[int, int]:
    size = min(rng.choice(_SIZES), max(1, len(whole) // 2))
    return rng.randrange(len(whole) - size + 1), size


def _zeroed(whole: bytes, specimen: Specimen, other: bytes, rng: random.Random) -> bytes:
    at, size = _block(whole, rng)
    return whole[:at] + bytes(size) + whole[at + size :]


def _lost_block(whole: bytes, specimen: Specimen, other: bytes, rng: random.Random) -> bytes:
    at, size = _block(whole, rng)
    return whole[:at] + whole[at + size :]


def _repeated(whole: bytes, specimen: Specimen, other: bytes, rng: random.Random) -> bytes:
    """A block twice: pushing the rest on, or over what followed."""
    at, size = _block(whole, rng)
    block, rest = whole[at : at + size], whole[at + size :]
    if rng.random() < 0.5:
        return whole[:at] + block + block + rest
    return (whole[:at] + block + block + rest[size:])[: len(whole)]


def _swapped(whole: bytes, specimen: Specimen, other: bytes, rng: random.Random) -> bytes:
    found = bytearray(whole)
    (one, size), two = _block(whole, rng), rng.randrange(len(whole))
    size = min(size, len(whole) - max(one, two), abs(one - two))
    found[one : one + size], found[two : two + size] = (
        whole[two : two + size],
        whole[one : one + size],
    )
    return bytes(found)


def _spliced(whole: bytes, specimen: Specimen, other: bytes, rng: random.Random) -> bytes:
    """One file's beginning, another's end."""
    at = rng.randrange(min(len(whole), len(other)) + 1)
    return whole[:at] + other[at:]


def _halves(whole: bytes, specimen: Specimen, other: bytes, rng: random.Random) -> bytes:
    middle = len(whole) // 2
    return whole[middle:] + whole[:middle]


def _other_endian(whole: bytes, specimen: Specimen, other: bytes, rng: random.Random) -> bytes:
    """Words turned around: of all the file, or of what follows its header."""
    width = rng.choice([2, 4, 8])
    begins = rng.choice([0, specimen.layout.begins if specimen.layout else 128])
    stop = begins + (len(whole) - begins) // width * width
    if stop <= begins:
        return whole[::-1]
    words = np.frombuffer(whole[begins:stop], f"<u{width}").byteswap().tobytes()
    return whole[:begins] + words + whole[stop:]


def _half_copied(whole: bytes, specimen: Specimen, other: bytes, rng: random.Random) -> bytes:
    """The size is right, the end was never written."""
    at = rng.randrange(len(whole))
    at -= at % rng.choice([1, 512, 4_096])
    return whole[:at] + bytes(len(whole) - at)


def _empty(whole: bytes, specimen: Specimen, other: bytes, rng: random.Random) -> bytes:
    return b""


def _other_file(whole: bytes, specimen: Specimen, other: bytes, rng: random.Random) -> bytes:
    return other


def _noise(whole: bytes, specimen: Specimen, other: bytes, rng: random.Random) -> bytes:
    return rng.randbytes(rng.choice([1, 100, min(len(whole), 200_000)]))


# Records -----------------------------------------------------------------------------------------


def _split(whole: bytes, layout: Layout) -> tuple[bytes, list[bytes]]:
    body = whole[layout.begins :]
    step = layout.size
    return whole[: layout.begins], [body[n : n + step] for n in range(0, len(body), step)]


def _with_time(record: bytes, layout: Layout, change: Callable[[int], int]) -> bytes:
    at, dtype = layout.time_at, np.dtype(layout.time)
    stop = at + dtype.itemsize
    if len(record) < stop:
        return record
    order = "little" if layout.time[0] == "<" else "big"
    told = change(int.from_bytes(record[at:stop], order)) % 2 ** (8 * dtype.itemsize)  # type: ignore[arg-type]
    return record[:at] + told.to_bytes(dtype.itemsize, order) + record[stop:]  # type: ignore[arg-type]


def _records(change: Callable[[list[bytes], Layout, random.Random], list[bytes]]) -> Damage:
    def damage(whole: bytes, specimen: Specimen, other: bytes, rng: random.Random) -> bytes:
        assert specimen.layout
        head, records = _split(whole, specimen.layout)
        return head + b"".join(change(records, specimen.layout, rng))

    return damage


def _one_time(change: Callable[[int, int], int]) -> Damage:
    """Another time in one record; told its time and that of the record before."""

    def changed(records: list[bytes], layout: Layout, rng: random.Random) -> list[bytes]:
        at = rng.randrange(len(records))
        before = _time(records[at - 1], layout) if at else 0
        records[at] = _with_time(records[at], layout, lambda told: change(told, before))
        return records

    return _records(changed)


def _all_times(change: Callable[[int], int]) -> Damage:
    """Another time in every record from one on, or in all."""

    def changed(records: list[bytes], layout: Layout, rng: random.Random) -> list[bytes]:
        first = rng.choice([0, rng.randrange(len(records))])
        later = [_with_time(record, layout, change) for record in records[first:]]
        return records[:first] + later

    return _records(changed)


def _time(record: bytes, layout: Layout) -> int:
    stop = layout.time_at + np.dtype(layout.time).itemsize
    order = "little" if layout.time[0] == "<" else "big"
    return int.from_bytes(record[layout.time_at : stop], order)  # type: ignore[arg-type]


def _record_swapped(records: list[bytes], layout: Layout, rng: random.Random) -> list[bytes]:
    one, two = rng.randrange(len(records)), rng.randrange(len(records))
    records[one], records[two] = records[two], records[one]
    return records


def _record_lost(records: list[bytes], layout: Layout, rng: random.Random) -> list[bytes]:
    at = rng.randrange(len(records))
    return records[:at] + records[at + rng.choice([1, 1, 7]) :]


def _record_twice(records: list[bytes], layout: Layout, rng: random.Random) -> list[bytes]:
    at, count = rng.randrange(len(records)), rng.choice([1, 2, 20])
    return records[: at + count] + records[at:]


def _record_zeroed(records: list[bytes], layout: Layout, rng: random.Random) -> list[bytes]:
    at, count = rng.randrange(len(records)), rng.choice([1, 2, 20])
    records[at : at + count] = [bytes(len(r)) for r in records[at : at + count]]
    return records


# Rows of a MATLAB file ---------------------------------------------------------------------------


def _rows(change: Callable[[np.ndarray, random.Random], np.ndarray]) -> Damage:
    """The file saved anew, with its matrix of rows changed."""

    def damage(whole: bytes, specimen: Specimen, other: bytes, rng: random.Random) -> bytes:
        arrays = loadmat(io.BytesIO(whole))
        name = _matrix(arrays)
        kept: dict[str, Any] = {k: v for k, v in arrays.items() if not k.startswith("__")}
        kept[name] = change(kept[name].astype(float), rng)
        file = io.BytesIO()
        savemat(file, kept)
        return file.getvalue()

    return damage


def _matrix(arrays: Mapping[str, Any]) -> str:
    """Name of the variable that has rows of events or spikes; '' if there is none."""
    return next((name for name in _MATRICES if name in arrays), "")


def _value(made: float) -> Callable[[np.ndarray, random.Random], np.ndarray]:
    def change(rows: np.ndarray, rng: random.Random) -> np.ndarray:
        rows[rng.randrange(len(rows)), rng.randrange(min(3, rows.shape[1]))] = made
        return rows

    return change


def _wrapped_values(rows: np.ndarray, rng: random.Random) -> np.ndarray:
    times = rows[:, int(rows.max(axis=0).argmax())]
    times[rng.randrange(len(rows)) :] -= 2**32
    return rows


def _rows_swapped(rows: np.ndarray, rng: random.Random) -> np.ndarray:
    one, two = rng.randrange(len(rows)), rng.randrange(len(rows))
    rows[[one, two]] = rows[[two, one]]
    return rows


def _rows_repeated(rows: np.ndarray, rng: random.Random) -> np.ndarray:
    at, count = rng.randrange(len(rows)), rng.choice([1, 5, 100])
    return np.concatenate([rows[: at + count], rows[at:]])


def _columns_turned(rows: np.ndarray, rng: random.Random) -> np.ndarray:
    return rows[:, ::-1]


def _laid_over(rows: np.ndarray, rng: random.Random) -> np.ndarray:
    return rows.T


# Lines of a text ---------------------------------------------------------------------------------


def _is_text(contents: bytes) -> bool:
    return b"\0" not in contents[:4_096] and contents[:4_096].isascii() and b"\n" in contents


def _lines(whole: bytes, specimen: Specimen, other: bytes, rng: random.Random) -> bytes:
    lines = whole.split(b"\n")
    one, two = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(4):
        case 0:
            del lines[one]
        case 1:
            lines.insert(one, lines[two])
        case 2:
            lines[one], lines[two] = lines[two], lines[one]
        case _:
            lines[one] = lines[one][: rng.randrange(len(lines[one]) + 1)]
    return b"\n".join(lines)


def _numbers(whole: bytes, specimen: Specimen, other: bytes, rng: random.Random) -> bytes:
    """A field of a line becomes something awkward."""
    lines = whole.split(b"\n")
    at = rng.randrange(len(lines))
    for separator in (b";", b"\t", b","):
        fields = lines[at].split(separator)
        if len(fields) > 1:
            fields[rng.randrange(len(fields))] = rng.choice(_AWKWARD)
            lines[at] = separator.join(fields)
            break
    return b"\n".join(lines)


_AWKWARD = (b"", b"-1", b"nan", b"1e400", b"4294967296", b"99999999999999999999", b"0x10", b"x\0")

_ANY: Mapping[str, Damage] = {
    "bits flipped": _bits,
    "header byte": _header_byte,
    "cut": _cut,
    "cut by a little": _cut_by_few,
    "bytes added": _longer,
    "block zeroed": _zeroed,
    "block lost": _lost_block,
    "block repeated": _repeated,
    "blocks swapped": _swapped,
    "spliced": _spliced,
    "halves swapped": _halves,
    "other byte order": _other_endian,
    "half-copied": _half_copied,
    "empty": _empty,
    "another file": _other_file,
    "random bytes": _noise,
}
_RECORDS: Mapping[str, Damage] = {
    "time negative": _one_time(lambda told, before: -told),
    "time repeated": _one_time(lambda told, before: before),
    "time + 2^31": _one_time(lambda told, before: told + 2**31),
    "times wrap at 2^32": _all_times(lambda told: told % 2**32),
    "times + 2^32": _all_times(lambda told: told + 2**32),
    "times negative": _all_times(lambda told: -told),
    "records swapped": _records(_record_swapped),
    "records lost": _records(_record_lost),
    "records repeated": _records(_record_twice),
    "records zeroed": _records(_record_zeroed),
}
_ROWS: Mapping[str, Damage] = {
    "value negative": _rows(_value(-5.0)),
    "value NaN": _rows(_value(np.nan)),
    "value huge": _rows(_value(1e300)),
    "value broken": _rows(_value(1.5)),
    "rows wrap at 2^32": _rows(_wrapped_values),
    "rows swapped": _rows(_rows_swapped),
    "rows repeated": _rows(_rows_repeated),
    "columns turned": _rows(_columns_turned),
    "matrix turned": _rows(_laid_over),
}
_LINES: Mapping[str, Damage] = {"lines": _lines, "fields": _numbers}
