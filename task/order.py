"""In which order pictures and items come.  Pure, and the same on every machine.

Only `random.Random.random` is used: Python promises its sequence across versions.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, TypeVar

_T = TypeVar("_T")


def shuffled(things: Sequence[_T], rng: random.Random) -> list[_T]:
    """A random order; every order is equally likely."""
    keyed = sorted((rng.random(), n) for n in range(len(things)))
    return [things[n] for _, n in keyed]


def shuffled_repeats(things: Sequence[_T], repeats: int, rng: random.Random) -> list[_T]:
    """Each thing once per repeat, each repeat in a fresh order, none twice in a row.

    Where the last of one repeat would be the first of the next, that one changes places with one
    drawn from the rest of its repeat.
    """
    order: list[_T] = []
    for _ in range(repeats):
        fresh = shuffled(things, rng)
        if order and len(fresh) > 1 and fresh[0] == order[-1]:
            other = 1 + int(rng.random() * (len(fresh) - 1))
            fresh[0], fresh[other] = fresh[other], fresh[0]
        order += fresh
    return order


def alternate(pair: tuple[_T, _T], each: int) -> list[_T]:
    """First, second, first, second ...; `each` times each."""
    return [thing for _ in range(each) for thing in pair]


def cyclic_pairs(items: Sequence[_T], rng: random.Random) -> list[tuple[_T, _T]]:
    """Pairs of items, one pair a block, such that slow drift cannot imitate an item's signal.

    Each item comes in exactly two blocks, never in neighbouring ones, with two different partners,
    and is the first to be cued in exactly one of them.

    Parameters
    ----------
    items : an even number, at least 6

    The first half of the blocks holds every item once, and so does the second.  Item k of a
    random order meets item k + 1 in one half and k - 1 in the other; going round that ring in one
    direction, each item leads once.  Orders of the second half are drawn until no item of the last
    block of the first half is in the first block of the second: a third or more of them will do.
    """
    ring = shuffled(items, rng)
    size = len(ring)
    first = shuffled([(ring[n], ring[n + 1]) for n in range(0, size, 2)], rng)
    second = [(ring[n], ring[(n + 1) % size]) for n in range(1, size, 2)]
    while True:
        second = shuffled(second, rng)
        if not set(first[-1]) & set(second[0]):
            return first + second


class Unorderable(Exception):  # noqa: N818 - turned into a fault by its caller
    """No order was found that keeps its rules; how many places broke one in the best."""


def kept_apart(
    part: Sequence[_T],
    rng: random.Random,
    *,
    before: Sequence[_T] = (),
    movable: bool = True,
    apart: int = 0,
    group_of: Mapping[_T, str] | None = None,
    group_run: int | None = None,
) -> list[_T]:
    """The same things, in their order but where it breaks a rule.

    What breaks one changes places with something drawn at random, wherever that leaves no more
    places that break one.

    Parameters
    ----------
    before : what has been shown, which stays as it is
    movable : whether anything may change places
    apart : fewest other things between two showings of one
    group_of, group_run : most of one group in a row

    Raises
    ------
    Unorderable
        If no such order is found.
    """
    first = len(before)
    rules = _Rules([*before, *part], apart, group_of or {}, group_run)
    wrong = dict.fromkeys(rules.broken(range(first, first + len(part))))
    for _ in range(_PATIENCE * len(part) if movable else 0):
        if not wrong:
            break
        here = list(wrong)[int(rng.random() * len(wrong))]
        there = first + int(rng.random() * len(part))
        near = rules.near(here, there)
        were = sum(place in wrong for place in near)
        rules.swap(here, there)
        near = sorted({*near, *rules.near(here, there)})
        now = [place for place in rules.broken(near) if place >= first]
        if len(now) <= were:
            for place in near:
                wrong.pop(place, None)
            wrong.update(dict.fromkeys(now))
        else:
            rules.swap(here, there)
    if wrong:
        raise Unorderable(len(wrong))
    return rules.order[first:]


_PATIENCE = 20  # changes tried for each place


class _Rules(Generic[_T]):
    """An order, and which of its places break a rule with what comes before them."""

    def __init__(
        self, order: list[_T], apart: int, group_of: Mapping[_T, str], group_run: int | None
    ) -> None:
        self.order, self._apart, self._group_of, self._run = order, apart, group_of, group_run
        self._places: dict[_T, list[int]] = {}
        for place, thing in enumerate(order):
            self._places.setdefault(thing, []).append(place)

    def swap(self, here: int, there: int) -> None:
        """Let two places change what they hold."""
        order, places = self.order, self._places
        if order[here] == order[there]:
            return
        for old, new in ((here, there), (there, here)):
            places[order[old]].remove(old)
            places[order[old]].append(new)
        order[here], order[there] = order[there], order[here]

    def near(self, *places: int) -> list[int]:
        """Places whose rules depend on what some places hold, in order."""
        run = self._run or 0
        reached = {at for place in places for at in range(place, place + run + 1)}
        reached |= {at for place in places for at in self._places[self.order[place]]}
        return sorted(at for at in reached if at < len(self.order))

    def broken(self, places: Iterable[int]) -> list[int]:
        """Those of some places that break a rule."""
        return [place for place in places if self._repeats(place) or self._runs(place)]

    def _repeats(self, place: int) -> bool:
        return any(0 < place - at <= self._apart for at in self._places[self.order[place]])

    def _runs(self, place: int) -> bool:
        if self._run is None or place < self._run:
            return False
        run = self.order[place - self._run : place + 1]
        return len({self._group_of[thing] for thing in run}) == 1


def blocked(things: Sequence[_T], rng: random.Random, group_of: Mapping[_T, str]) -> list[list[_T]]:
    """Group after group, groups and what is in them in random orders."""
    groups = list(dict.fromkeys(group_of[thing] for thing in things))
    return [
        shuffled([thing for thing in things if group_of[thing] == group], rng)
        for group in shuffled(groups, rng)
    ]
