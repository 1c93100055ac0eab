"""The commands about stimulus sets: `imagery stimuli list | show | check | import | build`."""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from task import places
from task.console import console, say_rows, stages
from task.contract.catalog import Catalog, list_catalog
from task.contract.errors import UserError

if TYPE_CHECKING:
    from task.sets.importing import Imported, Item

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help=(
        "Sets of pictures: [b]import[/b] your own, [b]check[/b] them, [b]show[/b] and [b]list[/b]"
        " what there is; [b]build[/b] those that ship."
    ),
)

SetArgument = Annotated[
    str, typer.Argument(metavar="SET", help="a set's name, or the folder with its manifest.csv")
]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_SHOWN = 10  # notes, files and groups that the terminal shows; the page has all


def _folders() -> list[Path]:
    """Where sets are looked for: those of the installation, and beside one's protocols."""
    return [places.STIMULI, Path()]


# What there is ----------------------------------------------------------------------------------


@app.command("list")
def list_sets(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(help="where to look; the installation's stimuli and here, if not said"),
    ] = None,
) -> None:
    """The sets there are: pictures, groups, languages, licence, digest."""
    from task.sets.shelf import sets_in

    found = sets_in(folders or _folders())
    if not found:
        raise UserError("no sets here; `imagery stimuli build` makes those that ship")
    for path in found:
        try:
            _say_set(path, list_catalog(path))
        except UserError as error:
            console.print(f"[b]{escape(path.name)}[/b]  [bold red]cannot be read[/]")
            console.print(f"  {escape(str(error).partition(chr(10))[0])}")


def _say_set(path: Path, catalog: Catalog) -> None:
    pictures = catalog.pictures.values()
    groups = Counter(picture.group for picture in pictures)
    names = {
        of: sum(of in p.names and bool(p.names[of]) for p in pictures) for of in _languages(catalog)
    }
    languages = ", ".join(of if n == len(pictures) else f"{of} ({n})" for of, n in names.items())
    console.print(f"[b]{escape(catalog.name)}[/b]  {escape(str(path))}")
    console.print(f"  pictures   {len(pictures)}")
    console.print(f"  groups     {escape(_counted(groups))}")
    console.print(f"  names in   {languages or 'no language'}")
    console.print(
        f"  licence    {escape(_counted(Counter(p.licence or 'none said' for p in pictures)))}"
    )
    console.print(f"  digest     {catalog.sha256[:12]}")


def _languages(catalog: Catalog) -> list[str]:
    known = {of for p in catalog.pictures.values() for of, name in p.names.items() if name}
    return sorted(known, key=lambda of: (of != "en", of))


def _counted(counts: Mapping[str, int]) -> str:
    most = Counter(counts).most_common()
    more = f" and {len(most) - _SHOWN} more" if len(most) > _SHOWN else ""
    return ", ".join(f"{what} {n}" for what, n in most[:_SHOWN]) + more


@app.command()
def show(
    stimuli: SetArgument,
    out: Annotated[
        Path | None, typer.Option(help="the page to write; SET_pictures.html if not said")
    ] = None,
) -> None:
    """All pictures of a set on one page, by group, with their names."""
    from task.contract.catalog import read_catalog
    from task.sets.pages import write_contact_sheet
    from task.sets.shelf import find_set

    catalog = read_catalog(find_set(stimuli, _folders()))
    page = out or Path(f"{catalog.name}_pictures.html")
    _writable(page)
    write_contact_sheet(page, catalog)
    console.print(f"{len(catalog.pictures)} pictures\npage  {escape(str(page))}")


@app.command()
def check(
    stimuli: SetArgument,
    out: Annotated[
        Path | None, typer.Option(help="the page to write; SET_check.html if not said")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="the same, with every number")] = False,
) -> None:
    """Look-alikes, names, balance, and what differs between groups besides what is shown."""
    from task.sets.checking import check_set
    from task.sets.figure import draw_groups
    from task.sets.pages import write_check_page
    from task.sets.shelf import find_set

    folder = find_set(stimuli, _folders())
    page = out or Path(f"{folder.resolve().name}_check.html")
    _writable(page)
    with stages() as step:
        found = check_set(folder, step)
    groups = [picture.group for picture in found.catalog.pictures.values()]
    write_check_page(page, found.document, draw_groups(found.table, groups), found.catalog)
    say_rows(found.rows, found.document if as_json else None)
    if not as_json:
        console.print(f"page  {escape(str(page))}")


@app.command()
def build() -> None:
    """Build the sets that ship anew from their recipe, in place of those that are there."""
    from task.sets.build import SETS, build_objects

    with stages() as step:
        build_objects(
            places.RECIPE, places.STIMULI, lambda done, all_: step("building pictures", done, all_)
        )
    for name in SETS:
        _say_set(places.STIMULI / name, list_catalog(places.STIMULI / name))


# Import -------------------------------------------------------------------------------------------


@app.command("import")
def import_pictures(
    source: Annotated[
        Path, typer.Argument(help="a folder, a .zip, or a .csv or .tsv with a column file")
    ],
    name: Annotated[
        str | None, typer.Option(help="of the set; that of the source if not said")
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(help="write a protocol that shows the set, as `imagery new` does: its name"),
    ] = None,
    into: Annotated[
        Path | None, typer.Option(help="folder of your protocols; stimuli/ if not said")
    ] = None,
    size: Annotated[int, typer.Option(min=32, max=2048, help="side of every picture, px")] = 512,
    fit: Annotated[
        str, typer.Option(help="pictures that are no squares: pad with ground, or crop to middle")
    ] = "pad",
    background: Annotated[
        str, typer.Option(help="of padding and transparent parts: a name or #RRGGBB")
    ] = "#808080",
    grey: Annotated[bool, typer.Option("--grey", help="give up colours (luma, BT.601)")] = False,
    match: Annotated[
        str | None,
        typer.Option(help="make equal, as SHINE does: luminance (mean, SD), histogram, spectrum"),
    ] = None,
    luminance: Annotated[
        float | None, typer.Option(min=0, max=255, help="mean to match to; the set's if not said")
    ] = None,
    contrast: Annotated[
        float | None, typer.Option(min=0, max=127, help="SD to match to; the set's if not said")
    ] = None,
    licence: Annotated[str, typer.Option(help="of pictures whose row says none")] = "",
    origin: Annotated[
        str, typer.Option("--source", help="where they come from, if their row does not say")
    ] = "",
    column: Annotated[
        list[str] | None,
        typer.Option(help="what a table's heading means: group=CATEGORY; repeatable"),
    ] = None,
    leave_out: Annotated[
        bool, typer.Option("--leave-out", help="leave out what cannot be used, and say which")
    ] = False,
) -> None:
    """Make a set of your own pictures; the originals stay as they are."""
    from task.sets.decode import parse_colour
    from task.sets.importing import Match, Options, import_set
    from task.sets.prepare import Fit

    options = Options(
        size_px=size,
        fit=Fit(_one_of("--fit", fit, [each.value for each in Fit])),
        ground=parse_colour(background),
        grey=grey,
        match=Match(_one_of("--match", match, [each.value for each in Match])) if match else None,
        luminance=luminance,
        contrast=contrast,
        leave_out=leave_out,
        licence=licence,
        source=origin,
        columns=_columns(column or []),
    )
    folder = _folder_for(source, name, into)
    new = _check_place(protocol, into) if protocol else None
    with stages() as step:
        made = import_set(source, folder, options, step)
    _say_import(made)
    _say_next(made, new, into)


def _one_of(option: str, said: str, known: list[str]) -> str:
    if said not in known:
        raise UserError(f"{option}: {said!r} is not one of {', '.join(known)}")
    return said


def _columns(said: list[str]) -> dict[str, str]:
    wrong = [each for each in said if "=" not in each]
    if wrong:
        raise UserError(f"--column: {wrong[0]!r} must be WHAT=HEADING, as group=CATEGORY")
    return {what.strip(): heading.strip() for what, _, heading in (s.partition("=") for s in said)}


def _folder_for(source: Path, name: str | None, into: Path | None) -> Path:
    from task.sets.build import SETS
    from task.sets.naming import plain

    named = name if name is not None else plain(source.resolve().stem)[:64]
    if not _NAME.fullmatch(named):
        raise UserError(f"--name: {named!r} must be letters, digits, '-' and '_', 64 at most")
    if named in SETS:
        raise UserError(f"--name: {named!r} is a set that ships; give another name")
    if into is None:
        return places.STIMULI / named
    if not into.is_dir():
        raise UserError(f"--into: there is no folder {into}")
    if (places.STIMULI / named).exists():
        raise UserError(
            f"--name: {places.STIMULI / named} would be found before a set {named!r} in {into};"
            " give another name"
        )
    return into / named


def _check_place(protocol: str, into: Path | None) -> Path:
    from task.new_protocol import place_of

    path = place_of(protocol)
    if into is not None and path.parent.resolve() != into.resolve():
        raise UserError(f"--protocol: must lie in {into}, beside the set, or it will not find it")
    return path


def _say_import(made: "Imported") -> None:
    groups = Counter(item.group for item in made.items)
    console.print(f"[b]{escape(made.folder.name)}[/b]  {escape(str(made.folder))}")
    console.print(f"  pictures   {len(made.items)}")
    console.print(f"  groups     {escape(_counted(groups))}")
    console.print(f"  done       {escape(_counted(_kinds(made)))}")
    if made.target:
        aimed = ", ".join(f"{what} {value:.2f}" for what, value in made.target.items())
        worst = max(item.off or 0.0 for item in made.items)
        console.print(f"  matched    {aimed}; off by {worst:.4f} at most")
    unnamed = [item.id for item in made.items if not item.names["name"]]
    if unnamed:
        console.print(
            f"  [yellow]no name[/]    {len(unnamed)}: they can be shown, not cued by word;"
            " a table with a column name gives them"
        )
    _say_some("note", [f"{item.file}: {note}" for item in made.items for note in item.notes])
    _say_some("left out", [f"{file}: {why}" for file, why in made.left_out])
    _say_some("passed over", list(made.passed_over))


def _kinds(made: "Imported") -> Counter[str]:
    """How many pictures each kind of change was made to."""
    return Counter(kind for item in made.items for kind in _kinds_of(item))


def _kinds_of(item: "Item") -> list[str]:
    """What was done to a picture, without the numbers."""
    said = (change for change in item.changes if not change.startswith("note: "))
    numbers = re.compile(r"( times| to| at| on)? (\d|#|\().*|, .*")
    return list(dict.fromkeys(numbers.sub("", change) for change in said))


def _say_some(what: str, lines: list[str]) -> None:
    for line in lines[:_SHOWN]:
        console.print(f"  [yellow]{what:<10}[/] {escape(line)}")
    if len(lines) > _SHOWN:
        console.print(f"  [yellow]{what:<10}[/] and {len(lines) - _SHOWN} more; the report has all")


def _say_next(made: "Imported", new: Path | None, into: Path | None) -> None:
    from task.sets.importing import PAGE

    console.print(f"  report     {escape(str(made.folder / PAGE))}")
    if new is None:
        where = "in a protocol" if into is None else f"in a protocol in {into}"
        console.print(f'{where}, write\n\n    stimuli = "{made.folder.name}"\n', markup=False)
        return
    _write_protocol(new, made.folder)
    said = new.stem if new.parent == places.PROTOCOLS else str(new)
    console.print(f"  protocol   {escape(str(new))}")
    console.print(f"next: imagery run {escape(said)} --subject CODE")


def _write_protocol(path: Path, folder: Path) -> None:
    from task.new_protocol import MINUTES, Wish, write_new
    from task.options import rig_file

    wish = Wish("screening", folder.name, "en", MINUTES["screening"])
    try:
        write_new(path, wish, list_catalog(folder), rig_file(None))
    except UserError as error:
        raise UserError(f"{error}\nthe set {folder.name!r} is made, the protocol is not") from None


def _writable(page: Path) -> None:
    if page.is_dir():
        raise UserError(f"{page} is a folder; give the name of a page to write")
    if not page.absolute().parent.is_dir():
        raise UserError(f"there is no folder {page.parent}; the page cannot be written")
