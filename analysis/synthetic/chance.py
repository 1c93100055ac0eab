"""One seed, and from it a stream of random numbers of its own for every use."""

from enum import IntEnum, auto

import numpy as np


class Use(IntEnum):
    """What random numbers are drawn for."""

    UNITS = auto()
    SPIKES = auto()
    STAMPS = auto()
    WAVEFORMS = auto()


def generator(seed: int, use: Use) -> np.random.Generator:
    """Random numbers for one use, independent of those for the others."""
    return np.random.default_rng([seed, use])
