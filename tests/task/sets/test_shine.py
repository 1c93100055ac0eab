"""Matching of luminance, histogram and spectrum, against computations of another kind."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.stats import rankdata

from task.sets.shine import (
    LEVEL_TOLERANCE,
    SPECTRUM_TOLERANCE,
    Grey,
    counts_for,
    histogram_off,
    least_gain,
    mean_sd_off,
    mean_spectrum,
    shares,
    spectrum_off,
    with_histogram,
    with_mean_sd,
    with_spectrum,
)
from tests.task.sets.made_files import texture

PICTURES = [np.asarray(texture(seed, (48, 48)).convert("L")) for seed in range(6)]
RAMP = np.tile(np.arange(64, 192, dtype=np.uint8), (32, 1))


# Mean and standard deviation ----------------------------------------------------------------------


@settings(max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 200),
    st.integers(30, 55),
    st.floats(100, 155),
    st.floats(5, 40),
)
def test_mean_and_sd_are_reached_where_nothing_need_be_clipped(
    seed: int, darkest: int, levels: int, mean: float, sd: float
) -> None:
    grey = np.random.default_rng(seed).integers(darkest, darkest + levels, (24, 24), np.uint8)
    made = with_mean_sd(grey, mean, sd)
    assert abs(np.mean(made, dtype=float) - mean) <= LEVEL_TOLERANCE
    assert abs(np.std(made, dtype=float) - sd) <= LEVEL_TOLERANCE
    assert mean_sd_off(made, mean, sd) <= LEVEL_TOLERANCE


@pytest.mark.parametrize("picture", PICTURES)
def test_without_clipping_the_picture_is_scaled_and_nothing_else(picture: Grey) -> None:
    made = with_mean_sd(picture, 120.0, 15.0)
    values = picture.astype(float)
    expected = 120 + 15 * (values - values.mean()) / values.std()
    assert np.abs(made - expected).max() <= 1.0


@pytest.mark.parametrize("picture", PICTURES)
def test_mean_and_sd_are_reached_in_spite_of_clipping(picture: Grey) -> None:
    made = with_mean_sd(picture, 150.0, 75.0)
    assert ((made == 0) | (made == 255)).any()
    assert mean_sd_off(made, 150.0, 75.0) <= LEVEL_TOLERANCE


@pytest.mark.parametrize("picture", PICTURES)
def test_matching_what_matches_changes_nothing(picture: Grey) -> None:
    once = with_mean_sd(picture, 110.0, 40.0)
    twice = with_mean_sd(once, 110.0, 40.0)
    assert np.abs(once.astype(int) - twice).max() <= 1


def test_what_cannot_be_reached_is_seen_by_number() -> None:
    dot = np.zeros((32, 32), np.uint8)
    dot[:3, :3] = 255  # under 1 % of it: no such picture has mean 128 and SD 100
    made = with_mean_sd(dot, 128.0, 100.0)
    assert mean_sd_off(made, 128.0, 100.0) > 10
    plain = np.full((8, 8), 7, np.uint8)
    assert with_mean_sd(plain, 128.0, 20.0).tolist() == np.full((8, 8), 128).tolist()
    assert mean_sd_off(with_mean_sd(plain, 128.0, 20.0), 128.0, 20.0) == 20.0


# Histogram ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("picture", PICTURES)
def test_the_histogram_is_exactly_that_of_the_target(picture: Grey) -> None:
    target = np.mean([shares(each) for each in PICTURES], axis=0)
    made = with_histogram(picture, target)
    assert histogram_off(made, target) == 0.0
    counted = np.histogram(made, bins=256, range=(-0.5, 255.5))[0]
    assert np.abs(counted - target * made.size).max() < 1
    assert counted.sum() == picture.size


@pytest.mark.parametrize("picture", PICTURES)
def test_the_order_of_grey_levels_is_kept(picture: Grey) -> None:
    made = with_histogram(picture, shares(RAMP))
    order = np.argsort(picture.ravel(), kind="stable")
    of_levels = [made.ravel()[order][picture.ravel()[order] == v] for v in np.unique(picture)]
    assert all(low.max() <= high.min() for low, high in zip(of_levels, of_levels[1:], strict=False))


def test_pixels_of_one_level_are_told_apart_by_what_surrounds_them() -> None:
    """The right half is brighter: so become the right one of two equal stripes."""
    picture = np.full((20, 40), 50, np.uint8)
    picture[:, 20:] = 90
    picture[:, 8:12] = 70
    picture[:, 28:32] = 70
    made = with_histogram(picture, np.full(256, 1 / 256))
    assert made[:, 8:12].max() <= made[:, 28:32].min()


@pytest.mark.parametrize("picture", PICTURES)
def test_a_picture_matched_to_its_own_histogram_stays(picture: Grey) -> None:
    assert (with_histogram(picture, shares(picture)) == picture).all()


@given(arrays(float, 256, elements=st.floats(0, 1)), st.integers(1, 5000))
def test_whole_numbers_of_pixels_add_up(target: NDArray[np.float64], pixels: int) -> None:
    assume(target.sum() > 1e-3)
    counts = counts_for(target, pixels)
    assert counts.sum() == pixels
    assert np.abs(counts - target / target.sum() * pixels).max() < 1


def test_matched_ranks_are_the_ranks_of_the_picture() -> None:
    picture = np.random.default_rng(3).permutation(4096).astype(float).reshape(64, 64)
    levels = np.rint(picture / 4095 * 255).astype(np.uint8)
    made = with_histogram(levels, np.full(256, 1 / 256))
    ranks = rankdata(made.ravel(), "dense") - 1
    assert np.abs(ranks - levels.ravel().astype(int)).max() <= 1


# Spectrum -----------------------------------------------------------------------------------------


def amplitudes(grey: Grey) -> NDArray[np.float64]:
    """Of the whole spectrum, by the discrete Fourier transform written out as matrices."""
    rows, columns = grey.shape
    left = np.exp(-2j * np.pi * np.outer(np.arange(rows), np.arange(rows)) / rows)
    right = np.exp(-2j * np.pi * np.outer(np.arange(columns), np.arange(columns)) / columns)
    found = np.abs(left @ (grey.astype(float) - grey.mean()) @ right)
    return np.asarray(found)


def test_spectra_become_the_same_and_are_the_mean_of_those_before() -> None:
    target = mean_spectrum(iter(PICTURES))
    gain = least_gain(iter(PICTURES), target)
    assert 0.1 < gain <= 1.0
    made = [with_spectrum(each, target, gain) for each in PICTURES]
    wanted = gain * np.mean([amplitudes(each) for each in PICTURES], axis=0)
    for each in made:
        away = np.linalg.norm(amplitudes(each) - wanted) / np.linalg.norm(wanted)
        assert away < SPECTRUM_TOLERANCE
        assert spectrum_off(each, target, gain) == pytest.approx(away, abs=1e-6)
        assert abs(each.mean() - np.mean([p.mean() for p in PICTURES])) < 1.0


def test_phases_stay_so_that_pictures_can_still_be_recognised() -> None:
    target = mean_spectrum(iter(PICTURES))
    gain = least_gain(iter(PICTURES), target)
    for each in PICTURES:
        made = with_spectrum(each, target, gain)
        own = np.corrcoef(made.ravel(), each.ravel())[0, 1]
        others = [
            np.corrcoef(made.ravel(), other.ravel())[0, 1]
            for other in PICTURES
            if other is not each
        ]
        assert own > 0.6 > max(others)


def test_spectra_that_match_stay() -> None:
    target = mean_spectrum(iter(PICTURES))
    gain = least_gain(iter(PICTURES), target)
    once = [with_spectrum(each, target, gain) for each in PICTURES]
    again = mean_spectrum(iter(once))
    for each in once:
        twice = with_spectrum(each, again, 1.0)
        assert np.abs(twice.astype(int) - each).max() <= 6


def test_an_odd_number_of_columns_counts_no_coefficient_twice() -> None:
    pictures = [each[:, :47] for each in PICTURES]
    target = mean_spectrum(iter(pictures))
    gain = least_gain(iter(pictures), target)
    wanted = gain * np.mean([amplitudes(each) for each in pictures], axis=0)
    made = with_spectrum(pictures[0], target, gain)
    away = np.linalg.norm(amplitudes(made) - wanted) / np.linalg.norm(wanted)
    assert spectrum_off(made, target, gain) == pytest.approx(away, abs=1e-6)
