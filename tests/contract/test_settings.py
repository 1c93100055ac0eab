"""Files that people edit: every key's line, every fault in words, no way to crash the reader."""

import time
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, PositiveInt, model_validator

from task.contract.errors import FileError
from task.contract.settings import (
    KeyPath,
    Settings,
    Table,
    did_you_mean,
    dotted,
    parse,
    read_settings,
)

Write = Callable[[str | bytes], Path]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "protocol.toml"


@pytest.fixture
def write(file: Path) -> Write:
    def written(text: str | bytes) -> Path:
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    return written


def said(error: pytest.ExceptionInfo[FileError], file: Path) -> list[str]:
    """The lines of the message, without the folder."""
    return str(error.value).replace(f"{file.parent}/", "").splitlines()


# Lines ---------------------------------------------------------------------------------------


# Values whose inside looks like TOML, over one line and over several.
VALUES = (
    "1",
    "-0.5e3",
    "true",
    "2026-03-14T10:00:00Z",
    '"plain"',
    '"# no comment [no.table] = \\" \\\\"',
    "'C:\\folder # [x]'",
    '""',
    "''",
    '"""\nfirst = 1\n[second]\n# third\n"""',
    '"""two quotes "" and one " at the end""""',
    '"""an escaped \\""" inside\n, a trailing \\\n   break"""',
    '""""""',
    "'''\n[[x]] \"\"\" ''\n'''",
    "'''''two at the end'''''",
    "[]",
    '[1, 2, ["]", "["]]',
    '[ # a comment ]\n  "a", # "b"\n\n  "[c]",\n]',
    "[\n  [1,\n 2],\n]",
)
NOISE = ("", "   ", "\t# tab", "# a comment = 1 [no] \"\"\" '''", "#")
KEYS = ("a", "image_s", "b-1", "7", '"q.uoted"', "'li#teral'", '"[x]"', '"\\u00e9"', '""')


def key_named(text: str) -> str:
    return next(iter(tomllib.loads(f"{text} = 1")))


class Text:
    """A TOML file in the making; knows on which line each key was written."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self.lines: list[str] = []
        self.expected: dict[KeyPath, int] = {}

    def assignments(self, table: KeyPath) -> None:
        """Some keys, plain, with inline tables, or dotted."""
        for key in self._draw(st.lists(st.sampled_from(KEYS), max_size=3, unique_by=key_named)):
            self.noise()
            path = (*table, key_named(key))
            kind = self._draw(st.sampled_from(("value", "inline", "dotted")))
            if kind == "value":
                self.add(f"{key} = {self._draw(st.sampled_from(VALUES))}", path)
            elif kind == "inline":
                self.add(f" {key}={{ in = [1, 2] }}", path, (*path, "in"))
            else:
                self.add(f"{key}.x = 1", path, (*path, "x"))
                self.add(f"{key} . 'y' = 'one'", (*path, "y"))

    def table(self, *path: str | int, brackets: int) -> None:
        """A header, and what stands under it."""
        self.noise()
        names = ".".join(part for part in path if isinstance(part, str))
        self.add(f"{'[' * brackets}{names}{']' * brackets}", path)
        self.assignments(path)

    def add(self, statement: str, *paths: KeyPath) -> None:
        for path in paths:
            self.expected[path] = len(self.lines) + 1
        after = self._draw(st.sampled_from(("", "  # why = [", "\t")))
        self.lines += f"{statement}{after}".split("\n")

    def noise(self) -> None:
        self.lines += self._draw(st.lists(st.sampled_from(NOISE), max_size=2))


@st.composite
def texts(draw: st.DrawFn) -> Text:
    """Tables, nested tables and arrays of tables with such values, comments between them."""
    text = Text(draw)
    text.assignments(())
    for name in ("one", "two", "three")[: draw(st.integers(0, 3))]:
        if draw(st.booleans()):
            text.table(name, brackets=1)
            continue
        for position in range(draw(st.integers(1, 3))):
            text.table(name, position, brackets=2)
            if draw(st.booleans()):
                text.table(name, position, "part", brackets=1)
            for deeper in range(draw(st.integers(0, 2))):
                text.table(name, position, "many", deeper, brackets=2)
    return text


def read_text(file: Path, text: str | bytes) -> Settings:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_settings(file)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("settings") / "generated.toml"


@given(text=texts(), line_end=st.sampled_from(("\n", "\r\n")), bom=st.sampled_from(("", "\ufeff")))
def test_every_key_is_found_on_the_line_where_it_was_written(
    text: Text, line_end: str, bom: str, scratch: Path
) -> None:
    written = line_end.join(text.lines)
    settings = read_text(scratch, bom + written)
    assert settings.values == tomllib.loads(written)
    found = {path: settings.line_of(path) for path in text.expected}
    assert found == text.expected


toml_values = st.recursive(
    st.integers(-99, 99) | st.text("ab #[]{}=\"'\n\\.é", max_size=8) | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab.#é", max_size=3), inner)
    ),
    max_leaves=8,
)


@given(values=st.dictionaries(st.text("abc .#[é", min_size=1, max_size=4), toml_values, max_size=5))
def test_values_and_lines_agree_with_another_writer_of_toml(
    values: dict[str, Any], scratch: Path
) -> None:
    text = tomlkit.dumps(values)
    settings = read_text(scratch, text)
    assert settings.values == values
    for key in values:
        line = settings.line_of((key,))
        if line is None:  # an array of no tables is written as nothing
            assert values[key] in ([], {})
            continue
        statement = text.splitlines(keepends=True)[line - 1]
        start = statement.strip().strip("[]")
        assert start.startswith((tomlkit.key(key).as_string(), f'"{key}"', key))


def test_a_key_inside_an_array_has_the_line_of_what_is_nearest_around_it(write: Write) -> None:
    settings = read_settings(write('x = 1\nitems = [\n  "dog",\n  "cat",\n]\n[table]\n'))
    assert settings.line_of(("items", 1)) == 2
    assert settings.line_of(("table", "absent")) == 6
    assert settings.line_of(("nothing", "known")) is None


def test_a_table_that_is_only_implied_has_the_line_that_first_mentions_it(write: Write) -> None:
    settings = read_settings(write("[a.b]\nx = 1\n[a.c]\ny.z = 1\ny.w = 2\n"))
    assert settings.line_of(("a",)) == 1
    assert settings.line_of(("a", "c", "y")) == 4


def test_a_table_declared_after_its_part_has_the_line_of_its_own_header(write: Write) -> None:
    assert read_settings(write("[a.b]\n[a]\nx = 1\n")).line_of(("a",)) == 2


# What cannot be read -------------------------------------------------------------------------


def test_a_missing_file_is_one_sentence(file: Path) -> None:
    with pytest.raises(FileError) as error:
        read_settings(file)
    assert said(error, file) == ["protocol.toml: cannot be read: No such file or directory"]


def test_a_folder_is_no_file(file: Path) -> None:
    file.mkdir()
    with pytest.raises(FileError, match="cannot be read: "):
        read_settings(file)


def test_a_file_that_is_no_text_is_refused_with_the_line(write: Write, file: Path) -> None:
    with pytest.raises(FileError) as error:
        read_settings(write(b"\xef\xbb\xbfa = 1\nb = 2\n\xffc = 3\n"))
    assert said(error, file) == [
        "protocol.toml:3: is not UTF-8 text; save the file with encoding UTF-8"
    ]


def test_a_huge_file_is_not_read(write: Write, file: Path) -> None:
    with pytest.raises(FileError) as error:
        read_settings(write(b"#" * 1_000_001))
    assert said(error, file) == ["protocol.toml: is larger than 1 MB: is this the right file?"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = 1\nb =\n", ":2: column 4: is not TOML: Invalid value"),
        ("[t\n", ":1: column 3: is not TOML: Expected ']' at the end of a table declaration"),
        ("a = 'x", ': is not TOML: Expected "\'" (at end of document)'),
        (
            "a = 1\na = 2\n",
            ":2: column 6: is not TOML: this key was given before; give it once",
        ),
        ("[t]\n[t]\n", ":2: column 3: is not TOML: Cannot declare ('t',) twice"),
        ("a = [1,\n", ": is not TOML: "),
        ("a = " + "9" * 5000, ": is not TOML: "),
    ],
)
def test_a_syntax_fault_names_line_and_column(
    text: str, message: str, write: Write, file: Path
) -> None:
    with pytest.raises(FileError) as error:
        read_settings(write(text))
    assert said(error, file)[0].startswith(f"protocol.toml{message}")


class Anything(Table):
    """A model with a place for anything."""

    a: Any = None


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 5000 + "]" * 5000,
        "a = " + "{a = " * 2000 + "1" + "}" * 2000,
        "a" + ".a" * 3000 + " = 1",
        "[a" + ".a" * 3000 + "]",
        "a = 0x" + "f" * 9000,
    ],
)
def test_values_too_deep_or_too_long_are_refused_in_words(
    text: str, write: Write, file: Path
) -> None:
    with pytest.raises(FileError) as error:
        parse(read_settings(write(text)), Anything)
    assert said(error, file) == [
        "protocol.toml: is nested too deeply, or holds a number too long, to be a settings file"
    ]


SOUND = b"""\xef\xbb\xbf# A study\r
name = "x"
[[session]]
log = '''a
b'''
where = {a.b = 1, c = [1, 2,
  3]} # why
[session.more]
"quoted.key" = "\\u00e9" # [no]
[[session]]
"""


class Where(Table):
    b: Literal[1] = 1


class Session(Table):
    log: str
    where: dict[str, Any] = Field({})
    more: dict[str, str] = Field({})


class Study(Table):
    name: str
    session: Annotated[tuple[Session, ...], Field(min_length=1)]


edits = st.tuples(st.integers(0, len(SOUND)), st.integers(0, 6), st.binary(max_size=6))
toml_ish = st.sampled_from([*b"[]{}=\"'#.,\n\r\\ ", *b"ab01"]).map(lambda byte: bytes((byte,)))


def assert_read_or_refused(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    try:
        parse(read_settings(file), Study)
    except FileError as error:
        for fault in error.faults:
            assert fault.what and "\n" not in str(fault)
            assert fault.line is None or 1 <= fault.line <= data.count(b"\n") + 1


@given(changes=st.lists(edits, max_size=4))
def test_a_damaged_file_is_read_or_refused_in_words(
    changes: list[tuple[int, int, bytes]], scratch: Path
) -> None:
    data = SOUND
    for start, length, put in changes:
        data = data[:start] + put + data[start + length :]
    assert_read_or_refused(scratch, data)


@given(data=st.lists(toml_ish, max_size=60).map(b"".join))
def test_whatever_looks_like_toml_is_read_or_refused_in_words(data: bytes, scratch: Path) -> None:
    assert_read_or_refused(scratch, data)


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"key_{n} = 1\n" for n in range(70_000)),
        'a = """' + "x\n" * 490_000 + '"""\n',
        "a = [" + "1,\n" * 300_000 + "]\n",
        "# \"'[\n" * 160_000,
    ],
    ids=["many keys", "a long string", "a long array", "many comments"],
)
def test_a_large_file_takes_seconds_not_minutes(text: str, write: Write) -> None:
    path = write(text)
    began_s = time.process_time()
    read_settings(path)
    assert time.process_time() - began_s < 10  # about 1 s; a quadratic step would take minutes


# Faults --------------------------------------------------------------------------------------


class Look(Table):
    width_deg: Annotated[float, Field(gt=0, le=60)] = Field(6.5, description="width, degrees")
    fixation: bool = True


class Model(Table):
    """One of everything that our files hold."""

    schema_version: Literal[1] = Field(1, alias="schema", description="version of this format")
    name: Annotated[str, Field(pattern="^[a-z]+$")] = Field(description="letters")
    repeats: Annotated[int, Field(ge=1)] = Field(4, description="how often")
    after: PositiveInt | None = None
    look: Look = Look()
    items: Annotated[tuple[str, ...], Field(min_length=1)] = ("a",)
    pair: Annotated[tuple[Literal["x", "y"], ...], Field(min_length=2)] = ("x", "y")
    words: dict[str, str] = Field({}, description="cue words")
    blocks: tuple[Look, ...] = ()

    @model_validator(mode="after")
    def _words(self) -> "Model":
        if set(self.words) - set(self.items):
            raise ValueError("words: not among the items")
        return self


def faults_of(text: str, write: Write, file: Path) -> list[str]:
    with pytest.raises(FileError) as error:
        parse(read_settings(write(text)), Model)
    return [line.removeprefix("protocol.toml") for line in said(error, file)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nme = 'a'\nname = 'a'", ":1: nme: no such setting (did you mean 'name'?)"),
        ("name = 'a'\nschemas = 1", ":2: schemas: no such setting (did you mean 'schema'?)"),
        (
            "name = 'a'\nschema_version = 1",
            ":2: schema_version: no such setting (did you mean 'schema'?)",
        ),
        (
            "name = 'a'\n[look]\nzzz = 1",
            ":3: look.zzz: no such setting; known here: width_deg, fixation",
        ),
        (
            "name = 'a'\n[[blocks]]\n[[blocks]]\nfixaton = true",
            ":4: blocks[2].fixaton: no such setting (did you mean 'fixation'?)",
        ),
        ("repeats = 4", ": name: is missing; it is: letters"),
        ("name = 5", ":1: name: should be a text in quotes, not 5; it is: letters"),
        (
            "name = 'A'",
            ":1: name: string should match pattern '^[a-z]+$', not \"A\"; it is: letters",
        ),
        (
            "name = 'a'\nrepeats = 4.0",
            ":2: repeats: should be a whole number, not 4.0; it is: how often",
        ),
        (
            "name = 'a'\nrepeats = true",
            ":2: repeats: should be a whole number, not true; it is: how often",
        ),
        (
            "name = 'a'\nrepeats = 0",
            ":2: repeats: should be greater than or equal to 1, not 0; it is: how often",
        ),
        (
            "name = 'a'\n[look]\nwidth_deg = '6'",
            ':3: look.width_deg: should be a number, not "6"; it is: width, degrees',
        ),
        (
            "name = 'a'\n[look]\nwidth_deg = nan",
            ":3: look.width_deg: should be less than or equal to 60, not NaN;"
            " it is: width, degrees",
        ),
        ("name = 'a'\nlook.fixation = 1", ":2: look.fixation: should be true or false, not 1"),
        ("name = 'a'\nlook = 1", ":2: look: should be a table, not 1"),
        ("name = 'a'\nwords = 1", ":2: words: should be a table, not 1; it is: cue words"),
        ("name = 'a'\nitems = 'a'", ':2: items: should be a list in brackets, not "a"'),
        ("name = 'a'\nitems = []", ":2: items: should not be empty, not []"),
        ("name = 'a'\npair = ['x']", ':2: pair: should have at least 2, not ["x"]'),
        ("name = 'a'\npair = ['x', 'z']", ":2: pair[2]: should be 'x' or 'y', not \"z\""),
        (
            "name = 'a'\nitems = ['a',\n 5]",
            ":2: items[2]: should be a text in quotes, not 5",
        ),
        ("name = 'a'\nwords = {b = 'x'}", ": words: not among the items"),
        (
            f"name = 'a'\nafter = '{'x' * 99}'",
            f':2: after: should be a whole number, not "{"x" * 56}...',
        ),
    ],
)
def test_a_fault_says_where_what_and_what_would_be_right(
    text: str, message: str, write: Write, file: Path
) -> None:
    assert faults_of(text, write, file) == [message]


def test_all_faults_are_told_at_once_in_the_order_of_the_file(write: Write, file: Path) -> None:
    found = faults_of("repeats = 0\nx = 1\n[look]\nfixation = 'no'\n", write, file)
    assert [fault.split(": ")[:2] for fault in found] == [
        ["", "name"],
        [":1", "repeats"],
        [":2", "x"],
        [":4", "look.fixation"],
    ]


def test_what_is_sound_becomes_the_model(write: Write) -> None:
    text = "schema = 1\nname = 'a'\nitems = ['b', 'c']\nwords.b = 'B'\n[look]\nwidth_deg = 7\n"
    made = parse(read_settings(write(text)), Model)
    assert made.items == ("b", "c")
    assert made.look == Look(width_deg=7.0)
    assert made.words == {"b": "B"}


@pytest.mark.parametrize(
    ("path", "expected"),
    [((), ""), (("a", "b"), "a.b"), (("blocks", 1, "image_s"), "blocks[2].image_s")],
)
def test_a_key_path_counts_from_one(path: KeyPath, expected: str) -> None:
    assert dotted(path) == expected


def test_only_a_near_word_is_suggested() -> None:
    known: Mapping[str, int] = {"image_s": 1, "blank_s": 2}
    assert did_you_mean("image", known) == " (did you mean 'image_s'?)"
    assert did_you_mean("voltage", known) == ""
