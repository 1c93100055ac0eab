"""Spikes of Neuralynx: cells, waveforms in uV, files that were never sorted, damage."""

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from analysis.readers.neuralynx_spikes import read_units, recognises
from task.contract.errors import RecordingError

BIT_UV = 0.030517578125
NSE = f"-AcqEntName SE7\r\n-SamplingFrequency 32000\r\n-ADBitVolts {BIT_UV * 1e-6:.24f}\r\n"
NTT = (
    "-AcqEntName TT3\r\n-SamplingFrequency 30303.5\r\n"
    "-ADBitVolts 0.000001 0.000002 0.000003 0.000004\r\n"
)
PUT_TOGETHER = "; the file is damaged or was put together from several"
Spike = tuple[float, int]


def record(time_us: float, cell: int, wires: int = 1, first: int = 0, electrode: int = 12) -> bytes:
    """A record, field by field; sample n of wire w is first + 10 n + w."""
    samples = [first + 10 * n + w for n in range(32) for w in range(wires)]
    return (
        struct.pack("<Q", round(time_us))
        + struct.pack("<II", electrode, cell)
        + struct.pack("<8i", *range(8))
        + struct.pack(f"<{32 * wires}h", *samples)
    )


def write(path: Path, *records: bytes, header: str = NSE) -> Path:
    begins = f"######## Neuralynx Data File Header\r\n{header}".encode()
    path.write_bytes(begins.ljust(16_384, b"\0") + b"".join(records))
    return path


def spikes(path: Path, found: Sequence[Spike], header: str = NSE) -> Path:
    return write(path, *(record(time_us, cell) for time_us, cell in found), header=header)


def refusal(path: Path) -> str:
    with pytest.raises(RecordingError) as refused:
        read_units(path)
    return str(refused.value)


def test_records_have_the_sizes_of_the_format() -> None:
    assert (len(record(1, 1)), len(record(1, 1, wires=4))) == (112, 304)


def test_every_cell_is_a_unit_with_its_spikes(tmp_path: Path) -> None:
    path = spikes(tmp_path / "SE7.nse", [(5e6, 2), (6e6, 1), (7e6, 2), (7.5e6, 0)])
    units = read_units(path)
    assert units.table.index.tolist() == ["SE7_1", "SE7_2"]
    assert units.table[["channel", "cell", "cluster"]].to_numpy().tolist() == [[7, 1, 1], [7, 2, 2]]
    assert units.table["kind"].tolist() == ["", ""]
    assert [times.tolist() for times in units.spikes_s] == [[6.0], [5.0, 7.0]]


def test_a_file_that_was_never_sorted_is_one_unit_of_many_cells(tmp_path: Path) -> None:
    units = read_units(spikes(tmp_path / "SE7.nse", [(5e6, 0), (6e6, 0)]))
    assert units.table.index.tolist() == ["SE7_0"]
    assert units.table["kind"].tolist() == ["multi"]
    assert units.table["cluster"].isna().all()
    assert units.spikes_of("SE7_0").tolist() == [5.0, 6.0]


def test_a_file_with_a_header_alone_has_no_units(tmp_path: Path) -> None:
    assert read_units(write(tmp_path / "SE7.nse")).table.empty


def test_the_files_of_a_folder_are_read_together(tmp_path: Path) -> None:
    spikes(tmp_path / "SE7.nse", [(5e6, 1)])
    write(tmp_path / "TT3.NTT", record(8e6, 4, wires=4), header=NTT)
    write(tmp_path / "SE8.nse")
    (tmp_path / "._SE7.nse").write_bytes(b"left by a Macintosh")
    (tmp_path / "Events.nev").touch()
    assert recognises(tmp_path)
    units = read_units(tmp_path)
    assert units.table.index.tolist() == ["SE7_1", "TT3_4"]
    assert units.table["channel"].tolist() == [7, 3]


@pytest.mark.parametrize(
    ("name", "channel"),
    [("SE7", 7), ("Sc12", 12), ("TT3", 3), ("CSC101", 101), ("LAHC1", None), ("SE7b", None)],
)
def test_only_numbers_in_the_recorders_own_names_are_channels(
    tmp_path: Path, name: str, channel: int | None
) -> None:
    path = spikes(tmp_path / "any.nse", [(5e6, 1)], header=f"-AcqEntName {name}\r\n")
    found = read_units(path).table["channel"]
    assert found.isna().all() if channel is None else found.tolist() == [channel]


def test_waveforms_of_an_electrode_are_in_microvolts_in_the_order_of_time(tmp_path: Path) -> None:
    path = write(
        tmp_path / "SE7.nse",
        record(6e6, 1, first=100),
        record(6.1e6, 2),
        record(5.9e6, 1, first=-100),
    )
    units = read_units(path)
    assert units.spikes_of("SE7_1").tolist() == [5.9, 6.0]
    waves = units.read_waveforms("SE7_1")
    assert waves is not None
    assert (waves.values.shape, waves.rate_hz, waves.unit) == ((2, 32), 32_000, "uV")
    counts = np.add.outer([-100, 100], 10 * np.arange(32))
    np.testing.assert_allclose(waves.values, counts * BIT_UV, rtol=1e-6)


def test_waveforms_of_a_tetrode_have_the_scale_of_each_wire(tmp_path: Path) -> None:
    path = write(tmp_path / "TT3.ntt", record(6e6, 1, wires=4), header=NTT)
    waves = read_units(path).read_waveforms("TT3_1")
    assert waves is not None
    assert (waves.values.shape, waves.rate_hz) == ((1, 4, 32), 30_303.5)
    wire, sample = np.arange(4)[:, np.newaxis], np.arange(32)
    np.testing.assert_allclose(waves.values[0], (10 * sample + wire) * (wire + 1), rtol=1e-6)


@pytest.mark.parametrize(("inverted", "sign"), [("True", -1), ("False", 1)])
def test_an_input_that_the_recorder_inverts_is_turned_back(
    tmp_path: Path, inverted: str, sign: int
) -> None:
    header = NSE + f"-InputInverted {inverted}\r\n"
    waves = read_units(spikes(tmp_path / "a.nse", [(1, 1)], header)).read_waveforms("a_1")
    assert waves is not None
    np.testing.assert_allclose(waves.values[0], sign * 10 * np.arange(32) * BIT_UV, rtol=1e-6)


@pytest.mark.parametrize(
    "volts", ["", "-ADBitVolts many\r\n", "-ADBitVolts 1e-6 1e-6\r\n", "-ADBitVolts 0\r\n"]
)
def test_waveforms_without_a_scale_are_as_recorded(tmp_path: Path, volts: str) -> None:
    waves = read_units(spikes(tmp_path / "a.nse", [(1, 1)], volts)).read_waveforms("a_1")
    assert waves is not None
    assert waves.unit == "" and np.isnan(waves.rate_hz)
    assert waves.values.tolist() == [(10 * np.arange(32)).tolist()]


def test_files_longer_than_a_chunk_are_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.readers.neuralynx_file.CHUNK_BYTES", 2 * 112)
    units = read_units(spikes(tmp_path / "a.nse", [(n * 1e6, n % 2 + 1) for n in range(7)]))
    assert units.spikes_of("a_1").tolist() == [0, 2, 4, 6]
    waves = units.read_waveforms("a_1")
    assert waves is not None and len(waves.values) == 4


def test_cells_may_stand_one_after_the_other_in_a_file(tmp_path: Path) -> None:
    units = read_units(spikes(tmp_path / "a.nse", [(1e6, 1), (9e6, 1), (2e6, 2), (8e6, 2)]))
    assert [times.tolist() for times in units.spikes_s] == [[1.0, 9.0], [2.0, 8.0]]


@pytest.mark.parametrize(
    ("name", "ours"), [("a.nse", True), ("A.NTT", True), ("a.ncs", False), ("a.nev", False)]
)
def test_spikes_are_known_by_the_names_of_files(tmp_path: Path, name: str, ours: bool) -> None:
    (tmp_path / name).touch()
    assert recognises(tmp_path / name) is ours
    assert recognises(tmp_path) is ours


# Refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([(5e6, 1), (4e6, 1)], ""),
        ([(5e6, 1), (4e6 - 1, 1)], "record 2 is older than one of the same cell before it"),
        ([(5e6, 1), (6e6, 2), (5e6, 1)], "record 3 repeats a spike"),
        ([(5e6, 1), (5e6, 2)], ""),  # a sorter that takes spikes apart
        ([(5e6, 1), (6e6, 999)], ""),
        ([(5e6, 1), (6e6, 1000)], "record 2 is of a cell above 999"),
    ],
)
def test_records_that_cannot_be_are_refused(tmp_path: Path, found: list[Spike], said: str) -> None:
    path = spikes(tmp_path / "a.nse", found)
    if said:
        assert refusal(path) == f"{path}: {said}{PUT_TOGETHER}"
    else:
        assert sum(map(len, read_units(path).spikes_s)) == len(found)


def test_records_of_another_electrode_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nse", record(1, 1), record(2, 1, electrode=13))
    assert refusal(path) == (
        f"{path}: record 2 is of another electrode than the first{PUT_TOGETHER}"
    )


def test_a_time_that_no_clock_reaches_is_refused(tmp_path: Path) -> None:
    path = spikes(tmp_path / "a.nse", [(1, 1), (2**63, 1)])
    assert refusal(path) == (
        f"{path}: record 2 has the time {2**63} us, which no recorder's clock reaches;"
        " the file is damaged"
    )


def test_a_file_cut_in_a_record_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nse", record(1, 1), record(2, 1)[:-1])
    assert refusal(path) == (
        f"{path}: ends within record 2 (1 whole records before it);"
        " copy it again from the recording computer"
    )


def test_a_file_of_another_system_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.ntt"
    path.write_bytes(b"NEURALEV".ljust(20_000, b"\0"))
    assert refusal(path) == f"{path}: is no file of spikes of Neuralynx: its header is another"


def test_an_electrode_sorted_and_unsorted_in_one_folder_is_refused(tmp_path: Path) -> None:
    spikes(tmp_path / "SE7.nse", [(n * 1e6, 0) for n in range(9)])
    spikes(tmp_path / "SE7_s.nse", [(n * 1e6, n % 3) for n in range(9)])
    assert refusal(tmp_path) == (
        f"{tmp_path}: SE7.nse and SE7_s.nse hold the same spikes; leave one of them there"
    )


def test_parts_of_a_recording_that_was_stopped_stay_apart(tmp_path: Path) -> None:
    spikes(tmp_path / "SE7.nse", [(1e6, 1)])
    spikes(tmp_path / "SE7_0001.nse", [(9e6, 1)])
    assert read_units(tmp_path).table.index.tolist() == ["SE7_1", "SE7_0001_1"]


def test_files_of_one_name_are_refused(tmp_path: Path) -> None:
    spikes(tmp_path / "SE7.nse", [(1e6, 1)])
    write(tmp_path / "SE7.ntt", record(8e6, 1, wires=4), header=NTT)
    assert refusal(tmp_path) == (
        f"{tmp_path}: holds .nse and .ntt files of the same name; rename one"
    )
