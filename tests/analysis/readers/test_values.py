"""Columns and arrays out of anybody's files."""

import numpy as np
import pytest
from scipy.io import savemat

from analysis.readers.values import read_rows, read_vector
from task.contract.errors import RecordingError
from tests.analysis.readers.matlab73 import write_v73


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "trials.csv").write_text("trial,image\n1,dog\n2,cat\n", encoding="utf-8-sig")
    runs = np.zeros((1, 2), dtype=[("order", object), ("name", object)])
    runs[0, 0] = (np.array([[3, 1, 2]]), "first")
    runs[0, 1] = (np.array([[9, 8]]), "second")
    savemat(tmp_path / "runs.mat", {"runs": runs})
    np.savez(tmp_path / "set.npz", number=np.array([4, 2]), word=np.array(["a", "b"]))
    return tmp_path


def test_a_column_of_a_table(folder):
    assert read_vector(folder, "trials.csv:image") == ["dog", "cat"]


def test_positions_in_matlab_structures_count_from_one(folder):
    assert read_vector(folder, "runs.mat:runs[1].order") == [3, 1, 2]
    assert read_vector(folder, "runs.mat:runs[2].order") == [9, 8]


def test_an_array_of_a_numpy_file(folder):
    assert read_vector(folder, "set.npz:number") == [4, 2]
    assert read_vector(folder, "set.npz:word") == ["a", "b"]


def test_rows_of_a_table_and_of_an_array_of_structures(folder):
    assert read_rows(folder, "trials.csv")[1] == {"trial": "2", "image": "cat"}
    assert [row["name"] for row in read_rows(folder, "runs.mat:runs")] == ["first", "second"]


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("trials.csv:picture", "trials.csv: no column 'picture'; it has trial, image"),
        ("runs.mat:runs[3].order", "runs.mat: has no runs[3] (asked: runs[3].order)"),
        ("runs.mat:runs[0].order", "runs.mat: has no runs[0] (asked: runs[0].order)"),
        ("runs.mat:runs[1].ordre", "runs.mat: has no runs[1].ordre (asked: runs[1].ordre)"),
        ("set.npz:numbers", "set.npz: has no numbers (asked: numbers)"),
        ("set.txt:x", "set.txt: values are taken from .csv, .mat, .npz and .npy files"),
    ],
)
def test_what_is_not_there_is_said(folder, place, said):
    with pytest.raises(RecordingError) as refusal:
        read_vector(folder, place)
    assert str(refusal.value) == f"{folder}/{said}"


@pytest.mark.parametrize("name", ["runs.mat", "set.npz"])
def test_a_file_cut_short_is_refused(folder, name):
    path = folder / f"cut_{name}"
    path.write_bytes((folder / name).read_bytes()[:100])
    with pytest.raises(RecordingError, match=r"cut_"):
        read_vector(folder, f"{path.name}:runs")


def test_whole_numbers_are_whole_however_matlab_kept_them(folder):
    runs = ({"order": np.array([[3.0, 1.0]]), "name": "first", "gain": 1.5},)
    write_v73(folder / "newest.mat", {"runs": runs, "words": ["a", "", 12.0]})
    assert repr(read_vector(folder, "newest.mat:runs[1].order")) == "[3, 1]"
    assert repr(read_rows(folder, "newest.mat:runs")[0]["gain"]) == "1.5"
    assert read_vector(folder, "newest.mat:words") == ["a", "", 12]


@pytest.mark.parametrize("at", [20, 60, 100, 160, 200])
def test_a_damaged_numpy_file_is_refused(folder, at):
    path = folder / f"damaged{at}.npz"
    raw = bytearray((folder / "set.npz").read_bytes())
    raw[at : at + 8] = b"\xff" * 8
    path.write_bytes(raw)
    with pytest.raises(RecordingError, match=f"damaged{at}.npz: "):
        read_vector(folder, f"{path.name}:number")
