import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import RidgeCV

from analysis.prediction import PENALTIES
from analysis.space import object_space
from analysis.viewing.ridge_axis import ridge_axes
from task.contract.errors import AnalysisError


def session(n_images=120, n_dims=6, n_units=5, noise=4.0, seed=0):
    rng = np.random.default_rng(seed)
    images = [f"image{k:03d}" for k in rng.permutation(n_images)]
    features = rng.normal(size=(n_images, n_dims)) * np.linspace(2, 1, n_dims)
    space = object_space(pd.DataFrame(features, images), n_dims, standardise=False)
    axes = rng.normal(size=(n_dims, n_units))
    rates = space.coordinates @ axes + noise * rng.normal(size=(n_images, n_units)) + 5
    units = [f"unit{k}" for k in rng.permutation(n_units)]
    return rates.set_axis(units, axis=1).sample(frac=1, random_state=seed), space


def test_ridge_axes_are_those_of_scikit_learn():
    rates, space = session()
    fit = ridge_axes(rates, space)
    x = space.at(rates.index).to_numpy()
    scale = (x**2).sum() / x.shape[1]
    for unit in rates:
        model = RidgeCV(PENALTIES * scale, store_cv_results=True).fit(x, rates[unit])
        assert model.alpha_ == pytest.approx(fit.penalty[unit] * scale)
        slopes = model.coef_ / np.linalg.norm(model.coef_ * np.linalg.norm(x, axis=0))
        np.testing.assert_allclose(fit.weights[unit], slopes, rtol=1e-6)
        errors = model.cv_results_[:, np.isclose(PENALTIES * scale, model.alpha_)].sum()
        r2 = 1 - errors / ((rates[unit] - rates[unit].mean()) ** 2).sum()
        assert fit.r2[unit] == pytest.approx(r2, rel=1e-6)
    assert fit.predictions.index.equals(rates.index)


def test_ridge_axes_leave_units_aside_that_cannot_be_fitted():
    rates, space = session()
    fit = ridge_axes(rates.assign(silent=0.0), space)
    for values in (fit.weights, fit.predictions):
        assert values["silent"].isna().all()
    assert np.isnan(fit.penalty["silent"])
    assert np.isnan(fit.r2["silent"])
    pd.testing.assert_frame_equal(fit.weights[rates.columns], ridge_axes(rates, space).weights)


def test_too_few_pictures_are_refused():
    rates, space = session()
    with pytest.raises(AnalysisError, match="^axes in 6 dimensions need rates for at least 10"):
        ridge_axes(rates.iloc[:9], space)
