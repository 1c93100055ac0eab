"""Trials that both tasks use: something to read, a rest, a question, and the end."""

from collections.abc import Sequence

from task import screens
from task.contract.sessionlog import Kind
from task.frames import Frames
from task.plan import ANY_KEY, BLANK, PRACTICE, Block, Step, Trial
from task.protocol import Protocol, Question

_ANSWERS = {
    "yes or no": ("yes", "no"),
    "1 to 5": tuple("12345"),
    "1 to 7": tuple("1234567"),
    "0 to 9": tuple("0123456789"),
}


def to_read(
    protocol: Protocol, frames: Frames, words: str, longest_s: float, *, countdown: bool = False
) -> tuple[Trial, ...]:
    """A text until a key is pressed; none where it may take no time."""
    if not longest_s:
        return ()
    shown = screens.text(protocol, words, countdown=countdown)
    read = Step("TEXT_ON", shown, frames.at_most(longest_s), (ANY_KEY,))
    after = Step("TEXT_OFF", screens.fixation(protocol), frames.about(1.0))
    return (Trial(Kind.TEXT, (read, after)),)


def opening(
    protocol: Protocol, frames: Frames, number: int, words: str, break_s: float
) -> tuple[Trial, ...]:
    """What a block opens with: the task's own words before the first, a break before others."""
    if number == 0:
        return to_read(protocol, frames, words, protocol.texts.text_s)
    return to_read(protocol, frames, protocol.texts.pause, break_s, countdown=True)


def practised(
    protocol: Protocol, frames: Frames, trials: Sequence[Trial], rounds: int
) -> list[Block]:
    """Trials that do not count, between a page that says so and one that says that it is over."""
    texts = protocol.texts
    first = to_read(protocol, frames, texts.practice, texts.text_s)
    done = to_read(protocol, frames, texts.practice_done, texts.text_s)
    blocks = [Block(PRACTICE, (*first, *trials), rounds)]
    return [*blocks, Block("instructions", done)] if done else blocks


def before(protocol: Protocol, frames: Frames) -> list[Block]:
    """Pages of instructions, questions, rest."""
    pages = [
        trial
        for page in protocol.texts.instructions
        for trial in to_read(protocol, frames, page, protocol.texts.text_s)
    ]
    blocks = [Block("instructions", tuple(pages))] if pages else []
    return [*blocks, *_asked(protocol, frames, "before"), *_rest(protocol, frames, "before_s")]


def after(protocol: Protocol, frames: Frames) -> list[Block]:
    """Rest, questions, and thanks."""
    words = screens.text(protocol, protocol.texts.end)
    seen = Step("TEXT_ON", words, frames.about(2.0, first=True))
    gone = Step("TEXT_OFF", BLANK, frames.about(0.25))
    end = Block("end", (Trial(Kind.TEXT, (seen, gone)),))
    return [*_rest(protocol, frames, "after_s"), *_asked(protocol, frames, "after"), end]


def _asked(protocol: Protocol, frames: Frames, when: str) -> list[Block]:
    asked = [_question(protocol, frames, q) for q in protocol.questionnaire if q.when == when]
    return [Block("questionnaire", tuple(asked))] if asked else []


def _question(protocol: Protocol, frames: Frames, question: Question) -> Trial:
    answers = _ANSWERS[question.answers]
    if question.answers == "yes or no":
        shown = screens.yes_or_no(protocol, question.text)
    else:
        shown = screens.scale(protocol, question.text, answers, question.low, question.high)
    ask = Step("QUESTION_ON", shown, frames.at_most(question.longest_s), answers)
    gone = Step("QUESTION_OFF", screens.fixation(protocol), frames.about(0.5))
    return Trial(Kind.QUESTION, (ask, gone), question.id)


def _rest(protocol: Protocol, frames: Frames, which: str) -> list[Block]:
    rest_s = protocol.rest.before_s if which == "before_s" else protocol.rest.after_s
    if not rest_s:
        return []
    closed = protocol.rest.eyes == "closed"
    words = protocol.texts.rest_closed if closed else protocol.texts.rest
    opened = to_read(protocol, frames, words, protocol.texts.text_s)
    resting = Trial(
        Kind.REST,
        (
            Step(
                "REST_ON",
                BLANK if closed else screens.fixation(protocol),
                frames(("rest", which), rest_s, first=True),
            ),
            Step("REST_OFF", (screens.END_TONE,) if closed else BLANK, frames.about(1.0)),
        ),
    )
    return [Block("rest", (*opened, resting))]
