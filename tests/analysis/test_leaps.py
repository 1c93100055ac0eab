"""Jumps by a period of the task, which leave every row a word of its code."""

import numpy as np
import pandas as pd
import pytest

from analysis.align import align
from analysis.leaps import LEAST_S, settle_leaps
from analysis.matching import find_match
from analysis.tick import log_tick
from analysis.voting import Words, words_of
from task.contract.codes import Code
from tests.analysis.streams import FRAME_S, TRUE_S, Recorded, Stream


def blocks(rng: np.random.Generator, count: int = 4, pictures: int = 60) -> Stream:
    """Pictures at a fixed rate, each with a word of its own, in blocks of a person's pace."""
    words: Stream = []
    at = 2.0
    for _ in range(count):
        words.append((at, int(Code.BLOCK_START)))
        at += 1.0
        for _ in range(pictures):
            words += [
                (at, int(Code.IMAGE_ON)),
                (at + 2 * FRAME_S, int(rng.integers(128, 256))),
                (at + 16 * FRAME_S, int(Code.IMAGE_OFF)),
            ]
            at += 24 * FRAME_S
        at += rng.uniform(8, 30)
    return words


def leapt(seed: int, row: int, leap_s: float, **faults: float) -> Recorded:
    rng = np.random.default_rng(seed)
    session = Recorded(blocks(rng), rng, **faults)
    session.sent.loc[row:, "time_s"] += leap_s
    return session


def tables(session: Recorded) -> tuple[Words, Words]:
    log, words = (words_of(t, False, 0xFFFF) for t in (session.sent, session.seen))
    return log, words[np.argsort(words.time_s, kind="stable")]


@pytest.mark.parametrize("periods", [-3, -1, 1, 4])
@pytest.mark.parametrize("row", [60, 270, 450])
def test_a_jump_by_periods_costs_no_wrong_word(periods: int, row: int) -> None:
    session = leapt(1, row, periods * 24 * FRAME_S)
    found = session.align()
    assert session.off_s(found).max() < TRUE_S
    assert found.measured.mean() > 0.99
    assert found.clock.jumps == 1


@pytest.mark.parametrize("seed", range(4))
def test_nor_does_it_where_words_are_lost_and_unsent(seed: int) -> None:
    session = leapt(seed, 315, 24 * FRAME_S, lost=0.1, unsent=0.1)
    found = session.align()
    assert session.off_s(found).max() < TRUE_S
    assert session.recall(found) > 0.7  # where it stays undecided, rows have no word


def test_a_pause_that_nobody_marked_is_no_jump() -> None:
    rng = np.random.default_rng(2)
    session = Recorded(blocks(rng), rng)
    for table in (session.sent, session.seen):
        table.loc[271:, "time_s"] += 0.8
    session.true_s[271:] += 0.8
    log, words = tables(session)
    match = find_match(log, words, log_tick(log.time_s))
    part = np.zeros(len(log), dtype=np.int64)
    assert settle_leaps(log, words, (match.word, part), match.clock, match.tolerance_s) is None
    assert align(session.sent, session.seen).measured.all()


def test_a_late_frame_is_no_jump() -> None:
    assert FRAME_S < LEAST_S
    rng = np.random.default_rng(3)
    session = Recorded(blocks(rng), rng)
    for table in (session.sent, session.seen):
        table.loc[301:, "time_s"] += FRAME_S
    found = session.align()
    assert found.clock.jumps == 0 and found.measured.all()


def test_a_new_run_may_begin_anywhere() -> None:
    session = leapt(4, 362, 24 * FRAME_S)
    run = pd.Series(np.where(np.arange(len(session.sent)) < 362, 1, 2))
    found = align(session.sent.assign(run=run), session.seen)
    assert session.off_s(found).max() < TRUE_S
    assert found.evidence.jumps == 0
