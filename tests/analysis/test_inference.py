from itertools import permutations

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from analysis.inference import (
    balanced_permutations,
    benjamini_hochberg,
    bootstrap_interval,
    label_permutations,
    label_swaps,
    lopsided,
    permutation_p,
    proportion_interval,
    sign_flips,
    units_needed,
)
from task.contract.errors import AnalysisError


def test_a_sampled_null_counts_the_observed_labelling_in():
    null = np.arange(99)[:, None]
    assert permutation_p([200.0], null, exact=False) == 1 / 100
    assert permutation_p([-1.0], null, exact=False) == 1.0
    assert permutation_p([89.0], null, exact=False) == 11 / 100  # 89 itself is as large


def test_a_full_null_holds_the_observed_labelling_already():
    null = np.arange(8)[:, None]
    assert permutation_p([7.0], null, exact=True) == 1 / 8


def test_sums_that_differ_in_their_last_digit_are_equal():
    a, b = 0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1
    assert a > b
    assert permutation_p([a], [[a], [b]], exact=True) == 1.0


def test_a_unit_without_statistic_has_no_p():
    assert np.isnan(permutation_p([np.nan, 1.0], np.zeros((9, 2)), exact=False)).tolist() == [
        True,
        False,
    ]


def test_units_that_were_not_tested_do_not_weigh_on_q():
    p = pd.Series([0.01, np.nan, 0.04, 0.3], index=list("abcd"))
    q = benjamini_hochberg(p)
    assert q.dropna().to_dict() == pytest.approx({"a": 0.03, "c": 0.06, "d": 0.3})
    assert np.isnan(q["b"])
    assert benjamini_hochberg(p * np.nan).isna().all()


@given(st.integers(1, 300), st.integers(1, 2000))
def test_as_many_units_as_needed_at_the_smallest_p_are_accepted_and_one_fewer_are_not(n, ways):
    needed = units_needed(n, 1 / ways)
    counts = range(1, n + 1) if needed is None else [needed - 1, needed]
    for count in counts:
        p = pd.Series([1 / ways] * count + [1.0] * (n - count))
        accepted = bool((benjamini_hochberg(p) <= 0.05 + 1e-12).any())
        assert accepted == (needed is not None and count == needed and count > 0)


def test_six_blocks_with_two_questions_can_never_reach_the_rate():
    assert units_needed(100, 4 / 2**6) is None
    assert units_needed(100, 4 / 2**8) == 32


def test_the_interval_of_a_proportion_is_clopper_pearson():
    low, high = proportion_interval(43, 107)
    assert scipy.stats.binom.sf(42, 107, low) == pytest.approx(0.025)
    assert scipy.stats.binom.cdf(43, 107, high) == pytest.approx(0.025)
    assert proportion_interval(0, 0) == (0.0, 1.0)


def test_the_bootstrap_of_a_mean_has_its_standard_error():
    values = pd.Series(np.random.default_rng(0).normal(3, 2, 400))
    low, high = bootstrap_interval(values, np.mean)
    assert low == pytest.approx(values.mean() - 1.96 * values.sem(), abs=0.03)
    assert high == pytest.approx(values.mean() + 1.96 * values.sem(), abs=0.03)


def test_units_of_one_patient_are_drawn_together():
    """Ten patients with twenty equal units each are ten observations, not two hundred."""
    rng = np.random.default_rng(1)
    patients = pd.Series(np.repeat(np.arange(10), 20))
    of_patient = rng.normal(size=10)
    values = pd.Series(of_patient[patients])
    low, high = bootstrap_interval(values, np.mean, patients)
    assert high - low == pytest.approx(3.92 * of_patient.std() / np.sqrt(10), rel=0.1)
    narrow_low, narrow_high = bootstrap_interval(values, np.mean)
    assert narrow_high - narrow_low < (high - low) / 3


def test_the_bootstrap_is_the_same_every_time_and_needs_two_things():
    values = pd.Series([1.0, 2.0, 5.0, np.nan])
    assert bootstrap_interval(values) == bootstrap_interval(values)
    assert np.isnan(bootstrap_interval(values, groups=pd.Series(["P1"] * 4))).all()


def test_a_unit_without_patient_is_named():
    with pytest.raises(AnalysisError, match="no patient is named for 'u2'"):
        bootstrap_interval(
            pd.Series({"u1": 1.0, "u2": 2.0}), groups=pd.Series({"u1": "P1", "u2": None})
        )


def test_all_sign_flips_are_listed_up_to_twelve_blocks():
    flips = sign_flips(8)
    assert flips.exact
    assert len({tuple(row) for row in flips.rows}) == 2**8
    assert (flips.rows[0] == 1).all()
    assert sign_flips(12).exact
    drawn = sign_flips(13)
    assert not drawn.exact
    assert drawn.rows.shape == (4999, 13)
    assert set(np.unique(drawn.rows)) == {-1, 1}
    assert abs(drawn.rows.mean()) < 0.02


def test_sign_flips_give_the_p_of_the_exact_test():
    d = np.random.default_rng(2).normal(0.6, 1, 8)
    flips = sign_flips(8)
    ours = permutation_p([abs(d.mean())], np.abs(flips.rows @ d / 8)[:, None], exact=flips.exact)
    scipys = scipy.stats.permutation_test((d,), np.mean, permutation_type="samples")
    assert ours == pytest.approx(scipys.pvalue)


PAIRS = [(5, 1), (2, 6), (3, 7), (7, 4), (8, 3), (6, 4), (1, 5), (8, 2)]
ITEMS = [f"i{k}" for pair in PAIRS for k in pair * 4]
BLOCKS = [b for b in range(8) for _ in range(8)]


def test_swaps_exchange_both_items_of_a_block_on_all_its_trials():
    swaps = label_swaps(ITEMS, BLOCKS)
    names = pd.unique(pd.Series(ITEMS)).tolist()
    assert swaps.exact
    assert len({tuple(row) for row in swaps.rows}) == 2**8
    assert [names[k] for k in swaps.rows[0]] == ITEMS
    for block in range(8):
        trials = swaps.rows[:, np.array(BLOCKS) == block]
        straight, crossed = np.unique(trials, axis=0)
        assert (straight[::2] == crossed[1::2]).all()
        assert (straight[1::2] == crossed[::2]).all()


def test_three_items_in_a_block_are_exchanged_in_six_ways():
    swaps = label_swaps(["a", "b", "c", "a", "d", "d"], [1, 1, 1, 1, 2, 2])
    assert len(swaps.rows) == 6
    assert (swaps.rows[:, 0] == swaps.rows[:, 3]).all()
    assert (swaps.rows[:, 4:] == 3).all()


def test_swaps_are_drawn_where_there_are_too_many_to_list():
    items = ["a", "b"] * 13
    blocks = np.repeat(np.arange(13), 2)
    swaps = label_swaps(items, blocks)
    assert not swaps.exact
    assert swaps.rows.shape == (4999, 26)
    assert (swaps.rows[:, ::2] + swaps.rows[:, 1::2] == 1).all()
    assert abs(swaps.rows[:, ::2].mean() - 0.5) < 0.02


def test_free_exchanges_keep_what_was_cued_in_each_block():
    drawn = label_permutations(ITEMS, BLOCKS)
    first_seen = pd.unique(pd.Series(ITEMS)).tolist()
    assert not drawn.exact
    for block in range(8):
        here = np.array(BLOCKS) == block
        cued = sorted(first_seen.index(item) for item in np.array(ITEMS)[here])
        assert (np.sort(drawn.rows[:, here], axis=1) == cued).all()
    assert len({tuple(row) for row in drawn.rows}) == 4999


def places_of(order):
    """Mean place of the first item less that of the second."""
    order = np.asarray(order)
    return np.flatnonzero(order == 0).mean() - np.flatnonzero(order == 1).mean()


def test_balanced_exchanges_are_all_orders_no_more_lopsided_than_the_one_that_was_run():
    all_orders = {tuple(order) for order in permutations([0, 0, 0, 0, 1, 1, 1, 1])}
    expected = {order for order in all_orders if abs(places_of(order)) <= 1 + 1e-9}
    found = balanced_permutations(["a", "b"] * 4, [1] * 8)
    assert found.exact
    assert len(all_orders) == 70
    assert {tuple(row) for row in found.rows} == expected
    assert len(found.rows) == len(expected)


def test_balanced_exchanges_are_drawn_where_there_are_too_many_to_list():
    drawn = balanced_permutations(ITEMS, BLOCKS, seed=3)
    assert not drawn.exact
    assert drawn.rows.shape == (4999, 64)
    codes = pd.factorize(pd.Series(ITEMS))[0]
    for block in range(8):
        here = np.array(BLOCKS) == block
        assert (np.sort(drawn.rows[:, here], axis=1) == np.sort(codes[here])).all()
        assert (lopsided(drawn.rows[:, here]) <= lopsided(codes[here]) + 1e-9).all()
    assert len({tuple(row) for row in drawn.rows}) == 4999
    again = balanced_permutations(ITEMS, BLOCKS, seed=3)
    assert (again.rows == drawn.rows).all()


@pytest.mark.parametrize("items", [["a", "b", "c"], ["a", "a", "b", "b"]])
def test_items_that_their_places_tell_apart_are_exchanged_as_a_whole(items):
    found, swaps = (by(items, [1] * len(items)).rows for by in (balanced_permutations, label_swaps))
    assert sorted(map(tuple, found)) == sorted(map(tuple, swaps))


def test_a_block_of_very_many_orders_exchanges_turn_by_turn():
    items = ["a", "b", "c"] * 6
    found = balanced_permutations(items, [1] * 18)
    turns = found.rows.reshape(-1, 6, 3)
    assert (np.sort(turns, axis=2) == [0, 1, 2]).all()
    assert len({tuple(turn) for turn in turns[:, 4]}) == 6


@given(st.lists(st.integers(0, 3), min_size=2, max_size=12))
def test_lopsided_is_the_share_of_places_variance_between_items(items):
    place = pd.Series(np.arange(float(len(items))))
    between = place.groupby(items).transform("mean").var(ddof=0) / place.var(ddof=0)
    assert lopsided(items) == pytest.approx(between, abs=1e-12)
    assert lopsided(items[::-1]) == pytest.approx(between, abs=1e-12)
