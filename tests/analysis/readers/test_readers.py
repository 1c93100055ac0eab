from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from analysis.readers import open_recording, read_analog, read_events, read_units
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


def test_events_of_several_files_are_kept_apart(tmp_path: Path) -> None:
    write_nev(tmp_path / "Events.nev", 20)
    write_nev(tmp_path / "Events_0001.nev", 21)
    savemat(tmp_path / "eventsRaw.mat", {"events": np.array([[1e6, 22, 0]])})
    events = read_events(tmp_path)
    assert dict(zip(events["file"], events["code"], strict=True)) == {
        "Events.nev": 20,
        "Events_0001.nev": 21,
        "eventsRaw.mat": 22,
    }
    assert open_recording(tmp_path).said == (
        "events of several files, each tried by itself and all together: Events.nev,"
        " Events_0001.nev, eventsRaw.mat",
    )
    assert "file" not in read_events(tmp_path / "Events_0001.nev")


def test_a_table_beside_the_recorders_events_is_not_read(tmp_path: Path) -> None:
    write_nev(tmp_path / "Events.nev", 20)
    (tmp_path / "export.csv").write_text("time_s,code\n1.0,21\n")
    (tmp_path / "areas.csv").write_text("code,area\n1,RVTC\n")
    assert read_events(tmp_path)["code"].tolist() == [20]
    assert open_recording(tmp_path).said == (
        "tables beside the recorder's events are not read: export.csv",
    )
    (tmp_path / "Events.nev").unlink()
    assert read_events(tmp_path)["code"].tolist() == [21]


def test_a_folder_without_events_is_refused(tmp_path: Path) -> None:
    assert refusal(read_events, tmp_path) == (
        f"{tmp_path}: holds no events (Blackrock or Ripple .nev, Neuralynx .nev, eventsRaw.mat,"
        " NWB, a table of times and codes)"
    )


def test_files_of_no_known_kind_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.dat"
    path.write_bytes(b"dat")
    assert refusal(read_events, path) == (
        f"{path}: is nothing that can be read here; known are Blackrock or Ripple .nev, Neuralynx"
        " .nev, eventsRaw.mat, NWB, a table of times and codes"
    )
    known = (
        "OSort, wave_clus, Combinato, Phy or Kilosort, MClust, SpikeInterface .npz, NWB, Blackrock"
        " or Ripple .nev, Neuralynx .nse or .ntt"
    )
    assert refusal(read_units, tmp_path) == f"{tmp_path}: holds no units ({known})"
    assert refusal(read_units, path) == (
        f"{path}: is nothing that can be read here; known are {known}"
    )
    assert refusal(read_analog, path) == (
        f"{path}: is nothing that can be read here; known are Neuralynx .ncs, Blackrock or Ripple"
        " .ns1 to .ns6, NWB, .csv or .wav"
    )


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "absent"
    for read in (read_events, read_units, read_analog, open_recording):
        assert refusal(read, path) == f"{path}: cannot be read: No such file or directory"


# Units and analog channels of a folder ------------------------------------------------------------


def write_cells(folder: Path, cell: int = 1) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    spikes = np.array([[cell, 7, 1e6], [cell, 7, 2e6]])
    savemat(folder / "A3_cells.mat", {"spikes": np.hstack([spikes, np.zeros((2, 2))])})


def test_units_are_found_below_the_folder(tmp_path: Path) -> None:
    write_nev(tmp_path / "Events.nev", 20)
    write_cells(tmp_path / "sort" / "final")
    assert read_units(tmp_path).table.index.tolist() == ["A3_1"]
    assert open_recording(tmp_path).said == ("units of OSort: final",)


def test_units_in_several_places_are_refused(tmp_path: Path) -> None:
    write_cells(tmp_path / "a")
    write_cells(tmp_path / "b", cell=2)
    assert refusal(read_units, tmp_path) == (
        f"{tmp_path}: holds units in several places (a: OSort, b: OSort); name one"
    )
    assert read_units(tmp_path / "b").table.index.tolist() == ["A3_2"]


def test_hidden_folders_and_links_are_not_looked_into(tmp_path: Path) -> None:
    write_cells(tmp_path / ".phy")
    write_cells(tmp_path.parent / "elsewhere")
    (tmp_path / "link").symlink_to(tmp_path.parent / "elsewhere")
    assert open_recording(tmp_path).units == ()


def write_trace(path: Path) -> None:
    path.write_text("time_s,value\n" + "".join(f"{n / 1000},{n % 7}\n" for n in range(50)))


def test_a_channel_of_a_folder_is_read_by_its_name(tmp_path: Path) -> None:
    for name in ("light.csv", "sound.csv"):
        write_trace(tmp_path / name)
    assert read_analog(tmp_path, "light").rate_hz == pytest.approx(1000)
    assert read_analog(tmp_path / "light.csv").rate_hz == pytest.approx(1000)
    assert refusal(lambda path: read_analog(path, "lamp"), tmp_path) == (
        f"{tmp_path}: no file has an analog channel 'lamp'; there are light, sound"
    )
    assert refusal(read_analog, tmp_path) == (
        f"{tmp_path}: is a folder; name a file of it, or a channel"
    )


def test_real_recordings_are_found_by_what_they_are(shared_data: Callable[[str], Path]) -> None:
    rat = open_recording(shared_data("neuralynx_rat"))
    assert [found.reader.system for found in rat.events] == ["Neuralynx .nev"]
    assert [found.reader.system for found in rat.units] == ["MClust"]
    bench = open_recording(shared_data("neuralynx_bench"))
    assert {found.reader.system for found in bench.analog} == {"Neuralynx .ncs"}
    ripple = open_recording(shared_data("ripple_nev"))
    assert [found.reader.system for found in ripple.events] == ["Blackrock or Ripple .nev"]
    assert [f.reader.system for f in open_recording(shared_data("bonn_units")).units] == [
        "wave_clus"
    ]
