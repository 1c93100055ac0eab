"""Results of an earlier analysis, read back from its tables."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.axis import orthogonal_axis, projections
from analysis.inference import LEVEL
from task.contract.errors import AnalysisError

FEWEST_UNITS = 3
NEAREST_UNITS = 10


@dataclass(frozen=True, slots=True)
class Candidates:
    """Pictures among which the next items are chosen.

    Attributes
    ----------
    projections, orthogonal : of the pictures on the units' axes, (n_images, n_units)
    groups : category of each picture
    note : which units take part, in words
    """

    projections: pd.DataFrame
    orthogonal: pd.DataFrame
    groups: pd.Series
    note: str


def candidates(results: Path, pool: str | None = None) -> Candidates:
    """Pictures of a screening and where they lie on the axes of its axis-tuned units.

    Parameters
    ----------
    pool : which pictures, where the results hold several pools

    Raises
    ------
    AnalysisError
        If the folder holds no results with axes, or none of that pool.
    """
    tables = {name: _table(results, name) for name in ("viewing", "pictures", "axes")}
    pools = list(tables["viewing"]["pool"].unique())
    if pool not in pools if pool else len(pools) != 1:
        raise AnalysisError(
            f"{results}: say which pictures: --pool with one of {', '.join(map(repr, pools))}"
        )
    mine = {name: t[t["pool"] == (pool or pools[0])] for name, t in tables.items()}
    units = mine["viewing"].set_index("unit")
    pictures = mine["pictures"].set_index("image")
    weights = (
        mine["axes"].set_index("unit").drop(columns="pool").dropna(axis="columns", how="all").T
    )
    coordinates = pictures[list(weights.index)]
    tuned = units.index[units["axis_q"] <= LEVEL]
    note = f"chosen along the axes of {len(tuned)} units with q <= {LEVEL:g}"
    if len(tuned) < FEWEST_UNITS:
        tuned = units["axis_p"].nsmallest(NEAREST_UNITS).index
        note = (
            f"fewer than {FEWEST_UNITS} units follow an axis (q <= {LEVEL:g}):"
            f" chosen along the axes of the {len(tuned)} units with the smallest p"
        )
    axes = weights[tuned]
    return Candidates(
        projections(axes, coordinates),
        projections(orthogonal_axis(axes, coordinates), coordinates),
        pictures["category"].fillna("none").astype(str),
        note,
    )


def _table(results: Path, name: str) -> pd.DataFrame:
    path = results / "tables" / f"{name}.csv"
    try:
        return pd.read_csv(path, dtype={"image": str, "unit": str, "pool": str})
    except FileNotFoundError:
        raise AnalysisError(
            f"{path} is not there; is this the results folder of a screening?"
        ) from None
