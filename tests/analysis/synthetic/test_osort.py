from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.io import loadmat

from analysis.synthetic.osort import write_cells

UNITS = pd.DataFrame(
    {
        "channel": [3, 3, 11],
        "cell": [1, 2, 1],
        "cluster": [4210, 1733, 9001],
        "area": ["RVTC", "RVTC", "LVTC"],
    },
    index=["A3_1", "A3_2", "A11_1"],
)
TRAINS = [np.array([100.0000012, 100.5, 103.25]), np.array([100.25, 104.0]), np.array([])]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_cells(tmp_path, UNITS, TRAINS, seed=1)
    return tmp_path


def test_spikes_stand_cell_by_cell_in_microseconds_with_their_place_on_the_channel(
    folder: Path,
) -> None:
    assert loadmat(folder / "A3_cells.mat")["spikes"].tolist() == [
        [1, 4210, 100_000_001, 0, 1],
        [1, 4210, 100_500_000, 0, 3],
        [1, 4210, 103_250_000, 0, 4],
        [2, 1733, 100_250_000, 0, 2],
        [2, 1733, 104_000_000, 0, 5],
    ]


def test_a_cell_without_a_spike_is_listed_and_its_channel_is_empty(folder: Path) -> None:
    assert loadmat(folder / "A11_cells.mat")["spikes"].shape == (0, 5)
    assert loadmat(folder / "brainArea.mat")["brainArea"].tolist() == [
        [3, 1, 4210, 13],
        [3, 2, 1733, 13],
        [11, 1, 9001, 14],
    ]


def test_the_table_of_area_codes_lies_with_the_data(folder: Path) -> None:
    assert (folder / "areas.csv").read_text() == "code,area\n13,RVTC\n14,LVTC\n"


def test_nothing_half_written_stays(folder: Path) -> None:
    assert sorted(p.name for p in folder.iterdir()) == [
        "A11_cells.mat",
        "A3_cells.mat",
        "areas.csv",
        "brainArea.mat",
    ]


def shape_of(value: Any) -> Any:
    """Types and widths of a variable, down into its structs, whatever the number of rows."""
    if value.dtype.names:
        first = value.flat[0]
        return [(name, shape_of(first[name])) for name in value.dtype.names]
    kind = "number" if value.dtype.kind in "uf" else value.dtype.kind
    return kind, value.shape[-1]


def test_files_have_the_form_of_real_ones(folder: Path, shared_data: Callable[[str], Path]) -> None:
    release = shared_data("human_newold")
    real = loadmat(release / "sorted/P10HMH_092206/NO/A22_cells.mat")
    ours = loadmat(folder / "A3_cells.mat")
    assert set(ours) == set(real)
    for name in ("spikes", "IsolDist_SNR", "meanWaveform_learn", "meanWaveform_recog"):
        assert shape_of(ours[name]) == shape_of(real[name]), name
        assert ours[name].ndim == real[name].ndim == 2
    for cells in (ours, real):
        spikes = cells["spikes"]
        assert spikes.dtype == np.float64
        assert (np.diff(spikes[:, 0]) >= 0).all()
        assert (np.diff(spikes[:, 2])[np.diff(spikes[:, 0]) == 0] > 0).all()
        clusters = [int(c["clust"].item()) for c in cells["meanWaveform_learn"][0]]
        assert clusters == list(dict.fromkeys(spikes[:, 1]))
    area = loadmat(release / "events/P10HMH_092206/NO/brainArea.mat")["brainArea"]
    table = loadmat(folder / "brainArea.mat")["brainArea"]
    assert table.shape[1] == area.shape[1] == 4
    assert table.dtype == area.dtype
