"""Kill sessions and compare trigger bytes with the log: `python -m benchmarks.kills`.

Each session runs in a process of its own with a real pseudo-terminal for a trigger box and a real
log file: in virtual time (so that hundreds fit into minutes), or in a real window through
`imagery run`.  In virtual time the signals raise, as a bug would, wherever the program just is; in
a window they are heeded as `imagery run` heeds them.  A session ends at a random moment by SIGKILL,
SIGTERM, SIGINT or by its terminal being closed.  Every byte that came out at the other end must
stand in the log, but for the one in flight; after the polite ends the lines must be at rest and the
log must say how it ended.  A share of the sessions is resumed, shown to the end, and compared again
over both runs.  Every folder is then judged as `imagery verify` judges it.
"""

import argparse
import os
import random
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from subprocess import TimeoutExpired

from analysis.lights import Light
from analysis.verify import verify_session
from benchmarks.ours import show, write_rig, write_stream
from benchmarks.table import finish, machine, table
from benchmarks.wire import wire
from task import places
from task.contract.errors import UserError
from task.contract.sessionlog import LOG_NAME, read_log
from task.rig import Rig
from task.rigfile import read_rig
from task.rigs.simulated import Robot, SimulatedDisplay
from task.rigs.triggers import open_port
from task.rigs.virtual import display_here
from task.session import resume_session

VIRTUAL, REAL = 200, 100
ENOUGH = 200  # sessions; fewer write no file
# Sessions end after a number of codes drawn at random (of about 12,140 and 230), and a moment more.
MOST_VIRTUAL, MOST_REAL = 11_500, 200
LONGEST_VIRTUAL_S, LONGEST_REAL_S = 0.005, 0.1
RESUMED_OF = 3  # one of so many is resumed
WITHIN_S = 120.0
# Of every five: what cannot be answered most often.
WAYS = ("SIGKILL", "SIGTERM", "SIGINT", "SIGKILL", "closed terminal")


@dataclass(frozen=True, slots=True)
class Killed:
    """What a killed session left, and what became of it if it was resumed.

    Attributes
    ----------
    sent, logged : codes out of the cable; those in the log that the port took, all among them
    resting : whether the last byte was a rest
    how : the ending in the log, None where it has none
    resumed : the ending after it was resumed, None where it was not
    red : what `imagery verify` finds red in the folder as it is in the end
    """

    way: str
    real: bool
    sent: int
    logged: int
    resting: bool
    how: str | None
    resumed: str | None
    red: tuple[str, ...]

    @property
    def missing(self) -> int:
        """Codes on the cable that the log does not have."""
        return self.sent - self.logged


def child(rig_file: Path, folder: Path, *, resume: bool) -> None:
    """Present a screening in virtual time, with a serial port; signals raise KeyboardInterrupt."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.default_int_handler)
    display = SimulatedDisplay(60.0)
    port, robot = open_port(read_rig(rig_file).triggers), Robot(lambda: display.now_s, 0)
    rig = Rig("kills", display, port, robot)
    try:
        if resume:
            resume_session(folder, rig, at_trial=False, now_s=display.now_s)
        else:
            show(places.PROTOCOLS / "screening_500.toml", rig, folder)
    finally:
        rig.close()


def kill_one(
    folder: Path,
    codes: int,
    after_s: float = 0.0,
    *,
    way: str = "SIGKILL",
    real: bool = False,
    resume: bool = False,
) -> Killed:
    """A session that ends `after_s` after so many codes have come out of the cable.

    Raises
    ------
    AssertionError
        If the log has a code that never came out, or codes in another order.
    """
    with wire(held=not real) as cable:
        rig = write_rig(folder / "rig.toml", cable.port, apart_s=0.005 if real else 1e-6)
        with _started(_command(folder, rig, real=real)) as (process, terminal):
            cable.wait_for(times=codes, timeout_s=WITHIN_S)
            time.sleep(after_s)
            if way == "closed terminal":
                terminal.hang_up()
            else:
                process.send_signal(signal.Signals[way])
            process.wait(WITHIN_S)
        cable.settle()
        resting = cable.arrivals[-1].byte == 0
        session = next(folder.rglob(LOG_NAME)).parent
        how = _ending(session)
        resumed = _resumed(session, rig, real=real) if resume and how != "completed" else None
        cable.settle()
    events = read_log(session).events
    taken = [e.code for e in events if e.code is not None and not e.detail.get("lost")]
    came = iter(cable.codes)
    assert all(code in came for code in taken), "the log has codes that never came out"
    rows = verify_session(session).rows
    red = tuple(f"{row.what}: {row.said}" for row in rows if row.light == Light.RED)
    sent = len(cable.codes)
    return Killed(way, real, sent, len(taken), resting, how, resumed, red)


def _resumed(session: Path, rig: Path, *, real: bool) -> str | None:
    """Show the rest; how it ended."""
    virtual = ["benchmarks.kills", "resume", str(rig), str(session)]
    command = ["task", "resume", str(session), "--rig", str(rig)] if real else virtual
    with _started(command) as (process, _):
        process.wait(WITHIN_S)
    return _ending(session)


def _ending(session: Path) -> str | None:
    ending = read_log(session).ending
    return str(ending["how"]) if ending else None


def _command(folder: Path, rig: Path, *, real: bool) -> list[str]:
    if not real:
        return ["benchmarks.kills", "child", str(rig), str(folder / "session")]
    protocol = write_stream(folder / "stream.toml", pictures=40)
    data = str(folder / "data")
    return ["task", "run", str(protocol), "--subject", "killed", "--rig", str(rig), "--data", data]


class _Terminal:
    """The far end of the terminal that a session was started in: somebody reads, then hangs up."""

    def __init__(self) -> None:
        self._far, self.near = os.openpty()
        self._reading = True
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def hang_up(self) -> None:
        """Close it: the kernel sends SIGHUP, and what the session prints fails."""
        if self._reading:
            self._reading = False
            self._reader.join()
            os.close(self._far)

    def _read(self) -> None:
        """A terminal that nobody reads would fill and stop the session."""
        while self._reading:
            readable, _, _ = select.select([self._far], [], [], 0.02)
            if readable:
                try:
                    os.read(self._far, 65536)
                except OSError:  # the session has ended
                    return


@contextmanager
def _started(command: Sequence[str]) -> Iterator[tuple[subprocess.Popen[bytes], _Terminal]]:
    """A session in a terminal of its own, as if typed there."""
    terminal = _Terminal()
    near = terminal.near
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        pass_fds=(near,),
        start_new_session=True,
        preexec_fn=lambda: os.login_tty(near),  # becomes 0, 1 and 2
    )
    os.close(near)
    try:
        yield process, terminal
    finally:
        process.kill()
        process.wait()
        terminal.hang_up()


def campaign(virtual: int, real: int, at_once: int) -> tuple[list[Killed], list[str]]:
    """So many sessions of each kind, `at_once` at a time; and those that could not be compared."""
    faults: list[str] = []
    rng = random.Random(0)
    kinds = [False] * virtual + [True] * real
    ways = [*islice(cycle(WAYS), virtual), *islice(cycle(WAYS), real)]
    codes = [rng.randint(1, MOST_REAL if windowed else MOST_VIRTUAL) for windowed in kinds]
    longest = [LONGEST_REAL_S if windowed else LONGEST_VIRTUAL_S for windowed in kinds]
    moments = [rng.random() * longest_s for longest_s in longest]

    def kill(number: int) -> Killed | None:
        try:
            found = kill_in_folder(number)
        except (AssertionError, TimeoutError, StopIteration, TimeoutExpired, UserError) as error:
            faults.append(f"{ways[number]}, session {number + 1}: {error or type(error).__name__}")
            found = None
        print(f"{number + 1}/{len(kinds)} {found or faults[-1]}", file=sys.stderr, flush=True)
        return found

    def kill_in_folder(number: int) -> Killed:
        with tempfile.TemporaryDirectory() as name:
            return kill_one(
                Path(name),
                codes[number],
                moments[number],
                way=ways[number],
                real=kinds[number],
                resume=number % RESUMED_OF == 0,
            )

    with ThreadPoolExecutor(at_once) as pool:
        found = [killed for killed in pool.map(kill, range(len(kinds))) if killed]
    return found, faults


def report(killed: Sequence[Killed], faults: Sequence[str]) -> str:
    """The result in words and a table: a row for each kind of session and way to end."""
    rows = []
    for real in (False, True):
        for way in dict.fromkeys(WAYS):
            these = [k for k in killed if k.real == real and k.way == way]
            if these:
                rows.append(_row("real window" if real else "virtual time", way, these))
    lost = sum(max(0, k.missing - 1) for k in killed)
    unlike = "".join(f"- {fault}\n" for fault in faults)
    return f"""# Killed sessions

Made by `python -m benchmarks.kills`.  {machine()}.  {len(killed)} sessions, each ended at \
a random moment (in virtual time at full speed, or in a real window under Xvfb), a pseudo-terminal \
for a trigger box. Codes lost, but for one in flight in each session: {lost}. \
Sessions whose log and cable could not be made to agree: {len(faults)}.
{unlike}
{table(rows)}
`missing`: on the cable, not in the log. No log had a code that was never on the cable, or codes \
in another order.
"""


def _row(kind: str, way: str, these: Sequence[Killed]) -> dict[str, str]:
    endings = [k.how or "cut short" for k in these]
    return {
        "session": kind,
        "ended by": way,
        "kills": str(len(these)),
        "codes on the cable": f"{sum(k.sent for k in these):,}",
        "median a session": f"{statistics.median(k.sent for k in these):.0f}",
        "missing, most": str(max(k.missing for k in these)),
        "missing, sessions": str(sum(k.missing > 0 for k in these)),
        "lines at rest": f"{sum(k.resting for k in these)} of {len(these)}",
        "log ends": _counted(endings),
        "resumed": _counted([k.resumed for k in these if k.resumed]) or "–",
        "red in verify": _counted([r.partition(":")[0] for k in these for r in k.red]) or "none",
    }


def _counted(words: Sequence[str]) -> str:
    return ", ".join(f"{word} {words.count(word)}" for word in dict.fromkeys(words))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--virtual", type=int, default=VIRTUAL, help="sessions in virtual time")
    arguments.add_argument("--real", type=int, default=REAL, help="sessions in a real window")
    arguments.add_argument("--at-once", type=int, default=1, help="as many as there are cores idle")
    arguments.add_argument("--short", action="store_true", help="5 and 5; writes no file")
    chosen = arguments.parse_args()
    virtual, real = (5, 5) if chosen.short else (chosen.virtual, chosen.real)
    with display_here():
        found = campaign(virtual, real, chosen.at_once)
    finish(report(*found), __file__, short=virtual + real < ENOUGH)


if __name__ == "__main__":
    if sys.argv[1:2] in (["child"], ["resume"]):
        child(Path(sys.argv[2]), Path(sys.argv[3]), resume=sys.argv[1] == "resume")
    else:
        main()
