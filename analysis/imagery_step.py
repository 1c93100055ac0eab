"""The step of an analysis that looks at imagery, session by session.

Rates around the cues, who takes part, and every question that the cues and the viewing of the same
units allow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from analysis.findings import Imagining, Viewing
from analysis.gather import Session
from analysis.imagery import ViewingCode, reactivation, viewing_code
from analysis.imagined.asked import ask
from analysis.imagined.session import Cued, Seen
from analysis.imagined.trials import ImageryTrials, imagery_trials, of_items
from analysis.inference import LEVEL
from analysis.responses import Window, trial_rates
from analysis.study import Study, StudyFile
from analysis.viewing.responsive import BASELINE_S
from task.contract.errors import AnalysisError
from task.contract.sessionlog import Kind

Windows = Mapping[str, Window]
LONGEST_BLANK_S = 1.0
SAME_S = 0.05  # windows that differ by less are one


def imagined_trials(session: Session) -> pd.DataFrame | None:
    """Trials of imagery that are complete; None where there are none."""
    trials = _trials(session, Kind.IMAGINE)
    complete = trials.dropna(subset=["cue_s", "onset_s", "stop_s"]) if len(trials) else trials
    return complete if len(complete) else None


def _trials(session: Session, kind: Kind) -> pd.DataFrame:
    """Trials of all runs; the blocks of a later run are other blocks than those of an earlier."""
    parts, first = [], 0
    for run in session.runs:
        of = run.of(kind)
        parts.append(of.assign(block=of["block"] + first))
        first += int(run.trials["block"].max()) + 1 if len(run.trials) else 0
    return pd.concat(parts, ignore_index=True)


def _during(study: Study, trials: pd.DataFrame) -> dict[str, Window]:
    """Where rates in imagery are counted, relative to the cue: `during_s`, that of most trials; and
    `during_s, PART` of parts of a session that were cued or imagined for another time."""
    windows: dict[str, Window] = {}
    for part in trials["condition"].value_counts().index:
        of = trials[trials["condition"] == part]
        delay = float((of["onset_s"] - of["cue_s"]).median())
        length = float((of["stop_s"] - of["onset_s"]).median())
        start, stop = study.windows.imagery_s or (0.0, length)
        window = (delay + start, delay + min(stop, length))
        usual = windows.setdefault("during_s", window)
        if max(abs(a - b) for a, b in zip(window, usual, strict=True)) > SAME_S:
            windows[f"during_s, {part}"] = window
    return windows


def _rates(session: Session, cued: pd.DataFrame, windows: Windows) -> ImageryTrials:
    """Rates of all cues, each in the window of its part."""
    own = [windows.get(f"during_s, {part}", windows["during_s"]) for part in cued["condition"]]
    found = []
    for window in dict.fromkeys(own):
        rows = np.array([of == window for of in own])
        found.append(
            (rows, imagery_trials(session.spikes_s, cued[rows], windows["before_s"], window))
        )
    if len(found) == 1:
        return found[0][1]
    order = np.argsort(np.concatenate([np.flatnonzero(rows) for rows, _ in found]))
    together = {
        name: pd.concat([getattr(of, name) for _, of in found]).iloc[order].reset_index(drop=True)
        for name in ("item", "block", "before", "during")
    }
    return replace(found[0][1], **together, widths_s=None)


def _of_parts(windows: Windows) -> list[str]:
    """What is said of parts whose windows differ."""
    return [
        f"part {name.partition(', ')[2]!r}: imagined for another time, its rates are counted"
        f" {start:.2f} to {stop:.2f} s after the cue; courses have the window of the other trials"
        for name, (start, stop) in windows.items()
        if ", " in name
    ]


def imagery_of_session(file: StudyFile, session: Session, viewings: Sequence[Viewing]) -> Imagining:
    """Rates around the cues of a session, and how they follow what is known from viewing."""
    trials = imagined_trials(session)
    assert trials is not None
    study = file.study
    blank = min(LONGEST_BLANK_S, float(np.nanquantile(trials["blank_s"], 0.05)))
    windows = {
        "before_s": study.windows.before_cue_s or (-blank, 0.0),
        **_during(study, trials),
    }
    cued = trials.assign(onset_s=trials["cue_s"])
    rates = _rates(session, cued, windows)
    viewing = _viewing_of(rates.during.columns, viewings)
    sorted_here, seed = rates.during.shape[1], study.tests.seed
    if viewing is not None:
        rates = _units_of(
            rates, rates.during.columns.intersection(viewing.rates.columns, sort=False)
        )
    units = rates.during.columns
    found = reactivation(rates, seed)
    seen = None if viewing is None else _seen(study, viewing, units)
    asked = ask(rates, _cued(study, session, cued, windows, units), seen, found, seed)
    asked = replace(asked, absent=(*asked.absent, *_of_parts(windows)))
    code = None if viewing is None else _code(rates, viewing, seed)
    cue_s, ratings = (trials[c].reset_index(drop=True) for c in ("cue_s", "rating"))
    return Imagining(
        session=session,
        pool=None if viewing is None or code is None else viewing.pool,
        not_viewed=sorted_here - len(units),
        cue_s=cue_s,
        trials=rates,
        ratings=ratings,
        windows=windows,
        reactivation=found,
        code=code,
        asked=asked,
    )


def _code(rates: ImageryTrials, viewing: Viewing, seed: int) -> ViewingCode | None:
    """How imagery follows viewing; None where the items that were viewed do not tell.

    `analysis.imagined.asked` says why.
    """
    viewed = of_items(rates, viewing.rates.index)
    if viewed is None:
        return None
    try:
        code = viewing_code(viewed, viewing.rates, viewing.space, seed)
    except AnalysisError:
        return None
    asked = (code.axis, code.orthogonal, code.viewing)
    return code if all(of.units["r"].notna().any() for of in asked) else None


def _cued(
    study: Study, session: Session, cued: pd.DataFrame, windows: Windows, units: pd.Index
) -> Cued:
    """Cues and views before imagining, with the spikes of these units."""
    spikes = {unit: train for unit, train in session.spikes_s.items() if unit in units}
    encoded = _trials(session, Kind.ENCODE)
    encoding = trial_rates(
        spikes, encoded["onset_s"].to_numpy(), encoded["item"].tolist(), study.windows.encoding_s
    )
    return Cued(
        spikes,
        cued[["item", "block", "onset_s", "rating"]].reset_index(drop=True),
        windows["before_s"],
        windows["during_s"],
        encoded[["item", "block", "onset_s"]],
        encoding[list(units)],
    )


def _seen(study: Study, viewing: Viewing, units: pd.Index) -> Seen:
    """Single views of screening, of the units of a session of imagery."""
    window, views, before, blocks = study.windows.response_s, [], [], []
    for other, run in viewing.members:
        spikes = {unit: train for unit, train in other.spikes_s.items() if unit in units}
        if not spikes:
            continue
        viewed = run.of(Kind.VIEW)
        onsets, items = viewed["onset_s"].to_numpy(), viewed["item"].tolist()
        views.append(trial_rates(spikes, onsets, items, window))
        before.append(trial_rates(spikes, onsets, items, BASELINE_S))
        blocks += [(other.name, run.name, block) for block in viewed["block"]]
    responsive = viewing.profile.units.get("responsive_q", pd.Series(dtype=float))
    follows = viewing.fit.q.reindex(units).le(LEVEL)
    return Seen(
        pd.concat(views)[list(units)],
        pd.concat(before)[list(units)],
        pd.Series(pd.factorize(pd.Series(blocks, dtype=object))[0]),
        viewing.rates,
        viewing.space,
        responsive.reindex(units).le(LEVEL) | follows,
    )


def _viewing_of(units: pd.Index, viewings: Sequence[Viewing]) -> Viewing | None:
    """Where these units were seen responding: of several pools, that with the most pictures."""
    known = [v for v in viewings if len(units.intersection(v.rates.columns))]
    return max(known, key=lambda v: (len(v.rates), int(v.trials.sum())), default=None)


def _units_of(trials: ImageryTrials, units: pd.Index) -> ImageryTrials:
    return replace(trials, before=trials.before[units], during=trials.during[units])
