"""What is kept of every unit: rows of numbers that are those of the analysis."""

import json
import os
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import axis, unit_data, unit_trials
from analysis.gather import Gathered
from analysis.unit_data import read_unit, unit_files, write_units
from analysis.unit_record import unit_records
from task.contract.errors import AnalysisError
from task.contract.sessionlog import Kind


@pytest.fixture(scope="module")
def records(day_results):
    return {r["unit"]: r for r in unit_records(day_results, day_results.document["unit_files"])}


@pytest.fixture(scope="module")
def unit(day_results):
    """The best predicted unit."""
    return day_results.document["shown"]["units"][0]["unit"]


def train_of(results, unit, session=0):
    found = results.gathered.sessions[session]
    names = [f"{found.recording}/{label}" for label in found.units.table.index]
    return found.units.spikes_s[names.index(unit)]


def test_every_tested_unit_has_a_file_that_report_json_names(day_results, unit_folder):
    files = day_results.document["unit_files"]
    tested = day_results.viewings[0].fit.r.index
    assert set(files) == set(tested)
    written = {f"units/{file.name}" for file in (unit_folder / "units").iterdir()}
    assert written == set(files.values())


def test_a_file_holds_the_record_and_nothing_else(records, unit_folder, day_results):
    for name, file in day_results.document["unit_files"].items():
        assert read_unit(unit_folder / file) == records[name]
        json.dumps(records[name], allow_nan=False)


def test_files_of_an_earlier_analysis_are_removed_and_others_left(day_results, tmp_path):
    (tmp_path / "units").mkdir()
    for name in ("gone.json", "gone.json.partial", "notes.txt"):
        (tmp_path / "units" / name).write_text("old")
    kept = write_units(day_results, tmp_path, ["patient/A1_1"])
    left = {file.name for file in (tmp_path / "units").iterdir()}
    assert "notes.txt" in left
    assert not left & {"gone.json", "gone.json.partial"}
    assert not [name for name in left if name.endswith(".partial")]
    assert list(kept) in (["patient/A1_1"], [])


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such modes")
def test_the_folder_of_units_is_its_owners(day_results, tmp_path):
    write_units(day_results, tmp_path, ())
    assert (tmp_path / "units").stat().st_mode & 0o077 == 0


@given(names=st.lists(st.text(min_size=1), min_size=1, max_size=30, unique=True))
def test_names_of_files_are_plain_and_differ_in_more_than_case(names):
    taken = set()
    stems = [unit_data._free(name, taken) for name in names]
    assert len({stem.casefold() for stem in stems}) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*", stem) for stem in stems)
    assert max(map(len, stems)) < 120


def test_units_that_differ_by_case_or_by_a_dot_have_files_of_their_own(day_results):
    viewing = day_results.viewings[0]
    r = pd.Series(0.0, ["a/b", "a/B", "a.b", "../../etc/passwd", "a_b"])
    found = unit_files([replace(viewing, fit=replace(viewing.fit, r=r))], [])
    assert found == {
        "a/b": "units/a_b.json",
        "a/B": "units/a_B_2.json",
        "a.b": "units/a_b_3.json",
        "../../etc/passwd": "units/_etc_passwd.json",
        "a_b": "units/a_b_4.json",
    }


def test_a_file_that_is_gone_damaged_or_of_another_version_is_refused(tmp_path):
    path = tmp_path / "x.json"
    with pytest.raises(AnalysisError) as refused:
        read_unit(path)
    assert str(refused.value) == f"{path} is not there; analyse again"
    path.write_text('{"schema": 1,')
    with pytest.raises(AnalysisError, match="cannot be read"):
        read_unit(path)
    path.write_text('{"schema": 0}')
    with pytest.raises(AnalysisError) as refused:
        read_unit(path)
    assert str(refused.value) == f"{path} is of another version of imagery; analyse again"


# Viewing -----------------------------------------------------------------------------------------


def test_pictures_come_in_the_order_of_their_left_out_projections(day_results, records, unit):
    viewing, seen = day_results.viewings[0], records[unit]["viewing"][0]
    seed = day_results.document["settings"]["tests"]["seed"]
    preferred = axis.left_out_projections(viewing.rates, viewing.space, seed)[unit]
    orthogonal = axis.left_out_orthogonal(viewing.rates, viewing.space, seed)[unit]
    assert seen["pictures"] == list(preferred.sort_values().index)
    np.testing.assert_allclose(seen["preferred"], preferred[seen["pictures"]], rtol=1e-5)
    np.testing.assert_allclose(seen["orthogonal"], orthogonal[seen["pictures"]], rtol=1e-5)
    rates = viewing.rates[unit]
    np.testing.assert_allclose(seen["rate_hz"], rates[seen["pictures"]], rtol=1e-5)
    assert seen["preferred_r"] == pytest.approx(preferred.corr(rates), rel=1e-5)


def test_numbers_of_the_shown_units_are_those_of_report_json(day_results, records):
    for shown in day_results.document["shown"]["units"]:
        seen = records[shown["unit"]]["viewing"][0]
        assert seen["preferred_r"] == pytest.approx(shown["preferred_r"], rel=1e-5)
        assert [b["rate_hz"] for b in seen["orthogonal_bins"]] == pytest.approx(
            [b["rate"] for b in shown["orthogonal"]], rel=1e-5
        )
        row = next(r for r in day_results.document["viewing"][0]["per_unit"]
                   if r["unit"] == shown["unit"])  # fmt: skip
        assert seen["numbers"] == row


def test_spikes_are_whole_milliseconds_after_the_onset_trial_by_trial(day_results, records, unit):
    seen = records[unit]["viewing"][0]
    start_ms, stop_ms = seen["around_ms"]
    train = train_of(day_results, unit)
    run = day_results.gathered.sessions[0].runs[0].of(Kind.VIEW)
    for (_, trial), spikes, picture in zip(
        run.iterrows(), seen["spikes_ms"], seen["trials"], strict=True
    ):
        after_ms = (train - trial["onset_s"]) * 1000
        mine = after_ms[(after_ms >= start_ms) & (after_ms < stop_ms)]
        assert np.abs(np.array(spikes) + 0.5 - mine).max(initial=0) <= 0.501
        assert seen["pictures"][picture] == trial["item"]


def test_spikes_are_kept_from_the_start_of_the_window_to_before_its_end():
    train = np.array([0.0, 0.9, 1.0, 1.2, 1.2506, 1.5, 9.0])
    around = unit_trials.Around(-100, 500, 20)
    found = unit_trials.spikes_around_ms(train, np.array([1.0, 8.75, 4.0]), around)
    assert found == [[-100, 0, 199, 250], [250], []]


@given(
    st.lists(st.integers(0, 5000), max_size=60).map(sorted),
    st.lists(st.integers(0, 5000), min_size=1, max_size=9),
)
def test_spikes_are_kept_as_a_plain_search_finds_them(spikes, onsets):
    """In sixteenths of a second, which binary numbers hold exactly."""
    around = unit_trials.Around(-250, 750, 250)
    found = unit_trials.spikes_around_ms(np.array(spikes) / 16, np.array(onsets) / 16, around)
    expected = [
        [(s - o) * 1000 // 16 for s in spikes if -250 <= (s - o) * 1000 / 16 < 750] for o in onsets
    ]
    assert found == expected


def test_a_unit_of_two_recordings_keeps_the_trials_of_both(make_day, analyzed):
    day = make_day(imagery=False)
    morning = day.gathered.sessions[0]
    evening = replace(morning, name="evening")
    results = analyzed(replace(day, gathered=Gathered((morning, evening))))
    once = next(unit_records(analyzed(day), results.document["unit_files"]))
    twice = next(unit_records(results, results.document["unit_files"]))
    spikes = dict(enumerate(twice["viewing"][0]["spikes_ms"]))
    assert len(spikes) == 2 * len(once["viewing"][0]["spikes_ms"])
    assert [spikes[n] for n in range(144)] == [spikes[n] for n in range(144, 288)]


def test_rates_and_errors_are_those_of_the_spikes_in_the_window(day_results, records, unit):
    seen = records[unit]["viewing"][0]
    start_s, stop_s = seen["window_s"]
    train = train_of(day_results, unit)
    run = day_results.gathered.sessions[0].runs[0].of(Kind.VIEW)
    onset_s = run["onset_s"].to_numpy()
    counts = [np.sum((train >= at + start_s) & (train < at + stop_s)) for at in onset_s]
    rates = pd.Series(np.array(counts) / (stop_s - start_s)).groupby(run["item"].to_numpy())
    np.testing.assert_allclose(seen["rate_hz"], rates.mean()[seen["pictures"]], rtol=1e-5)
    np.testing.assert_allclose(seen["sem_hz"], rates.sem()[seen["pictures"]], rtol=1e-5, atol=1e-9)


def test_response_curves_are_of_fifths_of_the_pictures(records, unit):
    seen = records[unit]["viewing"][0]
    curves = seen["curves"]
    names = [group["pictures"] for group in curves["groups"]]
    assert (names[0], names[-1], len(names)) == ("lowest fifth", "highest fifth", 5)
    assert sum(group["trials"] for group in curves["groups"]) == len(seen["trials"])
    lowest = [n for n in range(48) if n * 5 // 48 == 0]
    spikes = np.concatenate(
        [s for s, p in zip(seen["spikes_ms"], seen["trials"], strict=True) if p in lowest]
    )
    trials = curves["groups"][0]["trials"]
    edges = curves["start_ms"] + curves["bin_ms"] * np.arange(
        len(curves["groups"][0]["rate_hz"]) + 1
    )
    expected = np.histogram(spikes, edges)[0] / trials / curves["bin_ms"] * 1000
    np.testing.assert_allclose(curves["groups"][0]["rate_hz"], expected, rtol=1e-5)


def test_a_picture_whose_place_is_not_known_comes_last_and_in_no_group(day_results):
    """A unit that answers one picture only is silent wherever that is left out."""
    viewing = day_results.viewings[0]
    unit, image = viewing.rates.columns[0], viewing.rates.index[7]
    rates = viewing.rates.copy()
    rates[unit] = 0.0
    rates.loc[image, unit] = 5.0
    alone = replace(viewing, rates=rates)
    (record,) = unit_records(replace(day_results, viewings=(alone,)), [unit])
    seen = record["viewing"][0]
    unknown = [p for p, at in zip(seen["pictures"], seen["preferred"], strict=True) if at is None]
    assert image in unknown and len(unknown) < 10
    assert seen["pictures"][-len(unknown) :] == unknown
    in_groups = sum(group["trials"] for group in seen["curves"]["groups"])
    assert in_groups == 3 * (48 - len(unknown))


# Imagery -----------------------------------------------------------------------------------------


def test_imagined_pictures_lie_on_an_axis_fitted_without_them(day_results, records, unit):
    viewing, imagined = day_results.viewings[0], records[unit]["imagery"][0]
    items = imagined["items"]
    others = viewing.rates[[unit]].drop(index=items)
    weights = axis.axis_weights(others, viewing.space)
    expected = axis.projections(weights, viewing.space.at(items))[unit]
    np.testing.assert_allclose(imagined["preferred"], expected, rtol=1e-5)
    assert imagined["preferred"] == sorted(imagined["preferred"])
    np.testing.assert_allclose(imagined["viewing_hz"], viewing.rates.loc[items, unit], rtol=1e-5)


def test_trials_of_imagery_keep_item_block_rates_and_vividness(day_results, records, unit):
    imagining, imagined = day_results.imaginings[0], records[unit]["imagery"][0]
    trials, kept = imagining.trials, imagined["trials"]
    assert [imagined["items"][n] for n in kept["item"]] == trials.item.tolist()
    assert kept["block"] == trials.block.tolist()
    np.testing.assert_allclose(kept["during_hz"], trials.during[unit], rtol=1e-5)
    np.testing.assert_allclose(kept["before_hz"], trials.before[unit], rtol=1e-5)
    assert kept["vividness"][:6] == [None, 2.0, 3.0, 4.0, 1.0, None]
    rates = trials.during[unit].groupby(trials.item)
    np.testing.assert_allclose(imagined["sem_hz"], rates.sem()[imagined["items"]], rtol=1e-5)
    assert len(imagined["spikes_ms"]) == len(kept["item"])


def test_imagery_without_viewing_has_pictures_by_name_and_no_axis(make_day, analyzed):
    day = make_day()
    alone = analyzed(replace(day, gathered=Gathered(day.gathered.sessions[1:])))
    record = next(unit_records(alone, alone.document["unit_files"]))
    assert record["viewing"] == []
    imagined = record["imagery"][0]
    assert imagined["items"] == sorted(imagined["items"])
    assert set(imagined["preferred"]) == {None}
    assert imagined["viewing_hz"] is None
    assert [group["pictures"] for group in imagined["curves"]["groups"]] == ["all pictures"]
