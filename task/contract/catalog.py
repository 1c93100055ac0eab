"""Which pictures exist, and that each is the picture it was.

A stimulus set is a folder with `manifest.csv` and the files it names:

    id,file,sha256,group,name,name_es,...
    dog,images/dog.png,9f86d0...,animal,dog,perro,...

`id` is the picture's name in protocols, logs and results; `name` what people call it, in English,
`name_<language>` in others.  A column `tags` may hold words, divided by spaces, by which protocols
can choose pictures too; `source` and `licence` where pictures come from, and on what terms.
"""

import csv
import hashlib
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from task.contract.errors import StimulusError

MANIFEST = "manifest.csv"
_REQUIRED = ("id", "file", "sha256", "group", "name")
ID_FORM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a set.

    Attributes
    ----------
    id : its name in protocols, logs and results
    path : its file
    sha256 : digest of the file
    group : its category
    names : what people call it, by language (`en` always there)
    tags : words by which it can be chosen, besides its group
    source, licence : where it comes from and on what terms; empty where the set does not say
    """

    id: str
    path: Path
    sha256: str
    group: str
    names: Mapping[str, str]
    tags: tuple[str, ...] = ()
    source: str = ""
    licence: str = ""


@dataclass(frozen=True, slots=True)
class Catalog:
    """A stimulus set.

    Attributes
    ----------
    name : the set's name
    pictures : by id, in the order of the manifest
    sha256 : digest of the manifest, and so of every picture
    """

    name: str
    pictures: Mapping[str, Picture]
    sha256: str


def read_catalog(folder: Path) -> Catalog:
    """Read a stimulus set and verify every file.

    Raises
    ------
    StimulusError
        With everything that is wrong: a manifest that is missing or misses columns, ids that are
        not plain names or come twice, paths that leave the folder, files missing or changed.
    """
    return _read(folder, _file_fault)


def list_catalog(folder: Path) -> Catalog:
    """What a stimulus set says it holds; none of its pictures is opened.

    Raises
    ------
    StimulusError
        As `read_catalog`, but for files that are missing or changed.
    """
    return _read(folder, _path_fault)


def _read(folder: Path, file_fault: Callable[[Picture, str, Path], str | None]) -> Catalog:
    manifest = folder / MANIFEST
    try:
        text = manifest.read_bytes()
    except OSError:
        raise StimulusError(f"{folder}: no {MANIFEST} here; a stimulus set needs one") from None
    try:
        table = csv.DictReader(io.StringIO(text.decode("utf-8-sig"), newline=""), strict=True)
        rows = [(table.line_num, row) for row in table]
    except (csv.Error, UnicodeDecodeError) as error:
        raise StimulusError(f"{manifest}: is not a table in UTF-8: {error}") from None
    absent = [c for c in _REQUIRED if c not in (table.fieldnames or ())]
    if absent or not rows:
        raise StimulusError(
            f"{manifest}: {'has no column ' + ', '.join(absent) if absent else 'has no rows'};"
            f" needed are {', '.join(_REQUIRED)}"
        )
    faults: list[str] = []
    pictures: dict[str, Picture] = {}
    for line, row in rows:
        picture = _picture(folder, row)
        wrong = _wrong(picture, row, pictures) or file_fault(picture, row["file"], folder)
        if wrong:
            faults.append(f"{manifest}:{line}: {wrong}")
        else:
            pictures[picture.id] = picture
    if faults:
        raise StimulusError("\n".join(faults))
    return Catalog(folder.name, pictures, hashlib.sha256(text).hexdigest())


def write_manifest(folder: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Write the manifest of a set, the required columns first, whole or not at all."""
    columns = list(_REQUIRED) + [c for c in rows[0] if c not in _REQUIRED]
    partial = folder / f"{MANIFEST}.partial"
    with partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)
    partial.replace(folder / MANIFEST)


def _picture(folder: Path, row: Mapping[str, str]) -> Picture:
    names = {"en": row["name"] or ""}
    names |= {
        c.removeprefix("name_"): n for c, n in row.items() if c and c.startswith("name_") and n
    }
    return Picture(
        row["id"] or "",
        folder / (row["file"] or ""),
        row["sha256"] or "",
        row["group"] or "",
        names,
        tuple((row.get("tags") or "").split()),
        row.get("source") or "",
        row.get("licence") or "",
    )


def _wrong(picture: Picture, row: Mapping[str, str], known: Mapping[str, Picture]) -> str | None:
    if not ID_FORM.fullmatch(picture.id):
        return f"id {picture.id!r} is not a plain name (letters, digits, '_', '-', '.')"
    if picture.id in known:
        return f"picture {picture.id!r} is listed twice"
    if None in row or None in row.values():
        return f"picture {picture.id!r}: the row has not as many fields as the header"
    return None


def _path_fault(picture: Picture, file: str, _folder: Path) -> str | None:
    parts = PurePosixPath(file)
    if parts.is_absolute() or ".." in parts.parts or "\\" in file or ":" in file:
        return f"picture {picture.id!r}: file {file!r} lies outside the set's folder"
    return None


def _file_fault(picture: Picture, file: str, folder: Path) -> str | None:
    outside = _path_fault(picture, file, folder)
    if outside:
        return outside
    try:
        digest = hashlib.sha256(picture.path.read_bytes()).hexdigest()
    except (OSError, ValueError):  # a name that no file can have
        return f"picture {picture.id!r}: file {file!r} is missing"
    if digest != picture.sha256:
        return (
            f"picture {picture.id!r}: file {file!r} has changed since the set was made;"
            " build or import the set again"
        )
    return None
