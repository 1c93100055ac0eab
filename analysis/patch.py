"""When each screen change of a session came as light: its log, its recording, a photodiode's trace.

The log says which codes changed the patch in the corner of the screen.  Their times in the
recording are where light is looked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis.align import Alignment, Lag, align
from analysis.evidence import AlignmentRefused
from analysis.photodiode import Edges, Light, find_edges, match_light
from analysis.planned import RUN_TIME_NAMES
from analysis.trace import Trace
from task.contract.errors import AnalysisError
from task.contract.sessionlog import Event, SessionLog

_NO_STEPS = RUN_TIME_NAMES | {"SESSION", "TRIAL", "SWEEP", "REST"}


@dataclass(frozen=True, slots=True, eq=False)
class PatchLight:
    """Light of a session.

    Attributes
    ----------
    light : its onsets; `row` of each is its position among the log's events with a code
    edges : of the trace
    outside : screen changes that the trace does not cover
    """

    light: Light
    edges: Edges
    outside: int


def patch_light(
    log: SessionLog, aligned: Alignment, trace: Trace, halfway: float | None = None
) -> PatchLight:
    """The light of every screen change that a trace covers.

    Parameters
    ----------
    halfway : where an edge of the trace is timed, in its units; in the middle if not said

    Raises
    ------
    AnalysisError
        If the log tells of no patch, or the trace of no light.
    """
    onsets = _onsets(log, aligned)
    edges = find_edges(trace, halfway)
    if not len(edges.time_s):
        raise AnalysisError("the trace never changes between its two levels")
    if trace.own_clock:
        onsets = _on_clock_of(onsets, edges)
    recorded = onsets[_covered(onsets, trace)].reset_index(drop=True)
    if recorded.empty:
        raise AnalysisError("the trace does not cover a single screen change of the session")
    return PatchLight(match_light(recorded, edges), edges, len(onsets) - len(recorded))


def at_light(aligned: Alignment, patch: PatchLight) -> Alignment:
    """An alignment whose screen changes are where light came, not where their codes were.

    Where no light was found, it is expected as late as that of other changes to the same state;
    that time is inferred, as is that of a change whose code was lost.
    """
    time_s, measured = aligned.time_s.to_numpy(copy=True), aligned.measured.to_numpy(copy=True)
    uncertainty_s = aligned.uncertainty_s.to_numpy(copy=True)
    for _, onsets in patch.light.onsets.groupby("lit"):
        row, late_s = onsets["row"].to_numpy(), onsets["latency_s"].to_numpy(float)
        known = np.isfinite(late_s)
        if not known.any():
            continue
        usual_s, off_s = float(np.median(late_s[known])), float(np.ptp(late_s[known]))
        time_s[row] += np.where(known, late_s, usual_s)
        measured[row] &= known
        uncertainty_s[row] = np.where(measured[row], 0.0, uncertainty_s[row] + off_s)
    seen = patch.light.onsets["latency_s"].dropna()
    missed = len(patch.light.onsets) - len(seen)
    lag = Lag(float(seen.median()), float(seen.std()), len(seen), missed)
    return replace(
        aligned,
        light=lag,
        time_s=pd.Series(time_s, aligned.time_s.index, name="time_s"),
        measured=pd.Series(measured, aligned.measured.index, name="measured"),
        uncertainty_s=pd.Series(uncertainty_s, aligned.time_s.index, name="uncertainty_s"),
    )


def _onsets(log: SessionLog, aligned: Alignment) -> pd.DataFrame:
    """Screen changes that the patch shows: `row`, `time_s` on the recording's clock, `lit`,
    `measured`.

    Raises
    ------
    AnalysisError
        If the log tells of no patch.
    """
    coded = [e for e in log.events if e.code is not None]
    time_s = aligned.time_s.to_numpy()
    chosen = [n for n, e in enumerate(coded) if _changes_patch(e) and np.isfinite(time_s[n])]
    if not chosen:
        raise AnalysisError(
            "the log tells of no patch: put `sync_patch` into the rig file and record a session"
        )
    table = pd.DataFrame(
        {
            "row": chosen,
            "time_s": time_s[chosen],
            "lit": [int(coded[n].detail["lit"]) for n in chosen],
            "measured": aligned.measured.to_numpy()[chosen],
        }
    )
    return table.sort_values("time_s", kind="stable", ignore_index=True)


def _changes_patch(event: Event) -> bool:
    lit = event.detail.get("lit")
    return isinstance(lit, int) and event.name not in _NO_STEPS


def _on_clock_of(onsets: pd.DataFrame, edges: Edges) -> pd.DataFrame:
    """Onsets on the clock of a trace that has its own, found by the rhythm of its edges.

    Raises
    ------
    AnalysisError
        If the rhythm is not to be found.
    """
    sent = pd.DataFrame({"time_s": onsets["time_s"], "code": 2 - onsets["lit"]})
    for rising, falling in ((1, 2), (2, 1)):
        seen = pd.DataFrame(
            {"time_s": edges.time_s, "code": np.where(edges.rising, rising, falling)}
        )
        try:
            # The fitted clock: an onset's own edge must not tell when it was expected.
            return onsets.assign(time_s=align(sent, seen).to_recording(sent["time_s"]))
        except AlignmentRefused as refusal:
            why = refusal.what
    raise AnalysisError(
        f"the trace has its own clock, and its edges do not tell where the session lies: {why};"
        " record the photodiode on the recorder that has the codes"
    )


def _covered(onsets: pd.DataFrame, trace: Trace) -> Sequence[bool]:
    """Onsets with trace around them."""
    time_s = onsets["time_s"].to_numpy()
    inside = np.zeros(len(time_s), bool)
    for piece in trace.pieces:
        inside |= (time_s >= piece.start_s) & (time_s < piece.stop_s - 0.1)
    covered: list[bool] = inside.tolist()
    return covered
