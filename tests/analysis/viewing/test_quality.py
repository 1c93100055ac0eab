import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from analysis.recording import Unit, collect_units
from analysis.viewing.quality import unit_quality, waveform_snr
from task.contract.errors import AnalysisError


def quality(spikes, span_s=(0.0, 600.0)):
    """Of one unit."""
    units = collect_units([Unit("A1_1", 1, spikes)])
    return unit_quality(units, span_s).loc["A1_1"]


def poisson(rate_hz, length_s, seed=0):
    rng = np.random.default_rng(seed)
    return np.sort(rng.uniform(0, length_s, rng.poisson(rate_hz * length_s)))


def test_intervals_are_counted_by_their_borders():
    # Eighths and sixteenths of seconds are exact; milliseconds are made by differences of such.
    isi = np.array([0.0029, 0.0031, 0.0009, 0.0011, 0.0099, 0.0101, 0.5])
    found = quality(np.concatenate([[1.0], 1.0 + isi.cumsum()]))
    assert found["spikes"] == 8
    assert found["rate_hz"] == 8 / 600
    assert found["isi_below_3ms_percent"] == pytest.approx(100 * 3 / 7)
    assert found["burst_index"] == 4 / 2  # 2.9, 3.1, 1.1 and 9.9 ms over 10.1 and 500 ms


def test_intervals_have_the_irregularity_of_textbooks():
    isi = np.array([0.1, 0.2, 0.4, 1.5, 0.2, 0.6])
    found = quality(np.concatenate([[0.0], isi.cumsum()]))
    assert found["cv"] == pytest.approx(isi.std(ddof=1) / isi.mean())
    pairs = [(0.1, 0.2), (0.2, 0.4), (0.2, 0.6)]  # none with the interval above 1 s
    assert found["cv2"] == pytest.approx(np.mean([2 * (b - a) / (a + b) for a, b in pairs]))


@given(st.integers(5, 60))
def test_a_clock_has_no_irregularity(n):
    found = quality(0.25 * np.arange(n))
    assert found["cv"] == found["cv2"] == 0


def test_a_poisson_process_is_as_irregular_as_it_should_be():
    found = quality(poisson(20, 600))
    assert found["cv"] == pytest.approx(1, abs=0.03)
    assert found["cv2"] == pytest.approx(1, abs=0.03)
    assert found["isi_below_3ms_percent"] == pytest.approx(100 * (1 - math.exp(-0.06)), abs=0.4)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.15])
def test_foreign_spikes_are_estimated(share):
    """Own spikes never within 3 ms of each other, and a share of Poisson spikes among them."""
    rng = np.random.default_rng(1)
    own = np.cumsum(0.003 + rng.exponential(0.05, 30_000))
    n_foreign = round(share / (1 - share) * len(own))
    length_s = own[-1]
    foreign = rng.uniform(0, length_s, n_foreign)
    # Foreign spikes keep apart from each other as well: they are of one other cell.
    foreign = np.sort(foreign)
    foreign = foreign[np.concatenate([[True], np.diff(foreign) > 0.003])] if n_foreign else foreign
    found = quality(np.concatenate([own, foreign]), (0.0, length_s))
    assert found["contamination"] == pytest.approx(share, abs=0.015)


def test_too_many_short_intervals_are_no_unit():
    assert quality(poisson(20, 600))["contamination"] == 0.5


def test_minutes_tell_whether_a_unit_was_there_and_whether_its_rate_drifted():
    counts = np.array([0, 2, 5, 3, 9, 8, 12, 11, 15, 14])
    spikes = np.concatenate([60 * n + np.linspace(1, 59, k) for n, k in enumerate(counts)])
    found = quality(spikes)
    rho = scipy.stats.spearmanr(np.arange(10), counts)
    assert found["presence"] == 0.9
    assert found["drift_rho"] == pytest.approx(rho.statistic)
    assert found["drift_p"] == pytest.approx(rho.pvalue)
    assert found["drift_ratio"] == pytest.approx(counts[5:].sum() / counts[:5].sum())
    expected = math.sqrt(counts.var(ddof=1) - counts.mean()) / counts.mean()
    assert found["rate_cv"] == pytest.approx(expected)


def test_a_steady_unit_drifts_as_often_as_chance_says():
    units = collect_units([Unit(f"A{n}_1", 1, poisson(1.0, 1800, n)) for n in range(400)])
    found = unit_quality(units, (0.0, 1800.0))
    assert scipy.stats.binomtest(int((found["drift_p"] <= 0.05).sum()), 400, 0.05).pvalue > 0.01
    assert found["drift_ratio"].median() == pytest.approx(1, abs=0.02)
    assert found["rate_cv"].median() < 0.05


def test_only_spikes_within_the_span_count():
    found = quality(np.array([1.0, 2.0, 3.0, 4.0]), (2.0, 4.0))
    assert found["spikes"] == 2
    assert found["rate_hz"] == 1.0


def test_what_a_unit_has_too_few_spikes_for_is_missing():
    empty = quality(np.empty(0))
    assert empty["spikes"] == empty["rate_hz"] == empty["presence"] == 0
    measures = ["isi_below_3ms_percent", "contamination", "cv", "cv2", "burst_index", "rate_cv"]
    measures += ["drift_rho", "drift_p", "drift_ratio"]
    assert empty[measures].isna().all()
    one = quality(np.array([5.0]))
    assert one[["isi_below_3ms_percent", "contamination", "cv", "cv2", "burst_index"]].isna().all()
    short = quality(np.array([1.0, 2.0]), (0.0, 100.0))
    assert short[["presence", "rate_cv", "drift_rho", "drift_p"]].isna().all()
    assert short["drift_ratio"] == 0


def test_what_the_sorter_measured_stands_beside():
    units = collect_units(
        [Unit("A1_1", 1, [1.0], quality={"snr": 3.5, "l_ratio": 0.1}), Unit("A1_2", 2, [1.0])]
    )
    found = unit_quality(units, (0.0, 10.0))
    assert found.index.tolist() == ["A1_1", "A1_2"]
    assert found.loc["A1_1", ["snr", "l_ratio"]].tolist() == [3.5, 0.1]
    assert found["isolation_distance"].isna().all() and np.isnan(found.loc["A1_2", "snr"])
    none = unit_quality(collect_units([]), (0.0, 10.0))
    assert none.empty and list(none) == [c for c in found if c != "l_ratio"]


def test_signal_to_noise_is_that_of_the_mean_shape():
    rng = np.random.default_rng(0)
    shape = np.array([0.0, -40.0, -10.0, 20.0, 5.0])
    snr, peak = waveform_snr(shape + 5 * rng.standard_normal((4000, 5)))
    assert snr == pytest.approx(np.sqrt((shape**2).mean()) / 5, rel=0.02)
    assert peak == pytest.approx(8, rel=0.02)
    assert np.isnan(waveform_snr(shape[None])).all()
    assert np.isnan(waveform_snr(np.tile(shape, (3, 1)))).all()


def test_what_has_no_quality_is_refused():
    with pytest.raises(AnalysisError) as refused:
        quality([1.0], (5.0, 5.0))
    assert str(refused.value) == "quality of units: the time from 5 to 5 s is empty"


def test_a_table_holds_numbers_only():
    table = unit_quality(collect_units([Unit("A1_1", 1, poisson(2, 600))]), (0.0, 600.0))
    assert all(pd.api.types.is_numeric_dtype(table[column]) for column in table)
