"""When, around the cue, imagery follows a quantity known of every item.

In sliding windows the rates of all units are correlated with the quantity, as in
`analysis.imagery.imagined_code`, and averaged over units.  Chance is what swaps of items within
blocks give; each swap is made in all windows at once, so that its largest value over the windows
tells how large the largest window may be by chance (Westfall & Young 1993).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.imagined.blocks import without_trends
from analysis.imagined.onset import Onset, onset
from analysis.imagined.trials import without_block_means
from analysis.inference import LEVEL, N_SAMPLED, SAME, label_swaps, permutation_p
from analysis.labels import refuse_doubles, refuse_gaps, rows_of, some
from analysis.responses import Window, count_spikes
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Course:
    """One session in sliding windows.

    Attributes
    ----------
    windows : start and end relative to the cue, s; start included, end not
    r : Pearson r of every unit, 0 where it is silent, (n_windows, n_units)
    null : sum of `r` over units under every swap, (n_relabellings, n_windows)
    exact : whether these swaps are all
    along, spread : of each block, sum of x y and of y**2, (n_blocks, n_windows, n_units)
    size : of each block, sum of x**2, (n_blocks, n_units)
    untested : units for which the quantity does not vary over the items, or of which none is known
    """

    windows: tuple[Window, ...]
    r: pd.DataFrame
    null: FloatArray
    exact: bool
    along: FloatArray
    spread: FloatArray
    size: FloatArray
    untested: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class PopulationCourse:
    """All sessions together.

    Attributes
    ----------
    windows : one row per window, with the columns `start_s`, `end_s`, `centre_s`; `mean_r` over
        units; `sd`: of `mean_r` under swaps; `band`: below this 95 % of swaps lie in *all* windows;
        `p`: of the window alone; `p_family`: for having looked at all windows (one-sided)
    units : how many
    detected : whether any window has ``p_family <= 0.05``
    onset_s : start of the stretch of constant code that explains the course best
        (`analysis.imagined.onset`); NaN if not detected
    onset_low_s, onset_high_s : its 95 % interval over blocks within sessions; NaN if not detected
    said : the same in words
    """

    windows: pd.DataFrame
    units: int
    detected: bool
    onset_s: float
    onset_low_s: float
    onset_high_s: float
    said: str


def sliding_windows(span_s: Window, width_s: float, step_s: float) -> tuple[Window, ...]:
    """Windows of one width that lie within a span, each a step after the one before.

    Raises
    ------
    AnalysisError
        If width or step is not above 0, or no window fits.
    """
    start, end = span_s
    if not (width_s > 0 and step_s > 0):
        raise AnalysisError(
            f"sliding windows: width {width_s:g} s and step {step_s:g} s must be above 0"
        )
    count = int(np.floor((end - start - width_s) / step_s + 1e-9)) + 1
    if count < 1:
        raise AnalysisError(
            f"sliding windows: none of {width_s:g} s fits between {start:g} and {end:g} s"
        )
    # Rounded, so that a border given in decimals is that border.
    starts = [round(start + n * step_s, 9) for n in range(count)]
    return tuple((at, round(at + width_s, 9)) for at in starts)


def time_course(
    spikes: Mapping[Any, NDArray[np.floating]],
    trials: pd.DataFrame,
    quantity: pd.DataFrame,
    windows: Sequence[Window],
    seed: int = 0,
) -> Course:
    """How the rates of a session follow a quantity, window by window.

    Parameters
    ----------
    spikes : ascending spike times of every unit, s
    trials : one row per cue, in the order of time; `item`, `block`, `onset_s` (of the cue, s)
    quantity : of every item for every unit, (n_items, n_units); projections on the viewing axis, or
        viewing rates.  Units that have none are not tested
    windows : relative to the cue, see `sliding_windows`
    seed : of swaps, where a design has more than 4096

    Raises
    ------
    AnalysisError
        If an item or a unit has no quantity, a unit has it of some items only, no unit can be
        tested, or a window or an onset is no time.
    """
    names = pd.Index(trials["item"].unique())
    known = rows_of(quantity, names, "imagined items")
    if len(missing := pd.Index(list(spikes)).difference(known.columns)):
        raise AnalysisError(f"imagined items: nothing is known for unit {some(missing)}")
    refuse_doubles(known.columns, "units of the quantity")
    known = known[list(spikes)]
    refuse_gaps(known.dropna(axis="columns", how="all"), "imagined items")
    items, blocks = trials["item"].to_numpy(), trials["block"].to_numpy()
    x = without_block_means(known.loc[items].to_numpy(dtype=float), blocks)
    length = np.sqrt((x**2).sum(axis=0))
    tested = length > SAME * known.abs().max().to_numpy(dtype=float)
    if not tested.any():
        raise AnalysisError("time course: the quantity varies over the items for no unit")
    x, length = x[:, tested], length[tested]
    trains = [train for train, kept in zip(spikes.values(), tested, strict=True) if kept]
    swaps = label_swaps(items, blocks, seed)
    of_item = known.to_numpy(dtype=float)[:, tested]
    onsets = trials["onset_s"].to_numpy(dtype=float)
    member = (blocks == pd.unique(blocks)[:, None]).astype(float)
    cell = _cells(items, blocks)
    r, null, along, spread = [], [], [], []
    for window in windows:
        counts = count_spikes(trains, onsets, window).astype(float)
        y = without_trends(counts, items, blocks)
        y = np.where(np.abs(y).max(axis=0) > SAME * counts.max(axis=0), y, 0.0)
        means = cell @ y
        z = _divided(y, length * np.sqrt((means**2).sum(axis=0)))
        r.append((x * z).sum(axis=0))
        pull = z @ of_item.T  # (n_trials, n_items): what each trial adds under each item's name
        null.append(pull[np.arange(len(y)), swaps.rows].sum(axis=1))
        along.append(member @ (x * y))
        spread.append(member @ means**2)
    units = known.columns
    return Course(
        windows=tuple(windows),
        r=pd.DataFrame(np.array(r), columns=units[tested]),
        null=np.array(null).T,
        exact=swaps.exact,
        along=np.stack(along, axis=1),
        spread=np.stack(spread, axis=1),
        size=member @ x**2,
        untested=tuple(units[~tested]),
    )


def population_course(sessions: Sequence[Course], seed: int = 0) -> PopulationCourse:
    """The mean over all units, its null band, and when it begins.

    Parameters
    ----------
    sessions : with the same windows
    seed : of combinations of swaps, and of sign flips beyond 8 blocks

    Raises
    ------
    AnalysisError
        If there is no session, or their windows differ.
    """
    if not sessions or len({s.windows for s in sessions}) > 1:
        raise AnalysisError("time course: sessions with the same windows are needed, at least one")
    rng = np.random.default_rng(seed)
    units = sum(s.r.shape[1] for s in sessions)
    mean = sum((s.r.sum(axis=1).to_numpy() for s in sessions), np.zeros(1)) / units
    exact = len(sessions) == 1 and sessions[0].exact
    sums = [
        s.null if exact else s.null[rng.integers(len(s.null), size=N_SAMPLED)] for s in sessions
    ]
    null = np.sum(sums, axis=0) / units
    sd = np.sqrt((null**2).mean(axis=0))
    largest = _divided(null, sd).max(axis=1)
    table = pd.DataFrame(sessions[0].windows, columns=["start_s", "end_s"])
    table["centre_s"] = table.mean(axis=1)
    table["mean_r"], table["sd"] = mean, sd
    table["band"] = sd * np.quantile(largest, 1 - LEVEL, method="higher")
    table["p"] = permutation_p(mean, null, exact=exact)
    table["p_family"] = permutation_p(_divided(mean, sd), largest[:, None], exact=exact)
    table.loc[sd == 0, ["p", "p_family"]] = np.nan
    detected = bool((table["p_family"] <= LEVEL).any())
    begins = Onset(np.nan, np.nan, np.nan)
    said = "not detected in any window, for having looked at all of them"
    if detected:
        blocks = np.concatenate([_by_block(session) for session in sessions])
        begins = onset(blocks, sessions[0].windows, seed)
        said = (
            f"detected; onset {begins.at_s:.2f} s after the cue"
            f" (95 % {begins.low_s:.2f} to {begins.high_s:.2f} s)"
        )
    return PopulationCourse(table, units, detected, *begins, said)


def _cells(items: NDArray[Any], blocks: NDArray[Any]) -> FloatArray:
    """For each trial the mean over the trials of its item in its block, (n_trials, n_trials)."""
    same = (items[:, None] == items) & (blocks[:, None] == blocks)
    return np.asarray(same / same.sum(axis=1, keepdims=True))


def _by_block(session: Course) -> FloatArray:
    """What each block adds to the course, units on one scale, (n_blocks, n_windows).

    Their scale is the same in all windows: r itself, whose divisor grows with the code, would bend
    a sudden onset.
    """
    scale = np.sqrt(session.size.sum(axis=0) * session.spread.sum(axis=(0, 1)))
    return np.asarray(session.along @ _divided(np.ones_like(scale), scale))


def _divided(above: FloatArray, below: FloatArray) -> FloatArray:
    """The quotient, 0 where the divisor is."""
    return np.asarray(np.where(below > 0, above / np.where(below > 0, below, 1.0), 0.0))
