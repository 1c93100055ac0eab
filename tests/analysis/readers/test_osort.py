import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import savemat

from analysis.readers import read_units
from analysis.readers.areas import read_areas
from analysis.synthetic.osort import write_cells
from task.contract.errors import RecordingError
from tests.analysis.readers.matlab73 import write_v73

SPIKES = [[1, 4210, 5e6, 0, 3], [2, 1733, 1e6, 0, 1], [1, 4210, 2e6, 0, 2]]


def quality(**fields: list[Any]) -> np.ndarray:
    """A MATLAB structure array with these fields."""
    rows = list(zip(*fields.values(), strict=True))
    array = np.empty((1, len(rows)), dtype=[(name, object) for name in fields])
    for n, row in enumerate(rows):
        array[0, n] = tuple(np.atleast_2d(value) for value in row)
    return array


def write(folder: Path, channel: int | str, spikes: Any, **more: Any) -> Path:
    path = folder / f"A{channel}_cells.mat"
    savemat(path, {"spikes": np.asarray(spikes, float), **more})
    return path


def write_areas(path: Path, rows: Any) -> None:
    savemat(path, {"brainArea": np.asarray(rows)})


def refusal(folder: Path, **more: Any) -> str:
    with pytest.raises(RecordingError) as refused:
        read_units(folder, **more)
    return str(refused.value)


def test_a_unit_is_a_cell_of_a_channel_with_ascending_times_in_seconds(tmp_path: Path) -> None:
    write(tmp_path, 3, SPIKES)
    units = read_units(tmp_path)
    assert units.table.index.tolist() == ["A3_1", "A3_2"]
    assert units.table["channel"].tolist() == [3, 3]
    assert units.table["cell"].tolist() == [1, 2]
    assert units.table["cluster"].tolist() == [4210, 1733]
    assert units.table["area"].tolist() == ["", ""]
    assert [train.tolist() for train in units.spikes_s] == [[2.0, 5.0], [1.0]]


def test_units_stand_in_the_order_of_channels_as_numbers(tmp_path: Path) -> None:
    for channel in (10, 2, 100):
        write(tmp_path, channel, SPIKES[:1])
    assert read_units(tmp_path).table.index.tolist() == ["A2_1", "A10_1", "A100_1"]


def test_quality_goes_with_the_cluster_and_is_missing_where_the_file_has_none(
    tmp_path: Path,
) -> None:
    none: list[float] = []
    measures = quality(clust=[1733, 4210, 9], IsolDist=[20.5, none, 7.0], SNR=[1.5, 2.5, 3.5])
    write(tmp_path, 3, SPIKES, IsolDist_SNR=measures)
    write(tmp_path, 4, SPIKES[:1])
    table = read_units(tmp_path).table
    np.testing.assert_equal(table["isolation_distance"].to_numpy(), [np.nan, 20.5, np.nan])
    np.testing.assert_equal(table["snr"].to_numpy(), [2.5, 1.5, np.nan])


def test_a_cell_made_of_several_clusters_has_no_cluster_and_no_quality(tmp_path: Path) -> None:
    measures = quality(clust=[7, 8], IsolDist=[1.0, 2.0], SNR=[3.0, 4.0])
    write(tmp_path, 3, [[1, 7, 1e6], [1, 8, 2e6]], IsolDist_SNR=measures)
    units = read_units(tmp_path)
    assert units.table.loc["A3_1", ["cluster", "isolation_distance", "snr"]].isna().all()
    assert units.spikes_of("A3_1").tolist() == [1.0, 2.0]


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (1, 0)])
def test_an_empty_file_is_no_units(tmp_path: Path, shape: tuple[int, int]) -> None:
    write(tmp_path, 3, np.empty(shape))
    units = read_units(tmp_path)
    assert units.table.empty
    assert units.spikes_s == ()
    assert list(units.table) == [
        "channel",
        "cell",
        "cluster",
        "kind",
        "area",
        "isolation_distance",
        "snr",
    ]


def test_spikes_of_cell_zero_belong_to_no_unit(tmp_path: Path) -> None:
    write(tmp_path, 3, [[0, 9, 1e6], [1, 7, 2e6]])
    assert read_units(tmp_path).table.index.tolist() == ["A3_1"]


def test_other_files_of_the_folder_are_left_alone(tmp_path: Path) -> None:
    write(tmp_path, 3, SPIKES)
    for name in ("._A4_cells.mat", "A5_cells.mat.partial", "tissue_cells.mat", "notes.txt"):
        (tmp_path / name).write_text("not of this reader")
    assert set(read_units(tmp_path).table["channel"]) == {3}


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2 * 10**12)), max_size=40))
def test_every_spike_is_of_one_unit(
    tmp_path_factory: pytest.TempPathFactory, spikes: list[tuple[int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("osort")
    write(folder, 1, np.reshape([(cell, 10 * cell, t) for cell, t in spikes], (-1, 3)))
    units = read_units(folder)
    assert units.table["cell"].tolist() == sorted({cell for cell, _ in spikes} - {0})
    for cell, train in zip(units.table["cell"], units.spikes_s, strict=True):
        assert train.tolist() == sorted(t / 1e6 for c, t in spikes if c == cell)


def test_what_the_synthetic_recorder_writes_is_read(tmp_path: Path) -> None:
    planted = pd.DataFrame(
        {
            "channel": [3, 3, 11],
            "cell": [1, 2, 1],
            "cluster": [4210, 1733, 9001],
            "area": ["RVTC", "RVTC", "LVTC"],
        },
        index=["A3_1", "A3_2", "A11_1"],
    )
    trains = [np.array([100.000001, 103.25]), np.array([100.25]), np.array([7.5])]
    write_cells(tmp_path, planted, trains, seed=1)
    units = read_units(tmp_path)
    pd.testing.assert_frame_equal(
        units.table[list(planted)], planted, check_dtype=False, check_names=False
    )
    assert [train.tolist() for train in units.spikes_s] == [t.tolist() for t in trains]
    assert (units.table[["isolation_distance", "snr"]] > 0).all(axis=None)


def test_entries_of_other_channels_behind_its_own_do_not_count(tmp_path: Path) -> None:
    """Published files hold them: cluster 247 of another channel behind the 247 of this one."""
    measures = quality(clust=[4210, 1733, 4210], IsolDist=[1.0, 2.0, 99.0], SNR=[3.0, 4.0, 99.0])
    write(tmp_path, 3, SPIKES, IsolDist_SNR=measures)
    assert read_units(tmp_path).table["snr"].tolist() == [3.0, 4.0]


def test_two_cells_of_one_cluster_are_two_units(tmp_path: Path) -> None:
    write(tmp_path, 3, [[1, 7, 1e6], [2, 7, 2e6]])
    units = read_units(tmp_path)
    assert units.table["cluster"].tolist() == [7, 7]
    assert [train.tolist() for train in units.spikes_s] == [[1.0], [2.0]]


def test_the_mean_waveform_is_over_the_parts_in_which_the_cell_fired(tmp_path: Path) -> None:
    first, second = np.arange(256.0), np.arange(256.0) + 2
    write(
        tmp_path,
        3,
        [*SPIKES, [3, 5, 9e6, 0, 4]],
        meanWaveform_learn=quality(clust=[4210, 1733], m_waveform=[first, np.nan]),
        meanWaveform_recog=quality(clust=[4210, 1733], m_waveform=[second, second]),
    )
    waveforms = read_units(tmp_path).read_waveforms
    mean = waveforms("A3_1")
    assert mean is not None
    assert mean.values.tolist() == [(first + 1).tolist()]
    assert (mean.rate_hz, mean.unit) == (100_000.0, "")
    only = waveforms("A3_2")
    assert only is not None
    assert only.values.tolist() == [second.tolist()]
    assert waveforms("A3_3") is None


def test_files_of_version_7_3_are_read(tmp_path: Path) -> None:
    measures = ({"clust": 4210.0, "IsolDist": 20.5, "SNR": 1.5},)
    write_v73(tmp_path / "A3_cells.mat", {"spikes": np.array(SPIKES), "IsolDist_SNR": measures})
    units = read_units(tmp_path)
    assert units.spikes_of("A3_1").tolist() == [2.0, 5.0]
    assert units.table.loc["A3_1", ["isolation_distance", "snr"]].tolist() == [20.5, 1.5]


# OSort's working form ----------------------------------------------------------------------------


def write_sorted(folder: Path, wire: str = "A3", **changed: Any) -> Path:
    """Clusters 12 and 7 are units; 99999999 is noise, 5 was not taken."""
    path = folder / f"{wire}_sorted_new.mat"
    contents = {
        "useNegative": np.array([[12], [7]], np.uint16),
        "assignedNegative": np.array([[7, 12, 99_999_999, 5, 12]], np.int32),
        "newTimestampsNegative": np.array([[4e6, 3e6, 5e6, 6e6, 1e6]]),
        "newSpikesNegative": np.arange(5.0)[:, np.newaxis] + np.zeros(256),
        "usePositive": np.empty((0, 0)),
        "assignedPositive": np.empty((0, 0)),
        "newTimestampsPositive": np.empty((0, 0)),
        **changed,
    }
    savemat(path, {name: value for name, value in contents.items() if value is not None})
    return path


def test_units_of_the_working_form_are_the_clusters_taken_for_units(tmp_path: Path) -> None:
    write_sorted(tmp_path)
    units = read_units(tmp_path)
    assert units.table.index.tolist() == ["A3_12", "A3_7"]
    assert units.table["channel"].tolist() == [3, 3]
    assert units.table["cluster"].tolist() == [12, 7]
    assert [train.tolist() for train in units.spikes_s] == [[1.0, 3.0], [4.0]]


@pytest.mark.parametrize(("scale", "factor", "unit"), [(None, 1.0, ""), (2e-6, 2.0, "uV")])
def test_waveforms_of_the_working_form_stand_in_the_order_of_times(
    tmp_path: Path, scale: float | None, factor: float, unit: str
) -> None:
    write_sorted(tmp_path, scalingFactor=scale)
    found = read_units(tmp_path).read_waveforms("A3_12")
    assert found is not None
    assert found.values[:, 0].tolist() == [4 * factor, 1 * factor]
    assert found.values.shape == (2, 256)
    assert (found.rate_hz, found.unit) == (100_000.0, unit)


def test_a_channel_without_units_has_none(tmp_path: Path) -> None:
    write_sorted(tmp_path, useNegative=np.empty((0, 0)))
    assert read_units(tmp_path).table.empty


def test_clusters_of_positive_spikes_are_told_apart(tmp_path: Path) -> None:
    write_sorted(
        tmp_path,
        usePositive=np.array([[12]]),
        assignedPositive=np.array([[12, 12]]),
        newTimestampsPositive=np.array([[8e6, 9e6]]),
    )
    units = read_units(tmp_path)
    assert units.table.index.tolist() == ["A3_12", "A3_7", "A3_12_positive"]
    assert units.spikes_of("A3_12_positive").tolist() == [8.0, 9.0]
    assert units.read_waveforms("A3_12_positive") is None


def test_of_a_channel_in_both_forms_the_cells_are_read(tmp_path: Path) -> None:
    write(tmp_path, 3, SPIKES)
    write_sorted(tmp_path, "A3")
    write_sorted(tmp_path, "A10")
    write_sorted(tmp_path, "A_ss8_Max")
    table = read_units(tmp_path).table
    assert table.index.tolist() == [
        *("A3_1", "A3_2", "A10_12", "A10_7", "A_ss8_Max_12", "A_ss8_Max_7")
    ]
    assert table["channel"].isna().tolist() == [False] * 4 + [True] * 2


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"useNegative": None}, "holds no variable 'useNegative'"),
        (
            {"useNegative": np.array([[12, 8]])},
            "'useNegative' lists [12.0, 8.0]; units are different clusters of 'assignedNegative'",
        ),
        (
            {"useNegative": np.array([[99_999_999]])},
            "'useNegative' lists [99999999.0]; units are different clusters of 'assignedNegative'",
        ),
        (
            {"newTimestampsNegative": np.array([[1e6]])},
            "5 clusters in 'assignedNegative', but 1 times in 'newTimestampsNegative'",
        ),
        (
            {"newTimestampsNegative": np.array([[1e6, 2e6, -3, 4, 5]])},
            "spike 3 of 'assignedNegative' has the cluster 1e+08 and the time -3, not a number and"
            " a time in us",
        ),
    ],
)
def test_a_working_form_that_contradicts_itself_is_refused(
    tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    path = write_sorted(tmp_path, **changed)
    assert refusal(tmp_path) == f"{path}: {said}"


def test_waveforms_that_are_not_one_per_spike_are_refused(tmp_path: Path) -> None:
    path = write_sorted(tmp_path, newSpikesNegative=np.zeros((4, 256)))
    with pytest.raises(RecordingError) as refused:
        read_units(tmp_path).read_waveforms("A3_12")
    assert str(refused.value) == (
        f"{path}: 'newSpikesNegative' is no matrix of 5 waveforms, one per spike"
    )


# Areas -------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two cells of channel 3, in areas 13 and 14."""
    write(tmp_path, 3, SPIKES)
    write_areas(tmp_path / "brainArea.mat", [[3, 1, 4210, 13], [3, 2, 1733, 14], [9, 1, 5, 13]])
    return tmp_path


def areas_of(folder: Path, **more: Any) -> list[str]:
    return list(read_units(folder, **more).table["area"])


def test_area_codes_without_a_table_stay_codes(folder: Path) -> None:
    assert areas_of(folder) == ["13", "14"]


def test_area_names_come_from_the_table_beside_the_areas(folder: Path) -> None:
    (folder / "areas.csv").write_text("code,area\n13,RVTC\n14,LVTC\n")
    assert areas_of(folder) == ["RVTC", "LVTC"]


def test_area_names_that_are_given_go_before_the_table(folder: Path) -> None:
    (folder / "areas.csv").write_text("code,area\n13,RVTC\n14,LVTC\n")
    assert areas_of(folder, area_names={13: "RFFA"}) == ["RFFA", "14"]


def test_areas_may_lie_elsewhere_with_their_table(folder: Path) -> None:
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    write_areas(elsewhere / "brainArea.mat", [[3, 1, 4210, 2], [3, 0, 0, 2]])
    (elsewhere / "areas.csv").write_text("code,area\n2,LH\n")
    assert areas_of(folder, areas=elsewhere) == ["LH", ""]
    assert areas_of(folder, areas=elsewhere / "brainArea.mat") == ["LH", ""]


def test_areas_that_were_asked_for_must_be_there(folder: Path) -> None:
    absent = folder / "absent.mat"
    assert refusal(folder, areas=absent) == f"{absent}: cannot be read: No such file or directory"


def test_a_cell_in_two_areas_is_refused(folder: Path) -> None:
    path = folder / "brainArea.mat"
    write_areas(path, [[3, 1, 1, 13], [3, 1, 1, 13], [3, 0, 0, 13], [3, 0, 0, 14], [3, 1, 1, 14]])
    assert refusal(folder) == f"{path}: cell 1 of channel 3 lies in both 13 and 14"


def test_areas_that_are_no_whole_numbers_are_refused(folder: Path) -> None:
    path = folder / "brainArea.mat"
    write_areas(path, [[3, 1, 1, np.nan]])
    assert refusal(folder) == (
        f"{path}: row 1 of 'brainArea' is [3.0, 1.0, 1.0, nan], not the numbers of a channel, a"
        " cell, a cluster and an area"
    )


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("13,RVTC\n13,LVTC\n", "code 13 is both RVTC and LVTC"),
        ("13,RVTC\n14,\n", "tells no area for code 14"),
    ],
)
def test_a_table_of_areas_that_contradicts_itself_is_refused(
    folder: Path, rows: str, said: str
) -> None:
    path = folder / "areas.csv"
    path.write_text(f"code,area\n{rows}")
    assert refusal(folder) == f"{path}: {said}"


@pytest.mark.parametrize("text", ["code;area\n13;RVTC\n", "code,area\nRVTC,13\n", "", "\xff"])
def test_a_table_of_areas_that_is_none_is_refused(folder: Path, text: str) -> None:
    path = folder / "areas.csv"
    path.write_text(text, encoding="latin-1")
    assert refusal(folder) == f"{path}: is no table of whole numbers 'code' and 'area'"


# Refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ([np.nan, 7, 1e6], "[nan, 7.0, 1000000.0]"),
        ([-1, 7, 1e6], "[-1.0, 7.0, 1000000.0]"),
        ([1.5, 7, 1e6], "[1.5, 7.0, 1000000.0]"),
        ([1, np.inf, 1e6], "[1.0, inf, 1000000.0]"),
        ([1, 7, np.nan], "[1.0, 7.0, nan]"),
    ],
)
def test_rows_that_are_no_spikes_are_refused(tmp_path: Path, row: list[float], said: str) -> None:
    path = write(tmp_path, 3, [[1, 7, 1e6], row])
    assert refusal(tmp_path) == (
        f"{path}: row 2 of 'spikes' begins with {said}, not with a cell, a cluster and a time in us"
    )


@pytest.mark.parametrize(
    ("contents", "said"),
    [
        ({"cells": 1}, "holds no variable 'spikes'"),
        ({"spikes": np.ones((4, 2))}, "'spikes' has 2 columns; at least 3 are needed"),
        ({"spikes": "many"}, "'spikes' is no matrix of numbers"),
        ({"spikes": np.ones((2, 2, 5))}, "'spikes' is no matrix of numbers"),
        ({"spikes": np.ones((2, 5)) * 1j}, "'spikes' is no matrix of numbers"),
        ({"spikes": {"cell": 1}}, "'spikes' is no matrix of numbers"),
        (
            {"spikes": np.ones((1, 5)), "IsolDist_SNR": np.ones(3)},
            "'IsolDist_SNR' has no fields clust, IsolDist and SNR",
        ),
        (
            {
                "spikes": np.ones((1, 5)),
                "IsolDist_SNR": {"clust": 1, "IsolDist": "far", "SNR": 1.0},
            },
            "'IsolDist_SNR' holds other than numbers",
        ),
    ],
)
def test_a_file_of_another_shape_is_refused(
    tmp_path: Path, contents: dict[str, Any], said: str
) -> None:
    path = tmp_path / "A3_cells.mat"
    savemat(path, contents)
    assert refusal(tmp_path) == f"{path}: {said}"


def test_two_files_of_a_channel_are_refused(tmp_path: Path) -> None:
    write(tmp_path, 3, SPIKES)
    write(tmp_path, "03", SPIKES)
    assert refusal(tmp_path) == (
        f"{tmp_path}: A03_cells.mat and A3_cells.mat are of the same channel"
    )


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, 3, SPIKES)
    path.write_bytes(path.read_bytes()[:-8])
    assert refusal(tmp_path).startswith(f"{path}: is damaged, or no MATLAB file: it ends at byte")


@pytest.mark.parametrize("time_us", [-1.0, 1e18])
def test_times_that_are_none_are_refused(tmp_path: Path, time_us: float) -> None:
    path = write(tmp_path, 3, [[1, 7, 1e6], [1, 7, time_us]])
    assert refusal(tmp_path) == (
        f"{path}: row 2 of 'spikes' begins with {[1.0, 7.0, time_us]}, not with a cell, a cluster"
        " and a time in us"
    )


def test_times_that_no_recording_spans_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, 3, [[1, 7, 1e6], [1, 7, 1.7e15]])
    assert refusal(tmp_path) == (
        f"{path}: the times of its spikes span 19676 days; no recording is so long"
    )


# Real recordings ---------------------------------------------------------------------------------


def test_published_recordings_have_the_units_known_of_them(
    shared_data: Callable[[str], Path],
) -> None:
    release = shared_data("human_newold")
    known = json.loads((release / "expected.json").read_text())["counts"]
    folders = sorted((release / "sorted").glob("*/*"))
    n_units = n_spikes = 0
    listed: Counter[str] = Counter()
    for folder in folders:
        areas = release / "events" / folder.relative_to(release / "sorted") / "brainArea.mat"
        units = read_units(folder, areas=areas)
        n_units += len(units.table)
        n_spikes += sum(map(len, units.spikes_s))
        listed.update(read_areas(areas).values())
        assert units.table.index.is_unique
        assert units.table["cluster"].notna().all()
        assert (units.table["area"] != "").all()
        waveforms = [units.read_waveforms(label) for label in units.table.index]
        assert all(found is not None and found.values.shape == (1, 256) for found in waveforms)
        for train in units.spikes_s:
            assert train.dtype == np.float64
            assert (np.diff(train) >= 0).all()
    assert len(folders) == known["folders"]
    assert n_units == known["units"]
    assert n_spikes == known["spikes"]
    assert listed == known["brain_area_code_rows"]


def test_areas_that_lie_on_their_side_are_refused(folder: Path) -> None:
    write_areas(folder / "brainArea.mat", np.ones((4, 6)))
    with pytest.raises(RecordingError, match="'brainArea' has 6 columns, not 4; does it lie on"):
        areas_of(folder)


def test_cells_above_any_count_are_refused(tmp_path: Path) -> None:
    write(tmp_path, 2, np.array([[1000, 7, 1e6]]))
    assert "row 1 of 'spikes' begins with [1000.0, 7.0, 1000000.0], not" in refusal(tmp_path)
