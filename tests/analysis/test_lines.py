"""Lines that are dead, stuck or float: what is said of them, and what is left to compare by."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from analysis.lines import EVERY, Lines, find_lines, restored, silent, suspects
from task.contract.codes import Code

CODES = np.array([int(code) for code in Code])
BIT = st.sampled_from([1 << n for n in range(8)])


def arrived(sent: np.ndarray, seen: np.ndarray) -> dict[tuple[int, int], int]:
    pairs = list(zip(sent.tolist(), seen.tolist(), strict=True))
    return {pair: pairs.count(pair) for pair in pairs}


def test_sound_lines_are_not_suspected() -> None:
    lines = find_lines(arrived(CODES, CODES))
    assert not lines
    assert lines.mask == EVERY
    assert str(lines) == "all lines sound"


@given(BIT)
def test_a_dead_line_is_told_from_a_stuck_one(bit: int) -> None:
    assert find_lines(arrived(CODES, CODES & ~bit)) == Lines(
        dead=(bit,) if (CODES & bit).any() else ()
    )
    assert find_lines(arrived(CODES, CODES | bit)) == Lines(stuck=(bit,))


def test_a_line_that_nobody_drives_floats() -> None:
    junk = np.where(np.arange(len(CODES)) % 3 == 0, 512, 0)
    assert find_lines(arrived(CODES, CODES ^ junk)) == Lines(floating=(512,))


def test_single_words_that_changed_are_no_fault_of_a_line() -> None:
    sent = np.repeat(CODES, 20)
    seen = sent.copy()
    seen[:8] ^= 1 << np.arange(8)
    assert not find_lines(arrived(sent, seen))


def test_nothing_found_says_nothing() -> None:
    assert not find_lines({})


def test_a_bit_that_few_words_use_says_nothing_of_its_line() -> None:
    arrived = {(1, 1): 5, (2, 2): 4, (3, 1): 1}
    assert silent(arrived) == EVERY & ~(1 | 2)
    assert silent(arrived | {(3, 1): 0}) == EVERY & ~1


def test_lines_are_chosen_by_their_bits() -> None:
    lines = Lines(dead=(16,), stuck=(1,), floating=(512, 256))
    assert lines.within(512 | 16 | 4) == Lines(dead=(16,), floating=(512,))
    assert not lines.within(0)


def test_every_kind_is_said_with_its_value() -> None:
    lines = Lines(dead=(16,), stuck=(1,), floating=(512, 256))
    assert str(lines) == (
        "line 4 (value 16) dead (never up); line 0 (value 1) stuck (always up);"
        " lines 8 (value 256), 9 (value 512) floating (up by chance)"
    )
    assert lines.mask == EVERY & ~(16 + 1 + 512 + 256)


def test_lines_that_only_the_recording_uses_are_suspected_first() -> None:
    sent, seen = np.array([1, 2, 3, 6]), np.array([1, 2, 3, 6, 0x100, 0x203])
    first = next(suspects(sent, seen))
    assert first.floating == (256, 512)
    assert first.mask & 0x300 == 0


def test_a_line_that_the_recording_never_uses_is_suspected_to_be_dead() -> None:
    found = list(suspects(CODES, CODES & ~16))
    assert found[0].dead == (16,)
    masks = [lines.mask for lines in found]
    assert len(set(masks)) == len(masks)


def test_a_guess_that_leaves_one_word_only_is_none() -> None:
    sent = np.array([1, 3])
    assert all(len(np.unique(sent & lines.mask)) > 1 for lines in suspects(sent, np.array([1, 3])))


@given(BIT)
def test_our_events_are_told_apart_without_any_single_line(bit: int) -> None:
    """Every event raises an even number of lines."""
    lines = Lines(dead=(bit,))
    np.testing.assert_array_equal(restored(CODES & ~bit, CODES, lines), CODES)


def test_a_word_that_could_be_two_is_left_as_it_came() -> None:
    np.testing.assert_array_equal(
        restored(np.array([4, 5]), np.array([4, 20]), Lines((16,))), [4, 5]
    )
