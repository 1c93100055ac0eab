import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from analysis.readers import hdf5
from analysis.readers.nwb import channels, read_events, read_trace, read_trials, read_units
from task.contract.errors import RecordingError
from tests.analysis.readers import nwb_written as nwb

DAMAGED = "copy it again from where it was written"


def refusal(read: Callable[..., Any], path: Path, *more: Any) -> str:
    with pytest.raises(RecordingError) as refused:
        read(path, *more)
    return str(refused.value)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "any.nwb"


# Trials ------------------------------------------------------------------------------------------


def trials(name: str, rows: list[dict[str, Any]], *columns: str) -> nwb.Fill:
    def fill(file: Any) -> None:
        from pynwb.epoch import TimeIntervals

        table = TimeIntervals(name=name, description="what was done")
        for column in columns:
            ragged = isinstance(rows[0][column], list)
            table.add_column(column, "as it was", index=ragged)
        for row in rows:
            table.add_interval(**row)
        file.add_time_intervals(table)

    return fill


def test_epochs_of_a_real_file_are_as_expected(shared_data: Callable[[str], Path]) -> None:
    folder = shared_data("nwb_small")
    name = "A8604-211122.nwb"
    expected = json.loads((folder / "expected.json").read_bytes())["files"][name]
    tables = read_trials(folder / name)
    assert list(tables) == ["epochs"]
    epochs = tables["epochs"]
    assert epochs[["start_time", "stop_time"]].to_numpy().tolist() == [expected["epoch_s"]]
    assert epochs.index.name == "id" and epochs["tags"][0].tolist() == ["wake"]
    with h5py.File(folder / name) as file:
        electrodes = file["general/extracellular_ephys/electrodes/id"]
        assert len(electrodes) == expected["electrodes"]
        assert file.attrs["nwb_version"] == expected["nwb_version"]


def test_tables_of_trials_stay_apart_and_absent_times_stay_as_they_are(path: Path) -> None:
    row = {"start_time": 1.0, "stop_time": 2.0, "timestamps_Probe": 0.0, "loadsEnc1_PicIDs": 501}
    second = {"start_time": 3.0, "stop_time": np.nan, "category_name": "animals", "seen": True}
    first = trials("WM_trials", [row], "timestamps_Probe", "loadsEnc1_PicIDs")
    other = trials("LTM_trials", [second], "category_name", "seen")
    tables = read_trials(nwb.write(path, first, other))
    assert {*tables} == {"WM_trials", "LTM_trials"}
    assert tables["WM_trials"].iloc[0].to_dict() == row
    assert list(tables["LTM_trials"]) == ["start_time", "stop_time", "category_name", "seen"]
    ltm = tables["LTM_trials"]
    assert np.isnan(ltm["stop_time"][0])
    assert (ltm["category_name"][0], bool(ltm["seen"][0])) == ("animals", True)


def test_cells_may_hold_several_values(path: Path) -> None:
    rows = [
        {"start_time": 0.0, "stop_time": 1.0, "times": [0.1, 0.2], "xy": (1, 2)},
        {"start_time": 1.0, "stop_time": 2.0, "times": [], "xy": (3, 4)},
        {"start_time": 2.0, "stop_time": 3.0, "times": [2.5], "xy": (5, 6)},
    ]
    table = read_trials(nwb.write(path, trials("trials", rows, "times", "xy")))["trials"]
    assert [cell.tolist() for cell in table["times"]] == [[0.1, 0.2], [], [2.5]]
    assert [cell.tolist() for cell in table["xy"]] == [[1, 2], [3, 4], [5, 6]]


def test_trials_with_too_few_values_are_refused(path: Path) -> None:
    rows = [{"start_time": float(n), "stop_time": n + 1.0} for n in range(3)]
    nwb.change(nwb.write(path, trials("trials", rows)), "intervals/trials/stop_time", [1.0, 2.0])
    assert refusal(read_trials, path) == (
        f"{path}: /intervals/trials/stop_time has 2 rows, its table 3"
    )


# Traces ------------------------------------------------------------------------------------------


def electrical(name: str, data: Any, **when: Any) -> nwb.Fill:
    def fill(file: Any) -> None:
        from pynwb.ecephys import ElectricalSeries

        region = file.create_electrode_table_region([2, 0], "two wires")
        file.add_acquisition(ElectricalSeries(name=name, data=data, electrodes=region, **when))

    return fill


WIRES = nwb.electrodes([("RFFA", 11.0), ("RFFA", 12.0), ("LFFA", 13.0)])


def test_signals_of_a_real_file_are_as_expected(shared_data: Callable[[str], Path]) -> None:
    folder = shared_data("nwb_small")
    name = "neuroconv_mock_ttl_examples.nwb"
    expected = json.loads((folder / "expected.json").read_bytes())["files"][name]["series"]
    assert {*channels(folder / name)} == {*expected}
    for channel, told in expected.items():
        trace = read_trace(folder / name, channel)
        values = trace.pieces[0].values
        assert len(trace.pieces) == 1 and not trace.own_clock
        assert len(values) == told["samples"]
        assert trace.rate_hz == pytest.approx(told["rate_hz"])
        assert values.dtype == told["dtype"]
        high = values > (float(values.min()) + float(values.max())) / 2
        rising = np.flatnonzero(np.diff(high.astype(int)) == 1) + 1
        assert (rising / told["rate_hz"]).tolist() == pytest.approx(told["rising_at_s"])


def test_a_signal_is_a_channel_by_its_name_and_starts_when_it_says(path: Path) -> None:
    data = np.arange(100, dtype=np.int16)
    nwb.write(path, nwb.series("light", data, rate=1000.0, starting_time=7.5))
    assert channels(path) == ("light",)
    trace = read_trace(path)
    assert trace.pieces[0].values.tolist() == data.tolist()
    assert trace.pieces[0].values.dtype == np.int16
    assert (trace.pieces[0].start_s, trace.pieces[0].period_s) == (7.5, 0.001)


@pytest.mark.parametrize("packed", [False, True])
def test_a_column_is_a_channel_by_its_electrode(path: Path, packed: bool) -> None:
    data = np.arange(200, dtype=np.int16).reshape(100, 2)
    nwb.write(path, WIRES, electrical("lfp", data, rate=400.0))
    if packed:
        with h5py.File(path, "a") as file:
            del file["acquisition/lfp/data"]
            file["acquisition/lfp"].create_dataset(
                "data", data=data, chunks=(7, 1), compression="gzip", shuffle=True
            )
    assert channels(path) == ("lfp/2", "lfp/0")
    assert read_trace(path, "lfp/0").pieces[0].values.tolist() == data[:, 1].tolist()
    assert isinstance(read_trace(path, "lfp/0").pieces[0].values, np.memmap) is not packed


def test_a_gap_between_samples_parts_a_trace(path: Path) -> None:
    times_s = np.concatenate([np.arange(50) / 1000, 3 + np.arange(30) / 1000])
    nwb.write(path, nwb.series("eye", np.linspace(0, 1, 80), timestamps=times_s))
    trace = read_trace(path, "eye")
    assert [(p.start_s, len(p.values)) for p in trace.pieces] == [(0.0, 50), (3.0, 30)]
    assert trace.rate_hz == pytest.approx(1000)


def test_words_are_no_channel(path: Path) -> None:
    nwb.write(path, nwb.series("events", np.array([20, 21]), timestamps=[1.0, 2.0]))
    assert channels(path) == ()
    assert refusal(read_trace, path) == f"{path}: name one of its channels; it has none"


def test_a_channel_must_be_named_where_there_are_several(path: Path) -> None:
    nwb.write(path, WIRES, electrical("lfp", np.zeros((9, 2)), rate=400.0))
    assert refusal(read_trace, path) == f"{path}: name one of its channels; it has lfp/2, lfp/0"
    assert refusal(read_trace, path, "light") == (
        f"{path}: has no channel 'light'; it has lfp/2, lfp/0"
    )


def test_samples_whose_time_steps_back_are_refused(path: Path) -> None:
    times_s = np.arange(50) / 1000
    times_s[7] = 0.002
    nwb.write(path, nwb.series("eye", np.linspace(0, 1, 50), timestamps=times_s))
    assert refusal(read_trace, path) == (
        f"{path}: /acquisition/eye: time 8 is not later than the one before it"
    )


def test_a_rate_of_nothing_is_refused(path: Path) -> None:
    nwb.write(path, nwb.series("light", np.arange(9), rate=1000.0))
    with h5py.File(path, "a") as file:
        file["acquisition/light/starting_time"].attrs["rate"] = 0.0
    assert refusal(read_trace, path) == f"{path}: /acquisition/light does not say its rate in Hz"


# Files that are not as they should be ------------------------------------------------------------


def test_a_missing_file_is_refused(path: Path) -> None:
    assert refusal(read_events, path) == f"{path}: cannot be read: No such file or directory"


def test_a_folder_is_refused(path: Path) -> None:
    path.mkdir()
    assert refusal(read_events, path) == (
        f"{path}: is a folder, as NWB in Zarr is; export it as one HDF5 file"
    )


@pytest.mark.parametrize(
    ("contents", "said"),
    [(b"", "is empty"), (b"MATLAB 5.0 MAT-file", "does not begin as an HDF5 file does")],
)
def test_what_is_no_hdf5_file_is_refused(path: Path, contents: bytes, said: str) -> None:
    path.write_bytes(contents)
    assert refusal(read_events, path) == f"{path}: {said}; {DAMAGED}"


def test_a_file_that_is_cut_short_is_refused(path: Path) -> None:
    whole = nwb.write(path).read_bytes()
    path.write_bytes(whole[:-1000])
    assert refusal(read_events, path) == f"{path}: is cut short; {DAMAGED}"


@pytest.mark.parametrize(
    ("version", "said"),
    [
        (None, "does not say its version of NWB: it is no NWB 2 file"),
        ("1.0.5", "is of NWB 1.0.5; NWB 2 can be read"),
    ],
)
def test_another_version_is_refused(path: Path, version: str | None, said: str) -> None:
    with h5py.File(path, "w") as file:
        if version:
            file.attrs["nwb_version"] = version
    assert refusal(read_events, path) == f"{path}: {said}"


def test_nwb_1_is_refused(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["nwb_version"] = "NWB-1.0.6"
    assert refusal(read_events, path) == f"{path}: is of NWB 1; convert it to NWB 2"


def test_texts_that_would_never_be_read_to_their_end_are_refused(path: Path) -> None:
    damaged = bytearray(nwb.write(path).read_bytes())
    heap = damaged.index(b"GCOL\x01\0\0\0")
    damaged[heap + 16 : heap + 48] = bytes(32)
    path.write_bytes(damaged)
    assert (
        refusal(read_events, path) == f"{path}: its texts are damaged (at byte {heap}); {DAMAGED}"
    )


def test_only_the_values_of_large_datasets_are_not_searched_for_damaged_texts(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hdf5, "_LARGE_BYTES", 1000)
    looks_endless = np.frombuffer(b"GCOL\x01\0\0\0" + bytes(4088), np.uint8)
    nwb.write(path, nwb.series("light", looks_endless, rate=1000.0))
    assert read_trace(path).pieces[0].values.tolist() == looks_endless.tolist()
    damaged = bytearray(path.read_bytes())
    heap = damaged.index(b"GCOL\x01\0\0\0\0\x10")
    damaged[heap + 16 : heap + 48] = bytes(32)
    path.write_bytes(damaged)
    assert f"its texts are damaged (at byte {heap})" in refusal(read_trace, path)


def test_a_text_that_claims_more_length_than_any_has_is_refused(path: Path) -> None:
    nwb.write(
        path, trials("trials", [{"start_time": 0.0, "stop_time": 1.0, "image": "a"}], "image")
    )
    nwb.change(path, "intervals/trials/image", np.array(["a"], h5py.string_dtype()))
    with h5py.File(path) as file:
        at = file["intervals/trials/image"].id.get_offset()
    damaged = bytearray(path.read_bytes())
    assert damaged[at : at + 4] == b"\x01\0\0\0"
    damaged[at + 3] = 0x70
    path.write_bytes(damaged)
    assert refusal(read_trials, path) == (
        f"{path}: /intervals/trials/image is damaged and cannot be read"
    )


def test_values_that_were_never_written_are_refused(path: Path) -> None:
    nwb.write(path, nwb.series("light", np.arange(9), rate=1000.0))
    with h5py.File(path, "a") as file:
        del file["acquisition/light/data"]
        file["acquisition/light"].create_dataset("data", (1000,), "i2", chunks=(100,))
    assert refusal(read_trace, path) == (
        f"{path}: /acquisition/light/data claims 1000 values, but not all of them were written;"
        " the file is damaged or its recording was broken off"
    )


def outside(file: h5py.File, other: Path) -> None:
    file["acquisition/light/data"] = h5py.ExternalLink(str(other), "/x")


def external(file: h5py.File, other: Path) -> None:
    file["acquisition/light"].create_dataset("data", (9,), "u1", external=[(str(other), 0, 9)])


def virtual(file: h5py.File, other: Path) -> None:
    layout = h5py.VirtualLayout((9,), "u1")
    layout[:] = h5py.VirtualSource(str(other), "x", (9,))
    file["acquisition/light"].create_virtual_dataset("data", layout)


@pytest.mark.parametrize("lead", [outside, external, virtual])
def test_nothing_leads_out_of_the_file(
    path: Path, tmp_path: Path, lead: Callable[[h5py.File, Path], None]
) -> None:
    other = tmp_path / "secret.h5"
    with h5py.File(other, "w") as file:
        file["x"] = np.arange(9, dtype="u1")
    nwb.write(path, nwb.series("light", np.arange(9), rate=1000.0))
    with h5py.File(path, "a") as file:
        del file["acquisition/light/data"]
        lead(file, other)
    assert "not opened; export the recording into one file" in refusal(read_trace, path)


def test_a_link_that_leads_to_itself_is_refused(path: Path) -> None:
    nwb.write(path, nwb.series("light", np.arange(9), rate=1000.0))
    with h5py.File(path, "a") as file:
        del file["acquisition/light/data"]
        file["acquisition/light/data"] = h5py.SoftLink("/acquisition/light/data")
        file["acquisition/light/again"] = file["acquisition"]
    assert refusal(read_trace, path) == (
        f"{path}: /acquisition/light/data is a link that leads to itself"
    )


def damage(whole: bytes, seed: int) -> bytes:
    """A file with a few bits flipped, a stretch of it zeroed or repeated, or cut off."""
    rng, found = random.Random(seed), bytearray(whole)
    at, other = rng.randrange(len(found)), rng.randrange(len(found))
    size = rng.choice([1, 8, 64, 512, 4096])
    match seed % 4:
        case 0:
            for _ in range(size):
                found[rng.randrange(len(found))] ^= 1 << rng.randrange(8)
        case 1:
            found[at : at + size] = bytes(len(found[at : at + size]))
        case 2:
            repeated = found[other : other + size]
            found[at : at + len(repeated)] = repeated
        case 3:
            del found[at:]
    return bytes(found)


def test_a_damaged_file_is_read_or_refused_and_nothing_else(path: Path) -> None:
    rows = [{"spike_times": [1.0], "electrodes": [0], "waveform_mean": [1.0, 2.0]}]
    whole = nwb.write(
        path,
        WIRES,
        nwb.units(rows),
        nwb.events_table("ttl", [1.0, 2.0], value=[3, 4]),
        nwb.series("light", np.arange(99), rate=1000.0),
        trials("trials", [{"start_time": 0.0, "stop_time": 1.0, "image": "a"}], "image"),
    )
    assert refused(path, whole.read_bytes(), 100) > 100


@pytest.mark.parametrize("name", ["A8604-211122", "ndx_events_test_events"])
def test_a_damaged_real_file_is_read_or_refused_and_nothing_else(
    shared_data: Callable[[str], Path], path: Path, name: str
) -> None:
    whole = shared_data("nwb_small") / f"{name}.nwb"
    assert refused(path, whole.read_bytes(), 60) > 60


def refused(path: Path, whole: bytes, times: int) -> int:
    """How often a reader refuses the file, damaged in so many ways."""
    count = 0
    for seed in range(times):
        path.write_bytes(damage(whole, seed))
        for read in (read_events, read_units, read_trials, channels, read_trace):
            try:
                found = read(path)
                if read is read_units:
                    [found.read_waveforms(label) for label in found.table.index]
            except RecordingError as refusal:
                assert str(refusal).startswith(f"{path}: ")
                count += 1
    return count
