"""Decoders of items from a population: how strongly the rates of a trial speak for each item.

All are linear and of one form.  A trial, less the mean of its block, is projected on a pattern over
units for every item, the units weighted by the inverse of their noise covariance (Fisher's linear
discriminant; the covariance is shrunk by Ledoit & Wolf 2004, doi:10.1016/S0047-259X(03)00096-4).
The difference of two projections is the log of the odds between two items, up to the strength of
imagery, which nobody knows beforehand; only what does not depend on it is read: which is largest.

They differ in what the patterns and the noise come from.  `template_decoder`: trials on which the
items were seen.  `axis_decoder`: trials of *other* pictures, which give each unit's axis in object
space; it has never met the items.  `published_rule_feature_decoder`: the same question as the
original study put it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.inference import SAME
from analysis.labels import refuse_gaps, some
from analysis.prediction import centred, leave_one_out, unvarying
from analysis.space import ObjectSpace
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]

# Keeps a covariance invertible that too few trials say needs no shrinking.
LEAST_SHRINKAGE = 1e-4


@dataclass(frozen=True, slots=True)
class ItemDecoder:
    """How rates speak for items.

    Attributes
    ----------
    source : what it was trained on, in words
    weights : ``(rates less their block mean) @ weights`` is the evidence for each item,
        (n_units, n_items)
    silent : units that never varied in training; their weights are 0
    """

    source: str
    weights: pd.DataFrame
    silent: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Noise:
    """Covariance of rates around their item's mean: ``spread * I + share * rows.T @ rows``.

    Kept in this form so that it is never larger than the trials it comes from.
    """

    rows: FloatArray
    share: float
    spread: float

    def whiten(self, patterns: FloatArray) -> FloatArray:
        """Inverse covariance times `patterns`, (n_units, n_patterns)."""
        rows = self.rows
        if rows.shape[1] <= rows.shape[0]:
            covariance = self.share * (rows.T @ rows) + self.spread * np.eye(rows.shape[1])
            return np.asarray(np.linalg.solve(covariance, patterns))
        inner = self.share * (rows @ rows.T) + self.spread * np.eye(len(rows))  # Woodbury
        along = np.linalg.solve(inner, rows @ patterns)
        return np.asarray((patterns - self.share * (rows.T @ along)) / self.spread)


def shrunk_noise(residuals: FloatArray, n_free: int) -> Noise | None:
    """Covariance of residuals, shrunk towards equal and independent units.

    Parameters
    ----------
    residuals : of trials around the mean of their group, (n_trials, n_units)
    n_free : trials less groups

    Returns
    -------
    Noise
        None where no unit varies: nothing can be said of noise.

    Notes
    -----
    ``(1 - s) * S + s * mean variance * I`` with Ledoit and Wolf's `s`, which weighs how much the
    estimate `S` scatters against how far it is from the target.  Times ``n_trials / n_free``, as
    in a variance.
    """
    n, n_units = residuals.shape
    lengths = np.einsum("tu,tu->t", residuals, residuals)
    mean = float(lengths.sum() / n / n_units)
    if n_free < 1 or mean <= 0:
        return None
    gram = residuals.T @ residuals if n_units <= n else residuals @ residuals.T
    squares = float((gram**2).sum()) / n**2
    distance = squares - n_units * mean**2
    scatter = (float((lengths**2).sum()) / n - squares) / n
    shrinkage = min(1.0, scatter / distance) if distance > SAME * squares else 1.0
    shrinkage = max(shrinkage, LEAST_SHRINKAGE)
    return Noise(residuals, (1 - shrinkage) / n_free, shrinkage * mean * n / n_free)


def template_decoder(
    training: pd.DataFrame, items: pd.Index, source: str = "viewing"
) -> ItemDecoder:
    """Patterns are the mean rates to the items themselves.

    Parameters
    ----------
    training : rates of single trials on which pictures were seen, Hz, (n_trials, n_units);
        index: picture id.  Trials of other pictures help to know the noise
    items : the imagined pictures; those without training trials are left out
    source : what the training trials are, for results and messages

    Raises
    ------
    AnalysisError
        If no item was in training, no picture has two trials, no unit varies from trial to trial of
        one picture, two units have one name, or rates are not finite.
    """
    _refuse_bad(training, source)
    means = training.groupby(level=0).mean()
    known = items[items.isin(means.index)]
    if not len(known):
        raise AnalysisError(f"{source}: none of the items was seen: {some(items)}")
    noise = _noise(training, source)
    return _decoder(source, noise, means.loc[known], training)


def axis_decoder(viewing: pd.DataFrame, space: ObjectSpace, items: pd.Index) -> ItemDecoder:
    """Patterns are the rates that each unit's axis predicts for the items.

    Parameters
    ----------
    viewing : rates of single viewing trials, Hz, (n_trials, n_units); index: picture id.  Trials of
        the items are put aside before anything is done
    space : object space of all viewed pictures; items that have no place in it are left out

    Raises
    ------
    AnalysisError
        As `template_decoder`, and if a viewed picture has no place in the space or fewer other
        pictures were viewed than the space has dimensions, and two.

    Notes
    -----
    Ridge regression of every unit's mean rates on the coordinates, its penalty by leave-one-out
    error.  This is the axis code itself (doi:10.1126/science.adt8343) read backwards, so that items
    that were never seen can be decoded too.
    """
    others, x, known = _of_others(viewing, space, items)
    noise = _noise(others, "viewing")
    y = others.groupby(level=0).mean().loc[x.index]
    slopes = leave_one_out(x.to_numpy(dtype=float), y.to_numpy(dtype=float)).slopes
    patterns = pd.DataFrame(known.to_numpy() @ slopes, known.index, viewing.columns)
    return _decoder("object space", noise, patterns, others)


def published_rule_feature_decoder(
    viewing: pd.DataFrame, space: ObjectSpace, items: pd.Index
) -> ItemDecoder:
    """Coordinates decoded from rates; the item whose direction in the space is nearest.

    The original's way (`features = [rates, 1] @ B`, nearest by cosine), with ridge in place of
    least squares and without the items.  It weighs all dimensions of the space alike, also those
    that the units tell nothing about: `axis_decoder` is the better one (see the benchmark
    `imagined_decoding`).  Parameters and errors as there.
    """
    others, x, known = _of_others(viewing, space, items)
    y = others.groupby(level=0).mean().loc[x.index].to_numpy(dtype=float)
    still = unvarying(y)
    spread = np.where(still, 1.0, y.std(axis=0))
    rates = centred(y) / spread * ~still
    slopes = leave_one_out(rates, x.to_numpy(dtype=float)).slopes / spread[:, None]
    directions = known.to_numpy(dtype=float)
    directions = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    weights = pd.DataFrame(slopes @ directions.T, viewing.columns, known.index)
    return ItemDecoder("object space, published rule", weights, tuple(viewing.columns[still]))


def _of_others(
    viewing: pd.DataFrame, space: ObjectSpace, items: pd.Index
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Trials of the other pictures; their coordinates; those of the items that have any."""
    _refuse_bad(viewing, "viewing")
    others = viewing[~viewing.index.isin(items)]
    x = space.at(others.index.unique())
    if len(x) < x.shape[1] + 2:
        raise AnalysisError(
            f"viewing: axes in {x.shape[1]} dimensions need {x.shape[1] + 2} pictures that were not"
            f" imagined, not {len(x)}"
        )
    known = space.at(items[items.isin(space.coordinates.index)])
    if not len(known):
        raise AnalysisError(f"object space: none of the items lies in it: {some(items)}")
    return others, x, known


def _refuse_bad(training: pd.DataFrame, source: str) -> None:
    if training.columns.has_duplicates:
        doubles = some(training.columns[training.columns.duplicated()].unique())
        raise AnalysisError(f"{source}: more than one unit named {doubles}")
    if not training.shape[1]:
        raise AnalysisError(f"{source}: decoding needs at least one unit")
    refuse_gaps(training, source)


def _noise(training: pd.DataFrame, source: str) -> Noise:
    groups = training.groupby(level=0)
    residuals = (training - groups.transform("mean")).to_numpy(dtype=float)
    n_free = len(training) - groups.ngroups
    noise = shrunk_noise(residuals, n_free)
    if noise is None:
        lack = (
            "no unit varies from trial to trial"
            if n_free
            else "no picture has two trials, which are needed to know the noise"
        )
        raise AnalysisError(f"{source}: {lack}")
    return noise


def _decoder(
    source: str, noise: Noise, patterns: pd.DataFrame, training: pd.DataFrame
) -> ItemDecoder:
    still = unvarying(training.to_numpy(dtype=float))
    # What all patterns share speaks for none of the items, and a silent unit for nothing.
    contrast = centred(patterns.to_numpy(dtype=float)) * ~still
    weights = pd.DataFrame(noise.whiten(contrast.T), patterns.columns, patterns.index)
    return ItemDecoder(source, weights, tuple(training.columns[still]))
