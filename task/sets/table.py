"""A table of pictures, as a person or a published set writes it: CSV or TSV, one row a picture.

    file,id,group,name,name_es,licence,source,tags

Only `file` must be there. A table with other headings is read by saying which heading means what.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from task.contract.catalog import ID_FORM
from task.contract.errors import Fault, FileError
from task.contract.settings import did_you_mean

KNOWN = ("file", "id", "group", "name", "licence", "source", "tags")
_LANGUAGE = re.compile(r"name_[a-z]{2}")


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a table, by the columns known here, each with its line; and headings not used."""

    path: Path
    rows: Sequence[tuple[int, Mapping[str, str]]]
    unused: Sequence[str]

    def fault(self, line: int | None, key: str, what: str) -> Fault:
        """Something wrong in a line of it."""
        return Fault(self.path, line, key, what)


def read_table(path: Path, columns: Mapping[str, str]) -> Table:
    """Read a table of pictures.

    Parameters
    ----------
    path : the file, in UTF-8; cells divided by tabs, commas or semicolons
    columns : headings of the table for columns known here, as `{"group": "CATEGORY"}`

    Raises
    ------
    FileError
        With everything that is wrong: no table in UTF-8, headings that are not there or come twice,
        rows of another length, ids that are not plain or come twice, a picture listed twice.
    """
    text = _text(path)
    header, rows = _cells(path, text)
    chosen, faults = _chosen(path, header, columns)
    if faults:
        raise FileError(faults)
    named = []
    for line, cells in rows:
        if len(cells) != len(header):
            what = f"has {len(cells)} cells, the headings are {len(header)}"
            faults.append(Fault(path, line, "", what))
        else:
            named.append((line, {name: cells[at].strip() for name, at in chosen.items()}))
    faults += _faults(path, named)
    if not named and not faults:
        faults.append(Fault(path, None, "", "has no rows"))
    if faults:
        raise FileError(sorted(faults, key=lambda fault: fault.line or 0))
    unused = [name for at, name in enumerate(header) if at not in chosen.values() and name]
    return Table(path, named, unused)


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise FileError([Fault(path, None, "", f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError:
        what = "is not in UTF-8; save it as 'CSV UTF-8'"
        raise FileError([Fault(path, None, "", what)]) from None


def _cells(path: Path, text: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    first = text.partition("\n")[0]
    divider = max("\t;,", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=divider, strict=True)
    try:
        rows = [(reader.line_num, cells) for cells in reader if any(map(str.strip, cells))]
    except csv.Error as error:
        raise FileError([Fault(path, reader.line_num, "", f"is no table: {error}")]) from None
    if not rows:
        raise FileError([Fault(path, None, "", "is empty; the first line holds headings")])
    return [name.strip() for name in rows[0][1]], rows[1:]


def _chosen(
    path: Path, header: Sequence[str], columns: Mapping[str, str]
) -> tuple[dict[str, int], list[Fault]]:
    """Where the columns known here stand in the table; capitals do not matter."""
    faults = []
    places = {name.casefold(): at for at, name in enumerate(header)}
    twice = [name for name, n in Counter(n.casefold() for n in header if n).items() if n > 1]
    chosen = {name: at for name, at in places.items() if _known(name)}
    for name, heading in columns.items():
        if not _known(name):
            what = f"no column {name!r} is known{did_you_mean(name, KNOWN)}; {_all_known()}"
            faults.append(Fault(path, None, "", what))
        elif heading.casefold() not in places:
            hint = did_you_mean(heading, header) or f"; {_has(header)}"
            faults.append(Fault(path, 1, "", f"has no column {heading!r}{hint}"))
        else:
            chosen[name] = places[heading.casefold()]
    if "file" not in chosen and not faults:
        what = f"has no column file; say which is it: --column file=HEADING; {_has(header)}"
        faults.append(Fault(path, 1, "", what))
    faults += [
        Fault(path, 1, "", f"has two columns {name!r}")
        for name in twice
        if places[name] in chosen.values()
    ]
    return chosen, faults


def _has(header: Sequence[str]) -> str:
    more = " ..." if len(header) > 12 else ""
    return f"it has {', '.join(header[:12])}{more}"


def _known(name: str) -> bool:
    return name in KNOWN or bool(_LANGUAGE.fullmatch(name))


def _all_known() -> str:
    return f"known are {', '.join(KNOWN)} and name_es, name_de ..."


def _faults(path: Path, rows: Sequence[tuple[int, Mapping[str, str]]]) -> Iterator[Fault]:
    files: dict[str, int] = {}
    ids: dict[str, int] = {}
    for line, row in rows:
        file, id_ = row["file"], row.get("id", "")
        if not file:
            yield Fault(path, line, "file", "is empty")
        elif file in files:
            yield Fault(path, line, "file", f"{file!r} is in line {files[file]} already")
        if id_ and not ID_FORM.fullmatch(id_):
            what = f"{id_!r} is not a plain name (letters, digits, '_', '-', '.')"
            yield Fault(path, line, "id", what)
        elif id_ and id_.casefold() in ids:
            yield Fault(path, line, "id", f"{id_!r} is in line {ids[id_.casefold()]} already")
        files.setdefault(file, line)
        if id_:
            ids.setdefault(id_.casefold(), line)
