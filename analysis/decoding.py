"""What a population of units tells about the category of a picture."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.stats
from numpy.typing import NDArray

from analysis.inference import benjamini_hochberg
from analysis.labels import refuse_doubles, refuse_gaps, some
from analysis.prediction import centred, unvarying
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Decoding:
    """Categories read from a population.

    Attributes
    ----------
    predicted : category read for each picture, (n_images,)
    accuracy : share of pictures whose category was read right
    chance : 1 / number of categories
    units : how many took part: those that vary
    """

    predicted: pd.Series
    accuracy: float
    chance: float
    units: int


def decode_categories(counts: pd.DataFrame, categories: pd.Series) -> Decoding:
    """Read each picture's category from all units, without that picture.

    Parameters
    ----------
    counts : spikes or rates, (n_images, n_units), z-scored here over the pictures, which uses no
        category; index: picture id
    categories : of each picture; index: picture id

    Returns
    -------
    Decoding
        The category whose mean pattern over units, the picture itself left out, has the highest
        Pearson correlation with the picture's pattern.

    Raises
    ------
    AnalysisError
        If a picture has no category or comes twice, a category has one picture only, fewer than
        two units vary, or counts are not finite.
    """
    refuse_doubles(counts.index, "counts")
    codes, names = _categories(counts, categories)
    values = counts.to_numpy(dtype=float)
    values = values[:, ~unvarying(values)]
    if values.shape[1] < 2:
        raise AnalysisError("decoding needs at least two units that vary")
    z = centred(values) / values.std(axis=0)
    member = codes[:, None] == np.arange(len(names))
    sums = member.T.astype(float) @ z  # correlated with as their means would be
    similarity = np.empty(member.shape)
    for category in range(len(names)):
        others = sums[category] - np.where(member[:, category, None], z, 0.0)
        similarity[:, category] = _row_correlation(z, others)
    read = similarity.argmax(axis=1)
    predicted = pd.Series(names[read], counts.index, name="category")
    return Decoding(predicted, float((read == codes).mean()), 1 / len(names), values.shape[1])


def category_selectivity(counts: pd.DataFrame, categories: pd.Series) -> pd.DataFrame:
    """One-way analysis of variance of every unit over categories.

    Parameters
    ----------
    counts : spikes or rates, (n_images, n_units) or (n_trials, n_units); index: picture id
    categories : of each picture; index: picture id

    Returns
    -------
    DataFrame, one row per unit
        `f`, `p`, `q` (Benjamini-Hochberg over the units); NaN for units that do not vary, or only
        between categories.

    Raises
    ------
    AnalysisError
        If a picture has no category, a category has one row only, or counts are not finite.
    """
    codes, names = _categories(counts, categories)
    values = counts.to_numpy(dtype=float)
    groups = [values[codes == n] for n in range(len(names))]
    within = np.logical_and.reduce([unvarying(group) for group in groups])
    tested = ~(unvarying(values) | within)
    f, p = np.full((2, values.shape[1]), np.nan)
    f[tested], p[tested] = scipy.stats.f_oneway(*(group[:, tested] for group in groups), axis=0)
    units = pd.DataFrame({"f": f, "p": p}, index=counts.columns)
    return units.assign(q=benjamini_hochberg(units["p"]))


def _categories(counts: pd.DataFrame, categories: pd.Series) -> tuple[NDArray[np.int64], pd.Index]:
    """Category of every row as a number, and the names of the numbers."""
    refuse_gaps(counts, "counts")
    refuse_doubles(categories.index, "categories")
    known = categories.dropna()
    missing = counts.index[~counts.index.isin(known.index)]
    if len(missing):
        raise AnalysisError(f"categories: none for {some(missing.unique())}")
    codes, names = pd.factorize(known.loc[counts.index], sort=True)
    lonely = names[np.bincount(codes) < 2]
    if len(names) < 2 or len(lonely):
        found = f"only one row of {some(lonely)}" if len(lonely) else f"only {some(names)}"
        raise AnalysisError(f"categories: two with at least two rows each are needed; {found}")
    return codes, pd.Index(names)


def _row_correlation(a: FloatArray, b: FloatArray) -> FloatArray:
    """Pearson correlation of matching rows, (n_rows,); 0 where a row does not vary."""
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    size = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.asarray((a * b).sum(axis=1) / np.where(size > 0, size, 1.0))
