"""From a picture of any size to a square of the set's: grey if asked, resized, padded or cropped.

Grey is the luma of ITU-R BT.601, 0.299 R + 0.587 G + 0.114 B, as in the sets that ship and as in
the toolbox whose matching `task.sets.shine` follows. Resizing is Lanczos's, on values as stored.
"""

from dataclasses import dataclass
from enum import StrEnum

from PIL import Image

from task.sets.decode import Ground

MOST_ENLARGED = 2  # times; beyond, a picture is visibly blurred


class Fit(StrEnum):
    """How a picture that is no square becomes one: with ground beside it, or by its middle."""

    PAD = "pad"
    CROP = "crop"


@dataclass(frozen=True, slots=True)
class Square:
    """A picture at the set's size.

    Attributes
    ----------
    image : L or RGB, square
    box : where the picture lies on it: left, top, right, bottom; the rest is ground
    changes : what was done, in words
    """

    image: Image.Image
    box: tuple[int, int, int, int]
    changes: tuple[str, ...]


def square(image: Image.Image, size_px: int, fit: Fit, ground: Ground, *, grey: bool) -> Square:
    """Bring a picture to the set's size.

    Parameters
    ----------
    image : L or RGB
    size_px : side of the square
    fit : what becomes of a picture that is no square
    ground : colour of the padding, RGB of 255
    grey : whether colours are given up

    Returns
    -------
    L if `grey`, else RGB
    """
    mode = "L" if grey else "RGB"
    changes = ["made grey"] if grey and image.mode != "L" else []
    shown = image if image.mode == mode else image.convert(mode)
    part = _middle(shown.size) if fit is Fit.CROP else (0, 0, *shown.size)
    if part != (0, 0, *shown.size):
        changes.append(f"cropped to its middle, {part[2] - part[0]} x {part[3] - part[1]} px")
    width, height = part[2] - part[0], part[3] - part[1]
    scale = size_px / max(width, height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if (width, height) != size:
        shown = shown.resize(size, Image.Resampling.LANCZOS, box=part, reducing_gap=3.0)
        how = f"enlarged {scale:.1f} times" if scale > 1 else "reduced"
        changes.append(f"{how} to {size[0]} x {size[1]} px")
        if scale > MOST_ENLARGED:
            changes.append(f"note: {width} x {height} px are few; it looks blurred")
    else:
        shown = shown.crop(part)
    return _padded(shown, size_px, ground, changes)


def _middle(size: tuple[int, int]) -> tuple[int, int, int, int]:
    width, height = size
    side = min(size)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def _padded(shown: Image.Image, size_px: int, ground: Ground, changes: list[str]) -> Square:
    left, top = (size_px - shown.width) // 2, (size_px - shown.height) // 2
    box = (left, top, left + shown.width, top + shown.height)
    if shown.size == (size_px, size_px):
        return Square(shown, box, tuple(changes))
    changes.append(f"padded to {size_px} x {size_px} px")
    dot = Image.new("RGB", (1, 1), ground).convert(shown.mode)
    done = dot.resize((size_px, size_px))
    done.paste(shown, (left, top))
    return Square(done, box, tuple(changes))
