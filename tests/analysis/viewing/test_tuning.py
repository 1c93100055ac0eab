import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.prediction import ceiling
from analysis.viewing.tuning import (
    category_selectivity_by_pictures,
    depth_of_selectivity,
    picture_selectivity,
    reliability,
    sparseness,
)
from task.contract.errors import AnalysisError

CATEGORIES = pd.Series(np.repeat(["face", "text", "tool"], 10), [f"p{n}" for n in range(30)])


def session(effect=0.0, picture_effect=0.0, drift=0.0, n_units=8, n_blocks=4, seed=0):
    """Counts of single trials, every picture once in every block, and the blocks."""
    rng = np.random.default_rng(seed)
    order = np.concatenate([rng.permutation(30) for _ in range(n_blocks)])
    blocks = np.repeat(np.arange(n_blocks), 30)
    log_rate = (
        effect * rng.standard_normal((3, n_units))[order // 10]
        + picture_effect * rng.standard_normal((30, n_units))[order]
        + drift * rng.standard_normal((n_blocks, n_units))[blocks]
    )
    table = pd.DataFrame(
        rng.poisson(0.8 * np.exp(log_rate)),
        pd.Index([f"p{n}" for n in order], name="image"),
        [f"u{n}" for n in range(n_units)],
    )
    return table, blocks.tolist()


def test_f_is_the_analysis_of_variance_of_the_pictures_means():
    table, blocks = session(effect=0.5)
    found = category_selectivity_by_pictures(table, CATEGORIES, blocks, n_shuffles=9)
    for unit in table:
        means = table[unit].groupby(level=0).mean()
        parts = [means[CATEGORIES.index[c == CATEGORIES]] for c in CATEGORIES.unique()]
        assert found.loc[unit, "f"] == pytest.approx(scipy.stats.f_oneway(*parts).statistic)
        assert found.loc[unit, "best"] == CATEGORIES.unique()[np.argmax([x.mean() for x in parts])]


def test_p_agrees_with_the_f_distribution_where_rates_are_normal():
    rng = np.random.default_rng(1)
    table = pd.DataFrame(rng.standard_normal((30, 20)), CATEGORIES.index)
    found = category_selectivity_by_pictures(table, CATEGORIES, [0] * 30, n_shuffles=4000)
    exact = scipy.stats.f.sf(found["f"], 2, 27)
    np.testing.assert_allclose(found["p"], exact, atol=0.03)


def test_omega_is_the_share_of_variance_between_categories():
    rng = np.random.default_rng(2)
    names = [f"q{n}" for n in range(3000)]
    between = np.repeat([-1.0, 0.0, 1.0], 1000)  # variance 2/3
    table = pd.DataFrame({"u": between + rng.standard_normal(3000)}, names)
    categories = pd.Series(np.repeat(list("abc"), 1000), names)
    found = category_selectivity_by_pictures(table, categories, [0] * 3000, n_shuffles=9)
    assert found.loc["u", "omega2"] == pytest.approx((2 / 3) / (2 / 3 + 1), abs=0.03)


@pytest.mark.parametrize("drift", [0.0, 1.0])
def test_without_an_effect_small_p_come_no_more_often_than_said(drift):
    table, blocks = session(drift=drift, n_units=300, seed=3)
    by_category = category_selectivity_by_pictures(table, CATEGORIES, blocks, n_shuffles=400)["p"]
    by_picture = picture_selectivity(table, blocks, n_shuffles=400)["p"]
    for p in (by_category, by_picture):
        for level in (0.01, 0.05, 0.1):
            assert (p <= level).mean() <= level + 3 * np.sqrt(level * (1 - level) / len(p))
        assert (p <= 0.1).mean() > 0.04


def test_pictures_that_differ_are_no_categories():
    """Units that tell pictures apart whatever their category: only one test may say so."""
    table, blocks = session(picture_effect=1.0, n_units=200, seed=4)
    assert (picture_selectivity(table, blocks, n_shuffles=199)["p"] <= 0.05).mean() > 0.9
    p = category_selectivity_by_pictures(table, CATEGORIES, blocks, n_shuffles=199)["p"]
    assert (p <= 0.05).mean() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


def test_drift_is_no_selectivity_where_items_live_in_few_blocks():
    """Each of 6 items in 2 of 6 blocks: rates of the blocks differ, the items do not."""
    rng = np.random.default_rng(5)
    pairs = [(0, 1), (2, 3), (4, 5), (0, 2), (3, 4), (1, 5)]
    items = np.concatenate([np.tile(pair, 4) for pair in pairs])
    blocks = np.repeat(np.arange(6), 8)
    rates = 5 * np.exp(rng.standard_normal((6, 300)))[blocks]
    table = pd.DataFrame(rng.poisson(rates), [f"i{n}" for n in items])
    p = picture_selectivity(table, blocks.tolist(), n_shuffles=199)["p"]
    assert (p <= 0.05).mean() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)


@settings(max_examples=15)
@given(st.permutations(range(120)))
def test_the_order_of_trials_does_not_matter_for_what_is_measured(order):
    table, blocks = session(effect=0.5, drift=0.5, n_units=2)
    one = category_selectivity_by_pictures(table, CATEGORIES, blocks, n_shuffles=20)
    other = category_selectivity_by_pictures(
        table.iloc[order], CATEGORIES, [blocks[n] for n in order], n_shuffles=20
    )
    pd.testing.assert_frame_equal(one, other)


def test_units_that_do_not_vary_are_not_tested():
    table, blocks = session(effect=1.0)
    table = table.assign(silent=0, steps=np.array(blocks) * 3.0)
    for found in (
        category_selectivity_by_pictures(table, CATEGORIES, blocks, n_shuffles=99),
        picture_selectivity(table, blocks, n_shuffles=99),
    ):
        assert found.loc[["silent", "steps"]].isna().all(axis=None)
        tested = found.drop(index=["silent", "steps"])
        assert tested.notna().all(axis=None)


def test_a_unit_has_the_same_answer_whatever_the_units_beside_it():
    table, blocks = session(effect=0.5)
    for ask in (
        lambda t: category_selectivity_by_pictures(t, CATEGORIES, blocks, n_shuffles=50),
        lambda t: picture_selectivity(t, blocks, n_shuffles=50),
        lambda t: reliability(t, n_splits=5, n_resamples=20).assign(q=0.0),
    ):
        pd.testing.assert_frame_equal(
            ask(table).drop(columns="q").loc[["u3"]], ask(table[["u3"]]).drop(columns="q")
        )


def test_sparseness_runs_from_all_alike_to_one_alone():
    rates = pd.DataFrame({"all": [3.0] * 4, "one": [0.0, 0.0, 7.0, 0.0], "silent": [0.0] * 4})
    for measure in (sparseness, depth_of_selectivity):
        found = measure(rates)
        assert found["all"] == pytest.approx(0, abs=1e-12)
        assert found["one"] == pytest.approx(1)
        assert np.isnan(found["silent"])
    half = pd.DataFrame({"u": [2.0, 2.0, 0.0, 0.0]})
    assert sparseness(half)["u"] == pytest.approx((1 - 0.5) / (1 - 1 / 4))
    assert depth_of_selectivity(half)["u"] == pytest.approx((4 - 2) / 3)


rates_of_pictures = st.lists(
    st.floats(0, 50).map(lambda r: round(r, 3)), min_size=2, max_size=20
).filter(any)


@given(rates_of_pictures, st.floats(0.01, 100))
def test_how_choosy_a_unit_is_does_not_depend_on_the_unit_of_measure(rates, scale):
    table = pd.DataFrame({"u": rates})
    for measure in (sparseness, depth_of_selectivity):
        assert measure(table * scale)["u"] == pytest.approx(measure(table)["u"], abs=1e-9)
        assert -1e-9 <= measure(table)["u"] <= 1 + 1e-9


def test_reliability_is_what_a_ceiling_is_made_of():
    table, _ = session(picture_effect=0.8, n_blocks=5, seed=6)
    found = reliability(table, n_splits=400)
    np.testing.assert_allclose(found["reliability"], ceiling(table, n_splits=400), atol=0.02)
    assert ((found["low"] < found["rho"]) & (found["rho"] < found["high"])).all()


def test_reliability_of_known_units_is_recovered_and_lies_in_its_interval():
    rng = np.random.default_rng(7)
    signal = rng.standard_normal((60, 300))
    trials = [signal + np.sqrt(2.0) * rng.standard_normal(signal.shape) for _ in range(4)]
    table = pd.DataFrame(np.concatenate(trials), np.tile(np.arange(60), 4))
    found = reliability(table, n_splits=20, n_resamples=200)
    assert found["rho"].mean() == pytest.approx(0.5, abs=0.01)  # halves: 1 / (1 + 2 / 2)
    assert found["reliability"].mean() == pytest.approx(2 / 3, abs=0.02)
    covered = ((found["low"] <= 0.5) & (found["high"] >= 0.5)).mean()
    assert 0.88 <= covered <= 0.99


def test_a_unit_with_a_silent_half_has_no_reliability():
    table, _ = session()
    found = reliability(table.assign(silent=0.0, once=[1.0] + [0.0] * 119), n_splits=5)
    assert found.loc[["silent", "once"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (
            lambda t, b: category_selectivity_by_pictures(t, CATEGORIES, b[:-1]),
            "120 trials, but 119 blocks for them",
        ),
        (
            lambda t, b: category_selectivity_by_pictures(t, CATEGORIES.drop("p3"), b),
            "categories: none for 'p3'",
        ),
        (
            lambda t, b: category_selectivity_by_pictures(
                t, CATEGORIES.where(CATEGORIES.index != "p3", "tree"), b
            ),
            "categories: two with at least two pictures each are needed; only one of 'tree'",
        ),
        (
            lambda t, b: category_selectivity_by_pictures(t, CATEGORIES, [str(n) for n in t.index]),
            "categories cannot be dealt anew: no two pictures of different ones were shown in the"
            " same blocks",
        ),
        (
            lambda t, b: picture_selectivity(t, t.index.tolist()),
            "pictures cannot be dealt anew: every block shows one picture only",
        ),
        (
            lambda t, b: picture_selectivity(t.iloc[:30], b[:30]),
            "30 trials of 30 pictures: two are needed, and one shown twice",
        ),
        (
            lambda t, b: reliability(t.iloc[:30]),
            "reliability needs two trials of 'p0', 'p1', 'p10', 'p11', 'p12' and 25 more",
        ),
        (
            lambda t, b: reliability(t.loc[["p1", "p2"]]),
            "reliability needs at least three pictures, not 2",
        ),
        (lambda t, b: sparseness(t.iloc[:1]), "at least two pictures are needed, not 1"),
        (lambda t, b: sparseness(t.assign(w=-1.0)), "rates: below 0 in 'w'"),
        (
            lambda t, b: depth_of_selectivity(t.assign(w=np.nan)),
            "rates: missing or infinite values in 'w'",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused(ask, said):
    with pytest.raises(AnalysisError) as refused:
        ask(*session())
    assert str(refused.value) == said
