"""The step of an analysis that looks at viewing: what the units of a pool of runs do.

Runs that showed the same pictures are pooled.  What a pool cannot give is kept as a sentence.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from analysis.axis import fit_axes
from analysis.findings import Pictures, Viewing
from analysis.gather import Gathered, RunOfTrials, Session
from analysis.labels import some
from analysis.responses import Window, rates_by_image, trial_rates
from analysis.space import ObjectSpace, default_dims, object_space, places_of
from analysis.study import StudyFile
from analysis.threads import matrices_on_one_thread
from analysis.viewing.asked import Pool, answered, ask
from analysis.viewing.comparison import Comparison, compare_models
from analysis.viewing.identification import identify
from analysis.viewing.matched import why_untested
from analysis.viewing.models import (
    axis_predictions,
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
    """Rates, object space and axes of the units of a pool.

    Raises
    ------
    AnalysisError
        If it has too few pictures, a picture without features, or no unit that can be tested.
    """
    tests, window = file.study.tests, file.study.windows.response_s
    parts, only_some = _trials_by_recording(members, window)
    means, trials = zip(*(rates_by_image(part) for part in parts), strict=True)
    shown = means[0].index
    if len(shown) < tests.least_images:
        raise AnalysisError(
            f"{len(members)} runs of {len(shown)} pictures: aligned, too few pictures to test"
            f" (least_images = {tests.least_images})"
        )
    rates: pd.DataFrame = pd.concat(means, axis=1).copy()  # in one piece: many times as fast
    spikes = pd.concat([m.mul(t, axis=0) for m, t in zip(means, trials, strict=True)], axis=1)
    counts = (spikes * (window[1] - window[0])).round()
    space, unseen = _space(file, pictures, shown)
    untested = _untested(rates, counts, tests.least_spikes)
    if len(untested) == rates.shape[1]:
        unit, why = next(iter(untested.items()))
        raise AnalysisError(f"none of {rates.shape[1]} units can be tested; {unit}: {why}")
    tested = rates.drop(columns=list(untested))
    fit = fit_axes(tested, space, tests.shuffles, tests.seed)
    absent: list[str] = []
    known = answered(absent, "categories", lambda: _categories(pictures, shown))
    presented = _shown(members)
    patients = pd.Series(
        {name: session.subject for session, _ in members for name in session.spikes_s}
    )
    with matrices_on_one_thread():  # many small products
        found = profile(presented, window, known, tests.seed)
        models = _models(tested, space, known, found, patients, tests.seed, absent)
        identified = answered(
            absent, "identification", lambda: identify(tested, space, seed=tests.seed)
        )
    asked = ask(Pool(tested, parts, presented, space, unseen, window), fit, tests.seed)
    return Viewing(
        pool=pool,
        members=tuple(members),
        rates=rates,
        counts=counts,
        trials=trials[0],
        categories=known,
        untested={**untested, **only_some},
        space=space,
        fit=fit,
        profile=found,
        models=models,
        identified=identified,
        asked=asked,
        absent=tuple(dict.fromkeys((*absent, *found.absent, *asked.absent))),
    )


def _trials_by_recording(
    members: Sequence[tuple[Session, RunOfTrials]], window_s: Window
) -> tuple[list[pd.DataFrame], dict[str, str]]:
    """Rates of single trials, recording by recording, and which units are not in all sessions."""
    recordings: dict[str, list[pd.DataFrame]] = {}
    for session, run in members:
        viewed = run.of(Kind.VIEW)
        rates = trial_rates(
            session.spikes_s, viewed["onset_s"].to_numpy(), viewed["item"].tolist(), window_s
        )
        recordings.setdefault(session.recording, []).append(rates)
    only_some = {
        str(unit): "not sorted in all sessions of this pool"
        for parts in recordings.values()
        for part in parts
        for unit in part
        if not all(unit in other for other in parts)
    }
    return [_joined(parts) for parts in recordings.values()], only_some


def _untested(rates: pd.DataFrame, counts: pd.DataFrame, least_spikes: int) -> dict[str, str]:
    """Units that no test can say anything of, and why."""
    fired = counts.sum()
    silent = {
        str(unit): f"{number:g} spikes in all windows, fewer than {least_spikes}"
        for unit, number in fired.items()
        if number < least_spikes
    }
    return {**{str(unit): why for unit, why in why_untested(rates).items()}, **silent}


def _categories(pictures: Pictures, shown: pd.Index) -> pd.Series:
    """Categories of the pictures, of which at least two have at least two pictures."""
    if pictures.categories is None:
        raise AnalysisError("the study names no categories")
    known = pictures.categories.dropna()
    missing = shown[~shown.isin(known.index)]
    if len(missing):
        raise AnalysisError(f"none for {len(missing)} of {len(shown)} pictures: {some(missing)}")
    found = known.loc[shown]
    sizes = found.value_counts()
    if len(sizes) < 2:
        raise AnalysisError(f"all {len(found)} pictures are of one, {some(sizes.index)}")
    if sizes.min() < 2:
        raise AnalysisError(f"only one picture each of {some(sizes.index[sizes < 2])}")
    return found


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
    space: ObjectSpace,
    categories: pd.Series | None,
    found: Profile,
    patients: pd.Series,
    seed: int,
    absent: list[str],
) -> dict[str, Comparison]:
    """Rival models of the rates, two by two; what cannot be compared is added to `absent`."""
    predicted = _predicted(rates, space, categories, seed, absent)
    again = _predicted(rates, space, categories, seed + 1, absent)
    noisy = found.units.get("reliability")
    # A unit whose reliability cannot be had has no ceiling that would count.
    ceilings = None if noisy is None else noisy.reindex(rates.columns).fillna(0.0)
    models = {}
    for first, second in COMPARED:
        both = [(of[first], of[second]) for of in (predicted, again) if {first, second} <= set(of)]
        if len(both) < 2:
            continue
        compared = answered(
            absent,
            f"{first} against {second}",
            partial(
                compare_models,
                rates,
                *both[0],
                again=both[1],
                ceilings=ceilings,
                patients=patients[rates.columns],
                seed=seed,
            ),
        )
        if compared is not None:
            models[f"{first}, {second}"] = compared
    return models


def _predicted(
    rates: pd.DataFrame,
    space: ObjectSpace,
    categories: pd.Series | None,
    seed: int,
    absent: list[str],
) -> dict[str, pd.DataFrame]:
    """Rates to left-out pictures by every model that can be fitted; `seed` is that of the folds."""
    models = {
        "axis": partial(axis_predictions, rates, space, seed),
        "exemplar": partial(exemplar_predictions, rates, space, seed),
    }
    if categories is not None:
        models["category"] = partial(category_predictions, rates, categories, seed)
        models["category and axis"] = partial(
            category_axis_predictions, rates, categories, space, seed
        )
    found = {name: answered(absent, f"{name} model", predict) for name, predict in models.items()}
    return {name: of for name, of in found.items() if of is not None}


def _joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Trials of several sessions with the same units; units sorted in one only are left out."""
    common = [unit for unit in parts[0] if all(unit in part for part in parts)]
    return pd.concat([part[common] for part in parts])


def _space(
    file: StudyFile, pictures: Pictures, shown: pd.Index
) -> tuple[ObjectSpace, pd.DataFrame]:
    """Object space of the pictures shown, and where all others lie in it.

    Of a stimulus set that the study names the components are fitted on the whole set, else on the
    pictures of the pool; the number of dimensions depends on the pictures shown.
    """
    spec, features = file.study.space, pictures.features
    missing = shown[~shown.isin(features.index)]
    if len(missing):
        raise AnalysisError(
            f"no features for {len(missing)} of {len(shown)} pictures: {some(missing)}"
        )
    gaps = ~np.isfinite(features.loc[shown].to_numpy(dtype=float)).all(axis=1)
    if gaps.any():
        raise AnalysisError(
            f"features are missing or infinite for {int(gaps.sum())} of {len(shown)} pictures:"
            f" {some(shown[gaps])}"
        )
    whole_set = file.study.stimuli is not None
    fitted = features if whole_set else features.loc[shown]
    dims = spec.dims or default_dims(len(shown))
    whole = object_space(fitted, dims, standardise=spec.standardise)
    known = np.isfinite(features.to_numpy(dtype=float)).all(axis=1)
    others = features[known & ~features.index.isin(shown)]
    unseen = (
        whole.at(others.index)
        if whole_set
        else places_of(others, whole, fitted, standardise=spec.standardise)
    )
    return ObjectSpace(whole.at(shown), whole.explained), unseen
