import itertools

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from analysis.imagined.questions import reactivation
from analysis.imagined.reach import design_reach
from analysis.imagined.trials import ImageryTrials, imagery_trials
from analysis.inference import benjamini_hochberg
from task.contract.errors import AnalysisError

# Session P80_1 of the study: pairs of items by block, cued A B A B A B A B.
PAIRS = [(2, 6), (3, 7), (1, 5), (7, 4), (8, 3), (6, 4), (1, 5), (8, 2)]
ITEM = pd.Series([f"i{k}" for pair in PAIRS for k in pair * 4])
BLOCK = pd.Series([f"block{b}" for b in range(8) for _ in range(8)])
PLACE = np.tile(np.arange(8.0), 8)[:, None]


def named(values) -> pd.DataFrame:
    return pd.DataFrame(values, columns=[f"u{n}" for n in range(values.shape[1])])


def session(before_hz, during_hz, rng, item=ITEM, block=BLOCK) -> ImageryTrials:
    """Poisson counts in 1 s before each cue and 2 s after it."""
    before, during = np.maximum(before_hz, 0.05), np.maximum(during_hz, 0.05)
    before, during = named(rng.poisson(before) / 1.0), named(rng.poisson(2 * during) / 2)
    return ImageryTrials(item, block, before, during, (1.0, 2.0))


def drifting(n_units, rng, sd_hz=1.0):
    """Rates that walk from block to block, (64, n_units)."""
    walk = np.cumsum(rng.normal(0, sd_hz, (8, n_units)), axis=0)
    return 3.0 + walk[np.repeat(np.arange(8), 8)]


P = ["p_modulated", "p_selective", "p", "p_modulated_by_block", "p_swap"]


@pytest.mark.parametrize("later", [0.0, 0.5])
def test_units_that_drift_and_fall_within_blocks_are_called_at_the_nominal_rate(later):
    rng = np.random.default_rng(0)
    level = drifting(1500, rng, 0.5)
    units = reactivation(session(level - PLACE / 7, level - (PLACE + later) / 7, rng)).units
    for p in P:
        assert (units[p] <= 0.05).mean() < 0.065, p
        assert (units[p] <= 0.05).mean() > 0.02, f"{p} is blind"
    assert units["reactivated"].mean() < 0.01


def test_an_anova_calls_drifting_units_far_too_often():
    """Why block means are taken out: each item lives in two blocks."""
    rng = np.random.default_rng(0)
    during = session(*[drifting(300, rng)] * 2, rng).during
    p = scipy.stats.f_oneway(*(part for _, part in during.groupby(ITEM))).pvalue
    assert (p <= 0.05).mean() > 0.2


def test_units_that_change_or_differ_between_items_are_found():
    rng = np.random.default_rng(1)
    rate = drifting(60, rng, 0.5)
    before, during = rate.copy(), rate.copy()
    during[:, :20] += 3.0  # modulated
    of_item = pd.DataFrame(rng.normal(0, 2.5, (8, 20)), [f"i{k}" for k in range(1, 9)])
    during[:, 20:40] += of_item.loc[ITEM].to_numpy() + 3.0
    before[:, 20:40] += 3.0
    result = reactivation(session(before, during, rng))
    found = result.units
    assert (found["p_modulated"][:20] <= 0.05).mean() > 0.9
    assert found["change_hz"][:20].mean() == pytest.approx(3.0, abs=0.3)
    assert (found["p_selective"][20:40] <= 0.05).mean() > 0.8
    assert found["reactivated"][:40].mean() > 0.8
    assert found["reactivated"][40:].mean() <= 0.1
    assert found["eta2"][20:40].min() > found["eta2"][40:].median()
    assert (result.population["p"] <= 0.001).all()
    assert result.population.loc["selective", "share"] == pytest.approx(found["eta2"].mean())
    for question in ("modulated", "selective"):
        expected = benjamini_hochberg(found[f"p_{question}"])
        pd.testing.assert_series_equal(found[f"q_{question}"], expected, check_names=False)


def exact_p(values) -> float:
    found = scipy.stats.permutation_test(
        (values,), lambda d: np.abs(d.sum()), permutation_type="samples",
        alternative="greater", n_resamples=np.inf, vectorized=False,
    )  # fmt: skip
    return float(found.pvalue)


def test_the_strict_reading_of_modulation_is_the_exact_sign_flip_test_of_block_means():
    """Twice: as they are, and less what half a step of the trend would make of them."""
    rng = np.random.default_rng(2)
    rate = drifting(4, rng)
    trials = session(rate, rate + 0.7, rng)
    units = reactivation(trials).units
    means = (trials.during - trials.before).groupby(BLOCK).mean()
    level = (trials.during + trials.before) / 2
    steps = (level.groupby(BLOCK).last() - level.groupby(BLOCK).first()) / 7
    for unit in units.index:
        expected = max(exact_p(means[unit]), exact_p(means[unit] - 0.5 * steps[unit]))
        assert units.loc[unit, "p_modulated_by_block"] == pytest.approx(expected)


def test_modulation_of_few_trials_is_the_largest_of_two_exact_tests_and_the_binomial_one():
    rng = np.random.default_rng(3)
    block, item = pd.Series([1, 1, 1, 2, 2, 2]), pd.Series(["a", "b", "a", "b", "a", "b"])
    before, during = (
        named(rng.poisson(4.0, (6, 20)) / 1.0),
        named(rng.poisson(14.0, (6, 20)) / 2.0),
    )
    flips = reactivation(ImageryTrials(item, block, before, during)).units["p_modulated"]
    with_counts = reactivation(ImageryTrials(item, block, before, during, (1.0, 2.0))).units
    change, level = during - before, (during + before) / 2
    steps = (level.groupby(block).last() - level.groupby(block).first()) / 2
    for unit in before:
        drift = -0.5 * 3 * steps[unit]
        expected = max(exact_p(change[unit]), exact_p(pd.concat([change[unit], drift])))
        assert flips[unit] == pytest.approx(expected)
        spikes = int(before[unit].sum()), int(2 * during[unit].sum())
        chance = scipy.stats.binom(sum(spikes), 2 / 3)
        mid = min(chance.cdf(spikes[1]), chance.sf(spikes[1] - 1)) - chance.pmf(spikes[1]) / 2
        expected = max(expected, min(1, 2 * mid))
        assert with_counts.loc[unit, "p_modulated"] == pytest.approx(expected)
    assert (with_counts["p_modulated"] > flips).any()


def test_selectivity_by_swaps_is_that_of_trying_all_256():
    rng = np.random.default_rng(3)
    trials = session(*[drifting(3, rng)] * 2, rng)
    y = trials.during.copy()
    for _, here in y.groupby(BLOCK).groups.items():
        line = np.polynomial.polynomial.polyfit(np.arange(8.0), y.loc[here], 1)
        y.loc[here] -= np.polynomial.polynomial.polyval(np.arange(8.0), line).T
    between = []
    for way in range(256):
        items = ITEM.copy()
        for b, (one, other) in enumerate(PAIRS):
            if way >> b & 1:
                swap = {f"i{one}": f"i{other}", f"i{other}": f"i{one}"}
                items[8 * b : 8 * b + 8] = items[8 * b : 8 * b + 8].map(swap)
        groups = y.groupby(items)
        between.append((groups.mean() ** 2).mul(groups.size(), axis=0).sum())
    between = pd.DataFrame(between)
    expected = (between >= between.iloc[0] - 1e-9).mean()
    units = reactivation(trials).units
    pd.testing.assert_series_equal(units["p_swap"], expected, check_names=False)
    np.testing.assert_allclose(units["eta2"], between.iloc[0] / (y**2).sum())


def test_selectivity_in_one_block_is_that_of_trying_all_balanced_orders():
    """Of the 70 orders of A B A B A B A B those whose mean places differ by no more."""
    rng = np.random.default_rng(4)
    item, block = pd.Series(["a", "b"] * 4), pd.Series([1] * 8)
    rates = named(rng.poisson(6.0, (8, 5)) / 2)
    place = np.arange(8.0)
    y = rates - np.array([np.polyval(np.polyfit(place, rates[u], 1), place) for u in rates]).T
    between = []
    for chosen in itertools.combinations(range(8), 4):
        first = np.isin(np.arange(8), chosen)
        if abs(place[first].mean() - place[~first].mean()) <= 1:
            between.append(y[first].sum() ** 2 / 4 + y[~first].sum() ** 2 / 4)
    between = pd.DataFrame(between)
    observed = y[::2].sum() ** 2 / 4 + y[1::2].sum() ** 2 / 4
    found = reactivation(ImageryTrials(item, block, rates, rates))
    expected = (between >= observed - 1e-9).mean()
    pd.testing.assert_series_equal(found.units["p_selective"], expected, check_names=False)
    assert found.reach.tests.loc["selective", "smallest_p"] == pytest.approx(2 / len(between))


def test_answers_to_one_unit_do_not_depend_on_the_others():
    rng = np.random.default_rng(5)
    trials = session(*[drifting(7, rng)] * 2, rng)
    some = ["u5", "u2"]
    few = ImageryTrials(ITEM, BLOCK, trials.before[some], trials.during[some], trials.widths_s)
    all_units, two = reactivation(trials, seed=4).units, reactivation(few, seed=4).units
    pd.testing.assert_frame_equal(two[P], all_units.loc[some, P])


def test_relabelled_items_shuffled_blocks_and_other_units_of_rate_change_nothing():
    rng = np.random.default_rng(6)
    trials = session(*[drifting(20, rng)] * 2, rng)
    units = reactivation(trials).units
    renamed = ImageryTrials(
        "item-" + ITEM, BLOCK.map(lambda b: b[::-1]), trials.before, trials.during, (1.0, 2.0)
    )
    pd.testing.assert_frame_equal(reactivation(renamed).units, units)
    scaled = ImageryTrials(ITEM, BLOCK, trials.before / 8, trials.during / 8, (8.0, 16.0))
    columns = [*P, "eta2"]
    pd.testing.assert_frame_equal(reactivation(scaled).units[columns], units[columns])


# --- what a design can show ----------------------------------------------------------------------


def test_the_studys_design_can_show_single_units_by_trials_and_hardly_any_by_blocks():
    reach = design_reach(ITEM.tolist(), BLOCK.tolist(), 100)
    assert reach.claims
    assert reach.tests["smallest_p"].to_dict() == pytest.approx(
        {
            "modulated": 1 / 5000,
            "modulated_by_block": 2 / 256,
            "selective": 1 / 5000,
            "selective_by_swap": 2 / 256,
            "reactivated": 2 / 5000,
        }
    )
    assert reach.tests["units_needed"].to_dict() == {
        "modulated": 1, "modulated_by_block": 16, "selective": 1, "selective_by_swap": 16,
        "reactivated": 1,
    }  # fmt: skip
    assert reach.said == (
        "64 cues in 8 blocks: the smallest p of a unit is 0.0004; 1 of 100 units must reach it"
        " before any has q <= 0.05"
    )


def test_items_that_always_lead_are_named_and_trends_are_taken_out_of_every_block():
    reach = design_reach(ITEM.tolist(), BLOCK.tolist(), 100)
    assert reach.leaning == ("i1", "i4", "i5", "i8")
    assert reach.trends == 8
    turned = [item for block in (["a", "b"] * 4, ["b", "a"] * 4) for item in block]
    assert design_reach(turned, [1] * 8 + [2] * 8, 100).leaning == ()
    assert design_reach(["a", "a", "b", "b"], [1, 1, 2, 2], 100).leaning == ()


def test_a_design_too_small_for_single_units_says_so_and_tests_them_as_a_whole():
    rng = np.random.default_rng(7)
    item, block = pd.Series(["a", "b"] * 2), pd.Series([1] * 4)
    rates = [named(rng.poisson(3, (4, 5)) + hz) for hz in (1.0, 9.0)]
    found = reactivation(ImageryTrials(item, block, *rates))
    assert found.needed is None
    assert not found.reach.claims
    assert not found.units["reactivated"].any()
    assert found.population.loc["modulated", "p"] == found.population.loc["modulated", "smallest_p"]
    assert found.population.loc["modulated", "p"] == pytest.approx(2 / 2**4)
    assert found.reach.said == (
        "4 cues in 1 block: the smallest p of a unit is 0.25; not even all 5 units together could"
        " have q <= 0.05, so that only the units as a whole can be tested"
    )
    assert design_reach(item.tolist(), block.tolist(), 5).said == found.reach.said


def test_with_one_item_a_block_only_modulation_is_asked_and_not_paid_for_twice():
    rng = np.random.default_rng(8)
    item = pd.Series(np.repeat(["a", "b", "c", "d"], 4))
    block = pd.Series(np.repeat([1, 2, 3, 4], 4))
    found = reactivation(session(*rng.uniform(2, 6, (2, 16, 9)), rng, item, block))
    assert found.units[["p_selective", "q_selective", "p_swap"]].isna().all(axis=None)
    pd.testing.assert_series_equal(found.units["p"], found.units["p_modulated"], check_names=False)
    assert found.reach.tests.loc["selective", "smallest_p"] == 1
    assert np.isnan(found.population.loc["selective", "p"])
    assert found.smallest_p == 1 / 5000


def test_silent_and_constant_units_are_not_tested_and_it_is_said_why():
    rng = np.random.default_rng(9)
    trials = session(*[drifting(4, rng)] * 2, rng)
    trials.during["u1"] = trials.before["u1"] = 0.0
    trials.during["u2"] = trials.before["u2"] = 3.0
    found = reactivation(trials)
    untested = found.units.loc[["u1", "u2"]]
    assert untested[[*P, "q", "eta2"]].isna().all(axis=None)
    assert untested["untested"].tolist() == [
        "no spike in any window",
        "the same rate in every trial",
    ]
    assert not untested["reactivated"].any()
    assert found.units.drop(["u1", "u2"])["p"].notna().all()
    assert found.population["units"].tolist() == [2, 2]


def test_rates_that_are_none_and_units_of_one_name_are_refused():
    rng = np.random.default_rng(10)
    trials = session(*[drifting(2, rng)] * 2, rng)
    trials.during.loc[5, "u1"] = np.nan
    with pytest.raises(
        AnalysisError, match="^rates in imagery: missing or infinite values in 'u1'$"
    ):
        reactivation(trials)
    twins = [t.set_axis(["u", "u"], axis=1) for t in (trials.before, trials.before)]
    with pytest.raises(AnalysisError, match="^imagery: two units are called 'u'$"):
        reactivation(ImageryTrials(ITEM, BLOCK, *twins))


def test_the_trials_know_the_widths_of_their_windows_and_how_much_later_one_is():
    cues = pd.DataFrame({"item": list("abab"), "block": 1, "onset_s": [10.0, 16, 22, 28]})
    trials = imagery_trials({"u": np.array([10.5])}, cues, (-1.0, 0.0), (0.0, 5.0))
    assert trials.widths_s == (1.0, 5.0)
    assert trials.lag == pytest.approx(3 / 6)
    lonely = imagery_trials({"u": np.array([10.5])}, cues[:1], (-1.0, 0.0), (0.0, 5.0))
    assert lonely.lag == 0.5


def test_fixed_orders_say_what_tests_of_items_assume():
    fixed = design_reach(["a", "b"] * 4 + ["a", "c"] * 4, [1] * 8 + [2] * 8, 100)
    assert fixed.order == (
        "a straight trend within the block is taken out of the rates in 2 of 2 blocks, so that p of"
        " items are corrected for it. 'a', 'b', 'c' were cued first in all blocks or in none: there"
        " item and place in the block are one. Unless the order was drawn, p of items assume that"
        " what a trend has beyond a straight line is small"
    )
    balanced = design_reach(["a", "b"] * 4 + ["b", "a"] * 4, [1] * 8 + [2] * 8, 100)
    assert balanced.order == (
        "a straight trend within the block is taken out of the rates in 2 of 2 blocks, so that p of"
        " items are corrected for it; no item was cued first in all of its blocks, or in none"
    )


def test_where_items_and_places_are_one_no_trend_is_said_to_be_taken_out():
    order = design_reach(["a", "a", "b", "b"], [1] * 4, 100).order
    assert order.startswith("a straight trend within the block is taken out of the rates in 0 of 1")
