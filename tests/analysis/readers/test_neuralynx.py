import json
import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.readers import read_events
from analysis.readers.neuralynx import read_records
from analysis.synthetic.neuralynx import EventFile
from task.contract.errors import RecordingError

HEADER = b"######## Neuralynx Data File Header\r\n-FileType Event\r\n".ljust(16_384, b"\0")


def record(time_us: int, lines: int, text: bytes, event: int = 11) -> bytes:
    """A record, field by field."""
    return (
        struct.pack("<hhh", 0, 0, 2)
        + struct.pack("<Q", time_us)
        + struct.pack("<h", event)
        + struct.pack("<H", lines)
        + struct.pack("<hhh", 0, 0, 0)
        + struct.pack("<8i", *range(8))
        + text.ljust(128, b"\0")
    )


def seen(time_us: int, lines: int, port: int = 0, way: str = "Input") -> bytes:
    said = f"TTL {way} on AcqSystem1_0 board 0 port {port} value (0x{lines:04X})."
    return record(time_us, lines, said.encode())


def mark(time_us: int, what: str, lines: int = 0) -> bytes:
    return record(time_us, lines, f"{what} Recording".encode(), event=19)


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    def write(*records: bytes) -> Path:
        path = tmp_path / "Events.nev"
        path.write_bytes(HEADER + b"".join(records))
        return path

    return write


def refusal(path: Path) -> str:
    with pytest.raises(RecordingError) as refused:
        read_events(path)
    return str(refused.value)


def test_a_change_of_the_lines_has_time_code_and_port(written: Callable[..., Path]) -> None:
    path = written(seen(4_371_441_635, 32), seen(4_371_457_001, 0))
    events = read_events(path)
    assert list(events) == ["time_s", "code", "port"]
    assert events["time_s"].tolist() == [4371.441635, 4371.457001]
    assert events["code"].tolist() == [32, 0]
    assert events["port"].tolist() == ["board 0 port 0 input"] * 2
    assert (events["time_s"].dtype, events["code"].dtype) == (np.float64, np.int64)


def test_a_code_with_its_highest_line_up_is_positive(written: Callable[..., Path]) -> None:
    assert read_events(written(seen(5, 0x8001)))["code"].tolist() == [0x8001]


def test_equal_codes_on_other_ports_are_told_apart(written: Callable[..., Path]) -> None:
    path = written(seen(5, 64, port=1), seen(6, 64, 0, "Output"), seen(7, 64, port=2))
    assert read_events(path)["port"].tolist() == [
        "board 0 port 1 input",
        "board 0 port 0 output",
        "board 0 port 2 input",
    ]


def test_the_order_of_the_file_stays_where_times_step_back(written: Callable[..., Path]) -> None:
    path = written(seen(5_000, 1), seen(4_811, 2), seen(6_000, 3))
    assert read_events(path)["time_s"].tolist() == [0.005, 0.004811, 0.006]


def test_starts_and_stops_of_recording_are_no_codes_whatever_the_lines_were(
    written: Callable[..., Path],
) -> None:
    first = [mark(1, "Starting"), seen(2, 20), mark(3, "Stopping", lines=20)]
    second = [mark(4, "Starting", lines=20), seen(5, 21), mark(6, "Stopping")]
    path = written(*first, *second)
    assert read_events(path)["code"].tolist() == [20, 21]
    records = read_records(path)
    marks = records[records["port"] == "recording"]
    assert marks["time_s"].tolist() == [1e-6, 3e-6, 4e-6, 6e-6]
    assert marks["text"].tolist() == ["Starting Recording", "Stopping Recording"] * 2


def test_a_comment_is_no_code(written: Callable[..., Path]) -> None:
    path = written(record(1, 0, b"patient moved, TTL cable loose"), seen(2, 20))
    assert read_events(path)["code"].tolist() == [20]
    assert read_records(path)["port"].tolist() == ["note", "board 0 port 0 input"]


def test_a_code_that_a_program_posted_has_a_port_of_its_own(written: Callable[..., Path]) -> None:
    events = read_events(written(record(1, 20, b"picture on", event=4), seen(2, 20)))
    assert events["port"].tolist() == ["posted", "board 0 port 0 input"]


@pytest.mark.parametrize(
    ("text", "port"),
    [
        (b"Digital Lynx Parallel Input Port TTL (0x8211)", "Digital Lynx Parallel Input Port TTL"),
        (b"RecID: 4098 Port: 0 TTL Value: 0x8211", "RecID: 4098 Port: 0 TTL"),
    ],
)
def test_older_systems_name_their_port_in_other_words(
    written: Callable[..., Path], text: bytes, port: str
) -> None:
    events = read_events(written(record(1, 0x8211, text)))
    assert events[["code", "port"]].to_numpy().tolist() == [[0x8211, port]]


def test_remains_behind_the_end_of_a_text_are_not_read(written: Callable[..., Path]) -> None:
    said = b"TTL Input on AcqSystem1_0 board 0 port 1 value (0x0020).\0e (0x0003)."
    path = written(record(1, 32, b"Starting Recording\0 value (0x0020)."), record(2, 32, said))
    assert read_events(path)["port"].tolist() == ["board 0 port 1 input"]


@given(
    st.lists(
        st.tuples(
            st.integers(1, 2**53),
            st.integers(0, 0xFFFF),
            st.integers(0, 7),
            st.sampled_from(["Input", "Output"]),
        ),
        min_size=1,
    )
)
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int, int, str]]
) -> None:
    path = tmp_path_factory.mktemp("nev") / "any.NEV"
    path.write_bytes(HEADER + b"".join(seen(*change) for change in changes))
    events = read_events(path)
    assert events["time_s"].tolist() == [time_us / 1e6 for time_us, *_ in changes]
    assert events["code"].tolist() == [code for _, code, *_ in changes]
    assert events["port"].tolist() == [f"board 0 port {p} {w.lower()}" for *_, p, w in changes]


def test_our_own_recorder_is_read(tmp_path: Path) -> None:
    with EventFile(tmp_path / "Events.nev") as file:
        file.start_recording(1000.0)
        file.append([(1002.000017, 20), (1002.033, 0), (1003.5, 255)])
        file.stop_recording(1005.5)
    events = read_events(tmp_path)
    assert events["time_s"].tolist() == [1002.000017, 1002.033, 1003.5]
    assert events["code"].tolist() == [20, 0, 255]


# Refusals ----------------------------------------------------------------------------------------


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Events.nev").touch()
    assert refusal(tmp_path) == f"{tmp_path / 'Events.nev'}: is empty"


def test_a_header_without_events_is_refused(written: Callable[..., Path]) -> None:
    path = written()
    assert refusal(path) == f"{path}: holds a header and no events"


@pytest.mark.parametrize("begins", [b"NEURALEV\x02\x02", b"\x89PNG", HEADER[1:]])
def test_a_file_of_another_system_is_refused(tmp_path: Path, begins: bytes) -> None:
    path = tmp_path / "a.nev"
    path.write_bytes(begins.ljust(20_000, b"\0"))
    assert refusal(path) == f"{path}: is no events file of Neuralynx: its header is another"


def test_a_file_cut_in_its_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.nev"
    path.write_bytes(HEADER[:16_383])
    assert refusal(path) == (
        f"{path}: ends within its header (0 whole records before it);"
        " copy it again from the recording computer"
    )


def test_a_file_cut_in_a_record_is_refused(written: Callable[..., Path]) -> None:
    path = written(seen(1, 1), seen(2, 2), seen(3, 3)[:-1])
    assert refusal(path) == (
        f"{path}: ends within record 3 (2 whole records before it);"
        " copy it again from the recording computer"
    )


def test_cut_anywhere_a_file_is_refused_or_ends_with_a_whole_record(tmp_path: Path) -> None:
    whole = HEADER + seen(1, 1) + seen(2, 2)
    path = tmp_path / "a.nev"
    read = {}
    for size in [*range(0, 16_384, 257), *range(16_384, len(whole) + 1)]:
        path.write_bytes(whole[:size])
        try:
            read[size] = read_events(path)["code"].tolist()
        except RecordingError:
            continue
    assert read == {16_384 + 184: [1], 16_384 + 368: [1, 2]}


def test_a_blank_record_is_refused(written: Callable[..., Path]) -> None:
    path = written(seen(1, 1), bytes(184), bytes(184))
    assert refusal(path) == f"{path}: record 2 is blank; the file is damaged"


@pytest.mark.parametrize(("text", "low_byte", "value"), [(0x20, 0x21, 33), (0, 4, 4)])
def test_a_record_whose_text_says_another_value_is_refused(
    written: Callable[..., Path], text: int, low_byte: int, value: int
) -> None:
    damaged = bytearray(seen(2, text))
    damaged[16] = low_byte
    path = written(seen(1, 1), damaged)
    assert refusal(path) == (
        f"{path}: record 2 has the value {value}, but its text says"
        f" 'TTL Input on AcqSystem1_0 board 0 port 0 value (0x{text:04X}).'; the file is damaged"
    )


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.nev"
    assert refusal(path) == f"{path}: cannot be read: No such file or directory"


# Real recordings ---------------------------------------------------------------------------------


def test_a_rat_recording_has_the_events_known_of_it(
    shared_data: Callable[[str], Path],
) -> None:
    folder = shared_data("neuralynx_rat")
    known = json.loads((folder / "expected.json").read_text())
    truth = known["events"]["R050-2014-04-02-Events.nev"]
    events, records = read_events(folder), read_records(folder / "R050-2014-04-02-Events.nev")
    assert len(records) == truth["events"]
    assert Counter(events["port"]) == {
        "board 0 port 1 input": truth["events_by_port"]["input port 1"],
        "board 0 port 0 output": truth["events_by_port"]["output port 0"],
    }
    for port, name in [
        ("board 0 port 1 input", "input port 1"),
        ("board 0 port 0 output", "output port 0"),
    ]:
        counted = Counter(f"0x{code:04X}" for code in events["code"][events["port"] == port])
        assert counted == truth["by_port_and_code"][name]
    marks = records[records["port"] == "recording"]
    assert marks[["time_s", "text"]].to_numpy().tolist() == known["recordings"]
    assert not (np.diff(records["time_s"]) < 0).any()


def test_a_bench_recording_has_marks_out_of_order_and_no_code(
    shared_data: Callable[[str], Path],
) -> None:
    folder = shared_data("neuralynx_bench")
    truth = json.loads((folder / "expected.json").read_text())["events"]["Events.nev"]
    assert read_events(folder).empty
    records = read_records(folder / "Events.nev")
    assert Counter(records["text"]) == truth["other_records"]
    step_us = np.round(np.diff(records["time_s"]) * 1e6)
    assert (step_us < 0).sum() == truth["steps_back"]
    assert step_us.min() == truth["smallest_step_us"]
