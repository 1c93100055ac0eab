from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import scipy.optimize
import scipy.stats
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.imagery import imagined_code
from analysis.imagined.blocks import without_trends
from analysis.imagined.gap import intensity_gap, published_slope
from analysis.imagined.gap_population import population_gap
from analysis.imagined.items import item_rates
from analysis.imagined.ratio import ratio
from analysis.imagined.trials import ImageryTrials
from task.contract.errors import AnalysisError
from tests.analysis.imagined.planted_items import BLOCK, ITEMS, imagined, viewed_hz, views_of

GAIN = 0.107  # the published slope
SOURCE = "second screening"


def session(rng, gain=GAIN, n_units=30, drift=0.2):
    hz = viewed_hz(n_units, rng)
    return imagined(hz, gain, rng, drift), views_of(hz, rng)


def gap_of(trials, views, **how):
    return intensity_gap(trials, views, source=SOURCE, **how)


# --- the estimator -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cohorts():
    """Sessions of 30 units at the study's calibration: of their units, and all together."""
    rng = np.random.default_rng(1)
    sessions = [gap_of(*session(rng)) for _ in range(200)]
    return sessions, [population_gap([one]) for one in sessions]


def test_the_planted_gain_comes_back_where_least_squares_is_too_flat(cohorts):
    gain, slope = (np.array([getattr(f, name) for f in cohorts[1]]) for name in ("gain", "slope"))
    assert abs(gain.mean() - GAIN) < 3 * gain.std() / np.sqrt(len(gain))
    assert slope.mean() + 5 * slope.std() / np.sqrt(len(slope)) < GAIN


def test_95_percent_intervals_hold_the_gain_in_93_to_97_percent_of_cohorts_and_units(cohorts):
    sessions, whole = cohorts
    units = pd.concat([one.units.dropna(subset="gain") for one in sessions])
    assert 0.93 <= np.mean([one.low <= GAIN <= one.high for one in whole]) <= 0.97
    assert 0.93 <= ((units["low"] <= GAIN) & (units["high"] >= GAIN)).mean() <= 0.97


def test_the_correction_is_that_of_one_half_of_the_views_as_instrument_for_the_other():
    """Halves are drawn item by item: of a pair of halves, 2 of 4 views each, none is shared."""
    rng = np.random.default_rng(2)
    trials, views = session(rng, n_units=4)
    found = gap_of(trials, views).units["gain"]
    design = without_trends(np.eye(8)[pd.Index(ITEMS).get_indexer(trials.item)],
                            trials.item.to_numpy(), trials.block.to_numpy())  # fmt: skip
    halves = [(list(pair), list(set(range(4)) - set(pair))) for pair in combinations(range(4), 2)]
    for unit in views:
        single = views[unit].to_numpy().reshape(4, 8)
        mean = single.mean(axis=0)
        products = np.outer(mean, mean)
        same = [single[one].mean(axis=0) * single[other].mean(axis=0) for one, other in halves]
        products[np.diag_indices(8)] = np.mean(same, axis=0)
        across = np.trace(design @ products @ design.T)
        if across > 0:
            expected = (design @ mean) @ trials.during[unit].to_numpy() / across
            assert found[unit] == pytest.approx(expected, rel=1e-9)
        else:
            assert np.isnan(found[unit])


def test_the_slope_and_p_without_correction_are_those_of_the_code_of_viewing():
    rng = np.random.default_rng(3)
    trials, views = session(rng, n_units=12)
    found = gap_of(trials, views).units
    code = imagined_code(trials, views.groupby(level=0).mean()).units
    for column in ("slope", "p"):
        np.testing.assert_allclose(found[column], code[column], rtol=1e-9)
    told = found.dropna(subset="gain")
    np.testing.assert_allclose(told["gain"], told["slope"] / told["reliability"], rtol=1e-9)


def test_where_the_views_chose_the_items_their_noise_passes_for_tuning():
    """Why other views must be taken: here units see all items alike, and 8 of 80 are chosen."""
    rng = np.random.default_rng(4)
    names = [f"p{n}" for n in range(80)]
    all_views = pd.DataFrame(rng.poisson(3 * 0.267, (4 * 80, 30)) / 0.267, names * 4)
    all_views.columns = [f"u{n}" for n in range(30)]
    reliability = {"chosen by": [], "fresh": []}
    for unit in all_views:
        ranked = all_views[unit].groupby(level=0).mean().sort_values().index
        extreme = dict(zip([*ranked[:4], *ranked[-4:]], rng.permutation(ITEMS), strict=True))
        chosen = all_views.loc[all_views.index.isin(list(extreme)), [unit]].rename(extreme)
        hz = pd.DataFrame(3.0, ITEMS, [unit])
        trials = imagined(hz, 0.0, rng)
        for name, views in (("chosen by", chosen), ("fresh", views_of(hz, rng))):
            parts = gap_of(trials, views).parts
            reliability[name].append((parts.size.sum(), parts.error.sum()))
    size, error = np.sum(reliability["fresh"], axis=0)
    assert abs(1 - error / size) < 0.15
    size, error = np.sum(reliability["chosen by"], axis=0)
    assert 1 - error / size > 0.6


# --- intervals ---------------------------------------------------------------------------------


def test_without_errors_the_interval_is_that_of_statsmodels_hc3():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(9, 1)), rng.normal(size=(9, 1))
    found = ratio(x * y, x**2, np.zeros((9, 1)), np.zeros(1))
    fit = sm.OLS(y[:, 0], x).fit(cov_type="HC3", use_t=True)
    low, high = fit.conf_int()[0]
    np.testing.assert_allclose([found.value[0], found.low[0], found.high[0]],
                               [fit.params[0], low, high], rtol=1e-9)  # fmt: skip
    assert found.variance[0] == pytest.approx(fit.bse[0] ** 2)


def test_fiellers_bounds_are_where_the_test_of_a_gain_turns():
    rng = np.random.default_rng(6)
    x = rng.normal(0, 3, (8, 1))
    y = 0.5 * x + rng.normal(size=(8, 1))
    shared = np.array([30.0])
    found = ratio(x * y, x**2, np.full((8, 1), 0.8), shared)
    fit = sm.OLS(y[:, 0], x).fit(cov_type="HC3")
    noise = fit.bse[0] ** 2 * (x**2).sum() ** 2

    def test(gain):
        t = (x * y).sum() - gain * ((x**2).sum() - 6.4)
        return t**2 / (noise + gain**2 * shared[0]) - scipy.stats.t.ppf(0.975, 7) ** 2

    for bound, outside in ((found.low[0], -9.0), (found.high[0], 9.0)):
        crossing = scipy.optimize.brentq(test, outside, found.value[0])
        assert bound == pytest.approx(crossing, rel=1e-9)


def test_where_viewing_cannot_bound_the_gain_the_interval_is_infinite():
    rng = np.random.default_rng(7)
    flat = pd.DataFrame(3.0, ITEMS, [f"u{n}" for n in range(300)])
    found = gap_of(imagined(flat, 1.0, rng), views_of(flat, rng)).units
    assert (np.isinf(found["low"]) & np.isinf(found["high"]))[found["gain"].notna()].mean() > 0.6
    none = "viewing tells these items apart no better than its errors"
    assert (found["untested"] == none).mean() > 0.3
    assert found.loc[found["untested"] == none, "p"].notna().all()


def test_patients_are_what_is_resampled_from_five_on():
    rng = np.random.default_rng(8)
    sessions = [gap_of(*session(rng, n_units=6 + n)) for n in range(6)]
    by_patient = population_gap(sessions, list("abcdea"))
    by_block = population_gap(sessions, list("abcdaa"))
    assert (by_patient.drawn, by_patient.patients) == ("patients", 5)
    assert (by_block.drawn, by_block.patients) == ("blocks", 4)
    assert by_patient.holds_for == "patients like these 5"
    assert by_block.holds_for == "these 51 units and their items, not for other patients"
    assert by_patient.gain == pytest.approx(by_block.gain)
    assert (by_patient.gap, by_patient.gap_low) == (1 - by_patient.gain, 1 - by_patient.high)
    assert by_patient.p == by_block.p < 0.01


def test_the_offset_is_the_rate_of_an_item_that_would_not_be_seen_at_all():
    rng = np.random.default_rng(9)
    hz = viewed_hz(40, rng)
    found = gap_of(imagined(hz, 0.5, rng, drift=0.0), views_of(hz, rng, n_views=200))
    expected = 0.5 * hz.mean()
    inside = (found.units["offset_low"] <= expected) & (expected <= found.units["offset_high"])
    assert inside.mean() > 0.85
    whole = population_gap([found])
    assert whole.offset_low < expected.mean() < whole.offset_high
    assert whole.offset_hz == pytest.approx(expected.mean(), abs=0.15)


# --- validity ----------------------------------------------------------------------------------


def test_drift_alone_gives_no_gain_more_often_than_its_level():
    rng = np.random.default_rng(10)
    units, cohorts, covered = [], [], []
    for _ in range(80):
        one = gap_of(*session(rng, gain=0.0, n_units=20, drift=1.0))
        whole = population_gap([one])
        units += one.units["p"].dropna().tolist()
        cohorts.append(whole.p)
        covered.append(whole.low <= 0 <= whole.high)
    for alpha in (0.01, 0.05, 0.1):
        for p in (np.array(units), np.array(cohorts)):
            assert (p <= alpha).mean() <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / len(p))
    assert np.mean(covered) > 0.92


# --- laws --------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(st.integers(0, 1000), st.floats(0.1, 10), st.floats(-5, 5))
def test_the_gain_follows_the_scale_of_the_rates_and_no_level_or_trend_of_a_block(
    seed, scale, level
):
    rng = np.random.default_rng(seed)
    trials, views = session(rng, n_units=5)
    plain = gap_of(trials, views).units
    levels = pd.Series(level * np.arange(8), BLOCK.unique())[trials.block].to_numpy()
    falling = np.tile(np.linspace(0, level, 8), 8)
    moved = replace(trials, during=trials.during.add(levels + falling, axis=0) + 50)
    scaled = gap_of(moved, views * scale).units
    kept = ["gain", "low", "high", "slope"]
    np.testing.assert_allclose(scaled[kept] * scale, plain[kept], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(scaled["reliability"], plain["reliability"], atol=1e-9)


def test_a_unit_is_told_the_same_alone_and_in_whatever_order_blocks_and_views_come():
    rng = np.random.default_rng(11)
    trials, views = session(rng, n_units=6)
    whole = gap_of(trials, views).units
    order = (8 * rng.permutation(8)[:, None] + np.arange(8)).ravel()
    mixed = ImageryTrials(
        trials.item[order], trials.block[order], *[trials.during.loc[order, ["u4"]]] * 2
    )
    alone = gap_of(mixed, views.sample(frac=1, random_state=0)).units
    columns = [c for c in whole if c not in ("q", "untested")]
    np.testing.assert_allclose(
        alone.loc["u4", columns].astype(float), whole.loc["u4", columns].astype(float), rtol=1e-9
    )


# --- views in blocks ---------------------------------------------------------------------------


def test_rates_to_items_and_their_errors_are_those_of_statsmodels():
    rng = np.random.default_rng(12)
    item = np.array([k for pair in [(0, 1), (1, 2), (2, 3), (3, 0), (0, 2)] for k in pair * 3])
    block = np.repeat(np.arange(5), 6)
    views = pd.DataFrame(rng.gamma(2, 2, (30, 2)), pd.Index(item), ["a", "b"])
    found = item_rates(views, pd.Series(block))
    design = np.hstack([np.eye(4)[item], (np.eye(5)[block] - 1 / 5)[:, :4] @ np.eye(4)])
    contrasts = np.vstack([np.eye(4), -np.ones(4)])[block]
    design = np.hstack([np.eye(4)[item], contrasts])
    for unit in views:
        fit = sm.OLS(views[unit].to_numpy(), design).fit(cov_type="HC2")
        np.testing.assert_allclose(found.rates[unit], fit.params[:4], rtol=1e-9)
        squares = found.squares[:, views.columns.get_loc(unit)]
        covariance = found.weights * squares @ found.weights.T
        np.testing.assert_allclose(covariance, fit.cov_params()[:4, :4], rtol=1e-7, atol=1e-12)


def test_without_blocks_errors_are_the_variance_of_the_views_of_an_item():
    rng = np.random.default_rng(13)
    views = pd.DataFrame(rng.gamma(2, 2, (9, 1)), list("abcabcaba"), ["u"])
    found = item_rates(views)
    expected = views.groupby(level=0)["u"].var() / found.views
    np.testing.assert_allclose((found.weights**2 @ found.squares)[:, 0], expected)


def test_drift_between_complete_blocks_of_views_costs_nothing_once_they_are_told():
    rng = np.random.default_rng(14)
    hz = viewed_hz(30, rng)
    trials, views = imagined(hz, 0.3, rng), views_of(hz, rng)
    blocks = pd.Series(np.repeat(np.arange(4), 8))
    drifting = views + np.array([0.0, 20.0, -5.0, 9.0])[blocks][:, None]
    still, told = (gap_of(trials, v, view_blocks=blocks).units for v in (views, drifting))
    columns = ["gain", "low", "high", "slope", "reliability", "p"]
    np.testing.assert_allclose(told[columns], still[columns], rtol=1e-6, atol=1e-9)
    untold = gap_of(trials, drifting).units
    assert untold["reliability"].median() < told["reliability"].median() - 0.3


# --- the published rule ------------------------------------------------------------------------


def test_the_published_slope_is_least_squares_over_the_items_that_a_unit_has():
    rng = np.random.default_rng(15)
    viewed = pd.DataFrame(rng.gamma(2, 2, (8, 3)), ITEMS, list("abc"))
    imagined_hz = pd.DataFrame(rng.gamma(2, 2, (8, 3)), ITEMS, list("abc"))[::-1]
    imagined_hz.iloc[:2, 1] = np.nan
    viewed["c"] = 4.0
    found = published_slope(viewed, imagined_hz)
    for unit in "ab":
        y = imagined_hz[unit].dropna()
        assert found[unit] == pytest.approx(scipy.stats.linregress(viewed[unit][y.index], y).slope)
    assert np.isnan(found["c"])


# --- what is refused ---------------------------------------------------------------------------


def test_what_was_not_viewed_twice_or_not_at_all_is_named():
    rng = np.random.default_rng(16)
    trials, views = session(rng, n_units=3)
    with pytest.raises(AnalysisError, match="^views: no rates of unit 'u2'$"):
        gap_of(trials, views[["u0", "u1"]])
    with pytest.raises(AnalysisError, match="^views: item 'i7' was imagined but not viewed$"):
        gap_of(trials, views.drop("i7"))
    with pytest.raises(
        AnalysisError,
        match="^views: item 'i1', 'i2', 'i3', 'i4', 'i5' and 3 more was seen once only; errors",
    ):
        gap_of(trials, views.iloc[:8])
    with pytest.raises(AnalysisError, match="^views: 32 rows, but blocks for 3$"):
        gap_of(trials, views, view_blocks=pd.Series([1, 2, 3]))
    with pytest.raises(AnalysisError, match="^views: missing or infinite values in 'u1'$"):
        broken = views.copy()
        broken.iloc[5, 1] = np.nan
        gap_of(trials, broken)
    twice = replace(trials, during=trials.during.set_axis(["a", "b", "a"], axis=1))
    with pytest.raises(AnalysisError, match="^units of the imagery: more than one row for 'a'$"):
        gap_of(twice, views)


def test_one_block_is_refused_with_the_number():
    rng = np.random.default_rng(17)
    trials, views = session(rng, n_units=2)
    one = ImageryTrials(trials.item[:8], trials.block[:8], *[trials.during[:8]] * 2)
    with pytest.raises(AnalysisError, match="at least two blocks of two items, not 1$"):
        gap_of(one, views)


def test_silent_units_are_told_and_the_rest_is_analysed():
    rng = np.random.default_rng(18)
    trials, views = session(rng, n_units=8)
    trials.during["u3"], views["u5"] = 0.0, 0.0
    found = gap_of(trials, views)
    assert found.units.loc["u3", "untested"] == "silent in imagery"
    assert found.units.loc["u5", "untested"] == "silent in viewing"
    numbers = found.units.loc[["u3", "u5"]].drop(columns="untested")
    assert numbers.isna().all(axis=None)
    assert population_gap([found]).units == 6
    assert found.smallest_p == 1 / 256
    assert (found.source, found.blocks) == (SOURCE, 8)


def test_sessions_that_cannot_be_put_together_are_refused():
    rng = np.random.default_rng(19)
    trials, views = session(rng, n_units=8)
    one = gap_of(trials, views)
    with pytest.raises(AnalysisError, match="^population gap: there is no session of imagery$"):
        population_gap([])
    with pytest.raises(AnalysisError, match="^population gap: 1 sessions, but patients for 2$"):
        population_gap([one], ["a", "b"])
    other = intensity_gap(trials, views, source="encoding")
    with pytest.raises(
        AnalysisError,
        match="^population gap: the sessions rest on different views: 'encoding', 'second scre",
    ):
        population_gap([one, other])
    flat = views * 0 + 3.0
    with pytest.raises(
        AnalysisError,
        match="^population gap: viewing does not tell the items apart in 8 units together$",
    ):
        population_gap([gap_of(trials, flat)])
