"""The session folder: one for each session, with everything needed to understand it later.

    <data>/<subject>/2026-03-14_screening_500_1/
        session.jsonl    what happened (task.contract.sessionlog)
        plan.json        what was meant to happen, every frame and code
        protocol.toml    the file as it was
        rig.toml         the rig file as it was
        manifest.csv     the stimulus set as it was

Folders are made new, never reused, and readable by their owner only.
"""

import hashlib
import os
import platform
import re
import secrets
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from task import __version__
from task.contract.catalog import MANIFEST, Catalog
from task.contract.codes import MAX_SESSION
from task.contract.errors import RigError, UserError
from task.contract.sessionlog import LOG_NAME, Header, LogWriter
from task.plan import Plan
from task.present import Progress, present
from task.protocol import ProtocolFile
from task.rig import Rig

SUBJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
PLAN_NAME = "plan.json"
SYNC_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where a session lies, how it ended, and what was counted in it."""

    folder: Path
    how: str
    counts: Mapping[str, int]


def new_session_number(seed: int | None = None) -> int:
    """A number for the lines to announce: drawn anew, or from a seed where nobody is recorded."""
    if seed is None:
        return secrets.randbelow(MAX_SESSION)
    return int.from_bytes(hashlib.sha256(f"session {seed}".encode()).digest()[:4]) % MAX_SESSION


def check_subject(subject: str) -> None:
    """Refuse what is no plain code.

    Raises
    ------
    UserError
        Saying what a code may be.
    """
    if not SUBJECT.fullmatch(subject):
        raise UserError(
            f"subject {subject!r}: use a code of letters, digits, '-' and '_' (at most 32), no name"
        )


def new_folder(data: Path, subject: str, name: str) -> Path:
    """Make the folder of a session: subject, date, protocol, and a number.

    Raises
    ------
    UserError
        If the folder cannot be made.
    """
    parent = data / subject
    try:
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        for number in range(1, 1000):
            folder = parent / f"{datetime.now():%Y-%m-%d}_{name}_{number}"
            try:
                folder.mkdir(mode=0o700)
            except FileExistsError:
                continue
            return folder
    except OSError as error:
        raise UserError(f"{parent}: no folder can be made here: {error.strerror}") from None
    raise UserError(f"{parent}: 999 sessions of {name} today; tidy up first")


def run_session(
    folder: Path,
    file: ProtocolFile,
    rig_file: Path | None,
    catalog: Catalog,
    manifest: Path,
    plan: Plan,
    rig: Rig,
    *,
    subject: str,
    session: int,
    progress: Progress | None = None,
) -> Outcome:
    """Write all that is known beforehand, present, and end the log.

    Raises
    ------
    UserError
        If the disk does not take what must be written.
    """
    _write(folder / "protocol.toml", file.source.data)  # as it was read, whatever it is by now
    _copy(manifest, folder / MANIFEST)
    if rig_file:
        _copy(rig_file, folder / "rig.toml")
    _write(folder / PLAN_NAME, plan.text.encode())
    header = Header(
        session=session,
        subject=subject,
        protocol=plan.name,
        protocol_sha256=hashlib.sha256((folder / "protocol.toml").read_bytes()).hexdigest(),
        plan_sha256=plan.sha256,
        catalog=catalog.name,
        catalog_sha256=catalog.sha256,
        seed=plan.seed,
        rig=rig.name,
        started=datetime.now().astimezone().isoformat(timespec="milliseconds"),
        codes=dict(plan.codes),
        software=_software(),
        safety=plan.safety,
    )
    log = LogWriter(folder / LOG_NAME, header)
    with _Syncer(log.descriptor):
        how = present(plan, rig, log, session, progress=progress)
    return Outcome(folder, how, {k: int(v) for k, v in log.ending.items() if k != "how"})


def check_refresh(plan: Plan, rig: Rig) -> None:
    """Refuse a display whose measured rate is not the plan's.

    Raises
    ------
    RigError
        If they differ by more than 1 %.
    """
    measured = rig.display.description.get("measured_hz", rig.display.refresh_hz)
    assert isinstance(measured, float)
    if abs(measured / plan.refresh_hz - 1) > 0.01:
        raise RigError(
            f"the display runs at {measured:.2f} Hz, the plan is for {plan.refresh_hz:g} Hz;"
            " set the display, or the rig file's refresh_hz"
        )


def rehearse(plan: Plan, rig: Rig) -> None:
    """Make every screen of a session ready once: what cannot be shown is known before it begins.

    Raises
    ------
    RigError
        If something does not fit on the screen.
    """
    for block in plan.blocks:
        rig.display.prepare([step.screen for trial in block.trials for step in trial.steps])


class _Syncer:
    """Brings the log to the disk every second, on a thread of its own."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = os.dup(descriptor)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._work, name="log to disk", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        os.close(self._descriptor)

    def _work(self) -> None:
        while not self._done.wait(SYNC_EVERY_S):
            try:
                os.fsync(self._descriptor)
            except OSError:  # the disk is full or gone: the next write says so, on the main thread
                return


def _copy(source: Path, target: Path) -> None:
    _write(target, source.read_bytes())


def _write(path: Path, data: bytes) -> None:
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.write_bytes(data)
        partial.chmod(0o600)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None


def _software() -> Mapping[str, str]:
    found = {"imagery": __version__, "python": platform.python_version(), "os": platform.platform()}
    for package in ("psychopy", "pyglet", "pyserial", "pillow"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    found["executable"] = Path(sys.executable).name
    return found
