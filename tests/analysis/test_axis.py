from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, pearsonr
from sklearn.linear_model import LinearRegression

from analysis.axis import (
    axis_weights,
    binned_tuning,
    fit_axes,
    left_out_orthogonal,
    left_out_projections,
    orthogonal_axis,
    projections,
)
from analysis.space import object_space
from task.contract.errors import AnalysisError


def session(n_images=120, n_dims=6, n_units=5, noise=1.0, seed=0):
    """Rates that grow along planted axes, and the space they live in; rows in no order."""
    rng = np.random.default_rng(seed)
    images = [f"image{k:03d}" for k in rng.permutation(n_images)]
    features = rng.normal(size=(n_images, n_dims)) * np.linspace(2, 1, n_dims)
    space = object_space(pd.DataFrame(features, images), n_dims, standardise=False)
    planted = pd.DataFrame(
        rng.normal(size=(n_dims, n_units)),
        space.coordinates.columns,
        [f"unit{k}" for k in rng.permutation(n_units)],
    )
    rates = space.coordinates @ planted + noise * rng.normal(size=(n_images, n_units)) + 5
    return rates.sample(frac=1, random_state=seed), space, planted


def naive(rates, coordinates):
    """Axis and correlation of one unit, by the book."""
    fn = coordinates / np.linalg.norm(coordinates, axis=0)
    rc = rates - rates.mean()
    sta = rc @ fn
    return sta, pearsonr(fn @ sta / np.linalg.norm(sta), rc).statistic


def test_axis_and_correlation_are_those_of_the_formula():
    rates, space, _ = session()
    fit = fit_axes(rates, space, n_shuffles=10)
    for unit in rates:
        sta, r = naive(rates[unit].to_numpy(), space.at(rates.index).to_numpy())
        np.testing.assert_allclose(fit.axis[unit], sta)
        assert fit.r[unit] == pytest.approx(r)


def test_coordinates_need_not_be_components_of_these_pictures():
    rng = np.random.default_rng(3)
    x, y = rng.normal(2, 1, size=(40, 4)) @ rng.normal(size=(4, 4)), rng.poisson(3, (40, 3))
    fit = fit_axes(y, x, n_shuffles=10)
    for unit in range(3):
        sta, r = naive(y[:, unit], x)
        np.testing.assert_allclose(fit.axis[:, unit], sta)
        assert fit.r[unit] == pytest.approx(r)


def test_p_counts_shuffles_that_do_as_well_with_the_axis_refitted():
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(40, 4)), rng.normal(size=(40, 1))
    y += 0.6 * x[:, :1]
    _, observed = naive(y[:, 0], x)
    null = np.array([naive(y[:, 0], x[rng.permutation(40)])[1] for _ in range(4000)])
    expected = (1 + (null >= observed).sum()) / 4001
    assert 0.02 < expected < 0.5
    assert fit_axes(y, x, n_shuffles=4000).p[0] == pytest.approx(expected, abs=0.03)


def test_planted_axes_are_found():
    rates, space, planted = session(400, noise=2.0)
    fit = fit_axes(rates, space)
    for unit in planted:
        direction = fit.weights[unit] @ planted[unit]
        direction /= np.linalg.norm(fit.weights[unit]) * np.linalg.norm(planted[unit])
        assert direction > 0.95
    assert (fit.p == 1 / 1001).all()
    assert (fit.q == 1 / 1001).all()
    assert fit.smallest_p == 1 / 1001


def test_p_is_uniform_without_any_axis():
    rng = np.random.default_rng(5)
    fit = fit_axes(rng.poisson(2.0, (100, 300)), rng.normal(size=(100, 10)), n_shuffles=199)
    assert kstest(fit.p, "uniform").pvalue > 0.01
    assert np.median(fit.r) > 0.2  # in-sample, of nothing
    assert np.median(fit.r2) < 0.02


def test_with_components_of_the_same_pictures_the_axis_is_least_squares():
    rates, space, _ = session()
    fit = fit_axes(rates, space, n_shuffles=10)
    coordinates = space.at(rates.index)
    model = LinearRegression().fit(coordinates, rates)
    np.testing.assert_allclose(fit.r**2, 1 - ((rates - model.predict(coordinates)) ** 2).sum()
                               / ((rates - rates.mean()) ** 2).sum())  # fmt: skip
    scale = np.linalg.norm(coordinates, axis=0)
    np.testing.assert_allclose(fit.axis.T / scale, model.coef_)


def test_projection_on_the_weights_is_projection_on_a_unit_axis():
    rates, space, _ = session()
    fit = fit_axes(rates, space, n_shuffles=10)
    along = projections(fit.weights, space).loc[rates.index]
    pd.testing.assert_series_equal(along.corrwith(rates), fit.r, check_names=False)
    np.testing.assert_allclose(np.linalg.norm(along, axis=0), 1)
    pd.testing.assert_frame_equal(axis_weights(rates, space), fit.weights)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(30)), st.permutations(range(30)), st.permutations(range(4)))
def test_the_order_of_pictures_and_units_does_not_matter(rows, points, units):
    rates, space, _ = session(30, 3, 4)
    fit = fit_axes(rates, space, n_shuffles=19)
    mixed = fit_axes(rates.iloc[rows, units], space.coordinates.iloc[points], n_shuffles=19)
    for name in ("r", "p", "q", "r2"):
        same = getattr(mixed, name)[getattr(fit, name).index]
        np.testing.assert_allclose(same, getattr(fit, name), atol=1e-9, err_msg=name)
    np.testing.assert_allclose(mixed.axis[fit.axis.columns], fit.axis, atol=1e-9)
    assert mixed.predictions.index.tolist() == rates.index[rows].tolist()
    np.testing.assert_allclose(
        mixed.predictions.loc[rates.index, rates.columns], fit.predictions, atol=1e-9
    )


def test_pictures_without_rates_are_left_aside():
    rates, space, _ = session()
    fit = fit_axes(rates.iloc[:60], space, n_shuffles=10)
    alone = fit_axes(rates.iloc[:60], space.at(rates.index[:60]), n_shuffles=10)
    pd.testing.assert_frame_equal(fit.axis, alone.axis)


def test_arrays_give_arrays():
    rates, space, _ = session()
    ordered = rates.sort_index()
    labelled = fit_axes(ordered, space, n_shuffles=50)
    bare = fit_axes(ordered.to_numpy(), space.at(ordered.index).to_numpy(), n_shuffles=50)
    for name in ("axis", "weights", "r", "p", "q", "r2", "predictions"):
        assert isinstance(getattr(bare, name), np.ndarray)
        np.testing.assert_allclose(getattr(bare, name), getattr(labelled, name), err_msg=name)


def test_another_seed_draws_other_shuffles_and_the_same_seed_the_same():
    rates, space, _ = session(noise=20.0)
    one, again, other = (fit_axes(rates, space, seed=s, n_shuffles=99) for s in (1, 1, 2))
    pd.testing.assert_series_equal(one.p, again.p)
    assert (one.p != other.p).any()


def test_a_silent_unit_is_not_tested_and_listed():
    rates, space, _ = session()
    fit = fit_axes(rates.assign(silent=0.0, steady=0.1), space, n_shuffles=10)
    assert fit.untested == dict.fromkeys(("silent", "steady"), "the same rate for every picture")
    for values in (fit.r, fit.p, fit.q, fit.r2):
        assert values[["silent", "steady"]].isna().all()
        assert values.drop(["silent", "steady"]).notna().all()
    assert fit.weights["silent"].isna().all()
    pd.testing.assert_series_equal(
        fit.q.drop(["silent", "steady"]), fit_axes(rates, space, n_shuffles=10).q
    )


def test_a_unit_that_misses_a_rate_is_listed_and_the_rest_analysed():
    rates, space, _ = session()
    holed = rates.assign(holed=rates["unit1"], endless=rates["unit1"])
    holed.loc["image003", "holed"] = np.nan
    holed.loc["image004", "endless"] = np.inf
    fit = fit_axes(holed, space, n_shuffles=10)
    assert fit.untested == dict.fromkeys(("holed", "endless"), "missing or infinite rates")
    whole = fit_axes(rates, space, n_shuffles=10)
    for name in ("r", "p", "q", "r2"):
        assert getattr(fit, name)[["holed", "endless"]].isna().all()
        pd.testing.assert_series_equal(getattr(fit, name)[rates.columns], getattr(whole, name))
    for table in (fit.axis, fit.weights, fit.predictions, axis_weights(holed, space)):
        assert table[["holed", "endless"]].isna().all(axis=None)
        assert table[rates.columns].notna().all(axis=None)


def test_units_that_all_stand_still_are_all_listed():
    rates, space, _ = session()
    fit = fit_axes(rates * 0, space, n_shuffles=10)
    assert set(fit.untested) == set(rates)
    assert fit.p.isna().all()


def test_progress_is_told():
    rates, space, _ = session()
    said = []
    fit_axes(rates, space, n_shuffles=30, progress=lambda *n: said.append(n))
    assert said[-1] == (30, 30)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r, s: (r.rename({"image003": "lost"}), s), "object space: no row for 'lost'"),
        (
            lambda r, s: (pd.concat([r, r.loc[["image003"]]]), s),
            "rates: more than one row for 'image003'",
        ),
        (
            lambda r, s: (r.replace(r.loc["image003"].to_list(), np.inf)[["unit1"]], s),
            "rates: missing or infinite values in 'unit1'",
        ),
        (
            lambda r, s: (r.rename(columns={"unit2": "unit1"}), s),
            "rates: more than one unit is named 'unit1'",
        ),
        (
            lambda r, s: (r, s.coordinates.rename(columns={"PC2": "PC1"})),
            "object space: more than one dimension is named 'PC1'",
        ),
        (
            lambda r, s: (r, s.coordinates.assign(PC2=np.nan)),
            "coordinates: missing or infinite values in 'PC2'",
        ),
        (
            lambda r, s: (r.iloc[:9], s),
            "axes in 6 dimensions need rates for at least 10 pictures, not 9",
        ),
        (
            lambda r, s: (r, s.coordinates.assign(PC2=1.0)),
            "all pictures lie at one point of 'PC2'",
        ),
        (
            lambda r, s: (r, s.coordinates.to_numpy()),
            "rates and coordinates must both name their pictures, or neither",
        ),
        (
            lambda r, s: (r.to_numpy()[1:], s.coordinates.to_numpy()),
            "rates of shape (119, 5) and coordinates of shape (120, 6) do not belong together;"
            " needed are (n_images, n_units) and (n_images, n_dims)",
        ),
        (lambda r, s: (r[[]], s), "axes need at least one unit and one dimension"),
    ],
)
def test_what_cannot_be_fitted_is_refused_in_one_sentence(change, said):
    rates, space, _ = session()
    with pytest.raises(AnalysisError) as refused:
        fit_axes(*change(rates, space))
    assert str(refused.value) == said


def test_the_orthogonal_axis_is_uncorrelated_and_takes_the_most_variance_left():
    rates, space, _ = session()
    weights = axis_weights(rates, space)
    orthogonal = orthogonal_axis(weights, space)
    along, across = projections(weights, space), projections(orthogonal, space)
    np.testing.assert_allclose(along.corrwith(across), 0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(across, axis=0), 1)
    for unit in rates:
        p = along[[unit]].to_numpy()
        x = space.coordinates.to_numpy()
        left = x - p @ (p.T @ x) / (p.T @ p)
        score = np.linalg.svd(left, full_matrices=False)[0][:, 0]
        assert abs(pearsonr(score, across[unit]).statistic) == pytest.approx(1)
        assert orthogonal[unit].max() == orthogonal[unit].abs().max()


def test_over_some_pictures_it_is_that_of_these_pictures():
    rates, space, _ = session()
    weights, some = axis_weights(rates, space), space.coordinates.iloc[:40] + 1
    along, across = projections(weights, some), projections(orthogonal_axis(weights, some), some)
    np.testing.assert_allclose(along.corrwith(across), 0, atol=1e-12)
    x = (some - some.mean()).to_numpy()
    for unit in rates:
        p = (along[[unit]] - along[unit].mean()).to_numpy()
        score = np.linalg.svd(x - p @ (p.T @ x) / (p.T @ p), full_matrices=False)[0][:, 0]
        assert abs(pearsonr(score, across[unit]).statistic) == pytest.approx(1)


def test_a_unit_on_the_first_component_has_the_second_across_it():
    _, space, _ = session()
    first = pd.DataFrame({"u": [1.0] + [0.0] * 5}, space.coordinates.columns)
    across = orthogonal_axis(first, space)["u"]
    assert across["PC2"] > 0
    np.testing.assert_allclose(across.drop("PC2"), 0, atol=1e-12)


def test_an_orthogonal_axis_needs_two_dimensions():
    rates, space, _ = session(n_dims=1)
    with pytest.raises(AnalysisError, match="a space of at least two dimensions"):
        orthogonal_axis(axis_weights(rates, space), space)


def test_the_axis_of_a_left_out_picture_does_not_know_its_rate():
    rates, space, _ = session()
    before = left_out_projections(rates, space)
    changed = rates.copy()
    changed.loc["image007"] += 1000.0
    after = left_out_projections(changed, space)
    np.testing.assert_allclose(after.loc["image007"], before.loc["image007"])
    assert before.index.equals(rates.index)
    assert (after.drop("image007") != before.drop("image007")).any(axis=None)


def test_left_out_projections_do_not_depend_on_the_order_of_the_rows():
    rates, space, _ = session()
    for left_out in (left_out_projections, partial(left_out_orthogonal, seed=0)):
        found = left_out(rates, space)
        assert found.index.equals(rates.index)
        mixed = left_out(rates.iloc[::-1], space)
        pd.testing.assert_frame_equal(mixed.loc[rates.index], found)


def test_noise_makes_a_ramp_along_its_own_axis_and_none_along_left_out_ones():
    rng = np.random.default_rng(6)
    images = [f"i{k}" for k in range(200)]
    features = pd.DataFrame(rng.normal(size=(200, 30)), images)
    rates = pd.DataFrame(rng.normal(size=(200, 20)), images)
    space = object_space(features, 30)
    own = projections(axis_weights(rates, space), space).corrwith(rates)
    assert own.min() > 0.2
    assert left_out_projections(rates, space).corrwith(rates).mean() < 0.05


def test_bins_are_of_equal_width_and_hold_the_mean_rate_of_their_pictures():
    x = pd.Series(np.arange(80.0), index=[f"i{k}" for k in range(80)])
    rate = (2 * x + 1).sample(frac=1, random_state=0)
    table = binned_tuning(x, rate, n_bins=8)
    assert table["images"].tolist() == [10] * 8
    assert table["projection"].tolist() == [4.5 + 10 * k for k in range(8)]
    assert table["rate"].tolist() == [10.0 + 20 * k for k in range(8)]
    np.testing.assert_allclose(table["sem"], np.std(2 * np.arange(10), ddof=1) / np.sqrt(10))


@pytest.mark.parametrize(
    ("sizes", "merged"),
    [
        ([12, 3, 9, 11], [12, 12, 11]),
        ([12, 11, 3], [12, 14]),
        ([3, 4], [7]),
        ([2, 2, 20, 2, 2, 20, 1], [24, 25]),
    ],
)
def test_small_bins_are_joined_with_the_next(sizes, merged):
    values = np.concatenate([np.full(n, k + 0.5) for k, n in enumerate(sizes)])
    values[0], values[-1] = 0.0, len(sizes)  # the range is that of the bins
    x = pd.Series(values)
    assert binned_tuning(x, x, n_bins=len(sizes))["images"].tolist() == merged


def test_axes_of_real_neurons_predict_left_out_pictures(shared_data):
    folder = shared_data("object_sessions_v4")
    for name, target in {"201025": 0.476, "210325": 0.467}.items():
        stored = np.load(folder / f"features_{name}.npz")
        images = stored["image_file"]
        space = object_space(pd.DataFrame(stored["features"], images), 50)
        rates = pd.DataFrame(np.load(folder / f"responses_{name}.npy").T, images)
        fit = fit_axes(rates, space)
        assert fit.predictions.corrwith(rates).median() >= target
        assert (fit.p < 0.01).all()
        assert (fit.q < 0.05).all()
