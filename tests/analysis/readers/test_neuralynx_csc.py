"""Analog channels of Neuralynx: samples lie where their records say, across gaps too."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import loadmat

from analysis.readers.neuralynx_csc import RECORD, SAMPLES, channels, read_trace, recognises
from task.contract.errors import RecordingError

RATE_HZ = 32_000


def records(starts_us: list[float], *, valid: int = SAMPLES) -> NDArray[np.void]:
    """Records at these times; samples count on, modulo 1000."""
    made = np.zeros(len(starts_us), RECORD)
    made["time_us"] = np.round(starts_us)
    made["rate_hz"], made["channel"], made["valid"] = RATE_HZ, 7, valid
    made["samples"] = (np.arange(len(made) * SAMPLES) % 1000).reshape(-1, SAMPLES)
    return made


def write(path: Path, made: NDArray[np.void], *, more: bytes = b"", line: str = "") -> Path:
    begins = f"######## Neuralynx Data File Header\r\n{line}\r\n".encode()
    header = begins.ljust(16_384, b"\0")
    path.write_bytes(header + made.tobytes() + more)
    return path


def follow(count: int, *, start_us: float = 1e6, rate_hz: float = RATE_HZ) -> list[float]:
    return [start_us + n * SAMPLES * 1e6 / rate_hz for n in range(count)]


def test_samples_follow_each_other_from_the_first_records_time(tmp_path: Path) -> None:
    trace = read_trace(write(tmp_path / "CSC7.ncs", records(follow(5))))
    assert len(trace.pieces) == 1 and trace.gaps == 0 and not trace.own_clock
    piece = trace.pieces[0]
    assert piece.start_s == 1.0
    assert piece.period_s == pytest.approx(1 / RATE_HZ)
    assert piece.values.tolist() == (np.arange(5 * SAMPLES) % 1000).tolist()
    assert trace.rate_hz == pytest.approx(RATE_HZ)


def test_a_gap_between_records_is_a_gap_in_time(tmp_path: Path) -> None:
    starts = [*follow(3), *follow(2, start_us=5e6)]
    trace = read_trace(write(tmp_path / "a.ncs", records(starts)))
    assert [(p.start_s, len(p.values)) for p in trace.pieces] == [(1.0, 3 * 512), (5.0, 2 * 512)]
    times_s, values = trace.pieces[1].between(5.0, 5.0 + 3 / RATE_HZ)
    np.testing.assert_allclose(times_s, 5 + np.arange(3) / RATE_HZ)
    assert values.tolist() == (np.arange(3 * 512, 3 * 512 + 3) % 1000).tolist()


def test_a_lost_record_is_a_gap(tmp_path: Path) -> None:
    starts = follow(6)
    del starts[3]
    trace = read_trace(write(tmp_path / "a.ncs", records(starts)))
    assert [len(p.values) for p in trace.pieces] == [3 * 512, 2 * 512]
    assert trace.pieces[1].start_s == pytest.approx(1 + 4 * 512 / RATE_HZ)


@pytest.mark.parametrize(("samples_off", "gaps"), [(1.9, 0), (2.1, 1)])
def test_what_is_a_gap_and_what_a_rounded_stamp(
    samples_off: float, gaps: int, tmp_path: Path
) -> None:
    starts = [*follow(2), follow(3)[2] + samples_off * 1e6 / RATE_HZ]
    assert read_trace(write(tmp_path / "a.ncs", records(starts))).gaps == gaps


def test_a_true_rate_other_than_the_nominal_one_does_not_add_up(tmp_path: Path) -> None:
    true_hz = RATE_HZ * (1 + 120e-6)
    made = records(follow(4000, rate_hz=true_hz))
    piece = read_trace(write(tmp_path / "a.ncs", made)).pieces[0]
    last = 3999 * SAMPLES
    assert piece.start_s + last * piece.period_s == pytest.approx(1 + last / true_hz, abs=2e-6)


def test_where_a_record_is_not_full_its_rest_is_lost(tmp_path: Path) -> None:
    made = records(follow(3))
    made["valid"][1] = 100
    first, second = read_trace(write(tmp_path / "a.ncs", made)).pieces
    assert first.values.tolist() == (np.arange(512 + 100) % 1000).tolist()
    assert second.values.tolist() == (np.arange(1024, 1536) % 1000).tolist()
    assert (first.start_s, second.start_s) == (1.0, pytest.approx(1 + 1024 / RATE_HZ))
    assert first.period_s == pytest.approx(1 / RATE_HZ)


@pytest.mark.parametrize(("lost", "gaps"), [(0, 0), (1, 1), (2, 1)])
def test_a_single_lost_sample_at_the_end_of_a_record_is_a_gap(
    tmp_path: Path, lost: int, gaps: int
) -> None:
    starts = follow(6)
    for n in (3, 4, 5):
        starts[n] -= (100 - lost) * 1e6 / RATE_HZ
    made = records(starts)
    made["valid"][2] = 412
    trace = read_trace(write(tmp_path / "a.ncs", made))
    assert trace.gaps == gaps
    values = np.concatenate([p.values for p in trace.pieces])
    kept = np.delete(np.arange(6 * SAMPLES), np.arange(3 * SAMPLES - 100, 3 * SAMPLES))
    assert values.tolist() == (kept % 1000).tolist()
    end_s = 1 + (6 * SAMPLES - 100 + lost) / RATE_HZ
    assert trace.pieces[-1].stop_s == pytest.approx(end_s, abs=2e-6)


def test_records_without_samples_take_no_time(tmp_path: Path) -> None:
    made = records([*follow(3), follow(4)[3]])
    made["valid"][2] = 0
    made["time_us"][3] = made["time_us"][2]
    trace = read_trace(write(tmp_path / "a.ncs", made))
    assert [len(p.values) for p in trace.pieces] == [3 * 512]


def test_a_nominal_rate_that_was_cut_to_a_whole_number_is_none(tmp_path: Path) -> None:
    true_hz = 62.5
    made = records(follow(20, rate_hz=true_hz))
    made["rate_hz"] = 62
    trace = read_trace(write(tmp_path / "a.ncs", made))
    assert (trace.gaps, trace.rate_hz) == (0, pytest.approx(true_hz))


def test_files_longer_than_a_chunk_are_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.readers.neuralynx_file.CHUNK_BYTES", 2 * RECORD.itemsize)
    made = records(follow(5))
    made["valid"][3] = 12
    first, second = read_trace(write(tmp_path / "a.ncs", made)).pieces
    assert first.values.tolist() == (np.arange(3 * 512 + 12) % 1000).tolist()
    assert second.values.tolist() == (np.arange(4 * 512, 5 * 512) % 1000).tolist()


@pytest.mark.parametrize(
    ("line", "name"), [("-AcqEntName LAHC1", "LAHC1"), ('-AcqEntName "A 1"', "A 1"), ("", "CSC7")]
)
def test_a_channel_is_called_what_the_recorder_calls_it(
    tmp_path: Path, line: str, name: str
) -> None:
    path = write(tmp_path / "CSC7.ncs", records(follow(2)), line=line)
    assert channels(path) == (name,)
    assert len(read_trace(path, name).pieces) == 1
    with pytest.raises(RecordingError) as error:
        read_trace(path, "CSC8")
    assert str(error.value) == f"{path}: has no channel 'CSC8', but {name!r}"


@pytest.mark.parametrize(("name", "ours"), [("a.ncs", True), ("A.NCS", True), ("a.nev", False)])
def test_channels_are_known_by_their_names(tmp_path: Path, name: str, ours: bool) -> None:
    assert recognises(tmp_path / name) is ours
    (tmp_path / name).mkdir()
    assert not recognises(tmp_path / name)


def test_bench_recordings_hold_the_samples_known_of_them(
    shared_data: Callable[[str], Path],
) -> None:
    folder = shared_data("neuralynx_bench")
    known = json.loads((folder / "expected.json").read_text())["signals"]
    assert len(known) == 8
    for name, truth in known.items():
        trace = read_trace(folder / name)
        matlab = loadmat(folder / f"{Path(name).stem}.mat", squeeze_me=True)
        valid = matlab["NumberOfValidSamples"]
        in_file = matlab["Samples"].astype(np.int64)
        assert (len(valid), valid[-1]) == (truth["records"], truth["samples_in_last_record"])
        assert trace.rate_hz == pytest.approx(truth["sampling_hz"], rel=1e-6)
        values = np.concatenate([piece.values for piece in trace.pieces]).astype(np.int64)
        assert len(values) == truth["valid_samples"]
        assert values[:5].tolist() == truth["first_samples"]
        is_valid = np.arange(SAMPLES)[:, np.newaxis] < valid
        assert values.tolist() == in_file.T[is_valid.T].tolist()
        assert values.sum() + in_file[~is_valid].sum() == truth["sum_of_all_stored_samples"]
        gaps = [
            (after.start_s - before.stop_s) * 1e3
            for before, after in zip(trace.pieces, trace.pieces[1:], strict=False)
        ]
        assert gaps == pytest.approx([ms for *_, ms in truth["gaps_record_samples_ms"]], abs=0.01)
        after_gaps = np.cumsum([len(piece.values) for piece in trace.pieces[:-1]])
        records_after = [n + 1 for n, *_ in truth["gaps_record_samples_ms"]]
        assert after_gaps.tolist() == [valid[:n].sum() for n in records_after]
        starts_us = matlab["Timestamps"][[0, *records_after]]
        assert [piece.start_s for piece in trace.pieces] == (starts_us / 1e6).tolist()
        assert trace.pieces[0].start_s == truth["first_time_us"] / 1e6
        last_us = truth["last_record_time_us"] + valid[-1] * 1e6 / truth["sampling_hz"]
        assert trace.pieces[-1].stop_s == pytest.approx(last_us / 1e6, abs=2e-6)
        if not truth["gaps_record_samples_ms"]:
            assert channels(folder / name) == (Path(name).stem,)


# Refusals ----------------------------------------------------------------------------------------

NO_CLOCK = "record 3 has the time {} us, which no recorder's clock reaches; the file is damaged"


def _change(field: str, value: Any) -> Any:
    def change(made: NDArray[np.void]) -> None:
        made[field][2] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_change("valid", 513), "record 3 says that it holds more samples than it can"),
        (_change("rate_hz", 1000), "record 3 has another rate than the first"),
        (_change("channel", 8), "record 3 is of another channel than the first"),
        (
            _change("time_us", 0),
            "record 3 is 1.016 s older than one before it: the recorder's"
            " clock was set anew within the file, or the file is damaged",
        ),
        (
            _change("time_us", 1_016_000),
            "record 3 has the time of the one before it; the file is damaged",
        ),
        (
            _change("time_us", 1_016_001),
            "record 3 begins within the one before it; the file is damaged",
        ),
        (_change("time_us", 2**63), NO_CLOCK.format(2**63)),
    ],
)
def test_damage_is_refused_with_its_record(change: Any, said: str, tmp_path: Path) -> None:
    made = records(follow(4))
    change(made)
    path = write(tmp_path / "a.ncs", made)
    with pytest.raises(RecordingError) as error:
        read_trace(path)
    assert str(error.value) == f"{path}: {said}"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty; copy it again from the recording computer"),
        (b"RIFF" * 5000, "is no channel of Neuralynx: its header is another"),
        (
            b"######## Neuralynx",
            "ends within its header; copy it again from the recording computer",
        ),
        (b"######## Neuralynx".ljust(16_384), "holds a header and no samples"),
    ],
)
def test_what_is_no_channel_is_refused(data: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.ncs"
    path.write_bytes(data)
    with pytest.raises(RecordingError) as error:
        read_trace(path)
    assert str(error.value) == f"{path}: {said}"


def test_a_file_that_ends_within_a_record_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ncs", records(follow(2)), more=b"\1" * 10)
    with pytest.raises(RecordingError) as error:
        read_trace(path)
    assert str(error.value) == (
        f"{path}: ends within record 3 (2 whole records before it);"
        " copy it again from the recording computer"
    )
