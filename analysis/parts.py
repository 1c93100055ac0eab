"""The independent parts of a study: what must be analysed together, and what it rests on.

A part holds the sessions of a patient that share units, the pictures of a pool, or a log.  All that
is measured on a unit rests on that unit's spikes and on the pictures, so that a pool that was shown
to several patients is split between them; what all units of a pool say together (decoding) is then
said of each patient.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

from analysis.readers.values import Row
from analysis.study import Run, StudyFile
from task.contract.catalog import MANIFEST
from task.contract.errors import AnalysisError, FileError, UserError
from task.contract.sessionlog import LOG_NAME, read_log
from task.contract.settings import KeyPath, Settings

_LONGEST = 80  # letters of a folder's name
_NOT_OF_PARTS = {"power"}  # settings of the study that change the population's numbers only


@dataclass(frozen=True, slots=True)
class PartOfStudy(StudyFile):
    """A study restricted to some rows of its table of sessions; all rows if `kept` is None."""

    kept: frozenset[int] | None = None

    def rows(self) -> list[Row]:
        """Rows of this part."""
        rows = StudyFile.rows(self)
        return rows if self.kept is None else [rows[n] for n in sorted(self.kept)]


@dataclass(frozen=True, slots=True)
class Part:
    """Sessions that are analysed together.

    Attributes
    ----------
    name : of its folder
    subject : the patient's code, '' where it could not be read
    sessions, pools : by name
    file : the study, with these sessions only
    """

    name: str
    subject: str
    sessions: tuple[str, ...]
    pools: tuple[str, ...]
    file: PartOfStudy


@dataclass(frozen=True, slots=True)
class _Entry:
    """A session: sessions that share a tie stay together."""

    name: str
    subject: str
    pools: tuple[str, ...]
    ties: frozenset[Any]


def parts_of(file: StudyFile) -> list[Part]:
    """The independent parts of a study, in its order.

    Raises
    ------
    FileError
        If the study is wrong.
    """
    entries = _ours(file) if file.study.session else _theirs(file)
    groups = _together([entry.ties for entry in entries])
    taken: set[str] = set()
    parts = []
    for members in groups:
        first = entries[members[0]]
        pools = dict.fromkeys(pool for n in members for pool in entries[n].pools)
        parts.append(
            Part(
                _free(f"{first.subject}_{first.name}".strip("_"), taken),
                first.subject,
                tuple(entries[n].name for n in members),
                tuple(pools),
                _restricted(file, members, whole=len(groups) == 1),
            )
        )
    return parts


def _ours(file: StudyFile) -> list[_Entry]:
    entries = []
    for entry in file.study.session:
        log = Path(entry.log)
        name = log.parent.name if log.suffix == ".jsonl" else log.name
        try:
            header = read_log(file.folder / entry.log).header
        except UserError:  # its part will say so
            entries.append(_Entry(name, "", (), frozenset([("log", entry.log)])))
            continue
        subject = header.subject
        pool = entry.pool or subject
        ties: set[Any] = {("pool", subject, pool), ("log", header.session, header.started)}
        if file.study.sorted_together:
            ties.add(("units", subject))
        entries.append(_Entry(name, subject, (pool,), frozenset(ties)))
    return entries


def _theirs(file: StudyFile) -> list[_Entry]:
    spec = file.study.sessions
    assert spec
    named: set[str] = set()
    entries = []
    for row in file.rows():
        name = file.fill(("sessions", "name"), spec.name, row)
        if name in named:
            fault = file.source.fault(("sessions", "name"), f"two sessions are called {name!r}")
            raise FileError([fault])
        named.add(name)
        entries.append(_their_entry(file, name, row))
    return entries


def _their_entry(file: StudyFile, name: str, row: Row) -> _Entry:
    spec = file.study.sessions
    assert spec
    subject = _filled(file, ("sessions", "subject"), spec.subject, row) or ""
    recording = _filled(file, ("sessions", "recording"), spec.recording, row) or name
    pools: list[str] = []
    ties: set[Any] = {("units", recording)}
    for n, run in enumerate(file.study.run):
        pool = _filled(file, ("run", n, "pool"), run.pool, row) or run.name
        log = _filled(file, ("run", n, "log"), run.log, row)
        pools.append(pool)
        ties |= {("pool", subject, pool)} | ({("log", log)} if log else set())
    return _Entry(name, subject, tuple(pools), frozenset(ties))


def _filled(file: StudyFile, key: KeyPath, template: str | None, row: Row) -> str | None:
    """A template with the values of a row; None where the row has none of them."""
    try:
        return None if template is None else file.fill(key, template, row)
    except AnalysisError:  # the part will say so
        return None


def _together(ties: Sequence[frozenset[Any]]) -> list[list[int]]:
    """Positions of what shares a tie, directly or through others."""
    groups: list[tuple[frozenset[Any], list[int]]] = []
    for n, mine in enumerate(ties):
        joined = [group for group in groups if group[0] & mine]
        groups = [group for group in groups if not group[0] & mine]
        members = sorted([n, *(m for _, others in joined for m in others)])
        groups.append((mine.union(*(theirs for theirs, _ in joined)), members))
    return sorted(members for _, members in groups)


def _restricted(file: StudyFile, members: Sequence[int], *, whole: bool) -> PartOfStudy:
    """The study with these sessions only.

    What was planted in a simulated recording can be compared where the study is one part.
    """
    source, study = file.source, file.study
    update: dict[str, Any] = {} if whole else {"planted": None}
    if not study.session:
        return PartOfStudy(source, study.model_copy(update=update), frozenset(members))
    update["session"] = tuple(study.session[n] for n in members)
    return PartOfStudy(_renumbered(source, members), study.model_copy(update=update))


def _renumbered(source: Settings, members: Sequence[int]) -> Settings:
    """Settings in which faults of these sessions are still told with their lines."""
    new = {old: n for n, old in enumerate(members)}
    lines: dict[KeyPath, int] = {}
    for path, line in source.lines.items():
        if len(path) > 1 and path[0] == "session":
            if path[1] in new:
                lines["session", new[int(path[1])], *path[2:]] = line
        else:
            lines[path] = line
    return replace(source, lines=lines)


def _free(name: str, taken: set[str]) -> str:
    """A name for a folder on any system that no part has yet."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_")[:_LONGEST] or "part"
    tries = (f"{stem}_{n}" if n > 1 else stem for n in count(1))
    free = next(one for one in tries if one.casefold() not in taken)
    taken.add(free.casefold())
    return free


# What a part rests on ----------------------------------------------------------------------------


def inputs_of(part: Part) -> dict[str, Any]:
    """All that the results of a part depend on, as JSON values."""
    from task import __version__

    file = part.file
    stats = {str(path): path.stat() for path in sorted(set(_files_of(file)))}
    rows = [{k: str(v) for k, v in row.items()} for row in file.rows()] if _table(file) else []
    packages = ("numpy", "scipy", "pandas", "matplotlib")
    return {
        "program": {"imagery": __version__, **{name: version(name) for name in packages}},
        "study": file.study.model_dump(mode="json", by_alias=True, exclude=_NOT_OF_PARTS),
        "rows": rows,
        "files": {path: [found.st_size, found.st_mtime_ns] for path, found in stats.items()},
    }


def _table(file: StudyFile) -> bool:
    return file.study.sessions is not None


def _files_of(file: PartOfStudy) -> Iterator[Path]:
    """Every file that is there of those that a part reads."""
    for path in _named(file):
        if path.is_dir():
            yield from (inside for inside in path.rglob("*") if inside.is_file())
        elif path.is_file():
            yield path


def _named(file: PartOfStudy) -> Iterator[Path]:
    folder, study = file.folder, file.study
    if study.features:
        yield folder / study.features.file
    elif study.stimuli:
        yield folder / study.stimuli / MANIFEST
    if study.planted:
        yield folder / study.planted
    for entry in study.session:
        log = folder / entry.log
        yield log / LOG_NAME if log.is_dir() else log
        yield folder / entry.recording
        if entry.units:
            yield folder / entry.units
        if entry.photodiode:
            yield _before_colon(folder, entry.photodiode)
    if study.sessions:
        for row in file.rows():
            yield from _named_by(file, row)


def _named_by(file: PartOfStudy, row: Row) -> Iterator[Path]:
    spec = file.study.sessions
    assert spec
    templates: list[tuple[KeyPath, str | None]] = [
        (("sessions", "events"), spec.events),
        (("sessions", "units"), spec.units),
        (("sessions", "areas"), spec.areas),
    ]
    for n, run in enumerate(file.study.run):
        templates += _templates_of(n, run)
    for key, template in templates:
        place = _filled(file, key, template, row)
        if place:
            yield _before_colon(file.folder, place)


def _templates_of(n: int, run: Run) -> Iterator[tuple[KeyPath, str | None]]:
    yield ("run", n, "log"), run.log
    for m, images in enumerate(run.images):
        yield ("run", n, "images", m), images


def _before_colon(folder: Path, place: str) -> Path:
    """The file of a place `file:what`; a drive letter's colon is none of ours."""
    name, colon, _ = place.rpartition(":")
    return folder / (name if colon and len(name) > 1 else place)
