"""Pictures are read ahead by threads: in order, a bounded number, and faults arrive."""

import threading
import time
from collections.abc import Iterator

import pytest
from PIL import Image

from task.rigs import textures
from task.rigs.textures import Pixels, ahead, pixels, texture_bytes


def test_pixels_are_planes_of_bytes_from_the_top() -> None:
    image = Image.new("RGB", (2, 1), (1, 2, 3))
    image.putpixel((1, 0), (4, 5, 6))
    assert pixels(image) == Pixels(2, 1, (b"\x01\x04", b"\x02\x05", b"\x03\x06"))
    assert pixels(image).bytes == texture_bytes(2, 1, False) == 6
    assert pixels(Image.new("L", (3, 2), 9)) == Pixels(3, 2, (b"\x09" * 6,))
    assert texture_bytes(3, 2, True) == 6


def test_everything_is_made_once_and_comes_in_order() -> None:
    made: list[int] = []

    def make(number: int) -> int:
        time.sleep(0.003 * (number % 3))
        made.append(number)
        return -number

    found = [pair for pair in ahead(range(40), make) if pair]
    assert found == [(n, -n) for n in range(40)]
    assert sorted(made) == list(range(40))
    assert list(ahead([], make)) == []


def test_only_a_few_are_made_ahead_of_what_was_taken() -> None:
    taken = 0
    most = 0

    def numbers() -> Iterator[int]:
        nonlocal most
        for number in range(60):
            most = max(most, number - taken)
            yield number

    for pair in ahead(numbers(), lambda number: number):
        taken += pair is not None
    assert taken == 60 and 1 <= most <= textures._AHEAD


def test_a_slow_one_does_not_hold_the_caller_up() -> None:
    go = threading.Event()
    steps = ahead([1], lambda number: go.wait(10) and number)
    began_s = time.perf_counter()
    assert next(steps) is None and next(steps) is None
    assert time.perf_counter() - began_s < 1.0
    go.set()
    assert [pair for pair in steps if pair] == [(1, 1)]


def test_a_fault_arrives_where_its_turn_is_and_ends_the_rest() -> None:
    def make(number: int) -> int:
        if number == 3:
            raise TimeoutError("a network drive that is gone")
        return number

    taken: list[tuple[int, int]] = []
    with pytest.raises(TimeoutError, match="a network drive that is gone"):
        taken.extend(pair for pair in ahead(range(100), make) if pair)
    # Nothing is left that would read on behind the caller's back.
    assert not any(thread.name.startswith("pictures") for thread in threading.enumerate())


def test_who_stops_half_way_leaves_no_thread() -> None:
    steps = ahead(range(100), lambda number: number)
    next(steps)
    steps.close()  # type: ignore[attr-defined]
    assert not any(thread.name.startswith("pictures") for thread in threading.enumerate())
