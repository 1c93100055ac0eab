from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.readers import text
from analysis.readers.text import Faults, Text, head, inspect
from task.contract.errors import LogError, RecordingError

Written = Callable[[bytes], Path]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    def write(content: bytes) -> Path:
        path = tmp_path / "a.txt"
        path.write_bytes(content)
        return path

    return write


def refusal(path: Path) -> str:
    with pytest.raises(LogError) as refused:
        inspect(path, LogError)
    return str(refused.value)


@pytest.mark.parametrize(
    ("content", "encoding", "ended"),
    [
        (b"", "utf-8-sig", True),
        (b"a\n", "utf-8-sig", True),
        (b"a\nb", "utf-8-sig", False),
        (b"a\r\n", "utf-8-sig", True),
        (b"a\r", "utf-8-sig", True),
        ("\ufeffä\n".encode(), "utf-8-sig", True),
        ("ä€\n".encode("cp1252"), "cp1252", True),
        (b"\xe4\x81", "latin-1", False),
        ("a\n".encode("utf-16"), "utf-16", True),
        ("\ufeffa".encode("utf-16-be"), "utf-16", False),
    ],
)
def test_letters_and_the_last_line_end_are_found(
    written: Written, content: bytes, encoding: str, ended: bool
) -> None:
    assert inspect(written(content), LogError) == Text(encoding, ended)


@pytest.mark.parametrize("block", [1, 2, 3, 7])
@given(content=st.binary(max_size=20))
def test_how_much_is_read_at_a_time_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, block: int
) -> None:
    path = tmp_path_factory.mktemp("text") / "a.txt"
    path.write_bytes(content.replace(b"\xff", b"\n\n"))

    def found() -> object:
        try:
            return inspect(path, LogError)
        except LogError as error:
            return str(error)

    at_once = found()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "_BLOCK", block)
        in_blocks = found()
    assert in_blocks == at_once or "is longer than" in str(in_blocks)


ZEROS_AT_THE_END = (
    "holds nothing but zero bytes from here to the end: the computer went down before the rest was"
    " written; delete this line"
)
ZEROS_WITHIN = (
    "holds zero bytes: the file is damaged, or text of two bytes a letter (UTF-16) without the mark"
    " that says so; copy it again, or save it as UTF-8"
)


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        (b"a\nb\0\0", 2, ZEROS_AT_THE_END),
        (b"a\nb\n\0", 3, ZEROS_AT_THE_END),
        (b"a\nb" + bytes(3 << 20), 2, ZEROS_AT_THE_END),
        (b"a\nb" + bytes(3 << 20) + b"c", 2, ZEROS_WITHIN),
        ("a\nb\n".encode("utf-16-le"), 1, ZEROS_WITHIN),
        (b"\n" * (1 << 20) + b"\0\n\0\0", (1 << 20) + 1, ZEROS_WITHIN),
    ],
)
def test_zero_bytes_are_named(written: Written, content: bytes, line: int, said: str) -> None:
    path = written(content)
    assert refusal(path) == f"{path}:{line}: {said}"


def test_a_file_of_one_endless_line_is_refused(written: Written) -> None:
    path = written(b"a\n" + b"b" * (3 << 20))
    assert refusal(path) == (
        f"{path}:2: is longer than a million letters: this is no text of lines"
    )


@pytest.mark.parametrize("content", [b"\xff\xfea\0b", b"\xff\xfe\x00\xd8a\0"])
def test_two_bytes_a_letter_that_are_cut_or_damaged_are_refused(
    written: Written, content: bytes
) -> None:
    path = written(content)
    assert refusal(path) == (
        f"{path}: begins as text of two bytes a letter (UTF-16), and does not go on or end so: it"
        " is cut short or damaged; copy it again, or save it as UTF-8"
    )


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "absent.txt"
    assert refusal(path) == f"{path}: cannot be read: No such file or directory"


def test_the_first_lines_are_shown_whatever_they_hold(written: Written) -> None:
    assert head(written("\ufeffä\r\nb".encode("utf-16-le"))) == ["ä", "b"]
    assert head(written("ä\nb".encode("latin-1"))) == ["\ufffd", "b"]
    assert head(written(b"")) == []


def test_the_first_ten_faults_are_shown_in_the_order_of_their_lines() -> None:
    faults = Faults(Path("a"), RecordingError)
    faults.refuse()
    for line in (*range(11, 0, -1), 12, 1):
        faults.add(line, f"what {line}")
    with pytest.raises(RecordingError) as refused:
        faults.refuse()
    shown = [1, 1, *range(2, 10)]
    assert str(refused.value).splitlines() == [
        *(f"a:{line}: what {line}" for line in shown),
        "a: and 3 lines more",
    ]
