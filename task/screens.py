"""Where things stand on the screens of both tasks, in degrees of visual angle.

Screens are values: whoever draws them, a window or a page, draws the same.
"""

import random
from collections.abc import Sequence

from task.contract.catalog import Catalog
from task.order import shuffled
from task.plan import (
    BLANK,
    CountdownItem,
    Item,
    PictureItem,
    Screen,
    SoundItem,
    TextItem,
    ToneItem,
)
from task.protocol import Protocol

FIXATION = "+"
START_TONE = ToneItem(660.0, 0.15)
END_TONE = ToneItem(1320.0, 0.15)
_SCALE_STEP_DEG = 2.4
_CHOICE_DEG = 5.0
_GAP_DEG = 0.4
_LINE = 1.2  # height of a line with its ascenders and descenders, in line heights
_BETWEEN = 0.5  # from one line to the next


def fixation(protocol: Protocol) -> Screen:
    """An empty screen, with a cross if the protocol says so."""
    return (TextItem(FIXATION, 0.6),) if protocol.look.fixation else BLANK


def only_fixation(screen: Screen) -> bool:
    """Whether nothing else is to be seen."""
    return all(
        isinstance(item, ToneItem | SoundItem)
        or (isinstance(item, TextItem) and item.text == FIXATION)
        for item in screen
    )


def picture(protocol: Protocol, item: str) -> Screen:
    """A picture, alone."""
    return (PictureItem(item, protocol.look.picture_deg),)


def text(protocol: Protocol, words: str, *, countdown: bool = False) -> Screen:
    """Words, and the seconds that are left."""
    height = protocol.look.text_deg
    shown: tuple[Item, ...] = (TextItem(words, height),)
    if countdown:
        below = block_deg(words, height) / 2 + _GAP_DEG + block_deg("0:00", height) / 2
        shown += (CountdownItem(height, y_deg=-below),)
    return shown


def cue(protocol: Protocol, catalog: Catalog, item: str, tone: ToneItem) -> Screen:
    """What tells which item to imagine: its word, a miniature, its tone, its sound."""
    task, look = protocol.imagery, protocol.look
    assert task
    word, miniature = cue_word(protocol, catalog, item), look.picture_deg / 3
    height = look.text_deg * 1.5
    # Picture above word, the two of them centred.
    apart = {"word", "picture"} <= set(task.cue)
    up = (block_deg(word, height) + _GAP_DEG) / 2 if apart else 0.0
    down = (miniature + _GAP_DEG) / 2 if apart else 0.0
    shown: list[Item] = []
    if "picture" in task.cue:
        shown.append(PictureItem(item, miniature, y_deg=up))
    if "word" in task.cue:
        shown.append(TextItem(word, height, y_deg=-down))
    if "tone" in task.cue:
        shown.append(tone)
    if "sound" in task.cue:
        shown.append(SoundItem(task.sounds[item]))
    return tuple(shown)


def block_deg(words: str, height_deg: float) -> float:
    """Height of lines of text, degrees."""
    lines = words.count("\n") + 1
    return height_deg * (lines * _LINE + (lines - 1) * _BETWEEN)


def cue_word(protocol: Protocol, catalog: Catalog, item: str) -> str:
    """What an item is called in cues."""
    task, picture = protocol.imagery, catalog.pictures.get(item)
    assert task
    names = picture.names if picture else {}
    return task.words.get(item, names.get(protocol.language, item))


def lesson(protocol: Protocol, catalog: Catalog, item: str, tone: ToneItem) -> Screen:
    """Which tone means an item."""
    look = protocol.look
    return (
        TextItem(protocol.texts.tones, look.text_deg, y_deg=look.picture_deg / 2 + 1.2),
        PictureItem(item, look.picture_deg / 1.5),
        TextItem(
            cue_word(protocol, catalog, item), look.text_deg, y_deg=-look.picture_deg / 2 - 0.8
        ),
        tone,
    )


def scale(protocol: Protocol, question: str, numbers: Sequence[str], low: str, high: str) -> Screen:
    """A question above a row of numbers, with words under its ends."""
    height = protocol.look.text_deg
    step = min(_SCALE_STEP_DEG, 20.0 / len(numbers))
    end = (len(numbers) - 1) / 2 * step
    row = [TextItem(number, height * 1.4, x_deg=n * step - end) for n, number in enumerate(numbers)]
    ends = [
        TextItem(words, height * 0.75, x_deg=x, y_deg=-1.8)
        for words, x in ((low, -end), (high, end))
        if words
    ]
    return (_question(question, height, 3), *row, *ends)


def yes_or_no(protocol: Protocol, question: str) -> Screen:
    """A question to be answered yes or no."""
    return (_question(question, protocol.look.text_deg, 1.2), *_yes_no(protocol, -1.6))


def choice(protocol: Protocol, question: str, pictures: tuple[str, str]) -> Screen:
    """Which of two pictures: 1 on the left, 2 on the right."""
    height = protocol.look.text_deg
    size = min(protocol.look.picture_deg, _CHOICE_DEG)
    shown: list[Item] = [_question(question, height, size / 2 + 2)]
    for number, (item, x) in enumerate(zip(pictures, (-4.0, 4.0), strict=True), start=1):
        shown.append(PictureItem(item, size, x_deg=x))
        shown.append(TextItem(str(number), height * 1.4, x_deg=x, y_deg=-size / 2 - 1.5))
    return tuple(shown)


def search(protocol: Protocol, target: bool, rng: random.Random) -> Screen:
    """A T among Ls, every letter turned at random: found only by looking at one after another."""
    height = protocol.look.text_deg
    cells = shuffled([(x, y) for x in range(-3, 4) for y in range(-2, 3)], rng)[:20]
    letters = ["T" if target and n == 0 else "L" for n in range(len(cells))]
    shown = [
        TextItem(
            letter,
            height,
            x_deg=1.7 * x + 0.5 * (rng.random() - 0.5),
            y_deg=1.6 * y - 0.6 + 0.4 * (rng.random() - 0.5),
            turn_deg=90.0 * int(4 * rng.random()),
        )
        for letter, (x, y) in zip(letters, cells, strict=True)
    ]
    question = TextItem(protocol.texts.search, height, y_deg=4.9)
    return (question, *shown, *_yes_no(protocol, -5.8))


def _question(words: str, height_deg: float, y_deg: float) -> TextItem:
    """A line at a height; more lines grow upwards, away from what answers them."""
    more = block_deg(words, height_deg) - block_deg("", height_deg)
    return TextItem(words, height_deg, y_deg=y_deg + more / 2)


def _yes_no(protocol: Protocol, y_deg: float) -> tuple[TextItem, TextItem]:
    height = protocol.look.text_deg
    return (
        TextItem(protocol.texts.yes, height, x_deg=-3, y_deg=y_deg),
        TextItem(protocol.texts.no, height, x_deg=3, y_deg=y_deg),
    )
