"""MATLAB files of every version: one form of arrays, and a refusal for whatever is damaged."""

import io
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io.matlab
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.io import loadmat, savemat
from scipy.sparse import csc_array

from analysis.readers.matlab import list_names, read_arrays, take_matrix, take_vector
from task.contract.errors import RecordingError
from tests.analysis.readers.matlab73 import write_v73

ROWS = ({"clust": 7.0, "name": "alpha"}, {"clust": 9.0, "name": "beta"})
VALUES: dict[str, Any] = {
    "matrix": np.arange(6.0).reshape(2, 3) + 0.5,
    "row": np.array([[1, -2, 300]], np.int16),
    "single": np.array([[1.5]], np.float32),
    "big": np.array([[2**40]], np.int64),
    "truth": np.array([[True, False]]),
    "complex": np.array([[1 + 2j, np.inf + 3j]]),
    "text": "grün",
    "nothing": np.empty((0, 5)),
    "silent": "",
    "cells": [np.array([[1.0]]), "two", [np.array([[3.0]])]],
    "one": {"rate": np.array([[32_768.0]]), "name": "pos", "of": {"it": np.array([[2.0]])}},
    "rows": ROWS,
}


def for_scipy(value: Any) -> Any:
    """Cells and structures as scipy writes them."""
    if isinstance(value, dict):
        return {name: for_scipy(content) for name, content in value.items()}
    if isinstance(value, list):
        cells = np.empty((1, len(value)), object)
        for n, content in enumerate(value):
            cells[0, n] = for_scipy(content)
        return cells
    if isinstance(value, tuple):
        rows = np.empty((1, len(value)), [(name, object) for name in value[0]])
        for n, row in enumerate(value):
            rows[0, n] = tuple(row.values())
        return rows
    return value


def write_v5(path: Path, values: dict[str, Any], **how: Any) -> Path:
    savemat(path, {name: for_scipy(value) for name, value in values.items()}, **how)
    return path


def refusal(path: Path, *names: str) -> str:
    with pytest.raises(RecordingError) as refused:
        read_arrays(path, *names)
    return str(refused.value).removeprefix(f"{path}: ")


def assert_same(found: Any, wanted: Any) -> None:
    """The same form and values; an empty cell has no dimensions worth comparing."""
    found, wanted = np.asarray(found), np.asarray(wanted)
    if found.size == wanted.size == 0:
        return
    assert found.shape == wanted.shape
    assert set(found.dtype.names or ()) == set(wanted.dtype.names or ())
    if found.dtype.names:
        for name in found.dtype.names:
            assert_same(found[name], wanted[name])
    elif found.dtype == object:
        for a, b in zip(found.ravel(), wanted.ravel(), strict=True):
            assert_same(a, b)
    else:
        assert found.dtype == wanted.dtype.newbyteorder("=")
        np.testing.assert_array_equal(found, wanted)


# What is read ------------------------------------------------------------------------------------


@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_to_version_7_is_read_as_scipy_reads_it(tmp_path: Path, compressed: bool) -> None:
    path = write_v5(tmp_path / "a.mat", VALUES, do_compression=compressed)
    wanted = {k: v for k, v in loadmat(path).items() if not k.startswith("__")}
    found = read_arrays(path)
    assert list(found) == list(wanted)
    for name, value in wanted.items():
        assert_same(found[name], value)


@pytest.mark.parametrize("how", [{}, {"compression": "gzip", "chunks": True}])
def test_a_file_of_version_7_3_is_read_as_one_of_version_7(
    tmp_path: Path, how: dict[str, Any]
) -> None:
    older = read_arrays(write_v5(tmp_path / "v7.mat", VALUES))
    newer = read_arrays(write_v73(tmp_path / "v73.mat", VALUES, **how))
    assert set(newer) == set(older)
    for name, value in older.items():
        assert_same(newer[name], value)


@given(arrays(st.sampled_from(["f8", "i4", "u2"]), array_shapes(min_dims=2, max_side=5)))
def test_every_matrix_comes_back_from_every_version(
    tmp_path_factory: pytest.TempPathFactory, matrix: Any
) -> None:
    folder = tmp_path_factory.mktemp("matlab")
    write_v73(folder / "v73.mat", {"x": matrix})
    savemat(folder / "v5.mat", {"x": matrix})
    savemat(folder / "v7.mat", {"x": matrix}, do_compression=True)
    for name in ("v73.mat", "v5.mat", "v7.mat"):
        np.testing.assert_array_equal(read_arrays(folder / name)["x"], matrix)


def test_a_file_of_version_4_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    matrix, text = np.array([[1.5, 2.0, 3.0]]), np.array(["ab", "cd"])
    savemat(path, {"m": matrix, "z": np.array([[1 + 2j]]), "t": text}, format="4")
    for name, value in read_arrays(path).items():
        assert_same(value, loadmat(path)[name])


def test_files_that_matlab_itself_wrote_are_read_as_scipy_reads_them() -> None:
    folder = Path(scipy.io.matlab.__file__).parent / "tests" / "data"
    files = [f for kind in ("64", "X86", "SOL2") for f in folder.glob(f"test*_*{kind}.mat")]
    if not files:
        pytest.skip("this scipy came without its test data")
    compared = 0
    for path in files:
        if any(kind in path.name for kind in ("sparse", "func", "object", "hdf5")):
            continue
        for name, value in loadmat(path).items():
            if not name.startswith("__"):
                assert_same(read_arrays(path)[name], value)
                compared += 1
    assert compared > 50
    newest = read_arrays(folder / "testhdf5_7.4_GLNX86.mat")["testdouble"]
    np.testing.assert_allclose(newest, np.arange(9)[np.newaxis] * np.pi / 4)


def test_numbers_of_machines_with_the_other_byte_order_are_put_right(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"

    def element(kind: int, data: bytes) -> bytes:
        return struct.pack(">II", kind, len(data)) + data + bytes(-len(data) % 8)

    body = element(6, struct.pack(">II", 6, 0)) + element(5, struct.pack(">ii", 1, 2))
    body += element(1, b"events") + element(9, struct.pack(">dd", 1.5, -2.0))
    path.write_bytes(b"MATLAB 5.0".ljust(124) + b"\x01\x00MI" + element(14, body))
    found = read_arrays(path)["events"]
    assert found.tolist() == [[1.5, -2.0]]
    assert found.dtype.isnative


def test_only_what_is_named_is_read_and_what_is_not_there_is_left_out(tmp_path: Path) -> None:
    for path in (write_v5(tmp_path / "5.mat", VALUES), write_v73(tmp_path / "73.mat", VALUES)):
        assert list(read_arrays(path, "row", "absent")) == ["row"]
        assert set(list_names(path)) == set(VALUES)


def test_a_variable_is_read_though_another_is_damaged(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).random((1, 5000))
    values = {"first": noise, "last": np.array([[7.0]])}
    path = write_v5(tmp_path / "a.mat", values, do_compression=True)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    assert read_arrays(path, "last")["last"].item() == 7
    assert refusal(path, "first") == (
        "is damaged, or no MATLAB file: what is compressed in it does not fit its checksum"
    )


def test_kinds_without_numbers_or_text_are_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    savemat(path, {"sparse": csc_array(np.eye(3)), "x": np.array([[1.0]])})
    assert read_arrays(path)["sparse"].size == 0
    assert read_arrays(path)["x"].item() == 1
    with h5py.File(write_v73(path, {"x": np.array([[1.0]])}), "r+") as file:
        file["x"].attrs["MATLAB_class"] = np.bytes_("datetime")
    assert read_arrays(path)["x"].size == 0


def test_links_to_other_files_are_not_followed(tmp_path: Path) -> None:
    write_v73(tmp_path / "other.mat", {"secret": np.array([[1.0]])})
    path = write_v73(tmp_path / "a.mat", {"x": np.array([[1.0]])})
    with h5py.File(path, "r+") as file:
        file["away"] = h5py.ExternalLink("other.mat", "secret")
        outside = file.create_dataset("raw", (2, 1), "f8", external=[("raw.bin", 0, 16)])
        outside.attrs["MATLAB_class"] = np.bytes_("double")
    assert list_names(path) == ("raw", "x")
    assert refusal(path, "raw") == ("is damaged, or no MATLAB file: /raw lies in another file")


# Refusals ----------------------------------------------------------------------------------------


def test_what_cannot_be_opened_is_said(tmp_path: Path) -> None:
    assert refusal(tmp_path / "absent.mat") == "cannot be read: No such file or directory"


@pytest.mark.parametrize(
    "contents",
    [b"\0" * 500, b"code;time\n" * 50, b"MATLAB 5.0".ljust(124) + b"\x00\x01XX", b"\0\0\0"],
)
def test_what_is_no_matlab_file_is_refused(tmp_path: Path, contents: bytes) -> None:
    path = tmp_path / "a.mat"
    path.write_bytes(contents)
    assert refusal(path).startswith("is damaged, or no MATLAB file: ")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    path.touch()
    assert refusal(path) == "is empty; copy it again from where it was written"


def test_a_variable_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = write_v5(tmp_path / "a.mat", {"x": np.array([[1.0]])})
    raw = path.read_bytes()
    path.write_bytes(raw + raw[128:])
    assert refusal(path) == "is damaged, or no MATLAB file: two variables are called 'x'"


@pytest.mark.parametrize(
    "dims", [(2**31 - 1, 2**31 - 1), (2**31 - 1, 0x7FFF), (1, 7), (-1, -6), (0, 6)]
)
@pytest.mark.parametrize("name", ["matrix", "text", "cells", "rows"])
def test_dimensions_that_the_bytes_do_not_fill_are_refused(
    tmp_path: Path, name: str, dims: tuple[int, int]
) -> None:
    path = write_v5(tmp_path / "a.mat", {name: VALUES[name]})
    raw = bytearray(path.read_bytes())
    struct.pack_into("<ii", raw, 160, *dims)  # behind header, tag, flags and the tag of dimensions
    path.write_bytes(raw)
    assert refusal(path).startswith("is damaged, or no MATLAB file: ")


def test_a_data_set_of_which_blocks_are_missing_is_refused(tmp_path: Path) -> None:
    path = write_v73(tmp_path / "a.mat", {"x": np.ones((4, 4))})
    with h5py.File(path, "r+") as file:
        hollow = file.create_dataset("hollow", (10**9, 10**3), "f8", chunks=(100, 100))
        hollow.attrs["MATLAB_class"] = np.bytes_("double")
        hollow[:100, :100] = 1
    assert refusal(path).startswith("is damaged, or no MATLAB file: /hollow says it has")
    assert read_arrays(path, "x")["x"].shape == (4, 4)


def test_a_cell_within_itself_is_refused(tmp_path: Path) -> None:
    path = write_v73(tmp_path / "a.mat", {"c": ["a", "b"]})
    with h5py.File(path, "r+") as file:
        file["c"][1, 0] = file["c"].ref
    assert refusal(path) == "is damaged, or no MATLAB file: /c lies within itself"


def test_cells_nested_without_end_are_refused(tmp_path: Path) -> None:
    value: Any = [np.array([[1.0]])]
    for _ in range(100):
        value = [value]
    for write in (write_v5, write_v73):
        assert "lie" in refusal(write(tmp_path / "a.mat", {"c": value}))


@pytest.mark.parametrize("kind", ["v4", "v5", "v7", "v73", "v73gz"])
def test_damage_anywhere_is_refused_or_harmless(tmp_path: Path, kind: str) -> None:
    sound = _sound_file(tmp_path / "sound.mat", kind)
    path = tmp_path / "a.mat"
    counts = {"read": 0, "refused": 0}
    for raw in _damaged(sound.read_bytes(), 150):
        path.write_bytes(raw)
        try:
            read_arrays(path)
            counts["read"] += 1
        except RecordingError as error:
            assert str(error).startswith(f"{path}: ")
            counts["refused"] += 1
    assert min(counts.values()) > 0


def _sound_file(path: Path, kind: str) -> Path:
    values = {name: VALUES[name] for name in ("matrix", "text", "cells", "rows")}
    if kind == "v4":
        savemat(path, {"matrix": VALUES["matrix"], "text": "word"}, format="4")
        return path
    if kind.startswith("v73"):
        how = {"compression": "gzip", "chunks": True} if kind == "v73gz" else {}
        return write_v73(path, values, **how)
    return write_v5(path, values, do_compression=kind == "v7")


def _damaged(sound: bytes, times: int) -> Iterator[bytes]:
    """Flipped bits, cuts, blanks and absurd numbers, the same in every run."""
    rng = random.Random(8)
    for n in range(times):
        raw, at = bytearray(sound), rng.randrange(len(sound))
        if n % 4 == 0:
            del raw[at:]
        elif n % 4 == 1:
            raw[at] ^= 1 << rng.randrange(8)
        elif n % 4 == 2:
            raw[at : at + 64] = bytes(len(raw[at : at + 64]))
        else:
            at -= at % 4
            raw[at : at + 4] = rng.choice([b"\xff\xff\xff\x7f", b"\x00\x00\x00\x40", b"\x0e\0\0\0"])
        yield bytes(raw)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_cut_anywhere_is_refused_unless_cut_between_variables(
    tmp_path: Path, compressed: bool
) -> None:
    buffer = io.BytesIO()
    savemat(buffer, {"x": np.arange(20.0)}, do_compression=compressed)
    raw, path = buffer.getvalue(), tmp_path / "a.mat"
    for size in range(1, len(raw)):
        path.write_bytes(raw[:size])
        if size == 128:  # a header and no variables
            assert read_arrays(path) == {}
        else:
            assert refusal(path).startswith("is damaged, or no MATLAB file: ")


# Matrices and rows -------------------------------------------------------------------------------


def test_a_row_is_taken_whichever_way_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    for array in (np.array([[1, 2]]), np.array([[1], [2]]), np.empty((0, 0))):
        assert take_vector(path, {"x": array}, "x").tolist() == array.ravel().tolist()
    with pytest.raises(RecordingError, match="'x' is no row of numbers"):
        take_vector(path, {"x": np.ones((2, 2))}, "x")
    with pytest.raises(RecordingError, match="holds no variable 'y'"):
        take_matrix(path, {"x": np.ones((2, 2))}, "y", columns=2)
