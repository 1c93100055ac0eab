"""What a study file may say: which log, events, units, codes and pictures belong together.

A study is one of two things.  Either a list of our own sessions, each with its recording: the log
knows which picture each trial was.  Or a table with one row for each session of somebody's data,
and templates in which `{column}` stands for that row's value and `{lookup[column]}` for what the
table `[names.lookup]` of this file gives for it:

    log = "events/{session}/newold{run}.txt"
    images = ["stimFiles/{order_file[variant]}:experimentStimuli[{block}].stimuliRecog"]

Behind a colon stands what to take from a file: a column of a table, an array, or a path into a
MATLAB structure, whose positions count from 1 as in MATLAB.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, model_validator

from analysis.evidence import Check
from analysis.readers.values import Row, read_rows
from task.contract.errors import AnalysisError, Fault, FileError
from task.contract.settings import Settings, Table, parse, read_settings

Template = Annotated[str, Field(min_length=1)]
Window = tuple[float, float]
Asked = Literal["responsive", "selective", "axis_tuned", "reactivated", "imagery_only"]


class _Aligned(Table):
    """What a study decides about alignments, where the program would find out or refuse."""

    port: str = Field("", description="the only port of the recording to look at; all if not said")
    between_s: tuple[float, float] | None = Field(
        None, description="the only stretch of the recording to look at, on its clock"
    )
    accept: tuple[Check, ...] = Field(
        (), description="checks of the alignment that may fail; the report says so"
    )


class OwnSession(_Aligned):
    """A session of ours and the recording made of it."""

    log: str = Field(description="the session folder, or its session.jsonl")
    recording: str = Field(description="folder of the recording: events and sorted units")
    units: str | None = Field(
        None, description="folder or file of the sorted units, if not with the recording"
    )
    photodiode: str | None = Field(
        None,
        description="the photodiode's trace, `file` or `file:channel`, in the folder of the"
        " recording or beside the study; onsets are then when light came, not when codes did",
    )
    pool: str | None = Field(
        None, description="sessions with the same text are analysed as one; the patient if not said"
    )


class Sessions(_Aligned):
    """Somebody's sessions: a table with a row for each."""

    table: Template = Field(description="a .csv, or file.mat:structure")
    name: Template = Field(description="template: the session's name, unique")
    subject: Template = Field(description="template: the patient's code")
    where: dict[str, Any] = Field({}, description="only rows with these values")
    events: Template = Field(description="template: file of the recording's events")
    units: Template = Field(description="template: folder of the sorted units")
    areas: Template | None = Field(None, description="template: file of the units' brain areas")
    recording: Template | None = Field(
        None, description="template: what units are named after, where sessions share them"
    )


class Run(Table):
    """A stretch of trials with a log of its own."""

    name: str = Field(description="what these trials are")
    pool: Template | None = Field(
        None, description="template: runs with the same text showed the same pictures; pooled"
    )
    log: Template | None = Field(
        None, description="template: log of the stimulus computer; without it events are trusted"
    )
    run: Template | None = Field(
        None, description="template: number of the run in the events file, for checking"
    )
    onset: str = Field("image_on", description="the code, by name, that begins a trial")
    images: Annotated[tuple[Template, ...], Field(min_length=1)] = Field(
        description="templates: pictures in order of presentation; the first with as many as trials"
    )
    image_id: Template = Field(
        "{image}", description="template: id of a picture; {image} is its entry in `images`"
    )


class Features(Table):
    """Features of the pictures from a file."""

    file: str = Field(description=".npz, .npy or .csv")
    id: Template | None = Field(
        None, description="template over the file's arrays: id of a picture (.npz)"
    )
    category: str | None = Field(None, description="array with the category (.npz)")
    where: str | None = Field(None, description="array that is above 0 for usable rows (.npz)")
    values: str = Field("features", description="array with the features (.npz)")


class Space(Table):
    """Object space."""

    dims: PositiveInt | None = Field(
        None, description="dimensions; a third of the number of pictures, at most 50, if not said"
    )
    standardise: bool = Field(True, description="give every feature unit variance first")


class Windows(Table):
    """Where spikes are counted: start and end in seconds, end not included."""

    response_s: Window = Field(
        (0.15, 0.42), description="after the onset of a picture (latency 0.16, shown 0.27)"
    )
    encoding_s: Window = Field(
        (0.15, 1.15), description="after the onset of a picture shown before it is imagined"
    )
    imagery_s: Window | None = Field(
        None, description="after the start of imagining; all of it if not said"
    )
    before_cue_s: Window | None = Field(
        None, description="before the cue; the empty screen before it if not said, at most 1 s"
    )


class Tests(Table):
    """Choices of the statistics."""

    shuffles: Annotated[int, Field(ge=99, le=100_000)] = Field(
        1000, description="permutations of the axis test"
    )
    least_spikes: Annotated[int, Field(ge=0)] = Field(
        20, description="units with fewer spikes in all response windows are not tested"
    )
    least_images: PositiveInt = Field(
        60, description="runs with fewer pictures are aligned and listed, not tested"
    )
    seed: Annotated[int, Field(ge=0)] = Field(0, description="of all that is drawn at random")


class Study(Table):
    """What belongs together, and how it is analysed."""

    schema_version: Literal[1] = Field(1, alias="schema", description="version of this format")
    name: str = Field(description="appears in the report")
    folder: str = Field(
        ".", description="where the data lie, from the study file's folder; paths start there"
    )
    session: tuple[OwnSession, ...] = Field((), description="our own sessions")
    sorted_together: bool = Field(
        False,
        description="our sessions of one patient were sorted together: units of one name are one",
    )
    sessions: Sessions | None = Field(None, description="somebody's sessions")
    run: tuple[Run, ...] = Field((), description="runs of each of somebody's sessions")
    codes: dict[str, Annotated[int, Field(ge=0, le=65535)]] = Field(
        {}, description="what each code means"
    )
    area_names: dict[str, str] = Field({}, description="brain area of each area code")
    names: dict[str, dict[str, str]] = Field({}, description="lookups for templates")
    stimuli: str | None = Field(None, description="the stimulus set's folder, for its features")
    features: Features | None = Field(None, description="features from a file instead")
    space: Space = Field(Space(), description="object space")
    windows: Windows = Field(Windows(), description="where spikes are counted")
    tests: Tests = Field(Tests(), description="choices of the statistics")
    power: dict[Asked, Annotated[float, Field(gt=0.05, le=1)]] = Field(
        {},
        description="of a test, the share of units that do it which reach p <= 0.05, where known;"
        " `population` corrects shares for it",
    )
    planted: str | None = Field(
        None, description="planted.csv of a simulated recording, to compare with"
    )

    @model_validator(mode="after")
    def _one_kind(self) -> "Study":
        if bool(self.session) == bool(self.sessions):
            raise ValueError("say what is analysed: [[session]] entries or a [sessions] table")
        if self.sessions and not self.run:
            raise ValueError("a [sessions] table needs at least one [[run]]")
        if not (self.features or self.stimuli):
            raise ValueError("where are the pictures? say features or stimuli")
        return self


@dataclass(frozen=True, slots=True)
class StudyFile:
    """A study and the file it came from."""

    source: Settings
    study: Study

    @property
    def folder(self) -> Path:
        """Where relative paths start."""
        return self.source.file.resolve().parent / self.study.folder

    def rows(self) -> list[Row]:
        """Rows of somebody's session table that the study asks for.

        Raises
        ------
        FileError
            If the table cannot be read or no row is left.
        """
        sessions = self.study.sessions
        assert sessions
        rows = [
            row
            for row in read_rows(self.folder, sessions.table)
            if all(str(row.get(k)) == str(v) for k, v in sessions.where.items())
        ]
        if not rows:
            raise FileError([self.source.fault(("sessions", "table"), "no row is left")])
        return rows

    def fill(self, key: tuple[str | int, ...], template: str, row: Row) -> str:
        """A template with the values of a row.

        Raises
        ------
        FileError
            If the table has no such column, or the lookup no such entry.
        AnalysisError
            If the table's field is empty in this row.
        """
        return _PLACE.sub(lambda found: self._value(key, found, row), template)

    def _value(self, key: tuple[str | int, ...], found: re.Match[str], row: Row) -> str:
        lookup, column = found["lookup"], found["column"]
        if column not in row:
            known = ", ".join(sorted(row))
            fault = self.source.fault(key, f"no column {column!r}; the row has {known}")
            raise FileError([fault])
        if row[column] is None:
            raise AnalysisError(f"the table of sessions has no {column} for it")
        value = str(row[column])
        if lookup is None:
            return value
        if value not in self.study.names.get(lookup, {}):
            raise FileError([self.source.fault(key, f"[names.{lookup}] has no entry {value!r}")])
        return self.study.names[lookup][value]


_PLACE = re.compile(r"\{(?:(?P<lookup>\w+)\[)?(?P<column>\w+)\]?\}")


def read_study(path: Path) -> StudyFile:
    """Read and check a study file.

    Raises
    ------
    FileError
        With everything that is wrong with it.
    """
    source = read_settings(path)
    study = parse(source, Study)
    file = StudyFile(source, study)
    faults = list(_missing(file))
    if faults:
        raise FileError(faults)
    return file


def _missing(file: StudyFile) -> Iterator[Fault]:
    """Named files and folders that are not there (those of templates are looked for later)."""
    study = file.study
    named: dict[tuple[str | int, ...], str | None] = {
        ("stimuli",): study.stimuli,
        ("planted",): study.planted,
        ("features", "file"): study.features.file if study.features else None,
    }
    for n, session in enumerate(study.session):
        named["session", n, "log"] = session.log
        named["session", n, "recording"] = session.recording
        named["session", n, "units"] = session.units
    for key, name in named.items():
        if name is not None and not (file.folder / name).exists():
            yield file.source.fault(key, f"{file.folder / name} is not there")
    for n, run in enumerate(study.run):
        if run.onset not in study.codes:
            known = ", ".join(study.codes) or "none are given"
            yield file.source.fault(("run", n, "onset"), f"no code {run.onset!r}; known: {known}")


def short_study(
    session: Path, recording: Path, stimuli: Path, decided: Mapping[str, Any] | None = None
) -> StudyFile:
    """The study of one session of ours and its recording.

    Parameters
    ----------
    decided : further settings of the session

    Raises
    ------
    FileError
        Naming what is not there.
    """
    values: Mapping[str, Any] = {
        "schema": 1,
        "name": session.name,
        "stimuli": str(stimuli.resolve()),
        "session": [
            {
                "log": str(session.resolve()),
                "recording": str(recording.resolve()),
                **(decided or {}),
            }
        ],
    }
    source = Settings(Path("command line"), values, {})
    file = StudyFile(source, parse(source, Study))
    faults = list(_missing(file))
    if faults:
        raise FileError(faults)
    return file
