"""A session that was cut short goes on where it was, by its own log, and counts as one."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task.contract.catalog import MANIFEST, read_catalog
from task.contract.errors import RigError, UserError
from task.contract.sessionlog import LOG_NAME, read_log
from task.flow import Position
from task.logwriter import LogWriter
from task.plan import Plan
from task.planning import plan_file
from task.present import present
from task.protocol import read_protocol
from task.recovery import going_on
from task.rig import Rig
from task.rigs.simulated import simulated_rig
from task.session import read_session, resume_session, run_session
from tests.task.staged import SCREENING, SESSION, TINY, PlanOf, header_of, staged

NOW = datetime.fromisoformat("2026-03-14T10:00:00+00:00")


def interrupted(plan: Plan, path: Path, flip: int) -> None:
    rig, _, _, _ = staged({flip: ["interrupt"]})
    header = replace(header_of(plan), started=(NOW - timedelta(seconds=50)).isoformat())
    present(plan, rig, LogWriter(path, header), SESSION)


@given(flip=st.integers(1, 2600))
def test_every_trial_is_shown_to_its_end_in_some_run(
    flip: int, plan_of: PlanOf, tmp_path_factory: pytest.TempPathFactory
) -> None:
    plan = plan_of(SCREENING)
    path = tmp_path_factory.mktemp("s") / LOG_NAME
    interrupted(plan, path, flip)
    log = read_log(path)
    assert log.ending
    if log.ending["how"] == "completed":  # nobody answered sooner than the session's end
        with pytest.raises(UserError, match="was shown to its end; there is nothing to resume"):
            going_on(plan, log, at_trial=False, now_s=5.0, now=NOW)
        return
    for at_trial in (False, True):
        going = going_on(plan, log, at_trial=at_trial, now_s=5.0, now=NOW)
        begun = [e for e in log.events if e.name == "PRESENTATION"]
        last = Position(begun[-1].detail["block"], begun[-1].detail["trial"]) if begun else None
        assert going.position.trial == 0 or at_trial
        if last:  # the trial on the screen comes again, or its block does, or the next block
            assert Position(last.block, 0) <= going.position <= Position(last.block + 1, 0)
            assert going.position <= last or going.position == (last.block + 1, 0)
        assert going.used == {e.presentation for e in begun}
        assert set(going.superseded) <= set(going.used)
    again = {e.presentation for e in begun if e.detail["block"] == going.position.block}
    whole = going_on(plan, log, at_trial=False, now_s=5.0, now=NOW)
    assert set(whole.superseded) == (
        again if whole.position.block == going.position.block else set()
    )


def test_the_log_counts_on_by_wall_time_and_never_back(plan_of: PlanOf, tmp_path: Path) -> None:
    plan = plan_of(TINY)
    interrupted(plan, tmp_path / LOG_NAME, 110)
    log = read_log(tmp_path)
    first_s, last_s = log.events[0].time_s, log.events[-1].time_s
    going = going_on(plan, log, at_trial=False, now_s=7.0, now=NOW)
    assert 7.0 + going.clock_offset_s == pytest.approx(first_s + 50)
    early = going_on(plan, log, at_trial=False, now_s=7.0, now=NOW - timedelta(hours=1))
    assert 7.0 + early.clock_offset_s == pytest.approx(last_s + 1)


@pytest.fixture
def begun(tmp_path: Path, pet_folder: Path) -> Callable[[Rig], Path]:
    """A session folder in which a screening was begun on a rig."""

    def made(rig: Rig) -> Path:
        path = tmp_path / "p.toml"
        path.write_text(f'schema = 1\nname = "x"\nstimuli = "pets"\n{SCREENING}')
        file = read_protocol(path)
        catalog = read_catalog(pet_folder)
        plan = plan_file(file, catalog, seed=3, refresh_hz=60.0, spacing_frames=2)
        folder = tmp_path / "session"
        folder.mkdir()
        run_session(
            folder, file, None, catalog, pet_folder / MANIFEST, plan, rig, subject="P1", session=5
        )  # fmt: skip
        return folder

    return made


def test_a_session_folder_is_all_that_is_needed_to_go_on(begun: Callable[[Rig], Path]) -> None:
    folder = begun(staged({800: ["interrupt"]})[0])
    rig, _, box, _ = staged()
    outcome = resume_session(folder, rig, at_trial=False, now_s=100.0)
    assert outcome.how == "completed"
    plan, log = read_session(folder)
    places = [
        (e.detail["block"], e.detail["trial"]) for e in log.events if e.name == "PRESENTATION"
    ]
    assert set(places) == {
        (b, t) for b, block in enumerate(plan.blocks) for t in range(len(block.trials))
    }
    numbers = [e.presentation for e in log.events if e.name == "PRESENTATION"]
    assert len(set(numbers)) == len(numbers)
    later = [e.code for e in log.events if e.code is not None][
        -len([v for _, v in box.edges if v]) :
    ]
    assert later == [v for _, v in box.edges if v]


def test_a_session_can_be_resumed_again_and_again(begun: Callable[[Rig], Path]) -> None:
    folder = begun(staged({500: ["interrupt"]})[0])
    for flip in (400, 300, 350):
        rig = staged({flip: ["interrupt"]})[0]
        assert resume_session(folder, rig, at_trial=True, now_s=100.0).how == "interrupted"
    assert resume_session(folder, staged()[0], at_trial=True, now_s=100.0).how == "completed"
    names = [e.name for e in read_log(folder).events]
    assert (names.count("RUN"), names.count("ENDED")) == (5, 4)


def test_a_display_of_another_rate_is_refused_and_nothing_is_written(
    begun: Callable[[Rig], Path],
) -> None:
    folder = begun(staged({500: ["interrupt"]})[0])
    before = (folder / LOG_NAME).read_bytes()
    rig = simulated_rig(120.0, pulse_s=0.005, gap_s=0.005, seed=1)
    with pytest.raises(RigError, match="the display runs at 120.00 Hz, the plan is for 60 Hz"):
        resume_session(folder, rig, at_trial=False, now_s=0.0)
    assert (folder / LOG_NAME).read_bytes() == before


def test_a_plan_that_is_not_the_sessions_is_refused(begun: Callable[[Rig], Path]) -> None:
    folder = begun(staged({500: ["interrupt"]})[0])
    plan = folder / "plan.json"
    plan.write_text(plan.read_text(encoding="utf-8").replace('"seed":3', '"seed":4'))
    with pytest.raises(UserError, match="is not the plan that this session was shown by"):
        read_session(folder)
    plan.write_text("{}")
    with pytest.raises(UserError, match="plan.json: is damaged: 'schema'"):
        read_session(folder)
    plan.unlink()
    with pytest.raises(UserError, match="plan.json: cannot be read: No such file"):
        read_session(folder)


def test_a_log_without_events_begins_at_the_beginning(plan_of: PlanOf, tmp_path: Path) -> None:
    plan = plan_of(TINY)
    log = LogWriter(tmp_path / LOG_NAME, header_of(plan))
    log.end({})
    going = going_on(plan, read_log(tmp_path), at_trial=False, now_s=9.0, now=NOW)
    assert (going.position, going.used, going.clock_offset_s) == ((0, 0), frozenset(), 0.0)
