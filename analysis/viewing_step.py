"""The step of an analysis that looks at viewing: what the units of a pool of runs do.

Runs that showed the same pictures are pooled.  What a pool cannot give is kept as a sentence.
"""

from collections.abc import Sequence

import pandas as pd

from analysis.axis import AxisFit, fit_axes
from analysis.findings import Pictures, Viewing
from analysis.gather import Gathered, RunOfTrials, Session
from analysis.responses import rates_by_image, trial_rates
from analysis.space import ObjectSpace, default_dims, object_space
from analysis.study import StudyFile
from analysis.viewing.comparison import Comparison, compare_models
from analysis.viewing.identification import identify
from analysis.viewing.models import (
    category_axis_predictions,
    category_predictions,
    exemplar_predictions,
)
from analysis.viewing.profile import Profile, Shown, joined, profile
from task.contract.errors import AnalysisError
from task.contract.sessionlog import Kind

COMPARED = (
    ("axis", "category"),
    ("axis", "exemplar"),
    ("category and axis", "category"),
    ("category and axis", "axis"),
)


def pools(gathered: Gathered) -> dict[str, list[tuple[Session, RunOfTrials]]]:
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


def viewing_of_pool(
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
            session.spikes_s, viewed["onset_s"].to_numpy(), viewed["item"].tolist(), window
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
        {name: session.subject for session, _ in members for name in session.spikes_s}
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
                session.spikes_s,
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
