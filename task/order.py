"""In which order pictures and items come.  Pure, and the same on every machine.

Only `random.Random.random` is used: Python promises its sequence across versions.
"""

import random
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import TypeVar

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
    parts: Sequence[Sequence[_T]],
    rng: random.Random,
    *,
    apart: int = 0,
    group_of: Mapping[_T, str] | None = None,
    group_run: int | None = None,
) -> list[_T]:
    """An order in parts that each keep what they hold, changed only where it breaks a rule.

    What breaks one changes places with something drawn at random of the same part, wherever that
    leaves no more places that break one.

    Parameters
    ----------
    apart : fewest other things between two showings of one
    group_of, group_run : most of one group in a row

    Raises
    ------
    Unorderable
        If no such order is found.
    """
    order = [thing for part in parts for thing in part]
    ends = list(accumulate(len(part) for part in parts))
    rules = _Rules(order, apart, group_of, group_run)
    wrong = rules.broken(range(len(order)))
    for _ in range(_PATIENCE * len(order)):
        if not wrong:
            break
        here = sorted(wrong)[int(rng.random() * len(wrong))]
        part = bisect_right(ends, here)
        there = ends[part] - 1 - int(rng.random() * len(parts[part]))
        near = rules.near(here) | rules.near(there)
        before = wrong & near
        order[here], order[there] = order[there], order[here]
        now = rules.broken(near)
        if len(now) <= len(before):
            wrong = (wrong - near) | now
        else:
            order[here], order[there] = order[there], order[here]
    if wrong:
        raise Unorderable(len(wrong))
    return order


_PATIENCE = 20  # changes tried for each place


class _Rules:
    """Which places of an order break a rule; the order may change under it."""

    def __init__(
        self,
        order: Sequence[_T],
        apart: int,
        group_of: Mapping[_T, str] | None,
        group_run: int | None,
    ) -> None:
        self._order, self._apart = order, apart
        self._group_of, self._run = group_of or {}, group_run

    def near(self, place: int) -> set[int]:
        """Places whose rules a change at one may break or mend."""
        reach = max(self._apart, self._run or 0)
        return set(range(max(0, place - reach), min(len(self._order), place + reach + 1)))

    def broken(self, places: Iterable[int]) -> set[int]:
        """Those of some places that break a rule with what comes before them."""
        return {place for place in places if self._repeats(place) or self._runs(place)}

    def _repeats(self, place: int) -> bool:
        return self._order[place] in self._order[max(0, place - self._apart) : place]

    def _runs(self, place: int) -> bool:
        if self._run is None or place < self._run:
            return False
        run = self._order[place - self._run : place + 1]
        return len({self._group_of[thing] for thing in run}) == 1


def blocked(
    things: Sequence[_T], repeats: int, rng: random.Random, group_of: Mapping[_T, str]
) -> list[list[_T]]:
    """Group after group in every repeat, groups and what is in them in fresh random orders."""
    groups = list(dict.fromkeys(group_of[thing] for thing in things))
    return [
        shuffled([thing for thing in things if group_of[thing] == group], rng)
        for _ in range(repeats)
        for group in shuffled(groups, rng)
    ]
