import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from analysis.readers import read_events
from task.contract.errors import RecordingError
from tests.analysis.readers.matlab73 import write_v73


def write(folder: Path, events: Any) -> Path:
    path = folder / "eventsRaw.mat"
    savemat(path, {"events": events})
    return path


def refusal(path: Path) -> str:
    with pytest.raises(RecordingError) as refused:
        read_events(path)
    return str(refused.value)


def test_events_have_time_code_and_run_in_the_order_of_the_file(tmp_path: Path) -> None:
    write(tmp_path, np.array([[3e6, 55, 80], [2.5e6, 1, 80], [4e6, 98, 0]]))
    events = read_events(tmp_path)
    assert events["time_s"].tolist() == [3.0, 2.5, 4.0]
    assert events["code"].tolist() == [55, 1, 98]
    assert events["run"].tolist() == [80, 80, 0]
    assert events["port"].tolist() == ["", "", ""]
    assert (events["code"].dtype, events["run"].dtype) == (np.int64, np.int64)


def test_further_columns_are_not_read(tmp_path: Path) -> None:
    path = write(tmp_path, np.array([[3e6, 55, 80, 4]]))
    assert list(read_events(path)) == ["time_s", "code", "port", "run"]


@pytest.mark.parametrize(
    ("stored", "word"), [(-32_768, 0x8000), (-32_702, 0x8042), (-1, 0xFFFF), (0xFFFF, 0xFFFF)]
)
def test_a_word_that_was_taken_for_signed_is_put_right(
    tmp_path: Path, stored: int, word: int
) -> None:
    assert read_events(write(tmp_path, np.array([[1e6, stored, 0]])))["code"].item() == word


def test_integers_are_read_as_numbers(tmp_path: Path) -> None:
    path = write(tmp_path, np.array([[3_000_001, 55, 80]], dtype=np.int64))
    assert read_events(path)["time_s"].item() == 3.000001


@pytest.mark.parametrize(
    "row",
    [
        [np.nan, 1, 80],
        [-1.0, 1, 80],
        [1e18, 1, 80],
        [1e6, 1, 1e300],
        [1e6, -32_769, 80],
        [1e6, 65_536, 80],
        [1e6, 1.5, 80],
        [1e6, np.nan, 80],
        [1e6, 1, -1],
        [1e6, 1, np.inf],
    ],
)
def test_rows_that_are_no_events_are_refused(tmp_path: Path, row: list[float]) -> None:
    path = write(tmp_path, np.array([[1e6, 1, 80], row]))
    assert refusal(path) == (
        f"{path}: row 2 of 'events' is {np.array(row).tolist()}, not a time in us, a word of 16"
        " bits and the number of a run"
    )


def test_a_file_without_runs_tells_none(tmp_path: Path) -> None:
    events = read_events(write(tmp_path, np.array([[3e6, 55], [4e6, -1]])))
    assert list(events) == ["time_s", "code", "port"]
    assert events["code"].tolist() == [55, 0xFFFF]


def test_an_empty_file_is_no_events(tmp_path: Path) -> None:
    assert read_events(write(tmp_path, np.empty((0, 0)))).empty


@pytest.mark.parametrize("name", ["events", "eventsRaw", "Events"])
def test_the_variable_may_be_called_after_the_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / "eventsRaw.mat"
    savemat(path, {name: np.array([[1e6, 5, 80]]), "stamp": "of a script"})
    assert read_events(path)["code"].tolist() == [5]


def test_which_variable_holds_the_events_is_not_guessed(tmp_path: Path) -> None:
    path = tmp_path / "eventsRaw.mat"
    savemat(path, {"ttl": np.ones((3, 3)), "log": np.ones((3, 3))})
    assert refusal(path) == f"{path}: holds no variable 'events' (it has ttl, log)"
    savemat(path, {"events": np.ones((3, 3)), "eventsRaw": np.ones((3, 3))})
    assert refusal(path) == f"{path}: holds 'events' and 'eventsRaw'; only one can be the events"


def test_a_file_of_version_7_3_is_read(tmp_path: Path) -> None:
    rows = np.array([[3e6, 55, 80], [2.5e6, 1, 80]])
    older = read_events(write(tmp_path, rows))
    newer = read_events(write_v73(tmp_path / "eventsRaw.mat", {"events": rows}))
    pd.testing.assert_frame_equal(newer, older)


def test_rows_keep_their_order_and_what_is_there_twice_stays_twice(tmp_path: Path) -> None:
    rows = np.array([[9e9, 55, 80], [1e6, 1, 80], [2e6, 2, 80], [1e6, 1, 80], [2e6, 2, 80]])
    events = read_events(write(tmp_path, rows))
    assert events["time_s"].tolist() == [9e3, 1.0, 2.0, 1.0, 2.0]


def test_times_in_another_unit_are_refused(tmp_path: Path) -> None:
    rows = np.column_stack([np.arange(30.0), np.ones(30), np.ones(30)])  # a second apart
    path = write(tmp_path, rows)
    assert refusal(path) == (f"{path}: 30 events within 2.9e-05 s; their times are no microseconds")


def test_times_that_no_recording_spans_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, np.array([[1e6, 1, 80], [1.7e15, 1, 80]]))
    assert refusal(path) == (
        f"{path}: the times of its events span 19676 days; no recording is so long"
    )


def test_published_recordings_have_the_words_known_of_their_runs(
    shared_data: Callable[[str], Path],
) -> None:
    release = shared_data("human_newold")
    known = json.loads((release / "expected.json").read_text())
    total = 0
    for pair in known["pairs"]:
        events = read_events(release / "events" / pair["folder"])
        words = events[(events["run"] == pair["run"]) & (events["code"] != 0)]
        assert len(words) == pair["ttl"], pair
        total += len(words)
    assert total == known["pairs_summary"]["ttl"]
