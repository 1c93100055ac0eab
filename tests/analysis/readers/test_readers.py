from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from analysis.readers import read_events, read_units
from analysis.synthetic.neuralynx import EventFile
from task.contract.errors import RecordingError


def write_nev(path: Path, code: int) -> None:
    with EventFile(path) as file:
        file.append([(1.0, code)])


def refusal(read: Callable[[Path], object], path: Path) -> str:
    with pytest.raises(RecordingError) as refused:
        read(path)
    return str(refused.value)


@pytest.mark.parametrize("name", ["Events.nev", "R050-Events.nev", "EVENTS.NEV"])
def test_the_only_events_file_of_a_folder_is_found(tmp_path: Path, name: str) -> None:
    write_nev(tmp_path / name, 20)
    (tmp_path / "notes.txt").touch()
    (tmp_path / "further.nev").mkdir()
    assert read_events(tmp_path)["code"].tolist() == [20]


def test_the_main_file_goes_before_others_of_its_folder(tmp_path: Path) -> None:
    write_nev(tmp_path / "Events.nev", 20)
    write_nev(tmp_path / "Copy of events.nev", 21)
    savemat(tmp_path / "eventsRaw.mat", {"events": np.array([[1e6, 22, 0]])})
    assert read_events(tmp_path)["code"].tolist() == [20]


def test_several_events_files_are_refused(tmp_path: Path) -> None:
    write_nev(tmp_path / "b.nev", 20)
    write_nev(tmp_path / "a.nev", 21)
    assert refusal(read_events, tmp_path) == (
        f"{tmp_path}: holds several events files (a.nev, b.nev); name one of them"
    )


def test_a_recording_in_parts_is_refused_rather_than_read_in_part(tmp_path: Path) -> None:
    write_nev(tmp_path / "Events.nev", 20)
    write_nev(tmp_path / "Events_0001.nev", 21)
    assert refusal(read_events, tmp_path) == (
        f"{tmp_path}: holds several events files (Events.nev, Events_0001.nev); name one of them"
    )
    assert read_events(tmp_path / "Events_0001.nev")["code"].tolist() == [21]


def test_a_folder_without_events_is_refused(tmp_path: Path) -> None:
    assert refusal(read_events, tmp_path) == (
        f"{tmp_path}: holds no events file (Neuralynx .nev, eventsRaw.mat)"
    )


def test_files_of_no_known_kind_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.touch()
    assert refusal(read_events, path) == (
        f"{path}: is nothing that can be read here; known are Neuralynx .nev, eventsRaw.mat"
    )
    said = "is nothing that can be read here; known are folders with OSort's A<channel>_cells.mat"
    assert refusal(read_units, tmp_path) == f"{tmp_path}: {said}"
    assert refusal(read_units, path) == f"{path}: {said}"


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "absent"
    for read in (read_events, read_units):
        assert refusal(read, path) == f"{path}: cannot be read: No such file or directory"
