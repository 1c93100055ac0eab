"""Pages about stimulus sets: each one file that opens anywhere, without network or scripts."""

import base64
import io
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from task import __version__
from task.contract.catalog import Catalog, Picture

MOST_SHOWN = 1000  # pictures of an import; those with notes go first
_THUMBNAIL_PX = 112


def write_import_page(
    path: Path, document: Mapping[str, Any], befores: Mapping[str, bytes], folder: Path
) -> None:
    """The report of an import: every picture before and after, and what was done to it.

    Parameters
    ----------
    document : `import.json`
    befores : the originals as small JPEG, by id
    folder : of the set, for the pictures as they are now
    """
    pictures = sorted(document["pictures"], key=lambda told: not told["notes"])
    shown = [
        told
        | {
            "before": _embedded(befores[told["id"]]),
            "after": thumbnail(folder / "images" / f"{told['id']}.png"),
        }
        for told in pictures[:MOST_SHOWN]
    ]
    _write(path, "import.html", document=document, shown=shown)


def write_contact_sheet(path: Path, catalog: Catalog) -> None:
    """All pictures of a set by group, with what people call them."""
    groups: dict[str, list[Picture]] = {}
    for picture in catalog.pictures.values():
        groups.setdefault(picture.group, []).append(picture)
    thumbnails = {p.id: thumbnail(p.path) for p in catalog.pictures.values()}
    languages = languages_of(catalog)
    _write(
        path,
        "pictures.html",
        catalog=catalog,
        groups=groups,
        thumbnails=thumbnails,
        languages=languages,
    )


def write_check_page(path: Path, found: Mapping[str, Any], figure: str, catalog: Catalog) -> None:
    """What a check found: its rows, look-alikes side by side, and how groups differ."""
    seen = {id_ for pair in found["look_alikes"][: found["pairs_shown"]] for id_ in pair["ids"]}
    thumbnails = {id_: thumbnail(catalog.pictures[id_].path) for id_ in seen}
    _write(path, "check.html", found=found, figure=figure, catalog=catalog, thumbnails=thumbnails)


def languages_of(catalog: Catalog) -> list[str]:
    """Languages in which at least one picture has a name, English first."""
    known = {language for p in catalog.pictures.values() for language, n in p.names.items() if n}
    return sorted(known, key=lambda language: (language != "en", language))


def thumbnail(path: Path) -> str:
    """A picture, small, as an address that holds it."""
    with Image.open(path) as image:
        small = image.convert("RGB" if image.mode not in ("L", "RGB") else image.mode)
    small.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX), reducing_gap=3.0)
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=82)
    return _embedded(stream.getvalue())


def _embedded(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"


def _write(path: Path, template: str, **values: Any) -> None:
    text = _templates().get_template(template).render(**values, version=__version__)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
