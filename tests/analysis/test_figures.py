import xml.etree.ElementTree as ET
from dataclasses import replace
from urllib.parse import unquote

import numpy as np
import pytest

from analysis import figures
from analysis.unit_record import unit_records

SVG = "{http://www.w3.org/2000/svg}"


def svg(drawing):
    address, text = drawing.uri.split(",", 1)
    assert address == "data:image/svg+xml"
    return ET.fromstring(unquote(text))


@pytest.fixture(scope="module")
def drawings(day_results):
    """Every figure of the day."""
    unit = day_results.document["shown"]["units"][0]["unit"]
    (record,) = unit_records(day_results, [unit])
    return {
        "residuals": figures.residuals(day_results),
        "clocks": figures.clocks(day_results.document["alignment"]),
        "r2": figures.left_out_r2(day_results.viewings),
        "unit": figures.unit(record),
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


def test_all_runs_are_drawn_where_they_are_few():
    assert figures.shown_runs([{"residual_p99_ms": 1.0}] * 4) == [0, 1, 2, 3]


def test_of_many_runs_the_first_and_the_worst_are_drawn():
    runs = [{"residual_p99_ms": r} for r in (0.1, 0.3, 0.2, 9.0, 0.3, 5.0)]
    assert figures.shown_runs(runs) == [0, 3, 5, 1]


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
