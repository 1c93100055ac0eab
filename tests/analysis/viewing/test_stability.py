import numpy as np
import pandas as pd
import pytest

from analysis.axis import fit_axes
from analysis.space import object_space
from analysis.viewing.stability import (
    stability_over_images,
    stability_over_trials,
    titration,
    titration_summary,
)
from task.contract.errors import AnalysisError


def session(n_images=200, n_dims=8, n_units=30, noise=1.0, seed=0):
    rng = np.random.default_rng(seed)
    images = [f"image{k:03d}" for k in rng.permutation(n_images)]
    features = pd.DataFrame(rng.normal(size=(n_images, n_dims)), images)
    space = object_space(features, n_dims)
    axes = rng.normal(size=(n_dims, n_units)) / np.sqrt(n_dims)
    x = space.coordinates / space.coordinates.std(ddof=0)
    rates = x.to_numpy() @ axes + noise * rng.normal(size=(n_images, n_units))
    units = [f"unit{k}" for k in rng.permutation(n_units)]
    return pd.DataFrame(rates, images, units).sample(frac=1, random_state=seed), space, axes


def shown(rates, times, noise, seed=0):
    rng = np.random.default_rng(seed)
    trials = pd.concat([rates] * times)
    return (trials + noise * rng.normal(size=trials.shape)).sample(frac=1, random_state=seed)


def cosine(a, b):
    return (a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum())


def test_axes_of_halves_of_the_pictures_agree_as_by_hand():
    rates, space, _ = session(n_units=3)
    found = stability_over_images(rates, space, n_splits=200)
    ordered = rates.sort_index()
    x = space.at(ordered.index) / np.linalg.norm(space.coordinates, axis=0)
    rng, by_hand = np.random.default_rng(5), []
    for _ in range(200):
        part = rng.permutation(200)[:100]
        halves = (x.iloc[part], x.drop(x.index[part]))
        axes = [(h - h.mean()).T @ ordered.loc[h.index] for h in halves]
        by_hand.append(cosine(*axes))
    by_hand = pd.DataFrame(by_hand)
    pd.testing.assert_series_equal(
        found["cosine"], by_hand.mean()[found.index], atol=0.02, check_names=False
    )
    np.testing.assert_allclose(found["low"], by_hand.quantile(0.025)[found.index], atol=0.05)
    np.testing.assert_allclose(found["high"], by_hand.quantile(0.975)[found.index], atol=0.05)


def test_axes_of_noise_have_nothing_in_common():
    rates, space, _ = session(noise=1e6, n_units=200)
    assert abs(stability_over_images(rates, space, 10)["cosine"].mean()) < 0.02
    assert abs(stability_over_trials(shown(rates * 0, 4, 1.0), space, 10)["cosine"].mean()) < 0.02


def test_without_noise_axes_of_halves_of_the_trials_are_the_same():
    rates, space, _ = session()
    found = stability_over_trials(shown(rates, 4, 0.0), space, 5)
    np.testing.assert_allclose(found, 1)


def test_the_expected_cosine_is_that_with_the_axis_of_endless_trials():
    rates, space, _ = session(n_units=100, noise=0.3)
    trials = shown(rates, 4, 6.0)
    found = stability_over_trials(trials, space, 50)
    endless = fit_axes(rates, space, 1).axis
    measured = fit_axes(trials.groupby(level=0).mean(), space, 1).axis
    true = pd.Series({u: cosine(endless[u], measured[u]) for u in rates})
    assert 0.5 < true.mean() < 0.9
    assert found["expected"].mean() == pytest.approx(true.mean(), abs=0.02)


def test_an_odd_trial_is_left_aside_and_the_order_of_trials_does_not_matter():
    rates, space, _ = session()
    trials = shown(rates, 3, 1.0)
    found = stability_over_trials(trials, space, 20)
    assert found["cosine"].between(0, 1).all()
    mixed = stability_over_trials(trials.iloc[:, ::-1], space, 20).loc[rates.columns]
    pd.testing.assert_frame_equal(mixed, found)


def test_units_that_cannot_be_tested_are_nan():
    rates, space, _ = session()
    rates = rates.assign(silent=0.0, holed=rates["unit1"])
    rates.iloc[3, -1] = np.nan
    for found in (
        stability_over_images(rates, space, 5),
        stability_over_trials(pd.concat([rates, rates]), space, 5),
    ):
        assert found.loc[["silent", "holed"]].isna().all(axis=None)
        assert found.drop(["silent", "holed"]).notna().all(axis=None)


def test_halves_too_small_are_refused():
    rates, space, _ = session()
    with pytest.raises(AnalysisError) as refused:
        stability_over_images(rates.iloc[:15], space)
    assert str(refused.value) == (
        "axes of half the pictures in 8 dimensions need at least 16 pictures, not 15"
    )
    with pytest.raises(AnalysisError) as refused:
        stability_over_trials(rates.iloc[:20], space)
    assert str(refused.value).startswith("axes of half the trials need two trials of 'image")


def test_a_titration_holds_the_whole_and_every_part():
    rates, space, _ = session(noise=3.0)
    told = []
    found = titration(
        rates,
        space,
        images=(50, 100, 900),
        dims=(2, 5, 90),
        n_draws=3,
        n_shuffles=99,
        progress=lambda *n: told.append(n),
    )
    sizes = found.groupby(["images", "dims"])["draw"].nunique().to_dict()
    assert sizes == {(50, 8): 3, (100, 8): 3, (200, 8): 1, (200, 2): 1, (200, 5): 1}
    assert told[-1] == (9, 9)
    assert (found.groupby(["images", "dims", "draw"]).size() == 30).all()
    whole = found[(found["images"] == 200) & (found["dims"] == 8)].set_index("unit")
    fit = fit_axes(rates, space, 99)
    np.testing.assert_array_equal(whole["p"], fit.p[whole.index])
    np.testing.assert_allclose(whole["r2"], fit.r2[whole.index])
    few = found[found["dims"] == 2].set_index("unit")
    fit = fit_axes(rates, space.coordinates[["PC1", "PC2"]], 99)
    np.testing.assert_array_equal(few["p"], fit.p[few.index])


def test_with_more_pictures_more_is_found():
    rates, space, _ = session(noise=4.0, n_units=100)
    found = titration(rates, space, (40, 100), (), n_draws=2, n_shuffles=199)
    table = titration_summary(found).set_index("images")
    assert table.loc[40, "tuned"] + 0.2 < table.loc[200, "tuned"]
    assert table["r2"].is_monotonic_increasing
    assert (table["units"] == 100).all()
    tuned = found.assign(tuned=found["p"] <= 0.01).groupby("images")["tuned"].mean()
    np.testing.assert_allclose(table["tuned"], tuned)
    assert ((table["low"] <= table["tuned"]) & (table["tuned"] <= table["high"])).all()


def test_without_axes_a_titration_finds_none():
    rates, space, _ = session(noise=1e6, n_units=300)
    table = titration_summary(titration(rates, space, (100,), (4,), n_draws=1), level=0.05)
    assert (table["tuned"] < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)).all()
    assert (table["tuned"] > 0).all()


def test_units_not_tested_do_not_count():
    rates, space, _ = session(n_units=4)
    found = titration(rates.assign(silent=0.0), space, (), (), n_shuffles=19)
    assert found.set_index("unit")["p"].isna().to_dict()["silent"]
    assert titration_summary(found)["units"].tolist() == [4]
