"""What a report says of imagery: its numbers as JSON values and its table."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.findings import Imagining, Viewing
from analysis.imagery import ImaginedCode, ViewingCode, population
from analysis.imagined.asked import Asked
from analysis.imagined.asked_numbers import asked_numbers
from analysis.imagined.attainable import attainable
from analysis.imagined.questions import Reactivation
from analysis.imagined.rules import BURST, RANK_SUM, THRESHOLD
from analysis.inference import LEVEL, bootstrap_interval
from analysis.shares import share

RULE_COLUMNS = {
    THRESHOLD: "published_threshold_or_anova",
    RANK_SUM: "published_rank_sum",
    BURST: "published_burst",
}


def imagery_numbers(
    imagining: Imagining, viewings: Sequence[Viewing]
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Numbers of a session's imagery, and a row for every unit."""
    found, trials = imagining.reactivation, imagining.trials
    table = found.units.rename_axis("unit").reset_index()
    table.insert(0, "session", imagining.session.name)
    table.insert(2, "before_hz", trials.before.mean().to_numpy())
    table.insert(3, "during_hz", trials.during.mean().to_numpy())
    per_item = trials.item.value_counts()
    numbers: dict[str, Any] = {
        "session": imagining.session.name,
        "pool": imagining.pool,
        "not_viewed": imagining.not_viewed,
        "items": sorted(map(str, per_item.index)),
        "blocks": int(trials.block.nunique()),
        "trials": len(trials.item),
        "trials_per_item": [int(per_item.min()), int(per_item.max())],
        "windows_s": {name: list(window) for name, window in imagining.windows.items()},
        "units": len(table),
        "reactivated": share(table["reactivated"]),
        "modulated_p05": share(table["p_modulated"] <= 0.05),
        "selective_p05": share(table["p_selective"] <= 0.05),
        "smallest_p": found.smallest_p,
        "units_needed": found.needed,
        "vividness": _ratings(imagining.ratings),
        "during_over_before": float(trials.during.mean().mean() / trials.before.mean().mean()),
    }
    numbers |= asked_numbers(imagining.asked)
    table = table.merge(_of_asked(imagining.asked), left_on="unit", right_index=True, how="left")
    numbers["questions"] = _questions(found)
    reachable = attainable(found, imagining.code, imagining.asked)
    numbers["tests"] = reachable.to_dict("records")
    if imagining.code is not None:
        pool = next(v for v in viewings if v.pool == imagining.pool)
        tuned = set(pool.fit.q.index[pool.fit.q <= LEVEL]) & set(table["unit"])
        numbers["axis_tuned_units"] = len(tuned)
        table["axis_tuned"] = table["unit"].isin(tuned)
        for name, code in _codes(imagining.code).items():
            units = code.units.add_prefix(f"{name}_")
            table = table.merge(units, left_on="unit", right_index=True, how="left")
            numbers[name] = _population(code)
            some = _of_units(code, tuned)
            numbers[f"{name}_tuned"] = _population(some) if some.units["r"].notna().any() else None
    numbers["per_unit"] = table.drop(columns="session").to_dict("records")
    return numbers, table


def _of_asked(asked: Asked) -> pd.DataFrame:
    """What single units have of the questions asked: `kind`, `gain`, and the published rules."""
    parts = []
    if asked.taking_part is not None:
        parts.append(asked.taking_part.units[["kind", "p_imagery_only", "q_imagery_only"]])
    if asked.gap is not None:
        renamed = {"low": "gain_low", "high": "gain_high", "p": "gain_p", "q": "gain_q"}
        columns = ["gain", *renamed, "offset_hz"]
        parts.append(asked.gap.units[columns].rename(columns=renamed))
    if asked.rules is not None:
        parts.append(asked.rules.units.rename(columns=RULE_COLUMNS))
    return pd.concat(parts, axis=1) if parts else pd.DataFrame()


def _questions(found: Reactivation) -> dict[str, Any]:
    """What each question could show, and what all units together answer."""
    units, together = found.units, found.population.to_dict("index")
    return {
        name: {
            "q05": share(units[f"q_{name}"] <= LEVEL),
            **together[name],
        }
        for name in ("modulated", "selective")
    } | {
        "said": found.reach.said,
        "claims": found.reach.claims,
        "order": found.reach.order,
        "leaning": list(map(str, found.reach.leaning)),
        "blocks_without_trend": found.reach.trends,
    }


def _codes(code: ViewingCode) -> dict[str, ImaginedCode]:
    return {"axis": code.axis, "orthogonal": code.orthogonal, "viewing": code.viewing}


def _of_units(code: ImaginedCode, wanted: set[str]) -> ImaginedCode:
    kept = code.units.index.isin(list(wanted))
    return replace(code, units=code.units[kept], null=code.null[:, kept])


def _population(code: ImaginedCode) -> dict[str, Any]:
    """The units of one session as a whole; the interval is for these pictures and this patient."""
    low, high = bootstrap_interval(code.units["r"], np.mean)
    found = population([code])
    return {
        **found,
        "units": int(found["units"]),
        "mean_r_low": low,
        "mean_r_high": high,
        "exchanges": len(code.null),
        "exact": code.exact,
    }


def _ratings(ratings: pd.Series) -> dict[str, Any]:
    given = ratings.dropna()
    return {
        "given": len(given),
        "of": len(ratings),
        "mean": float(given.mean()) if len(given) else None,
        "counts": {f"{rating:g}": int(n) for rating, n in given.groupby(given).size().items()},
    }
