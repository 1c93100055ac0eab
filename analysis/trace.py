"""One analog channel of a recording: pieces without gaps, each on the recording's clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Samples without a gap.

    Attributes
    ----------
    start_s : time of the first sample
    period_s : from one sample to the next
    values : in units of the recorder, (n,)
    """

    start_s: float
    period_s: float
    values: NDArray[Any]

    @property
    def stop_s(self) -> float:
        """When the sample after the last would have been."""
        return self.start_s + len(self.values) * self.period_s

    def between(self, start_s: float, stop_s: float) -> tuple[Floats, Floats]:
        """Times and values of the samples in [start, stop)."""
        first, last = (
            int(np.clip(np.ceil((t - self.start_s) / self.period_s), 0, len(self.values)))
            for t in (start_s, stop_s)
        )
        times_s: Floats = self.start_s + np.arange(first, last, dtype=np.float64) * self.period_s
        return times_s, self.values[first:last].astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """A channel.

    Attributes
    ----------
    pieces : ascending in time
    own_clock : whether its times count from its own beginning, not on the recording's clock
    """

    pieces: tuple[Piece, ...]
    own_clock: bool = False

    @property
    def rate_hz(self) -> float:
        """Samples a second."""
        return 1 / float(np.median([piece.period_s for piece in self.pieces]))

    @property
    def gaps(self) -> int:
        """How often samples are missing."""
        return len(self.pieces) - 1


def split_at_gaps(times_s: Floats, values: NDArray[Any], most_periods: float = 1.5) -> Trace:
    """A trace from samples with their times: a gap is a step of more than so many periods.

    Parameters
    ----------
    times_s : ascending, at least two
    """
    period_s = float(np.median(np.diff(times_s)))
    breaks = np.flatnonzero(np.diff(times_s) > most_periods * period_s) + 1
    bounds: Sequence[int] = [0, *breaks.tolist(), len(times_s)]
    pieces = [
        Piece(float(times_s[a]), _period_s(times_s[a:b], period_s), values[a:b])
        for a, b in zip(bounds, bounds[1:], strict=False)
    ]
    return Trace(tuple(pieces))


def _period_s(times_s: Floats, usual_s: float) -> float:
    if len(times_s) < 2:
        return usual_s
    return float((times_s[-1] - times_s[0]) / (len(times_s) - 1))
