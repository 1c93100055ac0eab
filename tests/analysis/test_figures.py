import xml.etree.ElementTree as ET
from dataclasses import replace
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from analysis import figures
from analysis.axis import fit_axes

SVG = "{http://www.w3.org/2000/svg}"


def svg(drawing):
    address, text = drawing.uri.split(",", 1)
    assert address == "data:image/svg+xml"
    return ET.fromstring(unquote(text))


def height(drawing):
    return float(svg(drawing).get("height").removesuffix("pt"))


def imagined(results):
    return results.imaginings[0], results.viewings[0]


@pytest.fixture(scope="module")
def drawings(day_results):
    """Every figure of the day."""
    tuning = day_results.tunings[0]
    return {
        "residuals": figures.residuals(day_results),
        "clocks": figures.clocks(day_results.document["alignment"]),
        "r2": figures.left_out_r2(day_results.viewings),
        "r": figures.imagined_r(day_results.imaginings[0], [tuning.unit]),
        "unit": figures.unit(day_results, tuning),
    }


def test_a_figure_is_a_whole_image_that_refers_to_nothing_outside(drawings):
    for drawing in drawings.values():
        root = svg(drawing)
        assert root.tag == f"{SVG}svg"
        links = [v for e in root.iter() for k, v in e.attrib.items() if k.endswith("href")]
        assert links and all(link.startswith(("#", "data:image/png;base64,")) for link in links)
        assert drawing.alt


def test_the_same_results_give_the_same_figure_to_the_byte(day_results, drawings):
    assert figures.residuals(day_results) == drawings["residuals"]
    assert figures.unit(day_results, day_results.tunings[0]) == drawings["unit"]


def test_all_runs_are_drawn_where_they_are_few():
    assert figures.shown_runs([{"residual_p99_ms": 1.0}] * 4) == [0, 1, 2, 3]


def test_of_many_runs_the_first_and_the_worst_are_drawn():
    runs = [{"residual_p99_ms": r} for r in (0.1, 0.3, 0.2, 9.0, 0.3, 5.0)]
    assert figures.shown_runs(runs) == [0, 3, 5, 1]


def test_a_unit_without_imagery_has_one_row_and_with_it_two(day_results, drawings):
    alone = figures.unit(replace(day_results, imaginings=()), day_results.tunings[0])
    assert height(drawings["unit"]) - height(alone) == pytest.approx(2.6 * 72)


def test_pools_have_a_panel_each(day_results):
    one = day_results.viewings[0]
    nine = figures.left_out_r2([replace(one, pool=f"pool {n}") for n in range(9)])
    panels = [e for e in svg(nine).iter(f"{SVG}g") if (e.get("id") or "").startswith("axes_")]
    drawn = [p for p in panels if any(e.tag == f"{SVG}path" for e in p.iter())]
    assert len(drawn) == 9


def test_units_without_a_left_out_prediction_are_not_in_the_way(day_results):
    viewing = day_results.viewings[0]
    gap = viewing.fit.r2.where(np.arange(len(viewing.fit.r2)) > 0)
    svg(figures.left_out_r2([replace(viewing, fit=replace(viewing.fit, r2=gap))]))


def test_spikes_around_trials_are_those_from_the_start_of_the_window_to_before_its_end():
    train = np.array([0.0, 0.9, 1.0, 1.2, 1.5, 9.0])
    found = figures._around([(train, np.array([1.0, 8.75]), np.array(["a", "b"]))], (-0.1, 0.5))
    np.testing.assert_allclose(found.time_s, [-0.1, 0.0, 0.2, 0.25], atol=1e-12)
    assert found.trial.tolist() == [0, 0, 0, 1]


def test_spikes_of_several_recordings_keep_their_own_clocks():
    parts = [
        (np.array([1.1]), np.array([1.0]), np.array(["a"])),
        (np.array([77.2, 88.3]), np.array([77.0, 88.0]), np.array(["b", "a"])),
    ]
    found = figures._around(parts, (0.0, 0.5))
    np.testing.assert_allclose(found.time_s, [0.1, 0.2, 0.3])
    assert found.trial.tolist() == [0, 1, 2]
    assert found.item.tolist() == ["a", "b", "a"]


def test_curves_are_rates_of_their_pictures_and_leave_out_a_bin_that_is_not_whole():
    around = figures._Around(
        np.array([0.05, 0.15, 0.16, 0.24, 0.05]),
        np.array([0, 0, 1, 1, 2]),
        np.array(["a", "a", "b"]),
        (0.0, 0.25),
    )
    ax = Figure().subplots()
    figures._curves(ax, around, {"a": (["a"], "k"), "none": ([], "k")}, 0.1)
    a, none = ax.get_lines()[:2]
    np.testing.assert_allclose(a.get_xdata(), [0.05, 0.15])
    np.testing.assert_allclose(a.get_ydata(), [1 / (2 * 0.1), 2 / (2 * 0.1)])
    np.testing.assert_allclose(none.get_ydata(), 0)


def test_rows_of_a_raster_rise_with_the_rank_of_the_picture():
    around = figures._Around(
        np.zeros(4), np.arange(4), np.array(["high", "low", "high", "low"]), (-1, 1)
    )
    ax = Figure().subplots()
    figures._raster(ax, around, ["low", "high"])
    rows = ax.get_lines()[-1].get_ydata()
    np.testing.assert_allclose(rows, [0.75, -0.25, 1.25, 0.25])


def test_imagined_pictures_are_numbered_along_an_axis_that_they_took_no_part_in(day_results):
    imagining, viewing = imagined(day_results)
    unit = imagining.trials.during.columns[0]
    items = sorted(set(imagining.trials.item))
    others = viewing.rates[[unit]].drop(index=items)
    fit = fit_axes(others, viewing.space.coordinates.loc[others.index], n_shuffles=1)
    along = viewing.space.coordinates.loc[items] @ fit.weights[unit]
    expected = pd.Series(along, items).sort_values().index.tolist()
    assert figures.imagined_order(imagining, viewing, unit) == expected


def test_the_observed_mean_of_r_is_drawn_among_what_exchanges_give(day_results):
    code = imagined(day_results)[0].code
    for answer in (code.axis, code.orthogonal):
        ax = Figure().subplots()
        figures._against_chance(ax, answer)
        r = answer.units["r"].dropna()
        expected = r.abs().mean() if answer.two_sided else r.mean()
        assert ax.get_lines()[0].get_xdata()[0] == pytest.approx(expected)
        bars = sum(patch.get_height() for patch in ax.patches)
        assert bars == len(answer.null)
