"""Everything that one session of imagery is asked, beside who takes part.

Each question has its own module; here they are put to the session's trials, and what a session
cannot answer is kept as a sentence instead of a number.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.axis import axis_weights, orthogonal_axis, projections
from analysis.imagery import ImaginedCode
from analysis.imagined.decoders import template_decoder
from analysis.imagined.decoding import SessionDecoding, decode_session
from analysis.imagined.decoding_course import DecodingCourse, decode_course, sliding_rates
from analysis.imagined.equivalence import TakingPart, taking_part, visual_response
from analysis.imagined.gap import IntensityGap, intensity_gap
from analysis.imagined.gap_population import PopulationGap, population_gap
from analysis.imagined.items import item_rates
from analysis.imagined.questions import Reactivation
from analysis.imagined.similarity import similarity
from analysis.imagined.sliding import (
    PopulationCourse,
    population_course,
    sliding_windows,
    time_course,
)
from analysis.imagined.trials import ImageryTrials
from analysis.imagined.vividness import Vividness, signed_evidence, vividness
from analysis.space import ObjectSpace
from task.contract.errors import AnalysisError

BEFORE_S = 1.0  # time courses begin so long before the cue
WIDTH_S, STEP_S = 0.5, 0.1
ENCODING = "the encoding views of this session, which had no say in the choice of the items"


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What is known of a session's units from pictures that were seen.

    Attributes
    ----------
    views, before : rates of single views of screening, in the response window and before any
        response, Hz, (n_views, n_units); index: picture
    view_blocks : of each view
    rates : mean rates, Hz, (n_images, n_units); index: picture
    space : of these pictures
    responsive : whether each unit was found to respond, or to follow an axis
    encoding : rates of single views of the items before they were imagined; no rows where none were
    encoding_blocks : of each
    """

    views: pd.DataFrame
    before: pd.DataFrame
    view_blocks: pd.Series
    rates: pd.DataFrame
    space: ObjectSpace
    responsive: pd.Series
    encoding: pd.DataFrame
    encoding_blocks: pd.Series


@dataclass(frozen=True, slots=True, eq=False)
class Cued:
    """Cued trials as they were, for what looks at single spikes.

    Attributes
    ----------
    spikes : ascending spike times of every unit, s
    cues : one row per cue, in the order of time; `item`, `block`, `onset_s` (of the cue), `rating`
    stop_s : end of the window of imagery, relative to the cue
    """

    spikes: Mapping[Any, NDArray[np.floating]]
    cues: pd.DataFrame
    stop_s: float


@dataclass(frozen=True, slots=True)
class Asked:
    """Answers of one session; what could not be asked is None, or missing, and in `absent`.

    Attributes
    ----------
    taking_part : who is active in viewing, in imagery, in both
    similarity : of single-unit profiles, by `view-imagine`, `encode-imagine`, `view-encode`
    gap, gap_of_all : how much weaker imagery is, unit by unit and together
    decoding : imagined items read from all units
    decoding_courses : the same in sliding windows, by what the decoder was trained on
    courses : tuning in sliding windows, by `preferred` and `orthogonal` axis
    vividness : ratings against `rate`, `axis` (signed by the viewing axis) and `decoding`
    absent : what could not be asked, and why
    """

    taking_part: TakingPart | None
    similarity: Mapping[str, ImaginedCode]
    gap: IntensityGap | None
    gap_of_all: PopulationGap | None
    decoding: SessionDecoding | None
    decoding_courses: Mapping[str, DecodingCourse]
    courses: Mapping[str, PopulationCourse]
    vividness: Mapping[str, Vividness]
    absent: tuple[str, ...]


def ask(
    trials: ImageryTrials, cued: Cued, seen: Seen | None, found: Reactivation, seed: int = 0
) -> Asked:
    """Put every question to a session.

    Parameters
    ----------
    trials : rates around the cues
    cued : the same trials, with the spikes
    seen : None where the units were not seen responding to pictures
    found : who takes part in imagery
    """
    absent: list[str] = []
    answer = partial(_answer, absent)
    decoding = answer(
        "decoding",
        lambda: decode_session(
            trials,
            seen.views if seen else None,
            seen.encoding if seen and len(seen.encoding) else None,
            seen.space if seen else None,
            seed,
        ),
    )
    rated = _rated(trials, cued, seen, decoding, answer, seed)
    if seen is None:
        absent.append("viewing: no unit of this session was seen responding to pictures")
        return Asked(None, {}, None, None, decoding, {}, {}, rated, tuple(absent))
    gap = answer("intensity gap", lambda: _gap(trials, seen, seed))
    return Asked(
        answer("viewing and imagery", lambda: _kinds(seen, found)),
        _similarities(trials, seen, answer, seed),
        gap,
        None if gap is None else answer("intensity gap", lambda: population_gap([gap], seed=seed)),
        decoding,
        _decoding_courses(trials, cued, seen, answer, seed),
        _courses(trials, cued, seen, answer, seed),
        rated,
        tuple(absent),
    )


def _answer(absent: list[str], what: str, ask_for: Callable[[], Any]) -> Any:
    """The answer, or None and the reason in the list."""
    try:
        return ask_for()
    except AnalysisError as reason:
        absent.append(f"{what}: {reason}")
        return None


def _kinds(seen: Seen, found: Reactivation) -> TakingPart:
    units = found.units.index
    visual = visual_response(seen.views[units], seen.before[units], seen.view_blocks)
    return taking_part(found, visual, seen.responsive)


def _gap(trials: ImageryTrials, seen: Seen, seed: int) -> IntensityGap:
    if seen.encoding.empty:
        raise AnalysisError(
            "the only views of the items are those by which they were chosen; it needs others,"
            " of encoding or of a second screening"
        )
    return intensity_gap(
        trials, seen.encoding, source=ENCODING, view_blocks=seen.encoding_blocks, seed=seed
    )


def _similarities(
    trials: ImageryTrials, seen: Seen, answer: Callable[..., Any], seed: int
) -> dict[str, ImaginedCode]:
    imagined = trials.during.set_axis(pd.Index(trials.item))
    items = trials.item.unique()
    viewed = seen.rates.loc[seen.rates.index.isin(items)]
    asked = {
        "view-imagine": lambda: similarity(imagined, trials.block, viewed, seed=seed),
        "encode-imagine": lambda: similarity(
            imagined,
            trials.block,
            item_rates(seen.encoding, seen.encoding_blocks).rates,
            seed=seed,
        ),
        "view-encode": lambda: similarity(seen.encoding, seen.encoding_blocks, viewed, seed=seed),
    }
    if seen.encoding.empty:
        asked = {"view-imagine": asked["view-imagine"]}
    found = {name: answer(f"similarity, {name}", question) for name, question in asked.items()}
    return {name: code for name, code in found.items() if code is not None}


def _axes(trials: ImageryTrials, seen: Seen) -> dict[str, pd.DataFrame]:
    """Places of the items on axes that were fitted without them, (n_items, n_units)."""
    items = pd.Index(trials.item.unique())
    others = seen.rates[trials.during.columns].drop(index=items)
    preferred = axis_weights(others, seen.space)
    orthogonal = orthogonal_axis(preferred, seen.space.at(others.index))
    imagined = seen.space.at(items)
    return {
        "preferred": projections(preferred, imagined),
        "orthogonal": projections(orthogonal, imagined),
    }


def _courses(
    trials: ImageryTrials, cued: Cued, seen: Seen, answer: Callable[..., Any], seed: int
) -> dict[str, PopulationCourse]:
    windows = sliding_windows((-BEFORE_S, cued.stop_s), WIDTH_S, STEP_S)
    spikes = {unit: cued.spikes[unit] for unit in trials.during.columns}
    places = answer("time course", lambda: _axes(trials, seen)) or {}
    found = {
        axis: answer(
            f"time course, {axis} axis",
            lambda known=known: population_course(
                [time_course(spikes, cued.cues, known, windows, seed)], seed
            ),
        )
        for axis, known in places.items()
    }
    return {axis: course for axis, course in found.items() if course is not None}


def _decoding_courses(
    trials: ImageryTrials, cued: Cued, seen: Seen, answer: Callable[..., Any], seed: int
) -> dict[str, DecodingCourse]:
    spikes = {unit: cued.spikes[unit] for unit in trials.during.columns}
    items = pd.Index(trials.item.unique())
    windows = sliding_rates(spikes, cued.cues["onset_s"], (-BEFORE_S, cued.stop_s))
    found = {
        "viewing": answer(
            "decoding course, viewing",
            lambda: decode_course(
                trials, windows, template_decoder(seen.views[trials.during.columns], items), seed
            ),
        ),
        "imagery of other blocks": answer(
            "decoding course, imagery", lambda: decode_course(trials, windows, None, seed)
        ),
    }
    return {name: course for name, course in found.items() if course is not None}


def _rated(
    trials: ImageryTrials,
    cued: Cued,
    seen: Seen | None,
    decoding: SessionDecoding | None,
    answer: Callable[..., Any],
    seed: int,
) -> dict[str, Vividness]:
    """Ratings against rate, gain and decoding, where there are any."""
    ratings = cued.cues["rating"].astype(float)
    if ratings.isna().all():
        return {}
    found = {
        "rate": answer(
            "vividness and rate", lambda: vividness(trials.during, ratings, trials.block, seed)
        )
    }
    if seen is not None:
        found["axis"] = answer(
            "vividness and axis", lambda: _along_axis(trials, seen, ratings, seed)
        )
    read = decoding.decoded.get("viewing") if decoding else None
    if read is not None:
        asked = read.block.trials
        found["decoding"] = answer(
            "vividness and decoding",
            lambda: vividness(
                asked[["evidence"]], ratings.loc[asked.index], trials.block.loc[asked.index], seed
            ),
        )
    return {name: told for name, told in found.items() if told is not None}


def _along_axis(trials: ImageryTrials, seen: Seen, ratings: pd.Series, seed: int) -> Vividness:
    evidence = signed_evidence(trials, _axes(trials, seen)["preferred"])
    return vividness(evidence.dropna(axis="columns"), ratings, trials.block, seed)
