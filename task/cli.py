"""The command line: every command, and the only module that knows both the task and the analysis.

A command reads what it was given, calls one side, and says what came of it.  Mistakes of the user
end in one message and exit code 2; every other exception is ours and keeps its traceback.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from task import __version__, places
from task.contract.catalog import MANIFEST
from task.contract.errors import FileError, UserError
from task.plan import USUAL_REFRESH_HZ, Plan, flashes_per_s, plan_file
from task.protocol import ProtocolFile, read_protocol
from task.rig import spacing_frames
from task.rigfile import RigFile, read_rig

app = typer.Typer(
    name="imagery",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help=(
        "Run viewing and imagery experiments with single neurons, and analyse them.\n\n"
        "A day: [b]check[/b] the protocol, [b]run[/b] the screening, [b]analyze[/b] it,"
        " [b]select[/b] what to imagine, [b]run[/b] the imagery session, [b]analyze[/b] both."
        " [b]demo[/b] shows all of it without a patient."
    ),
)
console = Console(soft_wrap=True, highlight=False)

ProtocolArgument = Annotated[
    str, typer.Argument(help="a protocol file, or the name of one in protocols/")
]
RigOption = Annotated[
    str | None, typer.Option("--rig", help="a rig file, or the name of one in protocols/rigs/")
]
SeedOption = Annotated[int | None, typer.Option(min=0, help="of every random choice")]


def main() -> None:
    """Run a command; what a user did wrong becomes one message and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    try:
        app()
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)


# Before a session ----------------------------------------------------------------------------


@app.command()
def setup() -> None:
    """Build the picture sets; the first run of any command does this by itself."""
    from analysis.pictures import set_features
    from task.sets.build import SETS, build_objects, is_built

    if not is_built(places.RECIPE, places.STIMULI):
        with progress("building pictures") as step:
            build_objects(places.RECIPE, places.STIMULI, step)
    for name in SETS:
        with progress(f"measuring {name}") as step:
            set_features(places.STIMULI / name, step)


@app.command()
def check(
    protocols: Annotated[list[str], typer.Argument(help="protocol files, anywhere on the disk")],
    rig: RigOption = None,
    refresh: Annotated[float | None, typer.Option(help="refresh rate of the display, Hz")] = None,
) -> None:
    """Validate protocol files: trials, duration, codes, flicker; or every fault with its line."""
    said: list[str] = []
    for name in protocols:
        try:
            _check_one(places.find_protocol(name), rig, refresh)
        except UserError as error:
            said.append(str(error))
    if said:
        raise UserError("\n".join(said))


def _check_one(path: Path, rig: str | None, refresh: float | None) -> None:
    file = read_protocol(path)
    catalog = places.catalog_of(file)
    machine = _rig_file(rig)
    rates = (refresh,) if refresh else (machine.screen.refresh_hz,)
    usual = USUAL_REFRESH_HZ if rates == (None,) else tuple(r for r in rates if r)
    plans: dict[float, Plan | FileError] = {}
    for hz in usual:
        try:
            plans[hz] = _plan(file, catalog, machine, hz, 0)
        except FileError as error:
            plans[hz] = error
    good = {hz: plan for hz, plan in plans.items() if isinstance(plan, Plan)}
    if not good:
        raise next(plan for plan in plans.values() if isinstance(plan, FileError))
    for line in _summary(path, next(iter(good.values())), good, plans):
        console.print(line)


def _summary(
    path: Path, plan: Plan, good: dict[float, Plan], plans: dict[float, Any]
) -> Iterator[str | Table]:
    kinds: dict[str, int] = {}
    for trial in (t for b in plan.blocks for t in b.trials):
        kinds[trial.kind.value] = kinds.get(trial.kind.value, 0) + 1
    yield f"[b]{plan.name}[/b]  {path}"
    yield "  trials    " + ", ".join(f"{n} {kind}" for kind, n in kinds.items())
    yield f"  pictures  {len(plan.picture_ids)} of set {plan.stimuli}"
    yield (
        f"  duration  {_minutes(plan.fixed_s)} and waits for answers; at most"
        f" {_minutes(plan.longest_s)}"
    )
    most = max(flashes_per_s(p.blocks, p.refresh_hz) for p in good.values())
    approved = f", approved by {plan.safety['approved_by']}" if plan.safety else ""
    yield f"  flicker   at most {most:g} flashes in any second{approved}"
    for hz, found in plans.items():
        if isinstance(found, FileError):
            keys = ", ".join(dict.fromkeys(fault.key for fault in found.faults))
            why = f"`check --refresh {hz:g}` says why"
            yield f"  [yellow]at {hz:g} Hz  cannot be shown: {keys}; {why}[/]"
        else:
            yield f"  at {hz:g} Hz  fits; codes {found.spacing_frames} frames apart"
    for warning in plan.warnings:
        yield f"  [yellow]note[/]      {warning}"
    used = {s.code for b in plan.blocks for t in b.trials for s in t.steps}
    used |= {"SESSION", "TRIAL", "RUN_START", "RUN_END", "BLOCK_START", "BLOCK_END"}
    table = Table("code", "value", title=None, box=None, padding=(0, 3, 0, 10))
    for code, value in plan.codes.items():
        if code in used:
            table.add_row(code, str(value))
    yield table


@app.command()
def plan(
    protocol: ProtocolArgument,
    as_json: Annotated[bool, typer.Option("--json", help="every frame and code, as JSON")] = False,
    seed: SeedOption = 0,
    refresh: Annotated[float, typer.Option(help="refresh rate of the display, Hz")] = 60.0,
    rig: RigOption = None,
) -> None:
    """The frame-by-frame plan of a protocol; nothing is left to decide."""
    file = read_protocol(places.find_protocol(protocol))
    made = _plan(file, places.catalog_of(file), _rig_file(rig), refresh, seed or 0)
    if as_json:
        print(made.text)
        return
    frame = made.sweep_frames
    table = Table("frame", "seconds", "block", "trial", "code", "shown", "frames", box=None)
    for b, block in enumerate(made.blocks):
        frame += made.marker_frames(named=True)
        for t, trial in enumerate(block.trials):
            for step in trial.steps:
                waits = f"{step.frames} at most" if step.answers else f"{step.frames}"
                about = trial.item or trial.kind.value
                seconds = f"{frame / made.refresh_hz:.3f}"
                table.add_row(str(frame), seconds, str(b), str(t), step.code, about, waits)
                frame += step.frames
        frame += made.marker_frames(named=False)
    console.print(table)


# The session ---------------------------------------------------------------------------------


@app.command()
def run(
    protocol: ProtocolArgument,
    subject: Annotated[str, typer.Option(help="subject code; no name")],
    rig: RigOption = None,
    seed: SeedOption = None,
    data: Annotated[Path, typer.Option(help="where session folders are made")] = places.DATA,
) -> None:
    """Present a protocol to a patient.  Escape ends the session; what was shown is kept."""
    from task.rigs.bedside import open_rig
    from task.rigs.virtual import display_here
    from task.session import check_refresh, new_folder, new_session_number, run_session

    file = read_protocol(places.find_protocol(protocol))
    catalog = places.catalog_of(file)
    machine = _rig_file(rig)
    chosen = new_session_number() if seed is None else seed
    _plan(
        file, catalog, machine, machine.screen.refresh_hz or 60.0, chosen
    )  # refuse before opening
    files = {picture.id: picture.path for picture in catalog.pictures.values()}
    with display_here() as virtual:
        if virtual:
            console.print(f"no display here: {virtual}")
        if machine.triggers.device == "none":
            console.print("[yellow]rig without triggers: the recording will hold no codes[/]")
        opened = open_rig(machine, files, file.protocol.banner, chosen)
        try:
            made = _plan(file, catalog, machine, opened.display.refresh_hz, chosen)
            check_refresh(made, opened)
            folder = new_folder(data, subject, made.name)
            with progress(made.name) as step:
                outcome = run_session(
                    folder,
                    file,
                    places.find_rig(rig or places.DEFAULT_RIG),
                    catalog,
                    places.set_folder(file) / MANIFEST,
                    made,
                    opened,
                    subject=subject,
                    session=new_session_number(),
                    progress=step,
                )
        finally:
            opened.close()
    console.print(f"{outcome.how}: {outcome.folder}")
    if outcome.how == "interrupted":
        sys.exit(130)


@app.command()
def simulate(
    protocol: ProtocolArgument,
    out: Annotated[Path, typer.Option(help="a new folder for the session and the recording")],
    seed: SeedOption = 0,
    units: Annotated[int, typer.Option(min=1, max=2000, help="neurons recorded")] = 40,
) -> None:
    """Present in virtual time to a robot, and write what a recorder would have kept."""
    from analysis.pictures import set_features
    from analysis.space import object_space
    from analysis.synthetic.clock import Clock
    from analysis.synthetic.recorder import record
    from task.rigs.simulated import SimulatedPort, simulated_rig
    from task.session import new_session_number, run_session

    file = read_protocol(places.find_protocol(protocol))
    folder = places.set_folder(file)
    catalog = places.catalog_of(file)
    machine = _rig_file(None)
    made = _plan(file, catalog, machine, 60.0, seed or 0)
    _new(out)
    rig = simulated_rig(
        60.0, pulse_s=machine.triggers.pulse_s, gap_s=machine.triggers.gap_s, seed=seed or 0
    )
    session = out / "session"
    session.mkdir(mode=0o700)
    with progress(made.name) as step:
        run_session(
            session,
            file,
            None,
            catalog,
            folder / MANIFEST,
            made,
            rig,
            subject="simulated",
            session=new_session_number(seed or 0),
            progress=step,
        )
    rig.close()
    assert isinstance(rig.port, SimulatedPort)
    recorded = record(
        rig.port.edges,
        made.document,
        object_space(set_features(folder)).coordinates,
        out / "recording",
        n_units=units,
        seed=seed or 0,
        clock=Clock(offset_s=1000.0, drift_ppm=20.0, jitter_s=0.0002),
    )
    console.print(f"session    {session}\nrecording  {out / 'recording'}: {recorded}")


# What commands share ---------------------------------------------------------------------------


def _rig_file(name: str | None) -> RigFile:
    return read_rig(places.find_rig(name or places.DEFAULT_RIG))


def _plan(file: ProtocolFile, catalog: Any, rig: RigFile, refresh_hz: float, seed: int) -> Plan:
    spacing = spacing_frames(rig.triggers.pulse_s, rig.triggers.gap_s, refresh_hz)
    return plan_file(file, catalog, seed=seed, refresh_hz=refresh_hz, spacing_frames=spacing)


def _new(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} is there already and not empty; give a new folder")
    folder.mkdir(parents=True, exist_ok=True)


def _minutes(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar; yields the function that moves it."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn("{task.description:<28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        auto_refresh=False,
    )
    with bar:
        task = bar.add_task(what, total=None)

        def step(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)
            if done == total or done % 10 == 0:
                bar.refresh()

        yield step


@app.command()
def version() -> None:
    """The version of this program."""
    console.print(json.dumps({"imagery": __version__}))
