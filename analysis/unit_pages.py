"""The pages of single units: a table of all of them, and one page for each.

Made from report.json and the files of the units, and from nothing else.  A page stands alone: its
figure is inside, its links are relative, and it may do nothing but what is written in it.
"""

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment

from analysis.figures import address
from analysis.inference import LEVEL
from analysis.report import NONE, NUMBERS, chance, environment, number, whole
from analysis.unit_data import read_unit
from analysis.unit_figure import FORMATS
from analysis.unit_record import Record
from task.contract.errors import AnalysisError, UserError

INDEX = "index.html"
FOLDER = "units"


@dataclass(frozen=True, slots=True)
class Units:
    """The tested units of an analysis.

    Attributes
    ----------
    folder : of the results
    document : report.json
    files : of every unit, relative to the folder
    """

    folder: Path
    document: Mapping[str, Any]
    files: Mapping[str, str]

    def record(self, unit: str) -> Record:
        """What is kept of a unit."""
        return read_unit(self.folder / self.files[unit])

    def stem(self, unit: str) -> str:
        """How its pages and figures are called, without an ending."""
        return Path(self.files[unit]).stem


def open_units(folder: Path) -> Units:
    """The units of the results in a folder.

    Raises
    ------
    AnalysisError
        If it holds no results, or those of a version that did not keep units.
    """
    path = folder / NUMBERS
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise AnalysisError(
            f"{path} is not there; give the folder of results that `imagery analyze` made"
        ) from None
    except (ValueError, OSError) as error:
        raise AnalysisError(f"{path} cannot be read ({error}); analyse again") from None
    files = document.get("unit_files") if isinstance(document, dict) else None
    if not isinstance(files, dict):
        raise AnalysisError(f"{path} names no files of units; analyse again with this version")
    return Units(folder, document, files)


def find_unit(units: Units, name: str) -> str:
    """The unit of that name.

    Raises
    ------
    UserError
        If there is none; with those that are called alike.
    """
    if name in units.files:
        return name
    label = {unit: unit.rpartition("/")[2] for unit in units.files}
    near = get_close_matches(name, {*label, *label.values()})
    alike = dict.fromkeys(u for one in near for u in label if one in (u, label[u]))
    meant = f"; did you mean {' or '.join(map(repr, [*alike][:3]))}?" if alike else ""
    raise UserError(f"{units.folder}: no tested unit is called {name!r}{meant}")


# All units ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table.

    Attributes
    ----------
    part : `unit`, `viewing` or `imagery`
    main : whether it is there without being asked for
    """

    part: str
    key: str
    main: bool
    text: bool

    @property
    def heading(self) -> str:
        """What stands above it."""
        said = words(self.key)
        return f"imagery: {said}" if self.part == "imagery" else said

    @property
    def large_first(self) -> bool:
        """Whether sorting begins with the largest: rates and sizes do, names and p do not."""
        return not (self.text or _is_chance(self.key))


# Shown without being asked for, where there are such numbers.
_MAIN = {
    "unit": ("unit", "subject", "area"),
    "viewing": (
        *("mean_hz", "best_hz", "responsive_q", "latency_s", "reliability"),
        *("axis_r2", "axis_q", "category_q"),
    ),
    "imagery": ("before_hz", "during_hz", "q", "axis_r", "axis_p", "viewing_r", "viewing_p"),
}
_REPEATED = {"unit", "pool", "session"}
_NAMES = {"channel", "cell", "cluster"}  # whole numbers that count nothing


def index_page(units: Units) -> str:
    """All units in a table that can be searched and sorted."""
    rows = _rows(units)
    columns = list(_columns(row for _, row in rows))
    document = units.document
    return _render(
        "units.html",
        name=document["name"],
        counts=document["counts"],
        several_pools=len(document["viewing"]) > 1,
        several_sessions=len(document["imagery"]) > 1,
        columns=columns,
        rows=[
            {
                "href": f"{FOLDER}/{units.stem(unit)}.html",
                "tuned": _at_most(row["viewing"].get("axis_q"), LEVEL),
                "cells": [row[c.part].get(c.key) for c in columns],
            }
            for unit, row in rows
        ],
    )


def _at_most(value: float | None, limit: float) -> bool:
    return value is not None and value <= limit


Row = Mapping[str, Mapping[str, Any]]


def _rows(units: Units) -> list[tuple[str, Row]]:
    """Of every unit what the document says: itself, its best viewing, its first imagery."""
    document = units.document
    about = {row["unit"]: row for row in document["units"]}
    viewing: dict[str, Mapping[str, Any]] = {}
    for row in (row for pool in document["viewing"] for row in pool["per_unit"]):
        known = viewing.setdefault(row["unit"], row)
        if _r2(row) > _r2(known):
            viewing[row["unit"]] = row
    imagery: dict[str, Mapping[str, Any]] = {}
    for row in (row for session in document["imagery"] for row in session["per_unit"]):
        imagery.setdefault(row["unit"], row)
    return [
        (u, {"unit": about[u], "viewing": viewing.get(u, {}), "imagery": imagery.get(u, {})})
        for u in units.files
    ]


def _r2(row: Mapping[str, Any]) -> float:
    return -float("inf") if row.get("axis_r2") is None else float(row["axis_r2"])


def _columns(rows: Iterable[Row]) -> Iterator[Column]:
    """First of each part those that matter most, then all others that hold anything."""
    found: dict[str, dict[str, bool]] = {part: {} for part in _MAIN}
    for row in rows:
        for part, values in row.items():
            for key, value in values.items():
                if value not in (None, "") and not isinstance(value, dict | list):
                    found[part][key] = found[part].get(key, False) or isinstance(value, str)
    for part, main in _MAIN.items():
        skipped = _REPEATED if part != "unit" else set()
        known = [key for key in main if key in found[part]]
        known += [key for key in found[part] if key not in main and key not in skipped]
        yield from (Column(part, key, key in main, found[part][key]) for key in known)


# One unit ----------------------------------------------------------------------------------------


def unit_page(units: Units, record: Record, svg: bytes) -> str:
    """The figure of a unit and all its numbers.

    Parameters
    ----------
    svg : its figure
    """
    unit, names = record["unit"], list(units.files)
    place = names.index(unit)
    neighbours = {
        "before": names[place - 1] if place else None,
        "after": names[place + 1] if place + 1 < len(names) else None,
    }
    return _render(
        "unit.html",
        **{key: record[key] for key in ("unit", "study", "viewing", "imagery")},
        **{
            key: other and {"unit": other, "href": f"{units.stem(other)}.html"}
            for key, other in neighbours.items()
        },
        about={key: value for key, value in record["about"].items() if key != "unit"},
        place=place + 1,
        of=len(names),
        stem=units.stem(unit),
        kinds=FORMATS,
        figure=address(svg.decode()),
    )


# How it is put -----------------------------------------------------------------------------------


def policy() -> str:
    """What a page may do: show the images inside it, with this style and this script alone."""
    style, script = (b64encode(sha256(t.encode()).digest()).decode() for t in _inside())
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{style}';"
        f" script-src 'sha256-{script}'; base-uri 'none'; form-action 'none'"
    )


@cache
def _inside() -> tuple[str, str]:
    """Style and script of all pages."""
    made = _environment()
    assert made.loader
    style, _, _ = made.loader.get_source(made, "units.css")
    script, _, _ = made.loader.get_source(made, "units.js")
    return style, script


@cache
def _environment() -> Environment:
    made = environment()
    made.filters |= {
        "shown": shown,
        "words": words,
        "sortable": float,
        "in_columns": _in_columns,
        "without": lambda values, *keys: {k: v for k, v in values.items() if k not in keys},
    }
    return made


def _render(template: str, **values: Any) -> str:
    style, script = _inside()
    text = _environment().get_template(template)
    return text.render(values, policy=policy(), style=style, script=script).lstrip()


def _in_columns(values: Mapping[str, Any]) -> list[list[tuple[str, Any]]]:
    """Numbers in columns of a height that can be read."""
    known = [
        (k, v) for k, v in values.items() if v not in (None, "") and not isinstance(v, dict | list)
    ]
    high = max(6, -(-len(known) // 3))
    return [known[n : n + high] for n in range(0, len(known), high)]


def shown(value: Any, key: str) -> str:
    """A value as a page puts it."""
    if value is None:
        return NONE
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value) if key in _NAMES else whole(value)
    if _is_chance(key):
        return chance(value)
    return number(value, 3 if key.endswith(("r2", "_s", "slope")) else 2)


def _is_chance(key: str) -> bool:
    return key in ("p", "q") or key.endswith(("_p", "_q")) or key.startswith(("p_", "q_"))


def words(key: str) -> str:
    """What a number is called; one without words of its own goes by its name in report.json."""
    return _WORDS.get(key) or key.replace("_", " ")


_WORDS = {
    "unit": "unit",
    "subject": "patient",
    "mean_hz": "mean rate (Hz)",
    "best_hz": "best picture (Hz)",
    "axis_r": "axis: r",
    "axis_p": "axis: p",
    "axis_q": "axis: q",
    "axis_r2": "r² of left-out pictures",
    "axis_slope": "axis: slope",
    "along_hz": "slope along the axis (Hz per SD)",
    "across_hz": "slope across (Hz per SD)",
    "bend_hz": "bend across (Hz per SD)",
    "slope_ratio": "slope across over along",
    "slope_low": "slope across over along, 95 % from",
    "slope_high": "slope across over along, 95 % to",
    "bend_ratio": "bend across over slope along",
    "bend_low": "bend across over slope along, 95 % from",
    "bend_high": "bend across over slope along, 95 % to",
    "bend_p": "bends across: p",
    "bend_q": "bends across: q",
    "flat": "flat across the axis",
    "pictures_cosine": "axes of halves of the pictures: cosine",
    "showings_cosine": "axes of halves of the showings: cosine",
    "expected_cosine": "axis with that of endless showings: cosine",
    "ridge_r2": "ridge: r², pictures left out one by one",
    "ridge_penalty": "ridge: penalty",
    "ridge_cosine": "ridge axis with the preferred one: cosine",
    "published_repeats": "published rule: repeats passed of 100",
    "published_tuned": "axis-tuned by the published rule",
    "category_f": "category: F",
    "category_p": "category: p",
    "category_q": "category: q",
    "responsive_p": "responds: p",
    "responsive_q": "responds: q",
    "responsive_from_s": "responds from (s)",
    "responsive_to_s": "responds to (s)",
    "latency_s": "latency (s)",
    "latency_low_s": "latency, 95 % from (s)",
    "latency_high_s": "latency, 95 % to (s)",
    "reliability_rho": "reliability of half the trials",
    "reliability_low": "reliability of half the trials, 95 % from",
    "reliability_high": "reliability of half the trials, 95 % to",
    "pictures_p": "tells pictures apart: p",
    "pictures_q": "tells pictures apart: q",
    "category_pictures_p": "category, over pictures: p",
    "category_pictures_q": "category, over pictures: q",
    "category_omega2": "category: ω²",
    "best_category": "best category",
    "isolation_distance": "isolation distance",
    "snr": "signal to noise",
    "shape_snr": "signal to noise, of the spikes’ shapes",
    "rate_hz": "mean rate of the session (Hz)",
    "isi_below_3ms_percent": "intervals below 3 ms (%)",
    "contamination": "spikes of other cells, estimated share",
    "cv": "CV of the intervals",
    "cv2": "CV2 of the intervals",
    "burst_index": "burst index",
    "presence": "minutes with a spike, share",
    "rate_cv": "scatter of the rate over minutes (CV)",
    "drift_rho": "drift: rank correlation with time",
    "drift_p": "drift: p",
    "drift_ratio": "rate in the second half over the first",
    "before_hz": "before the cue (Hz)",
    "during_hz": "rate (Hz)",
    "change_hz": "change (Hz)",
    "p_modulated": "changes: p",
    "q_modulated": "changes: q",
    "p_modulated_by_block": "changes, block by block: p",
    "eta2": "between items: η²",
    "p_selective": "between items: p",
    "q_selective": "between items: q",
    "p_swap": "between items, whole exchanges: p",
    "p": "takes part: p",
    "q": "takes part: q",
    "reactivated": "takes part",
    "axis_tuned": "axis-tuned in viewing",
    "orthogonal_r": "orthogonal axis: r",
    "orthogonal_slope": "orthogonal axis: slope",
    "orthogonal_p": "orthogonal axis: p",
    "orthogonal_q": "orthogonal axis: q",
    "viewing_r": "rate when seen: r",
    "viewing_slope": "slope on the rate when seen (Hz per Hz)",
    "viewing_p": "rate when seen: p",
    "viewing_q": "rate when seen: q",
    "p_imagery_only": "imagery only: p",
    "q_imagery_only": "imagery only: q",
    "gain": "gain, errors corrected (Hz per Hz)",
    "gain_low": "gain, 95 % from",
    "gain_high": "gain, 95 % to",
    "gain_p": "gain above 0: p",
    "gain_q": "gain above 0: q",
    "offset_hz": "offset (Hz)",
    "published_threshold_or_anova": "published rule, threshold or ANOVA",
    "published_rank_sum": "published rule, rank sum",
    "published_burst": "published rule, bursts",
}
