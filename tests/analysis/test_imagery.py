import numpy as np
import pandas as pd
import pytest
import scipy.stats

from analysis.axis import axis_weights, orthogonal_axis, projections
from analysis.imagery import (
    imagined_code,
    population,
    viewing_code,
)
from analysis.imagined.trials import ImageryTrials, imagery_trials
from analysis.space import object_space
from task.contract.errors import AnalysisError

# Session P80_1 of the study: pairs of items by block, cued A B A B A B A B.
PAIRS = [(2, 6), (3, 7), (1, 5), (7, 4), (8, 3), (6, 4), (1, 5), (8, 2)]
ITEMS = [f"i{k}" for k in range(1, 9)]
ITEM = pd.Series([f"i{k}" for pair in PAIRS for k in pair * 4])
BLOCK = pd.Series([f"block{b}" for b in range(8) for _ in range(8)])


def named(values) -> pd.DataFrame:
    return pd.DataFrame(values, columns=[f"u{n}" for n in range(values.shape[1])])


def session(rates_hz, before_hz, rng) -> ImageryTrials:
    """Poisson counts in 1 s before each cue and 2 s after it."""
    before, during = np.maximum(before_hz, 0.05), np.maximum(rates_hz, 0.05)
    return ImageryTrials(
        ITEM, BLOCK, named(rng.poisson(before) / 1.0), named(rng.poisson(2 * during) / 2)
    )


def drifting(n_units, rng, sd_hz=1.0):
    """Rates that walk from block to block and fall within each, (64, n_units)."""
    walk = np.cumsum(rng.normal(0, sd_hz, (8, n_units)), axis=0)[np.repeat(np.arange(8), 8)]
    return 3.0 + walk - np.tile(np.linspace(0, 1, 8), 8)[:, None]


def random_order(rng):
    """The session with the first item of every block drawn."""
    pairs = [pair[:: rng.choice((1, -1))] for pair in PAIRS]
    return pd.Series([f"i{k}" for pair in pairs for k in pair * 4])


# --- windows ---------------------------------------------------------------------------------


def test_rates_are_counted_in_half_open_windows_around_the_cue():
    spikes = {"u": np.array([8.75, 9.0, 9.75, 10.0, 10.5, 11.75, 12.0])}
    cues = pd.DataFrame({"item": ["dog"], "block": [1], "onset_s": [10.0]}, index=[77])
    trials = imagery_trials(spikes, cues, before_s=(-1.0, 0.0), during_s=(0.0, 2.0))
    assert trials.before["u"].tolist() == [2 / 1.0]
    assert trials.during["u"].tolist() == [3 / 2.0]
    assert (trials.item[0], trials.block[0]) == ("dog", 1)


def test_cues_without_item_block_or_time_are_refused():
    cues = pd.DataFrame({"item": ["dog", None], "block": [1, 1], "onset_s": [1.0, 2.0]})
    with pytest.raises(AnalysisError, match="at least one is needed, and an item and block for"):
        imagery_trials({}, cues, (-1, 0), (0, 2))
    with pytest.raises(AnalysisError, match="^imagery trials: no column 'block', 'onset_s'$"):
        imagery_trials({}, cues[["item"]], (-1, 0), (0, 2))


def without_lines(rates):
    """Less the least-squares line through each block, block by block."""
    place = np.tile(np.arange(8.0), 8)
    left = rates.copy()
    for block in BLOCK.unique():
        here = (block == BLOCK).to_numpy()
        for unit in rates:
            line = np.polyfit(place[here], rates.loc[here, unit], 1)
            left.loc[here, unit] -= np.polyval(line, place[here])
    return left


# --- imagery follows a quantity --------------------------------------------------------------


def test_within_blocks_the_correlation_is_that_of_cells_without_means_and_trends():
    rng = np.random.default_rng(6)
    trials = session(*[drifting(4, rng)] * 2, rng)
    quantity = pd.DataFrame(rng.normal(size=(8, 4)), ITEMS[::-1], ["u3", "u1", "u0", "u2"])
    found = imagined_code(trials, quantity).units
    y = without_lines(trials.during).groupby([BLOCK, ITEM]).mean()
    known = quantity.loc[y.index.get_level_values(1)].set_index(y.index)
    x = known - known.groupby(level=0).transform("mean")
    block, place = pd.get_dummies(BLOCK).to_numpy(float), np.tile(np.arange(8.0), 8)
    for unit in found.index:
        assert found.loc[unit, "r"] == pytest.approx(np.corrcoef(x[unit], y[unit])[0, 1])
        quantity_of_trials = quantity.loc[ITEM, unit].to_numpy()
        design = np.column_stack([quantity_of_trials, block, block * place[:, None]])
        slope = np.linalg.lstsq(design, trials.during[unit].to_numpy(), rcond=None)[0][0]
        assert found.loc[unit, "slope"] == pytest.approx(slope)


def test_a_straight_fall_within_blocks_is_no_item_though_the_first_is_always_cued_first():
    fall = named(np.tile(np.linspace(9, 2, 8), 8)[:, None] * [1.0, 2.0])
    noise = np.random.default_rng(18).normal(0, 1, (64, 2))
    quantity = named(np.random.default_rng(19).normal(size=(8, 2))).set_axis(ITEMS)
    flat, falling = (
        imagined_code(ImageryTrials(ITEM, BLOCK, rates, rates), quantity).units
        for rates in (fall * 0 + noise, fall + noise)
    )
    pd.testing.assert_frame_equal(falling, flat)


def test_single_trials_of_each_item_are_compared_as_they_are():
    """A line through them would take the items with it."""
    rng = np.random.default_rng(20)
    rates, quantity = rng.random((8, 1)), named(rng.random((8, 1))).set_axis(ITEMS)
    trials = ImageryTrials(pd.Series(ITEMS), pd.Series([1] * 8), *[named(rates)] * 2)
    found = imagined_code(trials, quantity).units.loc["u0"]
    line = scipy.stats.linregress(quantity["u0"], rates[:, 0])
    assert (found["r"], found["slope"]) == pytest.approx((line.rvalue, line.slope))


def test_its_p_is_that_of_flipping_the_contrast_of_every_block():
    rng = np.random.default_rng(7)
    trials = session(*[drifting(5, rng)] * 2, rng)
    quantity = named(rng.normal(size=(8, 5))).set_axis(ITEMS)
    one, two = imagined_code(trials, quantity), imagined_code(trials, quantity, two_sided=True)
    assert one.exact
    assert len(one.null) == 256
    cells = without_lines(trials.during).groupby([BLOCK, ITEM]).mean()
    for unit in quantity:
        products = [
            np.diff(cells.loc[f"block{b}", unit][[f"i{k}" for k in pair]])[0]
            * np.diff(quantity.loc[[f"i{k}" for k in pair], unit])[0]
            for b, pair in enumerate(PAIRS)
        ]
        for code, side in ((one, "greater"), (two, "two-sided")):
            exact = scipy.stats.permutation_test(
                (products,),
                np.sum,
                permutation_type="samples",
                alternative=side,
                n_resamples=np.inf,
            )
            assert code.units.loc[unit, "p"] == pytest.approx(exact.pvalue)


def test_drift_without_signal_gives_the_nominal_rate_for_units_and_population():
    rng = np.random.default_rng(8)
    by_unit, by_population = [], []
    for _ in range(100):
        rate = drifting(20, rng)
        trials = session(rate, rate, rng)
        trials = ImageryTrials(random_order(rng), BLOCK, trials.before, trials.during)
        shared = rng.normal(size=(8, 1))  # units that prefer alike, as in one brain area
        code = imagined_code(trials, named(shared + rng.normal(size=(8, 20))).set_axis(ITEMS))
        by_unit += code.units["p"].tolist()
        by_population.append(population([code])["swap_p"])
    assert np.mean(np.array(by_unit) <= 0.05) < 0.06
    assert np.mean(np.array(by_population) <= 0.05) <= 0.1
    assert np.median(by_population) == pytest.approx(0.5, abs=0.15)


def test_a_gain_of_a_tenth_is_recovered_through_drift():
    rng = np.random.default_rng(9)
    seen = named(rng.gamma(1.2, 3, (8, 60))).set_axis(ITEMS)
    rate = drifting(60, rng, 0.5)
    imagined = rate + 0.11 * (seen - seen.mean()).loc[ITEM].to_numpy()
    code = imagined_code(session(imagined, rate, rng), seen)
    assert code.units["slope"].mean() == pytest.approx(0.11, abs=0.03)
    found = population([code])
    assert found["swap_p"] == 1 / 256
    assert found["wilcoxon_p"] < 0.001
    assert found["positive_low"] > 0.5


def test_items_and_units_are_matched_by_name_and_missing_ones_named():
    rng = np.random.default_rng(10)
    trials = session(*[drifting(2, rng)] * 2, rng)
    quantity = named(rng.normal(size=(8, 2))).set_axis(ITEMS)
    with pytest.raises(AnalysisError, match="^imagined items: no row for 'i3'$"):
        imagined_code(trials, quantity.drop("i3"))
    with pytest.raises(AnalysisError, match="^imagined items: nothing is known for unit 'u1'$"):
        imagined_code(trials, quantity[["u0"]])
    with pytest.raises(AnalysisError, match="^imagined items: missing or infinite values in 'u1'$"):
        imagined_code(trials, quantity.replace(quantity.loc["i5", "u1"], np.nan))


def test_a_unit_that_was_silent_in_viewing_is_not_tested():
    rng = np.random.default_rng(16)
    space, rates = viewing(rng)
    rates["u3"] = 0.0
    code = viewing_code(session(*[drifting(25, rng)] * 2, rng), rates, space)
    for part in (code.axis, code.orthogonal, code.viewing):
        assert part.units["r"].isna().tolist() == [unit == "u3" for unit in rates]
        assert part.units["p"].isna().tolist() == [unit == "u3" for unit in rates]
        assert population([part])["units"] == 24


def test_sessions_are_put_together():
    rng = np.random.default_rng(11)
    codes = []
    for _ in range(3):
        rate = drifting(10, rng, 0.5)
        seen = named(rng.gamma(1.2, 3, (8, 10))).set_axis(ITEMS)
        imagined = rate + 0.1 * (seen - seen.mean()).loc[ITEM].to_numpy()
        codes.append(imagined_code(session(imagined, rate, rng), seen))
    found = population(codes)
    assert found["units"] == 30
    assert found["mean_r"] == pytest.approx(np.mean([c.units["r"].mean() for c in codes]))
    assert found["swap_p"] < 0.002
    pd.testing.assert_series_equal(found, population(codes))


def test_a_session_of_many_blocks_is_sampled_and_counts_itself_in():
    rng = np.random.default_rng(17)
    item = pd.Series(["a", "b"] * 20)
    block = pd.Series(np.repeat(np.arange(20), 2))
    during = named(np.where(item == "a", 9.0, 1.0)[:, None] + rng.random((40, 3)))
    code = imagined_code(
        ImageryTrials(item, block, during, during),
        named(np.repeat([[1.0], [0.0]], 3, axis=1)).set_axis(["a", "b"]),
    )
    assert not code.exact
    assert (code.units["p"] == 1 / 5000).all()
    assert population([code])["swap_p"] == 1 / 5000


def test_no_unit_is_no_population():
    trials = ImageryTrials(ITEM, BLOCK, *[named(np.zeros((64, 2)))] * 2)
    code = imagined_code(trials, named(np.arange(16.0).reshape(8, 2)).set_axis(ITEMS))
    with pytest.raises(AnalysisError, match="^population: no unit varies in imagery$"):
        population([code])


# --- the code of viewing ---------------------------------------------------------------------


def viewing(rng, n_units=25, n_images=100, n_dims=5):
    images = [f"p{k:03d}" for k in range(n_images - 8)] + ITEMS
    space = object_space(
        pd.DataFrame(rng.normal(size=(n_images, n_dims)), images), n_dims, standardise=False
    )
    tuning = rng.normal(size=(n_dims, n_units))
    rates = 8 + 2 * space.coordinates @ tuning + rng.normal(0, 1, (n_images, n_units))
    return space, rates.set_axis([f"u{n}" for n in range(n_units)], axis=1)


def test_imagery_by_the_viewing_axis_is_seen_on_that_axis_and_not_on_the_orthogonal_one():
    rng = np.random.default_rng(12)
    space, rates = viewing(rng)
    rate = drifting(25, rng, 0.5)
    projected = projections(axis_weights(rates, space), space)
    imagined = rate + 8 * projected.loc[ITEM].to_numpy()
    code = viewing_code(session(imagined, rate, rng), rates, space)
    assert population([code.axis])["median_r"] > 0.5
    assert population([code.viewing])["median_r"] > 0.4
    assert population([code.axis])["swap_p"] <= 2 / 256
    assert population([code.orthogonal])["swap_p"] > 0.05
    assert code.orthogonal.two_sided
    assert not code.axis.two_sided


def test_rates_to_imagined_pictures_do_not_move_the_axes_they_are_put_on():
    rng = np.random.default_rng(13)
    space, rates = viewing(rng)
    rate = drifting(25, rng)
    trials = session(rate, rate, rng)
    before = viewing_code(trials, rates, space)
    changed = rates.copy()
    changed.loc[ITEMS] = rng.normal(size=(8, 25)) * 100
    after = viewing_code(trials, changed, space)
    pd.testing.assert_frame_equal(after.axis.units, before.axis.units)
    pd.testing.assert_frame_equal(after.orthogonal.units, before.orthogonal.units)
    assert (after.viewing.units["r"] != before.viewing.units["r"]).all()


def test_the_code_of_viewing_is_put_together_from_its_parts():
    rng = np.random.default_rng(14)
    space, rates = viewing(rng)
    trials = session(*[drifting(25, rng)] * 2, rng)
    others = rates.drop(ITEMS)
    weights = axis_weights(others, space)
    across = orthogonal_axis(weights, space.at(others.index))
    code = viewing_code(trials, rates.sample(frac=1, random_state=0), space)
    for found, quantity in (
        (code.axis, projections(weights, space)),
        (code.orthogonal, projections(across, space)),
        (code.viewing, rates),
    ):
        expected = imagined_code(trials, quantity, two_sided=found.two_sided)
        pd.testing.assert_frame_equal(found.units, expected.units)


def test_units_and_pictures_that_were_not_viewed_are_named():
    rng = np.random.default_rng(15)
    space, rates = viewing(rng)
    trials = session(*[drifting(25, rng)] * 2, rng)
    with pytest.raises(AnalysisError, match="^viewing: no rates of unit 'u7'$"):
        viewing_code(trials, rates.drop(columns="u7"), space)
    with pytest.raises(AnalysisError, match="^viewing rates: no row for 'i2'$"):
        viewing_code(trials, rates.drop("i2"), space)


# --- the study's own cells -------------------------------------------------------------------


def test_the_published_cells_follow_viewing_in_imagery(shared_data):
    table = pd.read_csv(shared_data("imagery_deposit") / "vision_vs_imagineria.csv")
    codes = []
    for _, cell in table.groupby("neuron_id"):
        imagined = cell[["imagery_hz"]].set_axis(["u"], axis=1).reset_index(drop=True)
        block = pd.Series(0, imagined.index)
        item = cell["stimulus"].reset_index(drop=True)
        seen = cell.set_index("stimulus")[["visual_screening_hz"]].set_axis(["u"], axis=1)
        codes.append(imagined_code(ImageryTrials(item, block, imagined, imagined), seen))
    found = population(codes)
    assert found["units"] == 43
    assert found["median_r"] == pytest.approx(0.4349, abs=5e-4)
    assert found["mean_r"] == pytest.approx(0.3223, abs=5e-4)
    assert found["positive"] == pytest.approx(33 / 43)
    assert found["swap_p"] < 0.001
    slopes = pd.concat([code.units["slope"] for code in codes])
    assert slopes.median() == pytest.approx(0.1073, abs=5e-4)
    r = pd.concat([code.units["r"] for code in codes])
    assert scipy.stats.wilcoxon(r).pvalue == pytest.approx(5.28e-05, rel=0.01)
    assert found["wilcoxon_p"] == pytest.approx(5.28e-05 / 2, rel=0.01)
