"""A whole screen as the patient sees it, drawn without a window: the same bitmaps, the same places.

`tests/task/rigs/test_drawing.py` compares it with the hidden buffer of a real window.
"""

from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from task.bitmaps import BANNER_DEG, LIGHT, Theme, bitmap, words
from task.placing import Canvas, banner_y_deg, box
from task.plan import PictureItem, Screen, TextItem


def drawn(
    screen: Screen,
    canvas: Canvas,
    files: Mapping[str, Path],
    theme: Theme = LIGHT,
    banner: str = "",
) -> Image.Image:
    """A screen, mode L where nothing on it has colour, else RGB.

    Parameters
    ----------
    screen : countdowns as words (`task.countdown.at`); what sounds is not seen
    files : file of every picture
    banner : small print at its foot

    Raises
    ------
    StimulusError
        If a picture cannot be read.
    """
    scale = canvas.px_per_deg
    items = [item for item in screen if isinstance(item, PictureItem | TextItem)]
    parts = [(bitmap(i, scale, files, theme), i.x_deg, i.y_deg) for i in items]
    if banner:
        line = words(banner, BANNER_DEG * scale, theme=theme)
        parts.append((line, 0.0, banner_y_deg(canvas, line.height)))
    grey = all(part.mode == "L" for part, _, _ in parts)
    ground = theme.ground if grey else (theme.ground,) * 3
    image = Image.new("L" if grey else "RGB", (canvas.width_px, canvas.height_px), ground)
    for part, x_deg, y_deg in parts:
        place = box(canvas, x_deg, y_deg, part.size)
        top = canvas.height_px - place.bottom - place.height
        image.paste(part.convert(image.mode), (place.left, top))
    return image
