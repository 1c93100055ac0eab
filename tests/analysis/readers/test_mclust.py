import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.readers import neuralynx
from analysis.readers.mclust import read_units, recognises
from task.contract.errors import RecordingError

UNITS_OLD = "Output from MClust'Time of spiking stored in timestamps (tenths of msecs)"
UNITS_NEW = "Time of spiking stored in timestamps (tenths of msecs)"
AS_OLD, AS_32, AS_64 = (
    "as unsigned integer",
    "as unsigned integer (big-endian): uint32",
    "as unsigned integer (big-endian): uint64",
)


def header(*lines: str, end: str = "\n") -> bytes:
    said = ["%%BEGINHEADER", *(f"% {line}" for line in lines), "%%ENDHEADER"]
    return "".join(line + end for line in said).encode()


def words(*ticks: int, wide: bool = False) -> bytes:
    return b"".join(struct.pack(">Q" if wide else ">I", tick) for tick in ticks)


OLD = header("Program: matlab", "T-file", UNITS_OLD, AS_OLD)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str, values: bytes, head: bytes = OLD) -> Path:
        path = tmp_path / name
        path.write_bytes(head + values)
        return path

    return write


def refusal(folder: Path) -> str:
    with pytest.raises(RecordingError) as refused:
        read_units(folder)
    return str(refused.value)


def test_a_cell_is_a_file_with_times_of_tenths_of_milliseconds(write: Callable[..., Path]) -> None:
    path = write("R050-2014-04-02-TT01_2.t", words(43_728_814, 43_728_814, 43_729_001))
    units = read_units(path.parent)
    assert units.table.index.tolist() == ["TT01_2"]
    assert units.table[["channel", "cell"]].iloc[0].tolist() == [1, 2]
    assert units.table["cluster"].isna().all()
    assert units.spikes_of("TT01_2").tolist() == [4372.8814, 4372.8814, 4372.9001]
    assert units.read_waveforms("TT01_2") is None


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("ending", "said", "wide"),
    [
        ("t", AS_OLD, False),
        ("t", AS_32, False),
        ("t32", AS_32, False),
        ("t64", AS_64, True),
        ("t64", AS_32, True),  # MClust 4.3 said so of every file
        ("t", AS_64, True),  # MClust 4.1 wrote so into every file
        ("t32", AS_64, True),
        ("t", AS_OLD, True),  # scripts that copied a header
        ("_t", AS_OLD, False),
        ("_t64", AS_64, True),
    ],
)
def test_every_version_of_the_format_has_the_same_times(
    write: Callable[..., Path], ending: str, said: str, wide: bool, end: str
) -> None:
    head = header("T-file", "Output from MClust", UNITS_NEW, said, end=end)
    path = write(f"TT3_1.{ending}", words(7, 20_000, 4_000_000_000, wide=wide), head)
    assert read_units(path.parent).spikes_of("TT3_1").tolist() == [0.0007, 2.0, 400_000.0]


def test_times_beyond_32_bits_are_read_from_64(write: Callable[..., Path]) -> None:
    path = write("TT3_1.t64", words(16_000_000_000_000, wide=True))
    assert read_units(path.parent).spikes_of("TT3_1").tolist() == [1.6e9]


@given(st.lists(st.integers(0, 2**32 - 2), min_size=1, max_size=30))
def test_every_spike_is_read_once(
    tmp_path_factory: pytest.TempPathFactory, ticks: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("mclust")
    (folder / "TT1_1.t").write_bytes(OLD + words(*sorted(ticks)))
    assert read_units(folder).spikes_s[0].tolist() == [tick / 1e4 for tick in sorted(ticks)]


def test_cells_that_were_not_trusted_are_multi_units_and_the_others_single_ones(
    write: Callable[..., Path],
) -> None:
    folder = write("s-TT01_1.t", words(1)).parent
    write("s-TT01_2._t", words(1))
    assert read_units(folder).table["kind"].to_dict() == {"TT01_1": "single", "TT01_2": "multi"}


def test_where_nobody_was_asked_the_kind_is_unknown(write: Callable[..., Path]) -> None:
    assert read_units(write("TT01_1.t", words(1)).parent).table["kind"].tolist() == [""]


def test_cells_stand_in_the_order_of_tetrodes_and_cells_as_numbers(
    write: Callable[..., Path],
) -> None:
    for name in ("TT10_1.t", "TT2_11.t", "TT2_2.t", "cell_3.t"):
        folder = write(name, words(1)).parent
    table = read_units(folder).table
    assert table.index.tolist() == ["TT2_2", "TT2_11", "TT10_1", "cell_3"]
    assert table["channel"].isna().tolist() == [False, False, False, True]


def test_a_name_with_a_quality_mark_keeps_it(write: Callable[..., Path]) -> None:
    table = read_units(write("R1-TT2_SS_01.t", words(1)).parent).table
    assert table.index.tolist() == ["TT2_SS_01"]
    assert table[["channel", "cell"]].iloc[0].tolist() == [2, 1]


def test_a_folder_is_known_by_the_names_in_it(write: Callable[..., Path]) -> None:
    path = write("._TT01_1.t", b"")
    write("01_basic.t", b"ok")
    write("TT01_1.tstxt", b"ok")
    assert not recognises(path.parent)
    assert not recognises(path)
    write("TT01_1.raw64", b"")
    assert recognises(path.parent)


# Refusals ----------------------------------------------------------------------------------------


def test_a_file_without_a_header_is_refused(write: Callable[..., Path]) -> None:
    path = write("TT1_1.t", words(5, 6), b"")
    assert refusal(path.parent) == (
        f"{path}: does not begin with %%BEGINHEADER, so that nothing tells what its numbers mean;"
        " let MClust write it again"
    )


def test_a_header_that_does_not_end_is_refused(write: Callable[..., Path]) -> None:
    path = write("TT1_1.t", b"", OLD[:-1])
    assert refusal(path.parent) == f"{path}: its header has no line %%ENDHEADER; copy it again"


def test_a_header_without_spikes_is_refused(write: Callable[..., Path]) -> None:
    path = write("TT1_1.t", b"")
    assert refusal(path.parent) == (
        f"{path}: holds a header and no spikes, which MClust never writes; copy it again"
    )


@pytest.mark.parametrize(("ending", "whole", "more"), [("t", 3, 3), ("t64", 3, 7)])
def test_a_file_that_ends_within_a_spike_is_refused(
    write: Callable[..., Path], ending: str, whole: int, more: int
) -> None:
    values = words(*range(9, 9 + whole), wide=ending == "t64")
    path = write(f"TT1_1.{ending}", values + bytes(more))
    assert refusal(path.parent) == f"{path}: ends within spike {whole + 1}; copy it again"


@pytest.mark.parametrize("values", [words(5, 9, 8, 10), struct.pack("<4I", 255, 256, 257, 300)])
def test_times_that_step_back_are_refused(write: Callable[..., Path], values: bytes) -> None:
    path = write("TT1_1.t", values)
    spike = 3 if values[3] == 5 else 2
    assert refusal(path.parent) == (
        f"{path}: spike {spike} is earlier than the one before it; the file is damaged, or none of"
        " MClust's"
    )


def test_32_bits_taken_for_64_are_refused(write: Callable[..., Path]) -> None:
    path = write("TT1_1.t64", words(10_000, 10_001, 10_002, 10_003))
    assert refusal(path.parent) == (
        f"{path}: spike 1 is at {(10_000 << 32) + 10_001} x 0.1 ms; the file is damaged, or none of"
        " MClust's"
    )


def test_times_that_did_not_fit_are_refused_with_the_way_out(write: Callable[..., Path]) -> None:
    path = write("TT1_1.t32", words(2**32 - 1, 2**32 - 1))
    assert refusal(path.parent) == (
        f"{path}: holds times that do not fit into its 32 bits; let MClust write .t64 files"
    )


@pytest.mark.parametrize(
    ("name", "unit"),
    [("TT1_1.raw64", UNITS_NEW), ("TT1_1.raw32", UNITS_NEW), ("TT1_1.t", "(same as input)")],
)
def test_raw_times_are_refused(write: Callable[..., Path], name: str, unit: str) -> None:
    path = write(name, words(1, 2), header("T-file", unit, AS_32))
    assert refusal(path.parent) == (
        f"{path}: holds times in units of what was sorted, which it does not name; let MClust write"
        " .t64 files"
    )


def test_two_files_of_one_cell_are_refused(write: Callable[..., Path]) -> None:
    folder = write("TT1_1.t", words(1)).parent
    write("TT1_1._t", words(1))
    assert refusal(folder) == f"{folder}: TT1_1._t and TT1_1.t are both TT1_1; keep one"


def test_files_of_two_sessions_are_refused(write: Callable[..., Path]) -> None:
    folder = write("day1-TT1_1.t", words(1)).parent
    write("day2-TT1_2.t", words(1))
    assert refusal(folder) == (
        f"{folder}: day1-TT1_1.t and day2-TT1_2.t are of two sessions; keep each in a folder of its"
        " own"
    )


def test_a_file_cut_anywhere_is_refused_or_is_the_spikes_before(write: Callable[..., Path]) -> None:
    whole = OLD + words(*range(100, 120))
    path = write("TT1_1.t", b"")
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        spikes, more = divmod(size - len(OLD), 4)
        if spikes > 0 and not more:
            assert len(read_units(path.parent).spikes_s[0]) == spikes
        else:
            assert refusal(path.parent).startswith(f"{path}: ")


# Real recordings ---------------------------------------------------------------------------------


def test_published_cells_are_those_known_of_them(shared_data: Callable[[str], Path]) -> None:
    release = shared_data("neuralynx_rat")
    known = json.loads((release / "expected.json").read_text())
    units = read_units(release)
    assert recognises(release)
    assert len(units.table) == len(known["units"])
    assert sum(map(len, units.spikes_s)) == known["units_total_spikes"]
    events = neuralynx.read_events(next(release.glob("*.nev")))
    inputs = events[(events["code"] == 0x80) & events["port"].str.endswith("input")]["time_s"]
    for cell in known["units"]:
        stem, _, ending = cell["file"].rpartition(".")
        label = stem.removeprefix("R050-2014-04-02-")
        spikes_s = units.spikes_of(label)
        after_1s = [np.sum((spikes_s >= t) & (spikes_s < t + 1)) for t in inputs]
        assert {
            "spikes": len(spikes_s),
            "first_s": spikes_s[0],
            "last_s": spikes_s[-1],
            "spikes_within_1s_after_input_0x0080": sum(after_1s),
        } == {name: cell[name] for name in list(cell)[2:]}
        assert units.table.loc[label, "kind"] == {"t": "single", "_t": "multi"}[ending]
        assert units.table.loc[label, "channel"] == int(label[2:4])


def test_an_empty_file_is_refused(write: Callable[..., Path]) -> None:
    path = write("TT1_1.t", b"", head=b"")
    assert refusal(path.parent) == f"{path}: is empty; copy it again from where it was written"
