"""Words near a clock: how near, once only, in order; and where one clock hands over to the next."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from analysis.nearby import Stretch, agreeing, heard, nearest, nearest_words, usual_intervals
from analysis.voting import Words, words_of


def table(*rows: tuple[float, int]) -> Words:
    return words_of(pd.DataFrame(rows, columns=["time_s", "code"]), False, 0xFFFF)


def numbered(*rows: tuple[float, int, int]) -> Words:
    return words_of(pd.DataFrame(rows, columns=["time_s", "code", "trial"]), True, 0xFFFF)


def test_a_word_counts_up_to_the_tolerance_and_not_beyond() -> None:
    words = table((1.0, 7), (2.0, 7))
    code = np.array([7, 7, 7, 7])
    expected_s = np.array([0.995, 0.9949, 2.005, 2.0051])
    assert nearest(code, expected_s, words, 0.005 + 1e-12).tolist() == [0, -1, 1, -1]


def test_a_code_that_was_never_recorded_has_no_word() -> None:
    words = table((1.0, 7), (2.0, 9))
    assert nearest(np.array([8, 6, 10]), np.array([1.0, 1.0, 2.0]), words, 0.1).tolist() == [-1] * 3


def test_a_single_word_can_be_found() -> None:
    assert nearest(np.array([7, 7]), np.array([0.9, 1.2]), table((1.0, 7)), 0.1).tolist() == [0, -1]


@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(1, 4)), min_size=1, max_size=60))
def test_the_nearest_is_as_near_as_any(rows: list[tuple[int, int]]) -> None:
    words = table(*sorted((t / 100, code) for t, code in rows))
    words = words[np.argsort(words.time_s, kind="stable")]
    asked_s = np.linspace(-1, 21, 45)
    for code in (1, 2, 3, 4, 5):
        found = nearest(np.full(45, code), asked_s, words, 0.25)
        for at_s, word in zip(asked_s.tolist(), found.tolist(), strict=True):
            away_s = np.abs(words.time_s - at_s)[words.code == code]
            if word < 0:
                assert not len(away_s) or away_s.min() > 0.25 - 1e-9
            else:
                assert words.code[word] == code
                assert abs(words.time_s[word] - at_s) <= away_s.min() + 1e-9


def test_each_word_is_taken_once_and_in_order() -> None:
    log = table((1.0, 7), (1.002, 7), (2.0, 8), (3.0, 9))
    words = table((1.001, 7), (2.9, 9), (3.0, 8))
    word, _ = nearest_words(log, words, [Stretch(0, np.array([1.0, 1.002, 3.0, 2.9]))], 0.01)
    assert sorted(word[:2].tolist()) == [-1, 0]
    assert (word[2:] >= 0).sum() == 1  # one of two that cross


def test_words_with_other_numbers_disagree() -> None:
    log, words = numbered((1, 7, 5), (2, 7, 6), (3, 7, -1)), numbered((1, 7, 5), (2, 7, 5))
    assert agreeing(log, words, np.array([0, 1, 1])).tolist() == [1, -1, 0]
    assert agreeing(log, words, np.array([-1, -1, -1])).tolist() == [0, 0, 0]


def test_the_recording_is_silent_where_it_has_no_word_for_five_seconds() -> None:
    words = table((10.0, 7), (30.0, 7))
    near = heard(words, np.array([5.0, 5.001, 14.999, 15.0, 25.1, 34.9, 35.0]))
    assert near.tolist() == [False, True, True, False, True, True, False]


# Handing over ------------------------------------------------------------------------------------


def stream(n: int, period_s: float = 0.4) -> np.ndarray:
    return 10 + period_s * np.arange(n)


def test_clocks_hand_over_where_the_log_skips_though_both_explain_the_rest() -> None:
    """A regular stream whose log leaps back by one period at row 60."""
    true_s = stream(100)
    log_s = np.where(np.arange(100) < 60, true_s, true_s - 0.4)
    log = table(*((t, 20) for t in log_s))
    words = table(*((t, 20) for t in true_s))
    stretches = [Stretch(0, log_s, 0), Stretch(0, log_s + 0.4, 1)]
    word, part = nearest_words(log, words, stretches, 0.003)
    assert word.tolist() == list(range(100)), part


def test_where_no_interval_tells_rows_that_both_claim_have_no_word() -> None:
    """The same, but the leap lies in a pause of any length: which pause, nobody knows."""
    true_s = stream(120)
    true_s[40:] += 3.21
    true_s[80:] += 1.73
    log_s = np.where(np.arange(120) < 80, true_s, true_s - 0.4)
    log = table(*((t, 20) for t in log_s))
    words = table(*((t, 20) for t in np.delete(true_s, [40, 79, 80])))
    stretches = [Stretch(0, log_s, 0), Stretch(0, log_s + 0.4, 1)]
    word, _ = nearest_words(log, words, stretches, 0.003)
    there = np.delete(np.arange(120), [40, 79, 80])
    found = word >= 0
    assert (there[word[found]] == np.flatnonzero(found)).all()
    assert found[:40].all() and found[81:].all()
    assert not found[41:79].any()


def test_an_interval_is_usual_if_the_task_has_it_elsewhere() -> None:
    log_s = stream(20)
    log_s[10:] += 0.1
    usual = usual_intervals(table(*((t, 20) for t in log_s)), 0.003)
    assert np.flatnonzero(~usual).tolist() == [0, 10]


def test_a_chance_word_far_ahead_hides_no_row_behind_it() -> None:
    """The log's clock was set back by 70 s at row 50: by the clock behind that, row 5 is where row
    75 is, and of its code."""
    log_s = np.r_[0:50, -20:30].astype(float)
    true_s = np.arange(100.0)
    code = np.arange(1, 101)
    code[5] = code[75]
    log = words_of(pd.DataFrame({"time_s": log_s, "code": code}), False, 0xFFFF)
    words = words_of(pd.DataFrame({"time_s": true_s, "code": code}), False, 0xFFFF)
    both = [Stretch(0, log_s, 0), Stretch(0, log_s + 70, 1)]
    word, part = nearest_words(log, words, both, 0.01)
    assert word.tolist() == list(range(100))
    assert part.tolist() == [0] * 50 + [1] * 50
