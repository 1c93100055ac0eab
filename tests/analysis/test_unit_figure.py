import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from analysis.gather import Gathered
from analysis.unit_figure import FORMATS, WIDTH_IN, draw_unit, picture, write_unit_figure
from analysis.unit_record import unit_records
from task.contract.errors import UserError


@pytest.fixture(scope="module")
def record(unit_folder, day_results):
    """The best predicted unit, as its file has it."""
    unit = day_results.document["shown"]["units"][0]["unit"]
    file = unit_folder / day_results.document["unit_files"][unit]
    return json.loads(file.read_text("utf-8"))


def texts(figure):
    """All that is written where it can be seen, with its place, pixels."""
    found, draw = [], Text.draw

    def noted(text, *rest, **named):
        if text.get_visible() and text.get_text().strip():
            found.append((text.get_text(), text.get_window_extent()))
        draw(text, *rest, **named)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Text, "draw", noted)
        figure.draw_without_rendering()
    return found


def shown(figure):
    return {text for text, _ in texts(figure)}


@pytest.mark.parametrize("kind", FORMATS)
def test_the_same_record_gives_the_same_file_to_the_byte(record, kind):
    assert picture(record, kind) == picture(json.loads(json.dumps(record)), kind)


def test_a_figure_is_as_wide_as_two_columns_of_a_journal(record):
    root = ET.fromstring(picture(record, "svg"))
    assert float(root.get("width").removesuffix("pt")) == pytest.approx(72 * WIDTH_IN)
    assert WIDTH_IN * 25.4 <= 183


def test_letters_are_no_smaller_than_five_points(record):
    figure = draw_unit(record)
    figure.draw_without_rendering()
    sizes = [
        t.get_fontsize()
        for t in figure.findobj(lambda a: hasattr(a, "get_fontsize"))
        if t.get_text().strip()
    ]
    assert min(sizes) >= 5


def cut_off(figure):
    """What is written beyond the borders of the figure."""
    width, height = figure.bbox.width, figure.bbox.height
    return [
        text
        for text, box in texts(figure)
        if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height
    ]


def colliding(figure):
    """What is written over something else; boxes of letters may touch."""
    return [
        (one, other)
        for (one, a), (other, b) in combinations(texts(figure), 2)
        if (both := Bbox.intersection(a, b)) and both.width > 2
        and both.height > 0.4 * min(a.height, b.height)
    ]  # fmt: skip


def test_nothing_that_is_written_is_cut_off_or_written_over(record):
    figure = draw_unit(record)
    assert cut_off(figure) == []
    assert colliding(figure) == []


def test_long_names_are_cut_and_stay_on_the_figure(record):
    imagined = record["imagery"][0]
    long = [f"a_picture_with_a_long_name_{n}" for n in range(len(imagined["items"]))]
    figure = draw_unit({**record, "imagery": [{**imagined, "items": long}]})
    assert cut_off(figure) == []
    assert "a_pictu…_name_1 2" in shown(figure)


def test_the_r_of_both_axes_and_the_areas_name_are_on_the_figure(record):
    seen = record["viewing"][0]
    said = shown(draw_unit(record))
    assert f"preferred axis: r = {seen['preferred_r']:.2f}" in said
    assert any(text.startswith(record["unit"]) for text in said)
    assert {"highest fifth", "lowest fifth", "upper half", "lower half", "block"} <= said


def test_spikes_stand_in_the_row_of_their_picture(record):
    seen = record["viewing"][0]
    raster = draw_unit({**record, "imagery": []}).axes[0]
    (line,) = [line for line in raster.lines if line.get_marker() == "|"]
    order = np.argsort(seen["trials"], kind="stable")
    rows = np.repeat(np.arange(len(order)), [len(seen["spikes_ms"][n]) for n in order])
    np.testing.assert_array_equal(line.get_ydata(), rows)
    first = next(n for n in order if seen["spikes_ms"][n])
    assert line.get_xdata()[0] == seen["spikes_ms"][first][0] / 1000


def test_items_are_drawn_at_their_rates_with_their_errors(record):
    imagined = record["imagery"][0]
    right = draw_unit(record).axes[-1]
    assert right.get_title() == "imagery against viewing"
    (points,) = [line for line in right.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(points.get_xdata(), imagined["viewing_hz"])
    np.testing.assert_allclose(points.get_ydata(), imagined["rate_hz"])
    sizes = [
        np.ptp(np.asarray(bars.get_segments()), axis=1).max(axis=1) / 2
        for bars in right.collections
    ]
    np.testing.assert_allclose(sizes[0], imagined["viewing_sem_hz"], atol=1e-9)
    np.testing.assert_allclose(sizes[1], imagined["sem_hz"], atol=1e-9)


def test_a_unit_without_imagery_has_one_row(record):
    alone = draw_unit({**record, "imagery": []})
    assert len(alone.axes) == 4
    assert len(draw_unit(record).axes) == 8
    assert cut_off(alone) == []


def test_a_unit_of_two_pools_has_a_row_for_each(record):
    seen = record["viewing"][0]
    two = draw_unit({**record, "viewing": [seen, {**seen, "pool": "another"}]})
    assert {f"Viewing: {seen['pool']}", "Viewing: another"} <= shown(two)
    assert cut_off(two) == []


def test_a_long_name_of_a_pool_leaves_the_next_panel_its_title(record):
    seen = {**record["viewing"][0], "pool": "WWWW, recognition, block 12, of the second day"}
    figure = draw_unit({**record, "viewing": [seen]})
    assert "Viewing: WWWW, recognition, block 12, o…" in shown(figure)
    assert colliding(figure) == []


def test_imagery_without_viewing_is_drawn_picture_by_picture(make_day, analyzed):
    day = make_day()
    alone = analyzed(replace(day, gathered=Gathered(day.gathered.sessions[1:])))
    record = next(unit_records(alone, alone.document["unit_files"]))
    said = shown(draw_unit(record))
    assert {"not recorded\nin viewing", "all pictures"} <= said


def test_a_silent_unit_is_drawn(record):
    seen, imagined = record["viewing"][0], record["imagery"][0]
    silent = {
        **record,
        "viewing": [{**seen, "spikes_ms": [[] for _ in seen["trials"]], "preferred_bins": [],
                     "preferred": [None] * 48, "preferred_r": None}],
        "imagery": [{**imagined, "preferred": [None] * 6}],
    }  # fmt: skip
    assert "preferred axis: r = –" in shown(draw_unit(silent))


def test_a_figure_is_written_as_the_ending_of_its_file_says(record, tmp_path):
    starts = {"svg": b"<?xml", "pdf": b"%PDF", "png": b"\x89PNG"}
    for kind, start in starts.items():
        write_unit_figure(tmp_path / f"a.{kind.upper()}", record)
        assert (tmp_path / f"a.{kind.upper()}").read_bytes().startswith(start)
    assert len(list(tmp_path.iterdir())) == 3


def test_another_ending_is_refused(record, tmp_path):
    with pytest.raises(UserError) as refused:
        write_unit_figure(tmp_path / "a.jpg", record)
    assert str(refused.value) == f"{tmp_path / 'a.jpg'}: figures are written as .svg, .pdf, .png"


def test_a_place_that_cannot_be_written_is_refused(record, tmp_path):
    path = tmp_path / "none" / "a.svg"
    with pytest.raises(UserError) as refused:
        write_unit_figure(path, record)
    assert str(refused.value) == f"{path}: cannot be written: No such file or directory"
