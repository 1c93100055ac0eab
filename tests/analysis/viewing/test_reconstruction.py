import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist

from analysis.viewing.coordinates import decode_coordinates
from analysis.viewing.reconstruction import nearest_unseen
from task.contract.errors import AnalysisError
from tests.analysis.viewing.planted import pictures, rates


@pytest.fixture(scope="module")
def viewed():
    space, categories = pictures(60, 4, seed=2)
    bank, _ = pictures(300, 4, seed=2)
    rng = np.random.default_rng(0)
    bank = (bank + 0.1 * rng.normal(size=bank.shape)).rename(lambda name: f"bank_{name}")
    return rates(space, categories, "axis", 12, mean_hz=8.0), space, bank


def test_the_nearest_unseen_picture_is_found_and_its_distance_normalised(viewed):
    table, space, bank = viewed
    found = nearest_unseen(table, space, bank, n_shuffles=19)
    decoded, seen = decode_coordinates(table, space), space.loc[table.index]
    nearest, best = (cdist(points, bank).argmin(axis=1) for points in (decoded, seen))
    assert found.pictures["nearest"].tolist() == bank.index[nearest].tolist()
    assert found.pictures["best"].tolist() == bank.index[best].tolist()
    lengths = [
        np.linalg.norm(seen.to_numpy() - bank.to_numpy()[k], axis=1) for k in (nearest, best)
    ]
    np.testing.assert_allclose(found.pictures["distance"], lengths[0] / lengths[1])
    assert (found.pictures.index == table.index).all()
    assert found.unseen == 300


def test_no_reconstruction_is_nearer_than_the_best_there_is(viewed):
    found = nearest_unseen(*viewed, n_shuffles=19)
    assert (found.pictures["distance"] >= 1).all()
    assert found.low <= found.median <= found.high
    assert found.median == found.pictures["distance"].median()


def test_a_population_with_axes_reconstructs_better_than_chance(viewed):
    found = nearest_unseen(*viewed, n_shuffles=99)
    assert found.p == found.smallest_p == 0.01
    assert found.median < found.null.min()


def test_rates_without_noise_give_the_best_there_is():
    space, _ = pictures(60, 4, seed=2)
    weights = np.random.default_rng(0).normal(size=(4, 30))
    table = pd.DataFrame(space.to_numpy() @ weights, space.index)
    bank = (space + 0.2 * np.random.default_rng(1).normal(size=space.shape)).rename(
        lambda name: f"bank_{name}"
    )
    found = nearest_unseen(table, space, bank, n_shuffles=9)
    assert found.median == 1.0
    assert (found.pictures["nearest"] == found.pictures["best"]).mean() > 0.9


def test_p_is_seldom_small_where_there_is_nothing_to_decode():
    """Often all shuffles reconstruct one picture in the middle, and p is 1."""
    p = []
    for seed in range(100):
        space, categories = pictures(30, 3, seed=seed)
        bank = pictures(50, 3, seed=seed + 1000)[0].rename(lambda name: f"bank_{name}")
        table = rates(space, categories, "nothing", 6, seed=seed)
        p.append(nearest_unseen(table, space, bank, n_shuffles=19, seed=seed).p)
    for level in (0.05, 0.1, 0.5):
        most = level + 3 * np.sqrt(level * (1 - level) / len(p))
        assert np.mean(np.array(p) <= level) <= most


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda b, s: b.rename({b.index[0]: s.index[3]}), "unseen pictures: '{shown}' were shown"),
        (lambda b, s: b.drop(columns="PC2"), "unseen pictures: no coordinates 'PC2'"),
        (lambda b, s: b.iloc[:0], "unseen pictures: there are none"),
        (
            lambda b, s: pd.concat([b, b.iloc[:1]]),
            "unseen pictures: more than one row for '{unseen}'",
        ),
        (
            lambda b, s: b.assign(PC1=np.nan),
            "unseen pictures: missing or infinite values in 'PC1'",
        ),
        (
            lambda b, s: pd.concat([b, s.iloc[[3]].set_axis(["alias"])]),
            "unseen pictures: 'alias' lie where pictures lie that were shown, '{shown}'",
        ),
    ],
)
def test_pictures_that_were_shown_are_not_unseen(viewed, change, said):
    table, space, bank = viewed
    with pytest.raises(AnalysisError) as refused:
        nearest_unseen(table, space, change(bank, space))
    assert str(refused.value) == said.format(shown=space.index[3], unseen=bank.index[0])
