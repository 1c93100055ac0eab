import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.imagined.equivalence import taking_part, visual_response
from analysis.imagined.questions import Reactivation, reactivation
from analysis.imagined.trials import ImageryTrials
from task.contract.errors import AnalysisError

PICTURES = np.tile([f"p{n:03d}" for n in range(300)], 4)
VIEW_BLOCK = pd.Series(np.repeat(np.arange(4), 300))


def views(rates_hz, rng, base_hz=1.0):
    """Counts in 0.27 s after each view and 0.08 s before its response, as rates."""
    order = rng.permutation(len(PICTURES))
    rates = np.asarray(rates_hz)[np.tile(np.arange(300), 4)]
    response = pd.DataFrame(rng.poisson(rates * 0.27) / 0.27, PICTURES).add_prefix("u")
    baseline = pd.DataFrame(
        rng.poisson(base_hz * 0.08, response.shape) / 0.08, PICTURES
    ).add_prefix("u")
    return response.iloc[order], baseline.iloc[order], VIEW_BLOCK.iloc[order].reset_index(drop=True)


def test_units_without_response_are_equivalent_and_others_are_not():
    rng = np.random.default_rng(0)
    rates = np.ones((300, 40))
    rates[:, 10:20] += 1.5  # all pictures alike
    rates[:, 20:30] = rng.choice([0.0, 2.0], (300, 10))  # the same mean
    rates[7, 30:] = 40.0  # one picture in three hundred
    found = visual_response(*views(rates, rng)).units
    assert found["equivalent"][:10].mean() > 0.7
    assert not found["equivalent"][10:].any()
    assert found["change_hz"][10:20].mean() == pytest.approx(1.5, abs=0.15)
    assert found["spread_hz"][20:30].mean() == pytest.approx(1.0, abs=0.15)
    assert (found["spread_high"] >= found["spread_hz"]).all()
    assert (found["bound_share"] == 0.5 / found["baseline_hz"]).all()


def test_change_and_spread_are_those_of_their_textbook_formulas():
    rng = np.random.default_rng(1)
    response, baseline, blocks = views(rng.uniform(0, 8, (300, 3)), rng, 3.0)
    found = visual_response(response, baseline, blocks).units
    change = (response - baseline).groupby(level=0).mean()
    centred = response - response.groupby(blocks.to_numpy()).transform("mean")
    for unit in found.index:
        whole = scipy.stats.ttest_1samp(change[unit], 0.0)
        low, high = whole.confidence_interval(0.90)
        assert found.loc[unit, "change_hz"] == pytest.approx(change[unit].mean())
        assert found.loc[unit, ["change_low", "change_high"]].tolist() == pytest.approx([low, high])
        pairs = []
        for _, of_picture in centred[unit].groupby(level=0):
            x = of_picture.to_numpy()
            pairs.append(np.mean([x[j] * x[k] for j in range(4) for k in range(4) if j != k]))
        assert found.loc[unit, "spread_hz"] == pytest.approx(np.sqrt(np.mean(pairs)))


def test_p_is_the_largest_of_the_one_sided_ones_and_agrees_with_the_intervals():
    rng = np.random.default_rng(2)
    tables = views(np.full((300, 300), 1.0), rng)
    found = visual_response(*tables).units
    inside = (
        (found["change_low"] > -0.5) & (found["change_high"] < 0.5) & (found["spread_high"] < 0.5)
    )
    assert 0.2 < inside.mean() < 0.98
    pd.testing.assert_series_equal(inside, found["equivalent"], check_names=False)
    change = (tables[0] - tables[1]).groupby(level=0).mean()
    below = scipy.stats.ttest_1samp(change, 0.5, alternative="less").pvalue
    above = scipy.stats.ttest_1samp(change, -0.5, alternative="greater").pvalue
    assert (found["p_equivalent"] >= np.maximum(below, above) - 1e-12).all()


@pytest.mark.parametrize(("change", "spread"), [(0.5, 0.0), (-0.5, 0.0), (0.0, 0.5)])
def test_units_at_the_bound_are_called_equivalent_at_the_nominal_rate(change, spread):
    rng = np.random.default_rng(3)
    shape = rng.permuted(np.tile([[-1.0], [1.0]], (150, 600)), axis=0)
    found = visual_response(*views(1.0 + change + spread * shape, rng)).units
    assert found["equivalent"].mean() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 600)


@settings(max_examples=10)
@given(st.floats(0.1, 30.0))
def test_in_other_units_of_rate_the_same_is_found(factor):
    rng = np.random.default_rng(4)
    response, baseline, blocks = views(rng.uniform(0.5, 1.5, (300, 5)), rng)
    one = visual_response(response, baseline, blocks)
    other = visual_response(response * factor, baseline * factor, blocks, 0.5 * factor)
    pd.testing.assert_series_equal(one.units["p_equivalent"], other.units["p_equivalent"])
    pd.testing.assert_series_equal(one.units["spread_high"] * factor, other.units["spread_high"])


def test_too_few_pictures_and_silent_units_are_not_tested_and_never_equivalent():
    rng = np.random.default_rng(5)
    response, baseline, _ = views(np.ones((300, 2)), rng)
    response["u1"] = baseline["u1"] = 0.0
    found = visual_response(response, baseline)
    assert found.units.loc["u1", "untested"] == "no spike in any window"
    assert np.isnan(found.units.loc["u1", "p_equivalent"])
    few = response.index.isin([f"p{n:03d}" for n in range(29)])
    found = visual_response(response[few], baseline[few])
    assert found.pictures == 29
    assert found.units["untested"].tolist() == [
        "29 pictures were seen twice or more; 30 are needed",
        "no spike in any window",
    ]
    assert not found.units["equivalent"].any()
    once = ~response.index.duplicated()
    assert visual_response(response[once], baseline[once]).pictures == 0


def test_tables_that_do_not_belong_together_are_refused():
    rng = np.random.default_rng(6)
    response, baseline, blocks = views(np.ones((300, 2)), rng)
    for tables, message in (
        ((response, baseline[::-1]), "rates and baselines differ in their views or units"),
        ((response, baseline, blocks[:7]), "1200 views, but 7 blocks"),
        ((response, baseline, blocks, 0.0), "the bound is 0 Hz; it must be above 0"),
    ):
        with pytest.raises(AnalysisError, match=f"^visual responses: {message}$"):
            visual_response(*tables)


# --- who takes part in what ----------------------------------------------------------------------


def imagined(change_hz) -> Reactivation:
    """Eight units of 3 Hz whose rate changes so much after every cue."""
    rng = np.random.default_rng(7)
    item = pd.Series(["a", "b"] * 32)
    before = pd.DataFrame(rng.poisson(3.0, (64, 8))).add_prefix("u").astype(float)
    during = pd.DataFrame(rng.poisson(3.0 + np.asarray(change_hz), (64, 8))).add_prefix("u")
    block = pd.Series(np.repeat(np.arange(8), 8))
    return reactivation(ImageryTrials(item, block, before, during.astype(float)))


def test_units_fall_into_four_kinds_and_the_undecided():
    rng = np.random.default_rng(8)
    imagery = imagined([4, 0, 4, 0, 4, 0, 4, 0])
    rates = np.tile([3.0, 3.0, 0.5, 0.5, 12.0, 12.0, 0.5, 0.5], (300, 1))
    base = np.tile([0.5, 0.5, 0.5, 0.5, 12.0, 12.0, 0.5, 0.5], (1200, 1))
    response, baseline, blocks = views(rates, rng, base)
    responsive = pd.Series([True, True, False, False, False, False, True, False], response.columns)
    found = taking_part(imagery, visual_response(response, baseline, blocks), responsive)
    assert found.units["kind"].tolist() == [
        "both", "viewing only", "imagery only", "neither", "undecided", "undecided", "both",
        "neither",
    ]  # fmt: skip
    assert found.counts.to_dict() == {
        "both": 2, "viewing only": 1, "imagery only": 1, "neither": 2, "undecided": 2
    }  # fmt: skip
    both_p = np.maximum(imagery.units["p"], found.units["p_imagery_only"])
    pd.testing.assert_series_equal(both_p, found.units["p_imagery_only"], check_names=False)
    assert found.said == (
        "Of 8 units: 2 both, 1 viewing only, 1 imagery only, 2 neither, 2 undecided. Imagery only:"
        " reactivated, and the response to pictures shown to be within 0.5 Hz in mean and in"
        " spread. Viewing only: responsive or axis-tuned in viewing, and not detected in imagery,"
        " which is no proof of absence."
    )


def test_a_unit_with_too_few_views_is_undecided_and_never_imagery_only():
    rng = np.random.default_rng(9)
    response, baseline, _ = views(np.ones((300, 8)), rng)
    few = response.index.isin([f"p{n:03d}" for n in range(20)])
    visual = visual_response(response[few], baseline[few])
    responsive = pd.Series(False, response.columns)
    found = taking_part(imagined([4] * 8), visual, responsive)
    assert found.counts["undecided"] == 8
    assert found.units["q_imagery_only"].isna().all()


def test_units_nobody_looked_at_in_viewing_are_named():
    rng = np.random.default_rng(10)
    response, baseline, _ = views(np.ones((300, 7)), rng)
    visual = visual_response(response, baseline)
    with pytest.raises(AnalysisError, match="^visual responses: nothing of unit 'u7'$"):
        taking_part(imagined([4] * 8), visual, pd.Series(False, [f"u{n}" for n in range(8)]))
    with pytest.raises(AnalysisError, match="^responsive units: nothing of unit 'u7'$"):
        more = views(np.ones((300, 8)), rng)
        taking_part(imagined([4] * 8), visual_response(*more), pd.Series(False, response.columns))
