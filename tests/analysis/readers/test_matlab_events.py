import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from analysis.readers import read_events
from task.contract.errors import RecordingError


def write(folder: Path, events: Any) -> Path:
    path = folder / "eventsRaw.mat"
    savemat(path, {"events": events})
    return path


def refusal(path: Path) -> str:
    with pytest.raises(RecordingError) as refused:
        read_events(path)
    return str(refused.value)


def test_events_have_time_code_and_run_in_the_order_of_the_file(tmp_path: Path) -> None:
    write(tmp_path, np.array([[3e6, 55, 80], [1.5e6, 1, 80], [4e6, 98, 0]]))
    events = read_events(tmp_path)
    assert events["time_s"].tolist() == [3.0, 1.5, 4.0]
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


def test_a_file_without_runs_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, np.ones((5, 2)))
    assert refusal(path) == f"{path}: 'events' has 2 columns; at least 3 are needed"


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
