"""A clock that is read late."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task.rigs.other_clock import OtherClock


def test_nothing_is_known_before_the_first_reading() -> None:
    clock = OtherClock()
    assert clock.ours(1.0) is None
    clock.add(1.0, 11.0)
    clock.restart()
    assert clock.ours(1.0) is None


def test_the_earliest_arrival_counts() -> None:
    clock = OtherClock()
    for device_s, late_s in ((1.0, 0.020), (2.0, 0.001), (3.0, 0.015)):
        clock.add(device_s, 100 + device_s + late_s)
    assert clock.ours(3.0) == pytest.approx(103.001)


@given(
    st.floats(-0.03, 0.03),
    st.floats(-1e5, 1e5),
    st.lists(st.floats(0, 0.016), min_size=30, max_size=200),
)
def test_no_reading_lies_below_the_line(rate: float, offset_s: float, late: list[float]) -> None:
    clock = OtherClock()
    readings = [(float(n), offset_s + n * (1 + rate) + late_s) for n, late_s in enumerate(late)]
    for reading in readings:
        clock.add(*reading)
    for device_s, arrival_s in readings[-100:]:
        ours_s = clock.ours(device_s)
        assert ours_s is not None and ours_s <= arrival_s + 1e-6


@pytest.mark.parametrize("rate", [-0.02, -5e-5, 0.0, 1e-4, 0.03])
def test_drift_is_found_through_the_lateness(rate: float) -> None:
    rng = random.Random(3)
    clock = OtherClock()
    worst_s = 0.0
    for n in range(400):
        device_s = 5.0 * n
        true_s = 7.0 + device_s * (1 + rate)
        clock.add(device_s, true_s + 0.0005 + rng.expovariate(1 / 0.003))
        ours_s = clock.ours(device_s)
        assert ours_s is not None
        if device_s > 60:
            worst_s = max(worst_s, abs(ours_s - true_s))
    assert worst_s < 0.004


def test_over_a_short_span_lateness_is_not_taken_for_drift() -> None:
    clock = OtherClock()
    clock.add(0.0, 10.016)
    clock.add(0.1, 10.100)
    assert clock.ours(10.0) == pytest.approx(20.0)


def test_old_readings_are_given_up() -> None:
    clock = OtherClock()
    clock.add(0.0, 0.0)
    clock.add(121.0, 122.0)
    assert clock.ours(121.0) == pytest.approx(122.0)
