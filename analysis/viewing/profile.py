"""What is measured of every unit of a pool while pictures are seen, beside its axis.

Units of different recordings were not recorded together: each is measured in its own trials.  What
a design cannot give (a picture shown once has no halves) is left out, with the reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.responses import Window, trial_rates
from analysis.viewing.latency import latencies
from analysis.viewing.responsive import LEAST_TRIALS, responsive_units
from analysis.viewing.tuning import (
    category_selectivity_by_pictures,
    picture_selectivity,
    reliability,
    sparseness,
)
from task.contract.errors import AnalysisError

Trains = Mapping[str, NDArray[np.floating]]
APART_S = 1e4  # between recordings with clocks of their own, laid one after another


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """Pictures shown while some units were recorded.

    Attributes
    ----------
    spikes : ascending spike times of every unit, s
    onsets_s, images, blocks : of each trial, (n_trials,)
    """

    spikes: Trains
    onsets_s: NDArray[np.float64]
    images: tuple[str, ...]
    blocks: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """Measures of units.

    Attributes
    ----------
    units : one row per unit: `responsive_p`, `responsive_q`, `responsive_from_s`,
        `responsive_to_s`, `direction`; `latency_s`, `latency_low_s`, `latency_high_s`,
        `latency_share` of its trials used; `reliability_rho` with `_low`, `_high`, and
        `reliability` of the mean of all trials; `sparseness`; `pictures_p`, `_q`, of telling any
        pictures apart; `category_pictures_p`, `_q`,
        `category_omega2`, `best_category`.  NaN where a unit cannot be measured
    absent : what could not be measured at all, and why
    """

    units: pd.DataFrame
    absent: tuple[str, ...]


def joined(parts: Sequence[Shown]) -> Shown:
    """Several recordings of the same units as one; units that one of them lacks are left out."""
    names = [name for name in parts[0].spikes if all(name in part.spikes for part in parts)]
    starts = APART_S * np.arange(len(parts)) - [_first_s(part) for part in parts]
    starts += np.concatenate([[0.0], np.cumsum([_length_s(part) for part in parts])[:-1]])
    spikes = {
        name: np.concatenate([p.spikes[name] + s for p, s in zip(parts, starts, strict=True)])
        for name in names
    }
    onsets = np.concatenate([p.onsets_s + s for p, s in zip(parts, starts, strict=True)])
    images = tuple(image for part in parts for image in part.images)
    blocks = tuple((n, block) for n, part in enumerate(parts) for block in part.blocks)
    return Shown(spikes, onsets, images, blocks)


def _first_s(shown: Shown) -> float:
    ends = [float(train[0]) for train in shown.spikes.values() if len(train)]
    return min([float(shown.onsets_s.min()), *ends])


def _length_s(shown: Shown) -> float:
    ends = [float(train[-1]) for train in shown.spikes.values() if len(train)]
    return max([float(shown.onsets_s.max()), *ends]) - _first_s(shown)


def profile(
    recordings: Sequence[Shown],
    window_s: Window,
    categories: pd.Series | None,
    seed: int = 0,
) -> Profile:
    """Measure the units of every recording of a pool.

    Parameters
    ----------
    recordings : with different units each
    window_s : in which rates are counted, relative to the onset
    categories : of each picture, if known
    """
    parts, absent = [], dict[str, None]()
    for shown in recordings:
        rates = trial_rates(shown.spikes, shown.onsets_s, shown.images, window_s)
        tables = []
        for name, measure in _MEASURES.items():
            if categories is None and measure is _categories:
                continue
            try:
                tables.append(measure(shown, rates, categories, seed))
            except AnalysisError as reason:
                absent[f"{name}: {reason}"] = None
        parts.append(pd.concat(tables, axis=1))
    return Profile(pd.concat(parts), tuple(absent))


def _responsive(
    shown: Shown, rates: pd.DataFrame, categories: pd.Series | None, seed: int
) -> pd.DataFrame:
    groups = None if categories is None else categories.loc[list(shown.images)]
    if groups is not None and groups.value_counts().min() < LEAST_TRIALS:
        groups = None  # all trials together still are enough
    found = responsive_units(
        shown.spikes, shown.onsets_s, None if groups is None else groups.tolist(), seed=seed
    ).units
    return found[["p", "q", "start_s", "stop_s", "direction"]].rename(
        columns={
            "p": "responsive_p",
            "q": "responsive_q",
            "start_s": "responsive_from_s",
            "stop_s": "responsive_to_s",
        }
    )


def _latency(
    shown: Shown, rates: pd.DataFrame, categories: pd.Series | None, seed: int
) -> pd.DataFrame:
    again = pd.Series(shown.images).value_counts().min() > 1
    found = latencies(shown.spikes, shown.onsets_s, shown.images if again else None, seed=seed)
    return found[["latency_s", "low_s", "high_s", "share"]].rename(
        columns={"low_s": "latency_low_s", "high_s": "latency_high_s", "share": "latency_share"}
    )


def _reliability(
    shown: Shown, rates: pd.DataFrame, categories: pd.Series | None, seed: int
) -> pd.DataFrame:
    found = reliability(rates, seed=seed)
    return found.rename(
        columns=lambda name: f"reliability_{name}" if name != "reliability" else name
    )


def _sparseness(
    shown: Shown, rates: pd.DataFrame, categories: pd.Series | None, seed: int
) -> pd.DataFrame:
    return sparseness(rates.groupby(level=0).mean()).to_frame("sparseness")


def _pictures(
    shown: Shown, rates: pd.DataFrame, categories: pd.Series | None, seed: int
) -> pd.DataFrame:
    found = picture_selectivity(rates, shown.blocks, seed=seed)
    return found[["p", "q"]].rename(columns=lambda name: f"pictures_{name}")


def _categories(
    shown: Shown, rates: pd.DataFrame, categories: pd.Series | None, seed: int
) -> pd.DataFrame:
    assert categories is not None
    found = category_selectivity_by_pictures(rates, categories, shown.blocks, seed=seed)
    return found[["p", "q", "omega2", "best"]].rename(
        columns={
            "p": "category_pictures_p",
            "q": "category_pictures_q",
            "omega2": "category_omega2",
            "best": "best_category",
        }
    )


_MEASURES = {
    "response": _responsive,
    "latency": _latency,
    "reliability": _reliability,
    "sparseness": _sparseness,
    "selectivity": _pictures,
    "categories": _categories,
}
