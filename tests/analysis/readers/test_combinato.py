from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.readers.combinato import read_units, recognises
from task.contract.errors import RecordingError

TIMES_MS = [1000.5, 1001.25, 990.0, 2000.0, 2500.0, 3000.0, 3500.0, 4000.0]
SIGNALLING = np.uint64(0x7FF0000000000001).view(np.float64)  # NumPy warns of it, unlike other NaN
SPIKES = np.arange(8 * 64, dtype=np.float32).reshape(8, 64)
SORTED: dict[str, Any] = {
    "index": np.array([0, 1, 2, 3, 5, 6, 7], np.uint32),
    "classes": np.array([1, 1, 2, 3, 4, 0, 5], np.uint16),
    "groups": np.array([[0, 0], [1, 1], [2, 1], [3, 2], [4, -1], [5, 3]], np.int16),
    "types": np.array([[-1, -1], [0, 0], [1, 2], [2, 1], [3, 0]], np.int16),
}


def write_spikes(channel: Path, **signs: Any) -> Path:
    """`data_<channel>.h5`, growing as Combinato writes it."""
    channel.mkdir(exist_ok=True)
    path = channel / f"data_{channel.name}.h5"
    with h5py.File(path, "w") as file:
        for sign in ("pos", "neg"):
            times, spikes = signs.get(sign, ([], SPIKES[:0]))
            for name, values in {"times": np.array(times, float), "spikes": spikes}.items():
                room = (None, *values.shape[1:])
                file.create_dataset(f"{sign}/{name}", data=values, maxshape=room, chunks=True)
    return path


def write_sorting(channel: Path, label: str = "neg_abc", **other: Any) -> Path:
    folder = channel / f"sort_{label}"
    folder.mkdir()
    path = folder / "sort_cat.h5"
    with h5py.File(path, "w") as file:
        file.attrs["sign"] = np.bytes_(label.partition("_")[0])
        for name, values in {**SORTED, **other}.items():
            if values is not None:
                file[name] = values
    return path


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    """Channel 47 with spikes of negative sign."""
    write_spikes(tmp_path / "CSC47", neg=(TIMES_MS, SPIKES))
    return tmp_path / "CSC47"


def refusal(folder: Path) -> str:
    with pytest.raises(RecordingError) as refused:
        read_units(folder)
    return str(refused.value)


def test_a_unit_is_a_group_of_classes_with_ascending_times_in_seconds(channel: Path) -> None:
    write_sorting(channel)
    units = read_units(channel.parent)
    assert units.table.index.tolist() == ["CSC47_neg_1", "CSC47_neg_2"]
    assert units.table["channel"].tolist() == [47, 47]
    assert units.table["cell"].tolist() == [1, 2]
    assert units.table["kind"].tolist() == ["single", "multi"]
    assert [train.tolist() for train in units.spikes_s] == [[0.99, 1.0005, 1.00125], [2.0]]


def test_waveforms_stand_in_the_order_of_the_times(channel: Path) -> None:
    write_sorting(channel)
    found = read_units(channel.parent).read_waveforms("CSC47_neg_1")
    assert found is not None
    np.testing.assert_array_equal(found.values, SPIKES[[2, 0, 1]])
    assert (np.isnan(found.rate_hz), found.unit) == (True, "")


def test_a_session_a_channel_and_a_sorting_may_each_be_named(
    channel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sorting = write_sorting(channel).parent
    monkeypatch.chdir(sorting)
    for folder in (channel.parent, channel, sorting, Path()):
        assert recognises(folder)
        assert read_units(folder).table.index.tolist() == ["CSC47_neg_1", "CSC47_neg_2"]


def test_a_folder_without_a_finished_sorting_is_not_known(channel: Path) -> None:
    (channel / "sort_neg_abc_0000000_0020000").mkdir()
    (channel / "sort_neg_abc").mkdir()
    (channel / "notes").mkdir()
    (channel / "notes" / "sort_cat.h5").touch()
    assert not recognises(channel.parent)
    assert not recognises(channel)
    assert not recognises(channel / "data_CSC47.h5")
    assert not recognises(channel.parent / "absent")


def test_both_signs_of_a_label_are_read_and_told_apart(channel: Path) -> None:
    write_spikes(channel, neg=(TIMES_MS, SPIKES), pos=([t + 1 for t in TIMES_MS], -SPIKES))
    write_sorting(channel)
    write_sorting(channel, "pos_abc")
    units = read_units(channel.parent)
    assert units.table.index.tolist() == [f"CSC47_{s}_{g}" for s in ("neg", "pos") for g in (1, 2)]
    assert units.spikes_of("CSC47_pos_2").tolist() == [2.001]
    found = units.read_waveforms("CSC47_pos_2")
    assert found is not None
    np.testing.assert_array_equal(found.values, -SPIKES[[3]])


def test_channels_stand_in_the_order_of_their_numbers(channel: Path) -> None:
    for name in ("CSC100", "CSC9"):
        write_spikes(channel.parent / name, neg=(TIMES_MS, SPIKES))
        write_sorting(channel.parent / name)
    write_sorting(channel)
    write_spikes(channel.parent / "CSC48", neg=(TIMES_MS, SPIKES))  # never sorted
    assert read_units(channel.parent).table["channel"].unique().tolist() == [9, 47, 100]


def test_steps_on_the_way_are_no_sortings(channel: Path) -> None:
    write_sorting(channel)
    (channel / "sort_neg_abc_0000000_0020000").mkdir()
    (channel / "sort_neg_abc_0000000_0020000" / "sorting.h5").touch()
    assert len(read_units(channel).table) == 2


def test_the_wire_tells_the_area_where_its_name_is_known(channel: Path) -> None:
    write_sorting(channel)
    (channel.parent / "channel_names.csv").write_text("CSC4;LA1\nCSC47;RVTC3\n\n")
    assert read_units(channel.parent).table["area"].tolist() == ["RVTC", "RVTC"]
    (channel.parent / "channel_names.csv").write_text("CSC4;LA1\n")
    assert read_units(channel.parent).table["area"].tolist() == ["", ""]


@pytest.mark.parametrize("sign", ["neg", b"neg", np.bytes_("neg"), b"Vneg\np0\n."])
def test_the_sign_may_be_stored_in_any_way(channel: Path, sign: Any) -> None:
    path = write_sorting(channel)
    with h5py.File(path, "r+") as file:
        file.attrs["sign"] = sign
    assert len(read_units(channel).table) == 2


@settings(max_examples=20)
@given(st.lists(st.tuples(st.floats(0, 1e9), st.integers(0, 5)), max_size=30))
def test_every_assigned_spike_is_of_one_unit(
    tmp_path_factory: pytest.TempPathFactory, spikes: list[tuple[float, int]]
) -> None:
    channel = tmp_path_factory.mktemp("combinato") / "CSC1"
    spikes = sorted(spikes)
    times, classes = [t for t, _ in spikes], np.array([c for _, c in spikes], np.uint16)
    write_spikes(channel, pos=(times, np.zeros((len(times), 64), np.float32)))
    write_sorting(channel, "pos_x", index=np.arange(len(times), dtype=np.uint32), classes=classes)
    units = read_units(channel)
    group_of = dict(SORTED["groups"].tolist())
    for label, train in zip(units.table.index, units.spikes_s, strict=True):
        group = int(label.rpartition("_")[2])
        assert train.tolist() == sorted(t / 1e3 for t, c in spikes if group_of[c] == group)
    assert sum(map(len, units.spikes_s)) == sum(group_of[c] in (1, 2) for _, c in spikes)


# Refusals ----------------------------------------------------------------------------------------


def test_several_sortings_of_a_channel_are_refused_with_their_names(channel: Path) -> None:
    write_sorting(channel)
    chosen = write_sorting(channel, "neg_xyz").parent
    assert refusal(channel.parent) == (
        f"{channel}: was sorted several times (sort_neg_abc, sort_neg_xyz); name one of these"
        " folders, or leave one label there"
    )
    assert len(read_units(chosen).table) == 2


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"types": None}, "its classes were not grouped yet; run css-combine"),
        ({"index": None}, "holds no 'index'"),
        ({"index": np.arange(7.0)}, "'index' is no array of numbers"),
        ({"index": np.zeros((7, 1), int)}, "'index' is (7, 1), not n"),
        ({"classes": np.zeros(6, int)}, "'classes' is (6,), not 7"),
        ({"groups": np.zeros(6, int)}, "'groups' is (6,), not n x 2"),
        (
            {"index": np.array([0, 1, 2, 3, 3, 6, 7])},
            "sorts some spikes twice; its sessions overlap",
        ),
        ({"classes": np.array([1, 1, 2, 3, 4, 0, 9])}, "class 9 is in no group"),
        (
            {"groups": np.array([[0, 0], [1, 1], [1, 2], [2, 1], [3, 2], [4, -1], [5, 3]])},
            "'groups' has 1 as both 1 and 2",
        ),
        (
            {"types": np.array([[-1, -1], [0, 0], [1, 5], [2, 1], [3, 0]])},
            "group 1 is of type 5; known are -1 (artifact), 0 (not assigned), 1 (multi-unit) and 2"
            " (single unit)",
        ),
        (
            {"types": np.array([[-1, -1], [0, 0], [1, 2], [2, 1]])},
            "group 3 is of type None; known are -1 (artifact), 0 (not assigned), 1 (multi-unit) and"
            " 2 (single unit)",
        ),
        (
            {"index": np.array([0, 1, 2, 3, 5, 6, 8])},
            "speaks of spike 8, but data_CSC47.h5 has 8 of sign neg; the two are not of one"
            " extraction",
        ),
    ],
)
def test_a_sorting_of_another_layout_is_refused(
    channel: Path, other: dict[str, Any], said: str
) -> None:
    path = write_sorting(channel, **other)
    assert refusal(channel) == f"{path}: {said}"


def test_a_sorting_of_the_other_sign_is_refused(channel: Path) -> None:
    path = write_sorting(channel)
    with h5py.File(path, "r+") as file:
        file.attrs["sign"] = "pos"
    assert refusal(channel) == f"{path}: sorts spikes of sign 'pos', but its folder says neg"


def test_spikes_that_are_missing_are_refused(channel: Path) -> None:
    write_sorting(channel)
    path = channel / "data_CSC47.h5"
    path.unlink()
    assert refusal(channel) == f"{path}: cannot be read: No such file or directory"


@pytest.mark.parametrize(
    ("time", "said"),
    [
        (np.nan, "nan"),
        (SIGNALLING, "nan"),
        (np.inf, "inf"),
        (-1.0, "-1"),
        (0.0, "0"),
        (1e13, "1e+13"),
    ],
)
def test_a_time_that_is_none_is_refused(channel: Path, time: float, said: str) -> None:
    write_sorting(channel)
    path = write_spikes(channel, neg=([*TIMES_MS[:2], time, *TIMES_MS[3:]], SPIKES))
    assert refusal(channel) == (
        f"{path}: neg/times[2] is {said} ms, which is no time, or far earlier than the one"
        " before it"
    )


def test_links_out_of_the_file_are_not_followed(channel: Path) -> None:
    write_sorting(channel)
    path = channel / "data_CSC47.h5"
    other = channel.parent / "other.h5"
    path.rename(other)
    with h5py.File(path, "w") as file:
        file["neg"] = h5py.ExternalLink(str(other), "/neg")
    assert refusal(channel) == (
        f"{path}: 'neg/times' is a link; copy what it points at into the file"
    )
    with h5py.File(path, "w") as file:
        layout = h5py.VirtualLayout((8,), float)
        layout[:] = h5py.VirtualSource(str(other), "neg/times", (8,))
        file.create_virtual_dataset("neg/times", layout)
    assert refusal(channel) == f"{path}: the values of 'neg/times' lie in another file"
    with h5py.File(path, "w") as file:
        outside = [(str(channel.parent / "times.bin"), 0, 64)]
        file.create_dataset("neg/times", (8,), float, external=outside)
    assert refusal(channel) == f"{path}: the values of 'neg/times' lie in another file"


def test_values_that_were_never_written_are_refused(channel: Path) -> None:
    write_sorting(channel)
    path = channel / "data_CSC47.h5"
    with h5py.File(path, "r+") as file:
        del file["neg/times"]
        file.create_dataset("neg/times", (2**40,), float, chunks=(1024,))
    assert refusal(channel) == (
        f"{path}: 'neg/times' should be {2**43} bytes, but there are 0; copy it again"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"CSC47,LA1\n", ":1: is 'CSC47,LA1', not a channel;name"),
        (b"\xff", ": is no text in UTF-8"),
    ],
)
def test_names_of_wires_that_are_none_are_refused(channel: Path, text: bytes, said: str) -> None:
    write_sorting(channel)
    path = channel.parent / "channel_names.csv"
    path.write_bytes(text)
    assert refusal(channel) == f"{path}{said}"


def test_a_file_cut_anywhere_is_refused(channel: Path) -> None:
    write_sorting(channel)
    for path in (channel / "data_CSC47.h5", channel / "sort_neg_abc" / "sort_cat.h5"):
        whole = path.read_bytes()
        for size in [*range(0, len(whole), 211), len(whole) - 1]:
            path.write_bytes(whole[:size])
            assert refusal(channel) == f"{path}: is damaged, or no file of HDF5"
        path.write_bytes(whole)
