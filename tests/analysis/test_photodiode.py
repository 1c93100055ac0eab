"""Edges of a trace, and the borders of what belongs to an onset."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from analysis.photodiode import Edges, find_edges, match_light
from analysis.trace import Piece, Trace, split_at_gaps
from task.contract.errors import AnalysisError

RATE_HZ = 10_000
Floats = NDArray[np.float64]


def trace_of(values: Floats, start_s: float = 0.0) -> Trace:
    return Trace((Piece(start_s, 1 / RATE_HZ, values),))


def stepped(*changes_s: float, seconds: float = 2.0) -> Floats:
    """Dark, and at each time to the other state."""
    times_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return (np.searchsorted(changes_s, times_s + 1e-9, side="right") % 2).astype(float)


def edges_at(*times_s: float, rising: bool = True) -> Edges:
    """Edges that take turns."""
    ways = np.array([rising ^ bool(n % 2) for n in range(len(times_s))])
    return Edges(np.array(times_s), ways, 0.0, 1.0, 0.5, 0.0)


def onsets_at(*times_s: float, lit: int = 1) -> pd.DataFrame:
    states = [lit ^ (n % 2) for n in range(len(times_s))]
    return pd.DataFrame({"time_s": list(times_s), "lit": states})


# Edges -------------------------------------------------------------------------------------------


def test_sharp_steps_are_found_to_the_sample() -> None:
    edges = find_edges(trace_of(stepped(0.5, 0.9, 1.3)))
    np.testing.assert_allclose(edges.time_s, [0.5, 0.9, 1.3], atol=1 / RATE_HZ)
    assert edges.rising.tolist() == [True, False, True]
    assert (edges.low, edges.high, edges.halfway) == (0, 1, 0.5)


def test_a_slow_panel_is_timed_halfway() -> None:
    times_s = np.arange(2 * RATE_HZ) / RATE_HZ
    rise = 1 - np.exp(-(times_s - 0.5) / 0.003)
    fall = np.exp(-(times_s - 1.2) / 0.006)
    values = np.where(times_s < 0.5, 0, np.where(times_s < 1.2, rise, fall))
    found_s = find_edges(trace_of(values)).time_s
    expected_s = [0.5 + 0.003 * np.log(2), 1.2 + 0.006 * np.log(2)]
    np.testing.assert_allclose(found_s, expected_s, atol=2e-4)


@pytest.mark.parametrize("flicker_hz", [95.0, 100.0, 240.0, 1000.0])
def test_a_switched_backlight_is_timed_at_its_first_and_last_pulse(
    flicker_hz: float,
) -> None:
    values = stepped(0.5, 1.3)
    pulses = np.arange(len(values)) / RATE_HZ * flicker_hz % 1 < 0.3
    edges = find_edges(trace_of(values * pulses))
    lit_s = np.flatnonzero(values * pulses) / RATE_HZ
    assert edges.rising.tolist() == [True, False]
    np.testing.assert_allclose(edges.time_s, [lit_s[0], lit_s[-1]], atol=3 / RATE_HZ)
    assert edges.ripple > 0.9


@pytest.mark.parametrize("state_s", [0.0333, 0.050])
def test_short_states_are_seen(state_s: float) -> None:
    changes_s = 0.5 + state_s * np.arange(20)
    edges = find_edges(trace_of(stepped(*changes_s)))
    np.testing.assert_allclose(edges.time_s, changes_s, atol=2 / RATE_HZ)


def test_edges_on_both_sides_of_a_gap_keep_their_times() -> None:
    times_s = np.arange(2 * RATE_HZ) / RATE_HZ
    kept = (times_s < 0.8) | (times_s >= 1.1)
    trace = split_at_gaps(times_s[kept] + 77, stepped(0.5, 0.9, 1.3)[kept])
    assert trace.gaps == 1
    np.testing.assert_allclose(find_edges(trace).time_s, [77.5, 78.3], atol=1 / RATE_HZ)


@pytest.mark.parametrize("values", [np.zeros(20_000), np.arange(20_000.0) % 2])
def test_a_trace_of_one_level_is_refused(values: Floats) -> None:
    with pytest.raises(AnalysisError, match="has no two levels"):
        find_edges(trace_of(values))


def test_a_trace_that_cannot_hold_a_level_is_refused() -> None:
    """As through the capacitor of a sound card's input."""
    values = stepped(*np.arange(0.3, 9.7, 0.4), seconds=10)
    values -= gaussian_filter1d(values, 0.004 * RATE_HZ)
    with pytest.raises(AnalysisError, match="A sound card's input cannot hold a level"):
        find_edges(trace_of(values))


@pytest.mark.parametrize("halfway", [0.0, 1.0, 7.0])
def test_a_threshold_lies_between_the_levels(halfway: float) -> None:
    with pytest.raises(AnalysisError) as error:
        find_edges(trace_of(stepped(0.5)), halfway)
    assert str(error.value) == (
        f"the threshold {halfway:g} does not lie between the levels 0 and 1"
    )


def test_a_trace_shorter_than_a_bin_is_refused() -> None:
    with pytest.raises(AnalysisError, match="too short to have levels"):
        find_edges(trace_of(np.array([0.0, 1.0])))


# What belongs to an onset ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("light_s", "seen"),
    [(0.9799, False), (0.9801, True), (1.0, True), (1.0999, True), (1.1001, False)],
)
def test_light_belongs_to_an_onset_from_20_ms_before_to_100_ms_after(
    light_s: float, seen: bool
) -> None:
    light = match_light(onsets_at(1.0), edges_at(light_s))
    latency_s = light.onsets["latency_s"].iloc[0]
    assert np.isfinite(latency_s) is np.bool_(seen)
    assert len(light.extra_s) == (not seen)
    if seen:
        assert latency_s == pytest.approx(light_s - 1.0)


def test_each_edge_belongs_to_one_onset() -> None:
    onsets = onsets_at(1.0, 1.1, 1.2, 1.3)
    light = match_light(onsets, edges_at(1.01, 1.11, 1.21, 1.31))
    np.testing.assert_allclose(light.onsets["latency_s"], 0.01)
    assert not light.onsets["wrong_way"].any() and not len(light.extra_s)


def test_in_a_fast_stream_no_edge_is_taken_for_the_next_one() -> None:
    onsets = onsets_at(*(1 + 0.035 * n for n in range(20)))
    late = edges_at(*(1.01 + 0.035 * n for n in range(2, 20)))
    light = match_light(onsets, late)
    assert light.onsets["latency_s"].isna().tolist() == [True, True] + [False] * 18
    np.testing.assert_allclose(light.onsets["latency_s"].dropna(), 0.01)


@pytest.mark.parametrize(("extra_s", "counted"), [(0.5, 1), (-0.5, 0), (4.5, 0)])
def test_edges_long_before_and_after_the_session_are_nobodys(extra_s: float, counted: int) -> None:
    times_s = sorted([extra_s, 1.01, 2.01, 3.01])
    ways = [t != 2.01 for t in times_s]
    edges = Edges(np.array(times_s), np.array(ways), 0.0, 1.0, 0.5, 0.0)
    assert len(match_light(onsets_at(1.0, 2.0, 3.0), edges).extra_s) == counted


def test_the_direction_of_most_edges_decides_which_way_light_goes() -> None:
    onsets = onsets_at(1.0, 2.0, 3.0)
    straight = match_light(onsets, edges_at(1.01, 2.01, 3.01))
    inverted = match_light(onsets, edges_at(1.01, 2.01, 3.01, rising=False))
    assert (straight.inverted, inverted.inverted) == (False, True)
    np.testing.assert_allclose(inverted.onsets["latency_s"], 0.01)


def test_a_single_edge_the_other_way_is_told() -> None:
    edges = Edges(np.array([1.01, 2.01, 3.01]), np.array([True, True, True]), 0, 1, 0.5, 0)
    light = match_light(onsets_at(1.0, 2.0, 3.0), edges)
    assert light.onsets["wrong_way"].tolist() == [False, True, False]
    assert not len(light.extra_s)


def test_going_dark_between_two_onsets_that_light_the_patch_is_one_dimming() -> None:
    onsets = pd.DataFrame({"time_s": [1.0, 2.0], "lit": [1, 1]})
    edges = edges_at(1.01, 1.5, 2.01, 2.5)
    light = match_light(onsets, edges)
    assert (light.dimmed, len(light.extra_s)) == (2, 0)
