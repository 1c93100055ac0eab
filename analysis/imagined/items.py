"""What each item evoked while it was seen, and how sure that is.

A rate to an item is the mean of few views.  What regresses on it must know its error, which the
scatter of the views tells.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.inference import SAME
from analysis.labels import refuse_gaps, some
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ItemRates:
    """Rates to items, estimated from single views.

    Attributes
    ----------
    rates : least squares, blocks of views taken out, Hz, (n_items, n_units); index: item
    views : of each item, (n_items,)
    weights : of each view in the rate to each item, (n_items, n_views)
    squares : squared error of each single view, unbiased, (n_views, n_units)
    """

    rates: pd.DataFrame
    views: pd.Series
    weights: FloatArray
    squares: FloatArray


def item_rates(views: pd.DataFrame, blocks: pd.Series | None = None) -> ItemRates:
    """Rates to items and the errors of the views they rest on.

    Parameters
    ----------
    views : rates of single views, Hz, (n_views, n_units); index: item
    blocks : of each view, (n_views,), in the order of `views`, where rates may drift between blocks

    Returns
    -------
    ItemRates
        The model is item + block, by least squares.  Where no chain of blocks leads from one item
        to another (pairs that meet nobody else), their difference is left at its least value.
        The squared error of a view is ``residual**2 / (1 - leverage)`` (HC2; MacKinnon & White
        1985, doi:10.1016/0304-4076(85)90158-7): without blocks its mean over the views of an item
        is their ordinary variance.

    Raises
    ------
    AnalysisError
        If there is no view, an item has a single one, values are not finite, or rows and blocks
        differ in number.
    """
    refuse_gaps(views, "views")
    codes, names = pd.factorize(views.index, sort=True)
    shown = pd.Series(np.bincount(codes, minlength=len(names)), names, name="views")
    if not len(views):
        raise AnalysisError("views: there is none")
    if (shown < 2).any():
        once = some(shown.index[shown < 2])
        raise AnalysisError(f"views: item {once} was seen once only; errors need two views")
    if blocks is not None and len(blocks) != len(views):
        raise AnalysisError(f"views: {len(views)} rows, but blocks for {len(blocks)}")
    design = _design(codes, len(names), blocks)
    inverse = np.asarray(np.linalg.pinv(design), dtype=np.float64)
    weights = inverse[: len(names)]
    y = views.to_numpy(dtype=float)
    residual = y - design @ (inverse @ y)
    free = 1 - np.einsum("nk,kn->n", design, inverse)
    if (free < SAME).any():
        lonely = some(names[np.unique(codes[free < SAME])])
        raise AnalysisError(f"views: blocks leave no second view of item {lonely}")
    rates = pd.DataFrame(weights @ y, names.rename("image"), views.columns)
    return ItemRates(rates, shown, weights, residual**2 / free[:, None])


def _design(codes: NDArray[Any], n_items: int, blocks: pd.Series | None) -> FloatArray:
    """One column per item and one per block but one, the blocks' summing to zero."""
    items: FloatArray = np.eye(n_items)[codes]
    if blocks is None:
        return items
    in_block = pd.factorize(blocks.to_numpy())[0]
    n_blocks = in_block.max() + 1
    contrasts = np.vstack([np.eye(n_blocks - 1), -np.ones(n_blocks - 1)])
    return np.hstack([items, contrasts[in_block]])
