"""Commands on protocols before any session: make one, look at it, compare two."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from task import places
from task.console import ask, console, minutes, plan_table, progress
from task.contract.catalog import Catalog
from task.contract.errors import UserError
from task.contract.settings import did_you_mean
from task.fitting import plan_on
from task.options import (
    ProtocolArgument,
    RefreshOption,
    RigOption,
    SeedOption,
    rig_file,
    seed_of,
)
from task.plan import Plan
from task.protocol import ProtocolFile, read_protocol
from task.rigfile import RigFile

_FEW_NOTES = 5


def new(
    name: Annotated[
        str,
        typer.Argument(help="name of the protocol, which goes into protocols/; or a .toml path"),
    ],
    task: Annotated[str | None, typer.Option(help="what is done: `screening` or `imagery`")] = None,
    stimuli: Annotated[str | None, typer.Option(help="the stimulus set, by name")] = None,
    items: Annotated[
        str | None,
        typer.Option(
            help="divided by commas: of imagery the items, by id or name; of a screening the groups"
        ),
    ] = None,
    time: Annotated[
        float | None,
        typer.Option("--minutes", min=1, max=300, help="how long the patient has, minutes"),
    ] = None,
    language: Annotated[
        str | None, typer.Option(help="of the words that the patient reads: en, es, de ...")
    ] = None,
    rig: RigOption = None,
) -> None:
    """A guided start: questions with answers ready, and a protocol that fits the time.

    What an option says is not asked.

    Without a terminal nothing is: what no option says is as proposed.
    """
    from task import new_protocol as made

    path = made.place_of(name)
    machine = rig_file(rig)
    kind = _chosen("What is to be done", task, tuple(made.MINUTES), "--task")
    sets = made.sets_for(path.resolve().parent)
    chosen = _chosen("Which stimulus set", stimuli, tuple(sets), "--stimuli")
    catalog = sets[chosen]
    listed = _listed(kind, items, catalog)
    known = made.languages_of(catalog)
    spoken = _chosen("In which language", language, tuple(known), "--language")
    have = time or _number("How many minutes has the patient", made.MINUTES[kind])
    wish = made.Wish(
        kind,
        chosen,
        spoken,
        have,
        groups=listed if kind == "screening" else (),
        items=listed if kind == "imagery" else (),
    )
    found = made.write_new(path, wish, catalog, machine)
    said = path.stem if path.parent == places.PROTOCOLS else str(path)
    pictures = len(found.plan.picture_ids)
    console.print(
        f"[b]{escape(str(path))}[/]  {pictures} pictures, {found.plan.trials} trials, about"
        f" {minutes(found.lasts.usual_s)} ({minutes(found.lasts.least_s)} to"
        f" {minutes(found.lasts.longest_s)})"
    )
    console.print(f"next  imagery preview {escape(said)}    shows every screen")
    console.print(f"      imagery check {escape(said)}      says what a change comes to")


def plan(
    protocol: ProtocolArgument,
    as_json: Annotated[bool, typer.Option("--json", help="every frame and code, as JSON")] = False,
    plot: Annotated[
        Path | None, typer.Option(help="a picture of the session instead: .svg, .png or .pdf")
    ] = None,
    seed: SeedOption = 0,
    refresh: RefreshOption = None,
    rig: RigOption = None,
) -> None:
    """The frame-by-frame plan of a protocol; nothing is left to decide."""
    file = read_protocol(places.find_protocol(protocol))
    machine = rig_file(rig)
    rate = refresh or machine.screen.refresh_hz or 60.0
    made = plan_on(file, places.catalog_of(file), machine, rate, seed_of(file, seed) or 0)
    if plot:
        from task.plan_figure import write_plan

        write_plan(plot, made)
    if as_json:
        print(made.text)
    elif plot:
        console.print(f"picture  {escape(str(plot))}")
    else:
        console.print(plan_table(made))


def preview(
    protocol: ProtocolArgument,
    out: Annotated[
        Path | None, typer.Option(help="the page to write; NAME_preview.html here if not said")
    ] = None,
    seed: SeedOption = 0,
    refresh: RefreshOption = None,
    rig: RigOption = None,
) -> None:
    """Every screen that the patient will see, in order, on one page; needs no display."""
    from task.placing import canvas_said
    from task.plan_figure import address
    from task.preview import write_preview

    file = read_protocol(places.find_protocol(protocol))
    catalog = places.catalog_of(file)
    machine = rig_file(rig)
    rate = refresh or machine.screen.refresh_hz or 60.0
    made = plan_on(file, catalog, machine, rate, seed_of(file, seed) or 0)
    page = out or Path(f"{made.name}_preview.html")
    files = {i: catalog.pictures[i].path for i in made.picture_ids}
    notes = _notes(file, made, machine, files)
    facts = [("protocol", str(file.source.file)), ("rig", machine.name)]
    try:
        with progress(made.name) as step:
            size = write_preview(
                page, made, canvas_said(machine.screen), files,
                facts=facts, notes=notes, overview=address(made), progress=step,
            )  # fmt: skip
    except OSError as error:
        raise UserError(f"{page}: cannot be written: {error.strerror}") from None
    console.print(f"page  {escape(str(page))}  {size / 1e6:.1f} MB")


def _notes(file: ProtocolFile, plan: Plan, rig: RigFile, files: Mapping[str, Path]) -> list[str]:
    """What a reader of a preview should know."""
    from task.preflight.layout import outside
    from task.room import room_said

    found = outside(plan, room_said(rig.screen), files)
    notes = [f"No room: {said}" for said in found[:_FEW_NOTES]]
    if len(found) > _FEW_NOTES:
        notes.append(f"No room: {len(found) - _FEW_NOTES} more; `imagery check --rig` names all.")
    if file.protocol.seed is None:
        notes.append(
            f"The order is that of seed {plan.seed}; every session draws an order of its own, for"
            " the protocol says no seed."
        )
    if rig.screen.full_screen:
        notes.append("How high the full screen is, no rig file says: it is drawn as 16 to 9.")
    return notes


def diff(
    first: Annotated[str, typer.Argument(help="a protocol, or a session folder")],
    second: Annotated[str, typer.Argument(help="the one to compare with it")],
    rig: RigOption = None,
    refresh: Annotated[
        float | None,
        typer.Option(min=20, max=500, help="refresh rate, Hz; one that suits both if not said"),
    ] = None,
) -> None:
    """What changed from one protocol to another, in words.

    Exit code 0: nothing that counts differs; comments and layout do not.

    Exit code 1: something does.

    Exit code 2: one of them cannot be read, or not be shown.

    A session folder stands for what was shown in it.

    A protocol beside a session is planned for the same seed, refresh rate and rig.
    """
    from task.difference import difference, read_sides

    old, new = read_sides(first, second, rig_file(rig), refresh)
    found = difference(old, new)
    if not found.any:
        console.print("no difference: the same settings, the same session to the frame")
        return
    console.print(f"[b]{escape(old.name)}[/] → [b]{escape(new.name)}[/]")
    for title, lines in (("settings", found.settings), ("session", found.session)):
        console.print(f"[b]{title}[/]" if lines else f"[b]{title}[/]  the same")
        for line in lines:
            console.print(f"  {escape(line)}")
    sys.exit(1)


# Questions of `new` -----------------------------------------------------------------------------


def _answer(question: str, usual: str) -> str:
    """The answer at the terminal; the usual one for an empty line, and where there is none."""
    if not sys.stdin.isatty():
        return usual
    return (ask(f"{question} [{usual}]") or "").strip() or usual


def _chosen(question: str, given: str | None, known: Sequence[str], option: str) -> str:
    """One of what is known: as the option says, or as it is answered; the first if nothing is."""
    if given is not None:
        if given not in known:
            hint = did_you_mean(given, known) or f"; there are {', '.join(known)}"
            raise UserError(f"{option} {given}: no such choice{hint}")
        return given
    while (answer := _answer(f"{question}: {', '.join(known)}", known[0])) not in known:
        console.print(f"there are {escape(', '.join(known))}")
    return answer


def _number(question: str, usual: float) -> float:
    while True:
        try:
            number = float(_answer(question, f"{usual:g}"))
        except ValueError:
            number = 0.0
        if 1 <= number <= 300:
            return number
        console.print("give a number of minutes, 1 to 300")


def _listed(task: str, given: str | None, catalog: Catalog) -> tuple[str, ...]:
    """Groups of a screening, none for all; items of imagery."""
    from task.new_protocol import groups_of, usual_items

    if task == "imagery":
        said = given or _answer("Which items, divided by commas", ", ".join(usual_items(catalog)))
        return _divided(said)
    groups = groups_of(catalog)
    sizes = ", ".join(f"{group} {number}" for group, number in groups.items())
    while True:
        said = given or _answer(f"Which groups, divided by commas; there are {sizes}", "all")
        chosen = () if said == "all" else _divided(said)
        strange = [group for group in chosen if group not in groups]
        if not strange:
            return chosen
        hint = did_you_mean(strange[0], groups) or f"; there are {', '.join(groups)}"
        if given:
            raise UserError(f"--items {given}: no group {strange[0]!r} in the set{hint}")
        console.print(escape(f"no group {strange[0]!r}{hint}"))


def _divided(said: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in said.split(",") if part.strip()))
