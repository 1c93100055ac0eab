"""Files that people edit: read as TOML, with the line of every key.

`tomllib` says where a file stops being TOML, but not where a value stood that turned out to be
wrong.  The lines are found by giving `tomllib` the file again, statement by statement: it stays the
only judge of what TOML is.

What a file may say is a pydantic model; this module turns every way a file departs from its model
into one sentence with file, line, key, and what would be right.  (The only module of the contract
that needs a library: protocols, rigs and studies lie on both sides of it.)
"""

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from task.contract.errors import Fault, FileError

KeyPath = tuple[str | int, ...]
LARGEST_BYTES = 1_000_000
_TOO_DEEP = "is nested too deeply, or holds a number too long, to be a settings file"
_Model = TypeVar("_Model", bound=BaseModel)


class Table(BaseModel):
    """A TOML table: unknown keys are refused, types are not guessed, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


@dataclass(frozen=True, slots=True)
class Settings:
    """A TOML file read: its values, the line on which each key stands, and its bytes."""

    file: Path
    values: Mapping[str, Any]
    lines: Mapping[KeyPath, int]
    data: bytes = b""

    def line_of(self, path: KeyPath) -> int | None:
        """Line of a key, or of the nearest table or array around it."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[:-1]
        return None

    def fault(self, path: KeyPath, what: str) -> Fault:
        """A fault at a key of this file."""
        return Fault(self.file, self.line_of(path), dotted(path), what)


def read_settings(path: Path) -> Settings:
    """Read a TOML file.

    Raises
    ------
    FileError
        If there is no such file, it is no UTF-8 text, or it is not TOML.
    """
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise FileError([Fault(path, None, "", "is larger than 1 MB: is this the right file?")])
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise FileError([Fault(path, None, "", f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise FileError(
            [Fault(path, line, "", "is not UTF-8 text; save the file with encoding UTF-8")]
        ) from None
    text = text.replace("\r\n", "\n")
    try:
        return Settings(path, tomllib.loads(text), _lines(text), data)
    except ValueError as error:  # not TOML, or a number of thousands of digits
        raise FileError([_syntax_fault(path, str(error))]) from None
    except RecursionError:
        raise FileError([Fault(path, None, "", _TOO_DEEP)]) from None


def parse(settings: Settings, model: type[_Model]) -> _Model:
    """The values of a file as its model.

    Raises
    ------
    FileError
        With everything that is wrong, in the order of the file.
    """
    try:
        text = json.dumps(settings.values, default=str)
    except (RecursionError, ValueError):
        raise FileError([Fault(settings.file, None, "", _TOO_DEEP)]) from None
    try:
        # Arrays of TOML are lists, those of a frozen model tuples: strict in types, not in that.
        return model.model_validate_json(text)
    except ValidationError as error:
        found = [detail for detail in error.errors() if not _follows_from_another(detail)]
        faults = [_fault(settings, model, detail) for detail in found]
        raise FileError(sorted(faults, key=lambda fault: fault.line or 0)) from None


def _follows_from_another(detail: Any) -> bool:
    """Whether a list is called too short only because something in it is wrong."""
    return bool(
        detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]
    )


def _fault(settings: Settings, model: type[BaseModel], detail: Any) -> Fault:
    path: KeyPath = tuple(part for part in detail["loc"] if part != "[key]")
    kind, given = detail["type"], detail.get("input")
    if kind == "extra_forbidden":
        known = _fields_at(model, path[:-1])
        hint = did_you_mean(str(path[-1]), known) or f"; known here: {', '.join(known)}"
        return settings.fault(path, f"no such setting{hint}")
    field = _fields_at(model, path[:-1]).get(str(path[-1])) if path else None
    meaning = f"; it is: {field.description}" if field and field.description else ""
    if kind == "missing":
        return settings.fault(path, f"is missing{meaning}")
    if kind == "value_error":
        return settings.fault(path, detail["msg"].removeprefix("Value error, "))
    said = _PLAIN.get(kind, detail["msg"].removeprefix("Input "))
    if kind == "too_short" and given:
        said = f"should have at least {detail['ctx']['min_length']}"
    return settings.fault(path, f"{said[:1].lower()}{said[1:]}, not {_short(given)}{meaning}")


# What people call the types of TOML, where pydantic names those of Python or JSON.
_PLAIN = {
    "bool_type": "should be true or false",
    "dict_type": "should be a table",
    "float_type": "should be a number",
    "int_type": "should be a whole number",
    "model_type": "should be a table",
    "string_type": "should be a text in quotes",
    "too_short": "should not be empty",
    "tuple_type": "should be a list in brackets",
}


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _fields_at(model: type[BaseModel], path: Sequence[Any]) -> dict[str, Any]:
    """The fields that the table at `path` may have, by name."""
    for part in path:
        field = model.model_fields.get(str(part))
        inner = _model_in(field.annotation) if field else None
        model = inner or model
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in get_args(annotation):
        if found := _model_in(inner):
            return found
    return None


def dotted(path: Sequence[str | int]) -> str:
    """A key path as people write it: `blocks[2].image_s`."""
    said = ""
    for part in path:
        if isinstance(part, int):
            said += f"[{part + 1}]"
        else:
            said += f".{part}" if said else part
    return said


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)`, or nothing where no known word is near."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _syntax_fault(path: Path, message: str) -> Fault:
    what, _, where = message.rpartition(" (at ")
    line = where.removeprefix("line ").partition(",")[0]
    if not line.isdigit():
        return Fault(path, None, "", f"is not TOML: {message}")
    column = where.partition("column ")[2].rstrip(")")
    if what == "Cannot overwrite a value":
        what = "this key was given before; give it once"
    return Fault(path, int(line), "", f"column {column}: is not TOML: {what}")


def _lines(text: str) -> dict[KeyPath, int]:
    """Line on which the statement of every key begins; of an implied table, its first mention."""
    lines: dict[KeyPath, int] = {}
    table: KeyPath = ()
    counts: dict[KeyPath, int] = {}
    for number, statement in _statements(text):
        parsed = tomllib.loads(statement)
        if statement.lstrip().startswith("["):
            table = _in_arrays(tuple(_first_path(parsed)), counts)
            if statement.lstrip().startswith("[["):
                position = counts.get(table, -1) + 1
                counts[table] = position
                table = (*table, position)
            for depth in range(1, len(table)):
                lines.setdefault(table[:depth], number)
            lines[table] = number
        else:
            for path in _all_paths(parsed):
                lines.setdefault((*table, *path), number)
    return lines


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Number of its first line, and text, of every header and assignment."""
    depth, start, line = 0, 0, 1
    for token in _TOKEN.finditer(text + "\n"):
        if token[0] in "[{":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
        elif token[0] == "\n" and depth == 0:
            statement = text[start : token.start()]
            if statement.strip() and not statement.lstrip().startswith("#"):
                yield line, statement
            start = token.end()
            line += statement.count("\n") + 1


# What may hold a bracket or a line end that does not count (strings, comments), and those that do.
_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})'
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|#[^\n]*|[\[\]{}]|\n",
    re.DOTALL,
)


def _first_path(parsed: Any) -> Iterator[str]:
    while isinstance(parsed, (dict, list)) and parsed:
        if isinstance(parsed, list):
            parsed = parsed[0]
            continue
        key, parsed = next(iter(parsed.items()))
        yield key


def _in_arrays(path: KeyPath, counts: Mapping[KeyPath, int]) -> KeyPath:
    """A header's path, with the position of each array of tables that it lies in."""
    full: KeyPath = ()
    for depth, part in enumerate(path):
        full = (*full, part)
        if full in counts and depth < len(path) - 1:
            full = (*full, counts[full])
    return full


def _all_paths(parsed: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    if path:
        yield path
    if isinstance(parsed, dict):
        for key, value in parsed.items():
            yield from _all_paths(value, (*path, key))
    elif isinstance(parsed, list):
        for position, value in enumerate(parsed):
            if isinstance(value, dict):
                yield from _all_paths(value, (*path, position))
