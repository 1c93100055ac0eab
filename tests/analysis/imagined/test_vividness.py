import numpy as np
import pandas as pd
import pytest
import scipy.stats
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.imagined.trials import ImageryTrials
from analysis.imagined.vividness import (
    DETECTABLE,
    population_vividness,
    signed_evidence,
    vividness,
)
from task.contract.errors import AnalysisError
from tests.analysis.imagined.planted_items import BLOCK, ITEMS, cues


def rated(rng, slope=0.0, n_units=6, shared=0.0, missing=0.0):
    """Rates that drift and fall, ratings that drift, and `slope` Hz per step between them."""
    ratings = pd.Series(rng.integers(1, 6, 64).astype(float))
    level = np.cumsum(rng.normal(0, 1, (8, n_units)), axis=0)[BLOCK.factorize()[0]]
    noise = rng.normal(size=(64, n_units)) + shared * rng.normal(size=(64, 1))
    rates = 5 + level - np.tile(np.arange(8) / 4, 8)[:, None] + noise
    rates += slope * (ratings.to_numpy() - 3)[:, None]
    ratings[rng.random(64) < missing] = np.nan
    return pd.DataFrame(rates).add_prefix("u"), ratings


def test_r_is_the_correlation_of_ranks_once_blocks_and_trends_are_regressed_out():
    rng = np.random.default_rng(0)
    values, ratings = rated(rng, 0.5, missing=0.15)
    found = vividness(values, ratings, BLOCK)
    given_ = ratings.notna()
    block, place = pd.get_dummies(BLOCK[given_]).to_numpy(float), BLOCK[given_]
    place = place.groupby(place).cumcount().to_numpy()[:, None] * block
    design = np.hstack([block, place])
    for unit in values:
        rest = [
            sm.OLS(scipy.stats.rankdata(v[given_]), design).fit().resid
            for v in (ratings, values[unit])
        ]
        expected = scipy.stats.pearsonr(*rest).statistic
        assert found.units.loc[unit, "r"] == pytest.approx(expected, abs=1e-9)
    assert (found.answered, found.missing) == (given_.sum(), 64 - given_.sum())
    assert found.counts.sum() == found.answered
    assert found.mean_r == pytest.approx(found.units["r"].mean())
    assert found.smallest_p == 1 / 5000


def test_drift_trend_and_shared_noise_give_no_more_than_the_level():
    rng = np.random.default_rng(1)
    by_unit, by_session = [], []
    for _ in range(150):
        found = vividness(*rated(rng, shared=1.0), BLOCK)
        by_unit += found.units["p"].tolist()
        by_session.append(found.p)
    for alpha in (0.01, 0.05, 0.1):
        for p in (np.array(by_unit), np.array(by_session)):
            assert (p <= alpha).mean() <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / len(p))
    assert np.median(by_session) == pytest.approx(0.5, abs=0.15)


def test_an_effect_of_the_detectable_size_is_found_four_times_in_five():
    rng = np.random.default_rng(2)
    found = [vividness(*rated(rng, slope=0.27, n_units=10), BLOCK) for _ in range(40)]
    units = pd.concat([one.units for one in found])
    power = (units["p"] <= 0.05).mean()
    expected = scipy.stats.norm.cdf(
        DETECTABLE * units["r"].mean() / units["detectable_r"].mean() - 1.96
    )
    assert power == pytest.approx(expected, abs=0.08)
    assert 0.6 < power < 0.95


def test_vivid_items_that_drive_more_are_taken_out_by_naming_items_in_blocks():
    rng = np.random.default_rng(3)
    item = cues(rng)
    vivid = pd.Series(rng.permutation(8) / 2.0, ITEMS)[item].to_numpy()
    ratings = pd.Series(np.round(vivid + rng.random(64)))
    values = pd.DataFrame({"u": 2 * vivid + rng.normal(size=64)})
    by_block = vividness(values, ratings, BLOCK)
    by_cell = vividness(values, ratings, BLOCK + item)
    assert by_block.p < 0.01
    assert by_cell.p > 0.05
    assert (by_block.blocks, by_cell.blocks) == (8, 16)


def test_sessions_are_put_together_unit_by_unit():
    rng = np.random.default_rng(4)
    sessions = [vividness(*rated(rng, 0.3, n), BLOCK) for n in (4, 9)]
    found = population_vividness(sessions)
    r = pd.concat([one.units["r"] for one in sessions])
    assert (found["units"], found["mean_r"]) == (13, pytest.approx(r.mean()))
    assert found["p"] < 0.01
    assert found["detectable_mean_r"] < min(one.detectable_mean_r for one in sessions)
    nobody = vividness(pd.DataFrame({"u": np.ones(64)}), rated(rng)[1], BLOCK)
    assert nobody.untested == ("u",)
    assert nobody.units["p"].isna().all()
    with pytest.raises(AnalysisError, match="^vividness: no unit was tested in any session$"):
        population_vividness([nobody])


@settings(max_examples=15)
@given(st.integers(0, 500))
def test_only_ranks_count_and_a_unit_is_told_the_same_alone(seed):
    rng = np.random.default_rng(seed)
    values, ratings = rated(rng, 0.3)
    plain = vividness(values, ratings, BLOCK).units
    bent = vividness(np.exp(values[["u3"]] / 3), 7 * ratings**3, BLOCK).units
    columns = ["r", "p", "detectable_r"]
    np.testing.assert_allclose(bent.loc["u3", columns], plain.loc["u3", columns], rtol=1e-9)
    turned = vividness(-values, ratings, BLOCK).units
    np.testing.assert_allclose(turned["r"], -plain["r"], rtol=1e-9)


def test_ratings_that_say_nothing_are_refused_in_words():
    rng = np.random.default_rng(5)
    values, ratings = rated(rng)
    with pytest.raises(AnalysisError, match="^vividness: all 64 ratings are 3$"):
        vividness(values, ratings * 0 + 3, BLOCK)
    per_block = pd.Series(BLOCK.factorize()[0] % 4 + 1.0)
    with pytest.raises(AnalysisError, match="^vividness: the ratings are the same within every"):
        vividness(values, per_block, BLOCK)
    with pytest.raises(
        AnalysisError, match="^vividness: 0 trials were rated; at least 4 are needed$"
    ):
        vividness(values, ratings * np.nan, BLOCK)
    with pytest.raises(AnalysisError, match="^vividness: 64 trials, 63 ratings and blocks for 64$"):
        vividness(values, ratings[1:], BLOCK)
    values.iloc[3, 1] = np.inf
    with pytest.raises(AnalysisError, match="^vividness: missing or infinite values in 'u1'$"):
        vividness(values, ratings, BLOCK)


def test_signed_evidence_is_above_0_where_a_rate_goes_the_way_of_the_code():
    rng = np.random.default_rng(6)
    item = cues(rng)
    quantity = pd.DataFrame(rng.normal(size=(8, 3)), ITEMS, ["a", "b", "c"])
    along = quantity.loc[item].to_numpy()
    during = pd.DataFrame(5 + 2 * along, columns=["a", "b", "c"])
    trials = ImageryTrials(item, BLOCK, during, during)
    quantity["c"] = 1.0
    found = signed_evidence(trials, quantity)
    centred = pd.DataFrame(along[:, :2]).groupby(BLOCK).transform(lambda v: v - v.mean())
    expected = 2 * centred**2 / centred.std(ddof=0)
    np.testing.assert_allclose(found[["a", "b"]], expected, rtol=1e-9)
    assert found["c"].isna().all()
    with pytest.raises(AnalysisError, match="^imagined items: nothing is known for unit 'b'$"):
        signed_evidence(trials, quantity[["a", "c"]])


def test_gain_that_grows_with_vividness_is_seen_in_signed_evidence():
    rng = np.random.default_rng(7)
    item = cues(rng)
    quantity = pd.DataFrame(rng.normal(size=(8, 30)), ITEMS).add_prefix("u")
    ratings = pd.Series(rng.integers(1, 5, 64).astype(float))
    x = quantity.loc[item].to_numpy()
    rates = pd.DataFrame(5 + 0.4 * ratings.to_numpy()[:, None] * x + rng.normal(size=x.shape))
    rates = rates.add_prefix("u")
    evidence = signed_evidence(ImageryTrials(item, BLOCK, rates, rates), quantity)
    found = vividness(evidence, ratings, BLOCK)
    assert found.p < 0.005
    assert found.mean_r > 2 * abs(vividness(rates, ratings, BLOCK).mean_r)
