import json
from itertools import product

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import loadmat

from analysis.viewing.clusters import cluster_test
from task.contract.errors import AnalysisError


def curves(n_cells=12, n_bins=30, effect=0.0, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((n_cells, n_bins))
    values[:, 10:20] += effect
    return pd.DataFrame(values, [f"u{n}" for n in rng.permutation(n_cells)])


def slow_clusters(t, threshold):
    """One bin at a time."""
    found, now = [], None
    for bin_, value in enumerate([*t, 0.0]):
        side = np.sign(value) * (abs(value) > threshold)
        if now and side != now[2]:
            found.append((now[0], bin_ - 1, sum(t[now[0] : bin_])))
            now = None
        if side and not now:
            now = (bin_, None, side)
    return found


def slow_test(values, level=0.01):
    """All flips, scipy's t, loops."""
    n = len(values)
    threshold = scipy.stats.t.ppf(1 - level / 2, n - 1)
    found = slow_clusters(scipy.stats.ttest_1samp(values, 0).statistic, threshold)
    null = []
    for signs in product((1, -1), repeat=n):
        t = scipy.stats.ttest_1samp(values * np.array(signs)[:, None], 0).statistic
        null.append(max((abs(c[2]) for c in slow_clusters(t, threshold)), default=0.0))
    return [(a, b, s, np.mean(np.array(null) >= abs(s) - 1e-9)) for a, b, s in found]


def test_clusters_and_p_are_those_of_a_slow_loop_over_all_flips():
    table = curves(n_cells=8, effect=0.8, seed=3)
    found = cluster_test(table, bin_level=0.1)
    expected = slow_test(table.to_numpy(), 0.1)
    assert len(expected) > 1
    assert found.table[["first_bin", "last_bin"]].to_numpy().tolist() == [
        [a, b] for a, b, _, _ in expected
    ]
    np.testing.assert_allclose(found.table["t_sum"], [s for _, _, s, _ in expected], rtol=1e-9)
    np.testing.assert_allclose(found.table["p"], [p for *_, p in expected], rtol=1e-12)
    assert found.smallest_p == 2 / 2**8


def test_stretches_of_opposite_sign_are_apart():
    table = curves(effect=3.0)
    table.iloc[:, 20:25] -= 3.0
    found = cluster_test(table).table
    strong = found[found["t_sum"].abs() > 30]
    assert strong[["first_bin", "last_bin"]].to_numpy().tolist() == [[10, 19], [20, 24]]
    assert (np.sign(strong["t_sum"]) == [1, -1]).all()


def test_cells_are_compared_by_name():
    a, b = curves(effect=1.0, seed=1), curves(seed=2)
    b.index = a.index
    found = cluster_test(a, b.sample(frac=1, random_state=0))
    pd.testing.assert_frame_equal(found.table, cluster_test(a - b).table)
    np.testing.assert_allclose(found.t, scipy.stats.ttest_rel(a, b).statistic, rtol=1e-9)


@settings(max_examples=15)
@given(st.floats(0.01, 100), st.booleans(), st.permutations(range(10)))
def test_units_of_measure_side_and_order_of_cells_do_not_matter(scale, turned, order):
    table = curves(n_cells=10, effect=0.9)
    found = cluster_test(table).table
    other = cluster_test(table.iloc[order] * (-scale if turned else scale)).table
    np.testing.assert_allclose(other["t_sum"], found["t_sum"] * (-1 if turned else 1), rtol=1e-9)
    np.testing.assert_allclose(other["p"], found["p"])


def test_noise_alone_has_a_significant_cluster_as_often_as_said():
    hits = 0
    for seed in range(300):
        smooth = curves(n_cells=9, seed=seed).T.rolling(5).mean().dropna().T
        hits += bool((cluster_test(smooth, bin_level=0.05).table["p"] <= 0.05).any())
    assert scipy.stats.binomtest(hits, 300, 0.05).pvalue > 0.01


def test_a_bin_in_which_nothing_differs_belongs_to_no_cluster():
    table = curves(effect=3.0)
    table[15] = 0.0
    found = cluster_test(table)
    assert found.t[15] == 0
    assert found.table[["start", "stop"]].to_numpy().tolist() == [[10, 14], [16, 19]]


def test_without_clusters_the_table_is_empty():
    found = cluster_test(curves(), bin_level=1e-9)
    assert found.table.empty
    assert list(found.table) == [
        *("first_bin", "last_bin", "start", "stop", "t_sum", "p", "p_one_sided"),
    ]


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (
            lambda: cluster_test(curves(n_cells=1)),
            "a cluster test needs at least two cells and one bin, not 1 and 30",
        ),
        (
            lambda: cluster_test(curves(), curves(n_cells=11)),
            "curves: the two to be compared have different cells or bins",
        ),
        (
            lambda: cluster_test(curves(), curves().rename({"u3": "w"})),
            "curves: no row for 'u3'",
        ),
        (
            lambda: cluster_test(curves().mask(curves() > 2.5)),
            "curves: missing or infinite values in 0, 7, 9",
        ),
        (
            lambda: cluster_test(curves().assign(**{"7": 1.0})),
            "curves: the same difference in every cell in '7'",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(ask, said):
    with pytest.raises(AnalysisError) as refused:
        ask()
    assert str(refused.value) == said


# doi:10.1038/s41467-021-26327-3 ------------------------------------------------------------------


def published():
    """The two sides of each published test, by the name that it has among the expected numbers."""
    figures = {
        "fig2a": lambda f, name: getattr(f, f"CN_z_react_trials_{name}")[0],
        "fig5a": getattr,
        "fig6b": lambda f, name: getattr(f, f"nonVS_z_qcomp_response_q_vs_{name}"),
    }
    sides = {
        "fig2a main vs 0": ("main", None),
        "fig2a main vs nocomp": ("main", "nocomp"),
        "fig2a main vs qcomp": ("main", "qcomp"),
        "fig5a CN_z_picture1_pic2preferred vs 0": ("CN_z_picture1_pic2preferred", None),
        "fig5a CN_z_picture1_pic1preferred vs CN_z_picture1_pic2preferred": (
            "CN_z_picture1_pic1preferred",
            "CN_z_picture1_pic2preferred",
        ),
        "fig5a CN_z_picture1_pic1preferred vs CN_z_picture2_pic2preferred": (
            "CN_z_picture1_pic1preferred",
            "CN_z_picture2_pic2preferred",
        ),
        "fig6b q vs pref pic1 against q vs nonpref pic2": ("pref_pic1", "nonpref_pic2"),
    }
    return figures, sides


@pytest.fixture(scope="module")
def concept_cells(shared_data):
    folder = shared_data("concept_psth")
    figures, sides = published()

    def side(test, name):
        figure = test.split()[0]
        held = loadmat(folder / f"{figure}.mat", squeeze_me=True, struct_as_record=False)[figure]
        return pd.DataFrame(figures[figure](held, name), columns=held.time)

    expected = json.loads((folder / "expected.json").read_text())["tests"]
    return {
        test: (
            next(e for e in expected if e["test"] == test),
            cluster_test(side(test, one), None if two is None else side(test, two)),
        )
        for test, (one, two) in sides.items()
    }


def test_every_published_test_is_here(concept_cells, shared_data):
    expected = json.loads((shared_data("concept_psth") / "expected.json").read_text())["tests"]
    assert set(concept_cells) == {e["test"] for e in expected}


@pytest.mark.parametrize("test", published()[1])
def test_published_clusters_of_concept_cells_are_found(concept_cells, test):
    expected, found = concept_cells[test]
    assert (found.n_cells, len(found.t)) == (expected["cells"], expected["bins"])
    assert found.threshold == pytest.approx(expected["t_threshold"], abs=1e-6)
    above = found.table[["first_bin", "last_bin", "t_sum"]].to_numpy().tolist()
    assert [row[:2] for row in above] == [row[:2] for row in expected["clusters_above_threshold"]]
    np.testing.assert_allclose(
        [row[2] for row in above],
        [row[2] for row in expected["clusters_above_threshold"]],
        atol=1e-6,
    )
    if not above:
        assert found.t.max() == pytest.approx(expected["largest_t"], abs=1e-4)
        assert found.t.min() == pytest.approx(expected["smallest_t"], abs=1e-4)


@pytest.mark.parametrize("test", published()[1])
def test_published_clusters_are_significant(concept_cells, test):
    expected, found = concept_cells[test]
    stated = {c["first_bin"]: c["published_p"] for c in expected["published_significant"]}
    clusters = found.table.set_index("first_bin")
    assert (clusters.loc[list(stated), "p"] <= 0.05).all()
    # Published were tests of one side each, at 0.01.  One of the clusters has 0.010 (0.004 was
    # drawn there), one that is not listed 0.018.
    one_sided = clusters["p_one_sided"]
    assert one_sided.index[one_sided <= 0.015].tolist() == list(stated)
    for first, p in stated.items():
        # 1000 flips there, of which 1/1000 is the fewest; 4999 here.
        scatter = np.sqrt(one_sided[first] * (1 - one_sided[first]) / 1000)
        assert one_sided[first] == pytest.approx(p, abs=0.001 + 3 * scatter)
