"""The bytes of a picture file, and the picture that a person would see on opening it.

Upright, in sRGB, eight bits a channel, on a plain ground. What a format can say and a stimulus
cannot be (several frames, floating-point values, text without a font) is refused by name.
"""

import io
import re
import struct
import warnings
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageColor, ImageOps, UnidentifiedImageError

from task.contract.errors import UserError
from task.sets.vector import draw_svg

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")
LEAST_SIDE_PX = 16
MOST_PIXELS = 89_478_485  # where Pillow warns: a picture of 16,000 x 5,600 and more
_PLAIN = {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "YCbCr"}
_SIXTEEN = {"I;16", "I;16B", "I;16L", "I;16N"}
# What Pillow's decoders raise on files that are damaged.
_DAMAGED = (
    OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, IndexError, KeyError,
    TypeError, OverflowError, ZeroDivisionError, RuntimeError, AssertionError, MemoryError,
)  # fmt: skip
Ground = tuple[int, int, int]


class UnfitError(UserError):
    """A file cannot be a stimulus; says why, not which."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture as a person would see it.

    Attributes
    ----------
    image : RGB, or L where the file is grey
    kind : what the file is, as `JPEG, CMYK, 3000 x 2000 px`
    changes : what was done to get there, in words
    """

    image: Image.Image
    kind: str
    changes: tuple[str, ...]


def decode(data: bytes, file: str, ground: Ground, size_px: int) -> Decoded:
    """Open a picture.

    Parameters
    ----------
    data : the file's bytes
    file : its name, whose ending tells an SVG
    ground : shows through where the picture is transparent, RGB of 255
    size_px : the longer side an SVG is drawn at

    Raises
    ------
    UnfitError
        It is damaged, of a kind that is not taken, too big, or too small.
    """
    changes: list[str] = []
    if file.lower().endswith(".svg"):
        image, kind = _vector(data, size_px), "SVG"
        changes.append(f"drawn at {image.width} x {image.height} px")
    else:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image, kind = _raster(data, changes)
            changes += [f"note: {_first_line(warning.message)}" for warning in said]
    return Decoded(_on_ground(image, ground, changes), kind, tuple(changes))


def parse_colour(said: str) -> Ground:
    """A colour by name or as #RRGGBB.

    Raises
    ------
    UserError
        It is none.
    """
    try:
        red, green, blue, *_ = ImageColor.getrgb(said)
    except ValueError:
        raise UserError(f"{said!r} is no colour; write #808080, or a name as grey") from None
    return red, green, blue


def _vector(data: bytes, size_px: int) -> Image.Image:
    try:
        return draw_svg(data, size_px)
    except ValueError as error:
        raise UnfitError(str(error)) from None


def _raster(data: bytes, changes: list[str]) -> tuple[Image.Image, str]:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _refuse(image)
            kind = f"{image.format}, {_depth(image)}, {image.width} x {image.height} px"
            if _sixteen_bits(image):
                changes.append("16 bits to 8")
            before = _orientation(image)
            image.load()  # of TIFF turns it, too; PNG tells only now
            orientation = max(before, _orientation(image))
            ImageOps.exif_transpose(image, in_place=True)
            if orientation > 1:
                changes.append(f"turned upright (EXIF orientation {orientation})")
            return _in_srgb(image, changes), kind.replace("MPO", "JPEG")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnfitError(_absurd(str(error))) from None
    except UnidentifiedImageError:
        raise UnfitError(_unidentified(data)) from None
    except _DAMAGED as error:
        raise UnfitError(f"is damaged: {_first_line(error)}") from None


def _unidentified(data: bytes) -> str:
    if not data:
        return "is empty"
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "is a GIF inside, whatever its ending; save one still picture as PNG"
    if data[4:8] == b"ftyp":
        return "is HEIC, AVIF or a movie inside, whatever its ending; save it as JPEG or PNG"
    return f"is damaged or no picture: not {', '.join(FORMATS)} or SVG inside"


def _absurd(said: str) -> str:
    pixels = int(re.findall(r"\d+", said)[0])  # "Image size (3600000000 pixels) exceeds ..."
    return f"has {pixels / 1e6:,.0f} million pixels; {MOST_PIXELS / 1e6:,.0f} million at most"


def _refuse(image: Image.Image) -> None:
    frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    if frames > 1:
        what = "pages" if image.format == "TIFF" else "frames: it moves"
        raise UnfitError(f"has {frames} {what}; a stimulus is one picture")
    if min(image.size) < LEAST_SIDE_PX:
        raise UnfitError(
            f"has {image.width} x {image.height} px; {LEAST_SIDE_PX} at least on each side"
        )
    if image.mode not in _PLAIN | _SIXTEEN | {"CMYK"} and not _sixteen_in_i(image):
        raise UnfitError(
            f"holds values of kind {image.mode}, for which black and white are not defined;"
            " save it with 8 or 16 bits"
        )


def _sixteen_in_i(image: Image.Image) -> bool:
    """Older PNG plugins open 16-bit grey as 32-bit integers."""
    return image.mode == "I" and image.format == "PNG"


def _depth(image: Image.Image) -> str:
    if _sixteen_bits(image):
        return f"{'grey' if image.mode.startswith('I') else image.mode} 16 bit"
    return {"L": "grey", "1": "black and white", "P": "palette", "LA": "grey with alpha"}.get(
        image.mode, image.mode
    )


def _sixteen_bits(image: Image.Image) -> bool:
    """Of grey the mode tells; of colour, which Pillow cuts to 8 bits, how it is stored."""
    stored = any(";16" in str(tile) for tile in getattr(image, "tile", ()))
    return stored or image.mode in _SIXTEEN or _sixteen_in_i(image)


def _orientation(image: Image.Image) -> int:
    said = image.getexif().get(ExifTags.Base.Orientation, 1)
    return said if said in range(1, 9) else 1


# Colour ---------------------------------------------------------------------------------------


def _in_srgb(image: Image.Image, changes: list[str]) -> Image.Image:
    if image.mode in _SIXTEEN or image.mode == "I":
        return _eight_bit(image, changes)
    profile = image.info.get("icc_profile")
    if image.mode == "CMYK":
        return _from_cmyk(image, profile, changes)
    if (
        image.mode in ("P", "PA", "1", "La", "RGBa", "RGBX", "YCbCr")
        or "transparency" in image.info
    ):
        changes += ["palette resolved"] if image.mode in ("P", "PA") else []
        image = _plain(image)
    if not profile:
        return image
    alpha = image.getchannel("A") if image.mode in ("RGBA", "LA") else None
    colours = image.convert("L" if image.mode in ("L", "LA") else "RGB")
    converted = _by_profile(colours, profile, changes)
    if alpha is not None:
        converted = converted.convert("LA" if converted.mode == "L" else "RGBA")
        converted.putalpha(alpha)
    return converted


def _plain(image: Image.Image) -> Image.Image:
    """Grey stays grey, and what is transparent stays so."""
    clear = "transparency" in image.info or image.mode in ("PA", "La", "RGBa")
    grey = image.mode in ("1", "L", "La", "LA")
    return image.convert(("LA" if grey else "RGBA") if clear else ("L" if grey else "RGB"))


def _eight_bit(image: Image.Image, changes: list[str]) -> Image.Image:
    values = np.asarray(image).astype(np.int64)
    clear = image.info.get("transparency")
    most = int(values.max())
    if most < 2**12:
        changes.append(f"note: its values reach {most} of 65535 only, so it stays dark")
    grey = Image.fromarray(((values + 128) // 257).clip(0, 255).astype(np.uint8))
    if isinstance(clear, int):
        grey.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    return grey


def _from_cmyk(image: Image.Image, profile: bytes | None, changes: list[str]) -> Image.Image:
    if profile:
        converted = _by_profile(image, profile, changes)
        if converted.mode == "RGB":
            return converted
    changes.append("note: CMYK without a colour profile; its colours are a guess")
    return image.convert("RGB")


def _by_profile(image: Image.Image, data: bytes, changes: list[str]) -> Image.Image:
    """The picture in sRGB; as it is, with a note, where the profile is none for it."""
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        name = " ".join(ImageCms.getProfileDescription(profile).split())
        if image.mode == "RGB" and "srgb" in name.lower():
            return image
        done = ImageCms.profileToProfile(
            image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        changes.append(f"note: its colour profile cannot be used ({_first_line(error)})")
        return image
    assert done is not None
    changes.append(f"colours from profile {name or 'without a name'} to sRGB")
    return done.convert("L") if image.mode == "L" else done


def _on_ground(image: Image.Image, ground: Ground, changes: list[str]) -> Image.Image:
    if image.mode in ("L", "RGB"):
        return image
    seen = image.convert("RGBA")
    least, most = seen.getchannel("A").getextrema()
    if most == 0:
        raise UnfitError("is transparent all over; there is nothing to see")
    if least == 255:
        return image.convert("L" if image.mode == "LA" else "RGB")
    flat = Image.new("RGB", seen.size, ground)
    flat.paste(seen, mask=seen.getchannel("A"))
    changes.append(f"laid on #{bytes(ground).hex()}")
    grey = image.mode == "LA" and len(set(ground)) == 1
    return flat.convert("L") if grey else flat


def _first_line(error: object) -> str:
    return (str(error) or type(error).__name__).partition("\n")[0]
