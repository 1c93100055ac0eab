"""The screening session: many pictures shown briefly, now and then a question about the last."""

import random
from collections.abc import Sequence

from task import screens
from task.contract.catalog import Catalog
from task.contract.sessionlog import Kind
from task.contract.settings import KeyPath, did_you_mean
from task.frames import Frames
from task.order import shuffled_repeats
from task.plan import PRACTICE, Block, Step, Trial
from task.protocol import CatchQuestion, Protocol
from task.trials import opening, to_read


def screening_blocks(
    protocol: Protocol,
    catalog: Catalog,
    pictures: Sequence[str],
    rng: random.Random,
    frames: Frames,
    at_once: int | None,
) -> list[Block]:
    """Blocks between breaks.

    Parameters
    ----------
    at_once : most pictures that a block may need at the same time; longer blocks are cut evenly
    """
    task = protocol.screening
    assert task
    order = shuffled_repeats(pictures, task.repeats, rng)
    size = task.break_after or max(1, len(pictures))
    if at_once and min(size, len(pictures)) > at_once:
        size = _even(size, at_once)
    chunks = [order[i : i + size] for i in range(0, len(order), size)]
    asking = _Asking(protocol, catalog, rng)
    blocks = _practice(protocol, catalog, frames)
    for number, chunk in enumerate(chunks):
        trials = [*opening(protocol, frames, number, protocol.texts.screening, task.break_s)]
        for item in chunk:
            trials.append(_view(protocol, item, frames))
            if question := asking.after(item):
                trials.append(_ask(protocol, item, *question, frames))
        blocks.append(Block("screening", tuple(trials)))
    return blocks


def check_questions(
    protocol: Protocol, catalog: Catalog, faults: list[tuple[KeyPath, str]]
) -> None:
    """Find questions about groups and pictures that the set does not have."""
    task = protocol.screening
    groups = {picture.group for picture in catalog.pictures.values()}
    for n, question in enumerate(task.catch.question if task and task.catch else ()):
        named = {
            "yes_groups": (question.yes_groups, groups, "group"),
            "yes_ids": (question.yes_ids, set(catalog.pictures), "picture"),
            "no_ids": (question.no_ids, set(catalog.pictures), "picture"),
            "not_about": (question.not_about, groups | set(catalog.pictures), "picture or group"),
        }
        for key, (names, known, what) in named.items():
            for name in names:
                if name not in known:
                    hint = did_you_mean(name, known)
                    path = ("screening", "catch", "question", n, key)
                    faults.append((path, f"no {what} {name!r} in set {catalog.name!r}{hint}"))


def right_answer(question: CatchQuestion, picture: str, group: str) -> str | None:
    """`yes` or `no`; None where the question is not asked about this picture."""
    if picture in question.not_about or group in question.not_about:
        return None
    if picture in question.yes_ids:
        return "yes"
    return "yes" if group in question.yes_groups and picture not in question.no_ids else "no"


class _Asking:
    """When to ask, and what: distances drawn evenly, yes and no right equally often."""

    def __init__(self, protocol: Protocol, catalog: Catalog, rng: random.Random) -> None:
        task = protocol.screening
        assert task
        self._catch, self._catalog, self._rng = task.catch, catalog, rng
        self._left = self._distance()

    def after(self, picture: str) -> tuple[CatchQuestion, str] | None:
        """The question to ask after a picture, with its right answer, if one is due."""
        self._left -= 1
        shown = self._catalog.pictures.get(picture)
        if not self._catch or self._left > 0 or not shown:
            return None
        wanted = "yes" if self._rng.random() < 0.5 else "no"
        possible = [
            (question, answer)
            for question in self._catch.question
            if (answer := right_answer(question, picture, shown.group))
        ]
        if not possible:  # nothing to ask about this one: ask about the next
            return None
        likely = [pair for pair in possible if pair[1] == wanted] or possible
        self._left = self._distance()
        return likely[int(self._rng.random() * len(likely))]

    def _distance(self) -> int:
        if not self._catch:
            return 0
        fewest, most = self._catch.distance
        return fewest + int(self._rng.random() * (most - fewest + 1))


def _view(protocol: Protocol, item: str, frames: Frames, kind: Kind = Kind.VIEW) -> Trial:
    task = protocol.screening
    assert task
    image = frames(("screening", "image_s"), task.image_s)
    blank = frames(("screening", "blank_s"), task.blank_s)
    return Trial(
        kind,
        (
            Step("IMAGE_ON", screens.picture(protocol, item), image),
            Step("IMAGE_OFF", screens.fixation(protocol), blank),
        ),
        item,
    )


def _ask(
    protocol: Protocol,
    item: str,
    question: CatchQuestion,
    right: str,
    frames: Frames,
    kind: Kind = Kind.QUESTION,
) -> Trial:
    task = protocol.screening
    assert task and task.catch
    shown = screens.yes_or_no(protocol, question.text)
    longest = frames.at_most(task.catch.answer_s)
    after = frames.at_most(task.catch.after_s)
    ask = Step("QUESTION_ON", shown, longest, ("yes", "no"), right)
    return Trial(kind, (ask, Step("QUESTION_OFF", screens.fixation(protocol), after)), item)


def _practice(protocol: Protocol, catalog: Catalog, frames: Frames) -> list[Block]:
    """Pictures of other things, and one question about the last that has a clear answer."""
    practice, task = protocol.practice, protocol.screening
    if not practice:
        return []
    assert task
    texts = protocol.texts
    trials = [*to_read(protocol, frames, texts.practice, texts.text_s)]
    asked = False
    for item in practice.pictures:
        trials.append(_view(protocol, item, frames, Kind.PRACTICE))
        shown = catalog.pictures.get(item)
        for question in task.catch.question if task.catch and shown and not asked else ():
            assert shown
            right = right_answer(question, item, shown.group)
            if right == "yes":
                trials.append(_ask(protocol, item, question, right, frames, Kind.PRACTICE))
                asked = True
                break
    done = to_read(protocol, frames, texts.practice_done, texts.text_s)
    blocks = [Block(PRACTICE, tuple(trials), practice.rounds if asked else 1)]
    return [*blocks, Block("instructions", done)] if done else blocks


def _even(size: int, at_once: int) -> int:
    """The size of equal parts of a block, none longer than `at_once`."""
    parts = -(-size // at_once)
    return -(-size // parts)
