"""What a report says of viewing: its numbers as JSON values and its tables."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.axis import binned_tuning, left_out_orthogonal, left_out_projections
from analysis.decoding import category_selectivity, decode_categories
from analysis.findings import Pictures, Tuning, Viewing
from analysis.inference import LEVEL
from analysis.shares import by_patient, interval, middle, share
from analysis.study import StudyFile
from analysis.viewing.asked_numbers import asked_numbers, units_asked
from analysis.viewing.comparison import Comparison
from task.contract.sessionlog import Kind

MOST_SHOWN = 8
N_LABEL_SHUFFLES = 20
N_DECODING_SHUFFLES = 199


def viewing_numbers(
    file: StudyFile, viewing: Viewing, patients: pd.Series
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Numbers of a pool, and a row for every tested unit.

    Parameters
    ----------
    patients : of every unit, by its name
    """
    fit, units = viewing.fit, viewing.fit.r.index
    dims = viewing.space.coordinates.shape[1]
    table = pd.DataFrame({"pool": viewing.pool, "unit": units}).set_index("unit", drop=False)
    table = table.assign(
        mean_hz=viewing.rates[units].mean(),
        best_hz=viewing.rates[units].max(),
        axis_r=fit.r,
        axis_p=fit.p,
        axis_q=fit.q,
        axis_r2=fit.r2,
    )
    numbers: dict[str, Any] = {
        "pool": viewing.pool,
        "subjects": int(patients[viewing.rates.columns].nunique()),
        "recordings": len({session.recording for session, _ in viewing.members}),
        "images": len(viewing.rates),
        "presentations": sum(len(run.of(Kind.VIEW)) for _, run in viewing.members),
        "units": viewing.rates.shape[1],
        "units_tested": len(units),
        "untested": [{"unit": unit, "why": why} for unit, why in viewing.untested.items()],
        "window_s": list(file.study.windows.response_s),
        "space": {
            "dims": dims,
            "variance_kept": float(viewing.space.explained.sum()),
        },
        "axis": {
            "p05": share(fit.p <= 0.05),
            "p01": share(fit.p <= 0.01),
            "q05": share(fit.q <= LEVEL),
            "smallest_p": fit.smallest_p,
            "q05_by_patient": by_patient(fit.q <= LEVEL, np.mean, patients),
            "r2_median": float(fit.r2.median()),
            "r2_interval": interval(fit.r2, np.median, patients),
            "r2_above_0": share(fit.r2 > 0),
            "r_median": float(fit.r.median()),
            "chance_r": float(np.sqrt(dims / (len(viewing.rates) - 1))),
            "shuffles": file.study.tests.shuffles,
        },
    }
    if viewing.categories is not None:
        categories = viewing.categories
        selective = category_selectivity(viewing.rates[units], categories)
        table = table.assign(category_f=selective["f"], category_p=selective["p"])
        table["category_q"] = selective["q"]
        numbers["categories"] = sorted(map(str, categories.unique()))
        numbers["selective"] = {
            "p05": share(selective["p"] < 0.05),
            "p001": share(selective["p"] < 0.001),
            "shuffled_p05": _shuffled(viewing.rates[units], categories, file.study.tests.seed),
        }
        numbers["decoding"] = _decoding(viewing.counts, categories, file.study.tests.seed)
    table = table.join(viewing.profile.units).join(units_asked(viewing.asked))
    numbers |= asked_numbers(viewing, patients)
    numbers["responses"] = _responses(table, patients)
    numbers["models"] = [_compared(name, found) for name, found in viewing.models.items()]
    numbers["identification"] = _identification(viewing)
    numbers["absent"] = list(viewing.absent)
    table = table.reset_index(drop=True)
    numbers["per_unit"] = table.drop(columns="pool").to_dict("records")
    return numbers, table


def axes_table(viewing: Viewing) -> pd.DataFrame:
    """Weights of every unit's preferred axis: a row for each unit, a column for each dimension."""
    table: pd.DataFrame = viewing.fit.weights.T.rename_axis("unit").reset_index()
    return table.assign(pool=viewing.pool)


def pictures_table(viewing: Viewing, pictures: Pictures) -> pd.DataFrame:
    """Where every picture lies in object space, and its category."""
    table = viewing.space.coordinates.rename_axis("image").reset_index()
    table.insert(0, "pool", viewing.pool)
    category = None if pictures.categories is None else pictures.categories.reindex(table["image"])
    table.insert(2, "category", "" if category is None else category.to_numpy())
    return table


def confusion_table(numbers: Mapping[str, Any]) -> pd.DataFrame:
    """Pictures of each category by the category that was read; no rows where none was."""
    decoded = numbers.get("decoding")
    found = decoded["confusion"] if decoded else {"categories": [], "pictures": []}
    names = found["categories"]
    rows = [
        (numbers["pool"], category, read, pictures)
        for category, row in zip(names, found["pictures"], strict=True)
        for read, pictures in zip(names, row, strict=True)
    ]
    return pd.DataFrame(rows, columns=["pool", "category", "read", "pictures"])


def untested_table(viewing: Viewing) -> pd.DataFrame:
    """Units that are in no test, and why."""
    rows = [(viewing.pool, unit, why) for unit, why in viewing.untested.items()]
    return pd.DataFrame(rows, columns=["pool", "unit", "why"])


def viewing_summary(
    viewings: Sequence[Viewing], numbers: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """Over all pools; a unit counts once in each pool in which it was tested."""
    if not viewings:
        return None
    p, q = (pd.concat([getattr(v.fit, name) for v in viewings]) for name in ("p", "q"))
    decoded = [pool["decoding"] for pool in numbers if pool.get("decoding")]
    right = [of["accuracy"] for of in decoded]
    return {
        "pools": len(viewings),
        "tests": {"p05": share(p <= 0.05), "q05": share(q <= LEVEL)},
        "decoding": {
            "pools": len(decoded),
            "least": min(right),
            "most": max(right),
            "shuffled_mean": float(np.mean([of["shuffled_mean"] for of in decoded])),
            "p05": sum(of["p"] <= 0.05 for of in decoded),
        }
        if decoded
        else None,
    }


def _decoding(counts: pd.DataFrame, categories: pd.Series, seed: int) -> dict[str, Any] | None:
    """How well the population tells categories, and what labels in random order would give."""
    if (np.ptp(counts.to_numpy(), axis=0) > 0).sum() < 2:
        return None
    decoded = decode_categories(counts, categories, N_DECODING_SHUFFLES, seed)
    right = decoded.predicted == categories.loc[decoded.predicted.index]
    groups = right.groupby(categories)
    return {
        "accuracy": decoded.accuracy,
        "chance": decoded.chance,
        "units": decoded.units,
        "right": share(right),
        "by_category": {str(name): share(of) for name, of in groups},
        "balanced": decoded.balanced,
        "confusion": {
            "categories": [str(name) for name in decoded.confusion.index],
            "pictures": decoded.confusion.to_numpy().tolist(),
        },
        "largest_category": float(categories.value_counts(normalize=True).max()),
        "shuffled_mean": float(decoded.null.mean()),
        "shuffled_most": float(decoded.null.max()),
        "shuffles": N_DECODING_SHUFFLES,
        "p": decoded.p,
    }


def _responses(table: pd.DataFrame, patients: pd.Series) -> dict[str, Any]:
    """When and how units respond; medians of what was measured of them."""
    known = {name: table.get(name) for name in ("latency_s", "sparseness", "reliability")}
    latency_s = known.pop("latency_s")
    known = {"latency_ms": None if latency_s is None else latency_s * 1e3, **known}
    return {
        "responsive": _passed(table, "responsive_q"),
        "tell_pictures": _passed(table, "pictures_q"),
        "tell_categories": _passed(table, "category_pictures_q"),
        **{name: middle(values, patients) for name, values in known.items()},
    }


def _passed(table: pd.DataFrame, column: str) -> dict[str, Any] | None:
    """Share of units at a false-discovery rate; None where it was not tested."""
    return share(table[column] <= LEVEL) if column in table else None


def _compared(name: str, found: Comparison) -> dict[str, Any]:
    """One model against another, over the units that count."""
    first, second = name.split(", ")
    counted = found.units[found.units["counted"]]
    return {
        "first": first,
        "second": second,
        "first_r2": float(counted["first"].median()) if len(counted) else None,
        "second_r2": float(counted["second"].median()) if len(counted) else None,
        "difference": found.difference._asdict(),
        "better": found.better._asdict(),
        "of_ceiling": found.of_ceiling._asdict(),
        "units": len(counted),
        "q05_first": share(found.units["q"].le(LEVEL) & (found.units["difference"] > 0)),
        "q05_second": share(found.units["q"].le(LEVEL) & (found.units["difference"] < 0)),
        "least_ceiling": found.least_ceiling,
        "drawn": found.drawn,
        "untested": len(found.untested),
    }


def _identification(viewing: Viewing) -> dict[str, Any] | None:
    """How well pictures are told from others."""
    found = viewing.identified
    if found is None:
        return None
    return {
        "accuracy": found.accuracy,
        "low": found.low,
        "high": found.high,
        "p": found.p,
        "smallest_p": found.smallest_p,
        "measure": found.measure,
        "units": found.units,
        "curve": found.curve.reset_index().to_dict("records"),
    }


def _shuffled(rates: pd.DataFrame, categories: pd.Series, seed: int) -> float:
    """Share of units that category labels in random order call selective, mean over shuffles."""
    rng = np.random.default_rng(seed)
    shares = []
    for _ in range(N_LABEL_SHUFFLES):
        shuffled = pd.Series(rng.permutation(categories.to_numpy()), categories.index)
        shares.append(float((category_selectivity(rates, shuffled)["p"] < 0.05).mean()))
    return float(np.mean(shares))


def tunings(viewings: Sequence[Viewing], seed: int) -> tuple[Tuning, ...]:
    """Of the units whose rates to left-out pictures are predicted best, each in its best pool."""
    parts = [
        v.fit.r2.rename_axis("unit").reset_index().assign(of=n) for n, v in enumerate(viewings)
    ]
    if not parts:
        return ()
    ranked = pd.concat(parts).dropna().sort_values("r2", ascending=False, kind="stable")
    best = ranked.drop_duplicates("unit").head(MOST_SHOWN)
    found: dict[str, Tuning] = {}
    for n, units in best.groupby("of")["unit"]:
        viewing = viewings[int(n)]
        rates = viewing.rates[units.tolist()]
        preferred = left_out_projections(rates, viewing.space, seed)
        orthogonal = left_out_orthogonal(rates, viewing.space, seed)
        found |= {u: Tuning(u, viewing.pool, preferred[u], orthogonal[u]) for u in units}
    return tuple(found[unit] for unit in best["unit"])


def shown(tunings: Sequence[Tuning], viewings: Sequence[Viewing]) -> dict[str, Any]:
    """The units that are drawn one by one."""
    fits = {viewing.pool: viewing.fit for viewing in viewings}
    return {
        "most": MOST_SHOWN,
        "axis_tuned": int(sum(fits[t.pool].q[t.unit] <= LEVEL for t in tunings)),
        "units": [_shown_numbers(tuning, viewings) for tuning in tunings],
    }


def _shown_numbers(tuning: Tuning, viewings: Sequence[Viewing]) -> dict[str, Any]:
    rates = next(v.rates for v in viewings if v.pool == tuning.pool)[tuning.unit]
    return {
        "unit": tuning.unit,
        "pool": tuning.pool,
        "preferred_r": tuning.preferred.corr(rates),
        "orthogonal_r": tuning.orthogonal.corr(rates),
        "preferred": binned_tuning(tuning.preferred, rates).to_dict("records"),
        "orthogonal": binned_tuning(tuning.orthogonal, rates).to_dict("records"),
    }
