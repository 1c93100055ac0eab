"""What pictures and words look like, as pixels.  Whoever shows a screen draws these.

Every bitmap is opaque on the ground of the screen, and stands at whole pixels, so that it looks the
same in a window, in a preview and on another machine.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from task.contract.errors import StimulusError
from task.fonts import face, lettering, ours, runs
from task.plan import PictureItem, TextItem

BANNER_DEG = 0.45
_LINES = 1.45  # from one baseline to the next, in letter heights
_BETWEEN_COLUMNS = 1.2  # in letter heights
_PANEL = 0.6  # around the words of an alert, in letter heights


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of all but the pictures, which stay as they are: grey levels, and for alerts RGB."""

    ground: int
    ink: int
    alert_ground: tuple[int, int, int]
    alert_ink: tuple[int, int, int]


LIGHT = Theme(128, 20, (150, 0, 0), (255, 255, 255))  # the ground that pictures are drawn on
DARK = Theme(16, 165, (80, 30, 0), (255, 200, 120))  # for the night
THEMES: Mapping[str, Theme] = {"light": LIGHT, "dark": DARK}


def bitmap(
    item: PictureItem | TextItem, scale: float, files: Mapping[str, Path], theme: Theme = LIGHT
) -> Image.Image:
    """An item as it appears: mode L or RGB.

    Parameters
    ----------
    scale : pixels of a degree
    files : file of every picture

    Raises
    ------
    StimulusError
        If a picture cannot be read.
    """
    if isinstance(item, PictureItem):
        return _picture(files[item.picture], _width_px(item, scale), theme.ground)
    return words(item.text, item.height_deg * scale, item.turn_deg, theme, alert=item.alert)


class Extent(NamedTuple):
    """Size of a bitmap, pixels, and whether it is grey."""

    width: int
    height: int
    grey: bool


def extent(item: PictureItem | TextItem, scale: float, files: Mapping[str, Path]) -> Extent:
    """Size of an item's bitmap; of a picture only the head of its file is read.

    Raises
    ------
    StimulusError
        If a picture cannot be read.
    """
    if isinstance(item, TextItem):
        if item.turn_deg % 180:
            return Extent(*bitmap(item, scale, files).size, not item.alert)
        layout = _layout(item.text, item.height_deg * scale)
        pad = 2 * round(_PANEL * item.height_deg * scale) if item.alert else 0
        return Extent(layout.width + pad, layout.height + pad, not item.alert)
    with _opened(files[item.picture]) as stored:
        width_px = _width_px(item, scale)
        return Extent(width_px, _height_px(stored, width_px), _is_grey(stored))


# Words ---------------------------------------------------------------------------------------


def words(
    text: str,
    line_px: float,
    turn_deg: float = 0.0,
    theme: Theme = LIGHT,
    *,
    alert: bool = False,
) -> Image.Image:
    """Lines of text, centred and turned clockwise; those of an alert on a panel.

    The bitmap is as wide as the ink and as high as the font's lines, so that texts of one size
    beside each other stand on one baseline.
    """
    layout = _layout(text, line_px)
    ink = Image.new("L", (layout.width, layout.height), 0)
    pen = ImageDraw.Draw(ink)
    for piece in layout.pieces:
        pen.text((piece.x, piece.baseline), piece.text, 255, piece.font, anchor="ls")
    if turn_deg:
        ink = ink.rotate(-turn_deg, Image.Resampling.BICUBIC, expand=True)
    if not alert:
        return _in_colours(ink, "L", theme.ink, theme.ground)
    pad = round(_PANEL * line_px)
    panel = Image.new("L", (ink.width + 2 * pad, ink.height + 2 * pad), 0)
    panel.paste(ink, (pad, pad))
    return _in_colours(panel, "RGB", theme.alert_ink, theme.alert_ground)


Colour = int | tuple[int, int, int]


def _in_colours(mask: Image.Image, mode: str, ink: Colour, ground: Colour) -> Image.Image:
    image = Image.new(mode, mask.size, ground)
    image.paste(ink, (0, 0), mask)
    return image


class _Piece(NamedTuple):
    """Characters in one font, and where they begin; a line has one or several."""

    text: str
    font: ImageFont.FreeTypeFont
    x: int
    baseline: int


class _Layout(NamedTuple):
    pieces: tuple[_Piece, ...]
    width: int
    height: int


class _Line(NamedTuple):
    """A line from x = 0 at its baseline, and the box of its ink, pixels, y downwards."""

    pieces: tuple[_Piece, ...]
    left: int
    top: int
    right: int
    bottom: int


def _layout(text: str, line_px: float) -> _Layout:
    """Where lines stand: centred by their ink, baselines evenly apart.

    Lines with tabs in them are a table: its columns begin below each other, it is centred whole.
    """
    letters = lettering(text)
    size_px = max(6, round(line_px))
    fonts = (face(ours(), size_px, False), face(letters.font, size_px, letters.shaped))
    ascent, descent = (max(both) for both in zip(*(f.getmetrics() for f in fonts), strict=True))
    rows = [
        [
            _line([(r.text, face(r.font, size_px, r.shaped)) for r in runs(cell, letters)])
            for cell in line.split("\t")
        ]
        for line in letters.text.split("\n")
    ]
    lines = _in_columns(rows, round(_BETWEEN_COLUMNS * line_px))
    width = max(1, *(line.right - line.left for line in lines))
    # A mark that reaches out of the fonts' own line makes room on both sides: the middle stays.
    beyond = max(0, -lines[0].top - ascent, lines[-1].bottom - descent)
    pitch = max(ascent + descent, round(_LINES * line_px))
    placed = []
    for number, line in enumerate(lines):
        x = round((width - (line.right - line.left)) / 2) - line.left
        baseline = beyond + ascent + number * pitch
        placed += [piece._replace(x=x + piece.x, baseline=baseline) for piece in line.pieces]
    return _Layout(tuple(placed), width, ascent + descent + (len(lines) - 1) * pitch + 2 * beyond)


def _in_columns(rows: list[list[_Line]], between_px: int) -> list[_Line]:
    """Each row as one line; rows of several cells all as wide as the widest."""
    table = [row for row in rows if len(row) > 1]
    starts = [0]
    for column in zip_longest(*table):
        widest = max(cell.right - cell.left for cell in column if cell)
        starts.append(starts[-1] + widest + between_px)
    return [
        row[0] if len(row) == 1 else _joined(row, starts, starts[-1] - between_px) for row in rows
    ]


def _joined(cells: list[_Line], starts: list[int], width: int) -> _Line:
    pieces = [
        piece._replace(x=piece.x - cell.left + start)
        for cell, start in zip(cells, starts, strict=False)
        for piece in cell.pieces
    ]
    top, bottom = min(cell.top for cell in cells), max(cell.bottom for cell in cells)
    return _Line(tuple(pieces), 0, top, width, bottom)


def _line(parts: list[tuple[str, ImageFont.FreeTypeFont]]) -> _Line:
    pieces, boxes, x = [], [], 0
    for text, font in parts:
        left, top, right, bottom = (round(edge) for edge in font.getbbox(text, anchor="ls"))
        pieces.append(_Piece(text, font, x, 0))
        boxes.append((x + left, top, x + right, bottom))
        x += round(font.getlength(text))
    lefts, tops, rights, bottoms = zip(*boxes, strict=True) if boxes else ((0,),) * 4
    return _Line(tuple(pieces), min(lefts), min(tops), max(rights), max(bottoms))


# Pictures ------------------------------------------------------------------------------------


def _picture(file: Path, width_px: int, ground: int) -> Image.Image:
    with _opened(file) as stored:
        try:
            image = _opaque(stored, ground)
        except OSError as error:
            raise StimulusError(f"{file}: is damaged: {error}") from None
    size = width_px, _height_px(image, width_px)
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)


def _opened(file: Path) -> Image.Image:
    try:
        return Image.open(file)
    except OSError as error:  # also where it is no picture
        raise StimulusError(f"{file}: cannot be read as a picture: {error}") from None


def _opaque(stored: Image.Image, ground: int) -> Image.Image:
    """All of a picture in mode L or RGB; where it is transparent, the ground shows."""
    mode = "L" if _is_grey(stored) else "RGB"
    if stored.mode.startswith("I;16"):
        return stored.point(lambda level: level / 256).convert("L")
    if not stored.has_transparency_data:
        stored.load()
        return stored if stored.mode == mode else stored.convert(mode)
    seen = stored.convert("LA" if mode == "L" else "RGBA")
    image = Image.new(mode, seen.size, ground if mode == "L" else (ground,) * 3)
    image.paste(seen.convert(mode), (0, 0), seen.getchannel("A"))
    return image


def _is_grey(stored: Image.Image) -> bool:
    return stored.mode in ("1", "L", "LA", "La") or stored.mode.startswith("I;16")


def _width_px(item: PictureItem, scale: float) -> int:
    return max(1, round(item.width_deg * scale))


def _height_px(image: Image.Image, width_px: int) -> int:
    return max(1, round(width_px * image.height / image.width))
