"""How many frames a code needs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task.rig import pulse_frames, spacing_frames


@pytest.mark.parametrize(
    ("pulse_s", "gap_s", "refresh_hz", "expected"),
    [
        (0.005, 0.005, 60.0, 2),
        (0.005, 0.005, 240.0, 4),
        (0.008, 0.001, 120.0, 2),
        (0.05, 0.05, 60.0, 6),
        (1 / 60, 1 / 60, 60.0, 2),
        (0.0167, 0.005, 60.0, 3),
    ],
)
def test_spacing_is_the_fewest_frames_that_hold_pulse_and_gap(
    pulse_s: float, gap_s: float, refresh_hz: float, expected: int
) -> None:
    assert spacing_frames(pulse_s, gap_s, refresh_hz) == expected


@given(st.floats(1e-5, 0.1), st.floats(1e-5, 0.1), st.floats(20, 500))
def test_pulse_and_gap_are_never_shorter_than_the_device_needs(
    pulse_s: float, gap_s: float, refresh_hz: float
) -> None:
    pulse = pulse_frames(pulse_s, refresh_hz)
    gap = spacing_frames(pulse_s, gap_s, refresh_hz) - pulse
    microsecond = 1e-6
    assert pulse >= 1 and gap >= 1
    assert pulse / refresh_hz >= pulse_s - microsecond
    assert gap / refresh_hz >= gap_s - microsecond
    assert (pulse - 1) / refresh_hz < pulse_s
