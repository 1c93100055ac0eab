"""The screening session: many pictures shown briefly, now and then a question about the last."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise, product

from task import screens
from task.chances import Chances
from task.choosing import drawn, pool_of
from task.contract.catalog import Catalog
from task.contract.sessionlog import Kind
from task.contract.settings import KeyPath
from task.frames import Frames
from task.order import Unorderable, blocked, kept_apart, shuffled, shuffled_repeats
from task.plan import Block, Step, Trial
from task.protocol import CatchQuestion, Faults, Protocol, Screening
from task.trials import opening, practised

Asked = tuple[CatchQuestion, str]  # and its right answer
_TRIES = 30  # of the order of a repeat
_ENOUGH = 30  # repeats of a step or two to fill more than a second


def screening_blocks(
    protocol: Protocol,
    catalog: Catalog,
    chances: Chances,
    frames: Frames,
    at_once: int | None,
    faults: Faults,
) -> list[Block]:
    """Blocks between breaks.

    Parameters
    ----------
    protocol : with ids for pictures
    at_once : most pictures that a block may need at the same time; longer blocks are cut evenly
    """
    parts = parts_of(protocol)
    orders = _orders(parts, catalog, chances, faults)
    asking = _Asking(protocol, catalog, chances.questions)
    blocks = _practice(protocol, catalog, frames)
    started = 0
    for part, order in zip(parts, orders, strict=True):
        own = frames.under(part.path, part.said)
        for chunk in _chunks(part.task, order, at_once):
            blocks.append(_block(part, chunk, asking, own, started))
            started += 1
    return blocks


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a screening: what holds in it.

    Attributes
    ----------
    name : '' where a screening has no parts
    protocol, task : as if all of it were like this part
    path : where its own settings stand, if it has any
    said : the settings that it has itself
    pictures : where its choice of pictures stands
    """

    name: str
    protocol: Protocol
    task: Screening
    path: KeyPath
    said: frozenset[str]
    pictures: KeyPath

    def at(self, key: str) -> KeyPath:
        """Where a setting stands."""
        return (*(self.path if key in self.said else ("screening",)), key)


def parts_of(protocol: Protocol) -> list[Part]:
    """The parts of a screening; all of it, where it has none."""
    task = protocol.screening
    assert task
    if not task.part:
        return [Part("", protocol, task, (), frozenset(), ("pictures",))]
    parts = []
    for n, part in enumerate(task.part):
        said = {key: value for key, value in part if value is not None and key != "name"}
        own = {key: value for key, value in said.items() if key != "pictures"}
        if part.order == "blocked" and part.group_run is None:  # groups come as a whole in it
            own["group_run"] = None
        merged = task.model_copy(update=own)
        whole = protocol.model_copy(
            update={"screening": merged, "pictures": part.pictures or protocol.pictures}
        )
        path: KeyPath = ("screening", "part", n)
        pictures = (*path, "pictures") if part.pictures else ("pictures",)
        parts.append(Part(part.name, whole, merged, path, frozenset(own), pictures))
    return parts


def _orders(
    parts: Sequence[Part], catalog: Catalog, chances: Chances, faults: Faults
) -> list[list[str]]:
    """All showings, part by part; parts with one choice of pictures show the same ones."""
    chosen: dict[KeyPath, list[str]] = {}
    orders: list[list[str]] = []
    for part in parts:
        if part.pictures not in chosen:
            pictures = part.protocol.pictures
            pool = pool_of(pictures, catalog)
            rng = chances.pictures
            chosen[part.pictures] = drawn(pictures, part.pictures, catalog, pool, rng, faults)
        before = [picture for order in orders for picture in order]
        orders.append(
            _order_of(part, chosen[part.pictures], before, catalog, chances.order, faults)
        )
    return orders


def _order_of(
    part: Part,
    pictures: Sequence[str],
    before: Sequence[str],
    catalog: Catalog,
    rng: random.Random,
    faults: Faults,
) -> list[str]:
    """All showings of a part, by its rules; where these cannot be kept, faults and no rules.

    Parameters
    ----------
    before : what earlier parts have shown
    """
    task = part.task
    group_of = {i: catalog.pictures[i].group for i in (*before, *pictures)}
    wrong = list(_impossible(task, pictures, group_of))
    if not wrong:
        try:
            return _by_rules(task, pictures, before, rng, group_of)
        except Unorderable as best:
            key = "group_run" if task.group_run else "apart"
            what = f"no order was found that keeps it: at best {best} places break it; loosen it"
            wrong.append((key, what))
    faults += [(part.at(key), what) for key, what in wrong]
    return list(pictures)


def _by_rules(
    task: Screening,
    pictures: Sequence[str],
    before: Sequence[str],
    rng: random.Random,
    group_of: Mapping[str, str],
) -> list[str]:
    """All showings, repeat by repeat, in an order that keeps the rules.

    Raises
    ------
    Unorderable
        If none is found.
    """
    apart = task.apart if len(pictures) > 1 else 0
    kept = partial(kept_apart, rng=rng, apart=apart, group_of=group_of, group_run=task.group_run)
    shown = list(before)
    fresh = shuffled_repeats(pictures, task.repeats, rng) if task.order == "random" else []
    for repeat in range(task.repeats):
        drawn_now = fresh[repeat * len(pictures) : (repeat + 1) * len(pictures)]
        shown += _repeat(task, pictures, drawn_now, shown, kept, rng, group_of)
    return shown[len(before) :]


def _repeat(
    task: Screening,
    pictures: Sequence[str],
    fresh: Sequence[str],
    shown: list[str],
    kept: Callable[..., list[str]],
    rng: random.Random,
    group_of: Mapping[str, str],
) -> list[str]:
    """One repeat after what was shown; drawn anew as often as may help."""
    if task.order == "fixed":
        return kept(pictures, before=shown, movable=False)
    for left in reversed(range(_TRIES)):
        try:
            if task.order == "random":
                return kept(fresh, before=shown)
            order: list[str] = []
            for group in blocked(pictures, rng, group_of):
                order += kept(group, before=[*shown, *order])
            return order
        except Unorderable:
            if not left:
                raise
            fresh = shuffled(pictures, rng)
    raise AssertionError("never reached")


def _impossible(
    task: Screening, pictures: Sequence[str], group_of: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Rules that no order of these pictures keeps."""
    if task.repeats > 1 and task.apart >= len(pictures) > 1:
        yield (
            "apart",
            f"{task.apart} others between two showings of a picture, of {len(pictures)} pictures;"
            f" at most {len(pictures) - 1}",
        )
    if not task.group_run or not group_of:
        return
    if task.order == "blocked":
        yield "group_run", "says nothing where order is blocked: groups come as a whole"
        return
    group, most = Counter(group_of.values()).most_common(1)[0]
    least = -(-most // (len(pictures) - most + 1))
    if task.group_run < least:
        yield (
            "group_run",
            f"{most} of {len(pictures)} pictures are of group {group!r}: {least} of them must"
            " follow one another somewhere; allow that, or choose other pictures",
        )


def _chunks(task: Screening, order: Sequence[str], at_once: int | None) -> list[Sequence[str]]:
    """What is shown between two breaks."""
    size = task.break_after or max(1, len(set(order)))
    asked = [order[i : i + size] for i in range(0, len(order), size)]
    return [part for chunk in asked for part in _cut(chunk, at_once)]


def _block(
    part: Part, chunk: Sequence[str], asking: "_Asking", frames: Frames, number: int
) -> Block:
    protocol = part.protocol
    trials = [*opening(protocol, frames, number, protocol.texts.screening, part.task.break_s)]
    for item in chunk:
        trials.append(_view(protocol, item, frames))
        if question := asking.after(item):
            trials.append(_ask(protocol, item, *question, frames))
    return Block("screening", tuple(trials), condition=part.name)


def _cut(chunk: Sequence[str], at_once: int | None) -> list[Sequence[str]]:
    """What is between two breaks, in equal parts of at most so many pictures."""
    if not at_once or len(set(chunk)) <= at_once:
        return [chunk]
    parts = -(-len(chunk) // at_once)
    ends = [n * len(chunk) // parts for n in range(parts + 1)]
    return [chunk[start:end] for start, end in pairwise(ends)]


def at_their_quickest(protocol: Protocol, frames: Frames) -> list[Block]:
    """Pictures and questions as close as chance may bring them: for the count of flashes."""
    blocks = []
    for part in parts_of(protocol) if protocol.screening else ():
        if catch := part.task.catch:
            own = frames.under(part.path, part.said)
            view = _view(part.protocol, "", own)
            ask = _ask(part.protocol, "", catch.question[0], "", own)
            blocks += [Block("screening", (view,) * catch.distance[0] + (ask,))] * _ENOUGH
    return blocks


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
