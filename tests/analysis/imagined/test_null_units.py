import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.imagined.null_units import block_levels, drift_of, null_spikes
from analysis.imagined.trials import ImageryTrials, imagery_trials

BLOCK = pd.Series(np.repeat(np.arange(8), 8))
ITEM = pd.Series(["a", "b"] * 32)
CUES = pd.DataFrame({"item": ITEM, "block": BLOCK, "onset_s": 10 + 8.0 * np.arange(64)})
BEFORE_S, DURING_S = (-1.0, 0.0), (1.0, 6.0)


def counted(hz, rng):
    """Poisson trials of units with these rates in each block, (8, n_units)."""
    hz = hz[BLOCK]
    before, during = (pd.DataFrame(rng.poisson(hz * w) / w).add_prefix("u") for w in (1.0, 5.0))
    return ImageryTrials(ITEM, BLOCK, before, during, (1.0, 5.0))


def test_levels_scatter_over_blocks_as_the_rates_do_without_poisson_noise():
    rng = np.random.default_rng(0)
    hz = 3 * np.exp(0.3 * rng.standard_normal((8, 400)))
    levels = block_levels(counted(hz, rng))
    found, planted = drift_of(levels), hz.std(axis=0) / hz.mean(axis=0)
    assert found.median() == pytest.approx(np.median(planted), rel=0.05)
    raw = counted(hz, rng).during.groupby(BLOCK).mean()
    assert drift_of(levels).median() < drift_of(raw).median()


def test_levels_of_steady_units_hardly_scatter():
    rng = np.random.default_rng(1)
    levels = block_levels(counted(np.full((8, 400), 2.0), rng))
    assert (drift_of(levels) == 0).mean() > 0.4  # as often as not the scatter is below Poisson's
    assert drift_of(levels).mean() < 0.05
    assert levels.to_numpy().mean() == pytest.approx(2.0, rel=0.02)


@given(st.integers(0, 1000))
@settings(max_examples=20)
def test_levels_are_no_rates_below_nothing_and_keep_the_mean(seed):
    rng = np.random.default_rng(seed)
    trials = counted(rng.exponential(1.0, (8, 5)), rng)
    levels = block_levels(trials)
    assert (levels.to_numpy() >= -1e-12).all()
    mean = (trials.before + 5 * trials.during).sum() / (64 * 6)
    assert np.allclose(levels.mean(), mean)


def test_a_silent_unit_has_levels_of_nothing_and_no_drift():
    trials = counted(np.zeros((8, 1)), np.random.default_rng(0))
    assert (block_levels(trials) == 0).all(axis=None)
    assert drift_of(block_levels(trials)).isna().all()


def test_null_units_fire_at_the_level_of_the_block():
    levels = pd.DataFrame({"u": np.arange(8) * 2.0, "none": np.zeros(8)})
    spikes = null_spikes(levels, CUES, (0.0, 530.0), seed=3)
    assert not len(spikes["none"])
    assert (np.diff(spikes["u"]) >= 0).all()
    assert spikes["u"].min() >= 0
    assert spikes["u"].max() < 530
    trials = imagery_trials(spikes, CUES, BEFORE_S, DURING_S)
    seen = trials.during["u"].groupby(BLOCK).mean()
    assert np.allclose(seen, levels["u"], atol=3 * np.sqrt(14 / 40))


def test_the_rate_changes_midway_between_the_cues_of_two_blocks():
    levels = pd.DataFrame({"u": [0.0, 500.0]}, [1, 2])
    cues = pd.DataFrame({"block": [1, 1, 2, 2], "onset_s": [10.0, 20.0, 30.0, 40.0]})
    spikes = null_spikes(levels, cues, (0.0, 50.0))["u"]
    assert 25.0 <= spikes.min() < 25.1


def test_the_same_seed_gives_the_same_units():
    levels = pd.DataFrame({"u": np.ones(8)})
    first, again, other = (null_spikes(levels, CUES, (0.0, 530.0), seed)["u"] for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
