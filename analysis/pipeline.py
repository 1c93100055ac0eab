"""The whole analysis; reads like a Methods section.

Gather and align; count spikes; test which units tell categories apart and which follow an axis of
object space; then, where there was imagery, which units take part in it and whether they keep the
axis they have in viewing.  Everything that the report shows is in the returned document.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.axis import AxisFit, fit_axes
from analysis.document import results
from analysis.features import read_features
from analysis.findings import Imagining, Pictures, Results, Viewing
from analysis.gather import Gathered, RunOfTrials, Session, gather
from analysis.imagery import (
    reactivation,
    viewing_code,
)
from analysis.imagined.asked import Cued, Seen, ask
from analysis.imagined.trials import ImageryTrials, imagery_trials
from analysis.inference import LEVEL
from analysis.pictures import set_features
from analysis.planted import read_truth
from analysis.readers.values import read_vector
from analysis.responses import rates_by_image, trial_rates
from analysis.space import ObjectSpace, default_dims, object_space
from analysis.study import Study, StudyFile
from analysis.viewing.comparison import Comparison, compare_models
from analysis.viewing.identification import identify
from analysis.viewing.models import (
    category_axis_predictions,
    category_predictions,
    exemplar_predictions,
)
from analysis.viewing.profile import Profile, Shown, joined, profile
from analysis.viewing.responsive import BASELINE_S
from task.contract.catalog import read_catalog
from task.contract.errors import AnalysisError
from task.contract.sessionlog import Kind

LONGEST_BLANK_S = 1.0
COMPARED = (
    ("axis", "category"),
    ("axis", "exemplar"),
    ("category and axis", "category"),
    ("category and axis", "axis"),
)
Progress = Callable[[str, int, int], None]


def analyze(file: StudyFile, progress: Progress | None = None) -> Results:
    """Analyse a study.

    Raises
    ------
    UserError
        If what the study names cannot be read, brought together, or analysed.
    """
    say = progress or _silent
    if file.study.planted:
        read_truth(file.folder / file.study.planted)  # refuse before the work is done
    gathered = gather(file, lambda done, total: say("reading and aligning", done, total))
    return analyze_gathered(file, gathered, _pictures(file), say)


def analyze_gathered(
    file: StudyFile, gathered: Gathered, pictures: Pictures, progress: Progress | None = None
) -> Results:
    """Analyse what was gathered, by the settings of a study.

    Raises
    ------
    AnalysisError
        As `analyze`.
    """
    say = progress or _silent
    pools = _pools(gathered)
    viewings, small = [], []
    for n, (pool, members) in enumerate(pools.items(), start=1):
        images = len(members[0][1].of(Kind.VIEW)["item"].unique())
        if images < file.study.tests.least_images:
            small.append((pool, images, len(members)))
        else:
            viewings.append(_viewing(file, pool, members, pictures))
        say("viewing", n, len(pools))
    imaginings = []
    imagined = [s for s in gathered.sessions if _imagined(s) is not None]
    for n, session in enumerate(imagined, start=1):
        imaginings.append(_imagining(file, session, viewings))
        say("imagery", n, len(imagined))
    return results(file, gathered, pictures, viewings, imaginings, small)


def _silent(what: str, done: int, total: int) -> None:
    pass


# Pictures --------------------------------------------------------------------------------------


def _pictures(file: StudyFile) -> Pictures:
    """Features and categories of all pictures that the study may name."""
    study = file.study
    if study.features is None:
        folder = file.folder / (study.stimuli or "")
        catalog = read_catalog(folder)
        groups = {p.id: p.group for p in catalog.pictures.values()}
        return Pictures(set_features(folder), pd.Series(groups, name="category"))
    spec, path = study.features, file.folder / study.features.file
    if spec.id is None:
        return Pictures(read_features(path), None)
    columns = _columns_of(spec.id) | {c for c in (spec.category, spec.where) if c}
    arrays = {name: read_vector(file.folder, f"{spec.file}:{name}") for name in columns}
    rows = [dict(zip(arrays, values, strict=True)) for values in zip(*arrays.values(), strict=True)]
    ids = [file.fill(("features", "id"), spec.id, row) for row in rows]
    with np.load(path, allow_pickle=False) as stored:
        values = pd.DataFrame(stored[spec.values], pd.Index(ids, name="image"))
    usable = np.array([spec.where is None or row[spec.where] > 0 for row in rows])
    categories = (
        pd.Series([row[spec.category] for row in rows], values.index, name="category")
        if spec.category
        else None
    )
    return Pictures(values[usable], None if categories is None else categories[usable])


def _columns_of(template: str) -> set[str]:
    from string import Formatter

    return {name for _, name, _, _ in Formatter().parse(template) if name}


# Viewing -----------------------------------------------------------------------------------------


def _pools(gathered: Gathered) -> dict[str, list[tuple[Session, RunOfTrials]]]:
    """Runs with viewed pictures, by pool; where some of a pool showed other pictures, apart."""
    groups: dict[tuple[str, frozenset[str]], list[tuple[Session, RunOfTrials]]] = {}
    for session in gathered.sessions:
        for run in session.runs:
            shown = frozenset(run.of(Kind.VIEW)["item"])
            if shown:
                groups.setdefault((run.pool, shown), []).append((session, run))
    names = [pool for pool, _ in groups]
    apart = {
        f"{pool}, {len(shown)} pictures" if names.count(pool) > 1 else pool: members
        for (pool, shown), members in groups.items()
    }
    if len(apart) < len(groups):
        raise AnalysisError(
            "runs of one pool showed different pictures, and equally many; give them different"
            f" `pool`s: {', '.join(sorted({p for p in names if names.count(p) > 1}))}"
        )
    return dict(sorted(apart.items()))


def _viewing(
    file: StudyFile,
    pool: str,
    members: Sequence[tuple[Session, RunOfTrials]],
    pictures: Pictures,
) -> Viewing:
    """Rates, object space and axes of the units of a pool."""
    study = file.study
    window = study.windows.response_s
    by_recording: dict[str, list[pd.DataFrame]] = {}
    for session, run in members:
        viewed = run.of(Kind.VIEW)
        rates = trial_rates(
            _spikes(session), viewed["onset_s"].to_numpy(), viewed["item"].tolist(), window
        )
        by_recording.setdefault(session.recording, []).append(rates)
    parts = [_joined(parts) for parts in by_recording.values()]
    means, trials = zip(*(rates_by_image(part) for part in parts), strict=True)
    shown = means[0].index
    rates = pd.concat(means, axis=1)
    width = window[1] - window[0]
    counts = pd.concat([m.mul(t, axis=0) for m, t in zip(means, trials, strict=True)], axis=1)
    counts = (counts * width).round()
    space = _space(file, pictures, shown)
    tested = counts.columns[counts.sum() >= study.tests.least_spikes]
    if not len(tested):
        raise AnalysisError(
            f"pool {pool!r}: no unit fired {study.tests.least_spikes} spikes in the windows"
        )
    fit = fit_axes(rates[tested], space, study.tests.shuffles, study.tests.seed)
    known = None if pictures.categories is None else pictures.categories.loc[shown]
    found = profile(_shown(members), window, known, study.tests.seed)
    patients = pd.Series(
        {name: session.subject for session, _ in members for name in _spikes(session)}
    )
    models, absent = _models(rates[tested], fit, space, known, found, patients, study.tests.seed)
    identified = None
    try:
        identified = identify(rates[tested], space, seed=study.tests.seed)
    except AnalysisError as reason:
        absent.append(f"identification: {reason}")
    return Viewing(
        pool,
        tuple(members),
        rates,
        counts,
        trials[0],
        space,
        fit,
        found,
        models,
        identified,
        (*found.absent, *absent),
    )


def _shown(members: Sequence[tuple[Session, RunOfTrials]]) -> list[Shown]:
    """What was shown in each recording of a pool."""
    recordings: dict[str, list[Shown]] = {}
    for session, run in members:
        viewed = run.of(Kind.VIEW)
        recordings.setdefault(session.recording, []).append(
            Shown(
                _spikes(session),
                viewed["onset_s"].to_numpy(float),
                tuple(viewed["item"]),
                tuple(viewed["block"]),
            )
        )
    return [joined(parts) for parts in recordings.values()]


def _models(
    rates: pd.DataFrame,
    fit: AxisFit,
    space: ObjectSpace,
    categories: pd.Series | None,
    found: Profile,
    patients: pd.Series,
    seed: int,
) -> tuple[dict[str, Comparison], list[str]]:
    """Rival models of the rates, two by two; and what could not be compared, with the reason."""
    predicted = {"axis": fit.predictions, "exemplar": exemplar_predictions(rates, space, seed)}
    absent = []
    if categories is None:
        absent.append("category models: the study names no categories")
    else:
        predicted["category"] = category_predictions(rates, categories, seed)
        predicted["category and axis"] = category_axis_predictions(rates, categories, space, seed)
    noisy = found.units.get("reliability")
    ceilings = None if noisy is None else noisy.reindex(rates.columns)
    if ceilings is not None and ceilings.isna().any():
        ceilings = None
    several = patients[rates.columns].nunique() > 1
    models = {
        f"{first}, {second}": compare_models(
            rates,
            predicted[first],
            predicted[second],
            ceilings=ceilings,
            patients=patients[rates.columns] if several else None,
            seed=seed,
        )
        for first, second in COMPARED
        if first in predicted and second in predicted
    }
    return models, absent


def _spikes(session: Session) -> dict[str, Any]:
    names = [f"{session.recording}/{unit}" for unit in session.units.table.index]
    return dict(zip(names, session.units.spikes_s, strict=True))


def _joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Trials of several sessions with the same units; units sorted in one only are left out."""
    common = [unit for unit in parts[0] if all(unit in part for part in parts)]
    return pd.concat([part[common] for part in parts])


def _space(file: StudyFile, pictures: Pictures, shown: pd.Index) -> ObjectSpace:
    """Object space of the pictures shown.

    Of a stimulus set of ours the components are fitted on the whole set, of features from a file on
    the pictures of the pool; the number of dimensions depends on the pictures shown.
    """
    spec = file.study.space
    missing = shown.difference(pictures.features.index)
    if len(missing):
        raise AnalysisError(f"no features for picture {', '.join(map(repr, missing[:5]))}")
    fitted = pictures.features if file.study.features is None else pictures.features.loc[shown]
    dims = spec.dims or default_dims(len(shown))
    whole = object_space(fitted, dims, standardise=spec.standardise)
    return ObjectSpace(whole.at(shown), whole.explained)


# Imagery ----------------------------------------------------------------------------------------


def _imagined(session: Session) -> pd.DataFrame | None:
    parts = [run.of(Kind.IMAGINE) for run in session.runs]
    trials = pd.concat(parts)
    complete = trials.dropna(subset=["cue_s", "onset_s", "stop_s"]) if len(trials) else trials
    return complete if len(complete) else None


def _imagining(file: StudyFile, session: Session, viewings: Sequence[Viewing]) -> Imagining:
    """Rates around the cues of a session, and how they follow what is known from viewing."""
    trials = _imagined(session)
    assert trials is not None
    study = file.study
    onset = trials["onset_s"] - trials["cue_s"]
    delay, length = float(onset.median()), float((trials["stop_s"] - trials["onset_s"]).median())
    during = study.windows.imagery_s or (0.0, length)
    blank = min(LONGEST_BLANK_S, float(np.nanquantile(trials["blank_s"], 0.05)))
    windows = {
        "before_s": study.windows.before_cue_s or (-blank, 0.0),
        "during_s": (delay + during[0], delay + during[1]),
    }
    cued = trials.assign(onset_s=trials["cue_s"])
    rates = imagery_trials(_spikes(session), cued, windows["before_s"], windows["during_s"])
    viewing = _viewing_of(rates.during.columns, viewings)
    pool, code, sorted_here = None, None, rates.during.shape[1]
    if viewing is not None:
        pool = viewing.pool
        rates = _units_of(
            rates, rates.during.columns.intersection(viewing.rates.columns, sort=False)
        )
        code = viewing_code(rates, viewing.rates, viewing.space, study.tests.seed)
    found = reactivation(rates, study.tests.seed)
    spikes = {unit: train for unit, train in _spikes(session).items() if unit in rates.during}
    cues = cued[["item", "block", "onset_s", "rating"]].reset_index(drop=True)
    seen = None if viewing is None else _seen(study, session, viewing, rates.during.columns)
    asked = ask(rates, Cued(spikes, cues, windows["during_s"][1]), seen, found, study.tests.seed)
    cue_s, ratings = (trials[c].reset_index(drop=True) for c in ("cue_s", "rating"))
    not_viewed = sorted_here - rates.during.shape[1]
    return Imagining(session, pool, not_viewed, cue_s, rates, ratings, windows, found, code, asked)


def _seen(study: Study, session: Session, viewing: Viewing, units: pd.Index) -> Seen:
    """Single views of screening and of encoding, of the units of a session of imagery."""
    window, views, before, blocks = study.windows.response_s, [], [], []
    for other, run in viewing.members:
        spikes = {unit: train for unit, train in _spikes(other).items() if unit in units}
        if not spikes:
            continue
        viewed = run.of(Kind.VIEW)
        onsets, items = viewed["onset_s"].to_numpy(), viewed["item"].tolist()
        views.append(trial_rates(spikes, onsets, items, window))
        before.append(trial_rates(spikes, onsets, items, BASELINE_S))
        blocks += [(other.name, run.name, block) for block in viewed["block"]]
    encoded = pd.concat([run.of(Kind.ENCODE) for run in session.runs])
    spikes = {unit: train for unit, train in _spikes(session).items() if unit in units}
    encoding = trial_rates(
        spikes, encoded["onset_s"].to_numpy(), encoded["item"].tolist(), study.windows.encoding_s
    )
    responsive = viewing.profile.units.get("responsive_q", pd.Series(dtype=float))
    follows = viewing.fit.q.reindex(units).le(LEVEL)
    return Seen(
        pd.concat(views)[list(units)],
        pd.concat(before)[list(units)],
        pd.Series(pd.factorize(pd.Series(blocks, dtype=object))[0]),
        viewing.rates,
        viewing.space,
        responsive.reindex(units).le(LEVEL) | follows,
        encoding[list(units)],
        encoded["block"].reset_index(drop=True),
    )


def _viewing_of(units: pd.Index, viewings: Sequence[Viewing]) -> Viewing | None:
    """Where these units were seen responding: of several pools, that with the most pictures."""
    known = [v for v in viewings if len(units.intersection(v.rates.columns))]
    return max(known, key=lambda v: (len(v.rates), int(v.trials.sum())), default=None)


def _units_of(trials: ImageryTrials, units: pd.Index) -> ImageryTrials:
    return replace(trials, before=trials.before[units], during=trials.during[units])
