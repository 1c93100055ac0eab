"""What the time stamps of Blackrock's and Ripple's files mean: one clock or several, and wraps.

A stamp counts ticks since the recorder started.  Three things break the count, and the stamps alone
tell them apart:

- records may stand out of order, by milliseconds: nothing is done, all are of one clock; by more
  than a second in all, they are damaged;
- a counter of 32 bits passes its end (after 39.8 h at 30 kHz) and goes on from 0.  Where a stamp of
  the last hour is followed by one so near 0 that less than an hour lies between, time went on;
- any other fall by more than a second, or to nearly 0 by more than a tenth, is a restart of the
  clock (recording restarted, or recorders set to one clock), as is a leap by more than ten days
  (the recorder found the time of day).  What follows is a run of its own: how much later it was,
  nobody knows.

One record whose time lies elsewhere while its neighbours follow each other is damage, not a clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from task.contract.errors import RecordingError

Integers = NDArray[np.int64]
Numbers = Sequence[int] | Integers
WRAP = 1 << 32
DISORDER_S = 1
PAUSE_OVER_WRAP_S = 3600
LEAP_S = 864_000
_ALMOST = 10  # a tenth of a second
_MOST_RESTARTS = 100
_CHUNK = 1 << 20
_REPEATED = 3  # so many equal stamps in a row are copies


@dataclass(frozen=True, slots=True, eq=False)
class Clock:
    """Where the clock changes.

    Attributes
    ----------
    first : positions of the records from which on something else holds; the first is 0
    run : which clock, from 1
    offset : ticks to add to the stamps
    """

    first: Integers
    run: Integers
    offset: Integers

    @property
    def runs(self) -> int:
        """How many clocks there are."""
        return int(self.run[-1])

    def place(self, positions: Integers, stamps: NDArray[Any]) -> tuple[Integers, Integers]:
        """Ticks and runs of the records at some positions."""
        part = np.searchsorted(self.first, positions, side="right") - 1
        return stamps.astype(np.int64) + self.offset[part], self.run[part]


def follow_clock(
    path: Path, stamps: NDArray[Any], second: int, numbers: Numbers, restarts: Integers
) -> Clock:
    """Follow the clock through a file.

    Parameters
    ----------
    path : only named in refusals
    stamps : in the order of the file, of 32 or 64 bits
    second : ticks per second
    numbers : of each stamp, the number that people call its record by
    restarts : positions before which the recorder itself noted a restart

    Raises
    ------
    RecordingError
        If single records lie elsewhere in time, records are repeated, or the time jumps so often
        that it is none.
    """
    if stamps.dtype.itemsize > 4 and len(stamps) and int(stamps.max()) >= 1 << 63:
        raise _stray(path, numbers[int(stamps.argmax())])
    noted = set(restarts.tolist())
    places = sorted(noted | set(_jumps(stamps, second).tolist()))
    if len(places) > _MOST_RESTARTS:
        raise RecordingError(
            f"{path}: its time jumps at {len(places)} of {len(stamps)} records, first at record"
            f" {numbers[places[0]]}; the file is damaged"
        )
    parts, run, offset = [(0, 1, 0)], 1, 0
    for place in places:
        over = 0 if place in noted else _over(stamps, place, second, offset)
        if over > 0 and place - 1 not in places:
            _refuse_lone(path, stamps, place, second, numbers)
        elif not over and place not in noted:
            _refuse_strays(path, stamps, place, second, numbers)
        run, offset = (run, offset + over) if over else (run + 1, 0)
        parts.append((place, run, offset))
    first, runs, offsets = np.array(parts, dtype=np.int64).T
    for start, stop in pairwise([*first.tolist(), len(stamps)]):
        _refuse_disorder(path, stamps[start:stop], second, numbers[start:stop])
    return Clock(first, runs, offsets)


def restarted(before: Any, here: Any, second: int) -> Any:
    """Whether a clock that was at `before` was started anew if it tells `here`; also of arrays."""
    anew = (here < second // _ALMOST) & (before - here > second // _ALMOST)
    return (before - here > DISORDER_S * second) | anew | (here - before > LEAP_S * second)


def passes(before: float, here: int, second: int) -> bool:
    """Whether a counter of 32 bits passed its end between two stamps."""
    return here + WRAP - before < PAUSE_OVER_WRAP_S * second


def _jumps(stamps: NDArray[Any], second: int) -> Integers:
    """Positions whose stamp does not simply follow the one before."""
    found = [np.empty(0, dtype=np.int64)]
    for start in range(0, len(stamps) - 1, _CHUNK):
        some = stamps[start : start + _CHUNK + 1].astype(np.int64)
        before, here = some[:-1], some[1:]
        jumps = restarted(before, here, second)
        if stamps.dtype.itemsize == 4:
            jumps |= _passes_back(before, here, second)
        found.append(start + 1 + np.flatnonzero(jumps))
    return np.concatenate(found)


def _passes_back(before: Any, here: Any, second: int) -> Any:
    """Whether a record out of order still belongs to before a counter passed its end."""
    return here - before > WRAP - DISORDER_S * second


def _over(stamps: NDArray[Any], place: int, second: int, offset: int) -> int:
    """Ticks by which the counter passes its end here, forwards or (out of order) back; or 0."""
    if stamps.dtype.itemsize > 4:
        return 0
    before, here = int(stamps[place - 1]), int(stamps[place])
    if passes(before, here, second):
        return WRAP
    return -WRAP if offset and _passes_back(before, here, second) else 0


def _refuse_strays(
    path: Path, stamps: NDArray[Any], place: int, second: int, numbers: Numbers
) -> None:
    """Refuse a jump that one wrong stamp, or a copied stretch, explains better than a restart."""
    before, here = int(stamps[place - 1]), int(stamps[place])
    after = int(stamps[place + 1]) if place + 1 < len(stamps) else None
    fresh = here < DISORDER_S * second  # so near 0 as a clock is that was just started
    near = max(DISORDER_S * second, abs(before - here) // 100)
    if here > before:
        if after is None:
            raise _stray(path, numbers[place])
        return
    if place >= 2 and not fresh:
        earlier = int(stamps[place - 2])
        if before - earlier > DISORDER_S * second and abs(here - earlier) <= near:
            raise _stray(path, numbers[place - 1])
    if before - here <= DISORDER_S * second:
        return
    if after is None:
        if not fresh:
            raise _stray(path, numbers[place])
        return
    follows = abs(after - before) <= near and after - here > DISORDER_S * second
    if follows or (not fresh and after >= before - DISORDER_S * second):
        raise _stray(path, numbers[place])
    if not fresh:
        _refuse_copies(path, stamps, place, numbers)


def _refuse_lone(
    path: Path, stamps: NDArray[Any], place: int, second: int, numbers: Numbers
) -> None:
    """Refuse one stamp near the counter's end between two that follow each other."""
    if place < 2:
        return
    earlier, before, here = (int(stamps[place - n]) for n in (2, 1, 0))
    leap = before - earlier > PAUSE_OVER_WRAP_S * second
    if leap and abs(here - earlier) <= PAUSE_OVER_WRAP_S * second:
        raise _stray(path, numbers[place - 1])


def _refuse_disorder(path: Path, stamps: NDArray[Any], second: int, numbers: Numbers) -> None:
    """Refuse stamps that go back, step by step, by more than records can be out of order."""
    newest = 0
    for start in range(0, len(stamps), _CHUNK):
        some = stamps[start : start + _CHUNK].astype(np.int64)
        reached = np.maximum.accumulate(np.append(newest, some))
        back = reached[1:] - some
        if (back > DISORDER_S * second).any():
            at = int((back > DISORDER_S * second).argmax())
            raise RecordingError(
                f"{path}: record {numbers[start + at]} is {back[at] / second:.6f} s older than one"
                " before it; the file is damaged"
            )
        newest = int(reached[-1])


def _refuse_copies(path: Path, stamps: NDArray[Any], place: int, numbers: Numbers) -> None:
    these = stamps[place : place + _REPEATED]
    if len(these) < _REPEATED:
        return
    starts = np.flatnonzero(stamps[: place - _REPEATED + 1] == these[0])
    for start in starts:
        if np.array_equal(stamps[start : start + _REPEATED], these):
            raise RecordingError(
                f"{path}: record {numbers[place]} and the following repeat record"
                f" {numbers[int(start)]} and the following; the file is damaged"
            )


def _stray(path: Path, number: int | np.int64) -> RecordingError:
    return RecordingError(
        f"{path}: record {number} has a time far from those of its neighbours; the file is damaged"
    )
