"""What a report says of the questions that a pool's axes were asked: JSON values and columns."""

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from analysis.findings import Viewing
from analysis.inference import LEVEL
from analysis.shares import middle, share
from analysis.viewing.asked import TITRATION_SHUFFLES, Asked
from analysis.viewing.axis_course import SHARE
from analysis.viewing.flatness import BOUND
from analysis.viewing.published_axis import published_rule_power


def units_asked(asked: Asked) -> pd.DataFrame:
    """Columns that units have of the questions asked, each where it could be answered.

    Returns
    -------
    `along_hz`, `across_hz`, `bend_hz`, `slope_ratio`, `bend_ratio` with `_low` and `_high`,
    `bend_p`, `bend_q`, `flat`; `pictures_cosine` and `showings_cosine`, of axes from halves, and
    `expected_cosine`, of the axis with that of endless trials; `ridge_r2`, `ridge_penalty`,
    `ridge_cosine`; `published_repeats`, of 100, and `published_tuned`.
    """
    parts: list[pd.DataFrame | pd.Series] = []
    if asked.flatness is not None:
        parts.append(asked.flatness.rename(columns={"p": "bend_p", "q": "bend_q"}))
    if asked.over_images is not None:
        parts.append(asked.over_images["cosine"].rename("pictures_cosine"))
    if asked.over_trials is not None:
        names = {"cosine": "showings_cosine", "expected": "expected_cosine"}
        parts.append(asked.over_trials[list(names)].rename(columns=names))
    if asked.ridge is not None:
        parts += [asked.ridge.r2.rename("ridge_r2"), asked.ridge.penalty.rename("ridge_penalty")]
    if asked.ridge_cosine is not None:
        parts.append(asked.ridge_cosine.rename("ridge_cosine"))
    if asked.published is not None:
        names = {"repeats_passed": "published_repeats", "tuned": "published_tuned"}
        parts.append(asked.published.rename(columns=names))
    return pd.concat(parts, axis=1) if parts else pd.DataFrame()


def asked_numbers(viewing: Viewing, patients: pd.Series) -> dict[str, Any]:
    """Answers of a pool; null where there is none.

    Parameters
    ----------
    patients : of every unit, by its name
    """
    tuned = viewing.fit.q <= LEVEL
    return {
        "flatness": _flatness(viewing.asked, tuned, patients),
        "stability": _stability(viewing, tuned, patients),
        "ridge": _ridge(viewing.asked, tuned, patients),
        "published_axis": _published(viewing.asked, tuned),
        "titration": _titration(viewing.asked),
        "unseen": _unseen(viewing.asked),
        "course": _course(viewing.asked),
    }


def titration_table(viewing: Viewing) -> pd.DataFrame:
    """The population at every number of pictures and dimensions; no rows where it was not asked."""
    found = viewing.asked.titration
    return pd.DataFrame() if found is None else found.assign(pool=viewing.pool)


def _flatness(asked: Asked, tuned: pd.Series, patients: pd.Series) -> dict[str, Any] | None:
    found = asked.flatness
    if found is None:
        return None
    return {
        "bound": BOUND,
        "flat": share(found.loc[tuned, "flat"]),
        "bending": share(found["q"] <= LEVEL),
        "bending_tuned": share(found.loc[tuned, "q"] <= LEVEL),
        "slope_ratio": middle(found.loc[tuned, "slope_ratio"].abs(), patients),
        "bend_ratio": middle(found.loc[tuned, "bend_ratio"].abs(), patients),
    }


def _stability(viewing: Viewing, tuned: pd.Series, patients: pd.Series) -> dict[str, Any]:
    asked = viewing.asked
    pictures, showings = (
        None if found is None else found[tuned] for found in (asked.over_images, asked.over_trials)
    )
    return {
        "pictures": None if pictures is None else middle(pictures["cosine"], patients),
        "showings": None if showings is None else middle(showings["cosine"], patients),
        "expected": None if showings is None else middle(showings["expected"], patients),
        "chance_sd": float(1 / np.sqrt(viewing.space.coordinates.shape[1])),
    }


def _ridge(asked: Asked, tuned: pd.Series, patients: pd.Series) -> dict[str, Any] | None:
    if asked.ridge is None or asked.ridge_cosine is None:
        return None
    return {
        "r2_median": float(asked.ridge.r2.median()),
        "penalty_median": float(asked.ridge.penalty.median()),
        "cosine": middle(asked.ridge_cosine[tuned], patients),
    }


def _published(asked: Asked, tuned: pd.Series) -> dict[str, Any] | None:
    if asked.published is None:
        return None
    theirs = asked.published["tuned"].astype(bool)
    return {
        "tuned": share(theirs),
        "both": int((theirs & tuned).sum()),
        "default_only": int((tuned & ~theirs).sum()),
        "published_only": int((theirs & ~tuned).sum()),
        "false_share": _published_false(),
    }


@cache
def _published_false() -> float:
    """Share of units without an axis that the rule accepts: its power, averaged over p."""
    p = (np.arange(400) + 0.5) / 400 * 0.02  # beyond 0.02 it accepts none
    return float(np.mean([published_rule_power(of) for of in p.tolist()]) * 0.02)


def _titration(asked: Asked) -> dict[str, Any] | None:
    if asked.titration is None:
        return None
    return {"shuffles": TITRATION_SHUFFLES, "rows": asked.titration.to_dict("records")}


def _unseen(asked: Asked) -> dict[str, Any] | None:
    found = asked.unseen
    if found is None:
        return None
    return {
        "pictures": found.unseen,
        "distance": found.median,
        "low": found.low,
        "high": found.high,
        "shuffled": float(np.median(found.null)),
        "p": found.p,
        "smallest_p": found.smallest_p,
        "best_found": float((found.pictures["nearest"] == found.pictures["best"]).mean()),
    }


def _course(asked: Asked) -> dict[str, Any] | None:
    found = asked.course
    if found is None:
        return None
    curves = found.curves.reset_index()
    return {
        "bin_s": found.bin_s,
        "share": SHARE,
        "units": found.units,
        "p": found.p,
        "smallest_p": found.smallest_p,
        "apart": _stretches(curves, found.bin_s),
        "curves": curves.to_dict("records"),
    }


def _stretches(curves: pd.DataFrame, bin_s: float) -> list[dict[str, float]]:
    """Bins in which the ends are apart, neighbours put together."""
    number = (~curves["apart"]).cumsum()[curves["apart"]]
    return [
        {"start": float(part.iloc[0]), "stop": round(float(part.iloc[-1]) + bin_s, 9)}
        for _, part in curves.loc[curves["apart"], "start_s"].groupby(number)
    ]
