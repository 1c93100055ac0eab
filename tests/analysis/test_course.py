"""When the codes of a trial may be heard: every border, and what is reckoned from both sides."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.course import (
    ANSWERED_S,
    EARLY_S,
    HELD_UP_S,
    LATE_S,
    Moment,
    Trial,
    cut_at,
    moments,
    onsets_of,
    trials_of,
)
from tests.analysis.hand_made import plan_of, search, step, trial, view

HZ = 60.0
JUST = 1e-6


def trial_of(*steps: dict[str, Any], kind: str = "imagine") -> Trial:
    return trials_of(plan_of([trial(kind, "dog", *steps)]))[1]


FIXED = trial_of(step("CUE_ON", 60), step("IMAGERY_ON", 120), step("IMAGERY_OFF", 60))
ASKING = trial_of(
    step("CUE_ON", 60), step("RATING_ON", 120, "1", "2"), step("RATING_OFF", 30),
    step("CONFIDENCE_ON", 60, "1"), step("CONFIDENCE_OFF", 60),
)  # fmt: skip


def times(found: list[Moment]) -> list[float | None]:
    return [moment.time_s for moment in found]


def test_a_trial_knows_its_block() -> None:
    plan = plan_of([view("dog"), search()], [view("cup")])
    plan["blocks"][1]["kind"] = "practice"
    first, second, third = trials_of(plan).values()
    assert [t.number for t in (first, second, third)] == [1, 2, 3]
    assert [tuple(t.place) for t in (first, second, third)] == [(0, 0), (0, 1), (1, 0)]
    assert [t.start for t in (first, second, third)] == [1, 1, 3]
    assert [t.last for t in (first, second, third)] == [False, True, True]
    assert [t.practised for t in (first, second, third)] == [False, False, True]
    assert third.opens == {"SESSION", "BLOCK_START", "PRACTICE_START"}
    assert third.closes == {"BLOCK_END", "PRACTICE_END"}
    assert first.opens == {"SESSION", "BLOCK_START"} and first.closes == {"BLOCK_END"}


def test_lengths_wait_for_answers() -> None:
    assert FIXED.left_s() == (4.0, 4.0) and FIXED.left_s(1) == (3.0, 3.0)
    assert FIXED.fixed_s() == 4.0 and ASKING.fixed_s() is None and ASKING.fixed_s(4) == 1.0
    assert ASKING.left_s(1) == (0.1 + 0.5 + 0.1 + 1.0, 2.0 + 0.5 + 1.0 + 1.0 + 2 * ANSWERED_S)


def test_onsets_stand_alone_as_long_as_the_shortest_trial_s() -> None:
    plan = plan_of([view("dog"), search(), trial("view", "cup", step("IMAGE_ON", 10))])
    assert onsets_of(trials_of(plan)) == {"IMAGE_ON": 10 / HZ, "SEARCH_ON": 0.1}
    long = plan_of([trial("view", "cup", step("IMAGE_ON", 600))])
    assert onsets_of(trials_of(long)) == {"IMAGE_ON": HELD_UP_S}


def test_codes_that_were_heard_have_their_own_times() -> None:
    found = moments(FIXED, 10.0, [(11.01, "IMAGERY_ON"), (13.02, "IMAGERY_OFF")])
    assert times(found) == [10.0, 11.01, 13.02]
    assert [moment.word for moment in found] == [None, 0, 1]


@pytest.mark.parametrize(
    ("off_s", "word", "late"),
    [
        (-EARLY_S - JUST, None, False), (-EARLY_S + JUST, 0, False),
        (LATE_S - JUST, 0, False), (LATE_S + JUST, 0, True),
        (HELD_UP_S - JUST, 0, True), (HELD_UP_S + JUST, None, False),
    ],
)  # fmt: skip
def test_a_code_is_taken_from_a_little_before_its_time_to_long_after(
    off_s: float, word: int | None, late: bool
) -> None:
    found = moments(FIXED, 10.0, [(11.0 + off_s, "IMAGERY_ON")])
    assert (found[1].word, found[1].late) == (word, late)


def test_of_short_trials_no_code_is_taken_that_may_be_the_next_one_s() -> None:
    short = trials_of(plan_of([view("dog")]))[1]  # 16 and 8 frames: 0.4 s
    for off_s, word in ((0.2 - JUST, 0), (0.2 + JUST, None)):
        found = moments(short, 10.0, [(10.0 + 16 / HZ + off_s, "IMAGE_OFF")])
        assert found[1].word == word


def test_of_two_codes_the_nearer_to_its_time_is_taken() -> None:
    heard = [(10.98, "IMAGERY_ON"), (11.001, "IMAGERY_ON")]
    assert moments(FIXED, 10.0, heard)[1].word == 1


def test_a_code_that_came_early_is_not_found_before_the_step_before_it() -> None:
    heard = [(10.99, "IMAGERY_OFF"), (11.0, "IMAGERY_ON")]
    assert [moment.word for moment in moments(FIXED, 10.0, heard)] == [None, 1, None]


def test_a_lost_code_is_reckoned_from_what_was_before_it() -> None:
    found = moments(FIXED, 10.0, [(13.0, "IMAGERY_OFF")])
    assert times(found) == [10.0, 11.0, 13.0] and found[1].word is None


def test_after_an_answer_a_code_is_reckoned_from_behind_or_not_at_all() -> None:
    heard = [(11.0, "RATING_ON"), (12.7, "CONFIDENCE_ON")]
    found = moments(ASKING, 10.0, heard)
    assert times(found)[:4] == [10.0, 11.0, 12.7 - 0.5, 12.7]
    assert times(found)[4] is None
    low_s, high_s = found[4].low_s, found[4].high_s
    assert (low_s, high_s) == (12.7 + 0.1, 12.7 + 1.0 + ANSWERED_S)
    until = moments(ASKING, 10.0, heard, until_s=14.5)
    assert times(until)[4] == 13.5


def test_a_time_is_not_told_where_both_sides_differ() -> None:
    """The display was held up somewhere between: the step began before that, or after."""
    for apart_s, told in ((0.029, True), (0.031, False)):
        found = moments(FIXED, 10.0, [(13.0 + apart_s, "IMAGERY_OFF")])
        assert (times(found)[1] is not None) == told
    assert found[1].low_s == pytest.approx(11.0) and found[1].high_s == pytest.approx(11.031)


@given(
    lost=st.sets(st.integers(0, 1)),
    onset_s=st.floats(0, 1e5),
    jitter_s=st.lists(st.floats(0, 0.002), min_size=2, max_size=2),
)
def test_whatever_is_lost_times_are_right_to_the_recorder_s_jitter(
    lost: set[int], onset_s: float, jitter_s: list[float]
) -> None:
    true_s = [onset_s + 1.0 + jitter_s[0], onset_s + 3.0 + jitter_s[1]]
    names = ["IMAGERY_ON", "IMAGERY_OFF"]
    heard = [(true_s[n], names[n]) for n in (0, 1) if n not in lost]
    found = times(moments(FIXED, onset_s, heard, until_s=onset_s + 4.0))[1:]
    assert all(abs((mine or 0.0) - true) < 0.005 for mine, true in zip(found, true_s, strict=True))


def test_a_presentation_is_cut_where_the_fewest_words_were_lost() -> None:
    heard = [(11.0, "RATING_ON")]
    assert cut_at(moments(ASKING, 10.0, heard), 1) == (1, 0)
    stray = [*heard, (14.0, "CONFIDENCE_OFF")]  # two lost before it, or nobody sent it
    assert cut_at(moments(ASKING, 10.0, stray), 2) == (1, 1)
    assert cut_at(moments(ASKING, 10.0, []), 0) == (0, 0)
    assert cut_at(moments(ASKING, 10.0, [(50.0, "RATING_ON")]), 1) == (0, 1)
