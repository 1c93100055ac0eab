import json

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr, zscore
from sklearn.metrics import balanced_accuracy_score, confusion_matrix

from analysis.decoding import category_selectivity, decode_categories
from task.contract.errors import AnalysisError


def counts(n_per_category=10, n_units=12, signal=1.0, seed=0):
    rng = np.random.default_rng(seed)
    names = np.repeat(["face", "text", "tool"], n_per_category)
    pattern = dict(zip(["face", "text", "tool"], rng.normal(size=(3, n_units)), strict=True))
    mean = signal * np.array([pattern[name] for name in names])
    index = [f"p{k}" for k in rng.permutation(len(names))]
    values = mean + rng.normal(size=mean.shape)
    return pd.DataFrame(values, index), pd.Series(names, index)


def naive(table, categories):
    """One picture at a time."""
    z = pd.DataFrame(zscore(table.to_numpy()), table.index)
    read = {}
    for image in table.index:
        rest = z.drop(image).groupby(categories.drop(image)).mean()
        read[image] = max(rest.index, key=lambda c: pearsonr(rest.loc[c], z.loc[image]).statistic)
    return pd.Series(read)


def test_categories_are_read_by_the_nearest_mean_without_the_picture_itself():
    table, categories = counts()
    expected = naive(table, categories)
    found = decode_categories(table, categories.sample(frac=1, random_state=0))
    assert found.predicted.to_dict() == expected.to_dict()
    assert found.accuracy == (expected == categories).mean()
    assert found.chance == 1 / 3


def test_a_perfect_decoder_is_always_right():
    assert decode_categories(*counts(signal=50.0)).accuracy == 1.0


def test_nothing_to_read_is_not_read():
    found = [decode_categories(*counts(signal=0.0, seed=s)).accuracy for s in range(30)]
    assert np.mean(found) == pytest.approx(1 / 3, abs=0.06)


@settings(max_examples=20)
@given(st.permutations(range(30)), st.permutations(range(12)))
def test_the_order_of_rows_and_units_does_not_matter(rows, units):
    table, categories = counts()
    found = decode_categories(table.iloc[rows, units], categories).predicted
    assert found.to_dict() == decode_categories(table, categories).predicted.to_dict()


def test_silent_units_take_no_part():
    table, categories = counts()
    found = decode_categories(table.assign(silent=0.0), categories)
    assert found.units == 12
    assert found.accuracy == decode_categories(table, categories).accuracy


def test_silent_units_are_named():
    table, categories = counts()
    assert decode_categories(table.assign(silent=0.0), categories).untested == ("silent",)


def test_patterns_without_scale_of_their_own_are_read_alike():
    table, categories = counts()
    found = decode_categories(table * np.geomspace(0.01, 100, 12) + 5, categories)
    assert found.predicted.to_dict() == decode_categories(table, categories).predicted.to_dict()


def test_confusions_and_their_mean_over_categories_are_counted():
    table, categories = counts(signal=0.4)
    table, categories = table.iloc[:-6], categories.iloc[:-6]
    found = decode_categories(table, categories)
    truth = categories.loc[found.predicted.index]
    assert found.balanced == pytest.approx(balanced_accuracy_score(truth, found.predicted))
    expected = confusion_matrix(truth, found.predicted)
    np.testing.assert_array_equal(found.confusion, expected)
    assert found.confusion.index.tolist() == ["face", "text", "tool"]
    interval = scipy.stats.binomtest(np.trace(expected), 24).proportion_ci(method="exact")
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_shuffled_categories_are_read_as_any_others():
    table, categories = counts(signal=0.6)
    found = decode_categories(table, categories, n_shuffles=12, seed=4)
    ids = table.index.sort_values()
    codes = pd.factorize(categories.loc[ids], sort=True)[0]
    labels = np.random.default_rng(4).permuted(np.tile(codes, (12, 1)), axis=1)
    alone = [decode_categories(table, pd.Series(row, ids)) for row in labels]
    np.testing.assert_allclose(found.null, [each.accuracy for each in alone])
    np.testing.assert_allclose(found.null_balanced, [each.balanced for each in alone])
    as_good = sum(each.accuracy >= found.accuracy for each in alone)
    assert found.p == (1 + as_good) / 13
    assert found.smallest_p == 1 / 13


def test_without_shuffles_nothing_is_tested():
    found = decode_categories(*counts())
    assert np.isnan(found.p)
    assert np.isnan(found.smallest_p)
    assert found.null.size == 0


def test_categories_of_unequal_size_are_read_by_chance_alone_without_a_signal():
    rng = np.random.default_rng(0)
    categories = pd.Series(["object"] * 30 + ["face"] * 8 + ["text"] * 4)
    table = pd.DataFrame(rng.normal(size=(42, 10)))
    found = decode_categories(table, categories, n_shuffles=2000)
    assert found.null_balanced.mean() == pytest.approx(1 / 3, abs=0.03)


def test_p_is_no_smaller_than_it_may_be_without_a_signal():
    p = [decode_categories(*counts(signal=0.0, seed=s), n_shuffles=39).p for s in range(200)]
    for level in (0.05, 0.1, 0.5):
        most = level + 3 * np.sqrt(level * (1 - level) / 200)
        assert np.mean(np.array(p) <= level) <= most


def test_categories_read_from_real_neurons_are_reproduced(shared_data):
    folder = shared_data("object_sessions_v4")
    known = json.loads((folder / "expected.json").read_text())["sessions"]["210325"]
    stored = np.load(folder / "features_210325.npz")
    ids = stored["image_file"].astype(str)
    table = pd.DataFrame(np.load(folder / "responses_210325.npy").T, ids)
    categories = pd.Series(stored["category"].astype(str), ids)
    found = decode_categories(table, categories, n_shuffles=199)
    assert round(found.accuracy, 3) == known["category_decoding_accuracy"]
    assert found.chance == known["category_chance"]
    assert found.null.mean() == pytest.approx(found.chance, abs=0.005)
    assert found.p == found.smallest_p


def test_selectivity_is_the_analysis_of_variance():
    table, categories = counts(signal=0.5)
    found = category_selectivity(table.assign(silent=3.0), categories)
    for unit in table:
        expected = scipy.stats.f_oneway(*(part for _, part in table[unit].groupby(categories)))
        assert found.loc[unit, "f"] == pytest.approx(expected.statistic)
        assert found.loc[unit, "p"] == pytest.approx(expected.pvalue)
    assert found.loc["silent"].isna().all()
    assert (found["q"].dropna() >= found["p"].dropna()).all()


def test_trials_of_one_picture_share_its_category():
    table, categories = counts()
    twice = pd.concat([table, table + 0.1])
    found = category_selectivity(twice, categories)
    assert found["p"].notna().all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t, c: (t, c.drop("p3")), "categories: none for 'p3'"),
        (
            lambda t, c: (t, c.where(c.index != "p3", "tree")),
            "categories: two with at least two rows each are needed; only one row of 'tree'",
        ),
        (
            lambda t, c: (t[(c == "face").to_numpy()], c),
            "categories: two with at least two rows each are needed; only 'face'",
        ),
        (lambda t, c: (t[[0]], c), "decoding needs at least two units that vary"),
        (
            lambda t, c: (pd.concat([t, t[[4]]], axis=1), c),
            "counts: more than one unit is named 4",
        ),
        (
            lambda t, c: (pd.concat([t, t.loc[["p3"]]]), c),
            "counts: more than one row for 'p3'",
        ),
        (lambda t, c: (t.assign(x=np.nan), c), "counts: missing or infinite values in 'x'"),
    ],
)
def test_what_cannot_be_decoded_is_refused(change, said):
    with pytest.raises(AnalysisError) as refused:
        decode_categories(*change(*counts()))
    assert str(refused.value) == said
