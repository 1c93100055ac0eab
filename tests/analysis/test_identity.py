"""Numbers in a stream: whose they are, and when there are none."""

import pandas as pd

from analysis.identity import identify
from task.contract.codes import (
    MAX_PRESENTATION,
    Code,
    announce_presentation,
    announce_session,
)

SESSION = 12_345


def test_every_word_of_a_presentation_has_its_number() -> None:
    number = SESSION * MAX_PRESENTATION + 7
    stream = [
        *announce_session(SESSION),
        Code.IMAGE_ON,
        0,
        *announce_presentation(SESSION, 7),
        Code.IMAGE_OFF,
    ]
    expected = [None] * 5 + [number, None, *[number] * 5]
    assert identify(stream).astype(object).where(lambda n: n.notna(), None).tolist() == expected
    assert identify(stream, SESSION).equals(identify(stream))


def test_words_of_another_session_have_its_numbers() -> None:
    stream = [*announce_session(77), Code.IMAGE_ON, *announce_presentation(77, 7), Code.IMAGE_OFF]
    expected = [77 * MAX_PRESENTATION + 7] * 6
    assert identify(stream, SESSION).dropna().tolist() == expected
    assert identify(stream).dropna().tolist() == expected


def test_an_announcement_that_was_lost_does_not_leave_words_to_the_session_before() -> None:
    ours = [Code.IMAGE_ON, *announce_presentation(SESSION, 7), Code.IMAGE_OFF]
    stream = pd.Series([*announce_session(77), *ours], index=range(100, 111))
    numbers = identify(stream, SESSION)
    assert numbers.index.equals(stream.index)
    assert numbers.dropna().tolist() == [SESSION * MAX_PRESENTATION + 7] * 6


def test_a_damaged_number_is_none() -> None:
    stream = [Code.IMAGE_ON, *announce_presentation(SESSION, 7), Code.IMAGE_OFF]
    for place in range(2, 5):
        damaged = [*stream]
        damaged[place] ^= 4
        assert identify(damaged, SESSION).isna().all()
