from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from analysis.imagery import imagined_code
from analysis.imagined.sliding import population_course, sliding_windows, time_course
from analysis.imagined.trials import imagery_trials
from task.contract.errors import AnalysisError
from tests.analysis.imagined.planted_items import BLOCK, ITEMS, cues

WINDOWS = sliding_windows((-0.8, 3.2), 0.4, 0.2)


def session(rng, onset_s=0.6, gain_hz=1.5, n_units=20):
    """Spikes around cues 8 s apart: from `onset_s` on units fire by their quantity, for 2 s."""
    quantity = pd.DataFrame(rng.normal(size=(8, n_units)), ITEMS).add_prefix("u")
    item, cue_s = cues(rng), 10 + 8 * np.arange(64.0) + rng.random(64)
    level = np.maximum(0.3, 3 + rng.normal(0, 0.7, (8, n_units)))[np.repeat(np.arange(8), 8)]
    drive = np.maximum(0, gain_hz * (quantity.loc[item].to_numpy() + 1))
    trains = {}
    for n, unit in enumerate(quantity):
        parts = []
        for cue, still_hz, more_hz in zip(cue_s, level[:, n], drive[:, n], strict=True):
            parts.append(cue - 1 + 5 * rng.random(rng.poisson(5 * still_hz)))
            parts.append(cue + onset_s + 2 * rng.random(rng.poisson(2 * more_hz)))
        trains[unit] = np.sort(np.concatenate(parts))
    trials = pd.DataFrame({"item": item, "block": BLOCK, "onset_s": cue_s})
    return trains, trials, quantity


def course(rng, **how):
    return time_course(*session(rng, **how), WINDOWS)


def test_windows_lie_within_the_span_and_their_borders_are_the_decimals_asked_for():
    windows = sliding_windows((-0.2, 1.0), 0.4, 0.1)
    assert windows[0] == (-0.2, 0.2)
    assert windows[-1] == (0.6, 1.0)
    assert {round(b[0] - a[0], 9) for a, b in pairwise(windows)} == {0.1}
    assert sliding_windows((0.0, 1.0), 1.0, 0.3) == ((0.0, 1.0),)


@pytest.mark.parametrize(
    ("span_s", "width_s", "step_s", "said"),
    [
        ((0, 1), 0.0, 0.1, "width 0 s and step 0.1 s must be above 0"),
        ((0, 1), 0.2, 0.0, "width 0.2 s and step 0 s must be above 0"),
        ((0, 1), 1.5, 0.1, "none of 1.5 s fits between 0 and 1 s"),
    ],
)
def test_windows_that_cannot_be_are_refused(span_s, width_s, step_s, said):
    with pytest.raises(AnalysisError, match=f"^sliding windows: {said}$"):
        sliding_windows(span_s, width_s, step_s)


def test_a_spike_on_the_border_belongs_to_the_later_window():
    rng = np.random.default_rng(0)
    trains, trials, quantity = session(rng, n_units=1)
    unit = quantity.loc[trials["item"], "u0"].to_numpy()
    trials["onset_s"], quantity["u0"] = trials["onset_s"].round(3), np.sign(quantity["u0"])
    trains = {"u0": np.sort(trials["onset_s"].to_numpy()[unit > 0] + 0.5)}
    found = time_course(trains, trials, quantity, ((0.25, 0.5), (0.5, 0.75)))
    assert found.r["u0"].iloc[0] == 0
    assert found.r["u0"].iloc[1] > 0.5


def test_in_each_window_r_and_its_null_are_those_of_the_imagined_code():
    rng = np.random.default_rng(1)
    trains, trials, quantity = session(rng, n_units=5)
    found = time_course(trains, trials, quantity, WINDOWS)
    for n in (2, 9):
        rates = imagery_trials(trains, trials, (-1.0, 0.0), WINDOWS[n])
        code = imagined_code(rates, quantity)
        np.testing.assert_allclose(found.r.iloc[n], code.units["r"], rtol=1e-9)
        np.testing.assert_allclose(found.null[:, n], code.null.sum(axis=1), rtol=1e-6, atol=1e-9)


def test_a_sudden_onset_is_found_where_it_was_planted():
    rng = np.random.default_rng(2)
    for onset_s in (0.4, 1.0):
        found = population_course([course(rng, onset_s=onset_s) for _ in range(2)])
        assert found.detected
        assert found.onset_s == pytest.approx(onset_s, abs=0.15)
        assert found.onset_low_s <= found.onset_s <= found.onset_high_s
        before = found.windows["end_s"] <= onset_s
        assert (found.windows.loc[before, "p_family"] > 0.05).all()
        assert found.said == (
            f"detected; onset {found.onset_s:.2f} s after the cue"
            f" (95 % {found.onset_low_s:.2f} to {found.onset_high_s:.2f} s)"
        )
        assert found.units == 40


def test_without_a_code_any_window_is_found_as_often_as_the_family_allows():
    rng = np.random.default_rng(3)
    found = [population_course([course(rng, gain_hz=0.0, n_units=6)]) for _ in range(60)]
    assert np.mean([one.detected for one in found]) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 60)
    least = np.array([one.windows["p_family"].min() for one in found])
    assert np.median(least) == pytest.approx(0.5, abs=0.25)
    missed = next(one for one in found if not one.detected)
    assert missed.said == "not detected in any window, for having looked at all of them"
    assert np.isnan([missed.onset_s, missed.onset_low_s, missed.onset_high_s]).all()


def test_the_family_is_stricter_than_a_window_and_its_band_is_where_it_turns():
    found = population_course([course(np.random.default_rng(4))]).windows
    assert (found["p_family"] >= found["p"]).all()
    np.testing.assert_array_equal(found["mean_r"] > found["band"], found["p_family"] <= 0.05)


def test_silent_windows_and_units_count_as_no_evidence():
    rng = np.random.default_rng(5)
    trains, trials, quantity = session(rng, n_units=3)
    trains["u1"] = np.array([])
    quantity["u2"] = 5.0
    found = time_course(trains, trials, quantity, WINDOWS)
    assert found.untested == ("u2",)
    assert (found.r["u1"] == 0).all()
    silent = time_course({"u1": np.array([])}, trials, quantity, WINDOWS)
    whole = population_course([silent])
    assert whole.windows["p"].isna().all()
    assert not whole.detected


def test_the_same_seed_gives_the_same_course_and_sessions_must_share_their_windows():
    rng = np.random.default_rng(6)
    trains, trials, quantity = session(rng, n_units=4)
    one = time_course(trains, trials, quantity, WINDOWS)
    other = time_course(trains, trials, quantity, WINDOWS[:4])
    pd.testing.assert_frame_equal(
        population_course([one, one]).windows, population_course([one, one]).windows
    )
    with pytest.raises(AnalysisError, match="^time course: sessions with the same windows are"):
        population_course([one, other])
    with pytest.raises(AnalysisError, match="^imagined items: nothing is known for unit 'u3'$"):
        time_course(trains, trials, quantity.drop(columns="u3"), WINDOWS)
    with pytest.raises(AnalysisError, match="the quantity varies over the items for no unit$"):
        time_course(trains, trials, quantity * 0 + 1, WINDOWS)
