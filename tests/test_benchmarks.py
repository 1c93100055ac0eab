"""What the benchmarks in `benchmarks/` measure with, on known answers."""

import os
import sys
import time

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")


def test_the_interval_of_a_difference_is_newcombes_published_example():
    from benchmarks.stream import compare

    found = compare(56, 70, 48, 80)
    assert found.difference == pytest.approx(0.2)
    assert found.low == pytest.approx(0.0524, abs=5e-5)
    assert found.high == pytest.approx(0.3339, abs=5e-5)


def test_a_swap_is_late_after_more_than_one_and_a_half_periods():
    from benchmarks.ours import late_swaps

    assert late_swaps([0.0, 1 / 60, 2.49 / 60, 4.0 / 60]) == [4.0 / 60]


def test_bytes_arrive_in_order_after_they_were_written():
    from benchmarks.wire import wire

    with wire() as cable:
        descriptor = os.open(cable.port, os.O_WRONLY | os.O_NOCTTY)
        before_s = time.perf_counter()
        for byte in (20, 0, 10):
            os.write(descriptor, bytes((byte,)))
        assert before_s < cable.wait_for(10, timeout_s=5) < time.perf_counter()
        assert cable.codes == [20, 10]
        with pytest.raises(TimeoutError, match="byte 20 came fewer than 2 times"):
            cable.wait_for(20, 2, timeout_s=0.05)
        os.close(descriptor)


def test_a_stage_keeps_what_was_written_to_its_port_only(monkeypatch, tmp_path):
    from benchmarks.stage import Stage

    monkeypatch.setattr(os, "write", os.write)  # put back what the stage replaces
    master, slave = os.openpty()
    stage = Stage(os.ttyname(slave))
    stage.watch_writes()
    other = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    os.write(slave, b"\x14")
    os.write(other, b"line\n")
    for descriptor in (master, slave, other):
        os.close(descriptor)
    ((before_s, after_s, data),) = stage.writes
    assert data == b"\x14"
    assert before_s <= after_s
    assert len(stage.disk_writes_s) == 1


def test_a_paced_swap_waits_for_the_next_tick_of_a_steady_grid(monkeypatch):
    from benchmarks import stage

    now_s = [100.0]

    def later(seconds=1e-5):
        now_s[0] += seconds
        return now_s[0]

    monkeypatch.setattr(stage, "clock", later)
    monkeypatch.setattr(stage.time, "sleep", later)
    master, slave = os.openpty()
    paced = stage.Stage(os.ttyname(slave), paced_hz=50.0)
    swap = paced._swap(lambda: None, lambda: None)
    for away_s in (0.0, 0.0, 0.03, 0.0):
        later(away_s)
        swap()
    os.close(master)
    os.close(slave)
    ticks = [(swap_s - paced.swaps[0]) * 50.0 for swap_s in paced.swaps]
    assert ticks == pytest.approx([0, 1, 3, 4], abs=0.01)


def test_a_slowed_disk_is_slow_only_inside(tmp_path):
    from benchmarks.slow_disk import slow_syncs

    fsync = os.fsync
    with (tmp_path / "log").open("wb") as file, slow_syncs(0.02) as calls:
        before_s = time.perf_counter()
        os.fsync(file.fileno())
        assert time.perf_counter() - before_s >= 0.02
        assert len(calls) == 1
    assert os.fsync is fsync


def test_every_number_of_the_real_files_is_read_or_known_to_differ(shared_data):
    data = shared_data("human_newold").parent
    from benchmarks.readers import EXPLAINED, compared

    found = list(compared(data))
    differing = {(one.file, one.what) for one in found if not one.agrees}
    assert differing == {*EXPLAINED}
    assert len(found) > 100
