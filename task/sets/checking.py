"""What a person should know of a stimulus set before patients see it, as lights and numbers."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from task.contract.catalog import Catalog, read_catalog
from task.contract.lights import Light
from task.sets.measures import MEASURES, Difference, Measure, by_group, measured
from task.sets.nameable import naming_faults
from task.sets.pages import languages_of
from task.sets.similar import RULE, Look, Pair, look_alikes, look_at

UNBALANCED = 2.0  # times more pictures in the largest group than in the smallest
NOTEWORTHY = 0.08  # epsilon squared: a medium effect
GROUPS_DRAWN = 24
PAIRS_SHOWN = 200
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the summary: its light, what was looked at, what was found."""

    light: Light
    what: str
    said: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found.

    Attributes
    ----------
    catalog : the set, every file verified
    rows : the summary
    table : pictures x measures
    document : all of it, as JSON can hold it
    """

    catalog: Catalog
    rows: Sequence[Row]
    table: pd.DataFrame
    document: Mapping[str, Any]


def check_set(folder: Path, progress: Progress) -> Checked:
    """Look at all of a set.

    Parameters
    ----------
    folder : of the set
    progress : called with a stage, pictures done and pictures in all

    Raises
    ------
    StimulusError
        Its manifest cannot be read, or pictures are missing or changed: all of them.
    """
    catalog = read_catalog(folder)
    looks, table, sizes = _looked(catalog, progress)
    pairs = _pairs(catalog, looks, progress)
    naming = naming_faults(catalog)
    groups = [picture.group for picture in catalog.pictures.values()]
    differences = by_group(table, groups)
    rows = [
        Row(Light.GREEN, "files", f"{len(catalog.pictures)} pictures, each as its digest says"),
        _size_row(sizes),
        _pair_row(pairs),
        _naming_row(catalog, naming),
        _balance_row(Counter(groups)),
        *(_difference_row(measure, differences[measure.name]) for measure in MEASURES),
        _licence_row(catalog),
    ]
    document = {
        "set": catalog.name,
        "sha256": catalog.sha256,
        "rows": [asdict(row) | {"light": row.light.value} for row in rows],
        "look_alike_rule": RULE,
        "look_alikes": pairs,
        "naming": naming,
        "groups": _by_group(table, groups),
        "groups_drawn": GROUPS_DRAWN,
        "pairs_shown": PAIRS_SHOWN,
        "measures": [
            asdict(measure)
            | {"said": _said(differences[measure.name])}
            | _numbers(differences[measure.name])
            for measure in MEASURES
        ],
        "pictures": {id_: _finite(row) for id_, row in table.to_dict("index").items()},
    }
    return Checked(catalog, rows, table, document)


def _looked(
    catalog: Catalog, progress: Progress
) -> tuple[list[Look], pd.DataFrame, Counter[tuple[int, int]]]:
    looks: list[Look] = []
    numbers: list[dict[str, float]] = []
    sizes: Counter[tuple[int, int]] = Counter()
    for done, picture in enumerate(catalog.pictures.values(), start=1):
        with Image.open(picture.path) as image:
            grey = image.convert("L")
        sizes[grey.size] += 1
        looks.append(look_at(grey))
        numbers.append(measured(np.asarray(grey)))
        progress("measuring", done, len(catalog.pictures))
    columns = [measure.name for measure in MEASURES]
    return looks, pd.DataFrame(numbers, list(catalog.pictures), columns), sizes


def _pairs(catalog: Catalog, looks: Sequence[Look], progress: Progress) -> list[dict[str, Any]]:
    found = look_alikes(looks, lambda done, total: progress("comparing", done, total))
    pictures = list(catalog.pictures.values())

    def told(pair: Pair) -> dict[str, Any]:
        one, other = pictures[pair.one], pictures[pair.other]
        return {
            "ids": [one.id, other.id],
            "ssim": round(pair.ssim, 4),
            "hash_bits": pair.hash_bits,
            "same_file": one.sha256 == other.sha256,
        }

    return [told(pair) for pair in found]


# Rows ---------------------------------------------------------------------------------------------


def _size_row(sizes: Counter[tuple[int, int]]) -> Row:
    (width, height), _ = sizes.most_common(1)[0]
    if len(sizes) == 1:
        return Row(Light.GREEN, "sizes", f"all {width} x {height} px")
    said = ", ".join(f"{n} of {w} x {h}" for (w, h), n in sizes.most_common(4))
    return Row(Light.YELLOW, "sizes", f"{len(sizes)} sizes: {said}; import them anew for one")


def _pair_row(pairs: Sequence[Mapping[str, Any]]) -> Row:
    if not pairs:
        return Row(Light.GREEN, "look-alikes", "no two pictures are near duplicates")
    said = ", ".join(" and ".join(pair["ids"]) for pair in pairs[:4])
    more = f" and {len(pairs) - 4} more" if len(pairs) > 4 else ""
    return Row(Light.YELLOW, "look-alikes", f"{_pair_count(len(pairs))}: {said}{more}")


def _pair_count(number: int) -> str:
    return "1 pair" if number == 1 else f"{number} pairs"


def _naming_row(catalog: Catalog, naming: Sequence[str]) -> Row:
    if naming:
        return Row(Light.YELLOW, "names", "\n".join(naming))
    languages = ", ".join(languages_of(catalog))
    return Row(Light.GREEN, "names", f"each picture has its own, in {languages}")


def _balance_row(groups: Counter[str]) -> Row:
    said = ", ".join(f"{group} {n}" for group, n in groups.most_common(8))
    said += f" and {len(groups) - 8} more" if len(groups) > 8 else ""
    most, least = max(groups.values()), min(groups.values())
    if len(groups) == 1:
        return Row(Light.GREEN, "groups", f"one: {said}")
    if most > UNBALANCED * least:
        said += (
            f"; the largest has {most / least:.1f} times the smallest (per_group evens them out)"
        )
        return Row(Light.YELLOW, "groups", said)
    return Row(Light.GREEN, "groups", said)


def _difference_row(measure: Measure, found: Difference | None) -> Row:
    large = found is not None and found.epsilon2 >= NOTEWORTHY and found.p < 0.05
    return Row(Light.YELLOW if large else Light.GREEN, measure.title, _said(found))


def _said(found: Difference | None) -> str:
    if found is None:
        return "nothing to compare"
    p = f"p = {found.p:.2g}" if found.p >= 1e-4 else "p < 0.0001"
    return f"groups explain {found.epsilon2:.0%} (H = {found.h:.1f}, {p})"


def _numbers(found: Difference | None) -> dict[str, float | None]:
    if found is None:
        return dict.fromkeys(("h", "p", "epsilon2"))
    return {"h": round(found.h, 4), "p": found.p, "epsilon2": round(found.epsilon2, 5)}


def _licence_row(catalog: Catalog) -> Row:
    without = sum(not picture.licence for picture in catalog.pictures.values())
    if not without:
        return Row(Light.GREEN, "licences", "every picture has one")
    return Row(Light.YELLOW, "licences", f"{without} of {len(catalog.pictures)} say none")


def _by_group(table: pd.DataFrame, groups: Sequence[str]) -> list[dict[str, Any]]:
    parts = table.groupby(np.asarray(groups), sort=False)
    told = [
        {
            "group": str(group),
            "pictures": len(part),
            "mean": _finite(part.mean().to_dict()),
            "sd": _finite(part.std(ddof=0).to_dict()),
        }
        for group, part in parts
    ]
    return sorted(told, key=lambda each: -each["pictures"])


def _finite(row: Mapping[Any, float]) -> dict[str, float]:
    return {str(name): round(float(value), 5) for name, value in row.items()}
