"""The numbers: what was found as JSON values and tidy tables.

Everything that a report shows is made here; a report only lays it out.
"""

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from analysis.findings import Imagining, Pictures, Results, Viewing
from analysis.gather import Gathered, Skipped
from analysis.imagined.asked_numbers import asked_tables
from analysis.imagined.numbers import imagery_numbers
from analysis.planted import against_truth
from analysis.study import StudyFile
from analysis.unit_data import unit_files
from analysis.unit_table import quality_table, unit_table
from analysis.viewing.asked_numbers import titration_table
from analysis.viewing.numbers import (
    axes_table,
    confusion_table,
    pictures_table,
    shown,
    tunings,
    untested_table,
    viewing_numbers,
    viewing_summary,
)

VERSION = 1


def results(
    file: StudyFile,
    gathered: Gathered,
    pictures: Pictures,
    viewings: Sequence[Viewing],
    imaginings: Sequence[Imagining],
    skipped: Sequence[Skipped],
) -> Results:
    """All numbers, tables, and what the figures are drawn from.

    Parameters
    ----------
    skipped : pools and sessions that were gathered and could not be analysed
    """
    alignments = _alignment_table(gathered)
    sessions = _session_table(gathered)
    quality, unread = quality_table(gathered)
    units = unit_table(gathered, quality)
    tables = {"sessions": sessions, "alignment": alignments, "units": units, "quality": quality}
    viewed = []
    patients = units.set_index("unit")["subject"]
    for viewing in viewings:
        numbers, table = viewing_numbers(file, viewing, patients)
        viewed.append(numbers)
        _append(tables, "viewing", table)
        _append(tables, "axes", axes_table(viewing))
        _append(tables, "pictures", pictures_table(viewing, pictures))
        _append(tables, "untested", untested_table(viewing))
        _append(tables, "titration", titration_table(viewing))
        _append(tables, "confusion", confusion_table(numbers))
    imagined = []
    for imagining in imaginings:
        numbers, table = imagery_numbers(imagining, viewings)
        imagined.append(numbers)
        _append(tables, "imagery", table)
        for name, of in asked_tables(imagining.session.name, numbers).items():
            _append(tables, name, of)
    tables["trials"] = _trial_table(gathered)
    drawn = tunings(viewings, file.study.tests.seed)
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
        "skipped": [{"what": s.what, "why": s.why} for s in (*gathered.skipped, *unread, *skipped)],
        "alignment": alignments.to_dict("records"),
        "alignment_summary": _alignment_summary(alignments),
        "units": units.to_dict("records"),
        "unit_files": unit_files(viewings, imaginings),
        "areas": _areas(units),
        "viewing": viewed,
        "viewing_summary": viewing_summary(viewings, viewed),
        "imagery": imagined,
        "shown": shown(drawn, viewings),
    }  # fmt: skip
    if file.study.planted:
        truth, table = against_truth(file.folder / file.study.planted, units, viewings, imaginings)
        document["planted"], tables["planted"] = truth, table
    document["tables"] = {name: len(table) for name, table in tables.items()}
    return Results(_plain(document), tables, gathered, tuple(viewings), tuple(imaginings), drawn)


def _append(tables: dict[str, pd.DataFrame], name: str, table: pd.DataFrame) -> None:
    if table.empty:
        return
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
