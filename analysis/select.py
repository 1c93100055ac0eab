"""Which pictures to imagine, so that imagery can tell axes apart.

The criterion, to be made as large as possible over sets of `n` pictures:

    mean over units of  log(variance of the pictures along the preferred axis)
    less the mean over units of  (variance of the pictures along the orthogonal axis)

with projections scaled to unit variance over all pictures.  The first term is the D-optimal design
for a straight line in each unit, multiplied over the units: no unit is bought at another's cost,
and one without any spread is worth nothing.  The second keeps the pictures alike in what the units
should not care for.  Categories are as equal in number as they can be: this is a condition, not a
term.

Sets are improved by exchanging one picture at a time, always the best exchange, from several
starts that are the same every time (Fedorov 1972, as in Cook & Nachtsheim 1980,
doi:10.1080/00401706.1980.10486162).
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.labels import refuse_doubles, refuse_gaps, rows_of, some
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

N_STARTS = 12
_NO_SPREAD = 1e-9


def select_items(
    projections: pd.DataFrame, orthogonal: pd.DataFrame, groups: pd.Series, n: int = 8
) -> list[str]:
    """Choose pictures for imagery.

    Parameters
    ----------
    projections : of the candidates on the preferred axis of each axis-tuned unit,
        (n_images, n_units); index: picture id
    orthogonal : the same on the units' principal orthogonal axes
    groups : category of each candidate; index: picture id
    n : pictures to choose

    Returns
    -------
    ids of the pictures, sorted; the same whatever the order of rows and columns

    Raises
    ------
    AnalysisError
        If there are fewer candidates than `n`, no units, no spread among the candidates, fewer
        than two pictures asked for, or tables that do not name the same pictures and units.
    """
    along, across, codes = _checked(projections, orthogonal, groups, n)
    ids = projections.index.sort_values()
    counts = _balanced(np.bincount(codes), n)
    rng = np.random.default_rng(0)
    sets = [_improved(_start(codes, counts, rng), along, across, codes) for _ in range(N_STARTS)]
    best = max(sets, key=lambda chosen: (_worth(chosen, along, across), *sorted(-chosen)))
    return sorted(ids[best].tolist())


def spread(items: list[str], projections: pd.DataFrame) -> pd.Series:
    """Standard deviation of `items` along each unit's axis, relative to that of all pictures.

    (n_units,); eight pictures drawn at random have about 0.9.
    """
    chosen = rows_of(projections, items, "projections")
    return (chosen.std(ddof=0) / projections.std(ddof=0)).rename("spread")


def _checked(
    projections: pd.DataFrame, orthogonal: pd.DataFrame, groups: pd.Series, n: int
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Scaled projections and numbered categories, rows sorted by id, columns by unit."""
    if projections.shape[1] == 0:
        raise AnalysisError("no axis-tuned unit: there is no axis to spread pictures along")
    refuse_doubles(projections.index, "projections")
    if not 2 <= n <= len(projections):
        raise AnalysisError(
            f"{n} pictures cannot be chosen from {len(projections)}; at least 2 are needed"
        )
    ids, units = projections.index.sort_values(), projections.columns.sort_values()
    if not units.isin(orthogonal.columns).all():
        raise AnalysisError(
            f"orthogonal projections: no unit {some(units[~units.isin(orthogonal.columns)])}"
        )
    along = projections.loc[ids, units]
    across = rows_of(orthogonal, ids, "orthogonal projections")[units]
    refuse_gaps(along, "projections")
    refuse_gaps(across, "orthogonal projections")
    category = rows_of(groups.dropna().to_frame(), ids, "categories").iloc[:, 0]
    codes = pd.factorize(category, sort=True)[0]
    return _scaled(along), _scaled(across), codes


def _scaled(table: pd.DataFrame) -> FloatArray:
    values = table.to_numpy(dtype=float)
    centred, sd = values - values.mean(axis=0), values.std(axis=0)
    if (sd <= 1e-12 * np.abs(values).max(axis=0)).any():
        flat = table.columns[sd <= 1e-12 * np.abs(values).max(axis=0)]
        raise AnalysisError(f"all pictures lie at one point of the axis of {some(flat)}")
    return np.asarray(centred / sd)


def _balanced(available: IntArray, n: int) -> IntArray:
    """Pictures per category, as equal as the categories' sizes allow, (n_categories,).

    What is left over when `n` is no multiple goes to the categories with most pictures; exchanges
    may move it on.
    """
    counts = np.zeros_like(available)
    order = np.argsort(-available, kind="stable")
    for _ in range(n):
        open_ = order[(counts < available)[order]]
        counts[open_[np.argmin(counts[open_])]] += 1
    return counts


def _start(codes: IntArray, counts: IntArray, rng: np.random.Generator) -> IntArray:
    chosen = [
        rng.choice(np.flatnonzero(codes == category), count, replace=False)
        for category, count in enumerate(counts)
    ]
    return np.concatenate(chosen)


def _improved(chosen: IntArray, along: FloatArray, across: FloatArray, codes: IntArray) -> IntArray:
    """Exchange one picture at a time, the best exchange first, until none is better."""
    worth = _worth(chosen, along, across)
    while True:
        options = [_exchange(chosen, place, along, across, codes) for place in range(len(chosen))]
        place = int(np.argmax([value for value, _ in options]))
        value, new = options[place]
        if value <= worth + 1e-9:
            return chosen
        chosen, worth = chosen.copy(), value
        chosen[place] = new


def _exchange(
    chosen: IntArray, place: int, along: FloatArray, across: FloatArray, codes: IntArray
) -> tuple[float, int]:
    """Best picture for one place of the set, and what the set is then worth."""
    kept = np.delete(chosen, place)
    n = len(chosen)
    spread_along, spread_across = (
        (((x[kept] ** 2).sum(axis=0) + x**2) / n) - ((x[kept].sum(axis=0) + x) / n) ** 2
        for x in (along, across)
    )
    value = _value(spread_along, spread_across)
    value[~_still_balanced(codes, chosen, place)] = -np.inf
    value[kept] = -np.inf
    new = int(np.argmax(value))
    return float(value[new]), new


def _still_balanced(codes: IntArray, chosen: IntArray, place: int) -> NDArray[np.bool_]:
    """Which pictures keep the categories as equal as they are, (n_images,)."""
    counts = np.bincount(codes[chosen], minlength=codes.max() + 1)
    leaving = codes[chosen[place]]
    # Moving one picture from a category of c + 1 to one of c leaves the same counts in all.
    return np.asarray((codes == leaving) | (counts[codes] == counts[leaving] - 1))


def _worth(chosen: IntArray, along: FloatArray, across: FloatArray) -> float:
    return float(_value(along[chosen].var(axis=0), across[chosen].var(axis=0)))


def _value(along: FloatArray, across: FloatArray) -> FloatArray:
    """The criterion for variances along and across the axes, (..., n_units) -> (...)."""
    return np.asarray(np.log(np.maximum(along, _NO_SPREAD)).mean(-1) - across.mean(-1))
