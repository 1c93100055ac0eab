"""Small files of every system that can be read: real ones beside this checkout, and built ones.

Built from the layouts that the readers cite, for systems of which no real file is there, and for
what the real files do not hold: words with the highest line up, a serial port, sorted spikes.
"""

import struct
import wave
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from scipy.io import savemat

from task.contract.codes import CODE_TABLE
from task.contract.sessionlog import Event, Header
from task.logwriter import LogWriter

DATA = Path(__file__).parents[2] / "shared" / "data"
_RNG_SEED = 4


@dataclass(frozen=True, slots=True)
class Layout:
    """Records of one size with a time: where they begin, how long they are, where the time is."""

    begins: int
    size: int
    time_at: int
    time: str


@dataclass(frozen=True, slots=True, eq=False)
class Specimen:
    """A recording of one system in a folder of its own, and the file of it that is to be damaged.

    Attributes
    ----------
    what : `events`, `units`, `analog`, `log`: what there is to be read
    contents : of its files, by name
    victim : name of the file
    whole_folder : whether the folder is read, not the file
    channel : of an analog file
    layout : of records, where they have one size
    """

    name: str
    what: str
    contents: Mapping[str, bytes]
    victim: str
    whole_folder: bool = False
    channel: str | None = None
    layout: Layout | None = None
    real: bool = False


def specimens(scratch: Path, data: Path = DATA) -> list[Specimen]:
    """All of them; the real ones if they are there.

    Parameters
    ----------
    scratch : an empty folder to build in
    """
    return [*_real(data), *_built(scratch)]


# Real ones ---------------------------------------------------------------------------------------


def _real(data: Path) -> Iterator[Specimen]:
    if not data.is_dir():
        return
    events = data / "human_newold/events/P10HMH_092206/NO"
    yield _one("eventsRaw.mat", "events", events / "eventsRaw.mat")
    yield _one("lab log", "log", events / "newold80.txt")
    cells = [data / f"human_newold/sorted/P10HMH_092206/NO/A{n}_cells.mat" for n in (1, 2, 3)]
    yield _several("OSort cells", [*cells, events / "brainArea.mat"], "A2_cells.mat")
    yield _several("brainArea.mat", [*cells, events / "brainArea.mat"], "brainArea.mat")
    yield _several("wave_clus", [data / "bonn_units/030e16timesCSC47.mat"], "030e16timesCSC47.mat")
    rat = data / "neuralynx_rat"
    nev = Layout(16_384, 184, 6, "<u8")
    yield _one("Neuralynx .nev, rat", "events", rat / "R050-2014-04-02-Events.nev", nev)
    cells = [rat / f"R050-2014-04-02-{n}" for n in ("TT01_1.t", "TT07_8._t", "TT16_1.t")]
    for victim in cells[1:]:
        yield _several(f"MClust {victim.name[-7:]}", cells, victim.name, Layout(263, 4, 0, ">u4"))
    bench = data / "neuralynx_bench"
    yield _one("Neuralynx .nev, bench", "events", bench / "Events.nev", nev)
    for name in ("LAHC1", "LAHC1_3_gaps"):
        ncs = Layout(16_384, 1_044, 0, "<u8")
        yield _one(f"Neuralynx {name}.ncs", "analog", bench / f"{name}.ncs", ncs, "LAHC1")
    ripple = Layout(8_688, 112, 0, "<u4")
    yield _one("Ripple .nev", "events", data / "ripple_nev/sample.nev", ripple)
    for name, channel in (
        ("Test_anonymized", "RAMY01"),
        ("test_BRSMPGRP_raw", "elec5"),
        ("test_NEURALCD_raw", "elec5"),
        ("test_NEURALSG_raw", "chan5"),
    ):
        path = data / f"blackrock_nsx/{name}.ns3"
        yield _one(f"Blackrock {name}", "analog", path, channel=channel)
    nwb = data / "nwb_small"
    yield _one("NWB units", "units", nwb / "A8604-211122.nwb")
    yield _one("NWB ndx-events", "events", nwb / "ndx_events_test_events.nwb")
    ttl = nwb / "neuroconv_mock_ttl_examples.nwb"
    yield _one("NWB signals", "events", ttl)
    yield _one("NWB trace", "analog", ttl, channel="IrregularShortPulses")


def _one(
    name: str, what: str, path: Path, layout: Layout | None = None, channel: str | None = None
) -> Specimen:
    contents = {path.name: path.read_bytes()}
    return Specimen(
        name, what, contents, path.name, layout=layout, channel=channel, real=DATA in path.parents
    )


def _several(name: str, paths: list[Path], victim: str, layout: Layout | None = None) -> Specimen:
    contents = {path.name: path.read_bytes() for path in paths}
    real = DATA in paths[0].parents
    return Specimen(name, "units", contents, victim, True, layout=layout, real=real)


# Built ones --------------------------------------------------------------------------------------


def _built(scratch: Path) -> Iterator[Specimen]:
    for name, build in _BUILDERS.items():
        folder = scratch / name.replace(" ", "_").replace("/", "_")
        folder.mkdir()
        build(folder)
        yield from _read_as(name, folder)


def _read_as(name: str, folder: Path) -> Iterator[Specimen]:
    contents = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    what, whole_folder, channel, layout = _HOW[name]
    for victim in contents:
        called = name if len(contents) == 1 else f"{name}, {victim}"
        yield Specimen(called, what, contents, victim, whole_folder, channel, layout)


def _rng() -> np.random.Generator:
    return np.random.default_rng(_RNG_SEED)


_CHEETAH = (
    "######## Neuralynx Data File Header",
    "## File Name C:\\CheetahData\\2023-01-31_14-36-44\\Events.nev",
    "## Time Opened (m/d/y): 1/31/2023  (h:m:s.ms) 14:36:44.621",
    "## Time Closed (m/d/y): 1/31/2023  (h:m:s.ms) 15:36:44.795",
    "-CheetahRev 5.6.3 ",
)


def neuralynx_header(*lines: str) -> bytes:
    """The text before the records of a file of Neuralynx."""
    text = "\r\n".join([*_CHEETAH, *lines, ""])
    return text.encode().ljust(16_384, b"\0")


def neuralynx_event(time_us: int, word: int, text: str, event: int = 11) -> bytes:
    """A record of a `.nev` of Neuralynx."""
    head = struct.pack("<hhhQhHhhh8i", 0, 0, 2, time_us, event, word, 0, 0, 0, *[0] * 8)
    return head + text.encode().ljust(128, b"\0")


def input_text(word: int, port: int = 0, way: str = "Input") -> str:
    """What Neuralynx writes beside a word."""
    return f"TTL {way} on AcqSystem1_0 board 0 port {port} value (0x{word:04X})."


def _neuralynx_words(folder: Path) -> None:
    """Words with the highest line up, and on two ports at once."""
    rng, time_us, records = _rng(), 10**9, []
    for n in range(60):
        word, port = int(rng.integers(0x8000, 0x10000)), n % 2
        time_us += int(rng.integers(300_000, 900_000))
        records.append(neuralynx_event(time_us, word, input_text(word, port)))
        records.append(neuralynx_event(time_us + 20_000, 0, input_text(0, port)))
    (folder / "Events.nev").write_bytes(
        neuralynx_header("-FileType Event", "-RecordSize 184", "-AcqEntName Events")
        + b"".join(records)
    )


def _neuralynx_spikes(name: str, wires: int) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        rng, time_us = _rng(), 10**9
        records = []
        for _ in range(150):
            time_us += int(rng.integers(1_000, 90_000))
            head = struct.pack("<QII8i", time_us, 7, int(rng.integers(0, 3)), *range(8))
            samples = rng.integers(-2000, 2000, 32 * wires).astype("<i2").tobytes()
            records.append(head + samples)
        volts = " ".join(["0.000000030517578125"] * wires)
        lines = (f"-AcqEntName {Path(name).stem}", "-SamplingFrequency 32000")
        header = neuralynx_header(*lines, f"-ADBitVolts {volts}")
        (folder / name).write_bytes(header + b"".join(records))

    return build


def nev_header(version: tuple[int, int], packet: int, *extended: bytes) -> bytes:
    """The headers of a `.nev` of Blackrock."""
    magic = b"BREVENTS" if version[0] == 3 else b"NEURALEV"
    size = 336 + 32 * len(extended)
    told = struct.pack("<HIIII", 1, size, packet, 30_000, 30_000)
    date = struct.pack("<8H", 2023, 1, 2, 31, 14, 36, 44, 600)
    rest = b"File Dialog v7.0".ljust(32, b"\0") + bytes(256) + struct.pack("<I", len(extended))
    return magic + bytes(version) + told + date + rest + b"".join(extended)


def _blackrock(version: tuple[int, int]) -> Callable[[Path], None]:
    """Digital words, characters on the serial port, and spikes of two electrodes."""

    def build(folder: Path) -> None:
        rng, ticks, packets = _rng(), 3_000, []
        stamp = "<QH" if version[0] == 3 else "<IH"
        packet = 112 if version[0] == 3 else 108
        for n in range(300):
            ticks += int(rng.integers(30, 9_000))
            if n % 3 == 0:
                word, reason = (0 if n % 2 else 0xFF00 + n % 200), 129 if n % 30 == 15 else 1
                kind, body = 0, struct.pack("<BBH", reason, 0, word & 0xFF if reason > 1 else word)
            else:
                kind = int(rng.integers(1, 3))
                shape = rng.integers(-900, 900, 48).astype("<i2").tobytes()
                body = struct.pack("<BB", int(rng.integers(0, 3)), 0) + shape
            packets.append((struct.pack(stamp, ticks, kind) + body).ljust(packet, b"\0"))
        waves = [
            (b"NEUEVWAV" + struct.pack("<HBBHHhhBBH", n, 1, n, 250, 0, 0, 0, 2, 2, 48)).ljust(
                32, b"\0"
            )
            for n in (1, 2)
        ]
        header = nev_header(version, packet, *waves)
        (folder / "data.nev").write_bytes(header + b"".join(packets))

    return build


def _precise_nsx(folder: Path) -> None:
    """A 3.0 file of the precision time protocol: a block for every frame."""
    labels = [b"ainp1", b"ainp2"]
    entries = [
        (b"CC" + struct.pack("<H", 129 + n) + label).ljust(66, b"\0")
        for n, label in enumerate(labels)
    ]
    told = bytes((3, 0)) + struct.pack("<I", 314 + 66 * 2) + bytes(16 + 256)
    told += struct.pack("<II", 1, 10**9) + struct.pack("<8H", 2023, 1, 2, 3, 4, 5, 6, 7)
    header = b"BRSMPGRP" + told + struct.pack("<I", 2) + b"".join(entries)
    start, rng = 1_700_000_000 * 10**9, _rng()
    frames = [
        struct.pack("<BQI", 1, start + round(n * 1e9 / 30_000) + int(rng.integers(-300, 300)), 1)
        + rng.integers(-999, 999, 2).astype("<i2").tobytes()
        for n in range(2_000)
    ]
    (folder / "precise.ns6").write_bytes(header + b"".join(frames))


def _class_rows() -> np.ndarray:
    rng = _rng()
    times_ms = np.cumsum(rng.uniform(1, 200, 400)) + 1e5
    return np.column_stack([rng.integers(0, 4, 400), times_ms])


def _wave_clus_73(folder: Path) -> None:
    """As MATLAB saves with `-v7.3`."""
    values = {"cluster_class": _class_rows(), "spikes": _rng().normal(0, 50, (400, 64))}
    _write_73(folder / "times_CSC12.mat", values)


def _events_73(folder: Path) -> None:
    _write_73(folder / "eventsRaw.mat", {"events": _event_rows()})


def _write_73(path: Path, values: Mapping[str, np.ndarray]) -> None:
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in values.items():
            made = file.create_dataset(name, data=value.T, compression="gzip")
            made.attrs["MATLAB_class"] = np.bytes_("double")
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")


def _event_rows() -> np.ndarray:
    rng = _rng()
    times_us = 3e9 + np.cumsum(rng.integers(20_000, 2_000_000, 300))
    return np.column_stack([times_us, rng.integers(0, 256, 300), np.repeat([0, 80, 81], 100)])


def _events_v4(folder: Path) -> None:
    savemat(folder / "eventsRaw.mat", {"events": _event_rows()}, format="4")


def _osort_working(folder: Path) -> None:
    rng = _rng()
    assigned = rng.choice([7, 12, 99_999_999], 300)
    values = {
        "useNegative": np.array([[12], [7]], np.uint16),
        "assignedNegative": assigned[np.newaxis],
        "newTimestampsNegative": 1e9 + np.cumsum(rng.integers(900, 90_000, 300))[np.newaxis],
        "newSpikesNegative": rng.normal(0, 50, (300, 256)),
        "usePositive": np.empty((0, 0)),
    }
    savemat(folder / "A3_sorted_new.mat", values, do_compression=True)


def _phy(folder: Path) -> None:
    rng = _rng()
    np.save(folder / "spike_times.npy", np.sort(rng.integers(0, 3_000_000, 500)).astype(np.uint64))
    clusters = rng.integers(0, 5, 500).astype(np.int32)
    np.save(folder / "spike_clusters.npy", clusters)
    counts = np.bincount(clusters).tolist()
    info = "".join(f"{n}\t{n}\tgood\t{count}\n" for n, count in enumerate(counts))
    (folder / "cluster_info.tsv").write_text(f"cluster_id\tch\tgroup\tn_spikes\n{info}")
    params = "dat_path = 'new.bin'\nn_channels_dat = 4\ndtype = 'int16'\noffset = 0\n"
    (folder / "params.py").write_text(f"{params}sample_rate = 30000.\nhp_filtered = False\n")
    groups = "cluster_id\tgroup\n0\tgood\n1\tgood\n2\tgood\n3\tgood\n4\tgood\n"
    (folder / "cluster_group.tsv").write_text(groups)


def _combinato(folder: Path) -> None:
    rng = _rng()
    channel = folder / "CSC47"
    (channel / "sort_neg_abc").mkdir(parents=True)
    with h5py.File(channel / "data_CSC47.h5", "w") as file:
        for sign, count in (("pos", 0), ("neg", 200)):
            times = 1e5 + np.sort(rng.uniform(0, 1e6, count))
            file.create_dataset(f"{sign}/times", data=times, maxshape=(None,), chunks=True)
            shapes = rng.normal(0, 50, (count, 64)).astype(np.float32)
            file.create_dataset(f"{sign}/spikes", data=shapes, maxshape=(None, 64), chunks=True)
    with h5py.File(channel / "sort_neg_abc" / "sort_cat.h5", "w") as file:
        file.attrs["sign"] = np.bytes_("neg")
        file["index"] = np.arange(200, dtype=np.uint32)
        file["classes"] = rng.integers(0, 6, 200).astype(np.uint16)
        file["groups"] = np.array([[0, 0], [1, 1], [2, 1], [3, 2], [4, -1], [5, 3]], np.int16)
        file["types"] = np.array([[-1, -1], [0, 0], [1, 2], [2, 1], [3, 0]], np.int16)


def _spikeinterface(folder: Path) -> None:
    rng = _rng()
    np.savez(
        folder / "sorting_cached.npz",
        unit_ids=np.array([5, 0]),
        num_segment=np.array([1]),
        sampling_frequency=np.array([32000.0]),
        spike_indexes_seg0=np.sort(rng.integers(0, 10**7, 300)),
        spike_labels_seg0=rng.choice([0, 5], 300),
    )


def _csv_rows() -> list[tuple[float, int]]:
    return [(t / 1e6, int(code)) for t, code, _ in _event_rows().tolist()]


def _csv_events(folder: Path) -> None:
    rows = "".join(f"{t:.6f},{code},port 1\n" for t, code in _csv_rows())
    (folder / "events.csv").write_text(f"time_s,code,port\n{rows}")


def _bids(folder: Path) -> None:
    rows = "".join(f"{t:.6f}\t0\tpicture\t{code}\n" for t, code in _csv_rows())
    (folder / "sub-1_events.tsv").write_text(f"onset\tduration\ttrial_type\tvalue\n{rows}")


def _lab_log_wide(folder: Path) -> None:
    """A lab log as Excel saves it: two bytes a letter."""
    rows = "".join(f"{734000 * 10**9 + round(t * 11574)};{c};note;\n" for t, c in _csv_rows())
    (folder / "log.txt").write_bytes(rows.encode("utf-16"))


def _session(folder: Path) -> None:
    log = LogWriter(folder / "session.jsonl", _HEADER)
    events = [Event(t, f"EVENT_{c}", c or None, n // 10) for n, (t, c) in enumerate(_csv_rows())]
    log.write([Event(0.0, "RUN"), *events])
    log.end({"how": "completed"})


_HEADER = Header(
    session=1,
    subject="P1",
    protocol="p",
    protocol_sha256="",
    plan_sha256="",
    catalog="c",
    catalog_sha256="",
    seed=0,
    rig="r",
    started="2026-01-01T00:00:00+00:00",
    codes=CODE_TABLE,
    software={},
)


def _sound(folder: Path) -> None:
    with wave.open(str(folder / "light.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes((_rng().integers(0, 2, 4_000) * 9_000).astype("<i2").tobytes())


def _csv_trace(folder: Path) -> None:
    rows = "".join(f"{n / 1000:.3f},{n // 40 % 2}\n" for n in range(1_000) if n // 100 != 5)
    (folder / "light.csv").write_text(f"time_s,value\n{rows}")


_BUILDERS: Mapping[str, Callable[[Path], None]] = {
    "Neuralynx .nev": _neuralynx_words,
    "Neuralynx .nse": _neuralynx_spikes("SE7.nse", 1),
    "Neuralynx .ntt": _neuralynx_spikes("TT3.ntt", 4),
    "Blackrock .nev 2.3": _blackrock((2, 3)),
    "Blackrock .nev 3.0": _blackrock((3, 0)),
    "Blackrock .nev 2.3 units": _blackrock((2, 3)),
    "Blackrock .ns6 3.0": _precise_nsx,
    "wave_clus 7.3": _wave_clus_73,
    "eventsRaw.mat 7.3": _events_73,
    "eventsRaw.mat v4": _events_v4,
    "OSort working form": _osort_working,
    "Phy": _phy,
    "Combinato": _combinato,
    "SpikeInterface": _spikeinterface,
    "events.csv": _csv_events,
    "BIDS events.tsv": _bids,
    "lab log UTF-16": _lab_log_wide,
    "session.jsonl": _session,
    "light.wav": _sound,
    "light.csv": _csv_trace,
}
_HOW: Mapping[str, tuple[str, bool, str | None, Layout | None]] = {
    "Neuralynx .nev": ("events", False, None, Layout(16_384, 184, 6, "<u8")),
    "Neuralynx .nse": ("units", False, None, Layout(16_384, 112, 0, "<u8")),
    "Neuralynx .ntt": ("units", False, None, Layout(16_384, 304, 0, "<u8")),
    "Blackrock .nev 2.3": ("events", False, None, Layout(400, 108, 0, "<u4")),
    "Blackrock .nev 3.0": ("events", False, None, Layout(400, 112, 0, "<u8")),
    "Blackrock .nev 2.3 units": ("units", False, None, Layout(400, 108, 0, "<u4")),
    "Blackrock .ns6 3.0": ("analog", False, "ainp1", Layout(446, 17, 1, "<u8")),
    "wave_clus 7.3": ("units", True, None, None),
    "eventsRaw.mat 7.3": ("events", False, None, None),
    "eventsRaw.mat v4": ("events", False, None, None),
    "OSort working form": ("units", True, None, None),
    "Phy": ("units", True, None, None),
    "Combinato": ("units", True, None, None),
    "SpikeInterface": ("units", True, None, None),
    "events.csv": ("events", False, None, None),
    "BIDS events.tsv": ("log", False, None, None),
    "lab log UTF-16": ("log", False, None, None),
    "session.jsonl": ("log", False, None, None),
    "light.wav": ("analog", False, None, None),
    "light.csv": ("analog", False, None, None),
}
