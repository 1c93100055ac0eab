"""The published rule by which a unit was called axis-tuned, for comparison only.

The first author's public code (vwadia/Screening, cee5f15; doi:10.1126/science.adt8343) computes the
permutation p one hundred times, each from 500 shuffles and without counting the observed order in,
and accepts a unit where p < 0.01 in more than 98 of them.
"""

import numpy as np
import pandas as pd
import scipy.stats

from analysis.prediction import centred
from analysis.space import ObjectSpace
from analysis.viewing.matched import matched, why_untested
from analysis.viewing.shuffled_axes import Progress, count_as_good, shuffled_orders

REPEATS = 100
SHUFFLES = 500
LEVEL = 0.01
NEEDED = 99  # more than 98


def published_rule_axis_tuned(
    rates: pd.DataFrame,
    space: ObjectSpace | pd.DataFrame,
    seed: int = 0,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Which units the published rule calls axis-tuned.

    Parameters
    ----------
    rates : (n_images, n_units); index: picture id
    space : coordinates, (n_images, n_dims); index: picture id
    seed : of the shuffles
    threads : as in `fit_axes`
    progress : called after every repeat with how many are done, and of how many

    Returns
    -------
    DataFrame, one row per unit
        Columns `repeats_passed` (of 100) and `tuned`; NaN and False for units not tested.

    Raises
    ------
    AnalysisError
        As `fit_axes`.

    Notes
    -----
    The rule hides its threshold: it is p of about 0.002 and not 0.01, so that it accepts some
    0.3 % of units without any axis (`published_rule_power` of p, averaged over p; measured in
    `benchmarks/axis.md`), whatever their number, and no false-discovery rate follows from it.
    Shuffles equal to the observed order count against the unit here; the original let them pass.
    """
    table, coordinates = matched(rates, space)
    tested = ~table.columns.isin(list(why_untested(table)))
    x, y = coordinates.to_numpy(), centred(table.to_numpy()[:, tested])
    x = x / np.linalg.norm(x, axis=0)
    passed, most = np.zeros(y.shape[1]), _most_allowed()
    seeds = np.random.default_rng(seed).integers(2**63, size=REPEATS)
    for done, one in enumerate(seeds if tested.any() else (), start=1):
        orders = shuffled_orders(len(y), SHUFFLES, int(one))
        passed += count_as_good(x, y, orders, threads=threads) <= most
        if progress is not None:
            progress(done, REPEATS)
    repeats = pd.Series(passed, table.columns[tested]).reindex(table.columns)
    return pd.DataFrame({"repeats_passed": repeats, "tuned": repeats >= NEEDED})


def published_rule_power(p: float) -> float:
    """Probability that the rule accepts a unit of which a share `p` of all orders do as well."""
    passes = scipy.stats.binom.cdf(_most_allowed(), SHUFFLES, p)
    return float(scipy.stats.binom.sf(NEEDED - 1, REPEATS, passes))


def _most_allowed() -> int:
    """Shuffles that may do as well as the observed order: p < 0.01 of 500 are 0 to 4."""
    return int(np.ceil(LEVEL * SHUFFLES)) - 1
