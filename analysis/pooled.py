"""Units of all parts of a study in one table, read back from the results of each.

A unit counts once.  Where it was tested in several pools of pictures, that with the most pictures
counts (then that with the most presentations, then the first by name); of several imagery sessions
that with the most trials.  Neither depends on what was found.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.cohort import NUMBERS, Outcome
from analysis.differences import side_of


@dataclass(frozen=True, slots=True)
class Measure:
    """A number that units have: where it stands, what it is, and of which units it is told."""

    table: str
    column: str
    words: str
    unit: str = ""
    of: str | None = None


# Where the p of each question stand.
ASKED = {
    "responsive": ("viewing", "responsive_p"),
    "selective": ("viewing", "category_pictures_p"),
    "axis_tuned": ("viewing", "axis_p"),
    "reactivated": ("imagery", "p"),
    "imagery_only": ("imagery", "p_imagery_only"),
}
MEASURES = (
    Measure("viewing", "mean_hz", "mean rate to pictures", "Hz"),
    Measure("viewing", "best_hz", "rate to the best picture", "Hz"),
    Measure("viewing", "latency_s", "latency of the response", "s"),
    Measure("viewing", "sparseness", "sparseness (Vinje–Gallant)"),
    Measure("viewing", "reliability", "split-half reliability"),
    Measure("viewing", "axis_r2", "r² of left-out pictures by the axis"),
    Measure("imagery", "before_hz", "rate before the cue", "Hz"),
    Measure("imagery", "during_hz", "rate in imagery", "Hz"),
    Measure("imagery", "axis_r", "r of imagery with the viewing axis", of="axis_tuned"),
    Measure("imagery", "viewing_r", "r of imagery with the rate in viewing", of="axis_tuned"),
    Measure("imagery", "viewing_slope", "slope of imagery on viewing", "Hz/Hz", "axis_tuned"),
    Measure("imagery", "gain", "gain of imagery, errors corrected", "Hz/Hz", "axis_tuned"),
    Measure("imagery", "offset_hz", "offset of imagery", "Hz", "axis_tuned"),
    Measure("units", "snr", "signal-to-noise ratio of the spikes"),
    Measure("units", "isolation_distance", "isolation distance"),
    Measure("units", "isi_below_3ms_percent", "intervals below 3 ms", "%"),
    Measure("units", "presence", "share of minutes with a spike"),
)
_TEXTS = dict.fromkeys(("unit", "subject", "area", "pool", "session", "recording"), str)


@dataclass(frozen=True, slots=True)
class Pooled:
    """Units of all parts.

    Attributes
    ----------
    units : a row for each, index part and unit; `subject`, `area`, `side`, `pool` and `session`
        that count ('' if none), p of each question that was asked anywhere, and the measures there
        are
    smallest_p : the least p that the designs of a question could give
    several_pools, several_sessions : units of which one of several pools or sessions counts
    documents : report.json of each part, by its name
    """

    units: pd.DataFrame
    smallest_p: dict[str, float]
    several_pools: int
    several_sessions: int
    documents: dict[str, dict[str, Any]]


def pooled_units(outcomes: Sequence[Outcome]) -> Pooled:
    """Units of the parts that succeeded; at least one did."""
    parts: list[pd.DataFrame] = []
    documents: dict[str, dict[str, Any]] = {}
    pools = sessions = 0
    for outcome in outcomes:
        if outcome.folder is None:
            continue
        document = json.loads((outcome.folder / NUMBERS).read_text(encoding="utf-8"))
        documents[outcome.part.name] = document
        viewing = _table(outcome.folder, document, "viewing")
        imagery = _table(outcome.folder, document, "imagery")
        pools += _several(viewing)
        sessions += _several(imagery)
        table = _units(
            _table(outcome.folder, document, "units"),
            {
                "viewing": _once(viewing, _pools(document)),
                "imagery": _once(imagery, _trials(document)),
            },
        )
        parts.append(pd.concat({outcome.part.name: table}, names=["part"]))
    units = pd.concat(parts)
    return Pooled(units, _smallest_p(documents.values()), pools, sessions, documents)


def absent(units: pd.DataFrame) -> list[str]:
    """What the tables of all parts lack, in words."""
    said = [
        f"{name.replace('_', ' ')}: no table {table}.csv has a column {column}"
        for name, (table, column) in ASKED.items()
        if name not in units
    ]
    if "imagery_only" in units and "responsive" not in units:
        said.append("imagery only: no part says which units respond to pictures")
    lacking = [m.column for m in MEASURES if m.column not in units]
    if lacking:
        said.append(f"medians of {', '.join(lacking)}: no part has them")
    return said


def _units(units: pd.DataFrame, tests: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """A row for each unit of a part: who it is, p by question, measures."""
    tables = {"units": units, **tests}
    columns = {
        "subject": _texts(units, "subject", units.index),
        "area": _texts(units, "area", units.index),
        "side": _texts(units, "area", units.index).map(side_of),
        "pool": _texts(tests["viewing"], "pool", units.index),
        "session": _texts(tests["imagery"], "session", units.index),
    }
    places = dict(ASKED)
    places |= {measure.column: (measure.table, measure.column) for measure in MEASURES}
    for name, (table, column) in places.items():
        if column in tables[table]:
            found = pd.to_numeric(tables[table][column], errors="coerce")
            columns[name] = found.reindex(units.index)
    return pd.DataFrame(columns, index=units.index)


def _table(folder: Path, document: dict[str, Any], name: str) -> pd.DataFrame:
    if name not in document["tables"]:
        return pd.DataFrame({"unit": []}, dtype=str)
    path = folder / "tables" / f"{name}.csv"
    table = pd.read_csv(path, dtype=_TEXTS, keep_default_na=False, na_values=[""])
    return table.set_index("unit") if name == "units" else table


def _texts(table: pd.DataFrame, name: str, units: pd.Index) -> pd.Series:
    """A column of text for these units; '' where there is none."""
    if name not in table:
        return pd.Series("", units)
    found = table[name].reindex(units).astype(object)
    return found.where(found.notna(), "").astype(str)


def _several(table: pd.DataFrame) -> int:
    return int((table["unit"].value_counts() > 1).sum())


def _once(table: pd.DataFrame, places: dict[str, int]) -> pd.DataFrame:
    """One row for each unit: that of the place that counts before the others."""
    if table.empty:
        return table.set_index("unit")
    place = table["pool" if "pool" in table and "session" not in table else "session"].map(places)
    order = table.assign(place=place).sort_values("place", kind="stable")
    return order.drop_duplicates("unit").set_index("unit").drop(columns="place")


def _pools(document: dict[str, Any]) -> dict[str, int]:
    """Pools in the order in which they count."""
    ranked = sorted(
        document["viewing"], key=lambda v: (-v["images"], -v["presentations"], v["pool"])
    )
    return {viewing["pool"]: n for n, viewing in enumerate(ranked)}


def _trials(document: dict[str, Any]) -> dict[str, int]:
    """Imagery sessions in the order in which they count."""
    ranked = sorted(document["imagery"], key=lambda i: (-i["trials"], i["session"]))
    return {imagery["session"]: n for n, imagery in enumerate(ranked)}


def _smallest_p(documents: Any) -> dict[str, float]:
    found: dict[str, list[float]] = {"axis_tuned": [], "reactivated": []}
    for document in documents:
        found["axis_tuned"] += [v["axis"]["smallest_p"] for v in document["viewing"]]
        found["reactivated"] += [i["smallest_p"] for i in document["imagery"]]
    known = {name: [p for p in all_p if p is not None] for name, all_p in found.items()}
    return {name: min(all_p) for name, all_p in known.items() if all_p}
