"""What a recipe says of each picture: what it is drawn from, what it must look like, its names.

    id,group,source,source_sha256,pixels,name,name_es,...
    dog,animal,1f415.svg,5fc1...,8080...,dog,perro,...
    text_taxi,text,text:TAXI,,8080...,TAXI,TAXI,...

A person writes id, group, source and name; `complete_recipe` fills empty digests and translations.
"""

import csv
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from task.contract.errors import Fault, FileError, StimulusError
from task.sets.draw import draw, fingerprint, source_sha256

LANGUAGES = ("es", "ja", "ko", "pt", "it", "fr", "de", "fa", "id", "zh", "ru", "tr", "ar")

_TRANSLATIONS = [f"name_{language}" for language in LANGUAGES]
_COLUMNS = ["id", "group", "source", "source_sha256", "pixels", "name", *_TRANSLATIONS]
_FORMS = {
    "id": (r"[a-z0-9]+(_[a-z0-9]+)*", "lower-case letters and digits joined by '_'"),
    "group": (r"[a-z]+", "a lower-case word"),
    "source": (r"[0-9a-f]+(-[0-9a-f]+)*\.svg|text:[A-Z0-9]+", "a graphic (1f415.svg) or text:WORD"),
    "source_sha256": (r"([0-9a-f]{64})?", "64 hexadecimal digits, or empty to be filled"),
    "pixels": (r"([0-9a-f]{384})?", "384 hexadecimal digits, or empty to be filled"),
    "name": (r"\S+( \S+)*", "words with single spaces"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture of a recipe.

    Attributes
    ----------
    id, group : its name in protocols and results, and its category
    source : what it is drawn from: `1f415.svg` or `text:TAXI`
    source_sha256, pixels : digest of the graphic's file and fingerprint of the picture; empty until
        completed (`source_sha256` always for a word)
    names : by manifest column: `name` (English), `name_es`, ...; empty where a language lacks one
    """

    id: str
    group: str
    source: str
    source_sha256: str
    pixels: str
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Recipe:
    """The pictures of a recipe in order, and the digest of its file."""

    entries: Sequence[Entry]
    sha256: str


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises
    ------
    FileError
        With everything that is wrong: no such file, not a table in UTF-8, other columns, cells that
        cannot be what they should, an id, a source or a name that comes twice.
    """
    try:
        content = path.read_bytes()
        table = csv.DictReader(content.decode("utf-8-sig").splitlines(), strict=True)
        rows = list(table)
    except OSError:
        raise FileError([Fault(path, None, "", "there is no recipe here")]) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise FileError([Fault(path, None, "", f"is not a table in UTF-8: {error}")]) from None
    if table.fieldnames != _COLUMNS:
        raise FileError([Fault(path, 1, "", f"the columns must be {','.join(_COLUMNS)}")])
    faults = list(_faults(path, rows))
    if faults:
        raise FileError(faults)
    return Recipe(tuple(map(_entry, rows)), hashlib.sha256(content).hexdigest())


def complete_recipe(path: Path) -> None:
    """Fill the empty digests and translations of a recipe; what is filled stays as it is.

    Translations are the Unicode CLDR names that the package `emoji` carries; a word is its own name
    in every language. To renew a cell, empty it first.

    Raises
    ------
    FileError
        The recipe cannot be read.
    StimulusError
        Graphics that do not exist or are empty, all of them.
    """
    faults: list[str] = []
    rows: list[dict[str, str]] = []
    for entry in read_recipe(path).entries:
        try:
            rows.append(_row(_completed(entry)))
        except StimulusError as error:
            faults.append(f"{path}: {entry.id}: {error}")
    if faults:
        raise StimulusError("\n".join(faults))
    _write(path, rows)


def _faults(path: Path, rows: Sequence[Mapping[str | None, str | None]]) -> Iterator[Fault]:
    seen: set[tuple[str, str]] = set()
    for line, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            yield Fault(path, line, "", f"must have {len(_COLUMNS)} fields like the header")
            continue
        for column, (form, words) in _FORMS.items():
            value = row[column] or ""
            if not re.fullmatch(form, value):
                yield Fault(path, line, column, f"{value!r} must be {words}")
            if column in ("id", "source", "name"):
                if (column, value.casefold()) in seen:
                    yield Fault(path, line, column, f"{value!r} comes twice")
                seen.add((column, value.casefold()))


def _entry(row: Mapping[str, str]) -> Entry:
    return Entry(
        id=row["id"],
        group=row["group"],
        source=row["source"],
        source_sha256=row["source_sha256"],
        pixels=row["pixels"],
        names={column: row[column] for column in ["name", *_TRANSLATIONS]},
    )


def _row(entry: Entry) -> dict[str, str]:
    return {
        "id": entry.id,
        "group": entry.group,
        "source": entry.source,
        "source_sha256": entry.source_sha256,
        "pixels": entry.pixels,
        **entry.names,
    }


def _completed(entry: Entry) -> Entry:
    known = {column: name for column, name in entry.names.items() if name}
    return replace(
        entry,
        source_sha256=entry.source_sha256 or source_sha256(entry.source),
        pixels=entry.pixels or fingerprint(draw(entry.source)),
        names=_translations(entry.source) | known,
    )


def _translations(source: str) -> dict[str, str]:
    if source.startswith("text:"):
        return dict.fromkeys(_TRANSLATIONS, source.removeprefix("text:"))
    named = _cldr_names().get(_bare(source.removesuffix(".svg")), {})
    return {
        f"name_{language}": " ".join(re.split("[:_ ]+", str(named.get(language, "")))).strip()
        for language in LANGUAGES
    }


@cache
def _cldr_names() -> dict[str, dict[str, object]]:
    """Names by the emoji's code points, written as Twemoji writes its file names."""
    import emoji  # only whoever completes a recipe needs it

    emoji.config.load_language()
    full = emoji.STATUS["fully_qualified"]
    return {
        _bare("-".join(f"{ord(c):x}" for c in characters)): data
        for characters, data in emoji.EMOJI_DATA.items()
        if data["status"] == full
    }


def _bare(code_points: str) -> str:
    """Without the variation selector, which file names and tables write or omit as they like."""
    return code_points.replace("-fe0f", "")


def _write(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    partial.replace(path)
