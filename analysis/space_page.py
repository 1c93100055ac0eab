"""An object space to look at: every picture where it lies, on any two axes, names on hover.

One file that needs no network: small copies of the pictures, their places, and the script that
moves them.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from analysis.report import environment
from analysis.space import ObjectSpace
from task.contract.catalog import Catalog

THUMBNAIL_PX = 56
HUES = 8  # of space.css; the ninth group has the first's
AXES = 6  # of which any two can be looked at
QUALITY = 80


def space_page(space: ObjectSpace, catalog: Catalog, features: str) -> str:
    """The page, as HTML.

    Parameters
    ----------
    features : what the space was made of, in words
    """
    made = environment()
    assert made.loader
    style, script = (made.loader.get_source(made, name)[0] for name in ("space.css", "space.js"))
    ids = [str(i) for i in space.coordinates.index]
    groups = list(dict.fromkeys(catalog.pictures[i].group for i in ids))
    axes = list(space.coordinates.columns[:AXES])
    kept = space.explained.to_dict()
    return (
        made.get_template("space.html")
        .render(
            name=catalog.name,
            features=features,
            axes=[{"name": name, "kept": kept[name], "ends": _ends(space, name)} for name in axes],
            dims=space.coordinates.shape[1],
            variance_kept=float(space.explained.sum()),
            pictures=list(_pictures(ids, catalog, space.coordinates[axes], groups)),
            groups=groups,
            policy=_policy(style, script),
            style=style,
            script=script,
        )
        .lstrip()
    )


def _pictures(
    ids: Sequence[str], catalog: Catalog, places: pd.DataFrame, groups: Sequence[str]
) -> list[dict[str, Any]]:
    """Every picture: its place on each axis from -1 to 1, what it is called, and how it looks."""
    scaled = 2 * (places - places.min()) / np.ptp(places.to_numpy(), axis=0) - 1
    at: Sequence[list[float]] = scaled.round(4).to_numpy().tolist()
    found = []
    for i, place in zip(ids, at, strict=True):
        picture = catalog.pictures[i]
        found.append(
            {
                "id": i,
                "name": picture.names["en"],
                "group": picture.group,
                "of": groups.index(picture.group) % HUES,
                "at": place,
                "uri": thumbnail(picture.path),
            }
        )
    return found


def thumbnail(path: Path) -> str:
    """A small copy of a picture, as a data URI."""
    with Image.open(path) as image:
        small = image.convert("RGB")
        small.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS)
    data = BytesIO()
    small.save(data, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{b64encode(data.getvalue()).decode()}"


def _ends(space: ObjectSpace, axis: str) -> tuple[list[str], list[str]]:
    """The pictures that lie farthest at both ends of an axis."""
    ordered = [str(i) for i in space.coordinates[axis].sort_values(kind="stable").index]
    return ordered[:3], ordered[-3:]


def _policy(*inside: str) -> str:
    """What the page may do: show what is in it, with this style and this script alone."""
    style, script = (b64encode(sha256(text.encode()).digest()).decode() for text in inside)
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{style}';"
        f" script-src 'sha256-{script}'; base-uri 'none'; form-action 'none'"
    )


def thumbnails(catalog: Catalog, ids: Sequence[str]) -> Mapping[str, Image.Image]:
    """Small copies of pictures, for a figure."""
    found = {}
    for i in ids:
        with Image.open(catalog.pictures[i].path) as image:
            small = image.convert("RGB")
            small.thumbnail((2 * THUMBNAIL_PX, 2 * THUMBNAIL_PX), Image.Resampling.LANCZOS)
        found[i] = small
    return found
