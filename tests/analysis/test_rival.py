"""Other clocks that explain a log as well: the whole of it, or a stretch."""

import numpy as np
import pandas as pd

from analysis.nearby import nearest
from analysis.rival import clear_lead, in_doubt
from analysis.voting import Words, words_of

PERIOD_S, TOLERANCE_S = 0.4, 0.003


def test_a_lead_must_exceed_what_lost_words_make_of_two_equal_clocks() -> None:
    assert clear_lead(100, 80, 100)
    assert not clear_lead(100, 81, 100)
    assert not clear_lead(60, 41, 60)
    assert clear_lead(700, 556, 1200) and not clear_lead(60, 20, 125)


def stream(words: pd.DataFrame) -> Words:
    return words_of(words, False, 0xFFFF)


def wrong_by_a_period(seed: int) -> tuple[Words, Words, np.ndarray]:
    """Rows 0 to 99 are expected a period early; six of ten pictures in a row are of one code."""
    rng = np.random.default_rng(seed)
    code = np.cumsum(rng.random(300) < 0.4) % 3 + 1
    true_s = 10 + PERIOD_S * np.arange(300.0)
    expected_s = true_s - np.where(np.arange(300) < 100, PERIOD_S, 0.0)
    table = {"time_s": true_s, "code": code}
    log, words = stream(pd.DataFrame(table)), stream(pd.DataFrame(table))
    return log, words, expected_s


def test_a_stretch_on_the_wrong_side_of_a_hidden_jump_is_in_doubt() -> None:
    log, words, expected_s = wrong_by_a_period(1)
    word = nearest(log.code, expected_s, words, TOLERANCE_S)
    assert 40 < (word[:100] >= 0).sum() < 80
    doubtful = in_doubt(log, words, word, expected_s, TOLERANCE_S)
    assert doubtful[:100].all()
    assert not doubtful[150:].any()


def test_neither_lost_stretches_nor_storms_are() -> None:
    log, words, _ = wrong_by_a_period(2)
    kept = words[np.r_[0:20, 80:300]]
    word = nearest(log.code, log.time_s, kept, TOLERANCE_S)
    assert not in_doubt(log, kept, word, log.time_s, TOLERANCE_S).any()
    rng = np.random.default_rng(3)
    storm = pd.DataFrame({"time_s": rng.uniform(10, 60, 400), "code": rng.integers(1, 4, 400)})
    table = pd.DataFrame({"time_s": words.time_s, "code": words.code})
    stormy = stream(pd.concat([table, storm]).sort_values("time_s", ignore_index=True))
    word = nearest(log.code, log.time_s, stormy, TOLERANCE_S)
    assert not in_doubt(log, stormy, word, log.time_s, TOLERANCE_S).any()
