import shutil
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest

from analysis import figures, population_figure
from analysis.axis import left_out_projections
from analysis.pool_figures import NAMES, write_pool_figure
from analysis.population_figure import draw_categories, draw_course, draw_matrix, draw_titration
from analysis.unit_pages import open_units
from task import cli
from task.contract.errors import UserError

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def numbers(day_results):
    return day_results.document["viewing"][0]


@pytest.fixture(scope="module")
def folder(unit_folder, day_results, tmp_path_factory):
    """Results without their page, but with the table of the pictures."""
    made = tmp_path_factory.mktemp("with_tables") / "results"
    shutil.copytree(unit_folder, made)
    (made / "tables").mkdir()
    day_results.tables["pictures"].to_csv(made / "tables" / "pictures.csv", index=False)
    return made


def images_of(ax):
    return ax.get_images()[0].get_array()


def drawn_matrix(rates, categories=None, places=None, r2=None):
    places = rates if places is None else places
    r2 = pd.Series(np.linspace(0.5, -0.1, rates.shape[1]), rates.columns) if r2 is None else r2
    return draw_matrix(rates, places, categories, r2)


def test_noise_makes_no_blocks_by_sorting():
    """Units are ordered by pictures that are not shown."""
    rng = np.random.default_rng(0)
    names = [f"p{n:03d}" for n in range(300)]
    rates = pd.DataFrame(rng.normal(size=(300, 120)), names)
    categories = pd.Series([f"kind {n % 3}" for n in range(300)], names)
    heat = images_of(drawn_matrix(rates, categories).axes[0])
    assert heat.shape == (120, 150)
    # Of the first third of the units the order says that they prefer the first category.
    on = np.mean([heat[40 * k : 40 * k + 40, 50 * k : 50 * k + 50].mean() for k in range(3)])
    assert abs(on) < 3 / np.sqrt(120 * 50)


def test_units_that_prefer_a_category_make_blocks():
    names = [f"p{n:03d}" for n in range(60)]
    kind = np.arange(60) % 3
    rates = pd.DataFrame((kind[:, None] == np.arange(30) % 3) * 5.0, names)
    rates += np.random.default_rng(0).normal(size=(60, 30))
    categories = pd.Series([f"kind {k}" for k in kind], names)
    ax = drawn_matrix(rates, categories).axes[0]
    for k in range(3):
        assert images_of(ax)[10 * k : 10 * k + 10, 10 * k : 10 * k + 10].mean() > 1
    assert [label.get_text() for label in ax.get_xticklabels()] == ["kind 0", "kind 1", "kind 2"]


def test_along_the_axis_pictures_go_from_low_to_high_and_the_best_predicted_unit_is_on_top():
    names = [f"p{n:02d}" for n in range(40)]
    order = np.random.default_rng(1).permutation(40)
    places = pd.DataFrame({"good": order, "poor": order[::-1]}, names).astype(float)
    rates = places.assign(poor=np.random.default_rng(2).normal(size=40))
    r2 = pd.Series({"poor": -0.2, "good": 0.4})
    (ax, _) = drawn_matrix(rates, None, places, r2).axes
    heat = images_of(ax)
    assert heat.shape == (2, population_figure.RANK_BINS)
    assert (np.diff(heat[0]) > 0).all()
    assert not (np.diff(heat[1]) > 0).all()
    assert ax.get_lines()[0].get_ydata()[0] == 0.5  # between r² above and below 0


def test_units_that_do_not_vary_are_left_out_of_the_matrix():
    names = [f"p{n:02d}" for n in range(20)]
    rates = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 3)), names).assign(still=2.0)
    assert images_of(drawn_matrix(rates).axes[0]).shape[0] == 3


def test_the_confusion_matrix_holds_shares_of_rows(numbers):
    left, right, _ = draw_categories(numbers).axes
    pictures = np.array(numbers["decoding"]["confusion"]["pictures"])
    np.testing.assert_allclose(images_of(left), pictures / pictures.sum(axis=1, keepdims=True))
    said = [text.get_text() for text in left.texts]
    assert said == [f"{100 * x:.0f}" for x in images_of(left).ravel()]
    selective = [row for row in numbers["per_unit"] if row["category_pictures_q"] <= 0.05]
    assert sum(bar.get_width() for bar in right.patches) == len(selective)


def test_titration_shows_every_number_that_was_tried(numbers):
    rows = pd.DataFrame(numbers["titration"]["rows"])
    tuned, by_dims, *_ = draw_titration(numbers).axes
    np.testing.assert_array_equal(
        tuned.get_lines()[0].get_xdata(), sorted(rows.query("dims == 16")["images"])
    )
    np.testing.assert_array_equal(
        by_dims.get_lines()[0].get_xdata(), sorted(rows.query("images == 48")["dims"])
    )


def test_the_course_marks_where_the_ends_differ(numbers):
    stretch = {"start": 0.1, "stop": 0.3}
    course = {**numbers["course"], "apart": [stretch]}
    (ax,) = draw_course({**numbers, "course": course}).axes
    bar = [line for line in ax.get_lines() if line.get_linewidth() == 2]
    assert [list(line.get_xdata()) for line in bar] == [[0.1, 0.3]]


def test_what_was_not_measured_is_not_drawn(numbers):
    nothing = {**numbers, "titration": None, "course": None, "decoding": None}
    assert draw_titration(nothing) is draw_course(nothing) is draw_categories(nothing) is None


def test_the_report_draws_the_pool_of_most_units(day_results):
    found = figures.population(day_results)
    assert set(found) == {"pool", *NAMES}
    for name in NAMES:
        address, text = found[name].uri.split(",", 1)
        assert address == "data:image/svg+xml"
        assert ET.fromstring(unquote(text)).tag == f"{SVG}svg"
    assert figures.population(replace(day_results, viewings=(), document={"viewing": []})) == {}


@pytest.mark.parametrize("name", NAMES)
def test_figures_for_a_paper_are_made_from_the_folder_of_results(folder, tmp_path, name):
    units = open_units(folder)
    for kind, start in ((".svg", b"<?xml"), (".pdf", b"%PDF"), (".png", b"\x89PNG")):
        out = tmp_path / f"{name}{kind}"
        write_pool_figure(out, units, name)
        assert out.read_bytes().startswith(start)


def test_the_matrix_from_the_folder_is_that_of_the_report(folder, day_results, monkeypatch):
    viewing = day_results.viewings[0]
    rates = viewing.rates[viewing.fit.r.index]
    places = left_out_projections(rates, viewing.space, 3)
    drawn = draw_matrix(rates, places, viewing.categories, viewing.fit.r2)
    kept = []
    monkeypatch.setattr(
        "analysis.pool_figures.write_figure", lambda path, draw: kept.append(draw())
    )
    write_pool_figure(folder / "x.svg", open_units(folder), "matrix")
    for one, other in zip(drawn.axes[:2], kept[0].axes[:2], strict=True):
        np.testing.assert_allclose(images_of(one), images_of(other), atol=1e-4)


def test_a_pool_that_is_not_there_is_refused_with_those_that_are(folder, tmp_path):
    units = open_units(folder)
    with pytest.raises(UserError) as refused:
        write_pool_figure(tmp_path / "a.svg", units, "matrix", "no such")
    assert str(refused.value) == f"{folder}: no pool is called 'no such'; there is 'patient'"


def test_a_figure_that_cannot_be_made_says_why(folder, tmp_path):
    units = open_units(folder)
    numbers = {**units.document["viewing"][0], "course": None, "absent": ["time course: too few"]}
    units = replace(units, document={**units.document, "viewing": [numbers]})
    with pytest.raises(UserError) as refused:
        write_pool_figure(tmp_path / "a.svg", units, "course")
    assert str(refused.value) == f"{folder}: no course of 'patient': time course: too few"


def test_a_command_writes_them(folder, tmp_path, monkeypatch, capsys):
    out = tmp_path / "new" / "categories.svg"
    line = ["imagery", "figure", str(folder), "categories", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    assert capsys.readouterr().out == f"figure  {out}\n"
    assert out.read_bytes().startswith(b"<?xml")
