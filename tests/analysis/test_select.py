from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.select import select_items, spread
from task.contract.errors import AnalysisError


def candidates(n_images=120, n_units=10, seed=0, shares=(0.5, 0.2, 0.2, 0.1)):
    rng = np.random.default_rng(seed)
    ids = [f"p{k:03d}" for k in range(n_images)]
    units = [f"u{n}" for n in range(n_units)]
    points = rng.normal(size=(n_images, 9))
    along = pd.DataFrame(points[:, :6] @ rng.normal(size=(6, n_units)), ids, units)
    across = pd.DataFrame(points[:, 6:] @ rng.normal(size=(3, n_units)), ids, units)
    groups = pd.Series(rng.choice(list("abcd")[: len(shares)], n_images, p=shares), ids)
    return along, across, groups


def criterion(items, along, across):
    """As documented, from scratch."""
    scaled = [(t - t.mean()) / t.std(ddof=0) for t in (along, across)]
    spreads = [t.loc[list(items)].var(ddof=0) for t in scaled]
    return np.log(spreads[0]).mean() - spreads[1].mean()


def test_chosen_pictures_are_better_than_any_of_a_thousand_random_sets():
    along, across, groups = candidates()
    chosen = select_items(along, across, groups)
    rng = np.random.default_rng(1)
    random = [rng.choice(along.index, 8, replace=False) for _ in range(1000)]
    assert criterion(chosen, along, across) > max(criterion(s, along, across) for s in random)
    assert spread(chosen, along).median() > 1.2
    assert spread(chosen, across).median() < 0.9
    assert np.median([spread(list(s), along).median() for s in random]) < 1.0


def test_of_a_few_pictures_the_best_set_is_chosen():
    along, across, _ = candidates(14, 3)
    groups = pd.Series("a", along.index)
    best = max(combinations(along.index, 4), key=lambda s: criterion(s, along, across))
    assert select_items(along, across, groups, n=4) == list(best)


@pytest.mark.parametrize(("n", "counts"), [(8, [2, 2, 2, 2]), (6, [1, 1, 2, 2]), (4, [1, 1, 1, 1])])
def test_categories_are_as_equal_as_they_can_be(n, counts):
    along, across, groups = candidates()
    chosen = select_items(along, across, groups, n)
    assert sorted(groups[chosen].value_counts()) == counts


def test_a_category_with_too_few_pictures_gives_what_it_has():
    along, across, groups = candidates()
    groups[:] = "a"
    groups.iloc[:30] = "b"
    groups.iloc[40] = "c"
    chosen = select_items(along, across, groups, 8)
    assert groups[chosen].value_counts().to_dict() in ({"a": 4, "b": 3, "c": 1},
                                                       {"a": 3, "b": 4, "c": 1})  # fmt: skip


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(30)), st.permutations(range(5)))
def test_the_order_of_tables_does_not_matter(rows, units):
    along, across, groups = candidates(30, 5)
    mixed = select_items(along.iloc[rows, units], across.iloc[rows[::-1]], groups)
    assert mixed == select_items(along, across, groups)


def test_scale_and_sign_of_an_axis_do_not_matter():
    along, across, groups = candidates()
    assert select_items(-3 * along, 7 * across, groups) == select_items(along, across, groups)


def test_spread_is_relative_to_all_pictures():
    along, _, _ = candidates()
    assert spread(list(along.index), along).tolist() == pytest.approx([1.0] * 10)
    assert spread(["p000", "p000"], along).tolist() == [0.0] * 10


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda a, o, g: (a[[]], o, g, 8),
            "no axis-tuned unit: there is no axis to spread pictures along",
        ),
        (
            lambda a, o, g: (a, o, g, 121),
            "121 pictures cannot be chosen from 120; at least 2 are needed",
        ),
        (
            lambda a, o, g: (a, o, g, 1),
            "1 pictures cannot be chosen from 120; at least 2 are needed",
        ),
        (lambda a, o, g: (a, o, g.drop("p007"), 8), "categories: no row for 'p007'"),
        (
            lambda a, o, g: (a, o.drop("p007"), g, 8),
            "orthogonal projections: no row for 'p007'",
        ),
        (
            lambda a, o, g: (a, o.drop(columns="u3"), g, 8),
            "orthogonal projections: no unit 'u3'",
        ),
        (
            lambda a, o, g: (a.assign(u3=1.0), o, g, 8),
            "all pictures lie at one point of the axis of 'u3'",
        ),
        (
            lambda a, o, g: (a.assign(u3=np.nan), o, g, 8),
            "projections: missing or infinite values in 'u3'",
        ),
        (
            lambda a, o, g: (pd.concat([a, a.iloc[:1]]), o, g, 8),
            "projections: more than one row for 'p000'",
        ),
    ],
)
def test_what_cannot_be_chosen_from_is_refused(change, said):
    along, across, groups, n = change(*candidates())
    with pytest.raises(AnalysisError) as refused:
        select_items(along, across, groups, n)
    assert str(refused.value) == said
