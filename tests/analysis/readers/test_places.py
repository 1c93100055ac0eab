"""What a folder holds: nothing that is damaged is passed over in silence."""

from pathlib import Path

import pytest

from analysis.readers import open_recording, read_analog, read_events, read_log, read_units
from task.contract.errors import RecordingError, UserError

TABLE = "time_s,code\n1.0,20\n2.0,0\n"


@pytest.mark.parametrize("read", [read_events, read_units, read_analog, read_log])
@pytest.mark.parametrize("name", ["a.nev", "a.ns3", "a.mat", "a.csv", "a.txt", "a.jsonl", "a.nwb"])
def test_an_empty_file_is_said_to_be_empty_whatever_it_should_be(
    tmp_path: Path, read: object, name: str
) -> None:
    path = tmp_path / name
    path.touch()
    assert callable(read)
    with pytest.raises(UserError) as refused:
        read(path)
    assert str(refused.value) == f"{path}: is empty; copy it again from where it was written"


def test_a_table_that_is_none_of_events_is_said_beside_one_that_is(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(TABLE)
    assert open_recording(tmp_path).said == ()
    (tmp_path / "b.csv").write_text(TABLE.partition("\n")[2])
    recording = open_recording(tmp_path)
    assert recording.said == ("hold no times and codes, and are not read: b.csv",)
    assert len(recording.read_events()) == 2


def test_a_damaged_file_of_channels_is_not_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.ns3"
    path.write_bytes(b"NEURALSX" + bytes(500))
    with pytest.raises(RecordingError) as refused:
        read_analog(tmp_path, "chan1")
    assert str(refused.value) == (
        f"{path}: is no file of analog channels of Blackrock or Ripple: its header is another"
    )
