"""Spikes of one unit around the onsets of its trials, as they are kept: times, curves, errors.

JSON values with few digits.  Windows are half-open, as everywhere.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.gather import Session
from analysis.responses import binned_counts

DIGITS = 6  # that are kept of a number

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
Names = tuple[str, ...]
Trains = Mapping[str, NDArray[np.floating]]


@dataclass(frozen=True, slots=True)
class Trials:
    """Trials of one session, with the spike times of all its units."""

    trains: Trains
    onset_s: Floats
    item: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Around:
    """What is kept around every onset: a whole number of bins."""

    start_ms: int
    stop_ms: int
    bin_ms: int

    @property
    def window_s(self) -> tuple[float, float]:
        """Start and end after the onset."""
        return self.start_ms / 1000, self.stop_ms / 1000


def around_onsets(first_s: float, last_s: float, bin_ms: int) -> Around:
    """Whole bins before and after the onset that hold the window."""
    before = math.ceil(-1000 * first_s / bin_ms - 1e-6)
    after = math.ceil(1000 * last_s / bin_ms - 1e-6)
    return Around(-before * bin_ms, after * bin_ms, bin_ms)


def trains_of(session: Session) -> Trains:
    """Spike times of the units of a session, by the name that results give them."""
    names = [f"{session.recording}/{label}" for label in session.units.table.index]
    return dict(zip(names, session.units.spikes_s, strict=True))


def spikes_around_ms(
    train: NDArray[np.floating], onset_s: Floats, around: Around
) -> list[list[int]]:
    """Spikes of every trial, whole milliseconds after its onset, rounded down."""
    borders_s = onset_s[:, None] + np.array(around.window_s)
    first, stop = np.searchsorted(train, borders_s).T
    number = stop - first
    trial = np.repeat(np.arange(len(onset_s)), number)
    ends = np.cumsum(number)
    spike = np.arange(len(trial)) - np.repeat(ends - number, number) + first[trial]
    at_ms = np.floor((train[spike] - onset_s[trial]) * 1000).astype(int)
    flat = np.clip(at_ms, around.start_ms, around.stop_ms - 1).tolist()
    return [flat[stop - n : stop] for stop, n in zip(ends.tolist(), number.tolist(), strict=True)]


def group_curves(
    parts: Sequence[Trials],
    unit: str,
    around: Around,
    groups: Places,
    named: Names,
) -> dict[str, Any]:
    """Mean rate over time of groups of trials, and its standard error over trials.

    Parameters
    ----------
    parts : trials, together those of `groups`
    groups : number of every trial's group; -1: of none
    named : the groups
    """
    counts = np.concatenate(
        [
            binned_counts(
                {unit: part.trains[unit]}, part.onset_s, around.window_s, around.bin_ms / 1000
            ).counts[:, :, 0]
            for part in parts
        ]
    )
    rates_hz = counts * (1000 / around.bin_ms)
    found = []
    for number, name in enumerate(named):
        mine = rates_hz[groups == number]
        if len(mine):
            error = mine.std(axis=0, ddof=1) / math.sqrt(len(mine)) if len(mine) > 1 else None
            found.append(
                {
                    "pictures": name,
                    "trials": len(mine),
                    "rate_hz": short(mine.mean(axis=0)),
                    "sem_hz": None if error is None else short(error),
                }
            )
    return {"start_ms": around.start_ms, "bin_ms": around.bin_ms, "groups": found}


def standard_errors(rates_hz: Floats, number: Places, n_pictures: int) -> Floats:
    """Standard error of the mean rate of every picture over its trials; NaN of a single one."""
    trials = np.bincount(number, minlength=n_pictures).astype(float)
    mean = np.bincount(number, rates_hz, n_pictures) / np.where(trials > 0, trials, np.nan)
    squares = np.bincount(number, (rates_hz - mean[number]) ** 2, n_pictures)
    return np.asarray(np.sqrt(squares / np.where(trials > 1, trials - 1, np.nan) / trials))


def short(values: NDArray[Any]) -> list[float | None]:
    """Numbers with the digits that are kept; None where there is none."""
    numbers = np.asarray(values, dtype=float)
    known = np.isfinite(numbers)
    size = np.where(known & (numbers != 0), np.abs(numbers), 1.0)
    scale = 10.0 ** (DIGITS - 1 - np.floor(np.log10(size)))
    rounded = np.round(np.where(known, numbers, 0.0) * scale) / scale
    return [x if ok else None for x, ok in zip(rounded.tolist(), known.tolist(), strict=True)]


def short_number(value: Any) -> float | None:
    """The same of one number."""
    return short(np.array([value]))[0]
