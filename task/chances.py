"""Where the random choices of a plan come from."""

import random
from typing import NamedTuple

from task.protocol import Seeds


class Chances(NamedTuple):
    """Random numbers for the choice of pictures, for orders, and for questions.

    All of one seed unless some have a seed of their own: then two sessions can share the pictures,
    say, and differ in all else.
    """

    pictures: random.Random
    order: random.Random
    questions: random.Random


def chances_of(seed: int, seeds: Seeds) -> Chances:
    """Random numbers of a session's seed, and of those that the protocol gives for some choices."""
    shared = random.Random(seed)
    own = {"pictures": seeds.pictures, "order": seeds.order, "questions": seeds.questions}
    return Chances(
        # Equal seeds of two choices must not make one follow from the other.
        *(shared if one is None else random.Random(f"{name} {one}") for name, one in own.items())
    )
