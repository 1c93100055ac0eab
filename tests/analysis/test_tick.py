"""Steps of a log's clock, read off the intervals between its rows."""

import numpy as np
import pytest

from analysis.tick import log_tick
from tests.analysis.streams import Recorded, imagery


def stamps_s(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return Recorded(imagery(rng, 5.0, 8), rng).sent["time_s"].to_numpy()


@pytest.mark.parametrize("step_s", [0.0100144, 0.001])
def test_a_step_is_found(step_s: float) -> None:
    time_s = np.floor(stamps_s(10) / step_s) * step_s
    assert log_tick(time_s) == pytest.approx(step_s, rel=1e-3)


def test_a_fine_clock_shows_its_resolution() -> None:
    time_s = np.cumsum(np.random.default_rng(11).uniform(0.1, 1.0, 400))
    assert log_tick(np.round(time_s / 86.4e-6) * 86.4e-6) == pytest.approx(86.4e-6, rel=0.01)


def test_too_few_rows_show_nothing() -> None:
    time_s = stamps_s(10)
    assert np.isnan(log_tick(time_s[:20]))
    assert np.isfinite(log_tick(time_s))
