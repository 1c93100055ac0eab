"""The recorder at the other end of the trigger cable, and the patient it records.

    python -m analysis.synthetic.recorder --port PORT --plan PLAN --space SPACE --out FOLDER

It stamps every change of the lines with a clock of its own and appends it to `Events.nev`, until
the other end hangs up, the stop file appears, or it is told to end (Ctrl-C, SIGTERM).  Then it
reads from these bytes alone what was shown, with the plan beside them, and writes, as OSort would,
the spikes that neurons with known axes fired.  It prints `ready` once it listens.

The truth goes to `planted.csv` and `planted.json`, which no analysis reads unless it is told to
compare.  `record` does the same in virtual time.
"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from analysis.labels import refuse_doubles, refuse_gaps, rows_of
from analysis.synthetic.chance import Use, generator
from analysis.synthetic.clock import Clock
from analysis.synthetic.neuralynx import EVENTS_NAME, EventFile
from analysis.synthetic.neurons import Population, plant_units, spikes
from analysis.synthetic.osort import write_cells
from analysis.synthetic.shown import PERIODS, changes, read_plan, read_shown, trials_of
from task.contract.errors import (
    Fault,
    FileError,
    RecordingError,
    RigError,
    UserError,
)

MARGIN_S = 2.0  # what a recording in virtual time holds before the first and after the last change
POLL_S = 0.05  # how long a read may wait before the other reasons to end are looked at


class Port(Protocol):
    """What is needed of a serial port."""

    def read(self, size: int = 1) -> bytes:
        """Up to `size` bytes, as soon as one is there; none when the port's timeout has passed."""

    def close(self) -> None:
        """Let go of it."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a recording came to.

    Attributes
    ----------
    duration_s : from the start to the stop of the recording
    n_changes : of the lines
    n_stimuli : periods in which pictures of the plan were seen or imagined
    n_unknown : periods whose presentation number does not name a trial of their kind
    n_unfinished : periods without an end
    n_units, n_spikes : of the patient
    """

    duration_s: float
    n_changes: int
    n_stimuli: int
    n_unknown: int
    n_unfinished: int
    n_units: int
    n_spikes: int

    def __str__(self) -> str:
        return (
            f"recorded {self.n_changes} changes of the lines in {self.duration_s:.1f} s:"
            f" {self.n_stimuli} pictures seen or imagined as planned;"
            f" {self.n_unknown} periods not in the plan and {self.n_unfinished} without an end"
            f" drove nothing\n{self.n_units} units fired {self.n_spikes} spikes"
        )


def record(
    edges: Sequence[tuple[float, int]],
    plan: Mapping[str, Any],
    space: pd.DataFrame,
    out: Path,
    *,
    n_units: int,
    seed: int,
    clock: Clock,
) -> Recorded:
    """Record a whole session at once, in virtual time.

    Parameters
    ----------
    edges : times (s, presenter's clock, ascending) and states of the eight lines
    plan : as in `plan.json`
    space : coordinates of pictures (index: their ids) in the object space of the neurons
    out : folder for the files; made if there is none
    n_units : how many neurons
    seed : the same edges, plan, space, number and seed give the same stamps and spikes
    clock : the recorder's, set so that it reads no less than zero two seconds before the first edge

    Raises
    ------
    AnalysisError
        If a picture of the plan has no coordinates, or the space is flat.
    RecordingError
        If the lines never changed, or the folder holds a recording already.
    ValueError
        If the clock reads less than zero when the recording starts.
    """
    require_coordinates(plan, space)
    setup = Setup(plan, plant_units(space, n_units, seed), out, seed, clock)
    moved = changes(edges)
    if not moved:
        raise RecordingError(f"{out}: the lines never changed; there is nothing to record")
    start_s, stop_s = moved[0][0] - MARGIN_S, moved[-1][0] + MARGIN_S
    if clock.reading_s(np.array(start_s)) < 0:
        raise ValueError(f"the clock reads less than zero at {start_s} s: give it a larger offset")
    times_s = np.array([start_s, *(t for t, _ in moved), stop_s])
    stamps_s = clock.stamps_s(times_s, generator(seed, Use.STAMPS)).tolist()
    with _event_file(out) as events:
        events.start_recording(stamps_s[0])
        events.append(zip(stamps_s[1:-1], (lines for _, lines in moved), strict=True))
        events.stop_recording(stamps_s[-1])
    return _write_patient(setup, moved, start_s, stop_s)


@dataclass(frozen=True, slots=True)
class Setup:
    """What a recorder and its patient are, before anything is shown.

    Attributes
    ----------
    plan, out, seed, clock : as for `record`
    population : the patient's neurons
    """

    plan: Mapping[str, Any]
    population: Population
    out: Path
    seed: int
    clock: Clock


def record_live(setup: Setup, port: Port, stopped: Callable[[], bool]) -> Recorded:
    """Record what arrives at a port until it hangs up or `stopped` says so.

    Times count from the call.

    Raises
    ------
    RecordingError
        If the folder holds a recording already.
    """
    clock, rng = setup.clock, generator(setup.seed, Use.STAMPS)
    edges: list[tuple[float, int]] = []
    with _event_file(setup.out) as events:
        zero_s = time.perf_counter()
        stamp_s = clock.offset_s
        events.start_recording(stamp_s)
        print("ready", flush=True)
        for arrived_s, lines in _arrivals(port, stopped):
            edges.append((arrived_s - zero_s, lines))
            stamp_s = float(clock.stamps_s(np.array([edges[-1][0]]), rng, stamp_s)[0])
            events.append([(stamp_s, lines)])
        stop_s = time.perf_counter() - zero_s
        events.stop_recording(max(stamp_s, float(clock.reading_s(np.array(stop_s)))))
    return _write_patient(setup, edges, 0.0, stop_s)


def _arrivals(port: Port, stopped: Callable[[], bool]) -> Iterator[tuple[float, int]]:
    """When (`perf_counter`) the lines changed, and to what."""
    lines = 0
    while not stopped():
        try:
            byte = port.read(1)
        except OSError:  # the other end closed, or somebody pulled the cable
            return
        arrived_s = time.perf_counter()
        if byte and byte[0] != lines:
            lines = byte[0]
            yield arrived_s, lines


def _write_patient(
    setup: Setup, edges: Sequence[tuple[float, int]], start_s: float, stop_s: float
) -> Recorded:
    """Write the sorted units of a patient who met what the lines tell, and the truth about them."""
    population, out = setup.population, setup.out
    shown = read_shown(edges, setup.plan)
    met = shown.stimuli.assign(
        start_s=shown.stimuli["start_s"] - start_s, stop_s=shown.stimuli["stop_s"] - start_s
    )
    trains = spikes(population, met, stop_s - start_s, setup.seed)
    recorded = Recorded(
        duration_s=stop_s - start_s,
        n_changes=len(edges),
        n_stimuli=len(met),
        n_unknown=shown.unknown,
        n_unfinished=shown.unfinished,
        n_units=len(population.units),
        n_spikes=sum(map(len, trains)),
    )
    trains = [setup.clock.reading_s(train + start_s) for train in trains]
    write_cells(out, population.units, trains, setup.seed)
    truth = population.units.join(population.axes.add_prefix("axis_"))
    told = {"seed": setup.seed, "clock": asdict(setup.clock), "recorded": asdict(recorded)}
    _write(out / "planted.csv", truth.to_csv(lineterminator="\n"))
    _write(out / "planted.json", json.dumps(told, indent=1))
    return recorded


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def require_coordinates(plan: Mapping[str, Any], space: pd.DataFrame) -> None:
    """Refuse a plan that shows pictures which the space does not hold.

    Raises
    ------
    AnalysisError
        Naming them.
    """
    met = {item for kind, item in trials_of(plan) if item and kind in PERIODS}
    rows_of(space, sorted(met), "object space")


def read_space(path: Path) -> pd.DataFrame:
    """Read coordinates of pictures: a CSV whose first column names them.

    Raises
    ------
    FileError
        If it cannot be read or is no table of numbers.
    AnalysisError
        If it names a picture twice, or lacks a number.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        space = table.set_index(table.columns[0]).astype(float)
    except OSError as error:
        raise FileError([Fault(path, None, "", f"cannot be read: {error.strerror}")]) from None
    except ValueError as error:
        raise FileError([Fault(path, None, "", f"is no table of numbers: {error}")]) from None
    refuse_doubles(space.index, str(path))
    refuse_gaps(space, str(path))
    return space


def _event_file(out: Path) -> EventFile:
    out.mkdir(parents=True, exist_ok=True)
    return EventFile(out / EVENTS_NAME)


def _open(port: str, baud: int) -> Port:
    import serial  # here, because only a live recording needs a port

    try:
        return serial.serial_for_url(port, baud, timeout=POLL_S)
    except (OSError, ValueError) as error:
        raise RigError(f"{port}: cannot be opened: {error}") from None


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m analysis.synthetic.recorder",
        description="Record trigger bytes, and the neurons of a patient who saw what they tell.",
    )
    add = parser.add_argument
    add("--port", required=True, help="serial port, or socket://host:port")
    add("--baud", type=int, default=115200)
    add("--plan", type=Path, required=True, help="plan.json of the session")
    add("--space", type=Path, required=True, help="CSV: picture, coordinates")
    add("--out", type=Path, required=True, help="folder for the recording")
    add("--units", type=_at_least(1, int), default=40, help="how many neurons")
    add("--seed", type=_at_least(0, int), default=0)
    add(
        "--offset-s",
        type=_at_least(0, float),
        default=0.0,
        help="what the clock reads when recording starts",
    )
    add("--drift-ppm", type=float, default=0.0, help="how much too fast the clock runs")
    add(
        "--jitter-ms",
        type=_at_least(0, float),
        default=0.0,
        help="scale of the error of a time stamp",
    )
    add("--jitter", choices=["exponential", "normal"], default="exponential")
    add("--stop-file", type=Path, help="end as soon as this file exists")
    return parser


def _at_least(least: int, kind: type[int] | type[float]) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = kind(text)
        if not least <= value:
            raise argparse.ArgumentTypeError(f"must be at least {least}, not {text}")
        return value

    return number


def _setup(given: argparse.Namespace) -> Setup:
    clock = Clock(given.offset_s, given.drift_ppm, given.jitter_ms * 1e-3, given.jitter)
    plan, space = read_plan(given.plan), read_space(given.space)
    require_coordinates(plan, space)
    population = plant_units(space, given.units, given.seed)
    return Setup(plan, population, given.out, given.seed, clock)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the recorder; the exit status is 2 if it was refused what it needs."""
    given = _arguments().parse_args(arguments)
    told: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda signum, frame: told.append(signum))

    def stopped() -> bool:
        return bool(told) or bool(given.stop_file and given.stop_file.exists())

    try:
        setup = _setup(given)
        with closing(_open(given.port, given.baud)) as port:
            print(record_live(setup, port, stopped), flush=True)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
