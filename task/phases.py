"""What goes on in a session, in a few words and colours, for whoever draws it.

Colours are those of Okabe and Ito, told apart by the colour-blind too.
"""

from typing import NamedTuple

from task.plan import CountdownItem, Step


class Phase(NamedTuple):
    """What a patient does, and its colour."""

    name: str
    colour: str


READING = Phase("reading", "#8a8a8a")
BREAK = Phase("break", "#4d4d4d")
SEEING = Phase("seeing", "#0072b2")
SEARCHING = Phase("searching", "#f0e442")
RESTING = Phase("baseline, rest", "#56b4e9")
CUE = Phase("cue", "#e69f00")
IMAGINING = Phase("imagining", "#cc79a7")
ANSWERING = Phase("answering", "#009e73")
HEARING = Phase("hearing", "#d55e00")
EMPTY = Phase("empty screen", "#e2e2e2")
PHASES = (
    READING, BREAK, SEEING, SEARCHING, RESTING, CUE, IMAGINING, ANSWERING, HEARING, EMPTY,
)  # fmt: skip

_BEGUN_BY = {
    "TEXT_ON": READING,
    "IMAGE_ON": SEEING,
    "ENCODE_ON": SEEING,
    "MOVIE_ON": SEEING,
    "SEARCH_ON": SEARCHING,
    "BASELINE_ON": RESTING,
    "REST_ON": RESTING,
    "CUE_ON": CUE,
    "IMAGERY_ON": IMAGINING,
    "QUESTION_ON": ANSWERING,
    "RATING_ON": ANSWERING,
    "CONFIDENCE_ON": ANSWERING,
    "SOUND_ON": HEARING,
}


def phase_of(step: Step) -> Phase:
    """What goes on while a step is shown."""
    if any(isinstance(item, CountdownItem) for item in step.screen):
        return BREAK
    return _BEGUN_BY.get(step.code, EMPTY)
