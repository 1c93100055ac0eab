import numpy as np
import pytest

from analysis.imagined.blocks import blocks_without_trend, trend_apart, without_trends

ITEMS = np.array(["a", "b"] * 4 + ["c", "d"] * 2)
BLOCKS = np.array([1] * 8 + [2] * 4)


def test_a_line_through_each_block_is_taken_out():
    place = np.concatenate([np.arange(8.0), np.arange(4.0)])
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(12, 3))
    lines = np.where(BLOCKS == 1, 3 + 2 * place, 40 - 5 * place)[:, None]
    left = without_trends(noise + lines, ITEMS, BLOCKS)
    np.testing.assert_allclose(left, without_trends(noise, ITEMS, BLOCKS), atol=1e-12)
    for here in (BLOCKS == 1, BLOCKS == 2):
        residual = noise[here, 0] - np.polyval(
            np.polyfit(place[here], noise[here, 0], 1), place[here]
        )
        np.testing.assert_allclose(left[here, 0], residual, atol=1e-12)
    assert blocks_without_trend(ITEMS, BLOCKS) == 2


@pytest.mark.parametrize("items", ["ab", "aabb", "abc", "aaaabbbb"])
def test_where_places_tell_items_apart_only_the_mean_is_taken_out(items):
    items, rates = np.array(list(items)), np.arange(len(items), dtype=float)[:, None] ** 2
    assert not trend_apart(items)
    left = without_trends(rates, items, np.ones(len(items)))
    np.testing.assert_allclose(left, rates - rates.mean())


@pytest.mark.parametrize("items", ["abab", "aba", "abba", "abcabc", "abababab"])
def test_alternating_items_can_be_told_from_a_trend(items):
    assert trend_apart(np.array(list(items)))


def test_alternating_items_lose_a_twentieth_to_the_line():
    contrast = np.tile([1.0, -1.0], 4)[:, None]
    left = without_trends(contrast, ITEMS[:8], BLOCKS[:8])
    assert (left**2).sum() / (contrast**2).sum() == pytest.approx(1 - 16 / (8 * 42))
