"""What becomes of a session of imagery that lacks something: a sentence, and the rest analysed."""

import html
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis import figures, imagery_figures, report
from analysis.document import _plain
from analysis.imagery_step import imagery_of_session, imagined_trials
from analysis.imagined.asked_numbers import asked_tables
from analysis.imagined.numbers import imagery_numbers
from analysis.recording import Units
from tests.analysis.conftest import ITEMS


@pytest.fixture(scope="module")
def asked(make_day, day_results):
    """Imagery of the day with its trials changed: what was found, its numbers, its figures."""
    day = make_day()
    afternoon = day.gathered.sessions[1]

    def ask(change=lambda trials: trials, units=lambda units, trials: units):
        viewings = day_results.viewings
        run = replace(afternoon.runs[0], trials=change(afternoon.runs[0].trials.copy()))
        sorted_here = units(afternoon.units, run.trials)
        session = replace(afternoon, runs=(run,), units=sorted_here)
        imagining = imagery_of_session(day.file, session, viewings)
        numbers = _plain(imagery_numbers(imagining, viewings)[0])
        return imagining, numbers, imagery_figures.drawn(imagining, numbers)

    return ask


@pytest.fixture
def page(day_results, monkeypatch):
    """What the report says of some imagery."""
    nothing = figures.Drawing("data:image/png;base64,", "nothing")
    for name in ("unit", "residuals", "clocks", "left_out_r2"):
        monkeypatch.setattr(figures, name, lambda *_: nothing)

    none = {**day_results.document["shown"], "units": []}

    def said(imagining, numbers, _):
        results = replace(
            day_results,
            document={**day_results.document, "imagery": [numbers], "shown": none},
            imaginings=(imagining,),
        )
        visible = re.sub(r"(?s)<style>.*?</style>|<[^>]*>", " ", report.page(results))
        return re.sub(r"\s+", " ", html.unescape(visible))

    return said


def with_encoding(trials, items=ITEMS):
    """Each item seen four times, in one block before the first cue."""
    n = 4 * len(items)
    first = trials["cue_s"].min() - 2.0 * n - 5
    views = pd.DataFrame(
        {
            "kind": "encode",
            "item": list(items) * 4,
            "block": -1,
            "presentation": 1000 + np.arange(n),
            "onset_s": first + 2.0 * np.arange(n),
            "measured": True,
        }
    )
    return pd.concat([trials, views.assign(stop_s=views["onset_s"] + 1)], ignore_index=True)


def driven(units, trials):
    """Units that tell the items apart when they are encoded."""
    rng, trains = np.random.default_rng(0), []
    views = trials[trials["kind"] == "encode"]
    for n, train in enumerate(units.spikes_s):
        hz = 2 + 8 * ((views["item"].map(ITEMS.index) + n) % 3)
        extra = [
            at + rng.random(rng.poisson(k)) for at, k in zip(views["onset_s"], hz, strict=True)
        ]
        trains.append(np.sort(np.concatenate([train, *extra])))
    return Units(units.table, tuple(trains))


@pytest.fixture(scope="module")
def whole(asked):
    """A session that has everything."""
    return asked(with_encoding, driven)


def test_a_session_that_has_everything_lacks_no_answer_and_no_figure(whole, page):
    _, numbers, drawn = whole
    assert numbers["not_asked"] == [] and numbers["not_decoded"] == {}
    assert list(drawn) == ["codes", "along", "gap", "courses", "matrices", "decoding"]
    assert list(numbers["published"]["rules"]) == [
        "threshold or ANOVA", "rank sum, Bonferroni", "burst in 3 of 8 trials"
    ]  # fmt: skip
    assert list(numbers["decoding_courses"]) == ["viewing", "encoding", "imagery of other blocks"]
    assert list(numbers["profiles"]["rates_hz"]) == ["viewing", "encoding", "imagery"]
    assert list(numbers["profiles"]["places"]) == ["preferred", "orthogonal"]
    said = page(*whole)
    for words in (
        "The published rules", "Called falsely in a session like this", "Detectable",
        "What this session can show", "Order and drift: a straight trend within the block",
    ):  # fmt: skip
        assert words in said
    assert "Not asked" not in said


def test_tables_say_what_the_numbers_say(whole):
    tables = asked_tables("afternoon", whole[1])
    assert {name: len(table) for name, table in tables.items()} == {
        "imagery_tests": len(whole[1]["tests"]),
        "imagery_rules": 3,
        "imagery_items": 8 * len(ITEMS),
        "imagery_courses": sum(
            len(course["windows"])
            for name in ("courses", "decoding_courses")
            for course in whole[1][name].values()
        ),
        "imagery_decoding": 2 * len(whole[1]["decoding"]),
    }
    items = tables["imagery_items"]
    at = items[(items["unit"] == "patient/A8_1") & (items["item"] == ITEMS[1])].iloc[0]
    profiles = whole[1]["profiles"]
    n, m = profiles["items"].index(ITEMS[1]), profiles["units"].index("patient/A8_1")
    assert at[["viewing_hz", "encoding_hz", "imagery_hz"]].tolist() == [
        profiles["rates_hz"][name][n][m] for name in ("viewing", "encoding", "imagery")
    ]
    assert at["preferred"] == profiles["places"]["preferred"][n][m]


def test_every_test_says_the_least_p_it_can_give_and_whether_q_can_be_reached(whole):
    tests = whole[1]["tests"]
    each = {t["test"]: t for t in tests if t["of"] == "each unit"}
    assert {"modulated", "selective", "reactivated", "axis", "orthogonal", "gain"} <= set(each)
    for test in tests:
        assert 0 < test["smallest_p"] <= 1
        if test["of"] == "each unit" and test["reachable"]:
            assert test["units"] * test["smallest_p"] / test["needed"] <= 0.05
        if test["of"] == "all units":
            assert test["reachable"] == (test["smallest_p"] <= 0.05)
    rows = {row["axis_p"] for row in whole[1]["per_unit"]}
    assert min(rows) >= each["axis"]["smallest_p"] == 1 / 64
    assert each["orthogonal"]["smallest_p"] == 2 / 64


def test_without_a_trial_of_imagery_there_is_none_to_analyse(make_day):
    assert imagined_trials(make_day().gathered.sessions[0]) is None


def test_one_block_is_enough_for_the_questions_of_single_trials(asked, page):
    found = asked(lambda trials: with_encoding(trials[trials["block"] == 0], ITEMS[:2]))
    said = page(*found)
    assert found[1]["blocks"] == 1
    assert found[0].reactivation.units["p"].notna().all()
    assert "training on other blocks needs two blocks of two items, not 1" in said
    assert "preferred axis, clusters: stretches of time need 2 blocks of two items, not 1" in said
    assert "intensity gap:" in said


def test_an_item_that_was_not_viewed_has_no_part_in_what_needs_viewing(asked, page):
    found = asked(lambda trials: trials.replace({"item": {ITEMS[0]: "unseen"}}))
    said = page(*found)
    assert "'unseen' imagined, but not viewed; its 6 of 36 trials have no part" in said
    assert found[0].code is not None
    assert "unseen" in found[1]["profiles"]["items"]
    assert set(found[0].asked.places["preferred"].index) == set(ITEMS[1:])
    assert found[1]["decoding"]["imagery of other blocks"]["block"]["trials"] > 0


def test_items_none_of_which_was_viewed_are_analysed_without_axes(asked, page):
    found = asked(lambda trials: trials.assign(item="new " + trials["item"]))
    said = page(*found)
    assert found[0].code is None and found[0].asked.places == {}
    assert "its 36 of 36 trials have no part" in said
    assert "nothing can be said about axes" in said
    assert "items were imagined" not in said
    assert list(found[1]["decoding"]) == ["imagery of other blocks"]


def test_without_ratings_the_page_says_so(asked, page):
    found = asked(lambda trials: trials.assign(rating=np.nan))
    assert found[1]["vividness_against"] == found[1]["vividness_mixed"] == {}
    assert "No trial was rated." in page(*found)
    assert not [why for why in found[1]["not_asked"] if why.startswith("vividness")]


def test_equal_ratings_are_named(asked, page):
    found = asked(lambda trials: trials.assign(rating=4.0))
    assert "vividness: all 36 ratings are 4" in page(*found)
    assert found[1]["vividness_against"] == found[1]["vividness_mixed"] == {}


def test_one_unit_is_analysed_and_what_needs_several_is_listed(asked, page):
    found = asked(with_encoding, lambda units, _: Units(units.table[:1], units.spikes_s[:1]))
    assert found[1]["units"] == 1
    assert found[1]["published"]["null_units"] == 100
    assert "mixed model: 1 units vary; at least 3 are needed" in page(*found)


def test_a_unit_without_a_spike_changes_nothing_for_the_others(asked, whole):
    def one_silent(units, trials):
        some = driven(units, trials)
        return Units(some.table, (np.array([]), *some.spikes_s[1:]))

    silent, *others = asked(with_encoding, one_silent)[1]["per_unit"]
    assert silent["untested"] == "no spike in any window"
    assert [row["p_selective"] for row in others] == [
        row["p_selective"] for row in whole[1]["per_unit"][1:]
    ]


def test_an_item_imagined_and_never_encoded_is_named_and_the_rest_is_done(asked):
    _, numbers, _ = asked(lambda trials: with_encoding(trials, ITEMS[:-1]))
    assert numbers["published"]["absent"] == {
        "threshold or ANOVA": f"published rule: item {ITEMS[-1]!r} was imagined but never encoded"
    }
    assert any(why.startswith("intensity gap:") for why in numbers["not_asked"])
    assert "encoding" in numbers["decoding"]


# Runs and parts ----------------------------------------------------------------------------------


def test_blocks_of_two_runs_are_not_taken_for_one(make_day):
    afternoon = make_day().gathered.sessions[1]
    once = imagined_trials(afternoon)
    twice = imagined_trials(replace(afternoon, runs=afternoon.runs * 2))
    assert len(twice) == 2 * len(once)
    assert twice["block"].nunique() == 2 * once["block"].nunique()


def test_a_part_imagined_for_another_time_is_counted_in_its_own_window(make_day, asked):
    """Cues of the second half come a second earlier, and imagining ends two seconds earlier."""

    def short(trials):
        late = (trials["kind"] == "imagine") & (trials["block"] >= trials["block"].median())
        trials.loc[late, "condition"] = "short"
        trials.loc[late, "cue_s"] -= 1.0
        trials.loc[late, "stop_s"] -= 2.0
        return trials

    found, _, _ = asked(short)
    plain, _, _ = asked()
    start, stop = found.windows["during_s"]
    short_start, short_stop = found.windows["during_s, short"]
    assert (short_start - start, short_stop - stop) == pytest.approx((1.0, -1.0), abs=0.01)
    late = imagined_trials(found.session)["condition"].eq("short").to_numpy()
    assert found.trials.during[~late].equals(plain.trials.during[~late])
    train = next(iter(found.session.spikes_s.values()))
    cue_s = found.cue_s.to_numpy()[late][0]
    spikes = ((train >= cue_s + short_start) & (train < cue_s + short_stop)).sum()
    counted = found.trials.during[found.trials.during.columns[0]].to_numpy()[late][0]
    assert counted == pytest.approx(spikes / (short_stop - short_start))
    assert any(
        said.startswith("part 'short': imagined for another time") for said in found.asked.absent
    )
