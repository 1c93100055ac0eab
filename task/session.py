"""The session folder: one for each session, with everything needed to understand it later.

    <data>/<subject>/2026-03-14_screening_500_1/
        session.jsonl    what happened (task.contract.sessionlog)
        plan.json        what was meant to happen, every frame and code
        protocol.toml    the file as it was
        rig.toml         the rig file as it was
        manifest.csv     the stimulus set as it was
        sounds/          sound files of cues, and tables of pictures, if there are any, as the
                         protocol names them

Folders are made new, never reused, and readable by their owner only.  A session that was cut short
goes on in its own folder and its own log.
"""

import hashlib
import os
import platform
import re
import secrets
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from filelock import FileLock, Timeout

from task import __version__
from task.contract.catalog import MANIFEST, Catalog
from task.contract.codes import MAX_SESSION
from task.contract.errors import RigError, UserError
from task.contract.rescue import elsewhere, left_elsewhere
from task.contract.sessionlog import LOG_NAME, Header, SessionLog, read_log
from task.logwriter import LogWriter
from task.plan import Item, PictureItem, Plan, SoundItem, read_plan
from task.present import Going, Progress, present
from task.protocol import ProtocolFile
from task.recovery import going_on
from task.rig import PACED, Rig

SUBJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
PLAN_NAME = "plan.json"
PROTOCOL_NAME = "protocol.toml"
RIG_NAME = "rig.toml"
_LOCK_NAME = ".running"
SYNC_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where a session lies, how it ended, what was counted in it, and what the disk refused."""

    folder: Path
    how: str
    counts: Mapping[str, int]
    trouble: str = ""


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
    rig_data: bytes | None,
    catalog: Catalog,
    manifest: Path,
    plan: Plan,
    rig: Rig,
    *,
    subject: str,
    session: int,
    overrides: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Write all that is known beforehand, present, and end the log.

    Parameters
    ----------
    rig_data : the rig file as it was read
    overrides : checks before the session that were red, and who answered for going on

    Raises
    ------
    UserError
        If the disk does not take what must be written beforehand.
    """
    _write(folder / PROTOCOL_NAME, file.source.data)  # as it was read, whatever it is by now
    _copy(manifest, folder / MANIFEST)
    if rig_data is not None:
        _write(folder / RIG_NAME, rig_data)
    for table in file.tables.values():  # as they were read
        (folder / table.name).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(folder / table.name, table.data)
    for sound in plan.sounds:
        if isinstance(sound, SoundItem):
            (folder / sound.file).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _copy(file.folder / sound.file, folder / sound.file)
    _write(folder / PLAN_NAME, plan.text.encode())
    header = Header(
        session=session,
        subject=subject,
        protocol=plan.name,
        protocol_sha256=hashlib.sha256((folder / PROTOCOL_NAME).read_bytes()).hexdigest(),
        plan_sha256=plan.sha256,
        catalog=catalog.name,
        catalog_sha256=catalog.sha256,
        seed=plan.seed,
        rig=rig.name,
        rig_sha256=hashlib.sha256(rig_data).hexdigest() if rig_data is not None else "",
        started=datetime.now().astimezone().isoformat(timespec="milliseconds"),
        codes=dict(plan.codes),
        software=software(),
        safety=plan.safety,
        overrides=overrides or {},
    )
    with _alone(folder):
        log = LogWriter(folder / LOG_NAME, header, elsewhere=elsewhere())
        return _presented(folder, plan, rig, log, session, Going(), progress)


def resume_session(
    folder: Path,
    rig: Rig,
    *,
    rig_data: bytes | None = None,
    at_trial: bool,
    now_s: float,
    overrides: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Go on with a session that was cut short, by its own plan and in its own log.

    Parameters
    ----------
    rig_data : the rig file; kept in the folder if it is not that of the session's beginning
    at_trial : at the trial that was cut short, not at the start of its block
    now_s : the rig's clock, now
    overrides : checks before this run that were red, and who answered for going on

    Raises
    ------
    UserError
        If it cannot be read, was shown to its end, or the display is not the plan's.
    """
    with _alone(folder):
        plan, log = read_session(folder)
        now = datetime.now().astimezone()
        going = going_on(plan, log, at_trial=at_trial, now_s=now_s, now=now)
        if "refresh" not in (overrides or {}):
            check_refresh(plan, rig)
        kept = _keep_rig(folder, log, rig, rig_data) if rig_data else {}
        going = replace(going, overrides=overrides or {}, rig=kept)
        writer = LogWriter(folder / LOG_NAME, None, elsewhere=elsewhere())
        return _presented(folder, plan, rig, writer, log.header.session, going, progress)


def check_resumable(folder: Path) -> tuple[Plan, SessionLog]:
    """The plan and the log of a session that can go on.

    Raises
    ------
    UserError
        If it cannot be read, was shown to its end, or a part of its log lies elsewhere.
    """
    if left := left_elsewhere(folder):
        files = " and ".join(map(str, left))
        raise UserError(
            f"{folder}: its disk refused the log, which went on in {files} and was not brought"
            f" back; copy that over {folder / LOG_NAME} (a part without a header goes behind what"
            " is there), then resume"
        )
    plan, log = read_session(folder)
    going_on(plan, log, at_trial=True, now_s=0.0, now=datetime.now().astimezone())
    return plan, log


def _keep_rig(folder: Path, log: SessionLog, rig: Rig, data: bytes) -> Mapping[str, str]:
    """The name, digest and file of a run's rig; a file that differs from the first is kept too."""
    sha256 = hashlib.sha256(data).hexdigest()
    name = RIG_NAME
    if sha256 != log.header.rig_sha256:
        name = f"rig_{sum(event.name == 'RUN' for event in log.events) + 1}.toml"
        _write(folder / name, data)
    return {"name": rig.name, "sha256": sha256, "file": name}


def read_session(folder: Path) -> tuple[Plan, SessionLog]:
    """The plan and the log of a session folder.

    Raises
    ------
    UserError
        If they are not there, are damaged, or do not belong together.
    """
    log = read_log(folder)
    try:
        text = (folder / PLAN_NAME).read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{folder / PLAN_NAME}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{folder / PLAN_NAME}: is damaged: {error}") from None
    plan = read_plan(text)
    if plan.sha256 != log.header.plan_sha256:
        raise UserError(f"{folder / PLAN_NAME}: is not the plan that this session was shown by")
    return plan, log


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One program at a time writes a session's log; the system ends the lock with the program."""
    lock = FileLock(folder / _LOCK_NAME, blocking=False, mode=0o600, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        raise UserError(
            f"{folder}: this session is running just now, in another window of this computer or on"
            " another; end it there first"
        ) from None
    except (NotImplementedError, OSError):  # a network drive that knows no locks
        yield
        return
    try:
        yield
    finally:
        lock.release()
        (folder / _LOCK_NAME).unlink(missing_ok=True)


def _presented(
    folder: Path,
    plan: Plan,
    rig: Rig,
    log: LogWriter,
    session: int,
    going: Going,
    progress: Progress | None,
) -> Outcome:
    try:
        with _Syncer(log):
            how = present(plan, rig, log, session, progress=progress, going=going)
    except UserError as error:  # a part of the rig is gone; all that was shown is in the log
        trouble = [f"THE DISK REFUSED THE LOG: {log.trouble}"] if log.trouble else []
        hint = f"to go on with the session: imagery resume {folder}"
        raise UserError("\n".join((str(error), *trouble, hint))) from None
    counts = {k: int(v) for k, v in log.ending.items() if k != "how"}
    return Outcome(folder, how, counts, log.trouble)


def check_refresh(plan: Plan, rig: Rig) -> None:
    """Refuse a display whose measured rate is not the plan's.

    Raises
    ------
    RigError
        If they differ by more than 1 %.
    """
    about = rig.display.description
    measured = about.get("measured_hz", rig.display.refresh_hz)
    if about.get("pacing") == PACED:
        measured = rig.display.refresh_hz
    known = isinstance(measured, float)
    if not isinstance(measured, float) or abs(measured / plan.refresh_hz - 1) > 0.01:
        runs_at = f"{measured:.2f} Hz" if known else "an unknown rate"
        raise RigError(
            f"the display runs at {runs_at}, the plan is for {plan.refresh_hz:g} Hz;"
            " set the display, or the rig file's refresh_hz"
        )


def rehearse(plan: Plan, rig: Rig) -> None:
    """Make ready, once, all sounds, and all that differs in words, size or place.

    What does not fit on the screen or cannot be played is known now.

    Raises
    ------
    UserError
        If something does not fit on the screen, or a sound file cannot be played.
    """
    if rig.sound:
        rig.sound.prepare(plan.sounds)
    seen: set[object] = set()
    for step in plan.steps:
        new = [item for item in step.screen if _shape(item) not in seen]
        seen |= {_shape(item) for item in new}
        for _ in rig.display.prepare([tuple(new)]) if new else ():
            pass


def _shape(item: Item) -> object:
    """What decides whether an item fits: pictures of one size and place are alike."""
    return replace(item, picture="") if isinstance(item, PictureItem) else item


class _Syncer:
    """Brings the log to the disk every second, on a thread of its own."""

    def __init__(self, log: LogWriter) -> None:
        self._log = log
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._work, name="log to disk", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._done.wait(SYNC_EVERY_S):
            try:
                os.fsync(self._log.descriptor)
            except OSError:  # full, gone or just closed: the next write says so, on the main thread
                continue


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


def software() -> Mapping[str, str]:
    """What this program is made of: names and versions."""
    found = {"imagery": __version__, "python": platform.python_version(), "os": platform.platform()}
    for package in ("psychopy", "pyglet", "pyserial", "pillow"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    found["executable"] = Path(sys.executable).name
    return found
