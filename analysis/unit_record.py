"""What is kept of a unit: spikes trial by trial, rates, response curves, place of the pictures.

All that its figure and its page show, as JSON values.  Made here from the results, and nowhere
else; nothing is tested here.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.axis import (
    axis_weights,
    binned_tuning,
    left_out_orthogonal,
    left_out_projections,
    projections,
)
from analysis.findings import Imagining, Results, Viewing
from analysis.responses import count_spikes
from analysis.unit_trials import (
    Floats,
    Names,
    Places,
    Trials,
    around_onsets,
    group_curves,
    short,
    short_number,
    spikes_around_ms,
    standard_errors,
    trains_of,
)
from task.contract.sessionlog import Kind

VERSION = 1
# Groups of pictures in equal numbers along the axis, for response curves; imagined ones are few.
FIFTHS: Names = ("lowest fifth", "second fifth", "third fifth", "fourth fifth", "highest fifth")
HALVES: Names = ("lower half", "upper half")
UNDIVIDED: Names = ("all pictures",)  # where no axis is known

Record = dict[str, Any]
Rows = Mapping[str, Mapping[str, Any]]  # what the document says of each unit


def unit_records(results: Results, units: Iterable[str]) -> Iterator[Record]:
    """What is kept of some of the units that were tested, one after another.

    Yields
    ------
    `unit`, its name; `about`, its row among the units; `viewing`, the pools in which it was tested,
    the best predicted first; `imagery`, its sessions.

    Seen pictures come in the order of their places on the preferred axis, each on the axis fitted
    without it; imagined ones on the axis fitted without all of them.  Trials name their picture by
    its number in that order, from 0.  Spikes are whole milliseconds after the onset or the cue,
    rounded down.  Null: not known.
    """
    document, wanted = results.document, list(units)
    about = {row["unit"]: row for row in document["units"]}
    seed = document["settings"]["tests"]["seed"]
    pools = [
        _pool(viewing, numbers, wanted, seed)
        for viewing, numbers in zip(results.viewings, document["viewing"], strict=True)
    ]
    sessions = [
        _cued(imagining, numbers, pools)
        for imagining, numbers in zip(results.imaginings, document["imagery"], strict=True)
    ]
    for unit in wanted:
        tested = [pool for pool in pools if unit in pool.preferred]
        best_first = sorted(tested, key=lambda pool: _worse(pool.rows[unit]["axis_r2"]))
        yield {
            "schema": VERSION,
            "unit": unit,
            "study": document["name"],
            "about": dict(about[unit]),
            "viewing": [_seen(pool, unit) for pool in best_first],
            "imagery": [_imagined(cued, unit) for cued in sessions if unit in cued.rows],
        }


def _worse(r2: float | None) -> float:
    return math.inf if r2 is None else -r2


# Viewing -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Pool:
    """A pool, with all that its units share or that is found for all of them at once.

    Attributes
    ----------
    rows : what the document says of its units
    preferred, orthogonal : projections of the pictures, (n_images, n_units)
    """

    viewing: Viewing
    rows: Rows
    preferred: pd.DataFrame
    orthogonal: pd.DataFrame
    window_s: tuple[float, float]
    trials: tuple[Trials, ...]


def _pool(
    viewing: Viewing, numbers: Mapping[str, Any], wanted: Collection[str], seed: int
) -> _Pool:
    units = viewing.fit.r.index.intersection(pd.Index(wanted), sort=False)
    rates, none = viewing.rates[units], pd.DataFrame(index=viewing.rates.index)
    trials = [
        Trials(trains_of(session), viewed["onset_s"].to_numpy(float), viewed["item"].to_numpy())
        for session, run in viewing.members
        for viewed in [run.of(Kind.VIEW)]
    ]
    return _Pool(
        viewing,
        {row["unit"]: row for row in numbers["per_unit"]},
        left_out_projections(rates, viewing.space, seed) if len(units) else none,
        left_out_orthogonal(rates, viewing.space, seed) if len(units) else none,
        tuple(numbers["window_s"]),
        tuple(trials),
    )


def _seen(pool: _Pool, unit: str) -> Record:
    preferred = pool.preferred[unit].sort_values(kind="stable")
    orthogonal, rates = pool.orthogonal[unit], pool.viewing.rates[unit]
    ranked = preferred.index
    parts = _parts(pool, unit)
    number = ranked.get_indexer(pd.Index(np.concatenate([part.item for part in parts])))
    start_s, stop_s = pool.window_s
    long = stop_s >= 1
    around = around_onsets(
        -0.5 if long else -0.2, stop_s + (0.5 if long else 0.2), 50 if long else 20
    )
    return {
        "pool": pool.viewing.pool,
        "numbers": dict(pool.rows[unit]),
        "window_s": [start_s, stop_s],
        "pictures": [str(picture) for picture in ranked],
        "preferred": short(preferred.to_numpy()),
        "orthogonal": short(orthogonal[ranked].to_numpy()),
        "rate_hz": short(rates[ranked].to_numpy()),
        "sem_hz": short(_viewing_errors(pool, unit, ranked)),
        "preferred_r": short_number(preferred.corr(rates[ranked])),
        "orthogonal_r": short_number(orthogonal.corr(rates)),
        "preferred_bins": _bins(preferred, rates),
        "orthogonal_bins": _bins(orthogonal, rates),
        "trials": number.tolist(),
        "around_ms": [around.start_ms, around.stop_ms],
        "spikes_ms": [
            spikes for p in parts for spikes in spikes_around_ms(p.trains[unit], p.onset_s, around)
        ],
        "curves": group_curves(
            parts, unit, around, _groups(preferred, len(FIFTHS))[number], FIFTHS
        ),
    }


def _parts(pool: _Pool, unit: str) -> list[Trials]:
    return [part for part in pool.trials if unit in part.trains]


def _viewing_errors(pool: _Pool, unit: str, pictures: pd.Index) -> Floats:
    """Standard errors of the rates of pictures over their showings."""
    parts = _parts(pool, unit)
    number = pictures.get_indexer(pd.Index(np.concatenate([part.item for part in parts])))
    counts = np.concatenate(
        [count_spikes([p.trains[unit]], p.onset_s, pool.window_s)[:, 0] for p in parts]
    )
    wide_s, mine = pool.window_s[1] - pool.window_s[0], number >= 0
    return standard_errors(counts[mine] / wide_s, number[mine], len(pictures))


def _bins(projection: pd.Series, rates: pd.Series) -> list[dict[str, Any]]:
    known = projection.dropna()
    if known.empty:
        return []
    return [
        {
            "projection": short_number(x),
            "rate_hz": short_number(y),
            "sem_hz": short_number(error),
            "pictures": n,
        }
        for x, y, error, n in binned_tuning(known, rates).itertuples(index=False)
    ]


def _groups(ascending: pd.Series, n_groups: int) -> Places:
    """Group of every picture, in equal groups along the axis; -1 where its place is not known."""
    known = int(ascending.notna().sum())
    groups = np.full(len(ascending), -1)
    groups[:known] = np.arange(known) * n_groups // max(known, 1)
    return groups


# Imagery -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Cued:
    """A session of imagery, with all that its units share or that is found for all at once.

    Attributes
    ----------
    projections : of the imagined pictures on axes fitted without them, (n_items, n_units), NaN for
        those that were not viewed; None where the units were not seen responding
    """

    imagining: Imagining
    rows: Rows
    pool: _Pool | None
    projections: pd.DataFrame | None
    trials: Trials


def _cued(imagining: Imagining, numbers: Mapping[str, Any], pools: Sequence[_Pool]) -> _Cued:
    pool = next((p for p in pools if p.viewing.pool == imagining.pool), None)
    return _Cued(
        imagining,
        {row["unit"]: row for row in numbers["per_unit"]},
        pool,
        None if pool is None else _imagined_projections(imagining, pool.viewing),
        Trials(
            trains_of(imagining.session),
            imagining.cue_s.to_numpy(float),
            imagining.trials.item.to_numpy(),
        ),
    )


def _imagined_projections(imagining: Imagining, viewing: Viewing) -> pd.DataFrame:
    items = pd.Index(imagining.trials.item.unique())
    viewed = items[items.isin(viewing.rates.index)]
    rates = viewing.rates[imagining.trials.during.columns].drop(index=viewed)
    known = projections(axis_weights(rates, viewing.space), viewing.space.at(viewed))
    return known.reindex(items)


def _imagined(cued: _Cued, unit: str) -> Record:
    imagining, part = cued.imagining, cued.trials
    trials, windows = imagining.trials, imagining.windows
    place = _places(cued, unit)
    items = place.index
    number = items.get_indexer(pd.Index(part.item))
    rate = trials.during[unit].groupby(trials.item).mean()[items]
    before, during = windows["before_s"], windows["during_s"]
    around = around_onsets(min(-1.0, before[0]), during[1] + 0.5, 250)
    groups, named = _groups(place, len(HALVES)), HALVES
    if place.isna().all():
        groups, named = np.zeros(len(items), np.intp), UNDIVIDED
    return {
        "session": imagining.session.name,
        "pool": imagining.pool,
        "numbers": dict(cued.rows[unit]),
        "windows_s": {"before": list(before), "during": list(during)},
        "items": [str(item) for item in items],
        "preferred": short(place.to_numpy()),
        "rate_hz": short(rate.to_numpy()),
        "sem_hz": short(standard_errors(trials.during[unit].to_numpy(), number, len(items))),
        **_viewed_items(cued, unit, items),
        "trials": {
            "item": number.tolist(),
            "block": [_plain(block) for block in trials.block],
            "before_hz": short(trials.before[unit].to_numpy()),
            "during_hz": short(trials.during[unit].to_numpy()),
            "vividness": short(imagining.ratings.to_numpy(float)),
        },
        "around_ms": [around.start_ms, around.stop_ms],
        "spikes_ms": spikes_around_ms(part.trains[unit], part.onset_s, around),
        "curves": group_curves([part], unit, around, groups[number], named),
    }


def _places(cued: _Cued, unit: str) -> pd.Series:
    """Imagined pictures on the axis of the unit, ascending; by name where there is none."""
    if cued.projections is None:
        return pd.Series(np.nan, pd.Index(sorted(cued.imagining.trials.item.unique())))
    return cued.projections[unit].sort_values(kind="stable")


def _viewed_items(cued: _Cued, unit: str, items: pd.Index) -> Record:
    """Rates to the imagined pictures when they were seen."""
    if cued.pool is None:
        return {"viewing_hz": None, "viewing_sem_hz": None}
    return {
        "viewing_hz": short(cued.pool.viewing.rates[unit].reindex(items).to_numpy()),
        "viewing_sem_hz": short(_viewing_errors(cued.pool, unit, items)),
    }


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
