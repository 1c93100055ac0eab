import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr, zscore

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
