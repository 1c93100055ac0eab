"""The recorder's own clock: it began at another moment, runs at another rate, and stamps late."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Seconds = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Clock:
    """How a recorder tells the time.

    Attributes
    ----------
    offset_s : its reading at time zero of the world it records
    drift_ppm : how much faster it runs, in parts per million
    jitter_s : scale of the error of a stamp: mean of an exponential, SD of a normal distribution
    jitter : its distribution; an exponential one is never early
    """

    offset_s: float = 0.0
    drift_ppm: float = 0.0
    jitter_s: float = 0.0
    jitter: Literal["exponential", "normal"] = "exponential"

    def reading_s(self, times_s: Seconds) -> Seconds:
        """What the clock reads at these times."""
        return self.offset_s + times_s * (1 + self.drift_ppm * 1e-6)

    def stamps_s(
        self, times_s: Seconds, rng: np.random.Generator, not_before_s: float = -np.inf
    ) -> Seconds:
        """Stamps that events at these ascending times are given.

        A recorder writes events as they come, so a stamp is never earlier than the one before it,
        and the first not earlier than `not_before_s`.
        """
        draw = rng.exponential if self.jitter == "exponential" else rng.standard_normal
        error_s = self.jitter_s * draw(size=len(times_s))
        stamps = np.maximum(self.reading_s(times_s) + error_s, not_before_s)
        return np.maximum.accumulate(stamps)
