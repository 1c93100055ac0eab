"""Which presentation of which session each word of a stream belongs to, where it numbers itself."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from task.contract.codes import MAX_PRESENTATION, Code, announce_presentation, read_labels

Integers = NDArray[np.int64]

NEIGHBOURS = 9  # presentations that are compared
FARTHEST = 64  # that numbers of neighbours lie apart, some lost between


def identify(codes: Sequence[int] | Integers | pd.Series, session: int | None = None) -> pd.Series:
    """Number of the presentation that each word belongs to, for the column `trial`.

    Parameters
    ----------
    codes : the stream, with or without rests
    session : the session, where it is known from its log, though its announcement may be lost

    Returns
    -------
    Series of nullable integers, index as `codes`
        `session * 2**14 + presentation`, so that no two sessions share a number.  An announcement
        has the number that it announces, if it arrived whole.
    """
    values = np.asarray(codes, dtype=np.int64)
    place = np.flatnonzero(values > 0)
    stream = values[place].tolist()
    sessions, presentations = _announced(stream, session)
    if session is not None:
        # Where our announcement was lost, one before it of another session must not hide our words.
        unannounced = [Code.NOTE if word == Code.SESSION else word for word in stream]
        ours = _announced(unannounced, session)[1]
        theirs = (sessions != session) & (presentations >= 0)
        sessions = np.where(theirs, sessions, session)
        presentations = np.where(theirs, np.where(ours >= 0, -1, presentations), ours)
    known = (sessions >= 0) & (presentations >= 0)
    numbers = np.full(len(values), -1)
    numbers[place[known]] = sessions[known] * MAX_PRESENTATION + presentations[known]
    index = codes.index if isinstance(codes, pd.Series) else None
    return pd.Series(numbers, index, dtype="Int64", name="trial").mask(numbers < 0)


def steady(numbers: pd.Series) -> pd.Series:
    """Numbers without those that fit none of their neighbours: damaged, and whole by chance.

    One in 128 announcements that a faulty line spoils passes its check.  Presentations follow each
    other, so a number far from those around it is such a one.
    """
    known = np.flatnonzero(numbers.notna())
    values = numbers.to_numpy(np.int64, na_value=-1)[known]
    first = np.flatnonzero(np.diff(values, prepend=-1) != 0)
    if not len(first):
        return numbers
    middle = median_filter(values[first], NEIGHBOURS, mode="nearest")
    strange = np.abs(values[first] - middle) > FARTHEST
    spoilt = np.repeat(strange, np.diff(np.append(first, len(values))))
    return numbers.mask(np.isin(np.arange(len(numbers)), known[spoilt]))


def _announced(stream: list[int], session: int | None) -> tuple[Integers, Integers]:
    """Session and presentation of every word, -1 where unknown."""
    labels = read_labels(stream, session)
    at = np.array([label.position for label in labels], dtype=np.int64)
    named = [-1 if label.session is None else label.session for label in labels]
    latest = np.searchsorted(at, np.arange(len(stream)), side="right")
    sessions = np.array([-1 if session is None else session, *named])[latest]
    presentations = np.full(len(stream), -1)
    presentations[at] = [-1 if n is None else n for n in (label.presentation for label in labels)]
    for position in np.flatnonzero(np.array(stream) == Code.TRIAL).tolist():
        words, announced = stream[position : position + 4], int(sessions[position])
        if len(words) == 4 and announced >= 0:
            presentation = (words[1] & 0x7F) << 7 | words[2] & 0x7F
            if announce_presentation(announced, presentation) == tuple(words):
                presentations[position : position + 4] = presentation
    return sessions, presentations
