"""What each test of a session of imagery could show, whatever the neurons do.

A test against relabellings has a smallest p.  Where so many units are tested that even all of them
at this p would not have q <= 0.05, it can say nothing of single units.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.imagery import ImaginedCode, ViewingCode
from analysis.imagined.asked import Asked
from analysis.imagined.questions import Reactivation
from analysis.inference import LEVEL, SAME, permutation_p, units_needed

FloatArray = NDArray[np.float64]

WORDS = {
    "modulated": "the rate changes after the cue, by trial",
    "modulated_by_block": "the same, by whole blocks",
    "selective": "the rate differs between items, by trial",
    "selective_by_swap": "the same, by whole blocks",
    "reactivated": "takes part: changes or differs",
    "axis": "follows the preferred axis",
    "orthogonal": "follows the orthogonal axis",
    "viewing": "follows the rates in viewing",
    "gain": "gain above 0",
    "vividness": "follows vividness",
    "clusters": "follows the preferred axis at some time",
}
READ = "item read by a decoder trained on "


def attainable(found: Reactivation, code: ViewingCode | None, asked: Asked) -> pd.DataFrame:
    """Smallest p of every test that was made, and what it allows.

    Returns
    -------
    DataFrame, one row per test
        `test`, `words`; `of`: "each unit" or "all units"; `units`: how many were tested;
        `smallest_p`; `needed`: how many units must reach it before any has q <= 0.05, NaN if all
        would not be enough, and for tests of all units; `reachable`: whether q <= 0.05 (of all
        units together: p <= 0.05) can be reached
    """
    rows = [*_of_units(found), *_of_all(found)]
    if code is not None:
        for name, of in (("axis", code.axis), ("orthogonal", code.orthogonal),
                         ("viewing", code.viewing)):  # fmt: skip
            rows += _of_code(name, of)
    if asked.gap is not None and asked.gap_of_all is not None:
        tested = int(asked.gap.units["p"].notna().sum())
        rows += [
            _each("gain", asked.gap.smallest_p, tested),
            _all("gain", asked.gap.smallest_p, asked.gap_of_all.units),
        ]
    for name, read in (asked.decoding.decoded if asked.decoding else {}).items():
        rows.append(_all(READ + name, read.block.smallest_p, read.units))
    if "preferred" in asked.clusters:
        smallest = asked.clusters["preferred"].smallest_p
        rows.append(_all("clusters", smallest, asked.courses["preferred"].units))
    if "rate" in asked.vividness:
        vivid = asked.vividness["rate"]
        tested = int(vivid.units["p"].notna().sum())
        rows += [
            _each("vividness", vivid.smallest_p, tested),
            _all("vividness", vivid.smallest_p, tested),
        ]
    return pd.DataFrame(rows)


def least_p(null: FloatArray, *, exact: bool) -> float:
    """Smallest p that any of these relabellings could have had, had it been the observed one.

    Parameters
    ----------
    null : statistic under each relabelling, (n_relabellings, n_units); the best unit counts
    exact : whether the relabellings are all there are
    """
    most = null.max(axis=0)
    alike = null >= most - SAME * np.abs(most)
    return float(permutation_p(np.ones(null.shape[1]), alike.astype(float), exact=exact).min())


def _of_units(found: Reactivation) -> list[dict[str, object]]:
    tested = int(found.units["p"].notna().sum())
    smallest = found.reach.tests["smallest_p"]
    return [_each(str(name), float(p), tested) for name, p in smallest.items()]


def _of_all(found: Reactivation) -> list[dict[str, object]]:
    rows = found.population.to_dict("index")
    return [_all(str(name), row["smallest_p"], int(row["units"])) for name, row in rows.items()]


def _of_code(name: str, code: ImaginedCode) -> list[dict[str, object]]:
    tested = code.units["r"].notna().to_numpy()
    null = code.null[:, tested]
    if not null.shape[1]:
        return []
    sided = np.abs(null) if code.two_sided else null
    together = sided.sum(axis=1)[:, None]
    return [
        _each(name, least_p(sided, exact=code.exact), null.shape[1]),
        _all(name, least_p(together, exact=code.exact), null.shape[1]),
    ]


def _each(test: str, smallest_p: float, units: int) -> dict[str, object]:
    needed = units_needed(units, smallest_p) if smallest_p < 1 else None
    return {
        **_named(test),
        "of": "each unit",
        "units": units,
        "smallest_p": smallest_p,
        "needed": np.nan if needed is None else needed,
        "reachable": needed is not None,
    }


def _all(test: str, smallest_p: float, units: int) -> dict[str, object]:
    return {
        **_named(test),
        "of": "all units",
        "units": units,
        "smallest_p": smallest_p,
        "needed": np.nan,
        "reachable": smallest_p <= LEVEL,
    }


def _named(test: str) -> dict[str, object]:
    return {"test": test, "words": WORDS.get(test, test)}
