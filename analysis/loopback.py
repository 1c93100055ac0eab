"""The first day with a rig: what the recorder kept of a session's codes, and when light came.

    rows = evaluate(session, recording, photodiode).rows

The session was shown with its trigger lines looped back into the recorder, and perhaps with a
photodiode on an analog channel of the same recorder.  The log is matched to the recording as every
analysis does it (`analysis.align`).  Two computers share no zero of time: what can be said of codes
is how much they scatter about the common clock, not how late all of them are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.align import Alignment
from analysis.evidence import AlignmentRefused
from analysis.lights import Row, counted, green, red, times, worst, yellow
from analysis.locate import AS_FOUND, Choice, locate
from analysis.patch import patch_light
from analysis.photodiode import Edges, spread
from analysis.photodiode import Light as Seen
from analysis.readers import read_analog, read_events, read_log
from analysis.trace import Trace
from analysis.verify import read_sound_log
from task.contract.codes import SWEEP_VALUES
from task.contract.errors import UserError
from task.contract.lights import Light
from task.contract.sessionlog import SessionLog

SCHEMA = 1
JITTER_S = 0.001  # USB schedules in frames of 1 ms: more scatter than this has another cause
QUARTZ_PPM = 100.0  # computers' clocks stay within this of each other
# Light after its code at 60 Hz, of presenters on Linux and Windows (doi:10.7717/peerj.9414), and
# what display stacks that keep one or more frames back were measured at.
USUAL_LIGHT_S = (0.002, 0.0075)
SLOW_LIGHT_S = 0.040
USUAL_SD_S = 0.00055
LARGE_RIPPLE = 0.5


@dataclass(frozen=True, slots=True)
class Loopback:
    """What was measured.

    Attributes
    ----------
    session : the session folder's name
    rows : the summary
    numbers : by name, as JSON values
    rig_line : what to put into the rig file, a comment; "" where no latency was measured
    """

    session: str
    rows: tuple[Row, ...]
    numbers: Mapping[str, Any]
    rig_line: str = ""

    @property
    def light(self) -> Light:
        """The worst of all rows."""
        return worst(self.rows)

    @property
    def document(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "schema": SCHEMA,
            "session": self.session,
            "light": self.light.value,
            "rows": [{"light": r.light.value, "what": r.what, "said": r.said} for r in self.rows],
            "numbers": dict(self.numbers),
            "rig_line": self.rig_line,
        }


@dataclass(slots=True)
class _Findings:
    rows: list[Row] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)
    rig_line: str = ""


def evaluate(
    session: Path,
    recording: Path,
    photodiode: Path | None = None,
    threshold: str = "auto",
    choice: Choice = AS_FOUND,
) -> Loopback:
    """Hold a recording of a session against its log, and a photodiode's trace against both.

    Parameters
    ----------
    session : a session folder
    recording : an events file, or the folder with one
    photodiode : a trace (`analysis.readers.traces`)
    threshold : where an edge of the trace is timed, in its units; "auto" for halfway
    choice : what the user decided about the alignment

    Raises
    ------
    UserError
        If a file cannot be read, log and recording do not belong together, or the trace has no
        two levels.
    """
    halfway = _halfway(threshold)
    log = read_sound_log(session)
    events = read_events(recording)
    found = _Findings()
    sent = _sent(session, log)
    try:
        aligned = locate(sent, events, log.header.session, choice)
    except AlignmentRefused as refusal:
        return Loopback(session.name, (red("codes", str(refusal)),), {})
    found.rows += _codes(aligned, sent, found.numbers)
    found.rows += _clock(aligned, sent, found.numbers)
    found.rows.append(_lines(aligned, sent, found.numbers))
    found.rows.append(_pulses(_on_their_port(events, aligned), found.numbers))
    if photodiode:
        _light(log, aligned, read_analog(photodiode), halfway, found)
    return Loopback(session.name, tuple(found.rows), found.numbers, found.rig_line)


def _halfway(threshold: str) -> float | None:
    if threshold == "auto":
        return None
    try:
        return float(threshold)
    except ValueError:
        raise UserError(f"threshold {threshold!r}: give a number, or auto") from None


def _sent(session: Path, log: SessionLog) -> pd.DataFrame:
    """Codes sent, with what the log says of them."""
    lost = [bool(e.detail.get("lost")) for e in log.events if e.code is not None]
    return read_log(session).rename(columns={"note": "name"}).assign(lost=lost)


# Codes -------------------------------------------------------------------------------------------


def _codes(aligned: Alignment, sent: pd.DataFrame, numbers: dict[str, Any]) -> Iterator[Row]:
    unheard = ~aligned.measured.to_numpy()
    admitted = int((unheard & sent["lost"].to_numpy()).sum())
    lost, spurious = int(unheard.sum()), int(aligned.spurious.sum())
    numbers["codes"] = {
        "sent": len(sent),
        "recorded": len(sent) - lost,
        "lost": lost,
        "lost_and_logged_so": admitted,
        "spurious": spurious,
        "lost_by_code": _by_code(aligned.lost),
        "spurious_by_code": _by_code(aligned.spurious),
        "replaced": aligned.replaced.reset_index().to_numpy().tolist(),  # sent, seen, how often
    }
    said = f"{len(sent) - lost} of {len(sent)} codes are in the recording"
    if lost:
        known = f"; of {admitted} the log knew" if admitted else ""
        yield red("codes", f"{said}; lost: {_listed(aligned.lost)}{known}")
    else:
        yield green("codes", said)
    if len(aligned.replaced):
        before, after, count = numbers["codes"]["replaced"][0]
        yield red("changed", f"{before} arrived as {after} ({times(count)}): look at the cable")
    if spurious:
        yield yellow(
            "unexpected",
            f"{counted(spurious, 'code')} that nobody sent: {_listed(aligned.spurious)}",
        )
    else:
        yield green("unexpected", "none")


def _by_code(counts: pd.Series) -> dict[str, int]:
    return {str(code): int(n) for code, n in counts.items()}


def _listed(counts: pd.Series, most: int = 6) -> str:
    said = [f"{code} ({times(n)})" if n > 1 else f"{code}" for code, n in counts.items()]
    return ", ".join(said[:most]) + (" ..." if len(said) > most else "")


def _clock(aligned: Alignment, sent: pd.DataFrame, numbers: dict[str, Any]) -> Iterator[Row]:
    """Drift, and how codes scatter about the common clock."""
    drift, jumps = aligned.drift_ppm, aligned.clock.jumps
    numbers["clock"] = {"drift_ppm": round(drift, 3), "jumps": jumps}
    said = f"the recorder's clock runs {drift:+.1f} ppm against the presenter's"
    if jumps:
        yield yellow("clock", f"{said}; one of them was set {times(jumps)}")
    else:
        yield (green if abs(drift) <= QUARTZ_PPM else yellow)("clock", said)
    residual_s = aligned.pairs.loc[~aligned.pairs["placed"], "residual_s"].to_numpy()
    low, middle, high = np.quantile(residual_s, [0.01, 0.5, 0.99])
    sd_s = float(residual_s.std())
    numbers["jitter_s"] = {
        name: round(float(value), 7)
        for name, value in {"sd": sd_s, "p1": low, "median": middle, "p99": high}.items()
    }
    said = (
        f"recorded against logged flip: SD {sd_s * 1e3:.3f} ms; 1 % {low * 1e3:+.3f},"
        f" 50 % {middle * 1e3:+.3f}, 99 % {high * 1e3:+.3f} ms"
    )
    yield (green if high - low <= 2 * JITTER_S else yellow)("jitter", said)


def _lines(aligned: Alignment, sent: pd.DataFrame, numbers: dict[str, Any]) -> Row:
    """The sweep that opens every run: which single lines arrived."""
    sweep = sent["name"].to_numpy() == "SWEEP"
    arrived = set(sent["code"][sweep & aligned.measured.to_numpy()].tolist())
    dead = [value for value in SWEEP_VALUES if value not in arrived]
    numbers["lines"] = {"swept": bool(sweep.any()), "missing": dead}
    if not sweep.any():
        return yellow("lines", "the session has no line sweep")
    if dead:
        said = ", ".join(f"{value} (line {value.bit_length() - 1})" for value in dead)
        return red("lines", f"the sweep arrived without {said}: dead line, or a sweep too fast")
    return green("lines", "all eight arrived, each alone")


def _on_their_port(events: pd.DataFrame, aligned: Alignment) -> pd.DataFrame:
    """Events of the port that carried the codes, rests included."""
    theirs: pd.DataFrame = events[events["port"] == aligned.port]
    return theirs.sort_values("time_s", kind="stable")


def _pulses(events: pd.DataFrame, numbers: dict[str, Any]) -> Row:
    """How long codes stood, and how long the lines rested, as recorded."""
    time_s, code = events["time_s"].to_numpy(float), events["code"].to_numpy()
    if not (code == 0).any():
        return yellow("pulses", "the recording has no returns to rest; widths cannot be told")
    lasted_s = np.diff(time_s)
    ends = (code[:-1] != 0) & (code[1:] == 0)
    begins = (code[:-1] == 0) & (code[1:] != 0)
    joined = int(((code[:-1] != 0) & (code[1:] != 0)).sum())
    width_s, gap_s = lasted_s[ends], lasted_s[begins]
    if not len(width_s) or not len(gap_s):
        return yellow("pulses", "too few returns to rest to tell widths")
    numbers["pulses_s"] = {
        name: round(float(value), 7)
        for name, value in {
            "width_least": width_s.min(),
            "width_median": np.median(width_s),
            "width_most": width_s.max(),
            "gap_least": gap_s.min(),
        }.items()
    } | {"without_rest": joined}
    said = (
        f"codes stand {np.median(width_s) * 1e3:.2f} ms ({width_s.min() * 1e3:.2f} to"
        f" {width_s.max() * 1e3:.2f}); rests of at least {gap_s.min() * 1e3:.2f} ms"
    )
    if joined:
        return red("pulses", f"{said}; one code followed another without a rest {times(joined)}")
    return green("pulses", said)


# Light -------------------------------------------------------------------------------------------


def _light(
    log: SessionLog,
    aligned: Alignment,
    trace: Trace,
    halfway: float | None,
    found: _Findings,
) -> None:
    patch = patch_light(log, aligned, trace, halfway)
    seen = patch.light
    found.rows.append(_trace(trace, patch.edges, patch.outside, found.numbers))
    found.rows += _matches(seen, found.numbers)
    if trace.own_clock:
        said = (
            "the trace has its own clock: how light scatters can be told, not how late it is;"
            " record the photodiode on the recorder that has the codes"
        )
        found.rows.append(yellow("latency", said))
        found.rows += _transitions(seen, found.numbers, known=False)
        return
    found.rows += _transitions(seen, found.numbers, known=True)
    latency_s = seen.onsets.loc[seen.onsets["measured"], "latency_s"]
    told = spread(latency_s)
    if told["n"]:
        found.rows.append(_usual(told))
        found.rig_line = _rig_line(told, log)


def _trace(trace: Trace, edges: Edges, outside: int, numbers: dict[str, Any]) -> Row:
    numbers["trace"] = {
        "rate_hz": round(trace.rate_hz, 3),
        "gaps": trace.gaps,
        "low": edges.low,
        "high": edges.high,
        "threshold": edges.halfway,
        "ripple": round(edges.ripple, 4),
        "edges": len(edges.time_s),
        "onsets_outside": outside,
    }
    said = (
        f"{trace.rate_hz:.0f} Hz, levels {edges.low:g} and {edges.high:g}, edges timed at"
        f" {edges.halfway:g}; flicker {edges.ripple:.0%} of the step"
        " (assumed: faster than 90 Hz)"
    )
    warned = []
    if trace.gaps:
        warned.append(counted(trace.gaps, "gap"))
    if outside:
        warned.append(f"{counted(outside, 'screen change')} outside it")
    if edges.ripple > LARGE_RIPPLE:
        warned.append("the backlight is dimmed by switching: set it to full brightness")
    return (yellow if warned else green)("trace", "; ".join([said, *warned]))


def _matches(seen: Seen, numbers: dict[str, Any]) -> Iterator[Row]:
    missed = seen.onsets["latency_s"].isna() & ~seen.onsets["wrong_way"]
    wrong = int(seen.onsets["wrong_way"].sum())
    numbers["light"] = {
        "onsets": len(seen.onsets),
        "missed": int(missed.sum()),
        "missed_at_s": [round(t, 4) for t in seen.onsets.loc[missed, "time_s"].tolist()],
        "wrong_way": wrong,
        "extra": len(seen.extra_s),
        "extra_at_s": [round(t, 4) for t in seen.extra_s.tolist()],
        "dimmed": seen.dimmed,
        "inverted": seen.inverted,
    }
    share = f"{len(seen.onsets) - int(missed.sum()) - wrong} of {len(seen.onsets)} screen changes"
    said = f"{share} have their light; {int(missed.sum())} missed, {len(seen.extra_s)} extra"
    whole = not missed.any() and not len(seen.extra_s)
    yield (green if whole else red)("light", said)
    if wrong:
        yield red("polarity", f"{counted(wrong, 'change')} the other way than the log says")
    elif seen.inverted:
        said = 'light lowers the trace: an inverted sensor, or sync_patch_lit = "black"'
        yield yellow("polarity", said)
    else:
        yield green("polarity", "the trace rises where the log says lit")


def _transitions(seen: Seen, numbers: dict[str, Any], *, known: bool) -> Iterator[Row]:
    """Latency of both transitions apart; only its scatter where the zero is not known."""
    table = seen.onsets[seen.onsets["measured"]]
    brightens = (table["lit"] != 0).to_numpy()
    for name, rows in (("to lit", table[brightens]), ("to unlit", table[~brightens])):
        told = spread(rows["latency_s"])
        if not told["n"]:
            yield yellow(name, "none was seen")
            continue
        if not known:
            told = {"n": told["n"], "sd_s": told["sd_s"]}
        numbers.setdefault("latency_s", {})[name.replace(" ", "_")] = {
            key: value if key == "n" else round(value, 7) for key, value in told.items()
        }
        sd = f"SD {told['sd_s'] * 1e3:.3f} ms, n = {told['n']}"
        said = f"{_latency_said(told)}; {sd}" if known else sd
        yield (green if told["sd_s"] <= USUAL_SD_S else yellow)(name, said)


def _latency_said(told: Mapping[str, float]) -> str:
    return (
        f"light {told['median_s'] * 1e3:.2f} ms after its code (median; 5 %"
        f" {told['p5_s'] * 1e3:.2f}, 95 % {told['p95_s'] * 1e3:.2f})"
    )


def _usual(told: Mapping[str, float]) -> Row:
    median_s, said = told["median_s"], _latency_said(told)
    low, high = USUAL_LIGHT_S
    if low <= median_s <= high:
        return green("latency", f"{said}: usual for Linux and Windows at 60 Hz")
    if high < median_s <= SLOW_LIGHT_S:
        return yellow(
            "latency", f"{said}: the display keeps a frame or two back; see that it stays"
        )
    if 0 <= median_s < low:
        return yellow("latency", f"{said}: sooner than usual; is the patch at the top?")
    what = "light before its code" if median_s < 0 else "later than any display that was measured"
    return yellow(
        "latency", f"{said}: {what}; look at cable, box and display before a patient comes"
    )


def _rig_line(told: Mapping[str, float], log: SessionLog) -> str:
    """What to keep in the rig file: a comment, for the analysis reads light from the trace."""
    values = ", ".join(f"{told[key]:.5f}" for key in ("median_s", "p5_s", "p95_s"))
    day = str(log.header.started)[:10]
    return f"# photodiode_s = [{values}]  # median, 5 %, 95 %; measured {day}, n = {told['n']:.0f}"
