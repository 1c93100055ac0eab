"""Analog channels in .csv and .wav; what cannot be related to a recording is refused."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from analysis.readers.traces import channels, read_trace, recognises
from task.contract.errors import RecordingError


def test_a_table_is_on_the_recordings_clock_and_has_gaps_where_time_has(tmp_path: Path) -> None:
    path = tmp_path / "light.csv"
    path.write_text("time_s,value\n10.0,1\n10.1,2\n10.2,3\n11.0,4\n11.1,5\n")
    trace = read_trace(path)
    assert not trace.own_clock
    assert [(p.start_s, p.values.tolist()) for p in trace.pieces] == [
        (10.0, [1, 2, 3]),
        (11.0, [4, 5]),
    ]
    assert trace.rate_hz == pytest.approx(10)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("time_s,value\n1,1\n1,2\n", ":3: time_s does not grow"),
        ("time_s,value\n1,1\n2,2\n1.5,2\n", ":4: time_s does not grow"),
        ("time_s,value\n1,1\n", ": holds fewer than two samples, or fields without a number"),
        ("time_s,value\n1,1\n2,\n", ": holds fewer than two samples, or fields without a number"),
    ],
)
def test_a_table_that_is_no_trace_is_refused(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "light.csv"
    path.write_text(text)
    with pytest.raises(RecordingError) as error:
        read_trace(path)
    assert str(error.value) == f"{path}{said}"


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "time_s,value\nx,1\n", ""])
def test_a_table_of_something_else_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "light.csv"
    path.write_text(text)
    with pytest.raises(RecordingError, match="is no table of numbers with columns time_s and"):
        read_trace(path)


def test_a_sound_file_counts_from_its_own_beginning(tmp_path: Path) -> None:
    path = tmp_path / "light.wav"
    wavfile.write(path, 8000, np.arange(100, dtype=np.int16))
    trace = read_trace(path)
    assert trace.own_clock
    assert (trace.pieces[0].start_s, trace.rate_hz) == (0.0, 8000)
    assert trace.pieces[0].values.tolist() == list(range(100))


def test_a_sound_file_of_two_channels_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "light.wav"
    wavfile.write(path, 8000, np.zeros((100, 2), np.int16))
    with pytest.raises(RecordingError) as error:
        read_trace(path)
    assert str(error.value) == f"{path}: has 2 channels; save the photodiode's alone (mono)"


def test_a_sound_file_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "light.wav"
    path.write_bytes(b"hello")
    with pytest.raises(RecordingError, match="is no sound file"):
        read_trace(path)


def test_the_only_channel_has_the_name_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "light.csv"
    path.write_text("time_s,value\n0,1\n0.001,2\n0.002,1\n")
    assert recognises(path) and channels(path) == ("light",)
    assert len(read_trace(path, "light").pieces) == 1
    with pytest.raises(RecordingError) as error:
        read_trace(path, "sound")
    assert str(error.value) == f"{path}: holds no channel 'sound'; it has light"


@pytest.mark.parametrize(
    ("name", "text"), [("log.csv", "time_s,code\n"), ("log.txt", "time_s,value\n")]
)
def test_other_tables_are_no_traces(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert not recognises(tmp_path / name)


def test_a_sound_file_without_samples_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "light.wav"
    wavfile.write(path, 8000, np.arange(100, dtype=np.int16))
    path.write_bytes(path.read_bytes().replace(b"data", b"dark"))
    with pytest.raises(RecordingError) as error:
        read_trace(path)
    assert str(error.value) == f"{path}: is no sound file: it has no samples"
