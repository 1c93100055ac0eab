"""What a picture file becomes: each format right way up and in right colours, or a reason."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from task.contract.errors import UserError
from task.sets.decode import Decoded, UnfitError, decode, parse_colour
from tests.task.sets.made_files import GROUND, cmyk_profile, data_of, quarters, scene

UPRIGHT = ["red", "green", "blue", "white"]


def opened(data: bytes, file: str = "a.png") -> Decoded:
    return decode(data, file, GROUND, 200)


def refused(data: bytes, file: str = "a.png") -> str:
    with pytest.raises(UnfitError) as refusal:
        opened(data, file)
    return str(refusal.value)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP"])
def test_each_format_shows_the_scene(kind: str) -> None:
    found = opened(data_of(scene(), kind))
    assert quarters(found.image) == UPRIGHT
    assert (found.image.mode, found.image.size, found.changes) == ("RGB", (96, 64), ())
    assert found.kind == f"{kind}, RGB, 96 x 64 px"


TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,  # stored so, a camera says: turn it back by 90 degrees
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_turns_the_picture_upright(kind: str, orientation: int) -> None:
    stored = scene().transpose(TURNS[orientation]) if orientation > 1 else scene()
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = opened(data_of(stored, kind, exif=exif))
    assert quarters(found.image) == UPRIGHT
    assert found.image.size == (96, 64)
    said = (f"turned upright (EXIF orientation {orientation})",) if orientation > 1 else ()
    assert found.changes == said


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_become_eight_without_turning_white(kind: str) -> None:
    ramp = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    found = opened(data_of(Image.fromarray(ramp), kind))
    assert found.kind == f"{kind}, grey 16 bit, 64 x 64 px"
    assert found.changes == ("16 bits to 8",)
    expected = np.rint(ramp / 65535 * 255)
    assert np.abs(np.asarray(found.image, float) - expected).max() <= 1


def test_twelve_bits_in_sixteen_are_noted() -> None:
    dark = np.full((32, 32), 4095, np.uint16)
    found = opened(data_of(Image.fromarray(dark), "TIFF"))
    assert found.changes[1] == "note: its values reach 4095 of 65535 only, so it stays dark"
    assert found.image.getextrema() == (16, 16)


def tiff_rgb16(red: int, green: int, blue: int, side: int = 32) -> bytes:
    """A bare TIFF of 16 bits a channel, which Pillow cannot write."""
    pixels = struct.pack("<3H", red, green, blue) * side * side
    entries = [
        (256, 3, 1, side), (257, 3, 1, side), (258, 3, 3, 122), (259, 3, 1, 1), (262, 3, 1, 2),
        (273, 4, 1, 128), (277, 3, 1, 3), (278, 3, 1, side), (279, 4, 1, len(pixels)),
    ]  # fmt: skip
    head = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(entries))
    head += b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    head = head.ljust(122, b"\0") + struct.pack("<3H", 16, 16, 16)
    return head + pixels


def test_sixteen_bit_colour_becomes_eight() -> None:
    found = opened(tiff_rgb16(65535, 32896, 0))
    assert found.image.getpixel((3, 3)) == (255, 128, 0)
    assert found.kind == "TIFF, RGB 16 bit, 32 x 32 px"
    assert found.changes == ("16 bits to 8",)


def test_floating_point_values_are_refused() -> None:
    data = data_of(Image.fromarray(np.ones((32, 32), np.float32)), "TIFF")
    assert refused(data) == (
        "holds values of kind F, for which black and white are not defined;"
        " save it with 8 or 16 bits"
    )


def test_cmyk_is_converted_by_its_profile() -> None:
    inks = Image.merge("CMYK", [Image.new("L", (32, 32), ink) for ink in (255, 255, 255, 0)])
    found = opened(data_of(inks, "JPEG", icc_profile=cmyk_profile(), quality=95))
    assert found.changes == ("colours from profile black ink only to sRGB",)
    # By this profile only black ink darkens: without it, these inks would be black.
    assert min(low for low, _ in found.image.getextrema()) >= 250


def test_cmyk_without_a_profile_is_converted_and_noted() -> None:
    found = opened(data_of(scene().convert("CMYK"), "JPEG"))
    assert quarters(found.image) == UPRIGHT
    assert found.changes == ("note: CMYK without a colour profile; its colours are a guess",)


def test_a_profile_that_is_none_is_noted_and_the_picture_taken_as_it_is() -> None:
    found = opened(data_of(scene(), "PNG", icc_profile=b"no profile at all"))
    assert quarters(found.image) == UPRIGHT
    assert found.changes[0].startswith("note: its colour profile cannot be used (")


def test_a_profile_of_srgb_changes_nothing() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    found = opened(data_of(scene(), "PNG", icc_profile=srgb))
    assert found.image.tobytes() == scene().tobytes()
    assert found.changes == ()


def test_a_palette_is_resolved() -> None:
    found = opened(data_of(scene().quantize(16), "PNG"))
    assert quarters(found.image) == UPRIGHT
    assert found.changes == ("palette resolved",)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_transparent_parts_show_the_ground(kind: str) -> None:
    clear = scene().convert("RGBA")
    clear.paste((255, 0, 255, 0), (0, 0, 48, 32))
    how = {"lossless": True} if kind == "WEBP" else {}
    found = decode(data_of(clear, kind, **how), "a", (10, 20, 30), 200)
    assert found.image.getpixel((5, 5)) == (10, 20, 30)
    assert found.image.getpixel((90, 60)) == (250, 250, 250)
    assert found.changes == ("laid on #0a141e",)


def test_half_transparent_is_half_ground() -> None:
    half = Image.new("LA", (32, 32), (200, 128))
    assert opened(data_of(half, "PNG")).image.getpixel((4, 4)) == pytest.approx(164, abs=1)


@pytest.mark.parametrize("how", [{"transparency": 0}, {"transparency": bytes([0, 255, 255])}])
def test_a_transparent_colour_of_a_palette_shows_the_ground(how: dict[str, bytes]) -> None:
    palette = Image.new("P", (32, 32), 0)
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    palette.paste(1, (16, 0, 32, 32))
    found = opened(data_of(palette, "PNG", **how))
    assert found.image.getpixel((2, 2)) == GROUND
    assert found.image.getpixel((30, 30)) == (0, 255, 0)


def test_what_is_transparent_all_over_is_refused() -> None:
    data = data_of(Image.new("RGBA", (32, 32)), "PNG")
    assert refused(data) == "is transparent all over; there is nothing to see"


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_what_moves_is_refused(kind: str) -> None:
    other = scene().rotate(180)
    data = data_of(scene(), kind, save_all=True, append_images=[other], duration=100)
    assert refused(data) == "has 2 frames: it moves; a stimulus is one picture"


def test_several_pages_are_refused() -> None:
    data = data_of(scene(), "TIFF", save_all=True, append_images=[scene()])
    assert refused(data) == "has 2 pages; a stimulus is one picture"


def test_the_first_of_a_camera_s_several_pictures_is_taken() -> None:
    data = data_of(scene(), "MPO", save_all=True, append_images=[scene(30, 20)])
    found = opened(data, "a.jpg")
    assert quarters(found.image) == UPRIGHT
    assert found.kind == "JPEG, RGB, 96 x 64 px"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_a_file_cut_short_is_refused(kind: str, share: float) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    data = data_of(noise, kind)
    assert refused(data[: int(len(data) * share)]).startswith("is damaged")


def test_what_is_no_picture_is_refused_by_what_it_is() -> None:
    assert refused(b"") == "is empty"
    assert refused(b"hello, " * 20) == (
        "is damaged or no picture: not PNG, JPEG, WEBP, TIFF, BMP or SVG inside"
    )
    assert refused(data_of(scene(), "GIF")) == (
        "is a GIF inside, whatever its ending; save one still picture as PNG"
    )
    assert refused(b"\0\0\0\x18ftypheic" + bytes(40)) == (
        "is HEIC, AVIF or a movie inside, whatever its ending; save it as JPEG or PNG"
    )


def test_a_picture_too_small_is_refused_and_one_just_large_enough_taken() -> None:
    assert refused(data_of(scene(15, 400), "PNG")) == "has 15 x 400 px; 16 at least on each side"
    assert opened(data_of(scene(16, 16), "PNG")).image.size == (16, 16)


def test_absurd_sizes_are_refused_before_they_are_unpacked() -> None:
    """A PNG of a few bytes that says it is 60,000 x 60,000."""
    data = data_of(Image.new("L", (20, 20)), "PNG")
    header = b"IHDR" + struct.pack(">II", 60_000, 60_000) + data[24:29]
    import zlib

    forged = data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]
    assert refused(forged) == "has 3,600 million pixels; 89 million at most"


@settings(max_examples=120)
@given(st.data())
def test_a_damaged_file_is_a_picture_or_a_reason(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "WEBP", "BMP"]))
    content = bytearray(data_of(scene(40, 30), kind))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = opened(bytes(content))
    except UnfitError as reason:
        assert "\n" not in str(reason)
    else:
        assert found.image.mode in ("L", "RGB")


# SVG ----------------------------------------------------------------------------------------------


def svg(inside: str, head: str = 'viewBox="0 0 40 20"') -> bytes:
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
        f" {head}>{inside}</svg>"
    ).encode()


SQUARE = '<rect width="20" height="20" fill="#ff0000"/>'


def test_a_drawing_is_drawn_at_the_size_asked_for_on_the_ground() -> None:
    found = opened(svg(SQUARE), "a.SVG")
    assert found.image.size == (200, 100)
    assert found.image.getpixel((20, 50)) == (255, 0, 0)
    assert found.image.getpixel((180, 50)) == GROUND
    assert found.changes == ("drawn at 200 x 100 px", "laid on #808080")


def test_a_drawing_may_say_its_size_in_centimetres() -> None:
    assert opened(svg(SQUARE, 'width="1cm" height="2cm"'), "a.svg").image.size == (100, 200)


OUTSIDE = [
    '<image width="9" height="9" xlink:href="/etc/passwd"/>',
    '<image width="9" height="9" href="other.png"/>',
    '<image width="9" height="9" href="file:///etc/passwd"/>',
    '<image width="9" height="9" href="http://example.org/a.png"/>',
    '<image width="9" height="9" href=" data:image/svg+xml;base64,PHN2Zy8+"/>',
    '<use href="other.svg#a"/>',
    '<rect width="9" height="9" fill="url(other.svg#a)"/>',
    '<rect width="9" height="9" style="fill: url( \'http://example.org/a\' )"/>',
    "<style>@import 'a.css';</style>",
    "<style>rect { fill: url(a.svg#b) }</style>",
]


@pytest.mark.parametrize("inside", OUTSIDE)
def test_a_drawing_that_names_anything_outside_itself_is_refused(inside: str) -> None:
    assert "something outside itself" in refused(svg(SQUARE + inside), "a.svg")


def test_a_drawing_may_name_its_own_parts_and_pictures_within() -> None:
    import base64

    png = base64.b64encode(data_of(Image.new("RGB", (4, 4), (0, 0, 255)), "PNG")).decode()
    inside = (
        '<defs><linearGradient id="g"><stop stop-color="#00ff00"/></linearGradient></defs>'
        '<rect width="20" height="20" fill="url(#g)"/>'
        f'<image x="20" width="20" height="20" xlink:href="data:image/png;base64,{png}"/>'
        '<a href="http://example.org"><rect width="1" height="1"/></a>'
    )
    found = opened(svg(inside), "a.svg")
    assert found.image.getpixel((50, 50)) == (0, 255, 0)
    assert found.image.getpixel((150, 50)) == (0, 0, 255)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (svg("<text>dog</text>"), "holds text, which needs a font; turn the text into paths"),
        (svg(""), "has nothing on it"),
        (b"<html/>", "is XML, but no SVG"),
        (b"\xff\xfe<", "is no SVG in UTF-8"),
        (
            b'<!DOCTYPE svg [<!ENTITY a "b">]>' + svg(SQUARE),
            "defines XML entities; save it anew as plain SVG",
        ),
    ],
)
def test_a_drawing_that_cannot_be_shown_is_refused(data: bytes, why: str) -> None:
    assert refused(data, "a.svg") == why


def test_a_drawing_that_multiplies_itself_is_refused() -> None:
    parts = "".join(
        f'<g id="a{n}">' + f'<use href="#a{n - 1}"/>' * 10 + "</g>" for n in range(1, 10)
    )
    bomb = f'<defs><g id="a0">{SQUARE}</g>{parts}</defs><use href="#a9"/>'
    assert refused(svg(bomb), "a.svg").startswith("cannot be drawn: ")


def test_a_colour_is_read_by_name_or_number() -> None:
    assert parse_colour("#0a141e") == (10, 20, 30)
    assert parse_colour("white") == (255, 255, 255)
    with pytest.raises(UserError, match="^'mauvish' is no colour; write #808080, or a name"):
        parse_colour("mauvish")


def test_a_wrong_ending_does_not_matter() -> None:
    found = opened(io.BytesIO(data_of(scene(), "JPEG")).getvalue(), "really_a_jpeg.png")
    assert found.kind.startswith("JPEG")
