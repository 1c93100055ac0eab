"""SVG drawings, made into pixels without reading any other file and without fonts of this machine.

The renderer would open files of this machine that a drawing names, and leave out words whose font
is not there. So a drawing that names anything outside itself, or holds text, is refused.
"""

import io
import re
from xml.etree import ElementTree

import resvg_py
from PIL import Image

_MOST_BYTES = 20 * 2**20
_INSIDE = re.compile(r"#|data:image/(png|jpe?g|webp|gif)[;,]")
_URL = re.compile(r"url\(\s*['\"]?\s*(?!#|['\")])([^)'\"]{1,60})")


def draw_svg(data: bytes, size_px: int) -> Image.Image:
    """Draw an SVG, its longer side at `size_px`.

    Returns
    -------
    RGBA picture

    Raises
    ------
    ValueError
        It is no SVG, holds nothing to see, text, or names something outside itself.
    """
    if len(data) > _MOST_BYTES:
        raise ValueError(f"has {len(data) / 2**20:,.0f} MiB; a drawing has 20 at most")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("is no SVG in UTF-8") from None
    _refuse(text)
    png = _drawn(text, size_px)
    image = Image.open(io.BytesIO(png)).convert("RGBA")
    if image.getchannel("A").getextrema() == (0, 0):
        raise ValueError("has nothing on it")
    return image


def _drawn(text: str, size_px: int) -> bytes:
    try:
        return resvg_py.svg_to_bytes(
            svg_string=text, width=size_px, height=size_px, skip_system_fonts=True, dpi=96
        )
    except ValueError as error:
        raise ValueError(f"cannot be drawn: {error}") from None


def _refuse(text: str) -> None:
    if "<!ENTITY" in text:
        raise ValueError("defines XML entities; save it anew as plain SVG")
    try:
        root = ElementTree.fromstring(text.encode())
    except ElementTree.ParseError as error:
        raise ValueError(f"is damaged: {error}") from None
    if _bare(root.tag) != "svg":
        raise ValueError("is XML, but no SVG")
    for element in root.iter():
        if _bare(element.tag) == "text" and "".join(element.itertext()).strip():
            raise ValueError("holds text, which needs a font; turn the text into paths")
        _refuse_outside(element)


def _refuse_outside(element: ElementTree.Element) -> None:
    for key, value in element.attrib.items():
        inside = _bare(element.tag) == "a" or _INSIDE.match(value.strip().lower())
        if _bare(key) == "href" and not inside and value.strip():
            raise ValueError(f"names something outside itself: {value[:60]!r}")
        if found := _URL.search(value):
            raise ValueError(f"names something outside itself: {found[1]!r}")
    if _bare(element.tag) == "style" and element.text:
        found = _URL.search(element.text)
        if found or "@import" in element.text:
            raise ValueError("has a style sheet that names something outside itself")


def _bare(name: object) -> str:
    return str(name).rpartition("}")[2]
