"""Events and spikes of Blackrock and Ripple recordings (`.nev`, specifications 2.1 to 3.0).

Little-endian.  A header of 336 bytes: `NEURALEV` (2.x) or `BREVENTS` (3.0), version, flags, bytes
of all headers, bytes of a packet, ticks per second of the time stamps, samples per second of the
waveforms, date, program, comment, number of extended headers; those, 32 bytes each; then packets
of one size to the end of the file: stamp (32 bits, in 3.0 64), id, and what the id says:

- 0, an event: why it was written (a bit per port), the digital word, and up to 2.2 five inputs;
- 1 to 5120, a spike on that electrode: its class (0 unsorted, 1 to 16 sorted, 255 noise), waveform;
- others (comments, video, tracking, buttons, stimulation at Ripple) are left alone.

Ports are named by the bits of events alone: the labels that headers may give them (`DIGLABEL`) are
what somebody typed, mostly nothing.

Sources: Blackrock, NEV file format LB-0023; Ripple, Trellis NEV specification R01838.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.readers.blackrock_clock import Clock, follow_clock
from analysis.recording import MULTI, Unit, Units, Waveforms, collect_units
from task.contract.errors import RecordingError

HEADER_BYTES = 336
EXTENDED_BYTES = 32
MAGIC = {b"NEURALEV": ((2, 1), (2, 2), (2, 3)), b"BREVENTS": ((3, 0),)}
DIGITAL, SERIAL, PERIODIC, OTHER = "digital", "serial", "periodic", "other"
LAST_ELECTRODE = 5120
TICKS = (30_000, 1_000_000_000)  # of the recorder's own clock; of the precision time protocol
_COMMENT, _RESTART = 0xFFFF, b"critical load restart"
_NOISE = 255
_CHUNK_BYTES = 1 << 23
_HEADER = np.dtype(
    [
        ("magic", "S8"),
        ("version", "u1", 2),
        ("flags", "<u2"),
        ("header_bytes", "<u4"),
        ("packet_bytes", "<u4"),
        ("second", "<u4"),
        ("rate_hz", "<u4"),
        ("date", "<u2", 8),
        ("program", "S32"),
        ("comment", "S256"),
        ("extended", "<u4"),
    ]
)
_WAVEFORM = np.dtype(  # an extended header NEUEVWAV; Ripple has no `samples`
    {
        "names": ["electrode", "factor", "bytes", "samples"],
        "formats": ["<u2", "<u2", "u1", "<u2"],
        "offsets": [8, 12, 21, 22],
        "itemsize": EXTENDED_BYTES,
    }
)
# Factors are 16 bits wide; this one stands for one that does not fit (5 V in 2^15 steps).
_OVERFLOWN, _MEANT_NV = 21_516, 152_592.547
_UV_PER_NV = 1e-3
_COPY = "copy it again from the recording computer"


@dataclass(frozen=True, slots=True, eq=False)
class _File:
    """What the headers say.

    Attributes
    ----------
    packet : of one packet
    count : of packets
    inputs : names of the inputs that bits 1 to 5 stand for; none in newer files of Blackrock
    labels : of electrodes, where they have any
    waveforms : of electrodes: nV per step (0: unknown), type and number of samples
    """

    path: Path
    packet: np.dtype[np.void]
    header_bytes: int
    count: int
    second: int
    rate_hz: int
    inputs: tuple[str, ...]
    labels: Mapping[int, str]
    waveforms: Mapping[int, tuple[float, str, int]]


@dataclass(frozen=True, slots=True, eq=False)
class _Packets:
    """Of every packet: stamp, id, and class or reason; of events all; and who restarted."""

    stamps: NDArray[Any]
    ids: NDArray[np.uint16]
    kinds: NDArray[np.uint8]
    events: NDArray[np.void]
    restarts: NDArray[np.int64]


def recognises(path: Path) -> bool:
    """Whether this is an events file of Blackrock or Ripple by its name and first bytes."""
    if path.suffix.lower() != ".nev" or not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(8) in MAGIC


def read_events(path: Path) -> pd.DataFrame:
    """Events in the order of the file; a packet with several reasons is a row for each port.

    Returns
    -------
    DataFrame with `time_s`, `code`, `port`, and `clock` where the file holds several (see
    `blackrock_clock`)

        `digital`: word of 16 lines, returns to 0 included; `serial`: a character, without any
        return; `sma 1` to `sma 4` (Ripple): 1 where the line rose, 0 where it fell; `analog 1` to
        `analog 5` (Blackrock): the value at the crossing, 16 bits unsigned; `output echo`,
        `periodic` and `other` (a reason that no specification knows): words.

    Raises
    ------
    RecordingError
        If the file is none of these systems, cut, or damaged.
    """
    file = _open(path)
    packets = _scan(file)
    clock = _clock(file, packets)
    which = np.flatnonzero(packets.ids == 0)
    ticks, run = clock.place(which, packets.stamps[which])
    events = packets.events
    row, code, port = _rows(file, events)
    table: dict[str, NDArray[Any]] = {
        "time_s": ticks[row] / file.second,
        "code": code,
        "port": port,
    }
    table |= {"clock": run[row]} if clock.runs > 1 else {}
    return pd.DataFrame(table).astype({"port": str})


def read_units(path: Path) -> Units:
    """Units as the recorder sorted them: electrode's label and class (`chan7_2`).

    Spikes that were not sorted are a unit of kind `multi` (`chan7_0`) on electrodes where none was
    sorted, and none elsewhere: there they are what was left over.  Noise is no unit.  Spikes of a
    second clock are units of their own (`chan7_2 clock 2`), and `clock` tells which.

    Raises
    ------
    RecordingError
        As `read_events`.
    """
    file = _open(path)
    packets = _scan(file)
    clock = _clock(file, packets)
    places: dict[str, tuple[int, NDArray[np.int64]]] = {}
    units = []
    for unit, where in _units(file, packets, clock):
        units.append(unit)
        places[unit.label] = (int(unit.channel or 0), where)

    def read_waveforms(label: str) -> Waveforms | None:
        return _waveforms(file, *places[label])

    return collect_units(units, read_waveforms)


def packets_by_id(path: Path) -> dict[int, int]:
    """How many packets of each id there are, those included that nothing here reads.

    Raises
    ------
    RecordingError
        As `read_events`.
    """
    ids, counts = np.unique(_scan(_open(path)).ids, return_counts=True)
    return dict(zip(ids.tolist(), counts.tolist(), strict=True))


def electrode_names(labels: Mapping[int, str]) -> dict[int, str]:
    """Labels as names; `elec<number>` for empty ones, and for all if any two are the same."""
    names = {number: label or f"elec{number}" for number, label in labels.items()}
    if len(set(names.values())) == len(names):
        return names
    return {number: f"elec{number}" for number in names}


def decoded(text: bytes) -> str:
    """What stands before the first zero byte."""
    return text.partition(b"\0")[0].decode("latin-1").strip()


# The headers -------------------------------------------------------------------------------------


def _open(path: Path) -> _File:
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            begins = stream.read(HEADER_BYTES)
            head = _header(path, begins)
            bytes_ = int(head["header_bytes"]) - HEADER_BYTES
            if bytes_ != int(head["extended"]) * EXTENDED_BYTES:
                raise RecordingError(
                    f"{path}: its header says {head['header_bytes']} bytes, its"
                    f" {head['extended']} extended headers make"
                    f" {HEADER_BYTES + EXTENDED_BYTES * int(head['extended'])}; it is damaged"
                )
            if HEADER_BYTES + bytes_ > size:
                raise RecordingError(f"{path}: ends within its header; {_COPY}")
            extended = stream.read(bytes_)
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from None
    return _described(path, head, extended, _count(path, head, size))


def _header(path: Path, begins: bytes) -> np.void:
    if not begins:
        raise RecordingError(f"{path}: is empty")
    if begins[:8] not in MAGIC:
        raise RecordingError(
            f"{path}: is no events file of Blackrock or Ripple: its header is another"
        )
    if len(begins) < HEADER_BYTES:
        raise RecordingError(f"{path}: ends within its header; {_COPY}")
    head: np.void = np.frombuffer(begins, _HEADER)[0]
    version = _version(head)
    if version not in MAGIC[begins[:8]]:
        known = ", ".join(f"{a}.{b}" for a, b in MAGIC[begins[:8]])
        raise RecordingError(
            f"{path}: is of version {version[0]}.{version[1]}; {begins[:8].decode()} is known in"
            f" {known}"
        )
    if head["second"] not in TICKS and (head["second"] != head["rate_hz"] or not head["second"]):
        raise RecordingError(
            f"{path}: its header says {head['second']} ticks per second, but"
            f" {head['rate_hz']} samples; it is damaged"
        )
    return head


def _count(path: Path, head: np.void, size: int) -> int:
    packet_bytes = int(head["packet_bytes"])
    least = _stamp_bytes(head) + 8
    if packet_bytes < least or packet_bytes % 4:
        raise RecordingError(
            f"{path}: its header says {packet_bytes} bytes a packet, which must be {least} or more"
            " and divisible by 4; it is damaged"
        )
    whole, rest = divmod(size - int(head["header_bytes"]), packet_bytes)
    if rest:
        raise RecordingError(
            f"{path}: ends within record {whole + 1} ({whole} whole records before it); {_COPY}"
        )
    if not whole:
        raise RecordingError(f"{path}: holds a header and no records")
    return whole


def _version(head: np.void) -> tuple[int, int]:
    major, minor = head["version"].tolist()
    return major, minor


def _stamp_bytes(head: np.void) -> int:
    return 4 if head["version"][0] == 2 else 8


def _described(path: Path, head: np.void, extended: bytes, count: int) -> _File:
    ripple = b"Trellis" in bytes(head["program"])
    names: tuple[str, ...] = ()
    if ripple:
        names = ("sma 1", "sma 2", "sma 3", "sma 4", "output echo")
    elif _version(head) <= (2, 2):
        names = tuple(f"analog {n}" for n in range(1, 6))
    stamp, packet_bytes = _stamp_bytes(head), int(head["packet_bytes"])
    if packet_bytes < stamp + 16:
        names = ()
    labels, waveforms = _electrodes(path, head, extended, ripple)
    return _File(
        path=path,
        packet=_packet(stamp, packet_bytes),
        header_bytes=int(head["header_bytes"]),
        count=count,
        second=int(head["second"]),
        rate_hz=int(head["rate_hz"]),
        inputs=names,
        labels=labels,
        waveforms=waveforms,
    )


def _packet(stamp: int, packet_bytes: int) -> np.dtype[np.void]:
    fields: list[tuple[str, Any, int]] = [
        ("stamp", f"<u{stamp}", 0),
        ("id", "<u2", stamp),
        ("kind", "u1", stamp + 2),  # reason of an event, class of a spike
        ("word", "<u2", stamp + 4),
        ("inputs", ("<i2", 5), stamp + 6),
        ("text", f"S{len(_RESTART)}", stamp + 8),  # of a comment
    ]
    names, formats, offsets = zip(
        *(f for f in fields if f[2] + np.dtype(f[1]).itemsize <= packet_bytes), strict=True
    )
    return np.dtype(
        {"names": names, "formats": formats, "offsets": offsets, "itemsize": packet_bytes}
    )


def _electrodes(
    path: Path, head: np.void, extended: bytes, ripple: bool
) -> tuple[dict[int, str], dict[int, tuple[float, str, int]]]:
    room = int(head["packet_bytes"]) - _stamp_bytes(head) - 4
    labels: dict[int, str] = {}
    waveforms: dict[int, tuple[float, str, int]] = {}
    for start in range(0, len(extended), EXTENDED_BYTES):
        entry = extended[start : start + EXTENDED_BYTES]
        kind = entry[:8].rstrip(b"\0 ")
        if not (kind.isascii() and kind.decode("latin-1").isprintable()):
            number = start // EXTENDED_BYTES + 1
            raise RecordingError(f"{path}: extended header {number} has no name; it is damaged")
        if kind == b"NEUEVLBL":
            labels[int.from_bytes(entry[8:10], "little")] = decoded(entry[10:26])
        elif kind == b"NEUEVWAV":
            wave = np.frombuffer(entry, _WAVEFORM)[0]
            width = 2 if head["flags"] & 1 else max(int(wave["bytes"]), 1)
            if width not in (1, 2, 4):
                number = start // EXTENDED_BYTES + 1
                raise RecordingError(
                    f"{path}: extended header {number} says {width} bytes a sample; there are 1, 2"
                    " and 4; it is damaged"
                )
            told = 0 if ripple or _version(head) == (2, 1) else int(wave["samples"])
            samples = told if 0 < told * width <= room else room // width
            factor = _MEANT_NV if wave["factor"] == _OVERFLOWN else float(wave["factor"])
            waveforms[int(wave["electrode"])] = (factor, f"<i{width}", samples)
    return labels, waveforms


# The packets -------------------------------------------------------------------------------------


def _scan(file: _File) -> _Packets:
    """Pass through the file once, in pieces: it may be larger than memory."""
    stamps = np.empty(file.count, file.packet["stamp"])
    ids, kinds = np.empty(file.count, np.uint16), np.empty(file.count, np.uint8)
    events = [np.empty(0, _event(file))]
    restarts = [np.empty(0, np.int64)]
    for start, packets in _chunks(file):
        these = slice(start, start + len(packets))
        stamps[these], ids[these], kinds[these] = packets["stamp"], packets["id"], packets["kind"]
        happened = packets[packets["id"] == 0]
        kept = np.empty(len(happened), _event(file))
        for name in kept.dtype.names or ():
            kept[name] = happened[name]
        events.append(kept)
        if "text" in (file.packet.names or ()):
            said = (packets["id"] == _COMMENT) & (packets["text"] == _RESTART)
            restarts.append(start + np.flatnonzero(said))
    blank = np.flatnonzero((stamps == 0) & (ids == 0) & (kinds == 0))
    if len(blank):
        raise RecordingError(f"{file.path}: record {blank[0] + 1} is blank; the file is damaged")
    return _Packets(stamps, ids, kinds, np.concatenate(events), np.concatenate(restarts))


def _event(file: _File) -> np.dtype[np.void]:
    names = ("kind", "word", "inputs")[: 3 if file.inputs else 2]
    return np.dtype([(name, file.packet[name]) for name in names])


def _chunks(file: _File) -> Iterator[tuple[int, NDArray[np.void]]]:
    step = max(_CHUNK_BYTES // file.packet.itemsize, 1)
    try:
        with file.path.open("rb") as stream:
            stream.seek(file.header_bytes)
            for start in range(0, file.count, step):
                wanted = min(step, file.count - start)
                packets = np.fromfile(stream, file.packet, wanted)
                if len(packets) < wanted:
                    raise RecordingError(f"{file.path}: became shorter while it was read")
                yield start, packets
    except OSError as error:
        raise RecordingError(f"{file.path}: cannot be read: {error.strerror}") from None


def _clock(file: _File, packets: _Packets) -> Clock:
    """The clock by packet; only events and spikes keep it, others may tell any time."""
    keeps = packets.ids <= LAST_ELECTRODE
    if keeps.all():
        numbers = range(1, file.count + 1)
        return follow_clock(file.path, packets.stamps, file.second, numbers, packets.restarts)
    timed = np.flatnonzero(keeps)
    noted = np.unique(np.searchsorted(timed, packets.restarts))
    noted = noted[(noted > 0) & (noted < len(timed))]
    clock = follow_clock(file.path, packets.stamps[timed], file.second, timed + 1, noted)
    return Clock(np.concatenate([[0], timed[clock.first[1:]]]), clock.run, clock.offset)


# Events ------------------------------------------------------------------------------------------


def _rows(
    file: _File, events: NDArray[np.void]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.object_]]:
    """A row for each port that an event names: which event, code, port; in the order of events."""
    reason, word = events["kind"], events["word"].astype(np.int64)
    serial = (reason & 0x80) != 0
    parts = [(DIGITAL, ((reason & 1) != 0) & ~serial, word), (SERIAL, serial, word & 0xFF)]
    for bit, name in enumerate(file.inputs, start=1):
        value = events["inputs"][:, bit - 1].astype(np.int64) & 0xFFFF
        level = (value != 0).astype(np.int64) if name.startswith("sma") else value
        parts.append((name, (reason & (1 << bit)) != 0, level))
    parts.append((PERIODIC, (reason & 0x40) != 0, word))
    told = np.any([here for _, here, _ in parts], axis=0)
    parts.append((OTHER, ~told, word))
    row = np.concatenate([np.flatnonzero(is_this) for _, is_this, _ in parts])
    code = np.concatenate([codes[is_this] for _, is_this, codes in parts])
    names = np.array([name for name, _, _ in parts], dtype=object)
    port = np.repeat(names, [int(is_this.sum()) for _, is_this, _ in parts])
    order = np.argsort(row, kind="stable")
    return row[order], code[order], port[order]


# Spikes ------------------------------------------------------------------------------------------


def _units(
    file: _File, packets: _Packets, clock: Clock
) -> Iterator[tuple[Unit, NDArray[np.int64]]]:
    """Units by electrode and class, and which packets are theirs, in the order of their times."""
    found = _spikes(file, packets)
    electrodes = sorted({electrode for electrode, _ in found})
    names = electrode_names({n: file.labels.get(n, "") for n in electrodes})
    sorted_on = {electrode for electrode, cell in found if cell}
    for (electrode, cell), where in sorted(found.items()):
        if not cell and electrode in sorted_on:
            continue
        ticks, runs = clock.place(where, packets.stamps[where])
        for run in np.unique(runs).tolist():
            mine = np.flatnonzero(runs == run)
            mine = mine[np.argsort(ticks[mine], kind="stable")]
            label = f"{names[electrode]}_{cell}" + (f" clock {run}" if run > 1 else "")
            unit = Unit(
                label=label,
                cell=cell,
                spikes_s=ticks[mine] / file.second,
                channel=electrode,
                cluster=cell,
                kind="" if cell else MULTI,
                quality={"clock": run} if clock.runs > 1 else {},
            )
            yield unit, where[mine]


def _spikes(file: _File, packets: _Packets) -> dict[tuple[int, int], NDArray[np.int64]]:
    """Packets of each electrode and class but noise, in the order of the file."""
    is_spike = (packets.ids > 0) & (packets.ids <= LAST_ELECTRODE)
    where = np.flatnonzero(is_spike & (packets.kinds != _NOISE))
    key = packets.ids[where].astype(np.uint32) << 8 | packets.kinds[where]
    order = np.argsort(key, kind="stable")
    keys, starts = np.unique(key[order], return_index=True)
    groups = np.split(where[order], starts[1:])
    return {divmod(k, 256): group for k, group in zip(keys.tolist(), groups, strict=False)}


def _waveforms(file: _File, electrode: int, where: NDArray[np.int64]) -> Waveforms:
    room = file.packet.itemsize - file.packet["stamp"].itemsize - 4
    factor_nv, kind, samples = file.waveforms.get(electrode, (0.0, "<i2", room // 2))
    start = file.packet["stamp"].itemsize + 4
    try:
        stored = np.memmap(
            file.path, np.uint8, "r", file.header_bytes, (file.count, file.packet.itemsize)
        )
    except (OSError, ValueError) as error:
        raise RecordingError(f"{file.path}: cannot be read: {error}") from None
    steps = stored[where, start : start + samples * np.dtype(kind).itemsize].view(kind)
    if not factor_nv:
        return Waveforms(steps, float(file.rate_hz))
    values = steps.astype(np.float32) * np.float32(factor_nv * _UV_PER_NV)
    return Waveforms(values, float(file.rate_hz), "uV")
