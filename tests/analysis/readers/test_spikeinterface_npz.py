from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest

from analysis.readers.spikeinterface_npz import read_units, recognises
from task.contract.errors import RecordingError

SORTING: dict[str, Any] = {
    "unit_ids": np.array([5, 0]),
    "num_segment": np.array([1]),
    "sampling_frequency": np.array([32000.0]),
    "spike_indexes_seg0": np.array([32, 64, 64, 320]),
    "spike_labels_seg0": np.array([0, 5, 0, 0]),
}


def write(folder: Path, name: str = "sorting.npz", **other: Any) -> Path:
    path = folder / name
    arrays = {**SORTING, **other}
    np.savez(path, **{name: a for name, a in arrays.items() if a is not None})
    return path


def refusal(path: Path) -> str:
    with pytest.raises(RecordingError) as refused:
        read_units(path)
    return str(refused.value)


def test_units_have_the_names_and_the_order_of_the_file(tmp_path: Path) -> None:
    units = read_units(write(tmp_path))
    assert units.table.index.tolist() == ["unit_5", "unit_0"]
    assert units.table["cell"].tolist() == units.table["cluster"].tolist() == [5, 0]
    assert [train.tolist() for train in units.spikes_s] == [[0.002], [0.001, 0.002, 0.01]]
    assert units.table["channel"].isna().all()


def test_units_with_names_are_counted(tmp_path: Path) -> None:
    labels = np.array(["b", "a0", "b", "b"])
    path = write(tmp_path, unit_ids=np.array(["a0", "b"]), spike_labels_seg0=labels)
    table = read_units(path).table
    assert table.index.tolist() == ["unit_a0", "unit_b"]
    assert table["cell"].tolist() == [1, 2]
    assert table["cluster"].isna().all()


def test_a_unit_without_spikes_stays(tmp_path: Path) -> None:
    units = read_units(write(tmp_path, unit_ids=np.array([0, 5, 7])))
    assert units.spikes_of("unit_7").tolist() == []


def test_a_saved_folder_holds_such_a_file(tmp_path: Path) -> None:
    assert not recognises(tmp_path)
    path = write(tmp_path, "sorting_cached.npz")
    assert recognises(tmp_path)
    assert recognises(path)
    assert len(read_units(tmp_path).table) == 2


def test_other_files_are_not_known(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", a=1)
    (tmp_path / "text.npz").write_text("a")
    for name in ("other.npz", "text.npz", "absent.npz"):
        assert not recognises(tmp_path / name)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"num_segment": np.array([2])}, "has 2 segments, each with a clock of its own; save one at"
         " a time"),
        ({"unit_ids": None}, "holds no 'unit_ids'"),
        ({"num_segment": np.array([1, 1])}, "its rate or number of segments is not one number"),
        ({"sampling_frequency": np.array(["a"])},
         "its rate or number of segments is not one number"),
        ({"sampling_frequency": np.array([0.0])}, "0 is no rate in samples per second"),
        ({"sampling_frequency": np.array([np.inf])}, "inf is no rate in samples per second"),
        ({"unit_ids": np.array(["0", "5"])}, "its units are neither numbers nor texts"),
        ({"unit_ids": np.array([0.0, 5.0])}, "its units are neither numbers nor texts"),
        ({"spike_labels_seg0": np.array([0])}, "has (4,) spike times and (1,) units of spikes"),
        ({"spike_indexes_seg0": np.array([1, 3, 2, 4])},
         "its spike times are not samples in ascending order"),
        ({"spike_indexes_seg0": np.array([0.1, 0.2, 0.3, 0.4])},
         "its spike times are not samples in ascending order"),
        ({"unit_ids": np.array([0, 5, 5])},
         "names a unit twice, or has spikes of one that it does not name"),
        ({"unit_ids": np.array([0])},
         "names a unit twice, or has spikes of one that it does not name"),
    ],
)  # fmt: skip
def test_another_layout_is_refused(tmp_path: Path, other: dict[str, Any], said: str) -> None:
    path = write(tmp_path, **other)
    assert refusal(path) == f"{path}: {said}"


def test_names_that_would_have_to_be_unpickled_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, unit_ids=np.array(["a", 1], dtype=object))
    assert refusal(path) == f"{path / 'unit_ids.npy'}: holds other than numbers or texts"


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, spike_indexes_seg0=None)
    with ZipFile(path, "a", ZIP_DEFLATED) as archive:
        archive.writestr("spike_indexes_seg0.npy", bytes(10**6))
        archive.getinfo("spike_indexes_seg0.npy").file_size = 2**40
    assert refusal(path) == f"{path}: 'spike_indexes_seg0' claims more bytes than there can be"


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(b"")
    assert refusal(path) == f"{path}: is empty; copy it again from where it was written"
    for size in range(7, len(whole), 7):
        path.write_bytes(whole[:size])
        assert refusal(path) == f"{path}: is damaged, or no .npz file of NumPy"


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "absent.npz"
    assert refusal(path) == f"{path}: cannot be read: No such file or directory"


def test_a_folder_is_recognised_by_the_name_in_it_even_if_the_file_is_damaged(
    tmp_path: Path,
) -> None:
    assert not recognises(tmp_path)
    path = tmp_path / "sorting_cached.npz"
    path.write_bytes(b"none")
    assert recognises(tmp_path)
    assert refusal(tmp_path) == f"{path}: is damaged, or no .npz file of NumPy"


def test_a_directory_that_points_before_the_file_is_damage(tmp_path: Path) -> None:
    path = write(tmp_path)
    whole = bytearray(path.read_bytes())
    at = whole.rindex(b"PK\x05\x06") + 16  # where the directory begins
    whole[at : at + 4] = (2**32 - 2).to_bytes(4, "little")
    path.write_bytes(whole)
    assert refusal(path) == f"{path}: is damaged, or no .npz file of NumPy"
