import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.synthetic.shown import changes, read_plan, read_shown
from task.contract.codes import CODE_TABLE, Code
from task.contract.errors import FileError

Edges = list[tuple[float, int]]


def rows(stimuli: pd.DataFrame) -> list[tuple[Any, ...]]:
    return list(stimuli.itertuples(index=False, name=None))


def test_a_whole_session_is_read_as_it_was_shown(small_session: Any) -> None:
    shown = read_shown(small_session.edges, small_session.plan)
    assert rows(shown.stimuli) == small_session.shown
    assert (shown.unknown, shown.unfinished) == (0, 0)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whichever_code_is_lost_nothing_is_reported_that_was_not_shown(
    data: st.DataObject, small_session: Any, edges: Callable[[Edges], Edges]
) -> None:
    pulses = list(small_session.pulses)
    del pulses[data.draw(st.integers(0, len(pulses) - 1))]
    found = [row[:4] for row in rows(read_shown(edges(pulses), small_session.plan).stimuli)]
    truth = [row[:4] for row in small_session.shown]
    assert set(found) <= set(truth)
    assert len(found) >= len(truth) - 3  # the number of the session is lost for one block at most


def test_a_period_whose_number_was_lost_is_counted_and_drives_nothing(
    small_session: Any, edges: Callable[[Edges], Edges]
) -> None:
    onset = [value for _, value in small_session.pulses].index(Code.IMAGE_ON)
    del small_session.pulses[onset + 1]  # TRIAL
    shown = read_shown(small_session.edges, small_session.plan)
    assert rows(shown.stimuli) == small_session.shown[1:]
    assert (shown.unknown, shown.unfinished) == (1, 0)


def test_a_period_without_an_end_is_counted_and_drives_nothing(small_session: Any) -> None:
    last = [value for _, value in small_session.pulses].index(Code.IMAGE_OFF)
    del small_session.pulses[last:]
    shown = read_shown(small_session.edges, small_session.plan)
    assert rows(shown.stimuli) == []
    assert (shown.unknown, shown.unfinished) == (0, 1)


def test_numbers_beyond_the_plan_are_counted_and_drive_nothing(small_session: Any) -> None:
    del small_session.blocks[-1]
    shown = read_shown(small_session.edges, small_session.plan)
    assert rows(shown.stimuli) == small_session.shown[:6]
    assert (shown.unknown, shown.unfinished) == (3, 0)


def test_a_number_that_names_a_trial_of_another_kind_drives_nothing(small_session: Any) -> None:
    small_session.blocks[0]["trials"][1]["kind"] = "encode"
    shown = read_shown(small_session.edges, small_session.plan)
    assert rows(shown.stimuli) == small_session.shown[:1] + small_session.shown[2:]
    assert (shown.unknown, shown.unfinished) == (1, 0)


def test_a_table_of_codes_of_the_lab_is_understood(
    session_with_codes: Callable[[dict[str, int]], Any],
) -> None:
    # 21 ends a picture here, and 23, which ends one elsewhere, starts a block.
    session = session_with_codes(CODE_TABLE | {"IMAGE_OFF": 21, "BLOCK_START": 23, "TRIAL": 1})
    assert rows(read_shown(session.edges, session.plan).stimuli) == session.shown


def test_values_that_are_in_no_table_are_passed_over(
    small_session: Any, edges: Callable[[Edges], Edges]
) -> None:
    sweep = [(0.1 * n, 1 << n) for n in range(8)]
    shown = read_shown(edges(sweep) + small_session.edges, small_session.plan)
    assert rows(shown.stimuli) == small_session.shown


def test_only_changes_of_the_lines_count_and_they_begin_at_rest() -> None:
    states = [(0.0, 0), (1.0, 20), (2.0, 20), (3.0, 23), (4.0, 0), (5.0, 0)]
    assert changes(states) == [(1.0, 20), (3.0, 23), (4.0, 0)]


def test_a_plan_is_read(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"schema": 1, "codes": {}, "blocks": []}))
    assert read_plan(path) == {"schema": 1, "codes": {}, "blocks": []}


@pytest.mark.parametrize(
    "text, said",
    [
        (None, "cannot be read: No such file or directory"),
        (
            "{",
            "is not JSON: Expecting property name enclosed in double quotes:"
            " line 1 column 2 (char 1)",
        ),
        ("[]", "schema: is not 1: no plan I can read"),
        ('{"schema": 2}', "schema: is not 1: no plan I can read"),
    ],
)
def test_what_is_no_plan_is_refused(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "plan.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(FileError) as refusal:
        read_plan(path)
    assert str(refusal.value) == f"{path}: {said}"
