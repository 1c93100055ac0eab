"""What a pool's axes are asked comes from the modules that answer it, and stands in the report."""

import json

import numpy as np
import pandas as pd
import pytest

from analysis.decoding import decode_categories
from analysis.responses import trial_rates
from analysis.viewing.asked_numbers import _published_false
from analysis.viewing.flatness import flatness
from analysis.viewing.published_axis import published_rule_axis_tuned
from analysis.viewing.ridge_axis import ridge_axes
from analysis.viewing.stability import stability_over_images, titration
from analysis.viewing.tuning import picture_selectivity


@pytest.fixture(scope="module")
def viewing(day_results):
    return day_results.viewings[0]


@pytest.fixture(scope="module")
def numbers(day_results):
    return day_results.document["viewing"][0]


@pytest.fixture(scope="module")
def table(day_results):
    return day_results.tables["viewing"].set_index("unit")


def rates(viewing):
    return viewing.rates[viewing.fit.r.index]


def test_flatness_is_that_of_its_module(viewing, numbers, table):
    found = flatness(rates(viewing), viewing.space, seed=3)
    np.testing.assert_array_equal(table["bend_p"], found["p"])
    np.testing.assert_array_equal(table["slope_ratio"], found["slope_ratio"])
    tuned = viewing.fit.q <= 0.05
    assert numbers["flatness"]["flat"]["count"] == int(found.loc[tuned, "flat"].sum())
    assert numbers["flatness"]["slope_ratio"]["median"] == pytest.approx(
        found.loc[tuned, "slope_ratio"].abs().median()
    )


def test_stability_is_that_of_its_module(viewing, numbers, table):
    found = stability_over_images(rates(viewing), viewing.space, seed=3)
    np.testing.assert_array_equal(table["pictures_cosine"], found["cosine"])
    tuned = viewing.fit.q <= 0.05
    assert numbers["stability"]["pictures"]["median"] == found.loc[tuned, "cosine"].median()
    assert numbers["stability"]["chance_sd"] == pytest.approx(0.25)  # of 16 dimensions
    assert (table["showings_cosine"] <= table["expected_cosine"]).all()


def test_the_published_rule_and_ridge_stand_beside_the_default(viewing, numbers, table):
    theirs = published_rule_axis_tuned(rates(viewing), viewing.space, seed=3)
    assert table["published_tuned"].tolist() == theirs["tuned"].tolist()
    of_rules = numbers["published_axis"]
    tuned = viewing.fit.q <= 0.05
    assert of_rules["both"] + of_rules["default_only"] == int(tuned.sum())
    assert of_rules["both"] + of_rules["published_only"] == int(theirs["tuned"].sum())
    ridge = ridge_axes(rates(viewing), viewing.space)
    np.testing.assert_array_equal(table["ridge_r2"], ridge.r2)


def test_the_cosine_with_ridge_is_that_of_normalised_coordinates(viewing, table):
    ridge = ridge_axes(rates(viewing), viewing.space)
    x = viewing.space.at(viewing.rates.index).to_numpy()
    scale = np.linalg.norm(x, axis=0)
    unit = table.index[0]
    a, b = (w[unit].to_numpy() * scale for w in (viewing.fit.weights, ridge.weights))
    expected = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    assert table.loc[unit, "ridge_cosine"] == pytest.approx(expected)


def test_the_false_share_of_the_published_rule_is_the_measured_one():
    assert _published_false() == pytest.approx(0.003, abs=3e-4)


def test_titration_takes_fifths_of_the_pictures_that_suffice_for_the_dimensions(
    viewing, numbers, day_results
):
    rows = pd.DataFrame(numbers["titration"]["rows"])
    # Of 48 pictures, 9 are too few for 16 dimensions, which need 18.
    assert sorted(rows["images"].unique()) == [19, 28, 38, 48]
    assert sorted(rows["dims"].unique()) == [5, 10, 16]
    whole = rows[(rows["images"] == 48) & (rows["dims"] == 16)].iloc[0]
    found = titration(rates(viewing), viewing.space, (), (), n_shuffles=199, seed=3)
    assert whole["tuned"] == (found["p"] <= 0.01).mean()
    assert day_results.tables["titration"]["pool"].unique().tolist() == [viewing.pool]


def test_selectivity_among_pictures_is_that_of_its_module(viewing, table):
    (session, run), *_ = viewing.members
    trials = trial_rates(
        session.spikes_s, run.trials["onset_s"], run.trials["item"].tolist(), (0.15, 0.42)
    )
    found = picture_selectivity(trials, run.trials["block"].tolist(), seed=3)
    np.testing.assert_array_equal(table["pictures_p"], found.loc[table.index, "p"])


def test_confusions_are_counted_picture_by_picture(viewing, numbers, day_results):
    decoded = decode_categories(viewing.counts, viewing.categories, 199, seed=3)
    confusion = numbers["decoding"]["confusion"]
    assert confusion["categories"] == decoded.confusion.index.tolist()
    assert confusion["pictures"] == decoded.confusion.to_numpy().tolist()
    right = np.trace(np.array(confusion["pictures"]))
    assert right == numbers["decoding"]["right"]["count"]
    tidy = day_results.tables["confusion"]
    assert tidy["pictures"].sum() == 48
    same = tidy[tidy["category"] == tidy["read"]]
    assert same["pictures"].sum() == right


def test_nothing_is_asked_twice_and_all_of_it_is_json(numbers):
    text = json.dumps(numbers, allow_nan=False)
    for key in ("flatness", "stability", "ridge", "published_axis", "titration", "course"):
        assert f'"{key}"' in text
    assert len(numbers["absent"]) == len(set(numbers["absent"]))
    assert numbers["unseen"] is None


def test_time_courses_cover_the_window(numbers):
    starts = [row["start_s"] for row in numbers["course"]["curves"]]
    start, stop = numbers["window_s"]
    assert starts[0] <= start - 0.2 + 1e-9
    assert starts[-1] + numbers["course"]["bin_s"] >= stop + 0.2 - 1e-9
