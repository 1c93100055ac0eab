import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.metrics import r2_score

from analysis.prediction import (
    PENALTIES,
    ceiling,
    folds,
    leave_one_out,
    left_out_predictions,
    variance_explained,
)
from task.contract.errors import AnalysisError


def rates_on_axes(n=60, d=5, units=4, noise=1.0, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) * np.linspace(3, 0.5, d) + 1
    return x, x @ rng.normal(size=(d, units)) + noise * rng.normal(size=(n, units)) + 7


def naive_predictions(x, y):
    """Ten folds; penalties by refitting with each training picture left out in turn."""
    predicted = np.empty_like(y)
    for held in folds(len(y), 0):
        inner_x, inner_y = x[~held], y[~held]
        scale = (np.linalg.svd(inner_x - inner_x.mean(axis=0))[1] ** 2).mean()
        for unit in range(y.shape[1]):
            errors = []
            for penalty in PENALTIES * scale:
                error = 0.0
                for out in range(len(inner_y)):
                    rest = np.arange(len(inner_y)) != out
                    # Leaving one out in closed form keeps the centre of all training pictures.
                    x_mean = inner_x.mean(axis=0)
                    ones = np.column_stack([np.ones(rest.sum()), inner_x[rest] - x_mean])
                    ridge = np.diag([0.0] + [penalty] * x.shape[1])
                    beta = np.linalg.solve(ones.T @ ones + ridge, ones.T @ inner_y[rest, unit])
                    error += (inner_y[out, unit] - beta @ [1, *(inner_x[out] - x_mean)]) ** 2
                errors.append(error)
            best = (PENALTIES * scale)[int(np.argmin(errors))]
            model = Ridge(best).fit(inner_x, inner_y[:, unit])
            predicted[held, unit] = model.predict(x[held])
    return predicted


def test_predictions_are_those_of_refitting_for_every_picture():
    x, y = rates_on_axes(14, 3, 12, noise=3.0)
    np.testing.assert_allclose(left_out_predictions(x, y), naive_predictions(x, y), rtol=1e-8)


def test_leaving_one_out_is_refitting_without_it():
    x, y = rates_on_axes(25, 4, 6, noise=3.0)
    found = leave_one_out(x, y)
    scale = (np.linalg.svd(x - x.mean(axis=0))[1] ** 2).mean()
    for unit, penalty in enumerate(found.penalties * scale):
        for out in range(len(y)):
            rest = np.arange(len(y)) != out
            model = Ridge(penalty).fit(x[rest], y[rest, unit])
            assert found.predictions[out, unit] == pytest.approx(model.predict(x[[out]])[0])
        np.testing.assert_allclose(found.slopes[:, unit], Ridge(penalty).fit(x, y[:, unit]).coef_)


def test_leaving_one_out_agrees_with_scikit_learn():
    x, y = rates_on_axes(80, 6, 30, noise=4.0)
    found = leave_one_out(x, y)
    scale = (np.linalg.svd(x - x.mean(axis=0))[1] ** 2).mean()
    model = RidgeCV(PENALTIES * scale, alpha_per_target=True, store_cv_results=True).fit(x, y)
    np.testing.assert_allclose(found.penalties * scale, model.alpha_)
    assert len(set(found.penalties)) > 2
    errors = np.take_along_axis(
        model.cv_results_, (found.penalties[:, None] == PENALTIES).argmax(axis=1)[None, :, None], 2
    )[..., 0]
    np.testing.assert_allclose((y - found.predictions) ** 2, errors, rtol=1e-6, atol=1e-9)


def test_units_beside_do_not_change_a_prediction():
    x, y = rates_on_axes(40, 3, 600)
    for fitted in (left_out_predictions, lambda x, y: leave_one_out(x, y).predictions):
        np.testing.assert_allclose(fitted(x, y)[:, 300:302], fitted(x, y[:, 300:302]), rtol=1e-10)


def test_dimensions_that_repeat_others_change_no_prediction_but_by_the_penalty():
    x, y = rates_on_axes(40, 3, 4)
    twice = leave_one_out(np.hstack([x, x]), y)
    assert np.isfinite(twice.predictions).all()
    np.testing.assert_allclose(twice.slopes[:3], twice.slopes[3:])


def test_a_left_out_rate_changes_no_prediction_of_its_own_fold():
    x, y = rates_on_axes()
    held = next(folds(len(y), 0))
    before = left_out_predictions(x, y)
    y[held] += np.random.default_rng(1).normal(0, 100, y[held].shape)
    after = left_out_predictions(x, y)
    np.testing.assert_allclose(after[held], before[held])
    assert (after[~held] != before[~held]).any()


def test_every_picture_is_left_out_once():
    times = np.sum(list(folds(47, 3)), axis=0)
    assert (times == 1).all()
    assert {int(fold.sum()) for fold in folds(47, 3)} == {4, 5}


def test_variance_explained_is_the_usual_one():
    x, y = rates_on_axes()
    predicted = left_out_predictions(x, y)
    y[:, 0] = 3.0
    ours = variance_explained(y, predicted)
    assert np.isnan(ours[0])
    np.testing.assert_allclose(ours[1:], r2_score(y, predicted, multioutput="raw_values")[1:])


def test_nothing_to_predict_explains_nothing():
    x, _ = rates_on_axes(200)
    y = np.random.default_rng(2).normal(size=(200, 100))
    assert abs(np.median(variance_explained(y, left_out_predictions(x, y)))) < 0.05


def trials_with(signal_sd, noise_sd, shown, n_units=200, n_images=200, seed=0):
    rng = np.random.default_rng(seed)
    images = np.repeat([f"i{k:03d}" for k in rng.permutation(n_images)], shown)
    signal = np.repeat(rng.normal(0, signal_sd, (n_images, n_units)), shown, axis=0)
    trials = pd.DataFrame(signal + rng.normal(0, noise_sd, signal.shape), images)
    return trials.sample(frac=1, random_state=seed)


@pytest.mark.parametrize("shown", [2, 4, 7])
def test_the_ceiling_is_the_share_of_signal_in_the_mean(shown):
    trials = trials_with(1.0, 2.0, shown)
    even = shown - shown % 2
    assert ceiling(trials, 20).mean() == pytest.approx(1 / (1 + 4 / even), abs=0.02)


def test_the_ceiling_of_noise_is_neither_clipped_nor_positive():
    found = ceiling(trials_with(0.0, 1.0, 4), 20)
    assert abs(found.mean()) < 0.02
    assert (found < 0).mean() > 0.3


def test_the_ceiling_agrees_with_halving_by_hand():
    trials = trials_with(1.0, 1.0, 2, n_units=1, n_images=50)
    tables = [part.to_numpy() for _, part in trials[0].groupby(level=0)]
    rng = np.random.default_rng(9)
    rho = np.mean(
        [np.corrcoef(np.array([rng.permutation(t) for t in tables]).T)[0, 1] for _ in range(500)]
    )
    assert ceiling(trials, 500)[0] == pytest.approx(2 * rho / (1 + rho), abs=0.02)


def test_units_that_do_not_vary_have_no_ceiling():
    trials = trials_with(1.0, 1.0, 4, n_units=2).assign(silent=0.0)
    assert ceiling(trials, 5).isna().tolist() == [False, False, True]


def test_a_ceiling_needs_repeats_and_pictures():
    trials = trials_with(1.0, 1.0, 2, n_images=10)
    with pytest.raises(AnalysisError, match="^a ceiling needs two trials of 'once'$"):
        ceiling(pd.concat([trials, trials.iloc[:1].set_axis(["once"])]))
    with pytest.raises(AnalysisError, match="^a ceiling needs at least three pictures, not 2$"):
        ceiling(trials.loc[["i001", "i002"]])


def test_the_ceiling_of_real_neurons_is_reproduced(shared_data):
    folder = shared_data("object_sessions_v4")
    raw = np.load(folder / "responses_raw_210325.npy")
    shown = ~np.isnan(raw[0])
    trials = pd.DataFrame(
        np.concatenate([raw[:, k, shown[k]].T for k in range(raw.shape[1])]),
        np.repeat(np.arange(raw.shape[1]), shown.sum(axis=1)),
    )
    assert ceiling(trials).median() == pytest.approx(0.751, abs=0.005)
