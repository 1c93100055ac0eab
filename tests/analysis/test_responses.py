import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from analysis.responses import (
    binned_counts,
    boxcar,
    count_spikes,
    half_maximum_latency_s,
    psth,
    rates_by_image,
    response_curves,
    trial_rates,
)
from task.contract.errors import AnalysisError

# Halves and quarters are exact in binary, so that borders can be tested exactly.
SPIKES = {"b": np.array([0.0, 1.0, 1.25, 1.5, 4.0]), "a": np.array([1.5])}


def test_a_window_holds_its_start_and_not_its_end():
    counts = count_spikes(list(SPIKES.values()), [1.0], (0.0, 0.5))
    assert counts.tolist() == [[2, 0]]  # 1.0 and 1.25, not 1.5
    assert count_spikes(list(SPIKES.values()), [1.0], (0.5, 0.75)).tolist() == [[1, 1]]


quarters = st.integers(-40, 40).map(lambda k: k / 4)


@given(
    st.lists(st.lists(quarters).map(sorted), min_size=1, max_size=3),
    st.lists(quarters, max_size=8),
    st.tuples(quarters, quarters).filter(lambda w: w[0] < w[1]),
)
def test_counts_are_those_of_looking_at_every_spike(spikes, onsets, window):
    counts = count_spikes([np.array(s) for s in spikes], onsets, window)
    start, end = window
    assert counts.shape == (len(onsets), len(spikes))
    assert counts.tolist() == [
        [sum(on + start <= t < on + end for t in unit) for unit in spikes] for on in onsets
    ]


@given(st.lists(quarters, min_size=1), quarters, quarters, quarters)
def test_neighbouring_windows_share_no_spike_and_lose_none(onsets, a, b, c):
    a, b, c = sorted({a, b, c} | {20.0, 21.0, 22.0})[:3]
    units = [np.arange(-200, 200) / 4]
    parts = count_spikes(units, onsets, (a, b)) + count_spikes(units, onsets, (b, c))
    assert (parts == count_spikes(units, onsets, (a, c))).all()


def test_rates_are_labelled_by_picture_and_unit():
    rates = trial_rates(SPIKES, [1.0, 3.5], ["dog", "cat"], (0.0, 0.75))
    assert rates.to_dict("index") == {
        "dog": {"b": 3 / 0.75, "a": 1 / 0.75},
        "cat": {"b": 1 / 0.75, "a": 0.0},
    }


def test_rates_of_a_picture_are_the_mean_of_its_trials():
    trials = trial_rates(SPIKES, [1.0, 3.5, 0.0], ["dog", "cat", "dog"], (0.0, 0.5))
    rates, shown = rates_by_image(trials)
    assert rates.loc["dog", "b"] == np.mean([2, 1]) / 0.5
    assert rates.index.tolist() == ["cat", "dog"]
    assert shown.to_dict() == {"cat": 1, "dog": 2}


def test_a_response_curve_has_half_open_bins():
    curve = psth(SPIKES, [1.0, 3.5], (-0.5, 0.75), 0.25)
    assert curve.index.tolist() == [-0.5, -0.25, 0.0, 0.25, 0.5]
    # Spikes of b: 1.0, 1.25, 1.5 after the first onset, 4.0 after the second.
    assert curve["b"].tolist() == [0, 0, 1 / 0.5, 1 / 0.5, 2 / 0.5]
    assert curve["a"].tolist() == [0, 0, 0, 0, 1 / 0.5]


def test_a_curve_holds_as_many_spikes_as_its_window():
    rng = np.random.default_rng(0)
    spikes = {n: np.sort(rng.uniform(0, 100, 2000)) for n in range(3)}
    onsets = rng.uniform(5, 90, 40)
    curve = psth(spikes, onsets, (-0.2, 0.6), 0.05)
    counts = count_spikes(list(spikes.values()), onsets, (-0.2, 0.6))
    np.testing.assert_allclose(curve.sum() * 0.05, counts.mean(axis=0))


@given(
    st.lists(quarters).map(sorted),
    st.lists(quarters, min_size=1, max_size=6),
    st.integers(-8, 4),
    st.integers(1, 9),
)
def test_bins_are_windows(train, onsets, first, n_bins):
    window = (first / 4, (first + n_bins) / 4)
    binned = binned_counts({"u": np.array(train)}, onsets, window, 0.25)
    assert binned.counts.shape == (len(onsets), n_bins, 1)
    for n, start in enumerate(binned.starts_s):
        expected = count_spikes([np.array(train)], onsets, (start, start + 0.25))
        assert binned.counts[:, n].tolist() == expected.tolist()
    mean = psth({"u": np.array(train)}, onsets, window, 0.25)
    np.testing.assert_allclose(mean["u"], binned.counts[:, :, 0].mean(axis=0) / 0.25)


def test_bins_are_windows_also_where_their_borders_are_no_binary_numbers():
    rng = np.random.default_rng(0)
    onsets = np.round(rng.uniform(0, 5000, 300), 3)
    # Spikes on whole milliseconds: every one is on the border of a bin.
    train = np.unique(np.round(rng.uniform(0, 5000, 60_000), 3))
    binned = binned_counts({0: train}, onsets, (-0.17, 0.53), 0.001)
    for n in (0, 3, 169, 170, 171, 400, 699):
        start = binned.starts_s[n]
        window = (start, round(start + 0.001, 9))
        assert (binned.counts[:, n, 0] == count_spikes([train], onsets, window)[:, 0]).all()
    assert (binned.counts.sum(axis=1) == count_spikes([train], onsets, (-0.17, 0.53))).all()


def test_trials_of_a_unit_are_asked_by_its_name():
    binned = binned_counts(SPIKES, [1.0, 3.5], (0.0, 0.75), 0.25)
    assert binned.of("b").to_numpy().tolist() == [[1, 1, 1], [0, 0, 1]]
    assert binned.of("a").to_numpy().tolist() == [[0, 0, 1], [0, 0, 0]]
    assert binned.of("a").columns.tolist() == [0.0, 0.25, 0.5]


def test_a_curve_has_the_standard_error_of_its_trials():
    rng = np.random.default_rng(1)
    spikes = {n: np.sort(rng.uniform(0, 100, 3000)) for n in "xy"}
    onsets = rng.uniform(5, 90, 40)
    found = response_curves(spikes, onsets, (-0.2, 0.6), 0.05)
    trials = binned_counts(spikes, onsets, (-0.2, 0.6), 0.05).counts / 0.05
    np.testing.assert_allclose(found.mean, trials.mean(axis=0))
    np.testing.assert_allclose(found.sem, scipy.stats.sem(trials, axis=0))
    pd.testing.assert_frame_equal(found.mean, psth(spikes, onsets, (-0.2, 0.6), 0.05))
    assert found.n_trials == 40
    assert response_curves(spikes, [1.0], (0.0, 0.1), 0.05).sem.isna().all(axis=None)


def test_a_smoothed_curve_has_the_standard_error_of_smoothed_trials():
    rng = np.random.default_rng(2)
    spikes = {"x": np.sort(rng.uniform(0, 100, 3000))}
    onsets = rng.uniform(5, 90, 40)
    found = response_curves(spikes, onsets, (0.0, 0.5), 0.01, boxcar_s=0.03)
    trials = binned_counts(spikes, onsets, (0.0, 0.5), 0.01).of("x").T / 0.01
    smooth = trials.rolling(3, center=True, min_periods=1).mean()
    np.testing.assert_allclose(found.mean["x"], smooth.mean(axis=1))
    np.testing.assert_allclose(found.sem["x"], scipy.stats.sem(smooth, axis=1))
    curve = psth(spikes, onsets, (0.0, 0.5), 0.01)
    np.testing.assert_allclose(found.mean, boxcar(curve, 0.03))


def test_a_boxcar_is_the_mean_of_the_bins_it_reaches():
    curve = pd.DataFrame({"u": [0.0, 0.0, 6.0, 0.0, 0.0]}, index=[0.0, 0.1, 0.2, 0.3, 0.4])
    assert boxcar(curve, 0.3)["u"].tolist() == [0.0, 2.0, 2.0, 2.0, 0.0]
    assert boxcar(curve, 0.2)["u"].tolist() == [0.0, 0.0, 3.0, 3.0, 0.0]  # one back, none ahead
    assert boxcar(curve, 0.4)["u"].tolist() == pytest.approx([0.0, 2.0, 1.5, 1.5, 2.0])
    pd.testing.assert_frame_equal(boxcar(curve, 0.1), curve)


def test_latency_is_the_first_bin_at_half_of_the_peak_above_baseline():
    curves = pd.DataFrame(
        {"up": [2.0, 2.0, 2.0, 5.9, 6.0, 10.0], "silent": [1.0, 1.0, 0.0, 1.0, 0.0, 0.0]},
        index=[-0.2, -0.1, 0.0, 0.1, 0.2, 0.3],
    )
    latency = half_maximum_latency_s(curves)
    assert latency["up"] == 0.2
    assert np.isnan(latency["silent"])


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (
            lambda: count_spikes([], [0.0], (0.3, 0.3)),
            "the window from 0.3 to 0.3 s after the onset is empty",
        ),
        (
            lambda: count_spikes([], [0.0, np.nan], (0.0, 0.3)),
            "no time for the onsets in the positions 1",
        ),
        (
            lambda: trial_rates(SPIKES, [0.0], ["a", "b"], (0.0, 0.3)),
            "1 onsets, but 2 pictures for them",
        ),
        (
            lambda: psth(SPIKES, [0.0], (0.0, 0.35), 0.1),
            "the window 0 to 0.35 s is no whole number of 0.1 s bins",
        ),
        (lambda: psth(SPIKES, [], (0.0, 0.3), 0.1), "a response curve needs at least one onset"),
        (
            lambda: psth({"a": np.array([1.0, 0.5]), "b": np.array([1.0])}, [0.0], (0.0, 1.0), 0.5),
            "spike times are not finite and in ascending order in the units 'a'",
        ),
        (
            lambda: trial_rates({"b": np.array([0.5, np.nan])}, [0.0], ["p"], (0.0, 1.0)),
            "spike times are not finite and in ascending order in the units 'b'",
        ),
        (
            lambda: count_spikes([np.array([0.5]), np.array([0.5, np.inf])], [0.0], (0.0, 1.0)),
            "spike times are not finite and in ascending order in the units 1",
        ),
        (
            lambda: boxcar(psth(SPIKES, [0.0], (0.0, 0.3), 0.1), 0.15),
            "a boxcar of 0.15 s is no whole number of 0.1 s bins",
        ),
        (
            lambda: half_maximum_latency_s(psth(SPIKES, [0.0], (0.0, 0.3), 0.1)),
            "a latency needs bins before and after the onset",
        ),
    ],
)
def test_what_cannot_be_counted_is_refused(ask, said):
    with pytest.raises(AnalysisError) as refused:
        ask()
    assert str(refused.value) == said
