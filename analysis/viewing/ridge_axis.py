"""The preferred axis by ridge regression: an alternative to the spike-triggered average."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.prediction import leave_one_out, variance_explained
from analysis.space import ObjectSpace
from analysis.viewing.matched import matched, why_untested


@dataclass(frozen=True, slots=True)
class RidgeFit:
    """Axes by ridge regression, scored by leaving out one picture at a time.

    Attributes
    ----------
    weights : as `AxisFit.weights`, (n_dims, n_units)
    penalty : of each unit, relative to the mean squared singular value of the coordinates,
        (n_units,)
    r2 : variance explained of pictures left out one by one, (n_units,).  The penalty is the one
        for which it is largest, so that it is a little too large: `AxisFit.r2` is not
    predictions : of each picture without it, in the unit of the rates, (n_images, n_units)
    """

    weights: pd.DataFrame
    penalty: pd.Series
    r2: pd.Series
    predictions: pd.DataFrame


def ridge_axes(rates: pd.DataFrame, space: ObjectSpace | pd.DataFrame) -> RidgeFit:
    """Preferred axes by ridge regression, each unit with its own penalty.

    Penalty and score by leave-one-out in closed form (`prediction.leave_one_out`).

    Parameters
    ----------
    rates : (n_images, n_units); index: picture id
    space : coordinates, (n_images, n_dims); index: picture id

    Returns
    -------
    RidgeFit
        NaN for units that cannot be fitted; rows in the order of `rates`.

    Raises
    ------
    AnalysisError
        As `fit_axes`.
    """
    table, coordinates = matched(rates, space)
    x, y = coordinates.to_numpy(), table.to_numpy()
    still = table.columns.isin(list(why_untested(table)))
    found = leave_one_out(x, y)
    units, length = table.columns, np.linalg.norm(x, axis=0)[:, None]
    weights = found.slopes / np.where(still, np.nan, np.linalg.norm(found.slopes * length, axis=0))
    predictions = pd.DataFrame(np.where(still, np.nan, found.predictions), table.index, units)
    r2 = variance_explained(y, predictions.to_numpy())
    return RidgeFit(
        weights=pd.DataFrame(weights, coordinates.columns, units),
        penalty=pd.Series(np.where(still, np.nan, found.penalties), units, name="penalty"),
        r2=pd.Series(r2, units, name="r2"),
        predictions=predictions.loc[rates.index],
    )
