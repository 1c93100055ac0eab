"""Checks as a person reads them, in 80 columns, and as a program does."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from task.contract.lights import Light
from task.preflight.lights import Check, worst

VERSION = 1
# A sign and a word besides the colour: not everybody sees red and green, nor prints in colour.
_SIGNS = {
    Light.GREEN: ("+", "ok", "green"),
    Light.YELLOW: ("!", "look", "yellow"),
    Light.RED: ("X", "STOP", "bold red"),
    Light.GREY: ("?", "open", "bright_black"),
}
_VERDICTS = {
    Light.GREEN: "ready",
    Light.YELLOW: "ready, but look at",
    Light.RED: "not ready for a patient",
}


def table(checks: Sequence[Check]) -> Group:
    """A traffic light for each check, what was found, what to do; the verdict below."""
    rows = Table(box=None, show_header=False, padding=(0, 1, 0, 0), pad_edge=False)
    rows.add_column(no_wrap=True)
    rows.add_column(no_wrap=True)
    rows.add_column(overflow="fold")
    for check in checks:
        sign, word, colour = _SIGNS[check.light]
        said = Text(check.found)
        if check.todo:
            said.append(f"\n-> {check.todo}", style="bold")
        rows.add_row(Text(f"{sign} {word}", style=colour), Text(check.name), said)
    return Group(rows, Text(""), verdict(checks))


def verdict(checks: Sequence[Check]) -> Text:
    """Whether a session may begin, what stands against it, and how many lights of each colour."""
    light = worst(checks)
    counts = {one: sum(check.light is one for check in checks) for one in Light}
    said = ", ".join(f"{number} {one.value}" for one, number in counts.items() if number)
    against = [c.name for c in checks if c.light is light] if light is not Light.GREEN else []
    names = f": {', '.join(against)}" if against else ""
    return Text(f"{_VERDICTS[light]}{names} ({said})", style=_SIGNS[light][2])


def document(
    checks: Sequence[Check],
    *,
    protocol: str,
    rig: str,
    software: Mapping[str, str],
    now: datetime,
    took_s: float,
) -> dict[str, Any]:
    """The same as JSON values, with versions and time."""
    return {
        "schema": VERSION,
        "time": now.isoformat(timespec="seconds"),
        "took_s": round(took_s, 2),
        "protocol": protocol,
        "rig": rig,
        "software": dict(software),
        "light": worst(checks).value,
        "checks": [
            {
                "name": check.name,
                "light": check.light.value,
                "found": check.found,
                "todo": check.todo,
                "essential": check.essential,
            }
            for check in checks
        ],
    }
