"""Commands that say where pictures lie: features of a set, and the object space made of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from task import places
from task.console import console, progress
from task.contract.catalog import Catalog, read_catalog
from task.contract.errors import UserError
from task.sets.shelf import find_set

if TYPE_CHECKING:
    import pandas as pd

    from analysis.space import ObjectSpace

PAGES = (".html",)
TABLES = (".csv",)
FIGURES = (".png", ".svg", ".pdf")

SetArgument = Annotated[str, typer.Argument(help="a stimulus set: its folder, or its name")]
ModelOption = Annotated[
    Path | None,
    typer.Option(
        help="settings of a network in an ONNX file (docs/features.md); the features that are"
        " built in, if not said"
    ),
]
DimsOption = Annotated[int | None, typer.Option(min=1, help="dimensions; 50 at most, if not said")]


def features(stimuli: SetArgument, model: ModelOption = None, dims: DimsOption = None) -> None:
    """Features of every picture of a set, by a network of your own: made once, and kept."""
    from analysis.space import object_space

    folder, catalog = _found(stimuli)
    values, kept, _ = _features(folder, catalog, model)
    space = object_space(values, dims)
    console.print(
        f"{values.shape[0]} pictures, {values.shape[1]} features each: {kept}\n"
        f"{space.coordinates.shape[1]} dimensions keep {space.explained.sum():.0%} of the variance"
    )
    if model:
        console.print(
            "in the study file, so that analyses use them:\n"
            f'stimuli = "{folder.as_posix()}"\n[features]\nfile = "{kept.as_posix()}"',
            markup=False,
        )


def space(
    stimuli: SetArgument,
    out: Annotated[
        list[Path],
        typer.Option(
            help="what to write, by its ending: .html, a page to move about in; .png, .svg, .pdf,"
            " a figure; .csv, a row for each picture; repeatable"
        ),
    ],
    model: ModelOption = None,
    dims: DimsOption = None,
) -> None:
    """Where the pictures of a set lie in object space: a page, a figure, or numbers."""
    from analysis.space import object_space

    _check_endings(out)
    folder, catalog = _found(stimuli)
    values, _, said = _features(folder, catalog, model)
    made = object_space(values, dims)
    for path in out:
        _write(path, made, catalog, said)
    kept = made.explained.sum()
    written = ", ".join(map(str, out))
    console.print(
        f"{made.coordinates.shape[1]} dimensions keep {kept:.0%} of the variance: {written}"
    )


def _found(stimuli: str) -> tuple[Path, Catalog]:
    folder = find_set(stimuli, [places.STIMULI, Path()])
    return folder, read_catalog(folder)


def _features(
    folder: Path, catalog: Catalog, model: Path | None
) -> "tuple[pd.DataFrame, Path, str]":
    """Features of a set, the file where they are kept, and what they are, in words."""
    if model is None:
        from analysis.pictures import KEPT, set_features

        with progress(f"measuring {catalog.name}") as step:
            made = set_features(folder, step)
        return made, folder / KEPT, "oriented energy and colour"
    from analysis.networks import FOLDER, network_features, read_network

    file = read_network(model)
    kept = folder / FOLDER / f"{file.network.name}.npz"
    with progress(f"{file.network.name} of {catalog.name}") as step:
        made = network_features(file, catalog, kept, step)
    return made, kept, f"{file.network.node} of {file.path.name}"


def _check_endings(out: Sequence[Path]) -> None:
    known = (*PAGES, *FIGURES, *TABLES)
    faults = [
        f"{p}: is written as {', '.join(known)}" for p in out if p.suffix.lower() not in known
    ]
    faults += [f"{p} is a folder; give the name of a file" for p in out if p.is_dir()]
    if faults:
        raise UserError("\n".join(faults))


def _write(path: Path, made: "ObjectSpace", catalog: Catalog, said: str) -> None:
    kind = path.suffix.lower()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind in FIGURES:
            from analysis.space_figure import draw_space
            from analysis.space_page import thumbnails

            draw_space(made, thumbnails(catalog, made.coordinates.index.tolist()), path)
            return
        if kind in TABLES:
            text = str(made.coordinates.to_csv(lineterminator="\n"))
        else:
            from analysis.space_page import space_page

            text = space_page(made, catalog, said)
        partial = path.with_name(f"{path.name}.partial")
        partial.write_text(text, encoding="utf-8", newline="\n")
        partial.replace(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None
