import numpy as np
import pandas as pd
import pytest

from analysis.axis import left_out_projections
from analysis.responses import rates_by_image, trial_rates
from analysis.viewing.axis_course import axis_course
from analysis.viewing.profile import Shown
from task.contract.errors import AnalysisError

PICTURES = [f"p{n:02d}" for n in range(40)]
SPACE = pd.DataFrame(
    np.linalg.qr(
        np.column_stack([np.arange(40.0) - 19.5, np.random.default_rng(9).normal(size=40)])
    )[0]
    * [-1, 1],
    PICTURES,
    ["along", "other"],
)
WINDOW = (0.1, 0.3)


def shown(rng, units=12, follows=True, from_s=0.1, to_s=0.3) -> Shown:
    """Every picture eight times; units fire the more, the later a picture is in the list."""
    order = rng.permutation(np.tile(np.arange(40), 8))
    onsets = 1 + np.cumsum(rng.uniform(0.45, 0.65, len(order)))
    trains = {}
    for k in range(units):
        numbers = rng.poisson(order / 10 if follows else 2.0)
        at = np.repeat(onsets, numbers)
        idle = rng.uniform(0, onsets[-1] + 1, 600)
        spikes = np.concatenate([at + rng.uniform(from_s, to_s, len(at)), idle])
        trains[f"u{k}"] = np.sort(spikes)
    names = tuple(PICTURES[n] for n in order)
    return Shown(trains, onsets, names, tuple(np.arange(len(order)) // 40))


def course(recordings, window=(-0.2, 0.4), **options):
    tables = [trial_rates(r.spikes, r.onsets_s, r.images, WINDOW) for r in recordings]
    rates = pd.concat([rates_by_image(table)[0] for table in tables], axis=1)
    return axis_course(recordings, rates, SPACE, window, **options)


def test_the_ends_of_the_axis_part_while_rates_follow_it():
    found = course([shown(np.random.default_rng(1))])
    apart = found.curves.index[found.curves["apart"]]
    assert apart[0] == pytest.approx(0.1, abs=0.021)
    assert apart[-1] + found.bin_s == pytest.approx(0.3, abs=0.021)
    assert np.allclose(np.diff(apart), found.bin_s)
    assert found.p == found.smallest_p == 1 / 200
    assert found.units == 12


def test_where_rates_follow_no_axis_they_do_not_part_though_units_share_their_noise():
    p = []
    for seed in range(60):
        recording = shown(np.random.default_rng(seed), units=1, follows=False)
        (train,) = recording.spikes.values()
        alike = Shown(
            {f"u{k}": train[k % 3 :: 2] for k in range(6)},
            recording.onsets_s, recording.images, recording.blocks,
        )  # fmt: skip
        p.append(course([alike], n_shuffles=39, seed=seed).p)
    assert np.mean(np.array(p) <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 60)


def test_curves_are_mean_rates_of_the_ends_in_units_of_each_units_mean():
    recording = shown(np.random.default_rng(2), units=2)
    found = course([recording], (0.0, 0.4), n_shuffles=9)
    rates = rates_by_image(
        trial_rates(recording.spikes, recording.onsets_s, recording.images, WINDOW)
    )[0]
    places = left_out_projections(rates, SPACE)
    start, of_units = found.curves.index[5], []
    images = np.array(recording.images)
    for unit, train in recording.spikes.items():
        ranked = places[unit].sort_values(kind="stable").index
        spikes = train[None] - recording.onsets_s[:, None]
        inside = ((spikes >= start) & (spikes < start + found.bin_s)).sum(axis=1)
        mean = ((spikes >= 0.0) & (spikes < 0.4)).sum(axis=1).mean() / len(found.curves)
        ends = np.isin(images, ranked[-8:]), np.isin(images, ranked[:8])
        of_units.append([inside[end].mean() / mean for end in ends])
    expected = np.mean(of_units, axis=0)
    np.testing.assert_allclose(found.curves.loc[start, ["high", "low"]].tolist(), expected)


def test_units_of_several_recordings_count_each_in_its_own_trials():
    first, second = (shown(np.random.default_rng(seed), units=6) for seed in (1, 2))
    moved = {f"u{k + 6}": train for k, train in enumerate(second.spikes.values())}
    second = Shown(moved, second.onsets_s, second.images, second.blocks)
    found = course([first, second], n_shuffles=9)
    alone = course([first], n_shuffles=9), course([second], n_shuffles=9)
    assert found.units == 12
    both = (alone[0].curves["high"] + alone[1].curves["high"]) / 2
    np.testing.assert_allclose(found.curves["high"], both)


def test_silent_units_are_left_out():
    recording = shown(np.random.default_rng(1), units=4)
    recording.spikes["u1"] = np.empty(0)
    assert course([recording], n_shuffles=9).units == 3


def test_a_single_unit_is_too_few():
    with pytest.raises(AnalysisError) as refused:
        course([shown(np.random.default_rng(1), units=1)])
    assert str(refused.value) == "the course of tuning needs at least two units, not 1"
