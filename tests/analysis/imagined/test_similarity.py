import json

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.imagery import imagined_code, population
from analysis.imagined.blocks import without_trends
from analysis.imagined.gap import published_slope
from analysis.imagined.items import item_rates
from analysis.imagined.similarity import (
    published_pooled,
    similarity,
    similarity_of_means,
    unit_specific,
)
from analysis.imagined.trials import ImageryTrials
from benchmarks.deposit import axis_neurons, imagery_tables
from task.contract.errors import AnalysisError
from tests.analysis.imagined.planted_items import ITEMS, imagined, viewed_hz, views_of


def tables(rng, n_units=5, n_items=8):
    """Two tables of means; the second follows the first a little, in another order."""
    names = [f"i{k}" for k in rng.permutation(n_items)]
    first = pd.DataFrame(rng.gamma(2, 2, (n_items, n_units)), names).add_prefix("u")
    second = 0.3 * first + rng.gamma(2, 1, (n_items, n_units))
    return first, second.sample(frac=1, random_state=0)


# --- single trials -----------------------------------------------------------------------------


def test_view_imagine_similarity_is_the_code_of_viewing():
    rng = np.random.default_rng(0)
    hz = viewed_hz(6, rng)
    trials, views = imagined(hz, 0.3, rng), views_of(hz, rng)
    known = item_rates(views).rates
    found = similarity(trials.during.set_axis(trials.item), trials.block, known)
    expected = imagined_code(trials, known)
    pd.testing.assert_frame_equal(found.units, expected.units)


def test_spearman_is_pearson_of_ranks_without_block_means_and_trends():
    rng = np.random.default_rng(1)
    hz = viewed_hz(4, rng)
    trials = imagined(hz, 0.3, rng)
    found = similarity(
        trials.during.set_axis(trials.item), trials.block, hz, method="spearman"
    ).units["r"]
    item, block = trials.item.to_numpy(), trials.block.to_numpy()
    free = without_trends(trials.during.to_numpy(), item, block)
    ranks = pd.DataFrame(scipy.stats.rankdata(free.round(9), axis=0), columns=hz.columns)
    expected = imagined_code(ImageryTrials(trials.item, trials.block, ranks, ranks), hz.rank())
    pd.testing.assert_series_equal(found, expected.units["r"])
    cubed = similarity(trials.during.set_axis(trials.item), trials.block, hz**3, method="spearman")
    pd.testing.assert_series_equal(cubed.units["r"], found)


def test_drift_shared_by_encoding_and_imagery_does_not_make_them_similar():
    """Every block has a level of its own in both phases, and no unit any code."""
    rng = np.random.default_rng(2)
    by_unit, by_session = [], []
    for _ in range(80):
        flat = pd.DataFrame(4.0, ITEMS, [f"u{n}" for n in range(8)])
        encoding, imagery = imagined(flat, 0.0, rng), imagined(flat, 0.0, rng)
        level = rng.normal(0, 4, (8, 8))[np.repeat(np.arange(8), 8)]
        encoded = (encoding.during + level).set_axis(encoding.item)
        profile = item_rates(encoded, encoding.block).rates
        recalled = (imagery.during + level).set_axis(imagery.item)
        code = similarity(recalled, imagery.block, profile)
        by_unit += code.units["p"].tolist()
        by_session.append(population([code])["swap_p"])
    for alpha in (0.01, 0.05, 0.1):
        for p in (np.array(by_unit), np.array(by_session)):
            assert (p <= alpha).mean() <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / len(p))
    assert np.median(by_unit) < 0.7  # strict, not blind


def test_blocks_and_trials_must_belong_together_and_items_be_three():
    rng = np.random.default_rng(3)
    first, second = tables(rng)
    with pytest.raises(AnalysisError, match="^similarity: 8 trials, but blocks for 3$"):
        similarity(second, pd.Series([1, 2, 3]), first)
    with pytest.raises(AnalysisError, match="^similarity: at least 3 items are needed, not 2$"):
        similarity(second[:2], pd.Series([1, 1]), first)
    with pytest.raises(AnalysisError, match="^units: more than one row for 'u0'$"):
        similarity(second[["u0", "u0"]], pd.Series(0, second.index), first)
    with pytest.raises(AnalysisError, match="^imagined items: no row for 'i3'$"):
        similarity(second, pd.Series(0, second.index), first.drop("i3"))


# --- means -------------------------------------------------------------------------------------


def test_of_means_the_coefficients_are_those_of_scipy():
    rng = np.random.default_rng(4)
    first, second = tables(rng)
    second.iloc[2:4, 0] = 1.0  # ties
    for method, ours in (("pearson", scipy.stats.pearsonr), ("spearman", scipy.stats.spearmanr)):
        (code,) = similarity_of_means(first, second, method=method)
        for unit in first:
            expected = ours(first[unit], second[unit].loc[first.index]).statistic
            assert code.units.loc[unit, "r"] == pytest.approx(expected, abs=1e-9)


def test_of_six_items_p_counts_all_720_orders():
    rng = np.random.default_rng(5)
    first, second = tables(rng, n_units=2, n_items=6)
    (code,) = similarity_of_means(first, second)
    assert (code.exact, len(code.null)) == (True, 720)
    for unit in first:
        y = second[unit].loc[first.index].to_numpy()
        exact = scipy.stats.permutation_test(
            (first[unit].to_numpy(),),
            lambda x, y=y: scipy.stats.pearsonr(x, y).statistic,
            permutation_type="pairings",
            alternative="greater",
            n_resamples=np.inf,
        )
        assert code.units.loc[unit, "p"] == pytest.approx(exact.pvalue, abs=1e-9)


def test_units_with_the_same_items_are_one_session():
    rng = np.random.default_rng(6)
    first, second = tables(rng, n_units=5)
    for table in (first, second):
        table.loc[["i2", "i5"], ["u1", "u4"]] = np.nan
    codes = similarity_of_means(first, second)
    assert [list(code.units.index) for code in codes] == [["u0", "u2", "u3"], ["u1", "u4"]]
    x, y = first["u4"].dropna(), second["u4"].dropna()
    assert codes[1].units.loc["u4", "r"] == pytest.approx(scipy.stats.pearsonr(x, y[x.index])[0])


def test_tables_that_do_not_match_are_refused():
    rng = np.random.default_rng(7)
    first, second = tables(rng)
    with pytest.raises(AnalysisError, match="^similarity: only one of the tables has item 'i4'$"):
        similarity_of_means(first.drop("i4"), second)
    with pytest.raises(AnalysisError, match="^similarity: only one of the tables has unit 'u2'$"):
        similarity_of_means(first, second.drop(columns="u2"))
    first.loc["i1", "u3"] = np.nan
    with pytest.raises(
        AnalysisError, match="^similarity: an item is known in one table only for 'u3'$"
    ):
        similarity_of_means(first, second)


@settings(max_examples=15)
@given(st.integers(0, 1000), st.floats(0.1, 10), st.floats(-5, 5))
def test_similarity_does_not_depend_on_scale_level_or_order_of_the_items(seed, scale, level):
    rng = np.random.default_rng(seed)
    first, second = tables(rng, n_units=3)
    (plain,) = similarity_of_means(first, second)
    (moved,) = similarity_of_means(first[::-1] * scale, second * scale + level)
    np.testing.assert_allclose(moved.units["r"], plain.units["r"], atol=1e-9)
    assert plain.units["r"].abs().max() <= 1 + 1e-9


# --- a unit's own ------------------------------------------------------------------------------


def test_profiles_that_all_units_share_are_no_units_own():
    rng = np.random.default_rng(8)
    p, others = [], []
    for _ in range(100):
        salient = rng.normal(size=(8, 1))
        first, second = (
            pd.DataFrame(salient + 0.5 * rng.normal(size=(8, 10)), ITEMS) for _ in range(2)
        )
        found = unit_specific(first, second)
        p.append(found["p"])
        others.append(found["others"])
    assert np.mean(np.array(p) <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 100)
    assert np.mean(others) > 0.6


def test_profiles_of_each_unit_are_found_beside_what_all_share():
    rng = np.random.default_rng(9)
    own = rng.normal(size=(8, 20)) + rng.normal(size=(8, 1))
    first, second = (pd.DataFrame(own + 0.7 * rng.normal(size=own.shape), ITEMS) for _ in range(2))
    found = unit_specific(first, second)
    r = np.corrcoef(first.T, second.T)[:20, 20:]
    assert found["own"] == pytest.approx(np.trace(r) / 20)
    assert found["others"] == pytest.approx((r.sum() - np.trace(r)) / 380)
    assert (found["p"], found["units"]) == (1 / 5000, 20)


def test_one_unit_alone_has_no_neighbours_to_differ_from():
    rng = np.random.default_rng(10)
    first, second = tables(rng, n_units=1)
    with pytest.raises(AnalysisError, match="no session has two units that vary$"):
        unit_specific(first, second)


# --- the study's own cells ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def deposit(shared_data):
    folder = shared_data("imagery_deposit")
    return folder, json.loads((folder / "expected.json").read_text())


PHASES = {
    "view_imagine": ("view", "imagine"),
    "encode_imagine": ("encode", "imagine"),
    "view_encode": ("view", "encode"),
}


@pytest.mark.parametrize("which", PHASES)
def test_the_published_similarities_come_out(deposit, which):
    folder, told = deposit[0], deposit[1]["imagery"][which]
    hz = imagery_tables(folder)
    pair = [hz[phase] for phase in PHASES[which]]
    for method in ("pearson", "spearman"):
        expected = told[f"per_cell_{method}"]
        codes = similarity_of_means(*pair, method=method)
        r = pd.concat([code.units["r"] for code in codes])
        whole = population(codes)
        assert (whole["units"], (r > 0).sum()) == (expected["cells"], expected["positive"])
        assert whole["positive"] == pytest.approx(expected["positive_fraction"], abs=5e-5)
        found = [whole["median_r"], whole["mean_r"], *r.quantile([0.25, 0.75])]
        names = ("median", "mean", "q25", "q75")
        np.testing.assert_allclose(found, [expected[n] for n in names], atol=5.1e-5)
        p = scipy.stats.wilcoxon(r).pvalue
        assert p == pytest.approx(expected["wilcoxon_p"], rel=5e-3)
        assert whole["wilcoxon_p"] == pytest.approx(p / 2)
        assert whole["swap_p"] < 0.01
    pooled = published_pooled(*pair)
    assert pooled["within_unit_z_pearson"] == pytest.approx(
        told["pooled_within_cell_z_pearson"], abs=5.1e-5
    )
    for name in ("raw_spearman", "raw_pearson"):
        assert pooled[name] == pytest.approx(told[f"pooled_{name}"], abs=5.1e-5)


def test_the_published_coefficients_of_every_cell_come_out(deposit):
    folder, told = deposit
    published = pd.read_csv(folder / "correlaciones_neuronas.csv", index_col="neuron_id")
    hz = imagery_tables(folder)
    names = {"view_imagine": "vis_imag", "encode_imagine": "enc_imag", "view_encode": "vis_enc"}
    for which, column in names.items():
        codes = similarity_of_means(*(hz[p] for p in PHASES[which]), method="spearman")
        r = pd.concat([code.units["r"] for code in codes])
        differ = (r - published[f"rho_{column}"]).abs().max()
        assert differ <= 5.1e-5
    assert hz["view"].notna().sum().to_dict() == published["n_stimuli"].to_dict()
    per_cell = published["n_stimuli"].value_counts()
    assert {str(n): int(c) for n, c in per_cell.items()} == told["imagery"]["stimuli_per_cell"]
    assert int(hz["view"].notna().to_numpy().sum()) == told["imagery"]["rows"]


def test_the_published_slope_and_rates_come_out(deposit):
    folder, told = deposit[0], deposit[1]["imagery"]
    hz = imagery_tables(folder)
    slope = published_slope(hz["view"], hz["imagine"])
    expected = told["slope_of_imagery_on_view"]
    found = slope.quantile([0.5, 0.25, 0.75])
    np.testing.assert_allclose(found, [expected[n] for n in ("median", "q25", "q75")], atol=5.1e-5)
    rates = told["rates_hz"]
    for phase, table in hz.items():
        means, most = table.mean(), table.max()
        expected = rates[phase]
        assert means.median() == pytest.approx(expected["median_of_cell_means"], abs=5.1e-5)
        assert means.mean() == pytest.approx(expected["mean_of_cell_means"], abs=5.1e-5)
        assert most.median() == pytest.approx(expected["median_of_cell_maxima"], abs=5.1e-5)
    for name in ("mean", "max"):
        ratio = getattr(hz["imagine"], name)() / getattr(hz["view"], name)()
        key = {"mean": "means", "max": "maxima"}[name]
        assert ratio.median() == pytest.approx(
            rates[f"imagine_over_view_of_cell_{key}_median"], abs=5.1e-5
        )


def test_the_published_axis_neurons_come_out(deposit):
    folder, told = deposit[0], deposit[1]["axis_neurons"]
    found = axis_neurons(folder)
    assert found.keys() == told.keys()
    for name, expected in told.items():
        if isinstance(expected, dict) and "median" in expected:
            for part, value in expected.items():
                assert found[name][part] == pytest.approx(value, abs=5.1e-3), (name, part)
        elif isinstance(expected, float):
            assert found[name] == pytest.approx(expected, rel=1e-2)
        else:
            assert found[name] == expected
