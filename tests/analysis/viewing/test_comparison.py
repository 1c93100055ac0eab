import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.resampling import interval, mean, median
from analysis.viewing.comparison import STRETCH, compare_models
from analysis.viewing.models import axis_predictions, category_predictions, left_out_r2
from task.contract.errors import AnalysisError
from tests.analysis.viewing.planted import pictures, rates


@pytest.fixture(scope="module")
def compared():
    """Rates of units with axes, and predictions by axis and by category."""
    space, categories = pictures(120, 6)
    table = rates(space, categories, "axis", 8, mean_hz=5.0)
    return table, axis_predictions(table, space), category_predictions(table, categories)


def test_the_difference_is_that_of_the_left_out_r2(compared):
    table, axis, category = compared
    found = compare_models(table, axis, category).units
    pd.testing.assert_series_equal(found["first"], left_out_r2(table, axis), check_names=False)
    pd.testing.assert_series_equal(found["second"], left_out_r2(table, category), check_names=False)
    pd.testing.assert_series_equal(
        found["difference"], found["first"] - found["second"], check_names=False
    )
    assert (found["low"] < found["difference"]).all()
    assert (found["difference"] < found["high"]).all()


def test_the_stretch_is_that_of_ten_folds():
    assert pytest.approx(math.sqrt(1 + 10 * (0.1 / 0.9))) == STRETCH


def test_intervals_and_p_are_those_of_resampled_pictures_stretched(compared):
    table, axis, category = compared
    y, p, q = (t["u2"].loc[table.index].to_numpy() for t in (table, axis, category))

    def difference(pictures):
        total = ((y[pictures] - y[pictures].mean()) ** 2).sum()
        return (((y - q) ** 2 - (y - p) ** 2)[pictures]).sum() / total

    plain = scipy.stats.bootstrap(
        (np.arange(len(y)),),
        difference,
        vectorized=False,
        method="percentile",
        n_resamples=4000,
        rng=np.random.default_rng(1),
    )
    found = compare_models(table, axis, category, n_resamples=4000).units.loc["u2"]
    at = found["difference"]
    low, high = plain.confidence_interval
    assert found["low"] == pytest.approx(at + STRETCH * (low - at), abs=0.02)
    assert found["high"] == pytest.approx(at + STRETCH * (high - at), abs=0.02)
    departures = STRETCH * np.abs(plain.bootstrap_distribution - at)
    assert found["p"] == pytest.approx((departures >= abs(at)).mean(), abs=0.03)


def test_exchanging_the_two_models_turns_the_sign(compared):
    table, axis, category = compared
    one, other = compare_models(table, axis, category), compare_models(table, category, axis)
    np.testing.assert_allclose(one.units["difference"], -other.units["difference"])
    np.testing.assert_allclose(one.units["low"], -other.units["high"])
    np.testing.assert_allclose(one.units["p"], other.units["p"])
    assert one.difference.value == -other.difference.value
    assert one.better.value == 1 - other.better.value


def test_a_model_does_not_differ_from_itself(compared):
    table, axis, _ = compared
    found = compare_models(table, axis, axis)
    assert (found.units["p"] == 1).all()
    assert (found.units[["difference", "low", "high"]] == 0).all(axis=None)
    assert found.better.value == 0


@settings(max_examples=10)
@given(st.permutations(range(120)), st.permutations(range(8)), st.floats(0.01, 100))
def test_order_and_scale_do_not_matter(compared, images, units, scale):
    expected = compare_models(*compared, n_resamples=99).units
    changed = [t.iloc[images, units] * scale for t in compared]
    found = compare_models(*changed, n_resamples=99).units.loc[expected.index]
    pd.testing.assert_frame_equal(found, expected)


def test_a_unit_is_compared_alike_whatever_units_stand_beside_it(compared):
    whole = compare_models(*compared).units.loc["u3"]
    alone = compare_models(*(t[["u3"]] for t in compared)).units.loc["u3"]
    names = ["difference", "low", "high", "p"]
    np.testing.assert_allclose(whole[names].astype(float), alone[names].astype(float))
    assert alone["q"] == alone["p"]


def test_the_population_is_summed_up_over_units(compared):
    found = compare_models(*compared)
    difference = found.units["difference"]
    assert found.difference.value == difference.median()
    one = pd.Series("a", difference.index)
    expected = interval(difference, one, median, n_resamples=1999)
    assert found.difference[1:] == (expected.low, expected.high)
    assert found.better.value == (difference > 0).mean()
    assert found.better[1:] == pytest.approx((0.025 ** (1 / 8), 1))  # all of them
    assert found.drawn == "units"
    assert found.smallest_p == 1 / 2000
    assert math.isnan(found.of_ceiling.value)


def test_with_five_patients_the_population_is_summed_up_over_patients(compared):
    patients = pd.Series(list("aabbcdde"), compared[0].columns)
    found = compare_models(*compared, patients=patients.sample(frac=1, random_state=0))
    difference = found.units["difference"]
    expected = interval(difference, patients, median, n_resamples=1999)
    assert found.difference[1:] == (expected.low, expected.high)
    expected = interval((difference > 0).astype(float), patients, mean)
    assert found.better[1:] == (expected.low, expected.high)
    assert found.drawn == "patients"


def test_only_units_whose_ceiling_exceeds_the_bound_count_in_the_population(compared):
    table = compared[0]
    ceilings = pd.Series([0.1, 0.1001, 0.5, 1.2, np.nan, -0.2, 0.8, 0.0], table.columns)
    found = compare_models(*compared, ceilings=ceilings)
    counted = [False, True, True, True, False, False, True, False]
    assert found.units["counted"].tolist() == counted
    kept = found.units[counted]
    np.testing.assert_allclose(kept["first_of_ceiling"], kept["first"] / ceilings[counted])
    assert found.units[~np.array(counted)].filter(like="_of_ceiling").isna().all(axis=None)
    assert found.difference.value == kept["difference"].median()
    assert found.of_ceiling.value == (kept["difference"] / ceilings[counted]).median()
    assert found.least_ceiling == 0.1


def test_shares_of_the_ceiling_are_not_clipped(compared):
    ceilings = pd.Series(0.11, compared[0].columns)
    found = compare_models(*compared, ceilings=ceilings).units
    assert (found["first_of_ceiling"] > 1).any()


def test_units_that_cannot_be_compared_are_named_with_the_reason(compared):
    gap = [np.nan] + [1.0] * 119
    table = compared[0].assign(silent=0.0, gap=gap)
    axis, category = (t.assign(silent=0.0, gap=np.nan) for t in compared[1:])
    found = compare_models(table, axis, category)
    assert found.untested == {
        "silent": "the same rate for every picture",
        "gap": "missing or infinite rates",
    }
    assert found.units.loc[["silent", "gap"]].drop(columns="counted").isna().all(axis=None)
    assert not found.units.loc[["silent", "gap"], "counted"].any()
    assert found.difference == compare_models(*compared).difference


def test_a_unit_that_answers_to_one_picture_is_compared_without_a_warning(compared):
    table, axis, category = (t[["u0"]].copy() for t in compared)
    table[:] = 0.0
    table.iloc[3] = 7.0
    found = compare_models(table, axis, category).units
    assert np.isfinite(found[["difference", "low", "high", "p"]]).all(axis=None)


def test_bad_tables_are_refused(compared):
    table, axis, category = compared
    with pytest.raises(AnalysisError, match="^predictions: none for the units 'u0'$"):
        compare_models(table, axis.drop(columns="u0"), category)
    with pytest.raises(AnalysisError, match="^ceilings: none for 'u7'$"):
        compare_models(table, axis, category, ceilings=pd.Series(0.5, table.columns[:7]))
    with pytest.raises(AnalysisError, match="^patients: none for 'u7'$"):
        compare_models(table, axis, category, patients=pd.Series("a", table.columns[:7]))
    gap = axis.copy()
    gap.iloc[0, 1] = np.inf
    with pytest.raises(AnalysisError, match="^predictions: missing or infinite values in 'u1'$"):
        compare_models(table, gap, category)


# How often the interval holds the truth, and p is small without a difference ---------------------


def test_where_one_model_is_better_intervals_are_hardly_stretched_by_the_noise_of_fits():
    space, categories = pictures(300, 6)
    table = rates(space, categories, "axis", 8, mean_hz=5.0)
    models = axis_predictions(table, space), category_predictions(table, categories)
    other = axis_predictions(table, space, 1), category_predictions(table, categories, 1)
    widths = [
        compare_models(table, *models, again=by).units.eval("high - low") for by in (None, other)
    ]
    assert ((widths[1] / widths[0]).between(1 / STRETCH - 1e-9, 1.1 / STRETCH)).all()


def test_without_tuning_they_are_stretched_at_least_as_by_theory():
    space, categories = pictures(100, 12)
    table = rates(space, categories, "axis", 12, mean_hz=5.0).sample(frac=1, random_state=1)
    table.index = space.index  # the pictures say nothing any more
    rng = np.random.default_rng(0)
    poor = [space + 0.5 * rng.normal(size=space.shape) for _ in range(2)]
    models, other = ([axis_predictions(table, s, seed) for s in poor] for seed in (0, 1))
    widths = [
        compare_models(table, *models, again=by).units.eval("high - low") for by in (None, other)
    ]
    assert 1 < (widths[1] / widths[0]).median() < 3


def two_poor_embeddings(n_sets, n_units, n_images, seed):
    """Differences of two embeddings, each the true space with noise of its own: truly none."""
    parts = []
    for n in range(n_sets):
        space, categories = pictures(n_images, 12, seed=seed + n)
        table = rates(space, categories, "axis", n_units, seed=seed + n)
        rng = np.random.default_rng(seed + n)
        one, other = (space + 0.5 * rng.normal(size=space.shape) for _ in range(2))
        predictions = (axis_predictions(table, s) for s in (one, other))
        parts.append(compare_models(table, *predictions, n_resamples=199, seed=n).units)
    return pd.concat(parts)


def test_intervals_hold_the_truth_and_p_is_seldom_small_without_a_difference():
    found = two_poor_embeddings(25, 20, 100, seed=100)
    held = (found["low"] <= 0) & (found["high"] >= 0)
    # Units of one set share its pictures: the bounds allow for 25 sets, not for 500 units.
    assert 0.93 < held.mean() <= 1
    assert (found["p"] <= 0.05).mean() < 0.06
    assert (found["p"] <= 0.5).mean() > 0.2


def test_without_the_stretch_they_would_not():
    found = two_poor_embeddings(25, 20, 100, seed=100)
    low, high = (
        found["difference"] + (found[end] - found["difference"]) / STRETCH
        for end in ("low", "high")
    )
    assert ((low <= 0) & (high >= 0)).mean() < 0.9
