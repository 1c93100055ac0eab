"""What a person and what a program reads of a preflight."""

import json
from datetime import UTC, datetime
from io import StringIO

from rich.console import Console

from task.contract.lights import Light
from task.preflight.lights import Check
from task.preflight.table import document, table

CHECKS = [
    Check("display", Light.GREEN, "1280 x 800 px"),
    Check("refresh", Light.YELLOW, "virtual display", "take a screen of this machine"),
    Check(
        "sweep",
        Light.RED,
        "the recorder did not see 4 (line 3), 64 (line 7)",
        "check the cable from the trigger box to the recorder, pin by pin",
    ),
    Check("notifications", Light.GREY, "this cannot be known [here]", "look yourself"),
]


def printed(checks: list[Check]) -> list[str]:
    console = Console(file=StringIO(), width=80, highlight=False)
    console.print(table(checks))
    assert isinstance(console.file, StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_the_table_is_legible_without_colour_in_80_columns() -> None:
    assert printed(CHECKS) == [
        "+ ok   display       1280 x 800 px",
        "! look refresh       virtual display",
        "                     -> take a screen of this machine",
        "X STOP sweep         the recorder did not see 4 (line 3), 64 (line 7)",
        "                     -> check the cable from the trigger box to the recorder,",
        "                     pin by pin",
        "? open notifications this cannot be known [here]",
        "                     -> look yourself",
        "",
        "not ready for a patient: sweep (1 green, 1 yellow, 1 red, 1 grey)",
    ]


def test_the_last_line_is_the_verdict() -> None:
    assert printed(CHECKS[:2])[-1] == "ready, but look at: refresh (1 green, 1 yellow)"
    assert printed(CHECKS[:1])[-1] == "ready (1 green)"


def test_a_program_reads_the_same_rows_with_versions_and_time() -> None:
    now = datetime(2026, 3, 14, 9, 26, 53, 589793, tzinfo=UTC)
    made = document(
        CHECKS[1:3],
        protocol="screening_500",
        rig="ward",
        software={"imagery": "1.0"},
        now=now,
        took_s=3.14159,
    )
    assert json.loads(json.dumps(made)) == {
        "schema": 1,
        "time": "2026-03-14T09:26:53+00:00",
        "took_s": 3.14,
        "protocol": "screening_500",
        "rig": "ward",
        "software": {"imagery": "1.0"},
        "light": "red",
        "checks": [
            {
                "name": "refresh",
                "light": "yellow",
                "found": "virtual display",
                "todo": "take a screen of this machine",
                "essential": False,
            },
            {
                "name": "sweep",
                "light": "red",
                "found": "the recorder did not see 4 (line 3), 64 (line 7)",
                "todo": "check the cable from the trigger box to the recorder, pin by pin",
                "essential": False,
            },
        ],
    }
