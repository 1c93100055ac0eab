"""Seconds as frames: rounded, refused, or made long enough for their codes."""

import pytest

from task.frames import Frames, count
from task.protocol import Faults

PATH = ("imagery", "cue_s")


def frames_of(
    faults: Faults, *, hz: float = 60.0, spacing: int = 2, announced: bool = True
) -> Frames:
    return Frames(hz, False, spacing, announced, faults)


@pytest.mark.parametrize(
    ("seconds", "first", "announced", "needed"),
    [(0.0333, False, True, None), (0.0167, False, True, 2), (0.1667, True, True, None),
     (0.15, True, True, 10), (0.0333, True, False, None), (0.0167, True, False, 2)],
)  # fmt: skip
def test_a_time_must_hold_the_codes_that_are_sent_in_it(
    seconds: float, first: bool, announced: bool, needed: int | None
) -> None:
    faults: Faults = []
    made = frames_of(faults, announced=announced)(PATH, seconds, first=first)
    assert made == round(seconds * 60)
    codes = "5 trigger codes" if first and announced else "1 trigger code"
    assert faults == (
        [(PATH, f"{count(made, 'frame')} cannot hold {codes}, each of 2 frames; at least {needed}"
                " frames are needed")]
        if needed
        else []
    )  # fmt: skip


def test_a_time_is_judged_once() -> None:
    faults: Faults = []
    frames = frames_of(faults)
    assert [frames(PATH, 0.51) for _ in range(3)] == [31, 31, 31]
    assert len(faults) == 1


def test_a_time_that_nobody_minds_is_rounded() -> None:
    faults: Faults = []
    assert frames_of(faults, hz=75.0)(PATH, 0.5, rounded=True) == 38
    assert faults == []


@pytest.mark.parametrize(
    ("seconds", "first", "spacing", "frames"),
    [(0.5, False, 2, 30), (0.5, True, 2, 30), (0.5, True, 6, 30), (0.5, True, 7, 35),
     (0.5, False, 31, 31)],
)  # fmt: skip
def test_the_programs_own_times_are_long_enough(
    seconds: float, first: bool, spacing: int, frames: int
) -> None:
    assert frames_of([], spacing=spacing).about(seconds, first=first) == frames


def test_a_wait_is_a_frame_at_least() -> None:
    assert [frames_of([]).at_most(s) for s in (0.0, 0.5)] == [1, 30]
