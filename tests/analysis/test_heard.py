"""What the words on a port say: names, announcements, beginnings, and whose they are."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.heard import (
    SWEEP,
    Head,
    Words,
    heads_of,
    owners,
    presentations_announced,
    read_words,
    sessions_announced,
)
from analysis.lines import Lines
from task.contract.codes import (
    CODE_TABLE,
    SWEEP_OFFSETS,
    SWEEP_VALUES,
    announce_presentation,
    announce_session,
)
from tests.analysis.hand_made import small_plan

PLAN = small_plan()
SPACING_S = 2 / 60
ONSETS = {"IMAGE_ON": 0.2, "SEARCH_ON": 0.1}
NAMES = {value: name for name, value in CODE_TABLE.items()}
JUST = 1e-6


def words(*values: int, apart_s: float = SPACING_S, filled: bool = True) -> Words:
    """Words one after another; those of a whole session before them, so that no line seems dead."""
    before = [*SWEEP_VALUES, *([255, 127] * 11)] if filled else []
    times = [n * apart_s for n in range(len(before))] if filled else []
    start_s = 100.0
    later = [start_s + n * apart_s for n in range(len(values))]
    return read_words([*times, *later], [*before, *values], PLAN)


def last(found: Words, n: int) -> list[str]:
    return list(found.name[-n:])


def test_codes_have_their_names_and_payload_has_none() -> None:
    found = words(20, 128, 21, 23)
    assert last(found, 4) == ["IMAGE_ON", "", "", "IMAGE_OFF"]


@pytest.mark.parametrize("share", [0.5 - JUST, 0.5 + JUST])
def test_the_same_word_within_half_a_spacing_is_a_bounce(share: float) -> None:
    found = words(20, 20, apart_s=share * SPACING_S)
    assert len(found.name) - len(words(20).name) == (share > 0.5)


def test_words_are_put_in_the_order_of_time() -> None:
    found = read_words([2.0, 1.0], [23, 20], PLAN)
    assert found.name == ("IMAGE_ON", "IMAGE_OFF") and found.time_s == (1.0, 2.0)


def test_rests_are_no_words() -> None:
    assert read_words([1.0, 1.1, 1.2], [20, 0, 23], PLAN).name == ("IMAGE_ON", "IMAGE_OFF")


@given(
    session=st.integers(0, (1 << 21) - 1), line=st.sampled_from([0, *(1 << n for n in range(7))])
)
@settings(max_examples=60)
def test_a_session_is_read_through_any_dead_line(session: int, line: int) -> None:
    stream = [
        *SWEEP_VALUES,
        *CODE_TABLE.values(),
        *announce_session(session),
        CODE_TABLE["RUN_START"],
    ]
    dead = [value & ~line for value in stream]
    found = read_words([n * SPACING_S for n in range(len(dead))], dead, PLAN)
    assert found.lines == (Lines(dead=(line,)) if line else Lines())
    assert [each.number for each in sessions_announced(found)] == [session]


@given(
    session=st.integers(0, (1 << 21) - 1),
    number=st.integers(1, 200),
    line=st.sampled_from([1 << n for n in range(8)]),
)
@settings(max_examples=30, deadline=None)
def test_a_number_is_read_through_any_dead_line_or_not_at_all(
    session: int, number: int, line: int
) -> None:
    stream = [*CODE_TABLE.values(), 255, 192, 20, *announce_presentation(session, number)]
    dead = [value & ~line for value in stream]
    found = read_words([n * SPACING_S for n in range(len(dead))], dead, PLAN)
    said = presentations_announced(found, session, 200)
    assert [each.number for each in said] in ([number], [])
    if line < 128:
        assert said


def test_one_word_of_a_number_that_is_lost_or_changed_loses_the_number() -> None:
    stream = [20, *announce_presentation(7, 300)]
    whole = presentations_announced(words(*stream), 7, 400)
    assert [each.number for each in whole] == [300]
    for place in range(1, 5):
        assert not presentations_announced(words(*stream[:place], *stream[place + 1 :]), 7, 400)
    for bit in range(7):
        changed = [*stream[:3], stream[3] ^ 1 << bit, stream[4]]
        assert not presentations_announced(words(*changed), 7, 400)


def test_a_word_that_nobody_sent_does_not_hide_a_number() -> None:
    a, b, c, d = announce_presentation(7, 300)
    for stray in (200, 50):
        found = words(20, a, b, stray, c, d)
        assert [each.number for each in presentations_announced(found, 7, 400)] == [300]


def test_a_number_far_beyond_what_was_shown_is_noise() -> None:
    """Two times the plan's trials and what was heard are possible."""
    for number, known in ((801, True), (802, False)):
        found = words(20, *announce_presentation(7, number))
        assert bool(presentations_announced(found, 7, 400)) == known


def test_a_sweep_is_told_by_its_rhythm() -> None:
    times = [5.0 + offset * SPACING_S for offset in SWEEP_OFFSETS]
    stream = [(t, v) for t, v in zip(times, SWEEP_VALUES, strict=True)]
    for kept, told in ((stream, 8), (stream[2:5], 3), (stream[2:4], 0)):
        found = read_words([t for t, _ in kept], [v for _, v in kept], PLAN)
        assert found.name.count(SWEEP) == told
    even = read_words([5.0 + n * SPACING_S for n in range(8)], SWEEP_VALUES, PLAN)
    assert even.name.count(SWEEP) == 0


def heads(*stream: int, **more: Any) -> list[Head]:
    found = words(*stream, **more)
    own = [at for at, time_s in enumerate(found.time_s) if time_s >= 100.0]
    return heads_of(found, own, presentations_announced(found, 7, 400), ONSETS)[1]


def test_a_presentation_begins_with_its_onset_and_has_the_number_after_it() -> None:
    [one] = heads(20, *announce_presentation(7, 300), 23)
    assert (one.time_s, one.code, one.number) == (100.0, "IMAGE_ON", 300)
    assert len(one.words) == 5 and len(one.tail) == 1


def test_a_number_without_its_onset_begins_one_spacing_earlier() -> None:
    [one] = heads(*announce_presentation(7, 300), 23)
    assert (one.code, one.number) == ("", 300)
    assert one.time_s == pytest.approx(100.0 - SPACING_S)


def test_a_number_long_after_an_onset_is_another_s() -> None:
    """But while the onset stands alone, the display may have been held up."""
    for late_s, one in ((0.19, True), (0.21, False)):
        times = [100.0, *(100.0 + late_s + n * SPACING_S for n in range(4))]
        found = read_words(times, [20, *announce_presentation(7, 300)], PLAN)
        said = presentations_announced(found, 7, 400)
        _, begun = heads_of(found, range(5), said, ONSETS)
        assert len(begun) == (1 if one else 2)


def test_codes_before_the_first_beginning_are_told_apart() -> None:
    found = words(10, 20)
    first = len(found.name) - 2
    before, begun = heads_of(found, [first, first + 1], [], ONSETS)
    assert before == (first,) and len(begun) == 1


# Whose words -------------------------------------------------------------------------------------


def owned(values: list[int], evidence: list[tuple[int, int]], gaps_s: dict[int, float]) -> Any:
    time_s, times = 0.0, []
    for n in range(len(values)):
        time_s += gaps_s.get(n, SPACING_S)
        times.append(time_s)
    return owners(read_words(times, values, PLAN), evidence)


def test_words_between_two_mentions_of_a_session_are_its() -> None:
    assert owned([20, 23, 24, 27], [(0, 5), (3, 5)], {}) == [5, 5, 5, 5]


def test_a_session_ends_with_its_run_end() -> None:
    run_end = CODE_TABLE["RUN_END"]
    assert owned([20, 23, run_end, 24, 27], [(0, 5), (4, 6)], {4: 9.0}) == [5, 5, 5, 6, 6]


def test_without_run_end_a_session_ends_before_the_longest_silence() -> None:
    assert owned([20, 23, 24, 27], [(0, 5), (3, 6)], {2: 9.0}) == [5, 5, 6, 6]


def test_what_follows_the_last_run_end_is_nobody_s() -> None:
    run_end = CODE_TABLE["RUN_END"]
    assert owned([20, run_end, 24], [(0, 5)], {}) == [5, 5, None]
    assert owned([20, 23, 24], [(0, 5)], {}) == [5, 5, 5]


def test_what_precedes_the_first_mention_is_its_unless_a_run_ended_there() -> None:
    run_end = CODE_TABLE["RUN_END"]
    assert owned([20, 23, 24], [(2, 5)], {}) == [5, 5, 5]
    assert owned([20, run_end, 24], [(2, 5)], {}) == [None, None, 5]
