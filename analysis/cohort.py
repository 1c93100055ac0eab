"""A cohort: the parts of a study analysed side by side, the results of each on disk.

Every part is analysed by a process of its own, on one thread: a part that fails, or whose process
is killed, takes no other with it, and the numbers do not depend on how many run at a time.
"""

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from analysis.parts import Part, inputs_of, parts_of
from analysis.pictures import set_features
from analysis.study import StudyFile
from analysis.threads import matrices_on_one_thread
from task.contract.errors import AnalysisError, UserError

PARTS, INPUTS = "parts", "inputs.json"
NUMBERS = "report.json"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a part.

    Attributes
    ----------
    folder : of its results; None where it failed
    why : it failed, in a sentence; else ''
    kept : the results are those of an earlier run, with the same inputs
    took_s : how long it took
    """

    part: Part
    folder: Path | None
    why: str
    kept: bool
    took_s: float


Finished = Callable[[Outcome, int, int], None]


def analyze_parts(
    file: StudyFile, out: Path, jobs: int, finished: Finished | None = None
) -> list[Outcome]:
    """Analyse all parts of a study, several at a time, and keep the results of each.

    Parameters
    ----------
    out : folder; results of a part lie in `parts/NAME` of it as soon as it is finished, and never
        half.  Parts whose inputs have not changed since are not analysed again: the program, what
        the study says of them, and sizes and times of their files
    jobs : how many processes at a time; the numbers do not depend on it
    finished : told of every part: what became of it, how many are finished, of how many

    Returns
    -------
    in the order of the study

    Raises
    ------
    UserError
        If the study is wrong for all parts: its table of sessions, its stimulus set; or another
        run is at work in this folder.
    """
    parts = parts_of(file)
    if file.study.features is None:
        set_features(file.folder / (file.study.stimuli or ""))  # once, not by every process
    folder = out / PARTS
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        return _analyze(parts, folder, jobs, finished)


def _analyze(
    parts: Sequence[Part], folder: Path, jobs: int, finished: Finished | None
) -> list[Outcome]:
    known: dict[str, Outcome] = {}
    waiting: list[tuple[Part, dict[str, Any]]] = []

    def note(outcome: Outcome) -> None:
        known[outcome.part.name] = outcome
        if finished:
            finished(outcome, len(known), len(parts))

    for part in parts:
        inputs = inputs_of(part)
        if _kept(folder / part.name, inputs):
            note(Outcome(part, folder / part.name, "", True, 0.0))
        else:
            waiting.append((part, inputs))
    with closing(_in_processes(waiting, folder, jobs)) as ended:
        for outcome in ended:
            note(outcome)
    return [known[part.name] for part in parts]


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No two runs write into a folder at a time."""
    lock = FileLock(folder / ".lock", blocking=False, mode=0o600, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        raise AnalysisError(
            f"{folder.parent}: another run is at work here; wait for it, or give another folder"
        ) from None
    except (NotImplementedError, OSError):  # a network drive that knows no locks
        yield
        return
    try:
        yield
    finally:
        lock.release()
        (folder / ".lock").unlink(missing_ok=True)


def _kept(folder: Path, inputs: Mapping[str, Any]) -> bool:
    """Whether the results of these inputs lie in the folder, whole."""
    try:
        known = json.loads((folder / INPUTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(known == inputs) and (folder / NUMBERS).is_file()


# Processes ---------------------------------------------------------------------------------------


def _in_processes(
    waiting: Sequence[tuple[Part, dict[str, Any]]], folder: Path, jobs: int
) -> Generator[Outcome, None, None]:
    """Analyse parts in processes of their own; each as it ends.

    A process for each part, and none that is used again: one that is killed for want of memory is
    one part lost.
    """
    context = get_context("spawn")
    running: dict[Connection, tuple[Any, Part, float]] = {}
    left = list(reversed(waiting))
    try:
        while left or running:
            while left and len(running) < max(1, jobs):
                part, inputs = left.pop()
                receiver, sender = context.Pipe(duplex=False)
                begun = (part, _partial(folder, part), inputs, sender)
                process = context.Process(target=_work, args=begun, daemon=True)
                with _deaf_to_interrupts():
                    process.start()
                sender.close()  # so that the end of the process ends the pipe
                running[receiver] = process, part, time.monotonic()
            for ready in wait(list(running)):
                assert isinstance(ready, Connection)
                process, part, begun_s = running[ready]
                why = _said_by(ready, process)
                del running[ready]
                yield _ended(folder, part, why, time.monotonic() - begun_s)
    finally:
        for process, part, _ in running.values():
            process.terminate()
            process.join()
            shutil.rmtree(_partial(folder, part), ignore_errors=True)


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """What is started meanwhile does not hear Ctrl-C: who started it ends it."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _said_by(receiver: Connection, process: Any) -> str:
    """Why a process failed, '' if it did not; it has ended when this returns."""
    try:
        said = " ".join(str(receiver.recv()).splitlines())
    except EOFError:
        said = ""
        process.join()
        if process.exitcode == 1:
            said = "the program has a fault: its traceback stands above"
        elif process.exitcode:
            said = f"its process was ended from outside (exit code {process.exitcode})"
    process.join()
    receiver.close()
    return said


def _ended(folder: Path, part: Part, why: str, took_s: float) -> Outcome:
    """Put what a process left behind in its place, or away."""
    partial, whole = _partial(folder, part), folder / part.name
    if why:
        shutil.rmtree(partial, ignore_errors=True)
        return Outcome(part, None, why, False, took_s)
    if whole.exists():
        shutil.rmtree(whole)
    partial.rename(whole)
    return Outcome(part, whole, "", False, took_s)


def _partial(folder: Path, part: Part) -> Path:
    return folder / f"{part.name}.partial"


def _work(part: Part, folder: Path, inputs: Mapping[str, Any], sender: Connection) -> None:
    """Analyse a part and write its results; runs in a process of its own."""
    from analysis.pipeline import analyze
    from analysis.report import write_report

    shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
    with matrices_on_one_thread():
        try:
            write_report(analyze(part.file), folder)
        except UserError as error:
            sender.send(str(error))
            return
    text = json.dumps(inputs, ensure_ascii=False, indent=1)
    (folder / INPUTS).write_text(text + "\n", encoding="utf-8", newline="\n")
    sender.close()


def default_jobs() -> int:
    """Processes at a time, if nobody says: one for each core."""
    return os.cpu_count() or 1
