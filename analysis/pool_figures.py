"""Figures of a whole pool for a paper, made from the folder of results alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analysis.population_figure import MATRIX, OF_NUMBERS, WORDS, draw_matrix
from analysis.report import TABLES
from analysis.unit_figure import write_figure
from analysis.unit_pages import Units
from task.contract.errors import AnalysisError, UserError

NAMES = tuple(WORDS)


def write_pool_figure(path: Path, units: Units, name: str, pool: str | None = None) -> None:
    """Write one of `NAMES` into a file.

    Parameters
    ----------
    pool : of several, that with the most units, if not said

    Raises
    ------
    UserError
        If there is no such pool, nothing to draw of it, or the file cannot be written.
    """
    numbers = _numbers(units, pool)
    figure = _matrix(units, numbers) if name == MATRIX else OF_NUMBERS[name](numbers)
    if figure is None:
        reasons = "; ".join(numbers["absent"]) or "it was not measured"
        raise UserError(f"{units.folder}: no {name} of {numbers['pool']!r}: {reasons}")
    write_figure(path, lambda: figure)


def _numbers(units: Units, pool: str | None) -> Mapping[str, Any]:
    """What the report says of the pool."""
    pools: dict[str, Mapping[str, Any]] = {
        numbers["pool"]: numbers for numbers in units.document["viewing"]
    }
    if not pools:
        raise UserError(f"{units.folder}: no unit was tested in viewing")
    if pool is None:
        return max(pools.values(), key=lambda numbers: len(numbers["per_unit"]))
    if pool not in pools:
        known = ", ".join(map(repr, pools))
        raise UserError(f"{units.folder}: no pool is called {pool!r}; there is {known}")
    return pools[pool]


def _matrix(units: Units, numbers: Mapping[str, Any]) -> Figure:
    rates, places, r2 = {}, {}, {}
    for row in numbers["per_unit"]:
        record = units.record(row["unit"])
        seen = next(part for part in record["viewing"] if part["pool"] == numbers["pool"])
        rates[row["unit"]] = pd.Series(seen["rate_hz"], seen["pictures"], dtype=float)
        places[row["unit"]] = pd.Series(seen["preferred"], seen["pictures"], dtype=float)
        r2[row["unit"]] = row["axis_r2"]
    shown, r2_of = pd.DataFrame(rates).sort_index(), pd.Series(r2, dtype=float)
    return draw_matrix(shown, pd.DataFrame(places), _categories(units, numbers), r2_of)


def _categories(units: Units, numbers: Mapping[str, Any]) -> pd.Series | None:
    if "categories" not in numbers:
        return None
    path = units.folder / TABLES / "pictures.csv"
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except OSError as error:
        raise AnalysisError(f"{path} cannot be read: {error.strerror}") from None
    mine = table[table["pool"] == numbers["pool"]]
    return pd.Series(mine["category"].to_numpy(), mine["image"].to_numpy())
