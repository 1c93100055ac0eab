import csv
import html
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from analysis import axis, figures, imagery_figures, report
from analysis.gather import Gathered
from analysis.space import ObjectSpace


class Cells(HTMLParser):
    """Text of the page, by the element it stands in."""

    def __init__(self, text):
        super().__init__()
        self.found, self.open = {}, []
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "br":
            self.handle_data(" ")
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)
            self.found.setdefault(tag, []).append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        for tag in set(self.open):
            self.found[tag][-1] += data


def text_of(page):
    """What a reader sees, in one line."""
    visible = re.sub(r"(?s)<style>.*?</style>|<[^>]*>", " ", page)
    return re.sub(r"\s+", " ", html.unescape(visible))


def numbers_of(value):
    if isinstance(value, dict):
        for item in value.values():
            yield from numbers_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from numbers_of(item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


def shown_as(value):
    """All ways in which the page may put a number."""
    yield report.whole(value) if isinstance(value, int) else report.chance(value)
    yield report.chance(value)
    yield from (report.number(v, digits) for v in (value, abs(value)) for digits in range(4))
    yield from (report.percent(value, digits) for digits in range(3))


@pytest.fixture(scope="module")
def folder(day_results, tmp_path_factory):
    """The report of the day, written."""
    return report.write_report(
        day_results, tmp_path_factory.mktemp("out") / "new" / "results"
    ).parent


@pytest.fixture(scope="module")
def page(folder):
    return (folder / "report.html").read_text("utf-8")


@pytest.fixture
def said(monkeypatch):
    """What the page of some results says; figures, which take long, are left out."""
    nothing = figures.Drawing("data:image/png;base64,", "nothing")
    for name in ("unit", "residuals", "clocks", "left_out_r2"):
        monkeypatch.setattr(figures, name, lambda *_: nothing)
    monkeypatch.setattr(imagery_figures, "drawn", lambda *_: {})
    monkeypatch.setattr(figures, "population", lambda *_: {})
    return lambda results: text_of(report.page(results))


@pytest.fixture(scope="module")
def viewing_only(make_day, analyzed):
    """A screening of pictures without categories."""
    return analyzed(make_day(imagery=False, categories=False))


def with_imagery(results, **changes):
    """The same results, with another number in the document."""
    first = {**results.document["imagery"][0], **changes}
    return replace(results, document={**results.document, "imagery": [first]})


def _unit_files(results):
    return results.document["unit_files"].values()


def test_the_report_is_a_page_its_numbers_and_its_tables(day_results, folder):
    files = sorted(f.relative_to(folder).as_posix() for f in folder.rglob("*.*"))
    tables = sorted(f"tables/{name}.csv" for name in day_results.tables)
    assert files == sorted(["report.html", "report.json", *tables, *_unit_files(day_results)])
    assert (folder / "report.html").read_text("utf-8").startswith("<!DOCTYPE html>")


def test_the_json_is_the_document_and_nothing_else(day_results, folder):
    assert json.loads((folder / "report.json").read_text("utf-8")) == day_results.document


def test_tables_are_written_whole(day_results, folder):
    for name, table in day_results.tables.items():
        with (folder / "tables" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
            header, *rows = csv.reader(stream)
        assert header == list(table)
        assert len(rows) == day_results.document["tables"][name] == len(table)


def test_numbers_in_tables_lose_no_digit(day_results, folder):
    with (folder / "tables" / "viewing.csv").open(encoding="utf-8", newline="") as stream:
        written = [float(row["axis_r2"]) for row in csv.DictReader(stream)]
    assert written == day_results.tables["viewing"]["axis_r2"].tolist()


def test_an_earlier_report_is_replaced_and_its_other_tables_are_removed(
    viewing_only, said, tmp_path
):
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "imagery.csv").write_text("of an earlier report")
    (tmp_path / "report.html").write_text("an earlier report")
    (tmp_path / "notes.txt").write_text("mine")
    report.write_report(viewing_only, tmp_path)
    assert not (tmp_path / "tables" / "imagery.csv").exists()
    assert "an earlier report" not in (tmp_path / "report.html").read_text("utf-8")
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_the_page_needs_no_network_and_no_script(page):
    tags = Cells(page).tags
    assert not [tag for tag, _ in tags if tag in ("script", "link", "iframe", "object")]
    sources = [attrs["src"] for _, attrs in tags if "src" in attrs]
    assert sources and all(source.startswith("data:image/") for source in sources)
    addresses = {attrs["href"] for _, attrs in tags if "href" in attrs}
    outside = {a for a in addresses if not a.startswith(("#", "report.json", "tables/"))}
    assert outside == {
        "https://doi.org/10.1126/science.adt8343",
        "https://doi.org/10.1016/j.cell.2017.05.011",
        "https://doi.org/10.1023/A:1024068626366",
    }


def test_every_link_within_the_page_leads_somewhere(page):
    tags = Cells(page).tags
    ids = [attrs["id"] for _, attrs in tags if "id" in attrs]
    within = {attrs["href"][1:] for _, attrs in tags if attrs.get("href", "").startswith("#")}
    assert within <= set(ids)
    assert len(ids) == len(set(ids))


def test_every_number_in_tables_and_summary_is_in_the_json(day_results, page):
    known = {text for n in numbers_of(day_results.document) for text in shown_as(n)}
    known |= {"95", "0.05", "5"}  # of intervals, and the level of the tests
    cells = Cells(page).found
    summary = [line for line in cells["li"] if not line.endswith("rows")]
    strings = set(re.findall(r"[\w.-]+", json.dumps(day_results.document)))
    for cell in cells["td"] + summary:
        for word in cell.replace("\xa0", " ").split():
            bare = word.strip("[](),;:%")
            if re.fullmatch(r"−?[\d.,]*\d", bare):
                assert bare in known or bare in strings, (bare, cell)


def test_the_same_results_give_the_same_page(day_results, page):
    assert report.page(day_results) == page


def test_names_are_text_and_never_markup(page):
    assert "a day &amp; &lt;a half&gt;" in page
    assert "the amplifier &lt;was&gt; off" in page
    assert "<a half>" not in page


def test_units_are_shown_best_predicted_first_and_the_page_says_so(day_results, page):
    r2 = day_results.document["viewing"][0]["per_unit"]
    best = sorted(r2, key=lambda row: -row["axis_r2"])
    titles = [t for t in Cells(page).found["h3"] if re.match(r"\d+\. ", t)]
    assert [t.split(". ")[1].split(",")[0] for t in titles] == [row["unit"] for row in best]
    assert "The 8 units whose rates to left-out pictures are predicted best" in text_of(page)
    assert "at most 8 are shown" in text_of(page)


def test_examples_that_are_not_tuned_are_not_passed_off_as_tuned(day_results, said):
    shown = {**day_results.document["shown"], "axis_tuned": 0}
    none = replace(day_results, document={**day_results.document, "shown": shown})
    assert "None of them is axis-tuned (q ≤ 0.05)" in said(none)


def test_simulated_recordings_are_called_so_on_top(page, viewing_only, said):
    assert "Simulated recording." in text_of(page)
    assert "Simulated" not in said(viewing_only)


def test_a_screening_alone_has_sections_for_what_there_is_only(viewing_only, said):
    page = said(viewing_only)
    assert "Viewing Rates are means" in page
    for absent in ("What these p mean", "Planted and found", "Categories", "Category"):
        assert absent not in page


def test_a_study_with_too_few_pictures_to_test_still_has_its_alignment(make_day, analyzed, said):
    day = make_day(imagery=False, tests={"shuffles": 99, "least_images": 60})
    page = said(analyzed(day))
    assert "Viewing" not in page
    assert "1 runs of 48 pictures: aligned, too few pictures to test" in page


def test_imagery_without_viewing_is_reported_without_axes(make_day, analyzed, said):
    day = make_day()
    afternoon = Gathered(day.gathered.sessions[1:])
    page = said(analyzed(replace(day, gathered=afternoon)))
    assert "nothing can be said about axes" in page
    assert "units take part in imagery (false-discovery rate 5 %)" in page
    assert "Nothing: all that the study names was used." in page


def test_two_imagery_sessions_are_told_apart(make_day, analyzed):
    day = make_day()
    morning, afternoon = day.gathered.sessions
    evening = replace(afternoon, name="evening")
    results = analyzed(replace(day, gathered=Gathered((morning, afternoon, evening))))
    page = text_of(report.page(replace(results, tunings=results.tunings[:1], document={
        **results.document,
        "shown": {**results.document["shown"], "units": results.document["shown"]["units"][:1]},
    })))  # fmt: skip
    assert "The axis in imagery (afternoon)." in page
    assert "The axis in imagery (evening)." in page
    assert "Imagery (evening): r with the preferred axis" in page


def test_an_onset_that_the_recording_lacks_is_said_to_be_inferred(page):
    assert "Of 180 onsets, 2 had to be inferred because the recording lacks them" in text_of(page)


def test_what_was_left_out_is_listed_with_its_reason(page):
    assert "evening the amplifier <was> off" in text_of(page)


def test_a_short_window_before_the_cue_is_warned_of(day_results, page, said):
    windows = {**day_results.document["imagery"][0]["windows_s"], "before_s": [-0.033, 0.0]}
    short = said(with_imagery(day_results, windows_s=windows))
    assert "the rate before the cue is counted over 0.033 s" in short
    assert "cannot be trusted" not in text_of(page)


def test_a_design_that_cannot_show_single_units_says_so(day_results, said):
    questions = {**day_results.document["imagery"][0]["questions"], "claims": False}
    page = said(with_imagery(day_results, units_needed=None, questions=questions))
    assert "This session cannot show reactivation of single units." in page
    assert "too few trials to show that any single unit takes part" in page


@pytest.mark.parametrize(
    ("p", "claim"),
    [(0.05, "rates follow the axes of viewing"), (0.051, "There is no evidence that rates follow")],
)
def test_the_summary_claims_the_axis_in_imagery_only_where_the_test_does(
    day_results, said, p, claim
):
    drawn = {**day_results.document["imagery"][0]["axis"], "swap_p": p}
    assert claim in said(with_imagery(day_results, axis=drawn))


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.82549, "0.83"), (-0.128, "−0.13"), (-0.001, "0.00"), (1234.5, "1,234.50")],
)
def test_numbers_have_a_true_minus_and_no_negative_zero(value, text):
    assert report.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (1.0, "1"), (0.0499, "0.05"), (0.0039, "0.0039"), (9.3e-8, "9.3 × 10⁻⁸")],
)
def test_a_p_is_never_rounded_to_nothing(value, text):
    assert report.chance(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0.0, "0"), (0.4, "40"), (0.0022, "0.2"), (1.0, "100")]
)
def test_small_shares_keep_a_digit(value, text):
    assert report.percent(value) == text


def test_a_picture_has_no_say_in_where_it_lies_on_the_orthogonal_axis(day_results):
    viewing = day_results.viewings[0]
    rates, image = viewing.rates.copy(), viewing.rates.index[5]
    before = axis.left_out_orthogonal(rates, viewing.space, seed=0)
    rates.loc[image] += 40.0
    after = axis.left_out_orthogonal(rates, viewing.space, seed=0)
    np.testing.assert_allclose(after.loc[image], before.loc[image])
    assert not np.allclose(after, before)


def test_on_pictures_of_the_fit_the_orthogonal_axis_is_flat_by_construction_but_not_left_out():
    rng = np.random.default_rng(0)
    ids = [f"i{n}" for n in range(80)]
    space = pd.DataFrame(rng.standard_normal((80, 6)) * [5, 1, 1, 1, 1, 1], ids)
    space -= space.mean()
    space = pd.DataFrame(np.linalg.qr(space)[0] * [5, 1, 1, 1, 1, 1], ids)
    noise = pd.DataFrame(rng.standard_normal((80, 20)), ids)
    axes = axis.orthogonal_axis(axis.axis_weights(noise, space), space)
    fitted = axis.projections(axes, space).corrwith(noise)
    np.testing.assert_allclose(fitted, 0, atol=1e-9)
    shown = ObjectSpace(space, pd.Series(dtype=float))
    left_out = axis.left_out_orthogonal(noise, shown, seed=0).corrwith(noise)
    assert left_out.abs().max() > 0.05


def test_spikes_of_a_unit_sorted_in_two_recordings_are_counted_in_both(day_results):
    sessions = day_results.gathered.sessions
    expected = sum(len(train) for s in sessions for train in s.units.spikes_s)
    assert day_results.document["counts"]["spikes"] == expected
    assert day_results.document["counts"]["units"] == 8
