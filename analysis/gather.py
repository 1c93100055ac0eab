"""From a study file to trials on the recording's clock, with the units that were recorded.

Every session becomes the same thing, whoever made it: units, and runs of trials that know their
picture and their time.  What cannot be used is listed with its reason; the rest goes on.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.align import Alignment
from analysis.evidence import AlignmentRefused
from analysis.identity import identify
from analysis.locate import Choice, locate
from analysis.patch import at_light, patch_light
from analysis.readers import read_analog, read_events, read_log, read_units
from analysis.readers.values import Row, read_vector
from analysis.recording import Units
from analysis.study import OwnSession, Run, Sessions, StudyFile
from analysis.trace import Trace
from task.contract.catalog import read_catalog
from task.contract.errors import AnalysisError, FileError, UserError
from task.contract.sessionlog import Event, Kind, SessionLog
from task.contract.sessionlog import read_log as read_session_log

Progress = Callable[[int, int], None]
SILENT_S = 30.0  # so long without a word that was found: the recorder may have been off


@dataclass(frozen=True, slots=True)
class RunOfTrials:
    """Trials that share a log.

    Attributes
    ----------
    name : what they are
    pool : runs of the same pool showed the same pictures
    trials : one row per presentation: `kind`, `item`, `block`, `onset_s` (recording's clock),
        `measured` (False where the onset was lost and its time is inferred); of imagery also
        `cue_s`, `stop_s`, `blank_s` (empty screen before the cue), `rating`
    alignment : how log and recording were brought together
    """

    name: str
    pool: str
    trials: pd.DataFrame
    alignment: Alignment

    def of(self, kind: Kind) -> pd.DataFrame:
        """Trials of one kind."""
        return self.trials[self.trials["kind"] == kind]


@dataclass(frozen=True, slots=True)
class Session:
    """One session: a patient, the units, and what was shown.

    Attributes
    ----------
    name, subject : as the study calls them
    recording : sessions with the same text share their units
    """

    name: str
    subject: str
    recording: str
    units: Units
    runs: tuple[RunOfTrials, ...]

    @property
    def spikes_s(self) -> dict[str, NDArray[np.floating]]:
        """Spike times of every unit, by its name among all recordings."""
        names = [f"{self.recording}/{unit}" for unit in self.units.table.index]
        return dict(zip(names, self.units.spikes_s, strict=True))


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that could not be used, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Gathered:
    """All sessions of a study, what was left out, and which files were read."""

    sessions: tuple[Session, ...]
    skipped: tuple[Skipped, ...] = field(default=())


def gather(file: StudyFile, progress: Progress | None = None) -> Gathered:
    """Read and align everything a study names.

    Raises
    ------
    UserError
        If one of our own sessions cannot be used, or none of somebody's.
    """
    return _ours(file, progress) if file.study.session else _others(file, progress)


def _recorded(trials: pd.DataFrame, alignment: Alignment) -> pd.DataFrame:
    """Trials at times when the recorder ran.

    Before the first word that was found, after the last, and where no word is anywhere near,
    nobody knows whether it did: no spike there is no silence.
    """
    found_s = np.sort(alignment.time_s[alignment.measured].to_numpy())
    onset_s = trials["onset_s"].to_numpy(float)
    after = np.searchsorted(found_s, onset_s)
    apart_s = np.diff(found_s, prepend=-np.inf, append=np.inf)
    running = trials["measured"].to_numpy(bool) | (apart_s[after] < SILENT_S)
    return trials[running].reset_index(drop=True)


# Our own sessions ------------------------------------------------------------------------------


def _ours(file: StudyFile, progress: Progress | None) -> Gathered:
    own = file.study.session
    sessions: list[Session] = []
    skipped: list[Skipped] = []
    seen: dict[tuple[int, str], str] = {}
    for n, (name, entry) in enumerate(zip(_own_names(own), own, strict=True)):
        log = read_session_log(file.folder / entry.log)
        key = log.header.session, log.header.started
        if key in seen:
            what = f"is the log of {seen[key]} again"
            raise FileError([file.source.fault(("session", n, "log"), what)])
        seen[key] = name
        _check_pictures(file, n, log)
        session, left_out = _own_session(file, name, entry, log)
        sessions.append(session)
        skipped += left_out
        if progress:
            progress(n + 1, len(own))
    return Gathered(tuple(sessions), tuple(skipped))


def _check_pictures(file: StudyFile, number: int, log: SessionLog) -> None:
    """The set that the study names must be the one that was shown, to the last pixel."""
    if file.study.features is not None or file.study.stimuli is None:
        return
    folder = file.folder / file.study.stimuli
    if read_catalog(folder).sha256 != log.header.catalog_sha256:
        what = (
            f"the session showed set {log.header.catalog!r}, and {folder} is another one or has"
            " changed since; name the set that was shown (the session folder has its list)"
        )
        raise FileError([file.source.fault(("session", number, "log"), what)])


def _own_names(entries: Sequence[OwnSession]) -> list[str]:
    """The sessions' folders, or, where two are called alike, what the study calls their logs."""
    logs = [Path(entry.log) for entry in entries]
    folders = [log.parent.name if log.suffix == ".jsonl" else log.name for log in logs]
    return folders if len(set(folders)) == len(folders) else [entry.log for entry in entries]


def _own_session(
    file: StudyFile, name: str, entry: OwnSession, log: SessionLog
) -> tuple[Session, list[Skipped]]:
    folder = file.folder
    events = read_events(folder / entry.recording)
    coded = read_log(folder / entry.log)
    try:
        alignment = locate(coded, events, log.header.session, choice_of(entry))
    except AlignmentRefused as refusal:
        raise AnalysisError(
            f"{folder / entry.log}, {folder / entry.recording}: {refusal}"
        ) from None
    if entry.photodiode:
        trace = _photodiode(folder, entry.recording, entry.photodiode)
        alignment = at_light(alignment, patch_light(log, alignment, trace))
    subject = log.header.subject
    shown = own_trials(log, alignment)
    if shown.empty:
        raise AnalysisError(f"{folder / entry.log}: holds no trial with a picture")
    trials = _recorded(shown, alignment)
    run = RunOfTrials(log.header.protocol, entry.pool or subject, trials, alignment)
    units = _on_clock(read_units(folder / (entry.units or entry.recording)), events, alignment)
    # Cell numbers of two sortings mean nothing to each other.
    recording = subject if file.study.sorted_together else name
    session = Session(name, subject, recording, units, (run,))
    return session, list(_own_losses(name, log, len(shown) - len(trials), events, alignment))


def _photodiode(folder: Path, recording: str, named: str) -> Trace:
    """The trace `file`, `file:channel` or `channel`, in the recording or beside the study."""
    name, _, channel = named.rpartition(":")
    for place in (folder / recording, folder):
        for file, inside in ((named, None), (name, channel)):
            if file and (place / file).is_file():
                return read_analog(place / file, inside)
    return read_analog(folder / recording, named)


def _on_clock(units: Units, events: pd.DataFrame, alignment: Alignment) -> Units:
    """Of units on several clocks, those on that of the words that were found."""
    if "clock" not in units.table or "clock" not in events:
        return units
    clock = events["clock"].iloc[alignment.pairs["seen"].iloc[0]]
    mine = (units.table["clock"] == clock).to_numpy()
    spikes_s = tuple(s for s, here in zip(units.spikes_s, mine, strict=True) if here)
    return replace(units, table=units.table[mine], spikes_s=spikes_s)


def _own_losses(
    name: str, log: SessionLog, outside: int, events: pd.DataFrame, alignment: Alignment
) -> Iterator[Skipped]:
    """What a session should have and has not."""
    if outside:
        yield Skipped(name, f"{outside} trials were not recorded")
    if log.ending is not None and log.ending.get("how") == "completed":
        return
    how = "was cut short" if log.ending is None else f"ended {log.ending.get('how')!r}"
    later = events.iloc[alignment.pairs["seen"].max() + 1 :]
    later = later[(later["code"] != 0) & (later["port"] == alignment.port)]
    after = int(identify(later["code"], log.header.session).notna().sum())
    more = f"; {after} more of its codes are in the recording" if after else ""
    yield Skipped(name, f"the session {how}: what came after stands in no log{more}")


def choice_of(entry: OwnSession | Sessions) -> Choice:
    """What the study decides about an alignment."""
    start_s, stop_s = entry.between_s or (-np.inf, np.inf)
    return Choice(entry.port, (start_s, stop_s), entry.accept)


def _coded(log: SessionLog) -> list[Event]:
    return [event for event in log.events if event.code is not None]


def own_trials(log: SessionLog, alignment: Alignment) -> pd.DataFrame:
    """One row per presentation of a picture, seen or imagined."""
    coded = _coded(log)
    time_s, measured = alignment.time_s.to_numpy(), alignment.measured.to_numpy()
    at: dict[int, dict[str, tuple[float, bool]]] = {}
    resumed_s = [float(time_s[n]) for n, event in enumerate(coded) if event.name == "RESUME"]
    for n, event in enumerate(coded):
        if event.presentation is not None:
            codes = at.setdefault(event.presentation, {})
            codes.setdefault(event.name, (float(time_s[n]), bool(measured[n])))
    answers = {
        (e.presentation, e.detail.get("to")): e.detail.get("answer")
        for e in log.events
        if e.name == "ANSWER"
    }
    given_up = _given_up(log)
    rows, before = [], np.nan  # since when the screen has been empty
    for event in log.events:
        if event.name == "RESUME" and event.code is not None:
            before = resumed_s.pop(0)
        if event.name in ("INTERRUPTED", "RUN"):
            before = np.nan
        if event.name != "PRESENTATION" or event.presentation is None:
            continue
        if event.presentation in given_up:
            continue
        codes = at.get(event.presentation, {})
        row = _trial(event, codes, before, answers)
        before = max((codes[name][0] for name in _EMPTY_FROM & codes.keys()), default=np.nan)
        if row:
            rows.append(row)
    return pd.DataFrame(rows)


def _given_up(log: SessionLog) -> set[int | None]:
    """Presentations that do not count: cut short, or in a pass that was shown again.

    A picture seen to its end in such a pass was seen all the same; an imagery block counts whole.
    """
    kinds: dict[int | None, str] = {
        e.presentation: e.detail["kind"] for e in log.events if e.name == "PRESENTATION"
    }
    cut = {e.presentation for e in log.events if e.name == "INTERRUPTED"}
    again = {
        number
        for event in log.events
        if event.name == "SUPERSEDED"
        for number in event.detail["presentations"]
        if kinds.get(number) != Kind.VIEW
    }
    return cut | again


_ONSETS = {Kind.VIEW: "IMAGE_ON", Kind.ENCODE: "ENCODE_ON", Kind.IMAGINE: "IMAGERY_ON"}
# Codes at which the screen becomes empty.
_EMPTY_FROM = {
    *("BASELINE_ON", "ENCODE_OFF", "IMAGE_OFF", "IMAGERY_OFF"),
    *("QUESTION_OFF", "RATING_OFF", "CONFIDENCE_OFF", "SEARCH_OFF", "TEXT_OFF"),
}
_STOPS = {Kind.VIEW: "IMAGE_OFF", Kind.ENCODE: "ENCODE_OFF", Kind.IMAGINE: "IMAGERY_OFF"}


def _trial(
    event: Event,
    codes: Mapping[str, tuple[float, bool]],
    before_s: float,
    answers: Mapping[tuple[int | None, Any], Any],
) -> dict[str, Any] | None:
    kind = Kind(event.detail["kind"])
    onset = codes.get(_ONSETS.get(kind, ""))
    if onset is None or _STOPS[kind] not in codes:  # no picture, or cut short
        return None
    row = {
        "kind": kind.value,
        "item": event.detail["item"],
        "block": event.detail["block"],
        "condition": event.detail.get("condition", ""),
        "presentation": event.presentation,
        "onset_s": onset[0],
        "measured": onset[1],
        "stop_s": codes.get(_STOPS[kind], (np.nan, False))[0],
    }
    if kind is Kind.IMAGINE:
        cue_s = codes.get("CUE_ON", (np.nan, False))[0]
        row |= {"cue_s": cue_s, "blank_s": cue_s - before_s}
        for name in ("rating", "confidence"):
            answer = str(answers.get((event.presentation, f"{name.upper()}_ON")))
            row[name] = int(answer) if answer.isdigit() else np.nan
    return row


# Somebody's sessions -----------------------------------------------------------------------------


def _others(file: StudyFile, progress: Progress | None) -> Gathered:
    sessions, skipped = [], []
    named = _named_rows(file)
    logs: dict[Path, str] = {}
    for n, (name, row) in enumerate(named.items(), start=1):
        try:
            session, left_out = _one_of_theirs(file, name, row, logs)
            sessions.append(session)
            skipped += left_out
        except FileError:
            raise  # the study file itself is wrong
        except UserError as error:
            skipped.append(Skipped(name, str(error)))
        if progress:
            progress(n, len(named))
    if not sessions:
        said = "\n".join(f"{s.what}: {s.why}" for s in skipped)
        raise AnalysisError(f"no session of {file.source.file} could be used:\n{said}")
    return Gathered(tuple(sessions), tuple(skipped))


def _named_rows(file: StudyFile) -> dict[str, Row]:
    """Rows of the session table by the name of their session."""
    key, spec = ("sessions", "name"), file.study.sessions
    assert spec
    named: dict[str, Row] = {}
    for row in file.rows():
        name = file.fill(key, spec.name, row)
        if name in named:
            raise FileError([file.source.fault(key, f"two sessions are called {name!r}")])
        named[name] = row
    return named


def _one_of_theirs(
    file: StudyFile, name: str, row: Row, logs: dict[Path, str]
) -> tuple[Session, list[Skipped]]:
    """A session, and which of its runs were left out; `logs` are those that were read already."""
    spec = file.study.sessions
    assert spec
    events_file = file.folder / file.fill(("sessions", "events"), spec.events, row)
    units_folder = file.folder / file.fill(("sessions", "units"), spec.units, row)
    absent = [path for path in (events_file, units_folder) if not path.exists()]
    if absent:
        raise AnalysisError(f"not here: {', '.join(map(str, absent))}")
    events = read_events(events_file)
    units = _their_units(file, spec, units_folder, row)
    runs, skipped = [], []
    for number, run in enumerate(file.study.run):
        try:
            log = _log_path(file, number, run, row)
            if log in logs:
                skipped.append(Skipped(f"{name} {run.name}", f"same log as {logs[log]}"))
                continue
            trials, outside = _their_run(file, number, run, row, events)
            runs.append(trials)
            if outside:
                why = f"{outside} trials were not recorded"
                skipped.append(Skipped(f"{name} {run.name}", why))
            if log is not None:
                logs[log] = name
        except FileError:
            raise
        except UserError as error:
            skipped.append(Skipped(f"{name} {run.name}", str(error)))
    if not runs:
        raise AnalysisError("; ".join(s.why for s in skipped))
    key = ("sessions", "recording")
    recording = file.fill(key, spec.recording, row) if spec.recording else name
    subject = file.fill(("sessions", "subject"), spec.subject, row)
    return Session(name, subject, recording, units, tuple(runs)), skipped


def _their_units(file: StudyFile, spec: Sessions, folder: Path, row: Row) -> Units:
    areas = file.folder / file.fill(("sessions", "areas"), spec.areas, row) if spec.areas else None
    names = {int(code): area for code, area in file.study.area_names.items()}
    return read_units(folder, areas=areas, area_names=names or None)


def _their_run(
    file: StudyFile, number: int, run: Run, row: Row, events: pd.DataFrame
) -> tuple[RunOfTrials, int]:
    """A run, and how many of its trials were not recorded."""
    spec = file.study.sessions
    assert spec
    words = events[events["code"] != 0].reset_index(drop=True)
    sent = _their_log(file, number, run, row, words)
    alignment = locate(sent[["time_s", "code"]], words, choice=choice_of(spec))
    _check_run(file, number, run, row, words, alignment)
    onset = sent["code"].to_numpy() == file.study.codes[run.onset]
    items = _images(file, number, run, row, int(onset.sum()))
    trials = pd.DataFrame(
        {
            "kind": Kind.VIEW.value,
            "item": items,
            "block": 0,
            "condition": "",
            "presentation": np.arange(len(items)),
            "onset_s": alignment.time_s.to_numpy()[onset],
            "measured": alignment.measured.to_numpy()[onset],
        }
    )
    pool = file.fill(("run", number, "pool"), run.pool, row) if run.pool else run.name
    recorded = _recorded(trials, alignment)
    return RunOfTrials(run.name, pool, recorded, alignment), len(trials) - len(recorded)


def _log_path(file: StudyFile, number: int, run: Run, row: Row) -> Path | None:
    if run.log is None:
        return None
    return file.folder / file.fill(("run", number, "log"), run.log, row)


def _their_log(
    file: StudyFile, number: int, run: Run, row: Row, words: pd.DataFrame
) -> pd.DataFrame:
    path = _log_path(file, number, run, row)
    if path is None:
        return words
    if not path.is_file():
        raise AnalysisError(f"not here: {path}")
    return read_log(path)


def _check_run(
    file: StudyFile,
    number: int,
    run: Run,
    row: Row,
    words: pd.DataFrame,
    alignment: Alignment,
) -> None:
    """The words that were found must be of the run that the table names."""
    if run.run is None or "run" not in words:
        return
    named = int(file.fill(("run", number, "run"), run.run, row))
    found = words["run"].to_numpy()[alignment.pairs["seen"].to_numpy()]
    most = int(pd.Series(found).mode()[0])  # single words may stand outside every run
    if most != named:
        raise AnalysisError(
            f"the log lies on run {most} of the recording, the table names run {named}"
        )


def _images(file: StudyFile, number: int, run: Run, row: Row, trials: int) -> list[str]:
    """Pictures in order of presentation: of the candidates, the first with as many as trials."""
    lengths = []
    for n, template in enumerate(run.images):
        place = file.fill(("run", number, "images", n), template, row)
        found = read_vector(file.folder, place)
        if len(found) == trials:
            key = ("run", number, "image_id")
            return [file.fill(key, run.image_id, {**row, "image": image}) for image in found]
        lengths.append(str(len(found)))
    raise AnalysisError(
        f"the log has {trials} trials, but the picture orders have {' and '.join(lengths)}"
    )
