"""Tables of the benchmarks: Markdown for `benchmarks/*.md`, and on which machine they were made."""

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows of the same columns as a Markdown table."""
    columns = list(rows[0])
    lines = [columns, ["---"] * len(columns), *([row[c] for c in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def machine() -> str:
    """One line on where a benchmark ran."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return (
        f"Python {platform.python_version()}, PsychoPy {version('psychopy')},"
        f" {platform.system()} {platform.release()}, {os.cpu_count()} cores"
        f" ({names[0] if names else platform.machine()}); load at its end"
        f" {os.getloadavg()[0]:.1f}"
    )


def finish(text: str, script: str, *, short: bool) -> None:
    """Print a result; a full run's also becomes the `.md` beside the script."""
    if short:
        print(f"SHORT RUN: for trying the script, no result\n\n{text}")
        return
    print(text)
    path = Path(script).with_suffix(".md")
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
