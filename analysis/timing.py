"""How punctual a session was, by its own log: sums over events, without files or plots.

Frames are counted in periods of the display as the session itself shows them: the weighted median
over all steps of fixed length.  Nothing is compared across runs, for each may have its own clock.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.planned import RUN_TIME_NAMES, place_of, trial_at
from task.contract.sessionlog import Event, Kind, SessionLog

Floats = NDArray[np.float64]

HALF_FRAME = 0.5
UNTOLD = 1.5  # frames: a turn left out and the jitter of the last swap
CATCHING_UP = 3.5  # frames after a late one in which a display may still make up for it
_STEP_ENDS = {"BLOCK_END", "PRACTICE_END"}
# What keeps a step from lasting as planned.
_DISTURBED = {
    *("GAP", "INTERRUPTED", "PAUSE", "REPEAT", "RESUME", "RUN", "SKIP", "STOP", "SUPERSEDED"),
    *("TRIGGERS_LOST", "TRIGGERS_BACK"),
}


def runs_of(log: SessionLog) -> list[tuple[list[Event], Mapping[str, Any]]]:
    """Events of every run, and its ending; empty where it was cut short."""
    runs: list[tuple[list[Event], Mapping[str, Any]]] = []
    for event in log.events:
        if event.name == "RUN" or not runs:
            runs.append(([], {}))
        if event.name == "ENDED":
            runs[-1] = runs[-1][0], event.detail
        runs[-1][0].append(event)
    if isinstance(log.ending, dict):
        runs[-1:] = [(runs[-1][0], log.ending)] if runs else [([], log.ending)]
    return runs


def codes_of(events: Sequence[Event]) -> pd.DataFrame:
    """Every code that was put on the lines.

    Returns
    -------
    DataFrame with `time_s` (of its flip), `name`, `value`, `presentation` (missing where none),
    `run`, `before_s` and `after_s` (clock around the write, NaN where not logged), `lost`
    """
    rows = []
    run = 0
    for event in events:
        run += event.name == "RUN"
        if event.code:
            before_s, after_s = sent_s(event)
            lost = bool(event.detail.get("lost"))
            about = (event.time_s, event.name, event.code, event.presentation, run)
            rows.append((*about, before_s, after_s, lost))
    columns = [
        *("time_s", "name", "value", "presentation", "run", "before_s", "after_s", "lost"),
    ]
    table = pd.DataFrame(rows, columns=columns)
    kinds: Any = dict.fromkeys(("time_s", "before_s", "after_s"), float)
    kinds |= {"value": "int64", "presentation": "Int64", "run": "int64", "lost": bool}
    return table.astype(kinds)


def sent_s(event: Event) -> tuple[float, float]:
    """The clock before and after a code was written; NaN where the log does not say."""
    found = event.detail.get("sent_s")
    if not isinstance(found, list) or len(found) != 2:
        return np.nan, np.nan
    return number(found[0]), number(found[1])


def late_frames(events: Sequence[Event]) -> pd.DataFrame:
    """Every late frame: `time_s`, `interval_s`, `run`, `block` and `trial` (-1 between trials)."""
    rows = []
    run, place = 0, (-1, -1)
    for event in events:
        run += event.name == "RUN"
        if event.name == "PRESENTATION":
            place = place_of(event)
        elif event.name == "BLOCK" or event.name in _STEP_ENDS:
            place = (-1, -1)
        elif event.name == "LATE_FRAME" and event.code is None:
            interval_s = number(event.detail.get("interval_s"))
            rows.append((event.time_s, interval_s, run, *place))
    columns = ["time_s", "interval_s", "run", "block", "trial"]
    kinds: Any = {"time_s": float, "interval_s": float, "run": int, "block": int, "trial": int}
    return pd.DataFrame(rows, columns=columns).astype(kinds)


def step_lengths(plan: Mapping[str, Any], events: Sequence[Event]) -> pd.DataFrame:
    """How long every undisturbed step of fixed length stood, from its onset to the next one's.

    The last step of a text is left out: pictures may be made ready in it.

    Returns
    -------
    DataFrame with `block`, `trial`, `code`, `frames` (planned), `lasted_s`, `late` (late frames in
    it), `late_s` (their intervals summed); `before` and `before_s`: of late frames just before it,
    for which the display may make up in it
    """
    columns = ["block", "trial", "code", "frames", "before", "before_s"]
    columns += ["lasted_s", "late", "late_s"]
    kinds: Any = dict.fromkeys(("block", "trial", "frames", "before", "late"), int)
    table = pd.DataFrame(list(_lengths(plan, events)), columns=columns)
    kinds |= dict.fromkeys(("lasted_s", "late_s", "before_s"), float)
    return table.astype({"code": str, **kinds})


def _lengths(plan: Mapping[str, Any], events: Sequence[Event]) -> Iterator[tuple[Any, ...]]:
    place = place_of(Event(0.0, ""))
    waiting: list[Mapping[str, Any]] = []  # steps of this trial that are to come
    reading = False  # a trial in which pictures are made ready: its last step may take longer
    standing: tuple[Any, ...] | None = None
    onset_s = 0.0
    recent: list[tuple[float, float]] = []  # late frames: when, and their intervals
    just_s = CATCHING_UP / float(plan["refresh_hz"])
    for event in events:
        if event.name in _DISTURBED:
            standing = None
        elif event.name == "LATE_FRAME" and event.code is None:
            recent.append((event.time_s, number(event.detail.get("interval_s"))))
        elif event.name == "PRESENTATION":
            place = place_of(event)
            trial = trial_at(plan, place) or {}
            waiting, reading = list(trial.get("steps", ())), trial.get("kind") == Kind.TEXT
        elif event.code and (event.name in _STEP_ENDS or _begins(waiting, event)):
            if standing:
                inside = [interval_s for time_s, interval_s in recent if time_s > onset_s]
                yield (*standing, event.time_s - onset_s, len(inside), sum(inside))
            onset_s, standing = event.time_s, None
            recent = [(t, i) for t, i in recent if t >= onset_s - just_s]
            if event.name not in _STEP_ENDS:
                step = waiting.pop(0)
                if not step["answers"] and (waiting or not reading):
                    before_s = sum(interval_s for _, interval_s in recent)
                    standing = (*place, event.name, step["frames"], len(recent), before_s)


def _begins(waiting: Sequence[Mapping[str, Any]], event: Event) -> bool:
    return bool(waiting) and event.name == waiting[0]["code"] and event.name not in RUN_TIME_NAMES


def period_s(lengths: pd.DataFrame, planned_hz: float) -> float:
    """Period of the display: of steps without late frames, the median weighted by length."""
    calm = lengths[lengths["late"] == 0]
    if calm.empty:
        return 1 / planned_hz
    frames = calm["frames"].to_numpy(float)
    each = calm["lasted_s"].to_numpy() / frames
    order = np.argsort(each, kind="stable")
    reached = np.cumsum(frames[order])
    return float(each[order][np.searchsorted(reached, reached[-1] / 2)])


def judged_steps(lengths: pd.DataFrame, period: float, *, paced: bool = False) -> pd.DataFrame:
    """Steps with the frames by which they went `beyond` their own, and what is behind it.

    A step may be longer by its late frames, and shorter by those just before it: such are
    `explained`.  Half a frame either way is the flip's own jitter; more than that is `off`.

    Where a display is `paced` in software nothing but the program keeps its swaps on a grid.  Swap
    by swap they may fall behind, none of them late, until a turn is left out; and a late one moves
    its neighbours.  So steps with late frames, and those within `UNTOLD` frames, are `excused`.
    """
    beyond = lengths["lasted_s"] / period - lengths["frames"]
    longer = (lengths["late_s"] / period - lengths["late"]).clip(lower=0)
    shorter = (lengths["before_s"] / period - lengths["before"]).clip(lower=0)
    explained = (beyond < longer + HALF_FRAME) & (beyond > -shorter - HALF_FRAME)
    held_up = (lengths["late"] + lengths["before"] > 0) | (beyond.abs() < UNTOLD)
    return lengths.assign(
        beyond=beyond,
        off=beyond.abs() >= HALF_FRAME,
        explained=explained,
        excused=held_up & ~explained & paced,
    )


def flip_jitter(codes: pd.DataFrame, period: float, most_s: float = 2.0) -> pd.DataFrame:
    """By how much flips of neighbouring codes lie off whole frames: `time_s`, `run`, `off_s`."""
    apart_s = codes.groupby("run")["time_s"].diff()
    near = apart_s[apart_s.between(0, most_s)]
    off_s = near - (near / period).round() * period
    return codes.loc[near.index, ["time_s", "run"]].assign(off_s=off_s)


def neighbours(codes: pd.DataFrame, late: pd.DataFrame, period: float) -> pd.DataFrame:
    """How many frames lie between each code and the one before it in its run, lost ones aside.

    Returns
    -------
    DataFrame with `apart` (frames) and `caught_up` (True where a late frame lies between them or
    just before: the display may have made up for it)
    """
    rose = codes[~codes["lost"]]
    apart_s = rose.groupby("run")["time_s"].diff().dropna()
    until_s = rose.loc[apart_s.index, "time_s"].to_numpy()
    from_s = until_s - apart_s.to_numpy() - CATCHING_UP * period
    late_s = np.sort(late["time_s"].to_numpy())
    caught_up = np.searchsorted(late_s, until_s, "right") > np.searchsorted(late_s, from_s)
    return pd.DataFrame({"apart": apart_s.to_numpy() / period, "caught_up": caught_up})


def flip_to_write(codes: pd.DataFrame) -> Floats:
    """Seconds from the flip to the code's byte written, of every code that left, (n,)."""
    left = codes[~codes["lost"]]
    return (left["after_s"] - left["time_s"]).dropna().to_numpy(dtype=float)


def write_duration(codes: pd.DataFrame) -> Floats:
    """Seconds that writing took, of every code that left, (n,)."""
    left = codes[~codes["lost"]]
    return (left["after_s"] - left["before_s"]).dropna().to_numpy(dtype=float)


def pauses(events: Sequence[Event]) -> list[tuple[float, float, str]]:
    """Start (s), duration (s, NaN where nothing ended it) and end of every pause.

    A pause and what ends it are logged as pressed, and again as codes: the first of them counts.
    """
    found: list[tuple[float, float, str]] = []
    began: float | None = None
    for event in events:
        if event.name == "PAUSE":
            began = event.time_s if began is None else began
        elif began is not None and event.name in ("RESUME", "SKIP", "REPEAT", "STOP", "RUN"):
            length_s = np.nan if event.name == "RUN" else event.time_s - began
            found.append((began, length_s, event.name))
            began = None
    return found if began is None else [*found, (began, np.nan, "the log's end")]


def run_offsets_s(events: Sequence[Event], apart_s: float = 5.0) -> dict[int, float]:
    """What to subtract from the times of each run so that the runs lie end to end from 0."""
    spans: dict[int, tuple[float, float]] = {}
    run = 0
    for event in events:
        run += event.name == "RUN"
        low, high = spans.get(run, (event.time_s, event.time_s))
        spans[run] = min(low, event.time_s), max(high, event.time_s)
    ends_s = np.cumsum([high - low + apart_s for low, high in spans.values()])
    starts_s = [0.0, *ends_s.tolist()]
    return {run: low - starts_s[n] for n, (run, (low, _)) in enumerate(spans.items())}


def number(value: object) -> float:
    """A finite number of a log; NaN for anything else."""
    known = isinstance(value, int | float) and not isinstance(value, bool)
    found = float(value) if known else np.nan  # type: ignore[arg-type]
    return found if np.isfinite(found) else np.nan
