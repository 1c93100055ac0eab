"""Object space: where pictures lie along the main ways in which they differ.

The axes are principal components of image features.  No spike takes part, so that predicting
rates from coordinates leaks nothing even though all pictures shaped the space.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.labels import refuse_doubles, refuse_gaps, rows_of
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]

MOST_DIMS = 50
IMAGES_PER_DIM = 3
# A feature that varies this much less than the liveliest one varies by rounding only
# (the colour channels of grey pictures do).
ROUNDING = 5e-6


@dataclass(frozen=True, slots=True)
class ObjectSpace:
    """Pictures as points.

    Attributes
    ----------
    coordinates : centred component scores, (n_images, n_dims); index: picture id, columns: PC1 ...
    explained : share of the variance of the features along each dimension, (n_dims,)
    """

    coordinates: pd.DataFrame
    explained: pd.Series

    def at(self, ids: Sequence[Any] | pd.Index) -> pd.DataFrame:
        """Coordinates of the pictures `ids` in the order asked, (len(ids), n_dims).

        Raises
        ------
        AnalysisError
            Naming the pictures that are not in the space.
        """
        return rows_of(self.coordinates, ids, "object space")


def default_dims(n_images: int) -> int:
    """Dimensions of the space: 50 as in the study, but at least three pictures for each.

    Chosen by the number of pictures alone, before any spike is seen.
    """
    return min(MOST_DIMS, n_images // IMAGES_PER_DIM)


def object_space(
    features: pd.DataFrame, n_dims: int | None = None, *, standardise: bool = True
) -> ObjectSpace:
    """Space spanned by the leading principal components of image features.

    Parameters
    ----------
    features : (n_images, n_features); index: picture id
    n_dims : components kept; by default `default_dims`, or fewer where the features have fewer
    standardise : give every feature unit variance first.  The default, because features of several
        kinds (energy, colour) have several scales, and the largest would decide alone.  The study
        itself (doi:10.1126/science.adt8343) takes one network layer as it is: False.

    Raises
    ------
    AnalysisError
        If features are missing or not finite, a picture comes twice, or the pictures do not differ
        in `n_dims` ways.

    Notes
    -----
    The sign of a component is fixed so that its largest loading is positive; otherwise the same
    pictures could give mirrored axes on another machine.
    """
    refuse_doubles(features.index, "features")
    refuse_gaps(features, "features")
    raw = features.to_numpy(dtype=float)
    values = (raw - raw.mean(axis=0)) / _scale(raw, standardise)
    u, s, vt = np.linalg.svd(values, full_matrices=False)
    ways = int((s > s.max(initial=0.0) * max(values.shape) * np.finfo(float).eps).sum())
    kept = min(default_dims(len(features)), ways) if n_dims is None else n_dims
    if not 1 <= kept <= ways:
        raise AnalysisError(
            f"object space: {len(features)} pictures with these features differ in {ways} ways,"
            f" too few for {kept or 'any'} dimensions"
        )
    names = pd.Index([f"PC{k}" for k in range(1, kept + 1)], name="dimension")
    scores = (u * s * _signs(vt))[:, :kept]
    explained = s[:kept] ** 2 / (s**2).sum()
    return ObjectSpace(
        pd.DataFrame(scores, features.index.rename("image"), names), pd.Series(explained, names)
    )


def places_of(
    others: pd.DataFrame, space: ObjectSpace, features: pd.DataFrame, *, standardise: bool = True
) -> pd.DataFrame:
    """Where pictures lie that had no part in making a space, (n_others, n_dims).

    Parameters
    ----------
    others : features of these pictures, (n_others, n_features); index: picture id
    space, features, standardise : the space, and what it was made of

    Raises
    ------
    AnalysisError
        If the features are others, a picture comes twice, or a value is not finite.
    """
    refuse_doubles(others.index, "features")
    refuse_gaps(others, "features")
    if not others.columns.equals(features.columns):
        raise AnalysisError("object space: these pictures have other features than those it is of")
    raw, scores = features.to_numpy(dtype=float), space.at(features.index).to_numpy()
    mean, scale = raw.mean(axis=0), _scale(raw, standardise)
    loadings = ((raw - mean) / scale).T @ scores / (scores**2).sum(axis=0)
    placed = (others.to_numpy(dtype=float) - mean) / scale @ loadings
    return pd.DataFrame(placed, others.index.rename("image"), space.coordinates.columns)


def _scale(values: FloatArray, standardise: bool) -> FloatArray:
    """What features are divided by; infinite for those that do not vary."""
    spread: FloatArray = (values - values.mean(axis=0)).std(axis=0)
    if not standardise:
        return np.ones_like(spread)
    return np.where(spread > ROUNDING * spread.max(initial=0.0), spread, np.inf)


def _signs(loadings: FloatArray) -> FloatArray:
    """Sign of the largest loading of each component, (n_components,)."""
    largest = np.abs(loadings).argmax(axis=1)
    signs: FloatArray = np.sign(loadings[np.arange(len(loadings)), largest])
    return signs
