"""Files as large as a day's recording: `python -m benchmarks.large_files`.

Each file is built in the temporary folder, read in a process of its own through the functions that
everybody uses, and removed.  Memory is the most that process ever held, less what it held before it
read; the result, where it is a table, is part of that.  With `--neo FOLDER` (see
`benchmarks.readers`) neo 0.14.6 reads event files of a tenth of the size after ours, in the same
run: larger ones do not fit in memory with it.
"""

import argparse
import multiprocessing
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.readers import read_analog, read_events, read_units
from analysis.readers.neuralynx import RECORD
from analysis.synthetic.osort import write_cells
from benchmarks.specimens import input_text, neuralynx_event, neuralynx_header, nev_header
from benchmarks.table import finish, machine, table

GIGABYTES, NEO_SHARE = 4.0, 0.1
SPIKES_PER_WORD = 40
OSORT_CHANNELS, OSORT_CELLS, OSORT_SPIKES = 414, 3, 20_000
NS5_CHANNELS, NS5_SHOWN_S = 100, 60.0
PORT_WORDS = 200
BLOCK_RECORDS = 100_000


class Read(NamedTuple):
    """What reading a file took: s, megabytes, and what was found."""

    took_s: float
    memory_mb: float
    result_mb: float
    found: str


class Case(NamedTuple):
    """A file, or a folder of them, and how it is read."""

    name: str
    build: Callable[[Path, float], Path]
    reads: dict[str, Callable[[Path], tuple[object, str]]]


# Files -------------------------------------------------------------------------------------------


def neuralynx_events(folder: Path, gigabytes: float) -> Path:
    """Words and returns to zero, a millisecond apart."""
    path, count = folder / "Events.nev", int(gigabytes * 1e9 / RECORD.itemsize)
    words = np.arange(BLOCK_RECORDS) // 2 % PORT_WORDS * (np.arange(BLOCK_RECORDS) % 2)
    block = b"".join(neuralynx_event(0, int(word), input_text(int(word))) for word in words)
    records = np.frombuffer(block, RECORD).copy()
    with path.open("wb") as file:
        file.write(neuralynx_header("-FileType Event", "-RecordSize 184", "-AcqEntName Events"))
        for first in range(0, count, BLOCK_RECORDS):
            records["time_us"] = 10**9 + 1_000 * np.arange(first, first + BLOCK_RECORDS)
            records[: count - first].tofile(file)
    return path


def blackrock_events(folder: Path, gigabytes: float) -> Path:
    """Spikes, and every fortieth packet a word."""
    packet = 104
    path, count = folder / "data.nev", int(gigabytes * 1e9 / packet)
    layout = np.dtype([("time", "<u4"), ("kind", "<u2"), ("body", "V98")])
    word = struct.pack("<BBH", 1, 0, 7).ljust(98, b"\0")
    spike = struct.pack("<BB", 1, 0) + bytes(96)
    block = np.zeros(BLOCK_RECORDS, layout)
    is_word = np.arange(BLOCK_RECORDS) % SPIKES_PER_WORD == 0
    block["kind"] = np.where(is_word, 0, 1)
    block["body"] = np.where(is_word, np.void(word), np.void(spike))
    wave = b"NEUEVWAV" + struct.pack("<HBBHHhhBBH", 1, 1, 1, 250, 0, 0, 0, 2, 2, 48)
    with path.open("wb") as file:
        file.write(nev_header((2, 3), packet, wave.ljust(32, b"\0")))
        for first in range(0, count, BLOCK_RECORDS):
            block["time"] = 30 * np.arange(first, first + BLOCK_RECORDS)
            block[: count - first].tofile(file)
    return path


def blackrock_signals(folder: Path, gigabytes: float) -> Path:
    """A hundred channels at 30 kHz, all silent (the file is sparse)."""
    frames = int(gigabytes * 1e9 / (2 * NS5_CHANNELS))
    size = 314 + 66 * NS5_CHANNELS
    told = bytes((2, 3)) + struct.pack("<I", size) + b"raw".ljust(16, b"\0") + bytes(256)
    told += struct.pack("<II8HI", 1, 30_000, *range(2023, 2031), NS5_CHANNELS)
    entries = [
        (
            b"CC"
            + struct.pack("<H16s", n, f"chan{n}".encode())
            + struct.pack("<BBhhhh16s", 1, n % 32, -32764, 32764, -8191, 8191, b"uV")
        ).ljust(66, b"\0")
        for n in range(1, NS5_CHANNELS + 1)
    ]
    path = folder / "data.ns5"
    with path.open("wb") as file:
        file.write(b"NEURALCD" + told + b"".join(entries))
        file.write(struct.pack("<BII", 1, 0, frames))
        file.truncate(file.tell() + 2 * NS5_CHANNELS * frames)
    return path


def osort_files(folder: Path, _: float) -> Path:
    """As many channels as the largest published set has, with three cells each."""
    rng = np.random.default_rng(1)
    channel = np.repeat(np.arange(1, OSORT_CHANNELS + 1), OSORT_CELLS)
    cell = np.tile(np.arange(1, OSORT_CELLS + 1), OSORT_CHANNELS)
    units = pd.DataFrame({"channel": channel, "cell": cell, "cluster": cell + 1000, "area": "RVTC"})
    trains = [np.sort(rng.uniform(0, 3600, OSORT_SPIKES)) for _ in range(len(units))]
    write_cells(folder, units, trains, 1)
    return folder


# Readers -----------------------------------------------------------------------------------------


def _events(path: Path) -> tuple[object, str]:
    events = read_events(path)
    return events, f"{len(events):,} words"


def _units(path: Path) -> tuple[object, str]:
    units = read_units(path)
    spikes = sum(len(spikes_s) for spikes_s in units.spikes_s)
    return units.table, f"{len(units.table):,} units, {spikes:,} spikes"


def _minute(path: Path) -> tuple[object, str]:
    trace = read_analog(path, f"chan{NS5_CHANNELS}")
    _, values = trace.pieces[0].between(600.0, 600.0 + NS5_SHOWN_S)
    return values, f"{len(values):,} samples of one channel"


def _neo(kind: str) -> Callable[[Path], tuple[object, str]]:
    def read(path: Path) -> tuple[object, str]:
        from neo import rawio  # noqa: PLC0415 - only in the process that reads with it

        source = str(path.parent if kind == "NeuralynxRawIO" else path.with_suffix(""))
        reader = getattr(rawio, kind)(source)
        reader.parse_header()
        events = [
            reader.get_event_timestamps(event_channel_index=n)
            for n in range(reader.event_channels_count())
        ]
        return events, f"{sum(len(times) for times, *_ in events):,} events"

    return read


def cases(neo: bool) -> Iterator[Case]:
    """All of them."""
    theirs = {"neo": _neo("NeuralynxRawIO")} if neo else {}
    yield Case("Neuralynx .nev", neuralynx_events, {"imagery": _events, **theirs})
    theirs = {"neo": _neo("BlackrockRawIO")} if neo else {}
    yield Case("Blackrock .nev", blackrock_events, {"imagery": _events, **theirs})
    yield Case("one minute of one channel, Blackrock .ns5", blackrock_signals, {"imagery": _minute})
    yield Case(f"{OSORT_CHANNELS} OSort files", osort_files, {"imagery": _units})


# Measuring ---------------------------------------------------------------------------------------


def measured(read: Callable[[Path], tuple[object, str]], path: Path) -> Read:
    """Read a file here; to be called in a fresh process."""
    Path("/proc/self/clear_refs").write_text("5")  # the most ever held begins anew
    before_mb = _most_mb()
    start = time.perf_counter()
    result, found = read(path)
    took_s = time.perf_counter() - start
    size = result.memory_usage().sum() / 1e6 if isinstance(result, pd.DataFrame) else np.nan
    return Read(took_s, _most_mb() - before_mb, float(size), found)


def _most_mb() -> float:
    status = Path("/proc/self/status").read_text().splitlines()
    (line,) = [line for line in status if line.startswith("VmHWM:")]
    return float(line.split()[1]) / 1024


def _apart(number: int, name: str, path: Path, neo: str | None) -> Read:
    if neo:
        sys.path.insert(0, neo)
    return measured(list(cases(bool(neo)))[number].reads[name], path)


def rows(gigabytes: float, neo: str | None) -> Iterator[dict[str, str]]:
    """Build, read and remove every file."""
    context = multiprocessing.get_context("spawn")
    for number, case in enumerate(cases(bool(neo))):
        if neo and "neo" not in case.reads:
            continue
        with tempfile.TemporaryDirectory() as scratch:
            path = case.build(Path(scratch), gigabytes)
            files = [path] if path.is_file() else [*path.iterdir()]
            size_mb = sum(file.stat().st_size for file in files) / 1e6
            for name in case.reads:
                with context.Pool(1) as pool:
                    found = pool.apply(_apart, (number, name, path, neo))
                yield {
                    "file": case.name,
                    "MB": f"{size_mb:,.0f}",
                    "read by": name,
                    "found": found.found,
                    "s": f"{found.took_s:.3g}",
                    "memory, MB": f"{found.memory_mb:,.0f}",
                    "of it the table": ""
                    if np.isnan(found.result_mb)
                    else f"{found.result_mb:,.0f}",
                }


def main() -> None:
    """Measure, and write `large_files.md`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=GIGABYTES)
    parser.add_argument("--neo", help="folder in which neo is installed")
    given = parser.parse_args()
    found = list(rows(given.gigabytes, None))
    if given.neo:
        found += rows(given.gigabytes * NEO_SHARE, given.neo)
    text = f"# Large files\n\nMade by `python -m benchmarks.large_files`.  {machine()}.\n\n"
    finish(text + table(found), __file__, short=given.gigabytes < GIGABYTES)


if __name__ == "__main__":
    main()
