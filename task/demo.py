"""One patient's day, with a robot for a patient and a simulated recorder for a rig.

The day is a list of the commands that a user would type, run one after another; nothing is done
here that they could not do.  Between them the other end of the cable is a process of its own.
"""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from task import places
from task.contract.errors import RigError
from task.rigs.cables import cable

UNITS = 40
RECORDER = {"offset-s": "3600", "drift-ppm": "35", "jitter-ms": "0.2"}
_RIG = """schema = 1
name = "demo"
robot = true              # answers instead of a patient; Escape still ends the session

[triggers]
device = "serial"
port = "{port}"
"""
_STUDY = """schema = 1
name = "{name}"
stimuli = "{stimuli}"
sorted_together = true    # the recorder's neurons keep their names all day
planted = "{planted}"     # what the simulated recorder hid, to compare with
"""
_SESSION = """
[[session]]
log = "{log}"
recording = "{recording}"
"""


def run_demo(out: Path, seed: int) -> Path:
    """Run the day in folder `out`; return the report.

    Raises
    ------
    RigError
        If the recorder does not start.
    UserError
        From any of the commands.
    """
    out = out.resolve()
    stimuli = places.STIMULI / "objects"
    space = out / "space.csv"
    _imagery("space", str(stimuli), "--out", str(space))
    screening = _present(out, "screening", str(places.PROTOCOLS / "demo.toml"), space, seed)
    _write_study(out / "screening.toml", "demo screening", stimuli, [screening])
    _imagery("analyze", str(out / "screening.toml"), "--out", str(out / "screening_results"))
    protocol = out / "imagery_demo.toml"
    _imagery(
        "select", str(out / "screening_results"), "--n", "8", "--out", str(protocol),
        "--like", str(places.PROTOCOLS / "demo_imagery.toml"),
    )  # fmt: skip
    imagined = _present(out, "imagery", str(protocol), space, seed)
    _write_study(out / "day.toml", "demo", stimuli, [screening, imagined])
    _imagery("analyze", str(out / "day.toml"), "--out", str(out / "results"))
    return out / "results" / "report.html"


@dataclass(frozen=True, slots=True)
class _Session:
    log: Path
    recording: Path


def _present(out: Path, what: str, protocol: str, space: Path, seed: int) -> _Session:
    """A session in a window, and the recorder at the other end of its cable."""
    plan = out / f"{what}_plan.json"
    recording = out / "recordings" / what
    with cable() as (near, far):
        rig = out / f"{what}_rig.toml"
        rig.write_text(_RIG.format(port=_toml(near)), encoding="utf-8")
        text = _imagery(
            "plan", protocol, "--json", "--seed", str(seed), "--rig", str(rig), quiet=True
        )
        plan.write_text(text, encoding="utf-8")
        with _recorder(far, plan, space, recording, seed):
            _imagery(
                "run", protocol, "--subject", "demo", "--rig", str(rig), "--seed", str(seed),
                "--data", str(out / "sessions"),
            )  # fmt: skip
    folders = sorted((out / "sessions" / "demo").iterdir(), key=lambda f: f.stat().st_mtime)
    return _Session(folders[-1], recording)


@contextmanager
def _recorder(port: str, plan: Path, space: Path, recording: Path, seed: int) -> Iterator[None]:
    """The simulated recorder, from when it listens until it has written its files."""
    stop = recording.parent / f"{recording.name}.stop"
    recording.parent.mkdir(parents=True, exist_ok=True)
    clock = [part for name, value in RECORDER.items() for part in (f"--{name}", value)]
    command = [
        sys.executable, "-P", "-m", "analysis.synthetic.recorder", "--port", port,
        "--plan", str(plan), "--space", str(space), "--out", str(recording),
        "--units", str(UNITS), "--seed", str(seed), "--stop-file", str(stop), *clock,
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout
    try:
        if process.stdout.readline().strip() != "ready":
            raise RigError("the simulated recorder did not start; its message stands above")
        yield
        time.sleep(0.3)  # the last byte is on its way
        stop.touch()
        print(process.stdout.read(), end="", flush=True)
    finally:
        stop.touch()
        try:
            process.wait(timeout=30)
        finally:
            process.kill()
            stop.unlink()


def _write_study(path: Path, name: str, stimuli: Path, sessions: Sequence[_Session]) -> None:
    planted = sessions[0].recording / "planted.csv"
    text = _STUDY.format(name=name, stimuli=_toml(stimuli), planted=_toml(planted))
    for session in sessions:
        text += _SESSION.format(log=_toml(session.log), recording=_toml(session.recording))
    path.write_text(text, encoding="utf-8")


def _toml(value: object) -> str:
    return str(value).replace("\\", "\\\\").replace('"', '\\"')


def _imagery(*arguments: str, quiet: bool = False) -> str:
    """One command, as a user would type it; its mistakes end the day."""
    if not quiet:
        print(f"\n$ imagery {' '.join(arguments)}", flush=True)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "task", *arguments],
        stdout=subprocess.PIPE if quiet else None,
        text=True,
        encoding="utf-8",
    )
    if done.returncode:
        sys.exit(done.returncode)
    return done.stdout or ""
