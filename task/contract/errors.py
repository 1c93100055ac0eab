"""Errors meant for the person at the keyboard.

UserError
├── FileError        a file that people edit says something impossible; every fault with its line
├── PlanError        a protocol cannot be shown; becomes a FileError once its lines are known
├── StimulusError    a picture is missing or is not the picture it was
├── RigError         a display, a key or a trigger port cannot be used
├── LogError         a session log cannot be read
├── RecordingError   a recording cannot be read
└── AnalysisError    what was asked cannot be computed from these data

`analysis.evidence.AlignmentRefused` is one more: it also carries what the alignment found.
The command line prints these as plain sentences and exits with 2.  Every other exception is a
bug of ours and keeps its traceback.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class UserError(Exception):
    """Something the user can mend, said in their words."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a file: where, what, and what would be right."""

    file: Path
    line: int | None
    key: str
    what: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else f"{self.file}"
        return f"{where}: {self.key}: {self.what}" if self.key else f"{where}: {self.what}"


class FileError(UserError):
    """A file that people edit says something impossible; all its faults at once."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)


class PlanError(UserError):
    """A protocol cannot be turned into a session; every fault with the key it lies in.

    `faults` are pairs of key path and sentence, as `task.contract.settings.Settings.fault` takes.
    """

    def __init__(self, faults: Sequence[tuple[tuple[str | int, ...], str]]) -> None:
        super().__init__("\n".join(f"{'.'.join(map(str, path))}: {what}" for path, what in faults))
        self.faults = tuple(faults)


class StimulusError(UserError):
    """A picture is missing or is not the picture it was."""


class RigError(UserError):
    """A display, a key or a trigger port cannot be used."""


class LogError(UserError):
    """A session log cannot be read."""


class RecordingError(UserError):
    """A recording cannot be read."""


class AbsentError(RecordingError):
    """A sound file holds nothing of what was asked for."""


class AnalysisError(UserError):
    """What was asked cannot be computed from these data."""
