import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from analysis.readers.wave_clus import read_units, recognises
from task.contract.errors import RecordingError
from tests.analysis.readers.matlab73 import write_v73

ROWS = np.array([[2, 50.0], [0, 20.0], [1, 40.0], [2, 30.0]])
WAVES = np.arange(4.0)[:, np.newaxis] + np.zeros(64)


def write(folder: Path, name: str = "times_CSC47.mat", rows: Any = ROWS, **more: Any) -> Path:
    path = folder / name
    savemat(path, {"cluster_class": rows, "par": {"sr": 32_768.0, "detection": "pos"}, **more})
    return path


def refusal(read: Callable[[], object]) -> str:
    with pytest.raises(RecordingError) as refused:
        read()
    return str(refused.value)


def test_a_unit_is_a_class_of_a_wire_with_ascending_times_in_seconds(tmp_path: Path) -> None:
    write(tmp_path)
    units = read_units(tmp_path)
    assert units.table.index.tolist() == ["CSC47_1", "CSC47_2"]
    assert units.table["channel"].tolist() == [47, 47]
    assert units.table["cluster"].tolist() == [1, 2]
    assert [train.tolist() for train in units.spikes_s] == [[0.04], [0.03, 0.05]]


@pytest.mark.parametrize(
    ("name", "wire", "channel"),
    [
        ("times_CSC7.mat", "CSC7", 7),
        ("times_ch012.mat", "ch012", 12),
        ("times_NSX130.mat", "NSX130", 130),
        ("030e16timesCSC47.mat", "CSC47", 47),
        ("030e16_times_mRA3.mat", "mRA3", None),
        ("times_polytrode1.mat", "polytrode1", None),
        ("times_mLAH1.mat", "mLAH1", None),
    ],
)
def test_a_wire_is_called_as_in_the_name_of_its_file(
    tmp_path: Path, name: str, wire: str, channel: int | None
) -> None:
    write(tmp_path, name)
    assert recognises(tmp_path)
    table = read_units(tmp_path).table
    assert table.index.tolist() == [f"{wire}_1", f"{wire}_2"]
    assert table["channel"].tolist() == [channel] * 2 or table["channel"].isna().all()
    assert table["channel"].isna().all() == (channel is None)


def test_units_stand_in_the_order_of_wires_as_numbers(tmp_path: Path) -> None:
    for wire in ("CSC10", "CSC2", "CSC1"):
        write(tmp_path, f"times_{wire}.mat", ROWS[2:3])
    assert read_units(tmp_path).table.index.tolist() == ["CSC1_1", "CSC2_1", "CSC10_1"]


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "CSC47_spikes.mat").touch()
    (tmp_path / "._times_CSC47.mat").touch()
    savemat(tmp_path / "spike_times_all.mat", {"times": np.ones(3)})
    assert not recognises(tmp_path)
    assert not recognises(tmp_path / "CSC47_spikes.mat")
    write(tmp_path)
    assert read_units(tmp_path).table.index.tolist() == ["CSC47_1", "CSC47_2"]


def test_a_file_that_may_be_ours_and_is_damaged_is_not_passed_over(tmp_path: Path) -> None:
    write(tmp_path)
    path = tmp_path / "030e16_times_mRA3.mat"
    path.write_bytes(write(tmp_path, path.name).read_bytes()[:200])
    assert recognises(tmp_path)
    assert refusal(lambda: read_units(tmp_path)).startswith(f"{path}: is damaged")


@pytest.mark.parametrize("shape", [(0, 0), (0, 2)])
def test_a_wire_without_spikes_has_no_units(tmp_path: Path, shape: tuple[int, int]) -> None:
    write(tmp_path, rows=np.empty(shape))
    assert read_units(tmp_path).table.empty


def test_waveforms_stand_in_the_order_of_times(tmp_path: Path) -> None:
    write(tmp_path, spikes=WAVES)
    found = read_units(tmp_path).read_waveforms("CSC47_2")
    assert found is not None
    assert found.values.shape == (2, 64)
    assert found.values[:, 0].tolist() == [3, 0]
    assert found.rate_hz == 32_768


def test_waveforms_that_were_kept_elsewhere_are_not_there(tmp_path: Path) -> None:
    write(tmp_path)
    assert read_units(tmp_path).read_waveforms("CSC47_2") is None


def test_a_file_without_parameters_has_waveforms_of_unknown_rate(tmp_path: Path) -> None:
    savemat(tmp_path / "times_a.mat", {"cluster_class": ROWS, "spikes": WAVES, "par": 3.0})
    found = read_units(tmp_path).read_waveforms("a_1")
    assert found is not None
    assert np.isnan(found.rate_hz)


def test_a_file_of_version_7_3_is_read(tmp_path: Path) -> None:
    contents = {"cluster_class": ROWS, "spikes": WAVES, "par": {"sr": 24_000.0, "name": "x"}}
    write_v73(tmp_path / "times_CSC47.mat", contents)
    units = read_units(tmp_path)
    assert units.spikes_of("CSC47_2").tolist() == [0.03, 0.05]
    found = units.read_waveforms("CSC47_1")
    assert found is not None
    assert found.values[:, 0].tolist() == [2]
    assert found.rate_hz == 24_000


@pytest.mark.parametrize(
    ("row", "said"),
    [([-1, 5], "[-1.0, 5.0]"), ([1.5, 5], "[1.5, 5.0]"), ([1, -5], "[1.0, -5.0]")],
)
def test_rows_that_are_no_spikes_are_refused(tmp_path: Path, row: list[float], said: str) -> None:
    path = write(tmp_path, rows=np.array([[1, 10.0], row]))
    assert refusal(lambda: read_units(tmp_path)) == (
        f"{path}: row 2 of 'cluster_class' is {said}, not a class and a time in ms"
    )


def test_files_of_another_shape_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, rows=np.ones((3, 1)))
    assert refusal(lambda: read_units(tmp_path)) == (
        f"{path}: 'cluster_class' has 1 columns; at least 2 are needed"
    )
    write(tmp_path, spikes=WAVES[:3])
    assert refusal(lambda: read_units(tmp_path).read_waveforms("CSC47_1")) == (
        f"{path}: 'spikes' is no matrix of 4 waveforms, one per row of 'cluster_class'"
    )
    write(tmp_path, rows=np.array([[1, 1.0], [1, 1.7e12]]))
    assert refusal(lambda: read_units(tmp_path)) == (
        f"{path}: the times of its spikes span 19676 days; no recording is so long"
    )


def test_two_files_of_a_wire_are_refused(tmp_path: Path) -> None:
    write(tmp_path)
    write(tmp_path, "030e16timesCSC47.mat")
    assert refusal(lambda: read_units(tmp_path)) == (
        f"{tmp_path}: 030e16timesCSC47.mat and times_CSC47.mat are of the same wire, CSC47"
    )


def test_a_published_unit_has_the_spikes_known_of_it(shared_data: Callable[[str], Path]) -> None:
    folder = shared_data("bonn_units")
    (known,) = json.loads((folder / "expected.json").read_text())["units"]
    units = read_units(folder)
    label = f"CSC{known['channel']}_{known['cluster']}"
    assert units.table.loc[label, "channel"] == known["channel"]
    spikes_s = units.spikes_of(label)
    assert len(spikes_s) == known["unit_spikes"] == known["all_spike_times"]
    rows = loadmat(folder / "030e16timesCSC47.mat")["cluster_class"]
    assert len(rows) == known["sorted_spikes_in_file"]
    assert sum(map(len, units.spikes_s)) == np.count_nonzero(rows[:, 0])
    found = units.read_waveforms(label)
    assert found is not None
    assert (found.values.shape, found.rate_hz) == ((531, 64), 32_768)

    trials = loadmat(folder / "030e16segmentedSpikes.mat", squeeze_me=True, struct_as_record=False)
    cut = [np.atleast_1d(trial) for trial in trials["cherries"].trial]
    onsets_ms = trials["conditions"].onset_time
    assert len(cut) == known["trials"]
    spikes_ms = 1e3 * spikes_s
    worst_ms, mismatches, total = 0.0, 0, 0
    for trial, onset_ms in zip(cut, onsets_ms, strict=True):
        mine = spikes_ms - onset_ms
        mine = mine[np.abs(mine) <= 3000]
        mismatches += len(mine) != len(trial)
        total += len(mine)
        if len(mine) == len(trial) and len(trial):
            worst_ms = max(worst_ms, float(np.abs(mine - trial).max()))
    assert mismatches == known["recut_count_mismatches"]
    assert worst_ms == pytest.approx(known["recut_max_difference_ms"], abs=1e-6)
    assert total == known["spikes_in_trials"]
