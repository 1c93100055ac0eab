import numpy as np
import pandas as pd
import pytest
import scipy.stats

from analysis.responses import binned_counts
from analysis.viewing.latency import latencies
from task.contract.errors import AnalysisError

BIN_S = 0.002


def stream(n_trials=400, soa_s=0.5):
    return 1.0 + soa_s * np.arange(n_trials)


def unit(onsets, latency_s=0.16, rate_hz=20.0, base_hz=2.0, length_s=0.2, seed=0):
    """Poisson spikes at one rate, and at another for a while after each onset."""
    rng = np.random.default_rng(seed)
    rates = np.broadcast_to(rate_hz, len(onsets))
    base = rng.uniform(0, onsets[-1] + 2, rng.poisson(base_hz * (onsets[-1] + 2)))
    since = base - onsets[np.maximum(np.searchsorted(onsets, base, side="right") - 1, 0)]
    base = base[~((since >= latency_s) & (since < latency_s + length_s))]
    n = rng.poisson(rates * length_s)
    more = np.repeat(onsets + latency_s, n) + rng.uniform(0, length_s, n.sum())
    return np.sort(np.concatenate([base, more]))


def test_a_planted_latency_is_found_and_lies_in_its_interval():
    onsets = stream()
    planted = {f"{ms} ms": ms / 1000 for ms in (90, 130, 160, 200, 250)}
    spikes = {name: unit(onsets, s, seed=n) for n, (name, s) in enumerate(planted.items())}
    found = latencies(spikes, onsets)
    expected = pd.Series(planted)
    assert (found["latency_s"] - expected).abs().max() <= 0.006
    assert ((found["low_s"] - BIN_S <= expected) & (expected <= found["high_s"] + BIN_S)).all()
    assert ((found["high_s"] - found["low_s"]) < 0.03).all()
    assert (found["p"] == 1 / 200).all()
    assert found["share"].tolist() == [1.0] * 5


def test_a_unit_that_does_not_care_has_no_latency():
    onsets = stream()
    found = latencies(
        {"flat": unit(onsets, rate_hz=2.0, seed=5), "silent": np.empty(0)}, onsets
    ).loc[["flat", "silent"]]
    assert found[["latency_s", "low_s", "high_s"]].isna().all(axis=None)
    assert found.loc["flat", "p"] > 0.05
    assert np.isnan(found.loc["silent", "p"]) and np.isnan(found.loc["silent", "q"])
    assert found.loc["silent", "spikes"] == 0


def test_the_interval_is_the_likeliest_of_all():
    onsets = stream(60)
    train = unit(onsets, seed=7)
    pooled = binned_counts({0: train}, onsets, (0.0, 0.4), BIN_S).counts.sum(axis=(0, 2))

    def likelihood(start, end):
        inside = np.zeros(200, bool)
        inside[start:end] = True
        rate = np.where(inside, pooled[inside].mean(), pooled[~inside].mean())
        if pooled[inside].mean() <= pooled.mean():
            return -np.inf
        return scipy.stats.poisson.logpmf(pooled, rate).sum()

    grid = [(a, b) for a in range(40, 186) for b in range(200, 40, -10) if b - a >= 15]
    best = max(grid, key=lambda interval: likelihood(*interval))
    assert latencies({0: train}, onsets).loc[0, "latency_s"] == pytest.approx(best[0] * BIN_S)


def test_with_pictures_a_unit_is_judged_by_those_it_likes():
    """A unit that answers 2 of 8 pictures: among all trials its response is a quarter as large."""
    pictures = np.tile(np.repeat(np.arange(8), 2), 16)
    onsets = stream(len(pictures))
    answers = np.where(pictures < 2, 30.0, 2.0)
    found = latencies({"u": unit(onsets, rate_hz=answers)}, onsets, pictures.tolist())
    assert found.loc["u", "share"] == 0.25
    assert found.loc["u", "trials"] == 64
    liked = latencies({"u": unit(onsets, rate_hz=answers)}, onsets[pictures < 2])
    for column in ("latency_s", "low_s", "high_s", "p", "trials", "spikes"):
        assert found.loc["u", column] == liked.loc["u", column]


def test_no_trial_is_chosen_by_its_own_spikes():
    """Pictures alike: had the best quarter been chosen by the same spikes, it would fire more."""
    onsets = stream(2000)
    pictures = [str(n) for n in np.tile(np.arange(500), 4)]
    train = unit(onsets, rate_hz=2.0, seed=2)
    found = latencies({"u": train}, onsets, pictures, n_shuffles=9, n_resamples=9)
    every = latencies({"u": train}, onsets, n_shuffles=9, n_resamples=9)
    assert found.loc["u", "spikes"] / 500 == pytest.approx(
        every.loc["u", "spikes"] / 2000, abs=0.15
    )


def test_a_unit_has_the_same_answer_whatever_the_units_beside_it():
    onsets = stream()
    spikes = {n: unit(onsets, seed=n) for n in range(4)}
    together = latencies(spikes, onsets).drop(columns="q")
    alone = latencies({2: spikes[2]}, onsets).drop(columns="q")
    pd.testing.assert_frame_equal(together.loc[[2]], alone)


@pytest.mark.parametrize("pictures", [None, [str(n) for n in np.tile(np.arange(30), 4)]])
def test_units_without_response_get_small_p_as_often_as_said(pictures):
    rng = np.random.default_rng(11)
    onsets = stream(120)
    # The rate differs a lot from one stretch of the session to another.
    parts = [np.linspace(k * 10, k * 10 + 10, 2) for k in range(7)]
    spikes = {}
    for n in range(300):
        drawn = [
            rng.uniform(a, b, rng.poisson(10 * 1.5 * np.exp(rng.standard_normal())))
            for a, b in parts
        ]
        spikes[n] = np.sort(np.concatenate(drawn))
    p = latencies(spikes, onsets, pictures, n_resamples=2)["p"]
    for level in (0.01, 0.05, 0.1):
        se = np.sqrt(level * (1 - level) / len(p))
        assert (p <= level).mean() <= level + 3 * se
    assert (p <= 0.1).mean() > 0.04


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (
            lambda: latencies({0: np.array([1.0])}, [0.0, 1.0], ["a"]),
            "2 onsets, but 1 pictures for them",
        ),
        (
            lambda: latencies({0: np.array([1.0])}, [0.0, 1.0, 2.0], ["a", "b", "a"]),
            "choosing pictures needs two trials of 'b'",
        ),
        (
            lambda: latencies({0: np.array([1.0])}, [0.0], window_s=(0.0, 0.1)),
            "a latency needs a window that ends at least 30 ms after the earliest response",
        ),
        (lambda: latencies({0: np.array([1.0])}, []), "a response curve needs at least one onset"),
    ],
)
def test_what_has_no_latency_is_refused(ask, said):
    with pytest.raises(AnalysisError) as refused:
        ask()
    assert str(refused.value) == said
