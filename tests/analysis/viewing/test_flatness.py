import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.axis import axis_weights, left_out_orthogonal, left_out_projections, projections
from analysis.space import object_space
from analysis.viewing.flatness import _ratio, _regression, flatness
from task.contract.errors import AnalysisError

N_IMAGES, N_DIMS = 160, 10


def made_space(seed=0):
    """Pictures of which a fifth lie apart, as faces do."""
    rng = np.random.default_rng(seed)
    images = [f"image{k:03d}" for k in rng.permutation(N_IMAGES)]
    features = rng.normal(size=(N_IMAGES, N_DIMS)) * np.linspace(3, 1, N_DIMS)
    features += 3 * (rng.random((N_IMAGES, 1)) < 0.2)
    return object_space(pd.DataFrame(features, images), N_DIMS, standardise=False)


def drives(space, n_units, seed=0):
    x = (space.coordinates / space.coordinates.std(ddof=0)).to_numpy()
    axes = np.random.default_rng(seed).normal(size=(N_DIMS, n_units))
    return x @ (axes / np.linalg.norm(axes, axis=0))


def table(space, values, seed=0):
    units = [f"unit{k}" for k in range(values.shape[1])]
    return pd.DataFrame(values, space.coordinates.index, units).sample(frac=1, random_state=seed)


def noise(shape, seed=9):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("level", [0.01, 0.05, 0.1])
@pytest.mark.parametrize("kind", ["no axis", "an axis", "an axis that bends along"])
def test_p_keeps_its_level_with_an_axis_and_without(kind, level):
    space, n = made_space(), 400
    drive = drives(space, n)
    rates = {
        "no axis": lambda: noise(drive.shape),
        "an axis": lambda: drive + noise(drive.shape),
        "an axis that bends along": lambda: np.random.default_rng(3).poisson(np.exp(0.7 * drive)),
    }[kind]()
    p = flatness(table(space, rates), space, n_shuffles=199)["p"]
    assert (p <= level).mean() <= level + 3 * np.sqrt(level * (1 - level) / n)
    assert (p <= 0.5).mean() > 0.4


def test_a_hump_across_the_axis_is_found_and_no_ramp_is():
    space = made_space()
    drive = drives(space, 40)
    across = (space.coordinates["PC1"] / space.coordinates["PC1"].std()).to_numpy()[:, None]
    ramps = table(space, drive + 0.5 * noise(drive.shape))
    humps = table(space, drive - 0.6 * across**2 + 0.5 * noise(drive.shape))
    flat, humped = flatness(ramps, space), flatness(humps, space)
    assert (humped["p"] < 0.01).mean() > 0.8
    assert (humped["bend_ratio"] < 0).mean() > 0.9
    assert not humped["flat"].mean() > 0.3
    assert flat["flat"].mean() > 0.8
    assert flat["bend_ratio"].abs().median() < 0.1


def test_the_slopes_are_those_of_a_regression_on_left_out_projections():
    space = made_space()
    rates = table(space, drives(space, 3) + noise((N_IMAGES, 3)))
    found = flatness(rates, space, n_shuffles=9)
    along, across = left_out_projections(rates, space), left_out_orthogonal(rates, space, 0)
    for unit in rates:
        x = np.column_stack([scipy.stats.zscore(part[unit]) for part in (along, across)])
        slopes = np.linalg.lstsq(np.column_stack([x, np.ones(N_IMAGES)]), rates[unit])[0]
        row = found.loc[unit].astype(float)
        np.testing.assert_allclose(row[["along_hz", "across_hz"]], slopes[:2])
        assert row["slope_ratio"] == pytest.approx(slopes[1] / slopes[0])
        assert row["slope_low"] < row["slope_ratio"] < row["slope_high"]
        assert row["bend_low"] < row["bend_ratio"] < row["bend_high"]


def test_over_the_pictures_of_the_fit_no_direction_across_shows_a_slope():
    """Why the published test of flatness cannot fail."""
    space = made_space()
    rates = table(space, drives(space, 1) ** 2 + noise((N_IMAGES, 1)))
    coordinates = space.at(rates.index)
    along = projections(axis_weights(rates, space), space).loc[rates.index].to_numpy()
    normal = (coordinates / np.linalg.norm(coordinates, axis=0)).to_numpy()
    across = normal - along @ (along.T @ normal)
    correlations = across.T @ (rates - rates.mean()).to_numpy()
    np.testing.assert_allclose(correlations, 0, atol=1e-10)


def test_errors_of_slopes_are_those_of_left_out_residuals():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(40, 3))
    x -= x.mean(axis=0)
    y = x @ [1.0, 2.0, -1.0] + rng.normal(size=40) * (1 + x[:, 0] ** 2) + 3
    slopes, errors = _regression(y, x)
    design = np.column_stack([np.ones(40), x])
    hat = design @ np.linalg.inv(design.T @ design) @ design.T
    left_out = (y - hat @ y) / (1 - np.diag(hat))
    bread = np.linalg.inv(design.T @ design)
    sandwich = bread @ (design.T * left_out**2) @ design @ bread
    np.testing.assert_allclose(slopes, np.linalg.lstsq(design, y)[0][1:])
    np.testing.assert_allclose(errors, sandwich[1:, 1:])


def test_the_interval_of_a_ratio_holds_what_it_should():
    rng = np.random.default_rng(5)
    errors = np.array([[0.04, 0.01], [0.01, 0.09]])
    drawn = rng.multivariate_normal([0.3, 1.2], errors, 4000)
    limits = np.array([_ratio(*pair, errors)[1:] for pair in drawn])
    held = ((limits[:, 0] <= 0.25) & (limits[:, 1] >= 0.25)).mean()
    assert held == pytest.approx(0.95, abs=0.012)
    assert _ratio(0.3, 0.1, errors)[1:] == (-np.inf, np.inf)


@settings(max_examples=8, deadline=None)
@given(st.floats(0.01, 100), st.floats(-50, 50), st.permutations(range(5)))
def test_scale_offset_and_order_of_units_do_not_matter(scale, offset, order):
    space = made_space()
    rates = table(space, drives(space, 5) + noise((N_IMAGES, 5)))
    found = flatness(rates, space, n_shuffles=19)
    other = flatness((rates * scale + offset).iloc[::-1, order], space, n_shuffles=19)
    other = other.loc[found.index]
    kept = [c for c in found if not c.endswith("_hz")]
    pd.testing.assert_frame_equal(other[kept], found[kept], rtol=1e-6)
    np.testing.assert_allclose(other["along_hz"], found["along_hz"] * scale)


def test_units_that_cannot_be_tested_are_listed_without_numbers():
    space = made_space()
    rates = table(space, drives(space, 2) + noise((N_IMAGES, 2))).assign(silent=0.0, once=0.0)
    rates.iloc[7, 3] = 1.0
    rates["holed"] = rates["unit0"].where(rates.index != "image003")
    told = []
    found = flatness(rates, space, n_shuffles=19, progress=lambda *n: told.append(n))
    empty = found.loc[["silent", "once", "holed"]]
    assert empty.drop(columns="flat").isna().all(axis=None)
    assert not empty["flat"].any()
    assert found.loc[["unit0", "unit1"]].notna().all(axis=None)
    assert told[-1] == (3, 3)


def test_too_few_pictures_or_dimensions_are_refused():
    space = made_space()
    rates = table(space, drives(space, 2))
    with pytest.raises(AnalysisError) as refused:
        flatness(rates.iloc[:19], space)
    assert str(refused.value) == (
        "flatness in 10 dimensions needs rates for at least 20 pictures, not 19"
    )
    line = object_space(space.coordinates[["PC1"]], 1)
    with pytest.raises(AnalysisError, match="a space of at least two dimensions"):
        flatness(rates, line)
