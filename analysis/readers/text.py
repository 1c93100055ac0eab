"""Text files as any machine leaves them: their letters, their last line, and what a crash did.

Letters are UTF-8, UTF-16 with its mark (Excel's "Unicode text"), or else those of an old Windows
machine.  Times and codes are plain in all of them; only notes can hold other letters.
"""

from bisect import insort
from dataclasses import dataclass, field
from itertools import chain
from operator import itemgetter
from pathlib import Path

from task.contract.errors import UserError

_MARKS_OF_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BLOCK = 1 << 20  # letters
_SHOWN = 10
_HEAD_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Text:
    """How a text file is written.

    Attributes
    ----------
    encoding : of its letters
    ended : whether its last line has a line end
    """

    encoding: str
    ended: bool


@dataclass(slots=True)
class Faults:
    """What is wrong with a text, line by line: the first are shown, the others counted."""

    path: Path
    refusal: type[UserError]
    _shown: list[tuple[int, str]] = field(default_factory=list)
    _more: int = 0

    def add(self, line: int, what: str) -> None:
        """One fault; lines count from 1."""
        insort(self._shown, (line, what), key=itemgetter(0))
        if len(self._shown) > _SHOWN:
            self._shown.pop()
            self._more += 1

    def refuse(self) -> None:
        """Refuse the text if there were any."""
        said = [f"{self.path}:{line}: {what}" for line, what in self._shown]
        if self._more:
            said.append(f"{self.path}: and {self._more} lines more")
        if said:
            raise self.refusal("\n".join(said))


def inspect(path: Path, refusal: type[UserError]) -> Text:
    """Go through the whole file once, a block at a time.

    Raises
    ------
    refusal
        If the file cannot be read, holds zero bytes or lines without an end, or is UTF-16 that is
        cut short or damaged.
    """
    try:
        with path.open("rb") as file:
            wide = file.read(2) in _MARKS_OF_UTF16
        for encoding in ("utf-16",) if wide else ("utf-8-sig", "cp1252", "latin-1"):
            try:
                return _scanned(path, encoding, refusal)
            except UnicodeError:
                continue
    except OSError as error:
        raise refusal(f"{path}: cannot be read: {error.strerror}") from None
    raise refusal(
        f"{path}: begins as text of two bytes a letter (UTF-16), and does not go on or end so: it"
        " is cut short or damaged; copy it again, or save it as UTF-8"
    )


def head(path: Path) -> list[str]:
    """The first lines of a file, as far as they can be made out."""
    with path.open("rb") as file:
        start = file.read(_HEAD_BYTES)
    wide = start[:2] in _MARKS_OF_UTF16
    return start.decode("utf-16" if wide else "utf-8-sig", errors="replace").splitlines()


def _scanned(path: Path, encoding: str, refusal: type[UserError]) -> Text:
    lines, last = 1, ""
    with path.open(encoding=encoding) as file:
        while block := file.read(_BLOCK):
            zero = block.find("\0")
            if zero >= 0:
                following = chain([block[zero:]], iter(lambda: file.read(_BLOCK), ""))
                nothing = not any(later.strip("\0") for later in following)
                raise refusal(_zeros(path, lines + block.count("\n", 0, zero), nothing))
            if len(block) == _BLOCK and "\n" not in block:
                raise refusal(
                    f"{path}:{lines}: is longer than a million letters: this is no text of lines"
                )
            lines += block.count("\n")
            last = block[-1]
    return Text(encoding, last in ("", "\n"))


def _zeros(path: Path, line: int, to_the_end: bool) -> str:
    if to_the_end:
        return (
            f"{path}:{line}: holds nothing but zero bytes from here to the end: the computer went"
            " down before the rest was written; delete this line"
        )
    return (
        f"{path}:{line}: holds zero bytes: the file is damaged, or text of two bytes a letter"
        " (UTF-16) without the mark that says so; copy it again, or save it as UTF-8"
    )
