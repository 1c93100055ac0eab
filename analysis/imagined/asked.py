"""Everything that one session of imagery is asked, beside who takes part.

Each question has its own module; here they are put to the session's trials, and what a session
cannot answer is kept as a sentence instead of a number.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from analysis.axis import axis_weights, orthogonal_axis, projections
from analysis.imagery import ImaginedCode
from analysis.imagined.along import turned
from analysis.imagined.block_clusters import block_clusters
from analysis.imagined.decoders import template_decoder
from analysis.imagined.decoding import ACROSS, SessionDecoding, decode_session
from analysis.imagined.decoding_course import DecodingCourse, decode_course, sliding_rates
from analysis.imagined.equivalence import TakingPart, taking_part, visual_response
from analysis.imagined.gap import IntensityGap, intensity_gap
from analysis.imagined.gap_population import PopulationGap, population_gap
from analysis.imagined.items import item_rates
from analysis.imagined.mixed import MixedVividness
from analysis.imagined.questions import Reactivation
from analysis.imagined.rated import mixed_of, rated
from analysis.imagined.rules import PublishedRules, published_rules
from analysis.imagined.session import Cued, Seen
from analysis.imagined.similarity import similarity
from analysis.imagined.sliding import (
    PopulationCourse,
    population_course,
    sliding_windows,
    time_course,
)
from analysis.imagined.trials import ImageryTrials, of_items
from analysis.imagined.vividness import Vividness, signed_evidence
from analysis.labels import some
from analysis.responses import Window
from analysis.viewing.clusters import Clusters
from task.contract.errors import AnalysisError

WIDTH_S, STEP_S = 0.5, 0.1
ENCODING = "the encoding views of this session, which had no say in the choice of the items"

Answer = Callable[[str, Callable[[], Any]], Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """Answers of one session; what could not be asked is None, or missing, and in `absent`.

    Attributes
    ----------
    taking_part : who is active in viewing, in imagery, in both
    rules : who is by the published rules, and how often these err here
    similarity : of single-unit profiles, by `view-imagine`, `encode-imagine`, `view-encode`
    gap, gap_of_all : how much weaker imagery is, unit by unit and together
    decoding : imagined items read from all units
    decoding_courses : the same in sliding windows, by what the decoder was trained on
    courses : tuning in sliding windows, by `preferred` and `orthogonal` axis
    clusters : stretches of time in which that tuning is not 0, by axis
    vividness : ratings against `rate`, `axis` (signed by the viewing axis) and `decoding`
    mixed : the same in a mixed model over units, against `rate` and `axis`
    profiles : rates to the items, blocks taken out, Hz, by `viewing`, `encoding` and `imagery`;
        each (n_items, n_units), all with the same units
    places : of the items on axes fitted without them, by axis, (n_items, n_units)
    absent : what could not be asked, and why
    """

    taking_part: TakingPart | None
    rules: PublishedRules | None
    similarity: Mapping[str, ImaginedCode]
    gap: IntensityGap | None
    gap_of_all: PopulationGap | None
    decoding: SessionDecoding | None
    decoding_courses: Mapping[str, DecodingCourse]
    courses: Mapping[str, PopulationCourse]
    clusters: Mapping[str, Clusters]
    vividness: Mapping[str, Vividness]
    mixed: Mapping[str, MixedVividness]
    profiles: Mapping[str, pd.DataFrame]
    places: Mapping[str, pd.DataFrame]
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

    Returns
    -------
    Asked
        Trials of items that were not viewed have no part in what compares imagery with viewing.
    """
    absent = _not_viewed(trials, seen)
    answer = partial(_answer, absent)
    decoding = answer("decoding", lambda: _decoding(trials, cued, seen, seed))
    viewed = None if seen is None else of_items(trials, seen.rates.index)
    places = answer("axes", lambda: _places(viewed, seen)) if seen and viewed else None
    courses, clusters = _courses(viewed, cued, places or {}, answer, seed)
    gap = answer("intensity gap", lambda: _gap(trials, cued, seed))
    ratings = cued.cues["rating"].astype(float)
    values = answer("vividness", lambda: _rated(ratings, trials, viewed, places, decoding)) or {}
    return Asked(
        taking_part=answer("viewing and imagery", lambda: _kinds(seen, found)) if seen else None,
        rules=answer("published rules", lambda: _rules(cued, seed)),
        similarity=_similarities(trials, viewed, cued, seen, answer, seed),
        gap=gap,
        gap_of_all=gap and answer("intensity gap", lambda: population_gap([gap], seed=seed)),
        decoding=decoding,
        decoding_courses=_decoding_courses(trials, cued, seen, answer, seed),
        courses=courses,
        clusters=clusters,
        vividness=rated(values, ratings, trials.block, answer, seed),
        mixed=mixed_of(values, ratings, trials, answer),
        profiles=_profiles(trials, cued, seen, answer),
        places=places or {},
        absent=tuple(dict.fromkeys(absent)),
    )


def _answer(absent: list[str], what: str, ask_for: Callable[[], Any]) -> Any:
    """The answer, or None and the reason in the list."""
    try:
        return ask_for()
    except AnalysisError as reason:
        absent.append(f"{what}: {reason}")
        return None


def _not_viewed(trials: ImageryTrials, seen: Seen | None) -> list[str]:
    """What imagery cannot be compared with viewing, in a sentence, if anything."""
    if seen is None:
        return ["viewing: no unit of this session was seen responding to pictures"]
    unknown = trials.item[~trials.item.isin(seen.rates.index)]
    if unknown.empty:
        return []
    return [
        f"viewing: {some(unknown.unique())} imagined, but not viewed; its {len(unknown)} of"
        f" {len(trials.item)} trials have no part in what compares imagery with viewing"
    ]


def _decoding(trials: ImageryTrials, cued: Cued, seen: Seen | None, seed: int) -> SessionDecoding:
    return decode_session(
        trials,
        seen.views if seen else None,
        cued.encoding if len(cued.encoding) else None,
        seen.space if seen else None,
        seed,
    )


def _kinds(seen: Seen, found: Reactivation) -> TakingPart:
    units = found.units.index
    visual = visual_response(seen.views[units], seen.before[units], seen.view_blocks)
    return taking_part(found, visual, seen.responsive)


def _rules(cued: Cued, seed: int) -> PublishedRules:
    return published_rules(cued.spikes, cued.cues, cued.encoded, cued.before_s, cued.during_s, seed)


def _gap(trials: ImageryTrials, cued: Cued, seed: int) -> IntensityGap:
    if cued.encoding.empty:
        raise AnalysisError(
            "the only views of the items are those by which they were chosen; it needs others,"
            " of encoding or of a second screening"
        )
    return intensity_gap(
        trials, cued.encoding, source=ENCODING, view_blocks=cued.encoding_blocks, seed=seed
    )


def _similarities(
    trials: ImageryTrials,
    viewed: ImageryTrials | None,
    cued: Cued,
    seen: Seen | None,
    answer: Answer,
    seed: int,
) -> dict[str, ImaginedCode]:
    asked: dict[str, Callable[[], ImaginedCode]] = {}
    encoding = cued.encoding
    if seen is not None and viewed is not None:
        known = seen.rates.loc[seen.rates.index.isin(trials.item)]
        asked["view-imagine"] = lambda: similarity(_named(viewed), viewed.block, known, seed=seed)
    if len(encoding):
        blocks = cued.encoding_blocks
        asked["encode-imagine"] = lambda: similarity(
            _named(trials), trials.block, item_rates(encoding, blocks).rates, seed=seed
        )
    if len(encoding) and seen is not None:
        both = encoding.index.isin(seen.rates.index)
        asked["view-encode"] = lambda: similarity(
            encoding[both], blocks[both], seen.rates.loc[encoding.index[both].unique()], seed=seed
        )
    found = {name: answer(f"similarity, {name}", question) for name, question in asked.items()}
    return {name: code for name, code in found.items() if code is not None}


def _named(trials: ImageryTrials) -> pd.DataFrame:
    return trials.during.set_axis(pd.Index(trials.item))


def _places(trials: ImageryTrials, seen: Seen) -> dict[str, pd.DataFrame]:
    """Places of the items on axes that were fitted without them, (n_items, n_units)."""
    items = pd.Index(trials.item.unique())
    others = seen.rates[trials.during.columns].drop(index=items)
    preferred = axis_weights(others, seen.space)
    orthogonal = orthogonal_axis(preferred, seen.space.at(others.index))
    imagined = seen.space.at(items)
    across = projections(orthogonal, imagined)
    return {
        "preferred": projections(preferred, imagined),
        # Without a sign that means something, units would cancel each other in every mean.
        "orthogonal": turned(across, seen.rates.loc[items, across.columns]),
    }


def _courses(
    viewed: ImageryTrials | None,
    cued: Cued,
    places: Mapping[str, pd.DataFrame],
    answer: Answer,
    seed: int,
) -> tuple[dict[str, PopulationCourse], dict[str, Clusters]]:
    """Tuning in sliding windows, and where in time it is not 0."""
    if viewed is None:
        return {}, {}
    windows = sliding_windows(cued.span_s, WIDTH_S, STEP_S)
    spikes = {unit: cued.spikes[unit] for unit in viewed.during.columns}
    cues = cued.cues.loc[viewed.item.index]
    courses, clusters = {}, {}
    for axis, known in places.items():
        what = f"time course, {axis} axis"
        course = answer(what, partial(time_course, spikes, cues, known, windows, seed))
        if course is None:
            continue
        courses[axis] = population_course([course], seed)
        found = answer(f"{what}, clusters", partial(block_clusters, course, cues, seed))
        if found is not None:
            clusters[axis] = found
    return courses, clusters


def _decoding_courses(
    trials: ImageryTrials, cued: Cued, seen: Seen | None, answer: Answer, seed: int
) -> dict[str, DecodingCourse]:
    units = trials.during.columns
    spikes = {unit: cued.spikes[unit] for unit in units}
    items = pd.Index(trials.item.unique())
    windows = sliding_rates(spikes, cued.cues["onset_s"], cued.span_s)
    training = {"viewing": seen.views if seen else None, "encoding": cued.encoding}
    asked = {
        name: partial(_trained_course, trials, windows, of[units], items, name, seed)
        for name, of in training.items()
        if of is not None and len(of)
    }
    asked[ACROSS] = partial(decode_course, trials, windows, None, seed)
    found = {name: answer(f"decoding course, {name}", question) for name, question in asked.items()}
    return {name: course for name, course in found.items() if course is not None}


def _trained_course(
    trials: ImageryTrials,
    windows: Mapping[Window, pd.DataFrame],
    training: pd.DataFrame,
    items: pd.Index,
    name: str,
    seed: int,
) -> DecodingCourse:
    return decode_course(trials, windows, template_decoder(training, items, name), seed)


def _rated(
    ratings: pd.Series,
    trials: ImageryTrials,
    viewed: ImageryTrials | None,
    places: Mapping[str, pd.DataFrame] | None,
    decoding: SessionDecoding | None,
) -> dict[str, pd.DataFrame]:
    """What ratings are set against, trial by trial; rows by the place of the trial."""
    given = ratings.dropna()
    if given.empty:
        return {}
    if given.nunique() == 1:
        raise AnalysisError(f"all {len(given)} ratings are {given.iloc[0]:g}")
    values = {"rate": trials.during}
    if viewed is not None and places is not None:
        evidence = signed_evidence(viewed, places["preferred"])
        values["axis"] = evidence.dropna(axis="columns")
    read = decoding.decoded.get("viewing") if decoding else None
    if read is not None:
        values["decoding"] = read.block.trials[["evidence"]]
    return values


def _profiles(
    trials: ImageryTrials, cued: Cued, seen: Seen | None, answer: Answer
) -> dict[str, pd.DataFrame]:
    """Rates of every unit to every item, as it was viewed, encoded and imagined."""
    found = {}
    items, units = pd.Index(sorted(trials.item.unique())), trials.during.columns
    if seen is not None:
        found["viewing"] = seen.rates[units].reindex(items)
    for name, views, blocks in (
        ("encoding", cued.encoding, cued.encoding_blocks),
        ("imagery", _named(trials), trials.block),
    ):
        if len(views):
            rates = answer(f"rates to the items in {name}", partial(item_rates, views, blocks))
            if rates is not None:
                found[name] = rates.rates[units].reindex(items)
    return found
