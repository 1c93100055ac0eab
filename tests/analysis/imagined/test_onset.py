import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.imagined.onset import onset
from analysis.imagined.sliding import sliding_windows

WINDOWS = sliding_windows((-1.0, 4.0), 0.5, 0.25)


def course(start_s, end_s):
    """How much of every window lies in a stretch."""
    return np.array([max(0.0, min(b, end_s) - max(a, start_s)) / 0.5 for a, b in WINDOWS])


def noisy(rng, start_s, end_s, code, n_blocks=8):
    """Blocks whose windows share the noise of half-overlapping bins."""
    bins = rng.normal(size=(n_blocks, len(WINDOWS) + 1))
    return code * course(start_s, end_s) + (bins[:, 1:] + bins[:, :-1]) / 2


@pytest.mark.parametrize(("start_s", "end_s"), [(0.5, 4.0), (0.625, 2.0), (-1.0, 4.0), (1.0, 1.5)])
def test_without_noise_the_start_is_found_and_no_other_is_held_possible(start_s, end_s):
    found = onset(np.tile(course(start_s, end_s), (8, 1)), WINDOWS)
    assert found.at_s == pytest.approx(start_s)
    assert found[1:] == pytest.approx((start_s, start_s), abs=0.125)


def test_a_course_that_never_rises_has_no_onset():
    assert np.isnan(onset(-np.tile(course(0.5, 4.0), (8, 1)), WINDOWS)).all()
    assert np.isnan(onset(np.zeros((8, len(WINDOWS))), WINDOWS)).all()


@settings(max_examples=20)
@given(st.integers(0, 1000), st.permutations(range(8)), st.floats(1e-3, 1e3))
def test_neither_scale_nor_order_of_the_blocks_matters(seed, order, scale):
    blocks = noisy(np.random.default_rng(seed), 0.5, 3.0, 1.0)
    assert onset(scale * blocks[order], WINDOWS) == onset(blocks, WINDOWS)


def test_a_later_course_begins_later_by_as_much():
    blocks = noisy(np.random.default_rng(1), 0.5, 4.0, 2.0)
    later = [(a + 0.3, b + 0.3) for a, b in WINDOWS]
    assert onset(blocks, later) == pytest.approx(np.array(onset(blocks, WINDOWS)) + 0.3)


def test_more_than_eight_blocks_are_flipped_at_random_by_the_seed():
    blocks = noisy(np.random.default_rng(3), 0.5, 4.0, 0.7, n_blocks=16)
    assert onset(blocks, WINDOWS, seed=1) == onset(blocks, WINDOWS, seed=1)
    low, high = onset(blocks, WINDOWS, seed=2)[1:]
    assert low < 0.5 < high < low + 1.5


def test_the_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(2)
    starts = rng.uniform(0.2, 1.5, 100)
    found = np.array([onset(noisy(rng, start, 4.0, 1.0), WINDOWS) for start in starts])
    held = (found[:, 1] <= starts) & (starts <= found[:, 2])
    assert 0.95 - 3 * np.sqrt(0.95 * 0.05 / 100) <= held.mean() < 1
    assert np.median(found[:, 2] - found[:, 1]) < 1.5
