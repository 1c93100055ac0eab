"""Tables of pictures beside a protocol: CSV files, one picture a row.

    id,word,sound
    dog,the old dog,words/dog.wav
    banana,,

Where a protocol lists pictures it may name such a file instead.  `id` is the picture, as in a list;
`word` and `sound` are its cues in imagery, where they are given.  Other columns are the user's own.
Commas, semicolons and tabs all divide columns, for spreadsheets write each of them.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from task.contract.catalog import MANIFEST
from task.contract.errors import Fault
from task.contract.settings import LARGEST_BYTES, did_you_mean

SUFFIXES = (".csv", ".tsv")
DIVIDERS = ",;\t"
CUES = ("word", "sound")


@dataclass(frozen=True, slots=True)
class ItemTable:
    """A table of pictures as it was read.

    Attributes
    ----------
    name : its path, relative to the protocol
    file, data : where it lies, and its bytes
    rows : column -> text, empty cells left out
    lines : of the file, of each row
    """

    name: str
    file: Path
    data: bytes
    rows: tuple[Mapping[str, str], ...]
    lines: tuple[int, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """The pictures, in order."""
        return tuple(row["id"] for row in self.rows)

    def cues(self, column: str) -> dict[str, str]:
        """Picture -> word or sound, where one is given."""
        return {row["id"]: row[column] for row in self.rows if column in row}


def is_table(name: object) -> bool:
    """Whether what stands in place of a list is the name of a table."""
    return isinstance(name, str) and name.lower().endswith(SUFFIXES)


def read_table(folder: Path, name: str, faults: list[Fault]) -> ItemTable | None:
    """Read a table; what is wrong with it is added to the faults.

    Parameters
    ----------
    folder : of the protocol
    name : relative to it
    """
    file = folder / PurePosixPath(name)
    data, text = _text(file, faults)
    if text is None:
        return None
    header, _, _ = text.partition("\n")
    divider = max(DIVIDERS, key=header.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=divider, strict=True)
    try:
        columns = [column.strip() for column in reader.fieldnames or ()]
        reader.fieldnames = columns
        found = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        faults.append(Fault(file, reader.line_num, "", f"is not a table: {error}"))
        return None
    wrong = list(_wrong_columns(file, columns))
    rows = [(line, {c: v.strip() for c, v in row.items() if c and v and v.strip()})
            for line, row in found if None not in row]  # fmt: skip
    wrong += [Fault(file, line, "", f"has more cells than the {len(columns)} columns of the header")
              for line, row in found if None in row]  # fmt: skip
    rows = [(line, row) for line, row in rows if row]
    if not wrong:
        wrong = list(_wrong_rows(file, rows))
    faults += wrong
    if wrong:
        return None
    lines, values = zip(*rows, strict=True)
    return ItemTable(name, file, data, values, lines)


def _text(file: Path, faults: list[Fault]) -> tuple[bytes, str | None]:
    if file.name.casefold() == MANIFEST:
        what = "cannot be called so: a session keeps its picture set's list under this name"
        faults.append(Fault(file, None, "", what))
        return b"", None
    try:
        if file.stat().st_size > LARGEST_BYTES:
            what = "is larger than 1 MB: is this the right file?"
            faults.append(Fault(file, None, "", what))
            return b"", None
        data = file.read_bytes()
        return data, data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except OSError as error:
        faults.append(Fault(file, None, "", f"cannot be read: {error.strerror}"))
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        what = 'is not UTF-8 text; in a spreadsheet, save it as "CSV UTF-8"'
        faults.append(Fault(file, line, "", what))
    return b"", None


def _wrong_columns(file: Path, columns: list[str]) -> Iterator[Fault]:
    known = ("id", *CUES)
    if "id" not in columns:
        near = next((c for c in columns if did_you_mean(c.lower(), ["id"])), "")
        meant = f" ({near!r} should be called 'id')" if near else ""
        yield Fault(file, 1, "", f"has no column 'id'{meant}; the pictures are listed under it")
    for column in columns:
        if column not in known and (hint := did_you_mean(column.lower(), CUES)):
            yield Fault(file, 1, column, f"is no column that is read{hint}")
        if column in known and columns.count(column) > 1:
            yield Fault(file, 1, column, "is there twice")


def _wrong_rows(file: Path, rows: list[tuple[int, dict[str, str]]]) -> Iterator[Fault]:
    if not rows:
        yield Fault(file, None, "", "has no rows")
    first: dict[str, int] = {}
    for line, row in rows:
        if "id" not in row:
            yield Fault(file, line, "id", "is empty; say which picture")
        elif row["id"] in first:
            what = f"{row['id']!r} is in line {first[row['id']]} too; name each once"
            yield Fault(file, line, "id", what)
        else:
            first[row["id"]] = line
