"""The command line: every command, and the only module that knows both the task and the analysis.

A command reads what it was given, calls one side, and says what came of it.  Mistakes of the user
end in one message and exit code 2; every other exception is ours and keeps its traceback.
"""

import json
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from task import places, protocol_cli, space_cli, stimuli_cli
from task.console import (
    ask,
    console,
    faults_of,
    progress,
    say_codes,
    say_headlines,
    say_outcome,
    say_part,
    say_population,
    say_rig,
    say_rows,
    say_summary,
    stages,
)
from task.contract.catalog import MANIFEST, read_catalog
from task.contract.errors import UserError
from task.contract.sessionlog import Kind
from task.fitting import plan_on, plans_on
from task.options import ProtocolArgument, RigOption, SeedOption, rig_file, seed_of
from task.plan import Plan
from task.protocol import ProtocolFile, read_protocol
from task.rig import Display
from task.rigfile import RigFile, read_rig
from task.session import Outcome, software

if TYPE_CHECKING:
    from task.preflight.ready import Ready

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

app.add_typer(stimuli_cli.app, name="stimuli")

_FOR_EVERYBODY = ("setup", "bundle", "stimuli", "new")  # who installs is not always who runs

PortOption = Annotated[str, typer.Option(help="the only port of the recording to look at")]
BetweenOption = Annotated[
    tuple[float, float] | None,
    typer.Option(help="the only stretch to look at: two times of the recording, s"),
]
AcceptOption = Annotated[
    list[str] | None, typer.Option(help="a check of the alignment that may fail, by name; recorded")
]
ResultsArgument = Annotated[Path, typer.Argument(help="folder of results, as analyze makes it")]
OverrideOption = Annotated[
    list[str] | None,
    typer.Option(help='go on although a check is red: NAME="who answers for it"; repeatable'),
]


@app.callback()
def _private(context: typer.Context) -> None:
    if context.invoked_subcommand not in _FOR_EVERYBODY:
        before = os.umask(0o077)  # what a command writes is its owner's: data of patients
        context.call_on_close(lambda: os.umask(before))


def main() -> None:
    """Run a command; what a user did wrong becomes one message and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    try:
        app(prog_name="imagery")
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
def bundle(
    platform: Annotated[str, typer.Option(help="the laptop's system: win, mac or linux")],
    out: Annotated[
        Path | None, typer.Option(help="folder to make; data/imagery_PLATFORM if not said")
    ] = None,
    zipped: Annotated[bool, typer.Option("--zip", help="make FOLDER.zip of it, too")] = False,
) -> None:
    """Make a folder for a laptop without network: program, packages, pictures."""
    from task.bundle import make_bundle

    folder = out or places.DATA / f"imagery_{platform}"
    if out is None:
        places.DATA.mkdir(exist_ok=True)
    made = make_bundle(platform, folder, zipped=zipped, say=console.print)
    console.print(
        f"[b]{escape(str(folder))}[/b]  {made.size_bytes / 1e6:.0f} MB, {made.wheels} packages;"
        " START.txt in it says what to do on the laptop"
    )
    for note in made.notes:
        console.print(f"  [yellow]note[/]  {escape(note)}")


@app.command()
def check(
    protocols: Annotated[list[str], typer.Argument(help="protocol files, anywhere on the disk")],
    rig: RigOption = None,
    refresh: Annotated[
        float | None, typer.Option(min=20, max=500, help="refresh rate of the display, Hz")
    ] = None,
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
    machine = rig_file(rig)
    plans = plans_on(file, catalog, machine, refresh)
    made = next(made for made in plans.values() if isinstance(made, Plan))
    if rig:
        from task.preflight.layout import refuse_outside

        files = {i: catalog.pictures[i].path for i in made.picture_ids}
        refuse_outside(made, machine.screen, files)
    say_summary(path, plans)
    _say_reach(made)
    if made.sounds and rig and not machine.sound:
        console.print(f"  [yellow]note[/]      rig {rig} has no \\[sound]; this protocol needs it")


EXPECTED_UNITS = 20  # of one session in ventral temporal cortex


def _say_reach(made: Plan) -> None:
    """What the imagery of a plan can show of single units, before a patient is asked for it."""
    cues = [
        (trial.item, number)
        for number, block in enumerate(made.blocks)
        for trial in block.trials
        if trial.kind is Kind.IMAGINE
    ]
    if not cues:
        return
    from analysis.imagined.reach import design_reach

    items, blocks = zip(*cues, strict=True)
    reach = design_reach(items, blocks, EXPECTED_UNITS)
    console.print(f"  imagery   {reach.said}")
    if reach.leaning:  # items that are always cued first, as published
        console.print(f"  [yellow]note[/]      {reach.order}")
    if not reach.claims:
        console.print(
            "  [yellow]note[/]      too few cues for claims about single units: this session can"
            " only be tested as a whole"
        )


for command in (protocol_cli.new, protocol_cli.preview, protocol_cli.plan, protocol_cli.diff):
    app.command()(command)


# The session ---------------------------------------------------------------------------------


@app.command()
def preflight(
    protocol: ProtocolArgument,
    rig: RigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="the same rows, as JSON")] = False,
    questions: Annotated[
        bool, typer.Option(help="ask for each key, what the recorder saw, whether a tone was heard")
    ] = True,
    data: Annotated[Path, typer.Option(help="where session folders are made")] = places.DATA,
) -> None:
    """Try everything a session needs, and show it as traffic lights.  Red: exit code 2."""
    import time
    from datetime import datetime

    from task.contract.lights import Light
    from task.preflight.lights import worst
    from task.preflight.ready import judged
    from task.preflight.table import document, table

    begun_s = time.monotonic()
    file = read_protocol(places.find_protocol(protocol))
    machine = rig_file(rig)
    with _opened(file, machine, data, 0, fonts=False) as ready:
        asked = [*ready.asked_on_screen(), *ready.asked_aloud(ask)] if questions else []
    checks = judged(ready, asked)
    if as_json:
        said = document(
            checks,
            protocol=file.protocol.name,
            rig=machine.name,
            software=software(),
            now=datetime.now().astimezone(),
            took_s=time.monotonic() - begun_s,
        )
        print(json.dumps(said, indent=1, ensure_ascii=False))
    else:
        console.print(table(checks))
    if worst(checks) is Light.RED:
        sys.exit(2)


@app.command()
def run(
    protocol: ProtocolArgument,
    subject: Annotated[str, typer.Option(help="subject code; no name")],
    rig: RigOption = None,
    seed: SeedOption = None,
    data: Annotated[Path, typer.Option(help="where session folders are made")] = places.DATA,
    override: OverrideOption = None,
) -> None:
    """Present a protocol to a patient.  Escape pauses at any time; nothing shown is ever lost."""
    from task.preflight.lights import read_overrides
    from task.session import (
        check_refresh,
        check_subject,
        new_folder,
        new_session_number,
        rehearse,
        run_session,
    )

    check_subject(subject)
    overrides = read_overrides(override or ())
    file = read_protocol(places.find_protocol(protocol))
    catalog = places.catalog_of(file)
    rig_path = places.find_rig(rig or places.DEFAULT_RIG)
    machine = read_rig(rig_path)
    rig_data = rig_path.read_bytes()
    said = seed_of(file, seed)
    chosen = new_session_number() if said is None else said
    plans_on(file, catalog, machine)  # refuse before a window opens
    with _opened(file, machine, data, chosen) as ready:
        say_rig(ready)
        opened, made, used = ready.for_a_patient(overrides)
        if "refresh" not in used:
            check_refresh(made, opened)
        rehearse(made, opened)
        folder = new_folder(data, subject, made.name)
        with progress(made.name) as step:
            outcome = run_session(
                folder,
                file,
                rig_data,
                catalog,
                places.set_folder(file) / MANIFEST,
                made,
                opened,
                subject=subject,
                session=new_session_number(),
                overrides=used,
                progress=step,
            )
    _end(outcome)


@app.command()
def resume(
    session: Annotated[Path, typer.Argument(help="folder of a session that was cut short")],
    rig: RigOption = None,
    at: Annotated[
        str, typer.Option(help="`block`: from the start of the block; `trial`: from the trial")
    ] = "block",
    stimuli: Annotated[
        Path | None, typer.Option(help="the set it shows, if not one that ships")
    ] = None,
    override: OverrideOption = None,
) -> None:
    """Go on with a session that was cut short: same plan, same folder, same log."""
    import time

    from task.preflight.lights import read_overrides
    from task.preflight.ready import opened
    from task.session import RIG_NAME, check_resumable, resume_session

    if at not in ("block", "trial"):
        raise UserError(f"--at {at}: give `block` or `trial`")
    overrides = read_overrides(override or ())
    plan, log = check_resumable(session)
    folder = stimuli or places.STIMULI / log.header.catalog
    if not folder.is_dir():
        raise UserError(
            f"this session showed set {log.header.catalog!r}, which is not in {folder.parent};"
            " give its folder: --stimuli FOLDER"
        )
    catalog = read_catalog(folder)
    if catalog.sha256 != log.header.catalog_sha256:
        raise UserError(f"{catalog.name}: is not the picture set that this session showed")
    kept = session / RIG_NAME
    if not rig and not kept.is_file():
        raise UserError(f"{session} has no {RIG_NAME}; say which rig: --rig NAME")
    rig_path = places.find_rig(rig) if rig else kept
    machine, rig_data = read_rig(rig_path), rig_path.read_bytes()
    if kept.is_file() and rig_data != kept.read_bytes():
        console.print(
            f"[yellow]another rig than at the session's beginning: {escape(str(rig_path))}; sizes,"
            " keys and triggers are now its own, and the log says so[/]"
        )
    with opened(
        machine,
        catalog,
        lambda _: plan,
        banner=plan.banner,
        theme=plan.theme,
        sounds_in=session,
        data=session.parent,
        seed=plan.seed,
    ) as ready:
        say_rig(ready)
        rig_opened, _, used = ready.for_a_patient(overrides)
        with progress(plan.name) as step:
            outcome = resume_session(
                session,
                rig_opened,
                rig_data=rig_data,
                at_trial=at == "trial",
                now_s=time.perf_counter(),
                overrides=used,
                progress=step,
            )
    _end(outcome)


@contextmanager
def _opened(
    file: ProtocolFile, machine: RigFile, data: Path, seed: int, *, fonts: bool = True
) -> Iterator["Ready"]:
    """The rig, opened and judged for a protocol."""
    from task.preflight.ready import opened

    catalog = places.catalog_of(file)

    def made(display: Display) -> Plan:
        return plan_on(file, catalog, machine, display.refresh_hz, seed, display, fonts=fonts)

    with opened(
        machine,
        catalog,
        made,
        banner=file.protocol.banner,
        theme=file.protocol.look.theme,
        sounds_in=file.folder,
        data=data,
        seed=seed,
    ) as ready:
        yield ready


def _end(outcome: Outcome) -> None:
    """Say how a session ended; a fault is an error, an interruption an exit code."""
    say_outcome(outcome)
    if faults := faults_of(outcome):
        raise UserError("\n".join(faults))
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
    machine = rig_file(None)
    made = plan_on(file, catalog, machine, 60.0, seed_of(file, seed) or 0)
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


# After a session -----------------------------------------------------------------------------


@app.command()
def analyze(
    study: Annotated[Path, typer.Argument(help="a study file, or a session folder of ours")],
    recording: Annotated[
        Path | None, typer.Argument(help="with a session folder: the recording's folder")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="folder of the results")] = None,
    stimuli: Annotated[
        Path | None,
        typer.Option(help="with a session folder: the set it showed, if not one that ships"),
    ] = None,
    units: Annotated[
        Path | None,
        typer.Option(help="with a session folder: the sorted units, if not with the recording"),
    ] = None,
    photodiode: Annotated[
        str | None,
        typer.Option(help="with a session folder: onsets are when this trace (file:channel) rose"),
    ] = None,
    port: PortOption = "",
    between: BetweenOption = None,
    accept: AcceptOption = None,
) -> None:
    """Align, fit, compare, report: one page, every number as JSON, tidy tables."""
    from analysis.pipeline import analyze as run_analysis
    from analysis.report import write_report
    from analysis.study import read_study, short_study

    if recording is None:
        if study.is_dir():
            raise UserError(f"{study}: a session needs its recording: analyze SESSION RECORDING")
        if units or photodiode or port or between or accept:
            raise UserError(f"{study}: what a study decides stands in its file, not in options")
        file = read_study(study)
        folder = out or study.with_name(f"{study.stem}_results")
    else:
        study = study.resolve()
        decided = {
            "units": str(units.resolve()) if units else None,
            "photodiode": photodiode,
            "port": port,
            "between_s": between,
            "accept": accept or (),
        }
        shown = stimuli or places.STIMULI / _catalog_name(study)
        file = short_study(study, recording, shown, decided)
        folder = out or study.with_name(f"{study.name}_results")
    _can_be_made(folder)
    with stages() as say:
        results = run_analysis(file, say)
        report = write_report(results, folder)
    say_headlines(results.document)
    console.print(f"report  {report}")


@app.command()
def population(
    study: Annotated[Path, typer.Argument(help="a study file: sessions of several patients")],
    out: Annotated[Path | None, typer.Option(help="folder of the results")] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="processes at a time; one for each core, if not said")
    ] = None,
) -> None:
    """Units, sessions, patients: shares and medians with intervals, and for whom they hold."""
    from analysis.cohort import analyze_parts, default_jobs
    from analysis.population_report import PAGE, write_population
    from analysis.study import read_study

    file = read_study(study)
    folder = out or study.with_name(f"{study.stem}_population")
    _can_be_made(folder)
    try:
        outcomes = analyze_parts(file, folder, jobs or default_jobs(), say_part)
    except KeyboardInterrupt:
        console.print("what is finished is kept; the same command goes on with the rest")
        raise
    failed = [outcome for outcome in outcomes if outcome.folder is None]
    if len(failed) == len(outcomes):
        said = "\n".join(f"{one.part.name}: {one.why}" for one in failed)
        raise UserError(f"no part of {study} could be analysed:\n{said}")
    document = write_population(file, outcomes, folder)
    say_population(document)
    if failed:
        console.print(f"[yellow]{len(failed)} of {len(outcomes)} parts failed; see above[/]")
    console.print(f"report  {escape(str(folder / PAGE))}")


def _catalog_name(session: Path) -> str:
    from task.contract.sessionlog import read_log

    return read_log(session).header.catalog


@app.command()
def verify(
    session: Annotated[Path, typer.Argument(help="a session folder")],
    as_json: Annotated[bool, typer.Option("--json", help="the same, with every number")] = False,
) -> None:
    """Re-check a session: files, digests, plan against log, lost codes, late frames, answers."""
    from analysis.timing_figure import write_timing
    from analysis.verify import verify_session

    found = verify_session(session)
    say_rows(found.rows, found.document if as_json else None)
    try:
        figure = write_timing(found)
    except UserError as error:  # an archive, a full disk: the verdict stands
        print(error, file=sys.stderr)
        figure = None
    if figure and not as_json:
        console.print(f"timing  {figure}")
    if found.light == "red":
        sys.exit(2)


@app.command()
def loopback(
    session: Annotated[Path, typer.Argument(help="a session folder")],
    recording: Annotated[Path, typer.Argument(help="what the recorder kept of it")],
    photodiode: Annotated[
        Path | None, typer.Option(help="the photodiode's trace: .ncs, .csv or .wav")
    ] = None,
    threshold: Annotated[
        str, typer.Option(help="level between dark and light; found by itself if `auto`")
    ] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="the same, with every number")] = False,
) -> None:
    """A lab's first day: what the recorder saw of a session, and when light came."""
    from analysis.loopback import evaluate

    found = evaluate(session, recording, photodiode, threshold)
    say_rows(found.rows, found.document if as_json else None)
    if found.rig_line and not as_json:
        console.print(f"for the rig file:\n{escape(found.rig_line)}")
    if found.light == "red":
        sys.exit(2)


@app.command()
def recording(
    path: Annotated[Path, typer.Argument(help="the folder of a recording, or a file of it")],
    as_json: Annotated[bool, typer.Option("--json", help="the same, with every number")] = False,
) -> None:
    """What a recording holds: events by port, sorted units, analog channels."""
    from analysis.recording_report import report_recording

    rows, document = report_recording(path)
    say_rows(rows, document if as_json else None)
    if any(row.light == "red" for row in rows):
        sys.exit(2)


@app.command()
def align(
    session: Annotated[Path, typer.Argument(help="a session folder, or any log of codes")],
    recording: Annotated[Path, typer.Argument(help="an events file, or a folder with one")],
    port: PortOption = "",
    between: BetweenOption = None,
    accept: AcceptOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="the same, with every number")] = False,
    plot: Annotated[Path | None, typer.Option(help="a picture of it: .png, .svg or .pdf")] = None,
) -> None:
    """Bring a log and a recording together, or say why that cannot be trusted."""
    from analysis.alignment_figure import write_alignment, write_refusal
    from analysis.alignment_report import codes_table, report_alignment
    from analysis.locate import Choice

    choice = Choice(port, between or (-math.inf, math.inf), tuple(accept or ()))
    report = report_alignment(session, recording, choice)
    say_rows(report.rows, report.document if as_json else None)
    if report.found and not as_json:
        say_codes(codes_table(report.log, report.found))
    if plot:
        title = f"{session.name} on {recording.name}"
        if report.found:
            write_alignment(plot, report.found, report.log, report.events, title)
        elif report.refusal:
            write_refusal(plot, report.refusal, report.log, report.events, title)
        if not as_json:
            console.print(f"picture  {plot}")
    if report.refusal:
        sys.exit(2)


@app.command()
def rescue(
    recording: Annotated[Path, typer.Argument(help="an events file, or a folder with one")],
    plan: Annotated[Path, typer.Option(help="the plan.json that was kept")],
    out: Annotated[Path | None, typer.Option(help="a new folder for the session")] = None,
    subject: Annotated[str, typer.Option(help="subject code")] = "unknown",
    started: Annotated[
        str | None,
        typer.Option(help="when it began, with zone; the time of the recording's file if not said"),
    ] = None,
    session: Annotated[
        int | None, typer.Option(help="its number, where the recording holds several")
    ] = None,
    stimuli: Annotated[
        Path | None, typer.Option(help="the set it showed, if not one that ships")
    ] = None,
    protocol: Annotated[
        Path | None, typer.Option(help="the protocol file, if it is still there")
    ] = None,
) -> None:
    """Rebuild a session whose log is lost, from the recording's codes and its plan."""
    from analysis.readers import open_recording
    from analysis.readers.plan import read_plan
    from analysis.rescue import rescue as rebuild
    from analysis.rescue import write_rescued

    folder = out or Path(f"{recording.name}_rescued")
    _new(folder)
    document = read_plan(plan)
    found = open_recording(recording)
    rescued = rebuild(found.read_events(), document, session=session)
    at = datetime.fromtimestamp(found.events[0].path.stat().st_mtime).astimezone()
    write_rescued(
        rescued,
        plan,
        folder,
        subject=subject,
        started=started or at.isoformat(timespec="seconds"),
        stimuli=stimuli or places.STIMULI / document["stimuli"],
        recording=recording,
        protocol=protocol,
    )
    for said in rescued.said:
        console.print(escape(said))
    shown = rescued.trials["kind"].value_counts().to_dict() if len(rescued.trials) else {}
    counts = ", ".join(f"{n} {kind}" for kind, n in shown.items()) or "none"
    console.print(f"trials   {counts}\nsession  {folder}")


@app.command()
def browse(
    results: ResultsArgument,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="of this machine; any that is free, if not said")
    ] = 0,
    opens: Annotated[
        bool, typer.Option("--open/--no-open", help="open the browser with the page")
    ] = True,
    save: Annotated[
        Path | None, typer.Option(help="a new folder: write all pages there instead, to be kept")
    ] = None,
) -> None:
    """Every unit on a page: search, sort, and its figure, drawn when asked for."""
    from analysis.browse import save_pages, serve
    from analysis.unit_pages import open_units

    units = open_units(results)
    if save is not None:
        _new(save)
        with progress("drawing units") as step:
            index = save_pages(units, save, step)
        console.print(f"pages  {index}")
        return

    def begun(address: str) -> None:
        console.print(f"{len(units.files)} units at {address}\nCtrl-C ends it")
        if opens:
            _open_browser(address)

    serve(units, port, begun)


def _open_browser(address: str) -> None:
    """Open a page where there are windows; browsers in the terminal would take it over."""
    import webbrowser

    if sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(address)


@app.command()
def figure(
    results: ResultsArgument,
    unit: Annotated[
        str,
        typer.Argument(
            help="name of the unit, as the report has it; or, of all units of a pool, matrix,"
            " categories, titration or course; or, of a session of imagery, imagery-along,"
            " imagery-gap, imagery-courses, imagery-matrices or imagery-decoding"
        ),
    ],
    out: Annotated[Path, typer.Option(help="the file to write: .svg, .pdf or .png")],
    pool: Annotated[str | None, typer.Option(help="which pool, if there are several")] = None,
    session: Annotated[str | None, typer.Option(help="of imagery, if there are several")] = None,
) -> None:
    """A figure for a paper: of one unit, or of all."""
    from analysis.imagery_figures import OF_NUMBERS, write_session_figure
    from analysis.pool_figures import NAMES, write_pool_figure
    from analysis.unit_figure import write_unit_figure
    from analysis.unit_pages import find_unit, open_units

    units = open_units(results)
    of_imagery = {f"imagery-{name}": name for name in OF_NUMBERS}
    of_all = unit in NAMES or unit in of_imagery
    record = None if of_all else units.record(find_unit(units, unit))
    _can_be_made(out.parent)
    out.parent.mkdir(parents=True, exist_ok=True)
    if record is not None:
        write_unit_figure(out, record)
    elif unit in NAMES:
        write_pool_figure(out, units, unit, pool)
    else:
        write_session_figure(out, units.document, of_imagery[unit], session)
    console.print(f"figure  {out}")


@app.command()
def select(
    results: Annotated[Path, typer.Argument(help="results folder of a screening")],
    n: Annotated[int, typer.Option(min=6, help="pictures to imagine: an even number")] = 8,
    out: Annotated[Path, typer.Option(help="the protocol file to write")] = Path("imagery.toml"),
    like: Annotated[str, typer.Option(help="imagery protocol to take all else from")] = "imagery_8",
    pool: Annotated[str | None, typer.Option(help="which pictures, if there are several")] = None,
) -> None:
    """Choose what to imagine, spread along the axes of the neurons, and write the protocol."""
    from analysis.results import candidates
    from analysis.select import select_items, spread
    from task.next_protocol import write_protocol

    if n % 2:
        raise UserError(f"{n} pictures cannot be paired; take an even number, at least 6")
    found = candidates(results, pool)
    _can_be_made(out.parent)
    items = select_items(found.projections, found.orthogonal, found.groups, n)
    write_protocol(places.find_protocol(like), items, out, [found.note])
    reached = spread(items, found.projections).median()
    console.print(found.note)
    for item in items:
        console.print(f"  {item:<24} {found.groups[item]}")
    console.print(f"spread along the axes: {reached:.2f} of that of all pictures\nprotocol  {out}")


app.command()(space_cli.features)
app.command()(space_cli.space)


@app.command()
def demo(
    out: Annotated[Path | None, typer.Option(help="a new folder for everything")] = None,
    seed: SeedOption = 1,
) -> None:
    """One patient's whole day in five minutes: a robot for a patient, a simulated recorder."""
    from task.demo import run_demo

    folder = out or _numbered(places.DATA / "demo")
    _new(folder)
    report = run_demo(folder, seed or 0)
    document = json.loads((report.parent / "report.json").read_text(encoding="utf-8"))
    console.print("\n[b]The day in six lines[/]")
    say_headlines(document, lines=6)
    console.print(f"\nreport: {report}")


@app.command()
def test() -> None:
    """Run all tests, after installing what they need."""
    import subprocess

    sys.exit(subprocess.run([sys.executable, str(places.ROOT / "imagery"), "test"]).returncode)


# What commands share ---------------------------------------------------------------------------


def _can_be_made(folder: Path) -> None:
    """Refuse a folder that cannot be made, before the work is done that would go into it."""
    there = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    if not there.is_dir():
        raise UserError(f"{there} is a file; {folder} cannot be a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UserError(f"{there}: nothing can be written here; give another folder")


def _new(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UserError(f"{folder} is there already and not empty; give a new folder")
    except OSError as error:
        raise UserError(f"{folder}: no folder can be made here: {error.strerror}") from None


def _numbered(folder: Path) -> Path:
    """The first of folder_1, folder_2 ... that is not there."""
    return next(
        f for n in range(1, 10_000) if not (f := folder.with_name(f"{folder.name}_{n}")).exists()
    )
