"""How far the intervals and p values of compared models can be trusted.

`python -m benchmarks.rival_models` draws data sets whose units are known: the same units each time,
shown other pictures (from the same five categories in the study's proportions) and firing other
Poisson counts, four trials a picture.  Two models are compared in each by
`analysis.viewing.comparison.compare_models`, and the mean difference over all data sets is the
truth that the 95 % intervals should hold.  Where a unit has no tuning, or a part adds nothing, both
models predict the same in most data sets and differ in a few: the mean over data sets is then no
number that one of them could tell, and that 0 is held is what counts, and how often p is small.

`--short` tries the script with few data sets.
"""

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.viewing.comparison import STRETCH, compare_models
from analysis.viewing.models import (
    axis_predictions,
    category_axis_predictions,
    category_predictions,
    exemplar_predictions,
)
from benchmarks.table import finish, machine, table

Floats = NDArray[np.float64]

SHARES = np.array([77, 29, 68, 92, 234]) / 500
MEAN_HZ, CONTRAST, VIEWED_S = 2.4, 0.55, 4 * 0.267
N_UNITS = 20
DESIGNS = ((100, 30, 100), (500, 50, 100))  # pictures, dimensions, data sets
LEVELS = (0.001, 0.01, 0.05, 0.1)


@dataclass(frozen=True, slots=True)
class World:
    """What stays the same from one data set to the next."""

    spread: Floats
    centres: Floats
    axes: Floats
    levels: Floats


@dataclass(frozen=True, slots=True)
class Viewed:
    """One data set; `poor`: two embeddings that each see the space through noise of their own."""

    rates: pd.DataFrame
    space: pd.DataFrame
    poor: tuple[pd.DataFrame, pd.DataFrame]
    categories: pd.Series


Pair = tuple[pd.DataFrame, pd.DataFrame]
# Predictions of two models, by the folds of a seed.
COMPARED: dict[str, Callable[[Viewed, int], Pair]] = {
    "two equal embeddings": lambda v, seed: (
        axis_predictions(v.rates, v.poor[0], seed),
        axis_predictions(v.rates, v.poor[1], seed),
    ),
    "axis, category": lambda v, seed: (
        axis_predictions(v.rates, v.space, seed),
        category_predictions(v.rates, v.categories, seed),
    ),
    "axis, exemplar": lambda v, seed: (
        axis_predictions(v.rates, v.space, seed),
        exemplar_predictions(v.rates, v.space, seed),
    ),
    "both, axis": lambda v, seed: (
        category_axis_predictions(v.rates, v.categories, v.space, seed),
        axis_predictions(v.rates, v.space, seed),
    ),
}
CASES = (
    ("axis", "axis, category"),
    ("axis", "axis, exemplar"),
    ("axis and category", "axis, category"),
    ("axis and category", "both, axis"),
    ("axis", "two equal embeddings"),
    ("axis", "both, axis"),
    ("no tuning", "two equal embeddings"),
    ("no tuning", "axis, category"),
    ("no tuning", "axis, exemplar"),
)


def world(n_dims: int) -> World:
    rng = np.random.default_rng(7)
    spread = np.linspace(1, 0.15, n_dims) ** 2 + 0.02
    axes = rng.normal(size=(n_dims, N_UNITS))
    return World(
        spread,
        0.7 * spread * rng.normal(size=(5, n_dims)),
        axes / np.linalg.norm(axes, axis=0),
        rng.normal(size=(5, N_UNITS)),
    )


def viewed(of: World, tuning: str, n_images: int, seed: int) -> Viewed:
    rng = np.random.default_rng(seed)
    codes = rng.choice(5, n_images, p=SHARES)
    x = of.centres[codes] + of.spread * rng.normal(size=(n_images, len(of.spread)))
    along = x / np.sqrt((of.centres**2).mean(axis=0) + of.spread**2) @ of.axes
    drive = {
        "axis": along,
        "axis and category": 0.7 * (along + of.levels[codes]),
        "no tuning": 0 * along,
    }[tuning]
    hz = MEAN_HZ * np.maximum(0, 1 + CONTRAST * drive) ** 2
    ids = pd.Index([f"i{k:04d}" for k in range(n_images)])
    poor = tuple(pd.DataFrame(x + 0.7 * of.spread * rng.normal(size=x.shape), ids) for _ in "ab")
    return Viewed(
        pd.DataFrame(rng.poisson(hz * VIEWED_S) / VIEWED_S, ids),
        pd.DataFrame(x, ids),
        (poor[0], poor[1]),
        pd.Series(codes, ids),
    )


def measured(tuning: str, compared: str, design: tuple[int, int, int]) -> dict[str, str]:
    n_images, n_dims, n_sets = design
    same = world(n_dims)
    sets = [viewed(same, tuning, n_images, seed=1000 + n) for n in range(n_sets)]
    found, alike = zip(*(_both(COMPARED[compared], v, n) for n, v in enumerate(sets)), strict=True)
    units, by_most = pd.concat(found), pd.concat(alike)
    truth = units.groupby(level=0)["difference"].mean().loc[units.index]
    at = units["difference"]
    bounds = {
        "": (units["low"], units["high"]),
        ", all stretched alike": (by_most["low"], by_most["high"]),
        ", not stretched": tuple(at + (by_most[end] - at) / STRETCH for end in ("low", "high")),
    }
    held = {
        f"{what} held{how}": ((low <= value) & (high >= value)).mean()
        for how, (low, high) in bounds.items()
        for what, value in (("truth", truth), ("0", 0.0))
    }
    return {
        "units": tuning,
        "compared": compared,
        "pictures": str(n_images),
        "intervals": f"{len(units):,}",
        "mean difference": f"{truth.mean():.4f}",
        **{what: f"{share:.3f}" for what, share in held.items()},
        **{f"p ≤ {level:g}": f"{(units['p'] <= level).mean():.4f}" for level in LEVELS},
    }


def _both(
    predicted: Callable[[Viewed, int], Pair], of: Viewed, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The models compared knowing how other folds would have predicted, and without that."""
    models, again = predicted(of, 0), predicted(of, 1)
    known, alike = (
        compare_models(of.rates, *models, again=other, n_resamples=1999, seed=seed).units
        for other in (again, None)
    )
    return known, alike


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    short = asked.short
    designs = [(n, d, 4 if short else sets) for n, d, sets in DESIGNS]
    jobs = [(*case, design) for design in designs for case in CASES]
    with ProcessPoolExecutor(asked.workers) as pool:
        rows = list(pool.map(measured, *zip(*jobs, strict=True)))
    text = (
        "# Compared models: intervals and p values\n\n"
        f"Made by `python -m benchmarks.rival_models`. {N_UNITS} units in every data set,"
        f" {MEAN_HZ} Hz on average, four trials a picture; intervals of 95 %, over pictures."
        " *Truth* is the mean difference over data sets; where there is no tuning, or a part that"
        " adds nothing, both models predict the same in most data sets, and 0 is what counts."
        " Stretched alike, by 1.45: where predictions by other folds are not at hand.\n\n"
        f"{table(rows)}\n{machine()}\n"
    )
    finish(text, __file__, short=short)


if __name__ == "__main__":
    main()
