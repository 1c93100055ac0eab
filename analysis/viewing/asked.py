"""Everything that the viewing of a pool is asked once its axes are fitted.

Each question has its own module; here they are put to the pool, and what it cannot answer is kept
as a sentence instead of a number.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import pandas as pd

from analysis.axis import AxisFit
from analysis.labels import rows_of
from analysis.prediction import N_FOLDS
from analysis.responses import Window
from analysis.space import ObjectSpace
from analysis.viewing.axis_course import AxisCourse, axis_course
from analysis.viewing.flatness import flatness
from analysis.viewing.profile import Shown
from analysis.viewing.published_axis import published_rule_axis_tuned
from analysis.viewing.reconstruction import Reconstruction, nearest_unseen
from analysis.viewing.ridge_axis import RidgeFit, ridge_axes
from analysis.viewing.stability import (
    DIMS,
    stability_over_images,
    stability_over_trials,
    titration,
    titration_summary,
)
from task.contract.errors import AnalysisError

FIFTHS = (1, 2, 3, 4)  # of the pictures: of the study's 500 these are 100 to 400
TITRATION_SHUFFLES = 199

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """What a pool holds.

    Attributes
    ----------
    rates : of the tested units, Hz, (n_images, n_units); index: picture
    trials : rates of single trials, a table for each recording, with different units
    shown : the same trials with their spikes, a recording each
    space : of the pictures
    unseen : coordinates of pictures never shown here, in the same space
    window_s : in which rates are counted, relative to the onset
    """

    rates: pd.DataFrame
    trials: Sequence[pd.DataFrame]
    shown: Sequence[Shown]
    space: ObjectSpace
    unseen: pd.DataFrame
    window_s: Window


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Answers of one pool; what could not be asked is None, and in `absent`.

    Attributes
    ----------
    flatness : tuning across the axis, as `flatness` returns it
    over_images, over_trials : stability of the axis, a row per unit
    ridge : axes by ridge regression; `ridge_cosine`, of each with the preferred axis, in normalised
        coordinates
    published : which units the published rule calls axis-tuned
    titration : share of tuned units with fewer pictures, and with fewer dimensions
    unseen : nearest pictures that were never shown
    course : when rates follow the axis
    absent : what could not be asked, and why
    """

    flatness: pd.DataFrame | None
    over_images: pd.DataFrame | None
    over_trials: pd.DataFrame | None
    ridge: RidgeFit | None
    ridge_cosine: pd.Series | None
    published: pd.DataFrame | None
    titration: pd.DataFrame | None
    unseen: Reconstruction | None
    course: AxisCourse | None
    absent: tuple[str, ...]


def ask(pool: Pool, fit: AxisFit, seed: int = 0) -> Asked:
    """Put every question to a pool.

    Parameters
    ----------
    fit : of the same units
    seed : of all that is drawn
    """
    absent: list[str] = []
    answer = partial(answered, absent)
    rates, space = pool.rates, pool.space
    ridge = answer("ridge axes", lambda: ridge_axes(rates, space))
    return Asked(
        flatness=answer("flatness", lambda: flatness(rates, space, seed=seed)),
        over_images=answer(
            "stability over pictures", lambda: stability_over_images(rates, space, seed=seed)
        ),
        over_trials=answer("stability over showings", lambda: _over_trials(pool, seed)),
        ridge=ridge,
        ridge_cosine=None if ridge is None else _cosine(fit, ridge, space),
        published=answer(
            "the published rule", lambda: published_rule_axis_tuned(rates, space, seed)
        ),
        titration=answer("titration", lambda: _titration(rates, space, seed)),
        unseen=answer("nearest unseen picture", lambda: _unseen(pool, seed)),
        course=answer("time course", lambda: _course(pool, seed)),
        absent=tuple(absent),
    )


def answered(absent: list[str], name: str, ask: Callable[[], Found]) -> Found | None:
    """The answer to a question, or None, and why among what is absent."""
    try:
        return ask()
    except AnalysisError as reason:
        absent.append(f"{name}: {reason}")
        return None


def _over_trials(pool: Pool, seed: int) -> pd.DataFrame:
    """Units of different recordings were seen in different trials."""
    tested = pool.rates.columns
    parts = [
        stability_over_trials(table[tested.intersection(table.columns)], pool.space, seed=seed)
        for table in pool.trials
        if len(tested.intersection(table.columns))
    ]
    return pd.concat(parts).reindex(tested)


def _titration(rates: pd.DataFrame, space: ObjectSpace, seed: int) -> pd.DataFrame:
    n_images, n_dims = len(rates), space.coordinates.shape[1]
    fewest = max(N_FOLDS, n_dims + 2)
    images = [n for n in (n_images * k // (len(FIFTHS) + 1) for k in FIFTHS) if n >= fewest]
    return titration_summary(
        titration(rates, space, images, DIMS, n_shuffles=TITRATION_SHUFFLES, seed=seed)
    )


def _unseen(pool: Pool, seed: int) -> Reconstruction:
    if pool.unseen.empty:
        raise AnalysisError("all pictures whose features are known were shown")
    return nearest_unseen(pool.rates, pool.space, pool.unseen, seed=seed)


def _course(pool: Pool, seed: int) -> AxisCourse:
    before, after = (-0.2, 0.2) if pool.window_s[1] < 1 else (-0.5, 0.5)
    window = (before, pool.window_s[1] + after)
    return axis_course(pool.shown, pool.rates, pool.space, window, seed=seed)


def _cosine(fit: AxisFit, ridge: RidgeFit, space: ObjectSpace) -> pd.Series:
    """Of the angle between two axes of each unit, in normalised coordinates, (n_units,)."""
    x = rows_of(space.coordinates, fit.predictions.index, "object space").to_numpy()
    length = np.linalg.norm(x, axis=0)[:, None]
    one, other = (weights.to_numpy() * length for weights in (fit.weights, ridge.weights))
    both = np.linalg.norm(one, axis=0) * np.linalg.norm(other, axis=0)
    return pd.Series(np.einsum("du,du->u", one, other) / both, fit.weights.columns)
