"""What an analysis finds, before it is put into numbers: the types that its steps hand on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.axis import (
    AxisFit,
)
from analysis.gather import Gathered, RunOfTrials, Session
from analysis.imagery import (
    Reactivation,
    ViewingCode,
)
from analysis.imagined.asked import Asked
from analysis.imagined.trials import ImageryTrials
from analysis.space import ObjectSpace
from analysis.viewing.asked import Asked as ViewingAsked
from analysis.viewing.comparison import Comparison
from analysis.viewing.identification import Identification
from analysis.viewing.profile import Profile


@dataclass(frozen=True, slots=True)
class Pictures:
    """What is known of the pictures: features and categories, by picture id."""

    features: pd.DataFrame
    categories: pd.Series | None


@dataclass(frozen=True, slots=True)
class Viewing:
    """Viewing of one pool of runs.

    Attributes
    ----------
    pool : its name
    members : its runs, each with its session
    rates : Hz, (n_images, n_units)
    counts : spikes in the window, (n_images, n_units), summed over the trials of a picture
    trials : of each picture
    categories : of each picture; None where they are not known, or are of no use
    untested : units that are in no test, and why
    space : of these pictures
    fit : axes of the tested units
    profile : what else was measured of the units
    models : rival models of the tested units' rates, compared two by two, by name
    identified : pictures told from one another by all units; None where these are too few
    asked : what else was asked of the axes
    absent : what could not be done, and why
    """

    pool: str
    members: tuple[tuple[Session, RunOfTrials], ...]
    rates: pd.DataFrame
    counts: pd.DataFrame
    trials: pd.Series
    categories: pd.Series | None
    untested: Mapping[str, str]
    space: ObjectSpace
    fit: AxisFit
    profile: Profile
    models: Mapping[str, Comparison]
    identified: Identification | None
    asked: ViewingAsked
    absent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Imagining:
    """Imagery of one session, against the viewing of the same units in `pool`, if there was any.

    Without a `code`, because too few of the items were viewed, there is no pool either.

    `not_viewed` units were left out because they were not in viewing; the rows of `trials` are
    those of `cue_s`, the times of the cues.
    """

    session: Session
    pool: str | None
    not_viewed: int
    cue_s: pd.Series
    trials: ImageryTrials
    ratings: pd.Series
    windows: Mapping[str, tuple[float, float]]
    reactivation: Reactivation
    code: ViewingCode | None
    asked: Asked


@dataclass(frozen=True, slots=True)
class Tuning:
    """Where the pictures lie for one unit, each on axes that were fitted without it.

    Attributes
    ----------
    unit, pool : their names
    preferred, orthogonal : projections, (n_images,); index: picture id
    """

    unit: str
    pool: str
    preferred: pd.Series
    orthogonal: pd.Series


@dataclass(frozen=True, slots=True)
class Results:
    """What an analysis found.

    Attributes
    ----------
    document : every number of the report, as JSON values
    tables : tidy tables, by name
    gathered, viewings, imaginings : what the figures are drawn from
    tunings : of the units that the report shows one by one, the best predicted first
    """

    document: dict[str, Any]
    tables: dict[str, pd.DataFrame]
    gathered: Gathered
    viewings: tuple[Viewing, ...]
    imaginings: tuple[Imagining, ...]
    tunings: tuple[Tuning, ...]
