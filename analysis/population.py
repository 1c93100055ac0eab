"""Shares and medians over patients: what is estimated, how well, and for whom it holds.

Each share is an estimand with a name and three readings.  *Detected*: units with q <= 0.05, the
false-discovery rate taken over the whole population.  *Nominal*: units with p <= 0.05, of which
chance alone gives 5 % of those that do nothing.  *Corrected*: the share of units that do it, found
or not, from how many p are small.  Units of one patient are not independent: from five patients on
intervals draw patients, with all their units; with fewer they draw units and hold for these
patients only.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.inference import LEVEL, benjamini_hochberg, units_needed
from analysis.labels import refuse_doubles, some
from analysis.resampling import Count, Interval, counted, drawn_of, interval, mean, median
from task.contract.errors import AnalysisError

# With p that are even under the null, half of the units that do nothing lie above this.
HALF = 0.5
DOI = "10.1126/science.adt8343"


@dataclass(frozen=True, slots=True)
class Question:
    """Something a unit does or does not do, and a column of p that asks it.

    Attributes
    ----------
    name : of the question, and of the column
    words : what a unit does
    even : whether p is uniform where the unit does nothing; else it is larger than that (several
        questions in one, or counts so small that many relabellings tie), and only small p tell how
        many do
    """

    name: str
    words: str
    even: bool = True


QUESTIONS = {
    question.name: question
    for question in (
        Question("responsive", "respond to pictures", even=False),
        Question("selective", "tell categories of pictures apart"),
        Question("axis_tuned", "follow an axis of object space"),
        Question("reactivated", "take part in imagery", even=False),
        Question("imagery_only", "take part in imagery only", even=False),
    )
}
# Of which units a share is taken: those that were detected to do the second, or all tested.
SHARES: tuple[tuple[str, str | None], ...] = (
    ("responsive", None),
    ("selective", None),
    ("axis_tuned", None),
    ("axis_tuned", "responsive"),
    ("reactivated", None),
    ("reactivated", "axis_tuned"),
    ("imagery_only", None),
)
# Counts of the study that this one follows, of human ventral temporal cortex.
PUBLISHED: Mapping[tuple[str, str | None], tuple[int, int]] = {
    ("responsive", None): (456, 714),
    ("axis_tuned", "responsive"): (367, 456),
    ("reactivated", "axis_tuned"): (43, 107),
}


@dataclass(frozen=True, slots=True)
class Share:
    """A share of units, read in three ways.

    Attributes
    ----------
    question, of : which units of which (None: of all that were tested)
    untested : units of the population without a p
    patients : of the units tested
    drawn : what the intervals draw, "patients" or "units"
    detected : q <= 0.05; its interval takes the q as they are
    nominal : p <= 0.05
    corrected : estimated share of units that do it, kept within 0 and 1
    level, power : with which it was corrected; where power is 1 it is a lower bound
    smallest_p : the least p that the designs could give, where that is known
    needed : how many units must reach it before any is detected; None if all would not be enough
    published : the count of the study that this one follows
    """

    question: str
    of: str | None
    untested: int
    patients: int
    drawn: str
    detected: Interval
    detected_count: Count
    nominal: Interval
    nominal_count: Count
    corrected: Interval
    level: float
    power: float
    smallest_p: float | None
    needed: int | None
    published: Count | None

    @property
    def lower_bound(self) -> bool:
        """Whether the corrected share is a lower bound: nobody said how many are overlooked."""
        return self.power == 1


def detected(p: pd.DataFrame) -> pd.DataFrame:
    """Which units are detected: q <= 0.05 over the whole population.

    Parameters
    ----------
    p : one row per unit, a column for each question that was asked; NaN where it was not tested

    Returns
    -------
    1 detected, 0 not, NaN not tested; rows and columns as in `p`.  *Imagery only* counts units that
    were not detected to respond to pictures, and is left out where nobody asked whether they do.

    Raises
    ------
    AnalysisError
        If two units have one name, a p lies outside 0 to 1, or a column is none of `QUESTIONS`.
    """
    asked = _asked(p)
    return pd.DataFrame(
        {name: (q <= LEVEL).astype(float).where(q.notna()) for name, q in _q(asked).items()},
        index=p.index,
    )


def shares(
    p: pd.DataFrame,
    patients: pd.Series,
    power: Mapping[str, float] | None = None,
    smallest_p: Mapping[str, float] | None = None,
    seed: int = 0,
) -> list[Share]:
    """Every share of `SHARES` that the columns of `p` allow.

    Parameters
    ----------
    p : as for `detected`
    patients : of each unit; index as in `p`
    power : of a test, the share of the units that do it which reach p <= 0.05, where it is known
        from simulation at the study's own rates
    smallest_p : the least p that the designs could give, by question
    seed : of what is drawn

    Returns
    -------
    list of Share
        The corrected share is ``(share(p <= a) - a) / (power - a)`` (Rogan & Gladen 1978,
        doi:10.1093/oxfordjournals.aje.a112510).  Where the power is known, a = 0.05.  Where it is
        not it counts as 1, which gives a lower bound; the same formula is then ``1 - pi0`` of
        Storey (2002, doi:10.1111/1467-9868.00346) with lambda = a, and a = 0.5 is taken, because
        hardly any unit that does something has a larger p, at 0.05 many.  Tests whose p is not
        uniform under the null (`Question.even`) keep a = 0.05, where it is nearest to that.  Of a
        share among detected units this asks that being detected does not change what p would be
        if a unit did nothing; that holds for axes, whose test only relabels pictures.

    Raises
    ------
    AnalysisError
        As `detected`, if a unit has no patient, or a power is not above 0.05 and at most 1.
    """
    asked, known = _asked(p), power or {}
    _refuse_patients(p.index, patients)
    _refuse_powers(known)
    found = detected(p)
    made = []
    for question, of in SHARES:
        if question not in asked or (of is not None and of not in asked):
            continue
        within = asked.index if of is None else asked.index[found[of] == 1]
        tested = within[asked.loc[within, question].notna()]
        if len(tested):
            table = pd.DataFrame({"p": asked[question], "detected": found[question]}).loc[tested]
            least = (smallest_p or {}).get(question)
            made.append(
                _share(
                    (question, of),
                    table,
                    patients[tested],
                    untested=len(within) - len(tested),
                    power=known.get(question, 1.0),
                    smallest_p=least,
                    needed=None if least is None else _needed(asked[question], least),
                    seed=seed,
                )
            )
    return made


def _share(
    named: tuple[str, str | None],
    table: pd.DataFrame,
    patients: pd.Series,
    *,
    untested: int,
    power: float,
    smallest_p: float | None,
    needed: int | None,
    seed: int,
) -> Share:
    question = QUESTIONS[named[0]]
    level = HALF if power == 1 and question.even else LEVEL
    small = pd.DataFrame(
        {
            "detected": table["detected"] == 1,
            "nominal": table["p"] <= LEVEL,
            "level": table["p"] <= level,
        }
    )
    found = {n: interval(of.astype(float), patients, mean, seed) for n, of in small.items()}
    counts = {n: counted(int(of.sum()), len(of)) for n, of in small.items()}
    return Share(
        *named,
        untested=untested,
        patients=int(patients.nunique()),
        drawn=drawn_of(patients),
        detected=found["detected"],
        detected_count=counts["detected"],
        nominal=found["nominal"],
        nominal_count=counts["nominal"],
        corrected=Interval(
            *(
                corrected_share(of, level, power)
                for of in (found["level"].value, found["level"].low, found["level"].high)
            )
        ),
        level=level,
        power=power,
        smallest_p=smallest_p,
        needed=needed,
        published=counted(*PUBLISHED[named]) if named in PUBLISHED else None,
    )


def corrected_share(share: float, level: float, power: float) -> float:
    """Share of units that do it, from the share with p <= level; kept within 0 and 1."""
    return min(1.0, max(0.0, (share - level) / (power - level))) if share == share else math.nan


def _needed(p: pd.Series, smallest_p: float) -> int | None:
    return units_needed(int(p.notna().sum()), smallest_p)


def _asked(p: pd.DataFrame) -> pd.DataFrame:
    """The questions that can be answered, as numbers; a unit that responds is not imagery only."""
    refuse_doubles(p.index, "units of the population")
    unknown = p.columns.difference(list(QUESTIONS))
    if len(unknown):
        raise AnalysisError(f"no question of the population is called {some(unknown)}")
    asked = p.astype(float)
    outside = ~asked.apply(lambda of: of.isna() | of.between(0, 1))
    if outside.any(axis=None):
        raise AnalysisError(f"p outside 0 to 1 in {some(asked.columns[outside.any()])}")
    if "imagery_only" not in asked:
        return asked
    if "responsive" not in asked:
        return asked.drop(columns="imagery_only")
    responds = benjamini_hochberg(asked["responsive"])
    only = asked["imagery_only"].mask((responds <= LEVEL) & asked["imagery_only"].notna(), 1.0)
    return asked.assign(imagery_only=only.where(responds.notna()))


def _q(asked: pd.DataFrame) -> dict[str, pd.Series]:
    return {str(name): benjamini_hochberg(of) for name, of in asked.items()}


def _refuse_patients(units: pd.Index, patients: pd.Series) -> None:
    named = patients.reindex(units)
    if named.isna().any():
        raise AnalysisError(f"no patient is named for {some(units[named.isna()])}")


def _refuse_powers(power: Mapping[str, float]) -> None:
    wrong = {name: of for name, of in power.items() if not LEVEL < of <= 1}
    for name, of in wrong.items():
        raise AnalysisError(f"power of {name} is {of:g}; it must be above {LEVEL:g} and at most 1")


# Medians -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Median:
    """The median of a measure over units.

    `interval` is of the median, `lower` and `upper` are the quartiles of the units; `drawn` as in
    `Share`.
    """

    measure: str
    units: int
    patients: int
    drawn: str
    interval: Interval
    lower: float
    upper: float


def medians(measures: pd.DataFrame, patients: pd.Series, seed: int = 0) -> list[Median]:
    """Median of every column over the units that have it, with its interval.

    Parameters
    ----------
    measures : one row per unit, a column for each measure; NaN where a unit has none
    patients : of each unit

    Raises
    ------
    AnalysisError
        If a unit has no patient.
    """
    _refuse_patients(measures.index, patients)
    made = []
    for name, column in measures.items():
        values = column.astype(float).replace([np.inf, -np.inf], np.nan).dropna()
        if values.empty:
            continue
        of = patients[values.index]
        lower, upper = values.quantile([0.25, 0.75])
        found = interval(values, of, median, seed)
        made.append(
            Median(
                str(name),
                len(values),
                of.nunique(),
                drawn_of(of),
                found,
                float(lower),
                float(upper),
            )
        )
    return made
