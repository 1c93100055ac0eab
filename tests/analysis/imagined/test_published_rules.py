from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from analysis.imagined.published import (
    FALSE_POSITIVES,
    published_rule_bursts,
    published_rule_rank_sum,
    published_rule_threshold_or_anova,
)
from analysis.imagined.trials import ImageryTrials
from task.contract.errors import AnalysisError

ITEM = ["dog", "cat"] * 8
CUES = pd.DataFrame({"item": ITEM, "onset_s": 100 + 10.0 * np.arange(16)})
VIEWS = pd.DataFrame({"item": ITEM, "onset_s": 3 + 5.0 * np.arange(16)})


def regular(windows, step_s=0.25) -> np.ndarray:
    """Spikes every quarter of a second in these windows, in their middle."""
    parts = [np.arange(a + step_s / 2, b, step_s) for a, b in windows]
    return np.sort(np.concatenate(parts))


def test_a_unit_is_above_threshold_for_an_item_that_drives_it_beyond_two_sds():
    seen = [(t - 1.5, t) for t in VIEWS["onset_s"]]
    cats = [(t, t + 5) for t in CUES.loc[CUES["item"] == "cat", "onset_s"]]
    dogs = [(t, t + 5) for t in CUES.loc[CUES["item"] == "dog", "onset_s"]]
    spikes = {
        "cats": np.sort(np.concatenate([regular(seen), regular(cats, 0.1), regular(dogs)])),
        "none": regular(seen + cats + dogs),
    }
    found = published_rule_threshold_or_anova(spikes, CUES, VIEWS)
    assert found["items_above"].tolist() == [1, 0]
    assert found["reactivated"].tolist() == [True, False]
    assert np.isnan(found["anova_p"]).all()  # no item varies


def test_the_anova_is_that_of_rates_over_items():
    rng = np.random.default_rng(0)
    spikes = {n: np.sort(rng.uniform(0, 270, 900)) for n in range(3)}
    found = published_rule_threshold_or_anova(spikes, CUES, VIEWS)
    for unit, train in spikes.items():
        counts = [int(((train >= t) & (train < t + 5)).sum()) for t in CUES["onset_s"]]
        expected = scipy.stats.f_oneway(counts[::2], counts[1::2]).pvalue
        assert found.loc[unit, "anova_p"] == pytest.approx(expected)


def test_an_item_that_was_never_encoded_is_named():
    with pytest.raises(
        AnalysisError, match="^published rule: item 'cat' was imagined but never encoded$"
    ):
        published_rule_threshold_or_anova({}, CUES, VIEWS[VIEWS["item"] == "dog"])


def test_rank_sums_are_corrected_for_the_number_of_items():
    rng = np.random.default_rng(1)
    before = pd.DataFrame(rng.poisson(4.0, (16, 5))).add_prefix("u").astype(float)
    during = pd.DataFrame(rng.poisson(5.0, (16, 5))).add_prefix("u").astype(float)
    before["u4"] = during["u4"] = 2.0
    trials = ImageryTrials(pd.Series(ITEM), pd.Series([1] * 16), before, during)
    found = published_rule_rank_sum(trials)
    for unit in ("u0", "u1", "u2", "u3"):
        p = [
            scipy.stats.mannwhitneyu(during[unit][k::2], before[unit][k::2], method="asymptotic")
            for k in (0, 1)
        ]
        assert found.loc[unit, "p"] == pytest.approx(min(1, 2 * min(one.pvalue for one in p)))
    assert found.loc["u4"].tolist() == [1.0, False]
    assert (found["reactivated"] == (found["p"] < 0.05)).all()


@pytest.mark.parametrize(("trials", "called"), [(2, False), (3, True)])
def test_bursts_in_three_trials_of_one_item_reactivate(trials, called):
    dogs = CUES.loc[CUES["item"] == "dog", "onset_s"].to_numpy()
    cats = CUES.loc[CUES["item"] == "cat", "onset_s"].to_numpy()
    burst = np.arange(12) * 0.005
    with_burst = [*dogs[:trials], *cats[:2]]
    train = np.sort(np.concatenate([t + 2.0 + burst for t in with_burst]))
    found = published_rule_bursts({"u": train, "silent": np.array([])}, CUES)
    assert found["burst_trials"].tolist() == [trials, 0]
    assert found["reactivated"].tolist() == [called, False]
    earlier = published_rule_bursts({"u": train - 1.5}, CUES, (1.0, 5.0))
    assert earlier["burst_trials"].tolist() == [0]  # the window of the published code begins later


def test_every_rule_has_its_measured_rate_of_false_positives():
    page = (Path(__file__).resolve().parents[3] / "docs/validation.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines()]
    measured = {row[0]: row[1:] for row in rows if len(row) == 5}
    for rule, (steady, drifting) in FALSE_POSITIVES.items():
        assert (measured[rule][0], measured[rule][2]) == (f"{steady:.3f}", f"{drifting:.3f}")
    assert list(FALSE_POSITIVES) == [
        "threshold or ANOVA", "rank sum, Bonferroni", "burst in 3 of 8 trials"
    ]  # fmt: skip
