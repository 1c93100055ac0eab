"""Which font draws a text, and from which characters: what is known of scripts is known here.

Words are drawn in DejaVu Sans, which matplotlib's package carries, so that every machine shows the
same.  A text with characters that it has not is drawn in the first font that has them all: Noto
Sans CJK, which is installed with the program too, then those in the folder `fonts/` of the
installation, then the system's; or, where there is none, in the first that has what DejaVu Sans has
not, and DejaVu Sans for the rest (many fonts of one script have no digits).

Chinese and Japanese share code points; whose shapes are drawn is the font's choice.
"""

import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from PIL import ImageFont, features

from task.places import ROOT

_FOLDER = ROOT / "fonts"
_FONT_FILES = {".ttf", ".otf", ".ttc", ".otc"}
_UPRIGHT = {"regular", "book", "roman", "normal", "medium", ""}
_PLACEHOLDERS = ("lastresort", "adobeblank")  # fonts that claim every character and show none
# Scripts whose letters change, join or move with their neighbours, as Unicode's names begin.
_SHAPED = {
    "DEVANAGARI", "BENGALI", "GURMUKHI", "GUJARATI", "ORIYA", "TAMIL", "TELUGU", "KANNADA",
    "MALAYALAM", "SINHALA", "THAI", "LAO", "TIBETAN", "MYANMAR", "KHMER", "MONGOLIAN", "SYRIAC",
    "THAANA", "NKO", "JAVANESE", "BALINESE", "MEETEI", "CHAKMA",
}  # fmt: skip


class Lettering(NamedTuple):
    """How a text is drawn.

    Attributes
    ----------
    text : its characters, from left to right unless `shaped`
    font : file of the font
    shaped : whether the letters are placed by HarfBuzz (Pillow's RAQM), not one after another
    missing : characters that cannot be drawn, each once
    """

    text: str
    font: Path
    shaped: bool
    missing: str


class Run(NamedTuple):
    """Neighbouring characters drawn in one font."""

    text: str
    font: Path
    shaped: bool


@cache
def ours() -> Path:
    """File of DejaVu Sans."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"


@cache
def _chinese_japanese_korean() -> Path:
    package = find_spec("noto_cjk_sans_otc")
    assert package and package.origin
    return Path(package.origin).with_name("NotoSansCJK-Regular.ttc")


def font_of(text: str) -> Path:
    """File of the font in which a text is drawn, or what of it DejaVu Sans has not."""
    return lettering(text).font


def undrawable(text: str) -> str:
    """The characters of a text that cannot be drawn here, each once.

    That is: those without a shape, and those of a script whose letters join or move, where Pillow
    has no RAQM to place them.
    """
    return lettering(text).missing


@lru_cache(maxsize=4096)
def lettering(text: str) -> Lettering:
    """The font that has every character of a text, or else those that ours has not."""
    text = unicodedata.normalize("NFC", text)
    shaped = any(_script(character) in _SHAPED for character in text)
    drawn = text if shaped else _left_to_right(text)
    best: Lettering | None = None
    for font in _fonts():
        missing = _missing(drawn, font)
        nowhere = _missing(missing, ours())
        if not missing or best is None or len(nowhere) < len(best.missing):
            best = Lettering(drawn, font, shaped, nowhere)
        if not missing:
            break
    assert best is not None  # matplotlib's own font is always there
    if shaped and not _can_shape():
        lost = [c for c in text if _script(c) in _SHAPED or c in best.missing]
        return best._replace(shaped=False, missing="".join(dict.fromkeys(lost)))
    return best


def runs(line: str, letters: Lettering) -> list[Run]:
    """A line of a text in pieces, each drawn in one font, from left to right."""
    shapes = _read(letters.font).shapes
    found: list[tuple[bool, str]] = []
    for character in line:
        theirs = ord(character) in shapes
        belongs = unicodedata.category(character) in ("Zs", "Cf", "Mn", "Mc")
        if found and (belongs or theirs == found[-1][0]):
            found[-1] = (found[-1][0], found[-1][1] + character)
        else:
            found.append((theirs, character))
    return [
        Run(text, letters.font, letters.shaped) if theirs else Run(text, ours(), False)
        for theirs, text in found
    ]


@lru_cache(maxsize=32)
def face(font: Path, size_px: int, shaped: bool) -> ImageFont.FreeTypeFont:
    """A font at a size."""
    engine = ImageFont.Layout.RAQM if shaped else ImageFont.Layout.BASIC
    return ImageFont.truetype(str(font), size_px, layout_engine=engine)


def _left_to_right(text: str) -> str:
    """Characters in the order in which they are drawn: Arabic letters joined, lines turned."""
    if any(unicodedata.bidirectional(c) in ("R", "AL") for c in text):
        from arabic_reshaper import reshape
        from bidi import get_display

        text = "\n".join(str(get_display(reshape(line))) for line in text.split("\n"))
    return "".join(c for c in text if unicodedata.category(c) != "Cf")  # they have no shape


def _script(character: str) -> str:
    return unicodedata.name(character, "").partition(" ")[0]


def _missing(text: str, font: Path) -> str:
    shapes = _read(font).shapes
    wanted = (c for c in text if c not in "\n\t" and unicodedata.category(c) != "Cf")
    return "".join(dict.fromkeys(c for c in wanted if ord(c) not in shapes))


@cache
def _can_shape() -> bool:
    return bool(features.check("raqm") and features.check("fribidi"))


def _fonts() -> Iterator[Path]:
    """Fonts in the order in which they are tried: upright ones without serifs first."""
    yield ours()
    yield _chinese_japanese_korean()
    for files in (_own(), _systems()):
        for rank in range(3):
            yield from (file for file in files if _read(file).rank == rank)


def _own() -> tuple[Path, ...]:
    files = _FOLDER.glob("*") if _FOLDER.is_dir() else ()
    return tuple(sorted(file for file in files if file.suffix.lower() in _FONT_FILES))


@cache
def _systems() -> tuple[Path, ...]:
    from matplotlib.font_manager import findSystemFonts

    files = sorted(map(Path, findSystemFonts()))
    return tuple(file for file in files if not file.stem.lower().startswith(_PLACEHOLDERS))


class _Face(NamedTuple):
    rank: int
    shapes: frozenset[int]


@cache
def _read(file: Path) -> _Face:
    """Rank and characters of a font; one that cannot be drawn at any size has none."""
    from matplotlib.ft2font import FT2Font

    try:
        font = FT2Font(str(file))
    except (OSError, RuntimeError):  # not a font after all
        return _Face(2, frozenset())
    upright = font.style_name.lower() in _UPRIGHT
    rank = (0 if "sans" in font.family_name.lower() else 1) if upright else 2
    return _Face(rank, frozenset(font.get_charmap()) if font.scalable else frozenset())
