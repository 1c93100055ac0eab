import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from analysis.resampling import interval, mean, median, share_interval
from analysis.shares import by_patient
from analysis.shares import interval as told


def test_where_units_are_independent_a_share_has_the_interval_of_jeffreys():
    passed = np.repeat([1.0, 0.0], [43, 64])
    expected = scipy.stats.beta.interval(0.95, 43.5, 64.5)
    assert share_interval(passed, np.arange(107)) == pytest.approx(expected)


@pytest.mark.parametrize("n", [1, 7, 200])
def test_where_none_or_all_pass_the_interval_is_exact(n):
    for groups in (np.arange(n), np.zeros(n, dtype=int)):
        assert share_interval(np.zeros(n), groups) == pytest.approx((0, 1 - 0.025 ** (1 / n)))
        assert share_interval(np.ones(n), groups) == pytest.approx((0.025 ** (1 / n), 1))


def test_groups_that_differ_more_than_chance_widen_it():
    patients = np.repeat(np.arange(8), 25)
    unlike = (patients < 4).astype(float)
    alike = np.tile(np.repeat([1.0, 0.0], [12, 13]), 8)
    low, high = share_interval(unlike, patients)
    assert high - low > 0.6
    found = np.array(share_interval(alike, patients))
    assert found == pytest.approx(share_interval(alike, np.arange(200)))


@given(st.lists(st.booleans(), min_size=2, max_size=40), st.integers(1, 8), st.randoms())
def test_neither_order_nor_names_of_patients_matter_and_the_other_share_is_the_rest(
    passed, n_patients, shuffled
):
    values = np.array(passed, dtype=float)
    groups = np.arange(len(values)) % min(n_patients, len(values))
    low, high = share_interval(values, groups)
    assert 0 <= low <= values.mean() <= high <= 1
    order = list(range(len(values)))
    shuffled.shuffle(order)
    assert share_interval(values[order], groups.max() - groups[order]) == pytest.approx((low, high))
    assert share_interval(1 - values, groups) == pytest.approx((1 - high, 1 - low))


def test_a_median_over_few_patients_may_lie_beyond_the_most_extreme_of_them():
    """Percentiles of five patients cannot; t with four degrees of freedom says they must."""
    values, patients = pd.Series(np.arange(5.0)), pd.Series(list("abcde"))
    found = interval(values, patients, median)
    assert found.value == 2
    assert found.low < 0
    assert found.high > 4
    assert found.low + found.high == pytest.approx(4, abs=0.2)


def test_a_median_scales_with_its_units():
    rng = np.random.default_rng(0)
    values, patients = pd.Series(rng.normal(size=60)), pd.Series(np.arange(60) % 9)
    one, other = (interval(v, patients, median) for v in (values, 3 - 2 * values))
    assert other.value == pytest.approx(3 - 2 * one.value)
    assert other.high == pytest.approx(3 - 2 * one.low)


def test_the_report_draws_patients_from_five_on():
    values, four, five = (
        pd.Series(v) for v in (np.arange(40.0), np.arange(40) % 4, np.arange(40) % 5)
    )
    assert told(values, np.median, four)["drawn"] == "units"
    found = told(values, np.median, five)
    expected = interval(values, five, median)
    assert found == {"low": expected.low, "high": expected.high, "drawn": "patients"}
    assert by_patient(values > 9, np.mean, four) is None
    expected = interval((values > 9).astype(float), five, mean)
    assert by_patient(values > 9, np.mean, five) == {"low": expected.low, "high": expected.high}
