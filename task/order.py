"""In which order pictures and items come.  Pure, and the same on every machine.

Only `random.Random.random` is used: Python promises its sequence across versions.
"""

import random
from collections.abc import Sequence
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
