"""What a check says of one thing, and the worst of several."""

from collections.abc import Iterable
from typing import NamedTuple

from task.contract.lights import Light


class Row(NamedTuple):
    """One line of a summary: its light, what was looked at, what was found."""

    light: Light
    what: str
    said: str


def worst(rows: Iterable[Row]) -> Light:
    """The worst light among rows; green where there are none."""
    order = list(Light)
    return max((row.light for row in rows), key=order.index, default=Light.GREEN)


def green(what: str, said: str) -> Row:
    """A row of a thing that is as it should be."""
    return Row(Light.GREEN, what, said)


def yellow(what: str, said: str) -> Row:
    """A row of a thing to know about."""
    return Row(Light.YELLOW, what, said)


def red(what: str, said: str) -> Row:
    """A row of a loss or a contradiction."""
    return Row(Light.RED, what, said)


def counted(number: int, what: str) -> str:
    """`1 code`, `2 codes`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def times(number: int) -> str:
    """`never`, `once`, `twice`, `3 times`."""
    return {0: "never", 1: "once", 2: "twice"}.get(number, f"{number} times")
