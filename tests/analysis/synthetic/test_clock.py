import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.synthetic.clock import Clock


def test_a_clock_that_is_fast_gains_its_drift_every_second() -> None:
    clock = Clock(offset_s=100.0, drift_ppm=50.0)
    np.testing.assert_allclose(clock.reading_s(np.array([0.0, 1000.0])), [100.0, 1100.05])


def test_without_jitter_a_stamp_is_the_reading() -> None:
    clock, times = Clock(7.0, -20.0), np.array([0.0, 0.5, 0.5, 90.0])
    stamps = clock.stamps_s(times, np.random.default_rng(0))
    assert stamps.tolist() == clock.reading_s(times).tolist()


@given(
    times=st.lists(st.floats(0, 1e4), min_size=1).map(sorted),
    kind=st.sampled_from(["exponential", "normal"]),
    seed=st.integers(0, 99),
)
def test_stamps_never_run_backwards(times: list[float], kind: str, seed: int) -> None:
    clock = Clock(3.0, 80.0, 0.5, kind)  # type: ignore[arg-type]
    stamps = clock.stamps_s(np.array(times), np.random.default_rng(seed), not_before_s=2.5)
    assert (np.diff(stamps, prepend=2.5) >= 0).all()


@pytest.mark.parametrize("kind, mean, sd", [("exponential", 1.0, 1.0), ("normal", 0.0, 1.0)])
def test_jitter_has_the_distribution_that_was_asked(kind: str, mean: float, sd: float) -> None:
    clock, times = Clock(jitter_s=1e-3, jitter=kind), np.arange(20_000.0)  # type: ignore[arg-type]
    error_ms = 1e3 * (clock.stamps_s(times, np.random.default_rng(1)) - times)
    assert error_ms.mean() == pytest.approx(mean, abs=0.03)
    assert error_ms.std() == pytest.approx(sd, abs=0.03)
    assert (error_ms.min() >= 0) == (kind == "exponential")
