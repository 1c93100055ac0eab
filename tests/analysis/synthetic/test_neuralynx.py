import re
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.synthetic.neuralynx import EventFile
from task.contract.errors import RecordingError

# The record as the analysis documents it, field by field; independent of the writer's own layout.
OFFSETS = {
    "reserved": (0, "<h"),
    "id": (2, "<h"),
    "size": (4, "<h"),
    "time_us": (6, "<Q"),
    "event_id": (14, "<h"),
    "ttl": (16, "<H"),
    "crc": (18, "<h"),
    "dummy_1": (20, "<h"),
    "dummy_2": (22, "<h"),
    "extra": (24, "<8i"),
    "text": (56, "<128s"),
}


def records(data: bytes) -> list[dict[str, object]]:
    body = data[16_384:]
    assert len(body) % 184 == 0
    rows = []
    for start in range(0, len(body), 184):
        row: dict[str, object] = {}
        for name, (offset, layout) in OFFSETS.items():
            value = struct.unpack_from(layout, body, start + offset)
            row[name] = value[0] if len(value) == 1 else value
        text = row["text"]
        assert isinstance(text, bytes)
        row["text"] = text.rstrip(b"\0").decode()
        rows.append(row)
    return rows


def header(data: bytes) -> list[str]:
    return data[:16_384].rstrip(b"\0").decode("latin-1").split("\r\n")


def test_a_recording_holds_start_every_change_of_the_lines_and_stop(tmp_path: Path) -> None:
    path = tmp_path / "Events.nev"
    with EventFile(path) as events:
        events.start_recording(10.0)
        events.append([(10.5, 20), (10.508, 0)])
        events.append([(4e9, 255)])  # microseconds beyond 32 bits
        events.stop_recording(4e9)
    rows = records(path.read_bytes())
    assert [(r["time_us"], r["ttl"], r["text"]) for r in rows] == [
        (10_000_000, 0, "Starting Recording"),
        (10_500_000, 20, "TTL Input on AcqSystem1_0 board 0 port 0 value (0x0014)."),
        (10_508_000, 0, "TTL Input on AcqSystem1_0 board 0 port 0 value (0x0000)."),
        (4_000_000_000_000_000, 255, "TTL Input on AcqSystem1_0 board 0 port 0 value (0x00FF)."),
        (4_000_000_000_000_000, 0, "Stopping Recording"),
    ]


@given(
    changes=st.lists(st.tuples(st.integers(0, 10**15), st.integers(0, 255)), max_size=30),
    cut=st.integers(0, 30),
)
def test_what_is_appended_is_read_back_however_it_is_cut_into_batches(
    changes: list[tuple[int, int]], cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("nev") / "Events.nev"
    with EventFile(path) as events:
        for part in (changes[:cut], changes[cut:]):
            events.append([(us / 1e6, lines) for us, lines in part])
    assert [(r["time_us"], r["ttl"]) for r in records(path.read_bytes())] == changes


def test_a_recorder_that_is_killed_leaves_every_event_and_a_header_that_says_so(
    tmp_path: Path,
) -> None:
    path = tmp_path / "Events.nev"
    events = EventFile(path)
    for n in range(3):
        events.append([(n, n)])
        data = path.read_bytes()  # as another process finds it, while the file is open
        assert [r["ttl"] for r in records(data)] == list(range(n + 1))
    assert "-TimeClosed File was not closed properly" in header(data)
    with events:
        pass
    closed = path.read_bytes()
    assert any(
        re.fullmatch(r"-TimeClosed \d{4}/\d\d/\d\d \d\d:\d\d:\d\d", x) for x in header(closed)
    )
    assert closed[16_384:] == data[16_384:]


def test_a_recording_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "Events.nev"
    path.write_bytes(b"precious")
    with pytest.raises(RecordingError) as refusal:
        EventFile(path)
    assert str(refusal.value) == f"{path}: there is a recording already; nothing was overwritten"
    assert path.read_bytes() == b"precious"


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "Events.nev"
    with pytest.raises(RecordingError) as refusal:
        EventFile(path)
    assert str(refusal.value) == f"{path}: cannot be created: No such file or directory"


def written(folder: Path) -> bytes:
    path = folder / "Events.nev"
    with EventFile(path) as events:
        events.start_recording(1.0)
        events.append([(2.0, 0x20), (3.0, 0)])
        events.stop_recording(4.0)
    return path.read_bytes()


def test_records_have_the_fields_of_a_real_cheetah_file(
    tmp_path: Path, shared_data: Callable[[str], Path]
) -> None:
    real = records((shared_data("neuralynx_rat") / "R050-2014-04-02-Events.nev").read_bytes())
    ours = records(written(tmp_path))
    lines = [r for r in real if str(r["text"]).startswith("TTL Input")]
    same = ("reserved", "id", "event_id", "crc", "dummy_1", "dummy_2", "extra")
    for name in same:
        assert {r[name] for r in ours[1:3]} == {r[name] for r in lines}, name
    # Theirs came in by port 1, ours comes in by port 0.
    assert {str(r["text"]).replace("port 0", "port 1") for r in ours[1:3]} <= {
        r["text"] for r in lines
    }
    assert {r["text"] for r in (ours[0], ours[-1])} <= {r["text"] for r in real}
    assert all(r["ttl"] == 0 for r in real if str(r["text"]).endswith("Recording"))


def test_header_and_start_and_stop_have_the_fields_of_a_real_atlas_file(
    tmp_path: Path, shared_data: Callable[[str], Path]
) -> None:
    real = (shared_data("neuralynx_bench") / "Events.nev").read_bytes()
    ours = written(tmp_path)

    def keys(data: bytes) -> list[str]:
        return [
            line.split(" ")[0] for line in header(data) if line and line != "-ProbeName simulated"
        ]

    assert header(ours)[0] == header(real)[0]
    assert keys(ours) == keys(real)
    values = {"-FileType Event", "-RecordSize 184", "-AcqEntName Events"}
    assert values <= set(header(real)) & set(header(ours))
    different = ("time_us",)
    ends = {str({k: v for k, v in r.items() if k not in different}) for r in records(real)}
    assert {
        str({k: v for k, v in r.items() if k not in different})
        for r in records(ours)
        if r["text"] != "" and str(r["text"]).endswith("Recording")
    } == ends
