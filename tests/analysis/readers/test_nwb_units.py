import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from analysis.readers.nwb import read_units
from task.contract.errors import RecordingError
from tests.analysis.readers import nwb_written as nwb

RNG = np.random.default_rng(0)
SHAPES = RNG.normal(0, 60, (2, 256))


def refusal(path: Path) -> str:
    with pytest.raises(RecordingError) as refused:
        read_units(path)
    return str(refused.value)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "any.nwb"


def plain_units(count: int, *columns: str, **more: Any) -> nwb.Fill:
    """Units with two spikes each; more are values of columns by unit."""
    rows = [
        {"spike_times": [n + 0.25, n + 0.5], **{name: v[n] for name, v in more.items()}}
        for n in range(count)
    ]
    return nwb.units(rows, *columns)


def test_units_of_a_real_file_are_as_expected(shared_data: Callable[[str], Path]) -> None:
    folder = shared_data("nwb_small")
    name = "A8604-211122.nwb"
    expected = json.loads((folder / "expected.json").read_bytes())["files"][name]
    units = read_units(folder / name)
    assert len(units.table) == expected["units"]
    assert units.table["cell"].tolist() == expected["unit_ids"]
    assert units.table.index.tolist() == [f"unit_{number}" for number in expected["unit_ids"]]
    assert [len(train) for train in units.spikes_s] == expected["spikes_per_unit"]
    assert sum(map(len, units.spikes_s)) == expected["spikes"]
    assert [train[0] for train in units.spikes_s] == pytest.approx(expected["first_s"], abs=1e-6)
    assert [train[-1] for train in units.spikes_s] == pytest.approx(expected["last_s"], abs=1e-6)
    assert units.read_waveforms("unit_6") is None


def test_units_of_a_human_release_have_channel_area_cluster_and_quality(path: Path) -> None:
    rows = [
        {
            "spike_times": [1.0, 3.5],
            "electrodes": [1],
            "origClusterID": 2304,
            "IsolationDist": 18.5,
            "SNR": 1.25,
            "waveform_mean_encoding": SHAPES[0],
            "waveform_mean_recognition": SHAPES[1],
        },
        {
            "spike_times": [2.0],
            "electrodes": [0],
            "origClusterID": 1712,
            "IsolationDist": np.nan,
            "SNR": 0.75,
            "waveform_mean_encoding": SHAPES[1],
            "waveform_mean_recognition": SHAPES[0],
        },
    ]
    places = nwb.electrodes([("Right Hippocampus", 21.0), ("Left Amygdala", 44.0)])
    units = read_units(nwb.write(path, places, nwb.units(rows, *list(rows[0])[2:])))
    table = units.table
    assert table.index.tolist() == ["unit_0", "unit_1"]
    assert table["channel"].tolist() == [44, 21]
    assert table["cluster"].tolist() == [2304, 1712]
    assert table["area"].tolist() == ["Left Amygdala", "Right Hippocampus"]
    assert table["isolation_distance"].tolist() == pytest.approx([18.5, np.nan], nan_ok=True)
    assert table["snr"].tolist() == [1.25, 0.75]
    assert list(table)[5:] == ["isolation_distance", "snr"]
    assert [train.tolist() for train in units.spikes_s] == [[1.0, 3.5], [2.0]]
    shape = units.read_waveforms("unit_1")
    assert shape is not None and shape.values.tolist() == [SHAPES[1].tolist()]
    assert (np.isnan(shape.rate_hz), shape.unit) == (True, "")


def test_measures_of_another_release_have_their_names(path: Path) -> None:
    names = {
        "clusterID_orig": [7, 8],
        "waveforms_mean_snr": [1.5, 2.5],
        "waveforms_peak_snr": [5.0, 6.0],
        "waveforms_isolation_distance": [20.0, 30.0],
        "waveforms_mean_proj_dist": [9.0, 10.0],
    }
    table = read_units(nwb.write(path, plain_units(2, *names, **names))).table
    assert table["cluster"].tolist() == [7, 8]
    assert table["snr"].tolist() == [1.5, 2.5]
    assert table["isolation_distance"].tolist() == [20.0, 30.0]
    assert table["waveforms_peak_snr"].tolist() == [5.0, 6.0]
    assert table["waveforms_mean_proj_dist"].tolist() == [9.0, 10.0]


def test_units_are_called_by_their_names_if_all_differ(path: Path) -> None:
    units = read_units(nwb.write(path, plain_units(2, "unit_name", unit_name=["A1a", "A1b"])))
    assert units.table.index.tolist() == ["A1a", "A1b"]
    assert units.spikes_of("A1b").tolist() == [1.25, 1.5]
    same = path.with_name("same.nwb")
    units = read_units(nwb.write(same, plain_units(2, "unit_name", unit_name=["A1a", "A1a"])))
    assert units.table.index.tolist() == ["unit_0", "unit_1"]


def test_kind_is_what_people_said_or_else_the_sorter_and_noise_is_no_unit(path: Path) -> None:
    said = {
        "quality": ["good", "noise", "unsorted", "mua"],
        "KSLabel": ["mua", "good", "mua", "good"],
    }
    units = read_units(nwb.write(path, plain_units(4, *said, **said)))
    assert units.table["kind"].to_dict() == {
        "unit_0": "single",
        "unit_2": "multi",
        "unit_3": "multi",
    }
    assert units.spikes_of("unit_2").tolist() == [2.25, 2.5]


def test_a_measure_never_takes_the_place_of_another_column(path: Path) -> None:
    more = {"kind": [1.0, 2.0], "SNR": [3.0, 4.0], "snr": [5.0, 6.0]}
    table = read_units(nwb.write(path, plain_units(2, *more, **more))).table
    assert table["kind"].tolist() == ["", ""]
    assert table["kind_in_file"].tolist() == [1.0, 2.0]
    assert table["SNR"].tolist() == [3.0, 4.0]
    assert table["snr"].tolist() == [5.0, 6.0]


def test_a_unit_on_several_electrodes_has_their_area_and_no_channel(path: Path) -> None:
    places = nwb.electrodes([("RFFA", 1.0), ("RFFA", 2.0), ("unknown", 3.0)])
    rows = [
        {"spike_times": [1.0], "electrodes": [0, 1]},
        {"spike_times": [1.0], "electrodes": [1, 2]},
        {"spike_times": [1.0], "electrodes": [2]},
    ]
    table = read_units(nwb.write(path, places, nwb.units(rows))).table
    assert table["area"].tolist() == ["RFFA", "", ""]
    assert table["channel"].isna().tolist() == [True, True, False]
    assert table["channel"].tolist()[2] == 3


def test_a_unit_without_spikes_is_a_unit(path: Path) -> None:
    units = read_units(nwb.write(path, nwb.units([{"spike_times": []}, {"spike_times": [1.0]}])))
    assert [train.tolist() for train in units.spikes_s] == [[], [1.0]]


# Waveforms ---------------------------------------------------------------------------------------


def test_a_mean_waveform_in_volts_is_given_in_microvolts(path: Path) -> None:
    rows = [{"spike_times": [1.0], "waveform_mean": [1e-5, -8e-5, 2e-5]}]
    fill = nwb.units(rows, waveform_rate=30_000.0)
    shape = read_units(nwb.write(path, fill)).read_waveforms("unit_0")
    assert shape is not None and shape.unit == "uV" and shape.rate_hz == 30_000
    assert shape.values.tolist() == [pytest.approx([10, -80, 20])]


def test_a_waveform_that_cannot_be_in_volts_has_no_unit(path: Path) -> None:
    rows = [{"spike_times": [1.0], "waveform_mean": [10.0, -80.0, 20.0]}]
    shape = read_units(nwb.write(path, nwb.units(rows))).read_waveforms("unit_0")
    assert shape is not None and shape.unit == ""
    assert shape.values.tolist() == [[10.0, -80.0, 20.0]]


def test_of_several_electrodes_the_largest_mean_counts(path: Path) -> None:
    mean = np.stack([[1.0, -2.0, 1.0], [10.0, -90.0, 20.0]], axis=1)
    rows = [{"spike_times": [1.0], "waveform_mean": mean}]
    shape = read_units(nwb.write(path, nwb.units(rows))).read_waveforms("unit_0")
    assert shape is not None and shape.values.tolist() == [[10.0, -90.0, 20.0]]


def test_waveforms_of_every_spike_are_in_the_order_of_the_times(path: Path) -> None:
    first, second = RNG.normal(0, 60, (2, 1, 8)), RNG.normal(0, 60, (3, 1, 8))
    rows = [
        {"spike_times": [1.0, 2.0], "waveforms": first},
        {"spike_times": [4.0, 3.0, 5.0], "waveforms": second},
    ]
    units = read_units(nwb.write(path, nwb.units(rows, waveform_rate=100_000.0)))
    one, other = units.read_waveforms("unit_0"), units.read_waveforms("unit_1")
    assert one is not None and other is not None
    assert one.values.tolist() == first[:, 0].tolist()
    assert other.values.tolist() == second[[1, 0, 2], 0].tolist()
    assert one.rate_hz == 100_000


def test_waveforms_of_several_electrodes_are_those_of_the_largest(path: Path) -> None:
    waves = np.stack([np.full((4, 6), 1.0), RNG.normal(0, 60, (4, 6))], axis=1)
    rows = [{"spike_times": [1.0, 2.0, 3.0, 4.0], "waveforms": waves}]
    shape = read_units(nwb.write(path, nwb.units(rows))).read_waveforms("unit_0")
    assert shape is not None and shape.values.tolist() == waves[:, 1].tolist()


def with_rows_of_waveforms(path: Path, values: np.ndarray, ends: list[int]) -> Path:
    """Waveforms with one index, as MATLAB's library writes them."""
    with h5py.File(path, "a") as file:
        file["units/waveforms"] = values
        file["units/waveforms_index"] = ends
    return path


def test_waveforms_with_a_single_index_are_of_the_units_spikes(path: Path) -> None:
    waves = RNG.normal(0, 60, (4, 5))
    nwb.write(path, plain_units(2))
    units = read_units(with_rows_of_waveforms(path, waves, [2, 4]))
    shape = units.read_waveforms("unit_1")
    assert shape is not None and shape.values.tolist() == waves[2:].tolist()


def test_waveforms_of_some_of_the_spikes_are_given_as_their_mean(path: Path) -> None:
    waves = RNG.normal(0, 60, (4, 5))
    nwb.write(path, plain_units(2))
    units = read_units(with_rows_of_waveforms(path, waves, [1, 4]))
    shape = units.read_waveforms("unit_1")
    assert shape is not None and shape.values.tolist() == [waves[1:].mean(axis=0).tolist()]


# Refusals ----------------------------------------------------------------------------------------


def test_a_file_without_units_says_so(path: Path) -> None:
    assert refusal(nwb.write(path)) == f"{path}: holds no table of units"


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ([2, 5], "/units/spike_times_index: the last row ends at value 5 of 4 values"),
        ([2, 3], "/units/spike_times_index: the last row ends at value 3 of 4 values"),
        ([5, 4], "/units/spike_times_index: row 2 ends before it begins"),
        ([4], "/units/spike_times: does not say which spikes are of which of 2 units"),
    ],
)
def test_spikes_that_are_of_no_unit_are_refused(path: Path, ends: list[int], said: str) -> None:
    nwb.change(nwb.write(path, plain_units(2)), "units/spike_times_index", np.array(ends))
    assert refusal(path) == f"{path}: {said}"


def test_a_spike_that_is_at_no_time_is_refused(path: Path) -> None:
    nwb.write(path, nwb.units([{"spike_times": [1.0, np.inf]}]))
    assert refusal(path) == (
        f"{path}: /units/spike_times: row 2 is inf, which is no time in s from the start of a"
        " session"
    )


def test_two_units_of_one_number_are_refused(path: Path) -> None:
    nwb.change(nwb.write(path, plain_units(2)), "units/id", np.array([3, 3]))
    assert refusal(path) == f"{path}: /units: two units have the same number"


def test_a_column_that_is_too_short_is_refused(path: Path) -> None:
    nwb.write(path, plain_units(2, "SNR", SNR=[1.0, 2.0]))
    nwb.change(path, "units/SNR", np.array([1.0]))
    assert refusal(path) == f"{path}: /units/SNR has 1 rows, its table 2"


def test_an_electrode_that_is_not_listed_is_refused(path: Path) -> None:
    places = nwb.electrodes([("RFFA", 1.0)])
    nwb.write(path, places, nwb.units([{"spike_times": [1.0], "electrodes": [0]}]))
    nwb.change(path, "units/electrodes", np.array([1]))
    assert refusal(path) == f"{path}: /units names an electrode that is not listed"
