import numpy as np
import pandas as pd
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, Ridge, RidgeCV
from sklearn.metrics import r2_score

from analysis.axis import fit_axes
from analysis.prediction import PENALTIES, folds
from analysis.viewing.exemplar import exemplar_fit
from analysis.viewing.models import (
    CATEGORY_SHARES,
    axis_predictions,
    category_axis_predictions,
    category_predictions,
    exemplar_predictions,
    left_out_r2,
    published_scalar_category_predictions,
)
from task.contract.errors import AnalysisError
from tests.analysis.viewing.planted import CATEGORIES, pictures, rates


def four_models(table, space, categories):
    return {
        "axis": axis_predictions(table, space),
        "category": category_predictions(table, categories),
        "both": category_axis_predictions(table, categories, space),
        "exemplar": exemplar_predictions(table, space),
    }


def scores(table, space, categories):
    return {
        name: left_out_r2(table, predicted)
        for name, predicted in four_models(table, space, categories).items()
    }


@pytest.fixture(scope="module")
def viewed():
    return pictures()


@pytest.mark.parametrize("model", ["axis", "category", "exemplar"])
def test_the_model_that_made_the_rates_predicts_them_best(viewed, model):
    found = scores(rates(*viewed, model), *viewed)
    for rival in {"axis", "category", "exemplar"} - {model}:
        assert (found[model] > found[rival]).mean() > 0.8, rival


def test_where_category_and_axis_both_count_each_explains_what_the_other_cannot(viewed):
    found = scores(rates(*viewed, "both"), *viewed)
    assert (found["both"] - found["category"]).median() > 0.1
    assert (found["both"] - found["axis"]).median() > 0.03


@pytest.mark.parametrize(("model", "idle"), [("axis", "axis"), ("category", "category")])
def test_a_part_that_says_nothing_costs_next_to_nothing(viewed, model, idle):
    found = scores(rates(*viewed, model), *viewed)
    assert (found["both"] - found[idle]).median() == pytest.approx(0, abs=0.005)


def test_a_unit_without_tuning_favours_no_model(viewed):
    found = scores(rates(*viewed, "nothing", 80), *viewed)
    medians = [score.median() for score in found.values()]
    assert max(medians) - min(medians) < 0.004
    assert all(-0.012 < median <= 0 for median in medians)


def test_what_the_scalar_label_costs(viewed):
    space, categories = viewed
    table = rates(space, categories, "category")
    honest = left_out_r2(table, category_predictions(table, categories))
    published = left_out_r2(
        table, published_scalar_category_predictions(table, categories, CATEGORIES)
    )
    assert (honest - published).median() > 0.3


# Independent implementations ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def small():
    space, categories = pictures(40, 3, seed=3)
    return space, categories, rates(space, categories, "both", 3, mean_hz=8.0)


def in_order(table, space, categories):
    ids = sorted(table.index)
    member = np.array(categories.loc[ids])[:, None] == np.array(sorted(set(categories)))
    return table.loc[ids].to_numpy(), space.loc[ids].to_numpy(), member.astype(float)


def best_ridge(x, y):
    """Least left-out error, and the ridge regression that has it."""
    grid = PENALTIES * (np.linalg.svd(x - x.mean(axis=0))[1] ** 2).mean()
    model = RidgeCV(grid, scoring="neg_mean_squared_error").fit(x, y)
    return -model.best_score_, model


def test_axis_predictions_are_those_of_the_axes(small):
    space, _, table = small
    found = axis_predictions(table, space, seed=4)
    expected = fit_axes(table, space, n_shuffles=9, seed=4).predictions
    pd.testing.assert_frame_equal(found, expected, check_names=False)


def test_category_predictions_are_those_of_refitting(small):
    space, categories, table = small
    y, _, member = in_order(table, space, categories)
    expected = np.empty_like(y)
    for held in folds(len(y), 0):
        for unit in range(y.shape[1]):
            _, model = best_ridge(member[~held], y[~held, unit])
            expected[held, unit] = model.predict(member[held])
    found = category_predictions(table, categories).loc[sorted(table.index)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_joint_predictions_are_those_of_refitting(small):
    space, categories, table = small
    y, x, member = in_order(table, space, categories)
    held = next(folds(len(y), 0))
    expected = np.empty((held.sum(), y.shape[1]))
    blocks = []
    for part in (member, x):
        moved = part - part[~held].mean(axis=0)
        blocks.append(moved / np.linalg.norm(moved[~held]))
    for unit in range(y.shape[1]):
        tried = []
        for share in CATEGORY_SHARES:
            weights = zip((share, 1 - share), blocks, strict=True)
            mixed = np.hstack([np.sqrt(w) * block for w, block in weights if w > 0])
            error, model = best_ridge(mixed[~held], y[~held, unit])
            tried.append((error, model.predict(mixed[held])))
        expected[:, unit] = min(tried, key=lambda pair: pair[0])[1]
    found = category_axis_predictions(table, categories, space)
    ids = np.array(sorted(table.index))[held]
    np.testing.assert_allclose(found.loc[ids], expected, rtol=1e-6)


def test_scalar_labels_are_a_straight_line_by_least_squares(small):
    space, categories, table = small
    y, _, _ = in_order(table, space, categories)
    number = categories.loc[sorted(table.index)].map(CATEGORIES.index).to_numpy()[:, None] + 1.0
    expected = np.empty_like(y)
    for held in folds(len(y), 0):
        expected[held] = LinearRegression().fit(number[~held], y[~held]).predict(number[held])
    found = published_scalar_category_predictions(table, categories, CATEGORIES)
    np.testing.assert_allclose(found.loc[sorted(table.index)], expected, rtol=1e-6)


def searched_exemplar(x, y, held):
    """All coordinates of the exemplar by gradient, cubic in the distance (Chang & Tsao 2017)."""
    scale = x.std(axis=0)
    points, others = (x - x.mean(axis=0)) / scale, (held - x.mean(axis=0)) / scale

    def cubic(exemplar, at):
        distance = np.linalg.norm(at - exemplar, axis=1)
        return np.vander(distance, 4, increasing=True), distance

    def loss(exemplar, rate):
        powers, distance = cubic(exemplar, points)
        b = np.linalg.lstsq(powers, rate, rcond=None)[0]
        residual = powers @ b - rate
        slope = b[1] + 2 * b[2] * distance + 3 * b[3] * distance**2
        return residual @ residual / 2, (residual * slope / distance) @ (exemplar - points)

    start = Ridge(200.0).fit(points, y).coef_
    found = scipy.optimize.minimize(
        loss, start / np.linalg.norm(start), y, jac=True, method="L-BFGS-B"
    ).x
    b = np.linalg.lstsq(cubic(found, points)[0], y, rcond=None)[0]
    return cubic(found, others)[0] @ b


def test_exemplars_predict_as_well_as_those_searched_in_all_coordinates(viewed):
    space, categories = viewed
    table = rates(space, categories, "exemplar", 6)
    y, x, _ = in_order(table, space, categories)
    ours, searched = np.empty_like(y), np.empty_like(y)
    for held in folds(len(y), 0):
        ours[held] = exemplar_fit(x[~held], y[~held], x[held])
        for unit in range(y.shape[1]):
            searched[held, unit] = searched_exemplar(x[~held], y[~held, unit], x[held])
    best, rival = (np.median(r2_score(y, p, multioutput="raw_values")) for p in (ours, searched))
    assert best > rival - 0.05
    assert best > 0.4


def test_an_exemplar_without_noise_is_found():
    rng = np.random.default_rng(5)
    x, exemplar = rng.normal(size=(300, 4)), np.array([0.5, -1.0, 0.3, 0.8])
    y = np.array([20.0, 3.0]) - 2 * ((x - exemplar) ** 2).sum(axis=1, keepdims=True)
    predicted = exemplar_fit(x[:270], y[:270], x[270:])
    assert (r2_score(y[270:], predicted, multioutput="raw_values") > 0.95).all()


def test_no_unit_prefers_what_is_far_from_its_exemplar():
    """A rate that grows with the distance from a point has no exemplar, but a mean."""
    x = np.random.default_rng(6).normal(size=(200, 3))
    y = (x**2).sum(axis=1, keepdims=True)
    predicted = exemplar_fit(x[:180], y[:180], x[180:])
    assert r2_score(y[180:], predicted) < 0.3


# Laws ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["axis", "category", "both", "exemplar"])
def test_left_out_rates_change_no_prediction_of_their_own_fold(model):
    space, categories = pictures(80, 4)
    table = rates(space, categories, "both", 3)
    ids = np.array(sorted(table.index))
    held = ids[next(folds(len(ids), 0))]
    before = four_models(table, space, categories)[model]
    table.loc[held] += np.random.default_rng(1).normal(0, 50, (len(held), 3))
    after = four_models(table, space, categories)[model]
    np.testing.assert_allclose(after.loc[held], before.loc[held])
    assert (after.drop(held) != before.drop(held)).any(axis=None)


@settings(max_examples=10)
@given(st.permutations(range(60)), st.floats(0.01, 100), st.floats(-50, 50))
def test_order_scale_and_origin_of_the_rates_do_not_matter(order, scale, origin):
    space, categories = pictures(60, 3)
    table = rates(space, categories, "both", 2, mean_hz=6.0)
    expected = four_models(table, space, categories)
    found = four_models(table.iloc[order] * scale + origin, space, categories)
    for name, predicted in found.items():
        assert (predicted.index == table.index[order]).all()
        np.testing.assert_allclose(
            (predicted.loc[table.index] - origin) / scale, expected[name], rtol=1e-5, atol=1e-6
        )


def test_a_unit_is_predicted_alike_whatever_units_stand_beside_it():
    space, categories = pictures(80, 4)
    table = rates(space, categories, "both", 5)
    whole = four_models(table, space, categories)
    alone = four_models(table[["u3"]], space, categories)
    for name in whole:
        np.testing.assert_allclose(whole[name][["u3"]], alone[name], rtol=1e-9)


def test_names_of_categories_do_not_matter():
    space, categories = pictures(80, 4)
    table = rates(space, categories, "category", 3)
    renamed = categories.map(dict(zip(CATEGORIES, (5, 1, 4, 2, 3), strict=True)))
    found = category_predictions(table, renamed)
    np.testing.assert_allclose(found, category_predictions(table, categories))


# What cannot be predicted -------------------------------------------------------------------------


def test_silent_units_and_units_with_gaps_have_no_score():
    space, categories = pictures(80, 4)
    table = rates(space, categories, "both", 2).assign(silent=0.0, gap=1.0)
    table.iloc[5, 3] = np.nan
    for name, score in scores(table, space, categories).items():
        assert score.isna().tolist() == [False, False, True, True], name


def test_a_unit_that_answers_to_one_picture_is_predicted_by_all_models():
    space, categories = pictures(80, 4)
    table = pd.DataFrame({"one": 0.0}, space.index)
    table.iloc[7] = 5.0
    for score in scores(table, space, categories).values():
        assert np.isfinite(score).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t, s, c: (t, s, c.iloc[1:]), "categories: none for '{first}'"),
        (
            lambda t, s, c: (t, s, c.where(c.index != c.index[0], "lonely").map(_lonely)),
            "categories: too few pictures are not 'many' to leave a tenth of all out",
        ),
        (
            lambda t, s, c: (t, s, pd.Series("face", c.index)),
            "categories: at least two are needed, not only 'face'",
        ),
        (lambda t, s, c: (t, s.iloc[1:], c), "object space: no row for '{first}'"),
        (
            lambda t, s, c: (pd.concat([t, t], axis=1), s, c),
            "rates: more than one unit is named 'u0', 'u1'",
        ),
        (
            lambda t, s, c: (pd.concat([t, t.iloc[:1]]), s, c),
            "rates: more than one row for '{first}'",
        ),
        (
            lambda t, s, c: (t * np.nan, s, c),
            "rates: missing or infinite values in 'u0', 'u1'",
        ),
    ],
)
def test_what_cannot_be_modelled_is_refused(change, said):
    space, categories = pictures(60, 3)
    table = rates(space, categories, "both", 2)
    table, points, known = change(table, space, categories)
    with pytest.raises(AnalysisError) as refused:
        category_axis_predictions(table, known, points)
    assert str(refused.value) == said.format(first=space.index[0])


def _lonely(name):
    return "lonely" if name == "lonely" else "many"


def test_too_few_pictures_are_refused():
    space, categories = pictures(60, 3)
    table = rates(space, categories, "both", 2)
    with pytest.raises(AnalysisError) as refused:
        category_predictions(table.iloc[:9], categories)
    assert str(refused.value) == (
        "models of rates need at least 10 pictures and one unit, not 9 and 2"
    )


def test_an_order_of_categories_names_them_all():
    space, categories = pictures(60, 3)
    table = rates(space, categories, "both", 2)
    with pytest.raises(AnalysisError) as refused:
        published_scalar_category_predictions(table, categories, CATEGORIES[1:])
    assert str(refused.value) == "categories: 'face' not in the order that numbers them"


def test_predictions_of_other_units_or_pictures_are_refused():
    space, categories = pictures(60, 3)
    table = rates(space, categories, "both", 2)
    predicted = axis_predictions(table, space)
    with pytest.raises(AnalysisError, match="^predictions: none for the units 'u1'$"):
        left_out_r2(table, predicted[["u0"]])
    with pytest.raises(AnalysisError, match=f"^predictions: no row for '{space.index[0]}'$"):
        left_out_r2(table, predicted.iloc[1:])


# Real neurons -------------------------------------------------------------------------------------


def test_an_axis_predicts_real_neurons_better_than_their_categories_or_exemplars(shared_data):
    from analysis.space import object_space

    folder = shared_data("object_sessions_v4")
    stored = np.load(folder / "features_210325.npz")
    ids = pd.Index(stored["image_file"].astype(str), name="image")
    table = pd.DataFrame(np.load(folder / "responses_210325.npy").T, ids)
    space = object_space(pd.DataFrame(stored["features"], ids), 50)
    found = scores(table, space, pd.Series(stored["category"].astype(str), ids))
    assert (found["axis"] > found["category"]).mean() > 0.9
    assert (found["axis"] > found["exemplar"]).mean() > 0.9
    assert (found["both"] - found["axis"]).median() == pytest.approx(0.010, abs=0.005)
