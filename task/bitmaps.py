"""What pictures and words look like, as pixels.  Whoever shows a screen draws these.

Every bitmap is opaque on the ground of the screen, and stands at whole pixels, so that it looks the
same in a window, in a preview and on another machine.
"""

import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from math import pi, tan
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from task.plan import PictureItem, TextItem

GROUND = 128  # grey level of an empty screen: the ground the pictures are drawn on
INK = 20
BANNER_DEG = 0.45


def px_per_deg(width_px: int, width_cm: float, distance_cm: float) -> float:
    """Pixels of a degree of visual angle at the centre of a screen."""
    return distance_cm * tan(pi / 180) * width_px / width_cm


def bitmap(item: PictureItem | TextItem, scale: float, files: Mapping[str, Path]) -> Image.Image:
    """An item as it appears: mode L or RGB.

    Parameters
    ----------
    scale : pixels of a degree
    files : file of every picture
    """
    if isinstance(item, PictureItem):
        return _picture(files[item.picture], max(1, round(item.width_deg * scale)))
    return words(item.text, item.height_deg * scale, item.turn_deg)


def words(text: str, line_px: float, turn_deg: float = 0.0) -> Image.Image:
    """Lines of text, centred, dark on the ground, trimmed to the ink and turned clockwise."""
    font = _font(max(6, round(line_px)))
    text = _as_drawn(text)
    probe = ImageDraw.Draw(Image.new("L", (1, 1)))
    box = probe.multiline_textbbox((0, 0), text, font=font, align="center", spacing=line_px * 0.5)
    left, top, right, bottom = (round(edge) for edge in box)
    image = Image.new("L", (max(1, right - left), max(1, bottom - top)), GROUND)
    ImageDraw.Draw(image).multiline_text(
        (-left, -top), text, INK, font, align="center", spacing=line_px * 0.5
    )
    if turn_deg:
        image = image.rotate(-turn_deg, Image.Resampling.BICUBIC, expand=True, fillcolor=GROUND)
    return image


def _picture(file: Path, width_px: int) -> Image.Image:
    with Image.open(file) as stored:
        image = stored if stored.mode in ("L", "RGB") else stored.convert("RGB")
        height_px = max(1, round(width_px * image.height / image.width))
        return image.resize((width_px, height_px), Image.Resampling.LANCZOS)


def undrawable(text: str) -> str:
    """The characters of a text for which the font has no shape."""
    return "".join(
        dict.fromkeys(c for c in _as_drawn(text) if ord(c) not in _drawn() and c != "\n")
    )


def _as_drawn(text: str) -> str:
    """Characters from left to right as drawn: Arabic letters joined, right-to-left turned."""
    if not any(unicodedata.bidirectional(c) in ("R", "AL") for c in text):
        return text
    from arabic_reshaper import reshape
    from bidi import get_display

    return "\n".join(str(get_display(reshape(line))) for line in text.split("\n"))


@lru_cache(maxsize=32)
def _font(size_px: int) -> ImageFont.FreeTypeFont:
    # Lines come in the order in which they are drawn, on every machine: no layout of the system's.
    return ImageFont.truetype(str(_font_file()), size_px, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=1)
def _drawn() -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(str(_font_file())).get_charmap())


def _font_file() -> Path:
    import matplotlib  # its package carries a free font, so that every machine has it

    return Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"
