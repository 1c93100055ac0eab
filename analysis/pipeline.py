"""The whole analysis; reads like a Methods section.

Gather and align; count spikes; test which units tell categories apart and which follow an axis of
object space; then, where there was imagery, which units take part in it and whether they keep the
axis they have in viewing.  Everything that the report shows is in the returned document.
"""

from collections.abc import Callable
from pathlib import Path
from string import Formatter

import numpy as np
import pandas as pd

from analysis.document import results
from analysis.features import read_features
from analysis.findings import Pictures, Results
from analysis.gather import Gathered, Skipped, gather
from analysis.imagery_step import imagery_of_session, imagined_trials
from analysis.networks import check_pictures
from analysis.pictures import set_features
from analysis.planted import read_truth
from analysis.readers.values import read_vector
from analysis.study import StudyFile
from analysis.viewing_step import pools, viewing_of_pool
from task.contract.catalog import read_catalog
from task.contract.errors import AnalysisError
from task.contract.sessionlog import Kind

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
    return analyze_gathered(file, gathered, pictures_of(file), say)


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
    pooled = pools(gathered)
    viewings, imaginings, skipped = [], [], []
    for n, (pool, members) in enumerate(pooled.items(), start=1):
        try:
            viewings.append(viewing_of_pool(file, pool, members, pictures))
        except AnalysisError as reason:
            skipped.append(Skipped(f"pool {pool}", str(reason)))
        say("viewing", n, len(pooled))
    cued = {s.name: sum(len(run.of(Kind.IMAGINE)) for run in s.runs) for s in gathered.sessions}
    imagined = [s for s in gathered.sessions if imagined_trials(s) is not None]
    for name in (name for name, n in cued.items() if n and name not in {s.name for s in imagined}):
        why = f"none of {cued[name]} trials has its cue, its start and its end in the recording"
        skipped.append(Skipped(f"imagery of {name}", why))
    for n, session in enumerate(imagined, start=1):
        try:
            imaginings.append(imagery_of_session(file, session, viewings))
        except AnalysisError as reason:
            skipped.append(Skipped(f"imagery of {session.name}", str(reason)))
        say("imagery", n, len(imagined))
    return results(file, gathered, pictures, viewings, imaginings, skipped)


def _silent(what: str, done: int, total: int) -> None:
    pass


# Pictures --------------------------------------------------------------------------------------


def pictures_of(file: StudyFile) -> Pictures:
    """Features and categories of all pictures that the study may name."""
    study = file.study
    if study.features is None:
        folder = file.folder / (study.stimuli or "")
        catalog = read_catalog(folder)
        groups = {p.id: p.group for p in catalog.pictures.values()}
        return Pictures(set_features(folder), pd.Series(groups, name="category"))
    spec, path = study.features, file.folder / study.features.file
    if spec.id is None:
        return _of_networks(file, path)
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


def _of_networks(file: StudyFile, path: Path) -> Pictures:
    """Features from a file; of a stimulus set that is named too, its categories."""
    features = read_features(path)
    if file.study.stimuli is None:
        return Pictures(features, None)
    catalog = read_catalog(file.folder / file.study.stimuli)
    check_pictures(path, catalog)
    groups = {p.id: p.group for p in catalog.pictures.values()}
    return Pictures(features, pd.Series(groups, name="category"))


def _columns_of(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name}
