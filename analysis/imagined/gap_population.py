"""How much weaker imagery is than viewing, over the units of all sessions together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.imagined.gap import IntensityGap, Parts, offset, speaking
from analysis.imagined.ratio import ratio
from analysis.inference import N_SAMPLED, permutation_p
from analysis.labels import some
from task.contract.errors import AnalysisError

LEAST_PATIENTS = 5  # from whom one can speak of patients


@dataclass(frozen=True, slots=True)
class PopulationGap:
    """Imagery against viewing over all units.

    Attributes
    ----------
    gain, low, high : of all units together, Hz per Hz, and its 95 % interval; each unit weighs as
        much as its viewed rates truly vary over the items
    gap, gap_low, gap_high : 1 - gain
    offset_hz, offset_low, offset_high : imagined rate - gain x viewed rate, mean over units
    slope : the same as `gain` with errors of viewing left in
    reliability : slope / gain
    p : gain above 0, by swaps of items within blocks for all units of a session at once
    units, sessions, patients : how many; no patients where none were named
    drawn : "patients" or "blocks": what the intervals take as sampled
    holds_for : whom they speak of, in words
    """

    gain: float
    low: float
    high: float
    gap: float
    gap_low: float
    gap_high: float
    offset_hz: float
    offset_low: float
    offset_high: float
    slope: float
    reliability: float
    p: float
    units: int
    sessions: int
    patients: int
    drawn: str
    holds_for: str


def population_gap(
    sessions: Sequence[IntensityGap], patients: Sequence[Any] | None = None, seed: int = 0
) -> PopulationGap:
    """Gain and offset of imagery on viewing for the units of all sessions together.

    The sums of all units are put into one ratio, so that no unit need have a gain of its own and
    none is left out because its gain came out badly.

    Parameters
    ----------
    sessions : different sessions, of different units
    patients : of each session; from 5 patients on they are what the interval takes as sampled
    seed : of combinations of swaps

    Raises
    ------
    AnalysisError
        If there is no session, sessions and patients differ in number, sessions rest on different
        views, or viewing does not tell the items apart in all units together.
    """
    _refuse_unlike(sessions, patients)
    whose = list(range(len(sessions))) if patients is None else list(patients)
    n_patients = 0 if patients is None else len(set(whose))
    by_patient = n_patients >= LEAST_PATIENTS
    sums = [_sums(s.parts).assign(session=n) for n, s in enumerate(sessions)]
    blocks = pd.concat(sums).rename_axis("block").reset_index()
    keys = blocks["session"].map(whose.__getitem__) if by_patient else pd.Index(blocks.index)
    drawn = blocks.drop(columns=["session", "block"]).groupby(keys).sum()
    along, size, error = (drawn[[part]].to_numpy() for part in ("along", "size", "error"))
    units = sum(int(speaking(s.parts).sum()) for s in sessions)
    if not (size - error).sum() > 0:
        raise AnalysisError(
            f"population gap: viewing does not tell the items apart in {units} units together"
        )
    shared = sum(float(s.parts.shared[speaking(s.parts)].sum()) for s in sessions)
    gain = ratio(along, size, error, np.array([0.0 if by_patient else shared]))
    imagined, viewed, count = (drawn[[c]].to_numpy() for c in ("imagined", "viewed", "units"))
    level = offset(imagined, viewed, count, gain)
    value, low, high = (float(v[0]) for v in (gain.value, gain.low, gain.high))
    return PopulationGap(
        gain=value,
        low=low,
        high=high,
        gap=1 - value,
        gap_low=1 - high,
        gap_high=1 - low,
        offset_hz=float(level.value[0]),
        offset_low=float(level.low[0]),
        offset_high=float(level.high[0]),
        slope=float(along.sum() / size.sum()),
        reliability=float(1 - error.sum() / size.sum()),
        p=_swap_p([s.parts for s in sessions], seed),
        units=units,
        sessions=len(sessions),
        patients=n_patients,
        drawn="patients" if by_patient else "blocks",
        holds_for=(
            f"patients like these {n_patients}"
            if by_patient
            else f"these {units} units and their items, not for other patients"
        ),
    )


def _refuse_unlike(sessions: Sequence[IntensityGap], patients: Sequence[Any] | None) -> None:
    if not sessions:
        raise AnalysisError("population gap: there is no session of imagery")
    if patients is not None and len(patients) != len(sessions):
        raise AnalysisError(
            f"population gap: {len(sessions)} sessions, but patients for {len(patients)}"
        )
    if len(sources := sorted({s.source for s in sessions})) > 1:
        raise AnalysisError(
            f"population gap: the sessions rest on different views: {some(sources)}"
        )


def _sums(parts: Parts) -> pd.DataFrame:
    """Sums over the units that fired, a row for each block."""
    kept = speaking(parts)
    names = ("along", "size", "error", "imagined", "viewed")
    sums = {name: getattr(parts, name)[:, kept].sum(axis=1) for name in names}
    return pd.DataFrame(sums).assign(units=float(kept.sum()))


def _swap_p(sessions: Sequence[Parts], seed: int) -> float:
    """P of the sum of x y over all units, each session swapped as a whole."""
    total = sum(float(parts.along[:, speaking(parts)].sum()) for parts in sessions)
    sums = [parts.null[:, speaking(parts)].sum(axis=1) for parts in sessions]
    exact = len(sums) == 1 and sessions[0].exact
    if not exact:
        rng = np.random.default_rng(seed)
        sums = [rng.choice(session, N_SAMPLED) for session in sums]
    return float(permutation_p(total, np.sum(sums, axis=0), exact=exact))
