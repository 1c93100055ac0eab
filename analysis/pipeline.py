"""The whole analysis; reads like a Methods section.

Gather and align; count spikes; test which units tell categories apart and which follow an axis of
object space; then, where there was imagery, which units take part in it and whether they keep the
axis they have in viewing.  Everything that the report shows is in the returned document.
"""

from collections.abc import Callable
from string import Formatter

import numpy as np
import pandas as pd

from analysis.document import results
from analysis.features import read_features
from analysis.findings import Pictures, Results
from analysis.gather import Gathered, gather
from analysis.imagery_step import imagery_of_session, imagined_trials
from analysis.pictures import set_features
from analysis.planted import read_truth
from analysis.readers.values import read_vector
from analysis.study import StudyFile
from analysis.viewing_step import pools, viewing_of_pool
from task.contract.catalog import read_catalog
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
    pooled = pools(gathered)
    viewings, small = [], []
    for n, (pool, members) in enumerate(pooled.items(), start=1):
        images = len(members[0][1].of(Kind.VIEW)["item"].unique())
        if images < file.study.tests.least_images:
            small.append((pool, images, len(members)))
        else:
            viewings.append(viewing_of_pool(file, pool, members, pictures))
        say("viewing", n, len(pooled))
    imaginings = []
    imagined = [s for s in gathered.sessions if imagined_trials(s) is not None]
    for n, session in enumerate(imagined, start=1):
        imaginings.append(imagery_of_session(file, session, viewings))
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
    return {name for _, name, _, _ in Formatter().parse(template) if name}
