"""The numbers: what was found as JSON values and tidy tables.

Everything that a report shows is made here; a report only lays it out.
"""

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.axis import (
    binned_tuning,
    left_out_orthogonal,
    left_out_projections,
)
from analysis.decoding import category_selectivity, decode_categories
from analysis.findings import Imagining, Pictures, Results, Tuning, Viewing
from analysis.gather import Gathered
from analysis.imagery import (
    ImaginedCode,
    ViewingCode,
    population,
)
from analysis.inference import LEVEL, bootstrap_interval, permutation_p, proportion_interval
from analysis.study import StudyFile
from task.contract.errors import AnalysisError
from task.contract.sessionlog import Kind

VERSION = 1


def results(
    file: StudyFile,
    gathered: Gathered,
    pictures: Pictures,
    viewings: Sequence[Viewing],
    imaginings: Sequence[Imagining],
    small: Sequence[tuple[str, int, int]],
) -> Results:
    """All numbers, tables, and what the figures are drawn from."""
    alignments = _alignment_table(gathered)
    sessions = _session_table(gathered)
    units = _unit_table(gathered)
    tables = {"sessions": sessions, "alignment": alignments, "units": units}
    viewed = []
    patients = units.set_index("unit")["subject"]
    for viewing in viewings:
        numbers, table = _viewing_numbers(file, viewing, pictures, patients)
        viewed.append(numbers)
        _append(tables, "viewing", table)
        _append(tables, "axes", _axes_table(viewing))
        _append(tables, "pictures", _pictures_table(viewing, pictures))
    imagined = []
    for imagining in imaginings:
        numbers, table = _imagery_numbers(imagining, viewings)
        imagined.append(numbers)
        _append(tables, "imagery", table)
    tables["trials"] = _trial_table(gathered)
    tunings = _tunings(viewings, file.study.tests.seed)
    document = {
        "schema": VERSION,
        "name": file.study.name,
        "made_with": _software(),
        "settings": file.study.model_dump(mode="json", by_alias=True),
        "counts": {
            "sessions": len(gathered.sessions),
            "recordings": int(sessions["recording"].nunique()),
            "subjects": int(sessions["subject"].nunique()),
            "units": len(units),
            "spikes": int(units["spikes"].sum()),
            "runs": len(alignments),
        },
        "skipped": [{"what": s.what, "why": s.why} for s in gathered.skipped]
        + [
            {"what": f"pool {pool}", "why": f"{runs} runs of {images} pictures: aligned, too few"
             f" pictures to test (least_images = {file.study.tests.least_images})"}
            for pool, images, runs in small
        ],
        "alignment": alignments.to_dict("records"),
        "alignment_summary": _alignment_summary(alignments),
        "units": units.to_dict("records"),
        "areas": _areas(units),
        "viewing": viewed,
        "viewing_summary": _viewing_summary(viewings, viewed),
        "imagery": imagined,
        "shown": _shown(tunings, viewings),
    }  # fmt: skip
    if file.study.planted:
        truth, table = _against_truth(file.folder / file.study.planted, units, viewings, imaginings)
        document["planted"], tables["planted"] = truth, table
    document["tables"] = {name: len(table) for name, table in tables.items()}
    return Results(_plain(document), tables, gathered, tuple(viewings), tuple(imaginings), tunings)


def _append(tables: dict[str, pd.DataFrame], name: str, table: pd.DataFrame) -> None:
    tables[name] = pd.concat([tables[name], table]) if name in tables else table


def _session_table(gathered: Gathered) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "session": s.name,
                "subject": s.subject,
                "recording": s.recording,
                "units": len(s.units.table),
                "runs": len(s.runs),
            }
            for s in gathered.sessions
        ]
    )


def _alignment_table(gathered: Gathered) -> pd.DataFrame:
    rows = []
    for session in gathered.sessions:
        for run in session.runs:
            found, placed = run.alignment, run.alignment.pairs["placed"]
            # Where a row was found by its place, its stamp in the log was wrong, not the clock.
            residual_ms = found.pairs.loc[~placed, "residual_s"].abs() * 1e3
            rows.append(
                {
                    "session": session.name,
                    "run": run.name,
                    "sent": found.evidence.rows,
                    "matched": len(found.pairs),
                    "placed": int(placed.sum()),
                    "lost": int(found.lost.sum()),
                    "spurious": int(found.spurious.sum()),
                    "drift_ppm": found.drift_ppm,
                    "residual_median_ms": residual_ms.median(),
                    "residual_p99_ms": residual_ms.quantile(0.99),
                    "residual_max_ms": residual_ms.max(),
                    "log_step_ms": found.tick_s * 1e3,
                    "clock_pieces": len(found.clock.pieces),
                    "trials": len(run.trials),
                    "inferred_onsets": int((~run.trials["measured"]).sum()),
                    "verdict": found.verdict,
                }
            )
    return pd.DataFrame(rows)


def _alignment_summary(alignments: pd.DataFrame) -> dict[str, Any]:
    sent, matched = int(alignments["sent"].sum()), int(alignments["matched"].sum())
    return {
        "runs": len(alignments),
        "sent": sent,
        "matched": matched,
        "placed": int(alignments["placed"].sum()),
        "lost": int(alignments["lost"].sum()),
        "spurious": int(alignments["spurious"].sum()),
        "share_matched": matched / sent,
        "drift_ppm_min": alignments["drift_ppm"].min(),
        "drift_ppm_median": alignments["drift_ppm"].median(),
        "drift_ppm_max": alignments["drift_ppm"].max(),
        "residual_median_ms": alignments["residual_median_ms"].median(),
        "residual_p99_ms_max": alignments["residual_p99_ms"].max(),
        "trials": int(alignments["trials"].sum()),
        "inferred_onsets": int(alignments["inferred_onsets"].sum()),
    }


def _unit_table(gathered: Gathered) -> pd.DataFrame:
    """Every unit once; its spikes are those of all recordings in which it was sorted."""
    rows: dict[str, dict[Any, Any]] = {}
    trains: dict[str, list[Any]] = {}
    for session in gathered.sessions:
        table = session.units.table.reset_index(names="label")
        for row, train in zip(table.to_dict("records"), session.units.spikes_s, strict=True):
            unit = f"{session.recording}/{row['label']}"
            rows.setdefault(unit, {"unit": unit, "subject": session.subject, **row})
            known = trains.setdefault(unit, [])
            if not any(np.array_equal(train, other) for other in known):
                known.append(train)
    spikes = [sum(map(len, trains[unit])) for unit in rows]
    return pd.DataFrame(list(rows.values())).assign(spikes=spikes)


def _areas(units: pd.DataFrame) -> list[dict[str, Any]]:
    named = units.assign(area=units["area"].where(units["area"] != "", "not named"))
    groups = named.groupby("area")
    return [
        {"area": area, "units": len(group), "subjects": int(group["subject"].nunique())}
        for area, group in groups
    ]


def _trial_table(gathered: Gathered) -> pd.DataFrame:
    parts = [
        run.trials.assign(session=session.name, run=run.name)
        for session in gathered.sessions
        for run in session.runs
    ]
    table = pd.concat(parts, ignore_index=True)
    first = ["session", "run"]
    return table[first + [c for c in table if c not in first]]


def _viewing_numbers(
    file: StudyFile, viewing: Viewing, pictures: Pictures, patients: pd.Series
) -> tuple[dict[str, Any], pd.DataFrame]:
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
        "window_s": list(file.study.windows.response_s),
        "space": {
            "dims": dims,
            "variance_kept": float(viewing.space.explained.sum()),
        },
        "axis": {
            "p05": _share(fit.p <= 0.05),
            "p01": _share(fit.p <= 0.01),
            "q05": _share(fit.q <= LEVEL),
            "smallest_p": fit.smallest_p,
            "q05_by_patient": _by_patient(fit.q <= LEVEL, np.mean, patients),
            "r2_median": float(fit.r2.median()),
            "r2_interval": _interval(fit.r2, np.median, patients),
            "r2_above_0": _share(fit.r2 > 0),
            "r_median": float(fit.r.median()),
            "chance_r": float(np.sqrt(dims / (len(viewing.rates) - 1))),
            "shuffles": file.study.tests.shuffles,
        },
    }
    if pictures.categories is not None:
        categories = pictures.categories.loc[viewing.rates.index]
        selective = category_selectivity(viewing.rates[units], categories)
        table = table.assign(category_f=selective["f"], category_p=selective["p"])
        table["category_q"] = selective["q"]
        numbers["categories"] = sorted(map(str, categories.unique()))
        numbers["selective"] = {
            "p05": _share(selective["p"] < 0.05),
            "p001": _share(selective["p"] < 0.001),
            "shuffled_p05": _shuffled(viewing.rates[units], categories, file.study.tests.seed),
        }
        numbers["decoding"] = _decoding(viewing.counts, categories, file.study.tests.seed)
    table = table.reset_index(drop=True)
    numbers["per_unit"] = table.drop(columns="pool").to_dict("records")
    return numbers, table


def _axes_table(viewing: Viewing) -> pd.DataFrame:
    table: pd.DataFrame = viewing.fit.weights.T.rename_axis("unit").reset_index()
    return table.assign(pool=viewing.pool)


def _pictures_table(viewing: Viewing, pictures: Pictures) -> pd.DataFrame:
    table = viewing.space.coordinates.rename_axis("image").reset_index()
    table.insert(0, "pool", viewing.pool)
    category = None if pictures.categories is None else pictures.categories.loc[table["image"]]
    table.insert(2, "category", "" if category is None else category.to_numpy())
    return table


def _viewing_summary(
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
        "tests": {"p05": _share(p <= 0.05), "q05": _share(q <= LEVEL)},
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


N_LABEL_SHUFFLES = 20
N_DECODING_SHUFFLES = 199


def _decoding(counts: pd.DataFrame, categories: pd.Series, seed: int) -> dict[str, Any] | None:
    """How well the population tells categories, and what labels in random order would give."""
    if (np.ptp(counts.to_numpy(), axis=0) > 0).sum() < 2:
        return None
    decoded = decode_categories(counts, categories)
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(categories.to_numpy()) for _ in range(N_DECODING_SHUFFLES)]
    shuffled = np.array(
        [decode_categories(counts, pd.Series(o, categories.index)).accuracy for o in orders]
    )
    right = decoded.predicted == categories.loc[decoded.predicted.index]
    groups = right.groupby(categories)
    return {
        "accuracy": decoded.accuracy,
        "chance": decoded.chance,
        "units": decoded.units,
        "right": _share(right),
        "by_category": {str(name): _share(of) for name, of in groups},
        "balanced": float(groups.mean().mean()),
        "largest_category": float(categories.value_counts(normalize=True).max()),
        "shuffled_mean": float(shuffled.mean()),
        "shuffled_most": float(shuffled.max()),
        "shuffles": N_DECODING_SHUFFLES,
        "p": float(permutation_p(decoded.accuracy, shuffled, exact=False)),
    }


def _shuffled(rates: pd.DataFrame, categories: pd.Series, seed: int) -> float:
    """Share of units that category labels in random order call selective, mean over shuffles."""
    rng = np.random.default_rng(seed)
    shares = []
    for _ in range(N_LABEL_SHUFFLES):
        shuffled = pd.Series(rng.permutation(categories.to_numpy()), categories.index)
        shares.append(float((category_selectivity(rates, shuffled)["p"] < 0.05).mean()))
    return float(np.mean(shares))


def _share(passed: pd.Series) -> dict[str, Any] | None:
    """How many of the units asked, with its interval; None if none was asked."""
    count, total = int(passed.sum()), len(passed)
    if not total:
        return None
    low, high = proportion_interval(count, total)
    return {"count": count, "of": total, "share": count / total, "low": low, "high": high}


Statistic = Callable[[Any], float]


def _interval(values: pd.Series, statistic: Statistic, patients: pd.Series) -> dict[str, Any]:
    """95 % interval: patients are drawn anew, or the units where there is one patient only."""
    found = _by_patient(values, statistic, patients)
    if found is not None:
        return {**found, "drawn": "patients"}
    low, high = bootstrap_interval(values, statistic)
    return {"low": low, "high": high, "drawn": "units"}


def _by_patient(
    values: pd.Series, statistic: Statistic, patients: pd.Series
) -> dict[str, float] | None:
    groups = patients[values.index]
    if groups.nunique() < 2:
        return None
    low, high = bootstrap_interval(values.astype(float), statistic, groups)
    return {"low": low, "high": high}


MOST_SHOWN = 24


def _tunings(viewings: Sequence[Viewing], seed: int) -> tuple[Tuning, ...]:
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


def _shown(tunings: Sequence[Tuning], viewings: Sequence[Viewing]) -> dict[str, Any]:
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


def _imagery_numbers(
    imagining: Imagining, viewings: Sequence[Viewing]
) -> tuple[dict[str, Any], pd.DataFrame]:
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
        "reactivated": _share(table["reactivated"]),
        "modulated_p05": _share(table["p_modulated"] <= 0.05),
        "selective_p05": _share(table["p_selective"] <= 0.05),
        "smallest_p": found.smallest_p,
        "units_needed": found.needed,
        "vividness": _ratings(imagining.ratings),
        "during_over_before": float(trials.during.mean().mean() / trials.before.mean().mean()),
    }
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
        gain = table.loc[table["axis_tuned"], "viewing_slope"]
        low, high = bootstrap_interval(gain)
        numbers["gain_median"] = float(gain.median())
        numbers["gain_interval"] = {"low": low, "high": high, "drawn": "units"}
    numbers["per_unit"] = table.drop(columns="session").to_dict("records")
    return numbers, table


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
        "counts": {
            str(rating): int(n) for rating, n in given.astype(int).groupby(given).size().items()
        },
    }


def _against_truth(
    path: Path, units: pd.DataFrame, viewings: Sequence[Viewing], imaginings: Sequence[Imagining]
) -> tuple[dict[str, Any], pd.DataFrame]:
    """What was planted in a simulated recording, and what was found of it."""
    wire = ["channel", "cell"]
    truth = units[["unit", *wire]].merge(read_truth(path).drop(columns="unit"), on=wire)
    truth = truth.set_index("unit")
    axes = [
        _planted_axis(truth.loc[u], v, u)
        for v in viewings
        for u in v.fit.r.index
        if u in truth.index
    ]
    if not axes:
        raise AnalysisError(f"{path}: none of its units were tested here; is it of this recording?")
    table = pd.DataFrame(axes)
    tuned, others = table[table["axis_planted"]], table[~table["axis_planted"]]
    both = tuned[tuned["axis_found"]]
    numbers: dict[str, Any] = {
        "units": len(table),
        "axis_planted": len(tuned),
        "axis_found_of_planted": _share(tuned["axis_found"]),
        "axis_found_of_others": _share(others["axis_found"]),
        "projection_r_median": float(both["projection_r"].median()),
        "cosine_median": float(both["cosine"].median()),
    }
    if imaginings:
        found = pd.concat([i.reactivation.units["reactivated"] for i in imaginings])
        found = found[found.index.isin(truth.index)].rename("reactivated_found")
        planted = truth.loc[found.index, "reactivated"].rename("reactivated_planted").astype(bool)
        numbers["reactivated_planted"] = int(planted.sum())
        numbers["reactivated_found_of_planted"] = _share(found[planted])
        numbers["reactivated_found_of_others"] = _share(found[~planted])
        imagined = pd.DataFrame({"reactivated_planted": planted, "reactivated_found": found})
        table = table.merge(imagined.rename_axis("unit").reset_index(), on="unit", how="outer")
    return numbers, table


def read_truth(path: Path) -> pd.DataFrame:
    """What was planted in a simulated recording.

    Raises
    ------
    AnalysisError
        If the file is no such table.
    """
    needed = {"unit", "channel", "cell", "axis_tuned", "reactivated"}
    try:
        truth = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise AnalysisError(f"{path}: cannot be read as a table: {error}") from None
    if needed - set(truth):
        raise AnalysisError(
            f"{path}: is no planted.csv of a simulated recording; it has no column"
            f" {', '.join(sorted(needed - set(truth)))}"
        )
    return truth


def _planted_axis(truth: pd.Series, viewing: Viewing, unit: str) -> dict[str, Any]:
    """The axis of a unit beside the one that was planted; no cosine where none was."""
    dims = [c for c in viewing.space.coordinates if f"axis_{c}" in truth]
    space = viewing.space.coordinates[dims]
    planted = truth[[f"axis_{c}" for c in dims]].to_numpy(dtype=float)
    fitted = viewing.fit.axis.loc[dims, unit].to_numpy(dtype=float)
    both = (space / space.std(ddof=0)).to_numpy() @ np.column_stack([planted, fitted])
    known = np.isfinite(both).all()
    return {
        "unit": unit,
        "axis_planted": bool(truth["axis_tuned"]),
        "axis_found": bool(viewing.fit.q[unit] <= LEVEL),
        "cosine": planted @ fitted / np.linalg.norm(planted) / np.linalg.norm(fitted),
        "projection_r": np.corrcoef(both.T)[0, 1] if known else np.nan,
    }


def _software() -> dict[str, str]:
    from task import __version__

    packages = ("numpy", "scipy", "pandas", "matplotlib")
    return {
        "imagery": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


def _plain(value: Any) -> Any:
    """JSON values: numbers that are none become null."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
