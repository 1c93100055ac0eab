import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from typer.testing import CliRunner

from analysis import imagery_course_figure as course_figure
from analysis import imagery_figures as figures
from task.cli import app
from task.contract.errors import UserError

SVG = "{http://www.w3.org/2000/svg}"


def root_of(drawing):
    return ET.fromstring(unquote(drawing.uri.split(",", 1)[1]))


@pytest.fixture(scope="module")
def session(day_results):
    """The imagery of the day, and its numbers."""
    return day_results.imaginings[0], day_results.document["imagery"][0]


@pytest.fixture(scope="module")
def drawings(session):
    return figures.drawn(*session)


def test_what_was_found_is_drawn_and_nothing_else(session, drawings):
    # There was no encoding, and so no gap.
    assert list(drawings) == ["codes", "along", "courses", "matrices", "decoding"]
    for drawing in drawings.values():
        assert root_of(drawing).tag == f"{SVG}svg"
        assert drawing.alt


def test_the_same_session_gives_the_same_figures(session, drawings):
    assert figures.drawn(*session) == drawings


def test_the_observed_mean_of_r_is_drawn_among_what_exchanges_give(session):
    code = session[0].code
    for answer in (code.axis, code.orthogonal):
        ax = Figure().subplots()
        figures._against_chance(ax, answer)
        r = answer.units["r"].dropna()
        expected = r.abs().mean() if answer.two_sided else r.mean()
        assert ax.get_lines()[0].get_xdata()[0] == pytest.approx(expected)
        bars = sum(patch.get_height() for patch in ax.patches)
        assert bars == len(answer.null)


def test_the_band_of_a_decoder_is_that_of_its_own_design(session):
    decoding = session[1]["decoding"]
    for ax, question in zip(
        figures.draw_decoding(session[1]).axes, ("block", "session"), strict=True
    ):
        drawn = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in ax.patches]
        expected = [
            (d[question]["chance_low"], d[question]["chance_high"]) for d in decoding.values()
        ]
        assert np.allclose(drawn, expected)


def test_a_stretch_is_marked_with_its_p_only_where_it_passes():
    stretches = [
        {"start": 0.0, "stop": 0.5, "t_sum": 9.0, "p": 0.05},
        {"start": 2.0, "stop": 2.5, "t_sum": 9.0, "p": 0.051},
    ]
    ax = Figure().subplots()
    course_figure._mark_clusters(ax, {"found": stretches})
    assert [list(line.get_xdata()) for line in ax.get_lines()] == [[0.0, 0.5]]
    assert [text.get_text() for text in ax.texts] == ["p = 0.05"]


def test_units_are_ordered_by_the_item_they_fire_most_to_and_still_ones_come_last():
    profile = pd.DataFrame(
        {"second": [1.0, 5.0, 2.0], "still": [3.0, 3.0, 3.0], "first": [9.0, 1.0, 1.0]},
        ["a", "b", "c"],
    )
    assert figures.unit_order(profile) == ["first", "second", "still"]


def test_all_panels_of_the_matrices_have_one_order(session):
    profiles = session[0].asked.profiles
    figure = figures.draw_matrices(session[1])
    order = figures.unit_order(profiles["viewing"])
    for ax, of in zip(figure.axes, profiles.values(), strict=False):
        scaled = (of - of.mean()) / of.std(ddof=0)
        drawn = ax.get_images()[0].get_array()
        assert np.allclose(drawn, scaled[order].to_numpy().T, atol=1e-3)


def test_a_session_without_viewing_has_the_figures_that_it_can_have(session):
    imagining, numbers = session
    bare = {**numbers, "courses": {}, "gap": None, "profiles": {}}
    found = figures.drawn(replace(imagining, code=None), bare)
    assert list(found) == ["courses", "decoding"]


@pytest.mark.parametrize("kind", ["svg", "pdf", "png"])
def test_a_figure_is_written_from_the_numbers_alone(day_results, tmp_path, kind):
    path = tmp_path / f"decoding.{kind}"
    document = json.loads(json.dumps(day_results.document))
    figures.write_session_figure(path, document, "decoding", "afternoon")
    assert path.stat().st_size > 1000
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_what_cannot_be_drawn_is_refused_with_the_reason(day_results, tmp_path):
    path, document = tmp_path / "gap.svg", day_results.document
    with pytest.raises(UserError, match=r"^no gap of 'afternoon': intensity gap: the only views"):
        figures.write_session_figure(path, document, "gap")
    with pytest.raises(
        UserError, match="^no session of imagery is called 'noon'; there is 'afternoon'$"
    ):
        figures.write_session_figure(path, document, "decoding", "noon")
    with pytest.raises(UserError, match="^there is no session of imagery in these results$"):
        figures.write_session_figure(path, {**document, "imagery": []}, "decoding")
    assert not list(tmp_path.iterdir())


def test_a_figure_of_imagery_is_written_by_its_name(unit_folder, tmp_path):
    out = tmp_path / "o" / "decoding.svg"
    asked = ["--out", str(out)]
    done = CliRunner().invoke(app, ["figure", str(unit_folder), "imagery-decoding", *asked])
    assert done.exit_code == 0, done.output
    assert out.read_text(encoding="utf-8").startswith("<?xml")
    done = CliRunner().invoke(app, ["figure", str(unit_folder), "imagery-decodin", *asked])
    assert str(done.exception).endswith("no tested unit is called 'imagery-decodin'")
