import numpy as np
import pandas as pd
import pytest

from analysis.imagined.published import (
    FALSE_POSITIVES,
    IMAGERY_RULE,
    _dense,
    published_rule_bursts,
    published_rule_rank_sum,
    published_rule_threshold_or_anova,
)
from analysis.imagined.rules import BURST, RANK_SUM, THRESHOLD, published_rules
from analysis.imagined.trials import imagery_trials
from analysis.viewing.bursts import bursts

BEFORE_S, DURING_S = (-1.0, 0.0), (1.0, 5.0)
ITEM = [item for pair in ("ab", "cd", "ac", "bd") for item in pair * 4]
CUES = pd.DataFrame(
    {"item": ITEM, "block": np.repeat(range(4), 8), "onset_s": 100 + 8.0 * np.arange(32)}
)
VIEWS = pd.DataFrame({"item": list("abcd") * 4, "onset_s": 10 + 5.0 * np.arange(16)})


def trains(rng, n_units=12, block_hz=None):
    """Poisson units; `block_hz` multiplies their rate in the blocks, one after another."""
    rates = np.exp(rng.uniform(np.log(0.5), np.log(8), n_units))
    found = {}
    for n, hz in enumerate(rates):
        factor = np.ones(4) if block_hz is None else block_hz[:, n]
        parts = [np.sort(rng.uniform(0, 96, rng.poisson(96 * hz)))]
        parts += [
            96 + 64 * k + np.sort(rng.uniform(0, 64, rng.poisson(64 * hz * f)))
            for k, f in enumerate(factor)
        ]
        found[f"u{n}"] = np.concatenate(parts)
    return found


def test_every_rule_is_the_published_one_by_its_name():
    spikes = trains(np.random.default_rng(0))
    found = published_rules(spikes, CUES, VIEWS, BEFORE_S, DURING_S)
    trials = imagery_trials(spikes, CUES, BEFORE_S, DURING_S)
    expected = {
        THRESHOLD: published_rule_threshold_or_anova(spikes, CUES, VIEWS, DURING_S),
        RANK_SUM: published_rule_rank_sum(trials),
        BURST: published_rule_bursts(spikes, CUES, DURING_S),
    }
    assert list(found.units) == list(FALSE_POSITIVES) == list(expected)
    for rule, units in expected.items():
        assert found.units[rule].tolist() == units["reactivated"].tolist()
    assert found.absent == {}


def test_null_units_are_as_many_as_units_and_at_least_a_hundred():
    for n_units, expected in ((1, 100), (12, 108), (120, 120)):
        spikes = trains(np.random.default_rng(1), n_units)
        found = published_rules(spikes, CUES, VIEWS, BEFORE_S, DURING_S)
        assert len(found.null_units) == expected
        assert found.null_units.index.is_unique


def test_on_units_that_do_nothing_a_rule_calls_as_many_as_it_is_said_to_call_falsely():
    rng = np.random.default_rng(2)
    drift = np.exp(0.6 * rng.standard_normal((4, 300)))
    for block_hz in (None, drift):
        spikes = trains(rng, 300, block_hz)
        found = published_rules(spikes, CUES, VIEWS, BEFORE_S, DURING_S)
        for rule in found.units:
            called, falsely = found.units[rule].mean(), found.null_units[rule].mean()
            assert called == pytest.approx(falsely, abs=4 * np.sqrt(0.25 / 300))
    assert found.drift > 0.3
    assert found.null_units[THRESHOLD].mean() > 0.4  # drift passes for items


def test_a_window_between_the_bins_of_the_first_rule_is_moved_to_them():
    spikes = trains(np.random.default_rng(3))
    moved = published_rules(spikes, CUES, VIEWS, BEFORE_S, (1.0000265, 5.0000981))
    exact = published_rules(spikes, CUES, VIEWS, BEFORE_S, DURING_S)
    assert moved.units[THRESHOLD].tolist() == exact.units[THRESHOLD].tolist()


def test_without_encoding_the_rules_that_need_none_are_put():
    spikes = trains(np.random.default_rng(4))
    found = published_rules(spikes, CUES, VIEWS[:0], BEFORE_S, DURING_S)
    assert list(found.units) == list(found.null_units) == [RANK_SUM, BURST]
    assert found.absent == {THRESHOLD: "published rule: item 'a' was imagined but never encoded"}


def test_no_burst_is_overlooked_where_no_run_of_spikes_is_dense():
    rng = np.random.default_rng(5)
    onsets = 5 + 6.0 * np.arange(40)
    for hz in (0.5, 2, 6, 15):
        train = np.sort(rng.uniform(0, 260, rng.poisson(260 * hz)))
        clumped = np.sort(np.concatenate([train, 8 + rng.exponential(0.02, 30)]))
        edges = np.searchsorted(clumped, onsets[:, None] + np.array(DURING_S))
        dense = _dense(clumped, edges, 4.0, IMAGERY_RULE)
        found = [bool(bursts(clumped[a:b], (b - a) / 4, IMAGERY_RULE)) for a, b in edges.tolist()]
        assert not (np.array(found) & ~dense).any()
        assert any(found)
