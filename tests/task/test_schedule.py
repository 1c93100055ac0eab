"""When every screen comes: the bounds are the plan's own, the usual lies between."""

from collections.abc import Callable

import pytest

from task.contract.codes import ONSETS
from task.phases import EMPTY, PHASES, phase_of
from task.plan import BLANK, Plan, Step
from task.schedule import A_BREAK_S, A_SEARCH_S, AN_ANSWER_S, Times, lasts, schedule

PlanOf = Callable[..., Plan]
SCREENING = """[screening]
repeats = 2
break_after = 5
[screening.catch]
[[screening.catch.question]]
text = "Was it an animal?"
yes_groups = ["animal"]
"""
IMAGERY = """[imagery]
items = ["dog", "cat", "cow", "owl", "cup", "hat"]
confidence_s = 2.0
[practice]
pictures = ["key", "pen"]
[rest]
before_s = 10.0
[[questionnaire]]
id = "effort"
text = "How well could you imagine?"
"""
PLANS = pytest.mark.parametrize("text", [SCREENING, IMAGERY, "[screening]\n[texts]\ntext_s = 0\n"])


@PLANS
@pytest.mark.parametrize("spacing_frames", [2, 3])
def test_the_bounds_are_those_of_the_plan(text: str, spacing_frames: int, plan_of: PlanOf) -> None:
    plan = plan_of(text, spacing_frames=spacing_frames)
    least_s, usual_s, longest_s = lasts(plan)
    assert least_s == pytest.approx(plan.fixed_s)
    assert longest_s == pytest.approx(plan.longest_s)
    assert least_s <= usual_s <= longest_s


@PLANS
def test_every_step_begins_where_the_one_before_it_ends(text: str, plan_of: PlanOf) -> None:
    plan = plan_of(text)
    spans = schedule(plan)
    assert [m.step for span in spans for m in span.moments] == list(plan.steps)
    for span in spans:
        assert span.begins.usual_s < span.moments[0].begins.usual_s
        for moment, following in zip(span.moments, span.moments[1:], strict=False):
            assert following.begins == pytest.approx(moment.begins.after(moment.lasts))
    for span, following_span in zip(spans, spans[1:], strict=False):
        assert following_span.begins == pytest.approx(span.ends)


def test_the_first_step_comes_after_the_sweep_and_the_names(plan_of: PlanOf) -> None:
    plan = plan_of("[screening]\n")
    frames = plan.sweep_frames + 2 * plan.marker_frames(named=True)
    assert schedule(plan)[0].moments[0].begins == pytest.approx((frames / 60.0,) * 3)


def test_what_people_take_as_a_rule(plan_of: PlanOf) -> None:
    moments = [m for span in schedule(plan_of(IMAGERY)) for m in span.moments]
    usual_s = {m.step.code: m.lasts.usual_s for m in reversed(moments) if m.step.answers}
    assert usual_s["SEARCH_ON"] == A_SEARCH_S
    assert usual_s["RATING_ON"] == usual_s["QUESTION_ON"] == AN_ANSWER_S
    assert usual_s["CONFIDENCE_ON"] == 2.0  # it takes no longer than it may
    assert usual_s["TEXT_ON"] == pytest.approx(2.0 + 0.4 * 15)
    breaks = [m for m in moments if m.step.code == "TEXT_ON" and m.lasts.usual_s == A_BREAK_S]
    assert len(breaks) == 5
    assert Times(0.0, 1.0, 2.0).after(Times(1.0, 1.0, 1.0)) == (1.0, 2.0, 3.0)


def test_every_onset_is_the_begin_of_something() -> None:
    phases = {code: phase_of(Step(code.name, BLANK, 1)) for code in ONSETS}
    assert EMPTY not in phases.values() and set(phases.values()) <= set(PHASES)
    assert len({phase.colour for phase in PHASES}) == len(PHASES)
