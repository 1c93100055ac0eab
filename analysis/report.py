"""A folder with the results: one page to read, every number as JSON, tidy tables, units.

The page is a template over the JSON; it shows no number that is not there, and needs no network.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from analysis import figures, imagery_figures
from analysis.figures import Drawing
from analysis.findings import Results
from analysis.unit_data import write_units
from analysis.unit_record import Record, unit_records

PAGE, NUMBERS, TABLES = "report.html", "report.json", "tables"


def write_report(results: Results, out: Path) -> Path:
    """Write the results into a folder.

    Parameters
    ----------
    out : made where it is not there; files of an earlier report in it are replaced, tables that
        this analysis does not have are removed

    Returns
    -------
    The page, `report.html`; beside it `report.json`, `tables/`, and `units/` with what is kept of
    every tested unit.
    """
    tables = out / TABLES
    tables.mkdir(parents=True, exist_ok=True)
    for stale in set(tables.glob("*.csv")) - {tables / f"{name}.csv" for name in results.tables}:
        stale.unlink()
    for name, table in results.tables.items():
        _write(tables / f"{name}.csv", _csv(table))
    text = json.dumps(results.document, ensure_ascii=False, indent=1, allow_nan=False)
    records = write_units(results, out, _names(results))
    _write(out / NUMBERS, text + "\n")
    _write(out / PAGE, page(results, records))
    return out / PAGE


def _csv(table: pd.DataFrame) -> str:
    return str(table.to_csv(index=False, lineterminator="\n"))


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text, encoding="utf-8", newline="\n")
    partial.replace(path)


def page(results: Results, records: Mapping[str, Record] | None = None) -> str:
    """The page, as HTML with its figures inside.

    Parameters
    ----------
    records : of the units that it shows one by one, where they are made already
    """
    if records is None:
        records = {record["unit"]: record for record in unit_records(results, _names(results))}
    template = environment().get_template(PAGE)
    document = results.document
    text = template.render(
        {key: value for key, value in document.items() if key != "shown"},
        shown_numbers=document["shown"],
        settings_text=json.dumps(document["settings"], ensure_ascii=False, indent=2),
        residuals=figures.residuals(results),
        shown_runs=[document["alignment"][n] for n in figures.shown_runs(document["alignment"])],
        clocks=_clocks(document),
        left_out_r2=figures.left_out_r2(results.viewings) if results.viewings else None,
        identification=figures.identification(results.viewings),
        population=figures.population(results),
        imagined=[
            imagery_figures.drawn(imagining, numbers)
            for imagining, numbers in zip(results.imaginings, document["imagery"], strict=True)
        ],
        shown=list(_shown(results, records)),
        unit_rows={row["unit"]: row for row in document["units"]},
    )
    return text.lstrip()


def _clocks(document: dict[str, Any]) -> Drawing | None:
    runs = document["alignment"]
    return figures.clocks(runs) if len(runs) > figures.MOST_RUNS else None


def _names(results: Results) -> list[str]:
    return [numbers["unit"] for numbers in results.document["shown"]["units"]]


def _shown(results: Results, records: Mapping[str, Record]) -> Iterator[dict[str, Any]]:
    """The units that are drawn one by one, each in its best pool, with what the document says."""
    for numbers in results.document["shown"]["units"]:
        record = _in_pool(records[numbers["unit"]], numbers["pool"])
        yield {
            **numbers,
            "about": record["about"],
            "viewing": record["viewing"][0]["numbers"],
            "imagery": [
                {**i["numbers"], "session": i["session"], "order": i["items"]}
                for i in record["imagery"]
            ],
            "figure": figures.unit(record),
        }


def _in_pool(record: Record, pool: str) -> Record:
    """The record with one pool, and the imagery that is compared with it."""
    parts = {
        name: [part for part in record[name] if part["pool"] == pool]
        for name in ("viewing", "imagery")
    }
    return {**record, **parts}


# How numbers are put -----------------------------------------------------------------------------


def environment() -> Environment:
    """Templates, and how they put numbers."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        lstrip_blocks=True,
    )
    made.filters |= {"number": number, "whole": whole, "percent": percent, "chance": chance}
    return made


NONE = "–"


def number(value: float | None, digits: int = 2) -> str:
    """With so many decimals; a dash where there is none."""
    return NONE if value is None else _minus(f"{value:,.{digits}f}")


def whole(value: int | None) -> str:
    """With its thousands apart."""
    return NONE if value is None else _minus(f"{value:,}")


def percent(value: float | None, digits: int = 0) -> str:
    """A share as per cent, small ones with a digit that counts; the sign is the template's."""
    if value is None:
        return NONE
    return number(100 * value, max(digits, 1) if 0 < abs(value) < 0.01 else digits)


def chance(value: float | None) -> str:
    """A p or q: two digits that count, never rounded to 0."""
    if value is None:
        return NONE
    text = f"{value:.2g}"
    if "e" not in text:
        return text
    digits, _, power = text.partition("e")
    return f"{digits} × 10{str(int(power)).translate(_RAISED)}"


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _minus(text: str) -> str:
    """With a true minus, and none before a zero."""
    if not text.strip("-0.,"):
        text = text.lstrip("-")
    return text.replace("-", "−")
