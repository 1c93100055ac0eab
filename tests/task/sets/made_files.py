"""Picture files made for tests: a scene that tells its corners apart, in every format."""

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

GROUND = (128, 128, 128)
CORNERS = {"red": (230, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 230), "white": (250,) * 3}


def scene(width: int = 96, height: int = 64) -> Image.Image:
    """Red, green, blue and white quarters, from top left to bottom right."""
    image = Image.new("RGB", (width, height))
    for at, colour in enumerate(CORNERS.values()):
        left, top = (at % 2) * width // 2, (at // 2) * height // 2
        image.paste(colour, (left, top, left + width // 2, top + height // 2))
    return image


def texture(seed: int, size: tuple[int, int] = (80, 60)) -> Image.Image:
    """A smooth random picture, like no other."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def data_of(image: Image.Image, kind: str, **how: Any) -> bytes:
    """The bytes of a file."""
    stream = io.BytesIO()
    image.save(stream, kind, **how)
    return stream.getvalue()


def write(path: Path, image: Image.Image | bytes, **how: Any) -> Path:
    """Write a picture, or bytes, with the folders it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(image, bytes):
        path.write_bytes(image)
    else:
        image.save(path, **how)
    return path


def quarters(image: Image.Image) -> list[str]:
    """The nearest known colour in each quarter, from top left to bottom right."""
    pixels = np.asarray(image.convert("RGB"), float)
    rows, columns = pixels.shape[:2]
    places = [(r, c) for r in (rows // 4, 3 * rows // 4) for c in (columns // 4, 3 * columns // 4)]
    return [_nearest(pixels[place]) for place in places]


def _nearest(pixel: NDArray[np.float64]) -> str:
    return min(CORNERS, key=lambda name: float(np.abs(pixel - CORNERS[name]).sum()))


def cmyk_profile() -> bytes:
    """The least ICC profile that turns CMYK to Lab: lightness falls with black ink, and no more.

    An A2B0 table of type lut8 (ICC.1:2010, 10.9): 2 grid points for each of four inks.
    """
    identity = bytes(range(256))
    grid = b"".join(
        bytes((0 if black else 255, 128, 128)) for _inks in range(8) for black in (0, 1)
    )
    ones = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    table = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + ones + identity * 4 + grid + identity * 3
    name = b"black ink only\0"
    said = b"desc" + bytes(4) + struct.pack(">I", len(name)) + name + bytes(78)
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    free = b"text" + bytes(4) + b"none\0"
    tags = {b"desc": said, b"A2B0": table, b"wtpt": white, b"cprt": free}
    entries, body, at = b"", b"", 128 + 4 + 12 * len(tags)
    for key, value in tags.items():
        padded = value + bytes(-len(value) % 4)
        entries += key + struct.pack(">II", at, len(value))
        body += padded
        at += len(padded)
    head = struct.pack(">I4sI4s4s4s", at, b"lcms", 0x02400000, b"prtr", b"CMYK", b"Lab ")
    head += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    head += struct.pack(">3i", 63190, 65536, 54061)
    return head + bytes(128 - len(head)) + struct.pack(">I", len(tags)) + entries + body


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    """An archive of files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path
