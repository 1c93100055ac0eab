import json
import struct
from collections import Counter
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.readers import read_events
from analysis.readers.neuralynx import read_recordings, recognises
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


def test_a_comment_is_no_code(written: Callable[..., Path]) -> None:
    path = written(record(1, 0, b"patient moved, TTL cable loose"), seen(2, 20))
    assert read_events(path)["code"].tolist() == [20]


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


def test_lines_beyond_the_sixteenth_are_left_out(written: Callable[..., Path]) -> None:
    said = b"Cheetah 160 Digital Input Port TTL (0xFFFF8000)"
    assert read_events(written(record(1, 0x8000, said)))["code"].tolist() == [0x8000]


def test_ports_of_several_boxes_are_told_apart(written: Callable[..., Path]) -> None:
    other = b"TTL Input on AcqSystem2_0 board 0 port 0 value (0x0001)."
    assert read_events(written(seen(5, 1), record(6, 1, other)))["port"].tolist() == [
        "AcqSystem1_0 board 0 port 0 input",
        "AcqSystem2_0 board 0 port 0 input",
    ]


def test_without_any_texts_every_record_is_a_change_of_an_unknown_port(
    written: Callable[..., Path],
) -> None:
    events = read_events(written(record(1, 20, b""), record(2, 0, b"")))
    assert events[["code", "port"]].to_numpy().tolist() == [[20, ""], [0, ""]]


def test_remains_behind_the_end_of_a_text_are_not_read(written: Callable[..., Path]) -> None:
    said = b"TTL Input on AcqSystem1_0 board 0 port 1 value (0x0020).\0e (0x0003)."
    path = written(record(1, 32, b"Starting Recording\0 value (0x0020)."), record(2, 32, said))
    assert read_events(path)["port"].tolist() == ["board 0 port 1 input"]


@given(
    st.integers(0, 2**51),
    st.lists(
        st.tuples(
            st.integers(1, 10**9),
            st.integers(0, 0xFFFF),
            st.integers(0, 7),
            st.sampled_from(["Input", "Output"]),
        ),
        min_size=1,
    ),
)
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    start_us: int,
    changes: list[tuple[int, int, int, str]],
) -> None:
    path = tmp_path_factory.mktemp("nev") / "any.NEV"
    times_us = list(accumulate((step for step, *_ in changes), initial=start_us))[1:]
    written = zip(times_us, (change for _, *change in changes), strict=True)
    path.write_bytes(HEADER + b"".join(seen(time_us, *change) for time_us, change in written))
    events = read_events(path)
    assert events["time_s"].tolist() == [time_us / 1e6 for time_us in times_us]
    assert events["code"].tolist() == [code for _, code, *_ in changes]
    boxes = [f"board 0 port {p} {w.lower()}" for *_, p, w in changes]
    assert events["port"].tolist() == boxes


def test_files_longer_than_a_chunk_are_read_whole(
    written: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.readers.neuralynx_file.CHUNK_BYTES", 2 * 184)
    path = written(*(seen(n, n, port=n % 3) for n in range(1, 8)))
    events = read_events(path)
    assert events["code"].tolist() == [*range(1, 8)]
    assert [port[13:15] for port in events["port"]] == [f"{n % 3} " for n in range(1, 8)]


@pytest.mark.parametrize(
    ("name", "begins", "ours"),
    [
        ("Events.nev", HEADER[:40], True),
        ("EVENTS.NEV", HEADER[:40], True),
        ("a.nev", b"NEURALEV\x02\x03", False),  # Blackrock, Ripple
        ("a.nev", b"BREVENTS\x03\x00", False),
        ("a.nev", b"NEURALSG", True),  # nobody's: refused with a sentence
        ("a.nev", b"", True),
        ("a.ncs", HEADER[:40], False),
    ],
)
def test_events_files_are_known_by_name_and_first_bytes(
    tmp_path: Path, name: str, begins: bytes, ours: bool
) -> None:
    (tmp_path / name).write_bytes(begins)
    assert recognises(tmp_path / name) is ours


def test_a_folder_is_no_events_file(tmp_path: Path) -> None:
    (tmp_path / "a.nev").mkdir()
    assert not recognises(tmp_path / "a.nev")


# Recordings --------------------------------------------------------------------------------------

S = 1_000_000


@pytest.mark.parametrize(
    ("marks", "recordings"),
    [
        ([], []),
        ([("Starting", 1), ("Stopping", 5), ("Starting", 6), ("Stopping", 9)], [(1, 5), (6, 9)]),
        ([("Starting", 1), ("Starting", 5), ("Stopping", 9)], [(1, None), (5, 9)]),
        ([("Starting", 1)], [(1, None)]),
        ([("Stopping", 5), ("Starting", 6)], [(None, 5), (6, None)]),
        ([("Starting", 1), ("Stopping", 5), ("Stopping", 9)], [(1, 5), (None, 9)]),
        # Two boxes, each with marks of its own, not in order.
        (
            [("Starting", 1.5), ("Starting", 1), ("Stopping", 8), ("Stopping", 8.5)],
            [(1, 8.5)],
        ),
        ([("Starting", 1), ("Stopping", 1.2), ("Starting", 1.4)], [(1, 1.2), (1.4, None)]),
    ],
)
def test_recordings_run_from_start_to_stop(
    written: Callable[..., Path],
    marks: list[tuple[str, float]],
    recordings: list[tuple[float | None, float | None]],
) -> None:
    path = written(seen(S // 2, 1), *(mark(round(time * S), what) for what, time in marks))
    found = read_recordings(path)
    assert list(found) == ["start_s", "stop_s"]
    assert set(found.dtypes) == {np.dtype(np.float64)}
    rows = [tuple(None if np.isnan(t) else t for t in row) for row in found.to_numpy().tolist()]
    assert rows == recordings


@pytest.mark.parametrize(("apart_s", "recordings"), [(1.0, 1), (1.000001, 2)])
def test_starts_within_a_second_are_of_one_recording(
    written: Callable[..., Path], apart_s: float, recordings: int
) -> None:
    path = written(mark(S, "Starting"), mark(round((1 + apart_s) * S), "Starting"))
    assert len(read_recordings(path)) == recordings


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
    assert refusal(tmp_path) == (
        f"{tmp_path / 'Events.nev'}: is empty; copy it again from the recording computer"
    )


def test_a_header_without_events_is_refused(written: Callable[..., Path]) -> None:
    path = written()
    assert refusal(path) == f"{path}: holds a header and no events"


@pytest.mark.parametrize("begins", [b"NEURALSG", b"\x89PNG", HEADER[1:]])
def test_a_file_of_another_system_is_refused(tmp_path: Path, begins: bytes) -> None:
    path = tmp_path / "a.nev"
    path.write_bytes(begins.ljust(20_000, b"\0"))
    assert refusal(path) == f"{path}: is no events file of Neuralynx: its header is another"


def test_a_file_cut_in_its_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.nev"
    path.write_bytes(HEADER[:16_383])
    assert refusal(path) == (
        f"{path}: ends within its header; copy it again from the recording computer"
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


CHANGE = "TTL Input on AcqSystem1_0 board 0 port 0 value (0x0001)."
DAMAGED = "; the file is damaged"


@pytest.mark.parametrize("time_us", [2**52, 2**63, 2**64 - 1])
def test_a_time_that_no_clock_reaches_is_refused(
    written: Callable[..., Path], time_us: int
) -> None:
    path = written(seen(1, 1), seen(time_us, 0))
    assert refusal(path) == (
        f"{path}: record 2 has the time {time_us} us, which no recorder's clock reaches" + DAMAGED
    )


ANEW = "the recorder's clock was set anew within the file, or the file is damaged"


@pytest.mark.parametrize(
    ("times_us", "said"),
    [
        ([5 * S, 4 * S], ""),
        ([5 * S, 4 * S - 1], "record 2 is 1.000001 s older than one before it: " + ANEW),
        ([9 * S, 9 * S - 600_000, 8 * S - 1], "record 3 is 1.000001 s older"),
        ([0, 100 * 86_400 * S], ""),
        ([0, 100 * 86_400 * S + 1], "record 2 is 8640000.000001 s later than one before it: "),
    ],
)
def test_a_clock_that_was_set_anew_is_refused(
    written: Callable[..., Path], times_us: list[int], said: str
) -> None:
    path = written(*(seen(time_us, 1, port=n) for n, time_us in enumerate(times_us)))
    if said:
        assert refusal(path).startswith(f"{path}: {said}")
    else:
        assert len(read_events(path)) == len(times_us)


def test_a_clock_that_goes_back_from_one_chunk_to_the_next_is_refused(
    written: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.readers.neuralynx_file.CHUNK_BYTES", 184)
    path = written(seen(9 * S, 1), seen(5 * S, 0))
    assert refusal(path).startswith(f"{path}: record 2 is 4 s older than one before it")


def test_what_the_file_has_twice_is_there_twice(written: Callable[..., Path]) -> None:
    path = written(mark(1, "Starting"), seen(2, 1), seen(3, 0), seen(2, 1))
    assert read_events(path)["code"].tolist() == [1, 0, 1]


def test_a_note_that_reads_like_a_mark_is_a_note(written: Callable[..., Path]) -> None:
    path = written(seen(1, 2), record(2, 0, b"starting recording"))
    assert read_events(path)["code"].tolist() == [2]


def test_lines_that_settle_within_a_microsecond_are_two_changes(
    written: Callable[..., Path],
) -> None:
    path = written(seen(2, 1), seen(2, 3), seen(2, 1, port=1))
    assert read_events(path)["code"].tolist() == [1, 3, 1]


@pytest.mark.parametrize(
    "spoilt",
    [
        CHANGE.replace("TTL", "TUL"),
        CHANGE.replace("(0x", "(0y"),
        "TTL Input",  # the rest is zeros
        "",
        "TTL Inpt on AcqSystem1_0 board 0 port 0 value (0x",
        "Startimg Recording",
        "Stopping Recorting",
        "pic\x02ure 7 on",
        CHANGE.replace("board", "bo`rd"),
        CHANGE.replace(" value", "`value"),
    ],
)
def test_a_text_of_the_system_that_is_spoilt_is_refused(
    written: Callable[..., Path], spoilt: str
) -> None:
    path = written(seen(1, 2), record(2, 1, spoilt.encode()))
    assert refusal(path) == f"{path}: record 2 has the text {spoilt!r}{DAMAGED}"


def test_the_name_of_a_port_that_is_spoilt_is_refused(written: Callable[..., Path]) -> None:
    spoilt = CHANGE.replace("Input", "Ioput")
    path = written(seen(1, 2), seen(2, 0), record(3, 1, spoilt.encode()), seen(4, 0))
    assert refusal(path) == f"{path}: record 3 has the text {spoilt!r}{DAMAGED}"


def test_a_box_that_is_there_once_among_many_of_another_is_refused(
    written: Callable[..., Path],
) -> None:
    spoilt = CHANGE.replace("AcqSystem1", "AcqSystem9")
    path = written(seen(1, 2), seen(2, 0), record(3, 1, spoilt.encode()), seen(4, 0))
    assert refusal(path) == f"{path}: record 3 has the text {spoilt!r}{DAMAGED}"


@pytest.mark.parametrize("text", ["", "TTL", "b\xfcro: \xc3\x9c", "board 0 port 0 was unplugged"])
def test_what_people_type_is_not_refused(written: Callable[..., Path], text: str) -> None:
    path = written(seen(1, 2), record(2, 0, text.encode("latin-1"), event=4))
    assert read_events(path)["code"].tolist() == [2]


def test_a_file_with_another_kind_of_records_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.nev"
    header = b"######## Neuralynx Data File Header\r\n-RecordSize 1044\r\n"
    path.write_bytes(header.ljust(16_384, b"\0") + bytes(1044))
    assert refusal(path) == (
        f"{path}: is no events file: by its header its records have 1044 bytes, not 184;"
        " was it renamed?"
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
    events = read_events(folder)
    assert len(events) == sum(truth["events_by_port"].values())
    assert len(events) + sum(truth["other_records"].values()) == truth["events"]
    for port, name in [
        ("board 0 port 1 input", "input port 1"),
        ("board 0 port 0 output", "output port 0"),
    ]:
        codes = events["code"][events["port"] == port]
        assert len(codes) == truth["events_by_port"][name]
        assert Counter(f"0x{code:04X}" for code in codes) == truth["by_port_and_code"][name]
    recordings = read_recordings(folder / "R050-2014-04-02-Events.nev")
    marks = recordings.to_numpy().ravel().tolist()
    assert marks == [time_s for time_s, _ in known["recordings"]]
    assert (marks[0], marks[-1]) == (truth["first_time_us"] / 1e6, truth["last_time_us"] / 1e6)
    assert marks[-1] - marks[0] == pytest.approx(truth["span_s"], abs=1e-9)
    in_all = Counter(f"0x{code:04X}" for code in events["code"])
    in_all["0x0000"] += sum(truth["other_records"].values())
    assert in_all == truth["by_code_all_ports"]
    assert (events["code"] >= 0x8000).sum() == truth["codes_with_bit_15"]
    steps_us = np.round(np.diff(events["time_s"]) * 1e6)
    assert (steps_us < 0).sum() == truth["steps_back"]
    assert steps_us.min() == truth["smallest_step_us"]


def test_a_bench_recording_has_marks_of_two_boxes_and_no_code(
    shared_data: Callable[[str], Path],
) -> None:
    folder = shared_data("neuralynx_bench")
    truth = json.loads((folder / "expected.json").read_text())["events"]["Events.nev"]
    assert read_events(folder).empty
    (start_s, stop_s), *more = read_recordings(folder / "Events.nev").to_numpy().tolist()
    assert not more
    # The first record is the later of the starts: the clock steps back to the second.
    assert start_s * 1e6 == truth["first_time_us"] + truth["smallest_step_us"]
    assert stop_s == truth["last_time_us"] / 1e6


@pytest.mark.parametrize("width", [2, 4, 8])
def test_texts_in_another_order_of_bytes_are_refused(
    written: Callable[..., Path], width: int
) -> None:
    whole = seen(10**6, 0)
    turned = np.frombuffer(whole[56:], f"<u{width}").byteswap().tobytes()
    path = written(seen(10**6, 0), whole[:56] + turned)
    assert "record 2 has the text" in refusal(path)
