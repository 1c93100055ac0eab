"""Do patients, areas and hemispheres differ in how many units do something?

Units that lie together are alike, so that areas are never compared unit by unit: within a patient
the names of areas are exchanged, each area keeping its units; where every patient has one area
only, names are exchanged between patients.
"""

import math
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.inference import SAME, Relabellings, label_permutations, label_swaps, permutation_p
from analysis.resampling import counted

FloatArray = NDArray[np.float64]

N_DRAWN = 4999
NOT_NAMED = ""
_SIDE = re.compile(r"(?P<word>(?i:left|right))\b|(?P<letter>[LR])(?=[\s_.\-A-Z0-9]|$)")


@dataclass(frozen=True, slots=True)
class Difference:
    """Whether a share differs between groups of units.

    Attributes
    ----------
    by : what the groups are
    groups, units, patients : how many were compared
    p : of the sum of squares between groups against relabellings; NaN where none differs
    smallest_p : the least that these relabellings can give
    how : what was exchanged, or why nothing could be
    """

    by: str
    groups: int
    units: int
    patients: int
    p: float
    smallest_p: float
    how: str


def side_of(area: str) -> str:
    """Hemisphere, where an area's name begins with left, right, L or R (`left fusiform`, `RVTC`).

    Single letters count before capitals, digits and separators only: `Lingual` says no side.
    """
    found = _SIDE.match(area.strip())
    if not found:
        return NOT_NAMED
    if found["word"]:
        return found["word"].lower()
    return {"L": "left", "R": "right"}[found["letter"]]


def by_group(detected: pd.Series, groups: pd.Series) -> pd.DataFrame:
    """How many units of each group were detected, with exact binomial intervals.

    Parameters
    ----------
    detected : 1 or 0 for each unit, NaN where it was not tested
    groups : of each unit

    Returns
    -------
    DataFrame, one row per group: `count`, `of` (tested), `share`, `low`, `high`
    """
    tested = detected.dropna()
    names = groups.reindex(tested.index)
    rows = {name: counted(int(of.sum()), len(of)) for name, of in tested.groupby(names, sort=True)}
    columns = ("count", "of", "share", "low", "high")
    return pd.DataFrame(
        [[getattr(row, column) for column in columns] for row in rows.values()],
        pd.Index(list(rows), name=groups.name),
        columns,
    )


def between_patients(detected: pd.Series, patients: pd.Series, seed: int = 0) -> Difference:
    """Does the share differ between patients, more than units drawn at random would?

    Parameters
    ----------
    detected : as in `by_group`
    patients : of each unit

    Notes
    -----
    Units are exchanged among patients, which takes them as independent: the null is that patients
    are all alike.  A small p says why intervals must draw patients.
    """
    tested = detected.dropna()
    table = _cells(tested, patients.reindex(tested.index), patients.reindex(tested.index))
    units, found = table["units"].to_numpy(), table["found"].to_numpy()
    about = ("patient", len(table), len(tested), len(table))
    if len(table) < 2:
        return Difference(*about, math.nan, math.nan, "there is one patient only")
    if found.sum() in (0, units.sum()):
        return Difference(*about, math.nan, math.nan, _all_alike(found))
    rng = np.random.default_rng(seed)
    drawn = rng.multivariate_hypergeometric(units, int(found.sum()), size=N_DRAWN)
    seen, null = (np.asarray((x**2 / units).sum(axis=-1)) for x in (found, drawn))
    p = float(permutation_p(seen, null, exact=False))
    return Difference(*about, p, 1 / (1 + N_DRAWN), "units exchanged among patients")


def between_groups(
    detected: pd.Series, groups: pd.Series, patients: pd.Series, by: str, seed: int = 0
) -> Difference:
    """Does the share differ between areas (or sides), beyond what patients do?

    Parameters
    ----------
    detected : as in `by_group`
    groups : area or side of each unit, '' where it has no name: such units are left out
    patients : of each unit
    by : what the groups are, for the result

    Returns
    -------
    Difference
        Patients with several groups: the names of the groups are exchanged within each patient,
        and patients with one group are left out.  Where every patient has one group only: names are
        exchanged between patients.  `how` says which, or why neither can be.
    """
    tested = detected.dropna()
    named = tested.index[(groups.reindex(tested.index).fillna(NOT_NAMED) != NOT_NAMED).to_numpy()]
    table = _cells(tested[named], groups[named], patients[named])
    several = table.groupby("patient")["group"].transform("size") > 1
    within = bool(several.any())
    used = table[several] if within else table
    units, found = used["units"].to_numpy(), used["found"].to_numpy()
    n_groups, n_patients = int(used["group"].nunique()), int(used["patient"].nunique())
    about = (by, n_groups, int(units.sum()), n_patients)
    if n_groups < 2:
        why = "no unit has a name for it" if used.empty else "all units lie in one"
        return Difference(*about, math.nan, math.nan, why)
    if found.sum() in (0, units.sum()):
        return Difference(*about, math.nan, math.nan, _all_alike(found))
    if within:
        ways = label_swaps(used["group"], used["patient"], seed)
        how = f"names of each {by} exchanged within the {n_patients} patients who have several"
    else:
        ways = _between(used["group"], seed)
        how = f"names of each {by} exchanged between patients: each of them has one"
    codes = pd.factorize(used["group"])[0]
    seen = _squares(codes[None], units, found)[0]
    null = _squares(ways.rows, units, found)
    p, smallest = (
        float(permutation_p(value, null, exact=ways.exact)) for value in (seen, null.max())
    )
    if np.ptp(null) <= SAME * abs(seen):
        return Difference(*about, math.nan, math.nan, f"{how}: every exchange gives the same")
    return Difference(*about, p, smallest, how)


def _between(groups: pd.Series, seed: int) -> Relabellings:
    return label_permutations(groups.to_numpy(), np.zeros(len(groups), dtype=int), seed)


def _cells(detected: pd.Series, groups: pd.Series, patients: pd.Series) -> pd.DataFrame:
    """Units of one patient in one group: how many there are, and how many were detected."""
    table = pd.DataFrame({"patient": patients, "group": groups, "found": detected})
    cells = table.groupby(["patient", "group"], sort=True)["found"].agg(units="size", found="sum")
    return cells.reset_index().astype({"found": int})


def _squares(rows: NDArray[np.int64], units: FloatArray, found: FloatArray) -> FloatArray:
    """Sum of squares between groups under each naming of the cells, (n_relabellings,)."""
    squares = np.zeros(len(rows))
    for group in range(int(rows.max()) + 1):
        here = (rows == group).astype(float)
        squares += (here @ found) ** 2 / np.maximum(here @ units, 1)
    return squares


def _all_alike(found: NDArray[np.int64]) -> str:
    return "no unit was detected" if not found.sum() else "every unit was detected"
