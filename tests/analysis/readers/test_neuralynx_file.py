"""What all files of Neuralynx share: headers of any version, whole records, plausible times."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.readers.neuralynx_file import HEADER_BYTES, Records, entity_name, open_records
from task.contract.errors import RecordingError

BEGINS = b"######## Neuralynx Data File Header\r\n"
LAYOUT = np.dtype([("time_us", "<u8"), ("rest", "<u2", 4)])
# As systems wrote them: Cheetah 4, 5 and 6, Pegasus.
CHEETAH_4 = (
    b"## File Name: c:\\Data\\Sc8.ntt \r\n-CheetahRev 4.60.0 \r\n-NLX_Base_Class_Name\tSc8 \r\n"
    b"-RecordSize  304 \r\n\t-ADChannel\t28\t29\t30\t31\t\r\n\t-ADBitVolts\t1.0e-8\t1.0e-8\r\n"
)
CHEETAH_5 = (
    b"-CheetahRev 5.3.1 \r\n\r\n-AcqEntName SE1 \r\n-FileType: Spike \r\n-RecordSize 112 \r\n"
)
PEGASUS = (
    b'-AcqEntName LAHC1\r\n-ApplicationName Pegasus "2.1.3 "\r\n-DspFilterDelay_\xb5s 3984\r\n'
)


def write(path: Path, header: bytes, data: bytes = b"") -> Path:
    path.write_bytes((BEGINS + header).ljust(HEADER_BYTES, b"\0")[:HEADER_BYTES] + data)
    return path


def opened(path: Path) -> Records:
    return open_records(path, LAYOUT, "test file")


@pytest.mark.parametrize(
    ("header", "name", "values"),
    [
        (CHEETAH_4, "Sc8", {"RecordSize": "304", "ADChannel": "28\t29\t30\t31"}),
        (CHEETAH_5, "SE1", {"FileType": "Spike", "CheetahRev": "5.3.1"}),
        (PEGASUS, "LAHC1", {"ApplicationName": 'Pegasus "2.1.3'}),
        (b"", "file", {}),
        (b"-AcqEntName\r\n-Other x\r\n", "file", {"Other": "x"}),
        (b"-AcqEntName a\x01b\r\n", "file", {}),
        (b"-AcqEntName first\r\n-AcqEntName second\r\n", "first", {}),
    ],
)
def test_headers_of_any_version_are_read(
    tmp_path: Path, header: bytes, name: str, values: dict[str, str]
) -> None:
    records = opened(write(tmp_path / "file.ncs", header))
    assert entity_name(records) == name
    assert {key: records.header[key] for key in values} == values


@given(st.binary(max_size=300))
def test_no_header_fails(tmp_path_factory: pytest.TempPathFactory, header: bytes) -> None:
    records = opened(write(tmp_path_factory.mktemp("nlx") / "file.ncs", header))
    assert entity_name(records).isprintable()


def test_records_come_in_chunks_with_their_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.readers.neuralynx_file.CHUNK_BYTES", 2 * LAYOUT.itemsize)
    made = np.zeros(5, LAYOUT)
    made["time_us"] = [3, 4, 4, 6, 9]
    records = opened(write(tmp_path / "a.x", b"", made.tobytes()))
    assert records.count == 5
    chunks = [(before, chunk["time_us"].tolist()) for before, chunk in records.chunks()]
    assert chunks == [(0, [3, 4]), (2, [4, 6]), (4, [9])]


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.x", b"", np.zeros(2, LAYOUT).tobytes())
    records = opened(path)
    write(path, b"", bytes(20))
    with pytest.raises(RecordingError) as error:
        list(records.chunks())
    assert str(error.value) == f"{path}: became shorter while it was read"


def test_a_file_that_goes_away_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.x", b"", bytes(16))
    records = opened(path)
    path.unlink()
    with pytest.raises(RecordingError) as error:
        list(records.chunks())
    assert str(error.value) == f"{path}: cannot be read: No such file or directory"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(RecordingError) as error:
        opened(tmp_path)
    assert str(error.value).startswith(f"{tmp_path}: cannot be read: ")
