"""What is said of an alignment: traffic lights first, then every number, as a document.

    report = report_alignment(session, recording, choice)
    report.rows, report.document

A refusal is a report too: its first row says why, and what else the recording holds is listed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.align import Alignment
from analysis.evidence import AlignmentRefused, Evidence
from analysis.lights import Row, counted, green, red, worst, yellow
from analysis.locate import AS_FOUND, Choice, locate, stretches
from analysis.readers import read_events, read_log, session_number
from analysis.tick import SHORTEST_S as TICK_SHORTEST_S
from task.contract.lights import Light

SCHEMA = 1
NAMED = 4  # stretches that a sentence names; the document has all
GREAT_SHARE = 0.2  # of the rows lost: much of the session is not there
LARGE_SHARE = 0.01  # of the rows lost, or of unexpected words: worth a look at the cable


@dataclass(frozen=True, slots=True, eq=False)
class AlignmentReport:
    """An alignment, or why there is none.

    Attributes
    ----------
    log, events : what was read; of the events those that were looked at
    found : the alignment, None where it was refused
    refusal : why, None where it was not
    rows : the summary
    document : all of it as JSON values
    """

    log: pd.DataFrame
    events: pd.DataFrame
    found: Alignment | None
    refusal: AlignmentRefused | None
    rows: tuple[Row, ...]
    document: dict[str, Any]

    @property
    def light(self) -> Light:
        """The worst of all rows."""
        return worst(self.rows)


def report_alignment(session: Path, recording: Path, choice: Choice = AS_FOUND) -> AlignmentReport:
    """Align a log with a recording, and say what came of it.

    Parameters
    ----------
    session : a session folder, or any log that can be read
    recording : an events file, or a folder with one

    Raises
    ------
    UserError
        If one of them cannot be read, or the recording has no such port.
    """
    log, events = read_log(session), read_events(recording)
    found, refusal = None, None
    try:
        found = locate(log, events, session_number(session), choice)
    except AlignmentRefused as error:
        refusal = error
    held = stretches(log, events, found)
    start_s, stop_s = choice.between_s
    within = events["time_s"].between(start_s, stop_s, inclusive="left")
    span = events.loc[within & (events["code"] > 0), "time_s"].agg(["min", "max"])
    rows = tuple(_rows(log, found, held, span) if found else _refused(refusal, held))
    document = {
        "schema": SCHEMA,
        "session": session.name,
        "recording": recording.name,
        "light": worst(rows).value,
        "choice": _choice(choice),
        "rows": [{"light": r.light.value, "what": r.what, "said": r.said} for r in rows],
        "refusal": _refusal(refusal) if refusal else None,
        "alignment": _numbers(log, found) if found else None,
        "stretches": held.to_dict("records"),
    }
    looked = events if found else events[within].reset_index(drop=True)
    return AlignmentReport(log, looked, found, refusal, rows, document)


# Lights ------------------------------------------------------------------------------------------


def _rows(
    log: pd.DataFrame, found: Alignment, held: pd.DataFrame, span: pd.Series
) -> Iterator[Row]:
    yield _verdict(found)
    yield _words(found, span)
    if len(found.replaced):
        yield yellow("changed", _changed(found))
    yield (yellow if found.lines else green)("lines", str(found.lines))
    if found.port:
        yield green("port", found.port)
    yield _clock(found)
    yield _residuals(found)
    absent = found.runs[~found.runs["found"]]
    for number, rows in zip(absent.index, absent["rows"], strict=True):
        said = f"run {number} of the log ({counted(rows, 'row')}) was not found: its times are not"
        yield red("runs", f"{said} known")
    for gap in found.unknown.to_dict("records"):
        said = f"rows {gap['first']} to {gap['last']} of the log have no time: no clock fits the"
        yield red("clock", f"{said} {counted(gap['words'], 'word')} that came meanwhile")
    yield from _others(held)


def _verdict(found: Alignment) -> Row:
    evidence = found.evidence
    said = (
        f"log and recording belong together: {evidence.matched} of {evidence.heard} rows that could"
        f" be heard are explained, by the best rival clock {evidence.rival}"
    )
    if evidence.numbered:
        said += f"; {evidence.agreeing} words carry the presentation's own number"
    if evidence.overridden:
        named = ", ".join(evidence.overridden)
        return red("verdict", f"OVERRIDDEN, against the check {named}: {said}")
    return green("verdict", said)


def _words(found: Alignment, span: pd.Series) -> Row:
    rows, placed = found.evidence.rows, int(found.pairs["placed"].sum())
    lost, unexpected = len(found.missing), len(found.unexpected)
    missing_s = found.time_s.to_numpy()[found.missing]
    outside = int(((missing_s < span["min"]) | (missing_s > span["max"])).sum())
    by_place = f" ({placed} by place: the log's stamp was wrong)" if placed else ""
    before = f" ({outside} of them before the first word or after the last)" if outside else ""
    said = (
        f"{len(found.pairs)} of {rows} rows are measured{by_place}; {lost} lost{before}, their"
        f" times inferred; {counted(unexpected, 'word')} unexpected"
    )
    if lost > GREAT_SHARE * rows:
        return red("words", f"{said}: is this the whole recording, on one clock?")
    many = lost > LARGE_SHARE * rows or unexpected > LARGE_SHARE * rows
    return (yellow if many else green)("words", said)


def _changed(found: Alignment) -> str:
    most = found.replaced.sort_values(ascending=False, kind="stable")
    pairs = [f"{a} as {b} ({n}x)" for (a, b), n in zip(most.index, most, strict=True)]
    more = f" and {len(pairs) - 6} kinds more" if len(pairs) > 6 else ""
    return f"arrived as another word: {', '.join(pairs[:6])}{more}"


def _clock(found: Alignment) -> Row:
    pieces, jumps = len(found.clock.pieces), found.clock.jumps
    said = f"recording against log {found.drift_ppm:+.1f} ppm, "
    said += "one straight line" if pieces == 1 else f"{pieces} pieces, {counted(jumps, 'jump')}"
    if found.tick_s > TICK_SHORTEST_S:
        said += f"; the log's clock steps by {found.tick_s * 1e3:.4g} ms"
    return (yellow if jumps else green)("clock", said)


def _residuals(found: Alignment) -> Row:
    told = _residual_ms(found)
    said = f"median {told['median']:.2f} ms, 99 % {told['p99']:.2f} ms, most {told['most']:.2f} ms"
    return green("residuals", f"{said} (absolute; recorded against expected)")


def _others(held: pd.DataFrame) -> Iterator[Row]:
    """Where the log lies, and what else the recording holds."""
    if held.empty:
        return
    for what, part, size in (
        ("lies at", held[held["matched"] > 0], "matched"),
        ("not used", held[held["matched"] == 0], "words"),
    ):
        if len(part):
            named = part.nlargest(NAMED, size).sort_values("start_s")
            more = len(part) - len(named)
            spans = "; ".join(_span(row) for row in named.itertuples())
            yield green(what, spans + (f"; and {more} smaller" if more else ""))


def _span(row: Any) -> str:
    run = f", run {row.run}" if row.run else ""
    port = f", {row.port}" if row.port else ""
    return f"{row.start_s:.1f} to {row.stop_s:.1f} s ({counted(row.words, 'word')}{run}{port})"


def _refused(refusal: AlignmentRefused | None, held: pd.DataFrame) -> Iterator[Row]:
    yield red("verdict", str(refusal))
    yield from _others(held)


# Numbers -----------------------------------------------------------------------------------------


def _choice(choice: Choice) -> dict[str, Any]:
    between = [t if np.isfinite(t) else None for t in choice.between_s]
    return {"port": choice.port, "between_s": between, "accept": list(choice.accept)}


def _refusal(refusal: AlignmentRefused) -> dict[str, Any]:
    return {
        "check": refusal.check,
        "what": refusal.what,
        "tried": refusal.tried,
        "advice": refusal.advice,
        "evidence": _evidence(refusal.evidence),
    }


def _numbers(log: pd.DataFrame, found: Alignment) -> dict[str, Any]:
    return {
        "verdict": found.verdict,
        "port": found.port,
        "lines": {
            "dead": list(found.lines.dead),
            "stuck": list(found.lines.stuck),
            "floating": list(found.lines.floating),
        },
        "evidence": _evidence(found.evidence),
        "clock": {
            "drift_ppm": round(found.drift_ppm, 4),
            "jumps": found.clock.jumps,
            "pieces": [
                {
                    "log_start_s": piece.start_s,
                    "log_stop_s": piece.end_s,
                    "offset_s": piece.offset_s,
                    "drift_ppm": round(piece.rate * 1e6, 4),
                }
                for piece in found.clock.pieces
            ],
        },
        "residual_ms": {name: round(value, 4) for name, value in _residual_ms(found).items()},
        "codes": codes_table(log, found).reset_index().to_dict("records"),
        "replaced": [
            {"sent": int(a), "seen": int(b), "count": int(n)}
            for (a, b), n in zip(found.replaced.index, found.replaced, strict=True)
        ],
        "runs": found.runs.reset_index().to_dict("records"),
        "events": _events(log, found),
    }


def codes_table(log: pd.DataFrame, found: Alignment) -> pd.DataFrame:
    """Counts by code: index `code`; `name` where the log tells, `sent`, `measured`, `by_place`,
    `lost`, `unexpected`."""
    code = log["code"].to_numpy()
    pairs = found.pairs
    placed = pairs["placed"].to_numpy()
    sent = pairs["sent"].to_numpy()
    counts = {
        "sent": pd.Series(code[code > 0]).value_counts(),
        "measured": pd.Series(code[sent]).value_counts(),
        "by_place": pd.Series(code[sent[placed]]).value_counts(),
        "lost": found.lost,
        "unexpected": found.spurious,
    }
    table = pd.DataFrame(counts).fillna(0).astype("int64").sort_index().rename_axis("code")
    table.insert(0, "name", [_name_of(log, int(value)) for value in table.index])
    return table


def _name_of(log: pd.DataFrame, code: int) -> str:
    """What the log calls a code, if it always calls it the same."""
    if "note" not in log:
        return ""
    notes = log.loc[log["code"] == code, "note"].unique()
    return str(notes[0]) if len(notes) == 1 else ""


def _residual_ms(found: Alignment) -> dict[str, float]:
    off_ms = found.pairs.loc[~found.pairs["placed"], "residual_s"].abs() * 1e3
    return {
        "median": float(off_ms.median()),
        "p95": float(off_ms.quantile(0.95)),
        "p99": float(off_ms.quantile(0.99)),
        "most": float(off_ms.max()),
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    """Numbers as JSON has them: none that is not a number."""
    named = {name: getattr(evidence, name) for name in evidence.__dataclass_fields__}
    plain = {
        k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in named.items()
    }
    return plain | {"overridden": list(evidence.overridden)}


def _events(log: pd.DataFrame, found: Alignment) -> list[dict[str, Any]]:
    """Every row of the log with its time in the recording."""
    rows = zip(
        log["time_s"].tolist(),
        log["code"].tolist(),
        found.time_s.tolist(),
        found.measured.tolist(),
        found.uncertainty_s.tolist(),
        strict=True,
    )
    return [
        {
            "log_s": log_s,
            "code": int(code),
            "time_s": None if np.isnan(time_s) else round(time_s, 7),
            "measured": measured,
            "uncertainty_s": round(off_s, 7) if np.isfinite(off_s) else None,
        }
        for log_s, code, time_s, measured, off_s in rows
    ]
