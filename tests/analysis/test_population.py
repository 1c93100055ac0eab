"""Shares against known answers, their intervals over patients, and what differs between groups."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
import scipy.special
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from analysis.differences import between_groups, between_patients, by_group, side_of
from analysis.population import PUBLISHED, Share, corrected_share, detected, medians, shares
from analysis.resampling import counted, drawn_of, for_whom, interval, mean, median
from task.contract.errors import AnalysisError


def mixture(n: int, true: float, seed: int, power: float = 1.0) -> NDArray[np.float64]:
    """p of units of which a share does it; of those, `power` reach p <= 0.05, the rest 0.05 to 1.

    Where power is 1 their p are far below 0.05.
    """
    rng = np.random.default_rng(seed)
    does, reached = rng.random(n) < true, rng.random(n) < power
    small, large = rng.uniform(0, 1e-4, n), rng.uniform(0.05, 1, n)
    return np.where(does, np.where(reached, small, large), rng.random(n))


def population(columns: dict[str, NDArray[np.float64]], patients: int = 4) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    index = pd.Index([f"u{i}" for i in range(n)])
    return pd.DataFrame(columns, index).assign(patient=np.arange(n) % patients)


def taken(table: pd.DataFrame, **more: object) -> dict[tuple[str, str | None], Share]:
    found = shares(table.drop(columns="patient"), table["patient"], **more)  # type: ignore[arg-type]
    return {(share.question, share.of): share for share in found}


def test_without_power_the_corrected_share_is_storeys_and_a_lower_bound() -> None:
    p = mixture(1500, 0.6, seed=1)
    share = taken(population({"axis_tuned": p}))["axis_tuned", None]
    assert share.corrected.value == pytest.approx(1 - (p > 0.5).mean() / 0.5, abs=1e-12)
    assert share.corrected.value == pytest.approx(0.6, abs=0.05)
    assert share.lower_bound
    assert share.level == 0.5
    assert share.corrected.low < 0.6 < share.corrected.high


def test_with_power_the_units_that_were_overlooked_are_counted_in() -> None:
    table = population({"axis_tuned": mixture(2000, 0.6, seed=2, power=0.5)})
    known = taken(table, power={"axis_tuned": 0.5})["axis_tuned", None]
    assert known.corrected.value == pytest.approx(0.6, abs=0.05)
    assert not known.lower_bound
    assert known.level == 0.05
    assert taken(table)["axis_tuned", None].corrected.value < 0.55


def test_units_that_do_nothing_are_corrected_to_nothing() -> None:
    share = taken(population({"axis_tuned": mixture(1500, 0.0, seed=3)}))["axis_tuned", None]
    assert share.nominal.value == pytest.approx(0.05, abs=0.015)
    assert share.detected_count.count == 0
    assert share.corrected.value < 0.05
    assert share.detected.low == 0
    assert share.detected.high == pytest.approx(share.detected_count.high)
    assert share.detected_count.high == pytest.approx(1 - 0.025 ** (1 / 1500))


def test_p_of_several_questions_are_corrected_at_small_p_only() -> None:
    rng = np.random.default_rng(4)
    both = np.minimum(1, 2 * rng.random((2000, 2)).min(axis=1))  # no unit does anything
    share = taken(population({"reactivated": both}))["reactivated", None]
    assert share.level == 0.05
    assert share.corrected.value < 0.02


@given(st.floats(0, 1), st.sampled_from([0.05, 0.5]), st.floats(0.6, 1))
def test_a_corrected_share_gives_back_the_share_that_it_came_from(
    true: float, level: float, power: float
) -> None:
    small = true * power + (1 - true) * level
    assert corrected_share(small, level, power) == pytest.approx(true, abs=1e-9)


def test_a_share_of_the_detected_is_taken_of_them_alone() -> None:
    responds = np.r_[np.full(60, 1e-6), np.full(40, 0.9)]
    axis = np.r_[np.full(45, 1e-6), np.full(15, 0.8), np.full(10, 1e-6), np.full(30, 0.8)]
    found = taken(population({"responsive": responds, "axis_tuned": axis}))
    assert found["responsive", None].detected_count == counted(60, 100)
    assert found["axis_tuned", None].detected_count == counted(55, 100)
    assert found["axis_tuned", "responsive"].detected_count == counted(45, 60)
    assert ("reactivated", None) not in found


def test_the_false_discovery_rate_is_over_the_whole_population() -> None:
    p = np.r_[np.full(5, 0.004), np.full(95, 0.7)]
    both = scipy.stats.false_discovery_control(p) <= 0.05
    found = detected(pd.DataFrame({"axis_tuned": p}))["axis_tuned"]
    assert (found == 1).tolist() == both.tolist()
    assert found.sum() == 0  # among the first five alone all would be
    assert detected(pd.DataFrame({"axis_tuned": p[:5]}))["axis_tuned"].sum() == 5


def test_units_without_a_p_are_no_part_of_a_share_and_are_told() -> None:
    p = np.r_[np.full(30, 1e-6), np.full(20, np.nan)]
    share = taken(population({"axis_tuned": p}))["axis_tuned", None]
    assert (share.detected_count.count, share.detected_count.of, share.untested) == (30, 30, 20)


def test_imagery_only_leaves_out_units_that_respond() -> None:
    only = np.full(20, 1e-6)
    responds = np.r_[np.full(8, 1e-6), np.full(12, 0.9)]
    p = pd.DataFrame({"responsive": responds, "imagery_only": only})
    assert detected(p)["imagery_only"].tolist() == [0.0] * 8 + [1.0] * 12
    assert "imagery_only" not in detected(p[["imagery_only"]])


def test_a_design_too_coarse_for_the_population_is_told() -> None:
    table = population({"reactivated": np.full(40, 0.125)})
    coarse = taken(table, smallest_p={"reactivated": 0.125})["reactivated", None]
    assert coarse.needed is None
    fine = taken(table, smallest_p={"reactivated": 0.01})["reactivated", None]
    assert fine.needed == 8


def test_published_counts_stand_beside() -> None:
    responds = taken(population({"responsive": mixture(100, 0.5, 5)}))["responsive", None]
    assert responds.published is not None
    assert (responds.published.count, responds.published.of) == (456, 714)
    for count, of in PUBLISHED.values():
        exact = counted(count, of)
        assert exact.low == pytest.approx(scipy.stats.beta.ppf(0.025, count, of - count + 1))
        assert exact.high == pytest.approx(scipy.stats.beta.ppf(0.975, count + 1, of - count))


@pytest.mark.parametrize(
    ("columns", "more", "said"),
    [
        ({"axis_tuned": [0.5, 1.5]}, {}, "p outside 0 to 1 in 'axis_tuned'"),
        ({"axes": [0.5, 0.1]}, {}, "no question of the population is called 'axes'"),
        (
            {"axis_tuned": [0.5, 0.1]},
            {"power": {"axis_tuned": 0.05}},
            "power of axis_tuned is 0.05; it must be above 0.05 and at most 1",
        ),
    ],
)
def test_what_cannot_be_is_refused(
    columns: dict[str, list[float]], more: dict[str, object], said: str
) -> None:
    table = population({name: np.array(values) for name, values in columns.items()})
    with pytest.raises(AnalysisError) as refused:
        taken(table, **more)
    assert str(refused.value) == said


def test_a_unit_without_a_patient_is_refused() -> None:
    p = pd.DataFrame({"axis_tuned": [0.1, 0.2]}, index=["a", "b"])
    with pytest.raises(AnalysisError, match="no patient is named for 'b'"):
        shares(p, pd.Series({"a": "P1"}))


# Intervals ---------------------------------------------------------------------------------------


def test_patients_are_drawn_from_five_on() -> None:
    units = pd.Series(np.arange(40.0))
    four, five = (pd.Series(np.arange(40) % n) for n in (4, 5))
    assert (drawn_of(four), drawn_of(five)) == ("units", "patients")
    assert interval(units, four, median) == interval(units, pd.Series(0, units.index), median)
    assert "these patients only" in for_whom(["units"])
    assert "patients like these" in for_whom(["patients"])


def test_patients_are_drawn_with_all_their_units() -> None:
    """Where patients are all the same inside, their number counts and not that of their units."""
    patients = pd.Series(np.repeat(np.arange(8), 50))
    found = interval((patients % 2).astype(float), patients, mean)
    assert found.value == 0.5
    assert found.high - found.low > 0.7


def test_a_median_by_weights_is_that_of_the_values_repeated() -> None:
    rng = np.random.default_rng(6)
    for n in (1, 2, 7, 20):
        values, weights = rng.standard_normal(n).round(1), rng.integers(0, 4, (30, n))
        weights[:, 0] += weights.sum(axis=1) == 0
        by_hand = [np.median(np.repeat(values, row)) for row in weights]
        assert median(values, weights.astype(float)) == pytest.approx(by_hand)
        assert mean(values, weights.astype(float)) == pytest.approx(
            [np.mean(np.repeat(values, row)) for row in weights]
        )


@pytest.mark.parametrize("patients", [8, 16])
@pytest.mark.parametrize("unlike", [False, True])
def test_intervals_over_patients_hold_the_truth(patients: int, unlike: bool) -> None:
    """Patients differ in their share (SD 0.5 on the logit), and some gave many more units."""
    rng = np.random.default_rng(7)
    shifts = 0.5 * np.random.default_rng(0).standard_normal(200_000)
    truth = float(scipy.special.expit(0.4 + shifts).mean())
    held, n = 0, 250
    for _ in range(n):
        sizes = rng.lognormal(2.5, 0.9, patients).round() + 1 if unlike else np.full(patients, 20)
        who = np.repeat(np.arange(patients), sizes.astype(int))
        share = scipy.special.expit(0.4 + 0.5 * rng.standard_normal(patients))
        does = pd.Series((rng.random(len(who)) < share[who]).astype(float))
        found = interval(does, pd.Series(who), mean, n_resamples=499)
        held += found.low <= truth <= found.high
    assert held / n >= 0.93


def test_medians_have_their_quartiles_and_leave_gaps_out() -> None:
    values = pd.DataFrame({"latency_s": [0.1, 0.2, 0.3, 0.4, 0.5, np.nan], "none": [np.nan] * 6})
    (row,) = medians(values, pd.Series(["a"] * 6))
    assert (row.measure, row.units, row.patients, row.drawn) == ("latency_s", 5, 1, "units")
    assert row.interval.value == pytest.approx(0.3)
    assert (row.lower, row.upper) == pytest.approx((0.2, 0.4))
    assert row.interval.low < 0.3 < row.interval.high


def test_the_median_of_four_units_has_no_interval() -> None:
    (row,) = medians(pd.DataFrame({"latency_s": [0.1, 0.2, 0.3, 0.4]}), pd.Series(["a"] * 4))
    assert row.interval.value == pytest.approx(0.25)
    assert np.isnan([row.interval.low, row.interval.high]).all()


# Patients, areas, sides --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("area", "side"),
    [
        ("left fusiform", "left"),
        ("Right hippocampus", "right"),
        ("RVTC", "right"),
        ("L_FFA", "left"),
        ("Lingual", ""),
        ("rightmost", ""),
        ("hippocampus", ""),
        ("", ""),
    ],
)
def test_a_side_is_read_from_the_beginning_of_a_name(area: str, side: str) -> None:
    assert side_of(area) == side


def test_groups_are_counted_with_exact_intervals() -> None:
    does = pd.Series([1.0, 0.0, np.nan, 1.0])
    table = by_group(does, pd.Series(["a", "a", "a", "b"], name="area"))
    assert table.loc["a", ["count", "of"]].tolist() == [1, 2]
    assert table.loc["b", "low"] == pytest.approx(0.025)


def two_areas(a: list[int], b: list[int], units: int = 10) -> tuple[pd.Series, ...]:
    """Patients with `units` units in each of two areas, so many of which do it."""
    rows = [
        (patient, area, float(n < count))
        for area, counts in (("a", a), ("b", b))
        for patient, count in enumerate(counts)
        for n in range(units)
    ]
    table = pd.DataFrame(rows, columns=["patient", "area", "does"])
    return table["does"], table["area"], table["patient"]


def test_areas_are_compared_within_patients_area_by_area() -> None:
    does, areas, patients = two_areas([9, 9, 8, 9, 8, 9], [1, 2, 1, 1, 2, 1])
    found = between_groups(does, areas, patients, "area")
    by_hand = []
    for flips in itertools.product((1, -1), repeat=6):
        difference = np.array([8, 7, 7, 8, 6, 8])
        by_hand.append(abs((np.array(flips) * difference).sum()))
    assert found.p == pytest.approx(np.mean(np.array(by_hand) >= by_hand[0]))
    assert found.p == found.smallest_p == pytest.approx(2 / 64)
    assert found.how == "names of each area exchanged within the 6 patients who have several"


def test_areas_of_patients_who_have_one_are_compared_between_them() -> None:
    does = pd.Series([1.0] * 40 + [0.0] * 40)
    patients = pd.Series(np.arange(80) // 10)
    areas = pd.Series(np.where(patients < 4, "a", "b"))
    found = between_groups(does, areas, patients, "area")
    assert found.how == "names of each area exchanged between patients: each of them has one"
    assert found.p == pytest.approx(2 / 70, abs=0.01)


@pytest.mark.parametrize(
    ("does", "areas", "how"),
    [
        ([1.0, 0.0], ["a", "a"], "all units lie in one"),
        ([1.0, 0.0], ["", ""], "no unit has a name for it"),
        ([0.0, 0.0], ["a", "b"], "no unit was detected"),
        ([1.0, 1.0], ["a", "b"], "every unit was detected"),
    ],
)
def test_where_areas_cannot_be_compared_the_result_says_why(
    does: list[float], areas: list[str], how: str
) -> None:
    found = between_groups(pd.Series(does), pd.Series(areas), pd.Series(["P", "P"]), "area")
    assert math.isnan(found.p)
    assert found.how == how


def test_two_patients_with_an_area_each_can_say_nothing() -> None:
    found = between_groups(
        pd.Series([1.0, 1.0, 0.0]), pd.Series(["a", "a", "b"]), pd.Series([1, 1, 2]), "area"
    )
    assert math.isnan(found.p) or found.p == found.smallest_p == 1


def test_patients_who_are_alike_rarely_differ_and_others_do() -> None:
    rng = np.random.default_rng(8)
    patients = pd.Series(np.repeat(np.arange(6), 30))
    alike = [
        between_patients(pd.Series((rng.random(180) < 0.4).astype(float)), patients, seed).p
        for seed in range(200)
    ]
    assert np.mean(np.array(alike) <= 0.05) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 200)
    assert np.mean(alike) == pytest.approx(0.5, abs=0.1)
    share = np.array([0.1, 0.9, 0.1, 0.9, 0.5, 0.5])[patients]
    unlike = between_patients(pd.Series((rng.random(180) < share).astype(float)), patients)
    assert unlike.p == unlike.smallest_p == 1 / 5000
