from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from analysis.synthetic.neurons import REFRACTORY_S, Population, plant_units, spikes
from benchmarks.calibration import PUBLISHED, draw_session, gaussian_space, measure, screening
from task.contract.errors import AnalysisError


def steady(population: Population) -> Population:
    """The same units without drift."""
    return replace(population, units=population.units.assign(drift_sd=0.0))


def silent_but_for(item: str, hz: float, *, imagery_gain: float, latency_s: float) -> Population:
    """One unit that fires to one picture only."""
    units = pd.DataFrame(
        {
            "baseline_hz": [0.0],
            "latency_s": [latency_s],
            "imagery_gain": [imagery_gain],
            "drift_sd": [0.0],
        },
        index=["A1_1"],
    )
    view = pd.DataFrame({"A1_1": [0.0, hz]}, index=["other", item])
    return Population(units, pd.DataFrame(), view)


def stimuli(*rows: tuple[float, float, str, str, int]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["start_s", "stop_s", "kind", "item", "block"])


def test_the_same_seed_gives_the_same_units_and_spikes(small_space: pd.DataFrame) -> None:
    met = stimuli((1.0, 1.3, "view", "dog", 1), (2.0, 7.0, "imagine", "dog", 1))
    first, again = (plant_units(small_space, 20, seed=3) for _ in range(2))
    pd.testing.assert_frame_equal(first.units, again.units)
    pd.testing.assert_frame_equal(first.axes, again.axes)
    pd.testing.assert_frame_equal(first.view_hz, again.view_hz)
    trains = [spikes(p, met, 60.0, seed=9) for p in (first, again)]
    assert all(np.array_equal(a, b) for a, b in zip(*trains, strict=True))


def test_another_seed_gives_other_units_and_other_spikes(small_space: pd.DataFrame) -> None:
    population = plant_units(small_space, 20, seed=3)
    assert not population.axes.equals(plant_units(small_space, 20, seed=4).axes)
    met = stimuli((1.0, 1.3, "view", "dog", 1))
    a, b = (np.concatenate(spikes(population, met, 60.0, seed)) for seed in (1, 2))
    assert not np.array_equal(a, b)


def test_shares_of_units_are_those_of_the_study() -> None:
    units = plant_units(gaussian_space(np.random.default_rng(1)), 100, seed=2).units
    assert units["axis_tuned"].sum() == 80
    assert units["reactivated"].sum() == 32
    assert units.loc[units["reactivated"], "axis_tuned"].all()
    assert ((units["imagery_gain"] > 0) == units["reactivated"]).all()


@given(n_units=st.integers(1, 300), seed=st.integers(0, 50))
def test_every_unit_has_a_cell_of_its_own_on_a_wire_of_its_side(n_units: int, seed: int) -> None:
    rng = np.random.default_rng(0)
    space = pd.DataFrame(rng.standard_normal((9, 2)))
    units = plant_units(space, n_units, seed).units
    assert len(units) == n_units
    assert units.index.is_unique
    assert not units.duplicated(["channel", "cell"]).any()
    assert units["cluster"].is_unique
    sides = units.groupby("channel")["area"].nunique()
    assert (sides == 1).all()
    cells = units.groupby("channel")["cell"]
    assert (cells.max() == cells.size()).all()
    assert (cells.min() == 1).all()
    assert units.sort_values(["channel", "cell"]).index.equals(units.index)


def test_rates_grow_along_the_axis_and_along_nothing_else() -> None:
    space = gaussian_space(np.random.default_rng(4)) * 7 + 3
    population = plant_units(space, 50, seed=1)
    z = (space - space.mean()) / space.std(ddof=0)
    for unit, truth in population.units.iterrows():
        rates = population.view_hz[unit]
        assert rates.mean() == pytest.approx(truth["mean_hz"])
        axis = population.axes.loc[unit]
        if not truth["axis_tuned"]:
            assert axis.isna().all()
            continue
        assert np.linalg.norm(axis) == pytest.approx(1.0)
        along = z @ axis
        above = rates > 0
        # Rectified and squared: straight in its square root, of slope gain / (2 sqrt(baseline)).
        slope, at_zero = np.polyfit(
            (along / along.std(ddof=0))[above], np.sqrt(rates[above].to_numpy()), 1
        )
        assert at_zero**2 == pytest.approx(truth["baseline_hz"])
        assert 2 * slope * at_zero == pytest.approx(truth["gain_hz"])


def test_spikes_tell_the_planted_axes_and_no_axis_where_there_is_none() -> None:
    rng = np.random.default_rng(11)
    space = gaussian_space(rng)
    population = plant_units(space, 60, seed=11)
    met = screening(space.index, rng)
    trains = spikes(population, met, 1000.0, seed=11)
    z = ((space - space.mean()) / space.std()).loc[met["item"]].to_numpy()
    found = {}
    for (unit, truth), train in zip(population.units.iterrows(), trains, strict=True):
        onset = met["start_s"].to_numpy() + truth["latency_s"]
        counts = np.searchsorted(train, onset + 0.267) - np.searchsorted(train, onset)
        weighted = (counts - counts.mean()) @ z
        found[unit] = weighted / np.linalg.norm(weighted)
    similar = (population.axes * pd.DataFrame(found, index=space.columns).T).sum(axis=1)
    tuned = population.units["axis_tuned"]
    assert similar[tuned].median() > 0.75
    assert (similar[tuned] > 0.3).mean() > 0.9


def test_a_space_without_extent_is_refused(small_space: pd.DataFrame) -> None:
    with pytest.raises(AnalysisError) as refusal:
        plant_units(small_space.assign(PC2=4.0), 3, seed=0)
    assert str(refusal.value) == (
        "object space: all pictures have the same coordinate in PC2; leave that dimension out"
    )


@pytest.mark.parametrize("kind", ["view", "encode"])
def test_seen_pictures_drive_from_latency_after_onset_until_latency_after_offset(kind: str) -> None:
    population = silent_but_for("dog", 400.0, imagery_gain=0.0, latency_s=0.16)
    met = stimuli((10.0, 11.0, kind, "dog", 1), (20.0, 21.0, kind, "other", 1))
    (train,) = spikes(population, met, 60.0, seed=1)
    assert 10.16 <= train[0] < 10.18
    assert 11.14 < train[-1] < 11.16


def test_imagined_pictures_drive_from_start_to_stop_by_the_imagery_gain() -> None:
    population = silent_but_for("dog", 2000.0, imagery_gain=0.1, latency_s=0.16)
    met = stimuli((10.0, 15.0, "imagine", "dog", 1), (20.0, 25.0, "imagine", "other", 1))
    (train,) = spikes(population, met, 60.0, seed=1)
    assert 10.0 <= train[0] < 10.03
    assert 14.97 < train[-1] < 15.0
    kept = np.exp(-200 * REFRACTORY_S)  # what the refractory period leaves of a Poisson process
    assert len(train) == pytest.approx(1000 * kept, abs=4 * np.sqrt(1000))


def test_units_that_are_not_reactivated_stay_at_their_baseline() -> None:
    population = silent_but_for("dog", 400.0, imagery_gain=0.0, latency_s=0.16)
    (train,) = spikes(population, stimuli((10.0, 15.0, "imagine", "dog", 1)), 60.0, seed=1)
    assert len(train) == 0


def test_spikes_are_drawn_within_the_recording() -> None:
    population = silent_but_for("dog", 400.0, imagery_gain=0.0, latency_s=0.16)
    met = stimuli((-5.0, 1.0, "view", "dog", 1), (9.0, 99.0, "view", "dog", 2))
    (train,) = spikes(population, met, 10.0, seed=1)
    assert 0 <= train[0] < 0.02
    assert 9.98 < train[-1] < 10.0


def test_without_stimuli_units_fire_at_their_baseline(small_space: pd.DataFrame) -> None:
    population = steady(plant_units(small_space, 40, seed=8))
    trains = spikes(population, stimuli(), 2000.0, seed=8)
    expected = 2000 * population.units["baseline_hz"]
    kept = expected * np.exp(-population.units["baseline_hz"] * REFRACTORY_S)
    score = (np.array([len(t) for t in trains]) - kept) / np.sqrt(kept)
    assert abs(score).max() < 4
    assert score.std() == pytest.approx(1.0, abs=0.35)


def test_counts_are_poisson_about_the_planted_rates(small_space: pd.DataFrame) -> None:
    population = steady(plant_units(small_space, 30, seed=2))
    onsets = 1 + 0.5 * np.arange(2400)
    items = np.tile(small_space.index, 200)
    met = stimuli(*((t, t + 0.3, "view", item, 1) for t, item in zip(onsets, items, strict=True)))
    trains = spikes(population, met, 1300.0, seed=2)
    counts = np.stack(
        [
            seen_counts(t, onsets + lat)
            for t, lat in zip(trains, population.units["latency_s"], strict=True)
        ]
    )
    by_item = pd.DataFrame(counts.T).groupby(items)
    expected = 0.3 * population.view_hz.sort_index().to_numpy()
    expected *= np.exp(-expected / 0.3 * REFRACTORY_S)
    score = (by_item.mean().to_numpy() - expected) / np.sqrt(np.maximum(expected, 0.01) / 200)
    assert abs(score).max() < 5
    assert abs(score.mean()) < 0.2
    fano = (by_item.var().sum() / by_item.mean().sum()).to_numpy()
    assert np.median(fano) == pytest.approx(1.0, abs=0.05)


def seen_counts(train: NDArray[np.float64], onsets: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.searchsorted(train, onsets + 0.3) - np.searchsorted(train, onsets)


@given(seed=st.integers(0, 30), hz=st.floats(1.0, 500.0))
def test_spikes_ascend_and_keep_the_refractory_period(seed: int, hz: float) -> None:
    population = silent_but_for("dog", hz, imagery_gain=1.0, latency_s=0.1)
    met = stimuli((0.0, 5.0, "view", "dog", 1), (3.0, 8.0, "imagine", "dog", 2))
    (train,) = spikes(population, met, 10.0, seed)
    assert (np.diff(train) >= REFRACTORY_S).all()


def test_the_level_of_a_unit_drifts_from_block_to_block_as_much_as_planted() -> None:
    space = gaussian_space(np.random.default_rng(0))
    population = plant_units(space, 200, seed=1)
    units = population.units.assign(drift_sd=0.5, baseline_hz=20.0)
    blocks = [(100.0 * n, 100.0 * n + 0.1, "imagine", space.index[0], n + 1) for n in range(12)]
    trains = spikes(replace(population, units=units), stimuli(*blocks), 1200.0, seed=1)
    edges = 100.0 * np.arange(13)
    level = np.log([np.diff(np.searchsorted(t, edges)) / 2000 for t in trains])
    assert level.std() == pytest.approx(0.5, abs=0.03)
    assert np.exp(level).mean() == pytest.approx(1.0, abs=0.06)
    neighbours = np.corrcoef(level[:, :-1].ravel(), level[:, 1:].ravel())[0, 1]
    assert neighbours == pytest.approx(0.7, abs=0.05)


def test_the_population_resembles_the_published_one() -> None:
    measured = measure([draw_session(60, seed) for seed in range(1000, 1016)])[0.5]
    published = pd.Series({name: quartiles[1] for name, quartiles in PUBLISHED.items()})
    relative = measured / published
    for name in ("mean rate (Hz)", "rate to the best picture (Hz)", "best picture / mean"):
        assert 0.8 < relative[name] < 1.2, name
    assert relative["latency (s)"] == pytest.approx(1.0, abs=0.03)
    assert measured["sparseness"] == pytest.approx(published["sparseness"], abs=0.05)
    assert measured["slope of imagine on view"] == pytest.approx(0.107, abs=0.03)
    assert measured["view-imagine r"] == pytest.approx(0.435, abs=0.15)
    assert 0.7 < measured["view-imagine r > 0 (share)"] < 0.92
    assert measured["imagine / view, mean rates"] == pytest.approx(0.889, abs=0.2)
