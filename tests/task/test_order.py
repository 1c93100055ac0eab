"""Orders of pictures and pairs of items: what each promises; nothing allowed is left out."""

import random
from collections import Counter
from itertools import groupby, pairwise, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task.order import (
    Unorderable,
    alternate,
    blocked,
    cyclic_pairs,
    kept_apart,
    shuffled,
    shuffled_repeats,
)

seeds = st.integers(0, 2**64)


@given(st.lists(st.integers(), max_size=30), seeds)
def test_a_shuffled_list_holds_the_same_things(things: list[int], seed: int) -> None:
    assert Counter(shuffled(things, random.Random(seed))) == Counter(things)


def test_every_order_is_equally_likely() -> None:
    rng = random.Random(1)
    counts = Counter(tuple(shuffled("abcd", rng)) for _ in range(24_000))
    assert len(counts) == 24
    assert max(abs(n - 1000) for n in counts.values()) < 4 * 1000**0.5


@given(st.integers(2, 12), st.integers(1, 6), seeds)
def test_each_repeat_shows_everything_once_and_nothing_twice_in_a_row(
    size: int, repeats: int, seed: int
) -> None:
    order = shuffled_repeats(range(size), repeats, random.Random(seed))
    assert len(order) == size * repeats
    for repeat in range(repeats):
        assert sorted(order[repeat * size : (repeat + 1) * size]) == list(range(size))
    assert all(a != b for a, b in pairwise(order))


def test_one_thing_alone_is_repeated() -> None:
    assert shuffled_repeats(["a"], 3, random.Random(0)) == ["a", "a", "a"]


def test_every_order_without_a_neighbour_twice_is_equally_likely() -> None:
    rng = random.Random(2)
    counts = Counter(tuple(shuffled_repeats("abc", 2, rng)) for _ in range(24_000))
    allowed = {a + b for a in permutations("abc") for b in permutations("abc") if a[-1] != b[0]}
    assert set(counts) == allowed and len(allowed) == 24
    assert max(abs(n - 1000) for n in counts.values()) < 4 * 1000**0.5


def test_a_pair_alternates_with_its_first_before() -> None:
    assert alternate(("a", "b"), 3) == ["a", "b", "a", "b", "a", "b"]


@given(st.sampled_from(range(6, 18, 2)), seeds)
def test_each_item_comes_in_two_blocks_apart_with_two_partners_and_leads_once(
    size: int, seed: int
) -> None:
    blocks = cyclic_pairs(range(size), random.Random(seed))
    assert len(blocks) == size
    assert Counter(first for first, _ in blocks) == Counter(range(size))
    assert Counter(second for _, second in blocks) == Counter(range(size))
    assert len({frozenset(pair) for pair in blocks}) == size
    assert all(not set(a) & set(b) for a, b in pairwise(blocks))


@given(st.sampled_from(range(6, 18, 2)), seeds)
def test_each_half_of_the_blocks_holds_every_item(size: int, seed: int) -> None:
    blocks = cyclic_pairs(range(size), random.Random(seed))
    for half in (blocks[: size // 2], blocks[size // 2 :]):
        assert sorted(item for pair in half for item in pair) == list(range(size))


def test_every_pair_of_items_can_meet_in_either_order_and_any_block() -> None:
    rng = random.Random(3)
    seen = {
        (place, pair) for _ in range(3000) for place, pair in enumerate(cyclic_pairs("abcdef", rng))
    }
    assert len(seen) == 6 * 30


@pytest.mark.parametrize("function", [shuffled, cyclic_pairs])
def test_the_same_seed_gives_the_same_order(function) -> None:  # type: ignore[no-untyped-def]
    things = list("abcdefgh")
    assert function(things, random.Random(5)) == function(things, random.Random(5))
    assert function(things, random.Random(5)) != function(things, random.Random(6))


def test_an_order_is_the_same_on_every_machine() -> None:
    # Recorded once: a session must be planned alike by every version of Python.
    assert "".join(shuffled("abcdefgh", random.Random(20260314))) == "fdabgehc"
    pairs = cyclic_pairs("abcdef", random.Random(20260314))
    assert ["".join(pair) for pair in pairs] == ["ec", "fd", "ab", "cf", "da", "be"]


# Orders with rules --------------------------------------------------------------------------------

GROUPS = {n: "abc"[n % 3] for n in range(30)}


def runs_of(order: list[int]) -> int:
    """Longest run of one group."""
    return max(len(list(run)) for _, run in groupby(order, GROUPS.__getitem__))


def nearest(order: list[int]) -> int:
    """Fewest others between two showings of one thing."""
    last: dict[int, int] = {}
    found = len(order)
    for place, thing in enumerate(order):
        if thing in last:
            found = min(found, place - last[thing] - 1)
        last[thing] = place
    return found


@given(size=st.integers(6, 30), repeats=st.integers(1, 5), group_run=st.integers(1, 4), seed=seeds)
def test_an_order_keeps_its_rules_and_every_repeat_its_things(
    size: int, repeats: int, group_run: int, seed: int
) -> None:
    rng = random.Random(seed)
    order: list[int] = []
    for _ in range(repeats):
        fresh = shuffled(range(size), rng)
        order += kept_apart(
            fresh, rng, before=order, apart=size // 3, group_of=GROUPS, group_run=group_run
        )
    assert runs_of(order) <= group_run
    assert nearest(order) >= size // 3
    for n in range(repeats):
        assert sorted(order[n * size : (n + 1) * size]) == list(range(size))


@given(st.lists(st.permutations(range(8)), min_size=1, max_size=4), seeds)
def test_an_order_that_breaks_no_rule_stays_as_it_is(parts: list[list[int]], seed: int) -> None:
    order = [thing for part in parts for thing in part]
    rng = random.Random(seed)
    rules = {"apart": nearest(order), "group_run": runs_of(order)}
    again = kept_apart(order[8:], rng, before=order[:8], group_of=GROUPS, **rules)
    assert again == order[8:]
    assert rng.random() == random.Random(seed).random()


def test_what_may_not_move_is_only_judged() -> None:
    rng = random.Random(1)
    assert kept_apart("abc", rng, before="c", movable=False, apart=2) == ["a", "b", "c"]
    with pytest.raises(Unorderable):
        kept_apart("abc", rng, before="c", movable=False, apart=3)
    assert rng.random() == random.Random(1).random()


def test_many_others_between_two_showings_are_found_soon() -> None:
    rng = random.Random(2)
    order: list[int] = []
    for _ in range(3):
        order += kept_apart(shuffled(range(200), rng), rng, before=order, apart=120)
    assert nearest(order) >= 120


def test_every_order_that_keeps_a_rule_is_found_about_as_often() -> None:
    rng = random.Random(3)
    kept = [p for p in permutations(range(6)) if runs_of(list(p)) == 1]
    counts = Counter(
        tuple(kept_apart(shuffled(range(6), rng), rng, group_of=GROUPS, group_run=1))
        for _ in range(100 * len(kept))
    )
    assert set(counts) == set(kept)
    assert max(counts.values()) < 3 * 100 and min(counts.values()) > 100 / 3


def test_rules_that_no_order_keeps_are_given_up() -> None:
    with pytest.raises(Unorderable) as best:
        kept_apart([0, 3, 6, 1], random.Random(1), group_of=GROUPS, group_run=1)
    assert str(best.value) == "1"


@given(st.integers(3, 30), seeds)
def test_groups_come_as_a_whole(size: int, seed: int) -> None:
    parts = blocked(range(size), random.Random(seed), GROUPS)
    assert [len({GROUPS[thing] for thing in part}) for part in parts] == [1, 1, 1]
    assert sorted(thing for part in parts for thing in part) == list(range(size))


def test_every_order_of_groups_is_equally_likely() -> None:
    rng = random.Random(5)
    counts = Counter(
        tuple(GROUPS[part[0]] for part in blocked(range(3), rng, GROUPS)) for _ in range(6000)
    )
    assert len(counts) == 6 and max(abs(n - 1000) for n in counts.values()) < 4 * 1000**0.5
