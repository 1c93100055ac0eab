"""The eleven published designs of imagery sessions: which items share which block.

Read from the first author's public analysis code (vwadia/Recall, Apache-2.0) of Wadia et al. 2026,
doi:10.1126/science.adt8343.  Images are numbered as in the study's set of 500; pairs are positions
among the images, from 1, a pair a block, the first always cued first.  That fixed order lets drift
within a block imitate an item's signal, and most designs repeat a pair: hence the warning that goes
with them.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Design(NamedTuple):
    """One session of the study."""

    images: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...]


def _design(images: str, pairs: str) -> Design:
    blocks = (pair.split("-") for pair in pairs.split())
    return Design(tuple(map(int, images.split())), tuple((int(a), int(b)) for a, b in blocks))


DESIGNS: Mapping[str, Design] = {
    "P76_1": _design("12 19 25 123 270 487", "4-5 5-2 4-3 1-6 2-3 1-6"),
    "P76_2": _design("54 129 130 186 270 449", "4-5 5-2 4-3 1-6 3-2 1-6"),
    "P76_3": _design("18 44 45 81 135 181 230 344", "8-3 5-6 4-5 6-7 1-2 1-2 4-3 8-7"),
    "P79_1": _design("9 157 167 200 201 291 422 498", "5-6 7-4 3-7 4-8 1-2 1-2 3-6 5-8"),
    "P79_2": _design("9 12 117 292 360 368 421 492", "4-7 5-6 2-6 5-1 3-7 8-4 8-3 1-2"),
    "P79_3": _design("77 112 160 232 278 345 387 440", "7-2 6-3 1-8 4-1 8-7 2-5 4-5 6-3"),
    "P80_1": _design("17 61 76 114 157 161 177 480", "2-6 3-7 1-5 7-4 8-3 6-4 1-5 8-2"),
    "P80_2": _design("55 88 148 251 256 274 285 365", "2-6 3-7 5-1 4-7 3-8 4-6 1-5 8-2"),
    "P84_1": _design("68 121 243 261 281 308 415 434", "6-2 3-7 1-5 4-7 8-3 4-6 1-5 8-2"),
    "P84_2": _design("52 141 195 223 238 351 399 482", "2-6 3-7 5-1 4-7 8-3 6-4 1-5 2-8"),
    "P85_1": _design("7 11 99 153 201 251 355 486", "2-6 3-7 5-1 7-4 8-3 6-4 1-5 8-2"),
}


def warning(name: str) -> str:
    """What to know about a design before using it."""
    return (
        f"design {name}: the first item of a pair is always cued first, as published; drift within"
        " a block can imitate an item's signal, and items share two blocks with few others; leave"
        " `design` out for a balanced order"
    )
