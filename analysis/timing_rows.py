"""What a session's timing is called in words, each with a light: frames, codes, latency, sounds.

Rows also put their numbers where they are asked to.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis import timing
from analysis.lights import Row, counted, green, red, times, yellow
from analysis.planned import Place
from task.contract.sessionlog import SessionLog

REFRESH_SHARE = 0.01  # a display further from its plan is refused before a session, too
_HELD_UP = "the display is paced in software, and other programs held it up"
WRITE_S = 0.001  # a USB frame: what takes longer waited for something else


def frame_rows(plan: Mapping[str, Any], log: SessionLog, numbers: dict[str, Any]) -> Iterator[Row]:
    """Whether steps lasted their frames, and codes kept their distance."""
    lengths, planned_hz = timing.step_lengths(plan, log.events), float(plan["refresh_hz"])
    paced = _paced_in_software(log)
    shown_s = timing.period_s(lengths, planned_hz)
    hz = 1 / shown_s if shown_s > 0 else np.nan
    numbers["refresh_hz"] = rounded(hz)
    # Where the program paces itself, its grid is the plan's, however often it was held up.
    period = 1 / planned_hz if paced else shown_s
    steps = timing.judged_steps(lengths, period, paced=paced)
    numbers["steps"] = {
        "measured": len(steps),
        "off_by_late_frames": int((steps["off"] & steps["explained"]).sum()),
        "excused": int(steps["excused"].sum()),
        "wrong": int((~steps["explained"] & ~steps["excused"]).sum()),
    }
    if paced or steps.empty or abs(hz / planned_hz - 1) <= REFRESH_SHARE:
        yield _steps(steps, hz)
    else:
        said = f"{len(steps)} steps of fixed length at {hz:.2f} Hz, planned for {planned_hz:g} Hz"
        yield red("frames", said)
    yield _spacing(plan, log, period, numbers, paced=paced)


def _steps(steps: pd.DataFrame, hz: float) -> Row:
    wrong, excused = steps[~steps["explained"] & ~steps["excused"]], steps[steps["excused"]]
    off = int((steps["off"] & steps["explained"]).sum())
    if steps.empty:
        return yellow("frames", "no step of fixed length was shown whole; nothing to measure")
    said = f"{len(steps)} steps of fixed length"
    if len(wrong):
        first = wrong.iloc[0]
        place = Place(int(first["block"]), int(first["trial"]))
        lasted = first["frames"] + first["beyond"]
        return red(
            "frames",
            f"{len(wrong)} of {said} have another and no late frame explains it: {place}"
            f" {first['code']} {lasted:.1f} frames, planned {first['frames']}",
        )
    if len(excused):
        late = int((excused["late"] + excused["before"] > 0).sum())
        return yellow(
            "frames",
            f"{len(excused)} of {said} off by {excused['beyond'].abs().max():.1f} frames at most"
            f" ({late} have late frames in them or just before): {_HELD_UP}",
        )
    told = f"; {off} longer or shorter, by late frames that the log has" if off else ""
    return green("frames", f"{said} as planned, at {hz:.3f} Hz{told}")


def _spacing(
    plan: Mapping[str, Any],
    log: SessionLog,
    period: float,
    numbers: dict[str, Any],
    *,
    paced: bool,
) -> Row:
    codes, late = timing.codes_of(log.events), timing.late_frames(log.events)
    pairs = timing.neighbours(codes, late, period)
    least = int(plan["spacing_frames"])
    closest = float(pairs["apart"].min()) if len(pairs) else np.nan
    close = pairs[pairs["apart"] < least - timing.HALF_FRAME]
    after_late = int(close["caught_up"].sum())
    unexplained = close[~close["caught_up"]]
    numbers["spacing_frames"] = {
        "planned": least,
        "closest": rounded(closest),
        "too_close": len(unexplained),
        "too_close_after_late_frames": after_late,
    }
    if pairs.empty:
        return yellow("spacing", "fewer than two codes were sent")
    said = (
        f"{counted(len(close), 'code')} came sooner than {least} frames after the one before, the"
        f" closest after {closest:.1f} ({closest * period * 1e3:.1f} ms)"
    )
    if paced and len(unexplained) and unexplained["apart"].min() > least - 1:
        return yellow("spacing", f"{said}; {_HELD_UP}")
    if len(unexplained):
        return red("spacing", f"{said}; the recorder may miss some")
    if after_late:
        return yellow("spacing", f"{said}: the display made up for late frames")
    return green("spacing", f"codes at least {closest:.1f} frames apart; planned are {least}")


def _paced_in_software(log: SessionLog) -> bool:
    """Whether it was shown on a display without vertical blank, which the program paced itself."""
    displays = [event.detail.get("display") for event in log.events if event.name == "RUN"]
    paced = [str(d.get("pacing", "")) for d in displays if isinstance(d, dict)]
    return any(how.startswith("software") for how in paced)


def late_row(log: SessionLog, numbers: dict[str, Any]) -> Row:
    """How many frames were late, how late, and where."""
    late = timing.late_frames(log.events)
    counts = [timing.number(ending.get("frames")) for _, ending in timing.runs_of(log)]
    frames = int(np.nansum(counts))
    numbers["late_frames"] = {"count": len(late), "frames": frames}
    if late.empty:
        return green("late frames", "none")
    order = late["interval_s"].fillna(0).to_numpy().argmax()
    longest = late.iloc[int(order)]
    place = Place(int(longest["block"]), int(longest["trial"]))
    where = str(place) if place.block >= 0 else "between trials"
    inside = int((late["block"] >= 0).sum())
    numbers["late_frames"] |= {
        "in_trials": inside,
        "longest_s": rounded(longest["interval_s"]),
        "longest_where": list(place),
        "where": late[["block", "trial"]].value_counts().sort_index().reset_index().values.tolist(),
    }
    of = f" of {frames}" if frames else ""
    return yellow(
        "late frames",
        f"{len(late)}{of}, {inside} in trials; the longest {longest['interval_s'] * 1e3:.1f} ms,"
        f" {where}",
    )


def latency_row(log: SessionLog, numbers: dict[str, Any]) -> Row:
    """How soon after its flip a code was written."""
    codes = timing.codes_of(log.events)
    flip, writing = timing.flip_to_write(codes), timing.write_duration(codes)
    if not len(flip):
        return yellow("latency", "the log has no clock readings around its codes")
    numbers["flip_to_write_s"] = _spread(flip)
    numbers["write_s"] = _spread(writing)
    said = (
        f"flip to code written {np.median(flip) * 1e6:.0f} µs (median),"
        f" {np.quantile(flip, 0.99) * 1e6:.0f} µs (99 %); writing takes"
        f" {np.median(writing) * 1e6:.0f} µs"
    )
    return (green if np.quantile(flip, 0.99) <= WRITE_S else yellow)("latency", said)


def _spread(values: timing.Floats) -> dict[str, float | None]:
    quantiles = {"median": 0.5, "p99": 0.99, "most": 1.0}
    return {name: rounded(np.quantile(values, q)) for name, q in quantiles.items()}


def sound_rows(log: SessionLog, numbers: dict[str, Any]) -> Iterator[Row]:
    """How late sounds began, as the machine tells; it cannot know when they were heard."""
    sounds = [e for e in log.events if e.name == "SOUND"]
    if not sounds:
        return
    problems = Counter(str(e.detail["problem"]) for e in sounds if e.detail.get("problem"))
    late_s = np.array(
        [timing.number(e.detail.get("started_s")) - timing.number(e.detail.get("asked_s"))
         for e in sounds]
    )  # fmt: skip
    late_s = late_s[np.isfinite(late_s)]
    numbers["sounds"] = {"count": len(sounds), "problems": dict(problems)}
    said = [counted(len(sounds), "sound")]
    if len(late_s):
        numbers["sounds"]["late_s"] = _spread(late_s)
        said.append(f"begun {np.median(late_s) * 1e3:.1f} ms after the swap (median)")
    said += [f"{times(count)}: {problem}" for problem, count in problems.items()]
    yield (yellow if problems else green)("sound", "; ".join(said))


def rounded(value: float) -> float | None:
    """A number for the document: to a tenth of a microsecond; None where there is none."""
    return round(float(value), 7) if np.isfinite(value) else None
