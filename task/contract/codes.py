"""Every value that may appear on the eight trigger lines, and how a stream of them is read back.

0 is rest: the state of the lines between codes, never a message.  1-127 are events.  128-255 carry
seven bits of payload and mean something only after a code that announces them.  As in MIDI, a
reader that has lost a byte finds its place again at the next value below 128.

Every event raises an even number of lines.  A single dead or stuck line therefore never turns one
event into another, and the single-line values 1, 2, 4 ... are free for the sweep that opens a run.

    SESSION a b c check      opens every run and every block: 21 random bits name the session
    TRIAL  hi lo check       follows the onset of every presentation: 14 bits number it

A presentation number is never used twice in a session; the log maps it to the plan.  The number
follows the onset, because that costs no time in a fast stream.  What is read between an onset whose
number was lost and the next onset belongs to no presentation: nothing is guessed.

Once used in a recording, a code is never given another meaning.  Retire it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import IntEnum, unique
from typing import NamedTuple

MAX_SESSION = 1 << 21
MAX_PRESENTATION = 1 << 14
_PAYLOAD = 0x80


@unique
class Code(IntEnum):
    """Meaning of each trigger value; the order is that of a session."""

    SESSION = 3
    TRIAL = 5
    RUN_START = 6
    RUN_END = 9
    BLOCK_START = 10
    BLOCK_END = 12
    PRACTICE_START = 15
    PRACTICE_END = 17
    IMAGE_ON = 20
    IMAGE_OFF = 23
    ENCODE_ON = 24
    ENCODE_OFF = 27
    BASELINE_ON = 29
    BASELINE_OFF = 30
    CUE_ON = 33
    IMAGERY_ON = 34
    IMAGERY_OFF = 36
    SEARCH_ON = 39
    SEARCH_OFF = 40
    QUESTION_ON = 43
    QUESTION_OFF = 45
    RATING_ON = 46
    RATING_OFF = 48
    TEXT_ON = 51
    TEXT_OFF = 53
    SOUND_ON = 54
    SOUND_OFF = 57
    MOVIE_ON = 58
    MOVIE_OFF = 60
    ANSWER_0 = 63
    ANSWER_1 = 65
    ANSWER_2 = 66
    ANSWER_3 = 68
    ANSWER_4 = 71
    ANSWER_5 = 72
    ANSWER_6 = 75
    ANSWER_7 = 77
    ANSWER_8 = 78
    ANSWER_9 = 80
    NO_ANSWER = 83
    LATE_FRAME = 85
    PAUSE = 86
    RESUME = 89
    SKIP = 90
    REPEAT = 92
    NOTE = 95
    STOP = 96
    GAP = 99
    CONFIDENCE_ON = 101
    CONFIDENCE_OFF = 102
    REST_ON = 105
    REST_OFF = 106


# The pulses of the sweep, in units of the spacing: a Golomb ruler (no two pairs lie equally far
# apart), so that any two pulses found in a recording tell which lines they were.
SWEEP_VALUES = (1, 2, 4, 8, 16, 32, 64, 128)
SWEEP_OFFSETS = (0, 1, 4, 9, 15, 22, 32, 34)

PAYLOAD_LENGTH = {Code.SESSION: 4, Code.TRIAL: 3}
ONSETS = frozenset(
    {
        Code.IMAGE_ON,
        Code.ENCODE_ON,
        Code.BASELINE_ON,
        Code.CUE_ON,
        Code.SEARCH_ON,
        Code.QUESTION_ON,
        Code.TEXT_ON,
        Code.SOUND_ON,
        Code.MOVIE_ON,
        Code.REST_ON,
    }
)
# Answers and the operator's doings: they come when they come, and as often.
RUN_TIME = frozenset(c for c in Code if c.name.startswith("ANSWER_")) | {
    Code.NO_ANSWER,
    Code.LATE_FRAME,
    Code.PAUSE,
    Code.RESUME,
    Code.SKIP,
    Code.REPEAT,
    Code.NOTE,
    Code.STOP,
    Code.GAP,
}
# After these no presentation is under way, until the next onset.
CLOSINGS = frozenset(
    {
        Code.RUN_START,
        Code.RUN_END,
        Code.BLOCK_START,
        Code.BLOCK_END,
        Code.PRACTICE_START,
        Code.PRACTICE_END,
        Code.PAUSE,
        Code.RESUME,
        Code.STOP,
        Code.GAP,
    }
)
CODE_TABLE: Mapping[str, int] = {code.name: int(code) for code in Code}


class Label(NamedTuple):
    """One event read back from the lines.

    Attributes
    ----------
    position : where it stood in the stream
    code : its value
    session : the session that was announced last, None where that was lost
    presentation : the presentation under way, None where there is none or its number was lost
    """

    position: int
    code: int
    session: int | None
    presentation: int | None


def announce_session(session: int) -> tuple[int, ...]:
    """Values that name a session.

    Raises
    ------
    ValueError
        If `session` does not fit into 21 bits.
    """
    if not 0 <= session < MAX_SESSION:
        raise ValueError(f"session {session} is not in 0..{MAX_SESSION - 1}")
    payload = (session >> 14, session >> 7 & 0x7F, session & 0x7F)
    return (Code.SESSION, *(_PAYLOAD | p for p in (*payload, _crc7(payload))))


def announce_presentation(session: int, presentation: int) -> tuple[int, ...]:
    """Values that number a presentation; the check depends on the session too.

    Raises
    ------
    ValueError
        If `presentation` does not fit into 14 bits.
    """
    if not 0 <= presentation < MAX_PRESENTATION:
        raise ValueError(f"presentation {presentation} is not in 0..{MAX_PRESENTATION - 1}")
    payload = (presentation >> 7, presentation & 0x7F)
    check = _crc7((*_session_bytes(session), *payload))
    return (Code.TRIAL, *(_PAYLOAD | p for p in (*payload, check)))


def read_labels(values: Iterable[int], session: int | None = None) -> list[Label]:
    """Name the session and the presentation of every event in a stream of trigger values.

    Parameters
    ----------
    values : the stream, without rests
    session : the session, if it is known from elsewhere; otherwise as the stream announces it

    Announcements are no events and are not returned, nor are stray payload bytes.
    """
    labels: list[Label] = []
    presentation: int | None = None
    seen: set[int] = set()  # events of this presentation
    onset_last = False
    for position, code, payload in _messages(values):
        if code == Code.SESSION:
            if payload and _crc7(payload[:3]) == payload[3]:
                session = payload[0] << 14 | payload[1] << 7 | payload[2]
        elif code == Code.TRIAL:
            presentation = _presentation(session, payload)
            if onset_last:  # the number follows its onset at once, or its onset was lost
                labels[-1] = labels[-1]._replace(presentation=presentation)
            else:
                seen = set()
        else:
            if code in ONSETS or code in CLOSINGS or code in seen:
                # Each event comes once in a presentation: again means that a boundary was lost.
                presentation, seen = None, set()
            if code not in RUN_TIME:
                seen.add(code)
            labels.append(Label(position, code, session, presentation))
        onset_last = code in ONSETS
    return labels


def _messages(values: Iterable[int]) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    """Position, code and payload of every code; the payload is empty where some of it was lost."""
    announced: tuple[int, int] | None = None
    payload: tuple[int, ...] = ()
    for position, value in enumerate(values):
        if value >= _PAYLOAD:
            if announced:
                payload += (value & 0x7F,)
                if len(payload) == PAYLOAD_LENGTH[Code(announced[1])]:
                    yield *announced, payload
                    announced = None
            continue
        if announced:
            yield *announced, ()
        announced, payload = None, ()
        if value in PAYLOAD_LENGTH:
            announced = position, value
        else:
            yield position, value, ()
    if announced:
        yield *announced, ()


def _presentation(session: int | None, payload: tuple[int, ...]) -> int | None:
    if session is None or not payload:
        return None
    if payload[2] != _crc7((*_session_bytes(session), *payload[:2])):
        return None
    return payload[0] << 7 | payload[1]


def _session_bytes(session: int) -> tuple[int, int, int]:
    return session >> 14, session >> 7 & 0x7F, session & 0x7F


def _crc7(payload: Sequence[int]) -> int:
    """CRC with polynomial x^7 + x^3 + 1 over seven-bit words; finds every single flipped bit."""
    register = 0x7F
    for word in payload:
        register ^= word
        for _ in range(7):
            register = register << 1 ^ (0x89 if register & 0x40 else 0)
    return register & 0x7F
