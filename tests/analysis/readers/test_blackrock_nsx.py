"""Analog channels of Blackrock and Ripple, in files written byte by byte."""

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from analysis.readers.blackrock_nsx import channels, read_trace, recognises
from task.contract.errors import RecordingError

END = 2**32


def header(
    *labels: str,
    period: int = 30,
    version: tuple[int, int] = (2, 3),
    second: int = 30_000,
    first_id: int = 1,
) -> bytes:
    told = b"NEURALCD" if version[0] == 2 else b"BRSMPGRP"
    told += bytes(version) + struct.pack("<I", 314 + 66 * len(labels)) + b"1 kS/s".ljust(16, b"\0")
    told += bytes(256) + struct.pack("<II8HI", period, second, *range(8), len(labels))
    for number, label in enumerate(labels, first_id):
        told += b"CC" + struct.pack("<H", number) + label.encode().ljust(16, b"\0") + bytes(46)
    return told


def block(stamp: int, frames: NDArray[np.int16], wide: bool = False) -> bytes:
    told = struct.pack("<BQI" if wide else "<BII", 1, stamp, len(frames))
    return told + frames.astype("<i2").tobytes()


def count(frames: int, width: int = 2, start: int = 0) -> NDArray[np.int16]:
    """Frames that count on; each channel 1000 above the one before."""
    return (start + np.arange(frames)[:, None] + 1000 * np.arange(width)).astype(np.int16)


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    def write(*parts: bytes, name: str = "a.ns3") -> Path:
        path = tmp_path / name
        path.write_bytes(b"".join(parts))
        return path

    return write


def refusal(path: Path, *named: object) -> str:
    with pytest.raises(RecordingError) as refused:
        read_trace(path, *named)  # type: ignore[arg-type]
    return str(refused.value).removeprefix(f"{path}: ")


def told(path: Path, channel: str, run: int | None = None) -> list[tuple[float, float, list[int]]]:
    pieces = read_trace(path, channel, run).pieces
    return [(p.start_s, p.period_s, p.values.tolist()) for p in pieces]


@pytest.mark.parametrize("version", [(2, 2), (2, 3), (3, 0)])
def test_a_channel_is_found_by_its_label(
    written: Callable[..., Path], version: tuple[int, int]
) -> None:
    wide = version[0] == 3
    path = written(header("light", "mic", version=version), block(6000, count(50), wide))
    assert recognises(path)
    assert channels(path) == ("light", "mic")
    assert told(path, "mic") == [(0.2, 0.001, list(range(1000, 1050)))]
    trace = read_trace(path, "light")
    assert (trace.rate_hz, trace.gaps, trace.own_clock) == (1000, 0, False)
    assert trace.pieces[0].values.base is not None  # a view of the file


def test_the_only_channel_needs_no_name(written: Callable[..., Path]) -> None:
    path = written(header("light"), block(0, count(5, 1)))
    assert read_trace(path).pieces[0].values.tolist() == [0, 1, 2, 3, 4]


def test_a_pause_ends_a_piece(written: Callable[..., Path]) -> None:
    path = written(header("a", "b"), block(0, count(5)), block(3000, count(4, start=50)))
    assert told(path, "a") == [(0.0, 0.001, [*range(5)]), (0.1, 0.001, [*range(50, 54)])]


def test_blocks_that_follow_each_other_in_time_are_one_piece(written: Callable[..., Path]) -> None:
    blocks = [block(300, count(5)), block(450, count(5, start=5)), block(600, count(3, start=10))]
    path = written(header("a", "b"), *blocks, block(0, count(0)))
    assert told(path, "b") == [(0.01, pytest.approx(0.001), list(range(1000, 1013)))]


@pytest.mark.parametrize(("late", "pieces"), [(15, 1), (16, 2), (-15, 1), (-16, 2)])
def test_half_a_period_is_a_gap(written: Callable[..., Path], late: int, pieces: int) -> None:
    path = written(header("a"), block(0, count(50, 1)), block(1500 + late, count(49, 1)))
    assert len(read_trace(path, "a").pieces) == pieces


def test_blocks_that_overlap_are_refused(written: Callable[..., Path]) -> None:
    """By a period or two clocks are put right; what is repeated lies further back."""
    head, first = header("a"), block(300, count(50, 1))
    assert len(read_trace(written(head, first, block(1740, count(9, 1))), "a").pieces) == 2
    path = written(head, first, block(1739, count(9, 1)))
    assert refusal(path, "a") == "block 2 begins within the one before it; the file is damaged"


def test_pieces_of_a_file_whose_every_frame_is_a_block(
    written: Callable[..., Path],
) -> None:
    """Precision time: nanoseconds since 1970, rates as they really were, frames lost."""
    start, step = 1_700_000_000 * 10**9, 33_335
    stamps = [start + n * step for n in range(1000)]
    blocks = [block(s, count(1, 3, n), wide=True) for n, s in enumerate(stamps)]
    del blocks[400:402]
    path = written(
        header("a", "b", "c", period=1, version=(3, 0), second=10**9), *blocks, name="a.NS6"
    )
    first, second = read_trace(path, "b").pieces
    assert (first.start_s, len(first.values)) == (1.7e9, 400)
    assert first.values.tolist() == list(range(1000, 1400))
    assert second.values.tolist() == list(range(1402, 2000))
    assert second.start_s == pytest.approx(1.7e9 + 402 * step / 1e9, abs=3e-7)
    assert first.period_s == pytest.approx(step / 1e9, rel=1e-9)
    assert second.period_s == pytest.approx(step / 1e9, rel=1e-9)


def test_stamps_that_tremble_are_no_gaps(written: Callable[..., Path]) -> None:
    rng = np.random.default_rng(1)
    stamps = 10**9 + np.arange(500) * 33_333 + rng.integers(-4000, 4000, 500)
    blocks = [block(int(s), count(1, 1, n), wide=True) for n, s in enumerate(stamps)]
    path = written(header("a", period=1, version=(3, 0), second=10**9), *blocks)
    (piece,) = read_trace(path).pieces
    assert piece.values.tolist() == list(range(500))
    assert piece.period_s == pytest.approx(33_333e-9, rel=1e-3)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 9)), min_size=1, max_size=30))
def test_blocks_of_any_size_give_every_sample_at_its_time(
    tmp_path_factory: pytest.TempPathFactory, made: list[tuple[int, int]]
) -> None:
    stamp, samples = 300, 0
    blocks, times = [], []
    for frames, pause in made:
        blocks.append(block(stamp, count(frames, 2, samples)))
        times += [(stamp + 30 * n) / 30_000 for n in range(frames)]
        stamp, samples = stamp + 30 * (frames + (pause - 1) // 3), samples + frames
    path = tmp_path_factory.mktemp("nsx") / "a.ns2"
    path.write_bytes(header("a", "b") + b"".join(blocks))
    if not samples:
        assert refusal(path, "a") == "holds a header and no samples"
        return
    pieces = read_trace(path, "a").pieces
    values = np.concatenate([piece.values for piece in pieces])
    assert values.tolist() == list(range(samples))
    read = np.concatenate([p.start_s + p.period_s * np.arange(len(p.values)) for p in pieces])
    np.testing.assert_allclose(read, times, rtol=0, atol=1e-9)


# Clocks ------------------------------------------------------------------------------------------


def test_blocks_after_a_restart_of_the_clock_are_of_another_clock(
    written: Callable[..., Path],
) -> None:
    path = written(
        header("a"),
        block(60_000, count(3, 1)),
        block(90_000, count(2, 1, 10)),
        block(0, count(4, 1, 20)),
    )
    assert told(path, "a", 1) == [(2.0, 0.001, [0, 1, 2]), (3.0, 0.001, [10, 11])]
    assert told(path, "a", 2) == [(0.0, 0.001, [20, 21, 22, 23])]
    assert refusal(path, "a") == (
        "its clock was restarted: it holds 2 clocks, whose times have nothing to do with each"
        " other; name one of 1 to 2"
    )
    assert refusal(path, "a", 3) == "holds no clock 3; it has 1 to 2"


def test_a_counter_passes_its_end_between_blocks_and_within_them(
    written: Callable[..., Path],
) -> None:
    """The blocks are of 1 s, the counter passes its end in the second."""
    start = END - 45_000
    stamps = [start + 30_000 * n for n in range(4)]
    stamps[3] += 600_000  # a pause
    path = written(header("a"), *(block(s % END, count(1000, 1)) for s in stamps))
    first, second = read_trace(path).pieces
    assert (first.start_s, len(first.values)) == (start / 30_000, 3000)
    assert first.period_s == pytest.approx(0.001, rel=1e-9)
    assert (second.start_s, len(second.values)) == (stamps[3] / 30_000, 1000)


# Version 2.1 -------------------------------------------------------------------------------------


def old(*ids: int, period: int = 15) -> bytes:
    told = b"NEURALSG" + b"2 kS/s".ljust(16, b"\0") + struct.pack("<II", period, len(ids))
    return told + struct.pack(f"<{len(ids)}I", *ids)


def test_old_files_begin_at_0_and_may_end_within_a_frame(written: Callable[..., Path]) -> None:
    path = written(old(5, 128, 129), count(20, 3).astype("<i2").tobytes(), b"\1\2\3")
    assert channels(path) == ("chan5", "chan128", "ainp1")
    assert told(path, "ainp1") == [(0.0, 0.0005, list(range(2000, 2020)))]


def test_an_old_file_without_a_whole_frame_is_refused(written: Callable[..., Path]) -> None:
    path = written(old(1, 2), b"\1\2\3")
    assert refusal(path, "chan1") == "holds a header and no samples"


# Refusals ----------------------------------------------------------------------------------------


def test_a_channel_that_is_not_there_is_refused_with_those_that_are(
    written: Callable[..., Path],
) -> None:
    path = written(header("a", "b"), block(0, count(2)))
    assert refusal(path) == "holds several channels; name one of a, b"
    assert refusal(path, "c") == "holds no channel 'c'; it has a, b"
    path = written(header(*(f"E{n}" for n in range(12))), block(0, count(2, 12)))
    assert refusal(path) == (
        "holds several channels; name one of E0, E1, E2, E3, E4, E5, E6, E7, E8, E9, … (12 in all)"
    )


def test_equal_labels_are_no_names(written: Callable[..., Path]) -> None:
    assert channels(written(header("a", "a", "b"))) == ("elec1", "elec2", "elec3")


COPY = "copy it again from the recording computer"
KNOWN = "is no file of analog channels of Blackrock or Ripple: its header is another"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"RIFF" * 500, KNOWN),
        (header("a")[:300], f"ends within its header; {COPY}"),
        (header("a")[:-1], f"ends within its header; {COPY}"),
        (old(1, 2)[:31], f"ends within its header; {COPY}"),
        (old(1, 2)[:-1], f"ends within its header; {COPY}"),
        (header("a"), "holds a header and no samples"),
        (header("a", period=0), "its header says that its period is 0; it is damaged"),
        (
            header("a", second=30_001),
            "its header says 30001 ticks per second; there are 30000 and 1000000000; it is damaged",
        ),
        (header("a", version=(2, 1)), "is of version 2.1; NEURALCD is known in 2.2, 2.3"),
        (header("a", version=(3, 1)), "is of version 3.1; BRSMPGRP is known in 3.0"),
        (
            header("a").replace(b"CC", b"DD"),
            "its header lists no channels that can be; it is damaged",
        ),
        (header(), "its header lists no channels that can be; it is damaged"),
        (old(), "its header lists no channels that can be; it is damaged"),
        (old(70_000), "its header lists no channels that can be; it is damaged"),
        (old(7, 7), "two of its channels are of electrode 7; it is damaged"),
        (
            header("a")[:310] + struct.pack("<I", 2) + header("a")[314:],
            "its header says 380 bytes, its 2 channels make 446; it is damaged",
        ),
        (
            header("a") + block(0, count(9, 1))[:-1],
            f"block 1 says that it holds 9 samples, but the file ends after 8; {COPY}",
        ),
        (
            header("a") + block(0, count(9, 1)) + b"\1\2",
            f"ends within the head of block 2; {COPY}",
        ),
        (
            header("a") + block(0, count(9, 1)) + b"\2" * 20,
            "block 2 does not begin with 1: the file is damaged",
        ),
        (
            header("a") + block(0, count(0, 1)) + b"\2" * 20,
            "block 2 does not begin with 1: the one before it says that it is empty; recording was"
            " not ended properly",
        ),
        (
            header("a") + b"".join(block(s, count(1, 1)) for s in (300, 330, 10**6, 390, 420)),
            "block 3 has a time far from those of its neighbours; the file is damaged",
        ),
        (
            header("a") + block(3000, count(9, 1)) + block(3000, count(9, 1)),
            "block 2 is older than the one before it",
        ),
        (
            header("a") + b"".join(block(100 * s, count(1, 1)) for s in range(10_002)),
            "its time jumps more than 10000 times, last at block 10001; the file is damaged",
        ),
    ],
)
def test_bad_files_are_refused(written: Callable[..., Path], data: bytes, said: str) -> None:
    path = written(data)
    assert refusal(path, "a") == said


def test_files_are_recognised_by_name(tmp_path: Path) -> None:
    contents = {"a.ns1": header("a"), "b.NS6": old(1), "c.ns3": b"", "d.ns0": header("a")}
    for name, content in {**contents, "e.nsx": header("a"), "f.nev": header("a")}.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "g.ns3").mkdir()
    (tmp_path / "h.ns").write_bytes(header("a"))
    assert [p.name for p in sorted(tmp_path.iterdir()) if recognises(p)] == [
        "a.ns1",
        "b.NS6",
        "c.ns3",
    ]


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "a.ns3") == "cannot be read: No such file or directory"


# Real recordings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["Test_anonymized.ns3", "test_BRSMPGRP_raw.ns3", "test_NEURALCD_raw.ns3"],
)
def test_real_files_have_the_samples_known_of_them(
    shared_data: Callable[[str], Path], name: str
) -> None:
    folder = shared_data("blackrock_nsx")
    truth = json.loads((folder / "expected.json").read_text())["files"][name]
    path = folder / name
    names = channels(path)
    assert recognises(path)
    assert (len(names), names[0]) == (truth["channels"], truth["first_channel"])
    traces = [read_trace(path, channel) for channel in names]
    assert {trace.rate_hz for trace in traces} == {truth["sampling_hz"]}
    pieces = traces[0].pieces
    assert [len(piece.values) for piece in pieces] == truth["segments"]
    assert [piece.start_s for piece in pieces] == truth["segment_starts_s"]
    sums = [sum(int(t.pieces[n].values.sum(dtype=int)) for t in traces) for n in range(len(pieces))]
    assert sums == truth["sum_of_raw"]


def test_an_old_file_has_a_frame_more_than_is_known_of_it(
    shared_data: Callable[[str], Path],
) -> None:
    """The known numbers leave out the last of 100 whole frames, as their note says."""
    folder = shared_data("blackrock_nsx")
    name = "test_NEURALSG_raw.ns3"
    truth = json.loads((folder / "expected.json").read_text())["files"][name]
    names = channels(folder / name)
    assert (len(names), names[0]) == (truth["channels"], truth["first_channel"])
    traces = [read_trace(folder / name, channel) for channel in names]
    assert {trace.rate_hz for trace in traces} == {truth["sampling_hz"]}
    assert {(len(t.pieces), t.pieces[0].start_s) for t in traces} == {
        (1, truth["segment_starts_s"][0])
    }
    (frames,) = truth["segments"]
    assert {len(trace.pieces[0].values) for trace in traces} == {frames + 1}
    total = sum(int(t.pieces[0].values[:frames].sum(dtype=int)) for t in traces)
    assert [total] == truth["sum_of_raw"]


def test_a_channel_whose_name_is_damaged_is_refused(written: Callable[..., Path]) -> None:
    path = written(header("a", "b\x08"), block(0, count(5)))
    assert refusal(path, "a") == "channel 2 has a name of no letters; it is damaged"
