import numpy as np
import pandas as pd
import pytest
import scipy.stats

from analysis.imagined import mixed
from analysis.imagined.mixed import mixed_vividness, rated_trials
from task.contract.errors import AnalysisError
from tests.analysis.imagined.planted_items import BLOCK


def session(rng, slope=0.2, slope_sd=0.3, n_units=12):
    """Drifting units whose slopes on vividness differ."""
    ratings = pd.Series(rng.integers(1, 5, 64).astype(float))
    slopes = slope + slope_sd * rng.normal(size=n_units)
    level = rng.normal(0, 0.5, (8, n_units))[BLOCK.factorize()[0]]
    rates = 4 + rng.gamma(2, 1, n_units) + level + rng.normal(size=(64, n_units))
    rates += (ratings.to_numpy() - 2.5)[:, None] * slopes
    items = pd.Series([f"i{n % 2}" for n in range(64)])
    return pd.DataFrame(rates).add_prefix("u"), ratings, BLOCK, items


def test_in_a_balanced_design_the_slope_is_the_mean_of_the_units_own_slopes():
    """There the mixed model and a t test over the units' least-squares slopes are one."""
    rng = np.random.default_rng(0)
    rates, ratings, blocks, items = session(rng)
    found = mixed_vividness(rated_trials(rates, ratings, blocks, items, "s"))
    place = pd.Series(np.tile(np.arange(8) - 3.5, 8))
    x = ratings - ratings.groupby(blocks).transform("mean")
    x -= place * (place * x).groupby(blocks).transform("sum") / (place[:8] ** 2).sum()
    slopes = (rates / rates.std(ddof=0)).mul(x, axis=0).sum() / (x**2).sum()
    expected = scipy.stats.ttest_1samp(slopes, 0)
    interval = expected.confidence_interval(0.95)
    assert found.slope == pytest.approx(slopes.mean(), abs=1e-6)
    np.testing.assert_allclose([found.low, found.high], interval, atol=1e-3)
    assert found.p == pytest.approx(expected.pvalue, rel=0.02)
    assert (found.fitted, found.trials, found.units) == (True, 64 * 12, 12)
    assert found.said == "converged"
    half = found.high - found.slope
    t = scipy.stats.t(11)
    assert found.detectable == pytest.approx(half * (t.ppf(0.975) + t.ppf(0.8)) / t.ppf(0.975))


def test_what_moves_all_units_alike_and_lasts_is_no_effect_of_vividness():
    rng = np.random.default_rng(2)
    p = []
    for _ in range(60):
        rates, ratings, blocks, items = session(rng, slope=0.0, slope_sd=0.0, n_units=8)
        falling = -np.tile(np.arange(8), 8) / 4
        rates += (falling + rng.normal(size=64))[:, None]
        felt = rng.normal(size=64) + falling
        ratings = pd.Series(np.searchsorted([-2.0, -1.0, 0.0], felt) + 1.0)
        p.append(mixed_vividness(rated_trials(rates, ratings, blocks, items, "s")).p)
    assert np.mean(np.array(p) <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 60)
    assert np.mean(np.array(p) <= 0.5) > 0.2


def test_units_that_do_not_differ_get_one_slope_and_it_is_told():
    rng = np.random.default_rng(3)
    told = []
    for _ in range(6):
        found = mixed_vividness(rated_trials(*session(rng, slope_sd=0.0), "s"))
        told.append(found.said)
        assert found.fitted
        assert found.low < found.slope < found.high
    one = "converged; the slopes of units do not differ measurably and are taken as one"
    assert one in told


def test_missing_ratings_and_constant_units_are_left_out_and_told():
    rng = np.random.default_rng(4)
    rates, ratings, blocks, items = session(rng)
    ratings[::5], rates["u7"] = np.nan, 2.0
    found = mixed_vividness(rated_trials(rates, ratings, blocks, items, "day"), items=True)
    assert (found.trials, found.units) == (51 * 11, 11)
    assert found.said.endswith("left out because their rate is constant: 'day/u7'")


def test_levels_of_items_take_out_that_vivid_items_drive_more():
    rng = np.random.default_rng(5)
    rates, ratings, blocks, items = session(rng, slope=0.0, slope_sd=0.05)
    vivid = (items == "i1").to_numpy()
    rates[vivid] += 3.0
    ratings = (ratings / 2 + 2 * vivid).round()
    trials = rated_trials(rates, ratings, blocks, items, "s")
    assert mixed_vividness(trials).low > 0.2
    within = mixed_vividness(trials, items=True)
    assert within.low < 0 < within.high


def test_a_fit_that_does_not_converge_is_told_and_gives_no_number(monkeypatch):
    rng = np.random.default_rng(6)
    trials = rated_trials(*session(rng), "s")
    monkeypatch.setattr(mixed, "_fit", lambda *a, **k: (None, "|grad| = 38"))
    found = mixed_vividness(trials)
    assert not found.fitted
    assert found.said == "the mixed model did not converge: |grad| = 38"
    assert np.isnan([found.slope, found.low, found.high, found.p, found.detectable]).all()


def test_a_few_iterations_are_no_convergence():
    """The state of the library's own optimiser is what is told."""
    from statsmodels.regression.mixed_linear_model import MixedLM

    rng = np.random.default_rng(7)
    trials = rated_trials(*session(rng), "s")
    fit = MixedLM.fit

    def cut_short(self, **how):
        return fit(self, **how, maxiter=1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MixedLM, "fit", cut_short)
        found = mixed_vividness(trials)
    assert not found.fitted
    assert found.said.startswith("the mixed model did not converge: ")
    assert "converge" in found.said.removeprefix("the mixed model did not converge: ")


def test_too_few_units_and_ratings_that_say_nothing_are_refused():
    rng = np.random.default_rng(8)
    rates, ratings, blocks, items = session(rng, n_units=2)
    with pytest.raises(AnalysisError, match="^mixed model: 2 units vary; at least 3 are needed$"):
        mixed_vividness(rated_trials(rates, ratings, blocks, items, "s"))
    rates, ratings, blocks, items = session(rng)
    constant = rated_trials(rates, ratings * 0 + 2, blocks, items, "s")
    with pytest.raises(AnalysisError, match="^mixed model: the ratings are the same within every"):
        mixed_vividness(constant)
    with pytest.raises(AnalysisError, match="^mixed model: no column 'block'$"):
        mixed_vividness(constant.drop(columns="block"))


def test_with_one_block_the_interval_is_over_units_and_it_is_told():
    rates, ratings, blocks, items = session(np.random.default_rng(8))
    one = pd.Series(["b"] * 64)
    found = mixed_vividness(rated_trials(rates, ratings, one, items, "s"))
    assert found.said.endswith("of one block only: the interval is over units alone")
    assert np.isfinite([found.low, found.high, found.p, found.detectable]).all()
