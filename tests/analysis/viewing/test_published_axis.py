import numpy as np
import pandas as pd
import pytest

from analysis.space import object_space
from analysis.viewing.published_axis import published_rule_axis_tuned, published_rule_power


def session(n_units=60, seed=0):
    rng = np.random.default_rng(seed)
    features = pd.DataFrame(rng.normal(size=(60, 3)), [f"i{k:02d}" for k in range(60)])
    space = object_space(features, 3)
    gains = np.linspace(0, 0.9, n_units)
    x = (space.coordinates / space.coordinates.std()).to_numpy()
    rates = gains * x[:, [0]] + rng.normal(size=(60, n_units))
    return pd.DataFrame(rates, features.index), space


@pytest.mark.parametrize(("p", "power"), [(0.002, 0.95), (0.003, 0.45), (0.004, 0.03)])
def test_the_rule_has_a_threshold_of_its_own(p, power):
    assert published_rule_power(p) == pytest.approx(power, abs=0.005)


def test_the_rule_repeats_a_p_without_the_observed_order():
    rates, space = session()
    told = []
    found = published_rule_axis_tuned(
        rates.assign(silent=0.0), space, progress=lambda *n: told.append(n)
    )
    assert told[-1] == (100, 100)
    assert np.isnan(found.loc["silent", "repeats_passed"])
    assert not found.loc["silent", "tuned"]
    found = found.drop("silent")
    assert found["tuned"].equals(found["repeats_passed"] > 98)
    assert 5 < found["tuned"].sum() < 50
    x = space.at(rates.index).to_numpy()
    x = x / np.linalg.norm(x, axis=0)
    rng = np.random.default_rng(1)
    for unit in found.index:
        y = (rates[unit] - rates[unit].mean()).to_numpy()
        orders = rng.permuted(np.tile(np.arange(60), (20_000, 1)), axis=1)
        true_p = (np.linalg.norm(y[orders] @ x, axis=1) > np.linalg.norm(y @ x)).mean()
        if true_p < 0.001 or true_p > 0.006:
            assert found.loc[unit, "tuned"] == (true_p < 0.001)


def test_units_beside_do_not_change_the_rule():
    rates, space = session(10)
    whole = published_rule_axis_tuned(rates, space, seed=2)
    alone = published_rule_axis_tuned(rates[[7]], space, seed=2)
    pd.testing.assert_frame_equal(alone, whole.loc[[7]])
