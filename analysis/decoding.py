"""What a population of units tells about the category of a picture, and how that goes in time."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
import scipy.stats
from numpy.typing import NDArray

from analysis.inference import SAME, benjamini_hochberg, permutation_p, proportion_interval
from analysis.labels import refuse_doubles, refuse_gaps, some
from analysis.prediction import centred, unvarying
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

TAILS = (0.025, 0.975)
_BLOCK_NUMBERS = 4_000_000  # of similarities held at once


@dataclass(frozen=True, slots=True)
class Decoding:
    """Categories read from a population.

    Attributes
    ----------
    predicted : category read for each picture, (n_images,)
    accuracy, low, high : share of pictures whose category was read right, and its interval over
        pictures (Clopper-Pearson)
    chance : 1 / number of categories
    units : how many took part: those that vary
    balanced : mean of the categories' shares read right, which the large ones do not dominate
    confusion : pictures of each category (rows) read as each category (columns)
    null : accuracy with categories shuffled over pictures, (n_shuffles,)
    null_balanced : `balanced`, likewise
    p : of the accuracy; NaN without shuffles
    smallest_p : the least p that so many shuffles can give; NaN without shuffles
    untested : units that do not vary and took no part
    """

    predicted: pd.Series
    accuracy: float
    low: float
    high: float
    chance: float
    units: int
    balanced: float
    confusion: pd.DataFrame
    null: FloatArray
    null_balanced: FloatArray
    p: float
    smallest_p: float
    untested: tuple[Any, ...]


class Decoded(Protocol):
    """What the course of decoding needs of a decoding."""

    @property
    def accuracy(self) -> float:
        """Share of pictures read right."""
        ...

    @property
    def low(self) -> float:
        """Lower end of its interval."""
        ...

    @property
    def high(self) -> float:
        """Upper end of its interval."""
        ...

    @property
    def null(self) -> FloatArray:
        """Accuracy with pictures shuffled, (n_shuffles,)."""
        ...


def decode_categories(
    counts: pd.DataFrame, categories: pd.Series, n_shuffles: int = 0, seed: int = 0
) -> Decoding:
    """Read each picture's category from all units, without that picture.

    Parameters
    ----------
    counts : spikes or rates, (n_images, n_units), z-scored here over the pictures, which uses no
        category; index: picture id
    categories : of each picture; index: picture id
    n_shuffles : of the categories over the pictures, for p and the null
    seed : of the shuffles

    Returns
    -------
    Decoding
        The category whose mean pattern over units, the picture itself left out, has the highest
        Pearson correlation with the picture's pattern.

    Raises
    ------
    AnalysisError
        If a picture has no category or comes twice, two units have one name, a category has one
        picture only, fewer than two units vary, or counts are not finite.
    """
    refuse_doubles(counts.index, "counts")
    if counts.columns.has_duplicates:
        doubles = some(counts.columns[counts.columns.duplicated()].unique())
        raise AnalysisError(f"counts: more than one unit is named {doubles}")
    codes, names = _categories(counts, categories)
    values = counts.to_numpy(dtype=float)
    still = unvarying(values)
    values = values[:, ~still]
    if values.shape[1] < 2:
        raise AnalysisError("decoding needs at least two units that vary")
    order = counts.index.argsort()  # so that shuffles do not depend on the order of the rows
    overlap, codes = _overlap(values[order]), codes[order]
    read = _nearest_category(overlap, codes[None], len(names))[0]
    predicted = pd.Series(names[read], counts.index[order], name="category").loc[counts.index]
    right = read == codes
    size = np.bincount(codes)
    null, null_balanced = _shuffled(overlap, codes, size, n_shuffles, seed)
    tested = n_shuffles > 0
    return Decoding(
        predicted=predicted,
        accuracy=float(right.mean()),
        low=proportion_interval(int(right.sum()), len(right))[0],
        high=proportion_interval(int(right.sum()), len(right))[1],
        chance=1 / len(names),
        units=values.shape[1],
        balanced=float((right / size[codes]).sum() / len(names)),
        confusion=_confusion(codes, read, names),
        null=null,
        null_balanced=null_balanced,
        p=float(permutation_p(right.mean(), null, exact=False)) if tested else math.nan,
        smallest_p=1 / (1 + n_shuffles) if tested else math.nan,
        untested=tuple(counts.columns[still]),
    )


def decoding_course(
    tables: Mapping[Any, pd.DataFrame], decode: Callable[[pd.DataFrame], Decoded]
) -> pd.DataFrame:
    """How decoding goes from window to window, each decoded by itself.

    Parameters
    ----------
    tables : counts or rates in each window, by its time; all of the same pictures
    decode : of one table, with shuffles of the same seed and number for all; for example
        ``partial(decode_categories, categories=categories, n_shuffles=199)``

    Returns
    -------
    DataFrame, one row per window, index: its time
        `accuracy`, `low`, `high` (interval over pictures); `null_mean`, `null_low`, `null_high`
        (95 % of the shuffles in this window); `null_most` (what 95 % of them nowhere exceed);
        `p`, and `p_course`, corrected for the number of windows: how often a shuffle exceeds this
        accuracy anywhere (doi:10.1002/hbm.1058); `untested`: why a window could not be decoded, or
        empty.

    Raises
    ------
    AnalysisError
        If there is no window, windows differ in pictures, or none could be decoded.
    """
    pictures = {frozenset(table.index) for table in tables.values()}
    if len(pictures) != 1:
        fault = "these differ" if tables else "there is none"
        raise AnalysisError(f"the course of decoding needs windows of the same pictures; {fault}")
    found: dict[Any, Decoded] = {}
    reasons = dict.fromkeys(tables, "")
    for time, table in tables.items():
        try:
            found[time] = decode(table)
        except AnalysisError as error:  # a window without spikes, for one
            reasons[time] = str(error)
    if not found:
        raise AnalysisError(f"no window can be decoded: {next(iter(reasons.values()))}")
    null = np.array([of.null for of in found.values()])  # (n_windows, n_shuffles)
    accuracy = np.array([of.accuracy for of in found.values()])
    low, high = np.quantile(null, TAILS, axis=1)
    most = null.max(axis=0)
    course = pd.DataFrame(
        {
            "accuracy": accuracy,
            "low": [of.low for of in found.values()],
            "high": [of.high for of in found.values()],
            "null_mean": null.mean(axis=1),
            "null_low": low,
            "null_high": high,
            "null_most": np.quantile(most, 0.95),
            "p": permutation_p(accuracy, null.T, exact=False),
            "p_course": permutation_p(accuracy, most[:, None], exact=False),
        },
        index=list(found),
    )
    return course.reindex(list(tables)).assign(untested=list(reasons.values()))


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


def _overlap(values: FloatArray) -> FloatArray:
    """Covariances over units of pictures' z-scored patterns, (n_images, n_images)."""
    z = centred(values) / values.std(axis=0)
    z -= z.mean(axis=1, keepdims=True)
    return np.asarray(z @ z.T)


def _nearest_category(overlap: FloatArray, codes: IntArray, n_categories: int) -> IntArray:
    """Category read for every picture in every labelling, (n_labellings, n_images).

    Correlations with the means of the others are reckoned from the covariances of pictures, so that
    another labelling costs no pass over the units.
    """
    member = codes[:, :, None] == np.arange(n_categories)
    labellings, n, _ = member.shape
    columns = member.transpose(1, 0, 2).reshape(n, -1).astype(float)
    sums = (overlap @ columns).reshape(n, labellings, -1).transpose(1, 0, 2)
    own = np.diag(overlap)[:, None]
    with_others = sums - member * own
    size = (sums * member).sum(axis=1, keepdims=True) - member * (2 * sums - own)
    varies = size > SAME * own.max()
    return np.asarray((with_others / np.sqrt(np.where(varies, size, np.inf))).argmax(axis=2))


def _shuffled(
    overlap: FloatArray, codes: IntArray, size: IntArray, n_shuffles: int, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Share read right and mean over categories, labels shuffled, (n_shuffles,) each."""
    labels = np.random.default_rng(seed).permuted(np.tile(codes, (n_shuffles, 1)), axis=1)
    shares, balanced = np.empty((2, n_shuffles))
    step = max(1, _BLOCK_NUMBERS // (len(codes) * len(size)))
    for start in range(0, n_shuffles, step):
        block = slice(start, start + step)
        right = _nearest_category(overlap, labels[block], len(size)) == labels[block]
        shares[block] = right.mean(axis=1)
        balanced[block] = (right / size[labels[block]]).sum(axis=1) / len(size)
    return shares, balanced


def _confusion(codes: IntArray, read: IntArray, names: pd.Index) -> pd.DataFrame:
    counted = np.zeros((len(names), len(names)), np.int64)
    np.add.at(counted, (codes, read), 1)
    return pd.DataFrame(counted, names.rename("category"), names.rename("read"))
