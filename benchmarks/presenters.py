"""Compare presenters on one stream: `python -m benchmarks.presenters`.

Ours, what PsychoPy Builder generates, plain Expyriment, and a bare loop of swaps show the same 120
grey pictures of 512 pixels, 16 frames on and 8 off at 60 Hz, with one code per onset and offset, to
a pseudo-terminal that a process of its own reads.  Every presenter is a process of its own and is
watched by the same code (`stage.py`); their order is rotated over the repetitions.  A last run of
each is killed in mid-stream, and what is left on the disk is counted.

Builder's writer and Expyriment need packages that the project does not: they are fetched into
folders of their own, or named by options.
"""

import argparse
import bisect
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.ours import HZ, WINDOW_PX, made_plan, write_rig, write_stream
from benchmarks.rivals import Stream
from benchmarks.table import finish, machine, table
from benchmarks.wire import Arrival, Wire, wire
from task import places
from task.contract.catalog import read_catalog
from task.contract.codes import Code
from task.contract.sessionlog import read_log
from task.protocol import read_protocol
from task.rigs.virtual import display_here

NAMES = {
    "ours": "imagery",
    "builder": "PsychoPy Builder, picture set every repeat",
    "builder_static": "PsychoPy Builder, picture loaded in a Static period",
    "expyriment": "Expyriment 1.0.1, preloaded",
    "bare": "bare loop (no pictures, no log)",
}
PICTURES, REPETITIONS = 120, 3
ON_FRAMES, OFF_FRAMES = 16, 8
PERIOD_S = 1 / HZ
LATE_PERIODS = 1.5
TIMEOUT_S = 180.0
_EXPYRIMENT = "expyriment==1.0.1", "pyserial"
_WRITER_NEEDS = "astunparse", "esprima", "wheel"


class CannotRunError(Exception):
    """A presenter that does not run on this machine, and why."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """What all runs share: a folder, a display's name in the environment, the pythons."""

    folder: Path
    pythons: Mapping[str, str]
    pictures: int

    def command(self, name: str, settings: Path) -> list[str]:
        """How presenter `name` is started."""
        python = self.pythons.get(name, sys.executable)
        return [python, "-m", "benchmarks.rivals", name, str(settings)]


class Seen(NamedTuple):
    """One run of a presenter; times in the units of the names."""

    written_us: list[float]  # after the flip by the toolkit's own account
    arrived_us: list[float]  # after the swap itself
    interval_errors_ms: list[float]
    late_frames: int
    start_s: float
    peak_mb: float
    spurious: int


class Left(NamedTuple):
    """What SIGKILL in mid-stream leaves: trials shown, in the data file, in the log file."""

    shown: int
    data: int | None
    log: int | None


# One run --------------------------------------------------------------------------------------


def run_once(workshop: Workshop, name: str, number: int) -> Seen:
    """The whole stream, watched from inside and at the other end of the cable."""
    with _started(workshop, name, f"{name}_{number}") as (process, stream, cable, started_s):
        _wait(process)
    return _measured(name, stream, cable.arrivals, started_s)


def kill_once(workshop: Workshop, name: str, after: int) -> Left:
    """The stream, killed after so many pictures."""
    with _started(workshop, name, f"{name}_killed") as (process, stream, cable, _):
        try:
            cable.wait_for(stream.on_code, after, TIMEOUT_S)
        except TimeoutError:
            raise CannotRunError(_complaint(process)) from None
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    shown = sum(byte == stream.on_code for _, byte in cable.arrivals)
    return Left(shown, *_readable(name, Path(stream.folder)))


@contextmanager
def _started(
    workshop: Workshop, name: str, run: str
) -> Iterator[tuple[subprocess.Popen[bytes], Stream, Wire, float]]:
    folder = workshop.folder / run
    folder.mkdir()
    with wire() as cable:
        stream = _stream(workshop, name, folder, cable.port)
        settings = folder / "settings.json"
        settings.write_text(json.dumps(stream._asdict()))
        # Into a file: a pipe that nobody reads would stop a talkative presenter.
        with (folder / "output.txt").open("wb") as output:
            started_s = time.perf_counter()
            try:
                process = subprocess.Popen(
                    workshop.command(name, settings),
                    cwd=folder,
                    env=_environment(),
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL,
                )
            except OSError as error:
                raise CannotRunError(str(error)) from None
            process.args = str(folder / "output.txt")  # for `_complaint`
            try:
                yield process, stream, cable, started_s
            finally:
                process.kill()
                process.wait()


def _stream(workshop: Workshop, name: str, folder: Path, port: str) -> Stream:
    protocol = write_stream(folder / "stream.toml", pictures=workshop.pictures)
    catalog = read_catalog(places.STIMULI / "objects")
    trials = (t for b in made_plan(read_protocol(protocol)).blocks for t in b.trials)
    shown = [str(catalog.pictures[t.item].path) for t in trials if t.item]
    stream = Stream(
        port=str(folder / "port"),
        window_px=WINDOW_PX,
        pictures=shown,
        on_code=Code.IMAGE_ON,
        off_code=Code.IMAGE_OFF,
        on_frames=ON_FRAMES,
        off_frames=OFF_FRAMES,
        hz=HZ,
        folder=str(folder),
        seen=str(folder / "seen.json"),
        protocol=str(protocol),
        rig=str(write_rig(folder / "rig.toml", str(folder / "port"))),
        script=str(folder / f"{name}.py"),
    )
    (folder / "port").symlink_to(port)
    if name.startswith("builder"):
        _write_builder_script(workshop, stream)
    return stream


def _write_builder_script(workshop: Workshop, stream: Stream) -> None:
    settings = Path(stream.folder) / "writer.json"
    settings.write_text(json.dumps(stream._asdict()))
    done = subprocess.run(
        workshop.command("write_script", settings),
        env=_environment(workshop.folder / "writer"),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise CannotRunError(_last_line(done.stderr))


def _environment(*packages: Path) -> dict[str, str]:
    """Where a presenter finds this project's modules, and packages of its own."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (places.ROOT, *packages)))}


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise CannotRunError(f"did not end within {TIMEOUT_S:.0f} s") from None
    if process.returncode:
        raise CannotRunError(_complaint(process))


def _complaint(process: subprocess.Popen[bytes]) -> str:
    return _last_line(Path(str(process.args)).read_text(errors="replace"))


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"


# What it showed -------------------------------------------------------------------------------


def _measured(name: str, stream: Stream, arrivals: Sequence[Arrival], started_s: float) -> Seen:
    seen = json.loads(Path(stream.seen).read_text())
    swaps: list[float] = seen["swaps"]
    wanted = (stream.on_code, stream.off_code)
    written = [w for w in seen["writes"] if bytes.fromhex(w[2])[0] in wanted]
    arrived = [a for a in arrivals if a.byte in wanted]
    onsets_s = [a.time_s for a in arrived if a.byte == stream.on_code]
    if not len(written) == len(arrived) == 2 * len(stream.pictures):
        raise CannotRunError(
            f"{len(written)} codes written, {len(arrived)} arrived, not {2 * len(stream.pictures)}"
        )
    flipped, swapped = (_last_before(seen[what], written) for what in ("flips", "swaps"))
    during = [s for s in swaps if onsets_s[0] - PERIOD_S < s <= arrived[-1].time_s]
    planned_s = (stream.on_frames + stream.off_frames) / stream.hz
    return Seen(
        written_us=[1e6 * (w[1] - f) for w, f in zip(written, flipped, strict=True)],
        arrived_us=[1e6 * (a.time_s - f) for a, f in zip(arrived, swapped, strict=True)],
        interval_errors_ms=list(1e3 * (np.diff(onsets_s) - planned_s)),
        late_frames=int((np.diff(during) > LATE_PERIODS / stream.hz).sum()),
        start_s=onsets_s[0] - started_s,
        peak_mb=seen["peak_mb"],
        spurious=_spurious(name, stream, [a.byte for a in arrivals if a.byte]),
    )


def _last_before(times_s: Sequence[float], writes: Sequence[Sequence[float]]) -> list[float]:
    return [times_s[bisect.bisect(times_s, before) - 1] for before, _, _ in writes]


def _spurious(name: str, stream: Stream, received: Sequence[int]) -> int:
    """Bytes that nobody asked for; ours sends more than onsets, all of it in the log."""
    if name != "ours":
        return sum(byte not in (stream.on_code, stream.off_code) for byte in received)
    logged = [e.code for e in read_log(Path(stream.folder) / "session").events if e.code]
    if list(received[: len(logged)]) != logged:
        raise CannotRunError("log and cable disagree")
    return len(received) - len(logged)


def _readable(name: str, folder: Path) -> tuple[int | None, int | None]:
    """Trials that can be read back, from the data file and from the log file if there is one."""
    if name == "ours":
        events = read_log(folder / "session").events
        return sum(event.name == "IMAGE_ON" for event in events), None
    if name.startswith("builder"):
        data = _lines(folder, "data/*.csv", "")
        return max(0, data - 1), _lines(folder, "data/*.log", "image: autoDraw = True")
    if name == "expyriment":
        logged = _lines(folder, "events/*.xpe", "Stimulus,presented")
        return _lines(folder, "data/*.xpd", "1,"), logged
    return None, None


def _lines(folder: Path, pattern: str, holding: str) -> int:
    texts = [path.read_text(errors="replace") for path in folder.glob(pattern)]
    lines = [line for text in texts for line in text.splitlines() if not line.startswith("#")]
    return sum(holding in line for line in lines)


# All runs -------------------------------------------------------------------------------------


def prepare(folder: Path, expyriment: str | None, pictures: int) -> Workshop:
    """Fetch what Builder's writer and Expyriment need; what is missing then is told by its run."""
    target = str(folder / "writer")
    _pip(sys.executable, "--no-deps", "--target", target, *_WRITER_NEEDS)
    if not expyriment:
        subprocess.run([sys.executable, "-m", "venv", str(folder / "expyriment")], check=True)
        expyriment = str(folder / "expyriment" / "bin" / "python")
        _pip(expyriment, *_EXPYRIMENT)
    return Workshop(folder, {"expyriment": expyriment}, pictures)


def _pip(python: str, *arguments: str) -> None:
    subprocess.run([python, "-m", "pip", "install", "--quiet", *arguments], stderr=sys.stderr)


def campaign(
    workshop: Workshop, repetitions: int
) -> tuple[dict[str, list[Seen]], dict[str, Left], dict[str, str]]:
    """Runs by presenter, what SIGKILL left, and why those that cannot run cannot."""
    runs: dict[str, list[Seen]] = {name: [] for name in NAMES}
    left: dict[str, Left] = {}
    cannot: dict[str, str] = {}
    rng = random.Random(0)
    names = list(NAMES)
    for repetition in range(repetitions + 1):
        turn = repetition % len(names)
        for name in names[turn:] + names[:turn]:
            if name in cannot:
                continue
            print(f"{repetition + 1}/{repetitions + 1} {name}", file=sys.stderr, flush=True)
            try:
                if repetition < repetitions:
                    runs[name].append(run_once(workshop, name, repetition))
                else:
                    after = round(workshop.pictures * rng.uniform(0.35, 0.65))
                    left[name] = kill_once(workshop, name, after)
            except CannotRunError as error:
                cannot[name] = str(error)
            shutil.rmtree(workshop.folder / f"{name}_{repetition}", ignore_errors=True)
    return runs, left, cannot


_MEASURES = (
    "flip → written, median µs", "flip → written, 99 % µs",
    "swap → arrived, median µs", "swap → arrived, 99 % µs",
    "onset interval error, SD ms", "99 % ms", "worst ms",
    "intervals off by half a frame or more", "late frames",
    "start to first picture, s", "peak memory, MB",
)  # fmt: skip


def summary(runs: Sequence[Seen]) -> list[float]:
    """The measures of one presenter: of each run, then the median over the runs."""
    return [statistics.median(values) for values in zip(*map(_measures, runs), strict=True)]


def _measures(seen: Seen) -> list[float]:
    errors = np.abs(seen.interval_errors_ms)
    return [
        float(np.median(seen.written_us)),
        float(np.percentile(seen.written_us, 99)),
        float(np.median(seen.arrived_us)),
        float(np.percentile(seen.arrived_us, 99)),
        float(np.std(seen.interval_errors_ms, ddof=1)),
        float(np.percentile(errors, 99)),
        float(errors.max()),
        float((errors >= 500 * PERIOD_S).sum()),
        float(seen.late_frames),
        seen.start_s,
        seen.peak_mb,
    ]


def report(
    workshop: Workshop,
    repetitions: int,
    runs: Mapping[str, Sequence[Seen]],
    left: Mapping[str, Left],
    cannot: Mapping[str, str],
) -> str:
    """The tables, with what must be known to read them."""
    measures = {name: summary(runs[name]) for name in NAMES if runs[name]}
    columns = {NAMES[name]: _cells(measures.get(name), measures.get("ours")) for name in NAMES}
    failed = [
        f"{NAMES[name]} does not run here, or not every time: {cannot[name]}\n" for name in cannot
    ]
    return _TEXT.format(
        pictures=workshop.pictures,
        repetitions=repetitions,
        machine=machine(),
        # A column for each presenter: there are more measures than presenters.
        measures=table(
            [{"": m} | {name: column[m] for name, column in columns.items()} for m in _MEASURES]
        ),
        failed="\n".join([*failed, ""]) if failed else "",
        ends=table([_end(name, runs[name], left.get(name)) for name in NAMES]),
    )


def _cells(values: Sequence[float] | None, ours: Sequence[float] | None) -> dict[str, str]:
    """A presenter's measures, and in brackets how many times ours they are."""
    if values is None:
        return dict.fromkeys(_MEASURES, "does not run")
    cells = [f"{value:.3g}" for value in values]
    if ours is not None and values is not ours:
        for n, base in enumerate(ours):
            if base:
                cells[n] += f" ({values[n] / base:.2g} ×)"
    return dict(zip(_MEASURES, cells, strict=True))


def _end(name: str, runs: Sequence[Seen], left: Left | None) -> dict[str, str]:
    spurious = "–" if not runs else str(max(seen.spurious for seen in runs))
    row = {"": NAMES[name], "bytes nobody asked for": spurious}
    counts = left or (None, None, None)
    columns = ("pictures shown before SIGKILL", "in the data file", "in the log file")
    told = ["–" if count is None else str(count) for count in counts]
    return row | dict(zip(columns, told, strict=True))


_TEXT = """# Presenters on one stream

{pictures} grey pictures of 512 px, 16 frames on, 8 off, 60 Hz, a code per onset and offset; \
{repetitions} repetitions in rotated order, medians over them; in brackets, how many times ours.  \
{machine}.

{measures}
{failed}{ends}
How to read it:

- Xvfb has no vertical blank.  Ours paces itself, as it ships; the swap of the others is wrapped and
  waits for the next tick of the same kind of grid once all drawing is done, as a vertical blank
  would make it wait: the kindest case for them.  All show in a window of 800 x 600.
- All times are taken by the same code for all.  `swap` is when the buffers have been swapped;
  `flip` is when the `glFinish` returns that both PsychoPy and Expyriment wait for afterwards and
  take as the flip's time.  Between the two PsychoPy clears the next buffer, which costs a software
  renderer what a graphics card does not notice.  `written` is the end of the `os.write` on the
  port; `arrived` is a process at the other end of a pseudo-terminal, which has no baud rate: a real
  port adds 87 µs a byte at 115,200.
- The Builder scripts are what PsychoPy's own writer makes of an Image and a Serial Out component
  (synchronised to the screen) in a loop.  As released, 2026.2.5 runs no script with a Serial Out
  component: the script does not import `SerialOut`, and at the end of the first Routine asks it for
  an attribute on which it recurses without end.  Both are repaired here, nothing else.
- With "set every repeat" a picture is loaded between two frames.  A Static period holds the loop
  through the blank by design: its "late frames" are these, one a picture; judge it by the onset
  intervals.
- Builder's default end of line is a byte on the wire after every code.
- Builder's scripts end in a text of 8 frames; without it the last code comes after the port has
  been closed, and the script ends in an error.
- Expyriment starts without its default 10 s initialisation delay, 3 s goodbye and sound.  Its data
  file keeps a row per picture; its log has a line per frame.
- Ours verifies the digests of all pictures of the set and sweeps the trigger lines before the first
  picture; both are in its start time.
- The bare loop draws nothing and keeps nothing: what is left is the machine.
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--short", action="store_true", help="8 pictures, once; writes no file")
    arguments.add_argument("--expyriment", help="a Python that has Expyriment; else one is made")
    chosen = arguments.parse_args()
    pictures, repetitions = (8, 1) if chosen.short else (PICTURES, REPETITIONS)
    with tempfile.TemporaryDirectory() as name, display_here():
        workshop = prepare(Path(name), chosen.expyriment, pictures)
        found = campaign(workshop, repetitions)
        text = report(workshop, repetitions, *found)
    finish(text, __file__, short=chosen.short)


if __name__ == "__main__":
    main()
