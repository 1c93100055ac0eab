"""Words in lines that fit a width, without any font: how wide characters are at most.

Widths are in letter heights, on the safe side of DejaVu Sans and Noto Sans CJK, in which words are
drawn.  The same lines come out on every machine.
"""

import unicodedata
from functools import cache
from itertools import pairwise

_NARROW = frozenset("fijlrtIJ .,:;!|'()[]/\\-\N{MIDDLE DOT}\N{ARABIC COMMA}")
_WIDE = frozenset("mw%@MQW\N{LATIN SMALL LETTER AE}\N{LATIN SMALL LIGATURE OE}джфцшщъыюљњسشصضکگ")
_NEVER_FIRST = frozenset(
    "、。，．・：；！？）］｝〉》」』】〕ー々…,.!?)ぁぃぅぇぉっゃゅょァィゥェォッャュョ"
)
_NEVER_LAST = frozenset("（［｛〈《「『【〔(")


def width_em(text: str) -> float:
    """Width of the widest line, letter heights; drawn, it is no wider."""
    return max(sum(map(_width, line)) for line in text.split("\n"))


def wrapped(text: str, most_em: float) -> str:
    """A text whose long lines are broken, each into as few as will do, as even as can be.

    Lines are broken at spaces; Chinese and Japanese also between characters.  A word that is wider
    than a line stays whole.
    """
    return "\n".join(_broken(line, most_em) for line in text.split("\n"))


def _broken(line: str, most_em: float) -> str:
    if width_em(line) <= most_em:
        return line
    pieces = _pieces(line)
    lines = _filled(pieces, most_em)
    while True:
        widest = max(map(width_em, lines))
        closer = _filled(pieces, widest - 1e-6)
        if len(closer) > len(lines) or max(map(width_em, closer)) >= widest:
            return "\n".join(lines)
        lines = closer


def _filled(pieces: list[str], most_em: float) -> list[str]:
    """Lines of as many pieces as they hold."""
    lines: list[str] = []
    for piece in pieces:
        if lines and width_em((lines[-1] + piece).rstrip(" ")) <= most_em:
            lines[-1] += piece
        else:
            lines.append(piece)
    return [line.strip(" ") for line in lines]


def _pieces(line: str) -> list[str]:
    """What stays together."""
    pieces = [line[0]]
    for before, after in pairwise(line):
        if _may_break(before, after):
            pieces.append(after)
        else:
            pieces[-1] += after
    return pieces


def _may_break(before: str, after: str) -> bool:
    if " " in (before, after):
        return after != " "
    if after in _NEVER_FIRST or before in _NEVER_LAST:
        return False
    return _needs_no_space(before) or _needs_no_space(after)


def _needs_no_space(character: str) -> bool:
    """Whether it is Chinese or Japanese; Korean has spaces."""
    wide = unicodedata.east_asian_width(character) in "WF"
    return wide and not unicodedata.name(character, "").startswith("HANGUL")


@cache
def _width(character: str) -> float:
    """Width of a character, at most; of Arabic letters, whose forms vary, of the usual ones."""
    category = unicodedata.category(character)
    if category in ("Mn", "Me", "Cf"):
        return 0.0
    if unicodedata.east_asian_width(character) in "WF":
        return 1.0
    base = unicodedata.normalize("NFD", character)[0]
    if base in _NARROW:
        return 0.42
    if base in _WIDE or base.lower() in _WIDE:
        return 1.1
    if unicodedata.bidirectional(character) == "AL":
        return 0.85
    known = {"Ll": 0.66, "Nd": 0.66, "Lu": 0.8}
    return known.get(category, 0.85 if character.isascii() else 1.1)
