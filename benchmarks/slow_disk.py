"""A disk that takes 50 ms for every sync: `python -m benchmarks.slow_disk`.

Minutes of the same stream in turns, with the disk as it is and with every `fsync` of this process
made 50 ms longer: late frames, the delay of codes, and how long the log's own writes take.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.ours import Streamed, opened, stream_once, write_rig, write_stream
from benchmarks.stage import Stage
from benchmarks.stream import PICTURES, compare
from benchmarks.table import finish, machine, table
from benchmarks.wire import wire
from task.rigs.virtual import display_here

DELAY_S = 0.05
PAIRS = 2


class Segment(NamedTuple):
    """A minute, slow or not: the stream, the log's writes, and how often the disk was synced."""

    streamed: Streamed
    disk_writes_us: list[float]
    syncs: int


@contextmanager
def slow_syncs(delay_s: float) -> Iterator[list[float]]:
    """Every `os.fsync` takes so much longer; yields when they were asked for."""
    calls: list[float] = []
    real = {name: getattr(os, name) for name in ("fsync", "fdatasync")}

    def slow(sync: Callable[[int], None]) -> Callable[[int], None]:
        def slowed(descriptor: int) -> None:
            calls.append(time.perf_counter())
            time.sleep(delay_s)
            sync(descriptor)

        return slowed

    for name, sync in real.items():
        setattr(os, name, slow(sync))
    try:
        yield calls
    finally:
        for name, sync in real.items():
            setattr(os, name, sync)


def measure(folder: Path, pairs: int, pictures: int) -> dict[float, list[Segment]]:
    """Segments by the delay added."""
    protocol = write_stream(folder / "stream.toml", pictures=pictures)
    found: dict[float, list[Segment]] = {0.0: [], DELAY_S: []}
    with wire() as cable:
        stage = Stage(cable.port)
        stage.watch_writes()
        rig = opened(protocol, write_rig(folder / "rig.toml", cable.port))
        try:
            for number in range(2 * pairs):
                delay_s = (0.0, DELAY_S)[number % 2]
                stage.disk_writes_s.clear()
                with slow_syncs(delay_s) as calls:
                    streamed = stream_once(protocol, rig, folder / f"{number}")
                written_us = [1e6 * s for s in stage.disk_writes_s]
                found[delay_s].append(Segment(streamed, written_us, len(calls)))
        finally:
            rig.close()
    return found


def report(found: dict[float, list[Segment]]) -> str:
    """The result in words and a table."""
    rows = [_row(delay_s, segments) for delay_s, segments in found.items()]
    counts = [_late(segments) for segments in (found[DELAY_S], found[0.0])]
    change = compare(*counts[0], *counts[1])
    return f"""# A slow disk

Made by `python -m benchmarks.slow_disk`.  {machine()}.  Minutes of a fast stream (Xvfb, paced in \
software) in turns; `fsync` made 50 ms longer in every second one.

{table(rows)}
Late frames per 10,000, slow less not: {1e4 * change.difference:+.2f} (95 % interval \
{1e4 * change.low:+.2f} to {1e4 * change.high:+.2f}; Fisher's exact p = {change.p:.2g}).
"""


def _late(segments: Sequence[Segment]) -> tuple[int, int]:
    streams = [segment.streamed for segment in segments]
    return sum(len(s.late) for s in streams), sum(s.frames for s in streams)


def _row(delay_s: float, segments: Sequence[Segment]) -> dict[str, str]:
    late, frames = _late(segments)
    codes = np.concatenate([segment.streamed.written_us for segment in segments])
    disk = np.concatenate([segment.disk_writes_us for segment in segments])
    return {
        "fsync": f"+ {1e3 * delay_s:g} ms" if delay_s else "as it is",
        "syncs": str(sum(segment.syncs for segment in segments)),
        "frames": f"{frames:,}",
        "late": str(late),
        "late, not logged": str(sum(segment.streamed.unlogged for segment in segments)),
        "flip → written, median µs": f"{np.median(codes):.1f}",
        "99 % µs": f"{np.percentile(codes, 99):.1f}",
        "a write to the log, median µs": f"{np.median(disk):.1f}",
        "its 99 % µs": f"{np.percentile(disk, 99):.1f}",
        "its worst µs": f"{disk.max():.0f}",
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--short", action="store_true", help="5 s of each; writes no file")
    chosen = arguments.parse_args()
    pairs, pictures = (1, 12) if chosen.short else (PAIRS, PICTURES)
    with tempfile.TemporaryDirectory() as name, display_here():
        text = report(measure(Path(name), pairs, pictures))
    finish(text, __file__, short=chosen.short)


if __name__ == "__main__":
    main()
