"""Events and spikes of Blackrock and Ripple, in files written byte by byte."""

import json
import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.readers.blackrock import packets_by_id, read_events, read_units, recognises
from task.contract.errors import RecordingError

SECOND = 30_000
WIDTH = 48  # samples of a waveform


def wav(electrode: int, factor: int = 250, width: int = 2, samples: int = WIDTH) -> bytes:
    told = struct.pack("<HBBHHhhBBH", electrode, 1, 1, factor, 0, 0, 0, 2, width, samples)
    return (b"NEUEVWAV" + told).ljust(32, b"\0")


def label(electrode: int, text: bytes) -> bytes:
    return (b"NEUEVLBL" + struct.pack("<H", electrode) + text).ljust(32, b"\0")


class Nev:
    """A file of one version, with packets of 108 bytes as Blackrock writes them."""

    def __init__(
        self,
        version: tuple[int, int] = (2, 3),
        *extended: bytes,
        second: int = SECOND,
        program: bytes = b"File Dialog v7.0",
        packet: int = 108,
        flags: int = 1,
    ) -> None:
        self.wide = version[0] == 3
        self.packet = packet
        self.head = (
            (b"BREVENTS" if self.wide else b"NEURALEV")
            + bytes(version)
            + struct.pack("<HIIII", flags, 336 + 32 * len(extended), packet, second, SECOND)
            + struct.pack("<8H", 2023, 1, 2, 31, 14, 36, 44, 600)
            + program.ljust(32, b"\0")
            + bytes(256)
            + struct.pack("<I", len(extended))
            + b"".join(extended)
        )

    def any(self, stamp: int, kind: int, body: bytes) -> bytes:
        told = struct.pack("<QH" if self.wide else "<IH", stamp, kind) + body
        assert len(told) <= self.packet
        return told.ljust(self.packet, b"\0")

    def event(self, stamp: int, word: int, reason: int = 1, *inputs: int) -> bytes:
        told = struct.pack(f"<BBH{len(inputs)}h", reason, 0, word, *inputs)
        return self.any(stamp, 0, told)

    def spike(self, stamp: int, electrode: int, cell: int, *steps: int) -> bytes:
        return self.any(stamp, electrode, struct.pack(f"<BB{len(steps)}h", cell, 0, *steps))

    def comment(self, stamp: int, text: bytes) -> bytes:
        return self.any(stamp, 0xFFFF, bytes(6) + text)


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    def write(nev: Nev, *packets: bytes) -> Path:
        path = tmp_path / "a.nev"
        path.write_bytes(nev.head + b"".join(packets))
        return path

    return write


def refusal(path: Path, read: Callable[[Path], object] = read_events) -> str:
    with pytest.raises(RecordingError) as refused:
        read(path)
    return str(refused.value).removeprefix(f"{path}: ")


# Events ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [(2, 1), (2, 2), (2, 3), (3, 0)])
def test_a_change_of_the_digital_lines_has_time_code_and_port(
    written: Callable[..., Path], version: tuple[int, int]
) -> None:
    nev = Nev(version)
    path = written(nev, nev.event(30_000, 20), nev.event(30_015, 0), nev.event(45_000, 0xFFFF))
    events = read_events(path)
    assert list(events) == ["time_s", "code", "port"]
    assert events["time_s"].tolist() == [1.0, 1.0005, 1.5]
    assert events["code"].tolist() == [20, 0, 65_535]
    assert events["port"].tolist() == ["digital"] * 3
    assert (events["time_s"].dtype, events["code"].dtype) == (np.float64, np.int64)


def test_characters_on_the_serial_port_are_no_digital_words(written: Callable[..., Path]) -> None:
    nev = Nev()
    path = written(nev, nev.event(1, 0xFF41, 129), nev.event(2, 0x0141, 1), nev.event(3, 7, 128))
    events = read_events(path)
    assert events[["code", "port"]].to_numpy().tolist() == [
        [0x41, "serial"],
        [0x0141, "digital"],
        [7, "serial"],
    ]


def test_a_packet_with_several_reasons_is_a_row_for_each_port(
    written: Callable[..., Path],
) -> None:
    nev = Nev((2, 2))
    path = written(nev, nev.event(3, 9, 0b0110_0101, 0, 1200, 0, 0, -5), nev.event(4, 8, 0x40))
    events = read_events(path)
    assert events[["code", "port"]].to_numpy().tolist() == [
        [9, "digital"],
        [1200, "analog 2"],
        [65_531, "analog 5"],
        [9, "periodic"],
        [8, "periodic"],
    ]
    assert events["time_s"].tolist() == [3 / SECOND] * 4 + [4 / SECOND]


def test_at_ripple_an_input_is_1_where_it_rose_and_0_where_it_fell(
    written: Callable[..., Path],
) -> None:
    nev = Nev((2, 2), program=b"Trellis[1.13.1.6]")
    path = written(
        nev,
        nev.event(1, 0, 4, 0, 32_767, 0, 0, 0),
        nev.event(2, 0, 4, 0, 0, 0, 0, 0),
        nev.event(3, 300, 3, 32_767, 0, 0, 0, 0),
    )
    assert read_events(path)[["code", "port"]].to_numpy().tolist() == [
        [1, "sma 2"],
        [0, "sma 2"],
        [300, "digital"],
        [1, "sma 1"],
    ]


def test_an_event_for_a_reason_that_is_not_known_is_kept(written: Callable[..., Path]) -> None:
    nev = Nev((2, 3))
    path = written(nev, nev.event(1, 5, 0x20), nev.event(2, 6, 0x21))
    assert read_events(path)[["code", "port"]].to_numpy().tolist() == [[5, "other"], [6, "digital"]]


def test_packets_of_other_kinds_are_counted_and_left_alone(written: Callable[..., Path]) -> None:
    nev = Nev()
    other = [nev.any(2**32 - 1, kind, b"\xff" * 8) for kind in (5121, 5632, 0xFFF9, 0xFFFB, 0xFFFE)]
    path = written(nev, *other, nev.event(4, 1), nev.comment(0, b"hello"), *other, nev.event(5, 0))
    assert read_events(path)["code"].tolist() == [1, 0]
    counts = {0: 2, 5121: 2, 5632: 2, 0xFFF9: 2, 0xFFFB: 2, 0xFFFE: 2, 0xFFFF: 1}
    assert packets_by_id(path) == counts


def test_a_file_with_spikes_alone_has_no_events(written: Callable[..., Path]) -> None:
    nev = Nev()
    events = read_events(written(nev, nev.spike(1, 1, 0)))
    assert events.empty and list(events) == ["time_s", "code", "port"]


@given(
    st.sampled_from([(2, 1), (2, 2), (2, 3), (3, 0)]),
    st.lists(
        st.tuples(st.integers(0, 29_000), st.integers(0, 0xFFFF), st.sampled_from([1, 129])),
        min_size=1,
        unique_by=lambda event: event[0],
    ),
)
def test_what_was_written_is_read_in_the_order_of_the_file(
    tmp_path_factory: pytest.TempPathFactory,
    version: tuple[int, int],
    told: list[tuple[int, int, int]],
) -> None:
    nev = Nev(version)
    path = tmp_path_factory.mktemp("nev") / "any.NEV"
    told = [(30_000 + stamp, word, reason) for stamp, word, reason in told]
    path.write_bytes(nev.head + b"".join(nev.event(*event) for event in told))
    events = read_events(path)
    assert events["time_s"].tolist() == [stamp / SECOND for stamp, _, _ in told]
    assert events["code"].tolist() == [w & 0xFF if r == 129 else w for _, w, r in told]
    assert events["port"].tolist() == ["serial" if r == 129 else "digital" for _, _, r in told]


def test_a_file_longer_than_a_piece_of_it_is_read_whole(tmp_path: Path) -> None:
    nev = Nev(packet=1 << 16)  # 128 packets are read at once
    path = tmp_path / "a.nev"
    path.write_bytes(nev.head + b"".join(nev.event(n, n % 7) for n in range(1, 300)))
    assert read_events(path)["code"].tolist() == [n % 7 for n in range(1, 300)]


# Clocks ------------------------------------------------------------------------------------------


def test_what_follows_a_restart_of_the_clock_is_another_run(written: Callable[..., Path]) -> None:
    nev = Nev()
    stamps = [300_000, 600_000, 900_000, 30, 300_000, 600_000]
    path = written(nev, *(nev.event(stamp, n) for n, stamp in enumerate(stamps)))
    events = read_events(path)
    assert events["clock"].tolist() == [1, 1, 1, 2, 2, 2]
    assert events["time_s"].tolist() == [10.0, 20.0, 30.0, 0.001, 10.0, 20.0]
    assert events["clock"].dtype == np.int64


def test_a_restart_that_the_recorder_noted_counts_even_if_no_time_falls(
    written: Callable[..., Path],
) -> None:
    nev = Nev()
    path = written(
        nev,
        nev.event(30, 1),
        nev.comment(0, b"hello"),
        nev.event(60, 2),
        nev.comment(0, b"critical load restart"),
        nev.event(90, 3),
    )
    assert read_events(path)["clock"].tolist() == [1, 1, 2]


def test_a_counter_that_passed_its_end_goes_on(written: Callable[..., Path]) -> None:
    nev = Nev()
    end = 2**32
    path = written(nev, nev.event(end - SECOND, 1), nev.event(SECOND, 2))
    events = read_events(path)
    assert "clock" not in events
    assert events["time_s"].tolist() == [end / SECOND - 1, end / SECOND + 1]


def test_nanoseconds_since_1970_are_seconds_to_a_quarter_of_a_microsecond(
    written: Callable[..., Path],
) -> None:
    nev = Nev((3, 0), second=10**9)
    start = 1_700_000_000_123_456_789
    path = written(nev, nev.event(start, 1), nev.event(start + 33_333, 2))
    np.testing.assert_allclose(
        read_events(path)["time_s"] - 1.7e9, [0.123456789, 0.123490122], rtol=0, atol=2.5e-7
    )


# Spikes ------------------------------------------------------------------------------------------


def test_units_are_electrodes_and_classes_with_times_and_waveforms(
    written: Callable[..., Path],
) -> None:
    nev = Nev((2, 3), wav(7), label(7, b"RAMY07"), wav(9, factor=1000), label(9, b"RAMY09"))
    path = written(
        nev,
        nev.spike(300, 7, 1, *range(WIDTH)),
        nev.event(400, 5),
        nev.spike(600, 9, 2, *range(0, 2 * WIDTH, 2)),
        nev.spike(500, 7, 1, *([-8] * WIDTH)),
        nev.spike(501, 7, 2, *([4] * WIDTH)),
    )
    units = read_units(path)
    assert list(units.table.index) == ["RAMY07_1", "RAMY07_2", "RAMY09_2"]
    assert units.table["channel"].tolist() == [7, 7, 9]
    assert units.table["cell"].tolist() == units.table["cluster"].tolist() == [1, 2, 2]
    assert units.table["kind"].tolist() == ["", "", ""]
    assert "clock" not in units.table
    assert units.spikes_of("RAMY07_1").tolist() == [0.01, 500 / SECOND]
    shape = units.read_waveforms("RAMY07_1")
    assert shape is not None
    assert (shape.rate_hz, shape.unit) == (30_000.0, "uV")
    np.testing.assert_allclose(shape.values, [np.arange(WIDTH) / 4, np.full(WIDTH, -2.0)])
    other = units.read_waveforms("RAMY09_2")
    assert other is not None and other.values.tolist() == [list(range(0, 2 * WIDTH, 2))]


def test_waveforms_follow_the_times_where_packets_are_out_of_order(
    written: Callable[..., Path],
) -> None:
    nev = Nev((2, 3), wav(1))
    path = written(nev, nev.spike(900, 1, 1, *[8] * WIDTH), nev.spike(890, 1, 1, *[4] * WIDTH))
    units = read_units(path)
    shape = units.read_waveforms("elec1_1")
    assert units.spikes_of("elec1_1").tolist() == [890 / SECOND, 900 / SECOND]
    assert shape is not None and shape.values[:, 0].tolist() == [1.0, 2.0]


def test_unsorted_spikes_are_a_unit_only_where_none_was_sorted_and_noise_is_never_one(
    written: Callable[..., Path],
) -> None:
    nev = Nev()
    spikes = [(1, 0), (1, 255), (2, 0), (2, 3), (3, 255)]
    path = written(nev, *(nev.spike(n, *spike) for n, spike in enumerate(spikes, 1)))
    table = read_units(path).table
    assert table["kind"].to_dict() == {"elec1_0": "multi", "elec2_3": ""}


def test_spikes_of_a_second_clock_are_units_of_their_own(written: Callable[..., Path]) -> None:
    nev = Nev()
    stamps = [30_000, 60_000, 90_000, 3, 30_000]
    units = read_units(written(nev, *(nev.spike(stamp, 1, 1) for stamp in stamps)))
    assert units.table["clock"].to_dict() == {"elec1_1": 1, "elec1_1 clock 2": 2}
    assert units.spikes_of("elec1_1").tolist() == [1.0, 2.0, 3.0]
    assert units.spikes_of("elec1_1 clock 2").tolist() == [0.0001, 1.0]


def test_equal_labels_are_no_names(written: Callable[..., Path]) -> None:
    nev = Nev((2, 3), label(1, b"LA"), label(2, b"LA"))
    path = written(nev, nev.spike(1, 1, 1), nev.spike(2, 2, 1))
    assert list(read_units(path).table.index) == ["elec1_1", "elec2_1"]


def test_waveforms_of_an_electrode_without_a_factor_stay_steps(
    written: Callable[..., Path],
) -> None:
    nev = Nev((3, 0))
    path = written(nev, nev.spike(1, 1, 1, *range(WIDTH)))
    shape = read_units(path).read_waveforms("elec1_1")
    assert shape is not None
    assert (shape.unit, shape.values.tolist()) == ("", [list(range(WIDTH))])


def test_waveforms_of_one_byte_and_a_factor_too_large_for_its_field(
    written: Callable[..., Path],
) -> None:
    nev = Nev((2, 3), wav(1, factor=21_516, width=1, samples=4), flags=0)
    path = written(nev, nev.any(1, 1, struct.pack("<BB4b", 1, 0, -1, 0, 1, 127)))
    shape = read_units(path).read_waveforms("elec1_1")
    assert shape is not None
    np.testing.assert_allclose(shape.values, np.array([[-1, 0, 1, 127]]) * 152.592547, rtol=1e-6)


def test_a_file_without_spikes_has_no_units(written: Callable[..., Path]) -> None:
    nev = Nev()
    assert read_units(written(nev, nev.event(1, 1))).table.empty


def test_a_class_beyond_the_usual_ones_is_a_unit_too(written: Callable[..., Path]) -> None:
    nev = Nev()
    units = read_units(written(nev, nev.event(1, 1), nev.spike(2, 1, 17), nev.spike(3, 1, 255)))
    assert units.table.index.tolist() == ["elec1_17"]


# Refusals ----------------------------------------------------------------------------------------


def test_files_are_recognised_by_name_and_first_bytes(tmp_path: Path) -> None:
    contents = {"a.nev": Nev().head, "b.NEV": Nev((3, 0)).head, "c.nev": b"########", "d.nev": b""}
    for name, content in {**contents, "e.txt": Nev().head}.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "f.nev").mkdir()
    assert [path.name for path in sorted(tmp_path.iterdir()) if recognises(path)] == [
        "a.nev",
        "b.NEV",
    ]


def _set(offset: int, value: bytes) -> Callable[[bytes], bytes]:
    return lambda whole: whole[:offset] + value + whole[offset + len(value) :]


COPY = "copy it again from the recording computer"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: b"", "is empty"),
        (
            lambda w: b"\x89PNG",
            "is no events file of Blackrock or Ripple: its header is another",
        ),
        (lambda w: w[:200], f"ends within its header; {COPY}"),
        (lambda w: w[:360], f"ends within its header; {COPY}"),
        (lambda w: w[:368], "holds a header and no records"),
        (lambda w: w[:-1], f"ends within record 2 (1 whole records before it); {COPY}"),
        (_set(8, b"\2\4"), "is of version 2.4; NEURALEV is known in 2.1, 2.2, 2.3"),
        (_set(8, b"\3\0"), "is of version 3.0; NEURALEV is known in 2.1, 2.2, 2.3"),
        (
            _set(12, b"\0\2\0\0"),
            "its header says 512 bytes, its 1 extended headers make 368; it is damaged",
        ),
        (
            _set(332, b"\xff\xff\xff\xff"),
            "its header says 368 bytes, its 4294967295 extended headers make 137438953776;"
            " it is damaged",
        ),
        (
            _set(16, b"\0\0\0\0"),
            "its header says 0 bytes a packet, which must be 12 or more and divisible by 4; it is"
            " damaged",
        ),
        (
            _set(20, struct.pack("<I", 30_001)),
            "its header says 30001 ticks per second, but 30000 samples; it is damaged",
        ),
        (_set(336, b"\1\2\3"), "extended header 1 has no name; it is damaged"),
        (_set(368, bytes(108)), "record 1 is blank; the file is damaged"),
    ],
)
def test_bad_files_are_refused(
    written: Callable[..., Path], change: Callable[[bytes], bytes], said: str
) -> None:
    nev = Nev((2, 3), label(1, b"LA1"))
    path = written(nev, nev.event(1, 1), nev.event(2, 0))
    path.write_bytes(change(path.read_bytes()))
    assert refusal(path) == said


def test_waveforms_of_an_impossible_width_are_refused(written: Callable[..., Path]) -> None:
    nev = Nev((2, 3), wav(1, width=3), flags=0)
    assert refusal(written(nev, nev.event(1, 1))) == (
        "extended header 1 says 3 bytes a sample; there are 1, 2 and 4; it is damaged"
    )


def test_events_that_are_there_twice_stay_twice(written: Callable[..., Path]) -> None:
    nev = Nev()
    events = [nev.event(100 * n, n) for n in range(1, 9)]
    path = written(nev, *events[:6], *events[3:])
    assert read_events(path)["code"].tolist() == [1, 2, 3, 4, 5, 6, 4, 5, 6, 7, 8]


def test_one_event_may_be_repeated_and_both_are_kept(written: Callable[..., Path]) -> None:
    nev = Nev()
    path = written(nev, nev.event(9, 5), nev.event(9, 5), nev.event(10, 5))
    assert read_events(path)["code"].tolist() == [5, 5, 5]


def test_cut_anywhere_a_file_is_refused_or_ends_with_a_whole_record(
    written: Callable[..., Path], tmp_path: Path
) -> None:
    nev = Nev((2, 3), wav(1))
    whole = written(nev, nev.event(1, 1), nev.event(2, 2)).read_bytes()
    read = {}
    path = tmp_path / "cut.nev"
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        try:
            read[size] = read_events(path)["code"].tolist()
        except RecordingError:
            continue
    assert read == {len(nev.head) + 108: [1], len(nev.head) + 216: [1, 2]}


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.nev"
    assert refusal(path) == "cannot be read: No such file or directory"


# Real recordings ---------------------------------------------------------------------------------


def test_a_ripple_recording_has_the_events_known_of_it(shared_data: Callable[[str], Path]) -> None:
    folder = shared_data("ripple_nev")
    known = json.loads((folder / "expected.json").read_text())
    path = folder / "sample.nev"
    assert recognises(path)
    assert {str(n): count for n, count in packets_by_id(path).items()} == known["packets_by_id"]
    assert sum(packets_by_id(path).values()) == known["file"]["packets"]
    events, truth = read_events(path), known["events"]
    assert Counter(events["port"]) == {"sma 2": truth["insertion_reason"]["4"]}
    assert Counter(str(32_767 * c) for c in events["code"]) == truth["second_analog_input_values"]
    rose = events.loc[events["code"] == 1, "time_s"].to_numpy()
    fell = events.loc[events["code"] == 0, "time_s"].to_numpy()
    clock_hz = known["file"]["clock_hz"]
    widths = Counter(str(round(w)) for w in (fell - rose) * clock_hz)
    assert (len(rose), widths) == (truth["pulses"], truth["pulse_width_samples"])
    assert rose[[0, -1]].round(6).tolist() == [truth["first_pulse_s"], truth["last_pulse_s"]]
    intervals = np.diff(rose) * 1000
    assert round(float(np.median(intervals)), 3) == truth["interval_median_ms"]
    assert round(float(intervals.max()), 3) == truth["interval_max_ms"]
    long = intervals > 1.5 * np.median(intervals)
    assert long.sum() == truth["intervals_longer_than_1_5_median"]
    missing = np.round(intervals / np.median(intervals)).sum() - len(intervals)
    assert missing == truth["pulses_missing_if_regular"]
    assert read_units(path).table.empty


def test_an_electrode_that_the_header_leaves_out_has_its_units(
    written: Callable[..., Path],
) -> None:
    nev = Nev((2, 3), wav(1))
    spikes = [nev.spike(300 * n, 1, 1, *range(WIDTH)) for n in range(1, 9)]
    units = read_units(written(nev, *spikes, nev.spike(3000, 5, 1)))
    assert units.table.index.tolist() == ["elec1_1", "elec5_1"]
