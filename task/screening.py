"""The screening session: many pictures shown briefly, now and then a question about the last."""

import random
from collections.abc import Sequence
from itertools import pairwise, product

from task import screens
from task.contract.catalog import Catalog
from task.contract.sessionlog import Kind
from task.contract.settings import did_you_mean
from task.frames import Frames
from task.order import shuffled_repeats
from task.plan import Block, Step, Trial
from task.protocol import CatchQuestion, Faults, Protocol
from task.trials import opening, practised

Asked = tuple[CatchQuestion, str]  # and its right answer
_ENOUGH = 30  # repeats of a step or two to fill more than a second


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
    asked = [order[i : i + size] for i in range(0, len(order), size)]
    chunks = [part for chunk in asked for part in _cut(chunk, at_once)]
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


def _cut(chunk: Sequence[str], at_once: int | None) -> list[Sequence[str]]:
    """What is between two breaks, in equal parts of at most so many pictures."""
    if not at_once or len(set(chunk)) <= at_once:
        return [chunk]
    parts = -(-len(chunk) // at_once)
    ends = [n * len(chunk) // parts for n in range(parts + 1)]
    return [chunk[start:end] for start, end in pairwise(ends)]


def at_their_quickest(protocol: Protocol, frames: Frames) -> list[Block]:
    """Pictures and questions as close as chance may bring them: for the count of flashes."""
    task = protocol.screening
    if not task or not task.catch:
        return []
    view, ask = _view(protocol, "", frames), _ask(protocol, "", task.catch.question[0], "", frames)
    return [Block("screening", (view,) * task.catch.distance[0] + (ask,))] * _ENOUGH


def check_questions(protocol: Protocol, catalog: Catalog, faults: Faults) -> None:
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

    def after(self, picture: str) -> Asked | None:
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
    image = frames(("screening", "image_s"), task.image_s, first=True)
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
    after = frames(("screening", "catch", "after_s"), task.catch.after_s, rounded=True)
    ask = Step("QUESTION_ON", shown, longest, ("yes", "no"), right)
    return Trial(kind, (ask, Step("QUESTION_OFF", screens.fixation(protocol), after)), item)


def _practice(protocol: Protocol, catalog: Catalog, frames: Frames) -> list[Block]:
    """Pictures of other things; of two a question, one rightly answered yes, the other no."""
    practice = protocol.practice
    if not practice:
        return []
    asked = _to_practise(protocol, catalog)
    trials = []
    for item in practice.pictures:
        trials.append(_view(protocol, item, frames, Kind.PRACTICE))
        if item in asked:
            trials.append(_ask(protocol, item, *asked[item], frames, Kind.PRACTICE))
    return practised(protocol, frames, trials, practice.rounds if asked else 1)


def _to_practise(protocol: Protocol, catalog: Catalog) -> dict[str, Asked]:
    """The questions of practice by the picture that they are about: yes and no, if there are."""
    task, practice = protocol.screening, protocol.practice
    assert task and practice
    known = [i for i in practice.pictures if i in catalog.pictures]
    possible = {
        answer: [
            (item, (question, answer))
            for item in known
            for question in (task.catch.question if task.catch else ())
            if right_answer(question, item, catalog.pictures[item].group) == answer
        ]
        for answer in ("yes", "no")
    }
    for yes, no in product(possible["yes"], possible["no"]):
        if yes[0] != no[0]:
            return dict((yes, no))
    return dict(possible["yes"][:1] or possible["no"][:1])
