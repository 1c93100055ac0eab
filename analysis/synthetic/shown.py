"""What a brain met, read from the trigger lines alone, with the plan of the session beside them.

When a period began and ended comes from the lines; which trial of the plan it was comes from the
presentation number on the lines.  A period whose number was lost, lies beyond the plan, or names a
trial of another kind, is counted, and nothing is guessed about it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.readers.plan import read_plan as read_plan
from task.contract.codes import Code, Label, read_labels

PERIODS = {
    "view": (Code.IMAGE_ON, Code.IMAGE_OFF),
    "encode": (Code.ENCODE_ON, Code.ENCODE_OFF),
    "imagine": (Code.IMAGERY_ON, Code.IMAGERY_OFF),
}
_KIND = {on: kind for kind, (on, _) in PERIODS.items()}
_FIRST_PAYLOAD = 128


@dataclass(frozen=True, slots=True)
class Shown:
    """Periods of viewing, encoding and imagining.

    Attributes
    ----------
    stimuli : `start_s`, `stop_s`, `kind`, `item`, `block` (blocks announced so far) of those known
    unknown : how many had no number that names a trial of their kind
    unfinished : how many have no end
    """

    stimuli: pd.DataFrame
    unknown: int
    unfinished: int


def trials_of(plan: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    """Kind and item of every trial; presentation n is the nth."""
    return [(t["kind"], t.get("item")) for block in plan["blocks"] for t in block["trials"]]


def changes(states: Iterable[tuple[float, int]]) -> list[tuple[float, int]]:
    """Times and states of the lines, without those that change nothing; the lines begin at rest."""
    kept, lines = [], 0
    for time_s, state in states:
        if state != lines:
            kept.append((time_s, state))
        lines = state
    return kept


def read_shown(edges: Sequence[tuple[float, int]], plan: Mapping[str, Any]) -> Shown:
    """Find the periods in the changes of the lines.

    Parameters
    ----------
    edges : times (s) and states of the eight lines, ascending, returns to rest included
    plan : as in `plan.json`: `codes` (name: value) and `blocks` with their `trials`
    """
    trials = trials_of(plan)
    code_of = {value: Code[name] for name, value in plan["codes"].items()}
    codes = [(t, code_of.get(v, v)) for t, v in edges if v in code_of or v >= _FIRST_PAYLOAD]
    rows: list[tuple[float, float, str, str, int]] = []
    block = unknown = unfinished = 0
    onset: Label | None = None
    for label in read_labels(code for _, code in codes):
        if label.code == Code.BLOCK_START:
            block += 1
        if label.code in _KIND:
            unfinished += onset is not None
            onset = label
        elif onset and label.code == PERIODS[_KIND[Code(onset.code)]][1]:
            kind = _KIND[Code(onset.code)]
            item = _item(trials, onset.presentation, kind)
            if item is None or label.presentation != onset.presentation:
                unknown += 1
            else:
                times = (codes[onset.position][0], codes[label.position][0])
                rows.append((*times, kind, item, block))
            onset = None
    unfinished += onset is not None
    columns = ["start_s", "stop_s", "kind", "item", "block"]
    return Shown(pd.DataFrame(rows, columns=columns), unknown, unfinished)


def _item(trials: Sequence[tuple[str, str | None]], number: int | None, kind: str) -> str | None:
    if number is None or not 1 <= number <= len(trials):
        return None
    planned, item = trials[number - 1]
    return item if planned == kind else None
