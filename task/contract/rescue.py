"""Where a log goes on when its own disk refuses, and how it is found again."""

import tempfile
from pathlib import Path

from task.contract.sessionlog import LOG_NAME


def elsewhere() -> tuple[Path, ...]:
    """Folders where a log may go on, the best first."""
    return (Path.home() / "imagery_rescued", Path(tempfile.gettempdir()) / "imagery_rescued")


def rescue_name(session: Path) -> str:
    """How the files of a session begin there: subject, session, log."""
    return f"{session.parent.name}_{session.name}_{Path(LOG_NAME).stem}"


def left_elsewhere(session: Path) -> list[Path]:
    """Files with lines of a session's log that were never brought home.

    Parameters
    ----------
    session : the session's folder
    """
    session = session.resolve()
    try:
        log = (session / LOG_NAME).read_bytes()
    except OSError:
        log = b""
    named = f"{rescue_name(session)}_*{Path(LOG_NAME).suffix}"
    found = sorted(path for folder in elsewhere() for path in folder.glob(named))
    return [path for path in found if _last_line(path) not in log]


def _last_line(path: Path) -> bytes:
    lines = path.read_bytes().split(b"\n")
    return lines[-2] if len(lines) > 1 else b""
