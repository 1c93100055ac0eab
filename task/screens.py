"""Where things stand on the screens of both tasks, in degrees of visual angle.

Screens are values: whoever draws them, a window or a page, draws the same.
"""

import random
from collections.abc import Sequence
from dataclasses import replace

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
from task.wrapping import width_em, wrapped

FIXATION = "+"
START_TONE = ToneItem(660.0, 0.15)
END_TONE = ToneItem(1320.0, 0.15)
WIDTH_DEG = 18.0  # of everything that is read: fits on a small screen at arm's length
FRAME_DEG = (20.0, 14.0)  # within which everything but a lone picture stands
_LEGIBLE_DEG = 0.4  # what is too wide is not drawn smaller than this; `check` then refuses it
_USUAL_TEXT_DEG = 0.9  # for which the rows of questions stand where they do
_SCALE_STEP_DEG = 2.4
_CHOICE_DEG = 5.0
_GAP_DEG = 0.4
_LINE = 1.2  # height of a line with its ascenders and descenders, in line heights
_BETWEEN = 0.3  # from one line to the next


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
    lines, height = _fitted(words, protocol.look.text_deg)
    shown: tuple[Item, ...] = (TextItem(lines, height),)
    if countdown:
        rows = (lines.count("\n") + 2) / 2 + 1  # an empty line between
        below = (_LINE + _BETWEEN) * height * rows
        shown += (CountdownItem(height, y_deg=-below),)
    return shown


def cue(protocol: Protocol, catalog: Catalog, item: str, tone: ToneItem) -> Screen:
    """What tells which item to imagine: its word, a miniature, its tone, its sound."""
    task, look = protocol.imagery, protocol.look
    assert task
    word, height = _fitted(cue_word(protocol, catalog, item), look.text_deg * 1.5)
    miniature = look.picture_deg / 3
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
        shown.append(SoundItem(task.sounds.get(item, "")))  # none: refused by `check_cues`
    return tuple(shown)


def scale_in(room_deg: tuple[float, float]) -> float:
    """How much smaller screens must be drawn to have room on a screen of this width and height."""
    return min(1.0, *(room / frame for room, frame in zip(room_deg, FRAME_DEG, strict=True)))


def scaled(screen: Screen, factor: float) -> Screen:
    """A screen drawn smaller; a picture alone is a stimulus, and keeps its size."""
    if len(screen) == 1 and isinstance(screen[0], PictureItem):
        return screen
    return tuple(_smaller(item, factor) for item in screen)


def _smaller(item: Item, factor: float) -> Item:
    if isinstance(item, ToneItem | SoundItem):
        return item
    x_deg, y_deg = item.x_deg * factor, item.y_deg * factor
    if isinstance(item, PictureItem):
        return replace(item, width_deg=item.width_deg * factor, x_deg=x_deg, y_deg=y_deg)
    return replace(item, height_deg=item.height_deg * factor, x_deg=x_deg, y_deg=y_deg)


def block_deg(words: str, height_deg: float) -> float:
    """Height of lines of text, degrees."""
    lines = words.count("\n") + 1
    return height_deg * (lines * _LINE + (lines - 1) * _BETWEEN)


def _fitted(words: str, height_deg: float, most_deg: float = WIDTH_DEG) -> tuple[str, float]:
    """Words broken into lines that fit a width, and their height: less where a word is too wide."""
    smaller = _shrunk(height_deg, width_em(wrapped(words, most_deg / height_deg)), most_deg)
    return wrapped(words, most_deg / smaller), smaller


def _shrunk(height_deg: float, wide_em: float, most_deg: float) -> float:
    """Height at which letters fit a width, if they are legible then."""
    if wide_em * height_deg <= most_deg:
        return height_deg
    return max(most_deg / wide_em, min(height_deg, _LEGIBLE_DEG))


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
        _above(protocol.texts.tones, look.text_deg, look.picture_deg / 2 + 1.2),
        PictureItem(item, look.picture_deg / 1.5),
        _below(cue_word(protocol, catalog, item), look.text_deg, -look.picture_deg / 2 - 0.8),
        tone,
    )


def scale(protocol: Protocol, question: str, numbers: Sequence[str], low: str, high: str) -> Screen:
    """A question above a row of numbers, with words under its ends."""
    height, rows = protocol.look.text_deg, _rows(protocol)
    step = min(_SCALE_STEP_DEG, 20.0 / len(numbers))
    end = (len(numbers) - 1) / 2 * step
    row = [TextItem(number, height * 1.4, x_deg=n * step - end) for n, number in enumerate(numbers)]
    ends = [
        _under_an_end(words, height * 0.75, x, -1.8 * rows)
        for words, x in ((low, -end), (high, end))
        if words
    ]
    return (_above(question, height, 3 * rows), *row, *ends)


def _under_an_end(words: str, height_deg: float, x_deg: float, y_deg: float) -> TextItem:
    """Words under a number, or as near to it as the edge allows, in their half of the screen."""
    shown = _below(words, height_deg, y_deg, WIDTH_DEG / 2 - _GAP_DEG)
    outermost = (WIDTH_DEG - width_em(shown.text) * shown.height_deg) / 2
    return replace(shown, x_deg=max(-outermost, min(x_deg, outermost)))


def yes_or_no(protocol: Protocol, question: str) -> Screen:
    """A question to be answered yes or no."""
    rows = _rows(protocol)
    asked = _above(question, protocol.look.text_deg, 1.2 * rows)
    return (asked, *_yes_no(protocol, -1.6 * rows))


def choice(protocol: Protocol, question: str, pictures: tuple[str, str]) -> Screen:
    """Which of two pictures: 1 on the left, 2 on the right."""
    height = protocol.look.text_deg
    size = min(protocol.look.picture_deg, _CHOICE_DEG)
    shown: list[Item] = [_above(question, height, size / 2 + 2)]
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
    question = _above(protocol.texts.search, height, 4.9)
    return (question, *shown, *_yes_no(protocol, -5.8))


def _rows(protocol: Protocol) -> float:
    """How much farther apart rows stand where letters are larger."""
    return max(1.0, protocol.look.text_deg / _USUAL_TEXT_DEG)


def _above(words: str, height_deg: float, y_deg: float) -> TextItem:
    """A line at a height; more lines grow upwards, away from what stands below."""
    lines, height = _fitted(words, height_deg)
    return TextItem(lines, height, y_deg=y_deg + _more_deg(lines, height) / 2)


def _below(words: str, height_deg: float, y_deg: float, most_deg: float = WIDTH_DEG) -> TextItem:
    """A line at a height; more lines grow downwards."""
    lines, height = _fitted(words, height_deg, most_deg)
    return TextItem(lines, height, y_deg=y_deg - _more_deg(lines, height) / 2)


def _more_deg(lines: str, height_deg: float) -> float:
    """What lines after the first add to the height of a text."""
    return block_deg(lines, height_deg) - block_deg("", height_deg)


def _yes_no(protocol: Protocol, y_deg: float) -> tuple[TextItem, TextItem]:
    """Both words in one size, each in its half of the screen."""
    texts = protocol.texts
    widest_em = max(width_em(texts.yes), width_em(texts.no))
    height = _shrunk(protocol.look.text_deg, widest_em, WIDTH_DEG / 2 - _GAP_DEG)
    x = max(3.0, widest_em * height / 2 + _GAP_DEG)
    return (
        TextItem(texts.yes, height, x_deg=-x, y_deg=y_deg),
        TextItem(texts.no, height, x_deg=x, y_deg=y_deg),
    )
