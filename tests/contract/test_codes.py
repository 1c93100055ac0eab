"""What is announced on the lines is read back, and a damaged stream names nothing wrong."""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task.contract.codes import (
    CLOSINGS,
    CODE_TABLE,
    MAX_PRESENTATION,
    MAX_SESSION,
    ONSETS,
    PAYLOAD_LENGTH,
    RUN_TIME,
    SWEEP_OFFSETS,
    SWEEP_VALUES,
    Code,
    announce_presentation,
    announce_session,
    read_labels,
)

sessions = st.integers(0, MAX_SESSION - 1)
presentations = st.integers(0, MAX_PRESENTATION - 1)
ANNOUNCEMENTS = frozenset(PAYLOAD_LENGTH)
TRIALS = (
    (Code.IMAGE_ON, Code.IMAGE_OFF),
    (Code.ENCODE_ON, Code.ENCODE_OFF),
    (Code.TEXT_ON, Code.ANSWER_1, Code.TEXT_OFF),
    (Code.SEARCH_ON, Code.NO_ANSWER, Code.SEARCH_OFF),
    (Code.BASELINE_ON, Code.NOTE, Code.NOTE, Code.BASELINE_OFF),
    (
        Code.CUE_ON,
        Code.IMAGERY_ON,
        Code.IMAGERY_OFF,
        Code.RATING_ON,
        Code.ANSWER_3,
        Code.RATING_OFF,
    ),
)


class Value(NamedTuple):
    """A value on the lines and, if it is an event, the presentation that it belongs to."""

    value: int
    event: bool = False
    presentation: int | None = None


def announced(values: Sequence[int]) -> list[Value]:
    return [Value(v) for v in values]


def outside(code: Code) -> Value:
    return Value(code, event=True)


def shown(session: int, number: int, codes: Sequence[Code]) -> list[Value]:
    onset, *rest = (Value(code, True, number) for code in codes)
    return [onset, *announced(announce_presentation(session, number)), *rest]


def run_of(session: int, blocks: Sequence[Sequence[Sequence[Code]]], first: int) -> list[Value]:
    values = [*announced(announce_session(session)), outside(Code.RUN_START)]
    number = first
    for block in blocks:
        values += [*announced(announce_session(session)), outside(Code.BLOCK_START)]
        for codes in block:
            values += shown(session, number, codes)
            number += 1
        values.append(outside(Code.BLOCK_END))
    return [*values, outside(Code.STOP), outside(Code.RUN_END)]


streams = st.builds(
    run_of,
    sessions,
    st.lists(st.lists(st.sampled_from(TRIALS), min_size=1, max_size=5), min_size=1, max_size=3),
    st.integers(0, MAX_PRESENTATION - 20),
)


def assert_never_wrong(kept: Sequence[Value], values: Sequence[int], session: int) -> None:
    for label in read_labels(values):
        assert label.session in (session, None)
        assert label.presentation in (kept[label.position].presentation, None)


def session_of(stream: Sequence[Value]) -> int:
    found = read_labels(v.value for v in stream)[0].session
    assert found is not None
    return found


# The table -----------------------------------------------------------------------------------


def test_every_code_is_an_event_value_and_no_two_are_the_same() -> None:
    assert len(set(CODE_TABLE.values())) == len(Code)
    assert all(0 < value < 128 for value in CODE_TABLE.values())


def test_one_dead_or_stuck_line_never_turns_a_code_into_another() -> None:
    values = set(CODE_TABLE.values())
    for value, line in ((v, 1 << n) for v in values for n in range(8)):
        assert value ^ line not in values


def test_every_code_raises_an_even_number_of_lines() -> None:
    assert [c.name for c in Code if c.bit_count() % 2] == []


def test_the_sweep_raises_each_line_alone_and_with_values_that_are_no_code() -> None:
    assert sorted(SWEEP_VALUES) == [1 << n for n in range(8)]
    assert not set(SWEEP_VALUES) & set(CODE_TABLE.values())


def test_no_two_pulses_of_the_sweep_lie_equally_far_apart() -> None:
    distances = [b - a for a, b in combinations(SWEEP_OFFSETS, 2)]
    assert len(SWEEP_OFFSETS) == len(SWEEP_VALUES) and SWEEP_OFFSETS[0] == 0
    assert min(distances) > 0 and len(set(distances)) == len(distances)


def test_announcements_are_no_onsets_and_onsets_come_when_planned() -> None:
    assert not ONSETS & (ANNOUNCEMENTS | CLOSINGS | RUN_TIME)


# Announcing ----------------------------------------------------------------------------------


@given(sessions, presentations)
def test_session_and_presentation_are_read_back_as_announced(session: int, number: int) -> None:
    stream = [
        *announce_session(session),
        Code.IMAGE_ON,
        *announce_presentation(session, number),
        Code.IMAGE_OFF,
    ]
    assert [tuple(label) for label in read_labels(stream)] == [
        (5, Code.IMAGE_ON, session, number),
        (10, Code.IMAGE_OFF, session, number),
    ]


def remainder(words: Sequence[int]) -> int:
    """Of the polynomial of these seven-bit words, begun with 1111111, by x^7 + x^3 + 1."""
    bits = 0
    for word in words:
        bits = bits << 7 | word
    bits = (bits ^ 0x7F << 7 * (len(words) - 1)) << 7
    for place in range(bits.bit_length() - 8, -1, -1):
        if bits >> place + 7 & 1:
            bits ^= 0b10001001 << place
    return bits


@given(sessions, presentations)
def test_checks_are_the_remainder_of_a_long_division(session: int, number: int) -> None:
    named = [session >> 14, session >> 7 & 0x7F, session & 0x7F]
    numbered = [number >> 7, number & 0x7F]
    assert announce_session(session) == (3, *(128 + w for w in (*named, remainder(named))))
    check = remainder([*named, *numbered])
    assert announce_presentation(session, number) == (5, *(128 + w for w in (*numbered, check)))


def test_an_announcement_never_changes() -> None:
    # Recorded once: recordings made with it must stay readable.
    assert announce_session(654_321) == (3, 167, 247, 241, 191)
    assert announce_presentation(654_321, 1234) == (5, 137, 210, 147)


@given(sessions, presentations)
def test_payload_lies_between_128_and_255(session: int, number: int) -> None:
    for announcement in (announce_session(session), announce_presentation(session, number)):
        code, *payload = announcement
        assert len(payload) == PAYLOAD_LENGTH[Code(code)]
        assert all(128 <= value <= 255 for value in payload)


@pytest.mark.parametrize("number", [-1, MAX_SESSION])
def test_a_session_of_more_than_21_bits_cannot_be_announced(number: int) -> None:
    with pytest.raises(ValueError, match=rf"session {number} is not in 0\.\.2097151"):
        announce_session(number)


@pytest.mark.parametrize("number", [-1, MAX_PRESENTATION])
def test_a_presentation_of_more_than_14_bits_cannot_be_announced(number: int) -> None:
    with pytest.raises(ValueError, match=rf"presentation {number} is not in 0\.\.16383"):
        announce_presentation(0, number)


@given(sessions, presentations, st.integers(0, 20))
def test_a_number_of_a_session_one_bit_away_is_not_taken_for_ours(
    session: int, number: int, bit: int
) -> None:
    stream = [Code.IMAGE_ON, *announce_presentation(session ^ 1 << bit, number)]
    assert [label.presentation for label in read_labels(stream, session)] == [None]


# Reading a stream ----------------------------------------------------------------------------


@given(streams)
def test_a_whole_stream_names_every_event(stream: list[Value]) -> None:
    labels = read_labels(v.value for v in stream)
    assert [(n.position, n.code, n.presentation) for n in labels] == [
        (place, v.value, v.presentation) for place, v in enumerate(stream) if v.event
    ]


@given(streams, st.data())
def test_lost_values_that_are_no_neighbours_never_move_an_event(
    stream: list[Value], data: st.DataObject
) -> None:
    wanted = data.draw(st.sets(st.integers(0, len(stream) - 1), max_size=50))
    lost = {place for place in wanted if place - 1 not in wanted}
    kept = [v for place, v in enumerate(stream) if place not in lost]
    assert_never_wrong(kept, [v.value for v in kept], session_of(stream))


@given(sessions)
def test_any_one_lost_value_never_moves_an_event(session: int) -> None:
    stream = run_of(session, [TRIALS], 1)
    for lost in range(len(stream)):
        kept = stream[:lost] + stream[lost + 1 :]
        assert_never_wrong(kept, [v.value for v in kept], session)


@given(streams)
def test_one_lost_value_costs_at_most_the_presentation_it_was_part_of(
    stream: list[Value],
) -> None:
    lost = next(n for n, v in enumerate(stream) if v.value == Code.TRIAL) + 1
    kept = stream[:lost] + stream[lost + 1 :]
    harmed = next(v.presentation for v in reversed(stream[:lost]) if v.presentation is not None)
    for label in read_labels(v.value for v in kept):
        true = kept[label.position].presentation
        assert label.presentation == (None if true == harmed else true)


@given(streams, st.data())
def test_a_flipped_bit_never_names_a_wrong_presentation_or_session(
    stream: list[Value], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(stream) - 1))
    session = session_of(stream)
    values = [v.value for v in stream]
    values[place] ^= 1 << data.draw(st.integers(0, 7))
    for label in read_labels(values):
        assert label.session in (session, None)
        if label.position != place:  # what a flip made of an event is no event of ours
            assert label.presentation in (stream[label.position].presentation, None)


@given(sessions, presentations)
def test_no_single_flipped_bit_in_an_announcement_goes_unnoticed(session: int, number: int) -> None:
    whole = [*announce_session(session), Code.IMAGE_ON, *announce_presentation(session, number)]
    for place, bit in ((p, b) for p in range(len(whole)) for b in range(8)):
        if whole[place] != Code.IMAGE_ON:
            damaged = [*whole]
            damaged[place] ^= 1 << bit
            assert all(label.presentation is None for label in read_labels(damaged))
            assert {label.session for label in read_labels(damaged)} <= {session, None}


@given(streams)
def test_a_stream_without_its_session_names_no_presentation(stream: list[Value]) -> None:
    values = [v.value for v in stream if v.value != Code.SESSION]
    assert all(label.presentation is None for label in read_labels(values))
    known = read_labels(values, session_of(stream))
    assert [n.presentation for n in known] == [v.presentation for v in stream if v.event]


@given(streams, streams)
def test_a_second_session_in_the_recording_is_told_from_the_first(
    first: list[Value], second: list[Value]
) -> None:
    labels = read_labels(v.value for v in [*first, *second])
    expected = [session_of(first)] * sum(v.event for v in first)
    expected += [session_of(second)] * sum(v.event for v in second)
    assert [label.session for label in labels] == expected


@given(st.lists(st.integers(1, 255), max_size=200))
def test_any_stream_can_be_read(values: list[int]) -> None:
    labels = read_labels(values)
    assert all(values[label.position] == label.code < 128 for label in labels)
    assert not {label.code for label in labels} & ANNOUNCEMENTS


def test_an_answer_belongs_to_its_presentation_however_often_it_comes() -> None:
    stream = [
        *announce_session(7),
        Code.TEXT_ON,
        *announce_presentation(7, 3),
        Code.ANSWER_1,
        Code.ANSWER_1,
        Code.TEXT_OFF,
    ]
    assert [label.presentation for label in read_labels(stream)] == [3, 3, 3, 3]


def test_an_event_that_comes_again_without_an_onset_belongs_to_no_presentation() -> None:
    # From TEXT_OFF of one presentation to that of the next, everything was lost.
    stream = [
        *announce_session(7),
        Code.TEXT_ON,
        *announce_presentation(7, 3),
        Code.TEXT_OFF,
        Code.TEXT_OFF,
    ]
    assert [label.presentation for label in read_labels(stream)] == [3, 3, None]


def test_a_number_whose_onset_was_lost_names_what_follows_it() -> None:
    stream = [*announce_session(7), *announce_presentation(7, 3), Code.TEXT_OFF]
    assert [label.presentation for label in read_labels(stream)] == [3]


@pytest.mark.parametrize("code", sorted(CLOSINGS))
def test_after_a_boundary_no_presentation_is_under_way(code: Code) -> None:
    stream = [*announce_session(7), Code.IMAGE_ON, *announce_presentation(7, 3), code, Code.NOTE]
    assert [label.presentation for label in read_labels(stream)] == [3, None, None]
