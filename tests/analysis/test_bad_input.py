"""Studies with something wrong in them: it is said with its number, and the rest is analysed."""

import html
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.gather import Gathered
from analysis.pipeline import analyze
from analysis.report import write_report
from analysis.study import read_study
from task.contract.errors import AnalysisError
from tests.analysis.small_study import SmallStudy

SETTINGS = {"least_images": 20, "shuffles": 99}


@pytest.fixture
def study(tmp_path: Path) -> SmallStudy:
    return SmallStudy(tmp_path, pictures=30, showings=2, dims=3)


def document(study: SmallStudy, **changes: Any) -> dict[str, Any]:
    """The numbers of the report, its page written too."""
    path = study.write(**{"tests": SETTINGS, **changes})
    out = study.folder / "out"
    write_report(analyze(read_study(path)), out)
    found: dict[str, Any] = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return found


def page(study: SmallStudy) -> str:
    text = (study.folder / "out" / "report.html").read_text(encoding="utf-8")
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", text)))


def test_runs_with_too_few_pictures_are_listed_and_the_others_analysed(study: SmallStudy) -> None:
    study.add("day2", study.names[:15])
    found = document(study)
    assert found["skipped"] == [
        {
            "what": "pool screening, 15 pictures",
            "why": "1 runs of 15 pictures: aligned, too few pictures to test (least_images = 20)",
        }
    ]
    assert [pool["images"] for pool in found["viewing"]] == [30]
    assert "too few pictures to test (least_images = 20)" in page(study)


def test_a_unit_with_the_same_rate_for_every_picture_is_not_tested(study: SmallStudy) -> None:
    study.cells["day1"][2] = study.onsets_s("day1") + 0.15
    (pool,) = document(study)["viewing"]
    assert pool["untested"] == [{"unit": "day1/A3_1", "why": "the same rate for every picture"}]
    assert pool["units_tested"] == 5
    assert len(pool["per_unit"]) == 5
    assert "day1/A3_1: the same rate for every picture" in page(study)


def test_a_unit_with_too_few_spikes_is_not_tested(study: SmallStudy) -> None:
    study.cells["day1"][3] = study.onsets_s("day1")[:7] + 0.15
    (pool,) = document(study)["viewing"]
    assert pool["untested"] == [
        {"unit": "day1/A4_1", "why": "7 spikes in all windows, fewer than 20"}
    ]


def test_units_that_are_all_silent_leave_the_alignment(study: SmallStudy) -> None:
    study.cells["day1"] = [np.array([4.5]) for _ in range(6)]
    found = document(study)
    assert found["viewing"] == []
    assert found["skipped"] == [
        {
            "what": "pool screening",
            "why": "none of 6 units can be tested; day1/A1_1: 0 spikes in all windows, fewer"
            " than 20",
        }
    ]
    assert found["alignment_summary"]["matched"] > 100


def test_one_unit_alone_is_analysed_but_for_what_needs_several(study: SmallStudy) -> None:
    study.cells["day1"] = study.cells["day1"][:1]
    (pool,) = document(study)["viewing"]
    assert pool["units_tested"] == 1
    assert pool["course"] is None
    assert "time course: the course of tuning needs at least two units, not 1" in pool["absent"]


def _nan_feature(study: SmallStudy) -> None:
    study.features[7, 3] = np.nan


def _unmatched(study: SmallStudy) -> None:
    study.known[3], study.known[9] = "another", "a third"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_nan_feature, "features are missing or infinite for 1 of 30 pictures: 'p007'"),
        (_unmatched, "no features for 2 of 30 pictures: 'p003', 'p009'"),
    ],
)
def test_pictures_without_features_are_named(
    study: SmallStudy, change: Callable[[SmallStudy], None], why: str
) -> None:
    change(study)
    found = document(study)
    assert found["skipped"] == [{"what": "pool screening", "why": why}]
    assert found["counts"]["units"] == 6


def test_a_picture_that_was_not_shown_may_lack_features(study: SmallStudy) -> None:
    study.sessions.clear()
    study.add("day1", study.names[:-1])
    study.features[-1] = np.nan
    (pool,) = document(study)["viewing"]
    assert pool["images"] == 29


def test_pictures_never_shown_are_found_again_from_rates(study: SmallStudy) -> None:
    study.sessions.clear()
    study.add("day1", study.names[:24])
    (pool,) = document(study)["viewing"]
    unseen = pool["unseen"]
    assert unseen["pictures"] == 6
    assert 1 <= unseen["low"] <= unseen["distance"] <= unseen["high"]
    assert "The nearest picture never shown" in page(study)


@pytest.mark.parametrize(
    ("dims", "why"),
    [
        (
            13,
            "object space: 30 pictures with these features differ in 12 ways, too few for 13"
            " dimensions",
        ),
        (31, "object space: 30 pictures with these features differ in 12 ways, too few for 31"
         " dimensions"),
    ],
)  # fmt: skip
def test_more_dimensions_than_there_are_is_said_with_both_numbers(
    study: SmallStudy, dims: int, why: str
) -> None:
    found = document(study, space={"dims": dims})
    assert found["skipped"] == [{"what": "pool screening", "why": why}]


def test_more_dimensions_than_pictures_is_said_with_both_numbers(tmp_path: Path) -> None:
    study = SmallStudy(tmp_path, pictures=24, showings=2)
    study.features = study.rng.normal(size=(24, 40))
    found = document(study, space={"dims": 23})
    assert found["skipped"] == [
        {
            "what": "pool screening",
            "why": "axes in 23 dimensions need rates for at least 25 pictures, not 24",
        }
    ]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda s: s.category.__setitem__(0, "odd"), "categories: only one picture each of 'odd'"),
        (
            lambda s: s.category.__setitem__(slice(None), ["all"] * 30),
            "categories: all 30 pictures are of one, 'all'",
        ),
    ],
)
def test_categories_of_no_use_are_told_and_the_axes_fitted(
    study: SmallStudy, change: Callable[[SmallStudy], None], why: str
) -> None:
    change(study)
    (pool,) = document(study)["viewing"]
    assert why in pool["absent"]
    assert "decoding" not in pool
    assert pool["axis"]["q05"]["of"] == 6
    assert why.removeprefix("categories: ") in page(study)


def test_a_picture_without_a_category_is_named(study: SmallStudy) -> None:
    numbers = [float(n % 3) for n in range(30)]
    numbers[4] = float("nan")
    study.category = numbers  # type: ignore[assignment]
    (pool,) = document(study)["viewing"]
    assert "categories: none for 1 of 30 pictures: 'p004'" in pool["absent"]


def test_pictures_shown_once_have_no_halves_and_the_rest_is_measured(tmp_path: Path) -> None:
    study = SmallStudy(tmp_path, pictures=40, showings=1, dims=3)
    (pool,) = document(study)["viewing"]
    assert pool["stability"]["showings"] is None
    assert pool["stability"]["pictures"] is not None
    assert [reason.partition(":")[0] for reason in pool["absent"]] == [
        "reliability",
        "selectivity",
        "stability over showings",
        "nearest unseen picture",
    ]


def test_a_log_of_other_pictures_is_listed_and_the_other_session_analysed(
    study: SmallStudy,
) -> None:
    study.add("day2", study.names)
    path = study.write(tests=SETTINGS)
    (study.folder / "day2" / "order.csv").write_text("picture\np000\n", encoding="utf-8")
    found = analyze(read_study(path)).document
    assert found["skipped"] == [
        {"what": "day2", "why": "the log has 60 trials, but the picture orders have 1"}
    ]
    assert len(found["viewing"]) == 1


def test_imagery_of_which_no_trial_is_whole_is_listed_and_viewing_analysed(make_day, analyzed):  # type: ignore[no-untyped-def]
    day = make_day()
    morning, afternoon = day.gathered.sessions
    (run,) = afternoon.runs
    broken = replace(run, trials=run.trials.assign(cue_s=np.nan))
    sessions = (morning, replace(afternoon, runs=(broken,)))
    found = analyzed(replace(day, gathered=Gathered(sessions))).document
    assert found["skipped"] == [
        {
            "what": "imagery of afternoon",
            "why": "none of 36 trials has its cue, its start and its end in the recording",
        }
    ]
    assert len(found["viewing"]) == 1


def test_two_units_of_one_name_are_refused(study: SmallStudy) -> None:
    path = study.write(tests=SETTINGS)
    sorted_ = study.folder / "day1" / "sorted"
    (sorted_ / "A01_cells.mat").write_bytes((sorted_ / "A1_cells.mat").read_bytes())
    with pytest.raises(AnalysisError) as refused:
        analyze(read_study(path))
    assert str(refused.value) == (
        f"no session of {path} could be used:\n"
        f"day1: {sorted_}: A01_cells.mat and A1_cells.mat are of the same channel"
    )
