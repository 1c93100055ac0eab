"""Anyone's pictures made into a stimulus set: the whole set, with its report, or nothing.

    <set>/manifest.csv, images/<id>.png   as every set
    <set>/import.json                     what was done to each picture, with every number
    <set>/import.html                     the same to look at, before and after

The originals are read, never written.
"""

import hashlib
import io
import json
import shutil
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from task import __version__
from task.contract.catalog import MANIFEST, write_manifest
from task.contract.errors import StimulusError
from task.sets import shine
from task.sets.decode import Decoded, Ground, UnfitError, decode
from task.sets.naming import groups_of, ids_of, name_of
from task.sets.pages import write_import_page
from task.sets.prepare import Fit, square
from task.sets.sources import Found, Listing, opened

REPORT = "import.json"
PAGE = "import.html"
PLAIN_AREA = 0.1  # share of the pixels at one grey level; more cannot take on a set's histogram
_THUMBNAIL_PX = 112
_NOTE = "note: "
Progress = Callable[[str, int, int], None]


class Match(StrEnum):
    """What is made equal among grey pictures, after SHINE."""

    LUMINANCE = "luminance"
    HISTOGRAM = "histogram"
    SPECTRUM = "spectrum"


@dataclass(frozen=True, slots=True)
class Options:
    """How pictures become stimuli.

    Attributes
    ----------
    size_px : side of every picture
    fit : what becomes of pictures that are no squares
    ground : colour of padding and of what is transparent, RGB of 255
    grey : whether colours are given up
    match : what is made equal; grey pictures only
    luminance, contrast : mean and SD to match to, grey levels; those of the set if not said
    leave_out : whether what cannot be used is left out, instead of refusing all
    licence, source : of every picture of which a table does not say it
    columns : headings of a table for the columns known here
    """

    size_px: int = 512
    fit: Fit = Fit.PAD
    ground: Ground = (128, 128, 128)
    grey: bool = False
    match: Match | None = None
    luminance: float | None = None
    contrast: float | None = None
    leave_out: bool = False
    licence: str = ""
    source: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Item:
    """One picture on its way.

    Attributes
    ----------
    id, group, names : as in the manifest; `names` by column
    file, original_sha256, kind : the original, its digest, and what it is
    changes : what was done to it, in words
    box : where it lies on its square; the rest is ground
    mean, sd : before matching and in the end, grey levels, within the box
    off : how far the result is from what was to be matched
    before : the original as a small JPEG
    sha256 : digest of the result's file
    """

    id: str
    group: str
    names: Mapping[str, str]
    said: Mapping[str, str]
    file: str
    original_sha256: str
    kind: str
    changes: tuple[str, ...]
    box: tuple[int, int, int, int]
    mean: tuple[float, float]
    sd: tuple[float, float]
    off: float | None
    before: bytes
    sha256: str = ""

    @property
    def notes(self) -> list[str]:
        """What a person should know of it."""
        return [change.removeprefix(_NOTE) for change in self.changes if change.startswith(_NOTE)]


@dataclass(frozen=True, slots=True)
class Imported:
    """A set as it was made.

    Attributes
    ----------
    folder : of the set
    items : its pictures
    left_out : files that could not be used, and why
    passed_over : files that are no pictures, columns that were not used
    target : what was matched, by name
    """

    folder: Path
    items: Sequence[Item]
    left_out: Sequence[tuple[str, str]]
    passed_over: Sequence[str]
    target: Mapping[str, float]


def import_set(source: Path, folder: Path, options: Options, progress: Progress) -> Imported:
    """Make a stimulus set of a folder, a ZIP archive or a table of pictures.

    Parameters
    ----------
    source : see `task.sets.sources.opened`
    folder : of the set to be; must not be there
    options : how pictures become stimuli
    progress : called with a stage, pictures done and pictures in all

    Raises
    ------
    StimulusError
        The source cannot be taken, or pictures in it: all of them with the reason, unless they are
        to be left out. Nothing is written then.
    FileError
        Every fault of a table, with its line.
    """
    _check(options)
    if folder.exists():
        raise StimulusError(f"{folder}: is there already; give another --name, or remove it")
    scratch = folder.with_name(f".importing_{folder.name}")
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        (scratch / "images").mkdir(parents=True)
        with opened(source, options.columns) as listing:
            made = _made(source, folder.name, listing, scratch, options, progress)
        made = replace(made, folder=folder)
        _write(made, source, scratch, options)
        scratch.rename(folder)
    except OSError as error:
        raise StimulusError(f"{error.filename or folder}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return made


def _check(options: Options) -> None:
    if options.match and not options.grey:
        raise StimulusError("--match equals grey pictures, as SHINE does; add --grey")
    aimed = options.luminance is not None or options.contrast is not None
    if aimed and options.match is not Match.LUMINANCE:
        raise StimulusError(
            "--luminance and --contrast say what to match to; add --match luminance"
        )
    if options.match is Match.SPECTRUM and options.fit is not Fit.CROP:
        raise StimulusError(
            "--match spectrum needs pictures that fill their square; add --fit crop"
        )


def _made(
    source: Path, name: str, listing: Listing, scratch: Path, options: Options, progress: Progress
) -> Imported:
    items, unfit = _opened_all(listing, name, scratch, options, progress)
    unfit = [*listing.unfit, *unfit]
    if not options.leave_out:
        _refuse(source, unfit, len(items))
    if not items:
        raise StimulusError(f"{_said(source, unfit)}\n{source}: not one picture can be used")
    items, target, missed = _matched(items, scratch, options, progress)
    if not options.leave_out:
        _refuse(source, missed, len(items))
    kept = [item for item in items if (scratch / _file(item)).exists()]
    if not kept:
        raise StimulusError(f"{_said(source, missed)}\n{source}: not one picture can be used")
    finished = [replace(item, sha256=_digest(scratch / _file(item))) for item in kept]
    return Imported(scratch, finished, [*unfit, *missed], listing.passed_over, target)


def _refuse(source: Path, unfit: Sequence[tuple[str, str]], good: int) -> None:
    if unfit:
        raise StimulusError(
            f"{_said(source, unfit)}\nnothing was imported: {len(unfit)} of"
            f" {len(unfit) + good} pictures cannot be used; mend or remove them, or add --leave-out"
        )


def _said(source: Path, unfit: Sequence[tuple[str, str]]) -> str:
    inside = source.parent if source.suffix.lower() in (".csv", ".tsv") else source
    return "\n".join(f"{inside / file}: {why}" for file, why in unfit)


# Opening ------------------------------------------------------------------------------------------


def _opened_all(
    listing: Listing, name: str, scratch: Path, options: Options, progress: Progress
) -> tuple[list[Item], list[tuple[str, str]]]:
    """Every picture decoded, at the set's size and stored; and those that cannot be."""
    files = [found.file for found in listing.pictures]
    groups = [
        found.said.get("group") or group
        for found, group in zip(
            listing.pictures, groups_of(files, name) if files else [], strict=True
        )
    ]
    ids = ids_of(files, groups, [found.said.get("id", "") for found in listing.pictures])
    items: list[Item] = []
    unfit: list[tuple[str, str]] = []
    known: dict[str, str] = {}
    for done, (found, group, id_) in enumerate(
        zip(listing.pictures, groups, ids, strict=True), start=1
    ):
        try:
            items.append(_opened_one(found, group, id_, scratch, options, known))
        except (UnfitError, OSError) as error:
            unfit.append((found.file, _why(error)))
        progress("reading", done, len(files))
    return items, unfit


def _why(error: UnfitError | OSError) -> str:
    strerror = error.strerror if isinstance(error, OSError) else None
    return f"cannot be read: {strerror}" if strerror else str(error)


def _opened_one(
    found: Found,
    group: str,
    id_: str,
    scratch: Path,
    options: Options,
    known: dict[str, str],
) -> Item:
    data = found.read()
    decoded = decode(data, found.file, options.ground, options.size_px)
    made = square(decoded.image, options.size_px, options.fit, options.ground, grey=options.grey)
    pixels = hashlib.sha256(made.image.mode.encode() + made.image.tobytes()).hexdigest()
    if pixels in known:
        raise UnfitError(f"is the same picture as {known[pixels]}")
    known[pixels] = found.file
    part = np.asarray(made.image.crop(made.box).convert("L"))
    mean, sd = float(part.mean()), float(part.std())
    changes = (*decoded.changes, *made.changes)
    if sd == 0:
        changes = (*changes, f"{_NOTE}is one plain colour all over")
    item = Item(
        id=id_,
        group=group,
        names=_names(found),
        said={key: found.said.get(key, "") for key in ("licence", "source", "tags")},
        file=found.file,
        original_sha256=hashlib.sha256(data).hexdigest(),
        kind=decoded.kind,
        changes=changes,
        box=made.box,
        mean=(mean, mean),
        sd=(sd, sd),
        off=None,
        before=_thumbnail(decoded),
    )
    _save(made.image, scratch / _file(item))
    return item


def _names(found: Found) -> dict[str, str]:
    others = {key: name for key, name in found.said.items() if key.startswith("name_")}
    return {"name": found.said.get("name") or name_of(found.file)} | others


def _thumbnail(decoded: Decoded) -> bytes:
    factor = max(1, max(decoded.image.size) // (2 * _THUMBNAIL_PX))
    small = decoded.image.reduce(factor)
    small.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX))
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=80)
    return stream.getvalue()


def _file(item: Item) -> str:
    return f"images/{item.id}.png"


def _save(image: Image.Image, file: Path) -> None:
    image.save(
        file, compress_type=zlib.Z_RLE
    )  # of photographs as small as any, in a quarter of the time


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


# Matching -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Aim:
    """What matching aims at, in numbers for the report, and how: picture to picture and how far."""

    target: Mapping[str, float]
    make: Callable[[shine.Grey], tuple[shine.Grey, float]]
    tolerance: float
    words: str


def _matched(
    items: Sequence[Item], scratch: Path, options: Options, progress: Progress
) -> tuple[list[Item], Mapping[str, float], list[tuple[str, str]]]:
    if options.match is None:
        return list(items), {}, []
    aim = _aim(items, scratch, options)
    matched: list[Item] = []
    missed: list[tuple[str, str]] = []
    for done, item in enumerate(items, start=1):
        file = scratch / _file(item)
        whole = _stored(file)
        part = _part(whole, item)
        made, off = aim.make(part)
        plain = float(shine.shares(part).max())
        if off > aim.tolerance:
            missed.append((item.file, f"{aim.words}; it comes to {_levels(made)}"))
            file.unlink()
        else:
            part[:] = made
            _save(Image.fromarray(whole), file)
        after = (float(made.mean()), float(made.std()))
        matched.append(
            replace(
                item,
                changes=(*item.changes, *_matching_said(options.match, plain)),
                mean=(item.mean[0], after[0]),
                sd=(item.sd[0], after[1]),
                off=off,
            )
        )
        progress("matching", done, len(items))
    return matched, aim.target, missed


def _stored(file: Path) -> shine.Grey:
    with Image.open(file) as image:
        return np.array(image)


def _matching_said(match: Match, plain: float) -> Iterator[str]:
    yield f"{match.value} matched"
    if match is Match.HISTOGRAM and plain > PLAIN_AREA:
        yield f"{_NOTE}{plain:.0%} of it had one grey level, which matching made grainy"


def _levels(grey: shine.Grey) -> str:
    return f"mean {grey.mean():.1f} and SD {grey.std():.1f}"


def _part(whole: shine.Grey, item: Item) -> shine.Grey:
    left, top, right, bottom = item.box
    return whole[top:bottom, left:right]


def _aim(items: Sequence[Item], scratch: Path, options: Options) -> _Aim:
    def pictures() -> Iterator[shine.Grey]:
        return (_part(_stored(scratch / _file(item)), item) for item in items)

    if options.match is Match.LUMINANCE:
        return _mean_sd_aim(items, options)
    if options.match is Match.HISTOGRAM:
        return _histogram_aim(pictures, len(items))
    return _spectrum_aim(pictures)


def _mean_sd_aim(items: Sequence[Item], options: Options) -> _Aim:
    mean, sd = options.luminance, options.contrast
    mean = float(np.mean([item.mean[0] for item in items])) if mean is None else mean
    sd = float(np.mean([item.sd[0] for item in items])) if sd is None else sd

    def make(grey: shine.Grey) -> tuple[shine.Grey, float]:
        made = shine.with_mean_sd(grey, mean, sd)
        return made, shine.mean_sd_off(made, mean, sd)

    words = (
        f"cannot have mean {mean:.1f} and SD {sd:.1f} grey levels between black and white;"
        " give a lower --contrast"
    )
    return _Aim({"mean": mean, "sd": sd}, make, shine.LEVEL_TOLERANCE, words)


def _histogram_aim(pictures: Callable[[], Iterator[shine.Grey]], number: int) -> _Aim:
    target = sum((shine.shares(grey) for grey in pictures()), np.zeros(256)) / number

    def make(grey: shine.Grey) -> tuple[shine.Grey, float]:
        made = shine.with_histogram(grey, target)
        return made, shine.histogram_off(made, target)

    levels = np.arange(256)
    mean = float(target @ levels)
    sd = float(np.sqrt(target @ (levels - mean) ** 2))
    return _Aim({"mean": mean, "sd": sd}, make, 0.0, "cannot have the set's histogram")


def _spectrum_aim(pictures: Callable[[], Iterator[shine.Grey]]) -> _Aim:
    target = shine.mean_spectrum(pictures())
    gain = shine.least_gain(pictures(), target)

    def make(grey: shine.Grey) -> tuple[shine.Grey, float]:
        made = shine.with_spectrum(grey, target, gain)
        return made, shine.spectrum_off(made, target, gain)

    words = "cannot have the set's spectrum between black and white"
    return _Aim({"mean": target.mean, "gain": gain}, make, shine.SPECTRUM_TOLERANCE, words)


# Writing ------------------------------------------------------------------------------------------


def _write(made: Imported, source: Path, scratch: Path, options: Options) -> None:
    write_manifest(scratch, _rows(made.items, options))
    document = _document(made, source, scratch, options)
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    (scratch / REPORT).write_text(text, encoding="utf-8")
    befores = {item.id: item.before for item in made.items}
    write_import_page(scratch / PAGE, document, befores, scratch)


def _rows(items: Sequence[Item], options: Options) -> list[dict[str, str]]:
    columns = list(dict.fromkeys(name for item in items for name in item.names))
    return [
        {
            "id": item.id,
            "file": _file(item),
            "sha256": item.sha256,
            "group": item.group,
            **{column: item.names.get(column, "") for column in columns},
            "source": item.said["source"] or options.source,
            "licence": item.said["licence"] or options.licence,
            "tags": item.said["tags"],
            "original": item.file,
        }
        for item in items
    ]


def _document(made: Imported, source: Path, scratch: Path, options: Options) -> dict[str, Any]:
    return {
        "schema": 1,
        "set": made.folder.name,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "from": source.name,
        "software": {"imagery": __version__}
        | {name: version(name) for name in ("pillow", "numpy", "scipy", "resvg-py")},
        "options": asdict(options) | {"ground": f"#{bytes(options.ground).hex()}"},
        "manifest_sha256": _digest(scratch / MANIFEST),
        "groups": dict(Counter(item.group for item in made.items)),
        "target": dict(made.target),
        "pictures": [_told(item) for item in made.items],
        "left_out": [{"file": file, "why": why} for file, why in made.left_out],
        "passed_over": list(made.passed_over),
    }


def _told(item: Item) -> dict[str, Any]:
    told = {
        "id": item.id,
        "name": item.names["name"],
        "group": item.group,
        "original": {"file": item.file, "sha256": item.original_sha256, "is": item.kind},
        "changes": [change for change in item.changes if not change.startswith(_NOTE)],
        "notes": item.notes,
        "box": list(item.box),
        "mean": [round(value, 3) for value in item.mean],
        "sd": [round(value, 3) for value in item.sd],
        "sha256": item.sha256,
    }
    return told if item.off is None else told | {"off": round(item.off, 5)}
