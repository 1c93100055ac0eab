"""What was planted in a simulated recording, beside what was found of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.findings import Imagining, Viewing
from analysis.inference import LEVEL
from analysis.shares import share
from task.contract.errors import AnalysisError


def against_truth(
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
        "axis_found_of_planted": share(tuned["axis_found"]),
        "axis_found_of_others": share(others["axis_found"]),
        "projection_r_median": float(both["projection_r"].median()),
        "cosine_median": float(both["cosine"].median()),
    }
    if imaginings:
        found = pd.concat([i.reactivation.units["reactivated"] for i in imaginings])
        found = found[found.index.isin(truth.index)].rename("reactivated_found")
        planted = truth.loc[found.index, "reactivated"].rename("reactivated_planted").astype(bool)
        numbers["reactivated_planted"] = int(planted.sum())
        numbers["reactivated_found_of_planted"] = share(found[planted])
        numbers["reactivated_found_of_others"] = share(found[~planted])
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
