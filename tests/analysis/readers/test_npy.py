import struct
from pathlib import Path

import numpy as np
import pytest

from analysis.readers.npy import map_array
from task.contract.errors import RecordingError


def written(path: Path, header: str, values: bytes, version: int = 1) -> Path:
    """A file, field by field."""
    text = header.encode("latin-1") + b"\n"
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    path.write_bytes(b"\x93NUMPY" + bytes([version, 0]) + length + text + values)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(RecordingError) as refused:
        map_array(path)
    return str(refused.value)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_is_mapped_as_it_was_written(tmp_path: Path, version: int, order: str) -> None:
    values = np.arange(6, dtype=">i4").reshape(2, 3)
    header = f"{{'descr': '>i4', 'fortran_order': {order == 'F'}, 'shape': (2, 3), }}"
    path = written(tmp_path / "a.npy", header, values.tobytes(order), version)
    found = map_array(path)
    assert isinstance(found, np.memmap)
    assert found.tolist() == values.tolist()


def test_headers_of_old_python_are_read_without_a_word(tmp_path: Path) -> None:
    header = "{'descr': '<i8', 'fortran_order': False, 'shape': (2L,), }"
    assert map_array(written(tmp_path / "a.npy", header, bytes(16))).tolist() == [0, 0]


@pytest.mark.parametrize("shape", [(0,), (0, 5)])
def test_an_array_of_nothing_is_read(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "a.npy", np.empty(shape))
    assert map_array(tmp_path / "a.npy").shape == shape


@pytest.mark.parametrize(
    ("shape", "claimed"),
    [("(2,)", 16), ("(4,)", 32), (f"({2**60},)", 2**63), (f"({2**62}, {2**62})", 2**127)],
)
def test_a_header_that_says_more_or_less_than_there_is_is_refused(
    tmp_path: Path, shape: str, claimed: int
) -> None:
    header = f"{{'descr': '<i8', 'fortran_order': False, 'shape': {shape}}}"
    path = written(tmp_path / "a.npy", header, bytes(24))
    assert refusal(path) == (
        f"{path}: its header says {claimed} bytes of values, but there are 24; copy it again from"
        " where it was written"
    )


@pytest.mark.parametrize(
    "header",
    [
        f"{{'descr': '<U0', 'fortran_order': False, 'shape': ({2**60},)}}",
        f"{{'descr': '<i8', 'fortran_order': False, 'shape': (0, {2**62})}}",
    ],
)
def test_nothing_many_times_is_refused(tmp_path: Path, header: str) -> None:
    assert "its header says 0 bytes" in refusal(written(tmp_path / "a.npy", header, b""))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "{'descr': '<i8', 'fortran_order': False}",
        "{'descr': '<i8', 'fortran_order': False, 'shape': (1.5,)}",
        "{'descr': '<zz', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<i8', 'fortran_order': 0, 'shape': (1,)}",
        "{'descr': '<i8', 'fortran_order': False, 'shape': (1,",
        "{'descr': " + "(" * 3000,
        "__import__('os')",
    ],
)
def test_a_header_that_is_none_is_refused(tmp_path: Path, header: str) -> None:
    path = written(tmp_path / "a.npy", header, bytes(8))
    assert refusal(path) == f"{path}: is damaged, or no .npy file of NumPy"


@pytest.mark.parametrize(
    ("descr", "shape"), [("'|O'", "(1,)"), ("[('a', '<i8')]", "(1,)"), ("'<i8'", "(-1,)")]
)
def test_what_holds_no_numbers_is_refused(tmp_path: Path, descr: str, shape: str) -> None:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}"
    path = written(tmp_path / "a.npy", header, bytes(8))
    assert refusal(path) == f"{path}: holds other than numbers or texts"


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.arange(5))
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert refusal(path).startswith(f"{path}: ")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    assert refusal(path) == f"{path}: cannot be read: No such file or directory"
    path.mkdir()
    assert refusal(path).startswith(f"{path}: cannot be read: ")
