"""What pictures and words look like, as pixels.  Whoever shows a screen draws these.

Every bitmap is opaque on the ground of the screen, and stands at whole pixels, so that it looks the
same in a window, in a preview and on another machine.
"""

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


@lru_cache(maxsize=32)
def _font(size_px: int) -> ImageFont.FreeTypeFont:
    import matplotlib  # its package carries the free font that every machine then has

    file = Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"
    return ImageFont.truetype(str(file), size_px)
