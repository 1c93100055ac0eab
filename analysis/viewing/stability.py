"""How stable an axis is: from other pictures, from other trials, from fewer pictures or dimensions.

Axes are compared by the cosine of the angle between them, in coordinates divided by their norm over
all pictures.  Axes that have nothing in common have a mean cosine of 0; the spread of a single pair
is then ``1 / sqrt(n_dims)``.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.axis import fit_axes
from analysis.inference import proportion_interval
from analysis.labels import some
from analysis.prediction import centred, halves
from analysis.space import ObjectSpace
from analysis.threads import matrices_on_one_thread
from analysis.viewing.matched import matched, why_untested
from analysis.viewing.shuffled_axes import Progress
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]
Pair = tuple[FloatArray, FloatArray]

IMAGES = (100, 200, 300, 400)
DIMS = (5, 10, 20, 30, 40)


@matrices_on_one_thread()
def stability_over_images(
    rates: pd.DataFrame, space: ObjectSpace | pd.DataFrame, n_splits: int = 100, seed: int = 0
) -> pd.DataFrame:
    """Agreement of the axes of two random halves of the pictures.

    Parameters
    ----------
    rates : (n_images, n_units); index: picture id
    space : coordinates, (n_images, n_dims); index: picture id
    n_splits : random halvings of the pictures, the same for all units
    seed : of the halvings

    Returns
    -------
    DataFrame, one row per unit
        Columns `cosine` (mean over the splits), `low` and `high` (2.5 % and 97.5 % of the splits:
        how much one split differs from another, not an interval of the mean).  NaN for units that
        cannot be tested.

    Raises
    ------
    AnalysisError
        As `fit_axes`, or if each half has fewer pictures than dimensions.

    Notes
    -----
    The coordinates of half the pictures are no longer uncorrelated, which alone turns the spike-
    triggered average: no unit reaches 1, however many trials it has.
    """
    table, coordinates = matched(rates, space)
    n_images, n_dims = coordinates.shape
    if n_images < 2 * n_dims:
        raise AnalysisError(
            f"axes of half the pictures in {n_dims} dimensions need at least {2 * n_dims} pictures,"
            f" not {n_images}"
        )
    x, y = _normalised(coordinates), table.to_numpy()

    def split(rng: np.random.Generator) -> Pair:
        order = rng.permutation(n_images)
        parts = (order[: n_images // 2], order[n_images // 2 :])
        one, other = (centred(x[part]).T @ y[part] for part in parts)
        return one, other

    return _agreement(split, n_splits, seed, table)


@matrices_on_one_thread()
def stability_over_trials(
    trials: pd.DataFrame, space: ObjectSpace | pd.DataFrame, n_splits: int = 100, seed: int = 0
) -> pd.DataFrame:
    """Agreement of the axes of two random halves of every picture's trials.

    Parameters
    ----------
    trials : rates of single trials, (n_trials, n_units); index: picture id
    space : coordinates, (n_images, n_dims); index: picture id
    n_splits : random halvings of every picture's trials, the same for all units
    seed : of the halvings

    Returns
    -------
    DataFrame, one row per unit
        As `stability_over_images`, and `expected`: the cosine of the axis of all trials with the
        one that endless trials would give, ``sqrt(2 c / (1 + c))`` for a mean cosine c (Spearman-
        Brown); NaN where c is negative.

    Raises
    ------
    AnalysisError
        As `fit_axes`, or if a picture was shown only once.
    """
    shown = trials.groupby(level=0).size()
    if (shown < 2).any():
        raise AnalysisError(
            f"axes of half the trials need two trials of {some(shown.index[shown < 2])}"
        )
    gaps = trials.isna().groupby(level=0).any()
    table, coordinates = matched(trials.groupby(level=0).mean().mask(gaps), space)
    values = trials.sort_index(kind="stable").to_numpy(dtype=float)
    x, counts = _normalised(coordinates), shown.to_numpy(dtype=np.int64)

    def split(rng: np.random.Generator) -> Pair:
        one, other = (centred(x).T @ half for half in halves(values, counts, rng))
        return one, other

    found = _agreement(split, n_splits, seed, table)
    known = found["cosine"].where(found["cosine"] >= 0)
    return found.assign(expected=np.sqrt(2 * known / (1 + known)))


def _normalised(coordinates: pd.DataFrame) -> FloatArray:
    x = coordinates.to_numpy()
    return np.asarray(x / np.linalg.norm(x, axis=0))


def _agreement(
    split: Callable[[np.random.Generator], Pair], n_splits: int, seed: int, table: pd.DataFrame
) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    cosines = np.array([_cosine(*split(rng)) for _ in range(n_splits)])
    cosines[:, table.columns.isin(list(why_untested(table)))] = np.nan
    low, high = np.quantile(cosines, (0.025, 0.975), axis=0)
    columns = {"cosine": cosines.mean(axis=0), "low": low, "high": high}
    return pd.DataFrame(columns, table.columns)


def _cosine(a: FloatArray, b: FloatArray) -> FloatArray:
    """Of the angles between columns, (n_columns,); 0 where one has no length."""
    size = np.linalg.norm(a, axis=0) * np.linalg.norm(b, axis=0)
    return np.asarray(np.einsum("du,du->u", a, b) / np.where(size > 0, size, 1.0))


def titration(
    rates: pd.DataFrame,
    space: ObjectSpace | pd.DataFrame,
    images: Sequence[int] = IMAGES,
    dims: Sequence[int] = DIMS,
    *,
    n_draws: int = 5,
    n_shuffles: int = 1000,
    seed: int = 0,
    threads: int | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """The test and the left-out score of `fit_axes` with fewer pictures, and with fewer dimensions.

    Parameters
    ----------
    rates : (n_images, n_units); index: picture id
    space : coordinates, (n_images, n_dims); index: picture id; the first dimensions are kept
    images : numbers of pictures to try, in all dimensions; more than there are is left aside
    dims : numbers of dimensions to try, with all pictures; likewise
    n_draws : random choices of each number of pictures
    n_shuffles, threads : as in `fit_axes`
    seed : of the choices, and of the shuffles and folds within each
    progress : called after every fit with how many are done, and of how many

    Returns
    -------
    DataFrame, one row per fit and unit
        Columns `images`, `dims`, `draw` (0, 1 ...), `unit`, `p` and `r2`.  All pictures in all
        dimensions are always among them.

    Raises
    ------
    AnalysisError
        As `fit_axes`; also where a number of pictures is too small for the dimensions.
    """
    table, coordinates = matched(rates, space)
    fits = list(_fits(coordinates.shape, images, dims, n_draws))
    rng, parts = np.random.default_rng(seed), []
    for done, (n_images, n_dims, draw) in enumerate(fits, start=1):
        chosen = np.sort(rng.permutation(len(table))[:n_images])
        fit = fit_axes(
            table.iloc[chosen],
            coordinates.iloc[chosen, :n_dims],
            n_shuffles,
            seed + draw,
            threads=threads,
        )
        part = pd.DataFrame({"p": fit.p, "r2": fit.r2}).rename_axis("unit").reset_index()
        part.insert(0, "draw", draw)
        part.insert(0, "dims", n_dims)
        part.insert(0, "images", n_images)
        parts.append(part)
        if progress is not None:
            progress(done, len(fits))
    return pd.concat(parts, ignore_index=True)


def _fits(
    shape: tuple[int, int], images: Sequence[int], dims: Sequence[int], n_draws: int
) -> Iterator[tuple[int, int, int]]:
    """Pictures, dimensions and draw of every fit."""
    n_images, n_dims = shape
    yield n_images, n_dims, 0
    yield from ((n, n_dims, k) for n in images if n < n_images for k in range(n_draws))
    yield from ((n_images, d, 0) for d in dims if d < n_dims)


def titration_summary(found: pd.DataFrame, level: float = 0.01) -> pd.DataFrame:
    """The population at every number of pictures and dimensions.

    Parameters
    ----------
    found : as from `titration`
    level : p up to which a unit counts as tuned; the study's is 0.01

    Returns
    -------
    DataFrame, one row per number of pictures and of dimensions
        Columns `images`, `dims`, `units`, `tuned` (share of units, mean over the draws), `low` and
        `high` (95 % Clopper-Pearson of that share among so many units) and `r2` (median over units
        of the mean over draws).
    """
    found = found.dropna(subset="p").assign(passed=found["p"] <= level)
    units = found.groupby(["images", "dims", "unit"]).agg(
        passed=("passed", "mean"), r2=("r2", "mean")
    )
    table = units.groupby(["images", "dims"]).agg(
        units=("passed", "size"), tuned=("passed", "mean"), r2=("r2", "median")
    )
    intervals = [
        proportion_interval(round(share * n), n)
        for share, n in zip(table["tuned"], table["units"], strict=True)
    ]
    table[["low", "high"]] = np.array(intervals).reshape(-1, 2)
    return table[["units", "tuned", "low", "high", "r2"]].reset_index()
