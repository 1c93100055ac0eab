import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from analysis.viewing.bursts import (
    IMAGERY_RULE,
    VIEWING_RULE,
    Burst,
    BurstRule,
    burst_latencies,
    bursts,
)
from task.contract.errors import AnalysisError

NO_ANCHOR = BurstRule(least_spikes=3, level=0.01, anchor_s=0.0, extra_s=0.01, extra_spikes=10)


def test_the_constants_are_those_of_the_study():
    assert BurstRule(4, 0.01, 0.5, 0.010, 10) == VIEWING_RULE
    assert BurstRule(5, 0.01, 0.3, 0.250, 10) == IMAGERY_RULE


def test_a_burst_is_found_with_its_surprise():
    times = [0.1, 0.9, 1.700, 1.705, 1.711, 1.716, 2.6, 3.4]
    (found,) = bursts(times, 1.5, NO_ANCHOR)
    assert (found.start_s, found.stop_s, found.spikes) == (1.7, 1.716, 4)
    chance = scipy.stats.poisson.sf(3, 1.5 * 0.016)
    assert found.surprise == pytest.approx(-math.log(chance), rel=1e-9)


def test_the_anchor_makes_a_burst_less_surprising():
    times = [1.700, 1.705, 1.711, 1.716]
    rule = BurstRule(4, 0.01, 0.5, 0.01, 10)
    (found,) = bursts(times, 0.5, rule)
    chance = scipy.stats.poisson.sf(3, 0.5 * (0.5 + 0.016))
    assert found.surprise == pytest.approx(-math.log(chance), rel=1e-9)
    assert bursts(times, 2.0, rule) == []  # 4 or more of 1.03 expected: 0.02


def test_a_spike_too_far_before_the_burst_is_taken_off_its_beginning():
    times = [1.0, 1.3, 1.302, 1.304, 1.306, 1.308]
    (found,) = bursts(times, 2.0, NO_ANCHOR)
    assert (found.start_s, found.spikes) == (1.3, 5)


def test_without_a_reference_every_run_of_enough_spikes_is_a_burst():
    assert bursts([0.06, 0.12, 0.2, 0.26], 0.0, VIEWING_RULE) == [Burst(0.06, 0.26, 4, math.inf)]
    assert bursts([0.06, 0.12, 0.2], 0.0, VIEWING_RULE) == []


def test_one_spike_in_the_baseline_hides_four_spikes_of_any_density():
    assert bursts([0.1, 0.101, 0.102, 0.103], 20.0, VIEWING_RULE) == []


@given(
    st.lists(st.floats(0, 5), max_size=40).map(lambda t: np.unique(np.round(t, 4))),
    st.floats(0.2, 20),
)
def test_bursts_are_apart_large_and_unlikely_enough(times, rate):
    found = bursts(times, rate, NO_ANCHOR)
    for one, following in zip(found, found[1:], strict=False):
        assert one.stop_s < following.start_s
    for one in found:
        inside = times[(times >= one.start_s) & (times <= one.stop_s)]
        assert len(inside) == one.spikes >= NO_ANCHOR.least_spikes
        chance = scipy.stats.poisson.sf(one.spikes - 1, rate * (one.stop_s - one.start_s))
        assert one.surprise == pytest.approx(-math.log(chance)) and chance < 0.01


def test_a_latency_is_the_mean_onset_of_the_strongest_bursts():
    onsets = np.array([10.0, 20.0, 30.0, 40.0])
    trials = [
        10 + np.array([0.15, 0.16, 0.17, 0.18]),  # no spike before: any four are a burst
        20 + np.array([0.10, 0.11, 0.12]),  # three are none
        30 + np.array([-0.02, 0.15, 0.16, 0.17, 0.18]),  # a spike before: 20 Hz
        40 + np.array([0.049, 0.19, 0.20, 0.21, 0.22, 0.267]),  # borders: neither end counts
    ]
    spikes = {"u": np.concatenate(trials), "silent": np.empty(0)}
    found = burst_latencies(spikes, onsets, 0.267)
    assert found.loc["u", "latency_s"] == pytest.approx((0.15 + 0.19) / 2)
    assert found.loc["u", "sem_s"] == pytest.approx(0.02)
    assert found.loc["u", "trials"] == 2
    assert found.loc["u", "share"] == 0.5
    assert found.loc["u", "degenerate"] == 0.75
    assert math.isnan(found.loc["silent", "latency_s"])
    assert found.loc["silent", "trials"] == 0


def test_a_spike_at_fifty_milliseconds_is_searched_and_one_at_the_end_is_not():
    onsets = np.array([8.0])
    early = {"u": 8 + np.array([0.05, 0.06, 0.07, 0.08])}
    assert burst_latencies(early, onsets, 0.25).loc["u", "latency_s"] == pytest.approx(0.05)
    late = {"u": 8 + np.array([0.21875, 0.234375, 0.2421875, 0.25])}
    assert burst_latencies(late, onsets, 0.25).loc["u", "trials"] == 0


def test_baselines_of_fifty_milliseconds_are_empty_as_often_as_told():
    rng = np.random.default_rng(0)
    train = np.sort(rng.uniform(0, 3000, rng.poisson(2.4 * 3000)))
    found = burst_latencies({"u": train}, np.arange(1, 2900, 0.5), 0.267)
    assert found.loc["u", "degenerate"] == pytest.approx(math.exp(-2.4 * 0.05), abs=0.02)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: burst_latencies({}, [], 0.267), "a latency needs at least one onset"),
        (
            lambda: burst_latencies({}, [0.0], 0.05),
            "bursts are sought from 50 ms on, but pictures are shown for 50 ms",
        ),
    ],
)
def test_what_has_no_bursts_is_refused(ask, said):
    with pytest.raises(AnalysisError) as refused:
        ask()
    assert str(refused.value) == said
