"""The files of single units beside a report: how they are called, written and read back.

One JSON file for each unit that was tested, in viewing or in imagery; `unit_record` says what is in
it.  Figures and pages of units are made from these files and report.json alone.
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from itertools import count
from pathlib import Path

from analysis.findings import Imagining, Results, Viewing
from analysis.unit_record import VERSION, Record, unit_records
from task.contract.errors import AnalysisError

FOLDER = "units"
LONGEST = 100  # letters of a file's name before .json


def unit_files(viewings: Sequence[Viewing], imaginings: Sequence[Imagining]) -> dict[str, str]:
    """The file of every unit that was tested, relative to the folder of the results.

    Returns
    -------
    by name of the unit.  Names of files are letters, digits, ``_`` and ``-``, and differ in more
    than case, whatever the units are called.
    """
    names = [str(unit) for v in viewings for unit in v.fit.r.index]
    names += [str(unit) for i in imaginings for unit in i.trials.during.columns]
    taken: set[str] = set()
    return {name: f"{FOLDER}/{_free(name, taken)}.json" for name in dict.fromkeys(names)}


def _free(name: str, taken: set[str]) -> str:
    """A name for a file on any system that none has yet."""
    stem = re.sub(r"^-|[^A-Za-z0-9_-]+", "_", name)[:LONGEST]
    tries = (f"{stem}_{n}" if n > 1 else stem for n in count(1))
    free = next(one for one in tries if one.casefold() not in taken)
    taken.add(free.casefold())
    return free


def write_units(results: Results, out: Path, shown: Collection[str]) -> dict[str, Record]:
    """Write the files of all tested units into the folder of the results.

    Files of an earlier analysis are removed.

    Returns
    -------
    the records of the units `shown`, by name
    """
    folder = out / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    files: Mapping[str, str] = results.document["unit_files"]
    for stale in set(folder.glob("*.json*")) - {out / file for file in files.values()}:
        stale.unlink()
    kept = {}
    for record in unit_records(results, files):
        text = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        path = out / files[record["unit"]]
        partial = path.with_name(f"{path.name}.partial")
        partial.write_text(text + "\n", encoding="utf-8", newline="\n")
        partial.replace(path)
        if record["unit"] in shown:
            kept[record["unit"]] = record
    return kept


def read_unit(path: Path) -> Record:
    """The record of a unit.

    Raises
    ------
    AnalysisError
        If the file is not there, or is no record as this version writes it.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise AnalysisError(f"{path} is not there; analyse again") from None
    except (ValueError, OSError) as error:
        raise AnalysisError(f"{path} cannot be read ({error}); analyse again") from None
    if not isinstance(record, dict) or record.get("schema") != VERSION:
        raise AnalysisError(f"{path} is of another version of imagery; analyse again")
    return record
