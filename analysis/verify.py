"""Whether a session folder holds what it should: every file, digest, trial, code and frame.

    rows = verify_session(folder).rows

Each row is a traffic light and a sentence; `document` holds the same and the numbers, as JSON.
Red means that data are lost or are not what they say they are.  A folder may be damaged in any way:
what can still be judged is judged.  Nothing in it is changed.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from analysis import timing
from analysis.answers import answer_faults, answers_by_kind
from analysis.lights import Row, counted, green, red, times, worst, yellow
from analysis.planned import Followed, Place, State, follow, place_of, trials_in
from analysis.readers.plan import PLAN_NAME, read_plan
from analysis.timing_rows import frame_rows, late_row, latency_row, rounded, sound_rows
from task.contract.catalog import MANIFEST
from task.contract.errors import LogError, UserError
from task.contract.lights import Light
from task.contract.rescue import left_elsewhere
from task.contract.sessionlog import LOG_NAME, Event, Header, SessionLog, read_log

RIG_NAME = "rig.toml"
SCHEMA = 1
NAMED = 3  # places that a sentence names; the document has all
_DIGESTS = {
    "protocol.toml": "protocol_sha256",
    PLAN_NAME: "plan_sha256",
    MANIFEST: "catalog_sha256",
    RIG_NAME: "rig_sha256",
}


@dataclass(frozen=True, slots=True, eq=False)
class Verification:
    """A session folder, judged.

    Attributes
    ----------
    folder : the session's
    rows : the summary, one screen
    numbers : by name, as JSON values
    log, plan : what was read, None where it could not be
    """

    folder: Path
    rows: tuple[Row, ...]
    numbers: Mapping[str, Any]
    log: SessionLog | None = None
    plan: Mapping[str, Any] | None = None

    @property
    def light(self) -> Light:
        """The worst of all rows."""
        return worst(self.rows)

    @property
    def document(self) -> dict[str, Any]:
        """All of it as JSON values."""
        header = self.log.header if self.log else None
        return {
            "schema": SCHEMA,
            "folder": self.folder.name,
            "subject": header.subject if header else None,
            "protocol": header.protocol if header else None,
            "started": header.started if header else None,
            "light": self.light.value,
            "rows": [{"light": r.light.value, "what": r.what, "said": r.said} for r in self.rows],
            "numbers": dict(self.numbers),
        }


@dataclass(slots=True)
class _Findings:
    """Rows and numbers as they come together."""

    rows: list[Row] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)


def verify_session(folder: Path) -> Verification:
    """Judge a session folder.

    Raises
    ------
    UserError
        If there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: is no folder; give the folder of a session")
    found = _Findings()
    found.rows.append(_files(folder))
    try:
        log = read_sound_log(folder)
    except LogError as error:
        found.rows.append(red("log", str(error)))
        return Verification(folder, tuple(found.rows), found.numbers)
    found.rows += _digests(folder, log)
    found.rows += _elsewhere(folder)
    found.rows += _log_and_runs(log, found.numbers)
    plan = _plan(folder, log, found)
    if plan is not None:
        found.rows += _sound_files(folder, plan)
        followed = follow(plan, log.header.session, log.events, completed=_completed(log))
        found.rows.append(_trials(plan, followed, found.numbers))
        found.rows.append(_order(followed, log, found.numbers))
        found.rows += frame_rows(plan, log, found.numbers)
        found.rows.append(_lost(followed, log, found.numbers))
    found.rows.append(_cable(log, found.numbers))
    found.rows.append(late_row(log, found.numbers))
    found.rows.append(latency_row(log, found.numbers))
    found.rows += sound_rows(log, found.numbers)
    if plan is not None:
        found.rows += _answers(plan, followed, log, found.numbers)
    found.rows += _operator(log, found.numbers)
    return Verification(folder, tuple(found.rows), found.numbers, log, plan)


# The folder ------------------------------------------------------------------------------------


def _files(folder: Path) -> Row:
    wanted = [LOG_NAME, PLAN_NAME, "protocol.toml", MANIFEST]
    missing = [name for name in wanted if not (folder / name).is_file()]
    if missing:
        return red("files", f"missing: {', '.join(missing)}")
    unfinished = sorted(path.name for path in folder.glob("*.partial"))
    if unfinished:
        return yellow("files", f"left unfinished by a write: {', '.join(unfinished)}")
    if not (folder / RIG_NAME).is_file():
        return green("files", f"all there (no {RIG_NAME}: shown without a rig file)")
    return green("files", "all there")


def _sound_files(folder: Path, plan: Mapping[str, Any]) -> Iterator[Row]:
    steps = [s for b in plan["blocks"] for t in b["trials"] for s in t["steps"]]
    sounds = {i["file"] for s in steps for i in s["screen"] if i.get("medium") == "sound"}
    missing = sorted(name for name in sounds if not (folder / name).is_file())
    if missing:
        yield red("sounds", f"missing: {', '.join(missing)}")


def _digests(folder: Path, log: SessionLog) -> Iterator[Row]:
    checked, changed = [], []
    rigs = [e.detail["rig"] for e in log.events if e.name == "RUN" and e.detail.get("rig")]
    digests = {name: getattr(log.header, key, None) for name, key in _DIGESTS.items()}
    for name, wanted in {**digests, **{rig["file"]: rig["sha256"] for rig in rigs}}.items():
        if not wanted or not (folder / name).is_file():
            continue
        checked.append(name)
        if _sha256(folder / name) != wanted:
            changed.append(name)
    if changed:
        yield red("digests", f"not as the log's header has it: {', '.join(changed)}")
    else:
        yield green("digests", f"{', '.join(checked)} are as they were")


def _elsewhere(folder: Path) -> Iterator[Row]:
    if left := left_elsewhere(folder):
        files = ", ".join(map(str, left))
        yield red(
            "rescued", f"a part of the log lies in {files}; copy it here before anything else"
        )


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def read_sound_log(folder: Path) -> SessionLog:
    """A session's log, every event with parts of the right kind: later sums need not ask.

    Raises
    ------
    LogError
        As `task.contract.sessionlog.read_log`, or if a part is of a wrong kind.
    """
    log, path = read_log(folder), folder / LOG_NAME
    header = log.header
    sound = type(header.session) is int and isinstance(header.codes, dict)
    if not sound or not all(type(value) is int for value in header.codes.values()):
        raise LogError(f"{path}: is damaged: its header has no session number or code table")
    for number, event in enumerate(log.events, start=2):
        whole = [event.code, event.presentation]
        timed = np.isfinite(timing.number(event.time_s)) and isinstance(event.name, str)
        given_up = event.detail.get("presentations") if event.name == "SUPERSEDED" else []
        lists = [given_up, event.detail.get("sent_s", [])]
        if (
            not timed
            or not all(value is None or type(value) is int for value in whole)
            or not all(isinstance(value, list) for value in lists)
        ):
            raise LogError(f"{path}: is damaged: event {number - 1} has parts of a wrong kind")
    return log


# The log -----------------------------------------------------------------------------------------


def _completed(log: SessionLog) -> bool:
    return isinstance(log.ending, dict) and log.ending.get("how") == "completed"


def _log_and_runs(log: SessionLog, numbers: dict[str, Any]) -> Iterator[Row]:
    runs = timing.runs_of(log)
    numbers["events"] = len(log.events)
    numbers["runs"] = [ending.get("how", "cut short") for _, ending in runs]
    said = f"{len(log.events)} events"
    off = [words for events, ending in runs for words in _miscounted(events, ending)]
    cut = any(_cut_while_counting(events, ending) for events, ending in runs)
    if off:
        yield red("log", f"{said}, but its ending counted otherwise: {'; '.join(off)}")
    elif cut:
        yield yellow("log", f"{said}; the end came before the last of them was counted")
    elif log.ending is None:
        yield yellow("log", f"{said}; cut short: it has no ending, and is read to its last line")
    else:
        yield green("log", f"{said}, ended as it should")
    hows = numbers["runs"]
    told = f"{counted(len(hows), 'run')}: {', '.join(map(str, hows))}"
    yield (green if hows == ["completed"] else yellow)("runs", told)


def _miscounted(events: Sequence[Event], ending: Mapping[str, Any]) -> Iterator[str]:
    """What a run's ending counted otherwise than its events: then lines of the log are lost."""
    for name, counted_there, found in _counts(events, ending):
        if counted_there != found and not _in_flight(counted_there, found, ending):
            yield f"{name} {counted_there}, in the log {found}"


def _cut_while_counting(events: Sequence[Event], ending: Mapping[str, Any]) -> bool:
    return any(_in_flight(there, found, ending) for _, there, found in _counts(events, ending))


def _in_flight(counted_there: Any, found: int, ending: Mapping[str, Any]) -> bool:
    """Whether only the last event was not counted: what was written is counted afterwards."""
    return ending.get("how") != "completed" and counted_there == found - 1


def _counts(events: Sequence[Event], ending: Mapping[str, Any]) -> Iterator[tuple[str, Any, int]]:
    """What a run's ending says was counted: its name, that number, and the number in the log."""
    found = {
        "presentations": sum(e.name == "PRESENTATION" for e in events),
        "codes": sum(bool(e.code) for e in events),
        "late_frames": sum(e.name == "LATE_FRAME" and e.code is None for e in events),
        "codes_lost": sum(bool(e.code and e.detail.get("lost")) for e in events),
    }
    for name, count in found.items():
        if name in ending:
            yield name, ending[name], count


# The plan ----------------------------------------------------------------------------------------


def _plan(folder: Path, log: SessionLog, found: _Findings) -> Mapping[str, Any] | None:
    """The plan of this very session; None, and a row, where it is not to be had."""
    if _sha256(folder / PLAN_NAME) != log.header.plan_sha256:
        said = f"{PLAN_NAME} is missing or is not this session's; nothing was compared with it"
        found.rows.append(red("trials", said))
        return None
    try:
        plan = read_plan(folder / PLAN_NAME)
    except UserError as error:
        found.rows.append(red("trials", str(error)))
        return None
    if plan["codes"] != log.header.codes:
        found.rows.append(red("codes", "the log's header has another code table than the plan"))
    return plan


def _trials(plan: Mapping[str, Any], followed: Followed, numbers: dict[str, Any]) -> Row:
    planned = trials_in(plan)
    states = {state: followed.of(state) for state in State}
    whole = len({p.place for p in states[State.WHOLE]})
    lists = {
        "skipped": followed.skipped,
        "cut short and kept so": followed.kept,
        "not reached": followed.not_reached,
        "shown twice": followed.doubled,
        "missing": followed.missing,
    }
    numbers["trials"] = {
        "planned": planned,
        "whole": whole,
        **{name.replace(" ", "_"): list(map(list, places)) for name, places in lists.items()},
        **{
            state.value: [p.number for p in states[state]]
            for state in (State.INTERRUPTED, State.CUT, State.SUPERSEDED, State.WRONG)
        },
    }
    said = [f"{whole} of {planned} shown whole"]
    said += [f"{len(places)} {name}{_at(places)}" for name, places in lists.items() if places]
    for state in (State.INTERRUPTED, State.CUT, State.SUPERSEDED):
        if states[state]:
            said.append(f"{counted(len(states[state]), 'presentation')} {state.value}")
    if followed.missing:
        return red("trials", "; ".join(said))
    return (green if whole == planned and len(said) == 1 else yellow)("trials", "; ".join(said))


def _order(followed: Followed, log: SessionLog, numbers: dict[str, Any]) -> Row:
    numbers["presentations"] = len(followed.presentations)
    numbers["faults"] = list(followed.faults)
    strange = [
        f"code {e.name} was sent as {e.code}"
        for e in log.events
        if e.code and e.name in log.header.codes and e.name not in ("SESSION", "TRIAL")
        if e.code != log.header.codes[e.name]
    ]
    faults = [*followed.faults, *strange]
    if faults:
        more = f" (and {len(faults) - NAMED} more)" if len(faults) > NAMED else ""
        return red("order", "; ".join(faults[:NAMED]) + more)
    return green(
        "order",
        f"{len(followed.presentations)} presentations: kind, item, place and codes as planned,"
        " each number once",
    )


# Lines and frames --------------------------------------------------------------------------------


def _lost(followed: Followed, log: SessionLog, numbers: dict[str, Any]) -> Row:
    """Codes that never left, by whether the trial that they belong to counts."""
    counting = {p.number for p in followed.of(State.WHOLE)}
    lost = [e for e in log.events if e.code and e.detail.get("lost")]
    sent = sum(bool(e.code) for e in log.events)
    mattered = [e for e in lost if e.presentation in counting]
    numbers["codes"] = {"sent": sent, "lost": len(lost), "lost_in_trials_that_count": len(mattered)}
    if mattered:
        places = [place_of(e) for e in log.events if e.name == "PRESENTATION"
                  and e.presentation in {m.presentation for m in mattered}]  # fmt: skip
        trials = f"{counted(len(places), 'trial')} to be counted{_at(places)}"
        return red("codes", f"{len(lost)} of {sent} codes did not leave the port; in {trials}")
    if lost:
        said = "none of them in a trial that counts"
        return yellow("codes", f"{len(lost)} of {sent} codes did not leave the port; {said}")
    if not sent:
        return yellow("codes", "none was sent")
    if without := _without_triggers(log):
        runs = sum(e.name == "RUN" for e in log.events)
        which = "the rig" if without == runs else f"the rig of {without} of {runs} runs"
        return yellow("codes", f"{sent} codes, but {which} has no triggers: no recorder has them")
    return green("codes", f"{sent} codes, all taken by the port")


def _without_triggers(log: SessionLog) -> int:
    """Runs on a rig without a trigger box."""
    ports = [e.detail.get("port") for e in log.events if e.name == "RUN"]
    return sum(isinstance(p, dict) and p.get("device") in ("none", "simulated") for p in ports)


def _cable(log: SessionLog, numbers: dict[str, Any]) -> Row:
    names = Counter(e.name for e in log.events if e.code is None)
    lost, back, moved = (names[n] for n in ("TRIGGERS_LOST", "TRIGGERS_BACK", "LOG_MOVED"))
    box_lost, box_back = names["BOX_LOST"], names["BOX_BACK"]
    elsewhere = sum(e.detail.get("meaning") == "focus lost" for e in log.events)
    numbers["gaps"] = {
        "triggers_lost": lost,
        "triggers_back": back,
        "box_lost": box_lost,
        "box_back": box_back,
        "keyboard_elsewhere": elsewhere,
        "log_moved": moved,
    }
    said = []
    if lost:
        said.append(f"triggers lost {times(lost)}, back {times(back)}")
    if box_lost:
        said.append(f"response box lost {times(box_lost)}, back {times(box_back)}")
    if elsewhere:
        said.append(f"another window had the keyboard {times(elsewhere)}")
    if moved:
        said.append(f"the log had to go on elsewhere {times(moved)}")
    return yellow("gaps", "; ".join(said)) if said else green("gaps", "none")


# Who answered, and who was at the desk -----------------------------------------------------------


def _answers(
    plan: Mapping[str, Any], followed: Followed, log: SessionLog, numbers: dict[str, Any]
) -> Iterator[Row]:
    faults = answer_faults(plan, followed, log.events)
    by_kind = answers_by_kind(log.events)
    numbers["answers"] = by_kind
    if faults:
        yield red("answers", "; ".join(faults[:NAMED]))
        return
    said = [_said(kind, counts) for kind, counts in by_kind.items()]
    if any(e.name == "ANSWER" and e.detail.get("by") == "robot" for e in log.events):
        said.append("given by a robot")
    yield green("answers", "; ".join(said) if said else "none were asked for")


def _said(kind: str, counts: Mapping[str, Any]) -> str:
    named = ["right", "wrong", "given", "none"]
    said = [f"{counts[name]} {name}" for name in named if counts[name]]
    if counts["by_operator"]:
        said.append(f"{counts['by_operator']} entered by the operator")
    if counts["reaction_median_s"] is not None:
        said.append(f"median {counts['reaction_median_s']:.2f} s")
    return f"{kind}: {', '.join(said)}"


def _operator(log: SessionLog, numbers: dict[str, Any]) -> Iterator[Row]:
    pauses = timing.pauses(log.events)
    notes = [e for e in log.events if e.name == "NOTE" and e.detail.get("text")]
    start_s = log.events[0].time_s if log.events else 0.0
    numbers["pauses"] = [
        {"after_s": rounded(at - start_s), "lasted_s": rounded(s), "ended_by": how.lower()}
        for at, s, how in pauses
    ]
    numbers["notes"] = [
        {"after_s": rounded(e.time_s - start_s), "text": str(e.detail["text"])} for e in notes
    ]
    numbers["overrides"] = _overrides(log.header)
    if pauses:
        lengths = ", ".join("?" if np.isnan(s) else _length(s) for _, s, _ in pauses[:8])
        more = " ..." if len(pauses) > 8 else ""
        yield yellow("pauses", f"{len(pauses)}: {lengths}{more}")
    else:
        yield green("pauses", "none")
    for event in notes[:8]:
        yield green("note", f"after {_length(event.time_s - start_s)}: {event.detail['text']}")
    if numbers["overrides"]:
        said = "; ".join(f"{what}: {who}" for what, who in numbers["overrides"].items())
        yield yellow("overrides", said)
    else:
        yield green("overrides", "none")


def _overrides(header: Header) -> dict[str, str]:
    """Checks that somebody answered for, and who."""
    given = getattr(header, "overrides", None)
    found = {str(k): str(v) for k, v in given.items()} if isinstance(given, dict) else {}
    if isinstance(header.safety, dict):
        found["flash limit"] = str(header.safety.get("approved_by"))
    return found


# Words -------------------------------------------------------------------------------------------


def _at(places: Sequence[Place]) -> str:
    """Where, in brackets: neighbours as a range, at most three of them."""
    ranges: list[list[Place]] = []
    for place in sorted(set(places)):
        if ranges and place == ranges[-1][-1]._replace(trial=ranges[-1][-1].trial + 1):
            ranges[-1].append(place)
        else:
            ranges.append([place])
    said = [str(r[0]) if len(r) == 1 else f"{r[0]} to {r[-1].trial + 1}" for r in ranges]
    more = ", ..." if len(said) > NAMED else ""
    return f" ({', '.join(said[:NAMED])}{more})"


def _length(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{seconds:.1f} s"
