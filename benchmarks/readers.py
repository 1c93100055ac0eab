"""What the readers make of real files, beside what is in them: `python -m benchmarks.readers`.

Every file set beside this checkout is read through the functions that everybody uses, and every
number of its `expected.json` that a reader tells is compared.  Where they differ the reason is
given here by name (`EXPLAINED`).

A second table reads the same events with neo 0.14.6 (`pip install --no-deps --target FOLDER
neo==0.14.6 quantities packaging`, then `--neo FOLDER`; without it, it is left out): how many kinds
of event it tells apart, which are negative, which are lost.  Below them are small files built for
what the real ones do not hold: words with the highest line up, two files in a folder, a digital
and a serial port.
"""

import argparse
import importlib
import json
import logging
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.readers import read_analog, read_events, read_log, read_units
from analysis.readers.blackrock import packets_by_id
from analysis.readers.blackrock_nsx import channels
from analysis.readers.neuralynx import read_recordings
from analysis.trace import Trace
from benchmarks.specimens import DATA, specimens
from benchmarks.table import finish, machine, table

REPEATS = 3
EXPLAINED = {
    ("blackrock_nsx/test_NEURALSG_raw.ns3", "samples"): "data of 100 frames and 9 bytes, as its own"
    " note says; neo leaves out the last frame",
    ("blackrock_nsx/test_NEURALSG_raw.ns3", "sum of all channels"): "with the 100th frame",
}
Expected = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Compared:
    """One number, or a list of them."""

    file: str
    what: str
    expected: Any
    read: Any
    within: float = 0.0

    @property
    def agrees(self) -> bool:
        """Whether they are the same, within a tolerance for measured times and rates."""
        if not self.within:
            return bool(self.expected == self.read)
        told, found = np.array(self.expected, float), np.array(self.read, float)
        return told.shape == found.shape and bool((np.abs(told - found) <= self.within).all())


def compared(data: Path) -> Iterator[Compared]:
    """All numbers of all file sets, each set by its own function."""
    for name, compare in SETS.items():
        expected = json.loads((data / name / "expected.json").read_text())
        yield from compare(data / name, expected)


# Sets --------------------------------------------------------------------------------------------


def _newold(folder: Path, expected: Expected) -> Iterator[Compared]:
    """Folder by folder, told as one row where all are right."""
    units, spikes = {}, {}
    for entry in expected["folders"]:
        name = entry["folder"]
        found = read_units(folder / "sorted" / name, folder / "events" / name)
        units[name] = len(found.table)
        spikes[name] = sum(map(len, found.spikes_s))
    told = {entry["folder"]: entry for entry in expected["folders"]}
    yield _all("human_newold, 40 folders", "units", told, "units", units)
    yield _all("human_newold, 40 folders", "spikes", told, "spikes", spikes)
    counts = expected["counts"]
    yield Compared("human_newold", "units", counts["units"], sum(units.values()))
    yield Compared("human_newold", "spikes", counts["spikes"], sum(spikes.values()))
    rows, words = {}, {}
    pairs = {(pair["folder"], pair["run"]): pair for pair in expected["pairs"]}
    for (name, run), _ in pairs.items():
        place = folder / "events" / name
        rows[name, run] = len(read_log(place / f"newold{run}.txt"))
        events = read_events(place / "eventsRaw.mat")
        words[name, run] = int(((events["run"] == run) & (events["code"] != 0)).sum())
    yield _all("human_newold, 83 logs", "rows", pairs, "log_rows", rows)
    yield _all("human_newold, 83 runs", "words", pairs, "ttl", words)
    others = {}
    for name, run, _ in expected["runs_without_log"]:
        events = read_events(folder / "events" / name / "eventsRaw.mat")
        others[name, run] = int((events["run"] == run).sum())
    told = {(name, run): {"words": n} for name, run, n in expected["runs_without_log"]}
    yield _all(f"human_newold, {len(told)} other runs", "words", told, "words", others)


def _all(
    file: str, what: str, told: Mapping[Any, Expected], key: str, read: Mapping[Any, int]
) -> Compared:
    """Many counts at once: their sum, and which of them differ."""
    wrong = {name: read[name] for name in told if told[name][key] != read[name]}
    wanted = sum(entry[key] for entry in told.values())
    return Compared(f"{file}", f"{what} of each", wanted, wrong or sum(read.values()))


def _bonn(folder: Path, expected: Expected) -> Iterator[Compared]:
    file = "bonn_units/030e16timesCSC47.mat"
    units = read_units(folder)
    for told in expected["units"]:
        mine = units.table[units.table["cluster"] == told["cluster"]]
        yield Compared(file, "channel", told["channel"], int(mine["channel"].iloc[0]))
        yield Compared(
            file, "spikes of the unit", told["unit_spikes"], _spikes(units, mine.index[0])
        )
        shape = units.read_waveforms(mine.index[0])
        assert shape
        yield Compared(file, "its waveforms", told["all_spike_times"], len(shape.values))


def _spikes(units: Any, label: str) -> int:
    return len(units.spikes_of(label))


def _rat(folder: Path, expected: Expected) -> Iterator[Compared]:
    for name, told in expected["events"].items():
        file = f"neuralynx_rat/{name}"
        events = read_events(folder / name)
        yield from _neuralynx(file, told, events)
        marks = read_recordings(folder / name).to_numpy().ravel().tolist()
        wanted = [time_s for time_s, _ in expected["recordings"]]
        yield Compared(file, "recordings start and stop (s)", wanted, marks)
        first_s, last_s = told["first_time_us"] / 1e6, told["last_time_us"] / 1e6
        yield Compared(file, "first and last record (s)", [first_s, last_s], [marks[0], marks[-1]])
    units = read_units(folder)
    labels = [_label(told["file"]) for told in expected["units"]]
    for key, what, read in (
        ("spikes", "spikes of each", lambda s: len(s)),
        ("first_s", "first spike of each (s)", lambda s: float(s[0])),
        ("last_s", "last spike of each (s)", lambda s: float(s[-1])),
    ):
        found = [read(units.spikes_of(label)) for label in labels]
        wanted = [told[key] for told in expected["units"]]
        yield Compared("neuralynx_rat, 10 .t and ._t", what, wanted, found, 1e-9)
    total = sum(map(len, units.spikes_s))
    yield Compared("neuralynx_rat", "spikes", expected["units_total_spikes"], total)


def _label(file: str) -> str:
    return file.rpartition("-")[2].partition(".")[0]


def _neuralynx(file: str, told: Expected, events: pd.DataFrame) -> Iterator[Compared]:
    yield Compared(
        file,
        "events by port",
        told["events_by_port"],
        {_old_name(port): int(n) for port, n in events["port"].value_counts().items()},
    )
    for port, codes in told["by_port_and_code"].items():
        mine = events.loc[events["port"].map(_old_name) == port, "code"]
        found = {f"0x{code:04X}": int(n) for code, n in mine.value_counts().sort_index().items()}
        yield Compared(file, f"codes of {port}", codes, found)
    marks = sum(told["other_records"].values())
    yield Compared(file, "events but marks", told["events"] - marks, len(events))
    bit_15 = int((events["code"] >= 0x8000).sum())
    yield Compared(file, "codes with bit 15", told["codes_with_bit_15"], bit_15)


def _old_name(port: str) -> str:
    """`board 0 port 1 input` as `input port 1`."""
    words = port.split()
    return f"{words[-1]} port {words[3]}"


def _bench(folder: Path, expected: Expected) -> Iterator[Compared]:
    for name, told in expected["events"].items():
        yield from _neuralynx(f"neuralynx_bench/{name}", told, read_events(folder / name))
        marks = read_recordings(folder / name).to_numpy().ravel()
        wanted = sum(told["other_records"].values())
        yield Compared(f"neuralynx_bench/{name}", "marks of start and stop", wanted, len(marks) * 2)
        edges = [told["first_time_us"] / 1e6, told["last_time_us"] / 1e6]
        read = [float(np.nanmin(marks)), float(np.nanmax(marks))]
        yield Compared(f"neuralynx_bench/{name}", "first and last (s)", edges, read, 1e-3)
    for name, told in expected["signals"].items():
        yield from _ncs(f"neuralynx_bench/{name}", told, read_analog(folder / name))


def _ncs(file: str, told: Expected, trace: Trace) -> Iterator[Compared]:
    values = np.concatenate([piece.values for piece in trace.pieces])
    yield Compared(
        file, "rate (Hz)", told["sampling_hz"], trace.rate_hz, 1e-6 * told["sampling_hz"]
    )
    yield Compared(file, "valid samples", told["valid_samples"], len(values))
    yield Compared(file, "first samples", told["first_samples"], values[:5].tolist())
    yield Compared(file, "first time (s)", told["first_time_us"] / 1e6, trace.pieces[0].start_s)
    gaps = [
        (after.start_s - before.stop_s) * 1e3
        for before, after in zip(trace.pieces, trace.pieces[1:], strict=False)
    ]
    wanted = [ms for *_, ms in told["gaps_record_samples_ms"]]
    yield Compared(file, "gaps (ms)", wanted, gaps, 0.01)
    if not wanted and told["valid_samples"] % 512 == told["samples_in_last_record"]:
        whole = (told["records"] - 1) * 512 + told["samples_in_last_record"]
        yield Compared(file, "samples of all records", whole, len(values))


def _ripple(folder: Path, expected: Expected) -> Iterator[Compared]:
    file = "ripple_nev/sample.nev"
    packets = packets_by_id(folder / "sample.nev")
    told = expected["packets_by_id"]
    yield Compared(file, "packets by id", {int(n): c for n, c in told.items()}, packets)
    yield Compared(file, "packets", expected["file"]["packets"], sum(packets.values()))
    events = read_events(folder / "sample.nev")
    want = expected["events"]
    yield Compared(file, "events", want["digital_event_packets"], len(events))
    yield Compared(file, "ports", ["sma 2"], sorted(events["port"].unique()))
    rise = events.loc[events["code"] != 0, "time_s"].to_numpy()
    fall = events.loc[events["code"] == 0, "time_s"].to_numpy()
    yield Compared(file, "pulses", want["pulses"], len(rise))
    ticks, counts = np.unique(np.round((fall - rise) * 30_000).astype(int), return_counts=True)
    wide = {str(tick): int(n) for tick, n in zip(ticks, counts, strict=True)}
    yield Compared(file, "pulse widths (ticks)", want["pulse_width_samples"], wide)
    edges = [want["first_pulse_s"], want["last_pulse_s"]]
    yield Compared(file, "first and last pulse (s)", edges, rise[[0, -1]].tolist(), 1e-6)
    steps_ms = np.diff(rise) * 1e3
    median, longest = float(np.median(steps_ms)), float(steps_ms.max())
    wanted = [want["interval_median_ms"], want["interval_max_ms"]]
    yield Compared(file, "interval, median and longest (ms)", wanted, [median, longest], 1e-3)
    holes = int((steps_ms > 1.5 * median).sum())
    yield Compared(file, "holes", want["intervals_longer_than_1_5_median"], holes)
    missing = int((np.round(steps_ms / median) - 1).sum())
    yield Compared(file, "pulses missing in them", want["pulses_missing_if_regular"], missing)


def _nsx(folder: Path, expected: Expected) -> Iterator[Compared]:
    for name, told in expected["files"].items():
        file = f"blackrock_nsx/{name}"
        names = channels(folder / name)
        traces = [read_analog(folder / name, channel) for channel in names]
        yield Compared(file, "channels", told["channels"], len(names))
        yield Compared(file, "first channel", told["first_channel"], names[0])
        yield Compared(file, "rate (Hz)", told["sampling_hz"], traces[0].rate_hz, 1e-6)
        samples = [len(piece.values) for piece in traces[0].pieces]
        yield Compared(file, "samples", told["segments"], samples)
        starts = [piece.start_s for piece in traces[0].pieces]
        yield Compared(file, "segments start (s)", told["segment_starts_s"], starts, 1e-9)
        sums = [
            sum(int(trace.pieces[n].values.sum(dtype=np.int64)) for trace in traces)
            for n in range(len(samples))
        ]
        yield Compared(file, "sum of all channels", told["sum_of_raw"], sums)


def _nwb(folder: Path, expected: Expected) -> Iterator[Compared]:
    files = expected["files"]
    name = "A8604-211122.nwb"
    units, told = read_units(folder / name), files[name]
    file = f"nwb_small/{name}"
    yield Compared(file, "units", told["unit_ids"], units.table["cell"].tolist())
    yield Compared(file, "spikes", told["spikes"], sum(map(len, units.spikes_s)))
    yield Compared(file, "spikes of each", told["spikes_per_unit"], [*map(len, units.spikes_s)])
    for key, what, at in (("first_s", "first", 0), ("last_s", "last", -1)):
        read = [float(s[at]) for s in units.spikes_s]
        yield Compared(file, f"{what} spike of each (s)", told[key], read, 1e-6)
    name = "neuroconv_mock_ttl_examples.nwb"
    events = read_events(folder / name)
    for series, told in files[name]["series"].items():
        file = f"nwb_small/{name}, {series}"
        mine = events[events["port"] == series]
        rising = mine.loc[mine["code"] == 1, "time_s"].tolist()
        yield Compared(file, "rises (s)", told["rising_at_s"], rising, 1e-9)
        yield Compared(file, "falls", told["falling_edges"], int((mine["code"] == 0).sum()))
        trace = read_analog(folder / name, series)
        samples = sum(len(piece.values) for piece in trace.pieces)
        kind = trace.pieces[0].values.dtype.name
        told_here, read_here = [told["samples"], told["dtype"]], [samples, kind]
        yield Compared(file, "samples and their type", told_here, read_here)
        near_hz = 1e-9 * told["rate_hz"]
        yield Compared(file, "rate (Hz)", told["rate_hz"], trace.rate_hz, near_hz)
    name = "ndx_events_test_events.nwb"
    events = read_events(folder / name)
    read = events[["code", "time_s"]].to_numpy().tolist()
    yield Compared(f"nwb_small/{name}", "codes and times", files[name]["ttl_events"], read)


SETS: Mapping[str, Callable[[Path, Expected], Iterator[Compared]]] = {
    "human_newold": _newold,
    "bonn_units": _bonn,
    "neuralynx_rat": _rat,
    "neuralynx_bench": _bench,
    "ripple_nev": _ripple,
    "blackrock_nsx": _nsx,
    "nwb_small": _nwb,
}


# Beside neo --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Seen:
    """What a reader tells of events."""

    events: int
    kinds: int
    ports: int | None
    negative: int
    took_ms: float


def ours(path: Path) -> Seen:
    """By `read_events`."""
    took_ms, events = _timed(lambda: read_events(path))
    kinds = events.drop(columns="time_s").drop_duplicates()
    ports = events[[c for c in ("file", "port") if c in events]].drop_duplicates()
    return Seen(len(events), len(kinds), len(ports), int((events["code"] < 0).sum()), took_ms)


def by_neo(rawio: Any, path: Path) -> Seen | str:
    """By neo's reader of the same system, or how it fails."""
    is_blackrock = path.is_file() and path.read_bytes()[:8] in (b"NEURALEV", b"BREVENTS")

    def read() -> tuple[list[str], list[int]]:
        if is_blackrock:
            found = rawio.BlackrockRawIO(filename=str(path.with_suffix("")), nsx_to_load=[])
        else:
            folder = path if path.is_dir() else path.parent
            found = rawio.NeuralynxRawIO(dirname=str(folder))
        found.parse_header()
        return _events_of(found)

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            took_ms, (names, words) = _timed(read)
    except Exception as error:  # noqa: BLE001  it has no refusal: this is how it fails
        return f"fails: {type(error).__name__}"
    return Seen(len(words), len(names), None, sum(word < 0 for word in words), took_ms)


def _events_of(found: Any) -> tuple[list[str], list[int]]:
    """Names of the kinds that it tells apart, and the word of every event."""
    names, words = [], []
    for channel in range(found.event_channels_count()):
        name = str(found.header["event_channels"][channel]["name"])
        for block in range(found.block_count()):
            for segment in range(found.segment_count(block)):
                times, _, labels = found.get_event_timestamps(block, segment, channel)
                if "ttl=" in name:
                    kinds, told = [name], [int(name.rpartition("=")[2])] * len(times)
                else:
                    kinds = [f"{name} {label}" for label in sorted({*labels.tolist()})]
                    told = [int(float(label)) for label in labels.tolist()]
                names, words = [*names, *kinds], [*words, *told]
    return sorted(set(names)), words


def _timed(read: Callable[[], Any]) -> tuple[float, Any]:
    """Milliseconds of the best of some, and what was read."""
    took_s = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        found = read()
        took_s.append(time.perf_counter() - begun)
    return min(took_s) * 1e3, found


def event_files(data: Path, scratch: Path) -> Iterator[tuple[str, Path]]:
    """Real files of events, then built ones."""
    for said, name in (
        ("neuralynx_rat, 452 changes and 6 marks", "neuralynx_rat/R050-2014-04-02-Events.nev"),
        ("neuralynx_bench, 4 marks", "neuralynx_bench/Events.nev"),
    ):
        path = scratch / name  # alone: neo reads the whole folder
        path.parent.mkdir()
        path.write_bytes((data / name).read_bytes())
        yield said, path
    yield "ripple_nev, 4346 on an analog input", data / "ripple_nev/sample.nev"
    (scratch / "built").mkdir()
    made = {one.name: one for one in specimens(scratch / "built", scratch / "none")}
    for name, said in (
        ("Neuralynx .nev", "built: 120 on two ports, 60 with line 15 up"),
        ("Blackrock .nev 2.3", "built, 2.3: 90 digital, 10 serial"),
        ("Blackrock .nev 3.0", "built, 3.0: 90 digital, 10 serial"),
    ):
        path = scratch / name.replace(" ", "_") / made[name].victim
        path.parent.mkdir()
        path.write_bytes(made[name].contents[made[name].victim])
        yield said, path
    two = scratch / "two"
    two.mkdir()
    for name in ("Events.nev", "Events_0001.nev"):
        (two / name).write_bytes(made["Neuralynx .nev"].contents["Events.nev"])
    yield "built: two such files in a folder", two


def beside_neo(data: Path, neo: Path) -> Iterator[dict[str, str]]:
    """A row per file: what both tell."""
    sys.path.append(str(neo))
    logging.disable(logging.CRITICAL)
    rawio = importlib.import_module("neo.rawio")
    with tempfile.TemporaryDirectory() as scratch:
        for name, path in event_files(data, Path(scratch)):
            mine, other = ours(path), by_neo(rawio, path)
            yield {
                "events": name,
                "ours": f"{mine.events}",
                "neo": f"{other.events}" if isinstance(other, Seen) else other,
                "kinds told apart, ours": f"{mine.kinds}, {mine.ports} ports",
                "neo's": f"{other.kinds}" if isinstance(other, Seen) else "",
                "negative words, ours": f"{mine.negative}",
                "in neo": f"{other.negative}" if isinstance(other, Seen) else "",
                "time (ms)": f"{mine.took_ms:.1f}",
                "neo (ms)": f"{other.took_ms:.1f}" if isinstance(other, Seen) else "",
            }


# Telling -----------------------------------------------------------------------------------------


def shown(value: Any) -> str:
    """Numbers as one reads them; of long lists the beginning."""
    if isinstance(value, dict):
        return ", ".join(f"{k}: {v}" for k, v in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(shown, value[:6])) + (" …" if value[6:] else "") or "none"
    return f"{value:.9g}" if isinstance(value, float) else f"{value}"


def rows(found: list[Compared]) -> list[dict[str, str]]:
    """A row per comparison."""
    return [
        {
            "file": one.file,
            "what": one.what,
            "expected": shown(one.expected),
            "read": shown(one.read),
            "agrees": "yes" if one.agrees else f"NO: {EXPLAINED.get((one.file, one.what), '?')}",
        }
        for one in found
    ]


def summary(found: list[Compared]) -> list[dict[str, str]]:
    """A row per file set."""
    told = []
    for name in SETS:
        these = [one for one in found if one.file.startswith(name)]
        wrong = [one for one in these if not one.agrees]
        known = [one for one in wrong if (one.file, one.what) in EXPLAINED]
        told.append(
            {
                "file set": name,
                "compared": f"{len(these)}",
                "agree": f"{len(these) - len(wrong)}",
                "differ, and why is known": f"{len(known)}",
                "differ": f"{len(wrong) - len(known)}",
            }
        )
    return told


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=DATA, help="the recordings")
    parser.add_argument("--neo", type=Path, help="folder that neo was installed into")
    chosen = parser.parse_args(arguments)
    found = list(compared(chosen.folder))
    text = (
        "# Readers on real files\n\nMade by `python -m benchmarks.readers --neo FOLDER`.  What is"
        " expected was counted from the same files by other programs; the script says how neo was"
        f" run.  {machine()}\n\n{table(summary(found))}\n"
    )
    if chosen.neo:
        both = table(list(beside_neo(chosen.folder, chosen.neo)))
        text += f"## Events, beside neo 0.14.6\n\n{both}\n"
    text += f"## Every number\n\n{table(rows(found))}"
    finish(text, __file__, short=chosen.neo is None)


if __name__ == "__main__":
    main(sys.argv[1:])
