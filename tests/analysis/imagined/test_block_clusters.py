import numpy as np
import pandas as pd
import pytest

from analysis.imagined.block_clusters import block_clusters
from analysis.imagined.sliding import sliding_windows, time_course
from task.contract.errors import AnalysisError
from tests.analysis.imagined.planted_items import BLOCK, ITEMS, cues

WINDOWS = sliding_windows((-1.0, 5.0), 0.5, 0.1)


def session(rng, gain=0.0, n_units=12, item=None):
    """Poisson trains; between 2 and 4 s after the cue they follow a quantity of the items."""
    trials = pd.DataFrame(
        {"item": cues(rng) if item is None else item, "block": BLOCK,
         "onset_s": 10 + 8.0 * np.arange(64)}
    )  # fmt: skip
    known = pd.DataFrame(rng.standard_normal((8, n_units)), ITEMS).add_prefix("u")
    spikes = {}
    for unit in known:
        train = [rng.uniform(0, 525, rng.poisson(525 * 4))]
        for at, x in zip(trials["onset_s"], known.loc[trials["item"], unit], strict=True):
            train.append(at + rng.uniform(2, 4, rng.poisson(2 * gain * max(0, 1 + x))))
        spikes[unit] = np.sort(np.concatenate(train))
    return time_course(spikes, trials, known, WINDOWS), trials


def test_what_blocks_add_is_the_mean_correlation():
    course, trials = session(np.random.default_rng(0))
    size = np.sqrt(course.size.sum(axis=0) * course.spread.sum(axis=0))
    assert np.allclose((course.along / size).sum(axis=0), course.r)
    found = block_clusters(course, trials)
    assert found.n_cells == 8 and len(found.t) == len(WINDOWS)
    assert np.sign(found.t).tolist() == np.sign(course.r.mean(axis=1)).tolist()


def test_signs_of_blocks_are_exchanges_of_items():
    # Turning the sign of what one block adds is what exchanging its two items does to the mean r.
    rng = np.random.default_rng(1)
    course, trials = session(rng, gain=2.0)
    size = np.sqrt(course.size.sum(axis=0) * course.spread.sum(axis=0))
    added = (course.along / size).sum(axis=2)
    signs = np.array(np.meshgrid(*[[1, -1]] * 8, indexing="ij")).reshape(8, -1).T
    flipped = np.sort((signs @ added).round(9), axis=0)
    assert np.allclose(flipped, np.sort(course.null.round(9), axis=0))


def test_a_stretch_that_follows_the_quantity_is_found_in_time():
    found = block_clusters(*session(np.random.default_rng(2), gain=4.0))
    (one,) = found.table[found.table["p"] <= 0.05].itertuples()
    assert one.p == found.smallest_p == 2 / 256
    assert 1.7 <= one.start <= 2.3 and 3.7 <= one.stop <= 4.3


def test_stretches_are_found_by_chance_no_more_often_than_their_p_says():
    rng = np.random.default_rng(3)
    least = [block_clusters(*session(rng, n_units=3)).table["p"].min() for _ in range(60)]
    # 60 draws with 5 %: more than 8 in fewer than one of a hundred campaigns.
    assert sum(p <= 0.05 for p in least) <= 8


def test_blocks_of_three_items_are_refused():
    three = [("i1", "i2", "i3")] * 8
    item = pd.Series([i for items in three for i in (items * 3)[:8]])
    course, trials = session(np.random.default_rng(4), item=item)
    with pytest.raises(
        AnalysisError, match="^blocks of 3 items: signs stand for exchanges of two items only$"
    ):
        block_clusters(course, trials)


def test_one_block_has_no_signs_to_flip():
    course, trials = session(np.random.default_rng(5))
    with pytest.raises(
        AnalysisError, match="^stretches of time need 2 blocks of two items, not 1$"
    ):
        block_clusters(course, trials.assign(item=["i1", "i2"] * 32, block=0))
