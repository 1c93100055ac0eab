"""Labelled tables asked by name: what is missing, double or no number is said in one sentence."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from task.contract.errors import AnalysisError


def some(names: Iterable[Any], limit: int = 5) -> str:
    """The first few of `names`, and how many more there are."""
    quoted = [repr(name) for name in names]
    more = f" and {len(quoted) - limit} more" if len(quoted) > limit else ""
    return ", ".join(quoted[:limit]) + more


def rows_of(table: pd.DataFrame, names: Sequence[Any] | pd.Index, what: str) -> pd.DataFrame:
    """Rows of `table` in the order asked; `what` says in messages what the table holds.

    Raises
    ------
    AnalysisError
        Naming what the table does not have, or has more than once.
    """
    refuse_doubles(table.index, what)
    asked = pd.Index(names)
    missing = asked[~asked.isin(table.index)]
    if len(missing):
        raise AnalysisError(f"{what}: no row for {some(missing.unique())}")
    found: pd.DataFrame = table.loc[asked]
    return found


def refuse_doubles(index: pd.Index, what: str) -> None:
    """Refuse labels that stand for several rows.

    Raises
    ------
    AnalysisError
        Naming them.
    """
    if index.has_duplicates:
        doubles = some(index[index.duplicated()].unique())
        raise AnalysisError(f"{what}: more than one row for {doubles}")


def refuse_gaps(table: pd.DataFrame, what: str) -> None:
    """Refuse values that are not finite.

    Raises
    ------
    AnalysisError
        Naming the columns that hold them.
    """
    gaps = ~np.isfinite(table.to_numpy(dtype=float)).all(axis=0)
    if gaps.any():
        raise AnalysisError(f"{what}: missing or infinite values in {some(table.columns[gaps])}")
