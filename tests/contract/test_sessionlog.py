"""The log: written line by line, readable up to wherever it was cut."""

import errno
import json
import os
import stat
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task.contract.errors import LogError
from task.contract.sessionlog import LOG_NAME, Event, Header, Kind, SessionLog, read_log
from task.logwriter import LogWriter

HEADER = Header(
    session=123_456,
    subject="P07",
    protocol="screening",
    protocol_sha256="aa",
    plan_sha256="bb",
    catalog="objects",
    catalog_sha256="cc",
    seed=7,
    rig="bedside",
    started="2026-03-14T09:00:00.000+01:00",
    codes={"IMAGE_ON": 20},
    software={"imagery": "0.1.0"},
)
EVENTS = (
    Event(0.5, "RUN", detail={"display": {"kind": "simulated"}}),
    Event(1.0, "PRESENTATION", None, 1, {"kind": Kind.VIEW.value, "item": "dog", "block": 0}),
    Event(1.0, "IMAGE_ON", 20, 1, {"sent_s": [1.0, 1.00003]}),
    Event(1.25, "LATE_FRAME", detail={"interval_s": 0.033}),
)

texts = st.text(max_size=12)
details = st.dictionaries(
    texts.filter(lambda key: key not in ("time_s", "name", "code", "presentation", "ending")),
    texts | st.integers() | st.booleans() | st.none() | st.lists(st.integers(), max_size=2),
    max_size=3,
)
events = st.lists(
    st.builds(
        Event,
        st.integers(0, 10**11).map(lambda ticks: ticks / 1e7),
        texts,
        st.none() | st.integers(1, 255),
        st.none() | st.integers(1, 16_383),
        details,
    ),
    max_size=8,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / LOG_NAME


def written(
    path: Path,
    events: Sequence[Event] = EVENTS,
    ending: dict[str, Any] | None = None,
    header: Header = HEADER,
) -> bytes:
    log = LogWriter(path, header)
    log.write(events)
    if ending is None:
        os.close(log.descriptor)
    else:
        log.end(ending)
    return path.read_bytes()


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    folder = tmp_path_factory.mktemp("logs")
    return lambda: folder / f"{len(list(folder.iterdir()))}.jsonl"


@given(written_events=events, ending=st.none() | st.just({"how": "completed", "codes": 3}))
def test_a_log_reads_back_as_it_was_written(
    written_events: list[Event], ending: dict[str, Any] | None, fresh: Callable[[], Path]
) -> None:
    path = fresh()
    written(path, written_events, ending)
    assert read_log(path) == SessionLog(HEADER, tuple(written_events), ending)


def test_the_override_of_the_flash_limit_stays_in_the_header(path: Path) -> None:
    safety = {"flashes_per_s": 5.0, "approved_by": "Dr Who", "reason": "no epilepsy"}
    header = replace(HEADER, safety=safety)
    written(path, header=header)
    assert read_log(path).header == header


def test_a_folder_stands_for_the_log_in_it(path: Path) -> None:
    written(path, ending={"how": "completed"})
    assert read_log(path.parent) == read_log(path)


def test_a_log_cut_at_any_byte_is_readable_up_to_its_last_whole_line(path: Path) -> None:
    whole = written(path, ending={"how": "completed"})
    header_ends = whole.index(b"\n") + 1
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        if cut < header_ends:
            with pytest.raises(LogError):
                read_log(path)
            continue
        log = read_log(path)
        lines = whole[header_ends:cut].count(b"\n")
        assert log == SessionLog(HEADER, EVENTS[:lines], None)


def test_zeros_that_a_power_cut_left_at_the_end_are_no_event(path: Path) -> None:
    path.write_bytes(written(path) + bytes(4096))
    assert read_log(path).events == EVENTS


def test_time_is_kept_to_a_tenth_of_a_microsecond(path: Path) -> None:
    written(path, [Event(12345.123456789, "NOTE")])
    assert read_log(path).events[0].time_s == 12345.1234568


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such rights")
def test_only_its_owner_can_read_a_log(path: Path) -> None:
    written(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_log_that_is_there_is_never_written_to(path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(LogError) as error:
        LogWriter(path, HEADER)
    assert str(error.value) == f"{path}: there is a log already; nothing was overwritten"
    assert path.read_text() == "precious"


def test_a_log_without_a_folder_cannot_be_created(tmp_path: Path) -> None:
    path = tmp_path / "absent" / LOG_NAME
    with pytest.raises(LogError) as error:
        LogWriter(path, HEADER)
    assert str(error.value) == f"{path}: the log cannot be created: No such file or directory"


def test_events_of_a_frame_are_one_write(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = LogWriter(path, HEADER)
    writes: list[bytes] = []

    def write(_: int, data: bytes) -> int:
        writes.append(data)
        return len(data)

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", write)
        log.write(EVENTS)
    os.close(log.descriptor)
    assert [data.count(b"\n") for data in writes] == [len(EVENTS)]


def test_what_a_write_did_not_take_is_written_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
        written(path, ending={"how": "completed"})
    assert read_log(path) == SessionLog(HEADER, EVENTS, {"how": "completed"})


def test_a_full_disk_is_told_and_what_it_refused_follows_when_there_is_space(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = LogWriter(path, HEADER)
    log.write(EVENTS[:2])
    write = os.write
    left = [25]  # bytes: less than the next event

    def nearly_full(descriptor: int, data: bytes) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        took = write(descriptor, data[: left[0]])
        left[0] -= took
        return took

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", nearly_full)
        log.write(EVENTS[2:3])
    assert log.trouble == f"{path}: cannot be written: No space left on device"
    assert read_log(path) == SessionLog(HEADER, EVENTS[:2], None)  # half an event at its end
    log.write(EVENTS[3:])  # there is space again
    log.end({"how": "completed"})
    assert read_log(path) == SessionLog(HEADER, EVENTS, {"how": "completed"})
    with pytest.raises(OSError):
        os.close(log.descriptor)  # it was closed


def test_a_log_that_no_disk_takes_to_the_end_says_what_is_lost(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = LogWriter(path, HEADER)

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        log.write(EVENTS)
        log.end({"how": "completed"})
    assert log.trouble == (
        f"{path}: cannot be written: No space left on device; the last 5 lines are lost: no place"
        " took them"
    )


# A log that goes on ----------------------------------------------------------------------------

RESUMED = Event(9.0, "RUN", detail={"resumed": {"block": 0, "trial": 0}, "port": {}})


@pytest.mark.parametrize("tail", [b"", b'{"time_s":1', bytes(300), b"\xff\xfe{"])
def test_a_log_cut_short_anywhere_can_go_on(tail: bytes, path: Path) -> None:
    path.write_bytes(written(path) + tail)
    log = LogWriter(path, None)
    log.write([RESUMED])
    log.end({"how": "completed"})
    assert read_log(path) == SessionLog(HEADER, (*EVENTS, RESUMED), {"how": "completed"})


def test_the_ending_of_a_run_that_was_resumed_is_an_event(path: Path) -> None:
    written(path, ending={"how": "stopped"})
    log = LogWriter(path, None)
    log.write([RESUMED])
    log.end({"how": "completed"})
    ended = Event(EVENTS[-1].time_s, "ENDED", detail={"how": "stopped"})
    assert read_log(path).events == (*EVENTS, ended, RESUMED)


def test_a_log_that_is_not_there_cannot_go_on(path: Path) -> None:
    with pytest.raises(LogError) as error:
        LogWriter(path, None)
    assert str(error.value) == f"{path}: the log cannot be written: No such file or directory"


# What cannot be read -------------------------------------------------------------------------


def refusal(path: Path) -> str:
    with pytest.raises(LogError) as error:
        read_log(path)
    return str(error.value).removeprefix(str(path))


def test_a_missing_log_is_one_sentence(path: Path) -> None:
    assert refusal(path) == ": cannot be read: No such file or directory"


@pytest.mark.parametrize("text", ["", "\n", '{"time_s": 1}\n', '{"imagery_log": "one"}\n'])
def test_what_does_not_begin_with_a_header_is_no_log(text: str, path: Path) -> None:
    path.write_text(text)
    assert refusal(path).startswith((": is not a session log", ":1: is not an event"))


def test_a_table_is_no_log(path: Path) -> None:
    path.write_text("a,b\n1,2\n")
    assert refusal(path).startswith(":1: is not an event: ")


def test_a_log_of_a_newer_imagery_is_refused(path: Path) -> None:
    path.write_text('{"imagery_log":2}\n')
    assert refusal(path) == (
        ": log version 2 was written by a newer imagery; this one reads up to 1"
    )


@pytest.mark.parametrize("line", [b"garbage", b"[1]", b"\xff\xfe", b"\0\0\0"])
def test_a_damaged_line_in_the_middle_is_named(line: bytes, path: Path) -> None:
    lines = written(path).split(b"\n")
    path.write_bytes(b"\n".join([*lines[:2], line, *lines[2:]]))
    assert refusal(path).startswith(":3: is not an event")


@pytest.mark.parametrize("lost", ["time_s", "name"])
def test_an_event_without_time_or_name_is_damage(lost: str, path: Path) -> None:
    lines = written(path).decode().splitlines()
    event = json.loads(lines[1])
    del event[lost]
    path.write_text("\n".join([lines[0], json.dumps(event), ""]))
    assert refusal(path) == f": is damaged: event 1 lacks {lost}"


def test_a_header_with_a_field_missing_is_damage(path: Path) -> None:
    lines = written(path).decode().splitlines()
    header = json.loads(lines[0])
    del header["subject"], header["rig_sha256"]
    path.write_text("\n".join([json.dumps(header | {"subj\x1bect": "P07"}), *lines[1:], ""]))
    assert refusal(path) == (
        ": is damaged: its header lacks subject and has unknown 'subj\\x1bect'"
    )


@given(data=st.data())
def test_a_damaged_log_is_read_or_refused(data: st.DataObject, fresh: Callable[[], Path]) -> None:
    path = fresh()
    whole = bytearray(written(path))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(whole)
    try:
        assert read_log(path).ending is None
    except LogError as error:
        assert str(error).startswith(str(path))
