"""Analog channels of Neuralynx: samples lie where their records say, across gaps too."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.readers.neuralynx_csc import RECORD, SAMPLES, read_trace
from task.contract.errors import RecordingError

RATE_HZ = 32_000


def records(starts_us: list[float], *, valid: int = SAMPLES) -> NDArray[np.void]:
    """Records at these times; samples count on, modulo 1000."""
    made = np.zeros(len(starts_us), RECORD)
    made["time_us"] = np.round(starts_us)
    made["rate_hz"], made["channel"], made["valid"] = RATE_HZ, 7, valid
    made["samples"] = (np.arange(len(made) * SAMPLES) % 1000).reshape(-1, SAMPLES)
    return made


def write(path: Path, made: NDArray[np.void], *, more: bytes = b"") -> Path:
    header = b"######## Neuralynx Data File Header\r\n".ljust(16_384, b"\0")
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


def test_a_record_that_is_not_full_ends_a_piece(tmp_path: Path) -> None:
    made = records(follow(3))
    made["valid"][1] = 100
    trace = read_trace(write(tmp_path / "a.ncs", made))
    assert [len(p.values) for p in trace.pieces] == [512 + 100, 512]


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
        (_change("time_us", 0), "record 3 is older than the one before it"),
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
        (b"", "is no channel of Neuralynx: its header is another"),
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
        f"{path}: ends within record 3; copy it again from the recording computer"
    )
