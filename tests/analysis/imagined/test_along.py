import numpy as np
import pandas as pd
import pytest
import scipy.stats

from analysis.imagined.along import along_axis


def tables(rng, n_items=8, n_units=30, gain=0.0):
    places = pd.DataFrame(rng.standard_normal((n_items, n_units)) * 3 + 1).add_prefix("u")
    rates = 5 + gain * places + rng.standard_normal(places.shape)
    return places, rates


def test_the_slope_through_all_points_is_the_mean_correlation_over_units():
    places, rates = tables(np.random.default_rng(0), gain=0.3)
    found = along_axis(places, rates)
    r = [scipy.stats.pearsonr(places[u], rates[u]).statistic for u in places]
    assert found.slope == pytest.approx(np.mean(r))
    assert found.units == 30 and len(found.points) == 240


def test_bins_hold_equally_many_points_and_rise_where_rates_do():
    found = along_axis(*tables(np.random.default_rng(1), gain=2.0))
    assert found.bins["points"].sum() == 240 and np.ptp(found.bins["points"]) <= 1
    assert found.bins["place"].is_monotonic_increasing
    assert found.bins["rate"].is_monotonic_increasing


def test_scale_and_offset_of_a_unit_do_not_matter():
    places, rates = tables(np.random.default_rng(2), gain=0.3)
    first, again = along_axis(places, rates), along_axis(places * 7 + 2, rates * 0.1 - 4)
    assert np.allclose(first.points, again.points)


def test_units_and_items_of_which_something_is_missing_are_left_out():
    places, rates = tables(np.random.default_rng(3))
    places["still"], rates["still"] = 1.0, 2.0
    places["unknown"] = np.nan
    rates.loc[99] = 1.0
    found = along_axis(places, rates)
    assert found.units == 30 and len(found.points) == 240


def test_few_points_make_few_bins_and_none_makes_none():
    places, rates = tables(np.random.default_rng(4), n_items=3, n_units=2)
    assert len(along_axis(places, rates).bins) == 1
    nothing = along_axis(places[[]], rates[[]])
    assert nothing.units == 0 and np.isnan(nothing.slope) and nothing.bins.empty
