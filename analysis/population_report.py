"""The folder of a population: one page, every number as JSON, tidy tables, beside the parts."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.cohort import Outcome
from analysis.differences import between_groups, between_patients, by_group
from analysis.pooled import ASKED, MEASURES, Pooled, absent, pooled_units
from analysis.population import DOI, QUESTIONS, detected, medians, shares
from analysis.report import environment
from analysis.resampling import FEWEST_PATIENTS, drawn_of, for_whom
from analysis.share_figure import shares_drawing
from analysis.study import StudyFile

PAGE, NUMBERS, UNITS, TABLES = "population.html", "population.json", "population.csv", "tables"
VERSION = 1


def write_population(file: StudyFile, outcomes: Sequence[Outcome], out: Path) -> dict[str, Any]:
    """Write what the parts of a study say together.

    Parameters
    ----------
    outcomes : of all parts; at least one succeeded
    out : the folder in which the parts lie

    Returns
    -------
    The document, as it stands in `population.json`; beside it `population.html`, `population.csv`
    (every unit of all parts) and `tables/`.
    """
    pooled = pooled_units(outcomes)
    document, tables = population_document(file, outcomes, pooled)
    (out / TABLES).mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        _write(out / TABLES / f"{name}.csv", _csv(table))
    _write(out / UNITS, _csv(pooled.units.reset_index()))
    text = json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False)
    _write(out / NUMBERS, text + "\n")
    figure = shares_drawing(document["shares"])
    page = environment().get_template(PAGE).render(document, figure=figure)
    _write(out / PAGE, page.lstrip())
    return document


def population_document(
    file: StudyFile, outcomes: Sequence[Outcome], pooled: Pooled
) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """Every number of the page as JSON values, and the tables."""
    study, units = file.study, pooled.units
    seed, patients = study.tests.seed, units["subject"]
    p = units[[name for name in ASKED if name in units]]
    power = {str(name): of for name, of in study.power.items()}
    found = shares(p, patients, power, pooled.smallest_p, seed)
    does = detected(p)
    rows = [{**asdict(share), "lower_bound": share.lower_bound, **_words(share)} for share in found]
    middle = _medians(units, does, seed)
    drawn = [share.drawn for share in found] + [row["drawn"] for row in middle]
    groups = {by: _by(does, units, by) for by in ("subject", "area", "side")}
    differ = _differences(does, units, seed)
    parts = [_part(outcome, pooled) for outcome in outcomes]
    done = [outcome for outcome in outcomes if outcome.folder]
    document: dict[str, Any] = {
        "schema": VERSION,
        "name": study.name,
        "made_with": next(iter(pooled.documents.values()))["made_with"],
        "counts": {
            "patients": int(patients.nunique()),
            "units": len(units),
            "parts": len(outcomes),
            "failed": len(outcomes) - len(done),
            "sessions": sum(d["counts"]["sessions"] for d in pooled.documents.values()),
            "sessions_named": sum(len(outcome.part.sessions) for outcome in outcomes),
            "several_pools": pooled.several_pools,
            "several_sessions": pooled.several_sessions,
        },
        "parts": parts,
        "shared_pools": _shared_pools(done),
        "doi": DOI,
        "fewest_patients": FEWEST_PATIENTS,
        "for_whom": for_whom(drawn or [drawn_of(patients)]),
        "questions": {name: question.words for name, question in QUESTIONS.items()},
        "shares": rows,
        "medians": middle,
        "by_patient": groups["subject"],
        "by_area": groups["area"],
        "by_side": groups["side"],
        "differences": differ,
        "left_out": absent(units),
        "power": power,
        "seed": seed,
    }
    tables = {
        "shares": _flat(rows),
        "medians": _flat(middle),
        "patients": pd.DataFrame(groups["subject"]),
        "areas": pd.DataFrame(groups["area"]),
        "sides": pd.DataFrame(groups["side"]),
        "differences": pd.DataFrame(differ),
        "parts": pd.DataFrame(parts).drop(columns="skipped"),
    }
    document["tables"] = {name: len(table) for name, table in tables.items()}
    return _plain(document), tables


def _words(share: Any) -> dict[str, str]:
    """What a share is, in words."""
    of = (
        "all units that were tested"
        if share.of is None
        else f"units that {QUESTIONS[share.of].words} (q ≤ 0.05)"
    )
    return {"words": QUESTIONS[share.question].words, "of_words": of}


def _medians(units: pd.DataFrame, does: pd.DataFrame, seed: int) -> list[dict[str, Any]]:
    made = []
    for measure in MEASURES:
        if measure.column not in units or (measure.of is not None and measure.of not in does):
            continue
        mine = units if measure.of is None else units[does[measure.of] == 1]
        for row in medians(mine[[measure.column]], mine["subject"], seed):
            of = None if measure.of is None else f"that {QUESTIONS[measure.of].words}"
            made.append({**asdict(row), "words": measure.words, "unit": measure.unit, "of": of})
    return made


def _by(does: pd.DataFrame, units: pd.DataFrame, by: str) -> list[dict[str, Any]]:
    """A row for each group and question."""
    named = units[by].where(units[by] != "", "not named")
    rows: list[dict[str, Any]] = []
    for question, of in does.items():
        table = by_group(of, named.rename(by)).reset_index()
        rows += [{**row, "question": question} for row in _records(table)]
    return sorted(rows, key=lambda row: (row[by], list(QUESTIONS).index(row["question"])))


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def _differences(does: pd.DataFrame, units: pd.DataFrame, seed: int) -> list[dict[str, Any]]:
    patients = units["subject"]
    rows = []
    for question, of in does.items():
        tests = (
            between_patients(of, patients, seed),
            between_groups(of, units["area"], patients, "area", seed),
            between_groups(of, units["side"], patients, "side", seed),
        )
        rows += [{"question": str(question), **asdict(test)} for test in tests]
    return rows


def _part(outcome: Outcome, pooled: Pooled) -> dict[str, Any]:
    part, document = outcome.part, pooled.documents.get(outcome.part.name)
    return {
        "part": part.name,
        "subject": part.subject,
        "sessions": len(part.sessions),
        "named": ", ".join(part.sessions),
        "state": "failed" if outcome.folder is None else "kept" if outcome.kept else "analysed",
        "why": outcome.why,
        "units": document["counts"]["units"] if document else None,
        "skipped": document["skipped"] if document else [],
    }


def _shared_pools(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Pools of pictures that several parts showed."""
    shown = pd.Series([pool for outcome in outcomes for pool in outcome.part.pools], dtype=str)
    counts = shown.value_counts(sort=False)
    return [{"pool": pool, "parts": int(n)} for pool, n in counts.items() if n > 1]


def _flat(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows with tables in them as columns `detected_low`, `published_count`, ..."""
    return pd.DataFrame([dict(chain.from_iterable(_items(row))) for row in rows])


def _items(row: Mapping[str, Any]) -> list[list[tuple[str, Any]]]:
    return [
        [(f"{name}_{inner}", of) for inner, of in value.items()]
        if isinstance(value, Mapping)
        else [(name, value)]
        for name, value in row.items()
    ]


def _plain(value: Any) -> Any:
    """JSON values: numbers that are none become null."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _csv(table: pd.DataFrame) -> str:
    return str(table.to_csv(index=False, lineterminator="\n"))


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text, encoding="utf-8", newline="\n")
    partial.replace(path)
