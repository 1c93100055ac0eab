"""Which pictures exist, and that each is the picture it was.

A stimulus set is a folder with `manifest.csv` and the files it names:

    id,file,sha256,group,name,name_es,...
    dog,images/dog.png,9f86d0...,animal,dog,perro,...

`id` is the picture's name in protocols, logs and results; `name` what people call it, in English,
`name_<language>` in others.
"""

import csv
import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from task.contract.errors import StimulusError

MANIFEST = "manifest.csv"
_REQUIRED = ("id", "file", "sha256", "group", "name")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


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
    """

    id: str
    path: Path
    sha256: str
    group: str
    names: Mapping[str, str]


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
        wrong = _wrong(picture, row, folder, pictures)
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
    )


def _wrong(
    picture: Picture, row: Mapping[str, str], folder: Path, known: Mapping[str, Picture]
) -> str | None:
    if not _ID.fullmatch(picture.id):
        return f"id {picture.id!r} is not a plain name (letters, digits, '_', '-', '.')"
    if picture.id in known:
        return f"picture {picture.id!r} is listed twice"
    if None in row or None in row.values():
        return f"picture {picture.id!r}: the row has not as many fields as the header"
    fault = _file_fault(picture, row["file"], folder)
    return f"picture {picture.id!r}: {fault}" if fault else None


def _file_fault(picture: Picture, file: str, folder: Path) -> str | None:
    parts = PurePosixPath(file)
    if parts.is_absolute() or ".." in parts.parts or "\\" in file or ":" in file:
        return f"file {file!r} lies outside the set's folder"
    try:
        digest = hashlib.sha256(picture.path.read_bytes()).hexdigest()
    except (OSError, ValueError):  # a name that no file can have
        return f"file {file!r} is missing"
    if digest != picture.sha256:
        return f"file {file!r} has changed since the set was made; build or import the set again"
    return None
