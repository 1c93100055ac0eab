"""Wraps, restarts and disorder of time stamps, told apart."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.readers.blackrock_clock import follow_clock
from task.contract.errors import RecordingError

SECOND = 30_000
END = 2**32
PATH = Path("a.nev")


def placed(
    stamps: list[int], *restarts: int, width: str = "u4", second: int = SECOND
) -> tuple[list[int], list[int]]:
    told = np.array(stamps, dtype=width)
    numbers = range(1, len(stamps) + 1)
    clock = follow_clock(PATH, told, second, numbers, np.array(restarts, dtype=np.int64))
    ticks, run = clock.place(np.arange(len(stamps)), told)
    return ticks.tolist(), run.tolist()


def seconds(*times_s: float) -> list[int]:
    return [round(time * SECOND) for time in times_s]


@given(st.lists(st.integers(0, END - 1), max_size=50).map(sorted))
def test_times_that_do_not_fall_are_of_one_clock_however_long_the_pauses(stamps: list[int]) -> None:
    if any(b - a > END - SECOND for a, b in zip(stamps, stamps[1:], strict=False)):
        return  # from nearly the first to nearly the last tick there is
    assert placed(stamps) == (stamps, [1] * len(stamps))


@pytest.mark.parametrize(
    ("stamps", "run"),
    [
        (seconds(20, 19, 21), [1, 1, 1]),  # a second late is disorder
        (seconds(20, 30, 10, 20), [1, 1, 2, 2]),
        (seconds(0.3, 0.4, 0.01, 0.02), [1, 1, 2, 2]),  # a start that was followed by another
        (seconds(0.3, 0.4, 0.31, 0.5), [1, 1, 1, 1]),
        (seconds(0.08, 0.02, 0.1), [1, 1, 1]),
        (seconds(20, 30, 0.5, 60, 70), [1, 1, 2, 2, 2]),
        (seconds(0.1, 5.0, 0.1, 2.0), [1, 1, 2, 2]),
    ],
)
def test_what_is_disorder_and_what_a_restart(stamps: list[int], run: list[int]) -> None:
    assert placed(stamps) == (stamps, run)


def test_each_restart_begins_a_run() -> None:
    stamps = seconds(10, 20, 0, 10, 20, 0, 10)
    assert placed(stamps)[1] == [1, 1, 2, 2, 2, 3, 3]


def test_a_noted_restart_and_the_fall_that_it_explains_are_one() -> None:
    assert placed(seconds(10, 20, 0, 10), 2)[1] == [1, 1, 2, 2]
    assert placed(seconds(10, 20, 30, 40), 2)[1] == [1, 1, 2, 2]


def test_a_counter_passes_its_end_as_often_as_it_likes() -> None:
    step = 5 * 10**7
    truth = list(range(1000, 4 * END, step))
    assert placed([tick % END for tick in truth]) == (truth, [1] * len(truth))


def test_records_out_of_order_around_the_end_of_the_counter_are_of_one_clock() -> None:
    truth = [END - 900, END - 20, END + 5, END - 10, END + 40, END - 3, END + 900]
    assert placed([tick % END for tick in truth]) == (truth, [1] * len(truth))


@pytest.mark.parametrize(("pause_s", "run"), [(3599, 1), (3601, 2)])
def test_an_hour_tells_a_pause_over_the_end_from_a_restart(pause_s: int, run: int) -> None:
    stamps = [END - 2 * SECOND, END - SECOND, (pause_s - 1) * SECOND, pause_s * SECOND]
    assert placed(stamps)[1] == [1, 1, run, run]


def test_after_a_restart_the_counter_begins_anew() -> None:
    stamps = [END - SECOND, SECOND, 100 * SECOND, 0, SECOND]
    assert placed(stamps) == ([END - SECOND, *(END + s for s in stamps[1:3]), 0, SECOND],) + (
        [1, 1, 1, 2, 2],
    )


def test_long_counters_do_not_pass_their_end_and_may_find_the_time_of_day() -> None:
    day = 10**9 * 86_400
    stamps = [5, 10**9, 19_000 * day, 19_000 * day + 40_000]
    assert placed(stamps, width="u8", second=10**9) == (stamps, [1, 1, 2, 2])
    stamps = [END - 5, 3, 10**9]
    assert placed(stamps, width="u8") == (stamps, [1, 2, 2])


FAR = "has a time far from those of its neighbours; the file is damaged"


@pytest.mark.parametrize(
    ("stamps", "said"),
    [
        (seconds(20, 21, 900, 22, 23), f"record 3 {FAR}"),
        (seconds(20, 21, 5, 22, 23), f"record 3 {FAR}"),
        (seconds(20, 21, 0, 22, 23), f"record 3 {FAR}"),
        (seconds(20, 30, 25, 40), f"record 3 {FAR}"),  # two records that changed places
        (seconds(20, 30, 25), f"record 3 {FAR}"),
        (
            seconds(20, 21, 22, 23, 20, 21, 22, 23, 24),
            "record 5 and the following repeat record 1 and the following; the file is damaged",
        ),
        (
            seconds(*[50, 0] * 200),
            "its time jumps at 200 of 400 records, first at record 2; the file is damaged",
        ),
    ],
)
def test_what_is_no_clock_is_refused(stamps: list[int], said: str) -> None:
    with pytest.raises(RecordingError) as refused:
        placed(stamps)
    assert str(refused.value) == f"{PATH}: {said}"


@pytest.mark.parametrize("stamp", [2**63, 2**64 - 1, 10**18])
def test_a_last_record_long_after_all_others_is_refused(stamp: int) -> None:
    with pytest.raises(RecordingError) as refused:
        placed([1, 2, stamp], width="u8")
    assert str(refused.value) == f"{PATH}: record 3 {FAR}"


def test_a_file_without_records_has_a_clock() -> None:
    assert placed([]) == ([], [])


def test_jumps_are_found_between_pieces_of_a_long_file_too() -> None:
    stamps = np.arange(3_000_000, dtype=np.uint32) + 10 * SECOND
    for cut in (1 << 20, (1 << 20) + 1, 1 << 21):
        told = stamps.copy()
        told[cut:] -= told[cut]
        clock = follow_clock(PATH, told, SECOND, range(1, 4_000_000), np.empty(0, np.int64))
        assert (clock.first.tolist(), clock.run.tolist()) == ([0, cut], [1, 2])


@pytest.mark.parametrize("stamp", [END - 60_000, END - 1])
def test_one_stamp_near_the_end_of_the_counter_is_no_wrap(stamp: int) -> None:
    stamps = [*seconds(2, 3, 4), stamp, *seconds(5, 6)]
    with pytest.raises(RecordingError) as refused:
        placed(stamps)
    assert str(refused.value) == (
        "a.nev: record 4 has a time far from those of its neighbours; the file is damaged"
    )


def test_stamps_that_go_back_step_by_step_are_refused() -> None:
    assert placed(seconds(20, 19.5, 19))[1] == [1, 1, 1]
    with pytest.raises(RecordingError) as refused:
        placed(seconds(20, 19.5, 19, 18.9))
    assert str(refused.value) == (
        "a.nev: record 4 is 1.100000 s older than one before it; the file is damaged"
    )
